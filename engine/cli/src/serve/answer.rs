//! Answers: bytes, what they are, and what a browser may do with them.

use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{self, HeaderName, HeaderValue},
};
use isoflop_report::page::parts;
use serde_json::Value;

/// What our own pages may do: run our script, show our style and our pictures, ask us again. Nothing of any other origin, and nothing written inside
/// the page, so that a text that slipped through unescaped would still run nothing.
const PAGE: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                    form-action 'none'; frame-ancestors 'none'";

/// What anything else may do: nothing at all.
const NOTHING: &str = "default-src 'none'; sandbox; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status, 200 where all is well.
    pub status: u16,
    /// What the bytes are.
    pub content_type: &'static str,
    /// What a browser may do with them.
    policy: String,
    /// The bytes.
    pub body: Vec<u8>,
    /// Where it really is.
    location: Option<String>,
    /// The name under which it is to be saved rather than shown.
    saved_as: Option<String>,
    /// Whether it can never change.
    lasting: bool,
}

impl Answer {
    fn of(content_type: &'static str, policy: &str, body: impl Into<Vec<u8>>) -> Self {
        let (policy, body) = (policy.to_owned(), body.into());
        Self { status: 200, content_type, policy, body, location: None, saved_as: None, lasting: false }
    }

    /// One of our pages.
    pub fn page(html: String) -> Self {
        Self::of("text/html; charset=utf-8", PAGE, html)
    }

    /// A report, which brings its own style and its own script along.
    pub fn report(html: impl Into<Vec<u8>>) -> Self {
        Self::of("text/html; charset=utf-8", &format!("{}; frame-ancestors 'none'", parts::policy()), html)
    }

    /// Data for programs, as the verbs print it.
    pub fn json(value: &Value) -> Self {
        let mut text = serde_json::to_vec_pretty(value).expect("plain data can be written as JSON");
        text.push(b'\n');
        Self::of("application/json", NOTHING, text)
    }

    /// Text, a style or a script.
    pub fn text(content_type: &'static str, text: impl Into<Vec<u8>>) -> Self {
        Self::of(content_type, NOTHING, text)
    }

    /// A file of an artifact: what lies under a digest stays what it is.
    pub fn file(content_type: &'static str, bytes: Vec<u8>, saved_as: Option<String>) -> Self {
        Self { saved_as, lasting: true, ..Self::of(content_type, NOTHING, bytes) }
    }

    /// It is to be found at `location`.
    pub fn elsewhere(location: String) -> Self {
        Self { status: 302, location: Some(location), ..Self::of("text/plain; charset=utf-8", NOTHING, "") }
    }

    /// The same with another status.
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// As it goes out; without its bytes where only the head was asked for.
    pub fn response(self, head_only: bool) -> Response<Full<Bytes>> {
        let length = self.body.len();
        let body = if head_only { Bytes::new() } else { Bytes::from(self.body) };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        let mut put = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        put(header::CONTENT_TYPE, self.content_type);
        put(header::CONTENT_LENGTH, &length.to_string());
        put(header::CONTENT_SECURITY_POLICY, &self.policy);
        put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        put(header::REFERRER_POLICY, "no-referrer");
        put(header::X_FRAME_OPTIONS, "DENY");
        put(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
        put(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
        let cached = if self.lasting { "private, max-age=31536000, immutable" } else { "no-store" };
        put(header::CACHE_CONTROL, cached);
        if self.status == 405 {
            put(header::ALLOW, "GET, HEAD");
        }
        if self.status == 503 {
            put(header::RETRY_AFTER, "5");
        }
        if let Some(location) = &self.location {
            put(header::LOCATION, location);
        }
        if let Some(name) = &self.saved_as {
            // Whatever the file is called, the name in a header is plain.
            let plain: String =
                name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect();
            put(header::CONTENT_DISPOSITION, &format!("attachment; filename=\"{plain}\""));
        }
        response
    }
}
