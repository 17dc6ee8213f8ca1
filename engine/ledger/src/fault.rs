//! A fault: what went wrong inside one try, and what to do about it.

use isoflop_contract::canon::CanonError;

use crate::error::LedgerError;

/// Why one try failed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The database, or the way to it.
    Sql(sqlx::Error),
    /// Nothing that trying again would change.
    Final(LedgerError),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<LedgerError> for Fault {
    fn from(error: LedgerError) -> Self {
        Self::Final(error)
    }
}

impl From<CanonError> for Fault {
    fn from(error: CanonError) -> Self {
        Self::Final(LedgerError::Unfit { what: "a value".to_owned(), why: error.to_string() })
    }
}

/// A row that cannot be right.
pub(crate) fn bad_row(what: impl Into<String>) -> Fault {
    Fault::Final(LedgerError::BadRow { what: what.into() })
}

/// What a database error calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cure {
    /// The connection is gone, or cannot be had: connect again.
    Reconnect,
    /// Another transaction was in the way: the same once more.
    Again,
    /// Room on the server's disk.
    Room,
    /// Other credentials, or another database.
    Credentials,
    /// A certificate that this machine trusts, or none asked for.
    Trust,
    /// More rights for the role.
    Rights,
    /// None: it is the statement's fault.
    None,
}

impl Cure {
    /// What `error` calls for.
    pub fn of(error: &sqlx::Error) -> Self {
        match error {
            // What is wrong with a certificate arrives as data that cannot be right.
            sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => Self::Trust,
            sqlx::Error::Io(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Reconnect,
            sqlx::Error::Tls(_) => Self::Trust,
            sqlx::Error::Database(said) => said.code().map_or(Self::None, |code| Self::of_code(&code)),
            _ => Self::None,
        }
    }

    /// By SQLSTATE.
    fn of_code(code: &str) -> Self {
        match code {
            "53100" => Self::Room,
            // 40003: nobody knows whether it was done; all that is tried may be done twice.
            "40001" | "40P01" | "40003" => Self::Again,
            // 25006: a standby answers, which may be about to take over. 25P03: this process was paused in the middle.
            "25006" | "25P03" | "53300" | "57P01" | "57P02" | "57P03" => Self::Reconnect,
            "42501" => Self::Rights,
            "3D000" => Self::Credentials,
            _ if code.starts_with("08") => Self::Reconnect,
            _ if code.starts_with("28") => Self::Credentials,
            _ => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        assert_eq!(Cure::of(&std::io::Error::from(std::io::ErrorKind::BrokenPipe).into()), Cure::Reconnect);
        for (code, cure) in [
            ("08006", Cure::Reconnect),
            ("57P01", Cure::Reconnect),
            ("57014", Cure::None),
            ("40P01", Cure::Again),
            ("25006", Cure::Reconnect),
            ("42501", Cure::Rights),
            ("53100", Cure::Room),
            ("28P01", Cure::Credentials),
            ("23505", Cure::None),
        ] {
            assert_eq!(Cure::of_code(code), cure, "{code}");
        }
    }
}
