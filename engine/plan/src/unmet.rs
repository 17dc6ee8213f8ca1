//! What claims ask for that no task of the plan will answer. That is no mistake, since a profile may leave cells out; but such a claim is not
//! tested, and of a list only what is there counts.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{
    Cell,
    cell::{alike, plain},
};

use crate::{
    plan::{Claim, Plan},
    rehearsal::{Asked, Axes, Theatre},
    source::Origin,
    suggest,
};

/// A value of an axis, or several together, for which a claim asks in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// The claim.
    pub claim: String,
    /// What there is not: one lower-case sentence.
    pub message: String,
    /// What may have been meant.
    pub hint: Option<String>,
    /// Where the claim's check is written.
    pub origin: Origin,
}

/// All that the claims of `plan` ask for in vain, each once a claim.
pub fn unmet(plan: &Plan) -> Vec<Unmet> {
    let mut groups: BTreeMap<&str, Vec<&Cell>> = BTreeMap::new();
    if !plan.claims.is_empty() {
        for task in plan.tasks() {
            groups.entry(&task.group).or_default().push(&task.cell);
        }
    }
    let theatre = Theatre::new(Axes::new());
    let mut all = Vec::new();
    for claim in &plan.claims {
        for asked in theatre.asked(&claim.check, &plan.study.params) {
            // A group without tasks is another matter: its `when` leaves it out as a whole.
            let Some(cells) = groups.get(asked.group.as_str()) else { continue };
            for found in missing(claim, &asked, cells) {
                if !all.contains(&found) {
                    all.push(found);
                }
            }
        }
    }
    all
}

fn missing(claim: &Claim, asked: &Asked, cells: &[&Cell]) -> Vec<Unmet> {
    let Asked { group, at } = asked;
    let unmet = |message: String, hint: Option<String>| Unmet {
        claim: claim.name.clone(),
        message,
        hint,
        origin: claim.origin.clone(),
    };
    let mut found = Vec::new();
    for (axis, want) in at {
        let items = want.as_array().map_or(std::slice::from_ref(want), Vec::as_slice);
        for item in items {
            let is_there = |cell: &&Cell| cell.get(axis).is_some_and(|have| alike(have, item));
            if !cells.iter().any(is_there) {
                let values: BTreeSet<String> = cells.iter().filter_map(|cell| cell.get(axis)).map(plain).collect();
                let hint = suggest::hint(&plain(item), values.iter().map(String::as_str));
                found.push(unmet(format!("no task of `{group}` is at {axis}={}", plain(item)), hint));
            }
        }
    }
    let fits = |cell: &&Cell| at.iter().all(|(axis, want)| cell.get(axis).is_some_and(|have| alike(have, want)));
    if found.is_empty() && !cells.iter().any(fits) {
        let at: Vec<String> = at.iter().map(|(axis, value)| format!("{axis}={}", plain(value))).collect();
        found.push(unmet(format!("no task of `{group}` is at {} together", at.join(", ")), None));
    }
    found
}
