//! Frozen CLIP towers: what they see and read.

use isoflop_contract::Handle;
use isoflop_kinds::{artifact, encode::TextOutput, head::Seen, model::Companion};
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
        let path = handle.file("config.json");
        let config: Config = read_json(&path)?;
        let wrong = |problem: String| TorchError::Inconsistent { path: path.clone(), problem };
        let Some(Companion::ClipImage(config)) = config.image else {
            return Err(wrong("it has no image tower, which scores of images want".into()));
        };
        if let Err(complaint) = config.check("image") {
            return Err(wrong(format!("`{}` {}", complaint.field, complaint.problem)));
        }
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
        let of = |numbers: [f64; 3]| Tensor::from_slice(&numbers).to_kind(Kind::Float).view([1, 3, 1, 1]);
        let pictures =
            if pictures.size()[3] == self.side { pictures.to_kind(Kind::Float) } else { bicubic(pictures, self.side) };
        let images = (pictures / 255.0 - of(ClipImage::MEAN)) / of(ClipImage::DEVIATION);
        let images = self.setting.bring(&images);
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
        let path = handle.file("config.json");
        let shared = match read_json::<Config>(&path)?.text {
            Companion::ClipText(config) => config.projection == Some(image.projection),
            _ => false,
        };
        if !shared {
            let problem = "its two towers do not project into one space".into();
            return Err(TorchError::Inconsistent { path, problem });
        }
        Ok(Self { image, text: Encoder::open(handle, TextOutput::Last, setting)?, setting })
    }

    /// The first `count` captions of the scenes in the shared space, f32 `[count, P]`.
    pub fn read(&self, handle: &Handle<artifact::Scenes>, scenes: &Scenes, count: u64) -> Result<Tensor, TorchError> {
        let (names, length) = (words(handle)?, scenes.caption_length() as i64);
        in_blocks(count, |rows| {
            let captions = scenes.captions(&Tensor::from_slice(rows), length);
            Ok(precise(self.setting, || self.text.read(&captions, &names, None))?.pooled.to_kind(Kind::Float))
        })
    }
}
