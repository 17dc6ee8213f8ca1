//! The table of words of a set, as its captions have them.

use std::collections::BTreeMap;

use isoflop_kinds::split::SplitPictures;

/// What stands in a table before any word: the end of a caption, and any word that is not in the table.
const FIRST: [&str; 2] = ["<pad>", "<unknown>"];

/// The number of a word that is not in the table.
const UNKNOWN: i32 = 1;

/// Words of a text: letters and digits that stand together, in small letters; an apostrophe between two of them belongs to them.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    let inner = |c: char| c.is_alphanumeric() || c == '\'' || c == '’';
    let pieces = text.split(move |c| !inner(c)).map(|piece| piece.trim_matches(['\'', '’']));
    pieces.filter(|piece| !piece.is_empty()).map(|piece| piece.to_lowercase().replace('’', "'"))
}

/// Words by number, and numbers by word.
#[derive(Debug)]
pub struct Words {
    names: Vec<String>,
    numbers: BTreeMap<String, i32>,
}

/// A caption in numbers.
#[derive(Debug, PartialEq, Eq)]
pub struct Numbered {
    /// Filled up with 0.
    pub row: Vec<i32>,
    /// Whether it was longer.
    pub cut: bool,
    /// Words that it has, and those of them that have no number.
    pub words: u64,
    /// Of those.
    pub unknown: u64,
}

impl Words {
    /// The words that are there most often, those that are there equally often in the order of their letters.
    pub fn of(counts: BTreeMap<String, u64>, spec: &SplitPictures) -> Self {
        let mut counts: Vec<(String, u64)> = counts.into_iter().filter(|(_, count)| *count >= spec.least).collect();
        counts.sort_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
        counts.truncate(spec.words as usize);
        let names: Vec<String> =
            FIRST.map(str::to_owned).into_iter().chain(counts.into_iter().map(|(word, _)| word)).collect();
        let numbers = names.iter().zip(0..).skip(FIRST.len()).map(|(word, number)| (word.clone(), number)).collect();
        Self { names, numbers }
    }

    /// The words in the order of their numbers.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// A caption of at most `tokens` words.
    pub fn row(&self, caption: &str, tokens: usize) -> Numbered {
        let mut row: Vec<i32> =
            words(caption).map(|word| self.numbers.get(&word).copied().unwrap_or(UNKNOWN)).collect();
        let unknown = row.iter().filter(|&&number| number == UNKNOWN).count() as u64;
        let (there, cut) = (row.len() as u64, row.len() > tokens);
        row.resize(tokens, 0);
        Numbered { row, cut, words: there, unknown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_stands_together_in_small_letters() {
        let of = |text: &str| words(text).collect::<Vec<_>>();
        assert_eq!(of("A dog's ball, 2nd-hand: “Ünder” ’tis!"), ["a", "dog's", "ball", "2nd", "hand", "ünder", "tis"]);
        assert_eq!(of(" -- "), [""; 0]);
    }

    #[test]
    fn the_most_frequent_words_are_numbered_and_the_others_are_one() {
        let spec: SplitPictures =
            serde_json::from_value(serde_json::json!({"part": "training", "words": 3, "least": 2})).unwrap();
        let counts = [("dog", 3), ("cat", 3), ("a", 9), ("bird", 2), ("eel", 1)];
        let words = Words::of(counts.map(|(word, count)| (word.to_owned(), count)).into(), &spec);
        assert_eq!(words.names(), ["<pad>", "<unknown>", "a", "cat", "dog"]);
        let row = words.row("A dog, a bird", 6);
        assert_eq!(row, Numbered { row: vec![2, 4, 2, 1, 0, 0], cut: false, words: 4, unknown: 1 });
        assert!(words.row("a a a", 2).cut);
    }
}
