//! Latents and frozen text in the contract of `train-denoiser`: what they make of a model's account, what they refuse, and what ties them to ports; and the ports of
//! scores that a judge of the study's own may stand at.

use std::collections::BTreeMap;

use isoflop_contract::{Entry, Fed, Kind as _, canon, port::Arity};
use isoflop_kinds::{alignment::ScoreAlignment, model::Count, score::ScoreReward, train::TrainDenoiser};
use serde_json::{Value, json};

fn spec(more: &Value) -> Value {
    let mut spec = json!({
        "backbone": {
            "family": "unet", "in_channels": 4, "channels": [320, 640, 1280], "layers_per_block": 2, "transformer_depth": [0, 4, 4],
            "head_dim": 64, "cross_attention_dim": 1024
        },
        "resolution": 256, "latent": {"channels": 4, "shrink": 8}, "frozen_text": {"tokens": 77, "width": 1024},
        "steps": 600_000, "batch": 2048, "learning_rate": 8e-5
    });
    for (field, value) in more.as_object().unwrap() {
        spec[field] = value.clone();
    }
    spec
}

/// `SDXL-UNet-TD4_4` at 256 pixels in Stable Diffusion's latents, told by OpenCLIP-H: 1.32B parameters and 143 GMACs (Li et al. 2024, Table 1).
#[test]
fn the_papers_setting_counts_as_the_paper_does() {
    let spec: TrainDenoiser = serde_json::from_value(spec(&json!({}))).unwrap();
    assert_eq!(spec.check(), Ok(()));
    let Count { params, macs, .. } = spec.denoiser().count();
    assert!((params as f64 / 1e9 - 1.32).abs() < 6e-3, "{params}");
    assert!((macs as f64 / 1e9 - 143.0).abs() < 0.6, "{macs}");
    let cost = spec.cost();
    assert_eq!((cost.params, cost.macs), (Some(params), Some(macs)));
}

#[test]
fn what_is_left_out_is_not_in_the_key_and_what_does_not_fit_is_refused_at_its_field() {
    let entry = Entry::of::<TrainDenoiser>();
    let plain = json!({
        "backbone": {
            "family": "unet", "channels": [8], "layers_per_block": 1, "transformer_depth": [1], "head_dim": 8, "cross_attention_dim": 16,
            "norm_groups": 8
        },
        "steps": 1, "batch": 1, "learning_rate": 1
    });
    let text = canon::text(&entry.read(&plain).unwrap().spec).unwrap();
    assert!(!text.contains("latent") && !text.contains("frozen") && !text.contains("synthetic_top"), "{text}");

    for (field, more) in [
        ("latent.shrink", json!({"latent": {"shrink": 7}})),
        ("latent.channels", json!({"latent": {"channels": 0}})),
        ("backbone.in_channels", json!({"latent": {"channels": 16}})),
        ("backbone.in_channels", json!({"patch": 2})),
        ("patch", json!({"patch": 3})),
        ("frozen_text.width", json!({"frozen_text": {"tokens": 77, "width": 768}})),
        ("frozen_text.tokens", json!({"frozen_text": {"tokens": 0, "width": 1024}})),
        ("text", json!({"text": {"tokens": 20}})),
        ("synthetic_top", json!({"synthetic_top": 5})),
        ("synthetic_top", json!({"synthetic_captions": 0.5, "synthetic_top": 0})),
    ] {
        let spec: TrainDenoiser = serde_json::from_value(spec(&more)).unwrap();
        assert_eq!(spec.check().map_err(|complaint| complaint.field), Err(field.to_owned()), "{more}");
    }
}

#[test]
fn what_is_said_and_what_is_fed_are_held_together() {
    let entry = Entry::of::<TrainDenoiser>();
    let suits = |spec: &Value, ports: &[&'static str]| -> Vec<String> {
        let ports: BTreeMap<&str, Arity> =
            ["data", "heldout"].iter().chain(ports).map(|port| (*port, Arity::One)).collect();
        let found = entry.suits(spec, &Fed { ports, ..Fed::default() });
        found.iter().map(|error| format!("{:?}", error.fault)).collect()
    };
    let all = ["latents", "heldout_latents", "text", "heldout_text"];
    assert_eq!(suits(&spec(&json!({})), &all), [""; 0]);
    assert_eq!(
        suits(&spec(&json!({})), &all[..3]),
        [r#"Invalid("asks for what is fed to the port `heldout_text`, and nothing is")"#]
    );
    assert_eq!(suits(&spec(&json!({})), &[]).len(), 4);
    let mut pixels = spec(&json!({}));
    pixels.as_object_mut().unwrap().remove("latent");
    assert_eq!(
        suits(&pixels, &all)[0],
        r#"Invalid("is fed the port `latents` and does not say `latent: { channels, shrink }`")"#
    );
    let texts = ["text", "heldout_text"];
    assert_eq!(suits(&pixels, &texts), [r#"Invalid("is 4, and pixels have 3 channels")"#]);
    pixels["patch"] = 2.into();
    pixels["backbone"]["in_channels"] = 12.into();
    assert_eq!(suits(&pixels, &texts), [""; 0]);

    // An encoder that reads as captions come stands in the place of what it read before.
    let live = ["latents", "heldout_latents", "reader"];
    assert_eq!(suits(&spec(&json!({})), &live), [""; 0]);
    assert_eq!(suits(&spec(&json!({"text_output": "penultimate"})), &live), [""; 0]);
    assert_eq!(
        suits(&spec(&json!({"text_output": "penultimate"})), &all),
        [r#"Invalid("is of the encoder at the port `reader`, and nothing is fed there")"#]
    );
    assert_eq!(
        suits(&spec(&json!({})), &[&live[..], &["text"]].concat()),
        [r#"Invalid("is fed the port `text` and the port `reader`, which stands in its place: leave one out")"#]
    );
    let mut words = spec(&json!({}));
    words.as_object_mut().unwrap().remove("frozen_text");
    words["backbone"]["cross_attention_dim"] = 64.into();
    assert_eq!(
        suits(&words, &live),
        [r#"Invalid("is fed the port `reader` and does not say `frozen_text: { tokens, width }`")"#]
    );

    // Which weights to start from says nothing where none are fed.
    let both = json!({"init_checkpoint": 100, "init_weights": "ema"});
    assert_eq!(suits(&spec(&both), &[&all[..], &["init"]].concat()), [""; 0]);
    for asked in [both, json!({"init_checkpoint": 100}), json!({"init_weights": "ema"})] {
        assert_eq!(
            suits(&spec(&asked), &all),
            [r#"Invalid("is of the denoiser at the port `init`, and nothing is fed there")"#]
        );
    }
}

#[test]
fn scores_ask_one_judge() {
    let suits = |entry: &Entry, ports: &[&'static str]| -> Vec<String> {
        let ports: BTreeMap<&str, Arity> =
            ["images", "prompts"].iter().chain(ports).map(|port| (*port, Arity::One)).collect();
        let found = entry.suits(&json!({}), &Fed { ports, ..Fed::default() });
        found.iter().map(|error| format!("{:?}", error.fault)).collect()
    };
    let (alignment, reward) = (Entry::of::<ScoreAlignment>(), Entry::of::<ScoreReward>());
    assert_eq!(suits(&alignment, &["vqa"]), [""; 0]);
    assert_eq!(suits(&alignment, &["answers", "questions"]), [""; 0]);
    for both in [&["vqa", "answers", "questions"][..], &[]] {
        let problem = r#"Invalid("asks one network: feed exactly one of `vqa` or `answers`")"#;
        assert_eq!(suits(&alignment, both), [problem], "{both:?}");
    }
    assert_eq!(suits(&alignment, &["answers"]), [r#"Invalid("is fed answers, and not to which `questions`")"#]);
    assert_eq!(suits(&reward, &["reward", "clip"]), [""; 0]);
    assert_eq!(suits(&reward, &["ratings"]), [""; 0]);
    let problem = "reads towers' features with a head: feed both of `reward` and `clip`, or `ratings` alone";
    for half in ["reward", "clip"] {
        assert_eq!(suits(&reward, &[half]), [format!("Invalid({problem:?})")]);
    }
    assert_eq!(
        suits(&reward, &["reward", "clip", "ratings"]),
        [r#"Invalid("asks one preference: feed exactly one of `reward` or `ratings`")"#]
    );
}
