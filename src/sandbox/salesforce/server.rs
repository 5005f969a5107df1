//! The sandbox over HTTP: what stands before every request, and the faults that strike it.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State as Held;
use axum::http::{HeaderMap, Method, Uri, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::Salesforce;
use super::answer::{Answer, DATE, RETRY_AFTER};
use super::control;
use super::failure::Failure;
use super::faults::{self, Fault};
use super::route::{Call, Headers};

const MAINTENANCE: &str = "<!doctype html>\n<html><head><title>Maintenance</title></head><body><h1>Salesforce is undergoing \
    maintenance</h1></body></html>\n";
/// How long a body may be: nobody sends more by design.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longer addresses are refused. Source: section 5.
const URI_BYTES_MAX: usize = 16_384;

/// Everything comes here; the path decides.
pub(super) async fn serve(
    Held(org): Held<Salesforce>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return Answer::empty(413).into_response();
    };
    let mut response = match uri.path().strip_prefix("/_sandbox/") {
        Some(path) => control::serve(&org, &method, path, &body).into_response(),
        None => answer(&org, &method, &uri, &headers, &body).await,
    };
    let date = jiff::Timestamp::from_millisecond(org.lock().now()).unwrap_or_default();
    if let Ok(date) = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string().parse() {
        response.headers_mut().insert(DATE, date);
    }
    response
}

async fn answer(org: &Salesforce, method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Response {
    let call = call(method, uri, headers, body);
    let struck = org.lock().begin_request(&call);
    let late = struck.iter().find_map(|fault| match fault {
        Fault::LateEffect { ms } => Some(Duration::from_millis(*ms)),
        _ => None,
    });
    let response = match late {
        Some(wait) => {
            let org = org.clone();
            // A task of its own goes on when the client has left; the handler's ends with the connection.
            #[expect(
                clippy::disallowed_methods,
                reason = "an effect that outlives its request needs a task of its own"
            )]
            let task = tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                struck_call(&org, &call, &struck).await
            });
            task.await.unwrap_or_else(|_| Answer::empty(500))
        }
        None => struck_call(org, &call, &struck).await,
    };
    org.lock().end_request(response.status);
    response.into_response()
}

fn call(method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Call {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    Call {
        method: method.as_str().to_owned(),
        path: uri.path().to_owned(),
        query: query.map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
        uri_bytes: uri.to_string().len(),
        origin: format!("http://{}", text("host").unwrap_or_default()),
        authorization: text(header::AUTHORIZATION.as_str()),
        headers: Headers::of(text),
        body: body.to_vec(),
    }
}

async fn struck_call(org: &Salesforce, call: &Call, struck: &[Fault]) -> Answer {
    let mut ago_ms = 0;
    let mut rows = Vec::new();
    for fault in struck {
        match fault {
            Fault::Status { status, code, retry_after } => {
                let answer = failing(*status, code.as_deref());
                return match retry_after {
                    Some(seconds) => {
                        org.lock().faults.hold_back(*seconds);
                        answer.header(RETRY_AFTER, seconds.to_string())
                    }
                    None => answer,
                };
            }
            Fault::Html => return Answer::html(200, MAINTENANCE),
            Fault::Reset { after_effect: false } => close(),
            Fault::LateCommit { ms } => ago_ms = *ms,
            Fault::Row { code } => rows.push(code.clone()),
            _ => {}
        }
    }
    let mut answer = {
        let mut state = org.lock();
        state.faults.rows = rows;
        let answer = state.serve(call, ago_ms);
        state.faults.rows.clear();
        answer
    };
    for fault in struck {
        match fault {
            Fault::AfterEffect { status } => return failing(*status, None),
            Fault::Reset { after_effect: true } => close(),
            Fault::Delay { ms } => tokio::time::sleep(Duration::from_millis(*ms)).await,
            _ => {}
        }
    }
    faults::garble(struck, &mut answer.body);
    answer
}

/// 502 and 504 as a proxy's HTML, the others as the org speaks.
fn failing(status: u16, code: Option<&str>) -> Answer {
    match status {
        502 | 504 if code.is_none() => Answer::html(
            status,
            &format!("<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\n"),
        ),
        _ => Failure::injected(status, code).into(),
    }
}

/// Ends the connection's task without an answer, which closes the socket; no message is printed.
fn close() -> ! {
    std::panic::resume_unwind(Box::new("fault: reset"))
}

impl super::state::State {
    fn begin_request(&mut self, call: &Call) -> Vec<Fault> {
        self.counts.total += 1;
        *self.counts.by_call.entry(call.shape()).or_default() += 1;
        self.counts.early += u64::from(self.faults.is_early());
        self.faults.strike(&call.method, &call.shown())
    }

    fn end_request(&mut self, status: u16) {
        *self.counts.by_status.entry(status).or_default() += 1;
    }

    /// Who asks, whether they may, and what the day allows; then what is asked.
    fn serve(&mut self, call: &Call, ago_ms: i64) -> Answer {
        if call.uri_bytes > URI_BYTES_MAX {
            return Answer::html(414, "<html><body>URI Too Long</body></html>");
        }
        if call.path == "/services/oauth2/token" {
            return self.token(&call.body, call.authorization.as_deref(), &call.origin);
        }
        if call.path == "/services/data" || call.path == "/services/data/" {
            return self.versions();
        }
        let token = call.authorization.as_deref().and_then(|text| text.split_once(' ')).map(|(_, token)| token.trim());
        let Some(user) = token.and_then(|token| self.sessions.get(token).cloned()) else {
            return Failure::session().into();
        };
        if call.path == "/services/oauth2/userinfo" {
            return Answer::json(200, &json!({"user_id": user, "organization_id": self.organization, "active": true}));
        }
        if !self.spend() {
            return Failure::daily_limit().into();
        }
        if self.faults.is_read_only && !call.is_reading() {
            self.counts.refused_writes += 1;
            return Failure::new(403, "INSUFFICIENT_ACCESS_OR_READONLY", "the sandbox is read-only").into();
        }
        let answer = self.api(call, &user, ago_ms);
        let usage = format!("api-usage={}/{}", self.used_today, self.settings.daily_limit);
        answer.header("sforce-limit-info", usage)
    }
}
