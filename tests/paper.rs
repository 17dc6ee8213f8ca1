//! The studies of the paper that cost nothing, whole.

use serde_json::Value;

use crate::{committed::root, project::Project};

/// Table 1 and Table 2 out of configs; the one claim that the paper's own numbers contradict stays contradicted.
#[test]
fn the_anatomy_of_every_backbone_is_the_papers() {
    let project = Project::new();
    let study = root().join("studies/anatomy");
    let study = study.to_str().expect("a path of text");
    let run = project.run(&["run", study, "--json"]).expect(0).json();
    assert_eq!((&run["totals"]["made"], &run["totals"]["failed"]), (&22.into(), &0.into()));
    let claims = project.run(&["claims", study, "--json"]).expect(6).json();
    let verdicts = |wanted: &str| -> Vec<String> {
        let claims = claims["claims"].as_array().expect("a list").iter();
        let those = claims.filter(|claim| claim["verdict"] == wanted);
        those.map(|claim| claim["name"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(verdicts("reproduced").len(), 13, "{claims}");
    assert_eq!(verdicts("contradicted"), ["size-and-compute-rank-alike"]);
    let shown = project.run(&["show", "unets[model=sdxl-td4_4]", "--json"]).expect(0).json();
    assert_eq!(shown["scalars"]["params"], Value::from(1_321_930_244.0), "{shown}");
}

/// What the paper's own scale costs: SDXL's UNet to 600,000 steps of 2048 images is 1.46e21 FLOP, given in hours of a stated device.
#[test]
fn a_stated_speed_gives_the_hours_of_devices() {
    let project = Project::new();
    project.write(
        "study.yaml",
        r"
study: at-scale
tasks:
  scenes: { kind: make-scenes, with: { images: 64, resolution: 32 } }
  train:
    kind: train-denoiser
    needs: { data: scenes, heldout: scenes }
    with:
      backbone: { family: unet, in_channels: 3, channels: [32, 64], transformer_depth: [0, 1], head_dim: 16, cross_attention_dim: 64, norm_groups: 8 }
      text: { vocabulary: 48, tokens: 14, depth: 1, heads: 4 }
      resolution: 32
      steps: 1000
      batch: 64
      learning_rate: 1e-3
",
    );
    let plan = project.run(&["plan", "--rate", "2T", "--json"]).expect(0).json();
    let (flops, time) = (plan["totals"]["flops"].as_f64().expect("a number"), &plan["time"]);
    assert_eq!(time["stated_rate"], 2e12);
    let hours = time["device_hours"].as_f64().expect("a number");
    assert!(flops > 1e12 && (hours - flops / 2e12 / 3600.0).abs() < 1e-12, "{plan}");
    let said = project.run(&["plan", "--rate", "2 TFLOP/s"]).expect(0);
    assert!(said.out.contains("at 2.000 TFLOP/s, as stated: "), "{}", said.out);
    project.run(&["plan", "--rate", "fast"]).expect(2);
}
