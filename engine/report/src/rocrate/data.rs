//! What there is: artifacts, files, folders.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Digest, Key};
use isoflop_plan::TaskNeed;
use serde_json::json;

use super::{
    CLAIMS, Contents, Execution, HEAD, LEDGER, README, RECIPES, REPORT, STATEMENT, SUMS, blob_path,
    graph::{Entity, Graph, file as file_id, fragment},
    manifest_path, study,
};

/// The folders of a crate, with what lies in each.
const FOLDERS: [(&str, &str); 3] = [
    ("study/", "The study: what `isoflop check` and `isoflop run` need"),
    (
        "manifests/",
        "Manifests of artifacts, each under the BLAKE3 digest of its text: paths, digests, sizes and final numbers",
    ),
    ("blobs/", "Bytes of artifacts' files, each under its BLAKE3 digest"),
];

/// What the files at the top say, for readers of the metadata.
const TOP: [(&str, &str); 8] = [
    (README, "What this crate is, and how to check it and to run a part of it again"),
    (HEAD, "Which study, how it was set, and what of it is in this crate"),
    (LEDGER, "The record: runs, chains of events, tasks, attempts, series, results and artifacts, one object a line"),
    (RECIPES, "Recipes: the canonical text whose hash is the key, one object a line"),
    (CLAIMS, "The study's claims, judged by the numbers in this crate"),
    (REPORT, "The results as one page"),
    (SUMS, "The SHA-256 of every other file but statement.json; `sha256sum -c` checks it"),
    (STATEMENT, "An in-toto Statement over SHA256SUMS and every artifact: what to sign"),
];

fn artifact(digest: &Digest) -> String {
    fragment(&["artifact", &digest.to_string()])
}

/// The id of the artifact that stands under a key, if its manifest is known.
pub(super) fn artifact_under(contents: &Contents<'_>, key: &Key) -> Option<String> {
    let digest = contents.results.get(key)?.artifact?;
    contents.manifests.contains_key(&digest).then(|| artifact(&digest))
}

/// The id of the artifact that an attempt made.
pub(super) fn artifact_of(contents: &Contents<'_>, attempt: &Execution) -> Option<String> {
    let digest = attempt.artifact?;
    contents.manifests.contains_key(&digest).then(|| artifact(&digest))
}

/// Adds every artifact as a collection of the files that are in the crate.
pub(super) fn artifacts(contents: &Contents<'_>, graph: &mut Graph) {
    let tasks = contents.plan.tasks();
    let mut examples: BTreeMap<Digest, BTreeSet<String>> = BTreeMap::new();
    let mut names: BTreeMap<Digest, Vec<&str>> = BTreeMap::new();
    let leaves: BTreeSet<&str> = study::leaves(contents).into_iter().map(|task| task.name.as_str()).collect();
    let standing = |key: &Key| contents.results.get(key).and_then(|standing| standing.artifact);
    for task in tasks {
        if let Some(digest) = standing(&task.key) {
            names.entry(digest).or_default().push(&task.name);
            let examples = examples.entry(digest).or_default();
            examples.insert(study::made_by(task.kind));
            if leaves.contains(task.name.as_str()) {
                examples.insert(study::output(&task.name));
            }
        }
        for (port, need) in &task.needs {
            for digest in TaskNeed::tasks(need).filter_map(|producer| standing(&tasks[producer].key)) {
                examples.entry(digest).or_default().insert(study::port(task.kind, port));
            }
        }
    }
    for attempt in &contents.executions {
        if let Some(digest) = attempt.artifact {
            let names = names.entry(digest).or_default();
            if names.is_empty() {
                names.push(&attempt.task);
            }
        }
    }
    for (digest, manifest) in &contents.manifests {
        let Some(names) = names.get(digest) else { continue };
        let own = manifest_path(digest);
        let present: Vec<String> = manifest
            .files
            .values()
            .map(|file| blob_path(&file.digest))
            .filter(|path| contents.files.contains_key(path))
            .collect();
        let paths = std::iter::once(&own).chain(&present).filter(|path| contents.files.contains_key(*path));
        let about = format!(
            "{} of {} files are in this crate; all files have {} bytes",
            present.len(),
            manifest.files.len(),
            manifest.size()
        );
        graph.add(
            Entity::new(artifact(digest), &["Collection"])
                .text("name", names.join(", "))
                .text("description", about)
                .text("additionalType", &manifest.shape)
                .text("identifier", format!("blake3:{digest}"))
                .links("hasPart", paths.map(|path| file_id(path)))
                .link("mainEntity", file_id(&own))
                .links("exampleOfWork", examples.get(digest).into_iter().flatten()),
        );
    }
}

/// A file of the crate, with what is known of its bytes.
pub(super) fn file(contents: &Contents<'_>, path: &str, types: &[&str]) -> Entity {
    let entity = Entity::new(file_id(path), types).text("encodingFormat", format(path));
    match contents.files.get(path) {
        Some(stamp) => entity
            .value("contentSize", json!(stamp.size.to_string()))
            .text("sha256", stamp.sha256.to_string())
            .text("identifier", format!("blake3:{}", stamp.blake3)),
        None => entity,
    }
}

/// Adds every file and folder.
pub(super) fn files(contents: &Contents<'_>, graph: &mut Graph) {
    let mut names: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for manifest in contents.manifests.values() {
        for (name, file) in &manifest.files {
            names.entry(blob_path(&file.digest)).or_default().insert(name);
        }
    }
    for (folder, about) in FOLDERS {
        let inside = contents.files.keys().filter(|path| path.starts_with(folder)).map(|path| file_id(path));
        let inside: Vec<String> = inside.collect();
        if !inside.is_empty() {
            let name = folder.trim_end_matches('/');
            let entity = Entity::new(folder, &["Dataset"]).text("name", name).text("description", about);
            graph.add(entity.links("hasPart", inside));
        }
    }
    for path in contents.files.keys() {
        let mut entity = file(contents, path, &["File"]);
        if path.starts_with("manifests/") {
            entity = entity.text("name", "manifest").text("encodingFormat", "application/json");
        } else if let Some(names) = names.get(path) {
            let mut all = names.iter();
            let first = all.next().copied().unwrap_or_default();
            let others: Vec<&str> = all.copied().collect();
            entity = entity.text("name", first).text("encodingFormat", format(first));
            if !others.is_empty() {
                entity = entity.value("alternateName", json!(others));
            }
        } else {
            entity = entity.text("name", path.strip_prefix("study/").unwrap_or(path));
        }
        graph.add(described(entity, path));
    }
    for path in [SUMS, STATEMENT] {
        let entity = Entity::new(path, &["File"]).text("name", path).text("encodingFormat", format(path));
        graph.add(described(entity, path));
    }
}

fn described(entity: Entity, path: &str) -> Entity {
    let about = TOP.iter().find(|(name, _)| *name == path).map(|(_, about)| *about);
    let entity = entity.maybe("description", about);
    if path == README { entity.link("about", "./") } else { entity }
}

/// What lies at the top of the crate.
pub(super) fn top(contents: &Contents<'_>) -> Vec<String> {
    let within = |folder: &str| contents.files.keys().any(|path| path.starts_with(folder));
    let folders = FOLDERS.iter().map(|(folder, _)| (*folder).to_owned()).filter(|folder| within(folder));
    let files = contents.files.keys().filter(|path| !path.contains('/')).map(|path| file_id(path));
    folders.chain(files).chain([SUMS.to_owned(), STATEMENT.to_owned()]).collect()
}

/// The study's licence, if its folder has one.
pub(super) fn license<'c>(contents: &'c Contents<'_>) -> Option<&'c String> {
    let names = ["LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE", "COPYING"];
    contents.files.keys().find(|path| names.iter().any(|name| path.strip_prefix("study/") == Some(name)))
}

/// The media type of a file, by its name.
fn format(name: &str) -> &'static str {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    match extension {
        "json" => "application/json",
        "jsonl" => "application/jsonl",
        "yaml" | "yml" => "application/yaml",
        "md" => "text/markdown",
        "html" => "text/html",
        "csv" => "text/csv",
        "py" => "text/x-python",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "txt" | "log" => "text/plain",
        _ if [SUMS, "study/LICENSE", "study/LICENCE", "study/COPYING"].contains(&stem) => "text/plain",
        _ => "application/octet-stream",
    }
}
