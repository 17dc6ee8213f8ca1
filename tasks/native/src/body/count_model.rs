//! The body of `count-model`.

use std::fmt::Write as _;

use isoflop_contract::port::NoNeeds;
use isoflop_kinds::anatomy::CountModel;
use isoflop_worker::{Context, Halt, Made};

#[expect(clippy::needless_pass_by_value, reason = "every body has this signature")]
pub fn run(spec: CountModel, _: NoNeeds, context: &mut Context) -> Result<Made, Halt> {
    let mut csv = String::from("path,params,macs,attention_products\n");
    for block in spec.blocks() {
        let _ = writeln!(csv, "{},{},{},{}", block.path, block.params, block.macs, block.products);
    }
    std::fs::write(context.out("blocks.csv"), csv)?;
    let mut made = Made::new();
    for (name, number) in spec.scalars() {
        made = made.scalar(name, number as f64)?;
    }
    Ok(made)
}
