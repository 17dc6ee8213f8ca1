//! `model`: parameters and multiply-accumulates of a network, from its config alone.

use std::path::Path;

use isoflop_contract::{
    Complaint,
    quantity::{grouped, prefixed},
};
use isoflop_kinds::model::{Block, Count, Network, network, networks};
use isoflop_plan::Findings;
use serde_json::{Value, json};

use crate::{
    aligned::{Cell, header, lines},
    args::ModelArgs,
    output::{Output, Paint},
    stop::Stop,
};

mod compare;

/// One network, counted.
struct Counted {
    name: String,
    network: Network,
    size: Option<u64>,
    tokens: Option<u64>,
    blocks: Vec<Block>,
}

/// Counts one model, sets two side by side, or lists the presets.
pub fn model(args: &ModelArgs, out: &mut Output) -> Result<(), Stop> {
    if args.list {
        return list(out);
    }
    if let Some([one, other]) = args.compare.as_deref() {
        return compare::compare(&[counted(one, args)?, counted(other, args)?], out);
    }
    let name = args.model.as_deref().expect("the arguments want a model, a list or two to compare");
    let model = counted(name, args)?;
    if out.json {
        let mut data = model.json();
        data["version"] = 1.into();
        return out.data(&data);
    }
    let row = |path: &str, count: Count| {
        vec![Cell::new(path), number(count.params), number(count.macs), number(count.products)]
    };
    let mut rows = vec![right(&["block", "params", "MACs", "attention products"])];
    rows.extend(model.blocks.iter().map(|block| row(&block.path, block.count())));
    rows.push(row("total", model.total()));
    for line in lines(&rows, out.color) {
        out.line(&line)?;
    }
    out.line(&out.paint(Paint::Dim, &model.sentence()))
}

impl Counted {
    fn total(&self) -> Count {
        Count::of(&self.blocks)
    }

    fn json(&self) -> Value {
        let mut config = json!(self.network);
        config["family"] = self.network.family().into(); // as an author writes it, where a key counts the meanings of the word
        let total = self.total();
        let blocks: Vec<_> = self
            .blocks
            .iter()
            .map(|block| {
                json!({"path": block.path, "params": block.params, "macs": block.macs, "attention_products": block.products})
            })
            .collect();
        json!({
            "name": self.name, "family": self.network.family(), "config": config,
            "params": total.params, "macs": total.macs, "attention_products": total.products,
            "size": self.size, "tokens": self.tokens, "blocks": blocks,
        })
    }

    /// What the numbers are of.
    fn sentence(&self) -> String {
        let Count { params, macs, products } = self.total();
        let size = self.size.map(|size| format!(", {size}x{size} input")).unwrap_or_default();
        let tokens = self.tokens.map(|tokens| format!(", {tokens} text tokens")).unwrap_or_default();
        format!(
            "{}: {}parameters; {}MACs in convolutions and linear layers, {}MACs more in attention products; batch 1{size}{tokens}",
            self.name,
            prefixed(params as f64),
            prefixed(macs as f64),
            prefixed(products as f64),
        )
    }
}

/// The model that `name` names, at the arguments' setting.
fn counted(name: &str, args: &ModelArgs) -> Result<Counted, Stop> {
    let network = find(name)?;
    let blocks = network.blocks_at(args.size, args.tokens).map_err(|complaint| refused(name, &complaint))?;
    let (size, tokens) = (args.size.or(network.size()), args.tokens.or(network.tokens()));
    Ok(Counted { name: name.to_owned(), network, size, tokens, blocks })
}

fn refused(name: &str, complaint: &Complaint) -> Stop {
    Stop::Usage(format!("{name}: `{}` {}", complaint.field, complaint.problem))
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
    let value = isoflop_plan::read_value(&text).map_err(|findings| unread(name, &findings))?;
    Network::read(&value).map_err(|problem| Stop::Usage(format!("{name} is no model's config: {problem}")))
}

/// What keeps a config from being read, each mistake with its place in the file.
fn unread(name: &str, findings: &Findings) -> Stop {
    let mistakes = findings.iter().map(|finding| {
        let at = &finding.origin;
        format!("{name}:{}:{}: {}", at.line, at.column, finding.message)
    });
    Stop::Usage(mistakes.collect::<Vec<_>>().join("\n  "))
}

fn list(out: &mut Output) -> Result<(), Stop> {
    let rows: Vec<(&str, &str, Count)> = networks()
        .filter_map(|(name, about)| network(name).map(|network| (name, about, Count::of(&network.blocks()))))
        .collect();
    if out.json {
        let models: Vec<_> = rows
            .iter()
            .map(|(name, about, count)| {
                json!({
                    "name": name, "about": about, "params": count.params, "macs": count.macs,
                    "attention_products": count.products,
                })
            })
            .collect();
        return out.data(&json!({"version": 1, "models": models}));
    }
    let giga = |macs: u64| Cell::new(format!("{:.2}", macs as f64 / 1e9)).right();
    let mut table = vec![right(&["preset", "params", "GMACs", "attention products"])];
    table[0].push(Cell::new(""));
    table.extend(rows.iter().map(|(name, about, count)| {
        vec![
            Cell::new(*name),
            number(count.params),
            giga(count.macs),
            giga(count.products),
            Cell::painted(*about, Paint::Dim),
        ]
    }));
    lines(&table, out.color).iter().try_for_each(|line| out.line(line))
}

/// A header whose columns but the first are numbers.
fn right(names: &[&str]) -> Vec<Cell> {
    let cells = header(names).into_iter().enumerate();
    cells.map(|(i, cell)| if i == 0 { cell } else { cell.right() }).collect()
}

fn number(number: u64) -> Cell {
    Cell::new(grouped(number)).right()
}
