//! What a kind, `on:` or `environment:` complains of, in words and at its place.

use isoflop_contract::{
    Value,
    catalog::{Fault, Segment, SpecError},
};

use crate::{
    finding::Finding,
    form::Form,
    source::{Sources, Span},
    suggest,
};

/// The finding for a complaint about the value of `form`, which belongs to `of`; `otherwise` is where to point if the value says nothing.
pub(crate) fn finding(
    error: &SpecError,
    form: Option<&Form<'_>>,
    of: &str,
    otherwise: Span,
    sources: &Sources,
) -> Finding {
    let place = |path: &[Segment]| form.and_then(|form| form.place(path, sources)).unwrap_or(otherwise);
    let within = |path: &[Segment]| match dotted(path) {
        path if path.is_empty() => of.to_owned(),
        path => format!("`{path}` of {of}"),
    };
    match &error.fault {
        Fault::UnknownField { field, expected } => {
            let owner = match error.path.split_last() {
                Some((Segment::Field(last), rest)) if last == field => rest,
                _ => &error.path,
            };
            let span = form.and_then(|form| form.key(&error.path, field)).unwrap_or_else(|| place(&error.path));
            Finding::new("unknown-field", format!("{} has no field `{field}`", within(owner)))
                .at(span, "this field")
                .maybe_hint(suggest::hint(field, expected.iter().map(String::as_str)))
        }
        Fault::MissingField(field) => {
            let message = format!("{} needs the field `{field}`, which has no default", within(&error.path));
            Finding::new("missing-field", message).at(place(&error.path), "not here")
        }
        Fault::Invalid(message) => {
            let (message, hint) = plain_words(message);
            Finding::new("bad-value", format!("{}: {message}", within(&error.path)))
                .at(place(&error.path), "here")
                .maybe_hint(hint)
        }
    }
}

/// Reads a value; a reader stops at its first complaint, so what it complains of is taken out and the rest is read again.
pub(crate) fn all<T>(mut value: Value, read: impl Fn(&Value) -> Result<T, SpecError>) -> Result<T, Vec<SpecError>> {
    const ROUNDS: usize = 20;
    let mut errors: Vec<SpecError> = Vec::new();
    for _ in 0..ROUNDS {
        let error = match read(&value) {
            Ok(read) if errors.is_empty() => return Ok(read),
            Ok(_) => break,
            Err(error) => error,
        };
        // What was taken out is missing now, and what is misspelt is missing under its right name; whatever held it may complain of that.
        let owns = |earlier: &SpecError| earlier.path.starts_with(&error.path);
        let missing = matches!(error.fault, Fault::MissingField(_));
        let invalid = matches!(error.fault, Fault::Invalid(_));
        if !errors.is_empty() && missing || invalid && errors.iter().any(owns) {
            break;
        }
        let mut path = error.path.clone();
        if let Fault::UnknownField { field, .. } = &error.fault
            && path.last() != Some(&Segment::Field(field.clone()))
        {
            path.push(Segment::Field(field.clone()));
        }
        let again = !matches!(error.fault, Fault::MissingField(_)) && remove(&mut value, &path);
        errors.push(error);
        if !again {
            break;
        }
    }
    Err(errors)
}

/// Whether a complaint is true whatever the fields beside it hold: a name that there is not, or a value of another type.
pub(crate) fn stands_alone(error: &SpecError) -> bool {
    match &error.fault {
        Fault::UnknownField { .. } => true,
        Fault::MissingField(_) => false,
        Fault::Invalid(message) => {
            ["invalid type: ", "unknown variant `"].iter().any(|start| message.starts_with(start))
        }
    }
}

/// Takes the member at `path` out of its map.
fn remove(value: &mut Value, path: &[Segment]) -> bool {
    let Some((Segment::Field(last), way)) = path.split_last() else { return false };
    let owner = way.iter().try_fold(value, |value, segment| match segment {
        Segment::Field(name) => value.get_mut(name),
        Segment::Index(index) => value.get_mut(index),
    });
    owner.and_then(Value::as_object_mut).is_some_and(|members| members.remove(last).is_some())
}

/// A path as it is written, `backbone.channels.0`.
pub(crate) fn dotted(path: &[Segment]) -> String {
    let parts: Vec<String> = path
        .iter()
        .map(|segment| match segment {
            Segment::Field(name) => name.clone(),
            Segment::Index(index) => index.to_string(),
        })
        .collect();
    parts.join(".")
}

/// serde's sentence in ours, and a hint.
fn plain_words(message: &str) -> (String, Option<String>) {
    if let Some(rest) = message.strip_prefix("unknown variant `")
        && let Some((found, expected)) = rest.split_once('`')
    {
        let names: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        return (format!("`{found}` is not one of its values"), suggest::hint(found, names));
    }
    if message.starts_with("data did not match any variant of untagged enum ") {
        return ("is none of the forms that it may have".to_owned(), None);
    }
    if let Some((found, expected)) =
        message.strip_prefix("invalid length ").and_then(|rest| rest.split_once(", expected "))
    {
        return (length(found, expected), None);
    }
    if message.ends_with(", expected map with a single key") {
        return ("must be a name or a map with exactly one key".to_owned(), None);
    }
    let rest = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    if let Some((found, expected)) = rest.and_then(|rest| rest.rsplit_once(", expected ")) {
        let whole = is_whole(expected.strip_prefix("a nonzero ").unwrap_or(expected));
        let hint = (whole && found.starts_with("floating point `") && found.contains(".0`"))
            .then(|| "write a whole number without a point or an exponent".to_owned());
        return (format!("must be {}, and is {}", expectation(expected), discovery(found)), hint);
    }
    (message.to_owned(), None)
}

/// Whether a name is that of one of Rust's types of whole numbers.
fn is_whole(name: &str) -> bool {
    let bits = name.strip_prefix(['u', 'i']).unwrap_or_default();
    matches!(bits, "8" | "16" | "32" | "64" | "128" | "size")
}

/// serde's sentence about a list or a map of another length.
fn length(found: &str, expected: &str) -> String {
    let wanted = expected.rsplit(|c: char| !c.is_ascii_digit()).find(|part| !part.is_empty());
    match wanted {
        _ if expected.starts_with("struct ") => "must be a map, and is a list".to_owned(),
        Some(wanted) => format!("must be a list of {wanted}, and is one of {found}"),
        None => format!("has {found} values, which is too many"),
    }
}

fn expectation(expected: &str) -> String {
    if let Some(number) = expected.strip_prefix("a nonzero ").filter(|name| is_whole(name)) {
        let words = if number.starts_with('i') { "a whole number other than zero" } else { "a whole number from 1" };
        return words.to_owned();
    }
    if let Some(count) = expected.strip_prefix("an array of length ").or(expected.strip_prefix("a tuple of size ")) {
        return format!("a list of {count}");
    }
    match expected {
        "u8" => "a whole number from 0 to 255".to_owned(),
        "u16" => "a whole number from 0 to 65535".to_owned(),
        "u32" => "a whole number from 0 to 4294967295".to_owned(),
        "u64" | "u128" | "usize" => "a whole number of at least zero".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number".to_owned(),
        "f64" | "f32" => "a number".to_owned(),
        "a string" | "string" | "a borrowed string" => "a text".to_owned(),
        "a character" => "a text of one character".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a map".to_owned(),
        "string or map" => "a name or a map with one key".to_owned(),
        "variant identifier" | "field identifier" => "a name".to_owned(),
        "unit" | "unit variant" => "a name with nothing behind it".to_owned(),
        "newtype variant" | "tuple variant" | "struct variant" => {
            "a name with a value, as in `{ name: value }`".to_owned()
        }
        other if other.starts_with("enum ") => "a name or a map with one key".to_owned(),
        other if other.starts_with("tuple ") => "a list".to_owned(),
        other
            if ["struct ", "internally tagged enum ", "adjacently tagged enum "]
                .iter()
                .any(|start| other.starts_with(start)) =>
        {
            "a map".to_owned()
        }
        other => other.to_owned(),
    }
}

fn discovery(found: &str) -> String {
    let (what, value) = found.split_once(' ').unwrap_or((found, ""));
    if value == "variant" {
        let words = if what == "unit" { "a name alone" } else { "a name with a value" };
        return words.to_owned();
    }
    match what {
        "string" | "character" => format!("the text {value}"),
        "integer" => format!("the whole number {value}"),
        "floating" => format!("the number {}", value.trim_start_matches("point ")),
        "boolean" => format!("the flag {value}"),
        "null" | "unit" => "empty".to_owned(),
        "map" => "a map".to_owned(),
        "sequence" => "a list".to_owned(),
        _ => found.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_of_serde_become_ours() {
        for (theirs, ours) in [
            (
                "invalid type: string \"x\", expected u64",
                "must be a whole number of at least zero, and is the text \"x\"",
            ),
            (
                "invalid value: integer `-1`, expected u32",
                "must be a whole number from 0 to 4294967295, and is the whole number `-1`",
            ),
            ("invalid type: sequence, expected struct Model", "must be a map, and is a list"),
            ("unknown variant `dens`, expected one of `sparse`, `dense`", "`dens` is not one of its values"),
            (
                "invalid value: integer `0`, expected a nonzero u32",
                "must be a whole number from 1, and is the whole number `0`",
            ),
            ("invalid length 1, expected an array of length 2", "must be a list of 2, and is one of 1"),
            ("invalid length 3, expected fewer elements in array", "has 3 values, which is too many"),
            (
                "invalid type: integer `3`, expected an array of length 2",
                "must be a list of 2, and is the whole number `3`",
            ),
            (
                "invalid type: integer `1`, expected unit",
                "must be a name with nothing behind it, and is the whole number `1`",
            ),
            (
                "invalid type: unit variant, expected newtype variant",
                "must be a name with a value, as in `{ name: value }`, and is a name alone",
            ),
            ("invalid value: map, expected map with a single key", "must be a name or a map with exactly one key"),
            ("invalid type: integer `3`, expected variant identifier", "must be a name, and is the whole number `3`"),
            ("data did not match any variant of untagged enum OneOrMany", "is none of the forms that it may have"),
            ("must be positive", "must be positive"),
        ] {
            assert_eq!(plain_words(theirs).0, ours);
        }
        assert_eq!(
            plain_words("unknown variant `dens`, expected `dense` or `sparse`").1.as_deref(),
            Some("did you mean `dense`?")
        );
    }
}
