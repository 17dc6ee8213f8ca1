//! `make bench`: how long the built program takes, as whole processes, on studies made for the purpose. Medians; these are figures to read, not
//! tests to pass. `isoflop-bench check kept cold hash` names the cases, all unless some are named; `--against OTHER/isoflop` runs another build
//! beside this one where that makes sense, by turns, and prints the ratio; `--tasks N` makes `cold` shorter; `--b3sum PROGRAM` is what `hash`
//! compares with; `--python INTERPRETER` one that has torch and diffusers, `--model unet` (or `transformer`) and `--threads N` are for `train`.

mod cold;
mod device;
mod hash;
mod ledger;
mod ranks;
mod train;

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

/// How often each case is run.
const ROUNDS: usize = 11;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match bench() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("isoflop-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench() -> Outcome<()> {
    let mut programs = vec![env::current_exe()?.with_file_name("isoflop")];
    let (mut cases, mut tasks, mut b3sum) = (Vec::new(), 5000, PathBuf::from("b3sum"));
    let (mut python, mut model, mut threads) = (None, None, 1);
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} takes a value"));
        match argument.as_str() {
            "--against" => programs.push(value()?.into()),
            "--tasks" => tasks = value()?.parse()?,
            "--b3sum" => b3sum = value()?.into(),
            "--python" => python = Some(PathBuf::from(value()?)),
            "--model" => model = Some(value()?),
            "--threads" => threads = value()?.parse()?,
            "check" | "kept" | "cold" | "hash" | "ledger" | "train" | "device" | "ranks" => cases.push(argument),
            other => {
                return Err(format!(
                    "unknown argument {other}; there are --against, --tasks, --b3sum, --python, --model, --threads, check, kept, cold, hash, ledger, train, device, ranks"
                )
                .into());
            }
        }
    }
    let wanted = |case: &str| cases.is_empty() || cases.iter().any(|wanted| wanted == case);
    if ["check", "kept", "ledger"].iter().any(|case| wanted(case)) {
        println!(
            "{:<44} {:>10} {:>10} {:>10} {:>10}",
            format!("median of {ROUNDS}"),
            "seconds",
            "least",
            "most",
            "peak MiB"
        );
    }
    if wanted("check") {
        check(&programs, "check, 10,000 cells in 4 groups", &ladder(25, 100))?;
        check(&programs, "check, 100,000 cells of one group", &scenes(1000, 100))?;
        check(&programs, "check, 99,602 cells in 4 groups", &ladder(249, 100))?;
    }
    if wanted("kept") {
        kept(&programs)?;
    }
    if wanted("cold") {
        cold::cold(&programs[0], tasks)?;
    }
    if wanted("hash") {
        hash::hash(2 << 30, &b3sum)?;
    }
    if wanted("ledger") {
        ledger::trace(&programs)?;
        ledger::commits()?;
    }
    if wanted("train") {
        train::train(python.as_deref(), model.as_deref(), threads)?;
    }
    if wanted("device") {
        device::device(python.as_deref(), model.as_deref())?;
    }
    if wanted("ranks") {
        ranks::ranks(&programs[0])?;
    }
    Ok(())
}

/// One group of `rows` times `columns` cells.
fn scenes(rows: usize, columns: usize) -> String {
    format!(
        "study: bench\nseed: 1\ntasks:\n  scenes:\n    matrix:\n      row: \"{{{{ range({rows}) }}}}\"\n      seed: \"{{{{ range({columns}) }}}}\"\n    \
         kind: make-scenes\n    with: {{ images: \"{{{{ 1 + row }}}}\", resolution: 16 }}\n"
    )
}

/// The four groups of a scaling study, each of `sizes` times `seeds` cells.
fn ladder(sizes: usize, seeds: usize) -> String {
    format!(
        r#"study: bench
seed: 1
params: {{ steps: 500 }}
tasks:
  scenes:
    matrix: {{ size: "{{{{ range({sizes}) }}}}", seed: "{{{{ range({seeds}) }}}}" }}
    kind: make-scenes
    with: {{ images: "{{{{ 64 + size }}}}", resolution: 16 }}
  heldout: {{ kind: make-scenes, with: {{ images: 64, resolution: 16 }} }}
  train:
    each: scenes
    let: {{ width: "{{{{ 8 * (1 + size % 8) }}}}" }}
    kind: train-denoiser
    needs: {{ data: scenes, heldout: heldout }}
    with:
      backbone: {{ family: unet, in_channels: 3, channels: ["{{{{ width }}}}", "{{{{ 2 * width }}}}"], transformer_depth: [1, 1], head_dim: 8, cross_attention_dim: 32, norm_groups: 8 }}
      text: {{ vocabulary: 48, tokens: 14, depth: 1, heads: 4 }}
      steps: "{{{{ steps }}}}"
      batch: 16
      learning_rate: 1e-3
  samples: {{ each: train, kind: sample-images, needs: {{ model: train, prompts: heldout }}, with: {{ count: 16, steps: 4, guidance: 3 }} }}
  judge: {{ kind: train-vqa, needs: {{ data: heldout, heldout: heldout }}, with: {{ steps: 500, batch: 8, learning_rate: 1e-3 }} }}
  scores: {{ each: train, kind: score-alignment, needs: {{ images: samples, prompts: heldout, vqa: judge }} }}
"#
    )
}

/// `check` of a study.
fn check(programs: &[PathBuf], what: &str, study: &str) -> Outcome<()> {
    let folder = Folder::new()?;
    fs::write(folder.path.join("study.yaml"), study)?;
    measure(programs, what, &folder.path, &["check"])
}

/// 5,000 tasks, run once by the first program and then planned and run again with everything kept.
fn kept(programs: &[PathBuf]) -> Outcome<()> {
    let folder = Folder::new()?;
    // Half of them rest on the other half: what they were made from is held against what stands.
    let resting = "  described: { each: scenes, kind: describe-data, needs: { data: scenes }, with: {} }\n";
    fs::write(folder.path.join("study.yaml"), scenes(25, 100).replace("1 + row", "1 + row % 2") + resting)?;
    let run = once(&programs[0], &folder.path, &["run", "--progress", "none"])?;
    println!(
        "{:<44} {:>10.3}{:>33} {:.1} ms a task",
        "run, 5,000 trivial tasks, once",
        run.seconds,
        "",
        run.seconds / 5.0
    );
    measure(programs, "plan, 5,000 tasks kept", &folder.path, &["plan"])?;
    measure(programs, "plan --json, 5,000 tasks kept", &folder.path, &["plan", "--json"])?;
    let result = measure(programs, "run, 5,000 tasks kept", &folder.path, &["run", "--progress", "none"]);
    once(&programs[0], &folder.path, &["doctor", "--stop-server"])?;
    result
}

/// Runs a command [`ROUNDS`] times with each program, by turns, and prints a line for each.
fn measure(programs: &[PathBuf], what: &str, folder: &Path, arguments: &[&str]) -> Outcome<()> {
    let mut samples: Vec<Vec<Sample>> = programs.iter().map(|_| Vec::new()).collect();
    for round in 0..=ROUNDS {
        for (program, samples) in programs.iter().zip(&mut samples) {
            let sample = once(program, folder, arguments)?;
            // The first warms the page cache.
            if round > 0 {
                samples.push(sample);
            }
        }
    }
    let mut medians = Vec::new();
    for (index, samples) in samples.iter_mut().enumerate() {
        samples.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        let (least, median, most) = (&samples[0], &samples[ROUNDS / 2], &samples[ROUNDS - 1]);
        let peak = samples.iter().map(|sample| sample.peak).max().unwrap_or(0) as f64 / 1024.0;
        medians.push(median.seconds);
        let (name, ratio) = match index {
            0 => (what, String::new()),
            _ => ("  against it", format!("   {:.2} times as long", median.seconds / medians[0])),
        };
        println!(
            "{name:<44} {:>10.3} {:>10.3} {:>10.3} {peak:>10.0}{ratio}",
            median.seconds, least.seconds, most.seconds
        );
    }
    Ok(())
}

struct Sample {
    seconds: f64,
    /// The largest resident set, in KiB.
    peak: u64,
}

/// One run of one command, which must end well.
fn once(program: &Path, folder: &Path, arguments: &[&str]) -> Outcome<Sample> {
    let begin = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env_remove("DATABASE_URL")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
    // The kernel keeps the high-water mark; the last reading before the end is the peak but for the last half millisecond.
    let status = format!("/proc/{}/status", child.id());
    let watch = thread::spawn(move || {
        let mut peak = 0;
        while let Ok(text) = fs::read_to_string(&status) {
            let Some(line) = text.lines().find(|line| line.starts_with("VmHWM:")) else { break };
            peak = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(peak);
            thread::sleep(Duration::from_micros(500));
        }
        peak
    });
    let ended = child.wait()?;
    let seconds = begin.elapsed().as_secs_f64();
    let peak = watch.join().map_err(|_| "the watching thread failed")?;
    if !ended.success() {
        let mut said = String::new();
        if let Some(mut stderr) = child.stderr.take() {
            std::io::Read::read_to_string(&mut stderr, &mut said)?;
        }
        return Err(format!("isoflop {} ended with {ended}\n{said}", arguments.join(" ")).into());
    }
    Ok(Sample { seconds, peak })
}

/// A folder that is removed at the end.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn new() -> Outcome<Self> {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("isoflop-bench-{}-{serial}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self { path })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
