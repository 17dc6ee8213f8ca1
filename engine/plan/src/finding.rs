//! Findings: what is wrong with a study, all at once, each at its place.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt,
    sync::Arc,
};

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
    /// The way to that place: the variables behind the value that is wrong; the include that brought its file, then what includes that; then the
    /// use of the template it was found in, and what uses that.
    pub through: Vec<Way>,
    /// The dotted path in `with:` of the value that is wrong, as long as nobody has said which variables are behind it.
    pub(crate) value: Option<String>,
    uses: Through,
    /// How many more uses of the template have it.
    more: usize,
}

/// A step of the way to a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// What it is: `included`, or ``in the template `scored`, used by `eval` ``.
    pub what: String,
    /// Where that is written.
    pub origin: Origin,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.what, self.origin)
    }
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
        Self {
            code,
            message: message.into(),
            labels: Vec::new(),
            hint: None,
            task: None,
            origin: Origin::default(),
            through: Vec::new(),
            value: None,
            uses: Through::default(),
            more: 0,
        }
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

/// A use of a template: on the way from the study to whatever the template holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Use {
    /// The template.
    pub(crate) template: String,
    /// The full name of the task that uses it.
    pub(crate) name: String,
    /// Where it says so.
    pub(crate) span: Span,
}

/// The uses of templates that brought a task, outermost first.
pub(crate) type Through = Arc<[Use]>;

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
            let include = |span| Way { what: "included".to_owned(), origin: sources.origin(span) };
            finding.through.extend(sources.included(span.source).map(include));
            for (inwards, step) in finding.uses.iter().rev().enumerate() {
                let others = match (inwards, finding.more) {
                    (0, 1) => " and 1 task more".to_owned(),
                    (0, more @ 2..) => format!(" and {more} tasks more"),
                    _ => String::new(),
                };
                let what = format!("in the template `{}`, used by `{}`{others}", step.template, step.name);
                finding.through.push(Way { what, origin: sources.origin(step.span) });
            }
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

    /// The texts that they are about.
    pub(crate) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// For other programs.
    pub fn to_json(&self) -> Value {
        let place = |what: &str, origin: &Origin| json!({"what": what, "file": origin.file, "line": origin.line, "column": origin.column});
        let one = |finding: &Finding| {
            let also = finding.labels.iter().skip(1).map(|label| place(&label.text, &self.sources.origin(label.span)));
            json!({
                "code": finding.code,
                "message": finding.message,
                "file": finding.origin.file,
                "line": finding.origin.line,
                "column": finding.origin.column,
                "hint": finding.hint,
                "task": finding.task,
                "also": also.collect::<Vec<_>>(),
                "through": finding.through.iter().map(|way| place(&way.what, &way.origin)).collect::<Vec<_>>(),
            })
        };
        self.findings.iter().map(one).collect()
    }
}

/// One line a finding: `file:line:column: message (in cell); hint; way`.
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
            for way in &finding.through {
                write!(f, "; {way}")?;
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

/// Findings under way.
///
/// A mistake in a task's text shows up once in every cell; it is kept once, with the cells that have it.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    findings: Vec<Finding>,
    cells: BTreeMap<usize, Cells>,
    seen: BTreeMap<(Option<Span>, &'static str, String), usize>,
    /// By finding, the tasks that use the template it was found in.
    users: BTreeMap<usize, BTreeSet<String>>,
    left_out: usize,
    through: Through,
}

/// Cuts a sentence that quotes more than anybody reads.
fn clip(text: &mut String) {
    const LONG: usize = 1_000;
    if text.len() > LONG {
        text.truncate(text.floor_char_boundary(LONG));
        text.push('…');
    }
}

/// How many findings are kept: nobody reads more, and each of 100,000 cells may have one of its own.
const LIMIT: usize = 200;

#[derive(Debug)]
struct Cells {
    group: String,
    first: String,
    count: usize,
    of: usize,
}

impl Inbox {
    /// Takes a finding.
    pub(crate) fn push(&mut self, finding: Finding) {
        self.put(finding);
    }

    /// What is said from now on concerns a task that came through these uses of templates.
    pub(crate) fn within(&mut self, through: &Through) {
        self.through = Arc::clone(through);
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
        let group = name.split('[').next().unwrap_or(name);
        let new = || Cells { group: group.to_owned(), first: name.to_owned(), count: 0, of };
        let cells = self.cells.entry(index).or_insert_with(new);
        // Those of other uses of a template are another count.
        cells.count += usize::from(cells.group == group);
    }

    /// Whether more findings will not be shown, so that no work need go into their hints.
    pub(crate) fn is_full(&self) -> bool {
        self.findings.len() >= LIMIT
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.findings.len()
    }

    /// All of them as they are.
    pub(crate) fn take(self) -> Vec<Finding> {
        self.findings
    }

    /// Takes a finding; says which it is, equal ones being one.
    fn put(&mut self, mut finding: Finding) -> Option<usize> {
        let texts = finding.labels.iter_mut().map(|label| &mut label.text).chain(&mut finding.hint);
        texts.chain([&mut finding.message]).for_each(clip);
        let place = finding.labels.first().map(|label| label.span);
        let next = self.findings.len();
        // In another use of a template the same mistake is said of another task.
        let message = match self.through.last() {
            Some(used) => finding.message.replace(&format!("`{}.", used.name), "`"),
            None => finding.message.clone(),
        };
        let same = (place, finding.code, message);
        let index = match self.seen.get(&same) {
            Some(index) => *index,
            None if next >= LIMIT => {
                self.left_out += 1;
                return None;
            }
            None => {
                self.seen.insert(same, next);
                if finding.uses.is_empty() {
                    finding.uses = Arc::clone(&self.through);
                }
                self.findings.push(finding);
                next
            }
        };
        if let Some(used) = self.through.last() {
            self.users.entry(index).or_default().insert(used.name.clone());
        }
        Some(index)
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
        for (index, users) in self.users {
            self.findings[index].more = users.len() - 1;
        }
        if self.left_out > 0 {
            let message = format!("there are {} findings more, which are not shown", self.left_out);
            self.findings.push(Finding::new("more", message));
        }
        Err(Findings::new(sources.clone(), self.findings))
    }
}
