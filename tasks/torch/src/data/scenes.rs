//! Scenes as tensors: images, captions and, where asked for, questions.

use std::{collections::BTreeMap, path::PathBuf};

use isoflop_contract::{Artifact, Handle};
use serde::Deserialize;
use tch::{Kind, Tensor};

use super::{Rows, Texts, read_json, read_tensors};
use crate::error::TorchError;

/// Images and their captions.
#[derive(Debug)]
pub struct Scenes {
    /// Images u8 `[N, 3, R, R]`; none where captions alone were read.
    images: Option<Tensor>,
    /// Word numbers i64 `[N, L]`, 0 where a caption has ended.
    captions: Tensor,
    /// Word numbers i64 `[N, K, L]` of synthetic captions, where there are some.
    synthetic: Option<Tensor>,
    /// Captions as they were before their words were numbered, where the set has them.
    texts: Option<Texts>,
    /// Words there are.
    words: usize,
}

/// Questions about scenes.
#[derive(Debug)]
pub struct Questions {
    /// The scene each is about `[Q]`, in rising order.
    pub scene: Vec<i64>,
    /// Word numbers i64 `[Q, M]`, padded with 0.
    pub words: Tensor,
    /// Number of the right answer `[Q]`.
    pub answer: Vec<i64>,
    /// Number of the category `[Q]`.
    pub category: Vec<i64>,
    /// Answers that are none of a question's choices, bool `[Q, answers]`; none, if any answer may be given.
    pub barred: Option<Tensor>,
    /// The words.
    pub vocabulary: Vec<String>,
    /// The answers.
    pub answers: Vec<String>,
    /// The categories.
    pub categories: Vec<String>,
}

#[derive(Deserialize)]
struct Vocabulary {
    words: Vec<String>,
    answers: Vec<String>,
    categories: Vec<String>,
}

/// The tensors of one file, taken out by name.
struct Tensors {
    path: PathBuf,
    by_name: BTreeMap<String, Tensor>,
}

impl Tensors {
    fn read(path: PathBuf) -> Result<Self, TorchError> {
        Ok(Self { by_name: read_tensors(&path)?, path })
    }

    fn take(&mut self, name: &'static str, kind: Kind, wanted: &'static str) -> Result<Tensor, TorchError> {
        let dimensions = wanted.matches(',').count() + 1;
        self.by_name
            .remove(name)
            .filter(|tensor| tensor.kind() == kind && tensor.dim() == dimensions)
            .ok_or_else(|| TorchError::NoTensor { path: self.path.clone(), name, wanted })
    }

    fn ensure(&self, holds: bool, problem: &str) -> Result<(), TorchError> {
        if holds { Ok(()) } else { Err(TorchError::Inconsistent { path: self.path.clone(), problem: problem.into() }) }
    }

    /// Whether all numbers of `tensor` lie below `end`.
    fn below(&self, tensor: &Tensor, end: usize, what: &str) -> Result<(), TorchError> {
        let inside =
            tensor.numel() == 0 || (tensor.min().int64_value(&[]) >= 0 && tensor.max().int64_value(&[]) < end as i64);
        self.ensure(inside, &format!("{what} are out of range"))
    }
}

fn vocabulary<A: Artifact>(handle: &Handle<A>) -> Result<Vocabulary, TorchError> {
    read_json(&handle.file("vocabulary.json"))
}

impl Scenes {
    /// Reads images and captions.
    pub fn read<A: Artifact>(handle: &Handle<A>) -> Result<Self, TorchError> {
        let mut tensors = Tensors::read(handle.file("scenes.safetensors"))?;
        let images = tensors.take("images", Kind::Uint8, "u8 [N, 3, R, R]")?;
        let size = images.size();
        tensors.ensure(size[0] > 0, "there are no scenes")?;
        tensors.ensure(size[1] == 3 && size[2] == size[3], "images are not square and of three channels")?;
        let scenes = Self::captioned(tensors, handle)?;
        if size[0] as u64 == scenes.len() {
            return Ok(Self { images: Some(images), ..scenes });
        }
        let (path, problem) =
            (handle.file("scenes.safetensors"), "there are not as many captions as images".to_owned());
        Err(TorchError::Inconsistent { path, problem })
    }

    /// Reads captions alone: images may be many, and what stands for them may lie elsewhere.
    pub fn read_captions<A: Artifact>(handle: &Handle<A>) -> Result<Self, TorchError> {
        let path = handle.file("scenes.safetensors");
        let mut by_name = BTreeMap::new();
        for name in ["captions", "synthetic"] {
            match Rows::open(std::slice::from_ref(&path), &[name]) {
                Ok(rows) if !rows.is_empty() => {
                    let all: Vec<i64> = (0..rows.len() as i64).collect();
                    by_name.insert(name.to_owned(), rows.stack(0, &all));
                }
                Ok(_) | Err(TorchError::NoTensor { .. }) => {} // one is missed below, the other need not be there
                Err(error) => return Err(error),
            }
        }
        Self::captioned(Tensors { path, by_name }, handle)
    }

    fn captioned<A: Artifact>(mut tensors: Tensors, handle: &Handle<A>) -> Result<Self, TorchError> {
        let words = vocabulary(handle)?.words.len();
        let captions = tensors.take("captions", Kind::Int, "i32 [N, L]")?.to_kind(Kind::Int64);
        tensors.below(&captions, words, "captions' word numbers")?;
        let images = captions.size()[0];
        let mut synthetic = None;
        if tensors.by_name.contains_key("synthetic") {
            let written = tensors.take("synthetic", Kind::Int, "i32 [N, K, L]")?.to_kind(Kind::Int64);
            let whole = written.size()[0] == images && written.size()[1] > 0;
            tensors.ensure(whole, "not every image has synthetic captions")?;
            tensors.below(&written, words, "synthetic captions' word numbers")?;
            synthetic = Some(reached(&written));
        }
        let others = synthetic.as_ref().map_or(0, |written| written.size()[1]);
        let texts = Texts::open(&handle.file("texts.jsonl"), images as u64, others as u64)?;
        Ok(Self { images: None, captions: reached(&captions), synthetic, texts, words })
    }

    /// Scenes made up of tensors. Columns that no caption reaches are cut off.
    pub fn of(images: Tensor, captions: &Tensor, words: usize) -> Self {
        Self { images: Some(images), captions: reached(captions), synthetic: None, texts: None, words }
    }

    /// The images of the scenes in `handle`, u8 `[3, R, R]`, where they lie: to be read a few at a time.
    pub fn rows<A: Artifact>(handle: &Handle<A>) -> Result<Rows, TorchError> {
        Rows::open(&[handle.file("scenes.safetensors")], &["images"])
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.captions.size()[0] as u64
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Height and width of the images.
    pub fn resolution(&self) -> u64 {
        self.pixels().size()[3] as u64
    }

    /// Words there are, the padding among them.
    pub fn words(&self) -> u64 {
        self.words as u64
    }

    /// Words of the longest caption.
    pub fn caption_length(&self) -> u64 {
        let synthetic = self.synthetic.as_ref().map_or(0, |written| written.size()[2]);
        self.captions.size()[1].max(synthetic) as u64
    }

    /// How many synthetic captions each image has, if any.
    pub fn synthetic(&self) -> Option<i64> {
        Some(self.synthetic.as_ref()?.size()[1])
    }

    /// Of these rows, which must have some, the synthetic captions number `which` `[B]`, padded to `length` words.
    pub fn written(&self, rows: &Tensor, which: &Tensor, length: i64) -> Tensor {
        let written = self.synthetic.as_ref().expect("the caller has asked whether there are some");
        let (each, width) = (written.size()[1], written.size()[2]);
        let captions = written.view([-1, width]).index_select(0, &(rows * each + which));
        captions.constant_pad_nd([0, length - width])
    }

    /// The images as they are, u8 `[N, 3, R, R]`.
    pub fn pixels(&self) -> &Tensor {
        self.images.as_ref().expect("who asks for images has read them")
    }

    /// The images of these rows, in [-1, 1].
    pub fn images(&self, rows: &Tensor) -> Tensor {
        unit(&self.pixels().index_select(0, rows))
    }

    /// The captions of these rows as they were, or of each the synthetic one with the number in `which` (its own for -1), where the set has them.
    pub fn texts(&self, rows: &Tensor, which: Option<&Tensor>) -> Result<Option<Vec<String>>, TorchError> {
        let numbers = |tensor: &Tensor| Vec::<i64>::try_from(tensor).expect("one dimension of i64");
        let Some(texts) = &self.texts else { return Ok(None) };
        let rows = numbers(rows);
        let which = which.map_or_else(|| vec![0; rows.len()], |which| numbers(&(which + 1)));
        rows.into_iter().zip(which).map(|(row, which)| texts.get(row, which)).collect::<Result<_, _>>().map(Some)
    }

    /// What is said of scene `row`: its caption as it was, where the set has that, or else its words, which have these names.
    pub fn said(&self, row: i64, names: &[String]) -> Result<String, TorchError> {
        self.texts.as_ref().map_or_else(|| Ok(self.text(row, names)), |texts| texts.get(row, 0))
    }

    /// The caption of scene `row`, whose words have these names.
    pub fn text(&self, row: i64, names: &[String]) -> String {
        let words = Vec::<i64>::try_from(self.captions.get(row)).expect("one dimension of i64");
        let words: Vec<&str> = words.iter().filter(|&&w| w != 0).map(|&w| names[w as usize].as_str()).collect();
        words.join(" ")
    }

    /// The captions of these rows, padded to `length` words.
    pub fn captions(&self, rows: &Tensor, length: i64) -> Tensor {
        let captions = self.captions.index_select(0, rows);
        captions.constant_pad_nd([0, length - captions.size()[1]])
    }
}

/// Captions `[…, L]` without the columns at the end that none of them reaches.
fn reached(captions: &Tensor) -> Tensor {
    let columns = captions.view([-1, captions.size()[captions.dim() - 1]]).ne(0).any_dim(0, false);
    let columns = Vec::<bool>::try_from(columns).expect("one flag a column");
    let length = columns.iter().rposition(|&reached| reached).map_or(1, |last| last as i64 + 1);
    captions.narrow(-1, 0, length).contiguous()
}

/// Pixels u8 to [-1, 1].
pub fn unit(pixels: &Tensor) -> Tensor {
    pixels.to_kind(Kind::Float) / 127.5 - 1.0
}

/// [-1, 1] to pixels u8, rounded.
pub fn pixels(unit: &Tensor) -> Tensor {
    ((unit + 1.0) * 127.5).round().clamp(0.0, 255.0).to_kind(Kind::Uint8)
}

impl Questions {
    /// Reads the questions about scenes that number `scenes`.
    pub fn read<A: Artifact>(handle: &Handle<A>, scenes: u64) -> Result<Self, TorchError> {
        let Vocabulary { words: vocabulary, answers, categories } = vocabulary(handle)?;
        let mut tensors = Tensors::read(handle.file("questions.safetensors"))?;
        let scene = tensors.take("scene", Kind::Int, "i32 [Q]")?.to_kind(Kind::Int64);
        let words = tensors.take("words", Kind::Int, "i32 [Q, M]")?.to_kind(Kind::Int64);
        let answer = tensors.take("answer", Kind::Int, "i32 [Q]")?.to_kind(Kind::Int64);
        let category = tensors.take("category", Kind::Int, "i32 [Q]")?.to_kind(Kind::Int64);
        let counts = [scene.size()[0], words.size()[0], answer.size()[0], category.size()[0]];
        tensors.ensure(counts[0] > 0, "there are no questions")?;
        tensors.ensure(counts.iter().all(|&n| n == counts[0]), "tensors differ in the number of questions")?;
        tensors.below(&scene, scenes as usize, "scene numbers")?;
        tensors.below(&words, vocabulary.len(), "word numbers")?;
        tensors.below(&answer, answers.len(), "answers' numbers")?;
        tensors.below(&category, categories.len(), "categories' numbers")?;
        let list = |t: Tensor| Vec::<i64>::try_from(t).expect("one dimension of i64");
        let scene = list(scene);
        tensors.ensure(scene.is_sorted(), "questions are not in the order of their scenes")?;
        let (answer, category, barred) = (list(answer), list(category), None);
        Ok(Self { scene, words, answer, category, barred, vocabulary, answers, categories })
    }

    /// Words a question has at most.
    pub fn length(&self) -> i64 {
        self.words.size()[1]
    }

    /// Where the questions of each of `scenes` scenes lie.
    pub fn by_scene(&self, scenes: u64) -> Vec<std::ops::Range<usize>> {
        let start = |scene: i64| self.scene.partition_point(|&s| s < scene);
        (0..scenes as i64).map(|scene| start(scene)..start(scene + 1)).collect()
    }

    /// Question `q` as text.
    pub fn text(&self, q: usize) -> String {
        let words = Vec::<i64>::try_from(self.words.get(q as i64)).expect("one dimension of i64");
        let words: Vec<&str> =
            words.iter().filter(|&&w| w != 0).map(|&w| self.vocabulary[w as usize].as_str()).collect();
        words.join(" ")
    }
}
