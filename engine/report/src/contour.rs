//! Lines and areas of equal height of a surface known on a grid, by marching squares. Crossings are put where a straight line along an edge of a cell
//! has the height; a cell whose corners alternate is decided by the mean of its corners.

/// A surface over a grid, even in the unit square: `heights[j][i]` stands at `(i / (columns − 1), j / (rows − 1))`.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// Heights by row, all rows equally long, at least two of each.
    pub heights: Vec<Vec<f64>>,
}

type Point = (f64, f64);

impl Grid {
    /// The grid of `columns` × `rows` heights of `surface` over the unit square.
    pub fn of(columns: usize, rows: usize, surface: impl Fn(f64, f64) -> f64) -> Self {
        let (columns, rows) = (columns.max(2), rows.max(2));
        let row = |j: usize| {
            (0..columns).map(|i| surface(i as f64 / (columns - 1) as f64, j as f64 / (rows - 1) as f64)).collect()
        };
        Self { heights: (0..rows).map(row).collect() }
    }

    fn cells(&self) -> impl Iterator<Item = [(Point, f64); 4]> {
        let (rows, columns) = (self.heights.len(), self.heights.first().map_or(0, Vec::len));
        let at = move |i: usize, j: usize| {
            ((i as f64 / (columns - 1) as f64, j as f64 / (rows - 1) as f64), self.heights[j][i])
        };
        (0..rows.saturating_sub(1)).flat_map(move |j| {
            (0..columns.saturating_sub(1)).map(move |i| [at(i, j), at(i + 1, j), at(i + 1, j + 1), at(i, j + 1)])
        })
    }

    /// The lines where the surface has `height`, each from end to end.
    pub fn lines(&self, height: f64) -> Vec<Vec<Point>> {
        let mut pieces: Vec<(Point, Point)> = Vec::new();
        for cell in self.cells().filter(|cell| cell.iter().all(|(_, h)| h.is_finite())) {
            let crossings: Vec<Point> = (0..4)
                .filter_map(|k| {
                    let ((a, ha), (b, hb)) = (cell[k], cell[(k + 1) % 4]);
                    ((ha >= height) != (hb >= height)).then(|| crossing((a, ha), (b, hb), height))
                })
                .collect();
            match crossings.as_slice() {
                [a, b] => pieces.push((*a, *b)),
                [a, b, c, d] => {
                    let mean = cell.iter().map(|(_, h)| h).sum::<f64>() / 4.0;
                    let split = (mean >= height) == (cell[0].1 >= height);
                    pieces.extend(if split { [(*a, *b), (*c, *d)] } else { [(*d, *a), (*b, *c)] });
                }
                _ => {}
            }
        }
        joined(pieces)
    }

    /// Where the surface is at least `height`, as rings that may touch: whole cells of a row as one rectangle, cut cells each as a polygon.
    pub fn above(&self, height: f64) -> Vec<Vec<Point>> {
        let columns = self.heights.first().map_or(0, Vec::len).saturating_sub(1).max(1);
        let mut rings: Vec<Vec<Point>> = Vec::new();
        let mut open: Option<[Point; 4]> = None;
        for (n, cell) in self.cells().enumerate() {
            if n % columns == 0 {
                rings.extend(open.take().map(Vec::from));
            }
            if cell.iter().all(|(_, h)| *h >= height) {
                let [a, b, c, d] = cell.map(|(at, _)| at);
                open = Some(open.map_or([a, b, c, d], |[a, _, _, d]| [a, b, c, d]));
                continue;
            }
            rings.extend(open.take().map(Vec::from));
            let mut ring = Vec::new();
            for k in 0..4 {
                let ((a, ha), (b, hb)) = (cell[k], cell[(k + 1) % 4]);
                if ha >= height {
                    ring.push(a);
                }
                if (ha >= height) != (hb >= height) {
                    ring.push(crossing((a, ha), (b, hb), height));
                }
            }
            if ring.len() > 2 {
                rings.push(ring);
            }
        }
        rings.extend(open.map(Vec::from));
        rings
    }
}

fn crossing(((ax, ay), ha): (Point, f64), ((bx, by), hb): (Point, f64), height: f64) -> Point {
    // From the lower end always, so that two cells put the crossing of their common edge at the same place to the last bit.
    let ((ax, ay, ha), (bx, by, hb)) =
        if ha <= hb { ((ax, ay, ha), (bx, by, hb)) } else { ((bx, by, hb), (ax, ay, ha)) };
    let part = if hb.is_finite() { ((height - ha) / (hb - ha)).clamp(0.0, 1.0) } else { 0.0 };
    (ax + part * (bx - ax), ay + part * (by - ay))
}

/// Pieces that meet, as lines.
fn joined(mut pieces: Vec<(Point, Point)>) -> Vec<Vec<Point>> {
    let mut lines = Vec::new();
    while let Some((a, b)) = pieces.pop() {
        let mut line = std::collections::VecDeque::from([a, b]);
        loop {
            let (first, last) = (line[0], line[line.len() - 1]);
            let Some(i) = pieces.iter().position(|(a, b)| [first, last].contains(a) || [first, last].contains(b))
            else {
                break;
            };
            let (a, b) = pieces.swap_remove(i);
            match () {
                () if a == last => line.push_back(b),
                () if b == last => line.push_back(a),
                () if a == first => line.push_front(b),
                () => line.push_front(a),
            }
        }
        lines.push(line.into());
    }
    lines.sort_by(|a: &Vec<Point>, b: &Vec<Point>| a[0].0.total_cmp(&b[0].0).then(a[0].1.total_cmp(&b[0].1)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cone(x: f64, y: f64) -> f64 {
        libm::hypot(x - 0.5, y - 0.5)
    }

    #[test]
    fn the_lines_of_a_cone_are_circles() {
        let grid = Grid::of(81, 61, cone);
        let lines = grid.lines(0.3);
        assert_eq!(lines.len(), 1, "one closed line");
        assert_eq!(lines[0].first(), lines[0].last());
        for (x, y) in &lines[0] {
            assert!((cone(*x, *y) - 0.3).abs() < 2e-4, "({x}, {y})");
        }
    }

    /// The shoelace formula over all rings: they do not overlap, so their areas add up to what is outside a circle.
    #[test]
    fn areas_add_up() {
        let area = |rings: &[Vec<Point>]| {
            let ring = |ring: &Vec<Point>| {
                ring.iter().zip(ring.iter().cycle().skip(1)).map(|((ax, ay), (bx, by))| ax * by - bx * ay).sum::<f64>()
                    / 2.0
            };
            rings.iter().map(ring).sum::<f64>().abs()
        };
        let grid = Grid::of(121, 121, cone);
        let expected = 1.0 - std::f64::consts::PI * 0.09;
        assert!((area(&grid.above(0.3)) - expected).abs() < 2e-3, "{}", area(&grid.above(0.3)));
        assert!((area(&grid.above(-1.0)) - 1.0).abs() < 1e-12);
        assert!(grid.above(9.0).is_empty() && grid.lines(9.0).is_empty());
    }

    #[test]
    fn what_is_no_number_has_no_line() {
        let grid = Grid::of(11, 11, |x, y| if x < 0.5 { f64::NAN } else { y });
        assert!(grid.lines(0.55).iter().flatten().all(|(x, _)| *x >= 0.5));
    }
}
