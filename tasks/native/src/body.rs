//! The list of all native bodies, one line each; the kinds' contracts are in `tasks/kinds`.

mod command;
mod count_model;
mod describe_data;
mod fit_allocation;
mod fit_scaling;
mod import_images;
mod make_scenes;
mod read_questions;
mod read_table;
mod split_pictures;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use isoflop_worker::Body;

/// Every body of this crate.
pub fn bodies() -> Vec<Body> {
    vec![
        Body::of(make_scenes::run),
        Body::of(import_images::run),
        Body::of(split_pictures::run),
        Body::of(describe_data::run),
        Body::of(read_table::run),
        Body::of(read_questions::run),
        Body::of(fit_scaling::run),
        Body::of(fit_allocation::run),
        Body::of(command::run),
        Body::of(count_model::run),
    ]
}

/// The one file somewhere under `folder`.
fn only_file(folder: &Path) -> io::Result<PathBuf> {
    let mut folder = folder.to_owned();
    loop {
        let entry = fs::read_dir(&folder)?.next().ok_or_else(|| io::Error::other("there is no file"))??;
        if !entry.file_type()?.is_dir() {
            return Ok(entry.path());
        }
        folder = entry.path();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use isoflop_contract::Runtime;
    use isoflop_kinds::catalog::catalog;

    use super::*;

    #[test]
    fn every_native_kind_has_a_body_a_doc_line_and_an_example() {
        let bodies: BTreeMap<&str, u32> = bodies().iter().map(|body| (body.kind(), body.revision())).collect();
        let kinds: BTreeMap<&str, u32> = catalog()
            .iter()
            .filter(|kind| kind.runtime == Runtime::Native)
            .map(|kind| {
                assert!(kind.about.ends_with('.') && !kind.about.contains('\n'), "{} lacks a doc line", kind.name);
                assert!(kind.example.contains(": ") && kind.example.ends_with('\n'), "{} lacks an example", kind.name);
                (kind.name, kind.revision)
            })
            .collect();
        assert_eq!(bodies, kinds);
        assert!(!kinds.is_empty());
    }
}
