//! Sizes and times with their units, as people write them: `8GiB`, `500MB`, `2h`, `90s`.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

/// A number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Seconds(pub u64);

/// A text that is not a number followed by a unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}: write a number and a unit, as in {example}")]
pub struct NotAQuantity {
    text: String,
    what: &'static str,
    example: &'static str,
}

const SIZES: &[(&str, u64)] = &[
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];
const TIMES: &[(&str, u64)] = &[("d", 86_400), ("h", 3_600), ("min", 60), ("m", 60), ("s", 1)];

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = (text[..split].trim(), text[split..].trim());
    let (_, scale) = units.iter().find(|(name, _)| *name == unit)?;
    let value = number.parse::<f64>().ok()? * *scale as f64;
    // Above 2^53 a double no longer counts; nothing real is that large.
    (value.is_finite() && (0.0..9e15).contains(&value)).then_some(value.round() as u64)
}

impl FromStr for Bytes {
    type Err = NotAQuantity;

    fn from_str(text: &str) -> Result<Self, NotAQuantity> {
        parse(text, SIZES).map(Self).ok_or_else(|| NotAQuantity {
            text: text.into(),
            what: "a size",
            example: "`8GiB`",
        })
    }
}

impl FromStr for Seconds {
    type Err = NotAQuantity;

    fn from_str(text: &str) -> Result<Self, NotAQuantity> {
        parse(text, TIMES).map(Self).ok_or_else(|| NotAQuantity { text: text.into(), what: "a time", example: "`2h`" })
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A number and one of `units`, as a schema.
fn schema(units: &[(&str, u64)], what: &str, example: &str) -> Schema {
    let units: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
    let pattern = format!("^\\s*[0-9]+(\\.[0-9]*)?\\s*({})\\s*$", units.join("|"));
    json_schema!({ "type": "string", "description": what, "pattern": pattern, "examples": [example] })
}

impl JsonSchema for Bytes {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schema(SIZES, "A size: a number and a unit.", "8GiB")
    }
}

impl JsonSchema for Seconds {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Seconds".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schema(TIMES, "A time: a number and a unit.", "2h")
    }
}

/// As in `1.5 GiB`.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, scale) in SIZES.iter().filter(|(unit, _)| unit.ends_with("iB")) {
            if self.0 >= *scale {
                return write!(f, "{:.1} {unit}", self.0 as f64 / *scale as f64);
            }
        }
        write!(f, "{} B", self.0)
    }
}

/// As in `1h02m`, `3m05s`, `42s`.
impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            s if s >= 3600 => write!(f, "{}h{:02}m", s / 3600, s % 3600 / 60),
            s if s >= 60 => write!(f, "{}m{:02}s", s / 60, s % 60),
            s => write!(f, "{s}s"),
        }
    }
}

const PREFIXES: &[(f64, &str)] =
    &[(1e21, "Z"), (1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];

/// Reads a positive, finite number with or without a decimal prefix behind it, as in `400T`, `1.5 P`, `4e14`.
pub fn unprefixed(text: &str) -> Option<f64> {
    let text = text.trim();
    let (number, scale) =
        PREFIXES.iter().find_map(|(scale, prefix)| Some((text.strip_suffix(prefix)?, *scale))).unwrap_or((text, 1.0));
    number.trim_end().parse::<f64>().ok().map(|number| number * scale).filter(|value| value.is_finite() && *value > 0.0)
}

/// A count with a decimal prefix, as in `1.46 T`, `3.2 M`, `870`; append the unit.
pub fn prefixed(value: f64) -> String {
    PREFIXES
        .iter()
        .find(|(scale, _)| value.abs() >= *scale)
        .map_or_else(|| format!("{value:.0} "), |(scale, prefix)| format!("{:.3} {prefix}", value / scale))
}

/// Digits in groups of three, for reading: `865,910,724`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_and_written_with_units() {
        assert_eq!("8GiB".parse(), Ok(Bytes(8 << 30)));
        assert_eq!("0.5 kB".parse(), Ok(Bytes(500)));
        assert_eq!("2h".parse(), Ok(Seconds(7200)));
        assert_eq!("1.5min".parse(), Ok(Seconds(90)));
        for bad in ["8", "GiB", "8 gigs", "-1s", "nan s", "1e300d", ""] {
            assert!(bad.parse::<Bytes>().is_err() && bad.parse::<Seconds>().is_err(), "{bad} was read");
        }
        assert_eq!(Bytes(1536 << 20).to_string(), "1.5 GiB");
        assert_eq!((Seconds(3725).to_string(), Seconds(185).to_string()), ("1h02m".into(), "3m05s".into()));
        assert_eq!(prefixed(1.46e21), "1.460 Z");
        assert_eq!(["400T", " 1.5 P", "4e14", "7"].map(unprefixed), [Some(4e14), Some(1.5e15), Some(4e14), Some(7.0)]);
        assert_eq!(["", "T", "-4T", "0", "inf", "nan", "1e308k", "3 Q"].map(unprefixed), [None; 8]);
        assert_eq!([0, 999, 1000, 865_910_724].map(grouped), ["0", "999", "1,000", "865,910,724"]);
    }
}
