//! Floor 1: the one HTTP client, for CRMs and notices.
//!
//! A [`Request`] is a value that can be built and tested without a network. The client knows deadlines, size limits,
//! addresses and redaction; it never retries and never decides: what a caller needs to decide is in [`SendError`].

pub mod limiter;

use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

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

/// The client. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Client {
    inner: reqwest::Client,
}

impl Client {
    /// A client for configured CRMs: https, or http to loopback; no redirects, no retries.
    ///
    /// # Errors
    /// The reason, if the TLS library cannot be set up.
    pub fn new() -> Result<Self, SendError> {
        drop(rustls::crypto::ring::default_provider().install_default());
        let inner = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .build()
            .map_err(|error| SendError::NotSent { message: error.to_string() })?;
        Ok(Self { inner })
    }

    /// Sends `request` and reads the answer whole.
    ///
    /// # Errors
    /// See [`SendError`]. Every status of the server is an answer, not an error, but for redirects.
    pub async fn send(&self, request: Request) -> Result<Response, SendError> {
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Patch => reqwest::Method::PATCH,
            Method::Put => reqwest::Method::PUT,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut builder = self.inner.request(method, request.url);
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        if let Some(token) = &request.bearer {
            builder = builder.bearer_auth(token.expose_secret());
        }
        if let Some(body) = request.body {
            builder = builder.header("content-type", "application/json").body(body);
        }
        builder = builder.timeout(request.deadline.unwrap_or(Duration::from_secs(30)));
        let unknown = |error: reqwest::Error| SendError::Unknown { message: error.without_url().to_string() };
        let answer = builder.send().await.map_err(|error| {
            if error.is_connect() {
                SendError::NotSent { message: error.without_url().to_string() }
            } else {
                unknown(error)
            }
        })?;
        let status = answer.status().as_u16();
        if answer.status().is_redirection() {
            return Err(SendError::Redirected { status });
        }
        let headers = answer
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let body = answer.bytes().await.map_err(unknown)?.to_vec();
        Ok(Response { status, headers, body, date: None })
    }
}
