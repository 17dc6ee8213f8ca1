//! The toy kinds and the honest worker.
#![expect(clippy::needless_pass_by_value, reason = "a body owns its spec and needs")]

use std::{fs, path::Path, process::ExitCode, thread, time::Duration};

use isoflop_contract::{Artifact, Catalog, Entry, Kind, Runtime, port::NoNeeds, ports};
use isoflop_worker::{Body, Context, Diverged, Halt, Interrupted, Made, NotFinite, serve};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug)]
pub enum Text {}
impl Artifact for Text {
    const SHAPE: &'static str = "text";
}

/// Makes a text, or misbehaves.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Say {
    text: String,
    /// A folder in which each execution leaves a mark.
    marks: String,
    #[serde(default)]
    how: String,
    #[serde(default)]
    millis: u64,
}

impl Kind for Say {
    const NAME: &'static str = "say";
    const REVISION: u32 = 1;
    const RUNTIME: Runtime = Runtime::Native;
    const SEEDED: bool = false;
    const ABOUT: &'static str = "Makes a text.";
    const EXAMPLE: &'static str = "text: a\nmarks: /tmp";
    type Needs = NoNeeds;
    type Makes = Text;
}

ports! {
    /// What a join needs.
    pub struct JoinNeeds {
        /// The texts.
        parts: Many<Text>,
    }
}

/// Joins texts in the order of their labels.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Join {
    marks: String,
}

impl Kind for Join {
    const NAME: &'static str = "join";
    const REVISION: u32 = 1;
    const RUNTIME: Runtime = Runtime::Native;
    const SEEDED: bool = false;
    const ABOUT: &'static str = "Joins texts.";
    const EXAMPLE: &'static str = "marks: /tmp";
    type Needs = JoinNeeds;
    type Makes = Text;
}

ports! {
    /// What shouting needs.
    pub struct ShoutNeeds {
        /// The text.
        from: One<Text>,
    }
}

/// Makes a text loud. Its bytes do not depend on `unused`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shout {
    marks: String,
    #[serde(default)]
    unused: i64,
    #[serde(default)]
    millis: u64,
}

impl Kind for Shout {
    const NAME: &'static str = "shout";
    const REVISION: u32 = 1;
    const RUNTIME: Runtime = Runtime::Native;
    const SEEDED: bool = false;
    const ABOUT: &'static str = "Makes a text loud.";
    const EXAMPLE: &'static str = "marks: /tmp";
    type Needs = ShoutNeeds;
    type Makes = Text;
}

/// Adds up numbers, one a step, and measures on the way. Can go on where it was interrupted.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Count {
    marks: String,
    steps: u64,
    #[serde(default)]
    millis: u64,
}

impl Kind for Count {
    const NAME: &'static str = "count";
    const REVISION: u32 = 1;
    const RUNTIME: Runtime = Runtime::Native;
    const SEEDED: bool = false;
    const ABOUT: &'static str = "Adds up numbers.";
    const EXAMPLE: &'static str = "marks: /tmp\nsteps: 3";
    type Needs = NoNeeds;
    type Makes = Text;
}

pub fn catalog() -> Catalog {
    Catalog::new([Entry::of::<Say>(), Entry::of::<Join>(), Entry::of::<Shout>(), Entry::of::<Count>()])
}

pub fn work() -> ExitCode {
    serve(&[Body::of(say), Body::of(join), Body::of(shout), Body::of(count)], &[])
}

fn mark(marks: &str, context: &Context) -> Result<(), Halt> {
    let name = context.task().replace('/', "-");
    fs::write(Path::new(marks).join(format!("{name}.{}", std::process::id())), "")?;
    Ok(())
}

fn pause(millis: u64, context: &Context) -> Result<(), Halt> {
    for _ in 0..millis / 10 {
        if context.should_stop() {
            return Err(Interrupted.into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn write(context: &Context, text: &str) -> Result<Made, Halt> {
    fs::write(context.out("text"), text)?;
    Ok(Made::new().scalar("length", text.len() as f64)?)
}

fn say(spec: Say, _: NoNeeds, context: &mut Context) -> Result<Made, Halt> {
    mark(&spec.marks, context)?;
    for step in 0..10 {
        context.metric("loss", step, 1.0 / (step + 1) as f64)?;
        context.progress(step + 1, 10);
    }
    pause(spec.millis, context)?;
    match spec.how.as_str() {
        "" | "fine" => {}
        "diverge" => context.metric("loss", 11, f64::NAN).map_err(NotFinite::diverged)?,
        "panic" => panic!("no idea what to do"),
        "reject" => return Err("the text is not to my taste".into()),
        "full" => return Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into()),
        "abort" => {
            eprintln!("about to abort");
            std::process::abort()
        }
        "exit" => std::process::exit(0),
        "kill" => rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)?,
        "hang" => loop {
            thread::sleep(Duration::from_hours(1));
        },
        "stop" => rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)?,
        "stopped-child" => {
            let mut child = std::process::Command::new("sh").args(["-c", "kill -STOP $$"]).spawn()?;
            child.wait()?;
        }
        "hog" => {
            // A child's memory counts too. Written to, so that it is resident.
            let script = "x=$(head -c 400000000 /dev/zero | tr '\\0' x); sleep 1000";
            std::process::Command::new("sh").args(["-c", script]).spawn()?.wait()?;
        }
        "shout" => {
            for line in 0..600_000 {
                println!("line {line} of far too many, each of them forty bytes");
            }
        }
        "device" => {
            // Nobody else may have it meanwhile.
            let device = std::env::var("CUDA_VISIBLE_DEVICES")?;
            let has = Path::new(&spec.marks).with_file_name(format!("has-{device}"));
            fs::File::create_new(&has).map_err(|error| format!("somebody else has {device}: {error}"))?;
            thread::sleep(Duration::from_millis(100));
            fs::remove_file(has)?;
            return write(context, &device);
        }
        "once" | "twice" => {
            // Crashes the first time, or the first two times.
            let times = if spec.how == "once" { 1 } else { 2 };
            let marks = fs::read_dir(&spec.marks)?.flatten();
            let before = marks.filter(|mark| mark.file_name().to_string_lossy().starts_with(context.task())).count();
            if before <= times {
                std::process::abort();
            }
        }
        "link" => std::os::unix::fs::symlink("/etc/passwd", context.out("text2"))?,
        "environment" => {
            let names: Vec<String> =
                std::env::vars().map(|(name, _)| name).filter(|n| !n.starts_with("ISOFLOP")).collect();
            return write(context, &names.join(" "));
        }
        "child" => {
            // A grandchild that outlives its parent, holds what it can and ignores SIGTERM.
            std::process::Command::new("sh").args(["-c", "trap '' TERM; sleep 1000"]).spawn()?;
        }
        "fd" => {
            let open: Vec<String> = fs::read_dir("/dev/fd")?
                .flatten()
                .filter_map(|e| Some(fs::read_link(e.path()).ok()?.display().to_string()))
                .filter(|to| !to.starts_with("pipe:") && !to.starts_with("/dev/") && !to.starts_with("/proc/"))
                .collect();
            return write(context, &open.join(" "));
        }
        other => return Err(format!("no such trick: {other}").into()),
    }
    write(context, &spec.text)
}

fn join(spec: Join, needs: JoinNeeds, context: &mut Context) -> Result<Made, Halt> {
    mark(&spec.marks, context)?;
    let mut text = String::new();
    for (label, part) in &needs.parts {
        text += label;
        text += ":";
        text += &fs::read_to_string(part.file("text"))?;
        text += " ";
    }
    for label in context.absent("parts").keys() {
        text += label;
        text += ":nothing ";
    }
    write(context, text.trim_end())
}

fn shout(spec: Shout, needs: ShoutNeeds, context: &mut Context) -> Result<Made, Halt> {
    mark(&spec.marks, context)?;
    pause(spec.millis, context)?;
    let text = fs::read_to_string(needs.from.file("text"))?;
    if text.is_empty() {
        return Err(Diverged("nothing to shout".into()).into());
    }
    Ok(write(context, &text.to_uppercase())?.inherit(&needs.from))
}

fn count(spec: Count, _: NoNeeds, context: &mut Context) -> Result<Made, Halt> {
    mark(&spec.marks, context)?;
    let (mut done, mut sum) = (0, 0.0);
    if let Some(resume) = context.resume() {
        done = resume.step;
        sum = serde_json::from_slice(&fs::read(resume.file("sum"))?)?;
    }
    while done < spec.steps {
        thread::sleep(Duration::from_millis(spec.millis));
        done += 1;
        sum += 1.0 / done as f64;
        context.metric("sum", done, sum)?;
        if done % 3 == 0 {
            context.metric("thirds", done, sum * 3.0)?;
        }
        context.progress(done, spec.steps);
        context.checkpoint(done, |folder| Ok(fs::write(folder.join("sum"), serde_json::to_vec(&sum)?)?))?;
    }
    write(context, &format!("{sum:?}"))
}
