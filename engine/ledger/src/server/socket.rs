//! The server's Unix socket: where it is, and whether anybody answers there.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::{
        fs::{DirBuilderExt, MetadataExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    time::Duration,
};

/// The role and superuser that `initdb` makes.
pub(super) const ROLE: &str = "isoflop";

/// The database that `initdb` makes: a database of our own would cost another second.
pub(super) const DATABASE: &str = "postgres";

/// A socket's path is at most 107 bytes long, and `/.s.PGSQL.5432.lock` must fit too.
const LONGEST: usize = 88;

/// The folder of the socket of the cluster in `folder` (absolute). A deep folder gets a short one of its own, always the same.
pub(super) fn folder(folder: &Path) -> PathBuf {
    let inside = folder.join("sock");
    if inside.as_os_str().len() <= LONGEST {
        return inside;
    }
    let digest = blake3::hash(folder.as_os_str().as_encoded_bytes()).to_hex();
    PathBuf::from(format!("/tmp/isoflop-{}-{}", rustix::process::geteuid().as_raw(), &digest[..16]))
}

/// The file beside the socket in which a server names itself: another does not start while a process of that number is there, whatever it is.
pub(super) fn lock(folder: &Path) -> PathBuf {
    folder.join(".s.PGSQL.5432.lock")
}

/// Makes the folder, for nobody else to look into. What somebody else has put there is refused.
pub(super) fn prepare(folder: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => return Ok(()),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(e),
    }
    let meta = fs::symlink_metadata(folder)?;
    let me = rustix::process::geteuid();
    if !meta.is_dir() || (meta.uid() != me.as_raw() && !me.is_root()) || meta.mode() & 0o077 != 0 {
        return Err(io::Error::other("it is there already, and is not a folder that only this user can enter"));
    }
    Ok(())
}

/// The address for clients. Everything is said, so that no `PG…` variable can change it.
pub(super) fn url(folder: &Path) -> String {
    let digit = |nibble: u8| char::from(b"0123456789ABCDEF"[usize::from(nibble)]);
    let mut host = String::new();
    for byte in folder.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => host.push(char::from(*byte)),
            other => host.extend(['%', digit(other >> 4), digit(other & 15)]),
        }
    }
    format!("postgres://{ROLE}@{host}:5432/{DATABASE}?sslmode=disable")
}

/// What came back from the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It takes clients.
    Ready,
    /// Somebody is there and not ready: starting, recovering or going down.
    Busy,
    /// Nobody.
    Silence,
}

/// Asks the socket. A process number would not do: after a crash or a reboot it can belong to anything.
pub(super) fn ask(folder: &Path) -> Answer {
    let Ok(mut stream) = UnixStream::connect(folder.join(".s.PGSQL.5432")) else { return Answer::Silence };
    let first = (|| -> io::Result<u8> {
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.set_write_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(&startup())?;
        let mut first = [0];
        stream.read_exact(&mut first)?;
        Ok(first[0])
    })();
    match first {
        Ok(b'R') => {
            stream.write_all(b"X\0\0\0\x04").ok(); // goodbye
            Answer::Ready
        }
        _ => Answer::Busy,
    }
}

/// The first message of the Postgres protocol, version 3.0: length, version, names and values.
fn startup() -> Vec<u8> {
    let mut body = vec![0, 3, 0, 0];
    for part in ["user", ROLE, "database", DATABASE, ""] {
        body.extend_from_slice(part.as_bytes());
        body.push(0);
    }
    let length = u32::try_from(body.len() + 4).expect("a few dozen bytes");
    [&length.to_be_bytes()[..], &body].concat()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_deep_folder_gets_a_short_socket() {
        assert_eq!(folder(Path::new("/home/me/study/.isoflop/postgres")).to_str().unwrap().len(), 37);
        let deep = PathBuf::from(format!("/{}", "deep/".repeat(40)));
        let short = folder(&deep);
        assert!(short.as_os_str().len() <= LONGEST && short.starts_with("/tmp"));
        assert_eq!(short, folder(&deep));
    }

    #[test]
    fn an_address_says_everything() {
        assert_eq!(url(Path::new("/a b/sock")), "postgres://isoflop@%2Fa%20b%2Fsock:5432/postgres?sslmode=disable");
    }

    #[test]
    fn a_folder_that_others_could_enter_is_refused() {
        let tmp = tempfile::tempdir().unwrap();
        let good = tmp.path().join("good");
        prepare(&good).unwrap();
        prepare(&good).unwrap();
        let link = tmp.path().join("link");
        symlink(&good, &link).unwrap();
        assert!(prepare(&link).is_err());
        let open = tmp.path().join("open");
        fs::DirBuilder::new().mode(0o755).create(&open).unwrap();
        assert!(prepare(&open).is_err());
        assert_eq!(ask(&good), Answer::Silence);
    }
}
