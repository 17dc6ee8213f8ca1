//! `serve`: the ledger in a browser, read-only, live, for nobody but this machine.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use isoflop_ledger::server::PrivateServer;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{
    browser::{BEYOND, Browser, FAINT, chromium},
    project::{Project, Ran},
    state,
};

/// A server on a free port; ended when it goes.
pub struct Served {
    child: Child,
    pub url: String,
}

/// An answer.
pub struct Answer {
    pub status: u16,
    head: BTreeMap<String, String>,
    bytes: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}:\n{}", self.text()))
    }

    #[track_caller]
    fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

impl Served {
    /// Serves a project; `more` are arguments.
    pub fn start(project: &Project, more: &[&str]) -> Self {
        Self::of(project.start(&[&["serve", "--listen", "127.0.0.1:0", "--json"], more].concat()))
    }

    fn of(mut child: Child) -> Self {
        let mut text = String::new();
        let mut lines = BufReader::new(child.stdout.take().expect("stdout was captured")).lines();
        while !text.ends_with('}') {
            let Some(line) = lines.next() else {
                panic!("{:?}\n{text}", Ran::of(&child.wait_with_output().unwrap()).err)
            };
            text.push_str(&line.expect("a pipe can be read"));
        }
        let said: Value = serde_json::from_str(&text).expect("one object");
        assert_eq!(said["version"], 1);
        Self { child, url: said["url"].as_str().expect("it says where").to_owned() }
    }

    fn address(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches('/')
    }

    /// Sends a request as it is, and reads to the end.
    fn say(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address()).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_mins(2))).expect("a timeout");
        stream.write_all(request.as_bytes()).expect("it hears");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("it answers");
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
        let head =
            lines.filter_map(|line| line.split_once(": ")).map(|(k, v)| (k.to_lowercase(), v.to_owned())).collect();
        Answer { status, head, bytes: bytes[end + 4..].to_vec() }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.say(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address()))
    }

    /// The page that a task's name leads to.
    fn task(&self, name: &str) -> Answer {
        let there = self.get(&format!("/tasks/{name}")).expect(302);
        self.get(&there.head["location"]).expect(200)
    }

    fn stop(mut self, signal: Signal) -> (Option<i32>, Duration) {
        let began = Instant::now();
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
        let status = self.child.wait().expect("a child can be waited for");
        (status.code(), began.elapsed())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks again until it holds.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(began.elapsed() < Duration::from_mins(2), "waited in vain until {what}");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_run_is_told_from_the_first_page_to_the_bytes_of_a_picture() {
    let project = Project::new();
    let ran = project.run(&["run", "-j", "2", "--json"]).expect(0).json();
    let run = ran["run"].as_str().unwrap().to_owned();
    let before = state::of(&project);
    let served = Served::start(&project, &[]);

    let home = served.get("/").expect(200);
    assert!(home.text().contains("ladder") && home.text().contains(&format!("/runs/{run}")), "{}", home.text());
    assert!(home.text().contains("22 made"), "{}", home.text());
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("content-type", "text/html; charset=utf-8"),
    ] {
        assert_eq!(home.head[name], value);
    }
    let policy = &home.head["content-security-policy"];
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe") && !policy.contains("http"),
        "{policy}"
    );

    // Groups are folded; one is unfolded by its link.
    let page = served.get(&format!("/runs/{run}")).expect(200).text();
    assert!(
        page.contains("?group=train#tasks") && page.contains("22 of 22") && !page.contains("train[size=s,seed=0]"),
        "{page}"
    );
    let page = served.get(&format!("/runs/{}?group=train", &run[..13])).expect(200).text();
    assert!(page.contains("train[size=s,seed=0]") && !page.contains("samples[size=s"), "{page}");

    // One task: what `show` tells, its course, and the way to its neighbours.
    let page = served.task("train%5Bsize=s,seed=0%5D").text();
    for part in [
        "<svg",
        "model.safetensors",
        "&quot;kind&quot;: &quot;train-denoiser&quot;",
        ">scenes</a>",
        ">samples[size=s,seed=0]</a>",
        "unverified",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let law = served.task("law").text();
    assert!(law.contains("scores[size=l,seed=1]") && law.contains("fit.json"), "{law}");
    let key = ran["tasks"].as_array().unwrap().iter().find(|task| task["name"] == "scenes").unwrap()["key"]
        .as_str()
        .unwrap()
        .to_owned();
    let down = served.get(&format!("/tasks/{key}/down")).expect(200).text();
    assert!(down.contains("law") && down.contains("train[size=l,seed=1]"), "{down}");

    // Pictures come from the store, as what they are; other files to be saved or as text.
    let scenes = served.task("scenes").text();
    let picture = scenes.split("src=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a picture").to_owned();
    assert!(picture.starts_with("/artifacts/") && picture.ends_with("/preview.png"), "{picture}");
    let png = served.get(&picture).expect(200);
    assert!(png.bytes.starts_with(b"\x89PNG") && png.head["content-type"] == "image/png");
    assert!(png.head["x-content-type-options"] == "nosniff" && png.head["cache-control"].contains("immutable"));
    let text = served.get(&picture.replace("preview.png", "scenes.jsonl")).expect(200);
    assert_eq!(text.head["content-type"], "text/plain; charset=utf-8");
    served.get(&picture.replace("preview.png", "nothing.png")).expect(404);

    // The study with its claims, and its report.
    let study = served.get("/studies/ladder").expect(200).text();
    assert!(study.contains("Alignment improves with size.") && study.contains("reproduced"), "{study}");
    let report = served.get("/studies/ladder/report").expect(200);
    project.run(&["report"]).expect(0);
    assert_eq!(report.text(), fs::read_to_string(project.path("report.html")).unwrap(), "it is the report");
    assert!(report.head["content-security-policy"].contains("script-src 'sha256-"));

    // HEAD says what GET would.
    let head = served.say(&format!("HEAD / HTTP/1.1\r\nHost: {}\r\n\r\n", served.address()));
    assert!(
        head.status == 200 && head.bytes.is_empty() && head.head["content-length"].parse::<usize>().unwrap() > 1000
    );
    assert_eq!(state::of(&project), before, "nothing was written");
    let (code, took) = served.stop(Signal::INT);
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(5), "it ended after {took:?}");
}

#[test]
fn the_api_prints_what_the_verbs_print() {
    let project = Project::new();
    project.run(&["run", "-j", "2"]).expect(0);
    let served = Served::start(&project, &[]);
    let task = "train%5Bsize=s,seed=0%5D";
    let name = "train[size=s,seed=0]";
    for (path, args) in [
        ("/api/runs".to_owned(), vec!["runs"]),
        ("/api/runs?n=1&study=ladder".to_owned(), vec!["runs", "-n", "1", "--study", "ladder"]),
        ("/api/status".to_owned(), vec!["status"]),
        ("/api/runs/latest".to_owned(), vec!["status", "latest"]),
        (format!("/api/tasks/{task}"), vec!["show", name]),
        (format!("/api/tasks/{task}/trace"), vec!["trace", "up", name]),
        (format!("/api/tasks/{task}/trace?way=down&depth=1"), vec!["trace", "down", name, "--depth", "1"]),
        (format!("/api/tasks/{task}/log"), vec!["logs", name]),
        ("/api/studies/ladder/claims".to_owned(), vec!["claims"]),
    ] {
        let answer = served.get(&path).expect(200);
        assert_eq!(answer.head["content-type"], "application/json");
        let printed = project.run(&[&args[..], &["--json"]].concat()).expect(0).json();
        assert_eq!(answer.json(), printed, "{path}");
        assert_eq!(printed["version"], 1);
    }
    for path in [
        "/api",
        "/api/tasks/nothing",
        "/api/runs/ffff",
        "/api/studies/other/claims",
        "/api/tasks/law/trace?way=sideways",
    ] {
        let answer = served.get(path).expect(404);
        if path != "/api" {
            assert!(answer.json()["error"].is_string(), "{path}");
        }
    }
}

/// A slow task that measures, and one that fails, with a name and a log that would be markup.
const HOSTILE: &str = r#"
study: own
seed: 3
tasks:
  slow:
    kind: command
    with:
      argv: [sh, -c, 'echo "{\"step\": 1, \"loss\": 2.5}" > "$2"; while [ ! -e "$GO" ]; do sleep 0.02; done; echo x > "$1"', sh, "{out.x}", "{metrics}"]
      env: [GO, PATH]
      metrics: m.jsonl
      outputs: { x: {} }
  bad:
    matrix: { word: ['<script>alert(1)</script>', plain] }
    kind: command
    with: { argv: [sh, -c, 'echo "<img src=x onerror=alert(2)>"; echo "no luck" >&2; exit 3', sh, "{out.x}", "{{ word }}"], outputs: { x: {} } }
"#;

#[test]
fn a_run_is_seen_to_go_on_and_what_failed_is_shown_as_text() {
    let project = Project::new();
    project.write("study.yaml", HOSTILE);
    let served = Served::start(&project, &[]);
    let page = served.get("/").expect(200).text();
    assert!(page.contains("Nothing has been run in this home yet") && page.contains("data-live"), "{page}");
    assert!(!project.path(".isoflop").exists(), "looking makes nothing");
    served.get("/runs/latest").expect(404);
    assert_eq!(served.get("/api/runs").expect(200).json()["runs"], serde_json::json!([]));

    let go = project.path("go");
    let mut command = project.command(&["run", "-j", "2", "--keep-going", "--progress", "none"]);
    let mut run =
        command.env("GO", &go).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("isoflop was built");

    // Both failures, the task under way, how far it is: before the run ends.
    let page = until("what runs and what failed is shown", || {
        let page = served.get("/runs/latest");
        let text = page.text();
        (page.status == 200 && text.contains("2 failed") && text.contains("at step 1")).then_some(text)
    });
    assert!(page.contains("data-live") && page.contains(">slow</a>") && page.contains("1 running"), "{page}");
    assert!(page.contains("exited with code 3") && page.contains("no luck"), "{page}");
    assert!(page.contains("bad[word=&lt;script&gt;alert(1)&lt;/script&gt;]"), "{page}");
    assert!(page.contains("&lt;img src=x onerror=alert(2)&gt;"), "{page}");
    assert!(!page.contains("<script>alert") && !page.contains("<img src=x"), "{page}");
    let task = served.task("slow").text();
    assert!(task.contains("data-live") && task.contains("1 point") && task.contains("2.500"), "{task}");
    let status = served.get("/api/status").expect(200).json();
    assert_eq!(status["runs"][0]["running"][0]["metric"]["series"], "loss", "{status}");
    assert!(served.get("/").expect(200).text().contains("Under way"));

    let bad = served.task("bad%5Bword=%3Cscript%3Ealert(1)%3C%2Fscript%3E%5D").text();
    assert!(!bad.contains("<script>alert") && !bad.contains("<img src=x") && bad.contains("&lt;img src=x"), "{bad}");

    fs::write(&go, "").expect("a test's folder can be written");
    let page = until("the run has ended", || {
        let text = served.get("/runs/latest").text();
        (!text.contains("data-live")).then_some(text)
    });
    assert!(page.contains("1 made") && page.contains("2 failed"), "{page}");
    run.wait().expect("a child can be waited for");
    assert!(!project.path(".isoflop/glimpses").exists(), "what was only to be seen is gone");
}

#[test]
fn nobody_else_is_answered_and_nothing_but_reading() {
    let project = Project::new();
    project.run(&["run", "-j", "2"]).expect(0);
    let served = Served::start(&project, &[]);
    let of = |method: &str, host: &str| served.say(&format!("{method} / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    let refused = of("GET", "evil.example").expect(421);
    assert!(
        refused.text().contains("the host `evil.example`") && !refused.text().contains("ladder"),
        "{}",
        refused.text()
    );
    served.say("GET /api/runs HTTP/1.1\r\nHost: evil.example:7357\r\n\r\n").expect(421).json();
    served.say("GET / HTTP/1.0\r\n\r\n").expect(421);
    of("GET", "localhost:1234").expect(200);
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = of(method, served.address()).expect(405);
        assert_eq!(answer.head["allow"], "GET, HEAD");
    }
    let lost = served.get("/no/such/page").expect(404);
    assert!(
        lost.text().contains("There is no page at /no/such/page.")
            && lost.head["content-type"].starts_with("text/html")
    );
    for path in [
        "/tasks/nothing",
        "/runs/ffffffff",
        "/studies/nothing",
        "/studies/nothing/report",
        "/tasks/tra%00in",
        "/artifacts/..%2f..%2fstudy.yaml",
        "/..%2fstudy.yaml",
    ] {
        served.get(path).expect(404);
    }
    let near = served.get("/tasks/scene").expect(404).text();
    assert!(near.contains("did you mean `scenes`?"), "{near}");

    // Clients that say nothing hold nobody up.
    let idle: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(served.address()).expect("it listens")).collect();
    let began = Instant::now();
    served.get("/").expect(200);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drop(idle);

    // A port that is taken, an address that is another machine's, one that is none.
    let said = project.run(&["serve", "--listen", served.address()]).expect(8).err;
    assert!(
        said.contains(&format!("{} is taken", served.address())) && said.contains("--listen 127.0.0.1:0"),
        "{said}"
    );
    let said = project.run(&["serve", "--listen", "192.0.2.1:7357"]).expect(8).err;
    assert!(said.contains("192.0.2.1 is no address of this machine"), "{said}");
    project.run(&["serve", "--listen", "nowhere"]).expect(2);
    project.run(&["serve", "no-such-study"]).expect(2);
    let mut open = project.start(&["serve", "--listen", "0.0.0.0:0"]);
    Project::read_until(&mut open, "anyone who can reach 0.0.0.0:");
    kill_process(Pid::from_child(&open), Signal::TERM).expect("it runs");
    let ended = Project::wait(open).expect(0);
    assert!(
        ended.out.starts_with(&format!(
            "serving {} at http://0.0.0.0:",
            project.path(".isoflop").canonicalize().unwrap().display()
        )),
        "{}",
        ended.out
    );
}

#[test]
fn a_ledger_that_goes_away_is_said_to_be_away_until_it_is_back() {
    let project = Project::new();
    project.run(&["run", "-j", "2"]).expect(0);
    // A server of one's own is started again by whoever needs it.
    let served = Served::start(&project, &[]);
    let pid = fs::read_to_string(project.path(".isoflop/postgres/data/postmaster.pid")).unwrap();
    let pid: i32 = pid.lines().next().unwrap().parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    until("the server is back", || (served.get("/").status == 200).then_some(()));
    drop(served);

    // A shared one is not: pages say so, and go on when it is there.
    let server = PrivateServer::new(project.path(".isoflop/postgres"));
    let url = server.ensure().expect("it starts");
    let served = Served::start(&project, &["--database", &url]);
    let page = served.get("/").expect(200).text();
    assert!(!page.contains("postgres:"), "where the database is, is nobody's business: {page}");
    server.stop().expect("it stops");
    let away = served.get("/runs/latest").expect(503);
    assert!(away.text().contains("The ledger does not answer") && away.text().contains("data-live"), "{}", away.text());
    assert!(!away.text().contains("postgres:") && away.head.contains_key("retry-after"));
    assert_eq!(served.get("/api/runs").expect(503).json()["status"], 503);
    served.get("/style.css").expect(200);
    server.ensure().expect("it starts again");
    let page = until("it is back", || Some(served.get("/runs/latest")).filter(|page| page.status == 200));
    assert!(page.text().contains("22 of 22"));
    let (code, _) = served.stop(Signal::TERM);
    assert_eq!(code, Some(0));
}

#[test]
fn a_study_is_found_where_it_was_run_or_where_it_was_named() {
    let project = Project::new();
    project.run(&["run", "-j", "2"]).expect(0);
    let home = project.path(".isoflop");
    let home = ["--home", home.to_str().unwrap()];
    // Served from elsewhere, where the run's relative path leads nowhere.
    fs::create_dir(project.path("elsewhere")).unwrap();
    let from = |args: &[&str]| {
        let mut command = project.command(&[&["serve", "--listen", "127.0.0.1:0", "--json"], &home[..], args].concat());
        Served::of(
            command.current_dir(project.path("elsewhere")).stdout(Stdio::piped()).spawn().expect("isoflop was built"),
        )
    };
    let served = from(&[]);
    let page = served.get("/studies/ladder").expect(200).text();
    assert!(page.contains("there is no study at study.yaml") && page.contains("isoflop serve STUDY"), "{page}");
    served.get("/studies/ladder/report").expect(404);
    drop(served);

    let served = from(&[".."]);
    assert!(served.get("/studies/ladder").expect(200).text().contains("Alignment improves with size."));
    served.get("/studies/ladder/report").expect(200);
    // It is edited: what is shown is of the files as they are, and said to be.
    let study = fs::read_to_string(project.path("study.yaml")).unwrap();
    project.write("study.yaml", &study.replace("improves with size", "grows with size"));
    let page = served.get("/studies/ladder").expect(200).text();
    assert!(page.contains("Alignment grows with size."), "{page}");
    project.write("study.yaml", &study.replace("steps: 50", "steps: 51"));
    let page = served.get("/studies/ladder").expect(200).text();
    assert!(page.contains("are not what was run last"), "{page}");
    project.write("study.yaml", "study: ladder\ntasks: { a: { kind: nothing } }\n");
    let page = served.get("/studies/ladder").expect(200).text();
    assert!(page.contains("has a mistake by now") || page.contains("mistakes by now"), "{page}");
}

#[test]
fn the_pages_hold_up_in_a_browser() {
    let Some(program) = chromium() else {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: the served pages in a browser, because there is no Chromium on PATH (setup/chromium.sh)"
        );
        return;
    };
    let project = Project::new();
    project.run(&["run", "-j", "2"]).expect(0);
    fs::create_dir(project.path("own")).unwrap();
    project.write("own/study.yaml", HOSTILE);
    let go = project.path("go");
    let mut command = project.command(&["run", "own", "-j", "2", "--keep-going", "--progress", "none"]);
    let mut run =
        command.env("GO", &go).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("isoflop was built");
    let served = Served::start(&project, &[]);
    until("the run goes on", || served.get("/runs/latest").text().contains("at step 1").then_some(()));

    let mut browser = Browser::start(&program);
    let shots = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let location = |name: &str| served.get(&format!("/tasks/{name}")).head["location"].clone();
    let train = location("train%5Bsize=s,seed=0%5D");
    let pages = [
        ("home", "/".to_owned()),
        ("run", "/runs/latest".to_owned()),
        ("done", "/runs/latest~1?group=train".to_owned()),
        ("slow", location("slow")),
        ("train", train.clone()),
        ("scenes", location("scenes")),
        ("up", format!("{train}/up")),
        ("study", "/studies/ladder".to_owned()),
        ("lost", "/nowhere".to_owned()),
    ];
    for (name, path) in &pages {
        browser.look(1280, "light", "screen");
        browser.go(&format!("{}{}", served.url, &path[1..]));
        for (look, width, scheme) in [("desktop", 1280, "light"), ("dark", 1280, "dark"), ("phone", 390, "light")] {
            browser.look(width, scheme, "screen");
            let over = browser.value("document.documentElement.scrollWidth - innerWidth");
            let beyond = browser.value(BEYOND);
            assert!(over.as_f64().is_some_and(|over| over < 1.0), "{name}, {look}: {over} pixels too wide: {beyond}");
            assert_eq!(browser.value(FAINT), serde_json::json!([]), "{name}, {look}: texts that are hard to read");
            browser.screenshot(&shots.join(format!("serve-{name}-{look}.png")));
        }
        let levels = browser.value("[...document.querySelectorAll('h1,h2,h3,h4')].map((h) => Number(h.tagName[1]))");
        let levels: Vec<i64> = serde_json::from_value(levels).expect("numbers");
        assert!(
            levels.first() == Some(&1) && levels.windows(2).all(|pair| pair[1] - pair[0] <= 1),
            "{name}: {levels:?}"
        );
        if *name != "lost" {
            browser.said_nothing(&served.url);
        }
    }

    // The page of the run follows it to its end by itself.
    browser.look(1280, "light", "screen");
    browser.go(&format!("{}runs/latest", served.url));
    assert_eq!(browser.value("document.querySelectorAll('[data-part=running] tbody tr').length"), 1);
    browser.value("document.querySelectorAll('details')[1].open = true");
    fs::write(&go, "").expect("a test's folder can be written");
    until("the page says that the run failed", || {
        let text = browser.value("document.querySelector('[data-part=lead]').textContent");
        text.as_str().is_some_and(|text| text.starts_with("failed")).then_some(())
    });
    assert_eq!(browser.value("document.querySelectorAll('[data-part=running] tbody tr').length"), 0);
    assert_eq!(browser.value("document.querySelectorAll('details')[1].open"), true, "what was unfolded stays so");
    browser.said_nothing(&served.url);
    run.wait().expect("a child can be waited for");
}
