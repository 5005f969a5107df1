//! What lies between Baton and any CRM: it answers instead of the server, or spoils what the server answered.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use tokio::io::AsyncWriteExt as _;

/// What goes wrong with one request.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// A page for people with status 200, as a proxy or a maintenance page answers.
    Html,
    /// The connection's end comes in the middle of the JSON.
    Truncated,
    /// To another host.
    Redirect(String),
    /// A byte now and then.
    Drip,
    /// Too many requests, with the wait in seconds if it is told.
    TooMany(Option<u32>),
    /// The server does what it is asked, and the answer says that it failed.
    FailsAfter(u16),
}

/// A queue of troubles for the next requests that are of their kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate {
    next: Arc<Mutex<Vec<(bool, Trouble)>>>,
    struck: Arc<Mutex<usize>>,
}

impl Gate {
    /// The next request that reads meets `trouble`.
    pub(super) fn reading(&self, trouble: Trouble) {
        self.next.lock().unwrap().push((false, trouble));
    }

    /// The next request that writes meets `trouble`.
    pub(super) fn writing(&self, trouble: Trouble) {
        self.next.lock().unwrap().push((true, trouble));
    }

    /// How many troubles were met.
    pub(super) fn struck(&self) -> usize {
        *self.struck.lock().unwrap()
    }

    /// `router` behind this gate. `writes` tells which requests write, by method and path; `passes` which are never met, as those
    /// for a token.
    pub(super) fn before(&self, router: Router, writes: fn(&Method, &str) -> bool, passes: fn(&str) -> bool) -> Router {
        let gate = self.clone();
        router.layer(from_fn(move |request: Request, next: Next| {
            let gate = gate.clone();
            async move {
                let path = request.uri().path().to_owned();
                let is_write = writes(request.method(), &path);
                let trouble = if passes(&path) { None } else { gate.take(is_write) };
                match trouble {
                    None => next.run(request).await,
                    Some(trouble) => meet(trouble, request, next).await,
                }
            }
        }))
    }

    fn take(&self, is_write: bool) -> Option<Trouble> {
        let mut next = self.next.lock().unwrap();
        let place = next.iter().position(|(writes, _)| *writes == is_write)?;
        *self.struck.lock().unwrap() += 1;
        Some(next.remove(place).1)
    }
}

async fn meet(trouble: Trouble, request: Request, next: Next) -> Response {
    match trouble {
        Trouble::Html => {
            ([(header::CONTENT_TYPE, "text/html")], "<html><body>We are back soon</body></html>").into_response()
        }
        Trouble::Redirect(to) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        Trouble::TooMany(wait) => {
            let mut response = (StatusCode::TOO_MANY_REQUESTS, "{}").into_response();
            if let Some(wait) = wait {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
            }
            response
        }
        Trouble::FailsAfter(status) => {
            drop(next.run(request).await);
            StatusCode::from_u16(status).unwrap().into_response()
        }
        Trouble::Truncated => {
            let (mut parts, body) = next.run(request).await.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap();
            parts.headers.remove(header::CONTENT_LENGTH);
            Response::from_parts(parts, Body::from(body.slice(..body.len() / 2)))
        }
        Trouble::Drip => {
            let (mut parts, body) = next.run(request).await.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap();
            parts.headers.remove(header::CONTENT_LENGTH);
            Response::from_parts(parts, Body::from_stream(dripping(body)))
        }
    }
}

/// A byte every 50 ms, for ever longer than anybody waits.
fn dripping(body: axum::body::Bytes) -> tokio_util::io::ReaderStream<tokio::io::DuplexStream> {
    let (mut tap, drips) = tokio::io::duplex(1);
    #[expect(clippy::disallowed_methods, reason = "the test's own server")]
    tokio::spawn(async move {
        for byte in body {
            tokio::time::sleep(std::time::Duration::from_millis(250)).await;
            if tap.write_all(&[byte]).await.is_err() {
                return;
            }
        }
    });
    tokio_util::io::ReaderStream::new(drips)
}
