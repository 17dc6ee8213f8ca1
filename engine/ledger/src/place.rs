//! Where a ledger lives: a private server's folder, or a shared server.

use std::{fmt, path::PathBuf};

use crate::server::PrivateServer;

/// Where the ledger is.
#[derive(Clone)]
pub enum Place {
    /// A private cluster, started on demand.
    Private(PrivateServer),
    /// A shared server: `postgres://user:password@host/database`.
    Url(String),
}

impl Place {
    /// The private cluster in `folder` (`.isoflop/postgres`), with binaries found by the usual search.
    pub fn private(folder: impl Into<PathBuf>) -> Self {
        Self::Private(PrivateServer::new(folder))
    }
}

/// As in messages: a dump of whatever holds it must not hold the password.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// For messages: the folder, or the address without its password.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Private(server) => write!(f, "the private server in {}", server.folder().display()),
            Self::Url(url) => f.write_str(&redacted(url)),
        }
    }
}

/// `url` with `***` for what could be a password.
fn redacted(url: &str) -> String {
    let (url, query) = url.split_once('?').map_or((url, None), |(url, query)| (url, Some(query)));
    let shown = match url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?))) {
        Some((scheme, (user, host))) => match user.split_once(':') {
            Some((user, _)) => format!("{scheme}://{user}:***@{host}"),
            None => format!("{scheme}://{user}@{host}"),
        },
        None => url.to_owned(),
    };
    let Some(query) = query else { return shown };
    let parts = query.split('&').map(|part| match part.split_once('=') {
        Some((name, _)) if name.contains("pass") => format!("{name}=***"),
        _ => part.to_owned(),
    });
    format!("{shown}?{}", parts.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        for (url, shown) in [
            ("postgres://me:secret@db.example:5433/lab", "postgres://me:***@db.example:5433/lab"),
            ("postgres://me:p@ss:w@db/lab?sslmode=require", "postgres://me:***@db/lab?sslmode=require"),
            ("postgres://me@db/lab", "postgres://me@db/lab"),
            ("postgres:///lab?password=secret&host=/run", "postgres:///lab?password=***&host=/run"),
            ("nonsense", "nonsense"),
        ] {
            let place = Place::Url(url.to_owned());
            assert_eq!((place.to_string(), format!("{place:?}")), (shown.to_owned(), shown.to_owned()));
        }
    }
}
