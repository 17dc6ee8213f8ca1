//! The closed vocabulary: every word a caption or a question can hold, and every answer. The order is the numbering, and is never changed;
//! it does not depend on what a set uses, so that sets and networks can be mixed. A set that is not rich lists the first of them alone, which
//! are all it can hold: networks for it stay as small as they were.

pub use isoflop_kinds::scenes::WORDS;
use isoflop_kinds::scenes::{Category, Color, Ground, Shape, Size, Texture};
use serde::Serialize;

use super::question::Answer;

/// Words that a set which is not rich can hold.
const FIRST_WORDS: usize = 42;
/// Answers that questions about one have.
const FIRST_ANSWERS: usize = 21;
/// And their categories.
const FIRST_CATEGORIES: usize = 6;
/// Where the nouns of alternative texts stand in [`WORDS`].
const ALT_NOUNS: std::ops::Range<usize> = 72..84;
/// Where their other words stand.
const ALT_OTHERS: std::ops::Range<usize> = 84..92;
/// Where the names stand.
const NAMES: std::ops::Range<usize> = 92..116;

/// Nouns of alternative texts that are about no scene.
pub fn alt_nouns() -> &'static [&'static str] {
    &WORDS[ALT_NOUNS]
}

/// Words of alternative texts that are no nouns.
pub fn alt_others() -> &'static [&'static str] {
    &WORDS[ALT_OTHERS]
}

/// Proper nouns.
pub fn names() -> &'static [&'static str] {
    &WORDS[NAMES]
}

/// The noun that `word` is a form of, if it is one.
pub fn noun_of(word: &str) -> Option<&'static str> {
    let shape = Shape::ALL.iter().find(|&&shape| noun(shape, false) == word || noun(shape, true) == word);
    let other = || {
        let others = ["ground", "image", "picture", "object", "texture", "color", "shape", "size"];
        others.iter().chain(alt_nouns()).chain(names()).find(|noun| **noun == word).copied()
    };
    shape.map(|shape| shape.word()).or_else(other).or((word == "objects").then_some("object"))
}

/// Answers by number.
pub const ANSWERS: &[Answer] = &[
    Answer::No,
    Answer::Yes,
    Answer::Count(0),
    Answer::Count(1),
    Answer::Count(2),
    Answer::Count(3),
    Answer::Count(4),
    Answer::Size(Size::Small),
    Answer::Size(Size::Large),
    Answer::Color(Color::Red),
    Answer::Color(Color::Green),
    Answer::Color(Color::Blue),
    Answer::Color(Color::Yellow),
    Answer::Color(Color::Magenta),
    Answer::Color(Color::Cyan),
    Answer::Shape(Shape::Circle),
    Answer::Shape(Shape::Square),
    Answer::Shape(Shape::Triangle),
    Answer::Shape(Shape::Star),
    Answer::Shape(Shape::Diamond),
    Answer::Shape(Shape::Cross),
    Answer::Shape(Shape::Ring),
    Answer::Shape(Shape::Hexagon),
    Answer::Shape(Shape::Arrow),
    Answer::Shape(Shape::Crescent),
    Answer::Color(Color::Orange),
    Answer::Color(Color::Purple),
    Answer::Color(Color::White),
    Answer::Texture(Texture::Solid),
    Answer::Texture(Texture::Striped),
    Answer::Texture(Texture::Dotted),
    Answer::Texture(Texture::Checkered),
    Answer::Ground(Ground::Dark),
    Answer::Ground(Ground::Gray),
    Answer::Ground(Ground::Light),
    Answer::Ground(Ground::Brown),
    Answer::Ground(Ground::Tiled),
    Answer::Ground(Ground::Graded),
];

/// What `vocabulary.json` holds.
#[derive(Debug, Serialize)]
pub struct Vocabulary {
    words: Vec<&'static str>,
    answers: Vec<&'static str>,
    categories: Vec<&'static str>,
}

impl Vocabulary {
    /// All that a set can hold, which is all there is if it is `rich`.
    pub fn of(rich: bool) -> Self {
        let all = (WORDS.len(), ANSWERS.len(), Category::ALL.len());
        let (words, answers, categories) = if rich { all } else { (FIRST_WORDS, FIRST_ANSWERS, FIRST_CATEGORIES) };
        Self {
            words: WORDS[..words].to_vec(),
            answers: ANSWERS[..answers].iter().map(|answer| answer.word()).collect(),
            categories: Category::ALL[..categories].iter().map(|category| category.word()).collect(),
        }
    }
}

/// The number of `word`.
pub fn word_number(word: &str) -> i32 {
    number(WORDS, &word)
}

/// The number of `answer`.
pub fn answer_number(answer: Answer) -> i32 {
    number(ANSWERS, &answer)
}

/// The number of `category`.
pub fn category_number(category: Category) -> i32 {
    number(Category::ALL, &category)
}

fn number<T: PartialEq>(list: &[T], wanted: &T) -> i32 {
    let listed = (0..).zip(list).find(|(_, known)| *known == wanted);
    listed.expect("the grammar uses what the vocabulary lists, and a test says so").0
}

/// "a" becomes "an" where it must. No word of the first vocabulary asks for it.
pub fn articles(mut words: Vec<&'static str>) -> Vec<&'static str> {
    for at in 1..words.len() {
        if words[at - 1] == "a" && words[at].starts_with(['a', 'e', 'i', 'o', 'u']) {
            words[at - 1] = "an";
        }
    }
    words
}

/// A shape's noun for one object or for several.
pub const fn noun(shape: Shape, several: bool) -> &'static str {
    match (shape, several) {
        (shape, false) => shape.word(),
        (Shape::Circle, true) => "circles",
        (Shape::Square, true) => "squares",
        (Shape::Triangle, true) => "triangles",
        (Shape::Star, true) => "stars",
        (Shape::Diamond, true) => "diamonds",
        (Shape::Cross, true) => "crosses",
        (Shape::Ring, true) => "rings",
        (Shape::Hexagon, true) => "hexagons",
        (Shape::Arrow, true) => "arrows",
        (Shape::Crescent, true) => "crescents",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Trained networks hold these numbers: words and answers may be appended, never moved.
    #[test]
    fn the_numbering_is_fixed() {
        assert_eq!((WORDS.len(), ANSWERS.len(), Category::ALL.len()), (116, 38, 8));
        assert_eq!((word_number("<pad>"), word_number("circle"), word_number("size")), (0, 12, 41));
        assert_eq!((word_number("ring"), word_number("photo"), word_number("adorva")), (42, 72, 92));
        assert_eq!((alt_nouns()[11], alt_others()[0], alt_others()[7], names()[23]), ("shop", "free", "by", "yorvith"));
        assert_eq!((answer_number(Answer::Yes), answer_number(Answer::Shape(Shape::Cross))), (1, 20));
        let distinct: std::collections::BTreeSet<_> = WORDS.iter().collect();
        assert_eq!(distinct.len(), WORDS.len());
    }

    #[test]
    fn nouns_are_told_from_other_words() {
        let shapes = ["circles", "cross", "crosses"].map(noun_of);
        assert_eq!(shapes, [Some("circle"), Some("cross"), Some("cross")]);
        let others = ["velmora", "stock", "objects", "red", "cheap"].map(noun_of);
        assert_eq!(others, [Some("velmora"), Some("stock"), Some("object"), None, None]);
    }

    #[test]
    fn every_attribute_has_its_word_and_answer() {
        for &shape in Shape::ALL {
            answer_number(Answer::Shape(shape));
            word_number(noun(shape, false));
            word_number(noun(shape, true));
        }
        for &color in Color::ALL {
            answer_number(Answer::Color(color));
            word_number(color.word());
        }
        for &size in Size::ALL {
            answer_number(Answer::Size(size));
            word_number(size.word());
        }
        for &texture in Texture::ALL {
            answer_number(Answer::Texture(texture));
            word_number(texture.word());
        }
        for &ground in Ground::ALL {
            answer_number(Answer::Ground(ground));
            word_number(ground.word());
        }
        for &category in Category::ALL {
            category_number(category);
        }
    }
}
