//! What is read of the ledger afterwards, and what looks after it.

mod audit;
mod groups;
mod lineage;
mod pins;
