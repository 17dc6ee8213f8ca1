//! The way through a UNet: down the levels, and up again past what was kept. Configs count along it and networks are built along it.

/// Where the blocks of a UNet stand, and what each reads and makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder {
    /// Down: each rung's result is kept for the way up, and so is what enters the first.
    pub down: Vec<Rung>,
    /// Width of the deepest level, which the middle has too.
    pub width: u64,
    /// How many times the middle's size has been halved.
    pub halvings: u32,
    /// Up, mirrored: each layer takes one kept tensor beside its input, the last first.
    pub up: Vec<Rung>,
}

/// One block on the way: a layer of a level, or the change of size behind a level's layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// The level's name in parameters, as `down_blocks.0`.
    pub block: String,
    /// The level, from full resolution down.
    pub level: usize,
    /// Which layer of the level; none changes the size.
    pub layer: Option<u64>,
    /// Width of what it reads, the kept tensor's among it.
    pub from: u64,
    /// Width of what it makes.
    pub to: u64,
    /// How many times the size of what it makes has been halved.
    pub halvings: u32,
}

impl Ladder {
    /// Levels as wide as `channels`, with so many `layers` on the way down and one more on the way up.
    pub fn new(channels: &[u64], layers: u64) -> Self {
        let mut kept = vec![channels[0]];
        let mut width = channels[0];
        let mut halvings = 0;
        let mut down = Vec::new();
        for (level, &to) in channels.iter().enumerate() {
            let block = format!("down_blocks.{level}");
            for layer in 0..layers {
                down.push(Rung { block: block.clone(), level, layer: Some(layer), from: width, to, halvings });
                width = to;
                kept.push(width);
            }
            if level + 1 < channels.len() {
                halvings += 1;
                down.push(Rung { block, level, layer: None, from: width, to: width, halvings });
                kept.push(width);
            }
        }
        let (deepest, most) = (width, halvings);
        let mut up = Vec::new();
        for (block, level) in (0..channels.len()).rev().enumerate() {
            let (block, to) = (format!("up_blocks.{block}"), channels[level]);
            for layer in 0..=layers {
                let from = width + kept.pop().expect("as many are kept as are taken");
                up.push(Rung { block: block.clone(), level, layer: Some(layer), from, to, halvings });
                width = to;
            }
            if level > 0 {
                halvings -= 1;
                up.push(Rung { block, level, layer: None, from: width, to: width, halvings });
            }
        }
        Self { down, width: deepest, halvings: most, up }
    }
}

impl Rung {
    /// Whether a change of size halves it; else it doubles it.
    pub fn halves(&self) -> bool {
        self.halvings as usize > self.level
    }

    /// What a change of size is called in parameters' names.
    pub fn sampler(&self) -> &'static str {
        if self.halves() { "downsamplers" } else { "upsamplers" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As in diffusers' `UNet2DConditionModel`: of two levels with one layer each, the way up reads 16 + 16, 16 + 8, 16 + 8 and 8 + 8.
    #[test]
    fn what_is_kept_is_taken_last_first() {
        let ladder = Ladder::new(&[8, 16], 1);
        let widths = |rungs: &[Rung]| -> Vec<(u64, u64, u32)> {
            rungs.iter().map(|rung| (rung.from, rung.to, rung.halvings)).collect()
        };
        assert_eq!(widths(&ladder.down), [(8, 8, 0), (8, 8, 1), (8, 16, 1)]);
        assert_eq!((ladder.width, ladder.halvings), (16, 1));
        assert_eq!(widths(&ladder.up), [(32, 16, 1), (24, 16, 1), (16, 16, 0), (24, 8, 0), (16, 8, 0)]);
        assert_eq!((ladder.down[1].sampler(), ladder.up[2].sampler()), ("downsamplers", "upsamplers"));
        let names: Vec<(&str, Option<u64>)> = ladder.up.iter().map(|rung| (rung.block.as_str(), rung.layer)).collect();
        let (one, two) = ("up_blocks.0", "up_blocks.1");
        assert_eq!(names, [(one, Some(0)), (one, Some(1)), (one, None), (two, Some(0)), (two, Some(1))]);
    }
}
