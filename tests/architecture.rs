//! The table of crates in ARCHITECTURE.md, held against `cargo metadata`: who may import whom; and where each heavy dependency lives.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

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

/// What each crate may import of ours, by the page's table, each named by its folder.
fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let page = include_str!("../engine/ARCHITECTURE.md");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .skip_while(|line| !line.starts_with("| crate | noun | may import"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let folder = |cell: &str| cell.trim_matches('`').to_owned();
    let all: Vec<String> = rows.iter().map(|row| folder(row[1])).collect();
    let named = |name: &str| all.iter().find(|folder| folder.ends_with(&format!("/{name}"))).cloned();
    let imports = |row: &[&str]| match row[3] {
        "nothing" => BTreeSet::new(),
        cell if cell.starts_with("all but ") => {
            let but = folder(&cell["all but ".len()..]);
            assert!(all.contains(&but), "the table has no row `{but}`");
            all.iter().filter(|folder| **folder != but).cloned().collect()
        }
        cell => {
            cell.split(", ").map(|name| named(name).unwrap_or_else(|| panic!("the table has no `{name}`"))).collect()
        }
    };
    rows.iter().map(|row| (folder(row[1]), imports(row))).collect()
}

#[test]
fn crates_import_only_what_the_page_allows() {
    let metadata = metadata();
    let root = &metadata.workspace_root;
    let folders: BTreeMap<&str, String> = metadata
        .workspace_packages()
        .into_iter()
        .map(|package| {
            let folder = package.manifest_path.parent().expect("a manifest lies in a folder");
            (package.name.as_str(), folder.strip_prefix(root).expect("a crate lies in the workspace").to_string())
        })
        .filter(|(_, folder)| folder != "tests")
        .collect();
    let allowed = allowed();
    assert_eq!(
        allowed.keys().cloned().collect::<BTreeSet<String>>(),
        folders.values().cloned().collect(),
        "the page's table and the workspace list different crates"
    );
    let imports = imports(&metadata);
    for (name, folder) in &folders {
        let ours = imports[*name].iter().filter_map(|import| folders.get(import.as_str()));
        let beyond: Vec<&String> = ours.filter(|import| !allowed[folder].contains(*import)).collect();
        assert!(beyond.is_empty(), "{folder} imports {beyond:?}, which the page's table does not allow");
    }
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
