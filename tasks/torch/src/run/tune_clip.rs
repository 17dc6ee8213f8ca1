//! The body of `tune-clip`.

use std::{collections::BTreeMap, fs};

use isoflop_contract::{Handle, Seed};
use isoflop_kinds::{
    artifact, model,
    train::Decays,
    tune::{Frozen, Needs, TuneClip},
};
use isoflop_worker::{Context, Halt, Made};
use tch::{Device, Kind, Tensor, no_grad};

use super::{
    encoder::{Config, Reader, words},
    pairs::{Captions, Margins},
    plain::{leave_head, recipe},
    settle::settle,
    towers::{image_tower, prepared, text_tower},
};
use crate::{
    data::{Gallery, Order, Scenes, read_json, write_bytes, write_json},
    error::TorchError,
    metrics::{in_blocks, preference_loss},
    models::{Clip, ClipImage, ClipText},
    nn::{Params, Setting, precise},
    parallel::team::Team,
    train::{Objective, train},
    weights::{Weights, load},
};

/// Towers where others left them.
struct Begun {
    config: Config,
    text: model::ClipText,
    image: model::ClipImage,
    reader: Reader,
    numbers: BTreeMap<String, Tensor>,
}

impl Begun {
    fn open(handle: &Handle<artifact::Clip>, frozen: Frozen) -> Result<Self, TorchError> {
        let path = handle.file("config.json");
        let config: Config = read_json(&path)?;
        let image = image_tower(handle, config.image.clone())?;
        let text = text_tower(handle, config.text.clone(), image.projection)?;
        if let Err(complaint) = text.check("text") {
            let problem = format!("`{}` {}", complaint.field, complaint.problem);
            return Err(TorchError::Inconsistent { path, problem });
        }
        if !text.logit_scale {
            let problem =
                "its text tower has no `logit_scale`: cosines are told apart at CLIP's own temperature".into();
            return Err(TorchError::Inconsistent { path, problem });
        }
        for (name, frozen, there) in
            [("text", frozen.text, text.tower.layers), ("image", frozen.image, image.tower.layers)]
        {
            if frozen > there {
                let problem = format!("`frozen.{name}` is {frozen}, and that tower of `clip` has {there} layers");
                return Err(TorchError::Mismatch(problem));
            }
        }
        let weights = Weights::open(&handle.file("model.safetensors"))?;
        let (read, seen) = (Params::hollow(), Params::hollow());
        let _ = (ClipText::new(&read.root(), &text), ClipImage::new(&seen.root(), &image));
        load(&read, "clip-text", &weights)?;
        load(&seen, "clip-image", &weights)?;
        let numbers = read.state().into_iter().chain(seen.state()).collect();
        Ok(Self { reader: Reader::open(handle, &config, text.tokens)?, config, text, image, numbers })
    }
}

/// Scenes as pairs.
struct Pairs {
    captions: Captions,
    ids: Tensor,
    right: Gallery,
    worse: Option<Gallery>,
}

impl Pairs {
    fn read(
        begun: &Begun,
        scenes: &Handle<artifact::Scenes>,
        worse: Option<&Handle<artifact::Scenes>>,
        ports: (&str, &str),
    ) -> Result<Self, TorchError> {
        let there = Scenes::read(scenes)?;
        let twins = worse.map(Scenes::read).transpose()?;
        let every = Tensor::arange(there.len() as i64, (Kind::Int64, Device::Cpu));
        let captions = there.captions(&every, there.caption_length() as i64);
        Ok(Self {
            captions: Captions::of(&there, twins.as_ref(), ports)?,
            ids: begun.reader.number(&captions, &words(scenes)?, None, Some(&begun.text))?.0,
            right: Gallery::scenes(scenes)?,
            worse: worse.map(Gallery::scenes).transpose()?,
        })
    }
}

/// See the right image nearer to its caption than a worse one.
struct Preferring<'a> {
    clip: &'a Clip,
    side: i64,
    data: &'a Pairs,
    heldout: &'a Pairs,
    order: Order,
    seed: Seed,
    batch: u64,
    rivals: u64,
    setting: Setting,
}

impl Preferring<'_> {
    /// Held-out pairs as the towers see them.
    fn examine(&self) -> Margins {
        let Pairs { captions, ids, right, worse } = self.heldout;
        let directions = |of: &dyn Fn(&[i64]) -> Tensor| {
            let home = |rows: &[i64]| of(rows).to_device(Device::Cpu).to_kind(Kind::Double);
            let Ok(all) = in_blocks(captions.len(), |rows| Ok::<_, std::convert::Infallible>(home(rows)));
            all
        };
        let see = |gallery: &Gallery| {
            directions(&|rows| self.clip.see(&self.setting.bring(&prepared(&gallery.at(rows), self.side))))
        };
        let read =
            directions(&|rows| self.clip.read(&self.setting.bring(&ids.index_select(0, &Tensor::from_slice(rows)))));
        let cosines = |seen: &Tensor| -> Vec<f64> {
            Vec::try_from((seen * &read).sum_dim_intlist(1_i64, false, Kind::Double)).expect("one dimension of f64")
        };
        let rivals = Tensor::from_slice(&captions.heldout_rivals(self.seed, self.rivals));
        let own = see(right);
        let degraded = worse.as_ref().map(|worse| cosines(&see(worse))).unwrap_or_default();
        Margins::between(&cosines(&own), &cosines(&own.index_select(0, &rivals)), &degraded)
    }
}

impl Objective for Preferring<'_> {
    fn given(&self, step: u64, _part: u64) -> Result<Vec<Tensor>, TorchError> {
        let Pairs { captions, ids, right, worse } = self.data;
        let rows = self.order.batch(step, self.batch);
        let rivals = captions.rivals(self.seed, step, &rows, self.rivals);
        // Every other worse image is the same scene degraded, where there are such.
        let other = |(i, (&row, &rival)): (usize, (&i64, &i64))| match worse {
            Some(worse) if i % 2 == 1 => worse.at(&[row]),
            _ => right.at(&[rival]),
        };
        let pictures: Vec<Tensor> =
            std::iter::once(right.at(&rows)).chain(rows.iter().zip(&rivals).enumerate().map(other)).collect();
        let images = prepared(&Tensor::cat(&pictures, 0), self.side);
        let ids = ids.index_select(0, &Tensor::from_slice(&rows));
        Ok(vec![self.setting.bring(&ids), self.setting.bring(&images)])
    }

    fn loss(&self, given: &[Tensor]) -> Tensor {
        let [ids, images] = given else { unreachable!("`given` gives two") };
        let (seen, read) = (self.clip.see(images), self.clip.read(ids));
        let cosines = (seen.view([2, self.batch as i64, -1]) * read).sum_dim_intlist(2_i64, false, Kind::Float);
        // The cross-entropy of two is the pairwise loss of their difference.
        preference_loss(&((cosines.get(0) - cosines.get(1)) * self.clip.sharpness()))
    }

    const REPEATS: bool = true;

    const MEASURE: &'static str = "heldout_accuracy";

    fn evaluate(&self, _: u64) -> f64 {
        self.examine().accuracy()
    }
}

/// Trains two towers on.
pub fn run(spec: TuneClip, needs: Needs, context: &mut Context) -> Result<Made, Halt> {
    let setting = settle(context)?;
    let team = Team::assemble(context, 1, setting.device)?; // a batch is one part
    let seed = context.seed()?;
    let begun = Begun::open(&needs.clip, spec.frozen)?;
    let data = Pairs::read(&begun, &needs.data, needs.worse.as_ref(), ("data", "worse"))?;
    let heldout = Pairs::read(&begun, &needs.heldout, needs.heldout_worse.as_ref(), ("heldout", "heldout_worse"))?;

    let params = Params::on(setting.device, seed.stream("init", 0));
    let clip = Clip::new(&params.root(), &begun.text, &begun.image);
    params.load(&begun.numbers)?;
    params.freeze(|name| Clip::is_early(name, (spec.frozen.text, spec.frozen.image)));
    let objective = Preferring {
        clip: &clip,
        side: begun.image.resolution as i64,
        order: Order::new(seed, data.captions.len()),
        data: &data,
        heldout: &heldout,
        seed,
        batch: spec.batch,
        rivals: spec.rivals,
        setting,
    };
    let examine = || precise(setting, || no_grad(|| objective.examine()));
    let before = examine().accuracy();
    let Some(outcome) = train(&params, &recipe(&spec.plain(), Decays::Matrices, setting), &objective, &team, context)?
    else {
        return Ok(Made::new());
    };

    let found = examine();
    write_json(&context.out("config.json"), &begun.config)?;
    if begun.config.convention.is_some() {
        let name = "tokenizer.json";
        let path = needs.clip.file(name);
        write_bytes(&context.out(name), &fs::read(&path).map_err(TorchError::file("read", &path))?)?;
    }
    let made = leave_head(context, &params, &outcome, "heldout_accuracy")?
        .scalar("accuracy", outcome.heldout)?
        .scalar("accuracy_before", before)?
        .scalar("sharpness", no_grad(|| clip.sharpness()).double_value(&[]))?;
    found.tell(made)
}
