//! Questions from a file in TIFA's format, put to a network of a closed vocabulary about scenes whose captions they are about.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::Handle;
use isoflop_kinds::artifact;
use serde::Deserialize;
use tch::{Kind, Tensor};

use super::examine::Config;
use crate::{
    data::{Questions, Scenes, read_json},
    error::TorchError,
};

/// What `questions.json` holds.
#[derive(Deserialize)]
pub struct File {
    pub questions: Vec<Question>,
}

/// A question about a caption.
#[derive(Deserialize)]
pub struct Question {
    pub caption: String,
    #[serde(rename = "question")]
    pub text: String,
    pub choices: Vec<String>,
    pub answer: String,
    element_type: String,
}

impl Question {
    /// The element it asks about, as a name.
    pub fn element(&self) -> String {
        plain(&self.element_type).replace(' ', "_")
    }
}

/// Words in small letters, without what stands between them: how texts are told from one another.
pub fn plain(text: &str) -> String {
    let letters = text.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { ' ' });
    letters.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A few of many, for people.
fn few(names: &BTreeSet<String>) -> String {
    let shown: Vec<String> = names.iter().take(8).map(|name| format!("`{name}`")).collect();
    let more = names.len() - shown.len();
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

/// The questions of the file about the captions of the first `count` scenes, whose words have these names: those of a caption are asked of every scene that has it.
/// The network must know every word, and every right answer; other choices it never gives.
pub fn questions(
    handle: &Handle<artifact::Questions>,
    scenes: &Scenes,
    names: &[String],
    count: u64,
    judge: &Config,
) -> Result<Questions, TorchError> {
    let path = handle.file("questions.json");
    let File { questions } = read_json(&path)?;
    let mut by_caption: BTreeMap<String, Vec<&Question>> = BTreeMap::new();
    for question in &questions {
        by_caption.entry(plain(&question.caption)).or_default().push(question);
    }
    let numbers =
        |list: &'_ [String]| -> BTreeMap<String, i64> { list.iter().map(|name| plain(name)).zip(0..).collect() };
    let (words, answers) = (numbers(&judge.words), numbers(&judge.answers));
    let types: BTreeSet<String> = questions.iter().map(Question::element).collect();
    let categories: Vec<String> = types.into_iter().collect();

    let (mut scene, mut rows, mut answer, mut category, mut barred) = (vec![], vec![], vec![], vec![], vec![]);
    let (mut strange, mut unheard, mut long) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let length = judge.world.length as usize;
    for number in 0..count as i64 {
        for question in by_caption.get(&plain(&scenes.text(number, names))).into_iter().flatten() {
            let text = plain(&question.text);
            let known = |word: &str| words.get(word).copied().filter(|&number| number != 0); // 0 is no word
            let mut row: Vec<i64> = text.split(' ').filter_map(known).collect();
            strange.extend(text.split(' ').filter(|word| known(word).is_none()).map(str::to_owned));
            if row.len() > length {
                long.insert(text.clone());
            }
            row.resize(length, 0);
            rows.extend(row);
            let right = answers.get(&plain(&question.answer)).copied();
            if right.is_none() {
                unheard.insert(question.answer.clone());
            }
            let choices: BTreeSet<i64> =
                question.choices.iter().filter_map(|choice| answers.get(&plain(choice)).copied()).collect();
            barred.extend((0..judge.answers.len() as i64).map(|answer| !choices.contains(&answer)));
            let element = question.element();
            category.push(categories.partition_point(|known| *known < element) as i64);
            scene.push(number);
            answer.push(right.unwrap_or_default());
        }
    }
    let wrong = |problem: String| Err(TorchError::Inconsistent { path: path.clone(), problem });
    if !strange.is_empty() {
        return wrong(format!("the question-answering network does not know the words {}", few(&strange)));
    }
    if !unheard.is_empty() {
        return wrong(format!("the question-answering network never answers {}", few(&unheard)));
    }
    if !long.is_empty() {
        return wrong(format!("questions have at most {length} words for this network, and more have {}", few(&long)));
    }
    if scene.is_empty() {
        return wrong("none of its questions is about a caption of `prompts`".to_owned());
    }
    let (count, width) = (scene.len() as i64, judge.answers.len() as i64);
    let words = Tensor::from_slice(&rows).view([count, length as i64]);
    let barred = Tensor::from_slice(&barred).to_kind(Kind::Bool).view([count, width]);
    let (vocabulary, answers) = (judge.words.clone(), judge.answers.clone());
    Ok(Questions { scene, words, answer, category, barred: Some(barred), vocabulary, answers, categories })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_apart_by_their_words() {
        assert_eq!(plain("  Is there a red circle? "), "is there a red circle");
        assert_eq!(plain("animal/human"), "animal human");
        let names = (0..10).map(|n| n.to_string()).collect();
        assert_eq!(few(&names), "`0`, `1`, `2`, `3`, `4`, `5`, `6`, `7` and 2 more");
    }
}
