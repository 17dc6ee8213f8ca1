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
//! A body that takes long offers a checkpoint after each of its steps, and begins by asking for one. It says what it needs to go on; when one is
//! due, how it gets to disk whole, how many are kept and which one is good is not its business:
//!
//! ```no_run
//! # use isoflop_worker::{Context, Halt};
//! fn count(context: &mut Context) -> Result<u64, Halt> {
//!     let (mut done, mut sum) = (0_u64, 0);
//!     if let Some(resume) = context.resume() {
//!         done = resume.step;
//!         sum = std::fs::read_to_string(resume.file("sum"))?.parse()?;
//!     }
//!     while done < 1_000_000 {
//!         sum += done;
//!         done += 1;
//!         context.progress(done, 1_000_000);
//!         // Returns with `Interrupted`, saved, where the body should stop.
//!         context.checkpoint(done, |folder| Ok(std::fs::write(folder.join("sum"), sum.to_string())?))?;
//!     }
//!     Ok(sum)
//! }
//! ```
//!
//! What was measured before the checkpoint is carried along by itself; a body measures only what it does. Everything else that the result
//! depends on must be in the checkpoint, or follow from spec, seed, inputs and step: `isoflop drill` finds out.
//!
//! Any error ends a body with `?`. [`Diverged`], [`Interrupted`] and [`Failing`] are errors too, and say how it ended; a full disk is told
//! from other errors by itself; a panic is caught. Notices go out on a descriptor of their own, so a native library may print what it likes.

mod body;
mod context;
mod follow;
mod halt;
mod made;
mod mouth;
mod saver;
mod serve;
mod stop;

pub use body::Body;
pub use context::Context;
pub use follow::{DESERTED, follow};
pub use halt::{Diverged, Failing, Halt, Interrupted, NotFinite};
pub use made::Made;
pub use saver::Resume;
pub use serve::serve;
