//! Studies to begin with. To add one: a folder beside this file with its files, and an entry in [`TEMPLATES`]; a test writes and checks each.

use clap::builder::PossibleValuesParser;

/// A study to begin with.
#[derive(Debug)]
pub struct Template {
    /// Its name, as in `--template`; its study is called the same until it gets its folder's name.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub about: &'static str,
    /// Its files, by path in the new folder.
    pub files: &'static [(&'static str, &'static str)],
}

/// All of them, the usual one first.
pub const TEMPLATES: &[Template] = &[Template {
    name: "denoiser",
    about: "Text-to-image denoisers of three sizes at three budgets, and the law that their losses follow.",
    files: &[
        ("study.yaml", include_str!("init/denoiser/study.yaml")),
        ("README.md", include_str!("init/denoiser/README.md")),
        (".gitignore", include_str!("init/denoiser/gitignore")),
    ],
}];

/// Their names, for the command line.
pub fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(
        TEMPLATES.iter().map(|template| clap::builder::PossibleValue::new(template.name).help(template.about)),
    )
}

/// The template `name`.
pub fn template(name: &str) -> Option<&'static Template> {
    TEMPLATES.iter().find(|template| template.name == name)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use isoflop_kinds::catalog::catalog;

    use super::*;
    use crate::{args::SetArgs, project};

    /// A template that does not plan would greet a new user with a mistake.
    #[test]
    fn every_template_is_a_study_without_mistakes() {
        for template in TEMPLATES {
            let folder = tempfile::tempdir().unwrap();
            for (path, text) in template.files {
                let path = folder.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            for profile in [None, Some("smoke".to_owned())] {
                let set = SetArgs { profile, ..SetArgs::default() };
                let plan = project::plan_at(folder.path(), &set, &catalog())
                    .unwrap_or_else(|stop| panic!("{}: {stop}: {stop:?}", template.name));
                assert!(plan.tasks().len() > 3 && !plan.claims.is_empty());
                assert_eq!(plan.study.name, template.name);
            }
            let study = template.files.iter().find(|(path, _)| *path == project::FILE).expect("a study").1;
            assert!(study.starts_with("# yaml-language-server: $schema=study.schema.json\n"), "{}", template.name);
            for name in ["README.md", ".gitignore"] {
                assert!(template.files.iter().any(|(path, _)| *path == name), "{} has no {name}", template.name);
            }
        }
    }
}
