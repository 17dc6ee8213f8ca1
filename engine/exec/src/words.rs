//! A failure's message and the last words of its log: put together in one reason, and told in one line.

/// What stands between them.
const BETWEEN: &str = "; the last lines of its log:\n";

/// `message`, with the last lines of the log behind it if there are any.
pub(crate) fn with_words(message: String, words: &str) -> String {
    if words.is_empty() { message } else { message + BETWEEN + words }
}

/// Whether `reason` holds lines of a log.
pub fn quotes(reason: &str) -> bool {
    reason.contains(BETWEEN)
}

/// `reason` in one line: its first, or its message and the last line of the log, which is mostly the one that tells.
pub fn headline(reason: &str) -> String {
    match reason.split_once(BETWEEN) {
        Some((message, log)) => format!("{message}: {}", log.trim_end().lines().next_back().unwrap_or_default().trim()),
        None => reason.lines().next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_of_the_end() {
        let reason = with_words("`sh` exited with code 3".to_owned(), "    reading\n    no such column: loss\n");
        assert!(quotes(&reason));
        assert_eq!(headline(&reason), "`sh` exited with code 3: no such column: loss");
        assert_eq!(headline(&with_words("it was killed".to_owned(), "")), "it was killed");
        assert_eq!(headline("the first\nthe second"), "the first");
        assert!(!quotes("the first\nthe second"));
    }
}
