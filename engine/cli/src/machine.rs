//! How much memory this process may use: that of the machine, or less where a control group says so.

use std::{fs, path::Path};

use isoflop_contract::quantity::Bytes;

/// The memory that there is for tasks, if the system says.
pub fn memory() -> Option<Bytes> {
    let total = total(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    Some(Bytes(limit(&groups, Path::new("/sys/fs/cgroup")).map_or(total, |limit| limit.min(total))))
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
}

/// The least limit on the way from this process's group to the root, of either version. Seen from inside a container the own group may be
/// the root of what is mounted.
fn limit(groups: &str, mounted: &Path) -> Option<u64> {
    let lines = groups.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let limits = lines.flat_map(|(controllers, path)| {
        let (root, file) = match controllers {
            "" => (mounted.to_owned(), "memory.max"),
            one if one.split(',').any(|name| name == "memory") => (mounted.join("memory"), "memory.limit_in_bytes"),
            _ => return Vec::new(),
        };
        let own = root.join(path.trim_start_matches('/'));
        let way = own.ancestors().take_while(|folder| folder.starts_with(&root)).map(|folder| folder.join(file));
        way.filter_map(|file| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok()).collect()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_on_the_way_up_counts() {
        assert_eq!(total("MemTotal:       16 kB\nMemFree: 1 kB\n"), Some(16 << 10));
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("memory.max"), "max\n").unwrap();
        fs::write(folder.path().join("a/memory.max"), "4096\n").unwrap();
        fs::write(folder.path().join("memory.max"), "8192\n").unwrap();
        assert_eq!(limit("0::/a/b\n", folder.path()), Some(4096));
        assert_eq!(limit("0::/gone\n", folder.path()), Some(8192));
        fs::create_dir(folder.path().join("memory")).unwrap();
        fs::write(folder.path().join("memory/memory.limit_in_bytes"), "1024\n").unwrap();
        assert_eq!(limit("4:memory:/elsewhere\n1:cpu:/\n", folder.path()), Some(1024));
        assert_eq!(limit("1:cpu:/\n", folder.path()), None);
    }
}
