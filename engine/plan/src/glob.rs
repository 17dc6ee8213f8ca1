//! Globs: patterns for paths. `*` is any part of a name, `?` one character of it, `[a-z]` one of some, `**` any folders between.
//!
//! `*` and `?` do not match the dot that a hidden name begins with, and `**` goes into no hidden folder, nor into `__pycache__`, which
//! appears by itself where somebody has run a script by hand.

/// A path that may have wildcards, by its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob(pub(crate) Vec<Part>);

/// What stands between two `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// A name as it is.
    Plain(String),
    /// A name with wildcards.
    Wild(Vec<Piece>),
    /// `**`.
    Deep,
}

/// What matches one character, or many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    One(char),
    Any,
    Many,
    Class { inside: bool, ranges: Vec<(char, char)> },
}

impl Glob {
    /// Reads the parts of a path; what is wrong is a sentence about the glob.
    pub(crate) fn parse<'a>(parts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        parts.into_iter().map(Part::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether it is a plain path.
    pub(crate) fn is_plain(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Plain(_)))
    }
}

impl Part {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "**" {
            return Ok(Self::Deep);
        }
        if text.contains("**") {
            return Err("`**` stands for whole folders and must be alone between two `/`".to_owned());
        }
        if !text.contains(['*', '?', '[']) {
            return Ok(Self::Plain(text.to_owned()));
        }
        let mut pieces = Vec::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            pieces.push(match letter {
                '*' => Piece::Many,
                '?' => Piece::Any,
                '[' => class(&mut letters)?,
                other => Piece::One(other),
            });
        }
        Ok(Self::Wild(pieces))
    }

    /// Whether a name matches; `**` matches a folder that it may go into.
    pub(crate) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Plain(text) => text == name,
            Self::Deep => !name.starts_with('.') && name != "__pycache__",
            Self::Wild(pieces) => {
                let hidden = name.starts_with('.') && pieces.first() != Some(&Piece::One('.'));
                !hidden && wild(pieces, &name.chars().collect::<Vec<_>>())
            }
        }
    }
}

/// The rest of `[a-z]`, `[!0-9]`, `[abc]` after its bracket; a `]` that stands first is meant as such.
fn class(letters: &mut std::str::Chars<'_>) -> Result<Piece, String> {
    let open = || "a `[` has no `]`; write `[[]` for the bracket itself".to_owned();
    let mut inside = true;
    let mut ranges = Vec::new();
    let mut first = letters.next().ok_or_else(open)?;
    if first == '!' {
        inside = false;
        first = letters.next().ok_or_else(open)?;
    }
    loop {
        if first == ']' && !ranges.is_empty() {
            return Ok(Piece::Class { inside, ranges });
        }
        let mut ahead = letters.clone();
        let last = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(last)) if last != ']' => {
                *letters = ahead;
                last
            }
            _ => first,
        };
        if last < first {
            return Err(format!("`{first}-{last}` in brackets is the wrong way round"));
        }
        ranges.push((first, last));
        first = letters.next().ok_or_else(open)?;
    }
}

/// Linear in both: the last star alone is tried again.
fn wild(pieces: &[Piece], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pieces.get(p) {
            Some(Piece::Many) => {
                star = Some((p, n));
                p += 1;
            }
            Some(piece) if piece.matches(name[n]) => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, from)) => {
                    (p, n) = (at + 1, from + 1);
                    star = Some((at, n));
                }
                None => return false,
            },
        }
    }
    pieces[p..].iter().all(|piece| *piece == Piece::Many)
}

impl Piece {
    fn matches(&self, letter: char) -> bool {
        match self {
            Self::One(one) => *one == letter,
            Self::Any | Self::Many => true,
            Self::Class { inside, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&letter)) == *inside
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_a_shell() {
        for (pattern, name, matches) in [
            ("train.py", "train.py", true),
            ("*.py", "train.py", true),
            ("*.py", ".py", false),
            ("*.py", "train.pyc", false),
            (".*", ".env", true),
            ("*", ".env", false),
            ("t*n*.p?", "train.py", true),
            ("part-[0-9].csv", "part-7.csv", true),
            ("part-[!0-9].csv", "part-7.csv", false),
            ("[]x]", "]", true),
            ("[a-]", "-", true),
            ("a[[]b", "a[b", true),
            ("*a*b", "aaaa", false),
        ] {
            assert_eq!(Part::parse(pattern).unwrap().matches(name), matches, "{pattern} {name}");
        }
        assert!(Part::Deep.matches("lib") && !Part::Deep.matches(".git") && !Part::Deep.matches("__pycache__"));
    }

    #[test]
    fn what_is_no_glob_is_said() {
        for (pattern, part) in
            [("a**", "alone between"), ("[a", "has no `]`"), ("[", "has no `]`"), ("[z-a]", "wrong way")]
        {
            let message = Part::parse(pattern).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
        assert!(Glob::parse(["lib", "a.py"]).unwrap().is_plain());
        assert!(!Glob::parse(["lib", "**"]).unwrap().is_plain());
    }
}
