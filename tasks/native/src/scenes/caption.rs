//! Captions: a scene in words, in full or in part, and never wrong.
//!
//! ```text
//! dense    group, relation, group | group { "and" group }
//! group    ("a" | "two" | "three") size color shape
//! ```
//! `plain` leaves out sizes and the relation, `sparse` all groups but the first as well.

use std::collections::BTreeSet;

use isoflop_kinds::scenes::{Captions, Shape};

use super::{
    scene::{Group, Scene},
    words::noun,
};

/// The words of `scene`'s caption.
pub fn caption(scene: &Scene, density: Captions) -> Vec<&'static str> {
    let mut words = Vec::new();
    for (index, group) in said(scene, density).iter().enumerate() {
        match scene.relation {
            _ if index == 0 => {}
            Some(relation) if density == Captions::Dense => words.extend(relation.words()),
            _ => words.push("and"),
        }
        words.push(["a", "two", "three"][group.count as usize - 1]);
        if density == Captions::Dense {
            words.push(group.size.word());
        }
        words.extend([group.color.word(), noun(group.shape, group.count > 1)]);
    }
    words
}

/// The distinct nouns of `scene`'s caption: with its image, each is an image-noun pair (Li et al. 2024, Table 3).
pub fn nouns(scene: &Scene, density: Captions) -> BTreeSet<Shape> {
    said(scene, density).iter().map(|group| group.shape).collect()
}

fn said(scene: &Scene, density: Captions) -> &[Group] {
    if density == Captions::Sparse { &scene.groups[..1] } else { &scene.groups }
}

#[cfg(test)]
mod tests {
    use isoflop_kinds::scenes::{Color, Size};

    use super::*;
    use crate::scenes::Relation;

    #[test]
    fn captions_say_what_their_density_promises() {
        let star = Group { shape: Shape::Star, color: Color::Green, size: Size::Small, count: 1 };
        let circles = Group { shape: Shape::Circle, color: Color::Yellow, size: Size::Large, count: 2 };
        let mut scene = Scene { groups: vec![circles, star], objects: Vec::new(), relation: None };
        let text = |scene: &Scene, density| caption(scene, density).join(" ");
        assert_eq!(text(&scene, Captions::Dense), "two large yellow circles and a small green star");
        assert_eq!(text(&scene, Captions::Plain), "two yellow circles and a green star");
        assert_eq!(text(&scene, Captions::Sparse), "two yellow circles");
        scene.groups[0].count = 1;
        scene.relation = Some(Relation::LeftOf);
        assert_eq!(text(&scene, Captions::Dense), "a large yellow circle left of a small green star");
        assert_eq!(text(&scene, Captions::Plain), "a yellow circle and a green star");
        assert_eq!((nouns(&scene, Captions::Dense).len(), nouns(&scene, Captions::Sparse).len()), (2, 1));
    }
}
