//! Studies of several files: what wins, where values come from, and what does not matter.

use isoflop_plan::{FileError, Files, Listed, Memory, Options, Plan, VariableKind, plan};

use crate::catalog::catalog;

fn files(texts: &[(&str, &str)]) -> Memory {
    Memory(texts.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect())
}

fn planned(texts: &[(&str, &str)], options: &Options) -> Plan {
    plan(&files(texts), "study.yaml", &catalog(), options).unwrap_or_else(|findings| panic!("{findings}"))
}

fn refused(files: &dyn Files) -> String {
    plan(files, "study.yaml", &catalog(), &Options::default()).expect_err("the study is broken").to_string()
}

const STUDY: &str = "\
study: parts
include: [parts/recipe.yaml, parts/more.yaml]
params: { steps: 20 }
tasks:
  scenes: { kind: make-scenes, with: { images: \"{{ images }}\" } }
  train: { use: trained, args: { data: scenes } }
";
const RECIPE: &str = "\
include: [../shared/base.yaml]
params: { steps: 600, width: 16 }
profiles: { smoke: { width: 24 } }
templates:
  trained:
    args: [data]
    tasks:
      model:
        kind: train-denoiser
        needs: { data: \"{{ data }}\" }
        with: { backbone: { width: \"{{ width }}\" }, steps: \"{{ steps }}\", rate: \"{{ rate }}\" }
";
const MORE: &str = "include: [../shared/base.yaml]\nprofiles: { smoke: { images: 4 } }\n";
const BASE: &str =
    "params: { steps: 1, images: 8, width: 8, rate: 0.5 }\nprofiles: { smoke: { width: 32, steps: 2 } }\n";

const PARTS: [(&str, &str); 4] =
    [("study.yaml", STUDY), ("parts/recipe.yaml", RECIPE), ("parts/more.yaml", MORE), ("shared/base.yaml", BASE)];

#[test]
fn the_including_file_wins_and_origins_are_kept() {
    let values = |options: &Options| {
        let plan = planned(&PARTS, options);
        let spec = &plan.get("train.model").unwrap().recipe.spec;
        let images = &plan.get("scenes").unwrap().recipe.spec["images"];
        let of = |name: &str| {
            let variable = &plan.study.param_origins[name];
            let origin = variable.origin.as_ref().map_or("a flag".to_owned(), ToString::to_string);
            (variable.what.clone(), origin)
        };
        let origins = [of("steps"), of("width"), of("images"), of("rate")];
        (spec["steps"].as_u64(), spec["backbone"]["width"].as_u64(), images.as_u64(), origins)
    };
    let param = |origin: &str| (VariableKind::Param, origin.to_owned());
    let smoke = |origin: &str| (VariableKind::Profile("smoke".into()), origin.to_owned());
    let (base, width) = (param("shared/base.yaml:1:29"), param("parts/recipe.yaml:2:30"));
    let rate = param("shared/base.yaml:1:48");
    assert_eq!(
        values(&Options::default()),
        (Some(20), Some(16), Some(8), [param("study.yaml:3:18"), width.clone(), base, rate.clone()])
    );
    let mut options = Options { profile: Some("smoke".into()), ..Options::default() };
    assert_eq!(
        values(&options),
        (
            Some(2),
            Some(24),
            Some(4),
            [
                smoke("shared/base.yaml:2:40"),
                smoke("parts/recipe.yaml:3:29"),
                smoke("parts/more.yaml:2:30"),
                rate.clone()
            ]
        )
    );
    options.params.insert("rate".into(), "1".into());
    assert_eq!(values(&options).3[3], (VariableKind::Flag, "a flag".into()));
}

/// Where a value is written never matters, only what it is.
#[test]
fn moving_text_between_files_changes_no_key() {
    let one = "\
study: parts
params: { steps: 20, images: 8, width: 16, rate: 0.5 }
templates:
  # Trains one model.
  trained:
    about: One model.
    args: [data]   # what it learns from
    tasks:
      model:
        kind: train-denoiser
        needs: { data: \"{{ data }}\" }
        with: { backbone: { width: \"{{ width }}\" }, steps: \"{{ steps }}\", rate: \"{{ rate }}\" }
tasks:
  train:
    use: trained
    args:
      data: scenes
  scenes: { kind: make-scenes, with: { images: \"{{ images }}\" } }
";
    let (parts, whole) = (planned(&PARTS, &Options::default()), planned(&[("study.yaml", one)], &Options::default()));
    assert_eq!(parts.digest(), whole.digest());
    assert_eq!(parts.study.params, whole.study.params);
}

#[test]
fn paths_are_relative_to_the_file_that_includes() {
    let moved: Vec<(String, &str)> = PARTS.iter().map(|(path, text)| (format!("studies/x/{path}"), *text)).collect();
    let moved: Vec<(&str, &str)> = moved.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let plan = plan(&files(&moved), "studies/x/study.yaml", &catalog(), &Options::default()).expect("it is sound");
    assert_eq!(plan.study.param_origins["rate"].origin.as_ref().unwrap().file, "studies/x/shared/base.yaml");
    assert_eq!(plan.digest(), planned(&PARTS, &Options::default()).digest());
}

/// Files that are said to be huge, and whose bytes nobody may ask for.
struct Huge;

impl Files for Huge {
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, FileError> {
        const SIZE: u64 = 200 << 20;
        match path {
            "study.yaml" => {
                Ok(b"study: huge\ninclude: parts/huge.yaml\ntasks: { a: { kind: make-scenes, with: { images: 8 } } }\n"
                    .to_vec())
            }
            _ if (limit as u64) < SIZE => Err(FileError::TooLarge(SIZE)),
            _ => panic!("nothing may ask for {limit} bytes"),
        }
    }

    fn stamp(&self, _: &str) -> Result<isoflop_contract::manifest::File, FileError> {
        panic!("nothing here has to be stamped")
    }

    fn list(&self, _: &str) -> Result<Vec<Listed>, FileError> {
        Err(FileError::Missing)
    }
}

#[test]
fn two_hundred_megabytes_are_refused_unread() {
    assert_eq!(
        refused(&Huge),
        "study.yaml:2:10: `parts/huge.yaml` has 209715200 bytes after 94 bytes of others; the files of a study may have 8388608 together"
    );
    let study = plan(&Huge, "other.yaml", &catalog(), &Options::default()).expect_err("too large").to_string();
    assert_eq!(study, "other.yaml:1:1: the file has 209715200 bytes; a study may have 8388608");
}

#[test]
fn all_files_together_are_bounded() {
    let tasks = "tasks: { a: { kind: make-scenes, with: { images: 8 } } }\n";
    let mut many = Memory::default();
    let list: Vec<String> = (0..100).map(|n| format!("p{n}.yaml")).collect();
    many.0.insert("study.yaml".into(), format!("study: many\ninclude: [{}]\n{tasks}", list.join(", ")).into_bytes());
    for path in &list {
        many.0.insert(path.clone(), b"params: {}\n".to_vec());
    }
    let said = refused(&many);
    assert!(said.ends_with("the study has more than 64 files") && said.lines().count() == 1, "{said}");

    // Each of them is below the limit of values, and so is the depth of each; together they are not.
    let mut values = Memory::default();
    values.0.insert("study.yaml".into(), format!("study: many\ninclude: [a.yaml, b.yaml]\n{tasks}").into_bytes());
    for name in ["a", "b"] {
        let text = format!("params: {{ {name}: [{}] }}\n", "0,".repeat(300_000));
        values.0.insert(format!("{name}.yaml"), text.into_bytes());
    }
    assert!(refused(&values).contains("the study has more than 500000 values"), "{}", refused(&values));

    let mut deep = Memory::default();
    deep.0.insert("study.yaml".into(), format!("study: deep\ninclude: [1.yaml]\n{tasks}").into_bytes());
    for n in 1..100 {
        deep.0.insert(format!("{n}.yaml"), format!("include: [{}.yaml]\n", n + 1).into_bytes());
    }
    let said = refused(&deep);
    assert!(said.starts_with("63.yaml:1:11: the study has more than 64 files; included at 62.yaml:1:11"), "{said}");
}

#[test]
fn the_way_to_a_place_is_json() {
    let broken = RECIPE.replace("backbone:", "bakcbone:");
    let texts = [PARTS[0], ("parts/recipe.yaml", broken.as_str()), PARTS[2], PARTS[3]];
    let findings = plan(&files(&texts), "study.yaml", &catalog(), &Options::default()).expect_err("broken");
    let json = findings.to_json();
    assert_eq!(
        json[0]["through"],
        serde_json::json!([
            {"what": "included", "file": "study.yaml", "line": 2, "column": 11},
            {"what": "in the template `trained`, used by `train`", "file": "study.yaml", "line": 6, "column": 17}
        ]),
        "{json}"
    );
}
