//! `runs`: what was run, when, how it came out, and from which commit.

use isoflop_ledger::{Ledger, RunState, view::RunView};
use serde_json::{Value, json};

use crate::{
    aligned::{Cell, date, header, lines, span},
    args::RunsArgs,
    home, named,
    output::{Output, Paint},
    settings::Settings,
    stop::{Stop, infrastructure},
};

/// Lists the latest runs.
pub async fn runs(args: &RunsArgs, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    let ledger = home::ledger_if_any(settings).await?;
    let runs = latest(ledger.as_ref(), args.study.as_deref(), args.number).await?;
    if out.json {
        return out.data(&data(ledger.as_ref(), &runs).await?);
    }
    if runs.is_empty() {
        return out.line(&match &args.study {
            Some(study) if ledger.is_some() => format!("no runs of `{study}` yet"),
            _ => "no runs yet".to_owned(),
        });
    }
    let mut rows = vec![header(&["RUN", "STUDY", "STATE", "BEGAN", "TOOK", "TASKS", "COMMIT", "SET"])];
    rows.extend(runs.iter().map(row));
    lines(&rows, out.color).iter().try_for_each(|line| out.line(line))
}

async fn latest(ledger: Option<&Ledger>, study: Option<&str>, number: u32) -> Result<Vec<RunView>, Stop> {
    match ledger {
        Some(ledger) => ledger.runs_of(study.as_slice(), number).await.map_err(infrastructure),
        None => Ok(Vec::new()),
    }
}

/// What `--json` prints of the latest runs.
pub async fn listed(ledger: Option<&Ledger>, study: Option<&str>, number: u32) -> Result<Value, Stop> {
    data(ledger, &latest(ledger, study, number).await?).await
}

async fn data(ledger: Option<&Ledger>, runs: &[RunView]) -> Result<Value, Stop> {
    let ids: Vec<_> = runs.iter().map(|run| run.id).collect();
    let heads = match ledger {
        Some(ledger) => ledger.heads(&ids).await.map_err(infrastructure)?,
        None => std::collections::BTreeMap::new(),
    };
    let runs: Vec<Value> = runs
        .iter()
        .map(|run| {
            let mut data = as_json(run);
            if let Some((events, head)) = heads.get(&run.id) {
                data["events"] = json!(events);
                data["head"] = json!(head);
            }
            data
        })
        .collect();
    Ok(json!({"version": 1, "runs": runs}))
}

/// How a run stands, in a word, and whether that is well.
pub fn state(run: &RunView) -> (&'static str, Paint) {
    match run.state {
        RunState::Running if run.holder_dead => ("died", Paint::Bad),
        RunState::Running => ("running", Paint::Notice),
        RunState::Done => ("done", Paint::Good),
        RunState::Failed => ("failed", Paint::Bad),
        RunState::Interrupted => ("stopped", Paint::Notice),
    }
}

/// What tasks of a run are that have no outcome in it, in words.
pub fn open(run: &RunView) -> &'static str {
    match (run.state, is_verification(&run.soft)) {
        (_, true) => "made again to compare",
        (RunState::Done, false) => "not asked for",
        _ => "open",
    }
}

/// Whether a run made tasks again to hold what came out against what stands.
pub fn is_verification(soft: &Value) -> bool {
    soft["verb"].as_str() == Some("verify")
}

/// The commit it was run from, as people write it.
pub fn commit(soft: &Value) -> String {
    let short = soft["commit"].as_str().map_or("", |commit| commit.get(..10).unwrap_or(commit));
    let dirty = soft["dirty"].as_bool().unwrap_or(false) && !short.is_empty();
    format!("{short}{}", if dirty { "+" } else { "" })
}

/// How the study was set, as it was typed, behind the verb where that was another than `run`.
pub fn set(soft: &Value) -> String {
    let set = &soft["set"];
    let profile = set["profile"].as_str().map(|profile| format!("--profile {profile}"));
    let params = set["params"].as_array().into_iter().flatten().filter_map(|param| {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let [name, value] = param.as_array()?.as_slice() else { return None };
        Some(format!("-p {}={}", text(name), text(value)))
    });
    let verb = is_verification(soft).then(|| "verify".to_owned());
    verb.into_iter().chain(profile).chain(params).collect::<Vec<_>>().join(" ")
}

fn row(run: &RunView) -> Vec<Cell> {
    let (word, paint) = state(run);
    let counts: Vec<String> = ["made", "adopted", "kept", "diverged", "failed", "blocked"]
        .iter()
        .filter_map(|outcome| Some(format!("{} {outcome}", run.outcomes.get(*outcome)?)))
        .collect();
    let ended: u64 = run.outcomes.values().sum();
    let open = (run.tasks > ended).then(|| format!("{} {}", run.tasks - ended, open(run)));
    let counts = counts.into_iter().chain(open).collect::<Vec<_>>().join(", ");
    let took = run.ended.map_or_else(String::new, |ended| span(ended.duration_since(run.began).as_secs_f64()));
    vec![
        Cell::new(named::short(run.id)),
        Cell::painted(&run.study, Paint::Bold),
        Cell::painted(word, paint),
        Cell::new(date(run.began)),
        Cell::new(took).right(),
        Cell::new(if counts.is_empty() { "no tasks".to_owned() } else { counts }),
        Cell::new(commit(&run.soft)),
        Cell::painted(set(&run.soft), Paint::Dim),
    ]
}

fn as_json(run: &RunView) -> Value {
    json!({
        "run": run.id, "study": run.study, "file": run.file, "plan": run.plan, "state": run.state,
        "holder": run.holder, "holder_dead": run.holder_dead, "began": run.began, "ended": run.ended,
        "seconds": run.ended.map(|ended| ended.duration_since(run.began).as_secs_f64()),
        "tasks": run.tasks, "outcomes": run.outcomes,
        "commit": run.soft["commit"], "dirty": run.soft["dirty"],
        "profile": run.soft["set"]["profile"], "params": run.soft["set"]["params"], "soft": run.soft,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_and_a_setting_read_as_they_were_typed() {
        let soft = json!({"commit": "0123456789abcdef", "dirty": true, "set": {"profile": "smoke", "params": [["steps", "5"]]}});
        assert_eq!((commit(&soft).as_str(), set(&soft).as_str()), ("0123456789+", "--profile smoke -p steps=5"));
        let none = json!({"commit": null, "dirty": null, "set": {"params": []}});
        assert_eq!((commit(&none), set(&none)), (String::new(), String::new()));
    }
}
