//! Whole runs: real plans, a real store, a real private Postgres and real worker processes. The workers are this very binary, executed again
//! as `suite worker` (an honest one) or `suite liar HOW`.

mod checkpoints;
mod edits;
mod liar;
mod runs;
mod toy;
mod world;

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    time::Instant,
};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("worker") => return toy::work(),
        Some("liar") => return liar::lie(args.get(1).map_or("", String::as_str)),
        Some("engine") => return world::engine(&args[1..]),
        _ => {}
    }
    let wanted: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let tests = runs::TESTS.iter().chain(checkpoints::TESTS);
    let tests = tests.filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|w| name.contains(w.as_str())));
    if args.iter().any(|arg| arg == "--list") {
        tests.for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let server = world::Server::start();
    let (mut passed_in_all, mut failed) = (0, Vec::new());
    for (name, test) in tests {
        let began = Instant::now();
        let passed = catch_unwind(AssertUnwindSafe(|| test(&server))).is_ok();
        println!("test {name} ... {} ({:.2} s)", if passed { "ok" } else { "FAILED" }, began.elapsed().as_secs_f64());
        if passed {
            passed_in_all += 1;
        } else {
            failed.push(name);
        }
    }
    let verdict = if failed.is_empty() { "ok" } else { "FAILED" };
    println!("\ntest result: {verdict}. {passed_in_all} passed; {} failed {failed:?}", failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
