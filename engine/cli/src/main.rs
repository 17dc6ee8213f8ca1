//! `isoflop`: arguments in, exit code out. Everything else is one call away.

mod aligned;
mod args;
mod bits;
mod budget;
mod completion;
mod courier;
mod devices;
mod difference;
mod disk;
mod ending;
mod equipment;
mod facts;
mod glimpse;
mod graph;
mod ground;
mod history;
mod home;
mod init;
mod kept;
mod machine;
mod named;
mod now;
mod outfile;
mod outlook;
mod output;
mod progress;
mod project;
mod reasons;
mod rocrate;
mod saved;
mod selection;
mod serve;
mod settings;
mod signals;
mod snippet;
mod soft;
mod steps;
mod stop;
mod table;
mod telling;
mod tensors;
mod tree;
mod verbs;
mod work;
mod workers;

use std::{env, future::Future, io, process::ExitCode};

use clap::Parser;
use isoflop_kinds::catalog::catalog;
use isoflop_plan::Drawing;
use tokio::runtime::Runtime;

use crate::{
    args::{Arguments, Verb},
    output::{Output, Paint},
    settings::Settings,
    stop::Stop,
};

fn main() -> ExitCode {
    // A worker is started for every task, and laying out the command line takes longer than many a task.
    if env::args_os().skip(1).eq(["worker"]) {
        return isoflop_worker::serve(&isoflop_native::bodies(), &[]);
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return unread(&error),
    };
    if let Verb::Complete(args) = &arguments.verb {
        completion::answer(args);
        return ExitCode::SUCCESS;
    }
    let mut out = Output::new(arguments.global.json);
    let settings = match Settings::resolve(&arguments.global) {
        Ok(settings) => settings,
        Err(error) => return stopped(&Stop::Usage(error), false, &mut out),
    };
    out.color = settings.color_out;
    match carry_out(&arguments.verb, &settings, &mut out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => stopped(&stop, settings.color_err, &mut out),
    }
}

/// Answers arguments that are none of ours, or that ask for help. Whether data is wanted has to be read off them here, as they could not be read.
fn unread(error: &clap::Error) -> ExitCode {
    let mut words = env::args_os().skip(1).take_while(|word| word != "--");
    if error.use_stderr() && words.any(|word| word == "--json") {
        let said = error.render().to_string();
        // Behind the mistake stands how the verb is used, which is for people.
        let ends = ["\n\nUsage:", "\n\nFor more information"].into_iter().filter_map(|mark| said.find(mark));
        let mistake = said[..ends.min().unwrap_or(said.len())].trim();
        let mistake = mistake.strip_prefix("error: ").unwrap_or(mistake);
        let _ = Output::new(true).error(&Stop::Usage(mistake.to_owned()));
    }
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn carry_out(verb: &Verb, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    let catalog = catalog();
    match verb {
        Verb::Check(args) => verbs::check::check(args, &catalog, out),
        Verb::Expand(args) => wait(verbs::expand::expand(args, &catalog, settings, out)),
        Verb::Plan(args) => wait(verbs::plan::plan(args, &catalog, settings, out)),
        // A remote store is asked on whatever thread wants to know.
        Verb::Run(args) if settings.remote.is_some() => wait(verbs::run::run(args, &catalog, settings, out)),
        Verb::Run(args) => wait_alone(verbs::run::run(args, &catalog, settings, out)),
        Verb::Status(args) => wait(verbs::status::status(args, settings, out)),
        Verb::Watch(args) => wait(verbs::watch::watch(args, settings, out)),
        Verb::Logs(args) => wait(verbs::logs::logs(args, settings, out)),
        Verb::Show(args) => wait(verbs::show::show(args, settings, out)),
        Verb::Get(args) => wait(verbs::get::get(args, settings, out)),
        Verb::Why(args) => wait(verbs::why::why(args, &catalog, settings, out)),
        Verb::Runs(args) => wait(verbs::runs::runs(args, settings, out)),
        Verb::Trace(args) => wait(verbs::trace::trace(args, settings, out)),
        Verb::Diff(args) => wait(verbs::diff::diff(args, settings, out)),
        Verb::Audit(args) => wait(verbs::audit::audit(args, &catalog, settings, out)),
        Verb::Verify(args) => wait(verbs::verify::verify(args, &catalog, settings, out)),
        Verb::Drill(args) => wait(verbs::drill::drill(args, &catalog, settings, out)),
        Verb::Pin(args) => wait(verbs::pin::pin(args, settings, out)),
        Verb::Gc(args) => wait(verbs::gc::gc(args, settings, out)),
        Verb::Cache(args) => wait(verbs::cache::cache(args, &catalog, settings, out)),
        Verb::Serve(args) => wait(verbs::serve::serve(args, catalog, settings, out)),
        Verb::Export(args) => wait(verbs::export::export(args, &catalog, settings, out)),
        Verb::Report(args) => wait(verbs::report::report(args, &catalog, settings, out)),
        Verb::Claims(args) => wait(verbs::claims::claims(args, &catalog, settings, out)),
        Verb::Fit(args) => verbs::fit::fit(args, out),
        Verb::Model(args) => verbs::model::model(args, out),
        Verb::Doctor(args) => wait(verbs::doctor::doctor(args, settings, out)),
        Verb::Init(args) => verbs::init::init(args, &catalog, out),
        Verb::Schema(args) => verbs::schema::schema(args, &catalog, out),
        Verb::Completions(args) => verbs::completions::completions(args, out),
        Verb::Worker => Err(Stop::Usage("`worker` takes no arguments".to_owned())),
        Verb::Keep => home::keep(settings),
        Verb::Complete(_) => unreachable!("this was served before any setting was read"),
    }
}

/// Runs what waits: for Postgres, for workers.
fn wait<T>(work: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(without_runtime)?;
    finish(runtime, work)
}

/// The same on this thread alone. A run is a conversation with many processes in short sentences: handed from one thread to another, each costs
/// more than it takes. What takes longer, reading and hashing files, is done aside anyway.
fn wait_alone<T>(work: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
    finish(tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(without_runtime)?, work)
}

fn finish<T>(runtime: Runtime, work: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
    let result = runtime.block_on(work);
    // A thread that still hashes a file must not keep a stopped run waiting.
    runtime.shutdown_background();
    result
}

fn without_runtime(error: io::Error) -> Stop {
    Stop::Internal(anyhow::Error::new(error).context("cannot start the runtime"))
}

/// Says what stopped the verb, and answers with the exit code that says so too.
fn stopped(stop: &Stop, color: bool, out: &mut Output) -> ExitCode {
    if let Stop::Invalid(findings) = stop {
        let drawing = if color { Drawing::Color } else { Drawing::Unicode };
        eprint!("{}", findings.render(width(), drawing));
    }
    if out.json {
        let _ = out.error(stop);
    }
    if !matches!(stop, Stop::TaskFailed | Stop::WorkNeeded | Stop::Disproved | Stop::Differs) {
        eprintln!("{} {stop}", Paint::Bad.on("error:", color));
    }
    if let Stop::Internal(_) = stop {
        eprintln!("This is a mistake in isoflop itself; please report it with the command that led to it.");
    }
    ExitCode::from(stop.code())
}

/// Columns to draw findings in.
fn width() -> usize {
    let columns = rustix::termios::tcgetwinsize(io::stderr()).map_or(100, |size| usize::from(size.ws_col));
    columns.clamp(60, 140)
}
