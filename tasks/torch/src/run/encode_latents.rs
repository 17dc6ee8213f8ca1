//! The body of `encode-latents`.

use std::collections::BTreeMap;

use isoflop_kinds::encode::{EncodeLatents, LatentNeeds, Scaling};
use isoflop_worker::{Context, Halt, Interrupted, Made};
use tch::{Device, no_grad};

use super::{
    latent::{Config, Spread, rows, vae},
    settle::settle,
    shards::Writer,
};
use crate::{
    data::{Scenes, write_json},
    error::TorchError,
};

/// Encodes images.
pub fn run(spec: EncodeLatents, needs: LatentNeeds, context: &mut Context) -> Result<Made, Halt> {
    let setting = settle(context)?;
    let (network, encoder) = vae(&needs.vae, setting.device)?;
    let scenes = Scenes::read(&needs.data)?;
    let (side, shrink) = (scenes.resolution(), network.shrink());
    if network.in_channels != 3 || side % shrink != 0 {
        let problem = format!(
            "the autoencoder takes images of {} channels that {shrink} divides, and those of `data` are 3 × {side} × {side}",
            network.in_channels
        );
        return Err(TorchError::Mismatch(problem).into());
    }
    let mut writer = Writer::new("latents", spec.shard);
    let mut spread = Spread::default();
    let mut done = 0;
    for rows in rows(scenes.len(), spec.batch) {
        if context.should_stop() {
            return Err(Interrupted.into());
        }
        let posterior = no_grad(|| encoder.encode(&setting.bring(&scenes.images(&rows))));
        let mean = posterior.mean.to_device(Device::Cpu);
        let deviation = no_grad(|| (&posterior.log_variance * 0.5).exp()).to_device(Device::Cpu);
        spread.add(&mean, &deviation);
        let tensors = BTreeMap::from([("mean".to_owned(), mean), ("deviation".to_owned(), deviation)]);
        let count = rows.size()[0] as u64;
        writer.add(tensors, count, context)?;
        done += count;
        context.progress(done, scenes.len());
    }
    let shards = writer.finish(context)?;

    let none = || TorchError::Mismatch("all latents are one and the same number: there is nothing to scale".into());
    let measured = spread.factor().ok_or_else(none)?;
    let scaling_factor = match spec.scaling {
        Scaling::Measured => measured,
        Scaling::Stated => network.scaling_factor,
    };
    let config = Config {
        version: 1,
        scaling_factor,
        resolution: side,
        vae: needs.vae.digest(),
        data: needs.data.digest(),
        network,
        shards,
    };
    write_json(&context.out("config.json"), &config)?;
    Ok(Made::new()
        .scalar("images", scenes.len() as f64)?
        .scalar("scaling_factor", scaling_factor)?
        .scalar("measured_factor", measured)?
        .scalar("shards", config.shards.len() as f64)?)
}
