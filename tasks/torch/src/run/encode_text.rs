//! The body of `encode-text`.

use std::collections::BTreeMap;

use isoflop_contract::Digest;
use isoflop_kinds::encode::{EncodeText, TextNeeds, TextOutput};
use isoflop_worker::{Context, Halt, Interrupted, Made};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{
    encoder::{Encoder, words},
    latent::rows,
    settle::settle,
    shards::{Shard, Writer},
};
use crate::{
    data::{Scenes, write_json, write_tensors},
    error::TorchError,
    models::Reading,
};

/// What `config.json` of encoded captions holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The file's version.
    pub version: u32,
    /// Which of the encoder's outputs.
    pub output: TextOutput,
    /// The encoder's artifact.
    pub text: Digest,
    /// The scenes' artifact.
    pub data: Digest,
    /// The files, in order.
    pub shards: Vec<Shard>,
    /// Synthetic captions, where they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synthetic: Option<Synthetic>,
}

/// Files of synthetic captions: so many an image, one image after the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Synthetic {
    /// How many an image has.
    pub count: u64,
    /// The files, in order.
    pub shards: Vec<Shard>,
}

fn named(reading: Reading) -> BTreeMap<String, Tensor> {
    let Reading { tokens, pooled, mask } = reading;
    BTreeMap::from([("tokens".to_owned(), tokens), ("pooled".to_owned(), pooled), ("mask".to_owned(), mask)])
}

/// Encodes captions.
pub fn run(spec: EncodeText, needs: TextNeeds, context: &mut Context) -> Result<Made, Halt> {
    let setting = settle(context)?;
    let encoder = Encoder::open(&needs.text, spec.output, setting)?;
    let scenes = Scenes::read_captions(&needs.data)?;
    let names = words(&needs.data)?;
    let there = scenes.synthetic().unwrap_or(0) as u64;
    if spec.synthetic > there {
        let problem = format!("`synthetic` is {} and `data` has {there} synthetic captions an image", spec.synthetic);
        return Err(TorchError::Mismatch(problem).into());
    }
    let (total, mut done) = (scenes.len() * (1 + spec.synthetic), 0);
    let mut size = Vec::new();
    let mut encode = |name: &str, each: u64, synthetic: bool| -> Result<Vec<Shard>, Halt> {
        let mut writer = Writer::new(name, spec.shard);
        for numbers in rows(scenes.len() * each, spec.batch) {
            if context.should_stop() {
                return Err(Interrupted.into());
            }
            let each = each as i64;
            let (images, which) = (numbers.divide_scalar_mode(each, "floor"), numbers.remainder(each));
            let reading = encoder.read_rows(&scenes, &images, synthetic.then_some(&which), &names)?;
            let count = numbers.size()[0] as u64;
            size = reading.tokens.size();
            writer.add(named(reading), count, context)?;
            done += count;
            context.progress(done, total);
        }
        Ok(writer.finish(context)?)
    };
    let shards = encode("texts", 1, false)?;
    let synthetic = match spec.synthetic {
        0 => None,
        count => Some(Synthetic { count, shards: encode("synthetic", count, true)? }),
    };
    write_tensors(&context.out("empty.safetensors"), &named(encoder.read_nothing(&scenes, &names)?))?;
    let more = synthetic.as_ref().map_or(0, |synthetic| synthetic.shards.len());
    let (text, data) = (needs.text.digest(), needs.data.digest());
    let config = Config { version: 1, output: spec.output, text, data, shards, synthetic };
    write_json(&context.out("config.json"), &config)?;
    Ok(Made::new()
        .scalar("captions", total as f64)?
        .scalar("tokens", size[1] as f64)?
        .scalar("width", size[2] as f64)?
        .scalar("shards", (config.shards.len() + more) as f64)?)
}
