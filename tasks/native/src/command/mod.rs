//! Running a program: its folder, its words, the process and its end, what it measured and what it wrote.
//!
//! - [`folder`]: a working folder of its own in which everything it may use has a fixed relative path, so that no word, and nothing that a
//!   program makes of its words, differs from attempt to attempt.
//! - [`words`]: placeholders become those paths.
//! - [`process`]: no shell, no stdin, no environment but what was declared; nothing that it starts outlives the attempt.
//! - [`earlier`]: what attempts before it measured, where the program goes on from a checkpoint of its own.
//! - [`metrics`]: JSON lines, read while they are written.
//! - [`outputs`]: what was declared is taken, and has to be there.

pub mod earlier;
pub mod folder;
pub mod metrics;
pub mod outputs;
pub mod process;
pub mod words;
