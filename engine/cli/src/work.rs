//! Work: a survey carried out by this program, for verbs that make tasks for another end than to have them.

use std::{path::Path, sync::Arc};

use isoflop_exec::{Interrupt, Job, Moment, Options, Summary, Survey};
use isoflop_ledger::Ledger;
use isoflop_plan::Plan;
use isoflop_store::Store;
use tokio::sync::{mpsc, watch};

use crate::{
    args::{self, SetArgs},
    equipment::equip,
    machine,
    progress::Progress,
    settings::Settings,
    signals,
    stop::{Stop, infrastructure},
};

/// What is to be carried out, and with what.
pub struct Work<'a> {
    /// The plan.
    pub plan: &'a Arc<Plan>,
    /// Which of it runs.
    pub survey: Survey,
    /// Where artifacts are, and go.
    pub store: Arc<Store>,
    /// Where facts go.
    pub ledger: &'a Ledger,
    /// How; environment and variables are filled in here.
    pub options: Options,
    /// Of this invocation.
    pub settings: &'a Settings,
}

/// Carries it out. Signals stop it; `interrupt`, where it is given, does too. Whoever watches through `see` gets each moment.
pub async fn carry_out(
    work: Work<'_>,
    place: &Path,
    set: &SetArgs,
    shown: args::Progress,
    interrupt: Option<&watch::Sender<Interrupt>>,
    mut see: impl FnMut(&Moment),
) -> Result<Summary, Stop> {
    let Work { plan, survey, store, ledger, options, settings } = work;
    let mut progress = Progress::new(shown, settings, plan, &survey);
    let sender = interrupt.cloned().unwrap_or_else(|| watch::channel(Interrupt::No).0);
    let receiver = sender.subscribe();
    let options = Options { memory: machine::memory().map_or(u64::MAX, |memory| memory.0), ..options };
    let (runtimes, options) = equip(options, place, set, settings, true)?;
    let signals = tokio::spawn(signals::listen(sender));
    let (observer, mut moments) = mpsc::unbounded_channel();
    let job =
        Job { plan: Arc::clone(plan), survey, store, ledger: ledger.clone(), runtimes, options, interrupt: receiver };
    let watching = async {
        while let Some(moment) = moments.recv().await {
            progress.show(&moment);
            see(&moment);
        }
        progress.close();
    };
    let (result, ()) = tokio::join!(isoflop_exec::run(job, observer), watching);
    signals.abort();
    result.map_err(infrastructure)
}
