//! Sends Odoo's JSON-2 calls: one place that knows the address, the key, the database, and which methods only read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::wire::{self, Fault, Row};
use crate::connector::settings::{Auth, Settings};
use crate::connector::{ConnectorError, Outcome, unquoted};
use crate::domain::id::ConnectionId;
use crate::http::limiter::{Budget, Lane, Limiter};
use crate::http::{Client, Method, Request, Response, SendError};

/// Every method of JSON-2 that only reads. Whatever is not here is a write and is never sent by a reading road
/// (promise 8). Source: Odoo 19.0's methods, each seen working.
pub const READING: &[&str] =
    &["context_get", "fields_get", "get_external_id", "has_access", "has_group", "read", "search_count", "search_read"];

/// Does this method only read?
#[must_use]
pub fn is_reading(method: &str) -> bool {
    READING.contains(&method)
}

/// The wait after a 429 that names none. Only Odoo Online limits requests; it asks for one a second (read).
const WAIT: Duration = Duration::from_secs(5);
/// A write may take as long as Odoo lets a request run (120 s by default), and a little.
const WRITE_DEADLINE: Duration = Duration::from_secs(130);

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// 401: the key is wrong, lapsed or of another database.
    Unauthorized(String),
    /// 429: come back after this.
    Wait(Duration),
    /// It provably never reached the server.
    NotSent(String),
    /// It may have taken effect: a failure of the server.
    Unclear(String),
    /// It may take effect even later: cut, timed out, or what stands before the server did not wait for it.
    Pending(String),
    /// The record, model or method does not exist.
    Missing(String),
    /// Odoo refused it for good.
    Refused(String),
    /// 200, but not what was asked for.
    Malformed(String),
}

/// An answer with the server's time.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    /// The server's clock when it began to answer, at the latest: its `Date` less the time the call took.
    pub(super) began: Option<Timestamp>,
}

/// The road to one Odoo.
#[derive(Clone, Debug)]
pub(super) struct Api {
    client: Client,
    limiter: Arc<Limiter>,
    base: Url,
    token: SecretString,
    database: Option<String>,
    /// How urgent reading is.
    reading: Lane,
    /// How long an answer is waited for, if the settings say so.
    answer_within: Option<Duration>,
}

impl Api {
    pub(super) fn new(settings: &Settings, client: Client, limiter: Arc<Limiter>) -> Self {
        // The settings refuse a login for Odoo, which knows API keys alone; an empty key is let in nowhere.
        let token = match &settings.auth {
            Auth::Token(token) => token.clone(),
            Auth::Oauth(_) | Auth::Jwt(_) | Auth::Client(_) => SecretString::from(String::new()),
        };
        Self {
            client,
            limiter,
            base: settings.base_url.clone(),
            token,
            database: settings.account.clone(),
            reading: Lane::Read,
            answer_within: settings.answer_within,
        }
    }

    /// The same road for what may wait.
    pub(super) fn on_patrol(&self) -> Self {
        Self { reading: Lane::Patrol, ..self.clone() }
    }

    /// Requests so far.
    pub(super) fn requests(&self) -> u64 {
        self.limiter.snapshot().passed_count
    }

    /// Reads; refuses to send anything that is not on the list of reading methods.
    pub(super) async fn ask(&self, model: &str, method: &str, arguments: &Value) -> Result<Answer, Failure> {
        if !is_reading(method) {
            return Err(Failure::Refused(format!("{method} is not a reading method: not sent")));
        }
        self.send(self.reading, self.request(model, method, arguments), false).await
    }

    /// Reads records.
    pub(super) async fn rows(&self, model: &str, arguments: &Value) -> Result<Vec<Row>, Failure> {
        let answer = self.ask(model, "search_read", arguments).await?;
        wire::rows(&answer.body).map_err(Failure::Malformed)
    }

    /// Reads one value.
    pub(super) async fn value<T: DeserializeOwned>(
        &self,
        model: &str,
        method: &str,
        arguments: &Value,
    ) -> Result<T, Failure> {
        let answer = self.ask(model, method, arguments).await?;
        serde_json::from_slice(&answer.body).map_err(|error| Failure::Malformed(format!("{model}/{method}: {error}")))
    }

    /// Writes. A failure after which the write may stand is [`Failure::Unclear`].
    pub(super) async fn write(
        &self,
        lane: Lane,
        model: &str,
        method: &str,
        arguments: &Value,
    ) -> Result<Answer, Failure> {
        let mut request = self.request(model, method, arguments);
        request.deadline = Some(self.answer_within.unwrap_or(WRITE_DEADLINE));
        self.send(lane, request, true).await
    }

    /// The server's version, which it tells without a key.
    pub(super) async fn version(&self) -> Result<Row, Failure> {
        let answer = self.send(Lane::Read, Request::to(Method::Get, &self.base, &["web", "version"]), false).await?;
        wire::whole(&answer.body).map_err(Failure::Malformed)
    }

    fn request(&self, model: &str, method: &str, arguments: &Value) -> Request {
        let mut request = Request::to(Method::Post, &self.base, &["json", "2", model, method])
            .bearer(&self.token)
            .json(arguments.to_string().into_bytes());
        request.deadline = self.answer_within;
        match &self.database {
            Some(database) => request.header("x-odoo-database", database.clone()),
            None => request,
        }
    }

    async fn send(&self, lane: Lane, request: Request, is_write: bool) -> Result<Answer, Failure> {
        self.limiter.acquire_soon(Budget::Burst, lane).await.map_err(Failure::Wait)?;
        let started = Instant::now();
        let response = self.client.send(request).await.map_err(unsent)?;
        let took = SignedDuration::try_from(started.elapsed()).unwrap_or_default();
        let began = date(&response).and_then(|date| date.checked_sub(took).ok());
        let body = judge(response, is_write).inspect_err(|failure| {
            if let Failure::Wait(wait) = failure {
                self.limiter.hold(*wait);
            }
        })?;
        Ok(Answer { body, began })
    }
}

fn unsent(error: SendError) -> Failure {
    match error {
        SendError::NotSent { message } => Failure::NotSent(message),
        SendError::Unknown { message } => Failure::Pending(message),
        SendError::TooLarge { .. } => Failure::Malformed(error.to_string()),
        SendError::Redirected { .. } => Failure::Refused(format!("{error}; check base_url")),
    }
}

fn date(response: &Response) -> Option<Timestamp> {
    response.date.or_else(|| {
        let zoned = jiff::fmt::rfc2822::parse(response.header("date")?).ok()?;
        Some(zoned.timestamp())
    })
}

/// What a status means. Source: the sheet's table of errors, each seen.
fn judge(response: Response, is_write: bool) -> Result<Vec<u8>, Failure> {
    let status = response.status;
    if (200..300).contains(&status) {
        let is_json = response.body.first().is_some_and(|byte| *byte != b'<');
        if is_json {
            return Ok(response.body);
        }
        let found = format!("status {status} with something that is not JSON");
        return Err(if is_write { Failure::Unclear(found) } else { Failure::Malformed(found) });
    }
    let fault = Fault::of(&response.body);
    let words = fault.as_ref().map_or_else(|| format!("status {status}"), Fault::words);
    Err(match status {
        401 => Failure::Unauthorized(words),
        404 if fault.is_none() => {
            Failure::Refused(format!("{words}: no such database or no JSON-2, which needs Odoo 19"))
        }
        404 => Failure::Missing(words),
        429 => Failure::Wait(response.header("retry-after").and_then(seconds).unwrap_or(WAIT)),
        400..=499 => Failure::Refused(words),
        _ if fault.is_some_and(|fault| fault.is_permanent()) => Failure::Refused(words),
        502 | 504 => Failure::Pending(words),
        _ => Failure::Unclear(words),
    })
}

fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_secs)
}

impl Failure {
    /// The failure as one of reading.
    pub(super) fn reading(self, connection: &ConnectionId, what: &str) -> ConnectorError {
        let connection = connection.clone();
        match self {
            Self::Unauthorized(message) => ConnectorError::Unauthorized {
                connection,
                message: format!("{}; make a new API key in Odoo under Preferences, Security", unquoted(&message)),
            },
            Self::Wait(retry_after) => ConnectorError::RateLimited { connection, retry_after },
            Self::NotSent(message) | Self::Unclear(message) | Self::Pending(message) => {
                ConnectorError::Unavailable { connection, message: unquoted(&message) }
            }
            Self::Missing(message) | Self::Refused(message) => {
                ConnectorError::Rejected { connection, what: what.to_owned(), message: unquoted(&message) }
            }
            Self::Malformed(at) => ConnectorError::Malformed { connection, what: what.to_owned(), at },
        }
    }

    /// The failure of a read that comes before a write: nothing took effect.
    pub(super) fn before_writing(self) -> Outcome {
        match self {
            Self::Unclear(message) | Self::Pending(message) | Self::Malformed(message) => Outcome::Again {
                after: None,
                counts: true,
                message: format!("could not look before writing: {message}"),
            },
            other => other.writing(),
        }
    }

    /// The failure of a write.
    pub(super) fn writing(self) -> Outcome {
        match self {
            Self::Unauthorized(message) => {
                Outcome::Again { after: Some(Duration::from_secs(300)), counts: false, message }
            }
            Self::Wait(wait) => {
                Outcome::Again { after: Some(wait), counts: false, message: "429: asks to wait".to_owned() }
            }
            Self::NotSent(message) => Outcome::Again { after: None, counts: true, message },
            Self::Unclear(message) | Self::Pending(message) | Self::Malformed(message) => Outcome::Unknown { message },
            Self::Missing(message) | Self::Refused(message) => Outcome::Refused { message },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::assert_nothing_dangles;

    fn answer(status: u16, body: &str) -> Response {
        Response {
            status,
            headers: vec![("retry-after".to_owned(), "7".to_owned())],
            body: body.as_bytes().to_vec(),
            date: None,
        }
    }

    fn fault(name: &str) -> String {
        format!(r#"{{"name":"{name}","message":"words","debug":"Traceback /srv/odoo"}}"#)
    }

    #[test]
    fn statuses_of_writes_follow_the_table() {
        #[derive(Debug, PartialEq)]
        enum Kind {
            Refused,
            Unknown,
            AgainFree,
        }
        let check = |status: u16, body: &str, expected: Kind| {
            let outcome = judge(answer(status, body), true).unwrap_err().writing();
            let kind = match &outcome {
                Outcome::Refused { .. } => Kind::Refused,
                Outcome::Unknown { .. } => Kind::Unknown,
                Outcome::Again { counts: false, .. } => Kind::AgainFree,
                other => panic!("{status}: {other:?}"),
            };
            assert_eq!(kind, expected, "{status} {body}");
            assert!(!format!("{outcome:?}").contains("Traceback"), "{outcome:?}");
        };
        check(401, &fault("werkzeug.exceptions.Unauthorized"), Kind::AgainFree);
        check(403, &fault("odoo.exceptions.AccessError"), Kind::Refused);
        check(404, &fault("odoo.exceptions.MissingError"), Kind::Refused);
        check(422, &fault("werkzeug.exceptions.UnprocessableEntity"), Kind::Refused);
        check(429, "", Kind::AgainFree);
        check(500, &fault("builtins.ValueError"), Kind::Refused);
        check(500, &fault("psycopg2.OperationalError"), Kind::Unknown);
        check(500, "<html>", Kind::Unknown);
        check(502, "", Kind::Unknown);
        check(503, "", Kind::Unknown);
        check(504, "", Kind::Unknown);
        check(200, "<!DOCTYPE html>maintenance", Kind::Unknown);
    }

    #[test]
    fn an_answer_without_words_leaves_no_punctuation_behind() {
        for status in [400, 401, 403, 404, 500] {
            for message in ["", "  ", "Jane Roe"] {
                let body = format!(r#"{{"name":"odoo.exceptions.AccessError","message":"{message}"}}"#);
                for body in [body.as_str(), ""] {
                    let failure = judge(answer(status, body), true).unwrap_err();
                    let error = failure.clone().reading(&ConnectionId::from("odoo"), "crm.lead/write").to_string();
                    assert_nothing_dangles(&error, &failure.writing());
                }
            }
        }
    }

    #[test]
    fn a_page_of_html_is_malformed_when_reading() {
        assert!(matches!(judge(answer(200, "<html>"), false), Err(Failure::Malformed(_))));
        assert_eq!(judge(answer(429, ""), false), Err(Failure::Wait(Duration::from_secs(7))));
    }

    #[test]
    fn only_listed_methods_count_as_reading() {
        assert!(is_reading("search_read") && is_reading("has_group"));
        for method in
            ["write", "create", "load", "unlink", "message_post", "activity_schedule", "action_set_lost", "web_save"]
        {
            assert!(!is_reading(method), "{method}");
        }
    }
}
