//! A worker that breaks the protocol, in the way its argument names.

use std::{
    env,
    fs::OpenOptions,
    io::{BufRead, Write, stdin},
    process::ExitCode,
    thread,
    time::Duration,
};

const HELLO: &str = r#"{"notice":"hello","protocol":1,"kinds":{"say":1,"join":1,"shout":1},"libraries":{}}"#;
const MADE: &str = r#"{"notice":"made","scalars":{}}"#;

pub fn lie(how: &str) -> ExitCode {
    let fd = env::var("ISOFLOP_NOTICE_FD").expect("the descriptor's number");
    let mut notices = OpenOptions::new().append(true).open(format!("/dev/fd/{fd}")).expect("the pipe for notices");
    let mut say = |line: &str| drop(notices.write_all(format!("{line}\n").as_bytes()));
    let listen = || drop(stdin().lock().read_line(&mut String::new()));
    println!("about to lie: {how}");
    match how {
        "silent" => thread::sleep(Duration::from_hours(1)),
        "protocol" => say(&HELLO.replace(":1,\"kinds\"", ":2,\"kinds\"")),
        "revision" => say(&HELLO.replace("\"say\":1", "\"say\":7")),
        "ignorant" => say(&HELLO.replace("\"say\"", "\"sing\"")),
        "garbage" => {
            say(HELLO);
            listen();
            say("loss is 0.5");
        }
        "endless" => {
            say(HELLO);
            listen();
            let more = "x".repeat(1 << 20);
            for _ in 0..17 {
                say(&more.replace('\n', ""));
            }
        }
        "long" => {
            say(HELLO);
            listen();
            say(&"x".repeat((16 << 20) + 10));
        }
        "hasty" => {
            say(MADE);
            say(HELLO);
        }
        "two-faced" => {
            say(HELLO);
            listen();
            say(MADE);
            return ExitCode::from(3);
        }
        "mute" => {
            say(HELLO);
            listen();
        }
        "chatty" => {
            say(HELLO);
            listen();
            let line = r#"{"notice":"metric","name":"a","step":1,"value":1}"#;
            let many = format!("{line}\n").repeat(1000);
            for _ in 0..1100 {
                say(many.trim_end());
            }
            say(MADE);
        }
        "deaf" => {
            // Says all is well, but never reads what it was asked and does not go when told.
            say(HELLO);
            thread::sleep(Duration::from_hours(1));
        }
        other => panic!("no such lie: {other}"),
    }
    // Whoever lied is stopped by the engine; this is for an engine that did not notice.
    thread::sleep(Duration::from_millis(500));
    ExitCode::SUCCESS
}
