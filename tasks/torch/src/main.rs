//! The worker `isoflop-torch`: runs one task of a kind that needs libtorch.

use std::process::ExitCode;

use isoflop_contract::environment::LIBTORCH;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("--version") {
        println!("isoflop-torch {}, libtorch {LIBTORCH}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    isoflop_worker::serve(&isoflop_torch::run::bodies(), &[("libtorch", LIBTORCH.to_owned())])
}
