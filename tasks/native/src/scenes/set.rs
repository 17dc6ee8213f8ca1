//! A set of scenes as files: the artifact `scenes` (`isoflop_kinds::artifact::Scenes` has the format).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufWriter, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use isoflop_contract::Seed;
use isoflop_kinds::scenes::{CAPTION_WIDTH, MakeScenes, QUESTION_WIDTH};
use safetensors::{Dtype, SafeTensorError, tensor::TensorView};
use serde::Serialize;

use super::{
    caption::{caption, nouns},
    preview,
    question::questions,
    raster::Painter,
    scene::Scene,
    words::{Vocabulary, answer_number, category_number, word_number},
};
use crate::random::Stream;

/// Why a set could not be written. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// A file.
    #[error("cannot write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's complaint.
        source: io::Error,
    },
    /// Arrays that do not make a file.
    #[error("cannot write {}", path.display())]
    Arrays {
        /// The file.
        path: PathBuf,
        /// The complaint.
        source: SafeTensorError,
    },
    /// Whoever asked for the set does not want it any more.
    #[error("stopped on request")]
    Stopped,
    /// The preview.
    #[error("cannot write {}", path.display())]
    Preview {
        /// The file.
        path: PathBuf,
        /// The complaint.
        source: png::EncodingError,
    },
}

/// One scene for people. A struct, since the order of an untyped map's members depends on how `serde_json` was built.
#[derive(Debug, Serialize)]
struct Line<'a> {
    scene: usize,
    caption: String,
    drawn: &'a Scene,
    questions: Vec<Asked>,
}

#[derive(Debug, Serialize)]
struct Asked {
    category: &'static str,
    question: String,
    answer: &'static str,
}

/// The arrays of a set, as they grow.
#[derive(Debug, Default)]
struct Arrays {
    images: Vec<u8>,
    captions: Vec<i32>,
    scene: Vec<i32>,
    words: Vec<i32>,
    answer: Vec<i32>,
    category: Vec<i32>,
}

/// Draws the set that `spec` asks for and writes it to the folder `out`; `progress` hears how many scenes are done and
/// says whether to go on. Returns the set's final numbers.
pub fn write(
    spec: &MakeScenes,
    seed: Seed,
    out: &Path,
    mut progress: impl FnMut(u64) -> ControlFlow<()>,
) -> Result<BTreeMap<String, f64>, SetError> {
    let lines_path = out.join("scenes.jsonl");
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| SetError::File { path, source }
    };
    let mut lines = BufWriter::new(File::create(&lines_path).map_err(failed(&lines_path))?);
    let (mut arrays, mut painter) = (Arrays::default(), Painter::new(spec.resolution));
    let (mut pairs, mut known) = (0, BTreeSet::new());
    for index in 0..u64::from(spec.images) {
        let scene = Scene::draw(spec, seed, index);
        let line = arrays.push(spec, &scene, &mut painter, &mut Stream::of(seed, "questions", index));
        writeln!(lines, "{line}").map_err(failed(&lines_path))?;
        let nouns = nouns(&scene, spec.captions);
        pairs += nouns.len();
        known.extend(nouns);
        if (index + 1) % 256 == 0 && progress(index + 1).is_break() {
            return Err(SetError::Stopped);
        }
    }
    lines.flush().map_err(failed(&lines_path))?;

    let (images, count) = (spec.images as usize, arrays.answer.len());
    arrays.write(images, spec.resolution as usize, out)?;
    let path = out.join("vocabulary.json");
    let vocabulary = serde_json::to_string_pretty(&Vocabulary::whole()).expect("lists of strings are JSON");
    std::fs::write(&path, vocabulary + "\n").map_err(failed(&path))?;
    let path = out.join("preview.png");
    preview::write(&path, &arrays.images, spec.resolution as usize)
        .map_err(|source| SetError::Preview { path, source })?;
    Ok(BTreeMap::from([
        ("images".to_owned(), images as f64),
        ("questions".to_owned(), count as f64),
        ("image_noun_pairs".to_owned(), pairs as f64),
        ("unique_nouns".to_owned(), known.len() as f64),
        ("nouns_per_image".to_owned(), pairs as f64 / images as f64),
    ]))
}

impl Arrays {
    /// Adds the next scene and returns its line for people.
    fn push(&mut self, spec: &MakeScenes, scene: &Scene, painter: &mut Painter, stream: &mut Stream) -> String {
        let index = self.images.len() / (3 * (spec.resolution * spec.resolution) as usize);
        self.images.extend(painter.paint(scene));
        let caption = caption(scene, spec.captions);
        row(&mut self.captions, &caption, CAPTION_WIDTH);
        let questions = questions(spec, scene, stream);
        for question in &questions {
            self.scene.push(i32::try_from(index).expect("a set has a million scenes at most"));
            row(&mut self.words, &question.words, QUESTION_WIDTH);
            self.answer.push(answer_number(question.answer));
            self.category.push(category_number(question.category));
        }
        let asked = questions.iter().map(|question| Asked {
            category: question.category.word(),
            question: question.words.join(" "),
            answer: question.answer.word(),
        });
        let line = Line { scene: index, caption: caption.join(" "), drawn: scene, questions: asked.collect() };
        serde_json::to_string(&line).expect("numbers and strings are JSON")
    }

    fn write(&self, images: usize, side: usize, out: &Path) -> Result<(), SetError> {
        let count = self.answer.len();
        let captions = bytes(&self.captions);
        let path = out.join("scenes.safetensors");
        save(
            &path,
            &[
                ("images", Dtype::U8, vec![images, 3, side, side], &self.images),
                ("captions", Dtype::I32, vec![images, CAPTION_WIDTH], &captions),
            ],
        )?;
        let [scene, words, answer, category] =
            [&self.scene, &self.words, &self.answer, &self.category].map(|numbers| bytes(numbers));
        let path = out.join("questions.safetensors");
        save(
            &path,
            &[
                ("scene", Dtype::I32, vec![count], &scene),
                ("words", Dtype::I32, vec![count, QUESTION_WIDTH], &words),
                ("answer", Dtype::I32, vec![count], &answer),
                ("category", Dtype::I32, vec![count], &category),
            ],
        )
    }
}

fn row(numbers: &mut Vec<i32>, words: &[&str], width: usize) {
    let end = numbers.len() + width;
    numbers.extend(words.iter().map(|word| word_number(word)));
    assert!(numbers.len() <= end, "the grammar makes at most {width} words: {words:?}");
    numbers.resize(end, 0);
}

fn bytes(numbers: &[i32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn save(path: &Path, arrays: &[(&str, Dtype, Vec<usize>, &[u8])]) -> Result<(), SetError> {
    let failed = |source| SetError::Arrays { path: path.to_owned(), source };
    let views = arrays
        .iter()
        .map(|(name, dtype, shape, data)| Ok((*name, TensorView::new(*dtype, shape.clone(), data)?)))
        .collect::<Result<Vec<_>, SafeTensorError>>()
        .map_err(failed)?;
    let bytes = safetensors::serialize(views, None).map_err(failed)?;
    std::fs::write(path, bytes).map_err(|source| SetError::File { path: path.to_owned(), source })
}
