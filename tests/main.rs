//! The product as its users meet it: the built programs, run as processes, on real files, a real Postgres and (in `smoke`) real libtorch.

mod architecture;
mod bits;
mod catalog;
mod faults;
mod kept;
mod messages;
mod project;
mod racing;
