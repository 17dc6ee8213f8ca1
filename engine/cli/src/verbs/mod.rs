//! One file a verb: what a person asked for, carried out.

pub mod audit;
pub mod check;
pub mod claims;
pub mod completions;
pub mod diff;
pub mod doctor;
pub mod expand;
pub mod fit;
pub mod frozen;
pub mod gc;
pub mod init;
pub mod logs;
pub mod model;
pub mod pin;
pub mod plan;
pub mod report;
pub mod run;
pub mod runs;
pub mod schema;
pub mod show;
pub mod status;
pub mod trace;
pub mod watch;
pub mod why;
pub mod why_run;
