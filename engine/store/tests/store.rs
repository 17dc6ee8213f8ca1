//! The store against a real folder: round trips, corruption, crashes, full disks.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use isoflop_contract::{Digest, Manifest, manifest};
use isoflop_store::{Committed, FindingKind, Store, StoreError};
use proptest::prelude::*;
use tempfile::TempDir;

struct Bench {
    folder: TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        Self { folder, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An output folder with these files.
    fn out(&self, name: &str, files: &[(&str, &[u8])]) -> PathBuf {
        let out = self.path(name);
        fs::create_dir_all(&out).unwrap();
        for (file, bytes) in files {
            let path = out.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        out
    }

    fn commit(&self, files: &[(&str, &[u8])]) -> Committed {
        let out = self.out("out", files);
        self.store.commit("table", BTreeMap::from([("loss".to_owned(), 0.25)]), &out).unwrap()
    }

    fn blob(&self, made: &Committed, file: &str) -> PathBuf {
        self.store.blob_path(&made.manifest.files[file].digest)
    }

    fn remains(&self) -> usize {
        fs::read_dir(self.path("store/tmp")).unwrap().count()
    }
}

fn overwrite(path: &Path, bytes: &[u8]) {
    // As a disk would: under the same name, whatever its mode.
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn an_artifact_comes_back_as_it_was_committed() {
    let b = Bench::new();
    let made = b.commit(&[("a.txt", b"one"), ("deep/er/b.bin", &[0, 255]), ("empty", b"")]);
    assert_eq!(made.digest, made.manifest.digest().unwrap());
    assert_eq!(b.store.manifest(made.digest).unwrap(), made.manifest);
    assert!(b.store.holds(&made.manifest));
    assert_eq!(b.store.read(&made.manifest.files["a.txt"]).unwrap(), b"one");
    assert!(!b.path("out/a.txt").exists(), "files are moved");
    assert_eq!((b.remains(), b.store.verify().unwrap()), (0, vec![]));

    b.store.materialize(made.digest, &made.manifest, &b.path("in")).unwrap();
    assert_eq!(fs::read(b.path("in/deep/er/b.bin")).unwrap(), [0, 255]);
    let meta = fs::metadata(b.path("in/a.txt")).unwrap();
    assert_eq!(meta.mode() & 0o777, 0o444, "read-only");
    assert_eq!(meta.nlink(), 2, "a link, not a copy");
}

/// Who may write to what it reads spoils files of its own: small ones anywhere, large ones where the filesystem lets two files share bytes.
#[test]
fn a_foreign_reader_writes_to_files_of_its_own() {
    let b = Bench::new();
    let large = vec![7; (1 << 20) + 1];
    let made = b.commit(&[("small", b"one"), ("large", &large)]);
    b.store.materialize_for(true, made.digest, &made.manifest, &b.path("in")).unwrap();
    let meta = fs::metadata(b.path("in/small")).unwrap();
    assert_eq!((meta.mode() & 0o777, meta.nlink()), (0o444, 1), "a file that is nobody else's, and read-only");
    overwrite(&b.path("in/small"), b"two");
    assert_eq!(b.store.read(&made.manifest.files["small"]).unwrap(), b"one");
    assert_eq!(fs::read(b.path("in/large")).unwrap(), large);
    assert_eq!(b.store.verify().unwrap(), vec![]);
}

#[test]
fn equal_bytes_are_kept_once() {
    let b = Bench::new();
    let one = b.commit(&[("a", b"same"), ("b", b"same")]);
    let inode = fs::metadata(b.blob(&one, "a")).unwrap().ino();
    let two = b.commit(&[("c", b"same")]);
    assert_ne!(one.digest, two.digest);
    assert_eq!(fs::metadata(b.blob(&two, "c")).unwrap().ino(), inode, "the first blob is kept");
    assert_eq!(b.commit(&[("a", b"same"), ("b", b"same")]).digest, one.digest);
}

#[test]
fn a_file_with_a_second_name_is_cut_off_from_it() {
    let b = Bench::new();
    let out = b.out("out", &[("a", b"first")]);
    fs::hard_link(out.join("a"), b.path("mine")).unwrap();
    let made = b.store.commit("table", BTreeMap::new(), &out).unwrap();
    fs::write(b.path("mine"), b"later").unwrap();
    assert_eq!(b.store.read(&made.manifest.files["a"]).unwrap(), b"first");
    assert!(!out.join("a").exists());
}

#[test]
fn what_is_no_regular_file_is_refused_and_stays_where_it_is() {
    type Spoil = fn(&Path);
    let b = Bench::new();
    let cases: [(&str, Spoil); 4] = [
        ("symbolic link", |out| symlink("/etc/passwd", out.join("x")).unwrap()),
        ("symbolic link", |out| symlink("deep", out.join("x")).unwrap()),
        ("regular file", |out| assert!(Command::new("mkfifo").arg(out.join("x")).status().unwrap().success())),
        ("control characters", |out| fs::write(out.join("x\n"), "").unwrap()),
    ];
    for (n, (why, spoil)) in cases.into_iter().enumerate() {
        let out = b.out(&format!("out{n}"), &[("good", b"good"), ("deep/good", b"good")]);
        spoil(&out);
        let error = b.store.commit("table", BTreeMap::new(), &out).unwrap_err();
        assert!(matches!(error, StoreError::BadOutput { .. }) && error.to_string().contains(why), "{error}");
        assert!(out.join("good").exists() && out.join("deep/good").exists());
    }
    let out = b.out("out", &[("a", b"a")]);
    let error = b.store.commit("table", BTreeMap::from([("loss".to_owned(), f64::NAN)]), &out).unwrap_err();
    assert!(error.to_string().contains("NaN"), "{error}");
    assert_eq!(b.store.verify().unwrap(), vec![], "nothing of it is in the store");
}

#[test]
fn a_flipped_bit_is_caught_before_a_task_reads_it() {
    let b = Bench::new();
    let made = b.commit(&[("a.txt", b"one"), ("b.txt", b"two")]);
    let blob = b.blob(&made, "b.txt");
    overwrite(&blob, b"tvo");
    assert!(b.store.holds(&made.manifest), "sizes cannot tell");
    assert_eq!(b.store.verify().unwrap()[0].kind, FindingKind::CorruptBlob);

    let error = b.store.materialize(made.digest, &made.manifest, &b.path("in")).unwrap_err();
    let StoreError::Corrupt(corruption) = &error else { panic!("{error}") };
    let quarantined_to = &corruption.quarantined_to;
    assert_eq!(corruption.of, Some((made.digest, "b.txt".to_owned())));
    assert_eq!(corruption.found, Digest::of("tvo"));
    assert_eq!(fs::read(quarantined_to).unwrap(), b"tvo", "kept for a person to look at");
    let text = error.to_string();
    assert!(text.contains("b.txt") && text.contains(&made.digest.short()) && text.contains("run again"), "{text}");
    assert!(!b.path("in/b.txt").exists());
    assert!(!b.store.holds(&made.manifest), "so the next survey rebuilds it");

    // The rebuilt artifact takes the blob's place, and a second corruption does not overwrite the first in quarantine.
    assert_eq!(b.commit(&[("a.txt", b"one"), ("b.txt", b"two")]).digest, made.digest);
    assert_eq!(b.store.read(&made.manifest.files["b.txt"]).unwrap(), b"two");
    overwrite(&blob, b"owt");
    let error = b.store.read(&made.manifest.files["b.txt"]).unwrap_err();
    let StoreError::Corrupt(second) = &error else { panic!("{error}") };
    assert_ne!(&second.quarantined_to, quarantined_to);
    assert_eq!(fs::read(quarantined_to).unwrap(), b"tvo");
}

#[test]
fn a_flipped_byte_goes_when_the_same_is_committed_again() {
    let b = Bench::new();
    let made = b.commit(&[("a", b"whole")]);
    overwrite(&b.blob(&made, "a"), b"whOle");
    assert!(b.store.holds(&made.manifest), "its size is right");
    b.commit(&[("a", b"whole")]);
    assert_eq!(b.store.read(&made.manifest.files["a"]).unwrap(), b"whole");
    assert_eq!(b.store.verify().unwrap(), []);
}

#[test]
fn a_truncated_blob_is_seen_without_reading_and_replaced_by_the_next_commit() {
    let b = Bench::new();
    let made = b.commit(&[("a", b"whole")]);
    overwrite(&b.blob(&made, "a"), b"who");
    assert!(!b.store.holds(&made.manifest));
    let kinds: Vec<_> = b.store.verify().unwrap().into_iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::CorruptBlob, FindingKind::MissingBlob]);
    b.commit(&[("a", b"whole")]);
    assert_eq!(b.store.read(&made.manifest.files["a"]).unwrap(), b"whole");
}

#[test]
fn a_missing_blob_or_manifest_is_named() {
    let b = Bench::new();
    let made = b.commit(&[("a", b"whole")]);
    fs::remove_file(b.blob(&made, "a")).unwrap();
    let error = b.store.materialize(made.digest, &made.manifest, &b.path("in")).unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }) && error.to_string().contains("`a`"), "{error}");
    let manifest = b.store.manifest_path(&made.digest);
    overwrite(&manifest, b"{}");
    let error = b.store.manifest(made.digest).unwrap_err();
    assert!(matches!(error, StoreError::CorruptManifest { .. }), "{error}");
    assert!(matches!(b.store.manifest(made.digest).unwrap_err(), StoreError::Missing { .. }));
    fs::write(b.path("store/blobs/readme"), "hello").unwrap();
    assert_eq!(b.store.verify().unwrap()[0].kind, FindingKind::Stray);
}

#[test]
fn files_of_somebody_else_are_copied_and_must_be_what_was_planned() {
    let bench = Bench::new();
    let study = bench.out("study", &[("train.py", b"steps = 5"), ("lib/model.py", b"width = 8")]);
    let file = |bytes: &[u8]| manifest::File { digest: Digest::of(bytes), size: bytes.len() as u64 };
    let manifest = Manifest {
        shape: "files".to_owned(),
        files: BTreeMap::from([
            ("train.py".to_owned(), file(b"steps = 5")),
            ("lib/model.py".to_owned(), file(b"width = 8")),
        ]),
        scalars: BTreeMap::new(),
    };
    let paths: BTreeMap<String, PathBuf> = manifest.files.keys().map(|name| (name.clone(), study.join(name))).collect();
    let digest = bench.store.bring(&manifest, &paths).unwrap();
    assert_eq!(digest, manifest.digest().unwrap());
    assert_eq!(bench.store.manifest(digest).unwrap(), manifest);
    let mine = fs::metadata(study.join("train.py")).unwrap();
    assert_eq!((mine.nlink(), mine.permissions().mode() & 0o222), (1, 0o200), "the study's own file stays as it was");
    let into = bench.path("in");
    bench.store.materialize(digest, &manifest, &into).unwrap();
    assert_eq!(fs::read(into.join("lib/model.py")).unwrap(), b"width = 8");

    // What the store has is not read again; what it has not must be what was planned, to the byte.
    fs::write(study.join("train.py"), "steps = 6").unwrap();
    bench.store.bring(&manifest, &paths).unwrap();
    fs::remove_file(bench.store.blob_path(&manifest.files["train.py"].digest)).unwrap();
    for (what, change) in [("its bytes are others", &b"steps = 6"[..]), ("its size is another", b"steps = 60")] {
        fs::write(study.join("train.py"), change).unwrap();
        let error = bench.store.bring(&manifest, &paths).unwrap_err().to_string();
        assert!(error.contains("train.py changed since the study was planned") && error.contains(what), "{error}");
    }
    fs::remove_file(study.join("train.py")).unwrap();
    let error = bench.store.bring(&manifest, &paths).unwrap_err();
    assert!(matches!(&error, StoreError::Changed { path, .. } if path.ends_with("train.py")), "{error}");
    assert_eq!(bench.remains(), 0);
}

#[test]
fn a_commit_that_died_half_way_is_repeated() {
    let b = Bench::new();
    // What a crash leaves: some blobs under their names, half a temporary file, no manifest; the output still whole.
    let out = b.out("out", &[("a", b"one"), ("b", b"two")]);
    let blob = b.store.blob_path(&Digest::of("one"));
    fs::create_dir_all(blob.parent().unwrap()).unwrap();
    fs::hard_link(out.join("a"), &blob).unwrap();
    fs::write(b.path("store/tmp/4294967295-0-0"), b"tw").unwrap();
    let made = b.store.commit("table", BTreeMap::new(), &out).unwrap();
    assert_eq!(b.store.manifest(made.digest).unwrap().files.len(), 2);
    assert_eq!(b.store.verify().unwrap(), vec![]);
}

#[test]
fn a_manifest_from_elsewhere_cannot_write_outside() {
    let b = Bench::new();
    let made = b.commit(&[("a", b"one")]);
    let file = made.manifest.files["a"];
    for name in ["../escaped", "/tmp/escaped", "a/../../escaped"] {
        let evil = Manifest { files: BTreeMap::from([(name.to_owned(), file)]), ..made.manifest.clone() };
        let error = b.store.materialize(evil.digest().unwrap(), &evil, &b.path("in")).unwrap_err();
        assert!(matches!(error, StoreError::BadOutput { .. }), "{error}");
    }
    assert!(!b.path("escaped").exists());
}

#[test]
fn a_store_that_may_not_be_written_says_so() {
    let b = Bench::new();
    if rustix::process::geteuid().is_root() {
        // Modes do not bind root; what a refusal means is tested beside `refused`.
        return;
    }
    let out = b.out("out", &[("a", b"one")]);
    fs::set_permissions(b.path("store/blobs"), fs::Permissions::from_mode(0o555)).unwrap();
    let error = b.store.commit("table", BTreeMap::new(), &out).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
    assert!(out.join("a").exists());
}

/// The size limit of files stands in for a full disk: it needs no rights, and stops a write half-way just so.
#[test]
fn a_full_disk_is_named_and_loses_nothing() {
    let b = Bench::new();
    let kept = b.commit(&[("old", b"old")]);
    let out = b.out("out", &[("big", &vec![7; 1 << 20])]);
    fs::hard_link(out.join("big"), b.path("second-name")).unwrap(); // so that it is copied
    let run = |limit: &str| {
        Command::new("sh")
            .args(["-c", &format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" \"$@\""), "--"])
            .args(["--ignored", "--exact", "child_commits"])
            .arg0_is_this_test()
            .env("STORE", b.path("store"))
            .env("OUT", &out)
            .output()
            .unwrap()
    };
    let limited = run("64");
    let text = String::from_utf8_lossy(&limited.stdout).into_owned();
    assert!(text.contains("no space left in") && text.contains("1048576 more bytes"), "{text}");
    assert_eq!(b.remains(), 0, "half a file is not left behind");
    assert!(b.store.holds(&kept.manifest) && b.store.verify().unwrap().is_empty());
    assert!(out.join("big").exists());
    let free = run("unlimited");
    assert!(String::from_utf8_lossy(&free.stdout).contains("committed"), "the same folder commits once there is room");
}

trait ThisTest {
    fn arg0_is_this_test(&mut self) -> &mut Self;
}

impl ThisTest for Command {
    /// `sh -c … -- ARGS` has its first argument in `$0`: this program, started again.
    fn arg0_is_this_test(&mut self) -> &mut Self {
        let args: Vec<_> = self.get_args().map(ToOwned::to_owned).collect();
        let mut again = Command::new(self.get_program());
        again.args(&args[..2]).arg(std::env::current_exe().unwrap()).args(&args[3..]).arg("--nocapture");
        *self = again;
        self
    }
}

#[test]
#[ignore = "no test by itself: `a_full_disk_is_named_and_loses_nothing` starts it in a process of its own"]
fn child_commits() {
    let (store, out) = (std::env::var_os("STORE").unwrap(), std::env::var_os("OUT").unwrap());
    match Store::open(Path::new(&store)).unwrap().commit("table", BTreeMap::new(), Path::new(&out)) {
        Ok(_) => println!("committed"),
        Err(error) => println!("{error}"),
    }
}

#[test]
fn several_writers_of_one_artifact_make_one() {
    let b = Bench::new();
    let files: Vec<(String, Vec<u8>)> = (0..20).map(|n| (format!("f{n}"), vec![n; 1000])).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let outs: Vec<PathBuf> = (0..4).map(|n| b.out(&format!("out{n}"), &files)).collect();
    let made: Vec<Digest> = std::thread::scope(|scope| {
        let commits: Vec<_> = outs
            .iter()
            .map(|out| scope.spawn(|| b.store.commit("table", BTreeMap::new(), out).unwrap().digest))
            .collect();
        commits.into_iter().map(|commit| commit.join().unwrap()).collect()
    });
    assert!(made.iter().all(|digest| *digest == made[0]));
    assert_eq!(b.store.verify().unwrap(), vec![]);
    assert_eq!(b.remains(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_files_come_back(
        files in proptest::collection::btree_map("[a-z]{1,3}(/[a-zé .-]{0,5}[a-z]){0,2}", proptest::collection::vec(any::<u8>(), 0..300), 0..8),
        scalars in proptest::collection::btree_map("[a-z]{1,5}", -1e300..1e300, 0..4),
    ) {
        // A name cannot be a file and a folder at once.
        let clash = |name: &String| files.keys().any(|other| other.starts_with(&format!("{name}/")));
        let files: Vec<(&str, &[u8])> =
            files.iter().filter(|(name, _)| !clash(name)).map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        let b = Bench::new();
        let out = b.out("out", &files);
        let made = b.store.commit("any", scalars.clone(), &out).unwrap();
        prop_assert_eq!(&b.store.manifest(made.digest).unwrap(), &made.manifest);
        prop_assert_eq!(&made.manifest.scalars, &scalars);
        prop_assert_eq!(made.manifest.files.len(), files.len());
        b.store.materialize(made.digest, &made.manifest, &b.path("in")).unwrap();
        for (name, bytes) in files {
            prop_assert_eq!(fs::read(b.path("in").join(name)).unwrap(), bytes);
        }
    }
}
