//! The body of `train-vae`.

use isoflop_contract::{Kind as _, Seed};
use isoflop_kinds::{
    model::Companion,
    train::Decays,
    vae::{Needs, TrainVae},
};
use isoflop_worker::{Context, Halt, Made};
use tch::{Device, Kind, Reduction, Tensor, no_grad};

use super::{
    latent::{Spread, rows},
    plain::{leave, recipe},
    settle::settle,
};
use crate::{
    data::{Order, Scenes, pixels, write_json, write_preview},
    error::TorchError,
    models::AutoencoderKl,
    nn::{Params, Setting},
    parallel::team::Team,
    train::{Objective, normal, train},
};

/// Images examined at a time.
const EXAMINED: u64 = 64;
/// Images of the preview's upper rows.
const SHOWN: i64 = 6;

/// Come out as you went in, and be about normal in between.
struct Coding<'a> {
    network: &'a AutoencoderKl,
    data: &'a Scenes,
    heldout: &'a Scenes,
    order: Order,
    seed: Seed,
    batch: u64,
    divergence: f64,
    setting: Setting,
}

impl Objective for Coding<'_> {
    fn given(&self, step: u64, _part: u64) -> Result<Vec<Tensor>, TorchError> {
        let images = self.setting.bring(&self.data.images(&self.order.rows(step, self.batch)));
        let noise = self.setting.bring(&normal(self.seed.stream("noise", step), &self.network.latents(&images.size())));
        Ok(vec![images, noise])
    }

    fn loss(&self, given: &[Tensor]) -> Tensor {
        let [images, noise] = given else { unreachable!("`given` gives two") };
        let posterior = self.network.encode(images);
        let out = self.network.decode(&posterior.sample(noise));
        let numbers = images.numel() as f64 / images.size()[0] as f64;
        out.mse_loss(images, Reduction::Mean) + posterior.divergence().mean(Kind::Float) * (self.divergence / numbers)
    }

    const REPEATS: bool = true;

    const MEASURE: &'static str = "heldout_reconstruction";

    fn evaluate(&self, _: u64) -> f64 {
        examine(self.network, self.heldout, self.setting).error
    }
}

/// What an autoencoder makes of scenes.
struct Findings {
    /// Mean squared error of pixels in [-1, 1], from the latents' means.
    error: f64,
    /// Nats of an image's latents from the standard normal.
    divergence: f64,
    /// What latents are divided by to have unit deviation.
    spread: Spread,
}

fn examine(network: &AutoencoderKl, scenes: &Scenes, setting: Setting) -> Findings {
    let mut found = Findings { error: 0.0, divergence: 0.0, spread: Spread::default() };
    for rows in rows(scenes.len(), EXAMINED) {
        let images = setting.bring(&scenes.images(&rows));
        let posterior = network.encode(&images);
        let share = rows.size()[0] as f64 / scenes.len() as f64;
        let error = (network.decode(&posterior.mean) - images).square().mean(Kind::Double);
        found.error += share * error.double_value(&[]);
        found.divergence += share * posterior.divergence().mean(Kind::Double).double_value(&[]);
        found.spread.add(&posterior.mean, &(&posterior.log_variance * 0.5).exp());
    }
    found
}

/// Trains an autoencoder.
pub fn run(spec: TrainVae, needs: Needs, context: &mut Context) -> Result<Made, Halt> {
    let setting = settle(context)?;
    let team = Team::assemble(context, 1, setting.device)?; // a batch is one part
    let seed = context.seed()?;
    let (data, heldout) = (Scenes::read(&needs.data)?, Scenes::read(&needs.heldout)?);
    for (name, scenes) in [("data", &data), ("heldout", &heldout)] {
        let (side, wanted) = (scenes.resolution(), spec.resolution);
        if side != wanted {
            let problem = format!("the images of `{name}` are {side}×{side} and `resolution` is {wanted}");
            return Err(TorchError::Mismatch(problem).into());
        }
    }
    let mut config = spec.network();
    let params = Params::on(setting.device, seed.stream("init", 0));
    let network = AutoencoderKl::new(&params.root(), &config);
    let objective = Coding {
        network: &network,
        data: &data,
        heldout: &heldout,
        order: Order::new(seed, data.len()),
        seed,
        batch: spec.batch,
        divergence: spec.divergence,
        setting,
    };
    let Some(outcome) = train(&params, &recipe(&spec.plain(), Decays::Matrices, setting), &objective, &team, context)?
    else {
        return Ok(Made::new());
    };

    let found = no_grad(|| examine(&network, &heldout, setting));
    config.scaling_factor = found.spread.factor().unwrap_or(1.0);
    write_json(&context.out("config.json"), &Companion::AutoencoderKl(config.clone()))?;
    let shown = Tensor::arange(SHOWN.min(heldout.len() as i64), (Kind::Int64, Device::Cpu));
    let before = setting.bring(&heldout.images(&shown));
    let after = no_grad(|| network.decode(&network.encode(&before).mean));
    write_preview(&context.out("preview.png"), &pixels(&Tensor::cat(&[before, after], 0)).to_device(Device::Cpu))?;

    let made = leave(context, (&params, &outcome, "heldout_reconstruction"), (&spec.plain(), &spec.cost()))?;
    Ok(made
        .scalar("reconstruction", found.error)?
        // Pixels span 2.
        .scalar("psnr", 10.0 * (4.0 / found.error.max(f64::MIN_POSITIVE)).log10())?
        .scalar("divergence", found.divergence)?
        .scalar("scaling_factor", config.scaling_factor)?)
}
