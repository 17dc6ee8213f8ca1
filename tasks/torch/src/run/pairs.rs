//! Pairs of images for one text, of which one is right: what preferences are learned from, and held to.
//!
//! The right image is the scene that the caption is of. The worse one is another scene, of some that are drawn the one whose caption is most like it, or the same scene
//! degraded.

use isoflop_contract::Seed;
use isoflop_worker::{Halt, Made};
use tch::{Device, Kind, Tensor};

use crate::{
    data::{Scenes, permute},
    error::TorchError,
    metrics::preferred,
};

/// What scenes say: by that their rivals are found.
#[derive(Debug)]
pub struct Captions(Vec<Vec<i64>>);

impl Captions {
    /// Those of `scenes`, which `worse` shows degraded. `ports` are what both were fed to.
    pub fn of(scenes: &Scenes, worse: Option<&Scenes>, ports: (&str, &str)) -> Result<Self, TorchError> {
        let captions = |scenes: &Scenes| -> Vec<Vec<i64>> {
            let every = Tensor::arange(scenes.len() as i64, (Kind::Int64, Device::Cpu));
            Vec::try_from(scenes.captions(&every, scenes.caption_length() as i64)).expect("two dimensions of i64")
        };
        let own = captions(scenes);
        if own.iter().all(|caption| *caption == own[0]) {
            let problem = format!("all captions of `{}` read the same: there is nothing to prefer", ports.0);
            return Err(TorchError::Mismatch(problem));
        }
        if worse.is_some_and(|worse| captions(worse) != own) {
            let (data, worse) = ports;
            let problem = format!(
                "`{worse}` does not show the scenes of `{data}`: draw both with one `seed:` and alike but for `degrade:`, without wrong captions"
            );
            return Err(TorchError::Mismatch(problem));
        }
        Ok(Self(own))
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// The rivals of `rows`, which are batch `step`: each the best of `among`.
    pub fn rivals(&self, seed: Seed, step: u64, rows: &[i64], among: u64) -> Vec<i64> {
        let first = step * rows.len() as u64;
        let rival = |(i, &row): (usize, &i64)| self.rival(seed.stream("rivals", first + i as u64), row, among);
        rows.iter().enumerate().map(rival).collect()
    }

    /// The rivals of all scenes, which are held out.
    pub fn heldout_rivals(&self, seed: Seed, among: u64) -> Vec<i64> {
        let rival = |row: u64| self.rival(seed.stream("heldout-rivals", row), row as i64, among);
        (0..self.len()).map(rival).collect()
    }

    /// Another scene than `row`: of `among` that the key draws, the one whose caption has most in common with its own without reading the same.
    fn rival(&self, key: Seed, row: i64, among: u64) -> i64 {
        let (all, own) = (self.len(), &self.0[row as usize]);
        let common = |other: &[i64]| other.iter().filter(|&&word| word != 0 && own.contains(&word)).count();
        let drawn = (0..all).map(|place| permute(key.get(), all, place) as usize);
        let others = drawn.filter(|&other| self.0[other] != *own).take(among as usize);
        let nearest =
            others.reduce(|best, other| if common(&self.0[other]) > common(&self.0[best]) { other } else { best });
        nearest.expect("not all captions read the same") as i64
    }
}

/// How far held-out right images are put above others.
#[derive(Debug)]
pub struct Margins {
    /// Above another scene.
    pub altered: Vec<f64>,
    /// Above the same scene degraded, where there are such.
    pub degraded: Vec<f64>,
}

impl Margins {
    /// Of what is said of right images, of their rivals, and of the same degraded.
    pub fn between(own: &[f64], rivals: &[f64], degraded: &[f64]) -> Self {
        let above = |others: &[f64]| own.iter().zip(others).map(|(own, other)| own - other).collect();
        Self { altered: above(rivals), degraded: above(degraded) }
    }

    /// The share of pairs whose right image is above the other.
    pub fn accuracy(&self) -> f64 {
        preferred(&[self.altered.as_slice(), &self.degraded].concat())
    }

    /// The same by what the other image is, as scalars.
    pub fn tell(&self, made: Made) -> Result<Made, Halt> {
        let made = made.scalar("accuracy_altered", preferred(&self.altered))?;
        Ok(if self.degraded.is_empty() { made } else { made.scalar("accuracy_degraded", preferred(&self.degraded))? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenes with these captions and no pictures to speak of.
    fn scenes(captions: &[[i64; 3]]) -> Scenes {
        let images = Tensor::zeros([captions.len() as i64, 3, 1, 1], (Kind::Uint8, Device::Cpu));
        Scenes::of(images, &Tensor::from_slice2(captions), 9)
    }

    #[test]
    fn a_rival_says_almost_the_same() {
        let all = [[1, 2, 3], [1, 2, 4], [1, 5, 6], [7, 8, 0], [1, 2, 3]];
        let captions = Captions::of(&scenes(&all), None, ("data", "worse")).unwrap();
        let seed = Seed::from_number(1);
        // Whoever is shown all others takes the nearest, and never one that reads the same.
        let found = captions.heldout_rivals(seed, 64);
        assert_eq!((found[0], found[4]), (1, 1));
        assert!([0, 4].contains(&found[1]) && ![2, 3].contains(&found[2]) && found[3] != 3, "{found:?}");
        // Of one that is drawn it takes that one; which is drawn depends on the place in training alone.
        let drawn = |step| captions.rivals(seed, step, &[0, 1, 2], 1);
        assert_eq!(drawn(0), drawn(0));
        assert!((1..20).any(|step| drawn(step) != drawn(0)));
    }
}
