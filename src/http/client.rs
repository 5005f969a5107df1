//! Sends requests and reads answers whole, within every limit.

use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, SET_COOKIE};
use secrecy::ExposeSecret;
use url::Url;

use super::address::{Addresses, CheckedResolver, Lookup};
use super::peer_clock::{PeerClock, Told};
use super::{Method, Request, Response, SendError, http_date, tls};

/// Longest time for name, connection and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What a client may do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How it names itself.
    pub user_agent: String,
    /// Longest time of a whole exchange, where the request does not say.
    pub deadline: Duration,
    /// Longest body after decompression, in bytes.
    pub body_bytes_max: usize,
    /// Where it may connect to.
    pub addresses: Addresses,
    /// How names are looked up.
    pub lookup: Lookup,
    /// Certificates (PEM) trusted beside the system's: for a CRM in the house.
    pub extra_roots_pem: Option<Vec<u8>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            user_agent: concat!("baton/", env!("CARGO_PKG_VERSION")).to_owned(),
            deadline: Duration::from_secs(30),
            body_bytes_max: 32 * 1024 * 1024,
            addresses: Addresses::Configured,
            lookup: Lookup::System,
            extra_roots_pem: None,
        }
    }
}

/// The client. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Client {
    inner: reqwest::Client,
    deadline: Duration,
    body_bytes_max: usize,
    addresses: Addresses,
    peer_clock: Option<PeerClock>,
}

impl Client {
    /// A client for configured CRMs: https, or http to loopback; no redirects, no retries.
    ///
    /// # Errors
    /// The reason, if the TLS library cannot be set up.
    pub fn new() -> Result<Self, SendError> {
        Self::with(Settings::default())
    }

    /// A client with its own limits.
    ///
    /// # Errors
    /// The reason, if the certificates cannot be read or the TLS library cannot be set up.
    pub fn with(settings: Settings) -> Result<Self, SendError> {
        // Fails only if a provider is there already, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut builder = reqwest::Client::builder()
            .user_agent(settings.user_agent)
            .redirect(reqwest::redirect::Policy::none())
            // Only the outbox knows whether a repetition is harmless.
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(Duration::from_secs(60));
        if let Some(resolver) = CheckedResolver::new(&settings.addresses, &settings.lookup) {
            // A proxy would look names up by itself.
            builder = builder.no_proxy().dns_resolver(Arc::new(resolver));
        }
        let not_sent = |error: reqwest::Error| SendError::NotSent { message: told(error) };
        if let Some(pem) = &settings.extra_roots_pem {
            builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(pem).map_err(not_sent)?);
        }
        Ok(Self {
            inner: builder.build().map_err(not_sent)?,
            deadline: settings.deadline,
            body_bytes_max: settings.body_bytes_max,
            addresses: settings.addresses,
            peer_clock: None,
        })
    }

    /// The same client, with its connections, for one server whose clock is noted in `peer_clock`.
    #[must_use]
    pub fn noting(&self, peer_clock: PeerClock) -> Self {
        Self { peer_clock: Some(peer_clock), ..self.clone() }
    }

    /// Sends `request` and reads the answer whole.
    ///
    /// # Errors
    /// See [`SendError`]. Every status of the server is an answer, not an error, but for redirects.
    pub async fn send(&self, request: Request) -> Result<Response, SendError> {
        let not_sent = |message: String| SendError::NotSent { message };
        check_scheme(&request.url).map_err(not_sent)?;
        self.addresses.check(&request.url).map_err(not_sent)?;
        let deadline = request.deadline.unwrap_or(self.deadline);
        let token = request.bearer.clone();
        let prepared = prepare(request).map_err(not_sent)?;
        // One deadline over everything: an idle timeout would let a server drip for ever.
        match tokio::time::timeout(deadline, self.exchange(prepared)).await {
            Ok(Ok(mut response)) => {
                if let Some(token) = token.filter(|_| !(200..300).contains(&response.status)) {
                    response.body = without(&response.body, token.expose_secret().as_bytes());
                }
                Ok(response)
            }
            Ok(Err(error)) => Err(error),
            Err(_) => {
                Err(SendError::Unknown { message: format!("no whole answer within {} s", deadline.as_secs_f64()) })
            }
        }
    }

    async fn exchange(&self, request: reqwest::Request) -> Result<Response, SendError> {
        let unknown = |error: reqwest::Error| SendError::Unknown { message: told(error) };
        let sent = Instant::now();
        let mut answer = self.inner.execute(request).await.map_err(|error| {
            // Name, connection and TLS come before the first byte of the request.
            let unsent = error.is_connect() || error.is_builder();
            if unsent { SendError::NotSent { message: told(error) } } else { unknown(error) }
        })?;
        let status = answer.status().as_u16();
        if answer.status().is_redirection() {
            return Err(SendError::Redirected { status });
        }
        let headers: Vec<(String, String)> = answer
            .headers()
            .iter()
            .filter(|(name, _)| **name != SET_COOKIE)
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let date: Option<Timestamp> =
            headers.iter().find(|(name, _)| name == "date").and_then(|(_, value)| http_date(value));
        if let (Some(date), Some(peer_clock)) = (date, &self.peer_clock) {
            peer_clock.note(Told { date, sent, received: Instant::now() });
        }
        let mut body = Vec::new();
        // Chunks come decompressed, so this counts what a bomb grows to.
        while let Some(chunk) = answer.chunk().await.map_err(unknown)? {
            if body.len() + chunk.len() > self.body_bytes_max {
                return Err(SendError::TooLarge { body_bytes_max: self.body_bytes_max });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status, headers, body, date })
    }
}

/// `body` without `token`: a server that repeats what it was sent must not bring the token into an error message.
fn without(body: &[u8], token: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(body.len());
    let mut at = 0;
    while at < body.len() {
        if !token.is_empty() && body[at..].starts_with(token) {
            kept.extend_from_slice(b"[token]");
            at += token.len();
        } else {
            kept.push(body[at]);
            at += 1;
        }
    }
    kept
}

/// Only https leaves the machine: a token in plain http is everybody's token.
fn check_scheme(url: &Url) -> Result<(), String> {
    let loopback = match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(()),
        "http" if loopback => Ok(()),
        "http" => Err("plain http is allowed to loopback only; write https".to_owned()),
        other => Err(format!("the scheme `{other}` is not allowed; write https")),
    }
}

fn prepare(request: Request) -> Result<reqwest::Request, String> {
    let method = match request.method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Patch => reqwest::Method::PATCH,
        Method::Put => reqwest::Method::PUT,
        Method::Delete => reqwest::Method::DELETE,
    };
    let mut prepared = reqwest::Request::new(method, request.url);
    let headers = prepared.headers_mut();
    if request.body.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    for (name, value) in &request.headers {
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is no header name"))?;
        // Not the value: it may be somebody's.
        let value = HeaderValue::from_str(value).map_err(|_| format!("the value of `{name}` is no header value"))?;
        headers.insert(header, value);
    }
    if let Some(token) = &request.bearer {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
            .map_err(|_| "the token holds characters that no header can carry".to_owned())?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    *prepared.body_mut() = request.body.map(Into::into);
    Ok(prepared)
}

/// The chain of causes in one line, without the URL: its query may hold anything.
fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    if let Some(text) = tls::told(&error) {
        return text;
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            write!(text, ": {cause_text}").expect("a string takes all text");
        }
        source = cause.source();
    }
    text
}
