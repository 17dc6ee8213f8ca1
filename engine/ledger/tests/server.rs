//! The private server: made, started by several at once, killed, stopped, found again.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use isoflop_ledger::server::{PrivateServer, Search, ServerError, Status};
use tempfile::TempDir;

/// A server in a folder of its own, stopped at the end whatever happens.
struct Bench {
    _folder: TempDir,
    server: PrivateServer,
}

impl Bench {
    fn new() -> Self {
        Self::at("postgres")
    }

    fn at(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = PrivateServer::new(folder.path().join(name));
        Self { _folder: folder, server }
    }

    fn pid(&self) -> i32 {
        match self.server.status().unwrap() {
            Status::Running { pid: Some(pid), .. } => pid,
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.server.stop().ok();
    }
}

fn kill(pid: i32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let done = work();
    println!("{what}: {:.3} s", begin.elapsed().as_secs_f64());
    done
}

fn life(bench: &Bench) {
    let server = &bench.server;
    assert_eq!(server.status().unwrap(), Status::Absent);
    server.stop().unwrap();
    let url = timed("fresh", || server.ensure().unwrap());
    let pid = bench.pid();
    assert_eq!(timed("running", || server.ensure().unwrap()), url, "a second time does nothing");
    assert_eq!(bench.pid(), pid);
    timed("stop", || server.stop().unwrap());
    assert!(matches!(server.status().unwrap(), Status::Stopped { .. }));
    server.stop().unwrap();
    timed("warm", || server.ensure().unwrap());
    kill(bench.pid());
    assert_eq!(timed("after kill -9", || server.ensure().unwrap()), url);
}

#[test]
fn a_server_is_made_started_killed_and_stopped() {
    life(&Bench::new());
}

#[test]
fn the_wheels_server_does_as_well() {
    let cache = Search::of_process(None).cache.expect("a cache folder");
    let bin = cache.join("postgres-18.4/bin");
    if !bin.exists() {
        println!("not run: setup/postgres.sh has not unpacked the wheel into {}", cache.display());
        return;
    }
    let mut bench = Bench::new();
    bench.server = bench.server.clone().with_search(Search { configured: Some(bin), ..Search::default() });
    life(&bench);
    // Data of one version is refused by another, before anything is touched.
    let debian = PathBuf::from("/usr/lib/postgresql/15/bin");
    if debian.exists() {
        bench.server.stop().unwrap();
        let other = bench.server.clone().with_search(Search { configured: Some(debian), ..Search::default() });
        let error = other.ensure().unwrap_err();
        assert!(matches!(error, ServerError::OtherVersion { data: 18, .. }), "{error}");
    }
}

#[test]
fn data_of_another_major_version_is_left_alone() {
    let bench = Bench::new();
    bench.server.ensure().unwrap();
    bench.server.stop().unwrap();
    let file = bench.server.folder().join("data/PG_VERSION");
    let version = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "11\n").unwrap();
    let error = bench.server.ensure().unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, ServerError::OtherVersion { data: 11, .. }), "{said}");
    assert!(said.contains("install Postgres 11") && said.contains("ISOFLOP_POSTGRES_BIN"), "{said}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "11\n");
    std::fs::write(&file, version).unwrap();
    bench.server.ensure().unwrap();
}

#[test]
fn the_keeper_stops_a_server_when_nobody_is_left() {
    let bench = Bench::new();
    let presence = bench.server.enter().unwrap();
    bench.server.ensure().unwrap();
    let pid = bench.pid();
    let idle = std::time::Duration::from_millis(200);
    let server = bench.server.clone();
    let keeper = std::thread::spawn(move || server.keep(idle));
    std::thread::sleep(idle * 6); // far longer than it may be unused
    assert!(!keeper.is_finished());
    assert_eq!(bench.pid(), pid, "it was stopped under somebody who uses it");
    drop(presence);
    keeper.join().unwrap().unwrap();
    assert!(matches!(bench.server.status().unwrap(), Status::Stopped { .. }));
    let log = bench.server.folder().join("server.log");
    let _presence = bench.server.enter().unwrap();
    bench.server.ensure().unwrap();
    let log = std::fs::read_to_string(log).unwrap();
    assert_eq!(log.matches("ready to accept connections").count(), 2, "its log is kept");
    // A server that is killed takes its keeper with it.
    let server = bench.server.clone();
    let keeper = std::thread::spawn(move || server.keep(std::time::Duration::from_mins(1)));
    bench.server.stop().unwrap();
    keeper.join().unwrap().unwrap();
}

#[test]
fn several_starters_make_one_server() {
    let bench = Bench::new();
    let urls: Vec<String> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| bench.server.ensure().unwrap())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert!(urls.iter().all(|url| *url == urls[0]));
    let data = bench.server.folder().join("data").canonicalize().unwrap();
    let servers = std::fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
        let postmaster = std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == data);
        postmaster && std::fs::read_to_string(entry.path().join("cmdline")).is_ok_and(|line| line.contains("-D\0"))
    });
    assert_eq!(servers.count(), 1);
}

#[test]
fn a_stale_process_number_is_no_server() {
    let bench = Bench::new();
    bench.server.ensure().unwrap();
    bench.server.stop().unwrap();
    // What a reboot leaves: the number of a process that lives, and is something else.
    std::fs::write(bench.server.folder().join("data/postmaster.pid"), "1\n").unwrap();
    bench.server.ensure().unwrap();
    assert_ne!(bench.pid(), 1);
}

/// The lock beside the socket names a process too, and so does all of a folder that was copied under a running server.
#[test]
fn a_stale_lock_of_the_socket_keeps_nobody_from_starting() {
    let bench = Bench::new();
    bench.server.ensure().unwrap();
    kill(bench.pid());
    let mut other = Command::new("sleep").arg("1000").spawn().unwrap();
    for name in ["data/postmaster.pid", "sock/.s.PGSQL.5432.lock"] {
        let path = bench.server.folder().join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        let (_, rest) = text.split_once('\n').unwrap();
        std::fs::write(&path, format!("{}\n{rest}", other.id())).unwrap();
    }
    let began = Instant::now();
    bench.server.ensure().unwrap();
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
    other.kill().unwrap();
    other.wait().unwrap();

    let copy = bench.server.folder().with_file_name("copy");
    let copied = Command::new("cp").arg("-r").arg(bench.server.folder()).arg(&copy).status().unwrap();
    assert!(copied.success());
    let copy = PrivateServer::new(copy);
    copy.ensure().unwrap();
    let Status::Running { pid, .. } = copy.status().unwrap() else { panic!("it runs") };
    assert_ne!(pid, Some(bench.pid()), "each folder has its own");
    copy.stop().unwrap();
}

#[test]
fn a_server_whose_socket_was_removed_is_started_again() {
    let bench = Bench::new();
    let url = bench.server.ensure().unwrap();
    let pid = bench.pid();
    std::fs::remove_file(bench.server.folder().join("sock/.s.PGSQL.5432")).unwrap();
    assert_eq!(timed("without a socket", || bench.server.ensure().unwrap()), url);
    assert_ne!(bench.pid(), pid, "the one that nobody can reach is gone");
}

#[test]
fn a_deep_folder_and_an_odd_name_are_fine() {
    let bench = Bench::at(&format!("{}a b, c", "deep-enough-to-be-too-long/".repeat(4)));
    let url = bench.server.ensure().unwrap();
    assert!(url.contains("%2Ftmp%2Fisoflop-"), "{url}");
    bench.server.stop().unwrap();
    let odd = Bench::at("a b, c");
    odd.server.ensure().unwrap();
}

#[test]
fn a_broken_cluster_says_what_is_wrong() {
    let bench = Bench::new();
    bench.server.ensure().unwrap();
    bench.server.stop().unwrap();
    std::fs::write(bench.server.folder().join("data/postgresql.conf"), "nonsense = 1\n").unwrap();
    let error = bench.server.ensure().unwrap_err();
    assert!(matches!(error, ServerError::Start { .. }) && error.to_string().contains("nonsense"), "{error}");
}

#[test]
fn no_binaries_is_one_clear_error() {
    let bench = Bench::new();
    let nowhere = Search { configured: Some("/nowhere".into()), ..Search::default() };
    let error = bench.server.clone().with_search(nowhere).ensure().unwrap_err();
    assert!(error.to_string().starts_with("/nowhere holds no usable Postgres server: no `initdb`"), "{error}");
    assert!(!Path::exists(&bench.server.folder().join("data")));
}
