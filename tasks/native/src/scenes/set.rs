//! A set of scenes as files: the artifact `scenes` (`isoflop_kinds::artifact::Scenes` has the format).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufWriter, Write},
    ops::ControlFlow,
    path::Path,
};

use isoflop_contract::Seed;
use isoflop_kinds::scenes::{MakeScenes, QUESTION_WIDTH, Way};
use safetensors::Dtype;
use serde::Serialize;

use super::{
    caption::{caption, nouns},
    degrade::{degrade, fate, quality},
    preview,
    question::{Question, questions},
    raster::Painter,
    scene::Scene,
    synthetic::{Synthetic, synthetic},
    words::{Vocabulary, answer_number, category_number, word_number},
};
use crate::{file_error::FileError, random::Stream, tensors::Growing};

/// Why a set could not be written. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Whoever asked for the set does not want it any more.
    #[error("stopped on request")]
    Stopped,
}

/// One scene for people. A struct, since the order of an untyped map's members depends on how `serde_json` was built.
#[derive(Debug, Serialize)]
struct Line<'a> {
    scene: u64,
    caption: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    synthetic: Vec<Written>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suffered: Option<Way>,
    drawn: &'a Scene,
    questions: Vec<Asked>,
}

#[derive(Debug, Serialize)]
struct Written {
    caption: String,
    confidence: f32,
}

#[derive(Debug, Serialize)]
struct Asked {
    category: &'static str,
    question: String,
    answer: &'static str,
}

/// All there is to one scene of a set.
struct Drawn {
    scene: Scene,
    /// `[3, R, R]`.
    picture: Vec<u8>,
    quality: u32,
    suffered: Option<Way>,
    caption: Vec<&'static str>,
    synthetic: Vec<Synthetic>,
    questions: Vec<Question>,
}

impl Drawn {
    /// Scene `index`: a function of the spec, the seed and the index.
    fn new(spec: &MakeScenes, seed: Seed, index: u64, painter: &mut Painter) -> Self {
        let scene = Scene::draw(spec, seed, index);
        let suffered = fate(&spec.degrade, seed, index);
        let clean = painter.paint(&scene);
        let mut picture = clean.clone();
        if let Some(way) = suffered {
            let stream = &mut Stream::of(seed, "suffering", index);
            degrade(&mut picture, spec.resolution as usize, way, spec.degrade.strength, stream);
        }
        let described = match suffered {
            Some(Way::WrongCaption) => &Scene::draw(spec, seed.stream("wrong-caption", index), 0),
            _ => &scene,
        };
        let mut written = if spec.synthetic > 0 { synthetic(spec, &scene, seed, index) } else { Vec::new() };
        written.truncate(spec.synthetic as usize);
        Self {
            quality: quality(&clean, &picture),
            caption: caption(described, spec.captions, &mut Stream::of(seed, "alt", index)),
            synthetic: written,
            questions: questions(spec, &scene, &mut Stream::of(seed, "questions", index)),
            suffered,
            picture,
            scene,
        }
    }

    fn line(&self, index: u64) -> String {
        let asked = self.questions.iter().map(|question| Asked {
            category: question.category.word(),
            question: question.words.join(" "),
            answer: question.answer.word(),
        });
        let written = self
            .synthetic
            .iter()
            .map(|one| Written { caption: one.words.join(" "), confidence: thousandths(one.confidence) });
        let line = Line {
            scene: index,
            caption: self.caption.join(" "),
            synthetic: written.collect(),
            suffered: self.suffered,
            drawn: &self.scene,
            questions: asked.collect(),
        };
        serde_json::to_string(&line).expect("numbers and strings are JSON")
    }
}

/// The files of tensors of a set, as they grow.
struct Arrays {
    scenes: Growing,
    questions: Growing,
    width: usize,
    graded: bool,
}

impl Arrays {
    fn create(spec: &MakeScenes, out: &Path) -> Result<Self, FileError> {
        let (side, width, kept) = (spec.resolution as usize, spec.caption_width(), spec.synthetic as usize);
        let (picture, caption, written) = ([3, side, side], [width], [kept, width]);
        let confidence = [kept];
        let graded = spec.degrade.share > 0.0;
        let mut columns = vec![("images", Dtype::U8, &picture[..]), ("captions", Dtype::I32, &caption)];
        if kept > 0 {
            columns.extend([("synthetic", Dtype::I32, &written[..]), ("confidence", Dtype::F32, &confidence)]);
        }
        if graded {
            columns.push(("quality", Dtype::F32, &[]));
        }
        let number = Dtype::I32;
        let questions = [
            ("scene", number, &[][..]),
            ("words", number, &[QUESTION_WIDTH]),
            ("answer", number, &[]),
            ("category", number, &[]),
        ];
        Ok(Self {
            scenes: Growing::create(&out.join("scenes.safetensors"), &columns)?,
            questions: Growing::create(&out.join("questions.safetensors"), &questions)?,
            width,
            graded,
        })
    }

    fn push(&mut self, index: u64, drawn: &Drawn) -> Result<(), FileError> {
        self.scenes.push("images", &drawn.picture)?;
        self.scenes.push_i32("captions", &row(&drawn.caption, self.width))?;
        for one in &drawn.synthetic {
            self.scenes.push_i32("synthetic", &row(&one.words, self.width))?;
            self.scenes.push("confidence", &thousandths(one.confidence).to_le_bytes())?;
        }
        if self.graded {
            self.scenes.push("quality", &thousandths(drawn.quality).to_le_bytes())?;
        }
        for question in &drawn.questions {
            let scene = i32::try_from(index).expect("a set has a million scenes at most");
            self.questions.push_i32("scene", &[scene])?;
            self.questions.push_i32("words", &row(&question.words, QUESTION_WIDTH))?;
            self.questions.push_i32("answer", &[answer_number(question.answer)])?;
            self.questions.push_i32("category", &[category_number(question.category)])?;
        }
        Ok(())
    }
}

/// Draws the set that `spec` asks for and writes it to the folder `out`; `progress` hears how many scenes are done and
/// says whether to go on. Returns the set's final numbers. However large the set, memory holds one scene and the preview.
pub fn write(
    spec: &MakeScenes,
    seed: Seed,
    out: &Path,
    mut progress: impl FnMut(u64) -> ControlFlow<()>,
) -> Result<BTreeMap<String, f64>, SetError> {
    let failed = |path: &Path| FileError::file("write", path);
    let lines_path = out.join("scenes.jsonl");
    let mut lines = BufWriter::new(File::create(&lines_path).map_err(failed(&lines_path))?);
    let (mut arrays, mut painter) = (Arrays::create(spec, out)?, Painter::new(spec.resolution));
    let (mut pairs, mut known, mut asked, mut suffered, mut grades) = (0, BTreeSet::new(), 0, 0, 0_u64);
    let mut first = Vec::new();
    for index in 0..u64::from(spec.images) {
        let drawn = Drawn::new(spec, seed, index, &mut painter);
        writeln!(lines, "{}", drawn.line(index)).map_err(failed(&lines_path))?;
        arrays.push(index, &drawn)?;
        let written = drawn.synthetic.iter().map(|one| &one.words);
        let nouns = nouns(std::iter::once(&drawn.caption).chain(written));
        pairs += nouns.len();
        known.extend(nouns);
        asked += drawn.questions.len();
        suffered += u64::from(drawn.suffered.is_some());
        grades += u64::from(drawn.quality);
        if index < preview::MOST as u64 {
            first.extend(drawn.picture);
        }
        if (index + 1) % 256 == 0 && progress(index + 1).is_break() {
            return Err(SetError::Stopped);
        }
    }
    lines.flush().map_err(failed(&lines_path))?;
    arrays.scenes.finish()?;
    arrays.questions.finish()?;

    let path = out.join("vocabulary.json");
    let vocabulary = serde_json::to_string_pretty(&Vocabulary::of(spec.is_rich())).expect("lists of strings are JSON");
    std::fs::write(&path, vocabulary + "\n").map_err(failed(&path))?;
    let path = out.join("preview.png");
    preview::write(&path, &first, spec.resolution as usize).map_err(|error| failed(&path)(error.into()))?;
    let images = f64::from(spec.images);
    let mut numbers = vec![
        ("images", images),
        ("questions", asked as f64),
        ("image_noun_pairs", pairs as f64),
        ("unique_nouns", known.len() as f64),
        ("nouns_per_image", pairs as f64 / images),
    ];
    if arrays.graded {
        numbers.extend([("degraded", suffered as f64), ("quality", grades as f64 / 1000.0 / images)]);
    }
    Ok(numbers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn thousandths(number: u32) -> f32 {
    number as f32 / 1000.0
}

fn row(words: &[&str], width: usize) -> Vec<i32> {
    let mut numbers: Vec<i32> = words.iter().map(|word| word_number(word)).collect();
    assert!(numbers.len() <= width, "the grammar makes at most {width} words: {words:?}");
    numbers.resize(width, 0);
    numbers
}
