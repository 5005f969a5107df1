//! Why a call has no answer: what each status and code means, for reading and for writing. Pure. Source: the sheet, section 9.

use std::time::Duration;

use super::wire::Fault;
use crate::connector::{ConnectorError, Outcome, unquoted};
use crate::domain::id::ConnectionId;
use crate::http::{Response, SendError};

/// The wait after the day's requests are used up; one request then tries. Source: sections 1.8 and 9.
const DAY_USED: Duration = Duration::from_secs(15 * 60);
/// The wait when too many long requests run at once. Source: section 9.
const CONCURRENT: Duration = Duration::from_secs(30);
/// The wait after a 429 or 420 that names none, which only proxies send. Source: section 9.
const WAIT: Duration = Duration::from_secs(30);
/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The login is not let in.
    Unauthorized(String),
    /// Come back after this.
    Wait { wait: Duration, why: String },
    /// It provably had no effect, and may go through the next time: a lock of somebody else, or it never reached the server.
    NotSent(String),
    /// It may have taken effect: a failure of the server.
    Unclear(String),
    /// It may take effect even later: cut, timed out, or what stands before the server did not wait for it.
    Pending(String),
    /// Nothing is there: 404.
    Missing(String),
    /// Refused for good; the code says why.
    Refused { code: String, words: String },
    /// The row was changed since it was read: 412.
    Changed(String),
    /// The query took too long: ask for less.
    Slow(String),
    /// 200, but not what was asked for.
    Malformed(String),
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        match error {
            SendError::NotSent { message } => Self::NotSent(message),
            SendError::Unknown { message } => Self::Pending(message),
            SendError::TooLarge { .. } => Self::Malformed(error.to_string()),
            SendError::Redirected { .. } => Self::refused(&format!("{error}; check base_url")),
        }
    }
}

pub(super) fn has_expired(response: &Response) -> bool {
    response.status == 401 && Fault::of(&response.body).is_some_and(|fault| fault.code == "INVALID_SESSION_ID")
}

/// What a status means. Source: the sheet's table of errors, section 9.
pub(super) fn judge(response: Response, is_write: bool) -> Result<Response, Failure> {
    let status = response.status;
    if (200..300).contains(&status) {
        let is_html = response.body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<');
        if !is_html {
            return Ok(response);
        }
        let found = format!("status {status} with a page of HTML");
        return Err(if is_write { Failure::Unclear(found) } else { Failure::Malformed(found) });
    }
    let fault = Fault::of(&response.body);
    let words = fault.as_ref().map_or_else(|| format!("status {status}"), Fault::words);
    let retry_after =
        || response.header("retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    Err(match (status, &fault) {
        (_, Some(fault)) if status < 500 => refusal(fault),
        (401, None) => Failure::Unauthorized(words),
        (404, None) => Failure::Missing(words),
        (406 | 420 | 429, None) => Failure::Wait { wait: retry_after().unwrap_or(WAIT), why: words },
        (410, None) => Failure::refused(&format!("{words}: this version of the API is gone; set api_version")),
        (412, None) => Failure::Changed(words),
        (400..=499, None) => Failure::refused(&words),
        (502 | 504, _) => Failure::Pending(words),
        _ => Failure::Unclear(words),
    })
}

/// What a code means: it is the code that matters, and one that is not known is not tried again. Source: section 9.
pub(super) fn refusal(fault: &Fault) -> Failure {
    let words = fault.words();
    match fault.code.as_str() {
        "INVALID_SESSION_ID" | "INVALID_AUTH_HEADER" | "API_DISABLED_FOR_ORG" | "API_CURRENTLY_DISABLED" => {
            Failure::Unauthorized(words)
        }
        // One code for two limits; only the words tell them apart. Source: section 1.8.
        "REQUEST_LIMIT_EXCEEDED" if fault.message.contains("Concurrent") => {
            Failure::Wait { wait: CONCURRENT, why: words }
        }
        "REQUEST_LIMIT_EXCEEDED" => Failure::Wait { wait: DAY_USED, why: words },
        "UNABLE_TO_LOCK_ROW" => Failure::NotSent(words),
        "QUERY_TIMEOUT" => Failure::Slow(words),
        // A cursor that died: what it was part of is asked for anew, from where the stream stands.
        "INVALID_QUERY_LOCATOR" => Failure::Unclear(words),
        "NOT_FOUND" | "ENTITY_IS_DELETED" => Failure::Missing(words),
        "PRECONDITION_FAILED" => Failure::Changed(words),
        "SERVER_UNAVAILABLE" | "UNKNOWN_EXCEPTION" => Failure::Unclear(words),
        code => Failure::Refused { code: code.to_owned(), words },
    }
}

impl Failure {
    /// A refusal of our own.
    pub(super) fn refused(words: &str) -> Self {
        Self::Refused { code: String::new(), words: words.to_owned() }
    }

    /// The failure as one of reading.
    pub(super) fn reading(self, connection: &ConnectionId, what: &str) -> ConnectorError {
        let connection = connection.clone();
        match self {
            Self::Unauthorized(message) => ConnectorError::Unauthorized { connection, message: unquoted(&message) },
            Self::Wait { wait, .. } => ConnectorError::RateLimited { connection, retry_after: wait },
            Self::NotSent(message)
            | Self::Unclear(message)
            | Self::Pending(message)
            | Self::Slow(message)
            | Self::Changed(message) => ConnectorError::Unavailable { connection, message: unquoted(&message) },
            Self::Missing(message) | Self::Refused { words: message, .. } => {
                ConnectorError::Rejected { connection, what: what.to_owned(), message: unquoted(&message) }
            }
            Self::Malformed(at) => ConnectorError::Malformed { connection, what: what.to_owned(), at },
        }
    }

    /// The failure of a read that comes before a write: nothing took effect.
    pub(super) fn before_writing(self) -> Outcome {
        match self {
            Self::Unclear(message) | Self::Pending(message) | Self::Malformed(message) | Self::Slow(message) => {
                Outcome::Again {
                    after: None,
                    counts: true,
                    message: format!("could not look before writing: {message}"),
                }
            }
            other => other.writing(),
        }
    }

    /// The failure of a read that comes after a write: it has had its effect, only what that was is not known.
    pub(super) fn after_writing(self) -> Outcome {
        match self {
            Self::Missing(message) | Self::Refused { words: message, .. } => Outcome::Unknown { message },
            other => other.writing(),
        }
    }

    /// The failure of a write.
    pub(super) fn writing(self) -> Outcome {
        match self {
            Self::Unauthorized(message) => {
                Outcome::Again { after: Some(Duration::from_secs(300)), counts: false, message }
            }
            Self::Wait { wait, why } => Outcome::Again { after: Some(wait), counts: false, message: why },
            Self::NotSent(message) | Self::Changed(message) => Outcome::Again { after: None, counts: true, message },
            Self::Unclear(message) | Self::Pending(message) | Self::Malformed(message) | Self::Slow(message) => {
                Outcome::Unknown { message }
            }
            Self::Missing(message) | Self::Refused { words: message, .. } => Outcome::Refused { message },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::assert_nothing_dangles;

    fn answer(status: u16, body: &str) -> Response {
        Response { status, headers: Vec::new(), body: body.as_bytes().to_vec(), date: None }
    }

    fn fault(code: &str, message: &str) -> String {
        format!(r#"[{{"errorCode":"{code}","message":"{message}"}}]"#)
    }

    #[test]
    fn each_row_of_section_9_says_what_comes_next() {
        #[derive(Debug, PartialEq)]
        enum Next {
            Refused,
            Unknown,
            Again,
            AgainFree(Option<u64>),
        }
        let check = |status: u16, body: &str, wanted: Next| {
            let outcome = judge(answer(status, body), true).unwrap_err().writing();
            let next = match &outcome {
                Outcome::Refused { .. } => Next::Refused,
                Outcome::Unknown { .. } => Next::Unknown,
                Outcome::Again { counts: true, .. } => Next::Again,
                Outcome::Again { after, .. } => Next::AgainFree(after.map(|wait| wait.as_secs())),
                other => panic!("{status}: {other:?}"),
            };
            assert_eq!(next, wanted, "{status} {body}");
        };
        for code in [
            "INVALID_FIELD",
            "REQUIRED_FIELD_MISSING",
            "FIELD_CUSTOM_VALIDATION_EXCEPTION",
            "INACTIVE_OWNER_OR_USER",
            "DUPLICATES_DETECTED",
            "DUPLICATE_VALUE",
            "CANNOT_UPDATE_CONVERTED_LEAD",
            "SOMETHING_NEW",
        ] {
            check(400, &fault(code, "m"), Next::Refused);
        }
        check(400, &fault("UNABLE_TO_LOCK_ROW", "m"), Next::Again);
        check(412, &fault("PRECONDITION_FAILED", "m"), Next::Again);
        check(401, &fault("INVALID_SESSION_ID", "m"), Next::AgainFree(Some(300)));
        check(403, &fault("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), Next::AgainFree(Some(900)));
        let concurrent = "ConcurrentRequests (Concurrent API Requests) Limit exceeded.";
        check(403, &fault("REQUEST_LIMIT_EXCEEDED", concurrent), Next::AgainFree(Some(30)));
        check(403, &fault("INSUFFICIENT_ACCESS_OR_READONLY", "m"), Next::Refused);
        check(404, &fault("ENTITY_IS_DELETED", "m"), Next::Refused);
        check(429, "", Next::AgainFree(Some(30)));
        check(410, "", Next::Refused);
        check(500, &fault("UNKNOWN_EXCEPTION", "m"), Next::Unknown);
        check(503, &fault("SERVER_UNAVAILABLE", "m"), Next::Unknown);
        check(502, "<html>", Next::Unknown);
        check(200, "<!DOCTYPE html>maintenance", Next::Unknown);
        assert!(matches!(judge(answer(200, " <html>"), false), Err(Failure::Malformed(_))));
        assert!(matches!(judge(answer(400, &fault("QUERY_TIMEOUT", "m")), false), Err(Failure::Slow(_))));
        let dead = judge(answer(400, &fault("INVALID_QUERY_LOCATOR", "m")), false).unwrap_err();
        assert!(matches!(dead, Failure::Unclear(_)), "the window begins anew, which is no refusal");
    }

    #[test]
    fn an_answer_without_words_leaves_no_punctuation_behind() {
        let connection = ConnectionId::from("salesforce");
        for (status, code) in [(400, "INVALID_FIELD"), (401, "INVALID_SESSION_ID"), (404, "NOT_FOUND"), (500, "X")] {
            for body in [String::new(), fault(code, ""), fault(code, "  "), fault(code, "Jane Roe")] {
                let failure = judge(answer(status, &body), true).unwrap_err();
                let error = failure.clone().reading(&connection, "query Lead").to_string();
                assert_nothing_dangles(&error, &failure.writing());
            }
        }
    }
}
