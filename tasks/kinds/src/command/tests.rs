use std::collections::BTreeMap;

use isoflop_contract::{
    Digest, Entry, Fed, Manifest,
    catalog::{Fault, Segment, SpecError},
    manifest::File,
    port::Arity,
    shape::FILES,
};
use serde_json::{Value, json};

use super::Command;

/// A slip of the pen in a spec.
type Change = fn(&mut Value);

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut with = json!({
        "argv": ["python3", "{code}/train.py", "--data={in.data}", "--lr", "{param.lr}", "--out", "{out.model}"],
        "code": ["train.py"],
        "param": {"lr": 0.1},
        "outputs": {"model": {"path": "model.json"}},
    });
    change(&mut with);
    with
}

fn manifest(files: &[&str]) -> Manifest {
    let file = File { digest: Digest::of("x"), size: 1 };
    let files = files.iter().map(|name| ((*name).to_owned(), file)).collect();
    Manifest { shape: FILES.to_owned(), files, scalars: BTreeMap::new() }
}

fn said(error: &SpecError) -> String {
    let path: Vec<String> = error
        .path
        .iter()
        .map(|segment| match segment {
            Segment::Field(name) => name.clone(),
            Segment::Index(index) => index.to_string(),
        })
        .collect();
    let Fault::Invalid(message) = &error.fault else { return format!("{}: {:?}", path.join("."), error.fault) };
    format!("{}: {message}", path.join("."))
}

fn refused(change: impl FnOnce(&mut Value)) -> String {
    said(&Entry::of::<Command>().read(&with(change)).expect_err("this is wrong"))
}

/// What is said of a spec beside a port `data` and the file `train.py`.
fn unsuited(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let with = with(change);
    let entry = Entry::of::<Command>();
    entry.read(&with).unwrap_or_else(|error| panic!("{}", said(&error)));
    let code = manifest(&["train.py", "lib/model.py"]);
    let fed = Fed {
        ports: BTreeMap::from([("data", Arity::One)]),
        files: if with["code"].is_null() { BTreeMap::new() } else { BTreeMap::from([("code", Some(&code))]) },
    };
    entry.suits(&with, &fed).iter().map(said).collect()
}

#[test]
fn defaults_written_out_or_left_out_read_the_same_and_code_is_left_to_its_bytes() {
    let entry = Entry::of::<Command>();
    let short = entry.read(&with(|_| {})).unwrap();
    let long = entry
        .read(&with(|with| {
            with["outputs"]["model"] = json!({"path": "model.json", "type": "file"});
            with["env"] = json!(["PATH", "HOME"]);
            with["makes"] = json!("output");
            with["code"] = json!("*.py");
        }))
        .unwrap();
    assert_eq!(short.spec, long.spec);
    assert_eq!(short.spec["env"], json!(["HOME", "PATH"]));
    assert_eq!((short.code, long.code), (vec!["train.py".to_owned()], vec!["*.py".to_owned()]));
    let named = |with: Value| entry.read(&with).unwrap().spec;
    let by_name = named(with(|with| with["outputs"] = json!({"model": {}})));
    assert_eq!(by_name, named(with(|with| with["outputs"] = json!({"model": {"path": "model"}}))));
}

#[test]
fn only_a_command_that_uses_its_seed_has_one() {
    let entry = Entry::of::<Command>();
    let seeded = |change: fn(&mut Value)| entry.read(&with(change)).unwrap().seeded;
    assert!(!seeded(|_| {}));
    assert!(seeded(|with| with["argv"][4] = json!("{seed}")));
    assert!(seeded(|with| with["set"] = json!({"SEED": "{seed}"})));
    assert!(!seeded(|with| with["param"]["seed"] = json!(3)));
}

#[test]
fn what_it_makes_and_what_it_uses_of_the_machine_are_told() {
    let reading = Entry::of::<Command>().read(&with(|with| {
        with["makes"] = json!("denoiser");
        with["env"] = json!(["WANDB_MODE"]);
    }));
    let reading = reading.unwrap();
    assert_eq!(reading.makes, "denoiser");
    assert_eq!(reading.outside.variables, ["WANDB_MODE"]);
    assert_eq!(reading.outside.program.as_deref(), Some("python3"));
}

#[test]
fn wrong_specs_are_refused_at_their_field() {
    let cases: [(Change, &str); 19] = [
        (|w| w["argv"] = json!([]), "argv: must name a program"),
        (|w| w["argv"][0] = json!("{code}/train.sh"), "argv.0: must be a program as such"),
        (|w| w["argv"][0] = json!("bin/train"), "argv.0: must be a name that is found on PATH"),
        (|w| w["argv"][0] = json!(" "), "argv.0: must be a program as such"),
        (|w| w["argv"][1] = json!({"code": null}), "argv.1: invalid type: map, expected a text, a number or a flag"),
        (|w| w["argv"][2] = json!("a\0b"), "argv.2: must not hold a zero byte"),
        (|w| w["outputs"] = json!({}), "outputs: must name at least one output"),
        (|w| w["outputs"]["Model"] = json!({}), "outputs.Model: must be named by lower-case letters"),
        (|w| w["outputs"]["model"]["path"] = json!("../model"), "outputs.model.path: must be a plain path"),
        (|w| w["outputs"]["model"]["path"] = json!("/model"), "outputs.model.path: must be a plain path"),
        (
            |w| w["outputs"]["model"]["path"] = json!("."),
            "outputs.model.path: must not be `.`, the artifact as a whole",
        ),
        (|w| w["outputs"]["all"] = json!({"path": "model.json"}), "outputs.all.path: must not hold the output `model`"),
        (|w| w["outputs"]["model"]["type"] = json!("dir"), "outputs.model.type: unknown variant `dir`"),
        (|w| w["metrics"] = json!("in/metrics"), "metrics: must not lie where inputs do"),
        (|w| w["makes"] = json!("any"), "makes: must be the name of a shape"),
        (|w| w["param"]["lr"] = Value::Null, "param.lr: must have a value"),
        (|w| w["env"] = json!(["A-B"]), "env: `A-B` must be the name of a variable"),
        (|w| w["set"] = json!({"TMPDIR": "/tmp"}), "set.TMPDIR: must be left alone"),
        (|w| w["set"] = json!({"PATH": "/bin"}), "set.PATH: must not be let through by `env` as well"),
    ];
    for (change, start) in cases {
        let said = refused(change);
        assert!(said.starts_with(start), "{said}\ndoes not begin with\n{start}");
    }
}

#[test]
fn placeholders_must_lead_to_something_and_everything_must_be_used() {
    assert_eq!(unsuited(|_| {}), [""; 0]);
    let cases: [(Change, &str); 13] = [
        (|w| w["argv"][2] = json!("{in.date}"), "argv.2: `{in.date}`: there is no port `date`; there is `data`"),
        (
            |w| w["argv"][6] = json!("{out.modle}"),
            "argv.6: `{out.modle}`: there is no output `modle`; there is `model`",
        ),
        (
            |w| w["argv"][4] = json!("{param.rate}"),
            "argv.4: `{param.rate}`: there is no parameter `rate`; there is `lr`",
        ),
        (|w| w["argv"][4] = json!("{sed}"), "argv.4: `{sed}` is no placeholder"),
        (|w| w["argv"][4] = json!("{metrics}"), "argv.4: `{metrics}`: say `metrics: FILE` first"),
        (|w| w["set"] = json!({"X": "{file.table}"}), "set.X: `{file.table}`: there is no set of files `table`"),
        (|w| w["code"] = Value::Null, "argv.1: `{code}`: there is no `code`"),
        (
            |w| w["argv"][1] = json!("{code}/trian.py"),
            "argv.1: `{code}` has no `trian.py`; there are `lib/model.py`, `train.py`",
        ),
        (|w| w["argv"][2] = json!("--data"), "argv: must use what it needs as `data`, by `{in.data}`"),
        (|w| w["argv"][6] = json!("model.json"), "outputs.model: must be told to the program, by `{out.model}`"),
        (|w| w["argv"][4] = json!(0.1), "param.lr: must be used, by `{param.lr}` or `{params}`"),
        (|w| w["argv"][1] = json!("train.py"), "code: must use the files `code`, by `{code}`"),
        (|w| w["argv"][5] = json!("{out.model"), "argv.5: `{out.model` is not closed"),
    ];
    for (change, start) in cases {
        let change = |with: &mut Value| {
            change(with);
            if with["code"].is_null() {
                with.as_object_mut().unwrap().remove("code");
            }
        };
        let said = unsuited(change);
        assert!(said.len() == 1 && said[0].starts_with(start), "{said:?}\ndoes not begin with\n{start}");
    }
    // Folders, JSON of a port, all parameters at once and both ways of naming code are uses too.
    let other = unsuited(|with| {
        with["argv"] =
            json!(["sh", "{file.code}/lib/", "{in.data.json}", "{params}", "{out.model}", "{code}:{code}/lib"]);
    });
    assert_eq!(other, [""; 0]);
    // Several slips are all said.
    assert_eq!(
        unsuited(|with| with["argv"][2] = json!("{in.a}{in.b}{sed}")).len(),
        1,
        "a word that does not read is one slip"
    );
    assert_eq!(unsuited(|with| with["argv"][2] = json!("{in.a}{in.b}")).len(), 2);
}

#[test]
fn parameters_are_texts_or_json() {
    let command: Command = serde_json::from_value(with(|with| {
        with["param"] =
            json!({"lr": 0.1, "n": 3, "name": "a b", "deep": true, "betas": [0.9, 1], "map": {"b": 1, "a": "x"}});
    }))
    .unwrap();
    let texts = ["lr", "n", "name", "deep", "betas", "map"].map(|name| command.param(name).unwrap());
    assert_eq!(texts, ["0.1", "3", "a b", "true", "[0.9,1]", r#"{"a":"x","b":1}"#]);
}
