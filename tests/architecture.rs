//! The dependency table of DESIGN, section 4, held against `cargo metadata`: who may import whom, and where each heavy dependency lives.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// What each crate may import of ours.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("isoflop-contract", &[]),
    ("isoflop-worker", &["isoflop-contract"]),
    ("isoflop-plan", &["isoflop-contract"]),
    ("isoflop-store", &["isoflop-contract"]),
    ("isoflop-ledger", &["isoflop-contract"]),
    ("isoflop-exec", &["isoflop-contract", "isoflop-plan", "isoflop-store", "isoflop-ledger"]),
    ("isoflop-report", &["isoflop-contract", "isoflop-plan", "isoflop-ledger"]),
    ("isoflop-kinds", &["isoflop-contract"]),
    ("isoflop-native", &["isoflop-contract", "isoflop-worker", "isoflop-kinds"]),
    ("isoflop-torch", &["isoflop-contract", "isoflop-worker", "isoflop-kinds"]),
    (
        "isoflop",
        &[
            "isoflop-contract",
            "isoflop-worker",
            "isoflop-plan",
            "isoflop-store",
            "isoflop-ledger",
            "isoflop-exec",
            "isoflop-report",
            "isoflop-kinds",
            "isoflop-native",
        ],
    ),
];

/// The one home of each heavy dependency.
const HOMES: &[(&str, &[&str])] = &[
    ("tch", &["isoflop-torch"]),
    ("torch-sys", &["isoflop-torch"]),
    ("tokenizers", &["isoflop-torch"]),
    ("memmap2", &["isoflop-torch"]),
    ("sqlx", &["isoflop-ledger"]),
    ("tokio", &["isoflop-exec", "isoflop-ledger", "isoflop-store", "isoflop"]),
    ("object_store", &["isoflop-store"]),
    ("hyper", &["isoflop"]),
    ("minijinja", &["isoflop-plan"]),
    ("granit-parser", &["isoflop-plan", "isoflop-torch"]),
    ("petgraph", &["isoflop-plan"]),
    ("miette", &["isoflop-plan", "isoflop"]),
    ("clap", &["isoflop"]),
    ("indicatif", &["isoflop"]),
];

/// What pure crates must not reach, by any road: the clock, files and sockets come with these.
const PURE: &[&str] = &["isoflop-contract", "isoflop-plan", "isoflop-kinds"];
const IMPURE: &[&str] = &["tokio", "sqlx", "tch", "tempfile", "rustix", "reqwest", "jiff", "chrono", "rand"];

/// What this machine builds. Crates of other platforms were never downloaded by a build here, so they must not be asked for.
fn metadata() -> Metadata {
    let platform = format!("--filter-platform={}-unknown-linux-gnu", std::env::consts::ARCH);
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .other_options(vec!["--offline".to_owned(), "--locked".to_owned(), platform])
        .exec()
        .expect("cargo describes the workspace it just built")
}

/// Direct dependencies of every workspace crate, tests and build scripts left out.
fn imports(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let mut imports = BTreeMap::new();
    for package in metadata.workspace_packages() {
        let names = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
        imports.insert(package.name.to_string(), names.map(|dependency| dependency.name.clone()).collect());
    }
    imports
}

#[test]
fn crates_import_only_what_the_design_allows() {
    let imports = imports(&metadata());
    let ours: BTreeSet<&str> = imports.keys().map(String::as_str).collect();
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        MAY_IMPORT.iter().map(|(name, may)| (*name, may.iter().copied().collect())).collect();
    for (name, imported) in &imports {
        if name == "isoflop-tests" {
            continue;
        }
        let allowed = allowed.get(name.as_str()).unwrap_or_else(|| panic!("{name} is not in the design's table"));
        let beyond: Vec<&String> =
            imported.iter().filter(|i| ours.contains(i.as_str()) && !allowed.contains(i.as_str())).collect();
        assert!(beyond.is_empty(), "{name} imports {beyond:?}, which the design's table does not allow");
    }
    assert_eq!(allowed.len() + 1, imports.len(), "the table and the workspace list different crates");
}

#[test]
fn heavy_dependencies_have_one_home() {
    let imports = imports(&metadata());
    for (dependency, homes) in HOMES {
        // The tests and the bench look into the ledger's tables from outside.
        for (name, imported) in imports.iter().filter(|(name, _)| *name != "isoflop-tests") {
            assert!(
                !imported.contains(*dependency) || homes.contains(&name.as_str()),
                "{name} imports {dependency}, whose home is {homes:?}"
            );
        }
    }
}

#[test]
fn pure_crates_reach_nothing_impure() {
    let metadata = metadata();
    let resolve = metadata.resolve.as_ref().expect("cargo metadata resolves dependencies");
    let names: BTreeMap<_, _> = metadata.packages.iter().map(|p| (&p.id, p.name.as_str())).collect();
    for pure in PURE {
        let mut open: Vec<_> = metadata.packages.iter().filter(|p| p.name.as_str() == *pure).map(|p| &p.id).collect();
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            assert!(!IMPURE.contains(&names[id]), "{pure} reaches {}", names[id]);
            let node = resolve.nodes.iter().find(|node| &node.id == id).expect("every package is resolved");
            open.extend(
                node.deps
                    .iter()
                    .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal))
                    .map(|dep| &dep.pkg),
            );
        }
    }
}

/// The Rust files under these folders of the workspace, with their texts.
fn sources(folders: &[&str]) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies in the workspace");
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the workspace's folders can be listed") {
            let path = entry.expect("the workspace's folders can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("source files are text");
                sources.push((path, text));
            }
        }
    }
    assert!(sources.len() > 50, "only {} source files were found: this looks in the wrong place", sources.len());
    sources
}

#[test]
fn only_the_torch_crate_mentions_tch() {
    for (path, text) in sources(&["engine", "tasks/kinds", "tasks/native"]) {
        let uses = text.match_indices("tch::").any(|(at, _)| !text[..at].ends_with(char::is_alphanumeric));
        assert!(!uses, "{} uses tch", path.display());
    }
}

/// LAPACK rounds by the processor that it finds (decision 0044), so no body may call it; a test may, for a reference.
#[test]
fn no_body_calls_lapack() {
    const CALLS: &[&str] = &[
        "linalg_eig",
        "linalg_svd",
        "linalg_qr",
        "linalg_cholesky",
        "linalg_solve",
        "linalg_lstsq",
        "linalg_inv",
        "linalg_pinv",
        "linalg_lu",
        "linalg_ldl",
        "linalg_det",
        "linalg_slogdet",
        ".svd(",
        ".qr(",
        ".cholesky",
        ".lstsq(",
        ".inverse(",
        ".pinverse(",
    ];
    for (path, text) in sources(&["tasks/torch/src"]) {
        let body = text.split("#[cfg(test)]").next().unwrap_or_default();
        let call = CALLS.iter().find(|call| body.contains(**call));
        assert!(call.is_none(), "{} calls `{}`, which is LAPACK's", path.display(), call.unwrap_or(&""));
    }
}

/// What tests alone depend on asks for no feature that a build without tests lacks: else `make build` and `make test` would each compile nearly everything.
#[test]
fn tests_and_builds_are_of_the_same_features() {
    let packages = |kinds: &str| -> BTreeSet<String> {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let mut command = std::process::Command::new(cargo);
        command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        command.args(["tree", "--workspace", "--offline", "--locked", "--no-dedupe", "--prefix", "none"]);
        let told = command.args(["--format", "{p} {f}", "--edges", kinds]).output().expect("cargo runs");
        let text = String::from_utf8(told.stdout).expect("cargo writes text");
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        text.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
    };
    let (built, tested) = (packages("normal,build"), packages("normal,build,dev"));
    assert!(built.len() > 300 && tested.len() >= built.len(), "{} of {}", built.len(), tested.len());
    let apart: Vec<&String> = built.difference(&tested).collect();
    assert!(apart.is_empty(), "built without tests these have fewer features: {apart:?}; see tests/Cargo.toml");
}
