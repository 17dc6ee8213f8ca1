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
    pairs::{Captions, Margins},
    plain::{leave_head, recipe},
    reward::{Config, Looks, Reference, read},
    settle::settle,
    towers::Towers,
};
use crate::{
    data::{Gallery, Order, Scenes, write_json},
    error::TorchError,
    metrics::preference_loss,
    models::{Head, Standard},
    nn::Params,
    parallel::team::Team,
    train::{Objective, train},
};

/// Scenes with what is read and seen of them.
struct Pairs {
    captions: Captions,
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
        let twins = worse.map(Scenes::read).transpose()?;
        Ok(Self {
            captions: Captions::of(&there, twins.as_ref(), ports)?,
            worse: worse
                .map(|worse| Ok::<_, TorchError>(Looks::at(towers, &Gallery::scenes(worse)?, count)))
                .transpose()?,
            texts: read(&towers.read(scenes, &there, count)?),
            right: Looks::at(towers, &Gallery::scenes(scenes)?, count),
        })
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

/// Held-out pairs as the head sees them, and what it says of each image.
struct Findings {
    margins: Margins,
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
        let rivals = captions.heldout_rivals(self.seed, self.rivals);
        let (own, other) = (say(right), say(&right.rows(&Tensor::from_slice(&rivals))));
        let worse = worse.as_ref().map(say).unwrap_or_default();
        Findings { margins: Margins::between(&own, &other, &worse), said: [own, other, worse].concat() }
    }
}

impl Objective for Preferring<'_> {
    fn given(&self, step: u64, _part: u64) -> Result<Vec<Tensor>, TorchError> {
        let rows = self.order.batch(step, self.batch);
        let altered = Tensor::from_slice(&self.data.captions.rivals(self.seed, step, &rows, self.rivals));
        let rows = Tensor::from_slice(&rows);
        let texts = self.data.texts.index_select(0, &rows);
        let joint = |looks: &Looks, rows: &Tensor| self.standard.bring(&looks.rows(rows).with(&texts));
        let (right, altered) = (joint(&self.data.right, &rows), joint(&self.data.right, &altered));
        Ok([right, altered].into_iter().chain(self.data.worse.as_ref().map(|worse| joint(worse, &rows))).collect())
    }

    fn loss(&self, given: &[Tensor]) -> Tensor {
        let [right, altered, degraded @ ..] = given else { unreachable!("`given` gives two or three") };
        let altered = self.head.forward(altered);
        let worse = match degraded.first() {
            None => altered,
            // Every other worse image is the same scene degraded, where there are such.
            Some(degraded) => {
                let odd = Tensor::arange(altered.size()[0], (Kind::Int64, tch::Device::Cpu)).remainder(2).eq(1);
                self.head.forward(degraded).where_self(&odd, &altered)
            }
        };
        preference_loss(&(self.head.forward(right) - worse))
    }

    const MEASURE: &'static str = "heldout_accuracy";

    fn evaluate(&self, _: u64) -> f64 {
        self.examine().margins.accuracy()
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
        order: Order::new(seed, data.captions.len()),
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
    let made = leave_head(context, &params, &outcome, "heldout_accuracy")?
        .scalar("accuracy", outcome.heldout)?
        .scalar("mean", mean)?
        .scalar("deviation", deviation)?;
    found.margins.tell(made)
}
