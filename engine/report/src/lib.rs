//! Reports, figures, tables and verdicts: pure rendering. [`Facts`] come in as plain data, text goes out; nothing here reads a clock, a file, a
//! database or the network, so the same facts give the same bytes.
//!
//! | module | noun |
//! |---|---|
//! | [`facts`] | everything a report is made of |
//! | [`claims`] | sentences of a paper judged against numbers |
//! | [`ranks`] | how metrics agree across designs |
//! | [`fit`] | a fitted law as `fit.json` has it |
//! | [`variant`] | tasks that differ only in a repetition |
//! | [`figure`], [`axis`], [`color`] | a chart as data |
//! | [`figures`], [`contour`] | charts made of facts; lines of equal height |
//! | [`catalogue`] | every figure of a report with its caption |
//! | [`draw`], [`scene`] | a chart laid out; what it is made of |
//! | [`svg`], [`raster`], [`pdf`] | a drawing as SVG, PNG, PDF; [`font`] and [`png`] serve them |
//! | [`vega`] | a chart as Vega-Lite |
//! | [`page`] | the report, one HTML file |
//! | [`sheet`], [`tables`] | a table as data, CSV, Markdown and LaTeX; those of a report |
//! | [`mod@assets`] | the files beside a report |
//! | [`rocrate`] | a study as an RO-Crate: metadata, statement, digests |
//! | [`table`] | a table for a terminal |
//! | [`number`], [`stats`], [`html`], [`base64`] | numbers as text, statistics, escaping, data URIs |

mod answers;
pub mod assets;
pub mod axis;
pub mod base64;
pub mod catalogue;
pub mod claims;
pub mod color;
pub mod contour;
pub mod draw;
pub mod facts;
pub mod figure;
pub mod figures;
pub mod fit;
pub mod font;
pub mod html;
mod interval;
pub mod number;
pub mod page;
pub mod pdf;
pub mod png;
pub mod ranks;
pub mod raster;
pub mod rocrate;
pub mod scene;
pub mod sheet;
pub mod stats;
pub mod svg;
pub mod table;
pub mod tables;
pub mod variant;
pub mod vega;
pub mod verdicts;

pub use assets::{Assets, assets};
pub use claims::{Judged, Verdict, judge, to_json as claims_to_json};
pub use draw::{Width, to_pdf, to_png, to_svg, to_svg_document};
pub use facts::{Facts, Picture, RunFacts, State, StudyFacts, TaskFacts, WorkerFacts};
pub use figure::{Figure, to_csv};
pub use page::render;
pub use table::{Align, Table};
pub use vega::to_vega;
pub use verdicts::to_markdown as claims_to_markdown;
