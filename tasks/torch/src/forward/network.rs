//! The table of families: what each reads, and what it makes of it. Inputs and outputs are named as diffusers and transformers name them.

use std::collections::BTreeMap;

use isoflop_kinds::model::{self, Companion, Condition, Network, TextTime};
use tch::{Kind, Tensor};

use super::inputs::{
    Inputs,
    Side::{Any, Batch, Is, Most, Multiple},
};
use crate::{
    error::TorchError,
    models::{AutoencoderKl, Backbone, ClipImage, ClipText, Inception, T5Encoder, Told},
    nn::Params,
};

/// Tensors by name.
pub type Outputs = BTreeMap<String, Tensor>;

/// A model that can be run on a file of inputs.
pub trait Run {
    /// One forward pass.
    fn run(&self, inputs: &Inputs) -> Result<Outputs, TorchError>;
}

/// The network of `config`, which has been checked, over `params`.
pub fn build(params: &Params, config: &Network) -> Box<dyn Run> {
    let root = &params.root();
    match config.clone() {
        Network::Companion(companion) => match companion {
            Companion::AutoencoderKl(config) => Box::new((AutoencoderKl::new(root, &config), config)),
            Companion::ClipText(config) => Box::new((ClipText::new(root, &config), config)),
            Companion::ClipImage(config) => Box::new((ClipImage::new(root, &config), config)),
            Companion::T5Encoder(config) => Box::new((T5Encoder::new(root, &config), config)),
            Companion::Inception(config) => Box::new(Inception::new(root, &config)),
        },
        Network::Backbone(config) => Box::new((Backbone::new(root, &config), config)),
    }
}

fn named<const N: usize>(outputs: [(&str, Tensor); N]) -> Outputs {
    outputs.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect()
}

/// `sample`, an image, is encoded and its mean decoded again; `latent`, as it stands before the scaling factor, is decoded. Either or both.
impl Run for (AutoencoderKl, model::AutoencoderKl) {
    fn run(&self, inputs: &Inputs) -> Result<Outputs, TorchError> {
        let (network, config) = self;
        let shrink = Multiple(config.shrink() as i64);
        let sample = inputs.real("sample", &[Batch, Is(config.in_channels as i64), shrink, shrink])?;
        let latent = inputs.real("latent", &[Batch, Is(config.latent_channels as i64), Any, Any])?;
        let mut outputs = Outputs::new();
        if let Some(sample) = &sample {
            let posterior = network.encode(sample);
            outputs.insert("sample".into(), network.decode(&posterior.mean));
            outputs.extend(named([("mean", posterior.mean), ("logvar", posterior.log_variance)]));
        }
        if let Some(latent) = &latent {
            outputs.insert("decoded".into(), network.decode(latent));
        }
        if outputs.is_empty() {
            return inputs.needed("sample", None).map(|_| outputs);
        }
        Ok(outputs)
    }
}

impl Run for (ClipText, model::ClipText) {
    fn run(&self, inputs: &Inputs) -> Result<Outputs, TorchError> {
        let (network, config) = self;
        let ids = inputs.ids("input_ids", Most(config.tokens as i64), config.vocabulary)?;
        let read = network.forward(&ids);
        let mut outputs = named([
            ("last_hidden_state", read.last),
            ("penultimate_hidden_state", read.penultimate),
            ("penultimate_hidden_state_normed", read.penultimate_normed),
            ("pooler_output", read.pooled),
        ]);
        outputs.extend(read.projected.map(|projected| ("text_embeds".to_owned(), projected)));
        Ok(outputs)
    }
}

impl Run for (ClipImage, model::ClipImage) {
    fn run(&self, inputs: &Inputs) -> Result<Outputs, TorchError> {
        let (network, config) = self;
        let side = Is(config.resolution as i64);
        let pixels = inputs.real("pixel_values", &[Batch, Is(3), side, side])?;
        let read = network.forward(&inputs.needed("pixel_values", pixels)?);
        Ok(named([("last_hidden_state", read.last), ("pooler_output", read.pooled), ("image_embeds", read.projected)]))
    }
}

impl Run for (T5Encoder, model::T5Encoder) {
    fn run(&self, inputs: &Inputs) -> Result<Outputs, TorchError> {
        let (network, config) = self;
        let ids = inputs.ids("input_ids", Any, config.vocabulary)?;
        let (batch, length) = (ids.size()[0], ids.size()[1]);
        let mask = inputs.whole("attention_mask", &[Is(batch), Is(length)])?;
        Ok(named([("last_hidden_state", network.forward(&ids, mask.as_ref()))]))
    }
}

/// `pictures`, bytes as an image file has them.
impl Run for Inception {
    fn run(&self, inputs: &Inputs) -> Result<Outputs, TorchError> {
        let pictures = inputs.whole("pictures", &[Batch, Is(3), Any, Any])?;
        let pictures = inputs.needed("pictures", pictures)?.to_kind(Kind::Uint8);
        Ok(named([("features", self.features(&pictures))]))
    }
}

/// Every denoiser: `sample` and its `timestep`, and what its family is told, under the names of diffusers' UNets and transformers. Text that is not given is
/// as long as none.
impl Run for (Backbone, model::Backbone) {
    fn run(&self, inputs: &Inputs) -> Result<Outputs, TorchError> {
        let (network, config) = self;
        let channels = Is(config.in_channels() as i64);
        let sample = inputs.needed("sample", inputs.real("sample", &[Batch, channels, Any, Any])?)?;
        let (batch, size) = (Is(sample.size()[0]), sample.size()[2]);
        if sample.size()[3] != size {
            return Err(inputs.wrong(format!("`sample` is {:?}, and denoisers see squares", sample.size())));
        }
        config.check(size as u64, "model").map_err(TorchError::Config)?;
        let level = inputs.needed("timestep", inputs.whole("timestep", &[batch])?)?;

        let width = config.text_width();
        let text = match width {
            Some(width) => {
                let tokens = config.text_tokens().map_or(Any, |tokens| Is(tokens as i64));
                let text = inputs.real("encoder_hidden_states", &[batch, tokens, Is(width as i64)])?;
                inputs.needed("encoder_hidden_states", text)?
            }
            None => Tensor::zeros([sample.size()[0], 0, 0], (sample.kind(), sample.device())),
        };
        let length = Is(text.size()[1]);
        let mut told = Told::tokens(text);
        match config {
            model::Backbone::Unet(unet) => {
                if let Some(TextTime { pooled, .. }) = unet.text_time {
                    let pooled = inputs.real("text_embeds", &[batch, Is(pooled as i64)])?;
                    told.pooled = Some(inputs.needed("text_embeds", pooled)?);
                    let sizes = inputs.whole("time_ids", &[batch, Is(TextTime::NUMBERS as i64)])?;
                    told.sizes = Some(inputs.needed("time_ids", sizes)?);
                } else if unet.pooled_text {
                    told.pooled = Some(told.tokens.mean_dim(1_i64, false, None::<Kind>));
                }
            }
            model::Backbone::Pixart(_) => told.mask = inputs.whole("encoder_attention_mask", &[batch, length])?,
            model::Backbone::Dit(dit) => {
                if let Condition::Classes(known) = dit.condition {
                    let classes = inputs.needed("class_labels", inputs.whole("class_labels", &[batch])?)?;
                    let among = classes.constant_pad_nd([0, 1]); // a batch may be empty
                    let (least, most) = (among.min().int64_value(&[]), among.max().int64_value(&[]));
                    if least < 0 || most > known as i64 {
                        let problem = format!("`class_labels` has {least} to {most}, and {known} stands for no class");
                        return Err(inputs.wrong(problem));
                    }
                    told.classes = Some(classes);
                } else {
                    told.pooled = Some(told.tokens.mean_dim(1_i64, false, None::<Kind>));
                }
            }
            model::Backbone::IfUnet(_) | model::Backbone::Uvit(_) => {}
        }
        Ok(named([("sample", network.forward(&sample, &level, &told))]))
    }
}
