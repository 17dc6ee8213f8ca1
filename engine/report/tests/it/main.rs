//! Tests of the report from outside, over a made-up study.

mod claims;
mod gallery;
mod plan;
mod report;
mod synthetic;
