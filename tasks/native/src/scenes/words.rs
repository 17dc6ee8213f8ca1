//! The closed vocabulary: every word a caption or a question can hold, and every answer. The order is the numbering, and is never changed;
//! it does not depend on what a set uses, so that sets and networks can be mixed.

use isoflop_kinds::scenes::{Category, Color, Shape, Size};
use serde::Serialize;

use super::question::Answer;

/// Words by number; word 0 fills up a row.
pub const WORDS: &[&str] = &[
    "<pad>",
    "a",
    "two",
    "three", // numbers
    "small",
    "large", // sizes
    "red",
    "green",
    "blue",
    "yellow",
    "magenta",
    "cyan", // colors
    "circle",
    "square",
    "triangle",
    "star",
    "diamond",
    "cross", // shapes
    "circles",
    "squares",
    "triangles",
    "stars",
    "diamonds",
    "crosses", // and several of them
    "object",
    "objects",
    "and",
    "left",
    "right",
    "of",
    "above",
    "below", // how they stand
    "is",
    "are",
    "there",
    "what",
    "how",
    "many",
    "the",
    "color",
    "shape",
    "size", // questions
];

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
];

/// What `vocabulary.json` holds.
#[derive(Debug, Serialize)]
pub struct Vocabulary {
    words: Vec<&'static str>,
    answers: Vec<&'static str>,
    categories: Vec<&'static str>,
}

impl Vocabulary {
    /// All of it.
    pub fn whole() -> Self {
        Self {
            words: WORDS.to_vec(),
            answers: ANSWERS.iter().map(|answer| answer.word()).collect(),
            categories: Category::ALL.iter().map(|category| category.word()).collect(),
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Trained networks hold these numbers: words and answers may be appended, never moved.
    #[test]
    fn the_numbering_is_fixed() {
        assert_eq!((WORDS.len(), ANSWERS.len(), Category::ALL.len()), (42, 21, 6));
        assert_eq!((word_number("<pad>"), word_number("circle"), word_number("size")), (0, 12, 41));
        assert_eq!((answer_number(Answer::Yes), answer_number(Answer::Shape(Shape::Cross))), (1, 20));
        let distinct: std::collections::BTreeSet<_> = WORDS.iter().collect();
        assert_eq!(distinct.len(), WORDS.len());
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
        for &category in Category::ALL {
            category_number(category);
        }
    }
}
