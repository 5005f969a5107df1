//! Signed webhooks, by the Standard Webhooks specification: `webhook-id`, `webhook-timestamp`, `webhook-signature`.
//!
//! The id is the notice's own, so that a receiver can drop a repeat. Source: standardwebhooks.com, specification 1.0,
//! read 2026-11: signature = `v1,` + base64(HMAC-SHA256(secret, id + "." + timestamp + "." + body)).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use crate::domain::id::{Name, OperationId, PersonId};
use crate::domain::plan::NoticeKind;
use crate::http::{Method, Request};

use super::{Letter, Sent};

/// A receiver of signed webhooks.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Its address.
    pub url: Url,
    /// The secret shared with it: `whsec_` and base64, or plain text.
    pub secret: SecretString,
}

impl Webhook {
    /// The signed request that posts `letters`.
    ///
    /// # Errors
    /// What is wrong with the secret, without the secret.
    pub fn request(&self, letters: &[Letter], more: usize, now: Timestamp) -> Result<Request, String> {
        let Some(first) = letters.first() else { return Err("nothing to send".to_owned()) };
        let id = id(letters);
        let body = json!({
            "type": "baton.notices",
            // When it happened, not when it is sent: the body of a repeat is the same.
            "timestamp": first.notice.at.to_string(),
            "data": { "notices": letters.iter().map(view).collect::<Vec<_>>(), "more": more },
        });
        let body = body.to_string();
        let timestamp = now.as_second().to_string();
        let signature = sign(&self.secret, &id, &timestamp, body.as_bytes())?;
        Ok(Request::to(Method::Post, &self.url, &[])
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .json(body.into_bytes()))
    }
}

/// The id by which a receiver drops a repeat: the notice's own, or one of all that a bundle carries. Were it the first
/// one's, a repeat that carries one notice more would be dropped with it.
fn id(letters: &[Letter]) -> String {
    match letters {
        [letter] => format!("msg_{}", letter.notice.op),
        letters => {
            let ops: Vec<String> = letters.iter().map(|letter| letter.notice.op.to_string()).collect();
            let ops: Vec<&str> = ops.iter().map(String::as_str).collect();
            format!("msg_{}", OperationId::of(&ops))
        }
    }
}

fn view(letter: &Letter) -> Value {
    let notice = &letter.notice;
    json!({
        "id": notice.op.to_string(),
        "kind": notice.kind.as_str(),
        "lead": (notice.kind != NoticeKind::Trouble).then(|| notice.lead.to_string()),
        "handoff": notice.handoff.map(|handoff| handoff.to_string()),
        "people": notice.people.iter().map(|(person, slack)| json!({
            "person": PersonId::as_str(person),
            "slack": slack.as_ref().map(Name::as_str),
        })).collect::<Vec<_>>(),
        "headline": notice.story.headline,
        "lines": notice.story.lines,
        "link": notice.story.link,
        "withdraws": notice.withdraws.map(|op| op.to_string()),
        "possibly_repeated": letter.may_repeat,
        "about": notice.about.as_ref().map(Name::as_str),
        "package": notice.package,
        "answer": letter.answer,
    })
}

fn sign(secret: &SecretString, id: &str, timestamp: &str, body: &[u8]) -> Result<String, String> {
    let secret = secret.expose_secret();
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => {
            BASE64.decode(encoded).map_err(|_| "the webhook's secret is no base64 after `whsec_`".to_owned())?
        }
        None => secret.as_bytes().to_vec(),
    };
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key));
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        context.update(part);
    }
    Ok(format!("v1,{}", BASE64.encode(context.sign())))
}

pub(super) fn outcome(status: u16, wait: Option<Duration>) -> Sent {
    match status {
        200..=299 => Sent::Done,
        429 => Sent::Again { after: wait, message: "the receiver asks to wait".to_owned() },
        400..=499 => Sent::Dead { message: format!("the receiver answered {status}") },
        _ => Sent::Unknown { message: format!("the receiver answered {status}") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_the_vector_of_the_specification() {
        // The vector that the reference libraries share.
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signature.as_deref(), Ok("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn the_id_is_the_notices_own_so_that_a_repeat_can_be_told() {
        let webhook =
            Webhook { url: Url::parse("https://ops.example.com/in").unwrap(), secret: "whsec_MfKQ9r8G".into() };
        let letters = [crate::notify::slack::tests::letter("a", "b")];
        let first = webhook.request(&letters, 0, Timestamp::UNIX_EPOCH).unwrap();
        let later = webhook.request(&letters, 0, Timestamp::from_second(60).unwrap()).unwrap();
        let id = |request: &Request| request.headers.iter().find(|(name, _)| *name == "webhook-id").unwrap().1.clone();
        assert_eq!(id(&first), id(&later));
        assert_eq!(first.body, later.body);
        let two = [letters[0].clone(), crate::notify::slack::tests::letter("c", "d")];
        let bundle = webhook.request(&two, 0, Timestamp::UNIX_EPOCH).unwrap();
        assert_ne!(id(&first), id(&bundle), "a repeat that carries more is not dropped as a whole");
    }
}
