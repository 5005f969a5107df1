//! The HTTP side: one handler for every path. It locks the account only while it computes an answer, never while it waits.

use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State as Extracted};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, LOCATION, RETRY_AFTER};
use axum::http::request::Parts;
use axum::response::Response;
use serde_json::{Value, json};

use super::answer::{
    Answer, Reply, cloudflare, failed, forbidden, http_date, invalid, no_such_path, unauthorized, wrong_method,
};
use super::faults::{Breakage, Fault, Struck};
use super::gate::{cost, too_many};
use super::kind::Kind;
use super::page::Query;
use super::write::By;
use super::{Effect, Pipedrive, State, changes, control, convert, leads, meta, notes, oauth, search, v2, webhooks};

const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One request on its way through a handler.
pub(super) struct Call<'a> {
    pub(super) state: &'a mut State,
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: Query,
    body: &'a [u8],
    pub(super) by: By,
}

impl Call<'_> {
    /// The body as JSON.
    pub(super) fn json(&self) -> Result<Value, Answer> {
        serde_json::from_slice(self.body).map_err(|_| invalid("Bad request: the body is no JSON"))
    }

    /// Notes an accepted write.
    pub(super) fn note(&mut self, what: &str, kind: Kind, id: &str, values: Value) {
        let state = &mut *self.state;
        let sequence = u64::try_from(state.ledger.len()).unwrap_or(u64::MAX) + 1;
        state.ledger.push(Effect {
            sequence,
            at: state.clock.now(),
            method: self.method.to_owned(),
            path: self.path.to_owned(),
            what: what.to_owned(),
            object: kind.as_str().to_owned(),
            id: id.to_owned(),
            values,
            user: self.by.user,
        });
    }
}

enum Manner {
    Whole,
    Hang,
    Reset,
}

struct Delivery {
    answer: Answer,
    delay: Duration,
    manner: Manner,
}

impl Delivery {
    fn whole(answer: Answer) -> Self {
        Self { answer, delay: Duration::ZERO, manner: Manner::Whole }
    }
}

pub(super) async fn serve(Extracted(account): Extracted<Pipedrive>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return respond(&account, failed(413, "Request entity too large", ""));
    };
    if parts.uri.path().starts_with("/_sandbox/") {
        let answer = control::serve(&account, &parts, &body);
        return respond(&account, answer);
    }
    let struck = {
        let mut state = account.lock();
        state.count(parts.method.as_str(), parts.uri.path());
        Struck::sort(state.faults.strike(parts.method.as_str(), parts.uri.path()))
    };
    let delivery = if struck.slow_start.is_zero() {
        account.lock().deliver(&parts, &body, struck)
    } else {
        // A task of its own goes on when the client has left; the handler's ends with the connection.
        let later = account.clone();
        #[expect(clippy::disallowed_methods, reason = "an effect that outlives its request needs a task of its own")]
        let late = tokio::spawn(async move {
            tokio::time::sleep(struck.slow_start).await;
            later.lock().deliver(&parts, &body, struck)
        });
        match late.await {
            Ok(delivery) => delivery,
            Err(_) => return respond(&account, failed(500, "internal error", "")),
        }
    };
    if !delivery.delay.is_zero() {
        tokio::time::sleep(delivery.delay).await;
    }
    match delivery.manner {
        Manner::Hang => tokio::time::sleep(Duration::from_secs(3600)).await,
        // Unwinding ends the connection's task, so the peer sees it close; unlike a panic it prints nothing.
        Manner::Reset => std::panic::resume_unwind(Box::new("fault: reset")),
        Manner::Whole => {}
    }
    respond(&account, delivery.answer)
}

fn respond(account: &Pipedrive, answer: Answer) -> Response {
    let now = {
        let mut state = account.lock();
        *state.gate.counts.by_status.entry(answer.status).or_default() += 1;
        state.now()
    };
    let mut builder = Response::builder()
        .status(answer.status)
        .header(DATE, http_date(now))
        .header(CONTENT_TYPE, answer.content_type);
    for (name, value) in &answer.headers {
        builder = builder.header(*name, value);
    }
    builder.body(Body::from(Bytes::from(answer.body))).unwrap_or_default()
}

/// Version and segments of a path: v2 is under `/api/v2` alone, v1 under `/v1` and `/api/v1`. Source: section 2.
fn located(path: &str) -> Option<(u8, Vec<&str>)> {
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match segments.as_slice() {
        ["api", "v1", rest @ ..] | ["v1", rest @ ..] => Some((1, rest.to_vec())),
        ["api", "v2", rest @ ..] => Some((2, rest.to_vec())),
        _ => None,
    }
}

impl State {
    fn count(&mut self, method: &str, path: &str) {
        let is_id =
            |part: &str| part.len() == 36 || (!part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
        let shape: Vec<&str> = path.split('/').map(|part| if is_id(part) { "*" } else { part }).collect();
        let counts = &mut self.gate.counts;
        counts.total += 1;
        *counts.by_path.entry(format!("{method} {}", shape.join("/"))).or_default() += 1;
        if self.gate.closed_until.is_some_and(|until| Instant::now() < until) {
            counts.early += 1;
        }
    }

    fn deliver(&mut self, parts: &Parts, body: &[u8], struck: Struck) -> Delivery {
        if let Some(fault) = struck.instead {
            return self.instead(fault);
        }
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let (method, path) = (parts.method.as_str(), parts.uri.path());
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        if let Some(rest) = path.strip_prefix("/oauth/") {
            let answer = oauth::serve(self, method, rest, &query, text(AUTHORIZATION.as_str()), body);
            return self.after(answer, struck.after);
        }
        let Some((version, segments)) = located(path) else { return Delivery::whole(no_such_path()) };
        let Some(cost) = cost(version, method, &segments) else {
            let is_known =
                ["GET", "POST", "PATCH", "PUT", "DELETE"].iter().any(|other| cost(version, other, &segments).is_some());
            return Delivery::whole(if is_known { wrong_method() } else { no_such_path() });
        };
        let is_search = segments.last() == Some(&"search");
        let caller = match self.admit(cost, is_search, text("x-api-token"), text(AUTHORIZATION.as_str())) {
            Ok(caller) => caller,
            Err(answer) => return Delivery::whole(answer),
        };
        if self.faults.is_read_only && method != "GET" {
            self.gate.counts.writes_refused += 1;
            return Delivery::whole(forbidden());
        }
        if !body.is_empty() && !text(CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("application/json")) {
            return Delivery::whole(failed(415, "Unsupported media type", ""));
        }
        let mut call = Call { method, path, query, body, by: By::api(caller.user), state: self };
        let mut answer = dispatch(&mut call, version, &segments).unwrap_or_else(|answer| answer);
        answer.headers.extend(caller.headers);
        self.tick();
        self.after(answer, struck.after)
    }

    /// A fault that comes instead of any effect.
    fn instead(&mut self, fault: Fault) -> Delivery {
        Delivery::whole(match fault {
            Fault::Status { status } => error_page(status),
            Fault::RateLimit { remaining, retry_after } => {
                let mut answer = too_many();
                if let Some(remaining) = remaining {
                    answer = answer
                        .with("x-ratelimit-limit", "40")
                        .with("x-ratelimit-remaining", remaining.to_string())
                        .with("x-ratelimit-reset", "2");
                }
                if let Some(seconds) = retry_after {
                    self.gate.closed_until = Some(Instant::now() + Duration::from_secs(u64::from(seconds)));
                    answer.headers.push((static_name(&RETRY_AFTER), seconds.to_string()));
                }
                answer
            }
            Fault::Cloudflare => cloudflare(),
            Fault::BeforeEffect { breakage } => return broken(breakage),
            Fault::Redirect { to } => Answer::raw(302, Vec::new()).with(static_name(&LOCATION), to),
            Fault::Null => Answer::raw(200, b"null".to_vec()),
            _ => Answer::html(200, "<!doctype html><html><body>We will be right back.</body></html>"),
        })
    }

    /// Faults that come after the effect and spoil the answer.
    fn after(&mut self, answer: Answer, faults: Vec<Fault>) -> Delivery {
        let mut delivery = Delivery::whole(answer);
        for fault in faults {
            match fault {
                Fault::AfterEffect { breakage } => delivery = broken(breakage),
                Fault::Delay { ms } => delivery.delay += Duration::from_millis(ms),
                Fault::Truncate => {
                    let half = delivery.answer.body.len() / 2;
                    delivery.answer.body.truncate(half);
                }
                spoiling => spoil(&mut delivery.answer, &spoiling),
            }
        }
        delivery
    }
}

/// Names of headers as the `&'static str` that answers keep.
fn static_name(name: &axum::http::HeaderName) -> &'static str {
    if *name == RETRY_AFTER { "retry-after" } else { "location" }
}

fn broken(breakage: Breakage) -> Delivery {
    let (answer, manner) = match breakage {
        Breakage::Status(status) => (error_page(status), Manner::Whole),
        Breakage::Hang => (error_page(524), Manner::Hang),
        Breakage::Reset => (error_page(500), Manner::Reset),
    };
    Delivery { manner, ..Delivery::whole(answer) }
}

/// The bodies of section 7 where it has one; 502 and up come from the edge, as HTML.
fn error_page(status: u16) -> Answer {
    match status {
        401 => unauthorized(),
        402 => failed(402, "Company account is not open", "Please check developers.pipedrive.com"),
        403 => forbidden(),
        500 | 501 | 503 => failed(status, "internal error", "Please check developers.pipedrive.com"),
        502..=599 => Answer::html(
            status,
            &format!("<html><head><title>{status}</title></head><body>Error {status}</body></html>"),
        ),
        _ => failed(status, &format!("fault: {status}"), ""),
    }
}

fn spoil(answer: &mut Answer, fault: &Fault) {
    let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) else { return };
    let extra = json!({"a": [1, {"b": null}], "c": "unknown"});
    if let Some(Value::Array(records)) = body.get_mut("data") {
        match fault {
            Fault::ExtraFields => {
                records.iter_mut().filter(|one| one.is_object()).for_each(|one| one["zz_new"] = extra.clone())
            }
            Fault::BadRecord => {
                let middle = records.len() / 2;
                if let Some(record) = records.get_mut(middle) {
                    record["update_time"] = json!(12);
                }
            }
            Fault::Huge { bytes } => {
                if let Some(record) = records.first_mut() {
                    record["zz_huge"] = "x".repeat(*bytes).into();
                }
            }
            _ => {}
        }
    }
    match fault {
        Fault::ExtraFields if body.is_object() => body["zz_new"] = extra,
        Fault::NoNextStart => {
            for at in ["/additional_data", "/additional_data/pagination"] {
                if let Some(Value::Object(paging)) = body.pointer_mut(at) {
                    paging.remove("next_start");
                }
            }
        }
        _ => {}
    }
    answer.body = body.to_string().into_bytes();
}

fn dispatch(call: &mut Call<'_>, version: u8, path: &[&str]) -> Reply {
    match (version, path) {
        (1, ["deals", deal, "changelog"]) => changes::list(call, deal),
        (1, ["leads", rest @ ..]) => leads::run(call, rest),
        (1, ["notes", rest @ ..]) => notes::run(call, rest),
        (1, ["webhooks", rest @ ..]) => webhooks::run(call, rest),
        (1, ["persons", id, "merge"]) => v2::merge(call, id),
        (1, _) => meta::v1(call, path),
        (2, [kind @ ("leads" | "persons" | "organizations" | "deals"), "search"]) => search::run(call, kind),
        (2, [kind @ ("leads" | "deals"), id, "convert", rest @ ..]) => convert::run(call, kind, id, rest),
        (2, ["pipelines" | "stages" | "dealFields" | "personFields" | "organizationFields" | "activityFields"]) => {
            meta::v2(call, path)
        }
        (2, ["personFields", code, "options"]) => meta::add_options(call, code),
        (2, [kind, rest @ ..]) => match Kind::of_path(kind) {
            Some(kind) => v2::run(call, kind, rest),
            None => Err(no_such_path()),
        },
        _ => Err(no_such_path()),
    }
}
