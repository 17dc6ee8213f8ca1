//! Any bytes to a plan: an answer, never a panic, in bounded time and memory. A line `--- NAME` begins another file, so that includes are met.
#![no_main]

use std::{collections::BTreeMap, sync::LazyLock};

use isoflop_plan::{Drawing, Memory, Options, plan};
use libfuzzer_sys::fuzz_target;

static CATALOG: LazyLock<isoflop_contract::Catalog> = LazyLock::new(isoflop_kinds::catalog::catalog);

fuzz_target!(|bytes: &[u8]| {
    match plan(&files(bytes), "study.yaml", &CATALOG, &Options::default()) {
        Ok(plan) => {
            for task in plan.tasks() {
                assert!(plan.get(&task.name).is_some());
            }
        }
        Err(findings) => {
            assert!(!findings.is_empty());
            findings.render(100, Drawing::Unicode);
            findings.to_json();
        }
    }
});

/// `study.yaml`, and the files after it.
fn files(bytes: &[u8]) -> Memory {
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::from([("study.yaml".to_owned(), Vec::new())]);
    let mut name = "study.yaml".to_owned();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_prefix(b"--- ").and_then(|name| std::str::from_utf8(name).ok()) {
            Some(next) if files.len() < 8 => next.trim().clone_into(&mut name),
            _ => files.entry(name.clone()).or_default().extend(line),
        }
    }
    Memory(files)
}
