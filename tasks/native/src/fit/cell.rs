//! A cell of a table: a number in one of the spellings that public files use (`1.4B` among them), a missing value, or neither.

/// What a cell holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell {
    /// A number; of a run that came to nothing, NaN or an infinity.
    Number(f64),
    /// Nothing.
    Missing,
}

/// Why a cell cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// It is no number; what it may mean.
    NotANumber(Option<String>),
    /// Its comma may part thousands or decimals.
    TwoMeanings,
}

/// What a comma within the numbers of a column means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comma {
    /// There is none, or none that makes sense.
    Nothing,
    /// It parts thousands: `1,234,567.8`.
    Thousands,
    /// It parts decimals: `3,21`.
    Decimals,
    /// It may do either: `1,234` among cells that are not parted by commas.
    Either,
}

/// How public files write that there is no value.
const MISSING: [&str; 14] =
    ["", "NA", "N/A", "n/a", "na", "#N/A", "null", "NULL", "None", "none", "-", "\u{2013}", "\u{2014}", "?"];

impl Comma {
    /// By all cells of a column; `parted` if cells are parted by commas, so that a comma within one stands in quotes.
    pub fn of<'c>(cells: impl Iterator<Item = &'c str>, parted: bool) -> Self {
        let with: Vec<&str> = cells.filter(|cell| cell.contains(',')).collect();
        if with.is_empty() {
            return Self::Nothing;
        }
        let all = |holds: fn(&str) -> bool| with.iter().all(|cell| holds(cell));
        let some = |holds: fn(&str) -> bool| with.iter().any(|cell| holds(cell));
        if all(in_thousands) {
            let sure = parted || some(|cell| cell.contains('.') || cell.matches(',').count() > 1);
            if sure { Self::Thousands } else { Self::Either }
        } else if all(|cell| !cell.contains('.') && cell.matches(',').count() == 1) {
            Self::Decimals
        } else {
            Self::Nothing
        }
    }
}

/// Whether commas part the digits before the point in threes.
fn in_thousands(cell: &str) -> bool {
    let whole = cell.trim_start_matches(['+', '-', '\u{2212}']);
    let whole = whole.split_once('.').map_or(whole, |(whole, _)| whole);
    let mut parts = whole.split(',');
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    parts.next().is_some_and(|first| (1..=3).contains(&first.len()) && digits(first))
        && parts.all(|part| part.len() == 3 && digits(part))
}

/// Reads a cell of a column in which commas mean `comma`.
pub fn read(text: &str, comma: Comma) -> Result<Cell, Unread> {
    if MISSING.contains(&text) {
        return Ok(Cell::Missing);
    }
    let plain = text.replace('\u{2212}', "-");
    let plain = match comma {
        Comma::Thousands => plain.replace(',', ""),
        Comma::Decimals => plain.replace(',', "."),
        Comma::Either if plain.contains(',') => return Err(Unread::TwoMeanings),
        Comma::Either | Comma::Nothing => plain,
    };
    // As tables of models have it: 70M, 1.4B. Small letters may be minutes or thousandths, and are asked about.
    let power = match plain.chars().last() {
        Some('K' | 'k') => 3,
        Some('M') => 6,
        Some('B') => 9,
        Some('T') => 12,
        _ => 0,
    };
    let digits = if power > 0 { plain[..plain.len() - 1].trim_end() } else { plain.as_str() };
    if power > 0 && digits.parse::<f64>().is_ok_and(f64::is_finite) && !digits.contains(['e', 'E']) {
        return Ok(Cell::Number(format!("{digits}e{power}").parse().unwrap_or(f64::NAN)));
    }
    match plain.parse::<f64>() {
        Ok(value) if value.is_nan() => Ok(Cell::Number(f64::NAN)),
        Ok(value) => Ok(Cell::Number(value)),
        Err(_) => Err(Unread::NotANumber(meaning(text))),
    }
}

/// What a cell that is no number may mean.
fn meaning(text: &str) -> Option<String> {
    let begins = text.trim_start_matches(['~', '>', '<', '$', '\u{2248}', '\u{2265}', '\u{2264}']).trim();
    let end = begins.find(|c: char| !(c.is_ascii_digit() || ".+-eE".contains(c))).unwrap_or(begins.len());
    let (mut number, mut rest) = begins.split_at(end);
    if number.ends_with(['e', 'E']) {
        rest = &begins[end - 1..];
        number = &begins[..end - 1];
    }
    let value: f64 = number.parse().ok()?;
    let factor = match rest.trim() {
        "%" => return Some(format!("as a share it is {}", tidy(value, -2))),
        "k" | "K" | "thousand" => 3,
        "m" | "M" | "million" => 6,
        "b" | "B" | "G" | "bn" | "billion" => 9,
        "t" | "T" | "trillion" => 12,
        _ => return (begins.len() != text.len() || !rest.is_empty()).then(|| "write the number alone".to_owned()),
    };
    Some(format!("is it {}?", tidy(value, factor)))
}

/// `value` times a power of ten, without the rounding that a product leaves.
fn tidy(value: f64, power: i32) -> String {
    let made = format!("{value}e{power}").parse::<f64>().unwrap_or(f64::NAN);
    if power > 0 { format!("{made:e}") } else { format!("{made}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_numbers_and_of_nothing() {
        let number = |text: &str| match read(text, Comma::Nothing) {
            Ok(Cell::Number(value)) => value,
            other => panic!("{text}: {other:?}"),
        };
        assert!((number("1.5e21") / 1.5e21 - 1.0).abs() < 1e-15 && (number("\u{2212}2.5") + 2.5).abs() < 1e-15);
        for (text, value) in [("70M", 7e7), ("1.4B", 1.4e9), ("1.5 T", 1.5e12), ("250k", 2.5e5)] {
            assert_eq!(number(text).to_bits(), f64::to_bits(value), "{text}");
        }
        assert!(number("nan").is_nan() && number("-inf") == f64::NEG_INFINITY);
        for text in MISSING {
            assert_eq!(read(text, Comma::Nothing), Ok(Cell::Missing), "{text}");
        }
    }

    #[test]
    fn commas_mean_what_the_column_says() {
        let of = |cells: &[&str], parted| Comma::of(cells.iter().copied(), parted);
        assert_eq!(of(&["1", "2.5"], true), Comma::Nothing);
        assert_eq!(of(&["1,234", "12"], true), Comma::Thousands);
        assert_eq!(of(&["1,234", "12"], false), Comma::Either);
        assert_eq!(of(&["1,234", "1,234,567.5"], false), Comma::Thousands);
        assert_eq!(of(&["1,234", "3,2"], false), Comma::Decimals);
        assert_eq!(of(&["3,2", "1.5,2"], false), Comma::Nothing);
        assert_eq!(read("1,234,567.5", Comma::Thousands), Ok(Cell::Number(1_234_567.5)));
        assert_eq!(read("3,25e2", Comma::Decimals), Ok(Cell::Number(325.0)));
        assert_eq!(read("1,234", Comma::Either), Err(Unread::TwoMeanings));
    }

    #[test]
    fn what_is_no_number_is_guessed_at() {
        let said = |text: &str| match read(text, Comma::Nothing) {
            Err(Unread::NotANumber(hint)) => hint.unwrap_or_default(),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(said("70m"), "is it 7e7?");
        assert_eq!(said("1.4 trillion"), "is it 1.4e12?");
        assert_eq!(said("45.3%"), "as a share it is 0.453");
        assert_eq!(said("1e21 FLOP"), "write the number alone");
        assert_eq!(said("~1e21"), "write the number alone");
        assert_eq!(said("diverged"), "");
    }
}
