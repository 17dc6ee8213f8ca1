//! A folder of pictures on its way through the whole product with real libtorch: imported, split, described, learned from in latent space and in pixels, sampled.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use serde_json::Value;

use crate::project::{Project, programs};

const STUDY: &str = "\
study: pictures
seed: 5
tasks:
  set: { kind: import-images, files: { set: 'pictures/*' }, with: { layout: folder, resolution: 16, synthetic: [best] } }
  described: { kind: describe-data, needs: { pictures: set }, with: {} }
  train: { kind: split-pictures, needs: { pictures: set }, with: { part: training, share: 0.3, words: 20, tokens: 8, synthetic: 1 } }
  held: { kind: split-pictures, needs: { pictures: set }, with: { part: held-out, share: 0.3, words: 20, tokens: 8, synthetic: 1 } }
  vae:
    kind: train-vae
    needs: { data: train, heldout: held }
    with: { channels: [8, 16], norm_groups: 4, resolution: 16, steps: 4, batch: 4, warmup: 0 }
  clip:
    kind: train-clip
    needs: { data: train, heldout: held }
    with: { tokens: 9, resolution: 16, steps: 4, batch: 4, warmup: 0 }
  latents: { kind: encode-latents, needs: { vae: vae, data: train }, with: {} }
  held_latents: { kind: encode-latents, needs: { vae: vae, data: held }, with: {} }
  text: { kind: encode-text, needs: { text: clip, data: train }, with: { synthetic: 1 } }
  held_text: { kind: encode-text, needs: { text: clip, data: held }, with: {} }
  latent:
    kind: train-denoiser
    needs: { data: train, heldout: held, latents: latents, heldout_latents: held_latents, text: text, heldout_text: held_text }
    with:
      resolution: 16
      latent: { channels: 4, shrink: 2 }
      frozen_text: { tokens: 9, width: 64 }
      backbone: { family: unet, in_channels: 4, channels: [8], layers_per_block: 1, transformer_depth: [1], head_dim: 8, cross_attention_dim: 64, norm_groups: 8 }
      steps: 4
      batch: 4
      learning_rate: 1e-3
      synthetic_captions: 0.5
  pixels:
    kind: train-denoiser
    needs: { data: train, heldout: held }
    with:
      backbone: { family: unet, channels: [8], layers_per_block: 1, transformer_depth: [1], head_dim: 8, cross_attention_dim: 16, norm_groups: 8 }
      steps: 4
      batch: 4
      learning_rate: 1e-3
      synthetic_captions: 0.5
  latent_samples: { kind: sample-images, needs: { model: latent, prompts: held, vae: vae, text: clip }, with: { count: 2, steps: 2 } }
  pixel_samples: { kind: sample-images, needs: { model: pixels, prompts: held }, with: { count: 2, steps: 2 } }
";

#[test]
fn a_folder_of_pictures_is_learned_from_and_sampled() {
    let project = Project::new();
    project.write("study.yaml", STUDY);
    fs::create_dir(project.path("pictures")).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let picture = fs::read(root.join("tasks/native/golden/pictures/plain.png")).unwrap();
    let mut lines = String::new();
    for number in 0..24 {
        fs::write(project.path(&format!("pictures/{number}.png")), &picture).unwrap();
        writeln!(lines, r#"{{"file_name": "{number}.png", "caption": "A dog on hill {number}", "best": "a dog"}}"#)
            .unwrap();
    }
    project.write("pictures/captions.jsonl", &lines);
    let run = |study: &[&str]| -> (Option<i32>, String, String) {
        let mut command = Command::new(programs().join("isoflop"));
        command.args(study).current_dir(project.path("")).env("ISOFLOP_TORCH", programs().join("isoflop-torch"));
        for name in ["DATABASE_URL", "ISOFLOP_HOME", "NO_COLOR"] {
            command.env_remove(name);
        }
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, out, err) = run(&["run", "--json", "--progress", "none"]);
    assert_eq!(code, Some(0), "{out}\n{err}");
    let (code, out, err) = run(&["show", "latent_samples", "--json"]);
    assert_eq!(code, Some(0), "{out}\n{err}");
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert!(out.contains("preview.png"), "{shown}");

    // What is fed and not said, and what is said and not fed, are findings.
    project.write(
        "study.yaml",
        &STUDY
            .replace("      latent: { channels: 4, shrink: 2 }\n", "")
            .replace("heldout_text: held_text", "init: pixels"),
    );
    let (code, out, err) = run(&["check"]);
    let said = format!("{out}{err}").replace("\n  │ ", " "); // long lines are broken
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("is fed the port `latents` and does not say `latent: { channels, shrink }`"), "{said}");
    assert!(said.contains("asks for what is fed to the port `heldout_text`, and nothing is"), "{said}");
    // So is what the training that a model comes from says of it: no training has to end first.
    project.write(
        "study.yaml",
        &STUDY.replace("vae: vae, text: clip }, with: { count", "text: clip }, with: { count").replace(
            "model: pixels, prompts: held }, with: {",
            "model: pixels, prompts: held }, with: { checkpoint: 3,",
        ),
    );
    let (code, out, err) = run(&["check", "--json"]);
    assert_eq!(code, Some(3), "{out}{err}");
    let told: Value = serde_json::from_str(&out).unwrap();
    let line = |start: &str| STUDY.lines().position(|line| line.trim_start().starts_with(start)).unwrap() as u64 + 1;
    let said: Vec<(u64, &str, &str)> = told["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            let text = |name: &str| finding[name].as_str().unwrap_or_else(|| panic!("no {name} in {finding}"));
            (finding["line"].as_u64().unwrap(), text("message"), text("hint"))
        })
        .collect();
    assert_eq!(
        said,
        [
            (
                line("latent_samples:"),
                "`latent_samples` (kind `sample-images`) samples from a model that denoises latents, and feeds nothing to the port `vae`",
                "feed it the autoencoder that they are of: `needs: { vae: … }`"
            ),
            (
                line("pixel_samples:"),
                "`pixel_samples` (kind `sample-images`) asks for step 3, and the training at its port `model` keeps no checkpoint of it",
                "say `checkpoints: [3]` there"
            ),
        ]
    );
    run(&["doctor", "--stop-server"]);
}
