//! A frozen encoder that reads captions in the training, instead of beforehand.

use isoflop_contract::Handle;
use isoflop_kinds::{artifact, encode::TextOutput, model};
use tch::{Device, Kind, Tensor};

use super::{encoder::Encoder, examples::Reader};
use crate::{
    error::TorchError,
    models::Reading,
    nn::{Setting, precise},
};

/// A frozen encoder that reads captions as they come, in the precision of the training.
#[derive(Debug)]
pub struct Live {
    encoder: Encoder,
    /// Whose reading it is.
    pub identity: Reader,
    setting: Setting,
}

impl Live {
    /// Reads it.
    pub fn open(handle: &Handle<artifact::Clip>, output: TextOutput, setting: Setting) -> Result<Self, TorchError> {
        let identity = Reader { text: handle.digest(), output };
        Ok(Self { encoder: Encoder::open(handle, output, setting)?, identity, setting })
    }

    /// What it makes of captions, where it is: see [`Encoder::read`].
    pub fn read(&self, captions: &Tensor, names: &[String], texts: Option<Vec<String>>) -> Result<Reading, TorchError> {
        let read = precise(self.setting, || self.encoder.read_there(captions, names, texts))?;
        let single = |tensor: &Tensor| tensor.to_kind(Kind::Float);
        Ok(Reading { tokens: single(&read.tokens), pooled: single(&read.pooled), mask: read.mask })
    }

    /// What it makes of the empty caption, if its readings are what `frozen` says.
    pub fn nothing(&self, frozen: model::FrozenText, names: &[String]) -> Result<Reading, TorchError> {
        let read = self.read(&Tensor::zeros([1, 1], (Kind::Int64, Device::Cpu)), names, Some(vec![String::new()]))?;
        let ([tokens, width], pooled) = ([frozen.tokens, frozen.width].map(|n| n as i64), frozen.pooled);
        if read.tokens.size() != [1, tokens, width] {
            let shape = &read.tokens.size()[1..];
            return Err(TorchError::Mismatch(format!(
                "`reader` makes {shape:?} of a caption, and `frozen_text` says [{tokens}, {width}]"
            )));
        }
        if let Some(pooled) = pooled.filter(|&pooled| read.pooled.size()[1] != pooled as i64) {
            let there = read.pooled.size()[1];
            return Err(TorchError::Mismatch(format!(
                "`reader` makes {there} numbers of a text as a whole, and `frozen_text.pooled` says {pooled}"
            )));
        }
        Ok(read)
    }
}
