//! Files of a study: named, found, hashed by content.

use std::{cell::RefCell, collections::BTreeMap};

use isoflop_contract::{Digest, manifest::File};
use isoflop_plan::{FileError, Files, Listed, Memory, Options, Plan, Task, plan};

use crate::catalog::catalog;

/// The files that lie beside each study of these tests.
pub fn beside(mut memory: Memory) -> Memory {
    let files = [
        ("train.py", "import lib.model"),
        ("lib/model.py", "width = 8"),
        ("lib/data.py", "rows = 8"),
        ("lib/.cache/model.py", "stale"),
        ("lib/__pycache__/model.pyc", "compiled"),
        ("data/train.csv", "1,2"),
        ("data/test.csv", "3,4"),
    ];
    memory.0.extend(files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())));
    memory
}

fn planned_in(memory: &Memory) -> Plan {
    plan(memory, "study.yaml", &catalog(), &Options::default()).unwrap_or_else(|findings| panic!("{findings}"))
}

fn study(tasks: &str) -> Memory {
    beside(Memory::single("study.yaml", format!("study: s\nseed: 1\ntasks:\n{tasks}")))
}

fn task<'p>(plan: &'p Plan, name: &str) -> &'p Task {
    &plan.tasks()[plan.index_of(name).expect(name)]
}

fn keys(plan: &Plan) -> BTreeMap<String, String> {
    plan.tasks().iter().map(|task| (task.name.clone(), task.key.to_string())).collect()
}

const TASKS: &str = "
  train: { kind: script, files: { data: \"data/*.csv\" }, with: { makes: scores, code: [train.py, \"lib/**\"] } }
  other: { kind: script, with: { makes: scores, code: [lib/data.py] } }
  plain: { kind: script, with: { makes: scores } }
";

#[test]
fn files_count_by_their_bytes_and_their_paths() {
    let plan = planned_in(&study(TASKS));
    let train = task(&plan, "train");
    let names = |set: &str| train.files[set].manifest.files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names("code"), ["lib/data.py", "lib/model.py", "train.py"]);
    assert_eq!(names("data"), ["data/test.csv", "data/train.csv"], "paths are as they are written");
    assert_eq!(train.files["code"].manifest.files["train.py"].digest, Digest::of("import lib.model"));
    assert_eq!(train.recipe.files["code"], train.files["code"].manifest.digest().unwrap());
    assert_eq!(train.files["data"].paths["data/test.csv"], "data/test.csv");
    assert!(!task(&plan, "plain").recipe_text.contains("files"), "no files, no member");
    assert!(!train.recipe_text.contains("**"), "the spelling of code is no part of the recipe");

    // One file changes: the tasks that read it get other keys, and no others.
    let before = keys(&plan);
    let changed = |path: &str, text: &str| {
        let mut memory = study(TASKS);
        memory.0.insert(path.to_owned(), text.as_bytes().to_vec());
        let after = keys(&planned_in(&memory));
        before.keys().filter(|name| before[*name] != after[*name]).cloned().collect::<Vec<_>>()
    };
    assert_eq!(changed("lib/model.py", "width = 16"), ["train"]);
    assert_eq!(changed("lib/data.py", "rows = 9"), ["other", "train"]);
    assert_eq!(changed("lib/new.py", ""), ["train"]);
    assert_eq!(changed("lib/.cache/model.py", "fresh"), [""; 0]);
    assert_eq!(changed("lib/__pycache__/model.pyc", "again"), [""; 0]);
    assert_eq!(changed("notes.txt", ""), [""; 0]);

    // Spelling does not count, and neither does where the study lies.
    let respelt = TASKS.replace("[train.py, \"lib/**\"]", "[\"lib/[dm]*.py\", ./train.py, lib/../lib/model.py]");
    assert_eq!(keys(&planned_in(&study(&respelt))), before);
    let moved = Memory(study(TASKS).0.into_iter().map(|(path, bytes)| (format!("deep/er/{path}"), bytes)).collect());
    let plan = plan_at(&moved, "deep/er/study.yaml");
    assert_eq!(keys(&plan), before);
    assert_eq!(task(&plan, "train").files["code"].paths["train.py"], "deep/er/train.py");
}

fn plan_at(files: &dyn Files, path: &str) -> Plan {
    plan(files, path, &catalog(), &Options::default()).unwrap_or_else(|findings| panic!("{findings}"))
}

#[test]
fn each_cell_may_read_other_files() {
    let plan = planned_in(&study(
        "
  score:
    matrix: { split: [train, test], seed: [0, 1] }
    kind: script
    files: { table: \"data/{{ split }}.csv\" }
    with: { makes: scores, reads: [table] }
",
    ));
    let table = |name: &str| task(&plan, name).recipe.files["table"];
    assert_ne!(table("score[split=train,seed=0]"), table("score[split=test,seed=0]"));
    assert_eq!(table("score[split=test,seed=0]"), table("score[split=test,seed=1]"));
}

#[test]
fn a_spec_may_say_that_no_seed_is_used() {
    let plan = planned_in(&study(
        "
  a: { kind: script, with: { makes: scores } }
  b: { kind: script, with: { makes: scores } }
  c: { kind: script, with: { makes: scores, draws: true } }
",
    ));
    let key = |name: &str| task(&plan, name).key;
    assert_eq!(key("a"), key("b"), "without a seed, the name counts for nothing");
    assert!(task(&plan, "c").recipe.seed.is_some());
}

#[test]
fn an_open_kind_takes_any_port_and_its_shape_is_known_by_its_spec() {
    let plan = planned_in(&study(
        "
  scenes: { kind: script, with: { makes: scenes } }
  model: { kind: train-denoiser, needs: { data: scenes }, with: { backbone: { width: 8 }, steps: 1 } }
  all:
    kind: script
    needs: { model: model, drawn: scenes }
    gather: { points: model }
    with: { makes: scores, reads: [model, drawn, points] }
  law: { kind: fit-scaling, gather: { points: all }, with: { x: a, y: b } }
",
    ));
    assert_eq!(task(&plan, "all").needs.len(), 3);
    assert_eq!(task(&plan, "scenes").makes, "scenes");
}

/// Counts how often each file is hashed, and refuses some.
struct Counting {
    memory: Memory,
    stamps: RefCell<BTreeMap<String, usize>>,
}

impl Files for Counting {
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, FileError> {
        self.memory.read(path, limit)
    }

    fn stamp(&self, path: &str) -> Result<File, FileError> {
        *self.stamps.borrow_mut().entry(path.to_owned()).or_default() += 1;
        if path.ends_with("secret") {
            return Err(FileError::Other("permission denied".to_owned()));
        }
        self.memory.stamp(path)
    }

    fn list(&self, path: &str) -> Result<Vec<Listed>, FileError> {
        self.memory.list(path)
    }
}

#[test]
fn each_file_is_hashed_once_a_plan() {
    let tasks = "
  a: { matrix: { n: [1, 2, 3] }, kind: script, with: { makes: \"m{{ n }}\", code: [train.py, \"lib/*.py\"] } }
  b: { kind: script, files: { x: [train.py, \"*.py\"] }, with: { makes: x } }
";
    let files = Counting { memory: study(tasks), stamps: RefCell::default() };
    plan_at(&files, "study.yaml");
    let stamps = files.stamps.into_inner();
    assert_eq!(stamps.keys().collect::<Vec<_>>(), ["lib/data.py", "lib/model.py", "train.py"]);
    assert!(stamps.values().all(|times| *times == 1), "{stamps:?}");
}

fn refused(files: &dyn Files) -> String {
    plan(files, "study.yaml", &catalog(), &Options::default()).expect_err("the study is broken").to_string()
}

#[test]
fn what_the_system_says_of_a_file_is_told_at_its_place() {
    let mut memory = study("  a: { kind: script, files: { x: \"sec*\", y: secret }, with: { makes: x } }\n");
    memory.0.insert("secret".to_owned(), Vec::new());
    let files = Counting { memory, stamps: RefCell::default() };
    assert_eq!(
        refused(&files),
        "study.yaml:4:34: `secret` cannot be read: permission denied\nstudy.yaml:4:45: `secret` cannot be read: permission denied"
    );
}

/// Wrong fields say nothing of files: what is wrong with either is said at once.
#[test]
fn what_is_wrong_with_files_is_said_beside_what_is_wrong_with_fields() {
    let files = "x: \"data/*.csvv\", y: ../up.csv, z: \"{{ nope }}\"";
    let said = refused(&study(&format!(
        "  a: {{ kind: script, files: {{ {files} }}, with: {{ makes: 3, draws: 1, code: [trian.py] }} }}\n"
    )));
    for expected in [
        "`makes` of kind `script`: must be a text",
        "`draws` of kind `script`: must be true or false",
        "`data/*.csvv` matches no file",
        "`../up.csv` leaves the study's folder",
        "`nope` is not defined",
        "has no file `trian.py`; did you mean `train.py`?",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert_eq!(said.lines().count(), 6, "{said}");

    // A `with:` that has no value as a whole still names its files, and one file set that has none leaves the others.
    let said = refused(&study(
        "  a: { matrix: { n: [1, 2] }, kind: script, with: { makes: \"m{{ 1 // (n - 1) }}\", code: trian.py } }\n",
    ));
    assert!(!said.contains("trian.py`"), "this kind takes a list, which is a mistake of its own: {said}");
    let said = refused(&study(
        "  a: { matrix: { n: [1, 2] }, kind: script, files: { x: \"d{{ 1 // (n - 1) }}\", y: nowhere }, with: { makes: x, code: [trian.py] } }\n",
    ));
    assert!(said.contains("`nowhere`") && said.contains("`trian.py`"), "{said}");

    // What is no field of the kind names no files.
    let said = refused(&study("  a: { kind: make-scenes, with: { images: 8, code: [trian.py] } }\n"));
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn files_whose_names_no_store_can_have_are_refused() {
    let mut memory = study("  a: { kind: script, with: { makes: x, code: [train.py, \"odd/*\"] } }\n");
    memory.0.insert("odd/a\nb.py".to_owned(), Vec::new());
    assert_eq!(
        refused(&memory),
        "study.yaml:4:57: the name of `odd/a\\nb.py`, which `odd/*` matches, has a character that names in a store cannot \
         have; rename the file, or name files so that it is left out"
    );
}

#[test]
fn more_files_than_anybody_means_are_refused() {
    let mut memory = study("  a: { kind: script, files: { x: \"many/**\" }, with: { makes: x } }\n");
    memory.0.extend((0..10_001).map(|n| (format!("many/{n}"), Vec::new())));
    assert_eq!(
        refused(&memory),
        "study.yaml:4:34: these are 10001 files; one name may stand for 10000; put them into one archive"
    );
}
