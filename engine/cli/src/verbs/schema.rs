//! `schema`: what kinds there are, and what a study and a `with:` look like, for people and for editors.

use isoflop_contract::{
    Catalog, Entry, Runtime,
    port::{Arity, Port},
};
use isoflop_plan::nearest;
use serde_json::{Value, json};

use crate::{
    args::SchemaArgs,
    output::{Output, Paint},
    stop::Stop,
};

/// The word that asks for the schema of a whole study.
pub const STUDY: &str = "study";

/// Prints the schema of a study or of a kind, or lists the kinds.
pub fn schema(args: &SchemaArgs, catalog: &Catalog, out: &mut Output) -> Result<(), Stop> {
    match args.kind.as_deref() {
        None => list(catalog, out),
        Some(STUDY) => out.data(&isoflop_plan::schema::study(catalog)),
        Some(name) => match catalog.get(name) {
            Some(entry) => out.data(&isoflop_plan::schema::kind(entry)),
            None => Err(Stop::Usage(unknown(name, catalog))),
        },
    }
}

fn unknown(name: &str, catalog: &Catalog) -> String {
    let names = catalog.iter().map(|entry| entry.name).chain([STUDY]);
    match nearest(name, names) {
        Some(near) => format!("there is no kind `{name}`; did you mean `{near}`?"),
        None => format!("there is no kind `{name}`; `isoflop schema` lists them"),
    }
}

fn list(catalog: &Catalog, out: &mut Output) -> Result<(), Stop> {
    if out.json {
        let kinds: Vec<Value> = catalog.iter().map(as_json).collect();
        let functions: Vec<&String> = catalog.functions().keys().collect();
        return out.data(&json!({ "version": 1, "kinds": kinds, "functions": functions }));
    }
    for entry in catalog.iter() {
        let runtime = match entry.runtime {
            Runtime::Native => "runs in isoflop itself",
            Runtime::Torch => "needs libtorch",
        };
        out.line(&format!("{}  {}", out.paint(Paint::Bold, entry.name), entry.about))?;
        let seeded = if entry.seeded { ", uses a seed" } else { "" };
        out.line(&format!("  makes {} ({runtime}{seeded})", entry.makes))?;
        for port in entry.ports {
            let line = format!("  {} {}: {}  {}", key(port), port.name, port.shape, out.paint(Paint::Dim, port.about));
            out.line(&line)?;
        }
        for (n, line) in entry.example.lines().enumerate() {
            out.line(&format!("  {:<5} {line}", if n == 0 { "with:" } else { "" }))?;
        }
        out.line("")?;
    }
    out.line("`isoflop schema KIND` prints every field of one kind, `isoflop schema study` the schema of a study for editors.")
}

/// Where a port is written, and how many it takes.
fn key(port: &Port) -> &'static str {
    match port.arity {
        Arity::One => "needs",
        Arity::Maybe => "may need",
        Arity::Many => "gathers",
        Arity::MaybeMany => "may gather",
    }
}

fn as_json(entry: &Entry) -> Value {
    let ports: Vec<Value> = entry
        .ports
        .iter()
        .map(|port| json!({ "name": port.name, "shape": port.shape, "arity": port.arity, "about": port.about }))
        .collect();
    json!({
        "name": entry.name, "about": entry.about, "revision": entry.revision, "runtime": entry.runtime, "seeded": entry.seeded,
        "ports": ports, "makes": entry.makes, "example": entry.example, "schema": isoflop_plan::schema::kind(entry),
    })
}
