//! One file a verb: what a person asked for, carried out.

pub mod check;
pub mod claims;
pub mod doctor;
pub mod fit;
pub mod model;
pub mod plan;
pub mod report;
pub mod run;
pub mod show;
pub mod why;
