//! Devices: which the run may use, and their leases as against other engines of the same user on the same machine.
//!
//! A lease is a locked file in the device's folder, named after how much of the device it takes. The kernel lets go of the lock when the
//! engine is gone, however it went, so that nothing has to be cleaned up by hand: whoever finds a file that is not locked removes it.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use isoflop_contract::{demand::Gpus, environment::Capability};
use uuid::Uuid;

/// One device that tasks may be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// As `CUDA_VISIBLE_DEVICES` names it: best its UUID, which means the same whatever the order of devices.
    pub id: String,
    /// What it is, for people and the record.
    pub name: String,
    /// Its memory in bytes, if that is known.
    pub memory: Option<u64>,
    /// Its compute capability, if that is known.
    pub capability: Option<Capability>,
    /// The most its processors are clocked with, in MHz, if that is known.
    pub clock: Option<u32>,
}

/// How long to wait for an engine that is just counting leases. It takes a millisecond, unless that engine was stopped in the middle.
const PATIENCE: Duration = Duration::from_secs(1);

/// Devices that are ours until this is dropped.
#[derive(Debug)]
pub(crate) struct DeviceLease(Vec<(PathBuf, File)>);

impl DeviceLease {
    /// Leases `hundredths` of each of `devices`, or none if one has not that much left. `folder` is where engines of one user meet.
    pub(crate) fn take<'a>(
        folder: &Path,
        devices: impl IntoIterator<Item = &'a Device>,
        hundredths: u32,
    ) -> io::Result<Option<Self>> {
        let mut lease = Self(Vec::new());
        for device in devices {
            let folder = folder.join("devices").join(file_name(&device.id));
            fs::create_dir_all(&folder)?;
            let Some(_gate) = gate(&folder)? else { return Ok(None) };
            if taken(&folder)? + hundredths > Gpus::ONE {
                return Ok(None);
            }
            let path = folder.join(format!("{hundredths}-{}", Uuid::now_v7()));
            let file = File::create_new(&path)?;
            file.lock()?;
            lease.0.push((path, file));
        }
        Ok(Some(lease))
    }
}

impl Drop for DeviceLease {
    fn drop(&mut self) {
        for (path, _file) in self.0.drain(..) {
            let _ = fs::remove_file(path); // unlocked, it is removed by the next to come
        }
    }
}

/// Lets one engine at a time count and add. Nothing if another does not get done with it.
fn gate(folder: &Path) -> io::Result<Option<File>> {
    let gate = File::options().create(true).truncate(false).write(true).open(folder.join("gate"))?;
    let began = Instant::now();
    loop {
        match gate.try_lock() {
            Ok(()) => return Ok(Some(gate)),
            Err(TryLockError::WouldBlock) if began.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(2)),
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Hundredths of a device that living engines have.
fn taken(folder: &Path) -> io::Result<u32> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)?.flatten() {
        let name = entry.file_name();
        let Some(hundredths) = name.to_str().and_then(|name| name.split_once('-')?.0.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(file) = File::open(entry.path()) else { continue }; // just given back
        match file.try_lock() {
            // Its engine is dead, or has given it back since.
            Ok(()) => fs::remove_file(entry.path()).or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            })?,
            Err(_) => sum += hundredths,
        }
    }
    Ok(sum)
}

fn file_name(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

/// Makes a folder that only this user can use, where it may lie among those of others (`/tmp`). One that is somebody else's, or a link to
/// somewhere else, is refused.
pub fn private_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let meta = fs::symlink_metadata(folder)?;
    if meta.is_dir() && meta.uid() == rustix::process::getuid().as_raw() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to somebody else"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: &str) -> Device {
        Device { id: id.into(), name: "toy".into(), memory: None, capability: None, clock: None }
    }

    #[test]
    fn a_device_is_shared_by_parts_and_never_beyond_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (device("GPU-1"), device("GPU/2"));
        let take = |devices: &[&Device], hundredths| {
            DeviceLease::take(folder.path(), devices.iter().copied(), hundredths).unwrap()
        };
        let half = take(&[&one], 50).unwrap();
        let third = take(&[&one], 33).unwrap();
        assert!(take(&[&one], 18).is_none());
        assert!(take(&[&two, &one], 100).is_none(), "one of them is not whole");
        let both = take(&[&two], 100).unwrap();
        drop((half, third));
        assert!(take(&[&one, &two], 100).is_none());
        drop(both);
        let all = take(&[&one, &two], 100).unwrap();
        drop(all);
        // What a dead engine left behind counts for nothing and goes.
        fs::write(folder.path().join("devices/GPU-1/100-gone"), "").unwrap();
        assert!(take(&[&one], 100).is_some());
        assert!(!folder.path().join("devices/GPU-1/100-gone").exists());
    }

    #[test]
    fn a_folder_among_others_is_ours_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let ours = folder.path().join("ours");
        private_folder(&ours).unwrap();
        private_folder(&ours).unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("link")).unwrap();
        assert!(private_folder(&folder.path().join("link")).is_err());
    }
}
