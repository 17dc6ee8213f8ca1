//! Bodies of the kinds that need libtorch.
//!
//! | module | what is in it |
//! |---|---|
//! | [`nn`] | layers, and parameters by name |
//! | [`models`] | the networks, from blocks up |
//! | [`diffusion`] | noise levels and sampling |
//! | [`draw`] | random numbers by seed |
//! | [`device`] | the device that a task declares |
//! | [`processor`] | the instruction-set level that it declares |
//! | [`data`] | artifacts as tensors, and the order of training |
//! | [`train`] | the optimizer and the one training loop |
//! | [`parallel`] | one task on several processes, to the same bits |
//! | [`metrics`] | measures of what models make |
//! | [`weights`] | released checkpoints, in and out |
//! | [`tokens`] | text to token numbers |
//! | [`command`] | what a person may type |
//! | [`forward`] | one forward pass of any model |
//! | [`run`] | bodies, one file a kind |
//! | [`shim`] | what libtorch has and the binding lacks |
//!
//! To add a kind: its contract in `tasks/kinds`, a file in `run`, one line in [`run::bodies`]. Inside models, shapes that do not fit
//! panic, and the worker turns that into a failed attempt; at the edges (files, specs, data) everything is a [`TorchError`](error::TorchError).

#![expect(
    clippy::cast_possible_wrap,
    reason = "torch counts in i64, Rust in u64 and usize; none of it comes near 2^63"
)]

pub mod command;
pub mod data;
pub mod device;
pub mod diffusion;
pub mod draw;
pub mod error;
pub mod forward;
pub mod metrics;
pub mod models;
pub mod nn;
pub mod parallel;
pub mod processor;
pub mod run;
pub mod shim;
pub mod tokens;
pub mod train;
pub mod weights;
