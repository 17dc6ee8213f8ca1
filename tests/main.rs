//! The product as its users meet it: the built programs, run as processes, on real files, a real Postgres and (in `smoke`) real libtorch.

mod again;
mod architecture;
mod author;
mod bits;
mod browser;
mod catalog;
mod commands;
mod committed;
mod disk;
mod docs;
mod explain;
mod faults;
mod kept;
mod machine;
mod machines;
mod messages;
mod own;
mod present;
mod project;
mod racing;
mod records;
mod roles;
mod schema;
mod sizing;
mod state;
mod torture;
