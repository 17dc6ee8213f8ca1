//! The examples of the documentation are true: every fenced block that begins a study is planned with the real catalog.

use std::{collections::BTreeMap, fs, path::Path};

use isoflop_kinds::catalog::catalog;
use isoflop_plan::{Memory, Options, plan};

#[test]
fn every_example_of_the_language_page_plans() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/language.md");
    let studies = studies(&fs::read_to_string(page).expect("the page"));
    assert!(studies.len() >= 4, "{} studies", studies.len());
    for (line, files) in studies {
        let planned = plan(&Memory(files), "study.yaml", &catalog(), &Options::default());
        planned.unwrap_or_else(|findings| panic!("docs/language.md, the block at line {line}:\n{findings}"));
    }
}

/// The blocks that begin with `study:`, each with the files of the blocks after it that begin with `# NAME.yaml`.
fn studies(page: &str) -> Vec<(usize, BTreeMap<String, Vec<u8>>)> {
    let mut studies: Vec<(usize, BTreeMap<String, Vec<u8>>)> = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in page.lines().enumerate() {
        match (&mut open, line) {
            (None, "```yaml") => open = Some((number + 1, String::new())),
            (Some(_), "```") => {
                let (start, text) = open.take().expect("a block is open");
                let name = text
                    .lines()
                    .next()
                    .and_then(|first| first.strip_prefix("# "))
                    .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "yaml"));
                match (name, studies.last_mut()) {
                    (Some(name), Some((_, files))) => drop(files.insert(name.to_owned(), text.clone().into_bytes())),
                    _ if text.starts_with("study:") => {
                        studies.push((start, BTreeMap::from([("study.yaml".to_owned(), text.into_bytes())])));
                    }
                    _ => {}
                }
            }
            (Some((_, text)), line) => {
                text.push_str(line);
                text.push('\n');
            }
            _ => {}
        }
    }
    studies
}
