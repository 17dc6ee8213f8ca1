//! Every kind has a contract that reads its own example, a line that says what it does, and a body in the worker it names.

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
};

use isoflop_contract::{
    Runtime,
    protocol::{NOTICE_FD, Notice},
};
use isoflop_kinds::catalog::catalog;

use crate::project::programs;

#[test]
fn every_kind_reads_its_own_example_and_says_what_it_does() {
    let mut kinds = 0;
    for kind in catalog().iter() {
        let example =
            isoflop_plan::read_value(kind.example).unwrap_or_else(|findings| panic!("{}: {findings}", kind.name));
        let reading =
            kind.read(&example).unwrap_or_else(|error| panic!("the example of {} does not read: {error:?}", kind.name));
        // Code is left out of it: what counts is what it names.
        assert_eq!(kind.read(&reading.spec).expect("a canonical spec reads").spec, reading.spec, "{}", kind.name);
        assert!(kind.about.ends_with('.') && kind.about.len() > 20, "{} does not say what it does", kind.name);
        assert!(kind.ports.iter().all(|port| !port.about.is_empty()));
        kinds += 1;
    }
    assert!(kinds >= 6);
}

/// The kinds that a worker program says it can run.
fn hello(program: &str, args: &[&str]) -> BTreeMap<String, u32> {
    // The shell moves the captured stdout to the descriptor for notices; what the program itself prints goes nowhere.
    let output = Command::new("sh")
        .args(["-c", r#"exec 3>&1 >/dev/null; exec "$0" "$@""#])
        .arg(programs().join(program))
        .args(args)
        .env(NOTICE_FD, "3")
        .stdin(Stdio::null())
        .output()
        .expect("there is a shell");
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().next().map(serde_json::from_str) {
        Some(Ok(Notice::Hello { kinds, .. })) => kinds,
        other => panic!("{program} said {other:?}, and on stderr {}", String::from_utf8_lossy(&output.stderr)),
    }
}

#[test]
fn every_kind_has_a_body_in_the_worker_it_names() {
    let native = hello("isoflop", &["worker"]);
    let torch = hello("isoflop-torch", &[]);
    for kind in catalog().iter() {
        let worker = match kind.runtime {
            Runtime::Native => &native,
            Runtime::Torch => &torch,
        };
        assert_eq!(worker.get(kind.name), Some(&kind.revision), "{} has no body of its revision", kind.name);
    }
    assert_eq!(native.len() + torch.len(), catalog().iter().count(), "a body has no contract");
}
