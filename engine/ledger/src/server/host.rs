//! Which machine runs a cluster's server: a folder on a network filesystem can be seen by several, and only one of them may.

use std::{fs, io, path::Path};

/// Filesystems that several machines can have mounted at once, by the magic numbers of `statfs(2)`: NFS, SMB, CIFS, Lustre, GPFS, `BeeGFS`,
/// Ceph, FUSE (sshfs, `GlusterFS`), 9P.
const SHARED: &[u64] = &[
    0x6969,
    0x517b,
    0xff53_4d42,
    0xfe53_4d42,
    0x0bd0_0bd0,
    0x4750_4653,
    0x1983_0326,
    0x00c3_6400,
    0x6573_5546,
    0x0102_1997,
];

fn here() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    format!("{} {}\n", rustix::system::uname().nodename().to_string_lossy(), boot.trim())
}

/// Notes this machine in `folder`.
pub(super) fn write(folder: &Path) -> io::Result<()> {
    fs::write(folder.join("host"), here())
}

/// The machine noted in `folder`, if it is another one and may still run a server there: on a filesystem of this machine alone, it cannot.
pub(super) fn other(folder: &Path) -> Option<String> {
    let shared = rustix::fs::statfs(folder).is_ok_and(|stat| SHARED.contains(&(stat.f_type as u64)));
    if !shared {
        return None;
    }
    differs(&fs::read_to_string(folder.join("host")).ok()?, &here())
}

/// The host that `noted` names, if it is another machine than `here`: the same name after a reboot is the same machine, and the same boot
/// under another name is a container of it.
fn differs(noted: &str, here: &str) -> Option<String> {
    let (host, boot) = noted.trim().split_once(' ')?;
    let (my_host, my_boot) = here.trim().split_once(' ')?;
    (host != my_host && boot != my_boot).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_machine_is_told_from_a_reboot_and_a_container() {
        assert_eq!(differs("a 1\n", "b 2\n"), Some("a".to_owned()));
        assert_eq!(differs("a 1\n", "a 2\n"), None);
        assert_eq!(differs("a 1\n", "b 1\n"), None);
        assert_eq!(differs("", "b 1\n"), None);
    }
}
