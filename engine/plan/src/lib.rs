//! Text to plan: pure, so that a study can be checked anywhere in a second.
//!
//! ```text
//! text --yaml--> Node --study--> Study --order, expand--> cells --seal(Catalog)--> Plan
//! ```
//!
//! Everything that is wrong on the way is a **finding** with a place, and all of them are reported at once. A **plan** is sealed: every task
//! has its recipe, its key and its needs, and nothing in it changes afterwards.
//!
//! | module | noun |
//! |---|---|
//! | [`source`] | texts, and places in them |
//! | [`finding`] | what is wrong, where, and what to do about it |
//! | `yaml`, `scalar`, `fields` | a bounded tree with places, its scalars, and maps read from it |
//! | `study`, `params`, `reference` | what a person wrote |
//! | [`template`], `function`, `braces`, `form` | expressions inside values |
//! | `order`, `expand`, `feed`, `seal`, `fault` | groups in order, cells, ports, tasks with keys, complaints of kinds in words |
//! | `plan` | the sealed DAG |
//! | [`mod@select`], [`why`] | which tasks a person means, and why a task must run |

mod braces;
mod expand;
mod fault;
mod feed;
mod fields;
pub mod finding;
mod form;
mod function;
mod order;
mod params;
mod plan;
mod reference;
mod scalar;
mod seal;
pub mod select;
pub mod source;
mod study;
mod suggest;
pub mod template;
pub mod why;
mod yaml;

pub use expand::CELL_LIMIT;
pub use feed::NEED_LIMIT;
pub use finding::{Drawing, Finding, Findings, Label};
pub use plan::{Claim, Options, Plan, StudyHead, Task, TaskNeed, plan, read_value};
pub use select::{SelectError, select};
pub use source::{Origin, Sources, Span};
pub use study::CLAIM_FUNCTIONS;
pub use suggest::nearest;
pub use why::Why;
