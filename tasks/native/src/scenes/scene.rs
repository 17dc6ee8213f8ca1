//! A scene: groups of identical objects, where each object is, and perhaps how two of them stand to each other.
//!
//! Coordinates are in units of 1/1024 of the image, whatever its resolution. No two groups have both shape and color in common.

use std::collections::BTreeSet;

use isoflop_contract::Seed;
use isoflop_kinds::scenes::{Color, Ground, MAX_OBJECTS, MakeScenes, Pair, Shape, Show, Size, Texture};
use serde::Serialize;

use super::place;
use crate::random::Stream;

/// The width and height of the world.
pub const WORLD: i32 = 1024;

/// Identical objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Their shape.
    pub shape: Shape,
    /// Their color.
    pub color: Color,
    /// Their size.
    pub size: Size,
    /// How they are filled, in a world of several textures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub texture: Option<Texture>,
    /// How many.
    pub count: u32,
}

/// One object: which group it is of, and the square that it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Object {
    /// The index of its group.
    pub group: usize,
    /// The left edge.
    pub left: i32,
    /// The upper edge; below is more.
    pub top: i32,
    /// The length of a side.
    pub width: i32,
}

/// How the first group's object stands to the second's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// The first is left of the second.
    LeftOf,
    /// The first is right of the second.
    RightOf,
    /// The first is above the second.
    Above,
    /// The first is below the second.
    Below,
}

impl Relation {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::LeftOf, Self::RightOf, Self::Above, Self::Below];

    /// How the second stands to the first.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::LeftOf => Self::RightOf,
            Self::RightOf => Self::LeftOf,
            Self::Above => Self::Below,
            Self::Below => Self::Above,
        }
    }

    /// Its words.
    pub const fn words(self) -> &'static [&'static str] {
        match self {
            Self::LeftOf => &["left", "of"],
            Self::RightOf => &["right", "of"],
            Self::Above => &["above"],
            Self::Below => &["below"],
        }
    }
}

/// What is to be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scene {
    /// Groups, in the order a caption names them.
    pub groups: Vec<Group>,
    /// Objects, by group.
    pub objects: Vec<Object>,
    /// How the two single objects stand to each other, where that is part of the scene.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relation: Option<Relation>,
    /// What it all lies on, in a world that has another ground than the dark one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ground: Option<Ground>,
}

/// The side of an object's square.
pub const fn width(size: Size) -> i32 {
    match size {
        Size::Small => 320, // 5 pixels of 16
        Size::Large => 480, // 7.5 pixels of 16
    }
}

impl Scene {
    /// Scene `index` of a task seeded with `seed`. Scenes too crowded to be laid out are drawn again, so they are rarer than their share.
    pub fn draw(spec: &MakeScenes, seed: Seed, index: u64) -> Self {
        let held = if spec.combinations.show == Show::All { BTreeSet::new() } else { spec.held_out() };
        let mut scene = Self::lay_out(spec, &held, &mut Stream::of(seed, "scene", index));
        if spec.has_textures() {
            let (textures, mut stream) = (list(&spec.textures), Stream::of(seed, "texture", index));
            for group in &mut scene.groups {
                group.texture = Some(stream.one_of(&textures));
            }
        }
        if spec.has_grounds() {
            scene.ground = Some(Stream::of(seed, "ground", index).one_of(&list(&spec.grounds)));
        }
        scene
    }

    fn lay_out(spec: &MakeScenes, held: &BTreeSet<Pair>, stream: &mut Stream) -> Self {
        loop {
            let (groups, relation) = cast(spec, held, stream);
            if groups.iter().map(|group| group.count).sum::<u32>() > MAX_OBJECTS {
                continue;
            }
            if let Some(objects) = place::lay_out(&groups, relation, stream) {
                return Self { groups, objects, relation, ground: None };
            }
        }
    }

    /// How many objects have this shape.
    pub fn count(&self, wanted: impl Fn(&Group) -> bool) -> u32 {
        self.groups.iter().filter(|group| wanted(group)).map(|group| group.count).sum()
    }
}

fn list<T: Copy>(set: &BTreeSet<T>) -> Vec<T> {
    set.iter().copied().collect()
}

/// Who is in the scene, before anybody has a place. Of scenes with `held` pairs, the first group is one.
fn cast(spec: &MakeScenes, held: &BTreeSet<Pair>, stream: &mut Stream) -> (Vec<Group>, Option<Relation>) {
    let (shapes, colors, sizes) = (list(&spec.shapes), list(&spec.colors), list(&spec.sizes));
    let wanted = spec.groups.min + stream.below((spec.groups.max - spec.groups.min + 1) as usize) as u32;
    let mut groups: Vec<Group> = Vec::new();
    while groups.len() < wanted as usize {
        let (shape, color, size) = (stream.one_of(&shapes), stream.one_of(&colors), stream.one_of(&sizes));
        let several = stream.below(2) == 1 && spec.copies > 1;
        let count = if several { 2 + stream.below(spec.copies as usize - 1) as u32 } else { 1 };
        let held_out = held.contains(&Pair { color, shape });
        let shown = match spec.combinations.show {
            Show::All => true,
            Show::Seen => !held_out,
            Show::HeldOut => held_out || !groups.is_empty(),
        };
        if shown && !groups.iter().any(|group| (group.shape, group.color) == (shape, color)) {
            groups.push(Group { shape, color, size, texture: None, count });
        }
    }
    let related = groups.len() == 2 && stream.chance(spec.relations);
    if related {
        for group in &mut groups {
            group.count = 1;
        }
    }
    (groups, related.then(|| stream.one_of(Relation::ALL)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenes(spec: &MakeScenes, n: u64) -> Vec<Scene> {
        (0..n).map(|k| Scene::draw(spec, Seed::from_number(7), k)).collect()
    }

    #[test]
    fn objects_are_inside_apart_and_as_many_as_their_groups_say() {
        for scene in scenes(&MakeScenes::of(1), 2000) {
            for (index, group) in scene.groups.iter().enumerate() {
                let objects: Vec<_> = scene.objects.iter().filter(|object| object.group == index).collect();
                assert_eq!(objects.len(), group.count as usize);
                assert!(objects.iter().all(|object| object.width == width(group.size)));
            }
            for (i, a) in scene.objects.iter().enumerate() {
                assert!(a.left >= 0 && a.top >= 0 && a.left + a.width <= WORLD && a.top + a.width <= WORLD);
                for b in &scene.objects[i + 1..] {
                    let apart = |p: i32, w: i32, q: i32, v: i32| p + w + 64 <= q || q + v + 64 <= p;
                    assert!(
                        apart(a.left, a.width, b.left, b.width) || apart(a.top, a.width, b.top, b.width),
                        "{scene:?}"
                    );
                }
            }
        }
    }

    /// Left means left of all of it, and more left than up or down.
    #[test]
    fn relations_are_clear() {
        let related: Vec<Scene> =
            scenes(&MakeScenes::of(1), 2000).into_iter().filter(|scene| scene.relation.is_some()).collect();
        assert!(related.len() > 300);
        for scene in related {
            let [a, b] = [scene.objects[0], scene.objects[1]];
            let (dx, dy) =
                ((2 * b.left + b.width) - (2 * a.left + a.width), (2 * b.top + b.width) - (2 * a.top + a.width));
            let (along, across, gap) = match scene.relation.unwrap() {
                Relation::LeftOf => (dx, dy, b.left - a.left - a.width),
                Relation::RightOf => (-dx, dy, a.left - b.left - b.width),
                Relation::Above => (dy, dx, b.top - a.top - a.width),
                Relation::Below => (-dy, dx, a.top - b.top - b.width),
            };
            assert!(gap >= 64 && 2 * along >= 3 * across.abs(), "{scene:?}");
        }
    }

    /// Seen and held-out sets share no pair, and a textured world on several grounds has the plain world's scenes.
    #[test]
    fn knobs_change_what_they_name_and_nothing_else() {
        let mut spec = MakeScenes::of(1);
        let plain = scenes(&spec, 200);
        spec.textures = Texture::ALL.iter().copied().collect();
        spec.grounds = Ground::ALL.iter().copied().collect();
        let mut rich = scenes(&spec, 200);
        let textures: BTreeSet<_> = rich.iter().flat_map(|s| &s.groups).map(|group| group.texture).collect();
        assert_eq!((textures.len(), rich.iter().map(|s| s.ground).collect::<BTreeSet<_>>().len()), (4, 6));
        for scene in &mut rich {
            scene.ground = None;
            scene.groups.iter_mut().for_each(|group| group.texture = None);
        }
        assert_eq!(plain, rich);

        spec.combinations.share = 0.2;
        let held = spec.held_out();
        let shows =
            |scene: &Scene| scene.groups.iter().any(|g| held.contains(&Pair { color: g.color, shape: g.shape }));
        spec.combinations.show = Show::Seen;
        assert!(!scenes(&spec, 300).iter().any(shows));
        spec.combinations.show = Show::HeldOut;
        assert!(scenes(&spec, 300).iter().all(shows));
    }

    #[test]
    fn every_extreme_spec_can_be_drawn() {
        let mut spec = MakeScenes::of(1);
        spec.sizes = [Size::Large].into();
        spec.groups = isoflop_kinds::scenes::Between { min: 3, max: 3 };
        for scene in scenes(&spec, 50) {
            assert_eq!(scene.groups.len(), 3);
        }
        spec.relations = 1.0;
        spec.groups = isoflop_kinds::scenes::Between { min: 2, max: 2 };
        assert!(scenes(&spec, 50).iter().all(|scene| scene.relation.is_some()));
    }
}
