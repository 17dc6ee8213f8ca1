//! The count of a set, image by image.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

/// Nouns and words as they are counted.
#[derive(Debug, Default)]
pub struct Tally {
    images: u64,
    graded: u64,
    quality: f64,
    pairs: u64,
    /// Distinct nouns of the set, by a hash of 64 bits: two in four million collide once in two million sets.
    known: HashSet<u64>,
    /// Distinct nouns of the image at hand.
    here: HashSet<u64>,
    original: Counts,
    synthetic: Option<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    captions: u64,
    words: BTreeMap<usize, u64>,
    nouns: BTreeMap<usize, u64>,
}

/// How captions of one sort are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spread {
    /// How many.
    pub captions: u64,
    /// Their mean number of words.
    pub words: f64,
    /// Their mean number of distinct nouns.
    pub nouns: f64,
    /// Captions by number of words.
    pub by_words: BTreeMap<usize, u64>,
    /// Captions by number of distinct nouns.
    pub by_nouns: BTreeMap<usize, u64>,
}

/// What a set is. Image-noun pairs are distinct nouns of an image's captions taken together, summed over images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Description {
    /// The format.
    pub version: u32,
    /// How many images.
    pub images: u64,
    /// The mean quality of those that have one.
    pub quality: Option<f64>,
    /// Image-noun pairs.
    pub image_noun_pairs: u64,
    /// Distinct nouns.
    pub unique_nouns: u64,
    /// Pairs by image.
    pub nouns_per_image: f64,
    /// The captions that images came with.
    pub original: Spread,
    /// Those that were written for them.
    pub synthetic: Option<Spread>,
}

impl Description {
    /// The columns of the paper's Table 3, and two more about captions. Sets without a quality have no such column.
    pub fn columns(&self) -> Vec<(&'static str, f64)> {
        let mut columns = vec![("images", self.images as f64)];
        columns.extend(self.quality.map(|quality| ("quality", quality)));
        columns.extend([
            ("image_noun_pairs", self.image_noun_pairs as f64),
            ("unique_nouns", self.unique_nouns as f64),
            ("nouns_per_image", self.nouns_per_image),
            ("words_per_caption", self.original.words),
        ]);
        columns.extend(self.synthetic.iter().map(|spread| ("words_per_synthetic_caption", spread.words)));
        columns
    }
}

/// FNV-1a.
fn hash(word: &str) -> u64 {
    word.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Tally {
    /// Nothing yet; with `synthetic`, captions of that sort are expected.
    pub fn new(synthetic: bool) -> Self {
        Self { synthetic: synthetic.then(Counts::default), ..Self::default() }
    }

    /// The next image. Its captions follow.
    pub fn image(&mut self, quality: Option<f64>) {
        self.settle();
        self.images += 1;
        if let Some(quality) = quality {
            self.graded += 1;
            self.quality += quality;
        }
    }

    /// A caption that the image came with: how many words, and its nouns.
    pub fn original<'a>(&mut self, words: usize, nouns: impl Iterator<Item = &'a str>) {
        let nouns: HashSet<u64> = nouns.map(hash).collect();
        self.original.add(words, nouns.len());
        self.here.extend(nouns);
    }

    /// A caption that was written for it.
    pub fn synthetic<'a>(&mut self, words: usize, nouns: impl Iterator<Item = &'a str>) {
        let nouns: HashSet<u64> = nouns.map(hash).collect();
        self.synthetic.get_or_insert_default().add(words, nouns.len());
        self.here.extend(nouns);
    }

    fn settle(&mut self) {
        self.pairs += self.here.len() as u64;
        self.known.extend(self.here.drain());
    }

    /// The description.
    pub fn finish(mut self) -> Description {
        self.settle();
        let images = self.images.max(1) as f64;
        Description {
            version: 1,
            images: self.images,
            quality: (self.graded > 0).then(|| self.quality / self.graded as f64),
            image_noun_pairs: self.pairs,
            unique_nouns: self.known.len() as u64,
            nouns_per_image: self.pairs as f64 / images,
            original: self.original.spread(),
            synthetic: self.synthetic.map(Counts::spread),
        }
    }
}

impl Counts {
    fn add(&mut self, words: usize, nouns: usize) {
        self.captions += 1;
        *self.words.entry(words).or_default() += 1;
        *self.nouns.entry(nouns).or_default() += 1;
    }

    fn spread(self) -> Spread {
        let mean = |counts: &BTreeMap<usize, u64>| {
            let sum: u64 = counts.iter().map(|(value, times)| *value as u64 * times).sum();
            sum as f64 / self.captions.max(1) as f64
        };
        let (words, nouns) = (mean(&self.words), mean(&self.nouns));
        Spread { captions: self.captions, words, nouns, by_words: self.words, by_nouns: self.nouns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_distinct_nouns_of_all_captions_of_an_image() {
        let mut tally = Tally::new(true);
        tally.image(Some(4.0));
        tally.original(3, ["dog", "ball", "dog"].into_iter());
        tally.synthetic(5, ["dog", "park"].into_iter());
        tally.image(None);
        tally.original(1, ["dog"].into_iter());
        let description = tally.finish();
        assert_eq!((description.images, description.image_noun_pairs, description.unique_nouns), (2, 4, 3));
        assert!((description.nouns_per_image - 2.0).abs() < 1e-12 && description.quality == Some(4.0));
        assert!((description.original.words - 2.0).abs() < 1e-12 && (description.original.nouns - 1.5).abs() < 1e-12);
        assert_eq!(description.synthetic.unwrap().by_words, BTreeMap::from([(5, 1)]));
    }
}
