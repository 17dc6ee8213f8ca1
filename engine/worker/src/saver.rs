//! The saver: writes checkpoints so that each is there whole or not at all, keeps the last few, and finds its way back from one.
//!
//! A checkpoint is written beside its place, every file flushed, then renamed to its step. What is found under a step's name is whole unless
//! the disk lies; the engine checks every byte before a body gets to see it. See [`isoflop_contract::checkpoint`] for the layout.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use isoflop_contract::{
    Checkpoint, Digest,
    checkpoint::{DATA, Every, FORMAT, HEAD, LASTING, METRICS, NEW, Point, Trail, remember},
    manifest,
    protocol::{Assignment, Saving},
};
use rustix::process::{Signal, getpid, kill_process};

use crate::halt::Halt;

/// A checkpoint to go on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// Steps taken by then.
    pub step: u64,
    folder: PathBuf,
}

impl Resume {
    /// The path of the file that was saved as `name`.
    pub fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.join(name)
    }
}

/// Writes the checkpoints of one attempt.
#[derive(Debug)]
pub(crate) struct Saver {
    saving: Saving,
    kind: String,
    revision: u32,
    /// What was measured so far, as lines of [`METRICS`].
    points: RefCell<Vec<u8>>,
    trail: Trail,
    /// Files of the last checkpoint, by what tells that one is the same and was not written to since.
    sealed: BTreeMap<Identity, Digest>,
    last: Instant,
}

/// A file on disk at one time. A body may carry files along from checkpoint to checkpoint as links: those are hashed and flushed once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    written: (i64, i64),
}

impl Identity {
    fn of(file: &File) -> io::Result<Self> {
        let about = file.metadata()?;
        let written = (about.mtime(), about.mtime_nsec());
        Ok(Self { device: about.dev(), inode: about.ino(), size: about.size(), written })
    }
}

/// What is wrong with the checkpoint that the engine handed over.
#[derive(Debug, thiserror::Error)]
#[error("the checkpoint {} cannot be used: {source}; remove it to begin anew", .folder.display())]
struct Unusable {
    folder: PathBuf,
    source: io::Error,
}

impl Saver {
    pub(crate) fn new(saving: Saving, assignment: &Assignment) -> Self {
        Self {
            saving,
            kind: assignment.kind.clone(),
            revision: assignment.revision,
            points: RefCell::default(),
            trail: Trail::new(),
            sealed: BTreeMap::new(),
            last: Instant::now(),
        }
    }

    /// Takes one point along.
    pub(crate) fn carry(&self, series: &str, step: u64, value: f64) {
        let mut points = self.points.borrow_mut();
        let point = Point { series: series.to_owned(), step, value };
        serde_json::to_writer(&mut *points, &point).expect("a point is plain data");
        points.push(b'\n');
    }

    /// What to go on from. A checkpoint that the engine has just checked and that cannot be read now is passed over, which costs time and
    /// nothing else.
    pub(crate) fn resume(&mut self) -> Option<Resume> {
        let step = self.saving.resume.take()?;
        let folder = self.saving.folder.join(Checkpoint::name(step));
        match self.read(&folder) {
            Ok(()) => Some(Resume { step, folder: folder.join(DATA) }),
            Err(source) => {
                eprintln!("isoflop: {}; this attempt begins anew", Unusable { folder, source });
                None
            }
        }
    }

    fn read(&mut self, folder: &Path) -> io::Result<()> {
        let head: Checkpoint = serde_json::from_slice(&fs::read(folder.join(HEAD))?)?;
        let points = fs::read(folder.join(METRICS))?;
        self.trail = head.trail;
        *self.points.borrow_mut() = points;
        Ok(())
    }

    /// Whether a checkpoint at `step` is due. One that is there already is not written again.
    pub(crate) fn is_due(&self, step: u64, stopping: bool) -> bool {
        if self.trail.last().is_some_and(|(last, _)| *last >= step) {
            return false;
        }
        if stopping {
            return true;
        }
        if !self.saving.at.is_empty() {
            return self.saving.at.contains(&step);
        }
        match self.saving.how.every {
            Every::Steps(steps) => step.is_multiple_of(steps),
            Every::Time(time) => self.last.elapsed() >= Duration::from_secs(time.0),
        }
    }

    /// Saves what `write` writes as the checkpoint of `step`, and takes out those that need not be kept any more.
    pub(crate) fn save(&mut self, step: u64, write: impl FnOnce(&Path) -> Result<(), Halt>) -> Result<Digest, Halt> {
        let home = &self.saving.folder;
        fs::create_dir_all(home)?;
        let new = home.join(format!("{NEW}{}-{step}", std::process::id()));
        remove(&new)?;
        fs::create_dir_all(new.join(DATA))?;
        write(&new.join(DATA))?;
        let files;
        (files, self.sealed) = sealed(&new.join(DATA), &self.sealed)?;
        let digest = Checkpoint::digest(&files)?;
        remember(&mut self.trail, step, digest);
        self.die_while_saving(step);
        let points = self.points.borrow();
        let metrics = manifest::File { digest: Digest::of(&*points), size: points.len() as u64 };
        put(&new.join(METRICS), &points)?;
        let head = Checkpoint {
            format: FORMAT,
            key: self.saving.key,
            kind: self.kind.clone(),
            revision: self.revision,
            step,
            files,
            metrics,
            trail: self.trail.clone(),
        };
        put(&new.join(HEAD), &serde_json::to_vec(&head)?)?;
        flush(&new)?;
        let place = home.join(Checkpoint::name(step));
        // Something of this step can only be here because it was passed over.
        remove(&place)?;
        fs::rename(&new, &place)?;
        flush(home)?;
        self.prune(step)?;
        self.last = Instant::now();
        Ok(digest)
    }

    /// Takes out checkpoints before the last few; and those of later steps, which were passed over.
    fn prune(&self, step: u64) -> io::Result<()> {
        let mut older: Vec<(u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.saving.folder)?.flatten() {
            match entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok()) {
                Some(other) if other > step => remove(&entry.path())?,
                Some(other) => older.push((other, entry.path())),
                None => {}
            }
        }
        older.sort_unstable_by(|a, b| b.cmp(a));
        older.iter().skip(self.saving.how.keep.max(1) as usize).try_for_each(|(_, path)| remove(path))
    }

    /// The folder that a body keeps as it likes.
    pub(crate) fn lasting(&self) -> PathBuf {
        self.saving.folder.join(LASTING)
    }

    /// Dies here if a drill says so: `kill -9`, as from anybody.
    pub(crate) fn die_at(&self, step: u64) {
        if self.saving.death.is_some_and(|death| !death.saving && step >= death.step) {
            die();
        }
    }

    fn die_while_saving(&self, step: u64) {
        if self.saving.death.is_some_and(|death| death.saving && step >= death.step) {
            die();
        }
    }
}

fn die() {
    let _ = kill_process(getpid(), Signal::KILL);
    loop {
        std::thread::park(); // a signal to oneself need not come before the call returns
    }
}

/// Files of a checkpoint by their paths, and by their identities.
type Sealed = (BTreeMap<String, manifest::File>, BTreeMap<Identity, Digest>);

/// Every file below `folder`, flushed. Those that `before` knows are not read again.
fn sealed(folder: &Path, before: &BTreeMap<Identity, Digest>) -> Result<Sealed, Halt> {
    let (mut files, mut known) = Sealed::default();
    let mut open = vec![folder.to_owned()];
    while let Some(below) = open.pop() {
        for entry in fs::read_dir(&below)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).ok().and_then(Path::to_str).map(str::to_owned);
            let Some(name) = name.filter(|_| kind.is_file()) else {
                return Err(format!("{} cannot be saved: only plain files with plain names can", path.display()).into());
            };
            let file = File::open(&path)?;
            let identity = Identity::of(&file)?;
            let (digest, size) = if let Some(digest) = before.get(&identity) {
                (*digest, identity.size)
            } else {
                file.sync_all()?;
                Digest::of_reader(&file)?
            };
            known.insert(identity, digest);
            files.insert(name, manifest::File { digest, size });
        }
        flush(&below)?;
    }
    Ok((files, known))
}

fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Flushes a folder, so that names in it survive a crash.
fn flush(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use isoflop_contract::{Environment, Key, checkpoint::Checkpointing, protocol::PROTOCOL, quantity::Seconds};

    use super::*;

    fn saver(folder: &Path, how: Checkpointing, resume: Option<u64>) -> Saver {
        let saving = Saving {
            key: Key::of_text("k"),
            folder: folder.join("checkpoints"),
            how,
            at: [].into(),
            resume,
            death: None,
        };
        let assignment = Assignment {
            protocol: PROTOCOL,
            task: "t".into(),
            kind: "count".into(),
            revision: 1,
            spec: serde_json::Value::Null,
            seed: None,
            environment: Environment::Native,
            needs: BTreeMap::new(),
            absent: BTreeMap::new(),
            files: BTreeMap::new(),
            out: folder.into(),
            scratch: folder.into(),
            ranks: isoflop_contract::protocol::ALONE,
            saving: Some(saving.clone()),
        };
        Saver::new(saving, &assignment)
    }

    fn steps(every: u64, keep: u32) -> Checkpointing {
        Checkpointing { every: Every::Steps(every), keep }
    }

    fn save(saver: &mut Saver, step: u64) -> Digest {
        let write = |folder: &Path| {
            fs::create_dir(folder.join("deep"))?;
            Ok(fs::write(folder.join("deep/state"), step.to_string())?)
        };
        saver.save(step, write).unwrap()
    }

    fn there(folder: &Path) -> Vec<u64> {
        let entries = fs::read_dir(folder.join("checkpoints")).unwrap().flatten();
        let mut names: Vec<u64> = entries.map(|entry| entry.file_name().to_str().unwrap().parse().unwrap()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn the_last_few_are_kept_and_what_was_passed_over_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = saver(folder.path(), steps(10, 2), None);
        assert!(!first.is_due(9, false) && first.is_due(10, false) && first.is_due(9, true));
        for step in [10, 20, 30, 90] {
            save(&mut first, step);
        }
        assert_eq!(there(folder.path()), [30, 90]);
        assert!(!first.is_due(90, true), "what was just saved need not be saved again");
        // The engine found 90 to be bad.
        let mut second = saver(folder.path(), steps(10, 2), Some(30));
        let resume = second.resume().unwrap();
        assert_eq!((resume.step, fs::read_to_string(resume.file("deep/state")).unwrap()), (30, "30".to_owned()));
        assert_eq!(second.resume(), None);
        save(&mut second, 40);
        assert_eq!(there(folder.path()), [30, 40]);
    }

    #[test]
    fn what_is_carried_along_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut saver = saver(folder.path(), steps(10, 2), None);
        let kept = folder.path().join("weights");
        fs::write(&kept, "weights of step 5").unwrap();
        let write = |new: &Path| Ok(fs::hard_link(&kept, new.join("5"))?);
        let first = saver.save(10, write).unwrap();
        // Other bytes behind the back of the file's time and size: whoever read it again would tell.
        let before = fs::metadata(&kept).unwrap().modified().unwrap();
        fs::write(&kept, "weights of step 6").unwrap();
        File::options().write(true).open(&kept).unwrap().set_modified(before).unwrap();
        assert_eq!(saver.save(20, write).unwrap(), first);
        fs::write(&kept, "weights of step 6").unwrap();
        assert_ne!(saver.save(30, write).unwrap(), first, "what was written to since is read");
    }

    #[test]
    fn what_was_measured_and_the_trail_come_along() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = saver(folder.path(), steps(10, 2), None);
        first.carry("loss", 1, 0.1);
        let ten = save(&mut first, 10);
        first.carry("loss", 11, 0.2);
        let mut second = saver(folder.path(), steps(10, 2), Some(10));
        second.resume().unwrap();
        second.carry("loss", 12, 1e-300);
        let twenty = save(&mut second, 20);
        let place = folder.path().join("checkpoints").join(Checkpoint::name(20));
        let head: Checkpoint = serde_json::from_slice(&fs::read(place.join(HEAD)).unwrap()).unwrap();
        assert_eq!(head.trail, [(10, ten), (20, twenty)]);
        let lines = fs::read_to_string(place.join(METRICS)).unwrap();
        let points: Vec<Point> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let point = |step, value| Point { series: "loss".into(), step, value };
        assert_eq!(points, [point(1, 0.1), point(12, 1e-300)]);
    }

    #[test]
    fn by_time_it_is_due_when_the_time_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut saver = saver(folder.path(), Checkpointing { every: Every::Time(Seconds(3600)), keep: 1 }, None);
        assert!(!saver.is_due(1, false));
        saver.last = Instant::now().checked_sub(Duration::from_secs(3601)).unwrap();
        assert!(saver.is_due(1, false));
        save(&mut saver, 1);
        assert!(!saver.is_due(2, false));
    }

    #[test]
    fn a_body_that_fails_to_write_leaves_the_last_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut saver = saver(folder.path(), steps(1, 1), None);
        save(&mut saver, 1);
        assert!(saver.save(2, |_| Err("no".into())).is_err());
        let link = |folder: &Path| Ok(std::os::unix::fs::symlink("/etc/passwd", folder.join("link"))?);
        assert!(format!("{:?}", saver.save(3, link).unwrap_err()).contains("only plain files"));
        assert!(folder.path().join("checkpoints").join(Checkpoint::name(1)).join(HEAD).exists());
    }
}
