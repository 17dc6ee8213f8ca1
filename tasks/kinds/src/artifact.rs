//! The shapes of artifacts, and what is in each.

use isoflop_contract::Artifact;

macro_rules! artifacts {
    ($( $(#[doc = $about:literal])* $name:ident = $shape:literal; )*) => { $(
        $(#[doc = $about])*
        #[derive(Debug)]
        pub enum $name {}

        impl Artifact for $name {
            const SHAPE: &'static str = $shape;
        }
    )* };
}

artifacts! {
    /// Drawn scenes with captions and questions.
    ///
    /// - `scenes.safetensors`: `images` u8 `[N, 3, R, R]`; `captions` i32 `[N, L]`, word numbers, 0 where the caption has ended.
    /// - `questions.safetensors`: `scene` i32 `[Q]`, the scene asked about; `words` i32 `[Q, M]`, padded with 0; `answer` i32 `[Q]`, number of the
    ///   right answer; `category` i32 `[Q]`.
    /// - `vocabulary.json`: `words`, `answers`, `categories`, each a list of strings in the order of their numbers (`words[0]` is the padding).
    /// - `scenes.jsonl`: one line a scene with its caption, objects and questions, for people.
    /// - `preview.png`: the first scenes.
    Scenes = "scenes";
    /// A trained denoiser: `model.safetensors` (raw weights), `config.json` (the backbone), `history.csv` (step, loss, held-out loss).
    Denoiser = "denoiser";
    /// Images sampled for the captions of a set of scenes, in their order: `images.safetensors` (`images` u8 `[N, 3, R, R]`), `preview.png`.
    Images = "images";
    /// A trained question-answering network: `model.safetensors`, `config.json`.
    Vqa = "vqa";
    /// The answers given about a set of images: `answers.csv` (question, category, right, given).
    Alignment = "alignment";
    /// A fitted law: `fit.json` (form, parameters with intervals, points, curve with its band).
    Fit = "fit";
}
