//! The loop that every worker binary runs.
//!
//! A worker is a process that runs one task: it says [`Hello`](isoflop_contract::protocol::Notice::Hello), reads one
//! [`Assignment`](isoflop_contract::protocol::Assignment), runs the **body** of its kind and says how it ended. A binary calls [`serve()`] with its
//! bodies; a body is a function from a spec and typed needs to what was [`Made`]:
//!
//! ```no_run
//! # use isoflop_contract::{Artifact, Kind, Runtime, port::NoNeeds};
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Debug)] enum Greeting {}
//! # impl Artifact for Greeting { const SHAPE: &'static str = "greeting"; }
//! # #[derive(Serialize, Deserialize, schemars::JsonSchema)] struct Greet { name: String }
//! # impl Kind for Greet {
//! #     const NAME: &'static str = "greet"; const REVISION: u32 = 1; const RUNTIME: Runtime = Runtime::Native;
//! #     const SEEDED: bool = false; const ABOUT: &'static str = "Greets."; const EXAMPLE: &'static str = "name: you";
//! #     type Needs = NoNeeds; type Makes = Greeting;
//! # }
//! use isoflop_worker::{Body, Context, Halt, Made, serve};
//!
//! fn greet(spec: Greet, _: NoNeeds, context: &mut Context) -> Result<Made, Halt> {
//!     std::fs::write(context.out("greeting.txt"), format!("hello {}", spec.name))?;
//!     Ok(Made::new().scalar("letters", spec.name.len() as f64)?)
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     serve(&[Body::of(greet)], &[])
//! }
//! ```
//!
//! Any error ends a body with `?`. [`Diverged`], [`Interrupted`] and [`Failing`] are errors too, and say how it ended; a full disk is told
//! from other errors by itself; a panic is caught. Notices go out on a descriptor of their own, so a native library may print what it likes.

mod body;
mod context;
mod halt;
mod made;
mod mouth;
mod serve;
mod stop;

pub use body::Body;
pub use context::Context;
pub use halt::{Diverged, Failing, Halt, Interrupted, NotFinite};
pub use made::Made;
pub use serve::serve;
