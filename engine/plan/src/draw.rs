//! Findings drawn for a terminal: the sentence, the lines it is about with marks under them, what to do, and the way there.

use std::{error::Error, fmt, fmt::Write};

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use crate::{
    finding::{Finding, Findings, Label},
    source::Sources,
};

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

impl Findings {
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
        for finding in self.iter() {
            let shown = Shown::new(finding, self.sources());
            // Writing to a string fails only if a label lies outside its source; the sentence is then worth more than the snippet.
            if handler.render_report(&mut text, &shown).is_err() {
                text.push_str(&finding.origin.to_string());
                text.push_str(": ");
                text.push_str(&finding.message);
            }
            for label in finding.labels.iter().skip(1) {
                if label.span.source != finding.labels[0].span.source {
                    let _ = writeln!(text, "  {}: {}", label.text, self.sources().origin(label.span));
                }
            }
            for way in &finding.through {
                let _ = writeln!(text, "  {way}");
            }
            text.push('\n');
        }
        text
    }
}

/// A finding as miette wants it.
#[derive(Debug)]
struct Shown<'a> {
    finding: &'a Finding,
    message: String,
    snippet: bool,
    /// Which source is shown: labels in others are lines of their own.
    source_index: Option<u32>,
    source: NamedSource<String>,
}

impl<'a> Shown<'a> {
    fn new(finding: &'a Finding, sources: &Sources) -> Self {
        let source_index = finding.labels.first().map(|label| label.span.source);
        let source = source_index.unwrap_or(0);
        let mut message = match &finding.task {
            Some(task) => format!("{} (in {task})", finding.message),
            None => finding.message.clone(),
        };
        let snippet = snippet(finding, sources.text(source));
        if !snippet {
            message = format!("{}: {message}", finding.origin);
        }
        let text = if snippet { sources.text(source).to_owned() } else { String::new() };
        Self { finding, message, snippet, source_index, source: NamedSource::new(sources.path(source), text) }
    }
}

/// Whether the lines around a finding can be shown: there are some, and none fills a screen by itself.
fn snippet(finding: &Finding, text: &str) -> bool {
    const LONG: usize = 400;
    let Some(source) = finding.labels.first().map(|label| label.span.source) else { return false };
    let here = || finding.labels.iter().filter(|label| label.span.source == source);
    let (Some(first), Some(last)) =
        (here().map(|label| label.span.start).min(), here().map(|label| label.span.end).max())
    else {
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
        let here = |label: &&Label| self.snippet && Some(label.span.source) == self.source_index;
        let labels = self.finding.labels.iter().filter(here).enumerate().map(|(index, label)| {
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
