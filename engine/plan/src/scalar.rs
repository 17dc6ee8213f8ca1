//! Plain scalars by the core schema of YAML 1.2: what is a number, a flag, nothing, and what is a text.

use serde_json::Number;

use crate::{finding::Finding, yaml::Kind};

/// A plain scalar that is a value: by the core schema, without the words that readers of YAML 1.1 take for flags. Keys may be such words, as `on`, which a
/// task has.
pub(crate) fn unambiguous(text: &str) -> Result<Kind, Box<Finding>> {
    const FLAGS: [(&str, bool); 4] = [("yes", true), ("no", false), ("on", true), ("off", false)];
    match FLAGS.iter().find(|(word, _)| text.eq_ignore_ascii_case(word)) {
        Some((_, flag)) => {
            let message = format!("`{text}` reads as a flag in YAML 1.1 and as a text in 1.2");
            Err(Box::new(Finding::new("old-flag", message).hint(format!("write {flag} or \"{text}\""))))
        }
        None => core(text),
    }
}

/// A plain scalar by the core schema.
pub(crate) fn core(text: &str) -> Result<Kind, Box<Finding>> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Kind::Null),
        "true" | "True" | "TRUE" => return Ok(Kind::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Kind::Bool(false)),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        let finding = Finding::new("not-finite", format!("`{text}` is not a finite number"));
        return Err(Box::new(finding.hint("quote it if a text was meant")));
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits(unsigned) {
        if unsigned.len() > 1 && unsigned.starts_with('0') {
            let sign = if text.starts_with('-') { "-" } else { "" };
            let decimal = match unsigned.trim_start_matches('0') {
                "" => "0",
                digits => digits,
            };
            let message = format!("`{text}` reads as one number in YAML 1.1 and as another in 1.2");
            let hint = format!("write {sign}{decimal} or \"{text}\"");
            return Err(Box::new(Finding::new("leading-zero", message).hint(hint)));
        }
        return integer(text, text.parse().ok());
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(rest) = text.strip_prefix(prefix)
            && !rest.is_empty()
            && rest.chars().all(|c| c.is_digit(radix))
        {
            return integer(text, i128::from_str_radix(rest, radix).ok());
        }
    }
    if is_float(unsigned) {
        let value: f64 = text.parse().unwrap_or(f64::INFINITY);
        return Number::from_f64(value).map(Kind::Number).ok_or_else(|| {
            Box::new(Finding::new("not-finite", format!("`{text}` is larger than any number of 64 bits")))
        });
    }
    Ok(Kind::Text(text.to_owned()))
}

fn integer(text: &str, value: Option<i128>) -> Result<Kind, Box<Finding>> {
    let number = value.and_then(Number::from_i128);
    number.map(Kind::Number).ok_or_else(|| {
        let finding = Finding::new("integer-overflow", format!("`{text}` does not fit into 64 bits"));
        Box::new(finding.hint("quote it if a text was meant"))
    })
}

fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(m, e)| (m, Some(e)));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mantissa = digits(whole) && digits(part) && !(whole.is_empty() && part.is_empty());
    let exponent = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['-', '+']).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    mantissa && exponent
}
