//! Did you mean: the nearest of the names there are.

/// How long a word may be that is compared: comparing takes the product of two lengths.
const LONG: usize = 100;

/// The candidate that `word` was most likely meant to be, if one is near enough.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = |text: &str| text.to_lowercase().replace('_', "-");
    if word.len() > LONG {
        return None;
    }
    let word = folded(word);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONG)
        .map(|candidate| (strsim::damerau_levenshtein(&word, &folded(candidate)), candidate))
        .filter(|(distance, candidate)| {
            let length = candidate.chars().count().max(word.chars().count());
            *distance <= length.div_ceil(3) && (*distance < length || length == 0)
        })
        .min_by_key(|(distance, candidate)| (*distance, candidate.len()))
        .map(|(_, candidate)| candidate)
}

/// A hint: what was meant, or else what there is.
pub(crate) fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    if let Some(near) = nearest(word, candidates.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    list(candidates)
}

/// A hint: what there is.
pub(crate) fn list<'a>(candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    listed(candidates, "there is", "there are")
}

/// A hint: what there is, after words for one and for several.
pub(crate) fn listed<'a>(candidates: impl IntoIterator<Item = &'a str>, one: &str, several: &str) -> Option<String> {
    const MANY: usize = 12;
    let all: Vec<String> = candidates.into_iter().map(|name| format!("`{name}`")).collect();
    match all.len() {
        0 => None,
        n if n > MANY => Some(format!("{several} {}, and {} more", all[..MANY].join(", "), n - MANY)),
        1 => Some(format!("{one} {}", all[0])),
        _ => Some(format!("{several} {}", all.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let words = ["matrix", "needs", "gather", "on", "with"];
        assert_eq!(nearest("matrx", words), Some("matrix"));
        assert_eq!(nearest("Needs", words), Some("needs"));
        assert_eq!(nearest("quantum", words), None);
        assert_eq!(nearest("m", ["l", "s"]), None);
        assert_eq!(hint("zzzzzz", ["a", "b"]).as_deref(), Some("there are `a`, `b`"));
        assert_eq!(hint("zzzzzz", []), None);
    }
}
