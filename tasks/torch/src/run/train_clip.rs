//! The body of `train-clip`.

use isoflop_contract::Kind as _;
use isoflop_kinds::{
    clip::{Needs, TrainClip},
    model::Companion,
    train::Decays,
};
use isoflop_worker::{Context, Halt, Made};
use tch::{Device, Kind, Tensor, no_grad};

use super::{
    encoder::{Config, sentences, words},
    latent::rows,
    plain::{leave, recipe},
    settle::settle,
};
use crate::{
    data::{Order, Scenes, write_json},
    error::TorchError,
    models::{Clip, ClipImage},
    nn::{Params, Setting},
    parallel::team::Team,
    train::{Objective, train},
};

/// Of so many held-out captions each image is to find its own.
const AMONG: u64 = 64;
/// The inverse temperature at first.
const SHARPNESS: f64 = 1.0 / 0.07;

/// Images in [-1, 1] as the image tower wants them.
fn seen(images: &Tensor) -> Tensor {
    let of = |numbers: [f64; 3]| {
        Tensor::from_slice(&numbers).to_kind(Kind::Float).view([1, 3, 1, 1]).to_device(images.device())
    };
    ((images + 1.0) * 0.5 - of(ClipImage::MEAN)) / of(ClipImage::DEVIATION)
}

/// Scenes as pairs.
struct Pairs {
    scenes: Scenes,
    ids: Tensor,
    setting: Setting,
}

impl Pairs {
    fn new(scenes: Scenes, spec: &TrainClip, setting: Setting) -> Result<Self, TorchError> {
        let every = Tensor::arange(scenes.len() as i64, (Kind::Int64, Device::Cpu));
        let captions = scenes.captions(&every, scenes.caption_length() as i64);
        Ok(Self { ids: sentences(&captions, spec.vocabulary - 1, spec.tokens)?, scenes, setting })
    }

    /// Images, token numbers, and which captions read the same as which: `[B, B]` of ones and zeros.
    fn batch(&self, rows: &Tensor) -> (Tensor, Tensor, Tensor) {
        let ids = self.ids.index_select(0, rows);
        let same = ids.unsqueeze(0).eq_tensor(&ids.unsqueeze(1)).all_dim(2, false).to_kind(Kind::Float);
        let bring = |tensor: Tensor| self.setting.bring(&tensor);
        (bring(self.scenes.images(rows)), bring(ids), bring(same))
    }
}

/// Which caption belongs to which image, and the other way round.
struct Matching<'a> {
    towers: &'a Clip,
    data: &'a Pairs,
    heldout: &'a Pairs,
    order: Order,
    batch: u64,
}

impl Objective for Matching<'_> {
    fn given(&self, step: u64, _part: u64) -> Result<Vec<Tensor>, TorchError> {
        let (images, ids, same) = self.data.batch(&self.order.rows(step, self.batch));
        Ok(vec![images, ids, same])
    }

    fn loss(&self, given: &[Tensor]) -> Tensor {
        let [images, ids, same] = given else { unreachable!("`given` gives three") };
        let (seen, read) = (self.towers.see(&seen(images)), self.towers.read(ids));
        let scores = seen.matmul(&read.tr()) * self.towers.sharpness();
        let wanted = same / same.sum_dim_intlist(1_i64, true, None::<Kind>); // symmetric but for its rows' sums
        let one_way = |scores: Tensor| -(scores.log_softmax(1, Kind::Float) * &wanted).sum(Kind::Float);
        (one_way(scores.shallow_clone()) + one_way(scores.tr())) / (2.0 * self.batch as f64)
    }

    const MEASURE: &'static str = "heldout_retrieval";

    fn evaluate(&self, _: u64) -> f64 {
        examine(self.towers, self.heldout).retrieval
    }
}

/// How two towers agree on held-out scenes.
struct Findings {
    /// Share of images that find a caption that reads like their own among those of their group.
    retrieval: f64,
    /// Mean cosine of an image and its caption.
    own: f64,
    /// Mean cosine of an image and the next one's caption in its group.
    other: f64,
}

fn examine(towers: &Clip, pairs: &Pairs) -> Findings {
    let mut found = Findings { retrieval: 0.0, own: 0.0, other: 0.0 };
    let total = pairs.scenes.len() as f64;
    for rows in rows(pairs.scenes.len(), AMONG) {
        let (images, ids, same) = pairs.batch(&rows);
        let (seen, read) = (towers.see(&seen(&images)), towers.read(&ids));
        let sum = |tensor: &Tensor| tensor.sum(Kind::Double).double_value(&[]);
        let best = seen.matmul(&read.tr()).argmax(1, true);
        found.retrieval += sum(&same.gather(1, &best, false)) / total;
        found.own += sum(&(&seen * &read)) / total;
        found.other += sum(&(&seen * read.roll([1], [0]))) / total;
    }
    found
}

/// Trains two towers.
pub fn run(spec: TrainClip, needs: Needs, context: &mut Context) -> Result<Made, Halt> {
    let setting = settle(context)?;
    let team = Team::assemble(context, 1, setting.device)?; // a batch is one part
    let seed = context.seed()?;
    let names = words(&needs.data)?;
    if names != words(&needs.heldout)? {
        return Err("`data` and `heldout` do not number their words alike".into());
    }
    let room = spec.vocabulary - 1; // the last number ends a caption
    if names.len() as u64 > room {
        let problem = format!("scenes have {} words and `vocabulary` has room for {room} beside the end", names.len());
        return Err(TorchError::Mismatch(problem).into());
    }
    let read = |handle, name: &str| -> Result<Pairs, TorchError> {
        let scenes = Scenes::read(handle)?;
        if scenes.resolution() != spec.resolution {
            let (side, wanted) = (scenes.resolution(), spec.resolution);
            let problem = format!("the images of `{name}` are {side}×{side} and `resolution` is {wanted}");
            return Err(TorchError::Mismatch(problem));
        }
        Pairs::new(scenes, &spec, setting)
    };
    let (data, heldout) = (read(&needs.data, "data")?, read(&needs.heldout, "heldout")?);

    let params = Params::on(setting.device, seed.stream("init", 0));
    let (text, image) = (spec.text(), spec.image());
    let towers = Clip::new(&params.root(), &text, &image);
    towers.sharpen(SHARPNESS);
    let objective = Matching {
        towers: &towers,
        data: &data,
        heldout: &heldout,
        order: Order::new(seed, data.scenes.len()),
        batch: spec.batch,
    };
    let Some(outcome) = train(&params, &recipe(&spec.plain(), Decays::Matrices, setting), &objective, &team, context)?
    else {
        return Ok(Made::new());
    };

    let found = no_grad(|| examine(&towers, &heldout));
    let config = Config {
        text: Companion::ClipText(text),
        image: Some(Companion::ClipImage(image)),
        words: Some(names),
        convention: None,
    };
    write_json(&context.out("config.json"), &config)?;
    let made = leave(context, (&params, &outcome, "heldout_retrieval"), (&spec.plain(), &spec.cost()))?;
    Ok(made
        .scalar("retrieval", found.retrieval)?
        .scalar("cosine", found.own)?
        .scalar("cosine_of_others", found.other)?)
}
