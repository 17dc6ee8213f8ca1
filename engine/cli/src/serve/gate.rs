//! The gate: whose requests are answered at all.
//!
//! A page of some other site can have its name resolve to 127.0.0.1 and then read what is served here as if it were its own. It cannot choose the
//! `Host` that the browser sends: that is its name. So only names that are this server's are answered. An address is never somebody else's name.

use std::net::{IpAddr, SocketAddr};

/// Which hosts may be asked for.
#[derive(Debug, Clone)]
pub struct Gate {
    listens: IpAddr,
    /// What this machine is called, where others can reach it.
    machine: String,
}

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Only GET and HEAD are.
    Method,
    /// It is for another host, as the request has it.
    Host(String),
}

impl Gate {
    /// The gate of a server that listens at `address` on a machine of this name.
    pub fn new(address: SocketAddr, machine: String) -> Self {
        Self { listens: address.ip(), machine }
    }

    /// Whether anybody who reaches this machine may read.
    pub fn is_open(&self) -> bool {
        !self.listens.is_loopback()
    }

    /// Lets a request pass or says why not. `host` is its `Host`, with or without a port: behind a tunnel the port is another.
    pub fn pass(&self, method: &str, host: Option<&str>) -> Result<(), Refusal> {
        if !["GET", "HEAD"].contains(&method) {
            return Err(Refusal::Method);
        }
        let asked = host.unwrap_or_default();
        let name = name(asked);
        let known = name.eq_ignore_ascii_case("localhost")
            || match name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
                Ok(address) => address == self.listens || address.is_loopback() || self.listens.is_unspecified(),
                Err(_) => self.is_open() && !self.machine.is_empty() && name.eq_ignore_ascii_case(&self.machine),
            };
        if known { Ok(()) } else { Err(Refusal::Host(asked.chars().take(100).collect())) }
    }
}

/// A host without its port.
fn name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if !name.is_empty()
                && port.bytes().all(|b| b.is_ascii_digit())
                && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(address: &str) -> Gate {
        Gate::new(address.parse().unwrap(), "atlas".to_owned())
    }

    #[test]
    fn only_its_own_names_are_answered() {
        let lets = |gate: &Gate, host: &str| gate.pass("GET", Some(host)).is_ok();
        let loopback = gate("127.0.0.1:7357");
        for host in ["127.0.0.1:7357", "localhost:7357", "LocalHost", "127.0.0.1", "[::1]:7357", "localhost:8000"] {
            assert!(lets(&loopback, host), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:7357",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.7:7357",
            "atlas:7357",
            "",
            "localhost:7357:1",
            "::",
        ] {
            assert_eq!(loopback.pass("GET", Some(host)), Err(Refusal::Host(host.to_owned())), "{host}");
        }
        assert_eq!(loopback.pass("GET", None), Err(Refusal::Host(String::new())));
        let (all, one) = (gate("0.0.0.0:80"), gate("10.0.0.7:80"));
        assert!(
            lets(&all, "10.0.0.7:80")
                && lets(&all, "atlas")
                && lets(&all, "[2001:db8::1]")
                && !lets(&all, "evil.example")
        );
        assert!(lets(&one, "10.0.0.7") && lets(&one, "Atlas:80") && !lets(&one, "10.0.0.8"));
        assert!(all.is_open() && one.is_open() && !loopback.is_open() && !gate("[::1]:1").is_open());
    }

    #[test]
    fn nothing_but_reading_is_answered() {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "get", ""] {
            assert_eq!(gate("127.0.0.1:1").pass(method, Some("localhost")), Err(Refusal::Method), "{method}");
        }
        assert_eq!(gate("127.0.0.1:1").pass("HEAD", Some("localhost")), Ok(()));
    }
}
