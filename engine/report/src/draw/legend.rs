//! The legend: entries under their headings, in a column beside the plot or in several beneath it.

use super::{LABEL, TITLE, marks, plot};
use crate::{
    color::Ink,
    figure::{Entry, Shape},
    font::{width, wrap},
    scene::{Anchor, Point, Scene, Stroke, Type},
};

const SIZE: f64 = 10.5;
const ROW: f64 = 16.0;
const LINE: f64 = 13.0;
const SAMPLE: f64 = 27.0;
const SKIP: f64 = 8.0;

/// Entries that stand together, with their heading.
struct Block<'a> {
    heading: Vec<String>,
    rows: Vec<(&'a Entry, Vec<String>)>,
}

impl Block<'_> {
    fn height(&self) -> f64 {
        let row = |lines: usize| ROW + LINE * (lines.max(1) - 1) as f64;
        let heading = if self.heading.is_empty() { 0.0 } else { row(self.heading.len()) };
        heading + self.rows.iter().map(|(_, lines)| row(lines.len())).sum::<f64>() + SKIP
    }
}

fn blocks(legend: &[Entry], room: f64) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut group = None;
    for entry in legend {
        if group != Some(&entry.group) {
            let heading = if entry.group.is_empty() { Vec::new() } else { wrap(&entry.group, SIZE * 1.06, room) };
            blocks.push(Block { heading, rows: Vec::new() });
        }
        group = Some(&entry.group);
        let indent = if entry.sample.is_some() { SAMPLE } else { 0.0 };
        if let Some(block) = blocks.last_mut() {
            block.rows.push((entry, wrap(&entry.text, SIZE, room - indent)));
        }
    }
    blocks
}

/// The legend in one column; answers where it ends.
pub fn column(scene: &mut Scene, legend: &[Entry], at: Point, room: f64) -> f64 {
    blocks(legend, room).iter().fold(at.1, |y, block| draw(scene, block, (at.0, y)))
}

/// The legend in up to `most` columns; answers where it ends. Blocks stay whole, and columns are about equally high.
pub fn beneath(scene: &mut Scene, legend: &[Entry], at: Point, room: f64, most: usize) -> f64 {
    let columns = most.min(blocks(legend, room).len()).max(1);
    // Narrower columns only where their texts fit as they are.
    let longest = legend
        .iter()
        .map(|e| width(&e.text, SIZE, false) + if e.sample.is_some() { SAMPLE } else { 0.0 })
        .fold(0.0, f64::max);
    let columns = if most == 2 && longest > room / 2.0 - 8.0 { 1 } else { columns };
    let gap = 16.0;
    let wide = (room - gap * (columns as f64 - 1.0)) / columns as f64;
    let blocks = blocks(legend, wide);
    let mut ends = vec![at.1; columns];
    for block in &blocks {
        let shortest = (0..columns).min_by(|a, b| ends[*a].total_cmp(&ends[*b])).unwrap_or(0);
        ends[shortest] = draw(scene, block, (at.0 + shortest as f64 * (wide + gap), ends[shortest]));
    }
    ends.into_iter().fold(at.1, f64::max)
}

fn draw(scene: &mut Scene, block: &Block<'_>, (left, top): Point) -> f64 {
    let mut base = top + 10.0;
    for (n, line) in block.heading.iter().enumerate() {
        scene.text((left, base), line, Type { size: SIZE, bold: true, anchor: Anchor::Start, ..TITLE });
        base += if n + 1 == block.heading.len() { ROW } else { LINE };
    }
    for (entry, lines) in &block.rows {
        let indent = if let Some((shape, ink)) = entry.sample {
            sample(scene, shape, ink, (left, base - 3.6));
            SAMPLE
        } else {
            0.0
        };
        let ink = if entry.sample.is_some() { Ink::Text } else { Ink::Muted };
        for (n, line) in lines.iter().enumerate() {
            let look = Type { size: SIZE, ink, anchor: Anchor::Start, ..LABEL };
            scene.text((left + indent, base + LINE * n as f64), line, look);
        }
        base += ROW + LINE * (lines.len().max(1) - 1) as f64;
    }
    let end = base - 10.0 + SKIP;
    debug_assert!((end - top - block.height()).abs() < 1e-6, "a block is as high as it says");
    end
}

fn sample(scene: &mut Scene, shape: Shape, ink: Ink, (x, y): Point) {
    match shape {
        Shape::Band | Shape::Area | Shape::Bars => scene.rect((x, y - 4.5), (20.0, 9.0), plot::fill(shape, ink)),
        Shape::Marks(mark) => {
            if mark == crate::figure::Mark::Faint {
                for dx in [4.0, 10.0, 16.0] {
                    marks::draw(scene, mark, ink, (x + dx, y), String::new());
                }
            } else {
                marks::draw(scene, mark, ink, (x + 10.0, y), String::new());
            }
        }
        line => {
            let stroke: Stroke = plot::stroke(line, ink);
            scene.line((x, y), (x + 20.0, y), stroke);
        }
    }
}
