//! A worker that breaks the protocol, in the way its argument names.

use std::{
    env,
    fs::{self, OpenOptions},
    io::{BufRead, Write, stdin},
    os::unix::fs::{PermissionsExt, symlink},
    process::ExitCode,
    thread,
    time::Duration,
};

use isoflop_contract::{port::Given, protocol::Assignment};

const HELLO: &str = r#"{"notice":"hello","protocol":2,"kinds":{"say":1,"join":1,"shout":1},"libraries":{}}"#;
const MADE: &str = r#"{"notice":"made","scalars":{}}"#;

pub fn lie(how: &str) -> ExitCode {
    let fd = env::var("ISOFLOP_NOTICE_FD").expect("the descriptor's number");
    let mut notices = OpenOptions::new().append(true).open(format!("/dev/fd/{fd}")).expect("the pipe for notices");
    let mut say = |line: &str| drop(notices.write_all(format!("{line}\n").as_bytes()));
    let listen = || {
        let mut assignment = String::new();
        let _ = stdin().lock().read_line(&mut assignment);
        serde_json::from_str::<Assignment>(&assignment).ok()
    };
    println!("about to lie: {how}");
    match how {
        "silent" => thread::sleep(Duration::from_hours(1)),
        "protocol" => say(&HELLO.replace(":2,\"kinds\"", ":3,\"kinds\"")),
        "revision" => say(&HELLO.replace("\"say\":1", "\"say\":7")),
        "ignorant" => say(&HELLO.replace("\"say\"", "\"sing\"")),
        "garbage" => {
            say(HELLO);
            drop(listen());
            say("loss is 0.5");
        }
        "endless" => {
            say(HELLO);
            drop(listen());
            let more = "x".repeat(1 << 20);
            for _ in 0..17 {
                say(&more.replace('\n', ""));
            }
        }
        "long" => {
            say(HELLO);
            drop(listen());
            say(&"x".repeat((16 << 20) + 10));
        }
        "hasty" => {
            say(MADE);
            say(HELLO);
        }
        "two-faced" => {
            say(HELLO);
            drop(listen());
            say(MADE);
            return ExitCode::from(3);
        }
        "mute" => {
            say(HELLO);
            drop(listen());
        }
        "chatty" => {
            say(HELLO);
            drop(listen());
            let line = r#"{"notice":"metric","name":"a","step":1,"value":1}"#;
            let many = format!("{line}\n").repeat(1000);
            for _ in 0..1100 {
                say(many.trim_end());
            }
            say(MADE);
        }
        "flood" => {
            say(HELLO);
            drop(listen());
            let line = r#"{"notice":"progress","done":1,"total":9}"#;
            let many = format!("{line}\n").repeat(1000);
            loop {
                say(many.trim_end());
            }
        }
        "empty" => {
            say(HELLO);
            drop(listen());
            say(MADE);
        }
        "gone" | "outside" | "elsewhere" => {
            say(HELLO);
            let assignment = listen().expect("an assignment");
            fs::write(assignment.out.join("text"), "made").expect("its own folder");
            match (how, assignment.needs.get("from")) {
                ("gone", _) => fs::remove_dir_all(&assignment.out).expect("its own folder"),
                ("outside", Some(Given::One(input))) => {
                    // Read-only, which stops nobody who owns the file.
                    let file = input.path.join("text");
                    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("its owner may");
                    fs::write(file, "spoilt").expect("its owner may");
                }
                (_, _) => {
                    let elsewhere = assignment.out.with_file_name("elsewhere");
                    fs::rename(&assignment.out, &elsewhere).expect("a free name");
                    symlink(&elsewhere, &assignment.out).expect("a free name");
                }
            }
            say(MADE);
        }
        "silent-later" => {
            // Says hello, takes its assignment, and gives no sign of life any more.
            say(HELLO);
            drop(listen());
            thread::sleep(Duration::from_hours(1));
        }
        "deaf" => {
            // Says all is well, but never reads what it was asked and does not go when told.
            say(HELLO);
            thread::sleep(Duration::from_hours(1));
        }
        other => panic!("no such lie: {other}"),
    }
    if matches!(how, "empty" | "gone" | "outside" | "elsewhere") {
        return ExitCode::SUCCESS; // these end as an honest worker does
    }
    // Whoever lied is stopped by the engine; this is for an engine that did not notice.
    thread::sleep(Duration::from_millis(500));
    ExitCode::SUCCESS
}
