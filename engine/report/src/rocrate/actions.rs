//! What happened: runs, tasks in them, attempts.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_plan::{Task, TaskNeed};

use super::{
    Contents, Execution, RunRecord, data,
    graph::{Entity, Graph, file, fragment},
    study,
};

const COMPLETED: &str = "http://schema.org/CompletedActionStatus";
const FAILED: &str = "http://schema.org/FailedActionStatus";

/// Which attempts belong to which task of the plan: those at its key, and the one whose result it adopted.
pub(super) struct Linked<'a>(Vec<Vec<&'a Execution>>);

impl<'a> Linked<'a> {
    pub fn of(contents: &'a Contents<'_>) -> Self {
        let mut by_key: BTreeMap<_, Vec<&Execution>> = BTreeMap::new();
        let mut by_id: BTreeMap<&str, &Execution> = BTreeMap::new();
        for execution in &contents.executions {
            by_key.entry(execution.key).or_default().push(execution);
            by_id.insert(&execution.id, execution);
        }
        let of = |task: &Task| {
            let mut all = by_key.get(&task.key).cloned().unwrap_or_default();
            let maker = contents.results.get(&task.key).and_then(|standing| standing.attempt.as_deref());
            let maker = maker.and_then(|id| by_id.get(id)).filter(|maker| maker.key != task.key);
            all.extend(maker);
            all
        };
        Self(contents.plan.tasks().iter().map(of).collect())
    }

    /// The attempts of the task at this place of the plan.
    pub fn of_task(&self, index: usize) -> impl Iterator<Item = &'a Execution> + '_ {
        self.0[index].iter().copied()
    }
}

fn run_id(run: &str) -> String {
    fragment(&["run", run])
}

fn attempt_id(attempt: &str) -> String {
    fragment(&["attempt", attempt])
}

/// Adds everything that happened; answers what the root mentions of it.
pub(super) fn actions(contents: &Contents<'_>, graph: &mut Graph) -> Vec<String> {
    let linked = Linked::of(contents);
    let tasks = contents.plan.tasks();
    let mut mentions = Vec::new();
    let mut told = BTreeSet::new();
    for run in &contents.runs {
        let mut controls = Vec::new();
        let mut made = BTreeSet::new();
        for (index, task) in tasks.iter().enumerate() {
            let attempts: Vec<&Execution> = linked.of_task(index).filter(|attempt| attempt.run == run.id).collect();
            if attempts.is_empty() {
                continue;
            }
            let id = fragment(&["run", &run.id, &task.name]);
            graph.add(
                Entity::new(&id, &["ControlAction"])
                    .text("name", format!("{} in run {}", task.name, run.id))
                    .link("instrument", study::step(&task.name))
                    .links("object", attempts.iter().map(|attempt| attempt_id(&attempt.id))),
            );
            made.extend(attempts.iter().filter_map(|attempt| data::artifact_of(contents, attempt)));
            controls.push(id);
            for attempt in attempts {
                // Two tasks of one key share their attempts.
                if told.insert(&attempt.id) {
                    graph.add(executed(contents, task, attempt));
                    mentions.push(attempt_id(&attempt.id));
                }
            }
        }
        if controls.is_empty() && !run.audited {
            continue;
        }
        if run.audited {
            let leaves = study::leaves(contents).into_iter();
            made = leaves.filter_map(|task| data::artifact_under(contents, &task.key)).collect();
        }
        mentions.push(run_id(&run.id));
        graph.add(ran(contents, run, &made));
        if !controls.is_empty() {
            let id = fragment(&["run", &run.id, "engine"]);
            graph.add(organized(contents, run, &id, &controls));
            mentions.push(id);
        }
    }
    mentions
}

/// The run of the workflow.
fn ran(contents: &Contents<'_>, run: &RunRecord, made: &BTreeSet<String>) -> Entity {
    let about = if run.audited {
        "The run whose results these are; what it kept of earlier runs was made by their actions.".to_owned()
    } else {
        format!("An earlier run, of the plan {}, of which results were kept.", run.plan)
    };
    let commit = run.commit.as_ref().map(|commit| format!(" The study's repository was at commit {commit}."));
    let about = about + &commit.unwrap_or_default();
    let action = Entity::new(run_id(&run.id), &["CreateAction"])
        .text("name", format!("run {} of {}", run.id, contents.head.study))
        .text("description", about)
        .text("startTime", &run.began)
        .maybe("endTime", run.ended.as_deref())
        .link("instrument", file(&contents.head.file))
        .links("object", contents.plan.study.params.keys().map(|name| study::param(name).1))
        .links("result", made);
    authored(contents, status(action, run.ended.is_some(), run.failed.then_some("a task of the run failed")))
}

/// What the engine did in it.
fn organized(contents: &Contents<'_>, run: &RunRecord, id: &str, controls: &[String]) -> Entity {
    let engine = if run.engine.is_empty() { "isoflop".to_owned() } else { format!("isoflop {}", run.engine) };
    let action = Entity::new(id, &["OrganizeAction"])
        .text("name", format!("{engine} carrying out run {}", run.id))
        .text("startTime", &run.began)
        .maybe("endTime", run.ended.as_deref())
        .link("instrument", study::ENGINE)
        .links("object", controls)
        .link("result", run_id(&run.id));
    authored(contents, action)
}

/// One attempt.
fn executed(contents: &Contents<'_>, task: &Task, attempt: &Execution) -> Entity {
    let purpose = match attempt.purpose.as_str() {
        "make" => String::new(),
        "witness" => ", as a witness".to_owned(),
        other => format!(", to {other} it"),
    };
    let outcome = match (attempt.outcome.as_deref(), &attempt.reason) {
        (Some("diverged"), Some(reason)) => format!("it diverged, which is a result ({reason})"),
        (outcome, _) => outcome.unwrap_or("under way").to_owned(),
    };
    let time = attempt.seconds.map(|seconds| format!(", in {seconds} s")).unwrap_or_default();
    let place = if attempt.machine.is_empty() { String::new() } else { format!(", on {}", attempt.machine) };
    let about = format!("An attempt at `{}`{purpose}: {outcome}{time}{place}", attempt.task);
    let tasks = contents.plan.tasks();
    let needs = task.needs.values().flat_map(TaskNeed::tasks);
    let needs = needs.filter_map(|producer| data::artifact_under(contents, &tasks[producer].key));
    let files = task.files.values().flat_map(|set| set.paths.values());
    let files = files.filter(|path| contents.files.contains_key(*path)).map(|path| file(path));
    let failure = match attempt.outcome.as_deref() {
        Some("failed") => Some(attempt.reason.as_deref().unwrap_or("it failed")),
        Some("lost") => Some("its engine died, or lost the lease"),
        _ => None,
    };
    let action = Entity::new(attempt_id(&attempt.id), &["CreateAction"])
        .text("name", format!("{} (attempt {})", task.name, attempt.id))
        .text("description", about)
        .text("startTime", &attempt.began)
        .maybe("endTime", attempt.ended.as_deref())
        .link("instrument", study::tool(task.kind))
        .links("object", needs.chain(files).chain(study::values(task)))
        .links("result", data::artifact_of(contents, attempt));
    authored(contents, status(action, attempt.ended.is_some(), failure))
}

fn status(action: Entity, ended: bool, failure: Option<&str>) -> Entity {
    match failure {
        Some(error) => action.text("actionStatus", FAILED).text("error", error),
        None if ended => action.text("actionStatus", COMPLETED),
        None => action,
    }
}

fn authored(contents: &Contents<'_>, action: Entity) -> Entity {
    if contents.head.author.is_some() { action.link("agent", study::AUTHOR) } else { action }
}
