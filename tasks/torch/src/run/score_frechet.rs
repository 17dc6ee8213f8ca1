//! The body of `score-frechet`.

use isoflop_kinds::{
    model::Companion,
    score::{FrechetNeeds, ScoreFrechet},
};
use isoflop_worker::{Context, Halt, Interrupted, Made};
use tch::{Device, Kind, Tensor, no_grad};

use super::{examine::load, record::Record, settle::settle, towers::ImageTower};
use crate::{
    data::{Gallery, bicubic, read_json, unit},
    error::TorchError,
    metrics::{Interval, Reference, Scored, extrapolated, in_blocks, kernel_distance, kernel_distances, resamples},
    models::{Inception, Vqa},
    nn::{Params, Setting, precise},
    weights::{Weights, load_at as load_weights},
};

/// The fewest images that distances are extrapolated from.
const FEWEST: u64 = 10;

/// What turns pictures into features.
enum Network {
    Clip(Box<ImageTower>),
    Vqa(Box<Vqa>, i64),
    Inception(Inception, &'static str),
}

impl Network {
    fn open(needs: &FrechetNeeds, setting: Setting) -> Result<Self, TorchError> {
        match (&needs.clip, &needs.vqa, &needs.inception) {
            (Some(clip), None, None) => Ok(Self::Clip(Box::new(ImageTower::open(clip, setting)?))),
            (None, Some(vqa), None) => {
                let (config, network) = load(vqa, setting)?;
                Ok(Self::Vqa(Box::new(network), config.world.resolution))
            }
            (None, None, Some(handle)) => {
                let path = handle.file("config.json");
                let config = match read_json(&path)? {
                    Companion::Inception(config) => config,
                    other => {
                        let problem = format!("it is the config of a {}, and an inception is wanted", other.family());
                        return Err(TorchError::Inconsistent { path, problem });
                    }
                };
                let params = Params::hollow();
                let network = Inception::new(&params.root(), &config);
                let weights = Weights::open(&handle.file("model.safetensors"))?;
                load_weights(&params, "inception", &weights, (Kind::Float, setting.device))?;
                Ok(Self::Inception(network, config.resize.about()))
            }
            _ => Err(TorchError::Mismatch("feed exactly one of `clip`, `vqa` or `inception`".into())),
        }
    }

    /// All pictures as features, f32 `[N, D]`.
    fn features(&self, spec: &ScoreFrechet, gallery: &Gallery, setting: Setting) -> Tensor {
        let in_blocks = |see: &dyn Fn(&Tensor) -> Tensor| {
            let see = |rows: &[i64]| {
                let pictures = gallery.at(rows);
                let seen = no_grad(|| precise(setting, || see(&pictures)));
                Ok::<_, std::convert::Infallible>(seen.to_kind(Kind::Float).to_device(Device::Cpu))
            };
            let Ok(features) = in_blocks(gallery.len(), see);
            features
        };
        match self {
            Self::Clip(tower) => tower.features(gallery, gallery.len(), spec.features),
            Self::Vqa(network, side) => in_blocks(&|pictures| {
                let same = pictures.size()[3] == *side;
                let images = if same { unit(pictures) } else { bicubic(pictures, *side) / 127.5 - 1.0 };
                network.look(&setting.bring(&images)).whole()
            }),
            Self::Inception(network, _) => in_blocks(&|pictures| network.features(pictures)),
        }
    }

    fn preprocessing(&self, side: i64) -> String {
        match self {
            Self::Clip(tower) => tower.preprocessing(side),
            Self::Vqa(_, own) if *own == side => "no resizing; pixels to [-1, 1]".to_owned(),
            Self::Vqa(_, own) => {
                format!("from {side}×{side} to {own}×{own} by Pillow's bicubic filter, unrounded; pixels to [-1, 1]")
            }
            Self::Inception(_, how) => format!("to 299×299, {how}; pixels to about [-1, 1]"),
        }
    }
}

/// The images, and what they are compared with.
fn galleries(needs: &FrechetNeeds) -> Result<(Gallery, Gallery), TorchError> {
    let images = match (&needs.images, &needs.data, &needs.pictures) {
        (Some(images), None, None) => Gallery::images(images)?,
        (None, Some(scenes), None) => Gallery::scenes(scenes)?,
        (None, None, Some(pictures)) => Gallery::pictures(pictures)?,
        _ => return Err(TorchError::Mismatch("feed exactly one of `images`, `data` or `pictures`".into())),
    };
    let reference = match (&needs.reference, &needs.reference_pictures) {
        (Some(scenes), None) => Gallery::scenes(scenes)?,
        (None, Some(pictures)) => Gallery::pictures(pictures)?,
        _ => return Err(TorchError::Mismatch("feed exactly one of `reference` or `reference_pictures`".into())),
    };
    Ok((images, reference))
}

/// Measures distances.
pub fn run(spec: ScoreFrechet, needs: FrechetNeeds, context: &mut Context) -> Result<Made, Halt> {
    let setting = settle(context)?;
    let network = Network::open(&needs, setting)?;
    let (images, reference) = galleries(&needs)?;
    let fewest = if spec.endless { FEWEST } else { 2 };
    for (what, count, fewest) in [("images", images.len(), fewest), ("reference images", reference.len(), 2)] {
        if count < fewest {
            let problem = format!("a distance of sets wants {fewest} {what} or more, and there are {count}");
            return Err(TorchError::Mismatch(problem).into());
        }
    }
    let features = network.features(&spec, &images, setting);
    let references = network.features(&spec, &reference, setting);

    let (count, gaussian) = (images.len() as usize, Reference::of(&references));
    let (mut plain, mut endless, mut times) = (Vec::new(), Vec::new(), vec![0.0; count * spec.bootstrap as usize]);
    for (draw, drawn) in resamples(count, spec.bootstrap).enumerate() {
        if context.should_stop() {
            return Err(Interrupted.into());
        }
        for &row in &drawn {
            times[draw * count + row] += 1.0;
        }
        let rows: Vec<i64> = drawn.iter().map(|&row| row as i64).collect();
        let drawn = features.index_select(0, &Tensor::from_slice(&rows));
        plain.push(gaussian.frechet(&drawn));
        if spec.endless {
            endless.push(extrapolated(&drawn, &gaussian));
        }
        context.progress(draw as u64 + 1, spec.bootstrap);
    }
    let times = Tensor::from_slice(&times).view([spec.bootstrap as i64, count as i64]);
    let kernels = kernel_distances(&features, &references, &times);

    let scored = |name: &str, value: f64, resampled: Vec<f64>| {
        let interval = Interval::around(value, resampled, spec.level).expect("there are resamples");
        Scored::new(name, value, interval, count)
    };
    let definition = "Fréchet distance of Gaussians fitted to features (arXiv 1706.08500), exact root; unbiased cubic kernel distance (arXiv 1801.01401); endless: \
        the line in 1/N at zero (arXiv 1911.07023); resamples of the images moved to the value";
    let mut record = Record::new("frechet", definition, &network.preprocessing(images.side()), spec.resampling())
        .maybe_of("images", needs.images.as_ref())
        .maybe_of("data", needs.data.as_ref())
        .maybe_of("pictures", needs.pictures.as_ref())
        .maybe_of("reference", needs.reference.as_ref())
        .maybe_of("reference_pictures", needs.reference_pictures.as_ref())
        .maybe_of("clip", needs.clip.as_ref())
        .maybe_of("vqa", needs.vqa.as_ref())
        .maybe_of("inception", needs.inception.as_ref())
        .score(scored("frechet", gaussian.frechet(&features), plain))
        .score(scored("kernel_distance", kernel_distance(&features, &references), kernels));
    if spec.endless {
        record = record.score(scored("frechet_endless", extrapolated(&features, &gaussian), endless));
    }
    let record = record
        .beside("scored_images", count as f64)
        .beside("reference_images", reference.len() as f64)
        .beside("features", features.size()[1] as f64);
    let made = record.leave(context)?;
    Ok(match &needs.images {
        Some(images) => made.inherit(images),
        None => made,
    })
}
