//! The body of `train-vqa`.

use std::ops::Range;

use isoflop_contract::Seed;
use isoflop_kinds::{
    train::Decays,
    vqa::{Needs, TrainVqa},
};
use isoflop_worker::{Context, Halt, Made};
use tch::Tensor;

use super::{
    examine::{Config, ask, mark},
    plain::recipe,
    settle::settle,
};
use crate::{
    data::{Order, Questions, Scenes, permute, write_bytes, write_json, write_tensors},
    error::TorchError,
    metrics::alignment,
    models::{Vqa, World},
    nn::{Params, Setting, precise},
    parallel::team::Team,
    train::{Objective, train},
};

/// Scenes examined at a time.
const EXAMINED: u64 = 128;

/// What the answers of heads alone count in a lesson, beside the network's own.
const ALONE: f64 = 0.5;

/// Answer rightly: cross-entropy over the answers.
struct Answering<'a> {
    network: &'a Vqa,
    data: (&'a Scenes, &'a Questions),
    ranges: Vec<Range<usize>>,
    heldout: (&'a Scenes, &'a Questions),
    order: Order,
    seed: Seed,
    batch: u64,
    questions: u64,
    setting: Setting,
}

impl Objective for Answering<'_> {
    fn given(&self, step: u64, _whole: u64) -> Result<Vec<Tensor>, TorchError> {
        let (scenes, questions) = self.data;
        let rows = self.order.batch(step, self.batch);
        let mut owner = Vec::new();
        let mut asked = Vec::new();
        for (i, &row) in rows.iter().enumerate() {
            let range = &self.ranges[row as usize];
            let there = range.len() as u64;
            // A scene's questions in an order drawn anew at each step, cut to as many as are wanted.
            let key = self.seed.stream("questions", step * self.batch + i as u64).get();
            for k in 0..there.min(self.questions) {
                owner.push(i as i64);
                asked.push((range.start as u64 + permute(key, there, k)) as i64);
            }
        }
        let answers: Vec<i64> = asked.iter().map(|&q| questions.answer[q as usize]).collect();
        let bring = |tensor: Tensor| self.setting.bring(&tensor);
        let images = bring(scenes.images(&Tensor::from_slice(&rows)));
        let words = bring(questions.words.index_select(0, &Tensor::from_slice(&asked)));
        Ok(vec![images, bring(Tensor::from_slice(&owner)), words, bring(Tensor::from_slice(&answers))])
    }

    fn loss(&self, given: &[Tensor]) -> Tensor {
        let [images, owner, words, answers] = given else { unreachable!("`given` gives four") };
        let sight = self.network.look(images).of(owner);
        let [whole, alone] = self.network.lesson(&sight, words).map(|scores| scores.cross_entropy_for_logits(answers));
        whole + alone * ALONE
    }

    const MEASURE: &'static str = "heldout_accuracy";

    fn evaluate(&self, _: u64) -> f64 {
        let (scenes, questions) = self.heldout;
        let answered = mark(questions, &ask((self.network, self.setting), scenes.pixels(), questions, EXAMINED));
        answered.iter().filter(|one| one.right).count() as f64 / answered.len() as f64
    }
}

/// Trains a question-answering network.
pub fn run(spec: TrainVqa, needs: Needs, context: &mut Context) -> Result<Made, Halt> {
    let setting = settle(context)?;
    let team = Team::assemble(context, 1, setting.device)?; // a batch is one part
    let seed = context.seed()?;
    let (data, heldout) = (Scenes::read(&needs.data)?, Scenes::read(&needs.heldout)?);
    let questions = Questions::read(&needs.data, data.len())?;
    let examination = Questions::read(&needs.heldout, heldout.len())?;
    if (&questions.vocabulary, &questions.answers) != (&examination.vocabulary, &examination.answers) {
        return Err("`data` and `heldout` do not number their words and answers alike".into());
    }
    if data.resolution() != heldout.resolution() || data.resolution() % isoflop_kinds::model::Vqa::SHRINK != 0 {
        return Err("images of `data` and `heldout` must be of one even size".into());
    }
    let world = World {
        resolution: data.resolution() as i64,
        words: questions.vocabulary.len() as i64,
        length: questions.length(),
        answers: questions.answers.len() as i64,
    };
    if examination.length() != world.length {
        return Err(TorchError::Mismatch("questions of `data` and `heldout` differ in length".into()).into());
    }

    let params = Params::on(setting.device, seed.stream("init", 0));
    let network = Vqa::new(&params, &spec.network, world);
    let objective = Answering {
        network: &network,
        ranges: questions.by_scene(data.len()),
        data: (&data, &questions),
        heldout: (&heldout, &examination),
        order: Order::new(seed, data.len()),
        seed,
        batch: spec.batch,
        questions: spec.questions,
        setting,
    };
    let recipe = recipe(&spec.plain(), Decays::Everything, setting);
    let Some(outcome) = train(&params, &recipe, &objective, &team, context)? else {
        return Ok(Made::new());
    };

    let given = precise(setting, || ask((&network, setting), heldout.pixels(), &examination, EXAMINED));
    let answered = mark(&examination, &given);
    let by_category = alignment(&answered).expect("there are questions, seen when they were read").by_category;
    write_tensors(&context.out("model.safetensors"), &params.named())?;
    let config = Config {
        network: spec.network,
        world,
        words: questions.vocabulary.clone(),
        answers: questions.answers.clone(),
    };
    write_json(&context.out("config.json"), &config)?;
    write_bytes(&context.out("history.csv"), outcome.csv("heldout_accuracy").as_bytes())?;
    let mut made = Made::new()
        .scalar("accuracy", outcome.heldout)?
        .scalar("train_loss", outcome.loss)?
        .scalar("params", params.count() as f64)?;
    for (category, accuracy) in by_category {
        made = made.scalar(format!("accuracy_{}", examination.categories[category as usize]), accuracy)?;
    }
    Ok(made)
}
