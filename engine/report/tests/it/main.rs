//! Tests of the report from outside, over a made-up study.

mod claims;
mod gallery;
mod noise;
mod plan;
mod planted;
mod report;
mod synthetic;
