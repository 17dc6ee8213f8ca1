//! What a denoiser learns from, and is measured on: images or their latents, and what is said of them, in words or as a frozen encoder read it, beforehand or as
//! they come.
//!
//! Where an example lies is arithmetic, so loaders read any of them ahead. To add another view of images: its columns here, and [`Space::clean`].

use std::{path::PathBuf, rc::Rc, sync::Arc};

use isoflop_contract::{Artifact, Digest, Handle};
use isoflop_kinds::{artifact, encode::TextOutput, model};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::{
    encode_text,
    encoder::words,
    latent,
    live::Live,
    mixing::{Mixed, Mixing},
};
use crate::{
    data::{Portions, Rows, Scenes, Source, read_json, read_tensors, unit},
    error::TorchError,
    models::{Reading, Said},
};

/// Captions that a frozen encoder reads together where it reads those of held-out images.
const READ: u64 = 64;

/// Whose latents a denoiser was trained on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// The autoencoder's artifact.
    pub vae: Digest,
    /// What latents are multiplied by.
    pub scaling_factor: f64,
}

/// Whose reading of captions a denoiser was trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reader {
    /// The text encoder's artifact.
    pub text: Digest,
    /// Which of its outputs.
    pub output: TextOutput,
}

/// What is denoised: pixels or latents, in patches.
#[derive(Debug, Clone, Copy)]
pub struct Space {
    pub patch: i64,
    pub scale: Option<Scale>,
}

impl Space {
    /// What a denoiser sees of examples without noise, `[B, C, S, S]`. Latents are drawn with the normal numbers that `draw` makes of their size.
    pub fn clean(&self, views: &[Tensor], draw: impl FnOnce(&[i64]) -> Tensor) -> Tensor {
        let whole = match self.scale {
            None => unit(&views[0]),
            Some(scale) => {
                let (mean, deviation) = (views[0].to_kind(Kind::Float), views[1].to_kind(Kind::Float));
                (&mean + deviation * draw(&mean.size())) * scale.scaling_factor
            }
        };
        whole.pixel_unshuffle(self.patch)
    }
}

/// Frozen texts where they lie: each image's own caption, and its synthetic ones.
#[derive(Debug)]
struct Texts {
    own: Rows,
    synthetic: Option<(Rows, i64)>,
}

/// Examples where they lie.
#[derive(Debug)]
pub struct Lying {
    views: Rows,
    texts: Option<Texts>,
}

/// Some examples: their images or latents, and their frozen texts.
pub type Portion = (Vec<Tensor>, Option<Reading>);

impl Lying {
    /// Captions that an image is numbered with.
    fn each(&self) -> i64 {
        1 + self.texts.as_ref().and_then(|texts| texts.synthetic.as_ref()).map_or(0, |(_, count)| *count)
    }
}

/// Numbers are `image · each + caption`, where caption 0 is the image's own.
impl Source for Arc<Lying> {
    type Portion = Portion;

    fn read(&self, numbers: &[i64]) -> Result<Portion, TorchError> {
        let each = self.each();
        let rows: Vec<i64> = numbers.iter().map(|number| number / each).collect();
        let views = self.views.read(&rows)?;
        let text = self.texts.as_ref().map(|texts| {
            let column = |column: usize| {
                let of = |number: &i64| match (number % each, &texts.synthetic) {
                    (caption, Some((synthetic, count))) if caption > 0 => {
                        synthetic.row(column, (number / each * count + caption - 1) as u64)
                    }
                    _ => texts.own.row(column, (number / each) as u64),
                };
                texts.own.columns()[column].tensor(numbers.iter().map(of))
            };
            Reading::of([column(0), column(1), column(2)])
        });
        Ok((views, text))
    }
}

/// What is fed for one set.
pub struct Fed<'a> {
    /// As in `data`.
    pub name: &'a str,
    pub data: &'a Handle<artifact::Set>,
    pub latents: Option<&'a Handle<artifact::Latents>>,
    pub text: Option<&'a Handle<artifact::Texts>>,
    /// What reads captions as they come, where no text is fed.
    pub live: Option<&'a Rc<Live>>,
}

/// One set.
#[derive(Debug)]
pub struct Examples {
    /// Its captions.
    pub scenes: Scenes,
    pub space: Space,
    pub lying: Arc<Lying>,
    /// Whose reading its frozen texts are, and the empty caption as it was read.
    frozen: Option<(Reader, Reading)>,
    /// What reads its captions as they come, and the names of their words.
    live: Option<(Rc<Live>, Vec<String>)>,
    /// Words that captions are filled up to.
    length: i64,
}

impl Examples {
    /// Opens what is fed, and refuses what does not fit the model.
    pub fn open(fed: &Fed<'_>, config: &model::Denoiser) -> Result<Self, TorchError> {
        let scenes = Scenes::read_captions(fed.data)?;
        let (views, scale) = views(fed, config)?;
        if views.len() != scenes.len() {
            return Err(wrong(format!("`{}` has {} captions for {} images", fed.name, scenes.len(), views.len())));
        }
        let (mut texts, mut frozen, mut live, mut length) = (None, None, None, config.tokens());
        match (config.frozen_text, fed.live) {
            (Some(said), Some(there)) => {
                let names = words(fed.data)?;
                frozen = Some((there.identity, there.nothing(said, &names)?));
                (live, length) = (Some((Rc::clone(there), names)), scenes.caption_length());
            }
            (Some(said), None) => {
                let (rows, reader, empty) = frozen_texts(fed, said, scenes.len())?;
                (texts, frozen) = (Some(rows), Some((reader, empty)));
            }
            (None, _) if fed.text.is_some() => {
                let name = port("text", fed);
                return Err(wrong(format!("an encoder is trained, and the port `{name}` is fed frozen text")));
            }
            (None, _) => readable(config, &scenes, fed.name)?,
        }
        let space = Space { patch: config.patch as i64, scale };
        let lying = Arc::new(Lying { views, texts });
        Ok(Self { scenes, space, lying, frozen, live, length: length as i64 })
    }

    /// Whose reading of captions these are.
    pub fn reader(&self) -> Option<Reader> {
        self.frozen.as_ref().map(|(reader, _)| *reader)
    }

    /// The empty caption, as a frozen encoder read it.
    pub fn empty(&self) -> Option<Reading> {
        self.frozen.as_ref().map(|(_, empty)| empty.map(Tensor::shallow_clone))
    }

    /// How many synthetic captions of an image there are to choose from.
    pub fn synthetic(&self) -> Option<i64> {
        match &self.lying.texts {
            Some(texts) => texts.synthetic.as_ref().map(|(_, count)| *count),
            None => self.scenes.synthetic(),
        }
    }

    /// The order in which a loader reads: captions are mixed by it where they lie with their images.
    pub fn sequence(&self, portions: Portions, mixing: Option<Mixing>) -> Mixed {
        let mixing = mixing.filter(|_| self.lying.texts.is_some());
        Mixed { portions, mixing, each: self.lying.each() }
    }

    /// The words of these rows, with synthetic captions in the places that `picks` names.
    fn words(&self, rows: &Tensor, picks: Option<&[i64]>) -> Tensor {
        let own = self.scenes.captions(rows, self.length);
        let Some(picks) = picks else { return own };
        let picks = Tensor::from_slice(picks);
        let written = self.scenes.written(rows, &(&picks - 1).clamp_min(0), self.length);
        written.where_self(&picks.gt(0).unsqueeze(1), &own)
    }

    /// What is said of these rows, with synthetic captions in the places that `picks` names: in words, or as an encoder reads them now, where that is.
    pub fn said(&self, rows: &Tensor, picks: Option<&[i64]>) -> Result<Said, TorchError> {
        let words = self.words(rows, picks);
        let Some((live, names)) = &self.live else { return Ok(Said::Words(words)) };
        let which = picks.map(|picks| Tensor::from_slice(picks) - 1);
        Ok(Said::Read(live.read(&words, names, self.scenes.texts(rows, which.as_ref())?)?))
    }

    /// Whether an encoder reads captions as they come.
    pub fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// The first `count`: images or latents, and what their own captions say.
    pub fn first(&self, count: i64) -> Result<(Vec<Tensor>, Said), TorchError> {
        let rows: Vec<i64> = (0..count).collect();
        let numbers: Vec<i64> = rows.iter().map(|row| row * self.lying.each()).collect();
        let (views, text) = self.lying.read(&numbers)?;
        let said = match text {
            Some(read) => Said::Read(read),
            None if self.is_live() => {
                let parts: Result<Vec<Said>, TorchError> =
                    latent::rows(count as u64, READ).map(|rows| self.said(&rows, None)).collect();
                Said::join(parts?.into_iter().map(|said| said.map(|tensor| tensor.to_device(Device::Cpu))))
            }
            None => self.said(&Tensor::from_slice(&rows), None)?,
        };
        Ok((views, said))
    }
}

fn wrong(problem: String) -> TorchError {
    TorchError::Mismatch(problem)
}

/// That what was made of a set was made of this one.
fn same(port: &str, of: Digest, fed: &Fed<'_>) -> Result<(), TorchError> {
    if of == fed.data.digest() {
        Ok(())
    } else {
        Err(wrong(format!("what is fed to `{port}` was not made of `{}`", fed.name)))
    }
}

/// The name of the port beside that of the set.
fn port(name: &str, fed: &Fed<'_>) -> String {
    if fed.name == "data" { name.to_owned() } else { format!("{}_{name}", fed.name) }
}

fn files<A: Artifact>(handle: &Handle<A>, shards: &[super::shards::Shard]) -> Vec<PathBuf> {
    shards.iter().map(|shard| handle.file(&shard.file)).collect()
}

/// Images or latents.
fn views(fed: &Fed<'_>, config: &model::Denoiser) -> Result<(Rows, Option<Scale>), TorchError> {
    let (name, resolution) = (port("latents", fed), config.resolution);
    match (config.latent, fed.latents) {
        (None, None) => {
            let views = Scenes::rows(fed.data)?;
            pictured(config, views.columns().first().map_or(&[][..], |column| column.shape.as_slice()), fed.name)?;
            Ok((views, None))
        }
        (Some(wanted), Some(handle)) => {
            let there: latent::Config = read_json(&handle.file("config.json"))?;
            same(&name, there.data, fed)?;
            if there.resolution != resolution {
                let side = there.resolution;
                return Err(wrong(format!("`{name}` are of images of {side}×{side} and `resolution` is {resolution}")));
            }
            let views = Rows::open(&files(handle, &there.shards), &["mean", "deviation"])?;
            let side = (resolution / wanted.shrink) as i64;
            let shape = [wanted.channels as i64, side, side];
            if let Some(column) = views.columns().iter().find(|column| column.shape != shape) {
                let shapes = (&column.shape, &shape);
                return Err(wrong(format!("`{name}` are {:?} each, and `latent` says {:?}", shapes.0, shapes.1)));
            }
            Ok((views, Some(Scale { vae: there.vae, scaling_factor: there.scaling_factor })))
        }
        (Some(_), None) => Err(wrong(format!("latents are denoised, and the port `{name}` is fed nothing"))),
        (None, Some(_)) => Err(wrong(format!("pixels are denoised, and the port `{name}` is fed latents"))),
    }
}

/// Whether images fit the model.
fn pictured(config: &model::Denoiser, shape: &[i64], name: &str) -> Result<(), TorchError> {
    let &[3, side, wide] = shape else {
        return Err(wrong(format!("the images of `{name}` are not of three channels")));
    };
    if side != wide || side as u64 != config.resolution {
        let wanted = config.resolution;
        return Err(wrong(format!("the images of `{name}` are {side}×{wide} and `resolution` is {wanted}")));
    }
    Ok(())
}

/// Whether the model's own text encoder can read the captions.
pub fn readable(config: &model::Denoiser, scenes: &Scenes, name: &str) -> Result<(), TorchError> {
    if scenes.words() > config.text.vocabulary {
        let (there, known) = (scenes.words(), config.text.vocabulary);
        return Err(wrong(format!("`{name}` uses {there} words and `text.vocabulary` is {known}")));
    }
    if scenes.caption_length() > config.text.tokens {
        let (there, known) = (scenes.caption_length(), config.text.tokens);
        return Err(wrong(format!("captions of `{name}` have up to {there} words and `text.tokens` is {known}")));
    }
    Ok(())
}

/// Frozen texts of `count` images.
fn frozen_texts(fed: &Fed<'_>, frozen: model::FrozenText, count: u64) -> Result<(Texts, Reader, Reading), TorchError> {
    let name = port("text", fed);
    let handle = fed.text.ok_or_else(|| wrong(format!("frozen text is read, and the port `{name}` is fed nothing")))?;
    let config: encode_text::Config = read_json(&handle.file("config.json"))?;
    same(&name, config.data, fed)?;
    let open = |shards: &[super::shards::Shard], each: u64| {
        let rows = Rows::open(&files(handle, shards), &Reading::NAMES)?;
        if rows.len() == count * each {
            Ok(rows)
        } else {
            Err(wrong(format!("`{name}` has {} captions for {count} images of {each} each", rows.len())))
        }
    };
    let own = open(&config.shards, 1)?;
    let synthetic = match &config.synthetic {
        None => None,
        Some(more) => Some((open(&more.shards, more.count)?, more.count as i64)),
    };
    if synthetic.as_ref().is_some_and(|(rows, _)| rows.columns() != own.columns()) {
        return Err(wrong(format!("synthetic captions of `{name}` are not of the shapes of the others")));
    }
    let [tokens, width] = [frozen.tokens, frozen.width].map(|n| n as i64);
    if let Some(column) = own.columns().first().filter(|column| column.shape != [tokens, width]) {
        let shape = &column.shape;
        return Err(wrong(format!("`{name}` are {shape:?} each, and `frozen_text` says [{tokens}, {width}]")));
    }
    if let (Some(pooled), Some(column)) = (frozen.pooled, own.columns().get(1))
        && column.shape != [pooled as i64]
    {
        let shape = &column.shape;
        return Err(wrong(format!(
            "texts of `{name}` as a whole are {shape:?}, and `frozen_text.pooled` says {pooled}"
        )));
    }
    let path = handle.file("empty.safetensors");
    let mut empty = read_tensors(&path)?;
    let mut take = |name: &'static str| {
        empty.remove(name).ok_or(TorchError::NoTensor { path: path.clone(), name, wanted: "one row" })
    };
    let [a, b, c] = Reading::NAMES;
    let empty = Reading::of([take(a)?, take(b)?, take(c)?]);
    Ok((Texts { own, synthetic }, Reader { text: config.text, output: config.output }, empty))
}
