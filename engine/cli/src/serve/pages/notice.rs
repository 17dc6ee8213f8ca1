//! Notices: pages that say why there is nothing else to show. Where a program asked, they are JSON.

use isoflop_report::html::escape;
use serde_json::json;

use super::{Head, frame};
use crate::serve::answer::Answer;

/// One notice.
fn notice(status: u16, path: &str, title: &str, says: &str, live: bool) -> Answer {
    if path.starts_with("/api/") {
        return Answer::json(&json!({"version": 1, "error": says, "status": status})).with_status(status);
    }
    let crumbs = if path == "/" { vec![] } else { vec![(title.to_owned(), path.to_owned())] };
    // Only what comes back by itself leads back to where it was asked for.
    let crumbs = if live { crumbs } else { vec![("runs".to_owned(), "/".to_owned())] };
    let head = Head { title: title.to_owned(), crumbs, lead: String::new(), live };
    let html: Vec<String> = says.lines().map(|line| format!("<p class=\"says-no\">{}</p>", escape(line))).collect();
    Answer::page(frame(&head, &[("notice-text", String::new(), html.concat())])).with_status(status)
}

/// 404: an address that leads nowhere.
pub fn nothing_there(path: &str) -> Answer {
    notice(404, path, "Nothing there", &format!("There is no page at {path}."), false)
}

/// 404: something that is not in the ledger.
pub fn not_found(path: &str, says: &str) -> Answer {
    notice(404, path, "Not found", says, false)
}

/// 405: something other than reading.
pub fn only_reading(path: &str) -> Answer {
    notice(
        405,
        path,
        "Read-only",
        "isoflop serve answers GET and HEAD: it reads and never writes. What changes anything is on the command line.",
        false,
    )
}

/// 421: a request for another host.
pub fn other_host(host: &str, path: &str) -> Answer {
    let asked = if host.is_empty() { "no host".to_owned() } else { format!("the host `{host}`") };
    let says = format!(
        "The request is for {asked}, which is not where isoflop serve listens.\nOpen it by the address that it printed, or as localhost. \
         Other names are refused, so that no web site can read this server through your browser."
    );
    notice(421, path, "Another host", &says, false)
}

/// 503: the ledger cannot be asked.
pub fn away(path: &str) -> Answer {
    let says = "The ledger does not answer. This page comes back when it does; what went wrong stands on the terminal of isoflop serve.";
    notice(503, path, "The ledger does not answer", says, true)
}

/// 500: our own mistake.
pub fn mistake(path: &str) -> Answer {
    let says = "This is a mistake in isoflop itself. What went wrong stands on the terminal of isoflop serve; please report it.";
    notice(500, path, "Something went wrong", says, false)
}

/// 200, and nothing to show yet.
pub fn nothing_yet(path: &str) -> Answer {
    let says = "Nothing has been run in this home yet.\nThis page fills when something is: isoflop run STUDY.";
    notice(200, path, "Nothing yet", says, true)
}

/// Why there is no report, or no verdict.
pub fn no_report(path: &str, title: &str, says: &str) -> Answer {
    notice(404, path, title, says, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(answer: &Answer) -> String {
        String::from_utf8(answer.body.clone()).unwrap()
    }

    #[test]
    fn a_notice_is_a_page_for_people_and_json_for_programs() {
        let page = nothing_there("/<script>");
        assert_eq!(page.status, 404);
        assert!(text(&page).contains("There is no page at /&lt;script&gt;.") && !text(&page).contains("<script>"));
        let data = nothing_there("/api/x");
        assert_eq!(data.content_type, "application/json");
        assert_eq!(text(&data).parse::<serde_json::Value>().unwrap()["status"], 404);
        assert!(text(&away("/runs/1")).contains("data-live") && away("/runs/1").status == 503);
        assert!(text(&other_host("evil.example", "/")).contains("the host `evil.example`"));
    }
}
