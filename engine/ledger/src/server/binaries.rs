//! Server binaries: where `initdb` and `postgres` are found.
//!
//! In order: the configured folder (and then no other), Debian's versioned folders, `PATH`, and the cache into which `setup/postgres.sh`
//! unpacks. A data folder can be run only by the major version that made it, so all that are found count, not only the first.

use std::{
    env,
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use super::error::ServerError;

/// The oldest major version that will do.
pub const OLDEST: u32 = 15;

/// Server binaries of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// Their folder.
    pub folder: PathBuf,
    /// Their major version.
    pub major: u32,
    /// Their full version.
    pub version: String,
}

/// Where to look for server binaries.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// A folder that must be used, and no other.
    pub configured: Option<PathBuf>,
    /// The value of `PATH`.
    pub path: Option<OsString>,
    /// The cache that `setup/postgres.sh` unpacks into (`~/.cache/isoflop`).
    pub cache: Option<PathBuf>,
}

impl Search {
    /// What this process's environment says: `PATH`, and the cache by `ISOFLOP_CACHE`, `XDG_CACHE_HOME` or `HOME`.
    pub fn of_process(configured: Option<PathBuf>) -> Self {
        let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = folder("ISOFLOP_CACHE")
            .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("isoflop")))
            .or_else(|| folder("HOME").map(|home| home.join(".cache/isoflop")));
        Self { configured, path: env::var_os("PATH"), cache }
    }

    /// Usable binaries, best first: those of the major version `wanted`, if the data has one.
    pub fn find(&self, cluster: &Path, wanted: Option<u32>) -> Result<Binaries, ServerError> {
        if let Some(folder) = &self.configured {
            let binaries =
                Binaries::of(folder).map_err(|why| ServerError::Configured { folder: folder.clone(), why })?;
            return match wanted {
                Some(major) if major != binaries.major => Err(ServerError::OtherVersion {
                    folder: cluster.to_owned(),
                    data: major,
                    found: binaries.major.to_string(),
                }),
                _ => Ok(binaries),
            };
        }
        let mut looked = Vec::new();
        let mut found = Vec::new();
        for folder in self.candidates() {
            match Binaries::of(&folder) {
                Ok(binaries) if wanted.is_none_or(|major| major == binaries.major) => return Ok(binaries),
                Ok(binaries) => found.push(binaries.major.to_string()),
                Err(why) => looked.push(format!("{} ({why})", folder.display())),
            }
        }
        match wanted {
            Some(data) if !found.is_empty() => {
                Err(ServerError::OtherVersion { folder: cluster.to_owned(), data, found: found.join(" and ") })
            }
            _ => Err(ServerError::NotFound { looked }),
        }
    }

    /// Folders to look into. Those of `PATH` only where `initdb` is, so that an error does not list all of it.
    fn candidates(&self) -> Vec<PathBuf> {
        let mut folders = debian(Path::new("/usr/lib/postgresql"));
        let path = self.path.as_deref().unwrap_or_default();
        folders.extend(env::split_paths(path).filter(|folder| folder.join("initdb").exists()));
        folders.extend(self.cache.as_ref().map(|cache| cache.join("postgres-18.4/bin")));
        folders
    }
}

/// Debian's versioned folders, newest first.
fn debian(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut majors: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    majors.sort_unstable();
    let mut folders: Vec<PathBuf> = majors.iter().rev().map(|major| root.join(format!("{major}/bin"))).collect();
    if folders.is_empty() {
        folders.push(root.join("<version>/bin")); // for the message that names where it was looked
    }
    folders
}

impl Binaries {
    /// The binaries in `folder`, or what is wrong with them.
    fn of(folder: &Path) -> Result<Self, String> {
        for name in ["initdb", "postgres"] {
            match fs::metadata(folder.join(name)) {
                Ok(meta) if meta.is_file() && meta.permissions().mode() & 0o111 != 0 => {}
                Ok(_) => return Err(format!("`{name}` is not a program")),
                Err(_) => return Err(format!("no `{name}`")),
            }
        }
        let said = Command::new(folder.join("postgres"))
            .arg("--version")
            .output()
            .map_err(|e| format!("`postgres` does not run: {e}"))?;
        let text = String::from_utf8_lossy(&said.stdout);
        let Some((major, version)) = version(&text) else {
            return Err(format!("`postgres --version` said `{}`", String::from_utf8_lossy(&said.stderr).trim()));
        };
        if major < OLDEST {
            return Err(format!("version {version} is older than {OLDEST}"));
        }
        Ok(Self { folder: folder.to_owned(), major, version })
    }

    /// One of the programs.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// The version in `postgres (PostgreSQL) 15.18 (Debian …)`.
fn version(text: &str) -> Option<(u32, String)> {
    let version = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let major = version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    Some((major, version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fake(folder: &Path, version: &str) -> PathBuf {
        fs::create_dir_all(folder).unwrap();
        for name in ["initdb", "postgres"] {
            let program = folder.join(name);
            fs::write(&program, format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        folder.to_owned()
    }

    #[test]
    fn versions_are_read() {
        assert_eq!(version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some((15, "15.18".into())));
        assert_eq!(version("postgres (PostgreSQL) 19beta2"), Some((19, "19beta2".into())));
        assert_eq!(version("no"), None);
    }

    #[test]
    fn a_configured_folder_is_the_only_one() {
        let tmp = tempfile::tempdir().unwrap();
        let search = |folder: PathBuf| Search { configured: Some(folder), ..Search::default() };
        let good = fake(&tmp.path().join("good"), "17.2");
        assert_eq!(search(good.clone()).find(tmp.path(), None).unwrap().major, 17);
        let error = search(good).find(tmp.path(), Some(16)).unwrap_err().to_string();
        assert!(error.contains("made by Postgres 16") && error.contains("only 17"), "{error}");
        let old = fake(&tmp.path().join("old"), "9.6");
        let error = search(old).find(tmp.path(), None).unwrap_err().to_string();
        assert!(error.contains("older than 15") && error.contains("ISOFLOP_POSTGRES_BIN"), "{error}");
        let error = search(tmp.path().join("none")).find(tmp.path(), None).unwrap_err().to_string();
        assert!(error.contains("no `initdb`"), "{error}");
    }

    #[test]
    fn the_cache_is_found_and_the_datas_version_preferred() {
        let tmp = tempfile::tempdir().unwrap();
        let on_path = fake(&tmp.path().join("bin"), "97.1");
        let cached = fake(&tmp.path().join("cache/postgres-18.4/bin"), "98.4");
        let search =
            Search { configured: None, path: Some(on_path.clone().into()), cache: Some(tmp.path().join("cache")) };
        assert_eq!(search.find(tmp.path(), Some(97)).unwrap().folder, on_path);
        assert_eq!(search.find(tmp.path(), Some(98)).unwrap().folder, cached);
        let error = search.find(tmp.path(), Some(96)).unwrap_err().to_string();
        assert!(error.contains("made by Postgres 96"), "{error}");
    }

    #[test]
    fn debians_newest_comes_first() {
        let tmp = tempfile::tempdir().unwrap();
        for major in ["9.6", "15", "17"] {
            fs::create_dir_all(tmp.path().join(major)).unwrap();
        }
        assert_eq!(debian(tmp.path()), [tmp.path().join("17/bin"), tmp.path().join("15/bin")]);
    }
}
