//! Draws a set of scenes by hand: `cargo run --release -p isoflop-native --example draw -- OUT_DIR COUNT SEED [SPEC_JSON]`.

use std::{error::Error, ops::ControlFlow, path::PathBuf, process::ExitCode};

use isoflop_contract::{Kind, Seed};
use isoflop_kinds::scenes::MakeScenes;
use isoflop_native::scenes;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match draw(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}\nusage: draw OUT_DIR COUNT SEED [SPEC_JSON]");
            ExitCode::FAILURE
        }
    }
}

fn draw(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [out, count, seed, rest @ ..] = arguments else { return Err("three arguments are needed".into()) };
    let mut with = match rest.first() {
        Some(text) => serde_json::from_str(text)?,
        None => serde_json::json!({}),
    };
    with["images"] = count.parse::<u32>()?.into();
    let spec: MakeScenes = serde_json::from_value(with)?;
    spec.check().map_err(|complaint| format!("{}: {}", complaint.field, complaint.problem))?;
    let out = PathBuf::from(out);
    std::fs::create_dir_all(&out)?;
    for (name, value) in scenes::write(&spec, Seed::from_number(seed.parse()?), &out, |_| ControlFlow::Continue(()))? {
        println!("{name} {value}");
    }
    Ok(())
}
