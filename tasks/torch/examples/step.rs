//! One side of `make bench`'s `train`: makes training steps of one model when it is told to. The other side is `tests/bench/step.py`.
//!
//! `step MODEL SIZE BATCH PRECISION THREADS FILE` builds the model, writes its weights and inputs to `FILE` for the other side to start from, makes two
//! steps (on a device six, after which it has recorded them) and says `{"params": …, "loss": …}`. Then each line of a number on standard input is so many steps, answered by the last loss. With `cuda` for
//! `FILE`, it runs on the first device and each side starts from weights of its own; behind each loss then stands the most memory so
//! far.

use std::{
    io::{self, BufRead, Write},
    path::Path,
};

use isoflop_contract::{
    Seed,
    environment::{self, Precision},
};
use isoflop_kinds::{
    model,
    train::{self, Decays},
};
use isoflop_torch::{
    data::write_tensors,
    device,
    models::{Backbone, Told},
    nn::{Params, Replay, Setting, precisely, tally::count},
    shim,
    train::{AdamW, Ema, Settings, normal},
};
use serde_json::json;
use tch::{Device, Kind, Tensor};

/// Width and number of the text tokens.
const TEXT: [i64; 2] = [256, 32];

fn config(name: &str) -> Result<model::Backbone, Box<dyn std::error::Error>> {
    let config = match name {
        "unet" => json!({
            "family": "unet", "in_channels": 4, "channels": [96, 192], "layers_per_block": 2, "transformer_depth": [1, 1],
            "head_dim": 32, "cross_attention_dim": TEXT[0], "norm_groups": 32
        }),
        "transformer" => json!({
            "family": "pixart", "in_channels": 4, "width": 256, "depth": 9, "heads": 8, "patch": 2, "context": TEXT[0]
        }),
        other => {
            let preset = model::preset(other);
            let none = || {
                format!("no model is called {other}: there are unet, transformer and those of `isoflop model --list`")
            };
            return Ok(preset.ok_or_else(none)?.backbone());
        }
    };
    Ok(serde_json::from_value(config)?)
}

/// The first device, whatever it is.
fn on_the_device(precision: Precision) -> Result<Setting, Box<dyn std::error::Error>> {
    let class = device::capability(0).ok_or_else(device::told)?;
    shim::set_deterministic(true);
    Ok(Setting { device: device::find(environment::Device::Cuda(class), 0)?, precision })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, size, batch, precision, threads, file] = &arguments[..] else {
        return Err("step MODEL SIZE BATCH fp32|bf16 THREADS FILE".into());
    };
    let precision = if precision == "bf16" { Precision::Bf16 } else { Precision::Fp32 };
    tch::set_num_threads(threads.parse()?);
    shim::keep_memory();
    let [size, batch] = [size.parse::<i64>()?, batch.parse::<i64>()?];
    let setting = if file == "cuda" { on_the_device(precision)? } else { precision.into() };
    let params = Params::on(setting.device, Seed::from_number(1));
    let model = Backbone::new(&params.root(), &config(name)?);
    let settings =
        Settings { betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.01, decays: Decays::Everything, clip: 1.0 };
    let mut optimizer = AdamW::new(params.pack_for(setting), settings);
    let mut ema = Ema::new(&optimizer, train::Ema { decay: 0.999, ramp: false });

    let drawn = |stream: &str, shape: &[i64]| setting.bring(&normal(Seed::from_number(2).stream(stream, 0), shape));
    let shape = [batch, 4, size, size];
    let (noisy, noise) = (drawn("noisy", &shape), drawn("noise", &shape));
    let [width, tokens] = if model::preset(name).is_some() { [1024, 77] } else { TEXT };
    let text = drawn("text", &[batch, tokens, width]);
    let level = Tensor::arange(batch, (Kind::Int64, setting.device)) * (999 / batch);
    if setting.device == Device::Cpu {
        let mut start = params.named();
        for (name, tensor) in [("noisy", &noisy), ("noise", &noise), ("text", &text), ("level", &level)] {
            start.insert(format!("inputs.{name}"), tensor.shallow_clone());
        }
        write_tensors(Path::new(file), &start)?;
    }
    let given = [noisy, noise, level, text];
    let halves = optimizer.packed().halves.clone();
    let mut replay = Replay::on(setting.device);
    let pass = |given: &[Tensor]| {
        let [noisy, noise, level, text] = given else { unreachable!("they are four") };
        let out =
            precisely(setting, halves.as_ref(), || model.forward(noisy, level, &Told::tokens(text.shallow_clone())));
        let out = if out.size()[1] == 4 { out } else { out.narrow(1, 0, 4) }; // a variance behind it is not trained
        out.to_kind(Kind::Float).mse_loss(noise, tch::Reduction::Mean)
    };
    let mut step = || {
        let again = replay.again(&given, |given| {
            let loss = pass(given);
            loss.backward();
            vec![loss.detach(), optimizer.gradient()]
        });
        let loss = if let Some([loss, gradient]) = again {
            let _ = optimizer.follow(gradient, 1e-4);
            loss.copy()
        } else {
            let loss = pass(&given);
            let _ = optimizer.step(&loss, 1e-4);
            loss
        };
        ema.update(&optimizer, optimizer.steps() as u64);
        loss
    };
    let mut first = 0.0;
    let macs: u64 = count(|| first = step().double_value(&[])).into_values().sum();
    for _ in 0..if setting.device == Device::Cpu { 1 } else { 5 } {
        let _ = step();
    }
    let said = json!({"params": params.count(), "loss": first, "macs": macs * batch as u64});
    println!("{said}");
    for line in io::stdin().lock().lines() {
        let mut last = 0.0;
        for _ in 0..line?.trim().parse::<u32>()? {
            last = step().double_value(&[]);
        }
        match setting.device {
            Device::Cuda(number) => println!("{last} {}", shim::peak_memory(number).unwrap_or_default()),
            _ => println!("{last}"),
        }
        io::stdout().flush()?;
    }
    Ok(())
}
