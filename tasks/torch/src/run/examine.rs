//! The question-answering network as an examiner: what it answers about pictures.

use isoflop_contract::Handle;
use isoflop_kinds::{artifact, model};
use tch::{Device, Kind, Tensor, no_grad};

use crate::{
    data::{Questions, read_json, unit},
    error::TorchError,
    metrics::{Answered, BLOCK},
    models::{Vqa, World},
    nn::{Params, Setting},
    weights::{self, Weights},
};

/// What `config.json` of a question-answering network holds: its sizes, and the language it knows.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The network.
    pub network: model::Vqa,
    /// Sizes that come from the data.
    pub world: World,
    /// The words, in the order of their numbers.
    pub words: Vec<String>,
    /// The answers, in the order of their numbers.
    pub answers: Vec<String>,
}

/// A trained network.
pub fn load(handle: &Handle<artifact::Vqa>, setting: Setting) -> Result<(Config, Vqa), TorchError> {
    let path = handle.file("config.json");
    let config: Config = read_json(&path)?;
    config.network.check("network").map_err(TorchError::Config)?;
    let World { resolution, words, length, answers } = config.world;
    let sane = |n: i64| (1..=1 << 20).contains(&n);
    if !(sane(resolution) && sane(words) && sane(length) && sane(answers)) {
        return Err(TorchError::Inconsistent { path, problem: "sizes are out of range".into() });
    }
    let params = Params::hollow();
    let network = Vqa::new(&params, &config.network, config.world);
    weights::load_at(
        &params,
        "vqa",
        &Weights::open(&handle.file("model.safetensors"))?,
        (Kind::Float, setting.device),
    )?;
    Ok((config, network))
}

/// The numbers of the answers given to every question about the first scenes, whose pictures are `pictures` (u8 `[N, 3, R, R]`), `batch` scenes at
/// a time.
pub fn ask((network, setting): (&Vqa, Setting), pictures: &Tensor, questions: &Questions, batch: u64) -> Vec<i64> {
    let count = pictures.size()[0];
    let ranges = questions.by_scene(count as u64);
    let mut given = Vec::new();
    no_grad(|| {
        for start in (0..count).step_by(batch as usize) {
            let length = (batch as i64).min(count - start);
            let scenes = &ranges[start as usize..(start + length) as usize];
            let (first, end) = (scenes[0].start as i64, scenes[scenes.len() - 1].end as i64);
            if first == end {
                continue;
            }
            let sight = network.look(&setting.bring(&unit(&pictures.narrow(0, start, length))));
            let owner: Vec<i64> =
                scenes.iter().enumerate().flat_map(|(i, range)| range.clone().map(move |_| i as i64)).collect();
            let sight = sight.of(&setting.bring(&Tensor::from_slice(&owner)));
            let scores = network.answer(&sight, &setting.bring(&questions.words.narrow(0, first, end - first)));
            let scores = scores.to_device(Device::Cpu);
            given.extend(Vec::<i64>::try_from(scores.argmax(-1, false)).expect("one dimension of i64"));
        }
    });
    given
}

/// The same about the first `count` scenes, whose pictures `look` gives by number, u8 `[B, 3, R, R]`: in full blocks of pictures and of questions, so that an answer
/// does not depend on how many others are given. Where questions have choices, one of these is given.
pub fn ask_in_blocks(
    (network, setting): (&Vqa, Setting),
    count: u64,
    look: impl Fn(&[i64]) -> Tensor,
    questions: &Questions,
) -> Vec<i64> {
    let (ranges, mut given) = (questions.by_scene(count), Vec::new());
    let _alone = tch::no_grad_guard();
    for (block, scenes) in ranges.chunks(BLOCK as usize).enumerate() {
        let first = block as u64 * BLOCK;
        let numbers: Vec<i64> = (first..first + BLOCK).map(|scene| scene.min(count - 1) as i64).collect();
        let asked: Vec<(i64, i64)> =
            scenes.iter().zip(0..).flat_map(|(range, i)| range.clone().map(move |q| (i, q as i64))).collect();
        if asked.is_empty() {
            continue;
        }
        let sight = network.look(&setting.bring(&unit(&look(&numbers))));
        for part in asked.chunks(BLOCK as usize) {
            let filled = part.iter().cycle().take(BLOCK as usize);
            let (owners, asked): (Vec<i64>, Vec<i64>) = filled.copied().unzip();
            let asked = Tensor::from_slice(&asked);
            let sight = sight.of(&setting.bring(&Tensor::from_slice(&owners)));
            let scores = network.answer(&sight, &setting.bring(&questions.words.index_select(0, &asked)));
            let mut scores = scores.to_device(Device::Cpu);
            if let Some(barred) = &questions.barred {
                scores = scores.masked_fill(&barred.index_select(0, &asked), f64::NEG_INFINITY);
            }
            let best = Vec::<i64>::try_from(scores.argmax(-1, false)).expect("one dimension of i64");
            given.extend(&best[..part.len()]);
        }
    }
    given
}

/// Right or wrong, question by question.
pub fn mark(questions: &Questions, given: &[i64]) -> Vec<Answered> {
    let mark = |(q, &given): (usize, &i64)| Answered {
        scene: questions.scene[q],
        category: questions.category[q],
        right: questions.answer[q] == given,
    };
    given.iter().enumerate().map(mark).collect()
}
