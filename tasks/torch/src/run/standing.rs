//! What a training's final numbers were when a checkpoint of it was kept.
//!
//! Nothing of the end is told of an earlier step: what is not known of the step is left out.

use std::{collections::BTreeMap, path::Path};

use isoflop_contract::Handle;
use isoflop_kinds::artifact;

/// Final numbers that are the network's alone, at whatever step.
const CONSTANT: [&str; 2] = ["params", "macs"];

/// Final numbers that grow by as much with each step.
const GROWING: [&str; 3] = ["compute", "images_seen", "steps"];

/// The final numbers that the training would have had, had it ended after `step` steps, as far as that is known: `loss` is the held-out loss that was
/// measured there. The training loss is a mean over the last tenth, which no checkpoint has, and spikes are counted to the end.
pub fn at_step(model: &Handle<artifact::Denoiser>, step: u64) -> BTreeMap<&'static str, f64> {
    let mut known = BTreeMap::new();
    let whole = model.scalars();
    for name in CONSTANT {
        known.extend(whole.get(name).map(|&value| (name, value)));
    }
    if let Some(steps) = whole.get("steps").filter(|&&steps| steps > 0.0) {
        for name in GROWING {
            known.extend(whole.get(name).map(|value| (name, value * step as f64 / steps)));
        }
    }
    known.extend(heldout_loss(&model.file("history.csv"), step).map(|loss| ("loss", loss)));
    known
}

/// What the curve says of `step`. A model that a program of the study's own made may have none, or one of another form.
fn heldout_loss(history: &Path, step: u64) -> Option<f64> {
    let text = std::fs::read_to_string(history).ok()?;
    let mut rows = text.lines().map(|row| row.split(','));
    let header: Vec<&str> = rows.next()?.collect();
    let column = |name: &str| header.iter().position(|&column| column == name);
    let (steps, losses) = (column("step")?, column("heldout_loss")?);
    let row =
        rows.map(Iterator::collect::<Vec<_>>).find(|row| row.get(steps).is_some_and(|at| at.parse() == Ok(step)))?;
    row.get(losses)?.parse().ok().filter(|loss: &f64| loss.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_tells_of_its_own_steps_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.csv");
        let of = |text: &str, step: u64| {
            std::fs::write(&path, text).unwrap();
            heldout_loss(&path, step)
        };
        let text = "step,loss,heldout_loss\n5,0.5,0.25\n10,0.125,NaN\n50,0.1,0.0625\n";
        assert_eq!([5, 50, 10, 7].map(|step| of(text, step)), [Some(0.25), Some(0.0625), None, None]);
        assert_eq!(of("heldout_loss,step\n0.75,5\n", 5), Some(0.75));
        for other in ["", "step,loss\n5,0.5\n", "step,loss,heldout_loss\n5\n", "5,0.5,0.25\n"] {
            assert_eq!(of(other, 5), None, "{other:?}");
        }
        assert_eq!(heldout_loss(&folder.path().join("none.csv"), 5), None);
    }
}
