//! The question-answering network as an examiner: what it answers about pictures.

use isoflop_contract::Handle;
use isoflop_kinds::{artifact, model};
use tch::{Tensor, no_grad};

use crate::{
    data::{Questions, read_json, unit},
    error::TorchError,
    metrics::Answered,
    models::{Vqa, World},
    nn::Params,
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
pub fn load(handle: &Handle<artifact::Vqa>) -> Result<(Config, Vqa), TorchError> {
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
    weights::load(&params, "vqa", &Weights::open(&handle.file("model.safetensors"))?)?;
    Ok((config, network))
}

/// The numbers of the answers given to every question about the first scenes, whose pictures are `pictures` (u8 `[N, 3, R, R]`), `batch` scenes at
/// a time.
pub fn ask(network: &Vqa, pictures: &Tensor, questions: &Questions, batch: u64) -> Vec<i64> {
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
            let sight = network.look(&unit(&pictures.narrow(0, start, length)));
            let owner: Vec<i64> =
                scenes.iter().enumerate().flat_map(|(i, range)| range.clone().map(move |_| i as i64)).collect();
            let sight = sight.of(&Tensor::from_slice(&owner));
            let scores = network.answer(&sight, &questions.words.narrow(0, first, end - first));
            given.extend(Vec::<i64>::try_from(scores.argmax(-1, false)).expect("one dimension of i64"));
        }
    });
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
