//! The body of `read-table`.

use std::fs;

use isoflop_contract::port::NoNeeds;
use isoflop_kinds::table::{FILE, ReadTable};
use isoflop_worker::{Context, Halt, Made};

use super::only_file;
use crate::fit::Table;

#[expect(clippy::needless_pass_by_value, reason = "every body has this signature")]
pub fn run(spec: ReadTable, _: NoNeeds, context: &mut Context) -> Result<Made, Halt> {
    let folder = context.files(FILE).ok_or("there is no file `table`")?;
    let file = only_file(folder)?;
    let text = fs::read(&file)?;
    let table = Table::read(text.as_slice())?;
    for column in &spec.columns {
        table.has(column)?;
    }
    fs::write(context.out("table.csv"), &text)?;
    Ok(Made::new().scalar("rows", table.rows() as f64)?)
}
