//! Reports, figures, tables and verdicts: pure rendering. [`Facts`] come in as plain data, text goes out; nothing here reads a clock, a file, a
//! database or the network, so the same facts give the same bytes.
//!
//! | module | noun |
//! |---|---|
//! | [`facts`] | everything a report is made of |
//! | [`claims`] | sentences of a paper judged against numbers |
//! | [`fit`] | a fitted law as `fit.json` has it |
//! | [`variant`] | tasks that differ only in a repetition |
//! | [`figure`], [`axis`], [`color`] | a chart as data |
//! | [`figures`] | charts made of facts |
//! | [`draw`], [`svg`] | a chart as SVG |
//! | [`page`] | the report, one HTML file |
//! | [`table`] | a table for a terminal |
//! | [`number`], [`stats`], [`html`], [`base64`] | numbers as text, statistics, escaping, data URIs |

pub mod axis;
pub mod base64;
pub mod claims;
pub mod color;
pub mod draw;
pub mod facts;
pub mod figure;
pub mod figures;
pub mod fit;
pub mod html;
pub mod number;
pub mod page;
pub mod stats;
pub mod svg;
pub mod table;
pub mod variant;

pub use claims::{Judged, Verdict, judge, to_json as claims_to_json};
pub use draw::{to_svg, to_svg_document};
pub use facts::{Facts, Picture, RunFacts, State, StudyFacts, TaskFacts, WorkerFacts};
pub use figure::{Figure, to_csv};
pub use page::render;
pub use table::{Align, Table};
