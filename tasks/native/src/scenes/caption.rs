//! Captions: a scene in words, in full or in part, and never wrong; and alternative texts, which are hardly about it.
//!
//! ```text
//! dense    group, relation, group | group { "and" group }, then "on a … ground" in a world that has several
//! group    ("a" | "two" | "three") size texture color shape
//! alt      two to five words about something else, and in their midst now and then a color and the noun of a shape
//! ```
//! `plain` leaves out sizes, textures, the relation and the ground, `sparse` all groups but the first as well.

use std::collections::BTreeSet;

use isoflop_kinds::scenes::{Captions, Texture};

use super::{
    scene::{Group, Scene},
    words::{alt_nouns, alt_others, articles, names, noun, noun_of},
};
use crate::random::Stream;

/// The words of `scene`'s caption. Only alternative texts draw from the stream.
pub fn caption(scene: &Scene, density: Captions, stream: &mut Stream) -> Vec<&'static str> {
    let dense = match density {
        Captions::Alt => return alternative(scene, stream),
        Captions::Dense => true,
        Captions::Plain | Captions::Sparse => false,
    };
    let said = if density == Captions::Sparse { &scene.groups[..1] } else { &scene.groups };
    let mut words = Vec::new();
    for (index, group) in said.iter().enumerate() {
        match scene.relation {
            _ if index == 0 => {}
            Some(relation) if dense => words.extend(relation.words()),
            _ => words.push("and"),
        }
        words.push(["a", "two", "three"][group.count as usize - 1]);
        if dense {
            words.push(group.size.word());
            words.extend(texture(*group));
        }
        words.extend([group.color.word(), noun(group.shape, group.count > 1)]);
    }
    if let (true, Some(ground)) = (dense, scene.ground) {
        words.extend(["on", "a", ground.word(), "ground"]);
    }
    articles(words)
}

/// The word of a texture that is to be seen.
pub(super) fn texture(group: Group) -> Option<&'static str> {
    group.texture.filter(|texture| *texture != Texture::Solid).map(Texture::word)
}

/// What somebody wrote who wanted the picture found.
fn alternative(scene: &Scene, stream: &mut Stream) -> Vec<&'static str> {
    let mut words = Vec::new();
    for _ in 0..2 + stream.below(4) {
        let list = [names(), names(), alt_nouns(), alt_nouns(), alt_others()][stream.below(5)];
        words.push(stream.one_of(list));
    }
    for (index, group) in scene.groups.iter().enumerate() {
        // The first group nine times in ten, others one time in four; the color every other time.
        if stream.chance(if index == 0 { 0.9 } else { 0.25 }) {
            let at = stream.below(words.len() + 1);
            words.insert(at, noun(group.shape, group.count > 1));
            if stream.chance(0.5) {
                words.insert(at, group.color.word());
            }
        }
    }
    words
}

/// The distinct nouns of an image's captions together: each is an image-noun pair (Li et al. 2024, Table 3).
pub fn nouns<'a>(captions: impl IntoIterator<Item = &'a Vec<&'static str>>) -> BTreeSet<&'static str> {
    captions.into_iter().flatten().filter_map(|word| noun_of(word)).collect()
}

#[cfg(test)]
mod tests {
    use isoflop_contract::Seed;
    use isoflop_kinds::scenes::{Color, Ground, Shape, Size};

    use super::*;
    use crate::scenes::Relation;

    #[test]
    fn captions_say_what_their_density_promises() {
        let group = |shape, color, size, count| Group { shape, color, size, texture: None, count };
        let star = group(Shape::Star, Color::Green, Size::Small, 1);
        let circles = group(Shape::Circle, Color::Yellow, Size::Large, 2);
        let mut scene = Scene { groups: vec![circles, star], objects: Vec::new(), relation: None, ground: None };
        let caption = |scene: &Scene, density| caption(scene, density, &mut Stream::of(Seed::from_number(1), "alt", 0));
        let text = |scene: &Scene, density| caption(scene, density).join(" ");
        assert_eq!(text(&scene, Captions::Dense), "two large yellow circles and a small green star");
        assert_eq!(text(&scene, Captions::Plain), "two yellow circles and a green star");
        assert_eq!(text(&scene, Captions::Sparse), "two yellow circles");
        scene.groups[0].count = 1;
        scene.relation = Some(Relation::LeftOf);
        assert_eq!(text(&scene, Captions::Dense), "a large yellow circle left of a small green star");
        assert_eq!(text(&scene, Captions::Plain), "a yellow circle and a green star");
        let count = |density| nouns([&caption(&scene, density)]).len();
        assert_eq!((count(Captions::Dense), count(Captions::Sparse)), (2, 1));
        scene.groups[1].texture = Some(Texture::Striped);
        scene.groups[0].texture = Some(Texture::Solid);
        scene.ground = Some(Ground::Tiled);
        scene.groups[1].color = Color::Orange;
        assert_eq!(text(&scene, Captions::Plain), "a yellow circle and an orange star");
        scene.groups[1].color = Color::Green;
        let all = "a large yellow circle left of a small striped green star on a tiled ground";
        assert_eq!(text(&scene, Captions::Dense), all);
    }

    /// Alternative texts have more nouns than they say of the scene, as on the web.
    #[test]
    fn alternative_texts_say_little_of_the_scene() {
        let circle = Group { shape: Shape::Circle, color: Color::Red, size: Size::Large, texture: None, count: 1 };
        let scene = Scene { groups: vec![circle], objects: Vec::new(), relation: None, ground: None };
        let texts: Vec<_> =
            (0..500).map(|k| caption(&scene, Captions::Alt, &mut Stream::of(Seed::from_number(1), "alt", k))).collect();
        let about = texts.iter().filter(|text| text.contains(&"circle")).count();
        let colored = texts.iter().filter(|text| text.contains(&"red")).count();
        assert!((400..500).contains(&about) && (170..290).contains(&colored), "{about} {colored}");
        let mean = texts.iter().map(|text| nouns([text]).len()).sum::<usize>() as f64 / 500.0;
        assert!((3.0..4.5).contains(&mean), "{mean}");
    }
}
