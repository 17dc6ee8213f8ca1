//! Numbers as people read them: significant digits, powers of ten, times and counts with their units. The same number always gives the
//! same text.

/// `value` with `digits` significant digits: `0.0712`, `1,234`, `1.46×10²¹`.
pub fn sig(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return if value.is_nan() { "not a number" } else { "infinite" }.to_owned();
    }
    let scientific = format!("{value:.*e}", digits.saturating_sub(1));
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        let decimals = usize::try_from(i32::try_from(digits).unwrap_or(17) - 1 - exponent).unwrap_or(0);
        // Rounding first through the mantissa: 1234.5 at three digits is 1230, not 1234.
        let rounded: f64 = scientific.parse().unwrap_or(value);
        return grouped(&format!("{rounded:.decimals$}"));
    }
    format!("{mantissa}×10{}", superscript(exponent))
}

/// A number in a table: counts whole with separators, everything else with four significant digits.
pub fn cell(value: f64) -> String {
    if value.fract().abs() < f64::MIN_POSITIVE && value.abs() < 1e9 {
        grouped(&format!("{value:.0}"))
    } else {
        sig(value, 4)
    }
}

/// A number without trailing zeros: `0.5`, `12`, `0.0312`.
pub fn short(value: f64, digits: usize) -> String {
    let text = sig(value, digits);
    if text.contains('×') || !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `-12` as `⁻¹²`.
pub fn superscript(number: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let digit = |c: char| c.to_digit(10).map_or('⁻', |d| DIGITS[d as usize]);
    number.to_string().chars().map(digit).collect()
}

/// Thousands separated by commas, in the whole part.
fn grouped(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, fraction) = rest.split_once('.').map_or((rest, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut out = sign.to_owned();
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && whole.len() > 4 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A count: `1,234,567`.
pub fn count(value: usize) -> String {
    grouped(&value.to_string())
}

/// A time: `0.42 s`, `42.1 s`, `3 min 05 s`, `1 h 02 min`.
pub fn seconds(value: f64) -> String {
    if !value.is_finite() || value < 0.0 {
        return "unknown".to_owned();
    }
    let whole = value.round() as u64;
    match whole {
        _ if value < 10.0 => format!("{value:.2} s"),
        s if s < 60 => format!("{value:.1} s"),
        s if s < 3600 => format!("{} min {:02} s", s / 60, s % 60),
        s => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
    }
}

/// A large count with a decimal prefix and its unit: `1.46 PFLOP`, `0.31 M`.
pub fn with_prefix(value: f64, unit: &str) -> String {
    const PREFIXES: [(f64, &str); 7] =
        [(1e21, "Z"), (1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    let (scale, prefix) = PREFIXES.into_iter().find(|(scale, _)| value.abs() >= *scale).unwrap_or((1.0, ""));
    let number = sig(value / scale, 3);
    if prefix.is_empty() && unit.is_empty() { number } else { format!("{number} {prefix}{unit}") }
}

/// The plural of `noun` where there is not exactly one.
pub fn plural(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{} {noun}s", count(n)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        let cases = [
            (0.0, "0"),
            (0.071_23, "0.0712"),
            (1234.5, "1230"),
            (123_456.0, "123,000"),
            (1.46e21, "1.46×10²¹"),
            (-3.2e-7, "-3.20×10⁻⁷"),
            (0.999_96, "1.00"),
            (f64::NAN, "not a number"),
        ];
        for (value, text) in cases {
            assert_eq!(sig(value, 3), text);
        }
        assert_eq!((short(0.5, 3), short(100.0, 3), short(1e7, 3)), ("0.5".into(), "100".into(), "1.00×10⁷".into()));
        assert_eq!((count(1_234_567), count(12)), ("1,234,567".into(), "12".into()));
        assert_eq!(
            (seconds(0.421), seconds(185.0), seconds(3725.0)),
            ("0.42 s".into(), "3 min 05 s".into(), "1 h 02 min".into())
        );
        assert_eq!((with_prefix(1.46e15, "FLOP"), with_prefix(310_000.0, "")), ("1.46 PFLOP".into(), "310 k".into()));
    }
}
