//! Two models side by side: part by part, and in total.

use isoflop_kinds::model::{Block, Count};
use serde_json::json;

use super::{Counted, number, right};
use crate::{
    aligned::{Cell, lines},
    output::{Output, Paint},
    stop::Stop,
};

/// Prints both, and the second as a share of the first.
pub(super) fn compare(models: &[Counted; 2], out: &mut Output) -> Result<(), Stop> {
    let totals = models.each_ref().map(Counted::total);
    if out.json {
        let [one, other] = totals;
        return out.data(&json!({
            "version": 1, "models": models.each_ref().map(Counted::json),
            "ratio": {
                "params": ratio(one.params, other.params), "macs": ratio(one.macs, other.macs),
                "attention_products": ratio(one.products, other.products),
            },
        }));
    }
    let names = models.each_ref().map(|model| model.name.as_str());
    let titles = ["part".to_owned()]
        .into_iter()
        .chain(
            ["params", "MACs"]
                .iter()
                .flat_map(|what| [format!("{what} {}", names[0]), format!("{what} {}", names[1]), "ratio".to_owned()]),
        )
        .collect::<Vec<_>>();
    let mut table = vec![right(&titles.iter().map(String::as_str).collect::<Vec<_>>())];
    for part in parts(&models[0].blocks, &models[1].blocks) {
        table.push(row(part, models.each_ref().map(|model| sum(&model.blocks, part))));
    }
    table.push(row("total", totals));
    for line in lines(&table, out.color) {
        out.line(&line)?;
    }
    models.iter().try_for_each(|model| out.line(&out.paint(Paint::Dim, &model.sentence())))
}

fn row(part: &str, [one, other]: [Count; 2]) -> Vec<Cell> {
    let share = |one: u64, other: u64| {
        let text = ratio(one, other).map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}"));
        Cell::new(text).right()
    };
    vec![
        Cell::new(part),
        number(one.params),
        number(other.params),
        share(one.params, other.params),
        number(one.macs),
        number(other.macs),
        share(one.macs, other.macs),
    ]
}

/// The second as a share of the first, if the first is anything.
fn ratio(one: u64, other: u64) -> Option<f64> {
    (one > 0).then(|| other as f64 / one as f64)
}

/// What both are made of, without numbers of layers: `down_blocks.1.attentions`, in the order of the first model's forward pass, then the second's.
fn parts<'a>(one: &'a [Block], other: &'a [Block]) -> Vec<&'a str> {
    let mut parts = Vec::new();
    for part in one.iter().chain(other).map(|block| part(&block.path)) {
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts
}

/// A path without the number at its end.
fn part(path: &str) -> &str {
    match path.rsplit_once('.') {
        Some((before, last)) if last.bytes().all(|byte| byte.is_ascii_digit()) => before,
        _ => path,
    }
}

fn sum(blocks: &[Block], of: &str) -> Count {
    blocks.iter().filter(|block| part(&block.path) == of).map(Block::count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_paths_without_numbers_of_layers() {
        let blocks = |paths: &[&str]| paths.iter().map(|path| Count::norm(2).at(*path)).collect::<Vec<_>>();
        let one = blocks(&["conv_in", "down_blocks.0.resnets.0", "down_blocks.0.resnets.1", "conv_out"]);
        let other = blocks(&["conv_in", "transformer_blocks.0", "transformer_blocks.1"]);
        assert_eq!(parts(&one, &other), ["conv_in", "down_blocks.0.resnets", "conv_out", "transformer_blocks"]);
        assert_eq!(sum(&one, "down_blocks.0.resnets").params, 8);
        assert_eq!((ratio(4, 1), ratio(0, 1)), (Some(0.25), None));
    }
}
