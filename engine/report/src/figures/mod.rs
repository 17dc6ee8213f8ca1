//! Figures made of facts: nothing in them knows a particular study.

mod curves;
mod law;

pub use curves::{curves, primary};
pub use law::{law, symbol};

/// The name of a column as people write it, and its unit.
fn column(name: &str) -> (String, &'static str) {
    let (label, unit) = match name {
        "compute" | "flops" => ("training compute", "FLOP"),
        "macs" => ("multiply-accumulates of one forward pass", "MAC"),
        "params" => ("parameters", ""),
        "images" => ("training images", ""),
        "steps" | "step" => ("optimizer step", ""),
        "seconds" => ("time", "s"),
        other => return (spoken(other), ""),
    };
    (label.to_owned(), unit)
}

/// `heldout_loss` as `held-out loss`, `alignment_color` as `alignment color`.
pub fn spoken(name: &str) -> String {
    name.replace(['_', '.'], " ").replace("heldout", "held-out").replace("held out", "held-out")
}
