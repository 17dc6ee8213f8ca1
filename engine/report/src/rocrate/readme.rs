//! A crate's README: what it is, and what to type.

use super::{CLAIMS, Contents, Head, LEDGER, METADATA, RECIPES, REPORT, STATEMENT, SUMS, Which};
use crate::claims::{Judged, Verdict};

/// The text of `README.md`.
pub fn readme(contents: &Contents<'_>, claims: &[Judged]) -> String {
    let Head { study, file, set, planned, missing, isoflop, bytes, .. } = contents.head;
    let about = contents.plan.study.about.as_deref().unwrap_or_default();
    let folder = file.rsplit_once('/').map_or(file.as_str(), |(folder, _)| folder);
    let target = if file.ends_with("/study.yaml") { folder } else { file };
    let some = contents.plan.tasks().first().map_or("TASK", |task| task.name.as_str());
    let count = |verdict| claims.iter().filter(|claim| claim.verdict == verdict).count();
    let verdicts = match claims.len() {
        0 => "The study makes no claim.".to_owned(),
        _ => format!(
            "Of its claims, {} are reproduced, {} contradicted, {} not tested.",
            count(Verdict::Reproduced),
            count(Verdict::Contradicted),
            count(Verdict::NotTested)
        ),
    };
    let done = planned - missing.len() as u64;
    let lacking = match missing.as_slice() {
        [] => String::new(),
        some if some.len() > 20 => format!(" {} have none.", some.len()),
        some => format!(" These have none: {}.", some.join(", ")),
    };
    let which = match bytes {
        Which::None => "No bytes of artifacts are here: manifests name them by digest.",
        Which::Results => {
            "Of artifacts' bytes, those are here that claims ask for, that nothing else needs, or that are small; manifests name the others by digest."
        }
        Which::All => "All bytes of artifacts are here.",
    };
    format!(
        "# {study}\n\n{about}\n\n\
A study run with isoflop {isoflop}, as it stood when this was written: {done} of {planned} tasks have a result.{lacking} {verdicts} {which}\n\n\
## Check it\n\n\
```\n\
isoflop audit .            # or the zip file: every file, key, chain, trace and verdict; no network, no database, no home\n\
sha256sum -c {SUMS}    # the files alone, with what every system has\n\
```\n\n\
## Run a part of it again\n\n\
```\n\
isoflop --home /tmp/again run {target}{set} {task}\n\
isoflop --home /tmp/again audit . --here     # which artifacts came out with the same bits\n\
```\n\n\
## Read it\n\n\
| file | what |\n|---|---|\n\
| `{REPORT}` | results, claims, figures and provenance as one page |\n\
| `{file}` | the study |\n\
| `{CLAIMS}` | verdicts, with the numbers and artifacts each rests on |\n\
| `{RECIPES}` | what each key is the hash of |\n\
| `{LEDGER}` | what was recorded: runs, chained events, attempts, series, results |\n\
| `manifests/`, `blobs/` | artifacts by BLAKE3 digest |\n\
| `{METADATA}` | all of this as RO-Crate 1.1 (Provenance Run Crate 0.5) |\n\
| `{SUMS}`, `{STATEMENT}` | the digest of every file; what a signature is made of |\n\n\
A signature of `{STATEMENT}` covers everything here: `ssh-keygen -Y sign -n isoflop -f KEY {STATEMENT}` writes `{STATEMENT}.sig`, and\n\
`ssh-keygen -Y verify -n isoflop -f ALLOWED_SIGNERS -I WHO -s {STATEMENT}.sig < {STATEMENT}` checks it.\n",
        task = shell(some),
    )
}

/// A task's name as a shell takes it.
fn shell(name: &str) -> String {
    if name.contains('[') { format!("'{name}'") } else { name.to_owned() }
}
