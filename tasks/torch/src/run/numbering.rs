//! By which numbers a denoiser's own text encoder knows words. Sets that are not drawn number the words that they have by how often they have them, so two of
//! them mean different words by one number.

use std::path::PathBuf;

use isoflop_contract::{Artifact, Handle};
use isoflop_kinds::{artifact, scenes::WORDS};

use super::encoder::words;
use crate::{
    data::{read_json, write_json},
    error::TorchError,
};

/// The file of a denoiser that lists its words. There is none where drawn scenes number them.
const FILE: &str = "words.json";

/// Words in the order of their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbering(Vec<String>);

impl Numbering {
    /// That of a set of images with captions.
    pub fn of<A: Artifact>(set: &Handle<A>) -> Result<Self, TorchError> {
        Ok(Self(words(set)?))
    }

    /// That which a denoiser was trained with.
    pub fn behind(denoiser: &Handle<artifact::Denoiser>) -> Result<Self, TorchError> {
        let file = denoiser.file(FILE);
        if file.exists() { Ok(Self(read_json(&file)?)) } else { Ok(Self::drawn()) }
    }

    fn drawn() -> Self {
        Self(WORDS.iter().map(|&word| word.to_owned()).collect())
    }

    /// Where `other` means another word by a number than this, the number and both words. One list may go on where the other ends.
    fn parts(&self, other: &Self) -> Option<(usize, &str, String)> {
        let both = self.0.iter().zip(&other.0).enumerate();
        both.into_iter()
            .find(|(_, (own, other))| own != other)
            .map(|(at, (own, other))| (at, own.as_str(), other.clone()))
    }

    /// Refuses `other`, which `said` completes to a sentence, if it numbers words otherwise.
    pub fn demand(&self, other: &Self, said: &str) -> Result<(), TorchError> {
        let Some((number, own, other)) = self.parts(other) else { return Ok(()) };
        Err(TorchError::Mismatch(format!(
            "{said}: word {number} is `{own}` in the one and `{other}` in the other; let one `split-pictures` make both parts, or read captions by a frozen encoder"
        )))
    }

    /// Writes it into a denoiser's folder, if drawn scenes have another.
    pub fn keep(&self, file: impl FnOnce(&str) -> PathBuf) -> Result<(), TorchError> {
        if self.parts(&Self::drawn()).is_none() {
            return Ok(());
        }
        write_json(&file(FILE), &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_agree_as_far_as_both_go() {
        let of = |words: &[&str]| Numbering(words.iter().map(|&word| word.to_owned()).collect());
        let (short, long) = (of(&["<pad>", "a"]), of(&["<pad>", "a", "two"]));
        assert!(short.demand(&long, "no").is_ok() && long.demand(&short, "no").is_ok());
        assert!(long.demand(&Numbering::drawn(), "no").is_ok());
        let error = long.demand(&of(&["<pad>", "two", "a"]), "they differ").unwrap_err().to_string();
        assert!(error.starts_with("they differ: word 1 is `a` in the one and `two` in the other"), "{error}");
    }

    #[test]
    fn a_list_is_kept_where_drawn_scenes_have_another() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        Numbering::drawn().keep(place).unwrap();
        assert!(!place(FILE).exists());
        let own = Numbering(vec!["<pad>".to_owned(), "<unk>".to_owned(), "cat".to_owned()]);
        own.keep(place).unwrap();
        assert_eq!(read_json::<Vec<String>>(&place(FILE)).unwrap(), own.0);
    }
}
