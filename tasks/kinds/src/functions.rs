//! What templates may ask of models: `params_of`, `macs_of`, `flops_of`, `steps_for` and `preset`.
//!
//! A **model** is a preset's name, a backbone's config, or a map like the `with:` of `train-denoiser`. The first two are counted as Table 1 of
//! Li et al. 2024 counts them: the backbone alone, on 32×32 inputs and 77 text tokens. The third is counted as the task is: its text encoder,
//! its resolution and its patch included, so that sizes computed in a study and the costs in its plan are one account. The arguments
//! `resolution`, `patch` and `text`, by name, make a `with:` of a bare backbone.

mod account;
mod arguments;

use std::{collections::BTreeMap, sync::Arc};

use isoflop_contract::{
    Cost, Value,
    catalog::{Function, Functions},
    quantity::prefixed,
};

use self::{account::Account, arguments::Arguments};
use crate::model::{Count, PRESETS, preset};

/// What a bare backbone may be completed with, by name.
const SETTING: [&str; 3] = ["resolution", "patch", "text"];

/// All of them by name. They share one memory of models already counted.
pub fn functions() -> Functions {
    let account = Arc::new(Account::default());
    let of = |body: fn(&Account, &[Value], &Named) -> Result<Value, String>| -> Function {
        let account = Arc::clone(&account);
        Arc::new(move |given, named| body(&account, given, named))
    };
    let functions = [
        ("params_of", of(params_of)),
        ("macs_of", of(macs_of)),
        ("flops_of", of(flops_of)),
        ("steps_for", of(steps_for)),
        ("preset", of(|_, given, named| preset_config(given, named))),
    ];
    functions.into_iter().map(|(name, function)| (name.to_owned(), function)).collect()
}

type Named = BTreeMap<String, Value>;

/// `params_of(model)`: trainable parameters.
fn params_of(account: &Account, given: &[Value], named: &Named) -> Result<Value, String> {
    let arguments = Arguments::bind("params_of", &["model"], &SETTING, given, named)?;
    Ok(count(account, &arguments)?.params.into())
}

/// `macs_of(model)`: multiply-accumulates of one forward pass at batch 1.
fn macs_of(account: &Account, given: &[Value], named: &Named) -> Result<Value, String> {
    let arguments = Arguments::bind("macs_of", &["model"], &SETTING, given, named)?;
    Ok(count(account, &arguments)?.macs.into())
}

/// `flops_of(model, steps, batch)`: floating-point operations of a training, `3 · 2 · macs · batch · steps`.
fn flops_of(account: &Account, given: &[Value], named: &Named) -> Result<Value, String> {
    let arguments = Arguments::bind("flops_of", &["model", "steps", "batch"], &SETTING, given, named)?;
    let (steps, batch) = (arguments.count("steps")?, arguments.count("batch")?);
    let Count { params, macs, .. } = count(account, &arguments)?;
    Ok(Cost::training(params, macs, batch, steps).flops.into())
}

/// `steps_for(budget, model, batch)`: the whole number of steps whose FLOPs come nearest to the budget, halves upwards; so the total is within
/// half a step of it. A budget below the FLOPs of one step is refused.
fn steps_for(account: &Account, given: &[Value], named: &Named) -> Result<Value, String> {
    /// Above 2^53 a double no longer counts.
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    let arguments = Arguments::bind("steps_for", &["budget", "model", "batch"], &SETTING, given, named)?;
    let (budget, batch) = (arguments.number("budget")?, arguments.count("batch")?);
    let Count { params, macs, .. } = count(account, &arguments)?;
    let step = Cost::training(params, macs, batch, 1).flops;
    if budget < step {
        return Err(format!(
            "a budget of {}FLOP does not pay for one step of this model at batch {batch}, which takes {}FLOP",
            prefixed(budget),
            prefixed(step)
        ));
    }
    let steps = (budget / step + 0.5).floor();
    if steps >= LIMIT {
        return Err(format!("a budget of {budget:e} FLOP pays for more steps of this model than can be counted"));
    }
    Ok((steps as u64).into())
}

/// `preset(name)`: a preset's config, as `backbone:` takes it.
fn preset_config(given: &[Value], named: &Named) -> Result<Value, String> {
    let arguments = Arguments::bind("preset", &["name"], &[], given, named)?;
    let Value::String(name) = arguments.get("name") else {
        return Err(format!("preset takes the name of a preset, and was given {}", arguments.get("name")));
    };
    let preset = preset(name).ok_or_else(|| no_preset(name))?;
    serde_json::to_value(preset.backbone()).map_err(|error| error.to_string())
}

fn no_preset(name: &str) -> String {
    let near = arguments::nearest(name, PRESETS.iter().map(|preset| preset.name));
    let hint =
        near.map_or_else(|| "`isoflop model --list` lists them".to_owned(), |near| format!("did you mean `{near}`?"));
    format!("there is no preset `{name}`; {hint}")
}

/// The count of the model that the arguments name.
fn count(account: &Account, arguments: &Arguments<'_>) -> Result<Count, String> {
    let setting: Vec<(&str, &Value)> =
        SETTING.into_iter().filter_map(|name| Some((name, arguments.named(name)?))).collect();
    account.count(arguments.get("model"), &setting)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use isoflop_contract::Entry;
    use serde_json::json;

    use super::*;
    use crate::train::TrainDenoiser;

    fn call(name: &str, given: &Value) -> Result<Value, String> {
        functions()[name](given.as_array().expect("a list"), &Named::new())
    }

    fn named(name: &str, given: &Value, named: &Value) -> Result<Value, String> {
        let named = named.as_object().expect("a map").clone().into_iter().collect();
        functions()[name](given.as_array().expect("a list"), &named)
    }

    fn with() -> Value {
        json!({
            "backbone": {
                "family": "unet", "in_channels": 12, "channels": [16, 32], "layers_per_block": 1, "transformer_depth": [1, 2],
                "head_dim": 8, "cross_attention_dim": 64, "norm_groups": 8, "pooled_text": true,
            },
            "text": {"vocabulary": 48, "tokens": 14, "depth": 1, "heads": 4},
            "patch": 2, "resolution": 32, "steps": 700, "batch": 24, "learning_rate": 1e-3, "warmup": 70,
        })
    }

    /// Table 1 of Li et al. 2024: a preset by name and its config give the same, and those are the paper's numbers.
    #[test]
    fn presets_count_as_the_paper_does() {
        for (name, params, gmacs) in [
            ("sd2.1", 865_910_724_u64, 86.27),
            ("sdxl-c320", 2_391_824_644, 198.29),
            ("sdxl-td4_4", 1_321_930_244, 142.96),
        ] {
            let config = call("preset", &json!([name])).unwrap();
            for model in [json!(name), config] {
                assert_eq!(call("params_of", &json!([model])), Ok(json!(params)), "{name}");
                let macs = call("macs_of", &json!([model])).unwrap().as_f64().unwrap();
                assert!((macs / 1e9 - gmacs).abs() < 0.005, "{name}: {macs}");
            }
        }
        // 600K steps at batch 2048: 1.46e12 GFLOPs (Fig. 3's axis).
        let flops = call("flops_of", &json!(["sdxl-c320", 600_000, 2048])).unwrap().as_f64().unwrap();
        assert!((flops / 1e9 / 1.46e12 - 1.0).abs() < 2e-3, "{flops}");
    }

    #[test]
    fn a_with_costs_what_its_task_costs() {
        let cost = Entry::of::<TrainDenoiser>().read(&with()).unwrap().cost;
        assert_eq!(call("flops_of", &json!([with(), 700, 24])), Ok(json!(cost.flops)));
        assert_eq!(call("params_of", &json!([with()])), Ok(json!(cost.params.unwrap())));
        assert_eq!(call("macs_of", &json!([with()])), Ok(json!(cost.macs.unwrap())));
        // What says how long and how fast need not be there, nor what has a default.
        let mut model = with();
        for name in ["steps", "batch", "learning_rate", "warmup"] {
            model.as_object_mut().unwrap().remove(name);
        }
        assert_eq!(call("flops_of", &json!([model, 700, 24])), Ok(json!(cost.flops)));
        let backbone = with()["backbone"].clone();
        let setting = json!({"text": with()["text"], "patch": 2, "resolution": 32, "steps": 700, "batch": 24});
        assert_eq!(named("flops_of", &json!([backbone]), &setting), Ok(json!(cost.flops)));
        assert_ne!(
            call("flops_of", &json!([backbone, 700, 24])),
            Ok(json!(cost.flops)),
            "a bare backbone is the paper's"
        );
    }

    #[test]
    fn resolution_and_patch_and_text_count() {
        let macs = |change: &Value| {
            let mut with = with();
            for (name, value) in change.as_object().unwrap() {
                with[name] = value.clone();
            }
            call("macs_of", &json!([with])).unwrap().as_u64().unwrap()
        };
        let base = macs(&json!({}));
        assert!(macs(&json!({"resolution": 64})) > 3 * base);
        assert!(macs(&json!({"patch": 1})) > 3 * base);
        assert!(macs(&json!({"text": {"depth": 4}})) > base);
        assert_eq!(macs(&json!({"steps": 1, "warmup": 0, "learning_rate": 1.0})), base);
    }

    #[test]
    fn steps_come_nearest_to_the_budget() {
        let step = call("flops_of", &json!([with(), 1, 24])).unwrap().as_f64().unwrap();
        for (budget, steps) in [(step, 1), (1.49 * step, 1), (1.5 * step, 2), (2.5 * step, 3), (1000.4 * step, 1000)] {
            assert_eq!(call("steps_for", &json!([budget, with(), 24])), Ok(json!(steps)), "{budget}");
        }
        for budget in [1e12, 3.7e13, 1e15] {
            let steps = call("steps_for", &json!([budget, with(), 24])).unwrap();
            let total = call("flops_of", &json!([with(), steps, 24])).unwrap().as_f64().unwrap();
            assert!((total - budget).abs() <= step / 2.0, "{budget}: {steps} steps make {total}");
        }
        let poor = call("steps_for", &json!([0.99 * step, with(), 24])).unwrap_err();
        assert!(poor.contains("does not pay for one step") && poor.contains("batch 24"), "{poor}");
        assert!(call("steps_for", &json!([1e300, with(), 24])).unwrap_err().contains("more steps"));
    }

    #[test]
    fn what_cannot_be_counted_is_said_in_a_sentence() {
        let mut misspelt = with();
        misspelt["backbone"]["chanels"] = json!([1]);
        let mut impossible = with();
        impossible["backbone"]["head_dim"] = json!(24);
        let mut vast = with();
        for (name, value) in
            [("in_channels", json!(65536)), ("channels", json!([65536, 65536])), ("norm_groups", json!(1))]
        {
            vast["backbone"][name] = value;
        }
        vast["resolution"] = json!(16384);
        let family = json!({"family": "mlp", "width": 3});
        for (name, given, needle) in [
            ("params_of", json!(["sdxl-td44"]), "there is no preset `sdxl-td44`; did you mean `sdxl-td4`?"),
            ("params_of", json!([3]), "a model is the name of a preset"),
            ("params_of", json!([{"outer": 8}]), "this map has neither `family` nor `backbone`"),
            ("params_of", json!([misspelt]), "`backbone` of this model has no field `chanels`"),
            ("params_of", json!([impossible]), "`backbone.head_dim` of this model: 24 does not divide"),
            ("params_of", json!([vast]), "more multiply-accumulates than can be counted"),
            ("params_of", json!([family]), "unknown variant `mlp`"),
            ("params_of", json!([]), "params_of needs `model`"),
            ("params_of", json!(["sd2.1", 3]), "params_of takes 1 argument in order"),
            ("flops_of", json!(["sd2.1", 0, 1]), "`steps` of flops_of must be a whole number of at least 1"),
            ("flops_of", json!(["sd2.1", 1.5, 1]), "`steps` of flops_of must be a whole number of at least 1"),
            ("steps_for", json!(["much", "sd2.1", 1]), "`budget` of steps_for must be a number"),
            ("preset", json!(["nothing like it"]), "isoflop model --list"),
        ] {
            let said = call(name, &given).expect_err(name);
            assert!(said.contains(needle), "{name}({given}): {said}");
        }
        let said = named("params_of", &json!(["sd2.1"]), &json!({"resolutoin": 3})).unwrap_err();
        assert!(said.contains("no argument `resolutoin`; did you mean `resolution`?"), "{said}");
        let said = named("params_of", &json!(["sd2.1"]), &json!({"model": 3})).unwrap_err();
        assert!(said.contains("`model` of params_of is given twice"), "{said}");
        let said = named("params_of", &json!([with()]), &json!({"patch": 1})).unwrap_err();
        assert!(said.contains("says `patch` itself"), "{said}");
    }

    /// Ten thousand cells ask, over a few dozen models: planning must not notice.
    #[test]
    fn asking_again_is_cheap() {
        let functions = functions();
        let model = serde_json::to_value(preset("sdxl-c384-td4_12").unwrap().backbone()).unwrap();
        let ask =
            |n: u64| functions["steps_for"](&[json!(1e21), model.clone(), json!(n % 4 + 1)], &Named::new()).unwrap();
        let start = Instant::now();
        let steps: Vec<Value> = (0..10_000).map(ask).collect();
        assert!(start.elapsed().as_secs_f64() < 1.0, "{:?} for 10,000 calls", start.elapsed());
        assert_eq!(steps[0], steps[4]);
    }
}
