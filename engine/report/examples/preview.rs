//! Writes the report of a made-up study to `report.html` in the folder given (or here), and its figures as SVG documents, to be looked at.

#[path = "../tests/it/noise.rs"]
mod noise;
#[path = "../tests/it/synthetic.rs"]
mod synthetic;

use std::{collections::BTreeMap, env, fs, io, path::PathBuf};

use isoflop_report::{Width, claims::judge_all, figures, fit::Fit, page::page, to_svg_document};

fn main() -> io::Result<()> {
    let folder = env::args().nth(1).map_or_else(PathBuf::new, PathBuf::from);
    let facts = synthetic::facts();
    let claims = judge_all(&synthetic::claims(), &facts);
    let text = r#"{"environment":{"runtime":"native"},"format":1,"kind":"example"}"#;
    let recipes: BTreeMap<&str, &str> = facts.tasks.iter().map(|task| (task.name.as_str(), text)).collect();
    fs::write(folder.join("report.html"), page(&facts, &claims, recipes))?;
    let index = facts.index();
    for (name, document) in &facts.fits {
        let task = index.task(name).ok_or_else(|| io::Error::other("a fit without its task"))?;
        let fit = Fit::read(document).map_err(io::Error::other)?;
        fs::write(
            folder.join(format!("{name}.svg")),
            to_svg_document(&figures::law(&index, task, &fit, name), Width::Double),
        )?;
    }
    Ok(())
}
