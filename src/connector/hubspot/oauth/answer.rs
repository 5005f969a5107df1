//! What the token endpoint says. Pure. Source: section 11.

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde::Deserialize;

use super::super::answer::{self, Failure};
use super::super::wire::{Text, whole};
use crate::connector::code;
use crate::connector::tokens::Tokens;
use crate::http::Response;

/// Why no tokens came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The refresh token (or code) is over: only a person can bring another.
    Over(String),
    /// The app is not known as it is configured.
    Settings(String),
    /// Later, or something unexpected.
    Passing(Failure),
}

/// A token answer and an error answer have no member in common that means two things, so one shape reads both.
#[derive(Default, Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    access_token: Option<Text<'a>>,
    #[serde(borrow)]
    refresh_token: Option<Text<'a>>,
    expires_in: Option<i64>,
    #[serde(borrow)]
    hub_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    scopes: Vec<Text<'a>>,
    #[serde(borrow)]
    error: Option<Text<'a>>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
}

/// Reads an answer that came at `now`. Nothing of it but codes gets into a message: it may repeat what was sent.
pub(super) fn read(response: &Response, now: Timestamp) -> Result<Tokens, Refusal> {
    if (200..300).contains(&response.status) {
        return tokens(response, now).map_err(|at| Refusal::Passing(Failure::Malformed(at)));
    }
    let body: Body<'_> = whole(&response.body).unwrap_or_default();
    let word = |text: &Option<Text<'_>>| text.as_ref().map_or(String::new(), |text| code(text.as_str()).to_owned());
    let (error, status) = (word(&body.error), word(&body.status));
    let said = if status.is_empty() { error.clone() } else { status.clone() };
    if error == "invalid_grant" || matches!(status.as_str(), "BAD_REFRESH_TOKEN" | "BAD_HUB") {
        return Err(Refusal::Over(said));
    }
    if error == "invalid_client" || matches!(status.as_str(), "BAD_CLIENT_ID" | "BAD_CLIENT_SECRET") {
        return Err(Refusal::Settings(said));
    }
    let judged = answer::judge(
        Response { status: response.status, headers: response.headers.clone(), body: Vec::new(), date: response.date },
        None,
    );
    Err(Refusal::Passing(match judged {
        // Not of the kinds above, so nobody knows that a person must act.
        Err(Failure::Unauthorized(_) | Failure::Forbidden(_) | Failure::Refused(_) | Failure::NotFound(_)) | Ok(_) => {
            Failure::Server(format!("the token endpoint answered {} {said}", response.status))
        }
        Err(other) => other,
    }))
}

fn tokens(response: &Response, now: Timestamp) -> Result<Tokens, String> {
    let body: Body<'_> = whole(&response.body)?;
    let needed = |text: Option<Text<'_>>, member: &str| {
        let text = text.map(|text| text.as_str().to_owned()).filter(|text| !text.is_empty());
        text.ok_or_else(|| format!("{member} is missing"))
    };
    let life = body.expires_in.filter(|seconds| (0..=31_536_000).contains(seconds)).ok_or("expires_in is missing")?;
    Ok(Tokens {
        access: SecretString::from(needed(body.access_token, "access_token")?),
        refresh: SecretString::from(needed(body.refresh_token, "refresh_token")?),
        given_at: now,
        expires_at: now + SignedDuration::from_secs(life),
        account: body.hub_id.map_or(String::new(), |id| id.as_str().to_owned()),
        scopes: body.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use secrecy::ExposeSecret as _;

    use super::*;

    fn answered(status: u16, body: &str) -> Result<Tokens, Refusal> {
        let response = Response { status, headers: Vec::new(), body: body.as_bytes().to_vec(), date: None };
        read(&response, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn each_answer_of_section_11_says_who_must_act_fault_52() {
        let over = |word: &str| Refusal::Over(word.to_owned());
        let settings = |word: &str| Refusal::Settings(word.to_owned());
        for (status, body, wanted) in [
            (400, r#"{"error":"invalid_grant","status":"BAD_REFRESH_TOKEN","message":"m"}"#, over("BAD_REFRESH_TOKEN")),
            (400, r#"{"error":"invalid_grant"}"#, over("invalid_grant")),
            (400, r#"{"error":"access_denied","status":"BAD_HUB"}"#, over("BAD_HUB")),
            (400, r#"{"error":"invalid_client","status":"BAD_CLIENT_ID"}"#, settings("BAD_CLIENT_ID")),
            (401, r#"{"status":"BAD_CLIENT_SECRET"}"#, settings("BAD_CLIENT_SECRET")),
        ] {
            assert_eq!(answered(status, body).unwrap_err(), wanted, "{body}");
        }
        for (status, body) in [(500, ""), (503, "{}"), (400, "<html>"), (404, r#"{"error":"no such path"}"#), (401, "")]
        {
            let refusal = answered(status, body).unwrap_err();
            let passes = matches!(&refusal, Refusal::Passing(Failure::Server(_)));
            assert!(passes, "{status} {body}: {refusal:?}");
        }
        assert!(matches!(answered(502, "").unwrap_err(), Refusal::Passing(Failure::Gateway(_))));
        let wait = Refusal::Passing(Failure::Wait { wait: Duration::from_secs(10), message: "429".to_owned() });
        assert_eq!(answered(429, "").unwrap_err(), wait);
    }

    #[test]
    fn a_pair_is_read_whole_or_not_at_all() {
        let body = r#"{"token_type":"bearer","access_token":"canary-a","refresh_token":"canary-r","expires_in":1800,
                       "hub_id":1234567,"scopes":["oauth","crm.lists.read"],"token_use":"access_token","user_id":2}"#;
        let tokens = answered(200, body).unwrap();
        assert_eq!(tokens.access.expose_secret(), "canary-a");
        assert_eq!((tokens.account.as_str(), tokens.scopes.len()), ("1234567", 2));
        assert_eq!(tokens.expires_at.as_second(), 1800);
        for broken in ["", "{}", &body[..80], &body.replace("1800", "-1"), &body.replace("canary-r", "")] {
            let refusal = answered(200, broken).unwrap_err();
            assert!(matches!(&refusal, Refusal::Passing(Failure::Malformed(_))), "{broken}: {refusal:?}");
            assert!(!format!("{refusal:?}").contains("canary"), "{refusal:?}");
        }
    }
}
