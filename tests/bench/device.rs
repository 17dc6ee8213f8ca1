//! Training steps of large models on a CUDA device, against PyTorch eager, with its repeated block compiled, compiled as a whole, and that recorded as
//! CUDA graphs, one after the other on the same card: a card has no room for two of the largest. Where there is no device, a line says so.

use std::{
    env,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    Outcome,
    train::{Side, interpreter},
};

/// Presets and images in a batch, at the latents of 256 pixels.
const CASES: [(&str, u32); 4] = [("sd2.1", 32), ("sdxl-td4_4", 16), ("pixart-h1152-d28", 32), ("sdxl-c320", 8)];
const SIDE: u32 = 32;

/// Steps of a round; the first two rounds warm up.
const STEPS: u32 = 5;
const ROUNDS: usize = 6;

/// What products in bfloat16 come to at best by the maker's sheet, dense, in operations a second: what MFU is a share of.
const PEAKS: [(&str, f64); 4] = [("sm_80", 312e12), ("sm_89", 165e12), ("sm_90", 989e12), ("sm_100", 2250e12)];

/// Prints a line for each model and side.
pub fn device(python: Option<&Path>, only: Option<&str>) -> Outcome<()> {
    let programs = env::current_exe()?;
    let ours = programs.with_file_name("examples").join("step");
    let told = Command::new(programs.with_file_name("isoflop-torch")).arg("--devices").output();
    let told = told.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let Some(class) =
        told.split_once("cuda:0 is `device: ").and_then(|(_, rest)| rest.split_once('`')).map(|(class, _)| class)
    else {
        println!("device: left out, since there is no CUDA device to run on ({told})");
        return Ok(());
    };
    let peak = PEAKS.iter().find(|(known, _)| *known == class).map(|(_, peak)| *peak);
    let python = python.map_or_else(interpreter, |path| Ok(path.to_owned()));
    if let Err(error) = &python {
        println!("device: PyTorch is left out, since it cannot be set up: {error}");
    }
    println!(
        "{:<44} {:>10} {:>10} {:>10} {:>10}",
        format!("bf16 on {class}, 4x{SIDE}x{SIDE}, median of {}", ROUNDS - 2),
        "images/s",
        "MFU",
        "GiB",
        "s a step"
    );
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/step.py");
    for (model, batch) in CASES.into_iter().filter(|case| only.is_none_or(|only| only == case.0)) {
        let arguments = [model, &SIDE.to_string(), &batch.to_string(), "bf16", "1", "cuda"].map(str::to_owned);
        let mut macs = None;
        for way in [None, Some("eager"), Some("regional"), Some("compiled"), Some("recorded")] {
            let mut command = match (&python, way) {
                (_, None) => Command::new(&ours),
                (Ok(python), Some(_)) => {
                    let mut command = Command::new(python);
                    command.arg(&script);
                    command
                }
                (Err(_), Some(_)) => continue,
            };
            command.args(&arguments).args(way);
            command.env("CUBLAS_WORKSPACE_CONFIG", ":4096:8");
            // One that does not fit, or does not compile, is a line and not the end.
            let side = way.map_or("isoflop".to_owned(), |way| format!("PyTorch, {way}"));
            let what = format!("{model}, {batch} a step, {side}");
            match measured(&mut command) {
                Ok((seconds, side)) => {
                    macs = macs.or(side.macs);
                    let rate = f64::from(batch) / seconds;
                    let mfu = macs
                        .zip(peak)
                        .map_or("-".to_owned(), |(macs, peak)| format!("{:.3}", 6.0 * macs as f64 / seconds / peak));
                    let memory =
                        side.memory.map_or("-".to_owned(), |bytes| format!("{:.1}", bytes as f64 / f64::from(1 << 30)));
                    println!("{what:<44} {rate:>10.1} {mfu:>10} {memory:>10} {seconds:>10.4}");
                }
                Err(error) => println!("{what:<44} failed: {error}"),
            }
        }
    }
    Ok(())
}

/// Seconds of a step, the median over rounds, and the side that made them.
fn measured(command: &mut Command) -> Outcome<(f64, Side)> {
    let mut side = Side::start(command)?;
    let mut rounds: Vec<Duration> = Vec::new();
    for round in 0..ROUNDS {
        let began = Instant::now();
        side.make(STEPS)?;
        if round >= 2 {
            rounds.push(began.elapsed());
        }
    }
    rounds.sort();
    Ok((rounds[rounds.len() / 2].as_secs_f64() / f64::from(STEPS), side))
}
