//! `model`: parameters and multiply-accumulates of a network, from its config alone.

use std::path::Path;

use isoflop_contract::quantity::prefixed;
use isoflop_kinds::model::{Count, Network, network, networks};
use serde_json::json;

use crate::{
    args::ModelArgs,
    output::{Output, Paint},
    stop::Stop,
};

/// Counts one model, or lists the presets.
pub fn model(args: &ModelArgs, out: &mut Output) -> Result<(), Stop> {
    let Some(name) = args.model.as_deref().filter(|_| !args.list) else { return list(out) };
    let network = find(name)?;
    let blocks = network.blocks();
    let total = Count::of(&blocks);
    if out.json {
        let blocks: Vec<_> = blocks
            .iter()
            .map(|block| json!({"path": block.path, "params": block.params, "macs": block.macs}))
            .collect();
        return out.data(&json!({
            "version": 1, "name": name, "family": network.family(), "config": network,
            "params": total.params, "macs": total.macs, "size": network.size(), "tokens": network.tokens(), "blocks": blocks,
        }));
    }
    let width = blocks.iter().map(|block| block.path.len()).max().unwrap_or(0).max(5);
    out.line(&out.paint(Paint::Bold, &format!("{:<width$} {:>16} {:>20}", "block", "params", "macs")))?;
    for block in &blocks {
        out.line(&format!("{:<width$} {:>16} {:>20}", block.path, grouped(block.params), grouped(block.macs)))?;
    }
    out.line(&format!("{:<width$} {:>16} {:>20}", "total", grouped(total.params), grouped(total.macs)))?;
    let size = network.size().map(|size| format!(", {size}x{size} input")).unwrap_or_default();
    let tokens = network.tokens().map(|tokens| format!(", {tokens} text tokens")).unwrap_or_default();
    out.line(&format!(
        "{name}: {}parameters, {}MACs at batch 1{size}{tokens}; convolutions and linear layers only",
        prefixed(total.params as f64),
        prefixed(total.macs as f64),
    ))
}

fn find(name: &str) -> Result<Network, Stop> {
    if let Some(network) = network(name) {
        return Ok(network);
    }
    let path = Path::new(name);
    if !path.exists() {
        let near = isoflop_plan::nearest(name, networks().map(|(name, _)| name));
        let hint = near.map_or_else(
            || "`isoflop model --list` lists the presets".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        return Err(Stop::Usage(format!("`{name}` is neither a preset nor a file; {hint}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| Stop::Usage(format!("{name} cannot be read: {error}")))?;
    let value = isoflop_plan::read_value(&text).map_err(|findings| Stop::Invalid(Box::new(findings)))?;
    let network =
        Network::read(&value).map_err(|problem| Stop::Usage(format!("{name} is no model's config: {problem}")))?;
    network.check().map_err(|complaint| Stop::Usage(format!("{name}: `{}` {}", complaint.field, complaint.problem)))?;
    Ok(network)
}

fn list(out: &mut Output) -> Result<(), Stop> {
    let rows: Vec<(&str, Count)> =
        networks().filter_map(|(name, _)| network(name).map(|network| (name, Count::of(&network.blocks())))).collect();
    if out.json {
        let models: Vec<_> = rows
            .iter()
            .map(|(name, count)| json!({"name": name, "params": count.params, "macs": count.macs}))
            .collect();
        return out.data(&json!({"version": 1, "models": models}));
    }
    out.line(&out.paint(Paint::Bold, &format!("{:<20} {:>16} {:>9}", "preset", "params", "GMACs")))?;
    for (name, count) in rows {
        out.line(&format!("{:<20} {:>16} {:>9.2}", name, grouped(count.params), count.macs as f64 / 1e9))?;
    }
    Ok(())
}

/// Digits in groups of three, for reading: `865,910,724`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped() {
        let grouped: Vec<String> = [0, 999, 1000, 865_910_724].into_iter().map(grouped).collect();
        assert_eq!(grouped, ["0", "999", "1,000", "865,910,724"]);
    }
}
