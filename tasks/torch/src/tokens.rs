//! Text to token numbers, through a user's `tokenizer.json`.
//!
//! The file says how text is cut; what models want around the cuts (where a text begins and ends, how long it is, what fills the rest) is said here, so that
//! a file's own truncation, padding and templates, which released files have or lack as they please, make no difference.

use std::path::{Path, PathBuf};

use tch::Tensor;

/// What a model's training had around its texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convention {
    /// CLIP as first released, and SDXL's first encoder: 77 tokens, filled with the end.
    Clip,
    /// OpenCLIP as SD 2 and SDXL's second encoder have it: 77 tokens, filled with token 0, which is `!`.
    OpenClip,
    /// T5: an end and no beginning, filled with `<pad>`; as long as a study says, which is 120 in PixArt.
    T5,
}

/// Conventions by the names that a command line has for them.
pub const CONVENTIONS: &[(&str, Convention)] =
    &[("clip", Convention::Clip), ("openclip", Convention::OpenClip), ("t5", Convention::T5)];

impl Convention {
    /// Tokens of a text where nothing else is said.
    pub fn length(self) -> usize {
        match self {
            Self::Clip | Self::OpenClip => 77,
            Self::T5 => 120,
        }
    }

    /// The tokens that begin a text, end it and fill what is left.
    fn around(self) -> (Option<&'static str>, &'static str, &'static str) {
        match self {
            Self::Clip => (Some("<|startoftext|>"), "<|endoftext|>", "<|endoftext|>"),
            Self::OpenClip => (Some("<|startoftext|>"), "<|endoftext|>", "!"),
            Self::T5 => (None, "</s>", "<pad>"),
        }
    }
}

/// Why text could not be made into tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// A file that is no tokenizer.
    #[error("{path} is no tokenizer.json: {problem}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A tokenizer of another model.
    #[error("{path} has no token `{token}`, which this convention needs", path = path.display())]
    NoToken {
        /// The file.
        path: PathBuf,
        /// The token.
        token: &'static str,
    },
    /// Too short for what stands around a text.
    #[error("{0} tokens leave no room between a text's beginning and its end")]
    TooShort(usize),
    /// A text that the tokenizer refuses.
    #[error("`{text}` cannot be cut into tokens: {problem}")]
    Text {
        /// The text.
        text: String,
        /// What the tokenizer said.
        problem: String,
    },
}

/// A tokenizer with a convention.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    begin: Option<u32>,
    end: u32,
    fill: u32,
    length: usize,
}

/// Texts as a model reads them.
#[derive(Debug)]
pub struct Tokens {
    /// Token numbers, i64 `[B, length]`.
    pub ids: Tensor,
    /// 1 where a text is, its beginning and end included, and 0 where it is filled up: i64 `[B, length]`.
    pub mask: Tensor,
}

impl Tokenizer {
    /// Reads `tokenizer.json`, for texts of `length` tokens.
    pub fn open(path: &Path, convention: Convention, length: usize) -> Result<Self, TokenError> {
        let wrong = |error: Box<dyn std::error::Error + Send + Sync>| TokenError::File {
            path: path.into(),
            problem: error.to_string(),
        };
        let mut inner = tokenizers::Tokenizer::from_file(path).map_err(wrong)?;
        inner.with_truncation(None).map_err(wrong)?.with_padding(None);
        let (begin, end, fill) = convention.around();
        let number = |token: &'static str| {
            inner.token_to_id(token).ok_or_else(|| TokenError::NoToken { path: path.into(), token })
        };
        let begin = begin.map(number).transpose()?;
        let (end, fill) = (number(end)?, number(fill)?);
        if length < 1 + usize::from(begin.is_some()) + 1 {
            return Err(TokenError::TooShort(length));
        }
        Ok(Self { inner, begin, end, fill, length })
    }

    /// Texts that are too long lose what is behind, and still end.
    pub fn encode(&self, texts: &[impl AsRef<str>]) -> Result<Tokens, TokenError> {
        let (mut ids, mut mask) = (Vec::new(), Vec::new());
        for text in texts {
            let text = text.as_ref();
            let cut = self.inner.encode(text, false);
            let cut = cut.map_err(|error| TokenError::Text { text: text.into(), problem: error.to_string() })?;
            let room = self.length - 1 - usize::from(self.begin.is_some());
            let inside = cut.get_ids().iter().copied().take(room);
            let row: Vec<u32> = self.begin.into_iter().chain(inside).chain([self.end]).collect();
            let left = self.length - row.len();
            mask.extend(row.iter().map(|_| 1_i64).chain(std::iter::repeat_n(0, left)));
            ids.extend(row.iter().copied().chain(std::iter::repeat_n(self.fill, left)).map(i64::from));
        }
        let size = [texts.len() as i64, self.length as i64];
        Ok(Tokens { ids: Tensor::from_slice(&ids).view(size), mask: Tensor::from_slice(&mask).view(size) })
    }
}
