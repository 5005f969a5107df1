//! What the token endpoint says. Pure. Source: the sheet, section 2.

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::super::failure::Failure;
use super::super::soql::Id;
use crate::connector::code;
use crate::http::Response;

/// Hosts that an org may answer from; a token goes nowhere else. Source: section 2, "Hosts", and Salesforce's My Domain names.
const HOSTS: [&str; 3] = [".salesforce.com", ".cloudforce.com", ".salesforce.mil"];

/// A token with the org that it opens.
#[derive(Clone, Debug)]
pub(in crate::connector::salesforce) struct Session {
    pub(in crate::connector::salesforce) access: SecretString,
    /// Where every call goes. It is read anew with every token. Source: section 2.
    pub(in crate::connector::salesforce) instance: Url,
    pub(in crate::connector::salesforce) organization: Option<Id>,
    pub(in crate::connector::salesforce) user: Option<Id>,
    /// A new refresh token, where they rotate.
    pub(super) refresh: Option<SecretString>,
    pub(super) given_at: Timestamp,
}

/// Why no token came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The refresh token, or the code, is over: only a person can bring another.
    Over(String),
    /// App, user or permission are not as they must be: a person must act.
    Settings(String),
    /// Later, or something unexpected.
    Passing(Failure),
}

#[derive(Deserialize)]
struct Given {
    access_token: String,
    instance_url: String,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default)]
    id: Option<String>,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// `base` is the configured address: an org on loopback may name only that.
pub(super) fn read(response: &Response, base: &Url, now: Timestamp) -> Result<Session, Refusal> {
    let passing = |failure: Failure| Refusal::Passing(failure);
    let status = response.status;
    if (200..300).contains(&status) {
        // Where it stops is said, and nothing of it is quoted: there is a token in it.
        let given: Given = serde_json::from_slice(&response.body).map_err(|error| {
            let at = format!("the token answer, line {} column {}", error.line(), error.column());
            passing(Failure::Malformed(at))
        })?;
        let instance = instance(&given.instance_url, base)
            .ok_or_else(|| passing(Failure::Malformed("instance_url is no address of Salesforce".to_owned())))?;
        if given.access_token.trim().is_empty() {
            return Err(passing(Failure::Malformed("the token answer has an empty token".to_owned())));
        }
        // `https://login.salesforce.com/id/00D.../005...`
        let mut parts = given.id.as_deref().unwrap_or_default().rsplit('/');
        let user = parts.next().and_then(Id::parse);
        let organization = parts.next().and_then(Id::parse);
        return Ok(Session {
            access: given.access_token.into(),
            instance,
            organization,
            user,
            refresh: given.refresh_token.filter(|text| !text.is_empty()).map(Into::into),
            given_at: now,
        });
    }
    let refused: Option<Refused> = serde_json::from_slice(&response.body).ok();
    let Some(refused) = refused.filter(|_| matches!(status, 400 | 401)) else {
        return Err(passing(match status {
            429 => Failure::Wait {
                wait: response.retry_after(now).unwrap_or(super::WAIT),
                why: "429 of the token endpoint".to_owned(),
            },
            _ => Failure::NotSent(format!("status {status} of the token endpoint")),
        }));
    };
    let word = code(&refused.error);
    let words = crate::connector::saying(word, &refused.error_description);
    Err(match word {
        "invalid_grant" => Refusal::Over(words),
        _ => Refusal::Settings(words),
    })
}

/// The address, if a token may go there: https to Salesforce's own hosts, or to the very address of the settings.
fn instance(text: &str, base: &Url) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_configured = url.origin() == base.origin();
    let is_theirs =
        url.scheme() == "https" && url.host_str().is_some_and(|host| HOSTS.iter().any(|end| host.ends_with(end)));
    (is_configured || is_theirs).then_some(url)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn answered(status: u16, body: &str) -> Result<Session, Refusal> {
        let base = Url::parse("https://login.salesforce.com").unwrap();
        let response = Response { status, headers: Vec::new(), body: body.as_bytes().to_vec(), date: None };
        read(&response, &base, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn each_answer_of_section_2_says_who_must_act() {
        let over = |words: &str| Refusal::Over(words.to_owned());
        let settings = |words: &str| Refusal::Settings(words.to_owned());
        for (status, body, wanted) in [
            (
                400,
                r#"{"error":"invalid_grant","error_description":"user hasn't approved this consumer"}"#,
                over("invalid_grant: “user hasn't approved this consumer”"),
            ),
            (
                400,
                r#"{"error":"invalid_app_access","error_description":"User isn't approved by an admin to access this app"}"#,
                settings("invalid_app_access: “User isn't approved by an admin to access this app”"),
            ),
            (401, r#"{"error":"invalid_client"}"#, settings("invalid_client")),
        ] {
            assert_eq!(answered(status, body).unwrap_err(), wanted, "{body}");
        }
        for (status, body) in [(500, ""), (503, "{}"), (400, "<html>"), (404, "{}"), (200, "<html>"), (200, "{}")] {
            assert!(matches!(answered(status, body).unwrap_err(), Refusal::Passing(_)), "{status} {body}");
        }
    }

    #[test]
    fn a_token_goes_to_salesforce_alone() {
        let body = |host: &str| {
            format!(
                r#"{{"access_token":"canary","instance_url":"{host}","id":"https://login.salesforce.com/id/00D5f000005bwLFEAY/0055f000005bwLFEAY","token_type":"Bearer"}}"#
            )
        };
        let session = answered(200, &body("https://acme.my.salesforce.com")).unwrap();
        assert_eq!(session.access.expose_secret(), "canary");
        assert_eq!(session.user.unwrap().prefix(), "005");
        assert_eq!(session.organization.unwrap().prefix(), "00D");
        for host in [
            "https://acme.example",
            "http://acme.my.salesforce.com",
            "https://salesforce.com.evil.example",
            "",
            "https://evilsalesforce.com",
        ] {
            let refusal = answered(200, &body(host)).unwrap_err();
            assert!(!format!("{refusal:?}").contains("canary"), "{refusal:?}");
        }
    }
}
