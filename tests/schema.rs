//! The JSON Schema of studies: it takes every study we ship, refuses what is broken, and is committed as it is printed.

use std::fs;

use isoflop_contract::Value;
use isoflop_kinds::catalog::catalog;
use isoflop_plan::read_value;
use jsonschema::Validator;
use serde_json::json;

use crate::committed::{held, root, studies};

fn validator() -> Validator {
    let schema = isoflop_plan::schema::study(&catalog());
    jsonschema::meta::validate(&schema).expect("the schema is a schema");
    jsonschema::draft202012::new(&schema).expect("the schema can be used")
}

/// YAML to a value, templates left as the texts they are.
fn value(text: &str) -> Value {
    // Reading plain YAML refuses templates; the braces of one mean nothing else, so they are put back afterwards.
    let mut value = read_value(&text.replace("{{", "⟪").replace("}}", "⟫")).unwrap_or_else(|f| panic!("{f}"));
    restore(&mut value);
    value
}

fn restore(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.replace("⟪", "{{").replace("⟫", "}}"),
        Value::Array(items) => items.iter_mut().for_each(restore),
        Value::Object(members) => members.values_mut().for_each(restore),
        _ => {}
    }
}

fn complaints(validator: &Validator, study: &Value) -> Vec<String> {
    validator.iter_errors(study).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn the_committed_schema_is_what_schema_study_prints() {
    let schema = serde_json::to_string_pretty(&isoflop_plan::schema::study(&catalog())).expect("a JSON value");
    held("studies/study.schema.json", &(schema + "\n"));
}

#[test]
fn every_study_that_is_shipped_is_taken() {
    let validator = validator();
    let mut files = studies();
    for folder in ["engine/cli/src/init", "tests/fixtures"] {
        for entry in fs::read_dir(root().join(folder)).expect("the workspace can be listed") {
            let path = entry.expect("the workspace can be listed").path();
            let study = if path.is_dir() { path.join("study.yaml") } else { path };
            if study.extension().is_some_and(|extension| extension == "yaml") && study.is_file() {
                files.push(study);
            }
        }
    }
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let text = fs::read_to_string(&file).expect("a study is text");
        assert_eq!(complaints(&validator, &value(&text)), Vec::<String>::new(), "{}", file.display());
    }
}

#[test]
fn studies_begin_with_the_schema_for_editors() {
    for file in studies() {
        let text = fs::read_to_string(&file).expect("a study is text");
        let line = text.lines().next().unwrap_or_default();
        let wanted = "# yaml-language-server: $schema=../study.schema.json";
        assert_eq!(line, wanted, "{}", file.display());
    }
}

#[test]
fn the_whole_language_is_taken() {
    let text = r#"
study: everything
about: All words of the language.
seed: 17
include: [parts/recipe.yaml, ../shared.yaml]
params: { steps: 600, rates: [1e-3, 2e-3], device: cpu, models: { s: { width: 8 } } }
profiles: { smoke: { steps: 2 }, paper: {} }
environment: { threads: 2, isa: "{{ device }}" }
templates:
  scored:
    about: Images and their scores.
    args: [model, data, { guidance: 7.5 }]
    tasks:
      samples: { kind: sample-images, needs: { model: "{{ model }}", prompts: "{{ data }}" }, with: { count: 8, guidance: "{{ guidance }}" } }
      scores: { kind: score-alignment, needs: { images: samples, prompts: "{{ data }}", vqa: judge } }
tasks:
  scenes: { kind: make-scenes, with: { images: 64, captions: "{{ 'dense' }}", groups: { min: 1, max: "{{ 2 }}" }, shapes: "{{ ['star'] }}" } }
  judge: { kind: train-vqa, needs: { data: scenes, heldout: scenes }, with: { steps: 3, batch: 4 } }
  train:
    about: All of them.
    matrix:
      variant: [{ as: td2, depth: 2 }, td4, 3]
      width: { linspace: [64, 128, 3], round_to: 8 }
      budget: { geomspace: [1e17, "{{ top }}", 5] }
      seed: { range: [0, 4, 1] }
      rate: "{{ rates }}"
      depth: "{{ width // 32 }}"
      zip: [{ a: [1, 2], b: [3, 4] }, { c: [1], d: "{{ [2] }}" }]
      exclude: [{ variant: td4, seed: 2 }]
      include: [{ variant: td4, seed: 9 }]
      where: "{{ width > 64 }}"
    when: "{{ steps > 3 }}"
    let: { net: { patch: 2 }, n: "{{ steps }}" }
    kind: train-denoiser
    needs: { data: scenes, heldout: "scenes[k={{ n }}]" }
    with: "{{ net }}"
    on: { cpus: "{{ n }}", gpus: 1, memory: 8GiB, time: "{{ n }}h" }
    environment: { precision: fp32, deterministic: true }
  own:
    kind: command
    files: { table: data.csv, code: [train.py, "lib/**/*.py"] }
    needs: { whatever: scenes }
    gather: { points: train }
    with: { argv: [python3, "{code}/train.py", 3] }
  eval:
    each: [train, "train[variant=td4]"]
    use: scored
    args: { model: train, data: scenes }
    matrix: { guidance: [1, 3] }
    when: true
    let: { x: 1 }
  law:
    kind: fit-scaling
    gather: { points: { from: eval.scores, by: [variant], where: "{{ seed == 0 }}" } }
    with: { x: compute, y: alignment, form: power, holdout: { largest: "{{ 1 }}" }, level: 0.9 }
claims:
  better: { says: It is better., source: "a paper", check: "{{ 1 < 2 }}" }
"#;
    assert_eq!(complaints(&validator(), &value(text)), Vec::<String>::new());
}

#[test]
fn what_is_broken_is_refused_at_its_place() {
    let validator = validator();
    let good = value(&fs::read_to_string(root().join("studies/quickstart/study.yaml")).expect("a study is text"));
    let broken: &[(&str, Value, &str)] = &[
        ("/taks", json!({}), "taks"),
        ("/study", json!("Not A Name"), "/study"),
        ("/seed", json!(-1), "/seed"),
        ("/params/bad-name", json!(1), "bad-name"),
        ("/tasks/train/knd", json!("train-denoiser"), "/tasks/train"),
        ("/tasks/train/kind", json!("train-denoisr"), "/tasks/train/kind"),
        ("/tasks/train/with/learning_rat", json!(1), "/tasks/train/with"),
        ("/tasks/train/with/backbone/chanels", json!([1]), "/tasks/train/with/backbone"),
        ("/tasks/train/with/steps", json!("many"), "/tasks/train/with/steps"),
        ("/tasks/train/with/steps", json!(0), "/tasks/train/with/steps"),
        ("/tasks/train/with/schedule", json!("cosin"), "/tasks/train/with/schedule"),
        ("/tasks/train/with/betas", json!([0.9]), "/tasks/train/with/betas"),
        ("/tasks/train/needs/dta", json!("scenes"), "/tasks/train/needs"),
        ("/tasks/train/gather", json!({"data": "scenes"}), "/tasks/train/gather"),
        ("/tasks/train/on/time", json!("20 minutes"), "/tasks/train/on/time"),
        ("/tasks/train/on/cpu", json!(1), "/tasks/train/on"),
        ("/tasks/train/environment", json!({"thread": 1}), "/tasks/train/environment"),
        ("/tasks/train/matrix/size", json!({"linspce": [1, 2, 3]}), "/tasks/train/matrix/size"),
        ("/tasks/train/each", json!(3), "/tasks/train/each"),
        ("/tasks/train/args", json!({}), "/tasks/train"),
        ("/tasks/train/use", json!("scored"), "/tasks/train"),
        ("/tasks/scenes/environment", json!({"threads": 1}), "/tasks/scenes/environment"),
        ("/claims/judge-is-competent/check", json!("true"), "/claims/judge-is-competent/check"),
        ("/templates", json!({"t": {"args": [3], "tasks": {}}}), "/templates/t"),
        ("/include", json!(["/etc/passwd"]), "/include/0"),
    ];
    for (path, wrong, place) in broken {
        let mut study = good.clone();
        let (owner, name) = path.rsplit_once('/').expect("a path has a slash");
        let owner = if owner.is_empty() { Some(&mut study) } else { study.pointer_mut(owner) };
        owner.and_then(Value::as_object_mut).expect("the owner is a map").insert((*name).to_owned(), wrong.clone());
        let said = complaints(&validator, &study);
        assert!(said.iter().any(|complaint| complaint.contains(place)), "{path}: {said:?}");
    }
    for (path, name) in
        [("", "study"), ("/tasks/train/with", "backbone"), ("/tasks/train", "needs"), ("/tasks/judge", "with")]
    {
        let mut study = good.clone();
        let owner = if path.is_empty() { Some(&mut study) } else { study.pointer_mut(path) };
        owner.and_then(Value::as_object_mut).expect("the owner is a map").remove(name);
        assert!(!validator.is_valid(&study), "{path} without {name}");
    }
}

/// Every kind's schema takes the kind's own example and defaults, and is not laxer than the kind where it says how small or large.
#[test]
fn the_schema_of_each_kind_agrees_with_the_kind() {
    let (mut kinds, mut bounds) = (0, 0);
    for kind in catalog().iter() {
        let schema = isoflop_plan::schema::kind(kind);
        jsonschema::meta::validate(&schema).expect("the schema is a schema");
        let validator = jsonschema::draft202012::new(&schema).expect("the schema can be used");
        let example = read_value(kind.example).unwrap_or_else(|findings| panic!("{}: {findings}", kind.name));
        let spec = kind.read(&example).expect("an example reads").spec;
        for value in [&example, &spec] {
            assert_eq!(complaints(&validator, value), Vec::<String>::new(), "{}", kind.name);
        }
        for (name, field) in schema["properties"].as_object().expect("a spec is a map") {
            assert!(
                field["description"].as_str().is_some_and(|about| about.len() > 5),
                "{}.{name} says nothing",
                kind.name
            );
            if let Some(default) = field.get("default") {
                let mut with = example.clone();
                with[name] = default.clone();
                assert_eq!(kind.read(&with).is_ok(), validator.is_valid(&with), "{}.{name} by default", kind.name);
            }
            for (bound, outside) in
                [("minimum", -1.0), ("maximum", 1.0), ("exclusiveMinimum", 0.0), ("exclusiveMaximum", 0.0)]
            {
                let Some(limit) = field.get(bound).and_then(Value::as_f64) else { continue };
                let wrong = limit + outside;
                let mut with = example.clone();
                with[name] = if wrong.fract() == 0.0 { json!(wrong as i64) } else { json!(wrong) };
                assert!(
                    kind.read(&with).is_err(),
                    "the schema of {} refuses {name}: {wrong}, and the kind takes it",
                    kind.name
                );
                assert!(!validator.is_valid(&with), "{}.{name}: {wrong}", kind.name);
                bounds += 1;
            }
        }
        kinds += 1;
    }
    assert!(kinds >= 6 && bounds > 20, "{kinds} kinds, {bounds} bounds");
}

#[test]
fn schema_prints_kinds_and_studies() {
    let project = crate::project::Project::new();
    let said = project.run(&["schema"]).expect(0).out;
    for kind in catalog().iter() {
        assert!(said.contains(kind.about) && said.contains(kind.name), "{}:\n{said}", kind.name);
    }
    let listed = project.run(&["schema", "--json"]).expect(0).json();
    assert_eq!(listed["kinds"].as_array().map(Vec::len), Some(catalog().iter().count()));
    assert!(listed["functions"].as_array().is_some_and(|functions| functions.contains(&json!("steps_for"))));
    assert_eq!(project.run(&["schema", "study"]).expect(0).json(), isoflop_plan::schema::study(&catalog()));
    let kind = project.run(&["schema", "train-denoiser"]).expect(0).json();
    assert_eq!(kind["properties"]["steps"]["description"], "Optimizer steps.");
    let said = project.run(&["schema", "train-denoisr"]).expect(2).err;
    assert!(said.contains("did you mean `train-denoiser`?"), "{said}");
}
