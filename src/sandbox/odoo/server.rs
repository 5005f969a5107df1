//! The sandbox over HTTP: JSON-2, `/web/version`, and `/_sandbox/...` for whoever steers it.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State as Held;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::Odoo;
use super::call;
use super::failure::Failure;
use super::faults::{Fault, FaultState, Order};

const NO_DATABASE: &str = "<!DOCTYPE html>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>No database is selected and \
    the requested URL was not found in the server-wide controllers.</p>\n";
const WRONG_TYPE: &str = "<!doctype html>\n<html lang=en>\n<title>415 Unsupported Media Type</title>\n<h1>Unsupported Media \
    Type</h1>\n<p>Please verify the Content-Type request header.</p>\n";
const MAINTENANCE: &str = "<!doctype html>\n<html><head><title>Maintenance</title></head><body><h1>We will be back \
    soon</h1></body></html>\n";

/// How long a body may be: nobody sends more by design.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

fn html(status: u16, page: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}

fn json_text(status: u16, text: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], text).into_response()
}

fn refused(failure: &Failure) -> Response {
    json_text(failure.status, failure.body().to_string())
}

fn failing(status: u16) -> Response {
    match status {
        502 | 504 => html(
            status,
            format!("<html>\n<head><title>{status}</title></head>\n<body><h1>{status}</h1><hr>nginx</body></html>\n"),
        ),
        _ => refused(&Failure::injected(status)),
    }
}

/// Everything comes here; the path decides.
pub(super) async fn serve(
    Held(odoo): Held<Odoo>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else { return failing(413) };
    let path = uri.path().to_owned();
    let mut response = match path.strip_prefix("/_sandbox/") {
        Some(control) => steer(&odoo, &method, control, &body).await,
        None => answer(&odoo, &method, &path, &headers, &body).await,
    };
    let date = odoo.lock().now();
    let date = jiff::Timestamp::from_microsecond(date).unwrap_or_default();
    if let Ok(date) = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string().parse() {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

async fn answer(odoo: &Odoo, method: &Method, path: &str, headers: &HeaderMap, body: &Bytes) -> Response {
    if path == "/web/version" {
        return json_text(200, json!({"version_info": [19, 0, 0, "final", 0, ""], "version": "19.0"}).to_string());
    }
    let call = path.strip_prefix("/json/2/").and_then(|rest| rest.split_once('/'));
    let Some((model, name)) = call.filter(|(_, name)| *method == Method::POST && !name.contains('/')) else {
        return if path.starts_with("/json/2") {
            refused(&Failure::no_route())
        } else {
            html(404, NO_DATABASE.to_owned())
        };
    };
    let database = headers.get("x-odoo-database").and_then(|value| value.to_str().ok());
    if database.is_some_and(|database| database != odoo.lock().settings.database) {
        return html(404, NO_DATABASE.to_owned());
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/json") {
        return html(415, WRONG_TYPE.to_owned());
    }
    let struck = odoo.lock().begin_request(model, name);
    let late = struck.iter().find_map(|fault| match fault {
        Fault::LateEffect { ms } => Some(Duration::from_millis(*ms)),
        _ => None,
    });
    let response = match late {
        Some(wait) => {
            let (odoo, model, name) = (odoo.clone(), model.to_owned(), name.to_owned());
            let (headers, body) = (headers.clone(), body.clone());
            // A task of its own goes on when the client has left; the handler's ends with the connection.
            #[expect(
                clippy::disallowed_methods,
                reason = "an effect that outlives its request needs a task of its own"
            )]
            let task = tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                struck_call(&odoo, &model, &name, &headers, &body, &struck).await
            });
            task.await.unwrap_or_else(|_| failing(500))
        }
        None => struck_call(odoo, model, name, headers, body, &struck).await,
    };
    odoo.lock().end_request(response.status().as_u16());
    response
}

async fn struck_call(
    odoo: &Odoo,
    model: &str,
    method: &str,
    headers: &HeaderMap,
    body: &Bytes,
    struck: &[Fault],
) -> Response {
    let mut ago_ms = 0;
    for fault in struck {
        match fault {
            Fault::Status { status, retry_after } => {
                let mut response = failing(*status);
                if let Some(seconds) = retry_after {
                    odoo.lock().faults.hold_back(*seconds);
                    response.headers_mut().insert(header::RETRY_AFTER, (*seconds).into());
                }
                return response;
            }
            Fault::Html => return html(200, MAINTENANCE.to_owned()),
            Fault::Reset { after_effect: false } => close(),
            Fault::LateCommit { ms } => ago_ms = *ms,
            Fault::AfterEffect { .. }
            | Fault::Delay { .. }
            | Fault::LateEffect { .. }
            | Fault::Reset { .. }
            | Fault::Truncate => {}
            Fault::ClockSkew { .. }
            | Fault::KeyRevoked { .. }
            | Fault::ReadOnly
            | Fault::Unreadable { .. }
            | Fault::OwnerAutomation { .. }
            | Fault::FeedLoss { .. } => {}
        }
    }
    let mut result = odoo.lock().authenticated_call(headers, model, method, body, ago_ms);
    if let Ok(answer) = result.as_mut() {
        odoo.lock().faults.garble(model, answer);
    }
    let mut text = match &result {
        Ok(value) => (200, value.to_string()),
        Err(failure) => (failure.status, failure.body().to_string()),
    };
    for fault in struck {
        match fault {
            Fault::AfterEffect { status } => return failing(*status),
            Fault::Reset { after_effect: true } => close(),
            Fault::Delay { ms } => tokio::time::sleep(Duration::from_millis(*ms)).await,
            Fault::Truncate => {
                let middle = (0..=text.1.len() / 2).rev().find(|at| text.1.is_char_boundary(*at)).unwrap_or(0);
                text.1.truncate(middle);
            }
            Fault::Status { .. }
            | Fault::Html
            | Fault::Reset { .. }
            | Fault::LateEffect { .. }
            | Fault::LateCommit { .. } => {}
            Fault::ClockSkew { .. }
            | Fault::KeyRevoked { .. }
            | Fault::ReadOnly
            | Fault::Unreadable { .. }
            | Fault::OwnerAutomation { .. }
            | Fault::FeedLoss { .. } => {}
        }
    }
    json_text(text.0, text.1)
}

/// Ends the connection's task without an answer, which closes the socket; no message is printed.
fn close() -> ! {
    std::panic::resume_unwind(Box::new("fault: reset"))
}

impl super::state::State {
    fn begin_request(&mut self, model: &str, method: &str) -> Vec<Fault> {
        self.counts.total += 1;
        *self.counts.by_call.entry(format!("{model}.{method}")).or_default() += 1;
        self.counts.early += u64::from(self.faults.is_early());
        self.faults.strike(model, method)
    }

    fn end_request(&mut self, status: u16) {
        *self.counts.by_status.entry(status).or_default() += 1;
    }

    fn authenticated_call(
        &mut self,
        headers: &HeaderMap,
        model: &str,
        method: &str,
        body: &Bytes,
        ago_ms: i64,
    ) -> Result<Value, Failure> {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let Some((_, key)) = given.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
            let message = "User not authenticated, use an API Key with a Bearer Authorization header.";
            return Err(Failure::unauthorized(message));
        };
        let user = self.keys.get(key.trim()).copied().filter(|_| !self.faults.revoked.contains(key.trim()));
        let user = user.ok_or_else(|| Failure::unauthorized("Invalid apikey"))?;
        let arguments = match body.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice::<Value>(body)
                .map_err(|error| Failure::bad_request(format!("could not parse the body as json: {error}")))?,
        };
        let arguments = match arguments {
            Value::Object(arguments) => arguments,
            _ => Map::new(),
        };
        if self.faults.is_read_only && !call::is_reading(method) {
            self.counts.refused_writes += 1;
            return Err(Failure::access("The sandbox is read-only."));
        }
        self.carry_out(user, ago_ms, model, method, arguments, true).map(|answer| answer.value)
    }
}

async fn steer(odoo: &Odoo, method: &Method, control: &str, body: &Bytes) -> Response {
    let parsed = || serde_json::from_slice::<Value>(body).unwrap_or_default();
    match (method.as_str(), control) {
        ("GET", "ledger") => json_text(200, json!(odoo.ledger()).to_string()),
        ("GET", "requests") => json_text(200, json!(odoo.requests()).to_string()),
        ("DELETE", "requests") => {
            odoo.reset_requests();
            json_text(200, "{}".to_owned())
        }
        ("POST", "faults") => match serde_json::from_slice::<Order>(body) {
            Ok(order) => {
                odoo.lock().faults.arm(order);
                json_text(200, "{}".to_owned())
            }
            Err(error) => json_text(400, json!({"error": error.to_string()}).to_string()),
        },
        ("DELETE", "faults") => {
            odoo.lock().faults = FaultState::default();
            json_text(200, "{}".to_owned())
        }
        // {"as": "a.lang", "model": "crm.lead", "method": "write", "arguments": {"ids": [7], "vals": {...}}}
        ("POST", "act") => {
            let order = parsed();
            let text = |name: &str| order.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let Some(user) = odoo.user(&text("as")) else {
                return json_text(400, json!({"error": "`as` names no user's login"}).to_string());
            };
            let arguments = order.get("arguments").cloned().unwrap_or_else(|| json!({}));
            match odoo.as_user(user).call(&text("model"), &text("method"), arguments) {
                Ok(value) => json_text(200, value.to_string()),
                Err(failure) => refused(&failure),
            }
        }
        _ => json_text(404, json!({"error": "faults, ledger, requests, act"}).to_string()),
    }
}
