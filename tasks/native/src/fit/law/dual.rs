//! How a formula is calculated: its operations on a stack, of plain numbers or of numbers with their derivatives.

use isoflop_kinds::fit::{MOST, Op};

use crate::fit::math::{exp_any, ln_any};

/// What a formula calculates with.
pub(super) trait Number: Copy {
    fn of(value: f64) -> Self;
    fn value(self) -> f64;
    /// `value` as a function of this alone, with its derivative.
    fn map(self, value: f64, slope: f64) -> Self;
    /// `value` as a function of both, with both derivatives.
    fn join(self, other: Self, value: f64, slopes: (f64, f64)) -> Self;
}

impl Number for f64 {
    fn of(value: f64) -> Self {
        value
    }

    fn value(self) -> f64 {
        self
    }

    fn map(self, value: f64, _slope: f64) -> Self {
        value
    }

    fn join(self, _other: Self, value: f64, _slopes: (f64, f64)) -> Self {
        value
    }
}

/// A number with its derivatives in the parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dual {
    pub(super) value: f64,
    pub(super) slope: [f64; MOST],
}

impl Number for Dual {
    fn of(value: f64) -> Self {
        Self { value, slope: [0.0; MOST] }
    }

    fn value(self) -> f64 {
        self.value
    }

    fn map(self, value: f64, slope: f64) -> Self {
        Self { value, slope: self.slope.map(|s| s * slope) }
    }

    fn join(self, other: Self, value: f64, slopes: (f64, f64)) -> Self {
        let mut slope = self.slope;
        for (s, o) in slope.iter_mut().zip(&other.slope) {
            *s = *s * slopes.0 + o * slopes.1;
        }
        Self { value, slope }
    }
}

/// `a` to the power `b` and its derivatives.
fn power(a: f64, b: f64) -> (f64, f64, f64) {
    if a > 0.0 {
        let ln = ln_any(a);
        let value = exp_any(b * ln);
        (value, b * value / a, value * ln)
    } else {
        let value = libm::pow(a, b);
        (value, b * libm::pow(a, b - 1.0), 0.0)
    }
}

/// The formula's value; `stack` is overwritten. A formula that was read leaves one number there.
pub(super) fn run<T: Number>(ops: &[Op], inputs: &[f64], parameters: &[T], stack: &mut Vec<T>) -> T {
    stack.clear();
    for op in ops {
        let made = match *op {
            Op::Number(value) => T::of(value),
            Op::Input(i) => T::of(inputs[i]),
            Op::Parameter(i) => parameters[i],
            Op::Negate | Op::Exp | Op::Ln | Op::Log10 | Op::Sqrt => {
                let a = stack.pop().unwrap_or(T::of(f64::NAN));
                one(*op, a)
            }
            _ => {
                let b = stack.pop().unwrap_or(T::of(f64::NAN));
                let a = stack.pop().unwrap_or(T::of(f64::NAN));
                two(*op, a, b)
            }
        };
        stack.push(made);
    }
    stack.pop().unwrap_or(T::of(f64::NAN))
}

fn one<T: Number>(op: Op, a: T) -> T {
    let v = a.value();
    match op {
        Op::Negate => a.map(-v, -1.0),
        Op::Exp => {
            let e = exp_any(v);
            a.map(e, e)
        }
        Op::Ln => a.map(ln_any(v), 1.0 / v),
        Op::Log10 => a.map(ln_any(v) / std::f64::consts::LN_10, 1.0 / (v * std::f64::consts::LN_10)),
        _ => {
            let root = libm::sqrt(v);
            a.map(root, 0.5 / root)
        }
    }
}

fn two<T: Number>(op: Op, a: T, b: T) -> T {
    let (x, y) = (a.value(), b.value());
    match op {
        Op::Add => a.join(b, x + y, (1.0, 1.0)),
        Op::Subtract => a.join(b, x - y, (1.0, -1.0)),
        Op::Multiply => a.join(b, x * y, (y, x)),
        Op::Divide => a.join(b, x / y, (1.0 / y, -x / (y * y))),
        Op::Power => {
            let (value, by_a, by_b) = power(x, y);
            a.join(b, value, (by_a, by_b))
        }
        Op::Min if x <= y => a,
        Op::Max if x >= y => a,
        _ => b,
    }
}
