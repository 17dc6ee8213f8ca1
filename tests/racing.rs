//! Two runs of one study at once, on one ledger and one store: each task is made once.

use crate::project::Project;

#[test]
fn two_runs_make_each_task_once() {
    let project = Project::new();
    project.behave(r#"{"*": {"do": "sleep", "milliseconds": 60}}"#);
    let runs: Vec<_> = (0..2).map(|_| project.start(&["run", "--json", "-j", "2"])).collect();
    let runs: Vec<_> = runs.into_iter().map(|run| Project::wait(run).expect(0).json()).collect();
    let made: u64 = runs.iter().map(|run| run["totals"]["made"].as_u64().unwrap()).sum();
    assert_eq!(made, 22, "{} and {}", runs[0]["totals"], runs[1]["totals"]);
    assert_eq!(Project::digests(&runs[0]), Project::digests(&runs[1]));
    assert_eq!(project.files("logs").len(), 22, "one worker a task, in both runs together");
}
