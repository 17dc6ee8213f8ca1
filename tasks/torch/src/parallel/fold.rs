//! A sum whose bits do not depend on who adds: shards' values are added along one binary tree that the number of shards alone decides.
//!
//! Floating-point addition is commutative and not associative, so the tree is the result. Shard `s` is the leaf `s`; two neighbours of one level
//! meet in their parent, and one without a neighbour is its own parent, so that any number of shards has a tree of the least depth:
//!
//! ```text
//! level 2           (0..5)             five shards
//! level 1     (0..2) (2..4)  (4)
//! level 0      0  1   2  3    4
//! ```
//!
//! Whoever is handed the shards' values in their order, one after the other, adds what can be added and holds the few nodes that are left: at most one more than
//! the tree is deep. Ranks compute shards in turns, so that a round of theirs is a row of shards, whoever computes which.

use std::ops::Range;

/// A node of the tree over some number of shards: the leaves `index << level .. (index + 1) << level`, as far as there are any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Node {
    level: u32,
    index: u64,
}

/// A sum under way: shards go in from left to right, nodes come out.
#[derive(Debug)]
pub struct Fold<T> {
    shards: u64,
    nodes: Vec<(Node, T)>,
}

impl Node {
    /// The leaf of shard `shard`.
    const fn leaf(shard: u64) -> Self {
        Self { level: 0, index: shard }
    }

    /// The shards below it, of `shards` in all.
    fn leaves(self, shards: u64) -> Range<u64> {
        self.index << self.level..((self.index + 1) << self.level).min(shards)
    }
}

impl<T> Fold<T> {
    /// The empty sum over `shards` shards.
    pub const fn new(shards: u64) -> Self {
        Self { shards, nodes: Vec::new() }
    }

    /// How many shards there are.
    pub const fn shards(&self) -> u64 {
        self.shards
    }

    /// Takes the value of the next shard; `add` adds a right neighbour to a left one.
    pub fn push(&mut self, shard: u64, value: T, add: impl FnMut(T, T) -> T) {
        self.push_node(Node::leaf(shard), value, add);
    }

    /// Takes the value of the next node, which begins where the one before it ended.
    fn push_node(&mut self, node: Node, value: T, mut add: impl FnMut(T, T) -> T) {
        debug_assert!(
            self.nodes
                .last()
                .is_none_or(|(before, _)| before.leaves(self.shards).end == node.leaves(self.shards).start)
        );
        let (mut node, mut value) = (node, value);
        while node.leaves(self.shards) != (0..self.shards) {
            if node.index % 2 == 1 {
                let neighbour = Node { index: node.index - 1, ..node };
                match self.nodes.pop_if(|(before, _)| *before == neighbour) {
                    Some((_, left)) => value = add(left, value),
                    None => break,
                }
            } else if (node.index + 1) << node.level < self.shards {
                break; // its neighbour is still to come
            }
            node = Node { level: node.level + 1, index: node.index / 2 };
        }
        self.nodes.push((node, value));
    }

    /// The sum of all shards, if all have gone in.
    pub fn into_root(mut self) -> Option<T> {
        let (node, value) = self.nodes.pop()?;
        (self.nodes.is_empty() && node.leaves(self.shards) == (0..self.shards)).then_some(value)
    }
}

/// How many rounds it takes `world` ranks to compute `shards`, one each a round.
pub fn rounds(world: usize, shards: u64) -> u64 {
    shards.div_ceil(world as u64)
}

/// The shards that `world` ranks compute in round `round`, in the order of ranks. In the last one there may be fewer than ranks.
pub fn turn(round: u64, world: usize, shards: u64) -> Range<u64> {
    let first = round * world as u64;
    first..(first + world as u64).min(shards)
}

/// The stretch of `shards` that rank `rank` of `world` has: as even as can be, the first ones taking what is left over.
pub fn stretch(rank: usize, world: usize, shards: u64) -> Range<u64> {
    let (rank, world) = (rank as u64, world as u64);
    let (each, over) = (shards / world, shards % world);
    let start = rank * each + rank.min(over);
    start..start + each + u64::from(rank < over)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The tree written out, as `((0+1)+(2+3))+4`.
    #[expect(clippy::needless_pass_by_value, reason = "as additions are")]
    fn written(left: String, right: String) -> String {
        format!("({left}+{right})")
    }

    fn root(shards: u64) -> String {
        let mut fold = Fold::new(shards);
        (0..shards).for_each(|shard| fold.push(shard, shard.to_string(), written));
        fold.into_root().unwrap()
    }

    #[test]
    fn the_tree_is_the_one_that_is_drawn() {
        assert_eq!(root(1), "0");
        assert_eq!(root(2), "(0+1)");
        assert_eq!(root(3), "((0+1)+2)");
        assert_eq!(root(5), "(((0+1)+(2+3))+4)");
        assert_eq!(root(6), "(((0+1)+(2+3))+(4+5))");
        assert_eq!(root(8), "(((0+1)+(2+3))+((4+5)+(6+7)))");
    }

    #[test]
    fn half_a_sum_has_no_root() {
        let mut fold = Fold::new(4);
        (0..3).for_each(|shard| fold.push(shard, shard.to_string(), written));
        assert!(fold.into_root().is_none());
        assert!(Fold::<String>::new(4).into_root().is_none());
    }

    proptest! {
        /// However the shards are shared out, the same additions are made in the same order.
        #[test]
        fn who_adds_does_not_matter(shards in 1_u64..70, cuts in proptest::collection::vec(0_u64..70, 0..9)) {
            let mut cuts: Vec<u64> = cuts.into_iter().map(|cut| cut.min(shards)).chain([0, shards]).collect();
            cuts.sort_unstable();
            let mut whole = Fold::new(shards);
            for cut in cuts.windows(2) {
                let mut part = Fold::new(shards);
                (cut[0]..cut[1]).for_each(|shard| part.push(shard, shard.to_string(), written));
                let nodes = part.nodes;
                prop_assert!(nodes.len() <= 2 * (shards.ilog2() as usize + 1));
                for (node, value) in nodes {
                    whole.push_node(node, value, written);
                }
            }
            prop_assert_eq!(whole.into_root(), Some(root(shards)));
        }

        #[test]
        fn turns_are_all_shards_in_order_and_few_values_are_held(shards in 1_u64..70, world in 1_usize..9) {
            let all: Vec<u64> = (0..rounds(world, shards)).flat_map(|round| turn(round, world, shards)).collect();
            prop_assert_eq!(&all, &(0..shards).collect::<Vec<_>>());
            let mut fold = Fold::new(shards);
            for shard in all {
                fold.push(shard, shard.to_string(), written);
                prop_assert!(fold.nodes.len() <= shards.ilog2() as usize + 1);
            }
            prop_assert_eq!(fold.into_root(), Some(root(shards)));
        }

        #[test]
        fn stretches_cover_all_shards_in_order(shards in 0_u64..50, world in 1_usize..9) {
            let all: Vec<u64> = (0..world).flat_map(|rank| stretch(rank, world, shards)).collect();
            prop_assert_eq!(all, (0..shards).collect::<Vec<_>>());
        }
    }
}
