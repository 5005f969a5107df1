//! Webhooks v2: is it from whoever knows user and password, and which record does it name? Pure. Source: section 8.
//!
//! Nothing is signed, so the secret is the password of HTTP Basic. Nothing that it says is believed but which record to look at. Leads
//! have no records of their own here: what is asked for is a person named `lead:<uuid>`, and of a merge `merged:<loser>:<winner>`;
//! reading finds out what is true of it. Baton's own writes come back, too, and are looked at like others': the look is what tells
//! that they are known.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;

use crate::connector::hook::{self, Event, Knock, Refusal};
use crate::connector::settings::Hook;
use crate::domain::id::{ConnectionId, Object, RecordRef, RemoteId};

/// The user that `baton` subscribes with; the password is the secret. Source: section 8.
pub(super) const USER: &str = "baton";

#[derive(Deserialize)]
struct Told {
    meta: Meta,
}

/// Ids are text, or numbers in older samples.
#[derive(Deserialize)]
struct Meta {
    entity: String,
    entity_id: Value,
    /// One event, however often it is sent.
    id: Option<String>,
    merged_to_id: Option<Value>,
}

/// What a webhook may ask for that is no person by their number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Lead(String),
    Merged { loser: i64, winner: i64 },
}

impl Asked {
    pub(super) fn of(id: &RemoteId) -> Option<Self> {
        let (kind, rest) = id.as_str().split_once(':')?;
        match kind {
            "lead" => Some(Self::Lead(rest.to_owned())),
            "merged" => {
                let (loser, winner) = rest.split_once(':')?;
                Some(Self::Merged { loser: loser.parse().ok()?, winner: winner.parse().ok()? })
            }
            _ => None,
        }
    }
}

pub(super) fn hear(connection: &ConnectionId, hook: Option<&Hook>, knock: &Knock) -> Result<Vec<Event>, Refusal> {
    let hook = hook.ok_or(Refusal::NotSetUp)?;
    let given = knock.header("authorization").ok_or(Refusal::Forged("it has no user and password"))?;
    let wanted = format!("Basic {}", STANDARD.encode(format!("{USER}:{}", hook.secret.expose_secret())));
    if !hook::is_same(wanted.as_bytes(), given.as_bytes()) {
        return Err(Refusal::Forged("it has another user or password"));
    }
    let told: Told = serde_json::from_slice(&knock.body)
        .map_err(|error| Refusal::Unreadable(format!("line {} column {}", error.line(), error.column())))?;
    let meta = told.meta;
    let Some(id) = number_or_text(&meta.entity_id) else {
        return Err(Refusal::Unreadable("meta.entity_id".to_owned()));
    };
    let (object, named) = match (meta.entity.as_str(), meta.merged_to_id.as_ref().and_then(number_or_text)) {
        ("person", Some(winner)) => (Object::Person, format!("merged:{id}:{winner}")),
        ("person", None) => (Object::Person, id),
        ("lead", _) => (Object::Person, format!("lead:{id}")),
        ("deal", _) => (Object::Deal, id),
        // What it is only its row says.
        ("activity", _) => (Object::Call, id),
        ("organization", _) => (Object::Company, id),
        ("user", _) => (Object::User, id),
        // Nothing of it is kept.
        _ => return Ok(Vec::new()),
    };
    let key = match &meta.id {
        Some(event) => hook::digest(&["event", event]),
        None => hook::digest(&[&meta.entity, &named, &knock.now.as_second().to_string()]),
    };
    Ok(vec![Event { key, of: RecordRef::new(connection, object, named), around: false }])
}

fn number_or_text(value: &Value) -> Option<String> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    // A number or a UUID: nothing else names a record here.
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (!text.is_empty() && text.len() <= 64 && text.bytes().all(fits)).then_some(text)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    fn knock(password: Option<&str>, body: &Value) -> Knock {
        let basic = password.map(|password| format!("Basic {}", STANDARD.encode(format!("baton:{password}"))));
        Knock {
            headers: basic.into_iter().map(|basic| ("authorization".to_owned(), basic)).collect(),
            body: body.to_string().into_bytes(),
            now: Timestamp::from_second(1_790_000_000).unwrap(),
            ..Knock::default()
        }
    }

    fn told(entity: &str, id: &str, more: &Value) -> Value {
        let mut body = json!({"meta": {"action": "change", "entity": entity, "entity_id": id, "id": format!("event-{id}"), "user_id": "1"},
            "data": {"name": "Jane Roe"}, "previous": null});
        for (name, value) in more.as_object().unwrap() {
            body["meta"][name.as_str()] = value.clone();
        }
        body
    }

    #[test]
    fn who_does_not_know_the_password_is_refused_before_anything_is_read_section_8() {
        let crm = ConnectionId::from("pipedrive");
        let secret = "f0c9b1d2e3a4958677ab";
        let hook = Hook { secret: secret.into(), address: String::new(), old_signature: false };
        for (entity, id, named) in [
            ("person", "7", "pipedrive:person:7"),
            (
                "lead",
                "adf21080-0e10-11eb-879b-05d71fb426ec",
                "pipedrive:person:lead:adf21080-0e10-11eb-879b-05d71fb426ec",
            ),
            ("deal", "9", "pipedrive:deal:9"),
            ("activity", "3", "pipedrive:call:3"),
            ("organization", "4", "pipedrive:company:4"),
        ] {
            let found = hear(&crm, Some(&hook), &knock(Some(secret), &told(entity, id, &json!({})))).unwrap();
            assert_eq!(found[0].of.to_string(), named);
        }
        let body = told("person", "7", &json!({}));
        for wrong in [None, Some(""), Some("f0c9b1d2e3a4958677ac"), Some("f0c9b1d2e3a4958677a")] {
            let refused = hear(&crm, Some(&hook), &knock(wrong, &json!("not even an object")));
            assert!(matches!(refused, Err(Refusal::Forged(_))), "{wrong:?}: {refused:?}");
        }
        assert_eq!(hear(&crm, None, &knock(Some(secret), &body)), Err(Refusal::NotSetUp));
        let unread = hear(&crm, Some(&hook), &knock(Some(secret), &told("person", "Jane Roe", &json!({}))));
        assert!(matches!(&unread, Err(Refusal::Unreadable(at)) if !at.contains("Jane")), "{unread:?}");
        let other = hear(&crm, Some(&hook), &knock(Some(secret), &told("product", "1", &json!({}))));
        assert_eq!(other, Ok(Vec::new()));
        // The same event again, after 3, 30 and 150 seconds.
        let again = |attempt: i64| {
            let body = told("person", "7", &json!({ "attempt": attempt }));
            hear(&crm, Some(&hook), &knock(Some(secret), &body)).unwrap().remove(0).key
        };
        assert_eq!(again(1), again(2));
    }

    #[test]
    fn a_merge_names_both_and_reads_back_section_5() {
        let crm = ConnectionId::from("pipedrive");
        let hook = Hook { secret: "f0c9b1d2e3a4958677ab".into(), address: String::new(), old_signature: false };
        let body = told("person", "8", &json!({"action": "delete", "merged_to_id": "7"}));
        let found = hear(&crm, Some(&hook), &knock(Some("f0c9b1d2e3a4958677ab"), &body)).unwrap();
        assert_eq!(Asked::of(&found[0].of.id), Some(Asked::Merged { loser: 8, winner: 7 }));
        assert_eq!(Asked::of(&RemoteId::from("7")), None);
        assert_eq!(Asked::of(&RemoteId::from("lead:a-b")), Some(Asked::Lead("a-b".to_owned())));
    }
}
