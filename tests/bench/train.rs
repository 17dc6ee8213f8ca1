//! Training steps against PyTorch's: the same models, sizes, precision and threads on both sides, rounds by turns, median processor time a step.
//!
//! Python's side needs torch and diffusers. They are put into a virtual environment in the user's cache once; where that cannot be done, a line says
//! so and the case is left out.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use isoflop_contract::{
    Environment,
    environment::{Isa, Torch},
};

use crate::{Folder, Outcome};

/// What both sides are built on.
const PACKAGES: [&str; 3] = ["torch==2.11.0", "diffusers==0.42.1", "numpy"];

/// How often each side is measured, and for how many steps.
const ROUNDS: usize = 5;
const STEPS: u32 = 2;

/// Models, sizes and batches.
const CASES: [(&str, u32, u32); 4] =
    [("unet", 16, 16), ("unet", 32, 4), ("transformer", 16, 16), ("transformer", 32, 8)];

/// Prints a line a case. `python` is an interpreter that has the packages, if the caller knows one; `only` a model, if not all are wanted.
pub fn train(python: Option<&Path>, only: Option<&str>, threads: u32) -> Outcome<()> {
    let ours = env::current_exe()?.with_file_name("examples").join("step");
    if !ours.exists() {
        println!("train: left out, since {} is not built (make bench builds it)", ours.display());
        return Ok(());
    }
    let python = match python.map_or_else(interpreter, |path| Ok(path.to_owned())) {
        Ok(python) => python,
        Err(error) => {
            println!("train: left out, since PyTorch cannot be set up: {error}");
            return Ok(());
        }
    };
    let folder = Folder::new()?;
    let file = folder.path.join("start.safetensors");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/step.py");
    // As a worker is started whose study declares the most that this processor has.
    let isa = isa();
    let variables = Environment::Torch(Torch { isa, threads, ..Torch::default() }).variables();
    println!("isoflop declares `isa: {}`", isa.word());
    println!(
        "{:<44} {:>10} {:>10} {:>10} {:>10}",
        format!("CPU seconds a step, median of {ROUNDS}"),
        "isoflop",
        "PyTorch",
        "ratio",
        "losses off"
    );
    for (model, size, batch) in CASES.into_iter().filter(|case| only.is_none_or(|only| only == case.0)) {
        for precision in ["fp32", "bf16"] {
            let [size_text, batch_text, threads] = [size, batch, threads].map(|number| number.to_string());
            let arguments = [model, &size_text, &batch_text, precision, &threads];
            let start = |program: &mut Command| Side::start(program.args(arguments).arg(&file));
            let mut mine = start(Command::new(&ours).envs(variables.iter().map(|(name, value)| (name, value))))?;
            let mut theirs = start(Command::new(&python).arg(&script))?;
            if mine.params != theirs.params {
                return Err(format!("{model}: {} parameters here and {} in PyTorch", mine.params, theirs.params).into());
            }
            let mut apart = (mine.loss / theirs.loss - 1.0).abs();
            let (mut here, mut there) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                here.push(mine.steps()?);
                there.push(theirs.steps()?);
                apart = apart.max((mine.loss / theirs.loss - 1.0).abs());
            }
            // Both compute the same thing, or the comparison is none: equal starts, and losses that part by rounding alone.
            let most = if precision == "fp32" { 1e-3 } else { 2e-2 };
            if apart > most || apart.is_nan() {
                return Err(
                    format!("{model}, {precision}: losses are {apart:.1e} apart, and {most:.0e} is the most").into()
                );
            }
            let median = |times: &mut Vec<f64>| {
                times.sort_by(f64::total_cmp);
                times[times.len() / 2]
            };
            let (here, there) = (median(&mut here), median(&mut there));
            let millions = mine.params as f64 / 1e6;
            let what = format!("{model} {millions:.1}M, {batch} of 4x{size}x{size}, {precision}");
            println!("{what:<44} {here:>10.3} {there:>10.3} {:>10.2} {apart:>10.0e}", here / there);
        }
    }
    Ok(())
}

/// The highest level that this processor has and a study can declare.
fn isa() -> Isa {
    Isa::highest(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()).unwrap_or(Isa::Avx2)
}

/// A process that makes steps.
pub(crate) struct Side {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
    pub(crate) params: u64,
    /// Multiply-accumulates of a step, where it tells.
    pub(crate) macs: Option<u64>,
    /// The most memory it has held of a device, where it tells.
    pub(crate) memory: Option<u64>,
    /// The latest loss it told.
    loss: f64,
}

impl Side {
    pub(crate) fn start(command: &mut Command) -> Outcome<Self> {
        command.env("OMP_WAIT_POLICY", "passive").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let ask = child.stdin.take().ok_or("no standard input")?;
        let answers = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        let mut side = Self { child, ask, answers, params: 0, macs: None, memory: None, loss: f64::NAN };
        let said: serde_json::Value = serde_json::from_str(&side.line()?)?;
        side.params = said["params"].as_u64().ok_or("no count of parameters")?;
        side.macs = said["macs"].as_u64();
        side.loss = said["loss"].as_f64().ok_or("no loss")?;
        Ok(side)
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        if line.is_empty() { Err("a side of the comparison ended early".into()) } else { Ok(line) }
    }

    /// Processor seconds of one step, over a few.
    fn steps(&mut self) -> Outcome<f64> {
        let before = self.processor()?;
        self.make(STEPS)?;
        Ok((self.processor()? - before) / f64::from(STEPS))
    }

    /// Makes so many steps.
    pub(crate) fn make(&mut self, steps: u32) -> Outcome<()> {
        writeln!(self.ask, "{steps}")?;
        self.ask.flush()?;
        let line = self.line()?;
        let mut words = line.split_whitespace();
        self.loss = words.next().ok_or("no loss")?.parse()?;
        self.memory = words.next().and_then(|word| word.parse().ok()).or(self.memory);
        Ok(())
    }

    /// Processor seconds of all its threads so far.
    fn processor(&self) -> Outcome<f64> {
        let mut nanoseconds = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            nanoseconds += text.split_whitespace().next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(nanoseconds as f64 / 1e9)
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Python with the packages, made if need be.
pub(crate) fn interpreter() -> Outcome<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    let folder = cache.ok_or("there is no cache folder")?.join("isoflop/bench-python");
    let python = folder.join("bin/python");
    let works = || {
        Command::new(&python)
            .args(["-c", "import torch, diffusers"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    if works() {
        return Ok(python);
    }
    println!("train: fetching {} into {}, once", PACKAGES.join(", "), folder.display());
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES))?;
    if works() { Ok(python) } else { Err("torch and diffusers do not import".into()) }
}

fn run(command: &mut Command) -> Outcome<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().last().unwrap_or("it ended without a word").to_owned().into())
}
