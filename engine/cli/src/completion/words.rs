//! Bash: a line cut into words as the shell will cut it, and replies as readline will insert them.
//!
//! Readline replaces less than a word: what follows the last of its break characters (`=` and `:` among them), or what follows an open quote.
//! So a reply is what belongs there, quoted for the place.

/// A line up to the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its words without quotes, the last being the one at the cursor, perhaps empty.
    pub words: Vec<String>,
    /// The quote that is open at the cursor.
    pub open: Option<char>,
}

impl Line {
    /// Cuts a line.
    pub fn read(line: &str) -> Self {
        let mut words = Vec::new();
        let mut word = String::new();
        let mut begun = false;
        let mut open = None;
        let mut letters = line.chars();
        while let Some(letter) = letters.next() {
            match open {
                Some('\'') if letter != '\'' => word.push(letter),
                Some('"') if letter == '\\' => match letters.next() {
                    Some(next) if "\"\\$`".contains(next) => word.push(next),
                    Some(next) => word.extend(['\\', next]),
                    None => {}
                },
                Some(quote) if letter == quote => open = None,
                Some(_) => word.push(letter),
                None => match letter {
                    '\'' | '"' => (open, begun) = (Some(letter), true),
                    '\\' => {
                        word.extend(letters.next());
                        begun = true;
                    }
                    c if c.is_whitespace() => {
                        if begun {
                            words.push(std::mem::take(&mut word));
                        }
                        begun = false;
                    }
                    c => {
                        word.push(c);
                        begun = true;
                    }
                },
            }
        }
        words.push(word);
        Self { words, open }
    }
}

/// What readline must be given so that the word at the cursor becomes `value`.
pub fn reply(line: &Line, value: &str, breaks: &str) -> String {
    let quoted = |text: &str, special: &str| -> String {
        let mut out = String::with_capacity(text.len());
        for letter in text.chars() {
            if special.contains(letter) {
                out.push('\\');
            }
            out.push(letter);
        }
        out
    };
    match line.open {
        Some('"') => quoted(value, "\"\\$`"),
        Some(_) => value.replace('\'', r"'\''"),
        None => {
            let typed = line.words.last().map_or("", String::as_str);
            let kept = typed.rfind(|c| matches!(c, '=' | ':') && breaks.contains(c)).map_or(0, |at| at + 1);
            let rest = if value.starts_with(&typed[..kept]) { &value[kept..] } else { value };
            quoted(rest, " \t\"'\\$`&|;<>()[]{}*?!#")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BREAKS: &str = " \t\n\"'><=;|&(:";

    fn words(line: &str) -> Vec<String> {
        Line::read(line).words
    }

    #[test]
    fn a_line_is_cut_as_the_shell_cuts_it() {
        assert_eq!(words("isoflop pl"), ["isoflop", "pl"]);
        assert_eq!(words("isoflop plan "), ["isoflop", "plan", ""]);
        assert_eq!(words("isoflop why 'train[size=l, x"), ["isoflop", "why", "train[size=l, x"]);
        assert_eq!(words(r#"isoflop why "a \" b" c\ d '' "#), ["isoflop", "why", "a \" b", "c d", "", ""]);
        assert_eq!(words(r"isoflop why train\[size="), ["isoflop", "why", "train[size="]);
        assert_eq!(words(""), [""]);
        assert_eq!(Line::read("x 'a").open, Some('\''));
        assert_eq!(Line::read("x 'a'").open, None);
        assert_eq!(words("x \"a\\"), ["x", "a"]);
    }

    #[test]
    fn a_reply_is_what_readline_replaces() {
        let said = |line: &str, value: &str| reply(&Line::read(line), value, BREAKS);
        assert_eq!(said("isoflop why tr", "train"), "train");
        assert_eq!(said("isoflop why train", "train[size=l]"), r"train\[size=l\]");
        assert_eq!(said(r"isoflop why train\[size=", "train[size=l,seed=0]"), r"l,seed=0\]");
        assert_eq!(said(r"isoflop why train\[size=l,seed=", "train[size=l,seed=0]"), r"0\]");
        assert_eq!(said("isoflop why 'train[size=", "train[size=l]"), "train[size=l]");
        assert_eq!(said("isoflop plan -p steps=", "steps=50"), "50");
        assert_eq!(reply(&Line::read("isoflop plan -p steps="), "steps=50", " \t\n"), "steps=50");
        assert_eq!(said("isoflop plan ", "my study/"), r"my\ study/");
        assert_eq!(said("isoflop plan \"", "my $tudy/"), r"my \$tudy/");
        assert_eq!(said("isoflop plan '", "it's"), r"it'\''s");
    }
}
