//! Synthetic captions: what a captioning network would write of a picture, five times, with its own confidence in each.
//!
//! Each is written with a care of its own, drawn evenly. The more care, the more groups, sizes, textures, relations and grounds are told, and the
//! less of it is wrong; confidence is mostly care. So they have more words than alternative texts, say less than all that there is to see, have
//! no proper nouns, and the surer ones are the better ones, as Li et al. 2024 say of theirs (section 5).

use isoflop_contract::Seed;
use isoflop_kinds::scenes::{Color, MakeScenes, SYNTHETIC, Shape};

use super::{
    caption::texture,
    scene::Scene,
    words::{articles, noun},
};
use crate::random::Stream;

/// A caption that was written by looking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synthetic {
    /// Its words.
    pub words: Vec<&'static str>,
    /// How sure its writer is, in thousandths.
    pub confidence: u32,
}

/// All synthetic captions of scene `index`, the surest first: a set that keeps one keeps the first of these.
pub fn synthetic(spec: &MakeScenes, scene: &Scene, seed: Seed, index: u64) -> Vec<Synthetic> {
    let mut stream = Stream::of(seed, "synthetic", index);
    let mut all: Vec<Synthetic> = (0..SYNTHETIC).map(|_| write(spec, scene, &mut stream)).collect();
    all.sort_by_key(|caption| std::cmp::Reverse(caption.confidence));
    all
}

/// Whoever writes one caption, and how carefully, in thousandths.
struct Writer<'a> {
    care: u32,
    stream: &'a mut Stream,
}

impl Writer<'_> {
    /// Happens with `base` without care and with `base + more` with the most, in thousandths.
    fn often(&mut self, base: u32, more: u32) -> bool {
        (self.stream.below(1000) as u32) < base + more * self.care / 1000
    }

    /// Happens with `most` without care and never with the most.
    fn seldom(&mut self, most: u32) -> bool {
        (self.stream.below(1000) as u32) < most * (1000 - self.care) / 1000
    }
}

fn write(spec: &MakeScenes, scene: &Scene, stream: &mut Stream) -> Synthetic {
    let care = stream.below(1001) as u32;
    let confidence = (4 * care + stream.below(1001) as u32) / 5;
    let colors: Vec<Color> = spec.colors.iter().copied().collect();
    let shapes: Vec<Shape> = spec.shapes.iter().copied().collect();
    let mut words: Vec<&'static str> = match stream.below(4) {
        0 => vec!["an", "image", "of"],
        1 => vec!["a", "picture", "of"],
        2 => vec!["a", "picture", "with"],
        _ => Vec::new(),
    };
    let mut writer = Writer { care, stream };
    for (at, &group) in scene.groups.iter().enumerate() {
        let (mentioned, sized, textured) = (writer.often(550, 450), writer.often(300, 600), writer.often(300, 600));
        let (colored, related, uncounted) = (writer.often(600, 400), writer.often(200, 750), writer.seldom(300));
        let mut seen = group;
        if writer.seldom(200) {
            seen.color = writer.stream.one_of(&colors);
        }
        if writer.seldom(120) {
            seen.shape = writer.stream.one_of(&shapes);
        }
        if at > 0 && !mentioned {
            continue;
        }
        match scene.relation {
            _ if at == 0 => {}
            Some(relation) if related => words.extend(relation.words()),
            Some(_) => words.push("near"),
            None => words.push("and"),
        }
        words.push(match seen.count {
            1 => "a",
            _ if uncounted => "some",
            2 => "two",
            _ => "three",
        });
        if sized {
            words.push(seen.size.word());
        }
        words.extend(texture(seen).filter(|_| textured));
        if colored {
            words.push(seen.color.word());
        }
        words.push(noun(seen.shape, seen.count > 1));
    }
    if let Some(ground) = scene.ground.filter(|_| writer.often(200, 700)) {
        words.extend(["on", "a", ground.word(), "ground"]);
    }
    Synthetic { words: articles(words), confidence }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenes::Group;

    /// The share of a scene's words that a caption has, and the share of its colors that the scene has not.
    fn judged(scene: &Scene, words: &[&str]) -> (f64, f64) {
        let word = |group: &Group| [group.size.word(), group.color.word(), noun(group.shape, group.count > 1)];
        let truth: Vec<&str> = scene.groups.iter().flat_map(word).collect();
        let said = truth.iter().filter(|word| words.contains(word)).count();
        let colors: Vec<_> =
            words.iter().filter(|word| Color::ALL.iter().any(|color| color.word() == **word)).collect();
        let wrong = colors.iter().filter(|word| !truth.contains(word)).count();
        (said as f64 / truth.len() as f64, wrong as f64 / colors.len().max(1) as f64)
    }

    #[test]
    fn the_surer_say_more_and_err_less() {
        let (spec, seed) = (MakeScenes::of(1), Seed::from_number(3));
        let mut sums = [(0.0, 0.0); 5];
        for index in 0..600 {
            let scene = Scene::draw(&spec, seed, index);
            let all = synthetic(&spec, &scene, seed, index);
            assert!(all.is_sorted_by(|a, b| a.confidence >= b.confidence));
            for (sum, caption) in sums.iter_mut().zip(&all) {
                let (said, wrong) = judged(&scene, &caption.words);
                *sum = (sum.0 + said / 600.0, sum.1 + wrong / 600.0);
            }
        }
        assert!(sums[0].0 > sums[2].0 + 0.05 && sums[2].0 > sums[4].0 + 0.05, "{sums:?}");
        assert!(sums[0].1 < 0.05 && sums[4].1 > 0.08, "{sums:?}");
    }
}
