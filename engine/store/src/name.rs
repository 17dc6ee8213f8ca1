//! Names of files inside an artifact: relative, `/` between folders, plain on every system.

use std::{ffi::OsStr, path::Path};

/// The longest name, in bytes, of a file inside an artifact.
const LONGEST: usize = 1024;

/// Why `part` cannot be one part of a file's name.
fn complaint(part: &str) -> Option<&'static str> {
    match part {
        "" => Some("has an empty part in its name"),
        "." | ".." => Some("leads out of the folder"),
        _ if part.chars().any(char::is_control) => Some("has control characters in its name"),
        _ if part.contains(['/', '\\']) => Some("has a slash in a part of its name"),
        _ => None,
    }
}

/// `part` below the folder `above` (empty for the top), if it may stand in a manifest.
pub(crate) fn join(above: &str, part: &OsStr) -> Result<String, (String, &'static str)> {
    let shown = part.to_string_lossy();
    let name = if above.is_empty() { shown.clone().into_owned() } else { format!("{above}/{shown}") };
    let why = match part.to_str() {
        None => Some("has a name that is not UTF-8"),
        Some(part) => complaint(part),
    };
    let why = why.or((name.len() > LONGEST).then_some("has a name of more than 1024 bytes"));
    why.map_or(Ok(name.clone()), |why| Err((name.escape_debug().to_string(), why)))
}

/// Whether `name`, as a manifest has it, stays inside a folder it is put under. Manifests are read from disk and from other machines.
pub(crate) fn check(name: &str) -> Result<&Path, &'static str> {
    match name.split('/').find_map(complaint) {
        Some(why) => Err(why),
        None if name.len() > LONGEST => Err("has a name of more than 1024 bytes"),
        None => Ok(Path::new(name)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn names_stay_inside() {
        assert_eq!(join("", OsStr::new("model.safetensors")).unwrap(), "model.safetensors");
        assert_eq!(join("a b", OsStr::new("ü.png")).unwrap(), "a b/ü.png");
        for odd in ["a\nb", "\u{7f}", "a\\b"] {
            assert!(join("", OsStr::new(odd)).is_err(), "{odd:?}");
        }
        assert!(join("", OsStr::from_bytes(b"\xff")).is_err());
        assert!(join(&"x".repeat(1000), OsStr::new(&"y".repeat(100))).is_err());
        for bad in ["", "/etc/passwd", "../up", "a/../b", "a//b", "a/", "a/.", "a\0"] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        assert_eq!(check("a/b.txt"), Ok(Path::new("a/b.txt")));
    }
}
