//! The body of `import-images`.

use std::thread::available_parallelism;

use isoflop_contract::port::NoNeeds;
use isoflop_kinds::import::ImportImages;
use isoflop_worker::{Context, Halt, Interrupted, Made};

use crate::import::{ImportError, import};

/// Threads that decode at most.
const THREADS: usize = 16;

#[expect(clippy::needless_pass_by_value, reason = "every body has this signature")]
pub fn run(spec: ImportImages, _: NoNeeds, context: &mut Context) -> Result<Made, Halt> {
    let (folders, out) = (context.all_files().clone(), context.out(""));
    // How many there are changes no bit of the result.
    let threads = available_parallelism().map_or(1, usize::from).min(THREADS);
    let imported = import(&spec, &folders, &out, threads, &mut |read| {
        context.progress(read, 0);
        !context.should_stop()
    });
    let report = match imported {
        Err(ImportError::Stopped) => return Err(Interrupted.into()),
        other => other?,
    };
    let mut made = Made::new().scalar("read", report.read as f64)?.scalar("images", report.kept as f64)?;
    for (reason, count) in &report.left_out {
        made = made.scalar(format!("left_out_{}", reason.replace('-', "_")), *count as f64)?;
    }
    Ok(made)
}
