//! Kill -9 of engine, worker and Postgres at random points of a study of sixty tasks, and run it again: the ledger (less times) and the store
//! are those of a study that nobody interrupted. `engine/decisions/0011-fault-model.md` says what each kill may leave behind.
//!
//! Points follow from a seed: a run is killed when it has said so many lines, and so many microseconds after. Here, sixty of them, several in
//! one study: what is killed is killed again while it recovers. `make torture` has two hundred, each in a study of its own.

use std::{
    env, fs,
    io::Read,
    process::{Child, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    project::{Project, Ran},
    state::{self, State},
};

const STUDY: &str = include_str!("fixtures/sixty.yaml");
const TASKS: u64 = 60;

/// How long one run may take before it counts as hung.
const PATIENCE: Duration = Duration::from_mins(4);

/// Random numbers that are the same every time: `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`.
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Victim {
    Engine,
    Worker,
    Postgres,
}

/// Where a run is killed.
#[derive(Debug, Clone, Copy)]
struct Point {
    victim: Victim,
    /// After it has said so many lines.
    lines: u64,
    /// And so long after the last.
    pause: Duration,
    /// Whether Postgres' children are killed as well.
    children: bool,
    choice: u64,
}

impl Point {
    /// A point in a run that has `left` tasks to do.
    fn throw(dice: &mut Dice, left: u64) -> Self {
        Self {
            victim: [Victim::Engine, Victim::Worker, Victim::Postgres][dice.below(3) as usize],
            // One when a task starts and one when it ends.
            lines: dice.below(2 * left),
            pause: Duration::from_micros(dice.below(25_000)),
            children: dice.below(2) == 0,
            choice: dice.next(),
        }
    }
}

fn kill(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("process numbers are positive");
    kill_process(pid, Signal::KILL).is_ok()
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()).collect()
}

/// Waits for a run to end, and fails if it never does.
fn wait(mut run: Child) -> Ran {
    let began = Instant::now();
    while run.try_wait().expect("a child can be asked").is_none() {
        if began.elapsed() > PATIENCE {
            run.kill().ok();
            panic!("the run hangs");
        }
        thread::sleep(Duration::from_millis(5));
    }
    Project::wait(run)
}

/// Runs, and kills at `point`. None if the run was over before. Otherwise, how many tasks were made before and whether the run went on.
fn kill_at(project: &Project, point: Point) -> Option<u64> {
    let mut run = project
        .command(&["run", "-j", "2", "--progress", "plain"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("isoflop was built with the tests");
    let mut stderr = run.stderr.take().expect("stderr was captured");
    let (mut seen, mut made, mut line, mut byte) = (0, 0, Vec::new(), [0]);
    while seen < point.lines {
        if stderr.read(&mut byte).expect("a pipe can be read") == 0 {
            break;
        }
        line.push(byte[0]);
        if byte[0] == b'\n' {
            made += u64::from(String::from_utf8_lossy(&line).contains("] made"));
            seen += 1;
            line.clear();
        }
    }
    if seen < point.lines {
        assert_eq!(wait(run).code, Some(0));
        return None;
    }
    // Whatever else it says must not fill the pipe.
    let rest = thread::spawn(move || {
        let mut rest = String::new();
        stderr.read_to_string(&mut rest).ok();
        rest
    });
    thread::sleep(point.pause);
    let hit = match point.victim {
        Victim::Engine => kill(run.id()),
        Victim::Worker => {
            let workers = Project::workers(run.id());
            workers.get((point.choice % workers.len().max(1) as u64) as usize).is_some_and(|worker| kill(*worker))
        }
        Victim::Postgres => {
            let file = project.path(".isoflop/postgres/data/postmaster.pid");
            let server = fs::read_to_string(file).ok().and_then(|text| text.lines().next()?.trim().parse().ok());
            server.is_some_and(|server| {
                let children = if point.children { children(server) } else { Vec::new() };
                let hit = kill(server);
                for child in children {
                    kill(child); // some end with their parent
                }
                hit
            })
        }
    };
    let ran = wait(run);
    let said = rest.join().expect("a pipe can be read");
    match (point.victim, ran.code) {
        // An engine cannot go on. Otherwise it was over, or the worker was about to end anyway, or it was tried again.
        (Victim::Engine, None) | (_, Some(0)) => {}
        (Victim::Worker, Some(4)) => assert!(hit, "{said}"),
        (_, code) => panic!("{point:?}: the run ended with {code:?}\n{said}"),
    }
    hit.then_some(made)
}

/// Runs a study with up to `most` kills in a row, and again until it is done.
fn study(project: &Project, dice: &mut Dice, most: usize, left: &AtomicUsize, expected: &State) -> [usize; 3] {
    state::forget(project);
    let (mut hits, mut open, mut points) = ([0; 3], TASKS, Vec::new());
    for _ in 0..most {
        let point = Point::throw(dice, open);
        points.push(point);
        let Some(made) = kill_at(project, point) else { break };
        hits[point.victim as usize] += 1;
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(1))).ok();
        open = open.saturating_sub(made);
    }
    let last = wait(project.start(&["run", "--json", "-j", "2", "--progress", "none"]));
    assert_eq!(last.code, Some(0), "after {points:?}: {}\n{}", last.out, last.err);
    let differences = state::differences(expected, &state::of(project));
    assert!(differences.is_empty(), "after {points:?}:\n{}", differences.join("\n"));
    let audit = project.run(&["audit", "--all", "--json"]);
    assert_eq!(audit.code, Some(0), "after {points:?}: {}{}", audit.out, audit.err);
    hits
}

fn torture(points: usize, in_a_row: usize, seed: u64) {
    let left = AtomicUsize::new(points);
    let all = Mutex::new([0; 3]);
    thread::scope(|scope| {
        for thread in 0..2 {
            let (left, all) = (&left, &all);
            scope.spawn(move || {
                let project = Project::new();
                project.write("study.yaml", STUDY);
                let run = project.run(&["run", "--json", "-j", "2"]).expect(0).json();
                assert_eq!(run["totals"]["made"], TASKS);
                let expected = state::of(&project);
                let mut dice = Dice(seed + thread);
                while left.load(Ordering::Relaxed) > 0 {
                    let hits = study(&project, &mut dice, in_a_row, left, &expected);
                    let mut all = all.lock().expect("nobody panics with it");
                    for (all, hits) in all.iter_mut().zip(hits) {
                        *all += hits;
                    }
                }
            });
        }
    });
    let [engines, workers, servers] = all.into_inner().expect("nobody panics with it");
    println!("killed: {engines} engines, {workers} workers, {servers} servers");
    assert!(engines > 0 && workers > 0 && servers > 0, "seed {seed} kills only some");
}

#[test]
fn whatever_is_killed_the_study_comes_out_the_same() {
    torture(60, 6, 4);
}

#[test]
#[ignore = "takes ten minutes and more: `make torture` runs it; sixty points are in the suite"]
fn two_hundred_points_each_with_a_run_to_the_end() {
    let seed = env::var("TORTURE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(17);
    torture(200, 1, seed);
}
