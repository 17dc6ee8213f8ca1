//! Inputs that a network can read, made up: for counting what it does and for timing it.

use isoflop_kinds::model::{Backbone, Companion, Condition, Inception, Network, TextTime, Unet};
use tch::{Device, Kind, Tensor};

use super::Inputs;
use crate::draw::drawn;

/// A batch of `batch` made-up inputs at an input size of `size` and, where it reads text of any length, `tokens` text tokens. Real numbers are normal
/// and the same every time. The batch may be empty.
pub fn example(config: &Network, batch: u64, size: u64, tokens: u64) -> Inputs {
    let [batch, size, tokens] = [batch, size, tokens].map(|n| n as i64);
    drawn(0, || given(config, batch, size, tokens))
}

/// The same from the generator as it stands.
fn given(config: &Network, batch: i64, size: i64, tokens: i64) -> Inputs {
    let normal = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
    let images = |channels: u64| normal(&[batch, channels as i64, size, size]);
    let ids = |tokens: u64| Tensor::zeros([batch, tokens as i64], (Kind::Int64, Device::Cpu));
    match config {
        Network::Companion(Companion::AutoencoderKl(config)) => Inputs::given([("sample", images(config.in_channels))]),
        Network::Companion(Companion::ClipText(config)) => Inputs::given([("input_ids", ids(config.tokens))]),
        Network::Companion(Companion::ClipImage(_)) => Inputs::given([("pixel_values", images(3))]),
        Network::Companion(Companion::T5Encoder(_)) => Inputs::given([("input_ids", ids(tokens as u64))]),
        Network::Companion(Companion::Inception(_)) => {
            let side = Inception::SIZE as i64;
            let pictures = Tensor::randint(256, [batch, 3, side, side], (Kind::Uint8, Device::Cpu));
            Inputs::given([("pictures", pictures)])
        }
        Network::Backbone(config) => {
            let whole = |shape: &[i64], value: i64| Tensor::full(shape, value, (Kind::Int64, Device::Cpu));
            let mut inputs = vec![("sample", images(config.in_channels())), ("timestep", whole(&[batch], 500))];
            if let Some(width) = config.text_width() {
                inputs.push(("encoder_hidden_states", normal(&[batch, tokens, width as i64])));
            }
            match config {
                Backbone::Unet(Unet { text_time: Some(TextTime { pooled, .. }), .. }) => {
                    inputs.push(("text_embeds", normal(&[batch, *pooled as i64])));
                    inputs.push(("time_ids", whole(&[batch, TextTime::NUMBERS as i64], size)));
                }
                Backbone::Dit(dit) if matches!(dit.condition, Condition::Classes(_)) => {
                    inputs.push(("class_labels", whole(&[batch], 0)));
                }
                _ => {}
            }
            Inputs::given(inputs)
        }
    }
}
