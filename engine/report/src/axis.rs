//! An axis: a scale, a range of data and the ticks that fall in it.

use libm::{log as ln, pow};

use crate::number;

/// How values are spread along an axis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    #[default]
    Linear,
    /// By their logarithm; only positive values have a place.
    Log,
    /// One row a name, the first at the top; a value is a row's number, from 0.
    Rows,
}

/// What an axis says of itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Axis {
    /// The quantity, as in `training compute`.
    pub label: String,
    /// Its unit, as in `FLOP`; empty for pure numbers.
    pub unit: String,
    /// How values are spread.
    pub scale: Scale,
    /// The names of rows, for [`Scale::Rows`].
    pub rows: Vec<String>,
    /// The range it shows whatever the data are.
    pub range: Option<(f64, f64)>,
}

/// One mark on an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Where.
    pub at: f64,
    /// What stands beside it; a minor tick has none. `10^{15}` is a power.
    pub label: Option<String>,
}

/// A range of an axis in data units, `low < high`; of rows it is the other way round, because the first stands at the top.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The scale it is a range of.
    pub scale: Scale,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Axis {
    /// An axis of `label` in `unit`.
    pub fn new(label: impl Into<String>, unit: impl Into<String>, scale: Scale) -> Self {
        Self { label: label.into(), unit: unit.into(), scale, ..Self::default() }
    }

    /// An axis of named rows.
    pub fn rows(label: impl Into<String>, rows: Vec<String>) -> Self {
        Self { label: label.into(), scale: Scale::Rows, rows, ..Self::default() }
    }

    /// Label and unit, as they stand along the axis.
    pub fn text(&self) -> String {
        if self.unit.is_empty() { self.label.clone() } else { format!("{} ({})", self.label, self.unit) }
    }
}

impl Range {
    /// The range of `values` with a margin of `margin` of its length at either end. Values that have no place on the scale are passed over;
    /// with none left, a range of one decade or one unit.
    pub fn of(scale: Scale, values: impl IntoIterator<Item = f64>, margin: f64) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values {
            if value.is_finite() && (scale != Scale::Log || value > 0.0) {
                low = low.min(value);
                high = high.max(value);
            }
        }
        match scale {
            _ if low > high => Self { scale, low: if scale == Scale::Log { 1.0 } else { 0.0 }, high: 10.0 },
            Scale::Log => {
                let factor = if low < high { pow(high / low, margin) } else { 2.0 };
                Self { scale, low: low / factor, high: high * factor }
            }
            Scale::Rows => Self { scale, low: high.max(0.0) + 0.6, high: low.min(0.0) - 0.6 },
            Scale::Linear => {
                let pad = if low < high { (high - low) * margin } else { (low.abs() * 0.1).max(0.5) };
                Self { scale, low: low - pad, high: high + pad }
            }
        }
    }

    /// Where `value` stands: 0 at the lower end, 1 at the upper. `None` if it has no place on the scale.
    pub fn place(&self, value: f64) -> Option<f64> {
        let place = match self.scale {
            Scale::Linear | Scale::Rows => (value - self.low) / (self.high - self.low),
            Scale::Log if value > 0.0 => ln(value / self.low) / ln(self.high / self.low),
            Scale::Log => return None,
        };
        place.is_finite().then_some(place)
    }

    /// The ticks inside, in order, on an axis with room for about six labels.
    pub fn ticks(&self) -> Vec<Tick> {
        self.ticks_about(6.0)
    }

    /// The ticks inside, in order, where there is room for about `wanted` labels. A logarithmic axis may label more: powers of ten are wanted first.
    pub fn ticks_about(&self, wanted: f64) -> Vec<Tick> {
        let mut ticks = match self.scale {
            Scale::Linear => linear(self.low, self.high, wanted),
            Scale::Log => log(self.low, self.high, wanted),
            Scale::Rows => return Vec::new(),
        };
        ticks.retain(|tick| tick.at >= self.low && tick.at <= self.high);
        ticks
    }
}

/// Labelled ticks at 1, 2, 2.5 or 5 times a power of ten, about `wanted` of them, and unlabelled ones between.
fn linear(low: f64, high: f64, wanted: f64) -> Vec<Tick> {
    let rough = (high - low) / wanted.max(1.5);
    let power = ten(libm::log10(rough).floor() as i32);
    let (step, parts) = [(1.0, 5), (2.0, 4), (2.5, 5), (5.0, 5), (10.0, 5)]
        .into_iter()
        .find(|(s, _)| s * power >= rough)
        .unwrap_or((10.0, 5));
    let step = step * power;
    let decimals = usize::try_from((1 - libm::log10(step).floor() as i32).max(0)).unwrap_or(0);
    // Counting in minor steps and multiplying keeps 0.30000000000000004 out.
    let minor = step / f64::from(parts);
    let first = (low / minor).ceil() as i64;
    let last = (high / minor).floor() as i64;
    let labels: Vec<i64> = (first..=last).filter(|i| i.rem_euclid(i64::from(parts)) == 0).collect();
    let write = |i: i64, decimals: usize| format!("{:.decimals$}", (i as f64) * minor);
    // As few decimals as keep every label what it is.
    let decimals = (0..=decimals)
        .find(|d| {
            labels
                .iter()
                .all(|i| (write(*i, *d).parse::<f64>().unwrap_or(f64::NAN) - *i as f64 * minor).abs() < step * 1e-6)
        })
        .unwrap_or(decimals);
    let largest = labels.iter().map(|i| (*i as f64 * minor).abs()).fold(0.0, f64::max);
    let label = |i: i64| {
        let value = i as f64 * minor;
        if largest >= 1e15 || (largest < 1e-3 && largest > 0.0) {
            raised(value, libm::log10(largest * 1.000_000_1).floor() as i32)
        } else if largest >= 1e5 {
            prefixed(value)
        } else {
            write(i, decimals).replace('-', "−")
        }
    };
    (first..=last)
        .map(|i| Tick { at: i as f64 * minor, label: (i.rem_euclid(i64::from(parts)) == 0).then(|| label(i)) })
        .collect()
}

/// `600 k`, `1.5 M`: as few digits as the number has of its three.
fn prefixed(value: f64) -> String {
    let text = number::with_prefix(value, "");
    let (digits, prefix) =
        text.split_once(' ').map_or((text.as_str(), None), |(digits, prefix)| (digits, Some(prefix)));
    let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    let digits = digits.replace('-', "−");
    prefix.map_or_else(|| digits.clone(), |prefix| format!("{digits}\u{2009}{prefix}"))
}

/// `2.5·10^{−30}`, by the power of the axis's largest label.
fn raised(value: f64, power: i32) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let digits = format!("{:.4}", value / ten(power));
    let digits = digits.trim_end_matches('0').trim_end_matches('.').replace('-', "−");
    format!("{digits}·10^{{{}}}", power.to_string().replace('-', "−"))
}

/// Labelled ticks at powers of ten; over less than two decades at 1, 2 and 5 times a power too; over a sliver, evenly. Unlabelled ticks at all
/// other whole multiples.
fn log(low: f64, high: f64, wanted: f64) -> Vec<Tick> {
    let (first, last) = (libm::log10(low).floor() as i32, libm::log10(high).ceil() as i32);
    let majors = (first..=last).filter(|e| (low..=high).contains(&ten(*e))).count();
    let labelled = |set: &[u8]| {
        (first..=last)
            .flat_map(|e| set.iter().map(move |m| f64::from(*m) * ten(e)))
            .filter(|v| (low..=high).contains(v))
            .count()
    };
    let mantissas: &[u8] = match majors {
        3.. => &[1],
        _ if labelled(&[1, 3]) >= 4 => &[1, 3],
        _ if labelled(&[1, 2, 5]) >= 3 => &[1, 2, 5],
        _ if labelled(&[1, 2, 3, 4, 5, 6, 8]) >= 3 => &[1, 2, 3, 4, 5, 6, 8],
        _ => return linear(low, high, wanted),
    };
    let stride = i32::try_from(majors / 9).unwrap_or(0) + 1;
    let plain = low >= 9.9e-4 && high < 2e4;
    let mut ticks = Vec::new();
    for e in first..=last {
        for m in 1..=9u8 {
            let shown = mantissas.contains(&m) && e.rem_euclid(stride) == 0;
            if m > 1 && stride > 1 && !shown {
                continue;
            }
            let label = shown.then(|| match (plain, m) {
                (true, _) => number::short(f64::from(m) * ten(e), 3),
                (false, 1) => format!("10^{{{}}}", e.to_string().replace('-', "−")),
                (false, _) => format!("{m}·10^{{{}}}", e.to_string().replace('-', "−")),
            });
            ticks.push(Tick { at: f64::from(m) * ten(e), label });
        }
    }
    ticks
}

/// 10ᵉ, exactly as a reader of decimal text would have it.
fn ten(e: i32) -> f64 {
    format!("1e{e}").parse().unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale, low: f64, high: f64) -> Vec<String> {
        Range { scale, low, high }.ticks().into_iter().filter_map(|tick| tick.label).collect()
    }

    #[test]
    fn log_ticks_are_powers_of_ten() {
        assert_eq!(labels(Scale::Log, 5e11, 2e15), ["10^{12}", "10^{13}", "10^{14}", "10^{15}"]);
        assert_eq!(labels(Scale::Log, 7e-9, 3e-5), ["10^{−8}", "10^{−7}", "10^{−6}", "10^{−5}"]);
        assert_eq!(
            labels(Scale::Log, 1.0, 1e20),
            ["10^{0}", "10^{3}", "10^{6}", "10^{9}", "10^{12}", "10^{15}", "10^{18}"]
        );
    }

    #[test]
    fn narrow_log_ranges_get_multiples_and_slivers_even_steps() {
        assert_eq!(labels(Scale::Log, 2e14, 4e15), ["2·10^{14}", "5·10^{14}", "10^{15}", "2·10^{15}"]);
        assert_eq!(labels(Scale::Log, 0.05, 0.3), ["0.05", "0.1", "0.2"]);
        assert_eq!(labels(Scale::Log, 0.91, 0.97), ["0.91", "0.92", "0.93", "0.94", "0.95", "0.96", "0.97"]);
    }

    #[test]
    fn minor_ticks_fill_the_decade_in_order() {
        let ticks = Range { scale: Scale::Log, low: 9.5, high: 2500.0 }.ticks();
        let places: Vec<f64> = ticks.iter().map(|tick| tick.at).collect();
        assert_eq!(places.len(), 9 + 9 + 2);
        assert!(places.is_sorted() && (places[0] - 10.0).abs() < 1e-12);
    }

    #[test]
    fn linear_ticks_are_round_with_as_few_decimals_as_they_need() {
        assert_eq!(labels(Scale::Linear, 0.28, 0.83), ["0.3", "0.4", "0.5", "0.6", "0.7", "0.8"]);
        assert_eq!(labels(Scale::Linear, -20.0, 640.0), ["0", "200", "400", "600"]);
        assert_eq!(labels(Scale::Linear, -1.1, 1.1), ["−1.0", "−0.5", "0.0", "0.5", "1.0"]);
        assert_eq!(labels(Scale::Linear, 0.0, 600_000.0).last().map(String::as_str), Some("600\u{2009}k"));
        assert_eq!(
            labels(Scale::Linear, 0.0, 1.2e9),
            ["0", "200\u{2009}M", "400\u{2009}M", "600\u{2009}M", "800\u{2009}M", "1\u{2009}G", "1.2\u{2009}G"]
        );
        assert_eq!(
            labels(Scale::Linear, 0.0, 2.2e-30),
            ["0", "0.5·10^{−30}", "1·10^{−30}", "1.5·10^{−30}", "2·10^{−30}"]
        );
        assert_eq!(labels(Scale::Linear, -1.0e30, 1.1e30).last().map(String::as_str), Some("1·10^{30}"));
    }

    #[test]
    fn a_range_passes_over_what_has_no_place() {
        let range = Range::of(Scale::Log, [f64::NAN, -1.0, 0.0, 10.0, 1000.0], 0.0);
        assert_eq!((range.low, range.high), (10.0, 1000.0));
        assert_eq!((range.place(0.0), range.place(f64::NAN)), (None, None));
        assert!((range.place(100.0).unwrap() - 0.5).abs() < 1e-12);
        for scale in [Scale::Log, Scale::Linear] {
            for values in [vec![], vec![3.0], vec![0.0]] {
                let range = Range::of(scale, values, 0.05);
                assert!(range.low < range.high && !range.ticks().is_empty(), "{range:?}");
            }
        }
    }
}
