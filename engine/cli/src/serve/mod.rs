//! The home's ledger in a browser: read-only, live while something runs.
//!
//! A request passes the **gate** ([`gate`]: which hosts, which methods), becomes a **route** ([`route`]), is answered by the **site** ([`site`]: the
//! ledger, the store and the home, none of which it can write), and leaves as an **answer** ([`answer`]: bytes, their type, what a browser may do with
//! them). The pages ([`pages`]) are pure functions from what was asked of the ledger to HTML; the API ([`api`]) prints what the verbs print.
//! [`listen`] holds the sockets and what a client may take of the server. `engine/decisions/0047-what-is-served.md` says why so.
//!
//! To add a page: a variant in `route.rs` with its line in `Route::read`, a function in `pages/`, and an arm in `site.rs` that asks the ledger for what it shows.

mod answer;
mod api;
mod files;
mod gate;
mod listen;
mod pages;
mod route;
mod site;
mod studies;

pub use gate::Gate;
pub use listen::serve;
pub use site::Site;
