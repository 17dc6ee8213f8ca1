//! Targets: which cells of which group a task's text refers to. The group is known before any cell; the values in brackets may be templates.

use crate::source::Span;

/// A group, and texts for some of its axes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The group's full name, as in `eval.scores`.
    pub(crate) group: String,
    /// How many bytes of that name say where it was looked for: `eval.` for a task of a template that names its sibling `scores`.
    pub(crate) home: usize,
    /// The scalar that names it: what the task writes, or the argument that it came from.
    pub(crate) span: Span,
    /// What stands in brackets, in order.
    pub(crate) axes: Vec<AxisText>,
}

/// `axis=value` in a target. The value may hold templates: it is known for each cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AxisText {
    pub(crate) axis: String,
    /// As it is written.
    pub(crate) value: String,
    /// The scalar that holds it: the target, or the argument that it came from.
    pub(crate) span: Span,
    /// Whose variables its templates see: an index into the levels of the task. An argument's are those of the place that gives it.
    pub(crate) level: usize,
}

impl Target {
    /// The group as it is written where it is referred to.
    pub(crate) fn written(&self) -> &str {
        &self.group[self.home..]
    }
}
