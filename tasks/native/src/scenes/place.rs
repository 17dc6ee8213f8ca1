//! Where objects go: on a lattice of half a sixteenth, inside the image, a sixteenth apart at least, in the relation that the scene has.

use super::scene::{Group, Object, Relation, WORLD, width};
use crate::random::Stream;

/// The step of the lattice: half a pixel of 16.
const STEP: i32 = 32;
/// The least distance between two objects along one axis or the other: a pixel of 16.
const GAP: i32 = 64;
/// How often a layout is tried before its groups are given up.
const TRIES: u32 = 64;

/// A place for each object of `groups`, every possible place of the next one being as likely; `None` if there seems to be no room.
pub fn lay_out(groups: &[Group], relation: Option<Relation>, stream: &mut Stream) -> Option<Vec<Object>> {
    (0..TRIES).find_map(|_| attempt(groups, relation, stream))
}

fn attempt(groups: &[Group], relation: Option<Relation>, stream: &mut Stream) -> Option<Vec<Object>> {
    let mut placed: Vec<Object> = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        for _ in 0..group.count {
            let free: Vec<Object> = places(index, width(group.size))
                .filter(|new| placed.iter().all(|old| apart(old, new)))
                .filter(|new| index == 0 || relation.is_none_or(|relation| stands(relation, &placed[0], new)))
                .collect();
            if free.is_empty() {
                return None;
            }
            placed.push(stream.one_of(&free));
        }
    }
    Some(placed)
}

/// Every place on the lattice for an object this wide.
fn places(group: usize, width: i32) -> impl Iterator<Item = Object> {
    let steps = (WORLD - width) / STEP;
    (0..=steps).flat_map(move |y| (0..=steps).map(move |x| Object { group, left: x * STEP, top: y * STEP, width }))
}

fn apart(a: &Object, b: &Object) -> bool {
    let clear = |p: i32, q: i32| p + a.width + GAP <= q || q + b.width + GAP <= p;
    clear(a.left, b.left) || clear(a.top, b.top)
}

/// Whether `a` stands in `relation` to `b` beyond doubt: wholly to that side, and further along than across by half.
fn stands(relation: Relation, a: &Object, b: &Object) -> bool {
    let (dx, dy) = (2 * (b.left - a.left) + b.width - a.width, 2 * (b.top - a.top) + b.width - a.width);
    let (along, across, gap) = match relation {
        Relation::LeftOf => (dx, dy, b.left - (a.left + a.width)),
        Relation::RightOf => (-dx, dy, a.left - (b.left + b.width)),
        Relation::Above => (dy, dx, b.top - (a.top + a.width)),
        Relation::Below => (-dy, dx, a.top - (b.top + b.width)),
    };
    gap >= GAP && 2 * along >= 3 * across.abs()
}
