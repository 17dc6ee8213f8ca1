//! Text to plan: pure, so that a study can be checked anywhere in a second.
//!
//! ```text
//! texts --yaml, include--> Nodes --study--> Study, templates written out --order, expand--> cells --seal(Catalog)--> Plan
//! ```
//!
//! Everything that is wrong on the way is a **finding** with a place, and all of them are reported at once. A **plan** is sealed: every task
//! has its recipe, its key and its needs, and nothing in it changes afterwards.
//!
//! | module | noun |
//! |---|---|
//! | [`source`], `include` | texts, places in them, and which file includes which |
//! | [`finding`], `draw` | what is wrong, where, and what to do about it |
//! | `yaml`, `scalar`, `fields` | a bounded tree with places, its scalars, and maps read from it |
//! | `study`, `params`, `merge`, `claims` | what a person wrote, in one file or several |
//! | `rehearsal`, `unmet` | calls of claims that nothing measured could answer, and cells they ask for in vain |
//! | `task`, `naming`, `reference`, `target` | the text of one task, and the tasks that it names |
//! | `templates`, `place`, `writer` | reusable tasks, what is known where they are used, and writing them out |
//! | [`template`], `engine`, `inner`, `power`, `function`, `braces`, `form` | expressions inside values, their bounds and their functions |
//! | `order`, `expand`, `points` | groups in order, their cells as a table of numbers |
//! | `matrix`, `axis`, `product`, `picks` | a task's own axes, their values, what they multiply to, and single points of it |
//! | `variables`, `trace` | lets and arguments level by level, and where values come from |
//! | [`files`], `library`, `glob`, `open` | files of the study by content; kinds whose ports and shapes their spec tells |
//! | `feed`, `parts`, `seal`, `fault` | ports, what a task says of itself, tasks with keys, complaints of kinds in words |
//! | `plan` | the sealed DAG |
//! | `outline` | what a study names, for completion |
//! | [`schema`] | what a study looks like, for editors |
//! | [`mod@select`] | which tasks a person means |
//! | [`why`], [`reason`], [`cause`], [`difference`], [`account`] | why a task must run, down to the line that says so |
//! | [`expanded`], [`document`] | a plan laid out in full, and written as YAML |
//! | [`estimate`] | how long it takes |

mod access;
pub mod account;
mod axis;
mod braces;
pub mod cause;
mod claims;
pub mod difference;
pub mod document;
mod draw;
mod engine;
pub mod estimate;
mod expand;
pub mod expanded;
mod fault;
mod feed;
mod fields;
pub mod files;
pub mod finding;
mod form;
mod function;
mod glob;
mod include;
mod inner;
mod library;
mod matrix;
mod merge;
mod naming;
mod open;
mod order;
mod outline;
mod params;
mod parts;
mod picks;
mod place;
mod plan;
mod points;
mod power;
mod product;
pub mod reason;
mod reference;
mod rehearsal;
mod scalar;
pub mod schema;
mod seal;
pub mod select;
pub mod source;
mod study;
mod suggest;
mod target;
mod task;
pub mod template;
mod templates;
mod trace;
mod unmet;
mod variables;
pub mod why;
mod writer;
mod yaml;

pub use account::Account;
pub use cause::{Causes, Subject};
pub use claims::CLAIM_FUNCTIONS;
pub use difference::Difference;
pub use document::Document;
pub use draw::Drawing;
pub use expand::CELL_LIMIT;
pub use expanded::Expanded;
pub use feed::NEED_LIMIT;
pub use files::FileSet;
pub use finding::{Finding, Findings, Label, Way};
pub use outline::{Outline, outline};
pub use plan::{Claim, Options, Plan, Provenance, StudyHead, Task, TaskNeed, Variable, VariableKind, plan, read_value};
pub use reason::Reason;
pub use select::{SelectError, Selection, select};
pub use source::{FileError, Files, Listed, Memory, Origin, Sources, Span};
pub use suggest::nearest;
pub use unmet::{Unmet, unmet};
pub use why::Why;
