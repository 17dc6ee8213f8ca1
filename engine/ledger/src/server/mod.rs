//! A private Postgres cluster in one folder, started on demand and reached only over a Unix socket.
//!
//! Nothing listens on a network; the folder's mode (0700) is the only authentication. The server outlives the engine that started it, as a
//! ledger should, and is stopped by [`PrivateServer::stop`], or by its keeper ([`PrivateServer::keep`]) when nobody has used it for a while. It works for an ordinary user and for root, whom Postgres itself refuses.

mod binaries;
mod cluster;
mod error;
mod guise;
mod host;
mod keeper;
mod socket;

pub use binaries::{Binaries, Search};
pub use cluster::{PrivateServer, Status};
pub use error::ServerError;
pub use keeper::{Keeper, Presence};
