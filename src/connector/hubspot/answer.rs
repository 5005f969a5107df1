//! HubSpot's error answers -> what the caller does next: the whole of section 9's table and the waits of section 8. Pure.

use std::time::Duration;

use jiff::civil::Time;
use jiff::{Timestamp, tz::TimeZone};

use super::oauth::SCOPES;
use super::wire::{Detail, ErrorBody, RowError, Text, whole};
use crate::connector::{ConnectorError, Outcome, code, saying, unquoted};
use crate::domain::id::ConnectionId;
use crate::domain::local;
use crate::http::{Response, SendError};

/// Why a request has no usable answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// 401, or another account: the credentials.
    Unauthorized(String),
    /// 403: what the credentials may do. Other operations may well be allowed.
    Forbidden(String),
    /// 429 and 477: the whole connection waits.
    Wait {
        /// How long.
        wait: Duration,
        /// Why.
        message: String,
    },
    /// 423: this record waits.
    Locked(Duration),
    /// 5xx: a write may have happened.
    Server(String),
    /// 502, 504, 524: what stands before the server did not wait for it, so a write may even happen later.
    Gateway(String),
    /// 409: the record exists already, under this id if the answer says so.
    Conflict(Option<String>, String),
    /// 404.
    NotFound(String),
    /// 400, 414 and all else: never again like this.
    Refused(String),
    /// It never left.
    NotSent(String),
    /// It left, and no answer came.
    NoAnswer(String),
    /// A redirect, not followed.
    Redirected(u16),
    /// 2xx with something else than documented: where.
    Malformed(String),
}

/// Seconds to wait when locked, at least. Source: section 9, 423.
const LOCKED: Duration = Duration::from_secs(2);
/// Source: section 8, what the official client waits.
const TEN_SECONDLY: Duration = Duration::from_secs(10);
/// Source: section 8.
const SECONDLY: Duration = Duration::from_secs(1);
/// A day's quota is gone and the portal's zone is not known yet, or a data centre move gave no time.
const UNKNOWN_END: Duration = Duration::from_secs(3600);
/// How long a write waits for a person to repair credentials before it is tried again.
const REPAIR: Duration = Duration::from_secs(300);
/// Source: section 9, 477: "up to 24 h".
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Divides an answer: 2xx passes. `zone` is the portal's: its midnight gives the daily quota back.
pub(super) fn judge(response: Response, zone: Option<&TimeZone>) -> Result<Response, Failure> {
    if (200..300).contains(&response.status) {
        return Ok(response);
    }
    let body: ErrorBody<'_> = whole(&response.body).unwrap_or_default();
    let message = words(response.status, &body);
    let asked = retry_after(&response);
    Err(match response.status {
        401 => Failure::Unauthorized(message),
        403 => Failure::Forbidden(forbidden(&body, &message)),
        404 => Failure::NotFound(message),
        409 => {
            let id = body.message.as_ref().and_then(|text| existing_id(text.as_str()));
            Failure::Conflict(id, message)
        }
        423 => Failure::Locked(asked.unwrap_or(LOCKED).max(LOCKED)),
        429 => Failure::Wait { wait: limited(&body, asked, date(&response), zone), message },
        477 => Failure::Wait { wait: asked.unwrap_or(UNKNOWN_END).min(LONGEST), message },
        502 | 504 | 524 => Failure::Gateway(message),
        500..=599 => Failure::Server(message),
        _ => Failure::Refused(message),
    })
}

/// Does this answer say that the token has expired? Any other 401 is no reason to ask for another. Source: sections 9 (c)
/// and 11.
pub(super) fn has_expired(response: &Response) -> bool {
    let body = || whole::<ErrorBody<'_>>(&response.body).unwrap_or_default();
    response.status == 401 && body().category.is_some_and(|category| category.as_str() == "EXPIRED_AUTHENTICATION")
}

fn limited(
    body: &ErrorBody<'_>,
    asked: Option<Duration>,
    date: Option<Timestamp>,
    zone: Option<&TimeZone>,
) -> Duration {
    if let Some(asked) = asked {
        return asked.min(LONGEST);
    }
    let policy = body.policy_name.as_ref().map_or("", Text::as_str).to_ascii_uppercase();
    let message = body.message.as_ref().map_or("", Text::as_str).to_ascii_lowercase();
    if policy == "DAILY" || (policy.is_empty() && message.contains("daily")) {
        return date.zip(zone).and_then(|(now, zone)| until_midnight(now, zone)).unwrap_or(UNKNOWN_END);
    }
    if policy.starts_with("TEN_SECONDLY") || message.contains("ten_secondly") {
        return TEN_SECONDLY;
    }
    if policy.starts_with("SECONDLY") || message.contains("secondly") { SECONDLY } else { TEN_SECONDLY }
}

fn until_midnight(now: Timestamp, zone: &TimeZone) -> Option<Duration> {
    Duration::try_from(local::next(now, Time::midnight(), zone).duration_since(now)).ok()
}

/// `Retry-After`, in seconds or as a date. Source: sections 8 and 9, fault 53.
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.header("retry-after")?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds.is_finite() && seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(86_400.0)));
    }
    let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let now = date(response)?;
    Some(Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// The CRM's present.
pub(super) fn date(response: &Response) -> Option<Timestamp> {
    response.date.or_else(|| Some(jiff::fmt::rfc2822::parse(response.header("date")?).ok()?.timestamp()))
}

/// The id in "Contact already exists. Existing ID: 6001". Source: section 9 (f).
fn existing_id(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("xisting ID:")?;
    let id: String = rest.trim().chars().take_while(char::is_ascii_digit).collect();
    (!id.is_empty()).then_some(id)
}

fn forbidden(body: &ErrorBody<'_>, message: &str) -> String {
    let scopes: Vec<&str> = body
        .errors
        .iter()
        .flatten()
        .filter_map(|detail| detail.context.get("requiredGranularScopes"))
        .flat_map(|scopes| scopes.0.iter().map(Text::as_str))
        .collect();
    if scopes.is_empty() {
        message.to_owned()
    } else {
        let known = SCOPES.iter().filter(|scope| scopes.contains(&scope.name));
        let without: Vec<String> = known.map(|scope| format!("; without {}: {}", scope.name, scope.without)).collect();
        let scopes = scopes.join(", ");
        format!(
            "the token lacks a scope: give it one of {scopes} in HubSpot's settings of the key or app{}",
            without.concat()
        )
    }
}

/// The CRM's words without values of people: status, category, and for each reason its code and property.
fn words(status: u16, body: &ErrorBody<'_>) -> String {
    let category = body.category.as_ref().map_or("", |category| code(category.as_str()));
    let reasons = details(body.errors.as_deref().unwrap_or_default());
    let mut text = format!("{status}");
    if !category.is_empty() {
        text.push(' ');
        text.push_str(category);
    }
    if !reasons.is_empty() {
        text.push_str(": ");
        text.push_str(&reasons);
    } else if let Some(message) = &body.message {
        text = saying(&text, &without_values(message.as_str()));
    }
    if let Some(id) = body.correlation_id.as_ref().map(|id| code(id.as_str())).filter(|id| !id.is_empty()) {
        text.push_str(&format!(" (correlation {id})"));
    }
    text
}

/// The words of one failed row of a batch.
pub(super) fn row_words(error: &RowError<'_>) -> String {
    let category = error.category.as_ref().map_or("refused", |category| code(category.as_str()));
    let reasons = details(error.errors.as_deref().unwrap_or_default());
    match (reasons.is_empty(), &error.message) {
        (false, _) => format!("{category}: {reasons}"),
        (true, Some(message)) => saying(category, &without_values(message.as_str())),
        (true, None) => category.to_owned(),
    }
}

fn details(details: &[Detail<'_>]) -> String {
    let each = details.iter().filter_map(|detail| {
        let code = Some(code(detail.code.as_ref()?.as_str())).filter(|code| !code.is_empty())?;
        let properties = detail.context.get("propertyName").map_or(&[][..], |names| &names.0);
        let names: Vec<&str> = properties.iter().map(|name| self::code(name.as_str())).collect();
        Some(if names.is_empty() { code.to_owned() } else { format!("{code} on {}", names.join(", ")) })
    });
    let listed: Vec<String> = each.collect();
    if listed.is_empty() {
        // No codes: the words themselves, of the first.
        return details
            .first()
            .and_then(|detail| detail.message.as_ref())
            .map_or(String::new(), |text| saying("", &without_values(text.as_str())));
    }
    listed.join("; ")
}

/// A message, cut to a line, without addresses and without what follows the fixed words of a validation message.
fn without_values(message: &str) -> String {
    let fixed = message.split(": [").next().unwrap_or(message);
    let line = fixed.lines().next().unwrap_or("");
    let kept: Vec<&str> =
        line.split_whitespace().map(|word| if word.contains('@') { "(address)" } else { word }).collect();
    kept.join(" ").chars().take(200).collect()
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        match error {
            SendError::NotSent { message } => Self::NotSent(message),
            SendError::Unknown { message } => Self::NoAnswer(message),
            SendError::TooLarge { body_bytes_max } => {
                Self::Malformed(format!("the answer is longer than {body_bytes_max} bytes"))
            }
            SendError::Redirected { status } => Self::Redirected(status),
        }
    }
}

impl Failure {
    /// Would every other request fail like this one?
    pub(super) fn halts(&self) -> bool {
        matches!(self, Self::Unauthorized(_) | Self::Wait { .. })
    }

    /// Did HubSpot read the request and refuse it as a whole?
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Conflict(..) | Self::NotFound(_) | Self::Refused(_))
    }

    /// May the request still be carried out, after a look that found nothing?
    pub(super) fn may_still_come(&self) -> bool {
        matches!(self, Self::Gateway(_) | Self::NoAnswer(_))
    }

    /// For who reads.
    pub(super) fn reading(self, connection: &ConnectionId, what: &str) -> ConnectorError {
        let connection = connection.clone();
        let what = what.to_owned();
        match self {
            Self::Unauthorized(message) => ConnectorError::Unauthorized { connection, message: unquoted(&message) },
            Self::Wait { wait, .. } | Self::Locked(wait) => {
                ConnectorError::RateLimited { connection, retry_after: wait }
            }
            Self::Server(message) | Self::Gateway(message) | Self::NotSent(message) | Self::NoAnswer(message) => {
                ConnectorError::Unavailable { connection, message: format!("{what}: {}", unquoted(&message)) }
            }
            Self::Forbidden(message)
            | Self::Conflict(_, message)
            | Self::NotFound(message)
            | Self::Refused(message) => ConnectorError::Rejected { connection, what, message: unquoted(&message) },
            Self::Redirected(status) => ConnectorError::Rejected {
                connection,
                what,
                message: format!("redirected ({status}): not followed; check base_url"),
            },
            Self::Malformed(at) => ConnectorError::Malformed { connection, what, at },
        }
    }

    /// For who writes.
    pub(super) fn writing(self) -> Outcome {
        match self {
            // Credentials are repaired by a person: the write waits and keeps its tries.
            Self::Unauthorized(message) | Self::Forbidden(message) => {
                Outcome::Again { after: Some(REPAIR), counts: false, message }
            }
            Self::Wait { wait, message } => Outcome::Again { after: Some(wait), counts: false, message },
            Self::Locked(wait) => {
                Outcome::Again { after: Some(wait), counts: true, message: "423: the record is locked".to_owned() }
            }
            Self::Server(message) | Self::Gateway(message) | Self::NoAnswer(message) => Outcome::Unknown { message },
            Self::Malformed(at) => Outcome::Unknown { message: format!("answered with something unexpected at {at}") },
            Self::NotSent(message) => Outcome::Again { after: None, counts: true, message },
            Self::Conflict(_, message) | Self::NotFound(message) | Self::Refused(message) => {
                Outcome::Refused { message }
            }
            Self::Redirected(status) => {
                Outcome::Refused { message: format!("redirected ({status}): not followed; check base_url") }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::assert_nothing_dangles;

    fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        Response {
            status,
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: body.as_bytes().to_vec(),
            date: None,
        }
    }

    fn failed(status: u16, headers: &[(&str, &str)], body: &str) -> Failure {
        judge(response(status, headers, body), Some(&TimeZone::get("US/Eastern").unwrap())).unwrap_err()
    }

    const NOW: (&str, &str) = ("date", "Mon, 21 Sep 2026 13:28:00 GMT");

    #[test]
    fn every_wait_of_section_8_is_kept() {
        let daily = r#"{"status":"error","message":"You have reached your daily limit.","errorType":"RATE_LIMIT","policyName":"DAILY"}"#;
        let ten =
            r#"{"message":"You have reached your ten_secondly_rolling limit.","policyName":"TEN_SECONDLY_ROLLING"}"#;
        let secondly =
            r#"{"status":"error","message":"You have reached your secondly limit.","errorType":"RATE_LIMIT"}"#;
        // 13:28 UTC is 09:28 in the portal's zone: 14 h 32 min to midnight.
        let midnight = 14 * 3600 + 32 * 60;
        let http_date = ("retry-after", "Mon, 21 Sep 2026 13:28:07 GMT");
        for (status, headers, body, seconds) in [
            (429, vec![NOW], daily, midnight),
            (429, vec![], daily, 3600),
            (429, vec![NOW], ten, 10),
            (429, vec![NOW], secondly, 1),
            (429, vec![NOW], "", 10),
            (429, vec![("retry-after", "17")], ten, 17),
            (429, vec![NOW, http_date], ten, 7),
            (477, vec![("retry-after", "7200")], "", 7200),
            (477, vec![], "", 3600),
            (477, vec![("retry-after", "999999")], "", 86_400),
        ] {
            match failed(status, &headers, body) {
                Failure::Wait { wait, .. } => assert_eq!(wait.as_secs(), seconds, "{status} {headers:?} {body}"),
                other => panic!("{status}: {other:?}"),
            }
        }
        assert_eq!(failed(423, &[], ""), Failure::Locked(Duration::from_secs(2)));
        assert_eq!(failed(423, &[("retry-after", "1")], ""), Failure::Locked(Duration::from_secs(2)));
        assert_eq!(failed(423, &[("retry-after", "9")], ""), Failure::Locked(Duration::from_secs(9)));
    }

    #[test]
    fn every_row_of_section_9_says_what_comes_next() {
        #[derive(Debug, PartialEq)]
        enum Next {
            Again(bool),
            Unknown,
            Refused,
        }
        let conflict =
            r#"{"status":"error","message":"Contact already exists. Existing ID: 6001","category":"CONFLICT"}"#;
        for (status, body, reads_as, write) in [
            (400, r#"{"category":"VALIDATION_ERROR"}"#, "refused", Next::Refused),
            (401, r#"{"category":"INVALID_AUTHENTICATION"}"#, "credentials", Next::Again(false)),
            (401, r#"{"category":"EXPIRED_AUTHENTICATION"}"#, "credentials", Next::Again(false)),
            (403, r#"{"category":"MISSING_SCOPES"}"#, "refused", Next::Again(false)),
            (404, r#"{"category":"OBJECT_NOT_FOUND"}"#, "refused", Next::Refused),
            (409, conflict, "refused", Next::Refused),
            (414, "<html>", "refused", Next::Refused),
            (423, "", "wait", Next::Again(true)),
            (429, "", "wait", Next::Again(false)),
            (477, "", "wait", Next::Again(false)),
            (500, "", "cannot be read", Next::Unknown),
            (502, "<html>", "cannot be read", Next::Unknown),
            (503, "", "cannot be read", Next::Unknown),
            (504, "", "cannot be read", Next::Unknown),
            (521, "", "cannot be read", Next::Unknown),
            (522, "", "cannot be read", Next::Unknown),
            (523, "", "cannot be read", Next::Unknown),
            (524, "", "cannot be read", Next::Unknown),
            (525, "", "cannot be read", Next::Unknown),
            (526, "", "cannot be read", Next::Unknown),
        ] {
            let failure = failed(status, &[], body);
            let error = failure.clone().reading(&ConnectionId::from("hubspot"), "GET contacts").to_string();
            assert!(error.contains(reads_as), "{status}: {error}");
            let found = match failure.writing() {
                Outcome::Again { counts, .. } => Next::Again(counts),
                Outcome::Unknown { .. } => Next::Unknown,
                Outcome::Refused { .. } => Next::Refused,
                other => panic!("{status}: {other:?}"),
            };
            assert_eq!(found, write, "{status}");
        }
        assert!(matches!(failed(409, &[], conflict), Failure::Conflict(Some(id), _) if id == "6001"));
    }

    #[test]
    fn an_answer_without_words_leaves_no_punctuation_behind() {
        for body in [
            "",
            r#"{"message":""}"#,
            r#"{"category":"X","message":" ","correlationId":""}"#,
            r#"{"category":"X","message":"","correlationId":"a1"}"#,
            r#"{"category":"X","message":"Jane","correlationId":"a1"}"#,
            r#"{"errors":[{"message":""}]}"#,
            r#"{"errors":[{"code":"","context":{"propertyName":[""]}}]}"#,
        ] {
            for status in [400, 401, 403, 404, 409, 500] {
                let failure = failed(status, &[], body);
                let error = failure.clone().reading(&ConnectionId::from("hubspot"), "GET contacts").to_string();
                assert_nothing_dangles(&error, &failure.writing());
            }
        }
    }

    #[test]
    fn missing_scopes_are_named_section_9_d() {
        let body = r#"{"message":"This app hasn't been granted all required scopes to make this call.","errors":[{"message":"One or more of the following scopes are required.","context":{"requiredGranularScopes":["crm.schemas.deals.read","crm.objects.deals.read"]}}],"category":"MISSING_SCOPES"}"#;
        let Failure::Forbidden(message) = failed(403, &[], body) else { panic!() };
        assert!(message.contains("crm.schemas.deals.read, crm.objects.deals.read"), "{message}");
    }

    #[test]
    fn a_refusal_names_code_and_property_and_no_value_section_9_a() {
        let body = r#"{"status":"error","message":"Property values were not valid: [{\"message\":\"jane@x.example was bad\"}]","errors":[{"message":"jane@x.example is bad","code":"INVALID_EMAIL","context":{"propertyName":["email"]}}],"category":"VALIDATION_ERROR"}"#;
        let Failure::Refused(message) = failed(400, &[], body) else { panic!() };
        assert_eq!(message, "400 VALIDATION_ERROR: INVALID_EMAIL on email");
        let body = r#"{"message":"Email address jane@x.example is invalid","category":"VALIDATION_ERROR"}"#;
        let Failure::Refused(message) = failed(400, &[], body) else { panic!() };
        assert!(!message.contains("jane"), "{message}");
    }

    #[test]
    fn what_never_left_may_be_sent_again_and_what_left_may_not() {
        let not_sent = Failure::from(SendError::NotSent { message: "refused".to_owned() });
        assert!(matches!(not_sent.writing(), Outcome::Again { .. }));
        let cut = Failure::from(SendError::Unknown { message: "reset".to_owned() });
        assert!(matches!(cut.writing(), Outcome::Unknown { .. }));
        assert!(matches!(Failure::from(SendError::Redirected { status: 302 }).writing(), Outcome::Refused { .. }));
    }
}
