//! Crates: a study with its record in one folder or zip file, checked without ledger and home, and run again from it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use isoflop_contract::Digest;
use serde_json::{Value, json};

use crate::project::{Project, Ran, STUDY};

/// Every file below a folder, by path from it.
fn files(folder: &Path) -> BTreeMap<String, PathBuf> {
    let (mut found, mut open) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned(), path);
            }
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    for (name, path) in files(from) {
        let place = to.join(name);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(path, place).unwrap();
    }
}

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

fn read(path: impl AsRef<Path>) -> Value {
    serde_json::from_str(&text(path)).unwrap()
}

/// Writes the list of digests anew, and what the statement says of it, as somebody would who wants a change to go unnoticed.
fn sum_again(folder: &Path) {
    let sha256 = |path: &Path| {
        let said = Command::new("sha256sum").arg(path).output().unwrap();
        String::from_utf8(said.stdout).unwrap()[..64].to_owned()
    };
    let listed = files(folder).into_iter().filter(|(name, _)| name != "SHA256SUMS" && name != "statement.json");
    let lines: Vec<String> = listed.map(|(name, path)| format!("{}  {name}\n", sha256(&path))).collect();
    fs::write(folder.join("SHA256SUMS"), lines.concat()).unwrap();
    let mut statement = read(folder.join("statement.json"));
    statement["subject"][0]["digest"]["sha256"] = json!(sha256(&folder.join("SHA256SUMS")));
    fs::write(folder.join("statement.json"), statement.to_string()).unwrap();
}

/// A study that was run, and its crate as a folder.
fn exported() -> Project {
    let project = Project::new();
    project.run(&["run"]).expect(0);
    project.run(&["export", "--into", "crate"]).expect(0);
    project
}

/// Audits where there is neither home nor ledger.
fn audit(project: &Project, path: &str) -> Ran {
    let away = project.path("away");
    fs::create_dir_all(&away).unwrap();
    let path = project.path(path);
    let ran = project.command(&["audit", path.to_str().unwrap(), "--json"]).current_dir(&away).output().unwrap();
    assert_eq!(fs::read_dir(&away).unwrap().count(), 0, "an audit of a crate made something");
    Ran::of(&ran)
}

fn findings(audit: &Ran) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = audit.json()["findings"].as_array().unwrap().clone();
    findings.iter().map(|finding| (text(&finding["kind"]), text(&finding["what"]))).collect()
}

#[test]
fn a_crate_is_audited_without_home_ledger_or_network() {
    let project = exported();
    let said = audit(&project, "crate").expect(0).json();
    assert_eq!((&said["ok"], said["artifacts"].as_u64(), said["recipes"].as_u64()), (&json!(true), Some(22), Some(22)));
    assert_eq!(said["store"]["gone"], json!([]), "the toy's files are small, so that all are there");
    assert_eq!(said["run"], json!(project.path("crate")));

    // The zip file has the same files, and both come out the same each time.
    project.run(&["export"]).expect(0);
    let first = fs::read(project.path("ladder.crate.zip")).unwrap();
    audit(&project, "ladder.crate.zip").expect(0);
    let told = project.run(&["export", "--into", "again.zip"]).expect(0).out;
    assert!(told.contains("22 of 22 tasks") && told.contains("1 run"), "{told}");
    assert_eq!(first, fs::read(project.path("again.zip")).unwrap());
    project.run(&["export", "--into", "again"]).expect(0);
    let bytes = |folder: &str| -> BTreeMap<String, Vec<u8>> {
        files(&project.path(folder)).into_iter().map(|(name, path)| (name, fs::read(path).unwrap())).collect()
    };
    assert_eq!(bytes("crate"), bytes("again"));

    // From elsewhere, it is the same too.
    let (here, there) = (project.path("."), project.path("bin"));
    let study = here.to_str().unwrap();
    let into = project.path("elsewhere.zip");
    let args = ["--home", &format!("{study}/.isoflop"), "export", study, "--into", into.to_str().unwrap()];
    Ran::of(&project.command(&args).current_dir(there).output().unwrap()).expect(0);
    assert_eq!(first, fs::read(into).unwrap());

    let said = project.run(&["export", "--into", "crate"]).expect(2).err;
    assert!(said.contains("is there already"), "{said}");
    let said = project.run(&["audit", "crate/study"]).expect(2).err;
    assert!(said.contains("is no crate"), "{said}");
    let said = project.run(&["audit", "none.zip"]).expect(2).err;
    assert!(said.contains("there is no crate at none.zip"), "{said}");
    let mut sums = Command::new("sha256sum");
    sums.args(["-c", "--quiet", "SHA256SUMS"]).current_dir(project.path("crate"));
    assert!(sums.status().unwrap().success(), "sha256sum does not agree");
}

#[test]
fn one_changed_byte_anywhere_is_found_and_named() {
    let project = exported();
    let crate_files = files(&project.path("crate"));
    let first = |folder: &str| crate_files.keys().find(|name| name.starts_with(folder)).unwrap().clone();
    let blob = first("blobs/");
    let cases = [
        blob.clone(),
        first("manifests/"),
        "recipes.jsonl".into(),
        "ledger.jsonl".into(),
        "claims.json".into(),
        "study/study.yaml".into(),
        "report.html".into(),
        "README.md".into(),
        "ro-crate-metadata.json".into(),
        "statement.json".into(),
        "SHA256SUMS".into(),
    ];
    for (n, name) in cases.into_iter().enumerate() {
        let folder = format!("changed{n}");
        copy(&project.path("crate"), &project.path(&folder));
        let path = project.path(&folder).join(&name);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
        let ran = audit(&project, &folder).expect(6);
        let found = findings(&ran);
        let named = found.iter().any(|(_, what)| what.contains(&name));
        // A blob is told of by the file and the artifact it is of.
        assert!(named || name == blob && found.iter().any(|(kind, _)| kind == "blob"), "{name}: {found:?}");
    }
    fs::remove_file(project.path("crate").join(blob)).unwrap();
    let found = findings(&audit(&project, "crate").expect(6));
    assert!(found.len() == 1 && found[0].1.ends_with("is not there"), "{found:?}");
}

/// Changes something in a crate's folder; answers the kinds of what must be found.
type Change = fn(&Path) -> Vec<&'static str>;

#[test]
fn what_is_changed_together_with_the_list_of_digests_is_found_by_the_chains() {
    let project = exported();
    let cases: [(&str, Change); 6] = [
        // A point of a series: its digest is in the chain.
        ("series", |folder| {
            let path = folder.join("ledger.jsonl");
            let old = text(&path);
            let at = old.find("\"row\":\"series\"").unwrap();
            let (before, after) = old.split_at(at);
            let value = after.find("\"points\":[[").map(|at| at + after[at..].find(',').unwrap() + 1).unwrap();
            let end = value + after[value..].find(']').unwrap();
            let changed = format!("{before}{}0.123456{}", &after[..value], &after[end..]);
            fs::write(path, changed).unwrap();
            vec!["metric"]
        }),
        // A final number, in its manifest: nothing is left under the manifest's name.
        ("scalar", |folder| {
            let manifest =
                files(&folder.join("manifests")).into_values().find(|path| text(path).contains("\"loss\":")).unwrap();
            let old = text(&manifest);
            let at = old.find("\"loss\":").unwrap() + 7;
            fs::write(&manifest, format!("{}1{}", &old[..at], &old[at..])).unwrap();
            vec!["artifact"]
        }),
        // The same with a manifest of the right name: no event made it.
        ("manifest", |folder| {
            let manifest =
                files(&folder.join("manifests")).into_values().find(|path| text(path).contains("\"loss\":")).unwrap();
            let old = text(&manifest);
            let name = manifest.file_name().unwrap().to_str().unwrap().to_owned();
            let at = old.find("\"loss\":").unwrap() + 7;
            let new = format!("{}1{}", &old[..at], &old[at..]);
            let digest = Digest::of(&new).to_string();
            fs::remove_file(&manifest).unwrap();
            let place = folder.join("manifests").join(&digest[..2]);
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join(&digest), new).unwrap();
            let rows: String = text(folder.join("ledger.jsonl"))
                .lines()
                .map(|line| if line.contains("\"row\":\"event\"") { line.to_owned() } else { line.replace(&name, &digest) } + "\n")
                .collect();
            fs::write(folder.join("ledger.jsonl"), rows).unwrap();
            vec!["result", "artifact"]
        }),
        // A recipe: it is not what its key is the hash of.
        ("recipe", |folder| {
            let path = folder.join("recipes.jsonl");
            let old = text(&path);
            assert!(old.contains("\\\"steps\\\":50"));
            fs::write(&path, old.replacen("\\\"steps\\\":50", "\\\"steps\\\":51", 1)).unwrap();
            vec!["recipe"]
        }),
        // An event: the chain breaks.
        ("event", |folder| {
            let path = folder.join("ledger.jsonl");
            let old = text(&path);
            assert!(old.contains("\\\"purpose\\\":\\\"make\\\""));
            fs::write(&path, old.replacen("\\\"purpose\\\":\\\"make\\\"", "\\\"purpose\\\":\\\"mako\\\"", 1)).unwrap();
            vec!["chain"]
        }),
        // A verdict: judged again, it is another.
        ("verdict", |folder| {
            let path = folder.join("claims.json");
            let mut claims = read(&path);
            let verdict = &mut claims["claims"][0]["verdict"];
            *verdict = if *verdict == "reproduced" { "contradicted".into() } else { "reproduced".into() };
            fs::write(&path, claims.to_string()).unwrap();
            vec!["claim"]
        }),
    ];
    for (name, change) in cases {
        copy(&project.path("crate"), &project.path(name));
        let kinds = change(&project.path(name));
        sum_again(&project.path(name));
        let ran = audit(&project, name).expect(6);
        let found: BTreeSet<String> = findings(&ran).into_iter().map(|(kind, _)| kind).collect();
        assert!(kinds.iter().all(|kind| found.contains(*kind)), "{name}: {:?}", findings(&ran));
        assert!(!found.contains("file"), "{name}: {:?}", findings(&ran));
    }
    // The study itself: its keys are not those that were recorded.
    copy(&project.path("crate"), &project.path("study"));
    let study = project.path("study/study/study.yaml");
    fs::write(&study, text(&study).replace("steps: 50", "steps: 60")).unwrap();
    sum_again(&project.path("study"));
    let found = findings(&audit(&project, "study").expect(6));
    assert!(found.iter().any(|(kind, what)| kind == "study" && what.contains("other keys")), "{found:?}");
    // And what is rendered of a record that holds.
    for file in ["README.md", "ro-crate-metadata.json"] {
        let folder = format!("of-{file}");
        copy(&project.path("crate"), &project.path(&folder));
        let path = project.path(&folder).join(file);
        fs::write(&path, text(&path).replacen("ladder", "lodder", 1)).unwrap();
        sum_again(&project.path(&folder));
        let found = findings(&audit(&project, &folder).expect(6));
        assert!(found.iter().any(|(_, what)| what.contains(file) && what.contains("record gives")), "{found:?}");
    }
}

#[test]
fn a_cell_is_run_again_from_the_crate_and_compared() {
    let project = exported();
    let crate_ = project.path("crate");
    let (study, home) = (crate_.join("study"), project.path("other"));
    let (study, home) = (study.to_str().unwrap(), home.to_str().unwrap());
    project.run(&["check", study]).expect(0);
    let cell = "train[size=s,seed=0]";
    let said = project.run(&["--home", home, "audit", "crate", "--here"]).expect(2).err;
    assert!(said.contains("nothing was made here to compare with"), "{said}");
    project.run(&["--home", home, "run", study, cell]).expect(0);
    let said = project.run(&["--home", home, "audit", "crate", "--here", "--json"]).expect(0).json();
    let here = &said["here"];
    assert_eq!(
        (&here["made"], &here["equal"], &here["differ"]),
        (&json!(3), &json!(3), &json!([])),
        "cell, scenes, heldout"
    );
    let said = project.run(&["--home", home, "audit", "crate", "--here"]).expect(0).out;
    assert!(said.contains("made here too: 3, equal: 3") && said.contains("ok every chain"), "{said}");

    // Another that comes out with other bits.
    project.behave(r#"{"train[size=m,seed=0]": {"do": "waver"}}"#);
    project.run(&["--home", home, "run", study, "train[size=m,seed=0]"]).expect(0);
    let ran = project.run(&["--home", home, "audit", "crate", "--here", "--json"]).expect(6);
    let found = findings(&ran);
    assert_eq!((found.len(), found[0].0.as_str()), (1, "bits"), "{found:?}");
    assert!(found[0].1.starts_with("`train[size=m,seed=0]` was made here too, with other bits"), "{found:?}");
    assert_eq!(ran.json()["here"]["differ"][0]["task"], "train[size=m,seed=0]");
    assert_eq!(ran.json()["findings"][0]["claims"], json!(["size-helps"]));
    let _ = project.command(&["--home", home, "doctor", "--stop-server"]).output();
}

#[test]
fn a_study_that_was_run_in_part_is_exported_in_part_and_says_so() {
    let project = Project::new();
    let said = project.run(&["export"]).expect(2).err;
    assert!(said.contains("nothing was run yet"), "{said}");
    project.run(&["run", "heldout"]).expect(0);
    let said = project.run(&["export", "-p", "images=63", "-n"]).expect(0).err;
    assert!(said.contains("21 tasks have no result yet"), "{said}");
    let said = project.run(&["export", "-p", "images=63"]).expect(0);
    assert!(said.err.contains("21 tasks have no result yet") && said.out.contains("1 of 22 tasks"), "{}", said.err);
    let found = audit(&project, "ladder.crate.zip").expect(0).json();
    assert_eq!((found["missing"].as_array().unwrap().len(), &found["ok"]), (21, &json!(true)));

    project.write("study.yaml", &STUDY.replace("images: 32, resolution: 16", "images: 33, resolution: 16"));
    let said = project.run(&["export"]).expect(2).err;
    assert!(said.contains("no task of `ladder` has a result with these settings"), "{said}");
    assert_eq!(
        fs::read_dir(project.path(".")).unwrap().count(),
        5,
        "study, bin, home, one crate, and where it was audited"
    );
}

#[test]
fn a_diverged_cell_a_failed_one_and_a_witness_are_told() {
    let project = Project::new();
    project.behave(r#"{"train[size=s,seed=0]": {"do": "diverge"}, "train[size=s,seed=1]": {"do": "crash"}}"#);
    project.run(&["run", "--keep-going"]).expect(4);
    project.run(&["export", "--into", "crate"]).expect(0);
    let said = audit(&project, "crate").expect(0).json();
    assert!(said["missing"].as_array().unwrap().contains(&json!("train[size=s,seed=1]")), "{said}");
    let crate_ = Graph::read(&project.path("crate"));
    let errors: Vec<&Value> = crate_.of_type("CreateAction").filter_map(|action| action.get("error")).collect();
    assert!(!errors.is_empty(), "the crash is an action that failed");
    crate_.check();

    // What failed is made; the gather goes on without what rests on the diverged cell. A witness of another cell comes out the same.
    project.behave("{}");
    project.run(&["run"]).expect(0);
    project.run(&["verify", "train[size=m,seed=0]"]).expect(0);
    project.run(&["export", "--into", "after"]).expect(0);
    audit(&project, "after").expect(0);
    let graph = Graph::read(&project.path("after"));
    graph.check();
    let witnesses =
        graph.of_type("CreateAction").filter(|action| action["description"].to_string().contains("witness"));
    assert_eq!(witnesses.count(), 1, "a witness is an action too");
}

#[test]
fn bytes_are_those_that_were_asked_for() {
    let project = exported();
    let blobs = |folder: &str| files(&project.path(folder)).keys().filter(|name| name.starts_with("blobs/")).count();
    assert!(blobs("crate") > 0);
    project.run(&["export", "--into", "none", "--bytes", "none"]).expect(0);
    assert_eq!(blobs("none"), 0);
    let said = audit(&project, "none").expect(0).json();
    assert_eq!((said["store"]["gone"].as_array().unwrap().len(), said["store"]["whole"].as_u64()), (22, Some(0)));

    let text = project.run(&["audit", "none"]).expect(0).out;
    assert!(text.contains("the bytes of 22 artifacts are not in this crate"), "{text}");
    assert!(text.contains("ok every chain and every key holds"), "{text}");
    Graph::read(&project.path("none")).check();

    // What an export that was killed left is named, and nothing of it is touched.
    fs::create_dir(project.path("next.partial")).unwrap();
    fs::write(project.path("next.partial/mine"), "mine").unwrap();
    let refused = project.run(&["export", "--into", "next"]).expect(8);
    assert!(refused.err.contains("next.partial is in the way"), "{}", refused.err);
    assert!(project.path("next.partial/mine").is_file() && !project.path("next").exists());

    // Without the bytes of one artifact in the store.
    let stored = project.files("store/blobs");
    fs::remove_file(&stored[0]).unwrap();
    let said = project.run(&["export", "--into", "all", "--bytes", "all"]).expect(0);
    assert!(said.err.contains("are not in the store"), "{}", said.err);
    assert_eq!(blobs("all"), stored.len() - 1);
    audit(&project, "all").expect(0);
    // And with bytes that are not what they should be.
    fs::set_permissions(&stored[1], fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&stored[1], "other").unwrap();
    let said = project.run(&["export", "--into", "bad"]).expect(8).err;
    assert!(said.contains("was not what its digest says") && !project.path("bad").exists(), "{said}");
    // Out of the way, they are made again, and then there is nothing to refuse.
    assert!(!stored[1].exists() && project.run(&["run", "--missing"]).expect(0).err.contains("made"));
    project.run(&["export", "--into", "good"]).expect(0);
    audit(&project, "good").expect(0);
}

/// A crate's metadata, by id.
struct Graph {
    folder: PathBuf,
    entities: BTreeMap<String, Value>,
}

impl Graph {
    fn read(folder: &Path) -> Self {
        let metadata = read(folder.join("ro-crate-metadata.json"));
        let entities = metadata["@graph"].as_array().unwrap().iter();
        let all: Vec<(String, Value)> =
            entities.map(|entity| (entity["@id"].as_str().unwrap().to_owned(), entity.clone())).collect();
        let count = all.len();
        let entities: BTreeMap<String, Value> = all.into_iter().collect();
        assert_eq!(entities.len(), count, "an id is there twice");
        Self { folder: folder.to_owned(), entities }
    }

    fn is(entity: &Value, name: &str) -> bool {
        match &entity["@type"] {
            Value::Array(types) => types.iter().any(|one| one == name),
            one => one == name,
        }
    }

    fn of_type<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Value> {
        self.entities.values().filter(move |entity| Self::is(entity, name))
    }

    /// The ids that a member links to.
    fn links(value: &Value) -> Vec<&str> {
        match value {
            Value::Array(items) => items.iter().flat_map(Self::links).collect(),
            Value::Object(members) => members.get("@id").and_then(Value::as_str).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Demands that each link of a member leads to one of these types, and that there is one.
    fn lead(&self, entity: &Value, member: &str, types: &[&str]) {
        let links = Self::links(&entity[member]);
        assert!(!links.is_empty(), "{} has no {member}", entity["@id"]);
        for id in links {
            let to = self.entities.get(id).unwrap_or_else(|| panic!("{id} is not there"));
            assert!(types.iter().any(|name| Self::is(to, name)), "{} {member} leads to {to}", entity["@id"]);
        }
    }

    /// What RO-Crate 1.1 and the four profiles demand, as far as it applies here.
    fn check(&self) {
        // Addresses that need no entity of their own.
        let outside = ["https://w3id.org/ro/crate/1.1", "https://bioschemas.org/"];
        for entity in self.entities.values() {
            for (member, value) in entity.as_object().unwrap() {
                for id in Self::links(value) {
                    let known = self.entities.contains_key(id) || outside.iter().any(|base| id.starts_with(base));
                    assert!(known, "{} {member} leads to {id}, which is not there", entity["@id"]);
                }
            }
        }
        let descriptor = &self.entities["ro-crate-metadata.json"];
        assert!(Self::is(descriptor, "CreativeWork") && Self::links(&descriptor["about"]) == ["./"]);
        assert!(Self::links(&descriptor["conformsTo"]).contains(&"https://w3id.org/ro/crate/1.1"));
        let root = &self.entities["./"];
        for profile in ["wfrun/process/0.5", "wfrun/workflow/0.5", "wfrun/provenance/0.5"] {
            let id = format!("https://w3id.org/ro/{profile}");
            assert!(
                Self::links(&root["conformsTo"]).contains(&id.as_str())
                    && Self::is(&self.entities[&id], "CreativeWork")
            );
        }
        for member in ["name", "description", "datePublished", "license"] {
            assert!(!root[member].is_null(), "the root has no {member}");
        }
        self.lead(root, "hasPart", &["File", "Dataset"]);
        self.lead(root, "mainEntity", &["ComputationalWorkflow"]);
        let tools = ["SoftwareApplication", "SoftwareSourceCode", "ComputationalWorkflow"];
        let workflow = &self.entities[Self::links(&root["mainEntity"])[0]];
        for name in ["File", "SoftwareSourceCode", "HowTo"] {
            assert!(Self::is(workflow, name));
        }
        self.lead(workflow, "programmingLanguage", &["ComputerLanguage"]);
        self.lead(workflow, "hasPart", &tools);
        self.lead(workflow, "step", &["HowToStep"]);
        self.lead(workflow, "input", &["FormalParameter"]);
        self.lead(workflow, "output", &["FormalParameter"]);
        let instruments: BTreeSet<&str> =
            self.of_type("CreateAction").flat_map(|action| Self::links(&action["instrument"])).collect();
        assert!(Self::links(&workflow["hasPart"]).iter().all(|tool| instruments.contains(tool)), "{instruments:?}");
        assert!(instruments.contains(workflow["@id"].as_str().unwrap()), "the workflow was run");
        for parameter in self.of_type("FormalParameter") {
            assert!(parameter["additionalType"].is_string());
        }
        for step in self.of_type("HowToStep") {
            self.lead(step, "workExample", &tools);
            step["position"].as_str().unwrap().parse::<u32>().unwrap();
        }
        let mut controls = 0;
        for control in self.of_type("ControlAction") {
            self.lead(control, "instrument", &["HowToStep"]);
            self.lead(control, "object", &["CreateAction"]);
            controls += 1;
        }
        assert!(controls > 0);
        for action in self.of_type("CreateAction") {
            self.lead(action, "instrument", &tools);
            assert!(action["name"].is_string() && action["startTime"].is_string(), "{action}");
            assert_eq!(action.get("error").is_some(), action["actionStatus"] == "http://schema.org/FailedActionStatus");
        }
        for organize in self.of_type("OrganizeAction") {
            self.lead(organize, "instrument", &tools);
            self.lead(organize, "object", &["ControlAction"]);
            self.lead(organize, "result", &["CreateAction"]);
        }
        // Every file of the crate is described with its digests, and every file that is described is there.
        let on_disk: BTreeSet<String> =
            files(&self.folder).into_keys().filter(|name| name != "ro-crate-metadata.json").collect();
        let described: BTreeSet<String> =
            self.of_type("File").map(|file| file["@id"].as_str().unwrap().replace("%20", " ")).collect();
        assert_eq!(on_disk, described);
        let mut reached = BTreeSet::new();
        let mut open = vec!["./"];
        while let Some(id) = open.pop() {
            if reached.insert(id) {
                open.extend(Self::links(&self.entities[id]["hasPart"]));
            }
        }
        for file in self.of_type("File") {
            let id = file["@id"].as_str().unwrap();
            assert!(reached.contains(id), "{id} is no part of the root");
            let blake3 = Digest::of(fs::read(self.folder.join(id)).unwrap());
            let named = file.get("identifier").is_none_or(|said| *said == json!(format!("blake3:{blake3}")));
            assert!(named && file["encodingFormat"].is_string(), "{file}");
        }
    }
}

#[test]
fn the_metadata_is_what_its_profiles_demand() {
    let project = Project::new();
    project.run(&["run", "-p", "steps=40"]).expect(0);
    let author = ["--author", "A. Author", "--license", "https://creativecommons.org/licenses/by/4.0/"];
    let args = [&["export", "-p", "steps=40", "--into", "crate"][..], &author].concat();
    project.run(&args).expect(0);
    audit(&project, "crate").expect(0);
    let graph = Graph::read(&project.path("crate"));
    graph.check();
    assert_eq!(graph.of_type("HowToStep").count(), 22);
    assert_eq!(graph.of_type("ControlAction").count(), 22);
    assert_eq!(graph.of_type("Collection").count(), 22);
    assert_eq!(graph.of_type("CreateAction").count(), 23, "an attempt a task, and the run");
    assert_eq!(graph.entities["#param/steps/value"]["value"], 40);
    let train = &graph.entities["#task/train%5Bsize=s,seed=0%5D"];
    assert!(train["identifier"].as_str().unwrap().starts_with("key:"));
    let law =
        graph.of_type("CreateAction").find(|action| action["name"].as_str().unwrap().starts_with("law ")).unwrap();
    let objects = Graph::links(&law["object"]);
    let of = |name: &str| objects.iter().filter(|id| Graph::is(&graph.entities[**id], name)).count();
    assert_eq!(of("Collection"), 6, "the law was fitted to six cells");
    assert!(of("PropertyValue") > 3);
    assert_eq!(Graph::links(&law["agent"]), ["#author"]);

    // The statement names the list of digests, each artifact, and the end of the chain.
    let statement = read(project.path("crate/statement.json"));
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["subject"].as_array().unwrap().len(), 23);
    let runs = project.run(&["runs", "--json"]).expect(0).json();
    assert_eq!(statement["predicate"]["runs"][0]["head"], runs["runs"][0]["head"]);
    let readme = text(project.path("crate/README.md"));
    assert!(readme.contains("run study -p steps=40") && readme.contains("22 of 22 tasks"), "{readme}");
}
