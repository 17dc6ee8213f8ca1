//! What programs of the study's own say about images: answers to questions, and ratings. Scores are made of them here, so that they mean the same whoever answers.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use isoflop_contract::Handle;
use isoflop_kinds::artifact;
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    asked::{File as Questions, plain},
    score_alignment::Reply,
};
use crate::{
    data::{Scenes, read_json},
    error::TorchError,
};

/// A line of `answers.jsonl`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    image: u64,
    question: usize,
    #[serde(rename = "answer")]
    given: String,
}

/// A line of `ratings.jsonl`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rating {
    image: u64,
    rating: f64,
}

/// Lines of JSON, one after another, each with its number from 1.
fn lines<L: DeserializeOwned>(
    path: &Path,
) -> Result<impl Iterator<Item = Result<(usize, L), TorchError>> + '_, TorchError> {
    let file = File::open(path).map_err(TorchError::file("read", path))?;
    Ok(BufReader::new(file).lines().zip(1..).map(move |(line, number)| {
        let line = line.map_err(TorchError::file("read", path))?;
        let wrong = |source| Wrong(path.into()).at(number, &format!("does not say what it should: {source}"));
        serde_json::from_str(&line).map(|line| (number, line)).map_err(wrong)
    }))
}

/// What is wrong with a file, by line or as a whole.
struct Wrong(PathBuf);

impl Wrong {
    fn at(&self, line: usize, problem: &str) -> TorchError {
        self.say(format!("line {line} {problem}"))
    }

    fn say(&self, problem: String) -> TorchError {
        TorchError::Inconsistent { path: self.0.clone(), problem }
    }
}

/// What was answered to every question about the captions of the first `count` scenes, whose words have these names, in the order of scenes and questions. A question about a caption is
/// asked of every image made for it, and answered once.
pub fn answers(
    handle: &Handle<artifact::Answers>,
    questions: &Handle<artifact::Questions>,
    scenes: &Scenes,
    names: &[String],
    count: u64,
) -> Result<Vec<Reply>, TorchError> {
    let Questions { questions } = read_json(&questions.file("questions.json"))?;
    let mut by_caption: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (number, question) in questions.iter().enumerate() {
        by_caption.entry(plain(&question.caption)).or_default().push(number);
    }
    let mut wanted: BTreeMap<(u64, usize), Option<String>> = BTreeMap::new();
    for image in 0..count {
        let caption = plain(&scenes.said(image as i64, names)?);
        wanted.extend(by_caption.get(&caption).into_iter().flatten().map(|&question| ((image, question), None)));
    }
    let path = handle.file("answers.jsonl");
    let wrong = Wrong(path.clone());
    if wanted.is_empty() {
        return Err(TorchError::Mismatch("none of `questions` is about a caption of `prompts`".into()));
    }
    for line in lines::<Answer>(&path)? {
        let (number, Answer { image, question, given }) = line?;
        match wanted.get_mut(&(image, question)) {
            None => {
                let problem = format!("answers question {question} about image {image}, which is not asked about it");
                return Err(wrong.at(number, &problem));
            }
            Some(Some(_)) => {
                return Err(wrong.at(number, &format!("answers question {question} about image {image} once more")));
            }
            Some(place) => *place = Some(given),
        }
    }
    let lacking = wanted.values().filter(|answer| answer.is_none()).count();
    if let Some(((image, question), _)) = wanted.iter().find(|(_, answer)| answer.is_none()) {
        let all = wanted.len();
        return Err(wrong.say(format!(
            "{lacking} of {all} questions have no answer; the first is question {question} about image {image}"
        )));
    }
    let reply = |((image, number), given): ((u64, usize), Option<String>)| {
        let (question, given) = (&questions[number], given.unwrap_or_default());
        Reply {
            scene: image as i64,
            category: question.element(),
            question: question.text.clone(),
            correct: plain(&given) == plain(&question.answer),
            right: question.answer.clone(),
            given,
        }
    };
    Ok(wanted.into_iter().map(reply).collect())
}

/// The ratings of the first `count` images, each of which has one.
pub fn ratings(handle: &Handle<artifact::Ratings>, count: u64) -> Result<Vec<f64>, TorchError> {
    let path = handle.file("ratings.jsonl");
    let wrong = Wrong(path.clone());
    let mut ratings = vec![None; count as usize];
    for line in lines::<Rating>(&path)? {
        let (number, Rating { image, rating }) = line?;
        let place = ratings.get_mut(image as usize);
        let place = place.ok_or_else(|| wrong.at(number, &format!("rates image {image}, and there are {count}")))?;
        if place.replace(rating).is_some() {
            return Err(wrong.at(number, &format!("rates image {image} once more")));
        }
        if !rating.is_finite() {
            return Err(wrong.at(number, "has a rating that is no number"));
        }
    }
    let lacking = ratings.iter().position(Option::is_none);
    lacking.map_or(Ok(()), |image| Err(wrong.say(format!("image {image} of {count} has no rating"))))?;
    Ok(ratings.into_iter().flatten().collect())
}
