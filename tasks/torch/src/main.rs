//! `isoflop-torch`: the worker that runs one task of a kind that needs libtorch, and a few commands for people.

use std::process::ExitCode;

use isoflop_contract::environment::LIBTORCH;
use isoflop_torch::{
    command::{self, Stop},
    parallel::team::VERB,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        // The engine starts it like this, and speaks through standard input.
        None => isoflop_worker::serve(&isoflop_torch::run::bodies(), &[("libtorch", LIBTORCH.to_owned())]),
        // A worker starts it like this, to share its task.
        Some(VERB) => isoflop_worker::follow(&isoflop_torch::run::bodies()),
        Some("--version") => {
            println!("isoflop-torch {}, libtorch {LIBTORCH}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Some("--devices") => {
            println!("{}", isoflop_torch::device::told());
            ExitCode::SUCCESS
        }
        Some(_) => match command::run(&arguments, &mut std::io::stdout().lock()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(stop) => {
                eprintln!("isoflop-torch: {stop}");
                ExitCode::from(match stop {
                    Stop::Usage(_) => 2,
                    Stop::Torch(_) | Stop::Output(_) => 4,
                })
            }
        },
    }
}
