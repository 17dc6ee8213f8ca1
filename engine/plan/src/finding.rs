//! Findings: what is wrong with a study, all at once, each at its place.

use std::{collections::BTreeMap, error::Error, fmt};

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use serde_json::{Value, json};

use crate::source::{Origin, Sources, Span};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A stable name for the sort of mistake, as in `unknown-key`.
    pub code: &'static str,
    /// What is wrong: one lower-case sentence.
    pub message: String,
    /// Where, the first label being the place itself; empty only when the file as a whole is at fault.
    pub labels: Vec<Label>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The cell it is about, where not all cells of a task share it; with how many more do.
    pub task: Option<String>,
    /// Where the first label begins.
    pub origin: Origin,
}

/// A place with a word about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// The word.
    pub text: String,
}

impl Finding {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), labels: Vec::new(), hint: None, task: None, origin: Origin::default() }
    }

    pub(crate) fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }
}

/// How findings are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drawing {
    /// Box-drawing characters and colours.
    Color,
    /// Box-drawing characters.
    Unicode,
    /// ASCII only.
    Ascii,
}

/// Everything that is wrong with a study.
#[derive(Clone, Default)]
pub struct Findings {
    sources: Sources,
    findings: Vec<Finding>,
}

impl Findings {
    /// These findings, in the order of their places.
    pub(crate) fn new(sources: Sources, mut findings: Vec<Finding>) -> Self {
        for finding in &mut findings {
            let span = finding.labels.first().map(|label| label.span).unwrap_or_default();
            finding.origin = sources.origin(span);
        }
        findings.sort_by_key(|finding| (finding.labels.is_empty(), finding.labels.first().map(|label| label.span)));
        Self { sources, findings }
    }

    /// All findings in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.findings.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// For a terminal of `width` columns.
    pub fn render(&self, width: usize, drawing: Drawing) -> String {
        let theme = match drawing {
            Drawing::Color => GraphicalTheme::unicode(),
            Drawing::Unicode => GraphicalTheme::unicode_nocolor(),
            Drawing::Ascii => GraphicalTheme::none(),
        };
        let handler =
            GraphicalReportHandler::new_themed(theme).with_width(width).with_links(false).with_context_lines(1);
        let mut text = String::new();
        for finding in &self.findings {
            let shown = Shown::new(finding, &self.sources);
            // Writing to a string fails only if a label lies outside its source; the sentence is then worth more than the snippet.
            if handler.render_report(&mut text, &shown).is_err() {
                text.push_str(&finding.origin.to_string());
                text.push_str(": ");
                text.push_str(&finding.message);
            }
            text.push('\n');
        }
        text
    }

    /// For other programs.
    pub fn to_json(&self) -> Value {
        let one = |finding: &Finding| {
            json!({
                "code": finding.code,
                "message": finding.message,
                "file": finding.origin.file,
                "line": finding.origin.line,
                "column": finding.origin.column,
                "hint": finding.hint,
                "task": finding.task,
            })
        };
        self.findings.iter().map(one).collect()
    }
}

/// One line a finding: `file:line:column: message (hint)`.
impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{}: {}", finding.origin, finding.message)?;
            if let Some(task) = &finding.task {
                write!(f, " (in {task})")?;
            }
            if let Some(hint) = &finding.hint {
                write!(f, "; {hint}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Findings {}

/// A finding as miette wants it.
#[derive(Debug)]
struct Shown<'a> {
    finding: &'a Finding,
    message: String,
    snippet: bool,
    source: NamedSource<String>,
}

impl<'a> Shown<'a> {
    fn new(finding: &'a Finding, sources: &Sources) -> Self {
        let source = finding.labels.first().map_or(0, |label| label.span.source);
        let mut message = match &finding.task {
            Some(task) => format!("{} (in {task})", finding.message),
            None => finding.message.clone(),
        };
        let snippet = snippet(finding, sources.text(source));
        if !snippet {
            message = format!("{}: {message}", finding.origin);
        }
        let text = if snippet { sources.text(source).to_owned() } else { String::new() };
        Self { finding, message, snippet, source: NamedSource::new(sources.path(source), text) }
    }
}

/// Whether the lines around a finding can be shown: there are some, and none fills a screen by itself.
fn snippet(finding: &Finding, text: &str) -> bool {
    const LONG: usize = 400;
    let (Some(first), Some(last)) = (
        finding.labels.iter().map(|label| label.span.start).min(),
        finding.labels.iter().map(|label| label.span.end).max(),
    ) else {
        return false;
    };
    let (before, rest) = text.split_at(text.floor_char_boundary(first));
    let (within, after) = rest.split_at(rest.floor_char_boundary(last.saturating_sub(first)));
    let head = before.rsplit('\n').take(2).map(str::len).max().unwrap_or(0);
    let tail = after.split('\n').take(2).map(str::len).max().unwrap_or(0);
    head.max(tail) <= LONG && within.len() <= LONG * 20 && within.lines().all(|line| line.len() <= LONG)
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.finding.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.finding.hint.as_ref().map(|hint| Box::new(hint) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.snippet.then_some(&self.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let labels = self.finding.labels.iter().filter(|_| self.snippet).enumerate().map(|(index, label)| {
            let text = (!label.text.is_empty()).then(|| label.text.clone());
            let span = (label.span.start, label.span.end.saturating_sub(label.span.start));
            if index == 0 {
                LabeledSpan::new_primary_with_span(text, span)
            } else {
                LabeledSpan::new_with_span(text, span)
            }
        });
        Some(Box::new(labels))
    }
}

/// Findings under way.
///
/// A mistake in a task's text shows up once in every cell; it is kept once, with the cells that have it.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    findings: Vec<Finding>,
    cells: BTreeMap<usize, Cells>,
    seen: BTreeMap<(Option<Span>, &'static str, String), usize>,
    left_out: usize,
}

/// How many findings are kept: nobody reads more, and each of 100,000 cells may have one of its own.
const LIMIT: usize = 200;

#[derive(Debug)]
struct Cells {
    first: String,
    count: usize,
    of: usize,
}

impl Inbox {
    /// Takes a finding.
    pub(crate) fn push(&mut self, finding: Finding) {
        self.put(finding);
    }

    /// Takes findings.
    pub(crate) fn extend(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            self.push(finding);
        }
    }

    /// Takes a finding about the cell `name`, one of `of`.
    pub(crate) fn push_in(&mut self, name: &str, of: usize, finding: Finding) {
        let Some(index) = self.put(finding) else { return };
        let cells = self.cells.entry(index).or_insert_with(|| Cells { first: name.to_owned(), count: 0, of });
        cells.count += 1;
    }

    /// Whether more findings will not be shown, so that no work need go into their hints.
    pub(crate) fn is_full(&self) -> bool {
        self.findings.len() >= LIMIT
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.findings.len()
    }

    /// Takes a finding; says which it is, equal ones being one.
    fn put(&mut self, finding: Finding) -> Option<usize> {
        let place = finding.labels.first().map(|label| label.span);
        let next = self.findings.len();
        let same = (place, finding.code, finding.message.clone());
        if let Some(index) = self.seen.get(&same) {
            return Some(*index);
        }
        if next >= LIMIT {
            self.left_out += 1;
            return None;
        }
        self.seen.insert(same, next);
        self.findings.push(finding);
        Some(next)
    }

    /// All of them, when there must be some.
    pub(crate) fn close_failed(self, sources: &Sources) -> Findings {
        match self.close(sources) {
            Err(findings) => findings,
            Ok(()) => Findings::new(sources.clone(), vec![Finding::new("unreadable", "the study cannot be read")]),
        }
    }

    /// All of them, if there are any.
    pub(crate) fn close(mut self, sources: &Sources) -> Result<(), Findings> {
        if self.findings.is_empty() {
            return Ok(());
        }
        for (index, cells) in self.cells {
            self.findings[index].task = match cells.count - 1 {
                others if others + 1 >= cells.of => None,
                0 => Some(cells.first),
                1 => Some(format!("{} and 1 more cell", cells.first)),
                others => Some(format!("{} and {others} more cells", cells.first)),
            };
        }
        if self.left_out > 0 {
            let message = format!("there are {} findings more, which are not shown", self.left_out);
            self.findings.push(Finding::new("more", message));
        }
        Err(Findings::new(sources.clone(), self.findings))
    }
}
