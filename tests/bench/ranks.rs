//! One training on one process and on two, by turns: steps a second, and whether the bits are the same. Then how fast numbers flow between ranks and
//! from files, where that example is built.

use std::{env, fs, path::Path, process::Command};

use serde_json::Value;

use crate::{Folder, Outcome, once};

/// How often each side runs.
const ROUNDS: usize = 3;

/// A UNet of two million parameters, a batch in four parts.
const STUDY: &str = r"study: ranks
seed: 1
tasks:
  scenes: { kind: make-scenes, with: { images: 512, resolution: 16 } }
  train:
    kind: train-denoiser
    needs: { data: scenes, heldout: scenes }
    with:
      backbone: { family: unet, in_channels: 3, channels: [48, 96], layers_per_block: 1, transformer_depth: [0, 1], head_dim: 16, cross_attention_dim: 64, norm_groups: 8 }
      resolution: 16
      steps: 40
      batch: 32
      micro_batch: 8
      learning_rate: 1e-3
      evaluate_every: 40
      evaluate_images: 8
    on: { ranks: RANKS }
";

/// Prints a line for one process and one for two.
pub fn ranks(program: &Path) -> Outcome<()> {
    let mut sides: [(Vec<f64>, Vec<String>); 2] = Default::default();
    for _ in 0..ROUNDS {
        for (ranks, (rates, digests)) in (1..).zip(&mut sides) {
            let folder = Folder::new()?;
            fs::write(folder.path.join("study.yaml"), STUDY.replace("RANKS", &ranks.to_string()))?;
            once(program, &folder.path, &["run", "-j", "2", "--progress", "none"])?;
            let shown = Command::new(program).args(["show", "train", "--json"]).current_dir(&folder.path).output()?;
            once(program, &folder.path, &["doctor", "--stop-server"])?;
            let shown: Value = serde_json::from_slice(&shown.stdout)?;
            digests.push(shown["digest"].as_str().unwrap_or("none").to_owned());
            rates.push(rate(&shown).ok_or("the training told no steps a second")?);
        }
    }
    for (ranks, (rates, _)) in (1..).zip(&mut sides) {
        rates.sort_by(f64::total_cmp);
        println!(
            "{:<44} {:>10.3} s a step",
            format!("2 M UNet, batch 32 in 4 parts, {ranks} process(es)"),
            1.0 / rates[ROUNDS / 2]
        );
    }
    let digests: Vec<&String> = sides.iter().flat_map(|(_, digests)| digests).collect();
    let same = digests.windows(2).all(|pair| pair[0] == pair[1]);
    println!("  the bits of all {} trainings are {}", digests.len(), if same { "equal" } else { "NOT EQUAL" });
    let flow = env::current_exe()?.with_file_name("examples").join("flow");
    if !flow.exists() {
        println!("ranks: {} is not built (make bench builds it)", flow.display());
        return Ok(());
    }
    let ended = Command::new(flow).status()?;
    if ended.success() { Ok(()) } else { Err(format!("flow ended with {ended}").into()) }
}

/// Steps a second: the median of the series but for its first point, at which things warm up.
fn rate(shown: &Value) -> Option<f64> {
    let points = shown["metrics"]["machine.steps_per_second"].as_array()?;
    let mut rates: Vec<f64> = points.iter().skip(1).filter_map(|point| point[1].as_f64()).collect();
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied()
}
