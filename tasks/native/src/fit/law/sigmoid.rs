//! A score that rises from chance to a ceiling along a logistic curve.

use isoflop_kinds::fit::{Ends, Form, Space};

use super::{Axis, Block, Kind, Law, Tape, short, signed};
use crate::fit::{
    dense::positive_least_squares,
    math::{dot, exp, sum},
};

/// `lo + (hi - lo) / (1 + exp(-(a + b z)))`, z being ln x, or x itself in the second of two chained laws.
#[derive(Debug)]
pub struct Sigmoid {
    kinds: [Kind; 4],
    axis: Axis,
}

impl Sigmoid {
    /// With these ends declared, over this axis.
    pub fn new(ends: Ends, axis: Axis) -> Self {
        let lo = ends.lo.map_or(Kind::Between(0.0, ends.hi.unwrap_or(1.0)), Kind::Fixed);
        // The upper end's place between the lower one and 1.
        let hi = ends.hi.map_or(Kind::Between(0.0, 1.0), Kind::Fixed);
        Self { kinds: [lo, hi, Kind::Free, Kind::Free], axis }
    }

    /// Both ends and their derivatives: d lo/d0, d hi/d0, d hi/d1.
    fn ends(&self, theta: &[f64]) -> (f64, f64, [f64; 3]) {
        let lo = self.kinds[0].value(theta[0]);
        let by_lo = self.kinds[0].slope(theta[0]);
        if let Kind::Fixed(hi) = self.kinds[1] {
            return (lo, hi, [by_lo, 0.0, 0.0]);
        }
        let share = self.kinds[1].value(theta[1]);
        let hi = lo + (1.0 - lo) * share;
        (lo, hi, [by_lo, by_lo * (1.0 - share), (1.0 - lo) * self.kinds[1].slope(theta[1])])
    }
}

impl Law for Sigmoid {
    fn names(&self) -> &[&'static str] {
        Form::Sigmoid.parameters()
    }

    fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    fn link(&self) -> Space {
        Space::Linear
    }

    fn values(&self, theta: &[f64], block: &Block, tape: &mut Tape) {
        tape.fit(block.rows(), 1);
        let (lo, hi, _) = self.ends(theta);
        for ((value, part), u) in tape.value.iter_mut().zip(&mut tape.parts[0]).zip(&block.inputs[0]) {
            *part = 1.0 / (1.0 + exp(-(theta[2] + theta[3] * u)));
            *value = lo + (hi - lo) * *part;
        }
    }

    fn pull(&self, theta: &[f64], block: &Block, tape: &Tape, seed: &[f64], gradient: &mut [f64]) {
        let (lo, hi, [lo_by_0, hi_by_0, hi_by_1]) = self.ends(theta);
        let risen = dot(seed, &tape.parts[0]);
        let rest = sum(seed) - risen;
        gradient[0] = lo_by_0 * rest + hi_by_0 * risen;
        gradient[1] = hi_by_1 * risen;
        let bend: Vec<f64> = seed.iter().zip(&tape.parts[0]).map(|(q, s)| q * (hi - lo) * s * (1.0 - s)).collect();
        gradient[2] = sum(&bend);
        gradient[3] = dot(&bend, &block.inputs[0]);
    }

    fn report(&self, theta: &[f64]) -> Vec<f64> {
        let (lo, hi, _) = self.ends(theta);
        let slope = theta[3] / self.axis.scale;
        vec![lo, hi, theta[2] - slope * self.axis.mean, slope]
    }

    fn working(&self, reported: &[f64]) -> Vec<f64> {
        let [lo, hi, a, b] = reported else { return Vec::new() };
        let share = if *lo < 1.0 { (hi - lo) / (1.0 - lo) } else { 0.5 };
        vec![
            self.kinds[0].coordinate(*lo),
            self.kinds[1].coordinate(share),
            a + b * self.axis.mean,
            b * self.axis.scale,
        ]
    }

    fn at(&self, reported: &[f64], inputs: &[f64]) -> f64 {
        let [lo, hi, a, b] = reported else { return f64::NAN };
        lo + (hi - lo) / (1.0 + exp(-(a + b * self.axis.measure(inputs[0]))))
    }

    /// Middles across and beyond the data, four steepnesses either way, with the best ends for each.
    fn starts(&self, block: &Block, _space: Space) -> Vec<Vec<f64>> {
        let u = &block.inputs[0];
        let (least, most) = u.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, m), u| (l.min(*u), m.max(*u)));
        let spread = (most - least).max(1e-9);
        let mut starts = Vec::new();
        for place in 0..6 {
            let middle = least + spread * (f64::from(place) / 4.0 - 0.125);
            for steep in [2.0, 4.0, 8.0, 16.0] {
                for sign in [1.0, -1.0] {
                    let b = sign * steep / spread;
                    let risen: Vec<f64> = u.iter().map(|u| 1.0 / (1.0 + exp(-b * (u - middle)))).collect();
                    let rest: Vec<f64> = risen.iter().map(|s| 1.0 - s).collect();
                    let Some(ends) = positive_least_squares(&[rest, risen], &block.y, &[true, true]) else { continue };
                    let lo = self.fixed(0).unwrap_or(ends[0].clamp(0.01, 0.9));
                    let hi = self.fixed(1).unwrap_or(ends[1].clamp(0.02, 0.99));
                    if lo < hi {
                        let share = ((hi - lo) / (1.0 - lo)).clamp(0.02, 0.98);
                        let (lo, hi) = (self.kinds[0].coordinate(lo), self.kinds[1].coordinate(share));
                        starts.push(vec![lo, hi, -b * middle, b]);
                    }
                }
            }
        }
        starts
    }

    fn formula(&self, reported: &[f64], inputs: &[&str], y: &str) -> String {
        let [lo, hi, a, b] = reported else { return String::new() };
        let z = if self.axis.log { format!("ln {}", inputs[0]) } else { inputs[0].to_owned() };
        format!("{y} = {} + {} / (1 + exp(-({} {} · {z})))", short(*lo), short(hi - lo), short(*a), signed(*b))
    }
}

impl Sigmoid {
    fn fixed(&self, end: usize) -> Option<f64> {
        if let Kind::Fixed(value) = self.kinds[end] { Some(value) } else { None }
    }
}
