//! Frozen CLIP towers: what they see and read.

use isoflop_contract::{Artifact, Handle};
use isoflop_kinds::{
    artifact,
    encode::TextOutput,
    head::Seen,
    model::{self, Companion},
};
use tch::{Device, Kind, Tensor, no_grad};

use super::encoder::{Config, Encoder, words};
use crate::{
    data::{Gallery, Scenes, bicubic, read_json},
    error::TorchError,
    metrics::in_blocks,
    models::ClipImage,
    nn::{Params, Setting, precise},
    weights::{Weights, load_at},
};

/// Pictures u8 `[B, 3, R, R]` of any size as an image tower wants them: `side` pixels high and wide, at CLIP's mean and deviation.
pub fn prepared(pictures: &Tensor, side: i64) -> Tensor {
    let of = |numbers: [f64; 3]| Tensor::from_slice(&numbers).to_kind(Kind::Float).view([1, 3, 1, 1]);
    let pictures = if pictures.size()[3] == side { pictures.to_kind(Kind::Float) } else { bicubic(pictures, side) };
    (pictures / 255.0 - of(ClipImage::MEAN)) / of(ClipImage::DEVIATION)
}

/// That `tower`, which the config of this artifact has, is an image tower.
pub fn image_tower(handle: &Handle<artifact::Clip>, tower: Option<Companion>) -> Result<model::ClipImage, TorchError> {
    let wrong = |problem: String| TorchError::Inconsistent { path: handle.file("config.json"), problem };
    let Some(Companion::ClipImage(config)) = tower else {
        return Err(wrong("it has no image tower, and images are to be seen".into()));
    };
    match config.check("image") {
        Ok(()) => Ok(config),
        Err(complaint) => Err(wrong(format!("`{}` {}", complaint.field, complaint.problem))),
    }
}

/// That `tower`, which the config of this artifact has, is a text tower which shares its space with such an image tower.
pub fn text_tower(
    handle: &Handle<artifact::Clip>,
    tower: Companion,
    projection: u64,
) -> Result<model::ClipText, TorchError> {
    match tower {
        Companion::ClipText(config) if config.projection == Some(projection) => Ok(config),
        _ => {
            let problem = "its two towers do not project into one space".into();
            Err(TorchError::Inconsistent { path: handle.file("config.json"), problem })
        }
    }
}

/// An image tower.
#[derive(Debug)]
pub struct ImageTower {
    network: ClipImage,
    side: i64,
    projection: u64,
    setting: Setting,
}

impl ImageTower {
    /// Reads it, to see there and in this precision.
    pub fn open(handle: &Handle<artifact::Clip>, setting: Setting) -> Result<Self, TorchError> {
        let config = image_tower(handle, read_json::<Config>(&handle.file("config.json"))?.image)?;
        let params = Params::hollow();
        let network = ClipImage::new(&params.root(), &config);
        load_at(
            &params,
            "clip-image",
            &Weights::open(&handle.file("model.safetensors"))?,
            (Kind::Float, setting.device),
        )?;
        Ok(Self { network, side: config.resolution as i64, projection: config.projection, setting })
    }

    /// Pictures u8 `[B, 3, R, R]` of any size to features `[B, W]`, which come back to the processor.
    fn see(&self, pictures: &Tensor, seen: Seen) -> Tensor {
        let images = self.setting.bring(&prepared(pictures, self.side));
        let reading = no_grad(|| precise(self.setting, || self.network.forward(&images)));
        match seen {
            Seen::Pooled => reading.pooled,
            Seen::Projected => reading.projected,
            Seen::Tokens => {
                let tokens = reading.last.to_kind(Kind::Float);
                let mean = tokens.mean_dim(1, true, Kind::Float);
                let deviation = (&tokens - &mean).square().mean_dim(1, false, Kind::Float).sqrt();
                Tensor::cat(&[mean.squeeze_dim(1), deviation], 1)
            }
        }
        .to_kind(Kind::Float)
        .to_device(Device::Cpu)
    }

    /// The first `count` pictures as features f32 `[count, W]`.
    pub fn features(&self, gallery: &Gallery, count: u64, seen: Seen) -> Tensor {
        let Ok(features) =
            in_blocks(count, |rows| Ok::<_, std::convert::Infallible>(self.see(&gallery.at(rows), seen)));
        features
    }

    /// What it does to pictures of this size before it sees them.
    pub fn preprocessing(&self, side: i64) -> String {
        let size = if side == self.side {
            "no resizing".to_owned()
        } else {
            let to = self.side;
            format!("from {side}×{side} to {to}×{to} by Pillow's bicubic filter, unrounded and held to 0 to 255")
        };
        format!("{size}; pixels to CLIP's mean and deviation")
    }
}

/// Both towers.
#[derive(Debug)]
pub struct Towers {
    /// What sees.
    pub image: ImageTower,
    text: Encoder,
    setting: Setting,
}

impl Towers {
    /// Reads them.
    pub fn open(handle: &Handle<artifact::Clip>, setting: Setting) -> Result<Self, TorchError> {
        let image = ImageTower::open(handle, setting)?;
        text_tower(handle, read_json::<Config>(&handle.file("config.json"))?.text, image.projection)?;
        Ok(Self { image, text: Encoder::open(handle, TextOutput::Last, setting)?, setting })
    }

    /// The first `count` captions of the scenes in the shared space, f32 `[count, P]`.
    pub fn read<A: Artifact>(&self, handle: &Handle<A>, scenes: &Scenes, count: u64) -> Result<Tensor, TorchError> {
        let (names, length) = (words(handle)?, scenes.caption_length() as i64);
        in_blocks(count, |rows| {
            let rows = Tensor::from_slice(rows);
            let (captions, texts) = (scenes.captions(&rows, length), scenes.texts(&rows, None)?);
            Ok(precise(self.setting, || self.text.read(&captions, &names, texts))?.pooled.to_kind(Kind::Float))
        })
    }
}
