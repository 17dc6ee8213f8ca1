//! The pages: what was asked of the ledger as HTML. Pure: the same values and the same moment give the same bytes. They are of the report's family and
//! use its style and its parts.
//!
//! A page that shows what is under way says so to the script, which asks for it again and puts in place the sections that changed; without a script the
//! browser asks for all of it again.

/// Appends formatted text to a `String`, which takes any.
macro_rules! put {
    ($out:expr, $($text:tt)*) => {
        std::fmt::Write::write_fmt(&mut $out, format_args!($($text)*)).expect("a string takes any text")
    };
}

pub mod lineage;
mod neighbours;
pub mod notice;
pub mod run;
pub mod runs;
pub mod study;
pub mod task;

use std::collections::BTreeMap;

use isoflop_ledger::{RunId, view::RunView};
use isoflop_report::{
    color::dark_rules,
    html::escape,
    number::{count, seconds},
    page::parts::{SCRIPT, STYLE},
};
use jiff::Timestamp;

use crate::{
    aligned::date,
    named,
    now::is_under_way,
    verbs::runs::{commit, state},
};

/// What the served pages add to the report's style.
const MORE_STYLE: &str = include_str!("more.css");

/// What keeps a page up to date.
const LIVE: &str = include_str!("live.js");

/// Outcomes in the order in which they are told: what wants a look first.
pub const OUTCOMES: [&str; 6] = ["failed", "diverged", "blocked", "made", "adopted", "kept"];

/// The style of all pages.
pub fn style() -> String {
    [STYLE, &dark_rules(), MORE_STYLE].concat()
}

/// The script of all pages.
pub fn script() -> String {
    // Each has its own names.
    format!("{{\n{SCRIPT}}}\n{{\n{LIVE}}}\n")
}

/// What stands at the top of a page.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// The heading, as text.
    pub title: String,
    /// The way here: names and addresses.
    pub crumbs: Vec<(String, String)>,
    /// What stands below the heading, as HTML.
    pub lead: String,
    /// Whether what is shown goes on changing.
    pub live: bool,
}

/// A section: its id, its heading, its HTML. One without HTML is left out; one without a heading has none.
pub type Section = (&'static str, String, String);

/// The whole page.
pub fn frame(head: &Head, sections: &[Section]) -> String {
    let crumbs: Vec<String> = head
        .crumbs
        .iter()
        .map(|(name, to)| format!("<li><a href=\"{}\">{}</a></li>", escape(to), escape(name)))
        .collect();
    let shown: Vec<String> = sections
        .iter()
        .filter(|(_, _, html)| !html.is_empty())
        .map(|(id, name, html)| {
            let (label, title) = if name.is_empty() {
                (String::new(), String::new())
            } else {
                (
                    format!(" aria-labelledby=\"{id}\""),
                    format!("<h2 id=\"{id}\" tabindex=\"-1\">{}</h2>\n", escape(name)),
                )
            };
            format!("<section data-part=\"{id}\"{label}>{title}{html}</section>\n")
        })
        .collect();
    let (again, live) = if head.live {
        ("<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>", " data-live")
    } else {
        ("", "")
    };
    let home = if head.crumbs.is_empty() { "isoflop".to_owned() } else { "<a href=\"/\">isoflop</a>".to_owned() };
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><link rel=\"icon\" href=\"data:,\"><link rel=\"stylesheet\" href=\"/style.css\">{again}\
         <title>{title} — isoflop</title></head>\n<body>\n<a class=\"skip\" href=\"#content\">Skip to the content</a>\n\
         <header>\n<nav class=\"crumbs\" aria-label=\"Way here\"><ul><li class=\"kicker\">{home}</li>{}</ul></nav>\n<h1>{title}</h1>\n<div data-part=\"lead\">{}</div></header>\n\
         <main id=\"content\" tabindex=\"-1\"{live}>\n<p id=\"notice\" role=\"status\" hidden></p>\n{}</main>\n\
         <footer>Served by isoflop {}, which reads and never writes. <a href=\"/\">Runs</a></footer>\n<script src=\"/script.js\"></script></body></html>\n",
        crumbs.concat(),
        head.lead,
        shown.concat(),
        env!("CARGO_PKG_VERSION"),
        title = escape(&head.title),
    )
}

/// Text for one part of an address.
pub fn part(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => out.push(char::from(byte)),
            // The last four are in no way special in a part, and readable.
            _ if b"-._~=,:@".contains(&byte) => out.push(char::from(byte)),
            byte => put!(out, "%{byte:02X}"),
        }
    }
    out
}

/// A link; `to` is an address, `text` is plain.
pub fn link(to: &str, text: &str) -> String {
    format!("<a href=\"{}\">{}</a>", escape(to), escape(text))
}

/// A link to a task by its key.
pub fn to_task(key: &impl ToString, name: &str) -> String {
    link(&format!("/tasks/{}", key.to_string()), name)
}

/// A link to a run.
pub fn to_run(run: RunId) -> String {
    format!("<a class=\"mono nowrap\" href=\"/runs/{run}\">{}</a>", named::short(run))
}

/// A link to a study.
pub fn to_study(study: &str) -> String {
    link(&format!("/studies/{}", part(study)), study)
}

/// A badge: its word says what its colour says.
pub fn badge(class: &str, word: &str) -> String {
    format!("<span class=\"badge state {}\">{}</span>", escape(class), escape(word))
}

/// How a run stands, as a badge.
pub fn run_badge(run: &RunView) -> String {
    let (word, _) = state(run);
    let class = match word {
        "running" => "running",
        "done" => "made",
        "failed" | "died" => "failed",
        _ => "diverged",
    };
    badge(class, word)
}

/// A moment, with how long ago that was.
pub fn when(at: Timestamp, now: Timestamp) -> String {
    format!("<time datetime=\"{0}\" title=\"{0}\">{1}</time>", date(at), ago(now.duration_since(at).as_secs_f64()))
}

/// How long ago, as people say it.
fn ago(seconds: f64) -> String {
    let of = |n: f64, unit: &str| {
        let n = n.floor() as u64;
        format!("{n} {unit}{} ago", if n == 1 { "" } else { "s" })
    };
    match seconds {
        s if s < 5.0 => "just now".to_owned(),
        s if s < 60.0 => of(s, "second"),
        s if s < 3600.0 => of(s / 60.0, "minute"),
        s if s < 86_400.0 => of(s / 3600.0, "hour"),
        s => of(s / 86_400.0, "day"),
    }
}

/// Seconds that something took or has taken, to the second while it goes on.
pub fn took(seconds_: f64, goes_on: bool) -> String {
    if goes_on && seconds_ < 60.0 { format!("{seconds_:.0} s") } else { seconds(seconds_) }
}

/// The commit of a run, marked where not all of it was committed.
pub fn commit_of(run: &RunView) -> String {
    let text = commit(&run.soft);
    match text.strip_suffix('+') {
        _ if text.is_empty() => String::new(),
        Some(commit) => {
            format!(
                "<code>{}</code> <span class=\"warn\" title=\"with changes that were not committed\">+ changes</span>",
                escape(commit)
            )
        }
        None => format!("<code>{}</code>", escape(&text)),
    }
}

/// Outcomes and how many, in words; `open` are those without one.
pub fn counted(outcomes: &BTreeMap<String, u64>, running: u64, open: u64) -> String {
    let number = |n: u64| count(usize::try_from(n).unwrap_or(usize::MAX));
    let told = OUTCOMES.iter().filter_map(|word| Some((outcomes.get(*word).copied()?, *word)));
    let rest = [(running, "running"), (open, "open")];
    let parts: Vec<String> = told
        .chain(rest)
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| format!("<span class=\"count {word}\">{} {word}</span>", number(n)))
        .collect();
    if parts.is_empty() { "no tasks".to_owned() } else { parts.join(" ") }
}

/// A bar of how many tasks stand how; what it shows is said beside it.
pub fn bar(outcomes: &BTreeMap<String, u64>, running: u64, tasks: u64) -> String {
    let whole = tasks.max(1) as f64;
    let ended = ["kept", "adopted", "made", "diverged", "failed", "blocked"];
    let parts =
        ended.iter().map(|word| (*word, outcomes.get(*word).copied().unwrap_or(0))).chain([("running", running)]);
    let (mut x, mut rects) = (0.0, String::new());
    for (word, n) in parts.filter(|(_, n)| *n > 0) {
        let width = (n as f64 / whole * 1000.0).min(1000.0 - x);
        put!(rects, "<rect class=\"fill-{word}\" x=\"{x:.1}\" width=\"{width:.1}\" height=\"10\"/>");
        x += width;
    }
    format!(
        "<svg class=\"bar\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"fill-open\" width=\"1000\" height=\"10\"/>{rects}</svg>"
    )
}

/// A tile of the top of a page: a number, and what it is. The number is HTML.
pub fn tile(value: &str, label: &str) -> String {
    format!("<li><b>{value}</b><span>{}</span></li>", escape(label))
}

/// How long a run took or has taken.
pub fn run_seconds(run: &RunView, now: Timestamp) -> f64 {
    run.ended.unwrap_or(now).duration_since(run.began).as_secs_f64().max(0.0)
}

/// How long it took, where that is known: of an engine that died it is not.
pub fn run_took(run: &RunView, now: Timestamp) -> String {
    match run.ended {
        None if !is_under_way(run) => String::new(),
        ended => took(run_seconds(run, now), ended.is_none()),
    }
}

/// Text of a log for reading: its last lines, without what steers a terminal.
pub fn readable(bytes: &[u8], lines: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' if letters.peek() == Some(&'[') => {
                letters.next();
                while letters.next_if(|c| !('@'..='~').contains(c)).is_some() {}
                letters.next();
            }
            // A bar drawn over and over is read as its last state.
            '\r' if letters.peek() != Some(&'\n') => {
                let line = plain.rfind('\n').map_or(0, |at| at + 1);
                plain.truncate(line);
            }
            '\n' | '\t' => plain.push(letter),
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    let plain = plain.trim_end();
    let start = plain.rmatch_indices('\n').nth(lines.saturating_sub(1)).map_or(0, |(at, _)| at + 1);
    plain[start..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_escapes_what_it_is_given() {
        let head = Head {
            title: "<b>\"x\"</b>".into(),
            crumbs: vec![("a & b".into(), "/runs/\"".into())],
            live: true,
            ..Head::default()
        };
        let page =
            frame(&head, &[("one", "<i>".into(), "<p>kept</p>".into()), ("none", "Nothing".into(), String::new())]);
        assert!(
            page.contains("<h1>&lt;b&gt;&quot;x&quot;&lt;/b&gt;</h1>")
                && page.contains("a &amp; b")
                && page.contains("href=\"/runs/&quot;\"")
        );
        assert!(page.contains("&lt;i&gt;</h2>\n<p>kept</p>") && !page.contains("Nothing"));
        assert!(page.contains("data-live") && page.contains("http-equiv=\"refresh\""));
        let still = frame(&Head { live: false, ..head }, &[]);
        assert!(!still.contains("data-live") && !still.contains("refresh"));
    }

    #[test]
    fn names_are_parts_of_addresses() {
        assert_eq!(part("train[size=s,seed=0]/a?b#c%d\"<é"), "train%5Bsize=s,seed=0%5D%2Fa%3Fb%23c%25d%22%3C%C3%A9");
    }

    #[test]
    fn logs_lose_what_steers_a_terminal() {
        let log = b"\x1b[31mred\x1b[0m\nstep 1\rstep 2\rstep 3\r\nbell\x07\xff\nlast\n";
        assert_eq!(readable(log, 9), "red\nstep 3\nbell\u{fffd}\nlast");
        assert_eq!((readable(log, 1).as_str(), readable(b"", 3).as_str()), ("last", ""));
        assert_eq!(readable(b"\x1b[", 3), "");
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        let said = [1.0, 59.0, 61.0, 7300.0, 86_400.0, 200_000.0].map(ago);
        assert_eq!(said, ["just now", "59 seconds ago", "1 minute ago", "2 hours ago", "1 day ago", "2 days ago"]);
    }
}
