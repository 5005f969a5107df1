//! Odoo's "Send Webhook Notification": is it from whoever knows the secret address, and which record does it name? Pure.
//!
//! Odoo signs nothing, repeats itself (one write made nine identical requests) and waits one second for an answer. The body
//! names the record by `_model` and `_id`; its other values are never looked at. Source: trap 7 of the sheet, and
//! `ir.actions.server` of Odoo 19.0.

use secrecy::ExposeSecret;
use serde::Deserialize;

use crate::connector::hook::{self, Event, Knock, Refusal};
use crate::connector::settings::Hook;
use crate::domain::id::{ConnectionId, Object, RecordRef};

#[derive(Deserialize)]
struct Told {
    _model: String,
    _id: i64,
}

pub(super) fn hear(connection: &ConnectionId, hook: Option<&Hook>, knock: &Knock) -> Result<Vec<Event>, Refusal> {
    let hook = hook.ok_or(Refusal::NotSetUp)?;
    let given = knock.tail.as_deref().ok_or(Refusal::Forged("its address lacks the secret part"))?;
    if !hook::is_same(hook.secret.expose_secret().as_bytes(), given.as_bytes()) {
        return Err(Refusal::Forged("its address has another secret part"));
    }
    let told: Told = serde_json::from_slice(&knock.body)
        .map_err(|error| Refusal::Unreadable(format!("line {} column {}", error.line(), error.column())))?;
    let object = match told._model.as_str() {
        "crm.lead" => Object::Person,
        "mail.message" => Object::Email,
        "res.users" => Object::User,
        // Nothing of it is kept.
        _ => return Ok(Vec::new()),
    };
    // Nothing in a request tells one change from the next: requests within one second are taken for one.
    let second = knock.now.as_second().to_string();
    let key = hook::digest(&[&told._model, &told._id.to_string(), &second]);
    Ok(vec![Event {
        key,
        of: RecordRef::new(connection, object, told._id.to_string()),
        around: object == Object::Person,
    }])
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn knock(tail: Option<&str>, body: &str) -> Knock {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        Knock { tail: tail.map(str::to_owned), body: body.as_bytes().to_vec(), now, ..Knock::default() }
    }

    #[test]
    fn who_does_not_know_the_address_is_refused_before_anything_is_read_fault_48() {
        let odoo = ConnectionId::from("odoo");
        let secret = "f0c9b1d2e3a4958677";
        let hook = Hook { secret: secret.into(), address: String::new(), old_signature: false };
        let body = r#"{"_action":"Baton(#12)","_id":17,"_model":"crm.lead","id":17,"name":"Jane"}"#;
        let found = hear(&odoo, Some(&hook), &knock(Some(secret), body)).unwrap();
        assert_eq!((found.len(), found[0].of.to_string().as_str()), (1, "odoo:person:17"));
        let again = hear(&odoo, Some(&hook), &knock(Some(secret), &body.replace("Jane", "June"))).unwrap();
        assert_eq!(found, again, "one of nine identical requests, whatever they say (faults 45 and 46)");
        for wrong in [None, Some(""), Some("f0c9b1d2e3a4958678"), Some("f0c9b1d2e3a495867")] {
            let refused = hear(&odoo, Some(&hook), &knock(wrong, "not even JSON"));
            assert!(matches!(refused, Err(Refusal::Forged(_))), "{wrong:?}: {refused:?}");
        }
        assert_eq!(hear(&odoo, None, &knock(Some(secret), body)), Err(Refusal::NotSetUp));
        let unread = hear(&odoo, Some(&hook), &knock(Some(secret), r#"{"_id": "Jane"}"#));
        assert!(matches!(&unread, Err(Refusal::Unreadable(at)) if !at.contains("Jane")), "{unread:?}");
        let other = hear(&odoo, Some(&hook), &knock(Some(secret), r#"{"_model":"sale.order","_id":1}"#));
        assert_eq!(other, Ok(Vec::new()));
    }
}
