//! What a request is answered with.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::failure::Failure;

/// An answer before it goes out.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) kind: &'static str,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(status: u16, value: &Value) -> Self {
        Self { status, headers: Vec::new(), kind: "application/json;charset=UTF-8", body: value.to_string() }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), kind: "", body: String::new() }
    }

    pub(super) fn csv(text: String) -> Self {
        Self { status: 200, headers: Vec::new(), kind: "text/csv", body: text }
    }

    pub(super) fn html(status: u16, text: &str) -> Self {
        Self { status, headers: Vec::new(), kind: "text/html; charset=utf-8", body: text.to_owned() }
    }

    pub(super) fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The body as JSON, for whoever puts it into another answer.
    pub(super) fn value(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }
}

impl From<Failure> for Answer {
    fn from(failure: Failure) -> Self {
        Self::json(failure.status, &failure.body())
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = (!self.kind.is_empty()).then_some(("content-type", self.kind.to_owned()));
        for (name, value) in self.headers.into_iter().chain(kind) {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

pub(super) const RETRY_AFTER: &str = "retry-after";
pub(super) const DATE: HeaderName = header::DATE;
