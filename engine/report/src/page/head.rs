//! The top of the page: what was asked, what was done, how it came out. And its foot.

use std::collections::BTreeSet;

use super::Page;
use crate::{
    claims::Verdict,
    facts::State,
    html::escape,
    number::{count, plural, seconds, with_prefix},
};

/// Name, sentence, where it comes from, key numbers, links.
pub fn header(page: &Page<'_>, links: &str) -> String {
    let study = &page.facts.study;
    let mut origin = vec![format!("<code>{}</code>", escape(&study.file))];
    if let Some(profile) = &study.profile {
        origin.push(format!("profile <code>{}</code>", escape(profile)));
    }
    origin.push(format!("seed {}", study.seed));
    let run = page.facts.run.as_ref().map_or_else(
        || "<p class=\"small soft\">This study has not been run.</p>".to_owned(),
        |run| {
            let ended = run
                .ended
                .as_deref()
                .map_or(" and still under way".to_owned(), |ended| format!(", ended {}", escape(ended)));
            format!(
                "<p class=\"small soft\">Run <code>{}</code>, started {}{ended}, on {} ({}).</p>",
                escape(&run.id),
                escape(&run.started),
                escape(&run.host),
                escape(&processors(page, &run.cpu))
            )
        },
    );
    format!(
        "<header>\n<p class=\"kicker\">isoflop report</p>\n<h1>{}</h1>\n<p class=\"lead\">{}</p>\n<p class=\"small soft\">{}</p>\n{run}\n<ul class=\"tiles\">{}</ul>\n<nav aria-label=\"Sections\"><ul>{links}</ul></nav>\n</header>\n",
        escape(&study.name),
        escape(&study.about),
        origin.join(" · "),
        tiles(page).concat()
    )
}

/// The processor, and the cards that this run's tasks had.
fn processors(page: &Page<'_>, cpu: &str) -> String {
    let made = page.facts.tasks.iter().filter(|task| task.made_in.is_none());
    let cards: BTreeSet<&str> = made.filter_map(|task| Some(task.worker.as_ref()?.gpu.as_str())).collect();
    let cards = cards.into_iter().filter(|card| !card.is_empty());
    [cpu].into_iter().chain(cards).collect::<Vec<_>>().join("; ")
}

fn tiles(page: &Page<'_>) -> Vec<String> {
    let facts = page.facts;
    let tile = |value: &str, label: &str| format!("<li><b>{}</b><span>{}</span></li>", escape(value), escape(label));
    let mut tiles = Vec::new();
    if !page.claims.is_empty() {
        let verdicts = |verdict: Verdict| page.claims.iter().filter(|claim| claim.verdict == verdict).count();
        let others = [(Verdict::Contradicted, "contradicted"), (Verdict::NotTested, "not tested")];
        let others: Vec<String> = others
            .into_iter()
            .filter(|(verdict, _)| verdicts(*verdict) > 0)
            .map(|(verdict, word)| format!("{} {word}", verdicts(verdict)))
            .collect();
        let rest = if others.is_empty() { String::new() } else { format!(": {}", others.join(", ")) };
        let label = format!("claims reproduced{rest}");
        tiles.push(tile(&format!("{} of {}", verdicts(Verdict::Reproduced), page.claims.len()), &label));
    }
    let states =
        [State::Made, State::Kept, State::Adopted, State::Diverged, State::Failed, State::Blocked, State::Waiting];
    let told: Vec<String> = states
        .into_iter()
        .map(|state| (state, facts.tasks.iter().filter(|task| task.state == state).count()))
        .filter(|(_, n)| *n > 0)
        .map(|(state, n)| format!("{} {state}", count(n)))
        .collect();
    tiles.push(tile(&count(facts.tasks.len()), &format!("tasks: {}", told.join(", "))));
    let trained: Vec<f64> =
        facts.tasks.iter().filter(|task| task.cost.params.is_some()).map(|task| task.cost.flops).collect();
    let flops: f64 = trained.iter().sum();
    if flops > 0.0 {
        tiles.push(tile(
            &with_prefix(flops, "FLOP"),
            &format!("of training in {}, by the planner's account", plural(trained.len(), "model")),
        ));
    }
    let worked: f64 = facts.tasks.iter().filter_map(|task| task.seconds).sum();
    let wall = facts.run.as_ref().and_then(|run| run.seconds);
    match wall {
        Some(wall) => {
            tiles.push(tile(&seconds(wall), &format!("on the clock; all tasks together took {}", seconds(worked))));
        }
        None if worked > 0.0 => tiles.push(tile(&seconds(worked), "all tasks together")),
        None => {}
    }
    tiles
}

/// Who made the page, and what it promises.
pub fn footer(page: &Page<'_>) -> String {
    let engine = page.facts.run.as_ref().map_or_else(String::new, |run| format!(" {}", escape(&run.engine)));
    format!(
        "<footer>Written by isoflop{engine}. The page loads nothing from anywhere; the same facts give the same bytes.</footer>\n"
    )
}
