//! What is read of the ledger afterwards, and what looks after it.

mod audit;
mod lineage;
mod pins;
