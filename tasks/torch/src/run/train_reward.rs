//! The body of `train-reward`.

use isoflop_contract::{Handle, Seed};
use isoflop_kinds::{
    artifact,
    head::{RewardNeeds, TrainReward},
    train::Decays,
};
use isoflop_worker::{Context, Halt, Made};
use tch::{Kind, Tensor, no_grad};

use super::{
    plain::{leave_head, recipe},
    reward::{Config, Looks, Reference, read},
    settle::settle,
    towers::Towers,
};
use crate::{
    data::{Gallery, Order, Scenes, permute, write_json},
    error::TorchError,
    metrics::{preference_loss, preferred},
    models::{Head, Standard},
    nn::Params,
    parallel::team::Team,
    train::{Objective, train},
};

/// Scenes with what is read and seen of them.
struct Pairs {
    captions: Vec<Vec<i64>>,
    texts: Tensor,
    right: Looks,
    worse: Option<Looks>,
}

impl Pairs {
    fn read(
        towers: &Towers,
        scenes: &Handle<artifact::Scenes>,
        worse: Option<&Handle<artifact::Scenes>>,
        ports: (&str, &str),
    ) -> Result<Self, TorchError> {
        let there = Scenes::read(scenes)?;
        let count = there.len();
        let captions = |scenes: &Scenes| -> Vec<Vec<i64>> {
            let every = Tensor::arange(scenes.len() as i64, (Kind::Int64, tch::Device::Cpu));
            Vec::try_from(scenes.captions(&every, scenes.caption_length() as i64)).expect("two dimensions of i64")
        };
        let captions_of = captions(&there);
        if captions_of.iter().all(|caption| *caption == captions_of[0]) {
            let problem = format!("all captions of `{}` read the same: there is nothing to prefer", ports.0);
            return Err(TorchError::Mismatch(problem));
        }
        let degraded = match worse {
            None => None,
            Some(worse) => {
                let twins = Scenes::read(worse)?;
                if captions(&twins) != captions_of {
                    let (data, worse) = ports;
                    let problem = format!(
                        "`{worse}` does not show the scenes of `{data}`: draw both with one `seed:` and alike but for `degrade:`, without wrong captions"
                    );
                    return Err(TorchError::Mismatch(problem));
                }
                Some(Looks::at(towers, &Gallery::scenes(worse)?, count))
            }
        };
        Ok(Self {
            texts: read(&towers.read(scenes, &there, count)?),
            right: Looks::at(towers, &Gallery::scenes(scenes)?, count),
            captions: captions_of,
            worse: degraded,
        })
    }

    /// Another scene than `row`: of `rivals` that the key draws, the one whose caption has most in common with its own without reading the same.
    fn rival(&self, key: Seed, row: i64, rivals: u64) -> i64 {
        let (all, own) = (self.captions.len() as u64, &self.captions[row as usize]);
        let common = |other: &[i64]| other.iter().filter(|&&word| word != 0 && own.contains(&word)).count();
        let drawn = (0..all).map(|place| permute(key.get(), all, place) as usize);
        let others = drawn.filter(|&other| self.captions[other] != *own).take(rivals as usize);
        let nearest =
            others.reduce(
                |best, other| {
                    if common(&self.captions[other]) > common(&self.captions[best]) { other } else { best }
                },
            );
        nearest.expect("not all captions read the same") as i64
    }
}

/// Prefer the right image to a worse one.
struct Preferring<'a> {
    head: &'a Head,
    data: &'a Pairs,
    heldout: &'a Pairs,
    order: Order,
    seed: Seed,
    batch: u64,
    rivals: u64,
    standard: Standard,
}

/// Held-out pairs as the head sees them: how far it puts the right image above another scene and above a degraded one, and what it says of each image.
struct Findings {
    altered: Vec<f64>,
    degraded: Vec<f64>,
    said: Vec<f64>,
}

impl Preferring<'_> {
    /// What the head says of these images for these texts.
    fn say(&self, looks: &Looks, texts: &Tensor) -> Tensor {
        self.head.forward(&self.standard.bring(&looks.with(texts)))
    }

    fn examine(&self) -> Findings {
        let Pairs { captions, texts, right, worse } = self.heldout;
        let say = |looks: &Looks| -> Vec<f64> {
            Vec::try_from(self.say(looks, texts).to_kind(Kind::Double)).expect("one dimension of f64")
        };
        let rival =
            |row: usize| self.heldout.rival(self.seed.stream("heldout-rivals", row as u64), row as i64, self.rivals);
        let rivals: Vec<i64> = (0..captions.len()).map(rival).collect();
        let (own, other) = (say(right), say(&right.rows(&Tensor::from_slice(&rivals))));
        let worse = worse.as_ref().map(say).unwrap_or_default();
        let apart = |others: &[f64]| own.iter().zip(others).map(|(own, other)| own - other).collect::<Vec<_>>();
        Findings { altered: apart(&other), degraded: apart(&worse), said: [own, other, worse].concat() }
    }
}

impl Objective for Preferring<'_> {
    fn given(&self, step: u64, _part: u64) -> Result<Vec<Tensor>, TorchError> {
        let rows = self.order.batch(step, self.batch);
        let (texts, own) = (self.data.texts.index_select(0, &Tensor::from_slice(&rows)), Tensor::from_slice(&rows));
        // Every other worse image is the same scene degraded, where there are such.
        let altered = rows.iter().enumerate().map(|(i, &row)| {
            let key = self.seed.stream("rivals", step * self.batch + i as u64);
            self.data.rival(key, row, self.rivals)
        });
        let (rows, altered) = (own, Tensor::from_slice(&altered.collect::<Vec<_>>()));
        let joint = |looks: &Looks, rows: &Tensor| self.standard.bring(&looks.rows(rows).with(&texts));
        let (right, altered) = (joint(&self.data.right, &rows), joint(&self.data.right, &altered));
        Ok([right, altered].into_iter().chain(self.data.worse.as_ref().map(|worse| joint(worse, &rows))).collect())
    }

    fn loss(&self, given: &[Tensor]) -> Tensor {
        let [right, altered, degraded @ ..] = given else { unreachable!("`given` gives two or three") };
        let altered = self.head.forward(altered);
        let worse = match degraded.first() {
            None => altered,
            Some(degraded) => {
                let odd = Tensor::arange(altered.size()[0], (Kind::Int64, tch::Device::Cpu)).remainder(2).eq(1);
                self.head.forward(degraded).where_self(&odd, &altered)
            }
        };
        preference_loss(&(self.head.forward(right) - worse))
    }

    const MEASURE: &'static str = "heldout_accuracy";

    fn evaluate(&self, _: u64) -> f64 {
        let found = self.examine();
        preferred(&[found.altered, found.degraded].concat())
    }
}

/// Trains a preference.
pub fn run(spec: TrainReward, needs: RewardNeeds, context: &mut Context) -> Result<Made, Halt> {
    let setting = settle(context)?;
    let team = Team::assemble(context, 1, setting.device)?; // a batch is one part
    let seed = context.seed()?;
    let towers = Towers::open(&needs.clip, setting)?;
    let data = Pairs::read(&towers, &needs.data, needs.worse.as_ref(), ("data", "worse"))?;
    let heldout = Pairs::read(&towers, &needs.heldout, needs.heldout_worse.as_ref(), ("heldout", "heldout_worse"))?;
    let params = Params::new(seed.stream("init", 0));
    let joint = data.right.with(&data.texts);
    let (width, standard) = (joint.size()[1], Standard::of(&joint));
    let head = Head::new(&params.root(), &spec.head, width);
    let objective = Preferring {
        head: &head,
        order: Order::new(seed, data.captions.len() as u64),
        data: &data,
        heldout: &heldout,
        seed,
        batch: spec.batch,
        rivals: spec.rivals,
        standard,
    };
    let Some(outcome) =
        train(&params, &recipe(&spec.plain(), Decays::Matrices, setting.at_home()), &objective, &team, context)?
    else {
        return Ok(Made::new());
    };

    let found = no_grad(|| objective.examine());
    let n = found.said.len() as f64;
    let mean = found.said.iter().sum::<f64>() / n;
    let deviation = (found.said.iter().map(|f| (f - mean).powi(2)).sum::<f64>() / n).sqrt();
    objective.standard.fold_into(&params);
    let config = Config {
        version: 1,
        head: spec.head.clone(),
        width: width as u64,
        mean,
        deviation,
        clip: needs.clip.digest(),
        reference: Reference {
            data: needs.heldout.digest(),
            worse: needs.heldout_worse.as_ref().map(Handle::digest),
            n: found.said.len() as u64,
        },
    };
    write_json(&context.out("config.json"), &config)?;
    let mut made = leave_head(context, &params, &outcome, "heldout_accuracy")?
        .scalar("accuracy", outcome.heldout)?
        .scalar("accuracy_altered", preferred(&found.altered))?
        .scalar("mean", mean)?
        .scalar("deviation", deviation)?;
    if !found.degraded.is_empty() {
        made = made.scalar("accuracy_degraded", preferred(&found.degraded))?;
    }
    Ok(made)
}
