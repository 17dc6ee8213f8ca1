//! The report in a browser: no console error, nothing loaded, tables that sort, a page for keyboards, screen readers, phones, dark screens and print.
//!
//! Needs Chromium (`setup/chromium.sh`, or `ISOFLOP_CHROMIUM`); without one the test says so and passes. Screenshots are left in `target/tmp`.

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use command_fds::{CommandFdExt, FdMapping};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::project::Project;

/// A browser spoken to through two pipes, as its debugging protocol has it: one JSON text after the other, each ended by a zero byte.
pub struct Browser {
    child: Child,
    to: std::io::PipeWriter,
    from: mpsc::Receiver<Value>,
    session: Value,
    asked: u64,
    /// What it told without being asked.
    events: Vec<Value>,
    _profile: TempDir,
}

impl Browser {
    pub fn start(program: &Path) -> Self {
        let profile = tempfile::tempdir().expect("there is room");
        let (theirs_in, to) = std::io::pipe().expect("a pipe can be made");
        let (mut from, theirs_out) = std::io::pipe().expect("a pipe can be made");
        let mut command = Command::new(program);
        command
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--hide-scrollbars",
            ])
            .args(["--disable-dev-shm-usage", "--remote-debugging-pipe", "about:blank"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mapped = vec![
            FdMapping { parent_fd: theirs_in.into(), child_fd: 3 },
            FdMapping { parent_fd: theirs_out.into(), child_fd: 4 },
        ];
        command.fd_mappings(mapped).expect("two descriptors, two numbers");
        let child = command.spawn().expect("the browser starts");
        drop(command); // with our copies of its ends: its end is our end of file
        let (send, receive) = mpsc::channel();
        std::thread::spawn(move || {
            let (mut buffer, mut part) = (Vec::new(), vec![0; 1 << 16]);
            while let Ok(n @ 1..) = from.read(&mut part) {
                buffer.extend_from_slice(&part[..n]);
                while let Some(end) = buffer.iter().position(|byte| *byte == 0) {
                    let message: Vec<u8> = buffer.drain(..=end).take(end).collect();
                    let message = serde_json::from_slice(&message).expect("the browser speaks JSON");
                    if send.send(message).is_err() {
                        return;
                    }
                }
            }
        });
        let events = Vec::new();
        let mut browser = Self { child, to, from: receive, session: Value::Null, asked: 0, events, _profile: profile };
        let target = browser.ask("Target.createTarget", &json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.ask("Target.attachToTarget", &json!({"targetId": target, "flatten": true}));
        browser.session = attached["sessionId"].clone();
        for domain in ["Page", "Runtime", "Log", "Network", "Accessibility"] {
            browser.ask(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// The answer to a command. Generous: a loaded machine may take long to start a browser.
    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.asked += 1;
        let mut message = json!({"id": self.asked, "method": method, "params": params});
        if !self.session.is_null() {
            message["sessionId"] = self.session.clone();
        }
        let mut bytes = serde_json::to_vec(&message).expect("JSON");
        bytes.push(0);
        self.to.write_all(&bytes).expect("the browser listens");
        loop {
            let said = self.next(method);
            if said["id"] == self.asked {
                assert!(said["error"].is_null(), "{method}: {said}");
                return said["result"].clone();
            }
            self.events.push(said);
        }
    }

    fn next(&mut self, waiting_for: &str) -> Value {
        self.from
            .recv_timeout(Duration::from_mins(3))
            .unwrap_or_else(|error| panic!("no word of {waiting_for} from the browser: {error}"))
    }

    fn open(&mut self, page: &Path) {
        self.go(&format!("file://{}", page.display()));
    }

    /// Goes to an address, and waits for the page to be loaded.
    pub fn go(&mut self, url: &str) {
        self.events.clear();
        self.ask("Page.navigate", &json!({"url": url}));
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.next("the page being loaded");
            self.events.push(event);
        }
    }

    /// The value of an expression in the page.
    pub fn value(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.ask("Runtime.evaluate", &params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    fn key(&mut self, key: &str, code: u32) {
        for kind in ["rawKeyDown", "char", "keyUp"] {
            let text = if key == "Enter" { "\r" } else { "" };
            if kind == "char" && text.is_empty() {
                continue;
            }
            let params = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text});
            self.ask("Input.dispatchKeyEvent", &params);
        }
    }

    /// Sets width, paper and medium.
    pub fn look(&mut self, width: u32, scheme: &str, medium: &str) {
        let phone = width < 500;
        let metrics = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": phone});
        self.ask("Emulation.setDeviceMetricsOverride", &metrics);
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.ask("Emulation.setEmulatedMedia", &json!({"media": medium, "features": features}));
    }

    pub fn screenshot(&mut self, file: &Path) {
        let height = self.value("document.documentElement.scrollHeight").as_f64().unwrap_or(900.0).min(7000.0);
        let width = self.value("innerWidth");
        let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
        let params = json!({"format": "png", "captureBeyondViewport": true, "clip": clip});
        let answer = self.ask("Page.captureScreenshot", &params);
        let png = decoded(answer["data"].as_str().expect("a screenshot is text"));
        assert!(png.starts_with(b"\x89PNG") && png.len() > 10_000, "a screenshot of {} bytes", png.len());
        fs::write(file, png).expect("the target folder can be written");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Base64, as RFC 4648 has it.
fn decoded(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => u32::from(c - b'A'),
        b'a'..=b'z' => u32::from(c - b'a') + 26,
        b'0'..=b'9' => u32::from(c - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let letters: Vec<u8> = text.bytes().filter(|c| *c != b'=').collect();
    let group = |four: &[u8]| {
        let bits = four.iter().fold(0, |bits, c| bits << 6 | digit(*c)) << (6 * (4 - four.len()));
        bits.to_be_bytes()[1..four.len()].to_vec()
    };
    letters.chunks(4).flat_map(group).collect()
}

pub fn chromium() -> Option<PathBuf> {
    let asked = std::env::var_os("ISOFLOP_CHROMIUM").map(PathBuf::from);
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let found = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    asked.into_iter().chain(found).find(|path| path.is_file())
}

/// Texts that stand out too little from what is behind them, by the contrast of WCAG 2, level AA.
pub const FAINT: &str = r"
(() => {
  const parse = (text) => { const m = text.match(/[\d.]+/g); return m ? m.map(Number) : [0, 0, 0, 0]; };
  const light = ([r, g, b]) => [r, g, b].map((c) => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; })
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = getComputedStyle(e).backgroundColor;
      if (color.startsWith('color(')) return null;
      const c = parse(color);
      if (c.length < 4 ? color !== 'transparent' : c[3] > 0.99) return c;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !element.getClientRects().length || element.closest('script,[aria-hidden=true],.skip')) continue;
    const style = getComputedStyle(element);
    const back = behind(element);
    if (!back) continue;
    const ink = parse(element.closest('svg') ? style.fill : style.color);
    const [a, b] = [light(ink), light(back)].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) faint.push(`${element.tagName} ${element.textContent.trim().slice(0, 40)}: ${contrast.toFixed(2)}`);
  }
  return faint.slice(0, 10);
})()";

/// What stands out of the page on the right, outside of what scrolls by itself.
pub const BEYOND: &str = r"
[...document.querySelectorAll('body *')]
  .filter((e) => !e.closest('.wide *, svg *') && e.getBoundingClientRect().right > innerWidth + 0.5)
  .map((e) => `${e.tagName}.${e.className} ${e.textContent.trim().slice(0, 60)}`).slice(-6)";

#[test]
fn the_report_holds_up_in_a_browser() {
    let Some(program) = chromium() else {
        // Past the test's own capture, so that a reader of the log sees it.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: the report in a browser, because there is no Chromium on PATH (setup/chromium.sh)"
        );
        return;
    };
    let project = Project::new();
    project.run(&["run", "-j", "2"]).expect(0);
    let args = ["report", "--output", "report.html", "--figures", "figures", "--tables", "tables", "--json"];
    project.run(&args).expect(0);
    files_beside_the_report(&project);

    let mut browser = Browser::start(&program);
    browser.look(1280, "light", "screen");
    browser.open(&project.path("report.html"));
    sorts_tables(&mut browser);
    serves_keyboards(&mut browser);
    serves_screen_readers(&mut browser);
    numbers_lead_to_their_records(&mut browser);
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let looks = [
        ("desktop", 1280, "light", "screen"),
        ("dark", 1280, "dark", "screen"),
        ("phone", 390, "light", "screen"),
        ("phone-dark", 390, "dark", "screen"),
        ("print", 720, "light", "print"),
    ];
    for (name, width, scheme, medium) in looks {
        browser.look(width, scheme, medium);
        let over = browser.value("document.documentElement.scrollWidth - innerWidth");
        let beyond = browser.value(BEYOND);
        assert!(
            over.as_f64().is_some_and(|over| over < 1.0),
            "{name}: the page is {over} pixels wider than the screen: {beyond}"
        );
        let shown = browser
            .value("[...document.querySelectorAll('figure svg')].filter((s) => s.getClientRects().length).length");
        let figures = browser.value("document.querySelectorAll('figure .broad, figure .matrix').length");
        if medium == "screen" {
            browser.value("document.querySelectorAll('details').forEach((d) => d.open = true)");
            let faint = browser.value(FAINT);
            assert_eq!(faint, json!([]), "{name}: texts that are hard to read");
        }
        assert!(
            shown.as_u64() > Some(1) && shown.as_u64() <= figures.as_u64(),
            "{name}: {shown} of {figures} figures are shown"
        );
        browser.screenshot(&shots.join(format!("report-{name}.png")));
    }
    // At a phone's width letters are as large as on paper: the narrow drawing is shown, not the wide one made small.
    browser.look(390, "light", "screen");
    let size = browser.value("Math.min(...[...document.querySelectorAll('.narrow svg')].filter((s) => s.getClientRects().length).map((s) => s.getBoundingClientRect().width / s.viewBox.baseVal.width))");
    assert!(size.as_f64() > Some(0.9), "figures on a phone are scaled by {size}");
    said_nothing(&browser, &project);
}

/// Figures in each form, tables in each form, and nothing else.
fn files_beside_the_report(project: &Project) {
    let names = |folder: &str| {
        let entries = fs::read_dir(project.path(folder)).expect("the folder was made").flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    let figures = names("figures");
    for ending in [".svg", "-column.svg", ".pdf", "-column.pdf", ".png", ".vl.json", ".csv"] {
        assert!(figures.iter().any(|name| name.starts_with("law-") && name.ends_with(ending)), "{ending}: {figures:?}");
    }
    let tables = names("tables");
    for name in ["claims.csv", "claims.md", "claims.tex"] {
        assert!(tables.iter().any(|other| other == name), "{tables:?}");
    }
    assert!(!figures.iter().chain(&tables).any(|name| name.ends_with(".partial")));
    // Twice the same bytes.
    let read = |name: &str| fs::read(project.path("figures").join(name)).expect("it was listed");
    let before: Vec<Vec<u8>> = figures.iter().map(|name| read(name)).collect();
    project.run(&["report", "--figures", "figures"]).expect(0);
    let after: Vec<Vec<u8>> = figures.iter().map(|name| read(name)).collect();
    assert!(before == after, "a second report has other figures");
}

fn sorts_tables(browser: &mut Browser) {
    let order = "[...document.querySelectorAll('table.sort')].filter((t) => t.tBodies[0].rows.length > 3).at(-1)";
    let values = format!(
        "(() => {{ const t = {order}; const i = [...t.tHead.rows[0].cells].findIndex((c) => c.textContent.startsWith('time')); return [...t.tBodies[0].rows].map((r) => Number(r.cells[i].dataset.v)); }})()"
    );
    let press = format!(
        "(() => {{ const t = {order}; const h = [...t.tHead.rows[0].cells].find((c) => c.textContent.startsWith('time')); h.querySelector('button').click(); return h.getAttribute('aria-sort'); }})()"
    );
    for (state, sign) in [("ascending", 1.0), ("descending", -1.0)] {
        assert_eq!(browser.value(&press), state);
        let values: Vec<f64> = serde_json::from_value(browser.value(&values)).expect("numbers");
        assert!(values.len() > 3 && values.is_sorted_by_key(|value| sign * value), "{state}: {values:?}");
    }
}

fn serves_keyboards(browser: &mut Browser) {
    browser.key("Tab", 9);
    assert_eq!(browser.value("document.activeElement.className"), "skip", "the first stop is the way past the head");
    browser.key("Enter", 13);
    assert_eq!(browser.value("document.activeElement.id"), "content");
    let washed = browser.value("getComputedStyle(document.querySelector('main')).backgroundColor");
    assert_eq!(washed, "rgba(0, 0, 0, 0)", "going to the results colours all of them");
    let trapped = browser.value("[...document.querySelectorAll('[tabindex]')].filter((e) => e.tabIndex > 0).length");
    assert_eq!(trapped, 0, "something jumps the queue of the keyboard");
    // What scrolls sideways can be reached and scrolled by keys.
    let deaf = browser.value("[...document.querySelectorAll('.wide')].filter((e) => e.tabIndex !== 0 || !e.getAttribute('aria-label')).length");
    assert_eq!(deaf, 0);
}

fn serves_screen_readers(browser: &mut Browser) {
    browser.value("document.querySelectorAll('details').forEach((d) => d.open = true)");
    let tree = browser.ask("Accessibility.getFullAXTree", &json!({}));
    let nodes = tree["nodes"].as_array().expect("a tree has nodes");
    let seen = || nodes.iter().filter(|node| node["ignored"] != true);
    let of = |role: &str| seen().filter(|node| node["role"]["value"] == role).collect::<Vec<_>>();
    for role in ["banner", "navigation", "main", "contentinfo"] {
        assert_eq!(of(role).len(), 1, "the page has one {role}");
    }
    for role in ["image", "img", "button", "link", "table", "region"] {
        for node in of(role) {
            let name = node["name"]["value"].as_str().unwrap_or_default();
            assert!(!name.trim().is_empty(), "a {role} has no name: {node}");
        }
    }
    let images = [of("image"), of("img")].concat();
    assert!(images.len() > 2, "{} images", images.len());
    let told =
        |node: &&Value| node["name"]["value"].as_str().is_some_and(|name| name.contains("against") && name.len() > 60);
    assert!(images.iter().any(told), "no figure says what it shows");
    assert!(of("columnheader").len() > 10 && of("rowheader").len() > 10);
    // Headings step down one level at a time.
    let levels = "[...document.querySelectorAll('h1,h2,h3,h4')].map((h) => Number(h.tagName[1]))";
    let levels: Vec<i64> = serde_json::from_value(browser.value(levels)).expect("numbers");
    assert!(levels.first() == Some(&1) && levels.windows(2).all(|pair| pair[1] - pair[0] <= 1), "{levels:?}");
}

/// Every link in the page has its target, numbers among them; following one opens the record that it leads into, which names task, key and digest.
fn numbers_lead_to_their_records(browser: &mut Browser) {
    let lost = "[...document.querySelectorAll('a[href^=\"#\"]')].map((a) => a.getAttribute('href').slice(1)).filter((id) => !document.getElementById(id))";
    assert_eq!(browser.value(lost), json!([]), "links without a target");
    let of = |place: &str| format!("document.querySelectorAll('{place} a.v[href^=\"#t\"]').length");
    for place in [".evidence", ".cards", "section[aria-labelledby=cells]"] {
        assert!(browser.value(&of(place)).as_u64() > Some(0), "no number in {place} leads anywhere");
    }
    let shut = "document.querySelectorAll('details.task').forEach((d) => d.open = false)";
    browser.value(shut);
    let followed = browser.value(
        "(async () => { const a = document.querySelector('section[aria-labelledby=cells] a.v'); const said = a.textContent; a.click(); \
         await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0))); \
         for (let i = 0; i < 500 && !document.querySelector('details.task[open]'); i++) await new Promise((done) => setTimeout(done, 20)); \
         const target = document.querySelector(':target'); const record = target.closest('details'); \
         return { said, target: target.textContent, open: record.open, record: record.textContent }; })()",
    );
    assert_eq!(followed["open"], true, "{followed}");
    let record = followed["record"].as_str().expect("a record has a text");
    assert!(["key", "digest", "kind"].iter().all(|part| record.contains(part)), "{record}");
    assert!(followed["target"].as_str().is_some_and(|number| number.contains(" = ")), "{followed}");
    browser.value("history.replaceState(null, '', location.pathname); scrollTo(0, 0)");
}

/// No error on the console, and nothing asked for but the page.
fn said_nothing(browser: &Browser, project: &Project) {
    browser.said_nothing(&format!("file://{}", project.path("report.html").display()));
}

impl Browser {
    /// No error on the console since the page was gone to, and nothing asked for but what begins with `place`.
    pub fn said_nothing(&self, place: &str) {
        let method = |name: &'static str| self.events.iter().filter(move |event| event["method"] == name);
        let errors: Vec<&Value> = method("Runtime.exceptionThrown")
            .chain(method("Log.entryAdded").filter(|event| event["params"]["entry"]["level"] == "error"))
            .chain(method("Runtime.consoleAPICalled"))
            .collect();
        assert!(errors.is_empty(), "the console says {errors:#?}");
        let asked: Vec<&str> = method("Network.requestWillBeSent")
            .filter_map(|event| event["params"]["request"]["url"].as_str())
            .filter(|url| !url.starts_with(place) && !url.starts_with("data:"))
            .collect();
        assert!(asked.is_empty(), "the page reaches for {asked:?}");
    }
}
