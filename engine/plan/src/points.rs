//! Points: the cells of a group as a table of numbers.
//!
//! Each axis holds its values once, and a point is one number an axis. Joining, excluding and looking up a cell compare numbers, so that
//! 100,000 cells are cheap. Two values are the same point if they have the same text, since that is what stands in a task's name.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use isoflop_contract::{
    Cell, Value,
    cell::{plain, spelt},
};

use crate::{inner::Inner, source::Span, trace::Step};

/// One axis and the values that cells have on it.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    pub(crate) name: Arc<str>,
    items: Vec<Item>,
    /// The first item of each text.
    texts: HashMap<String, u32>,
    /// Whether templates see a map for any of them.
    pub(crate) has_maps: bool,
    /// What its values were made of.
    pub(crate) made_of: Arc<[Step]>,
}

/// One value of an axis.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// In names, labels and seeds: a text, a number or a flag.
    pub(crate) shown: Value,
    /// What templates see: the same, or the map that goes by that name.
    pub(crate) seen: Inner,
    /// Whether templates see a map.
    pub(crate) is_map: bool,
    /// Where it is written.
    pub(crate) place: Span,
    /// The first item with the same text.
    same: u32,
}

impl Axis {
    /// An axis without values.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.into(), items: Vec::new(), texts: HashMap::new(), has_maps: false, made_of: Arc::default() }
    }

    /// An axis without values, made of these.
    pub(crate) fn made(name: &str, made_of: &Arc<[Step]>) -> Self {
        Self { made_of: Arc::clone(made_of), ..Self::new(name) }
    }

    /// Adds a value, unless it is there; says which it is.
    pub(crate) fn add(&mut self, shown: Value, seen: Option<Inner>, place: Span) -> u32 {
        let text = plain(&shown);
        let next = self.items.len() as u32;
        let is_map = seen.is_some();
        self.has_maps |= is_map;
        let seen = seen.unwrap_or_else(|| Inner::of(&shown));
        let same = self.texts.get(&text).copied();
        if let Some(first) = same {
            let item = self.item(first);
            if item.shown == shown && item.is_map == is_map && item.seen == seen {
                return first;
            }
        } else {
            self.texts.insert(text, next);
        }
        self.items.push(Item { shown, seen, is_map, place, same: same.unwrap_or(next) });
        next
    }

    /// A value by number.
    pub(crate) fn item(&self, index: u32) -> &Item {
        &self.items[index as usize]
    }

    /// All values.
    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }

    /// The value that people write as `text`.
    pub(crate) fn find(&self, text: &str) -> Option<u32> {
        self.texts.get(text).or_else(|| self.texts.get(spelt(text).as_ref())).copied()
    }

    /// The texts of its values, each once, in order.
    pub(crate) fn texts(&self) -> impl Iterator<Item = String> {
        let distinct = self.items.iter().enumerate().filter(|(index, item)| item.same as usize == *index);
        distinct.map(|(_, item)| plain(&item.shown))
    }

    /// The same text for the same number.
    pub(crate) fn same(&self, index: u32) -> u32 {
        self.items[index as usize].same
    }

    /// For each value here, the number of the same text in another axis.
    pub(crate) fn across(&self, other: &Self) -> Vec<Option<u32>> {
        let number = |item: &Item| other.find(&plain(&item.shown));
        self.items.iter().map(number).collect()
    }
}

/// Points on these axes, each a row of numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Points {
    axes: Vec<Arc<Axis>>,
    rows: Vec<u32>,
    count: usize,
}

impl Points {
    /// The one point without axes.
    pub(crate) fn one() -> Self {
        Self { axes: Vec::new(), rows: Vec::new(), count: 1 }
    }

    /// Points of these rows.
    pub(crate) fn new(axes: Vec<Arc<Axis>>, rows: Vec<u32>, count: usize) -> Self {
        debug_assert_eq!(rows.len(), count * axes.len());
        Self { axes, rows, count }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Their axes.
    pub(crate) fn axes(&self) -> &[Arc<Axis>] {
        &self.axes
    }

    /// The position of an axis.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.axes.iter().position(|axis| *axis.name == *name)
    }

    /// The names of the axes.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.axes.iter().map(|axis| &*axis.name)
    }

    /// A point.
    pub(crate) fn row(&self, index: usize) -> &[u32] {
        let width = self.axes.len();
        &self.rows[index * width..(index + 1) * width]
    }

    /// All points.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[u32]> {
        (0..self.count).map(|index| self.row(index))
    }

    /// A point as a cell.
    pub(crate) fn cell(&self, index: usize) -> Cell {
        let value = |(axis, item): (&Arc<Axis>, &u32)| (axis.name.to_string(), axis.item(*item).shown.clone());
        Cell::new(self.axes.iter().zip(self.row(index)).map(value))
    }

    /// What tells a point from others on the axes at `positions`.
    pub(crate) fn key(&self, index: usize, positions: &[usize]) -> Box<[u32]> {
        let row = self.row(index);
        positions.iter().map(|at| self.axes[*at].same(row[*at])).collect()
    }

    /// Every position.
    pub(crate) fn all(&self) -> Vec<usize> {
        (0..self.axes.len()).collect()
    }

    /// The points that are kept, in order.
    pub(crate) fn filter(&self, mut keep: impl FnMut(usize) -> bool) -> Self {
        let mut rows = Vec::new();
        let mut count = 0;
        for index in 0..self.count {
            if keep(index) {
                rows.extend_from_slice(self.row(index));
                count += 1;
            }
        }
        Self { axes: self.axes.clone(), rows, count }
    }

    /// The distinct points on the axes at `positions`, in order.
    pub(crate) fn restrict(&self, positions: &[usize], among: impl Iterator<Item = usize>) -> Self {
        let mut seen = HashSet::new();
        let mut rows = Vec::new();
        let mut count = 0;
        for index in among {
            if seen.insert(self.key(index, positions)) {
                rows.extend(positions.iter().map(|at| self.row(index)[*at]));
                count += 1;
            }
        }
        Self { axes: positions.iter().map(|at| Arc::clone(&self.axes[*at])).collect(), rows, count }
    }

    /// Each point with each of those others that agree with it on the axes both have. More than `limit` are not made; then it is said how
    /// many there are at least.
    pub(crate) fn join(&self, other: &Self, limit: usize) -> Result<Self, usize> {
        let shared: Vec<(usize, usize)> =
            self.axes.iter().enumerate().filter_map(|(at, axis)| Some((at, other.position(&axis.name)?))).collect();
        let theirs: Vec<usize> = shared.iter().map(|(_, at)| *at).collect();
        let new: Vec<usize> = (0..other.axes.len()).filter(|at| !theirs.contains(at)).collect();
        let mut matches: HashMap<Box<[u32]>, Vec<usize>> = HashMap::new();
        for index in 0..other.count {
            matches.entry(other.key(index, &theirs)).or_default().push(index);
        }
        let across: Vec<Vec<Option<u32>>> =
            shared.iter().map(|(at, there)| self.axes[*at].across(&other.axes[*there])).collect();
        let mut rows = Vec::new();
        let mut count = 0;
        for row in self.rows() {
            let key: Option<Box<[u32]>> =
                shared.iter().zip(&across).map(|((at, _), across)| across[row[*at] as usize]).collect();
            let found = key.and_then(|key| matches.get(&key));
            count += found.map_or(0, Vec::len);
            if count > limit {
                return Err(count);
            }
            for index in found.into_iter().flatten() {
                rows.extend_from_slice(row);
                rows.extend(new.iter().map(|at| other.row(*index)[*at]));
            }
        }
        let axes = self.axes.iter().chain(new.iter().map(|at| &other.axes[*at])).cloned().collect();
        Ok(Self { axes, rows, count })
    }

    /// Every point by what tells it from others.
    pub(crate) fn lookup(&self) -> Lookup {
        let all = self.all();
        Lookup((0..self.count).map(|index| (self.key(index, &all), index as u32)).collect())
    }
}

/// Points by what tells them apart.
#[derive(Debug, Default)]
pub(crate) struct Lookup(HashMap<Box<[u32]>, u32>);

impl Lookup {
    /// The point with this key (see [`Points::key`]).
    pub(crate) fn find(&self, key: &[u32]) -> Option<usize> {
        self.0.get(key).map(|index| *index as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(axes: &[(&str, &[&str])]) -> Points {
        axes.iter().fold(Points::one(), |points, (name, values)| {
            let mut axis = Axis::new(name);
            let rows = values.iter().map(|value| axis.add((*value).into(), None, Span::default())).collect();
            points.join(&Points::new(vec![Arc::new(axis)], rows, values.len()), 1_000_000).unwrap()
        })
    }

    fn labels(points: &Points) -> Vec<String> {
        (0..points.len()).map(|index| points.cell(index).label()).collect()
    }

    #[test]
    fn joins_agree_on_shared_axes_and_multiply_the_others() {
        let left = points(&[("a", &["x", "y"]), ("b", &["1", "2"])]);
        let right = points(&[("b", &["2", "3"]), ("c", &["p", "q"])]);
        let joined = left.join(&right, 100).unwrap();
        assert_eq!(labels(&joined), ["a=x,b=2,c=p", "a=x,b=2,c=q", "a=y,b=2,c=p", "a=y,b=2,c=q"]);
        assert_eq!(labels(&left.join(&left, 100).unwrap()), labels(&left));
        assert_eq!(left.join(&points(&[("c", &["p", "q"])]), 7).unwrap_err(), 8);
        assert_eq!(labels(&left.join(&Points::one(), 4).unwrap()), labels(&left));
    }

    #[test]
    fn a_shared_axis_of_ten_thousand_values_is_joined_quickly() {
        let values: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let reversed: Vec<&str> = values.iter().rev().copied().collect();
        let (left, right) = (points(&[("n", &values)]), points(&[("n", &reversed)]));
        let start = std::time::Instant::now();
        assert_eq!(labels(&left.join(&right, 10_000).unwrap()), labels(&left));
        assert!(start.elapsed().as_secs_f64() < 1.0);
    }

    #[test]
    fn points_are_found_by_their_texts() {
        let points = points(&[("a", &["x", "y"]), ("b", &["1", "2"])]);
        let lookup = points.lookup();
        for index in 0..points.len() {
            assert_eq!(lookup.find(&points.key(index, &points.all())), Some(index));
        }
        let a = points.restrict(&[0], 0..points.len());
        assert_eq!(labels(&a), ["a=x", "a=y"]);
        assert_eq!(labels(&points.filter(|index| index != 2)), ["a=x,b=1", "a=x,b=2", "a=y,b=2"]);
    }
}
