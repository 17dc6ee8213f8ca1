//! The body of `encode-text`.

use std::collections::BTreeMap;

use isoflop_contract::Digest;
use isoflop_kinds::encode::{EncodeText, TextNeeds, TextOutput};
use isoflop_worker::{Context, Halt, Made};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{
    encoder::{Encoder, Reading, words},
    settle::settle,
    shards::{Shard, Writer},
};
use crate::data::{Scenes, write_json, write_tensors};

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
}

fn named(reading: Reading) -> BTreeMap<String, Tensor> {
    let Reading { tokens, pooled, mask } = reading;
    BTreeMap::from([("tokens".to_owned(), tokens), ("pooled".to_owned(), pooled), ("mask".to_owned(), mask)])
}

/// Encodes captions.
pub fn run(spec: EncodeText, needs: TextNeeds, context: &mut Context) -> Result<Made, Halt> {
    settle(context)?;
    let encoder = Encoder::open(&needs.text, spec.output)?;
    let scenes = Scenes::read(&needs.data)?;
    let names = words(&needs.data)?;
    let mut writer = Writer::new("texts", spec.shard);
    let mut done = 0;
    let mut size = Vec::new();
    let empty = encoder.read_all(&scenes, &names, spec.batch, |reading| {
        let rows = reading.tokens.size()[0] as u64;
        size = reading.tokens.size();
        writer.add(named(reading), rows, context)?;
        done += rows;
        context.progress(done, scenes.len());
        Ok(())
    })?;
    write_tensors(&context.out("empty.safetensors"), &named(empty))?;
    let shards = writer.finish(context)?;
    let config =
        Config { version: 1, output: spec.output, text: needs.text.digest(), data: needs.data.digest(), shards };
    write_json(&context.out("config.json"), &config)?;
    Ok(Made::new()
        .scalar("captions", scenes.len() as f64)?
        .scalar("tokens", size[1] as f64)?
        .scalar("width", size[2] as f64)?
        .scalar("shards", config.shards.len() as f64)?)
}
