//! Text-image alignment by question answering: TIFA (Hu et al. 2023, arXiv 2303.11897).

use std::collections::BTreeMap;

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
    /// Those shares, by scene.
    pub by_scene: BTreeMap<i64, f64>,
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
    let by_scene: BTreeMap<i64, f64> = pooled(|one| one.scene).collect();
    (!by_scene.is_empty()).then(|| Alignment {
        mean: by_scene.values().sum::<f64>() / by_scene.len() as f64,
        by_scene,
        by_category: pooled(|one| one.category).collect(),
    })
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
