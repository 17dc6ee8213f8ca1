//! How long forward passes take, of two models side by side.

use std::time::Instant;

use isoflop_contract::environment::LIBTORCH;
use isoflop_kinds::model::{Block, Count, Network};
use serde_json::{Value, json};
use tch::{Tensor, no_grad};

use super::{Inputs, Place, Run, build, example};
use crate::{
    error::TorchError,
    nn::{Params, Replay},
};

/// Passes of each model that nobody times, before those that count: on a device, they are recorded in the last but one.
const WARMUP: usize = 5;

/// What to time.
#[derive(Debug, Clone)]
pub struct Bench {
    /// Where and in what precision.
    pub place: Place,
    /// Batch sizes.
    pub batches: Vec<u64>,
    /// Timed passes of each model at each batch size.
    pub repeats: usize,
    /// Input size; each model's own where nothing is said.
    pub size: Option<u64>,
    /// Text tokens; each model's own where nothing is said.
    pub tokens: Option<u64>,
}

/// One model ready to be timed.
struct Ready {
    network: Box<dyn Run>,
    inputs: Vec<Inputs>,
    count: Count,
}

/// Milliseconds of passes at one batch size, in rising order.
struct Times(Vec<f64>);

impl Times {
    /// The time that a share of the passes stayed within.
    fn at(&self, share: f64) -> f64 {
        self.0[((self.0.len() - 1) as f64 * share).round() as usize]
    }

    fn json(&self, batch: u64) -> Value {
        json!({
            "batch": batch, "median_ms": self.at(0.5), "lower_quartile_ms": self.at(0.25), "upper_quartile_ms": self.at(0.75),
            "fastest_ms": self.at(0.0),
        })
    }
}

/// Times `models` in turns, so that what the device does meanwhile meets both: medians and quartiles by batch size, and the second's part of the
/// first's. Weights are random, since time does not depend on them.
pub fn latency(models: [(&str, &Network); 2], bench: &Bench) -> Result<Value, TorchError> {
    let ready = models.iter().map(|(name, config)| prepare(name, config, bench)).collect::<Result<Vec<_>, _>>()?;
    let mut measured: [Vec<Times>; 2] = [Vec::new(), Vec::new()];
    no_grad(|| -> Result<(), TorchError> {
        for at in 0..bench.batches.len() {
            let mut times = [Vec::new(), Vec::new()];
            let mut replays = [(); 2].map(|()| Replay::on(bench.place.device));
            for turn in 0..WARMUP + bench.repeats {
                for ((model, replay), times) in ready.iter().zip(&mut replays).zip(&mut times) {
                    bench.place.wait();
                    let start = Instant::now();
                    let pass = || model.network.run(&model.inputs[at]);
                    let recorded = |_: &[Tensor]| pass().expect("it ran before").into_values().collect();
                    let outputs = if replay.again(&[], recorded).is_some() { None } else { Some(pass()?) };
                    bench.place.wait();
                    if turn >= WARMUP {
                        times.push(start.elapsed().as_secs_f64() * 1e3);
                    }
                    drop(outputs);
                }
            }
            for (times, measured) in times.into_iter().zip(&mut measured) {
                let mut times = times;
                times.sort_by(f64::total_cmp);
                measured.push(Times(times));
            }
        }
        Ok(())
    })?;

    let rows = models.iter().zip(&ready).zip(&measured).map(|(((name, _), model), measured)| {
        let rows: Vec<Value> = bench.batches.iter().zip(measured).map(|(&batch, times)| times.json(batch)).collect();
        json!({"name": name, "params": model.count.params, "macs": model.count.macs, "latency": rows})
    });
    let part = |of: f64, whole: f64| of / whole;
    let [first, second] = &measured;
    let ratios = bench.batches.iter().zip(first.iter().zip(second)).map(|(batch, (first, second))| {
        json!({
            "batch": batch, "time": part(second.at(0.5), first.at(0.5)),
            "macs": part(ready[1].count.macs as f64, ready[0].count.macs as f64),
        })
    });
    Ok(json!({
        "version": 1, "device": bench.place.name(), "precision": precision(bench.place), "libtorch": LIBTORCH, "repeats": bench.repeats,
        "threads": tch::get_num_threads(), "models": rows.collect::<Vec<_>>(), "second_to_first": ratios.collect::<Vec<_>>(),
    }))
}

fn precision(place: Place) -> &'static str {
    if place.kind == tch::Kind::BFloat16 { "bf16" } else { "fp32" }
}

fn prepare(name: &str, config: &Network, bench: &Bench) -> Result<Ready, TorchError> {
    let blocks: Vec<Block> = config
        .blocks_at(bench.size, bench.tokens)
        .map_err(|complaint| TorchError::Mismatch(format!("{name}: `{}` {}", complaint.field, complaint.problem)))?;
    let params = Params::hollow();
    let network = build(&params, config);
    no_grad(|| {
        for tensor in params.state().values() {
            // Small enough that nothing grows on its way through a hundred layers.
            let numbers = Tensor::empty(tensor.size(), (bench.place.kind, bench.place.device)).normal_(0.0, 0.02);
            tensor.shallow_clone().set_data(&numbers);
        }
    });
    let size = bench.size.or(config.size()).unwrap_or(1);
    let tokens = bench.tokens.or(config.tokens()).unwrap_or(1);
    let inputs = |&batch: &u64| example(config, batch, size, tokens).at(bench.place);
    Ok(Ready { network, inputs: bench.batches.iter().map(inputs).collect(), count: Count::of(&blocks) })
}

/// The table of what [`latency`] says.
pub fn table(told: &Value) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let passes = told["repeats"].as_u64().unwrap_or_default();
    let _ = writeln!(
        out,
        "{}, {}, libtorch {}; milliseconds of a forward pass: medians of {passes}, quartiles",
        text(&told["device"]),
        text(&told["precision"]),
        text(&told["libtorch"])
    );
    for model in list(&told["models"]) {
        for row in list(&model["latency"]) {
            let _ = writeln!(
                out,
                "  {:24} batch {:4} {:10.2} ({:.2} to {:.2})",
                text(&model["name"]),
                row["batch"],
                number(&row["median_ms"]),
                number(&row["lower_quartile_ms"]),
                number(&row["upper_quartile_ms"]),
            );
        }
    }
    for row in list(&told["second_to_first"]) {
        let (time, macs) = (number(&row["time"]), number(&row["macs"]));
        let _ = writeln!(
            out,
            "  at batch {} the second takes {:.1} % of the first's time and {:.1} % of its multiply-accumulates",
            row["batch"],
            time * 100.0,
            macs * 100.0
        );
    }
    out
}
