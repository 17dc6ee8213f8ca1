//! Text-image alignment by question answering: TIFA (Hu et al. 2023, arXiv 2303.11897).

use std::collections::BTreeMap;

use super::bootstrap::{Interval, bootstrap};

/// One question and whether it was answered rightly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// The scene it is about.
    pub scene: i64,
    /// Its category.
    pub category: i64,
    /// Whether the answer was right.
    pub right: bool,
}

/// How faithful images are to their captions.
#[derive(Debug, Clone, PartialEq)]
pub struct Alignment {
    /// The mean over scenes of each scene's share of right answers.
    pub mean: f64,
    /// The share of right answers by category, over all questions of it.
    pub by_category: BTreeMap<i64, f64>,
}

/// TIFA: the mean over scenes of `(1/N) Σ 1[answer is right]`; by category, pooled over questions. `None` without questions.
pub fn alignment(answered: &[Answered]) -> Option<Alignment> {
    let share = |(right, all): (u64, u64)| right as f64 / all as f64;
    let pooled = |by: fn(&Answered) -> i64| {
        let mut counts: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
        for one in answered {
            let (right, all) = counts.entry(by(one)).or_default();
            *right += u64::from(one.right);
            *all += 1;
        }
        counts.into_iter().map(move |(name, counts)| (name, share(counts)))
    };
    let scenes: Vec<f64> = pooled(|one| one.scene).map(|(_, share)| share).collect();
    (!scenes.is_empty()).then(|| Alignment {
        mean: scenes.iter().sum::<f64>() / scenes.len() as f64,
        by_category: pooled(|one| one.category).collect(),
    })
}

/// Where the mean may lie on other prompts: scenes are drawn anew, each with all its questions. `None` without questions.
pub fn interval(answered: &[Answered], draws: u64, level: f64) -> Option<Interval> {
    let mut counts: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
    for one in answered {
        let (right, all) = counts.entry(one.scene).or_default();
        *right += u64::from(one.right);
        *all += 1;
    }
    let shares: Vec<f64> = counts.into_values().map(|(right, all)| right as f64 / all as f64).collect();
    if shares.is_empty() {
        return None;
    }
    let mean = |drawn: &[usize]| Some(drawn.iter().map(|&scene| shares[scene]).sum::<f64>() / drawn.len() as f64);
    bootstrap(shares.len(), draws, level, mean)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these come out exactly")]
mod tests {
    use super::*;

    #[test]
    fn scenes_count_alike_however_many_questions_they_have() {
        let one = |scene, category, right| Answered { scene, category, right };
        let answered = [one(0, 0, true), one(1, 0, true), one(1, 1, false), one(1, 1, false), one(1, 0, false)];
        let alignment = alignment(&answered).unwrap();
        assert_eq!(alignment.mean, f64::midpoint(1.0, 0.25));
        assert_eq!(alignment.by_category, BTreeMap::from([(0, 2.0 / 3.0), (1, 0.0)]));
        assert_eq!(super::alignment(&[]), None);
    }
}
