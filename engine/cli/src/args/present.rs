//! Arguments of the verbs that look at what is under way.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

/// Arguments of `status` and `watch`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// A run: the first digits of its id, `latest`, or `latest~1` [default: what is under way, else the latest]
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// Only the study of this name
    #[arg(short, long, value_name = "NAME")]
    pub study: Option<String>,
}

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// A task's name, or the first digits, six at least, of its key or of its artifact's digest
    pub name: String,
    /// Only the study of this name
    #[arg(short, long, value_name = "NAME")]
    pub study: Option<String>,
    /// Which attempt, counted back from the latest
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub back: usize,
    /// Only the last lines
    #[arg(short = 'n', long, value_name = "LINES")]
    pub lines: Option<usize>,
    /// Go on printing until the attempt ends
    #[arg(short, long, conflicts_with = "json")]
    pub follow: bool,
}

/// Where `serve` listens where nothing is said.
const LISTEN: &str = "127.0.0.1:7357";

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Show only these studies, read from here: their folders or YAML files [default: all in the ledger, read where they were run from]
    #[arg(value_name = "STUDY")]
    pub studies: Vec<PathBuf>,
    /// Where to listen; port 0 picks a free one. Whoever reaches an address other than this machine's own can read everything
    #[arg(long, value_name = "ADDRESS:PORT", default_value = LISTEN, value_parser = address)]
    pub listen: SocketAddr,
}

/// An address as people write it: `127.0.0.1:7357`, `localhost:7357`, `:7357`, or a port alone.
fn address(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    let full = match text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':')).unwrap_or(text) {
        port if port.bytes().all(|byte| byte.is_ascii_digit()) => format!("127.0.0.1:{port}"),
        _ => text.to_owned(),
    };
    full.parse().map_err(|_| format!("write an address and a port, as in `{LISTEN}` or `[::1]:7357`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_people_write_it() {
        let read = |text: &str| address(text).map(|it| it.to_string());
        for (text, means) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("localhost:80", "127.0.0.1:80"),
            (":8000", "127.0.0.1:8000"),
            ("8000", "127.0.0.1:8000"),
            ("0.0.0.0:1", "0.0.0.0:1"),
            ("[::1]:2", "[::1]:2"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(means), "{text}");
        }
        for text in ["", "127.0.0.1", "atlas:80", "99999", "localhost:"] {
            assert!(read(text).is_err_and(|why| why.contains("127.0.0.1:7357")), "{text}");
        }
    }
}
