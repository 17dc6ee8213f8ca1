//! One attempt, from a started worker to its end: hears it out, keeps its log, its time and the orders of the run, and tells what came of
//! it. Touches neither store nor ledger.

mod ending;

use std::{
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use isoflop_contract::{
    FailureClass,
    protocol::{Assignment, MAX_LINE, Notice},
    stride::{SAVING, Stride},
};
use isoflop_ledger::Metric;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::unix::pipe,
    process::ChildStdin,
    sync::{oneshot, watch},
    task::{JoinHandle, spawn_blocking},
    time::{MissedTickBehavior, interval_at, sleep_until, timeout},
};

use ending::Ending;

use crate::{
    census::{Census, Usage, proportional},
    checkpoints::Carried,
    conversation::{Account, Conversation, Heard, Wanted, failed},
    guard::Guarded,
    lines::{Line, Lines},
    log::Log,
    process::Process,
    vigil::Vigil,
};

/// How long a worker may take to say hello, unless it may not be silent for so long, and to exit after its last word.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often progress and metrics are passed on to whoever watches.
const BEAT: Duration = Duration::from_millis(100);

/// What the run wants of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    /// Go on.
    Go,
    /// End soon.
    Stop,
    /// End now.
    Kill,
}

/// What a worker said that somebody may want to see at once.
#[derive(Debug)]
pub(crate) enum Sign<'a> {
    Resumed { step: u64 },
    Progress { done: u64, total: u64 },
    Metric(&'a Metric),
}

/// What came of an attempt.
#[derive(Debug)]
pub(crate) struct Performance {
    /// The last word that counts.
    pub(crate) notice: Notice,
    pub(crate) account: Account,
    pub(crate) seconds: f64,
    /// The most memory that it was seen to use at one time, if it was limited.
    pub(crate) peak: Option<u64>,
}

/// What an attempt works with.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    /// When the worker was started.
    pub(crate) began: Instant,
    pub(crate) wanted: Wanted,
    pub(crate) assignment: &'a Assignment,
    pub(crate) limit: Option<Duration>,
    /// Memory it may use, in bytes.
    pub(crate) memory: Option<u64>,
    /// How long it may be without a sign of life.
    pub(crate) patience: Duration,
    pub(crate) census: Arc<Census>,
    pub(crate) log: &'a Path,
    pub(crate) orders: watch::Receiver<Order>,
    /// What the worker may go on from.
    pub(crate) carried: Option<Carried>,
}

/// Hears `process` out.
pub(crate) async fn perform(process: Process, stage: Stage<'_>, mut show: impl FnMut(Sign<'_>)) -> Performance {
    let began = stage.began;
    let (notice, account, peak) = match Log::create(stage.log) {
        Ok(log) => Attempt::new(process, stage, log).carry_on(began, &mut show).await,
        Err(error) => {
            process.group.kill();
            let message = format!("the log {} cannot be written: {error}", stage.log.display());
            (failed(FailureClass::Resource, message), Account::default(), None)
        }
    };
    Performance { notice, account, seconds: began.elapsed().as_secs_f64(), peak }
}

struct Attempt<'a> {
    process: Alive,
    stage: Stage<'a>,
    log: Log,
    /// Whether its log takes no more.
    is_mute: bool,
    talk: Conversation,
    stdin: Option<ChildStdin>,
    /// Dropped to close stdin while the assignment is on its way or after.
    hold: Option<oneshot::Sender<()>>,
    ending: Option<Ending>,
    /// Whether it had said its last word before it was asked to end.
    was_over: bool,
    kill_at: Option<Instant>,
    stride: Stride,
    shown: [Option<Instant>; 2],
    vigil: Vigil,
    /// The most memory that it was seen to use, in bytes; a page that several processes share counts for each.
    peak: Option<u64>,
}

/// The parts of a process that are waited for.
struct Alive {
    child: tokio::process::Child,
    notices: Lines<pipe::Receiver>,
    output: pipe::Receiver,
    output_done: bool,
    group: crate::process::Group,
    _guarded: Option<Guarded>,
}

impl<'a> Attempt<'a> {
    fn new(process: Process, mut stage: Stage<'a>, log: Log) -> Self {
        let Process { child, stdin, notices, output, group, guarded } = process;
        let notices = Lines::new(notices);
        let vigil = Vigil::new(stage.patience, stage.memory, Instant::now());
        Self {
            talk: Conversation::new(stage.wanted.clone(), stage.carried.take()),
            process: Alive { child, notices, output, output_done: false, group, _guarded: guarded },
            stage,
            log,
            is_mute: false,
            stdin: Some(stdin),
            hold: None,
            ending: None,
            was_over: false,
            kill_at: None,
            stride: Stride::begun(Instant::now()),
            shown: [None; 2],
            vigil,
            peak: None,
        }
    }

    async fn carry_on(mut self, began: Instant, show: &mut impl FnMut(Sign<'_>)) -> (Notice, Account, Option<u64>) {
        let mut chunk = vec![0; 16 << 10];
        let mut last_word: Option<Instant> = None;
        let pace = self.vigil.pace();
        let mut looks = interval_at(tokio::time::Instant::now() + pace, pace);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look: Option<JoinHandle<Option<Usage>>> = None;
        let status = loop {
            let order = *self.stage.orders.borrow_and_update();
            if order == Order::Kill {
                self.end(Ending::Ordered, true);
            } else if order == Order::Stop && self.ending.is_none() {
                self.end(Ending::Ordered, false);
            }
            let alarm = self.alarm(began, last_word);
            let Alive { child, notices, output, output_done, .. } = &mut self.process;
            tokio::select! {
                status = child.wait() => break status,
                line = notices.next(), if !notices.is_done() => self.line(line, &mut last_word, show),
                read = output.read(&mut chunk), if !*output_done => match read {
                    Ok(size) if size > 0 => self.keep(&chunk[..size]),
                    _ => self.process.output_done = true,
                },
                Ok(()) = self.stage.orders.changed() => {}
                _ = looks.tick(), if look.is_none() && self.ending.is_none() => look = Some(self.look()),
                usage = async { look.as_mut().expect("there is one").await }, if look.is_some() => {
                    look = None;
                    self.see(usage.ok().flatten().as_ref());
                }
                () = sleep_until(alarm.into()) => self.ring(began, last_word),
            }
        };
        // What it started must not outlive it, and holds its pipes open.
        self.process.group.kill();
        self.stdin = None;
        self.hold = None;
        let _ = timeout(Duration::from_secs(2), self.drain(&mut chunk, show)).await;
        let peak = self.peak;
        let (notice, account) = self.conclude(status);
        (notice, account, peak)
    }

    /// Looks at what the worker uses. That means reading files, so it is done aside.
    fn look(&self) -> JoinHandle<Option<Usage>> {
        let (census, group) = (Arc::clone(&self.stage.census), self.process.group);
        spawn_blocking(move || census.of(group.number()?))
    }

    fn see(&mut self, usage: Option<&Usage>) {
        if let (Some(usage), Some(_)) = (usage, self.stage.memory) {
            self.peak = self.peak.max(Some(usage.resident));
        }
        if !self.talk.is_greeted() {
            self.vigil.hear(); // until then it may be silent as long as it may take to say hello
        }
        let alarm = self.vigil.look(Instant::now(), usage, |usage| proportional(&usage.processes));
        if let (Some(alarm), None) = (alarm, &self.ending) {
            self.end(Ending::Alarmed(alarm), true);
        }
    }

    /// When something must be done although nothing was heard.
    fn alarm(&self, began: Instant, last_word: Option<Instant>) -> Instant {
        if self.ending.is_some() {
            return self.kill_at.unwrap_or_else(|| Instant::now() + PATIENCE);
        }
        let hello = (!self.talk.is_greeted()).then(|| began + self.hello());
        let exit = last_word.map(|at| at + PATIENCE);
        let limit = self.stage.limit.map(|limit| began + limit);
        [hello, exit, limit].into_iter().flatten().min().unwrap_or_else(|| began + Duration::from_hours(24 * 365))
    }

    /// How long it may take to say hello.
    fn hello(&self) -> Duration {
        PATIENCE.min(self.stage.patience)
    }

    fn ring(&mut self, began: Instant, last_word: Option<Instant>) {
        let now = Instant::now();
        if self.ending.is_some() {
            self.process.group.kill();
            self.kill_at = Some(now + PATIENCE); // only a process stuck in the kernel gets here twice
        } else if let Some(limit) = self.stage.limit.filter(|limit| now >= began + *limit) {
            self.end(Ending::TimedOut(limit), false);
        } else if last_word.is_some() {
            self.end(Ending::Lingering, true);
        } else if !self.talk.is_greeted() {
            self.end(Ending::Silent, true);
        }
    }

    /// Ends the worker: asks, or insists if `now`.
    fn end(&mut self, why: Ending, now: bool) {
        if self.ending.is_none() {
            self.was_over = self.talk.is_over();
            self.ending = Some(why);
            self.stdin = None;
            self.hold = None;
        }
        if now {
            self.process.group.kill();
        } else {
            self.process.group.ask();
            self.kill_at = Some(Instant::now() + self.patience());
        }
    }

    /// How long it has to end after it was asked.
    fn patience(&self) -> Duration {
        if self.talk.is_saving() { SAVING } else { self.stride.grace() }
    }

    fn line(
        &mut self,
        line: io::Result<Option<Line>>,
        last_word: &mut Option<Instant>,
        show: &mut impl FnMut(Sign<'_>),
    ) {
        let heard = match line {
            Ok(Some(Line::Text(text))) => self.talk.hear(Some(&text)),
            Ok(Some(Line::TooLong)) => self.talk.hear(None),
            Ok(None) | Err(_) => return,
        };
        self.vigil.hear();
        match heard.and_then(|heard| self.talk.bear(self.stage.began.elapsed()).map(|()| heard)) {
            Ok(Heard::Hello) => self.assign(),
            Ok(Heard::Progress { done, total }) => {
                self.stride.take(Instant::now());
                if done >= total || self.is_due(0) {
                    show(Sign::Progress { done, total });
                }
            }
            Ok(Heard::Metric) => {
                if self.is_due(1)
                    && let Some(metric) = self.talk.metrics().last()
                {
                    show(Sign::Metric(metric));
                }
            }
            Ok(Heard::Resumed { step }) => show(Sign::Resumed { step }),
            // Somebody who was asked to end and saves first is given the time.
            Ok(Heard::Saving) => {
                let until = Instant::now() + self.patience();
                self.kill_at = self.kill_at.map(|_| until);
            }
            Ok(Heard::Last) => *last_word = Some(Instant::now()),
            // The first lie is the one that is told.
            Err(lie) if !matches!(self.ending, Some(Ending::Lied(_))) => {
                self.ending = None;
                self.end(Ending::Lied(lie), true);
            }
            Ok(Heard::Beat) | Err(_) => {}
        }
    }

    fn is_due(&mut self, what: usize) -> bool {
        let now = Instant::now();
        let due = self.shown[what].is_none_or(|shown| now - shown >= BEAT);
        if due {
            self.shown[what] = Some(now);
        }
        due
    }

    /// Hands the assignment over, beside everything else: a worker that does not read must not keep the engine from hearing it.
    fn assign(&mut self) {
        let Some(mut stdin) = self.stdin.take() else { return };
        let mut line = serde_json::to_vec(self.stage.assignment).expect("an assignment is plain data");
        line.push(b'\n');
        let (hold, mut released) = oneshot::channel::<()>();
        self.hold = Some(hold);
        tokio::spawn(async move {
            let write = async {
                if stdin.write_all(&line).await.is_ok() {
                    let _ = stdin.flush().await;
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                _ = &mut released => {}
                () = write => {}
            }
        });
    }

    /// Appends to the log. Where that fails what comes is dropped, but still read: a program must not wait for ever for somebody to take what it prints.
    fn keep(&mut self, bytes: &[u8]) {
        if !self.is_mute
            && let Err(error) = self.log.write(bytes)
        {
            tracing::warn!(log = %self.stage.log.display(), %error, "cannot write a log: the rest of it is dropped");
            self.is_mute = true;
        }
    }

    /// Reads what the worker had written before it was gone.
    async fn drain(&mut self, chunk: &mut [u8], show: &mut impl FnMut(Sign<'_>)) {
        let mut last_word = None;
        while !self.process.notices.is_done() {
            let line = self.process.notices.next().await;
            if line.is_err() {
                break;
            }
            self.line(line, &mut last_word, show);
        }
        while !self.process.output_done {
            match self.process.output.read(chunk).await {
                Ok(size) if size > 0 => self.keep(&chunk[..size]),
                _ => self.process.output_done = true,
            }
        }
    }
}

/// Whether an assignment is short enough to be handed over.
pub(crate) fn fits(assignment: &Assignment) -> bool {
    serde_json::to_vec(assignment).is_ok_and(|text| text.len() < MAX_LINE)
}
