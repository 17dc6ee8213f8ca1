//! The body of `train-aesthetic`.

use isoflop_contract::Handle;
use isoflop_kinds::{
    artifact,
    head::{AestheticNeeds, TrainAesthetic},
    train::Decays,
};
use isoflop_worker::{Context, Halt, Made};
use tch::{Kind, Reduction, Tensor};

use super::{
    aesthetic::Config,
    plain::{leave_head, recipe},
    settle::settle,
    towers::ImageTower,
};
use crate::{
    data::{Gallery, Order, Rows, write_json},
    error::TorchError,
    models::{Head, Standard},
    nn::Params,
    parallel::team::Team,
    train::{Objective, train},
};

/// The least that is said of a picture; the most is 10.
const LEAST: f64 = 1.0;

/// Features of pictures `[N, W]` and how good they are `[N]`.
struct Graded {
    features: Tensor,
    quality: Tensor,
}

impl Graded {
    fn read(
        scenes: &Handle<artifact::Scenes>,
        tower: &ImageTower,
        spec: &TrainAesthetic,
        port: &str,
    ) -> Result<Self, TorchError> {
        let gallery = Gallery::scenes(scenes)?;
        let rows = Rows::open(&[scenes.file("scenes.safetensors")], &["quality"]).map_err(|error| match error {
            TorchError::NoTensor { .. } => {
                let problem =
                    format!("scenes of `{port}` have no quality to learn: draw them with `degrade: {{ share: … }}`");
                TorchError::Mismatch(problem)
            }
            other => other,
        })?;
        let every: Vec<i64> = (0..gallery.len() as i64).collect();
        let quality = rows.stack(0, &every).to_kind(Kind::Float).clamp(LEAST, 10.0);
        Ok(Self { features: tower.features(&gallery, gallery.len(), spec.features), quality })
    }
}

/// Say how good it is: squared error, in deviations of what is there.
struct Grading<'a> {
    head: &'a Head,
    data: &'a Graded,
    heldout: &'a Graded,
    order: Order,
    batch: u64,
    mean: f64,
    deviation: f64,
}

impl Grading<'_> {
    /// How far off it is on held-out pictures: the root of the mean square, in points.
    fn error(&self) -> f64 {
        let said = self.head.forward(&self.heldout.features) * self.deviation + self.mean;
        said.mse_loss(&self.heldout.quality, Reduction::Mean).double_value(&[]).sqrt()
    }
}

impl Objective for Grading<'_> {
    fn given(&self, step: u64, _part: u64) -> Result<Vec<Tensor>, TorchError> {
        let rows = self.order.rows(step, self.batch);
        let wanted = (self.data.quality.index_select(0, &rows) - self.mean) / self.deviation;
        Ok(vec![self.data.features.index_select(0, &rows), wanted])
    }

    fn loss(&self, given: &[Tensor]) -> Tensor {
        let [features, wanted] = given else { unreachable!("`given` gives two") };
        self.head.forward(features).mse_loss(wanted, Reduction::Mean)
    }

    const MEASURE: &'static str = "heldout_error";

    fn evaluate(&self, _: u64) -> f64 {
        self.error()
    }
}

/// Trains a head.
pub fn run(spec: TrainAesthetic, needs: AestheticNeeds, context: &mut Context) -> Result<Made, Halt> {
    let setting = settle(context)?;
    let team = Team::assemble(context, 1, setting.device)?; // a batch is one part
    let seed = context.seed()?;
    let tower = ImageTower::open(&needs.clip, setting)?;
    let sets =
        needs.data.values().map(|set| Graded::read(set, &tower, &spec, "data")).collect::<Result<Vec<_>, _>>()?;
    let cat = |of: fn(&Graded) -> &Tensor| Tensor::cat(&sets.iter().map(of).collect::<Vec<_>>(), 0);
    let features = cat(|set| &set.features);
    let standard = Standard::of(&features);
    let data = Graded { features: standard.bring(&features), quality: cat(|set| &set.quality) };
    let mut heldout = Graded::read(&needs.heldout, &tower, &spec, "heldout")?;
    heldout.features = standard.bring(&heldout.features);
    let mean = data.quality.mean(Kind::Double).double_value(&[]);
    let deviation = data.quality.to_kind(Kind::Double).std(false).double_value(&[]);
    if deviation <= 0.0 {
        return Err("all scenes of `data` are of one quality: there is nothing to learn".into());
    }

    let params = Params::new(seed.stream("init", 0));
    let width = data.features.size()[1];
    let head = Head::new(&params.root(), &spec.head, width);
    let objective = Grading {
        head: &head,
        order: Order::new(seed, data.quality.size()[0] as u64),
        data: &data,
        heldout: &heldout,
        batch: spec.batch,
        mean,
        deviation,
    };
    let Some(outcome) =
        train(&params, &recipe(&spec.plain(), Decays::Matrices, setting.at_home()), &objective, &team, context)?
    else {
        return Ok(Made::new());
    };

    standard.fold_into(&params);
    let config = Config {
        version: 1,
        head: spec.head.clone(),
        width: width as u64,
        features: spec.features,
        direction: false,
        mean,
        deviation,
        clip: Some(needs.clip.digest()),
    };
    write_json(&context.out("config.json"), &config)?;
    // What knowing the mean alone would leave.
    let guess = (&heldout.quality - mean).square().mean(Kind::Double).double_value(&[]);
    let explained = 1.0 - outcome.heldout.powi(2) / guess.max(f64::MIN_POSITIVE);
    let made = leave_head(context, &params, &outcome, "heldout_error")?;
    Ok(made.scalar("error", outcome.heldout)?.scalar("explained", explained)?.scalar("quality", mean)?)
}
