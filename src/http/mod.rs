//! Floor 1: the one HTTP client, for CRMs and notices.
//!
//! A [`Request`] is a value that can be built and tested without a network. The client knows deadlines, size limits,
//! addresses and redaction; it never retries and never decides: what a caller needs to decide is in [`SendError`].

pub mod address;
mod client;
pub mod limiter;
pub mod peer_clock;
pub mod redact;
mod tls;

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use secrecy::SecretString;
use url::Url;

pub use client::{Client, Settings};

/// What a person is told of `error`, if it comes from TLS: what is wrong with the certificate, and what to do.
#[must_use]
pub fn tls_told(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    tls::told(error)
}

/// The method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Makes, or reads by a body.
    Post,
    /// Changes.
    Patch,
    /// Sets.
    Put,
    /// Removes.
    Delete,
}

/// One request, as a value.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Where, made by [`Request::to`] from path segments, so that an id cannot add to the path or the query.
    pub url: Url,
    /// Header names and values; credentials go to `bearer`.
    pub headers: Vec<(&'static str, String)>,
    /// Sent as `Authorization: Bearer`.
    pub bearer: Option<SecretString>,
    /// The body, JSON unless `headers` say otherwise.
    pub body: Option<Vec<u8>>,
    /// The whole exchange must end within this time; `None` = the client's own deadline.
    pub deadline: Option<Duration>,
}

impl Request {
    /// A request to `base` with `segments` added to its path, each escaped.
    #[must_use]
    pub fn to(method: Method, base: &Url, segments: &[&str]) -> Self {
        let mut url = base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        Self { method, url, headers: Vec::new(), bearer: None, body: None, deadline: None }
    }

    /// Adds a query pair.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sends `body` as JSON.
    #[must_use]
    pub fn json(mut self, body: Vec<u8>) -> Self {
        self.body = Some(body);
        self
    }

    /// Sends `token` as the bearer token.
    #[must_use]
    pub fn bearer(mut self, token: &SecretString) -> Self {
        self.bearer = Some(token.clone());
        self
    }
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body after decompression, at most as long as the client allows.
    pub body: Vec<u8>,
    /// The server's clock, from its `Date` header.
    pub date: Option<Timestamp>,
}

impl Response {
    /// The value of a header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// How long the server asks to wait (`Retry-After`, as seconds or as a date); `None` if it does not, or in a way
    /// that cannot be read. A date is measured by the server's own clock where it told it, else by `now`.
    #[must_use]
    pub fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        retry_after(self.header("retry-after")?, self.date.unwrap_or(now))
    }

    /// The body's beginning as it may stand in a log or an error, at most `chars_max` characters.
    #[must_use]
    pub fn safe_prefix(&self, chars_max: usize) -> String {
        redact::safe_prefix(&self.body, chars_max)
    }
}

/// Why there is no answer, divided by what is known of the request.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It provably never reached the server: name, connection or TLS failed, or the address is refused.
    #[error("not sent: {message}")]
    NotSent {
        /// What happened; no secrets, no query.
        message: String,
    },
    /// It may have reached the server, and may have taken effect.
    #[error("sent, but no answer: {message}")]
    Unknown {
        /// What happened.
        message: String,
    },
    /// The answer is longer than allowed.
    #[error("the answer is longer than {body_bytes_max} bytes")]
    TooLarge {
        /// The limit.
        body_bytes_max: usize,
    },
    /// The answer points elsewhere; nothing is followed, and credentials never leave the configured address.
    #[error("redirected to another address (status {status}): not followed")]
    Redirected {
        /// The status.
        status: u16,
    },
}

/// Reads `120`, `1.5` or `Wed, 21 Oct 2026 07:28:00 GMT`; a date in the past is no wait.
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    Some(Duration::try_from(http_date(text)?.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// Reads an HTTP date.
fn http_date(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_add_to_the_path_or_the_query() {
        let base = Url::parse("https://crm.example/api/").unwrap();
        for (id, path) in [
            ("42", "/api/leads/42"),
            ("a/b", "/api/leads/a%2Fb"),
            ("a?x=1#y", "/api/leads/a%3Fx=1%23y"),
            ("50%", "/api/leads/50%25"),
            ("a\\b", "/api/leads/a%5Cb"),
        ] {
            let request = Request::to(Method::Get, &base, &["leads", id]);
            assert_eq!(request.url.path(), path);
            assert_eq!((request.url.query(), request.url.fragment()), (None, None), "{id}");
        }
        // The URL standard drops segments that mean "here" and "up"; they must not climb.
        for id in ["..", ".", "%2e%2e", "%2E."] {
            let request = Request::to(Method::Get, &base, &["leads", id, "x"]);
            assert!(request.url.path().starts_with("/api/leads/"), "{id}: {}", request.url);
        }
        let request = Request::to(Method::Get, &base, &["leads"]).query("q", "a&b=c d");
        assert_eq!(request.url.query(), Some("q=a%26b%3Dc+d"));
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let now: Timestamp = "2026-10-21T07:27:00Z".parse().unwrap();
        for (text, expected) in [
            ("120", Some(120.0)),
            ("0", Some(0.0)),
            (" 1.5 ", Some(1.5)),
            ("Wed, 21 Oct 2026 07:28:00 GMT", Some(60.0)),
            ("Wed, 21 Oct 2026 07:00:00 GMT", Some(0.0)),
            ("-5", None),
            ("soon", None),
            ("NaN", None),
        ] {
            assert_eq!(retry_after(text, now).map(|wait| wait.as_secs_f64()), expected, "{text}");
        }
    }

    #[test]
    fn a_request_does_not_show_its_token() {
        let base = Url::parse("https://crm.example/").unwrap();
        let request = Request::to(Method::Get, &base, &["x"]).bearer(&"canary-secret".into());
        assert!(!format!("{request:?}").contains("canary-secret"));
    }
}
