//! The HTTP side: one handler for every path. It locks the portal only while it computes an answer, never while it waits.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State as Extracted};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, LOCATION, RETRY_AFTER};
use axum::http::request::Parts;
use axum::response::Response;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Sleep;

use super::answer::{Answer, Reply, invalid, no_such_path, problem, problem_with, uuid};
use super::faults::{Breakage, Fault, Struck};
use super::gate::{http_date, rate_limit};
use super::kind::Version;
use super::model::Author;
use super::route::{Area, Query, Route};
use super::{
    Effect, HubSpot, State, account, associations, batch, control, lists, objects, owners, properties, search,
};

const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One request on its way through a handler.
pub(super) struct Call<'a> {
    pub(super) state: &'a mut State,
    pub(super) version: Version,
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: Query,
    pub(super) body: &'a [u8],
    pub(super) author: Author,
    pub(super) token: String,
}

impl Call<'_> {
    /// The body as JSON.
    pub(super) fn json(&self) -> Result<Value, Answer> {
        serde_json::from_slice(self.body).map_err(|error| {
            invalid(format!("Invalid input JSON on line {}, column {}: {error}", error.line(), error.column()))
        })
    }

    /// Notes an accepted write.
    pub(super) fn note(
        &mut self,
        what: &str,
        object: &str,
        id: impl ToString,
        properties: Vec<(String, String)>,
        dropped: Vec<String>,
    ) {
        let state = &mut *self.state;
        let sequence = u64::try_from(state.ledger.len()).unwrap_or(u64::MAX) + 1;
        state.ledger.push(Effect {
            sequence,
            at: state.clock.now(),
            method: self.method.to_owned(),
            path: self.path.to_owned(),
            what: what.to_owned(),
            object: object.to_owned(),
            id: id.to_string(),
            properties: properties.into_iter().collect(),
            dropped,
            token: self.token.clone(),
        });
    }
}

/// How an answer travels.
enum Manner {
    Whole,
    Drip { bytes: usize, every: Duration },
    Hang,
    Reset,
}

struct Delivery {
    answer: Answer,
    delay: Duration,
    manner: Manner,
}

pub(super) async fn serve(Extracted(hub): Extracted<HubSpot>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return respond(&hub, problem(413, "", "Request entity too large"), Manner::Whole);
    };
    if parts.uri.path().starts_with("/_sandbox/") {
        let answer = control::serve(&hub, &parts, &body);
        return respond(&hub, answer, Manner::Whole);
    }
    let route = Route::locate(parts.method.as_str(), parts.uri.path());
    let struck = {
        let mut state = hub.lock();
        state.count(route.as_ref());
        Struck::sort(state.faults.strike(parts.method.as_str(), parts.uri.path()))
    };
    let delivery = if struck.outlives_client {
        // A task of its own goes on when the client has left; the handler's ends with the connection.
        let portal = hub.clone();
        #[expect(clippy::disallowed_methods, reason = "an effect that outlives its request needs a task of its own")]
        let late = tokio::spawn(async move { deliver_after(&portal, &parts, &body, route.as_ref(), struck).await });
        match late.await {
            Ok(delivery) => delivery,
            Err(_) => return respond(&hub, problem(500, "", "internal error"), Manner::Whole),
        }
    } else {
        deliver_after(&hub, &parts, &body, route.as_ref(), struck).await
    };
    if !delivery.delay.is_zero() {
        tokio::time::sleep(delivery.delay).await;
    }
    match delivery.manner {
        Manner::Hang => tokio::time::sleep(Duration::from_secs(3600)).await,
        // Unwinding ends the connection's task, so the peer sees it close; unlike a panic it prints nothing.
        Manner::Reset => std::panic::resume_unwind(Box::new("fault: reset")),
        Manner::Whole | Manner::Drip { .. } => {}
    }
    respond(&hub, delivery.answer, delivery.manner)
}

async fn deliver_after(hub: &HubSpot, parts: &Parts, body: &[u8], route: Option<&Route>, struck: Struck) -> Delivery {
    if !struck.slow_start.is_zero() {
        tokio::time::sleep(struck.slow_start).await;
    }
    hub.lock().deliver(parts, body, route, struck)
}

fn respond(hub: &HubSpot, answer: Answer, manner: Manner) -> Response {
    let now = {
        let mut state = hub.lock();
        *state.gate.counts.by_status.entry(answer.status).or_default() += 1;
        state.now()
    };
    let mut builder = Response::builder()
        .status(answer.status)
        .header(DATE, http_date(now))
        .header("X-HubSpot-Correlation-Id", uuid());
    if answer.status != 204 {
        builder = builder.header(CONTENT_TYPE, answer.content_type);
    }
    for (name, value) in &answer.headers {
        builder = builder.header(*name, value);
    }
    let body = match manner {
        Manner::Drip { bytes, every } => {
            let drip = Drip {
                rest: Bytes::from(answer.body),
                bytes: bytes.max(1),
                every,
                sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
            };
            Body::from_stream(tokio_util::io::ReaderStream::new(drip))
        }
        Manner::Whole | Manner::Hang | Manner::Reset => Body::from(answer.body),
    };
    builder.body(body).unwrap_or_default()
}

impl State {
    fn deliver(&mut self, parts: &Parts, body: &[u8], route: Option<&Route>, struck: Struck) -> Delivery {
        let whole = |answer| Delivery { answer, delay: Duration::ZERO, manner: Manner::Whole };
        if let Some(fault) = struck.instead {
            return self.instead(fault);
        }
        let text = |name| parts.headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
        let path_and_query = parts.uri.path_and_query().map_or(0, |each| each.as_str().len());
        if path_and_query > self.settings.url_bytes_max {
            return whole(Answer {
                content_type: "text/html",
                ..Answer::raw(414, b"<html><h1>414 URI Too Long</h1></html>".to_vec())
            });
        }
        if parts.uri.path() == "/oauth/authorize" {
            return whole(account::authorize(self, &Query::parse(parts.uri.query().unwrap_or_default())));
        }
        let Some(route) = route.filter(|route| self.settings.versions.contains(&route.version)) else {
            return whole(no_such_path());
        };
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let path = parts.uri.path();
        if route.area == Area::Oauth {
            let answer = account::oauth(self, parts.method.as_str(), &route.rest, &query, text(CONTENT_TYPE), body);
            return self.after(answer.unwrap_or_else(|answer| answer), struck.after);
        }
        let admitted = match self.admit(route, text(AUTHORIZATION)) {
            Ok(admitted) => admitted,
            Err(answer) => return whole(answer),
        };
        if !body.is_empty() && !text(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json")) {
            return whole(problem(415, "", "Unsupported Media Type"));
        }
        let mut call = Call {
            version: route.version,
            method: parts.method.as_str(),
            path,
            query,
            body,
            author: Author::App(admitted.token.app_id),
            token: admitted.token.name,
            state: self,
        };
        let mut answer = dispatch(&mut call, route).unwrap_or_else(|answer| answer);
        answer.headers.extend(admitted.headers);
        self.tick();
        self.after(answer, struck.after)
    }

    /// A fault that comes instead of any effect.
    fn instead(&mut self, fault: Fault) -> Delivery {
        let mut manner = Manner::Whole;
        let answer = match fault {
            Fault::Status { status, retry_after } => {
                let answer = error_page(status);
                match retry_after {
                    Some(retry_after) => answer.with(RETRY_AFTER.as_str_static(), self.close_for(retry_after)),
                    None => answer,
                }
            }
            Fault::RateLimit { policy, retry_after } => {
                let answer = rate_limit(&policy, self.settings.portal_id);
                match retry_after {
                    Some(retry_after) => answer.with(RETRY_AFTER.as_str_static(), self.close_for(retry_after)),
                    None => answer,
                }
            }
            Fault::BeforeEffect { breakage } => {
                let (answer, how) = broken(breakage);
                manner = how;
                answer
            }
            Fault::Redirect { to } => Answer::raw(302, Vec::new()).with(LOCATION.as_str_static(), to),
            _ => maintenance(),
        };
        Delivery { answer, delay: Duration::ZERO, manner }
    }

    /// Faults that come after the effect and spoil the answer.
    fn after(&mut self, mut answer: Answer, faults: Vec<Fault>) -> Delivery {
        let mut delay = Duration::ZERO;
        let mut manner = Manner::Whole;
        for fault in faults {
            match fault {
                Fault::AfterEffect { breakage } => (answer, manner) = broken(breakage),
                Fault::Delay { ms } => delay += Duration::from_millis(ms),
                Fault::Drip { bytes, every_ms } => {
                    manner = Manner::Drip { bytes, every: Duration::from_millis(every_ms) }
                }
                Fault::Truncate => answer.body.truncate(answer.body.len() / 2),
                Fault::Deep { levels } => deepen(&mut answer, levels),
                spoiling => spoil(&mut answer, &spoiling),
            }
        }
        Delivery { answer, delay, manner }
    }
}

/// Names of headers as the `&'static str` that answers keep.
trait StaticName {
    fn as_str_static(&self) -> &'static str;
}

impl StaticName for axum::http::HeaderName {
    fn as_str_static(&self) -> &'static str {
        match self.as_str() {
            "retry-after" => "retry-after",
            _ => "location",
        }
    }
}

fn broken(breakage: Breakage) -> (Answer, Manner) {
    match breakage {
        Breakage::Status(status) => (error_page(status), Manner::Whole),
        Breakage::Hang => (error_page(524), Manner::Hang),
        Breakage::Reset => (error_page(500), Manner::Reset),
    }
}

/// The bodies of section 9 where it has one; 502 and up come from the edge, as HTML.
fn error_page(status: u16) -> Answer {
    match status {
        423 => problem(
            423,
            "LOCKED",
            "This data is locked because of too many writes to it. Please wait at least 2 seconds between requests.",
        ),
        477 => problem(477, "MIGRATION_IN_PROGRESS", "This account is being migrated between data hosting locations."),
        500 => problem(500, "", "internal error"),
        502..=599 => {
            let page = format!("<html><head><title>{status}</title></head><body><h1>Error {status}</h1></body></html>");
            Answer { content_type: "text/html", ..Answer::raw(status, page.into_bytes()) }
        }
        _ => problem_with(status, "", format!("fault: {status}"), &json!({})),
    }
}

fn maintenance() -> Answer {
    let page = b"<!doctype html><html><head><title>HubSpot is down for maintenance</title></head><body>We will be right back.</body></html>";
    Answer { content_type: "text/html; charset=utf-8", ..Answer::raw(200, page.to_vec()) }
}

/// Adds an unknown member of many levels, textually: a parser would run into its own limit here.
fn deepen(answer: &mut Answer, levels: usize) {
    if answer.body.last() == Some(&b'}') {
        answer.body.pop();
        answer.body.extend_from_slice(b",\"zzDeep\":");
        answer.body.extend(std::iter::repeat_n(b'[', levels));
        answer.body.extend(std::iter::repeat_n(b']', levels));
        answer.body.push(b'}');
    }
}

fn spoil(answer: &mut Answer, fault: &Fault) {
    let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) else { return };
    let extra = json!({"a": [1, {"b": null}], "c": "unknown"});
    if let Fault::NextLink { to } = fault {
        if let Some(next) = body.pointer_mut("/paging/next") {
            next["link"] = format!("{to}/stolen?after=1").into();
        }
    } else if let Some(Value::Array(records)) = body.get_mut("results") {
        match fault {
            Fault::ExtraFields => records
                .iter_mut()
                .filter(|record| record.is_object())
                .for_each(|record| record["zzNew"] = extra.clone()),
            Fault::BadRecord => {
                let middle = records.len() / 2;
                if let Some(record) = records.get_mut(middle) {
                    record["properties"] = 12.into();
                }
            }
            Fault::Nulls => {
                if let Some(record) = records.first_mut() {
                    record["createdAt"] = Value::Null;
                    record["updatedAt"] = Value::Null;
                }
            }
            Fault::Huge { bytes } => {
                if let Some(record) = records.first_mut() {
                    record["properties"]["zz_huge"] = "x".repeat(*bytes).into();
                }
            }
            _ => {}
        }
    } else if let Fault::Huge { bytes } = fault {
        body["zzHuge"] = "x".repeat(*bytes).into();
    }
    if matches!(fault, Fault::ExtraFields) && body.is_object() {
        body["zzNew"] = extra;
    }
    answer.body = body.to_string().into_bytes();
}

fn dispatch(call: &mut Call<'_>, route: &Route) -> Reply {
    let rest: Vec<&str> = route.rest.iter().map(String::as_str).collect();
    match (route.area, call.method, &rest[..]) {
        (Area::Objects, "POST", [kind, "search"]) => search::run(call, kind),
        (Area::Objects, "POST", [kind, "batch", what]) => batch::run(call, kind, what),
        (Area::Objects, _, [_, _, "associations", ..]) => associations::of_record(call, &rest),
        (Area::Objects, _, _) => objects::run(call, &rest),
        (Area::Associations, _, _) => associations::run(call, &rest),
        (Area::Owners, _, _) => owners::run(call, &rest),
        (Area::Properties, _, _) => properties::run(call, &rest),
        (Area::Pipelines, _, _) => properties::pipelines(call, &rest),
        (Area::Lists, _, _) => lists::run(call, &rest),
        (Area::Account, "GET", _) => Ok(account::details(call)),
        (Area::Account | Area::Oauth, _, _) => Err(no_such_path()),
    }
}

/// A body that comes a few bytes at a time.
struct Drip {
    rest: Bytes,
    bytes: usize,
    every: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl AsyncRead for Drip {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        std::task::ready!(self.sleep.as_mut().poll(context));
        let every = self.every;
        self.sleep.as_mut().reset(tokio::time::Instant::now() + every);
        let length = self.bytes.min(self.rest.len()).min(buffer.remaining());
        buffer.put_slice(&self.rest.split_to(length));
        Poll::Ready(Ok(()))
    }
}
