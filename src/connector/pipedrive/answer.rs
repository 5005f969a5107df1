//! Pipedrive's error answers -> what the caller does next: the table of section 7 and the waits of section 6. Pure.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::connector::{ConnectorError, Outcome, code, saying, unquoted};
use crate::domain::id::ConnectionId;
use crate::http::{Response, SendError};

/// Why a request has no usable answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// 401 and 402: the credentials, or the company's account.
    Unauthorized(String),
    /// 403: what the credentials may do.
    Forbidden(String),
    /// 429: the whole connection waits.
    Wait(Duration, Budget),
    /// 403 with Cloudflare's page: hammered on after 429. The whole connection is left alone for long.
    Banned,
    /// 5xx: a write may have happened.
    Server(String),
    /// 502, 504, 524, or no answer: a write may even happen later.
    Pending(String),
    /// 404.
    NotFound(String),
    /// 400 and all else: never again like this.
    Refused(String),
    /// It never left.
    NotSent(String),
    /// 2xx with something else than documented: where.
    Malformed(String),
}

/// Which budget a 429 speaks of; nobody says, so this is read off the headers. Source: section 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Budget {
    /// Requests in two seconds.
    Burst,
    /// The company's tokens of the day.
    Daily,
    /// The server named a wait, or nothing at all.
    Unsaid,
}

/// The window of the burst limit. Source: section 6.
const BURST: Duration = Duration::from_secs(2);
/// How often is looked whether a new day has begun. Source: section 6, "probe every 15-30 min".
const PROBE: Duration = Duration::from_secs(15 * 60);
/// A 429 without any header.
const UNSAID: Duration = Duration::from_secs(60);
/// How long Cloudflare is left alone. Source: section 7, "long pause".
pub(super) const BANNED: Duration = Duration::from_secs(30 * 60);
/// More is not believed of a `Retry-After`, which is undocumented. Source: section 6, "capped".
const LONGEST: Duration = Duration::from_secs(3600);
/// How long a write waits for a person to repair credentials before it is tried again.
const REPAIR: Duration = Duration::from_secs(300);

#[derive(Default, Deserialize)]
struct Body {
    #[serde(default)]
    error: serde_json::Value,
    #[serde(default)]
    message: serde_json::Value,
    #[serde(default)]
    code: serde_json::Value,
    #[serde(default)]
    errors: serde_json::Value,
}

/// Divides an answer: 2xx with JSON passes.
pub(super) fn judge(response: Response, now: Timestamp) -> Result<Response, Failure> {
    let status = response.status;
    let first = response.body.iter().find(|byte| !byte.is_ascii_whitespace());
    let is_page = first == Some(&b'<');
    if (200..300).contains(&status) {
        return if is_page {
            Err(Failure::Malformed(format!("status {status}: a page of HTML")))
        } else {
            Ok(response)
        };
    }
    if status == 403 && is_page {
        return Err(Failure::Banned);
    }
    let words = words(status, &response.body);
    Err(match status {
        401 => Failure::Unauthorized(words),
        402 => Failure::Unauthorized(format!(
            "{words}; the company's Pipedrive account is not open: trial over, or unpaid"
        )),
        403 => Failure::Forbidden(words),
        404 => Failure::NotFound(words),
        429 => limited(&response, now),
        502 | 504 | 524 => Failure::Pending(words),
        500..=599 => Failure::Server(words),
        _ => Failure::Refused(words),
    })
}

/// How long a 429 asks to wait, and by which budget. Telling the two apart is a heuristic. Source: section 6.
fn limited(response: &Response, now: Timestamp) -> Failure {
    if let Some(wait) = response.retry_after(now) {
        return Failure::Wait(wait.min(LONGEST), Budget::Unsaid);
    }
    let number = |name: &str| response.header(name).and_then(|text| text.trim().parse::<f64>().ok());
    match number("x-ratelimit-remaining") {
        Some(left) if left < 1.0 => {
            // Clients read seconds; an epoch would be years. Source: section 6.
            let reset = number("x-ratelimit-reset").filter(|reset| (0.0..=60.0).contains(reset));
            Failure::Wait(reset.map_or(BURST, Duration::from_secs_f64).max(BURST), Budget::Burst)
        }
        Some(_) => Failure::Wait(PROBE, Budget::Daily),
        None => Failure::Wait(UNSAID, Budget::Unsaid),
    }
}

/// The CRM's words without values of people: status, code, and a line of the message in quotes.
fn words(status: u16, body: &[u8]) -> String {
    let body: Body = serde_json::from_slice(body).unwrap_or_default();
    let mut text = status.to_string();
    if let Some(known) = body.code.as_str().map(code).filter(|code| !code.is_empty()) {
        text.push(' ');
        text.push_str(known);
    }
    let said = [&body.error, &body.message].into_iter().find_map(serde_json::Value::as_str);
    if let Some(said) = said {
        let line = said.lines().next().unwrap_or_default();
        let kept: Vec<&str> =
            line.split_whitespace().map(|word| if word.contains('@') { "(address)" } else { word }).collect();
        return saying(&text, &kept.join(" ").chars().take(200).collect::<String>());
    }
    let errors = body.errors.as_object().into_iter().flatten();
    let names: Vec<&str> = errors.map(|(name, _)| code(name)).filter(|name| !name.is_empty()).collect();
    if !names.is_empty() {
        text.push_str(": not valid: ");
        text.push_str(&names.join(", "));
    }
    text
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        match error {
            SendError::NotSent { message } => Self::NotSent(message),
            SendError::Unknown { message } => Self::Pending(message),
            SendError::TooLarge { .. } => Self::Malformed(error.to_string()),
            SendError::Redirected { .. } => Self::Refused(format!("{error}; check base_url")),
        }
    }
}

impl Failure {
    /// Would every other request fail like this one?
    pub(super) fn halts(&self) -> bool {
        matches!(self, Self::Unauthorized(_) | Self::Wait(..) | Self::Banned)
    }

    /// For who reads.
    pub(super) fn reading(self, connection: &ConnectionId, what: &str) -> ConnectorError {
        let connection = connection.clone();
        let what = what.to_owned();
        match self {
            Self::Unauthorized(message) => ConnectorError::Unauthorized { connection, message: unquoted(&message) },
            Self::Wait(retry_after, _) => ConnectorError::RateLimited { connection, retry_after },
            Self::Banned => ConnectorError::Unavailable { connection, message: BAN.to_owned() },
            Self::Server(message) | Self::Pending(message) | Self::NotSent(message) => {
                ConnectorError::Unavailable { connection, message: format!("{what}: {}", unquoted(&message)) }
            }
            Self::Forbidden(message) | Self::NotFound(message) | Self::Refused(message) => {
                ConnectorError::Rejected { connection, what, message: unquoted(&message) }
            }
            Self::Malformed(at) => ConnectorError::Malformed { connection, what, at },
        }
    }

    /// The failure of a read that comes before a write: nothing took effect.
    pub(super) fn before_writing(self) -> Outcome {
        match self {
            Self::Server(message) | Self::Pending(message) | Self::Malformed(message) => Outcome::Again {
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
            // Credentials are repaired by a person: the write waits and keeps its tries.
            Self::Unauthorized(message) => Outcome::Again { after: Some(REPAIR), counts: false, message },
            Self::Wait(wait, budget) => {
                Outcome::Again { after: Some(wait), counts: false, message: told(budget).to_owned() }
            }
            Self::Banned => Outcome::Again { after: Some(BANNED), counts: false, message: BAN.to_owned() },
            Self::Server(message) | Self::Pending(message) => Outcome::Unknown { message },
            Self::Malformed(at) => Outcome::Unknown { message: format!("answered with something unexpected at {at}") },
            Self::NotSent(message) => Outcome::Again { after: None, counts: true, message },
            Self::Forbidden(message) | Self::NotFound(message) | Self::Refused(message) => Outcome::Refused { message },
        }
    }
}

/// What a person reads of Cloudflare's page.
const BAN: &str = "Cloudflare blocks this address (403) after too many requests; it is left alone for 30 minutes";

fn told(budget: Budget) -> &'static str {
    match budget {
        Budget::Burst => "429: too many requests in two seconds",
        Budget::Daily => "429: the company's tokens of the day are used up",
        Budget::Unsaid => "429: asks to wait",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::assert_nothing_dangles;

    fn failed(status: u16, headers: &[(&str, &str)], body: &str) -> Failure {
        let response = Response {
            status,
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: body.as_bytes().to_vec(),
            date: None,
        };
        judge(response, Timestamp::UNIX_EPOCH).unwrap_err()
    }

    #[test]
    fn every_wait_of_section_6_is_kept() {
        let (left, reset) = ("x-ratelimit-remaining", "x-ratelimit-reset");
        for (headers, seconds, budget) in [
            (vec![(left, "0"), (reset, "1")], 2, Budget::Burst),
            (vec![(left, "0"), (reset, "5")], 5, Budget::Burst),
            (vec![(left, "0"), (reset, "1795507200")], 2, Budget::Burst),
            (vec![(left, "17")], 900, Budget::Daily),
            (vec![("retry-after", "7")], 7, Budget::Unsaid),
            (vec![("retry-after", "999999"), (left, "0")], 3600, Budget::Unsaid),
            (vec![], 60, Budget::Unsaid),
        ] {
            let expected = Failure::Wait(Duration::from_secs(seconds), budget);
            assert_eq!(failed(429, &headers, ""), expected, "{headers:?}");
        }
    }

    #[test]
    fn every_row_of_section_7_says_what_comes_next() {
        #[derive(Debug, PartialEq)]
        enum Next {
            Again(bool),
            Unknown,
            Refused,
        }
        let cloudflare = "<!DOCTYPE html><p>This error is produced by Cloudflare</p>";
        let capped = r#"{"success":false,"error":"Couldn't add the deal. Open deals limit reached.","code":"feature_capping_deals_limit"}"#;
        for (status, body, reads_as, write) in [
            (400, r#"{"success":false,"error":"jane@x.example is bad"}"#, "refused", Next::Refused),
            (
                401,
                r#"{"success":false,"error":"unauthorized access","errorCode":401}"#,
                "credentials",
                Next::Again(false),
            ),
            (402, "", "not open", Next::Again(false)),
            (403, capped, "feature_capping_deals_limit", Next::Refused),
            (403, cloudflare, "Cloudflare", Next::Again(false)),
            (404, r#"{"success":false,"error":"requested lead not found"}"#, "refused", Next::Refused),
            (405, "", "refused", Next::Refused),
            (410, "", "refused", Next::Refused),
            (415, "", "refused", Next::Refused),
            (422, r#"{"errors":{"limit":["reached"]}}"#, "limit", Next::Refused),
            (429, "", "asks to wait", Next::Again(false)),
            (500, "", "cannot be read", Next::Unknown),
            (501, "", "cannot be read", Next::Unknown),
            (503, "<html>", "cannot be read", Next::Unknown),
            (524, "<html>", "cannot be read", Next::Unknown),
        ] {
            let failure = failed(status, &[], body);
            let error = failure.clone().reading(&ConnectionId::from("pipedrive"), "GET leads").to_string();
            assert!(error.contains(reads_as), "{status}: {error}");
            let outcome = failure.writing();
            assert!(!format!("{outcome:?}{error}").contains("jane@"), "{outcome:?} {error}");
            let found = match outcome {
                Outcome::Again { counts, .. } => Next::Again(counts),
                Outcome::Unknown { .. } => Next::Unknown,
                Outcome::Refused { .. } => Next::Refused,
                other => panic!("{status}: {other:?}"),
            };
            assert_eq!(found, write, "{status}");
        }
        assert_eq!(failed(403, &[], cloudflare), Failure::Banned);
    }

    #[test]
    fn an_answer_without_words_leaves_no_punctuation_behind() {
        for body in
            ["", r#"{"error":""}"#, r#"{"error":"  ","errorCode":401}"#, r#"{"errors":{}}"#, r#"{"errors":{"":[]}}"#]
        {
            for status in [400, 401, 402, 403, 404, 500] {
                let failure = failed(status, &[], body);
                let error = failure.clone().reading(&ConnectionId::from("pipedrive"), "GET leads").to_string();
                assert_nothing_dangles(&error, &failure.writing());
            }
        }
    }

    #[test]
    fn html_with_200_is_no_answer() {
        let page = Response { status: 200, headers: Vec::new(), body: b" <html>".to_vec(), date: None };
        assert!(matches!(judge(page, Timestamp::UNIX_EPOCH), Err(Failure::Malformed(_))));
    }
}
