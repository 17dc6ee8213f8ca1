//! Questions with one right answer, in the manner of TIFA: what a dense caption settles, asked one attribute at a time.
//!
//! A question about "the circle" is asked only where all circles are of one group. Existence is asked twice a scene, once of what is
//! there and once of what differs from it in one attribute, so that neither "yes" nor "no" pays; relations and sizes are as even.

use std::collections::BTreeSet;

use isoflop_kinds::scenes::{Category, Color, Ground, MakeScenes, Shape, Size, Texture};

use super::{
    scene::{Group, Scene},
    words::{articles, noun},
};
use crate::random::Stream;

/// The right answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is not so.
    No,
    /// It is so.
    Yes,
    /// So many.
    Count(u32),
    /// Of this size.
    Size(Size),
    /// Of this color.
    Color(Color),
    /// Of this shape.
    Shape(Shape),
    /// Filled like this.
    Texture(Texture),
    /// On this.
    Ground(Ground),
}

impl Answer {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Yes => "yes",
            Self::Count(count) => ["0", "1", "2", "3", "4"][count as usize],
            Self::Size(size) => size.word(),
            Self::Color(color) => color.word(),
            Self::Shape(shape) => shape.word(),
            Self::Texture(texture) => texture.word(),
            Self::Ground(ground) => ground.word(),
        }
    }

    const fn whether(so: bool) -> Self {
        if so { Self::Yes } else { Self::No }
    }
}

/// One question about one scene.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What it asks about.
    pub category: Category,
    /// Its words.
    pub words: Vec<&'static str>,
    /// The right answer.
    pub answer: Answer,
}

/// The questions about `scene`, at most one of a category but two about existence. They depend on the scene and the stream alone.
pub fn questions(spec: &MakeScenes, scene: &Scene, stream: &mut Stream) -> Vec<Question> {
    let mut all = existence(spec, scene, stream);
    all.extend(color(scene, stream));
    all.extend(shape(scene, stream));
    all.push(counting(spec, scene, stream));
    all.extend(spatial(scene, stream));
    all.push(size(scene, stream));
    all.extend(texture(spec, scene, stream));
    all.extend(ground(spec, scene, stream));
    all
}

fn existence(spec: &MakeScenes, scene: &Scene, stream: &mut Stream) -> Vec<Question> {
    let there = stream.one_of(&scene.groups);
    let ask = |color: Color, shape: Shape, answer| Question {
        category: Category::Existence,
        words: articles(vec!["is", "there", "a", color.word(), shape.word()]),
        answer,
    };
    let other_shapes = spec.shapes.iter().map(|&shape| (there.color, shape));
    let other_colors = spec.colors.iter().map(|&color| (color, there.shape));
    let seen = |&(color, shape): &(Color, Shape)| scene.count(|group| (group.color, group.shape) == (color, shape)) > 0;
    // As often another shape as another color, however many there are of each.
    let mut absent: [Vec<_>; 2] =
        [other_shapes.filter(|pair| !seen(pair)).collect(), other_colors.filter(|pair| !seen(pair)).collect()];
    absent.rotate_left(stream.below(2));
    let Some(near) = absent.iter().find(|pairs| !pairs.is_empty()) else { return Vec::new() };
    let (color, shape) = stream.one_of(near);
    vec![ask(there.color, there.shape, Answer::Yes), ask(color, shape, Answer::No)]
}

fn color(scene: &Scene, stream: &mut Stream) -> Option<Question> {
    let group = any(scene, stream, |group| alone(scene, |other| other.shape == group.shape))?;
    let mut words = vec!["what", "color", verb(group), "the"];
    words.push(noun(group.shape, group.count > 1));
    Some(Question { category: Category::Color, words, answer: Answer::Color(group.color) })
}

fn shape(scene: &Scene, stream: &mut Stream) -> Option<Question> {
    let group = any(scene, stream, |group| alone(scene, |other| other.color == group.color))?;
    let words = vec!["what", "shape", verb(group), "the", group.color.word(), object(group.count)];
    Some(Question { category: Category::Shape, words, answer: Answer::Shape(group.shape) })
}

/// One time in four about something that is not there, where there is such a thing.
fn counting(spec: &MakeScenes, scene: &Scene, stream: &mut Stream) -> Question {
    let (by_shape, absent, group) = (stream.below(2) == 0, stream.below(4) == 0, stream.one_of(&scene.groups));
    let shapes: Vec<Shape> = spec.shapes.iter().copied().filter(|&s| scene.count(|g| g.shape == s) == 0).collect();
    let colors: Vec<Color> = spec.colors.iter().copied().filter(|&c| scene.count(|g| g.color == c) == 0).collect();
    let (what, count) = if by_shape {
        let shape = if absent && !shapes.is_empty() { stream.one_of(&shapes) } else { group.shape };
        (vec![noun(shape, true)], scene.count(|group| group.shape == shape))
    } else {
        let color = if absent && !colors.is_empty() { stream.one_of(&colors) } else { group.color };
        (vec![color.word(), "objects"], scene.count(|group| group.color == color))
    };
    let words = [vec!["how", "many"], what, vec!["are", "there"]].concat();
    Question { category: Category::Counting, words, answer: Answer::Count(count) }
}

/// Asked of scenes that are about a relation, and answered "no" only where the very opposite holds.
fn spatial(scene: &Scene, stream: &mut Stream) -> Option<Question> {
    let mut holds = scene.relation?;
    let (mut subject, mut object) = (scene.groups[0], scene.groups[1]);
    if stream.below(2) == 0 {
        (subject, object, holds) = (object, subject, holds.reversed());
    }
    let so = stream.below(2) == 0;
    let asked = if so { holds } else { holds.reversed() };
    let mut words = vec!["is", "the", subject.color.word(), subject.shape.word()];
    words.extend(asked.words());
    words.extend(["the", object.color.word(), object.shape.word()]);
    Some(Question { category: Category::Spatial, words, answer: Answer::whether(so) })
}

/// "the" group, by its shape where that suffices and by its color too where not.
fn the(scene: &Scene, group: Group) -> Vec<&'static str> {
    let mut words = vec!["the"];
    if !alone(scene, |other| other.shape == group.shape) {
        words.push(group.color.word());
    }
    words.push(noun(group.shape, group.count > 1));
    words
}

/// Asked openly, or whether it is this: as often the right one as another.
fn texture(spec: &MakeScenes, scene: &Scene, stream: &mut Stream) -> Option<Question> {
    // Nothing is drawn in a world without textures.
    scene.groups[0].texture?;
    let group = stream.one_of(&scene.groups);
    let right = group.texture?;
    let (words, answer) = if stream.below(2) == 0 {
        ([vec!["what", "texture", verb(group)], the(scene, group)].concat(), Answer::Texture(right))
    } else {
        let asked = or_another(right, &spec.textures, stream);
        ([vec![verb(group)], the(scene, group), vec![asked.word()]].concat(), Answer::whether(asked == right))
    };
    Some(Question { category: Category::Texture, words, answer })
}

/// The same of the ground.
fn ground(spec: &MakeScenes, scene: &Scene, stream: &mut Stream) -> Option<Question> {
    let right = scene.ground?;
    let (words, answer) = if stream.below(2) == 0 {
        (vec!["what", "is", "the", "ground"], Answer::Ground(right))
    } else {
        let asked = or_another(right, &spec.grounds, stream);
        (vec!["is", "the", "ground", asked.word()], Answer::whether(asked == right))
    };
    Some(Question { category: Category::Ground, words, answer })
}

fn or_another<T: Copy + PartialEq>(right: T, all: &BTreeSet<T>, stream: &mut Stream) -> T {
    let others: Vec<T> = all.iter().copied().filter(|&other| other != right).collect();
    if stream.below(2) == 0 || others.is_empty() { right } else { stream.one_of(&others) }
}

fn size(scene: &Scene, stream: &mut Stream) -> Question {
    let (group, open, asked) = (stream.one_of(&scene.groups), stream.below(2) == 0, stream.one_of(Size::ALL));
    let the = the(scene, group);
    let (words, answer) = if open {
        ([vec!["what", "size", verb(group)], the].concat(), Answer::Size(group.size))
    } else {
        ([vec![verb(group)], the, vec![asked.word()]].concat(), Answer::whether(asked == group.size))
    };
    Question { category: Category::Size, words, answer }
}

/// One of the groups that `fit`.
fn any(scene: &Scene, stream: &mut Stream, fit: impl Fn(Group) -> bool) -> Option<Group> {
    let fitting: Vec<Group> = scene.groups.iter().copied().filter(|&group| fit(group)).collect();
    (!fitting.is_empty()).then(|| stream.one_of(&fitting))
}

/// Whether exactly one group is meant.
fn alone(scene: &Scene, meant: impl Fn(&Group) -> bool) -> bool {
    scene.groups.iter().filter(|group| meant(group)).count() == 1
}

const fn verb(group: Group) -> &'static str {
    if group.count > 1 { "are" } else { "is" }
}

const fn object(count: u32) -> &'static str {
    if count > 1 { "objects" } else { "object" }
}
