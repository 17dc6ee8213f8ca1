//! An estimate: how long tasks would take together, so many at a time.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
};

use crate::plan::Plan;

/// The wall time, in seconds, of running the tasks in `seconds` (by index, each with how long it takes) on `slots` processor slots: whatever
/// is ready starts, the longest first; what is not in `seconds` is there already.
pub fn wall_time(plan: &Plan, seconds: &BTreeMap<usize, f64>, slots: u32) -> f64 {
    let slots = slots.max(1);
    let mut waits: BTreeMap<usize, usize> = BTreeMap::new();
    let mut ready: BTreeSet<(Reverse<u64>, usize)> = BTreeSet::new();
    // Times as whole microseconds, which have an order.
    let micros = |index: usize| (seconds[&index].max(0.0) * 1e6) as u64;
    for &index in seconds.keys() {
        let needs = plan.producers(index).filter(|producer| seconds.contains_key(producer)).count();
        if needs == 0 {
            ready.insert((Reverse(micros(index)), index));
        }
        waits.insert(index, needs);
    }
    let width = |index: usize| plan.tasks()[index].demand.slots().clamp(1, slots);
    let mut running: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let (mut now, mut free) = (0, slots);
    loop {
        let fits: Vec<(Reverse<u64>, usize)> = ready.iter().copied().collect();
        for entry in fits {
            if width(entry.1) <= free {
                ready.remove(&entry);
                free -= width(entry.1);
                running.push(Reverse((now + entry.0.0, entry.1)));
            }
            if free == 0 {
                break;
            }
        }
        let Some(Reverse((end, done))) = running.pop() else { break };
        now = end;
        free += width(done);
        for consumer in plan.consumers(done) {
            if let Some(needs) = waits.get_mut(&consumer) {
                *needs -= 1;
                if *needs == 0 {
                    ready.insert((Reverse(micros(consumer)), consumer));
                }
            }
        }
    }
    now as f64 / 1e6
}

/// The middle of some numbers; of an even count, the mean of the two.
pub fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let half = numbers.len() / 2;
    match numbers.len() {
        0 => None,
        n if n % 2 == 1 => Some(numbers[half]),
        _ => Some(f64::midpoint(numbers[half - 1], numbers[half])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
