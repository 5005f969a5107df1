//! HubSpot's webhooks: is it HubSpot's, and which records does it name? Pure.
//!
//! The values in an event are never looked at: order is not guaranteed, duplicates occur, and sensitive ones arrive as
//! `REDACTED`. Source: section 12 of the sheet.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::{digest, hmac};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;

use crate::connector::hook::{self, AGE_MAX, EVENTS_MAX, Event, Knock, Refusal};
use crate::connector::settings::{Hook, Settings};
use crate::domain::id::{Object, RecordRef};

/// A signed time may lie this far ahead of ours. HubSpot's own libraries let any future time pass.
const AHEAD_MAX_MS: i64 = 60_000;

/// What is encoded in the address that HubSpot called, and decoded in what it signed. Source: section 12.
const DECODED: [(&str, &str); 11] = [
    ("%3A", ":"),
    ("%2F", "/"),
    ("%3F", "?"),
    ("%40", "@"),
    ("%21", "!"),
    ("%24", "$"),
    ("%27", "'"),
    ("%28", "("),
    ("%29", ")"),
    ("%2A", "*"),
    ("%2C", ","),
];

/// One event. The type key is `subscriptionType` in live samples, `eventType` in one of the guide's. Source: section 12.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    #[serde(alias = "eventType")]
    subscription_type: Option<String>,
    object_id: Option<Value>,
    object_type_id: Option<String>,
    event_id: Option<Value>,
    portal_id: Option<Value>,
    occurred_at: Option<Value>,
    property_name: Option<String>,
    #[serde(default)]
    merged_object_ids: Vec<Value>,
    new_object_id: Option<Value>,
    primary_object_id: Option<Value>,
    from_object_id: Option<Value>,
    to_object_id: Option<Value>,
}

pub(super) fn hear(settings: &Settings, knock: &Knock) -> Result<Vec<Event>, Refusal> {
    let hook = settings.hook.as_ref().ok_or(Refusal::NotSetUp)?;
    prove(hook, knock)?;
    let told: Vec<Told> = serde_json::from_slice(&knock.body).map_err(|error| Refusal::Unreadable(place(&error)))?;
    let ours = |told: &&Told| match (&settings.account, told.portal_id.as_ref().and_then(number)) {
        (Some(account), Some(portal)) => *account == portal,
        _ => true,
    };
    Ok(told.iter().filter(ours).flat_map(|told| events(settings, told)).take(EVENTS_MAX).collect())
}

/// Where it stops making sense, without what stands there.
fn place(error: &serde_json::Error) -> String {
    format!("line {} column {}", error.line(), error.column())
}

fn prove(hook: &Hook, knock: &Knock) -> Result<(), Refusal> {
    if let Some(signature) = knock.header("x-hubspot-signature-v3") {
        let stamp = knock.header("x-hubspot-request-timestamp").ok_or(Refusal::Forged("it has no timestamp"))?;
        let signed = BASE64.decode(signature).map_err(|_| Refusal::Forged("its signature is no base64"))?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, hook.secret.expose_secret().as_bytes());
        let text = signed_text(&hook.address, knock, stamp);
        hmac::verify(&key, &text, &signed).map_err(|_| Refusal::Forged("its signature is not that of the secret"))?;
        let at: i64 = stamp.parse().map_err(|_| Refusal::Forged("its timestamp is no number"))?;
        let age = knock.now.as_millisecond().saturating_sub(at);
        if i128::from(age) > i128::try_from(AGE_MAX.as_millis()).unwrap_or(i128::MAX) {
            return Err(Refusal::Forged("it is older than five minutes"));
        }
        if age < -AHEAD_MAX_MS {
            return Err(Refusal::Forged("its timestamp lies more than a minute ahead"));
        }
        return Ok(());
    }
    let Some(signature) = knock.header("x-hubspot-signature") else { return Err(Refusal::Forged("it is not signed")) };
    if !hook.old_signature {
        return Err(Refusal::Forged("it has no third signature, and the first one is not taken"));
    }
    // The second signature, which has the same header, covers neither time nor more than the first.
    if knock.header("x-hubspot-signature-version").is_some_and(|version| version != "v1") {
        return Err(Refusal::Forged("it has the second signature, which is not taken"));
    }
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(hook.secret.expose_secret().as_bytes());
    context.update(&knock.body);
    let expected: String = context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    if hook::is_same(expected.as_bytes(), signature.to_ascii_lowercase().as_bytes()) {
        Ok(())
    } else {
        Err(Refusal::Forged("its first signature is not that of the secret"))
    }
}

/// Method, address, body and time as HubSpot joins them.
fn signed_text(address: &str, knock: &Knock, stamp: &str) -> Vec<u8> {
    let mut uri = address.to_owned();
    if let Some(query) = knock.query.as_deref().filter(|query| !query.is_empty() && !address.contains('?')) {
        uri.push('?');
        uri.push_str(query);
    }
    let uri = decoded(&uri);
    let mut text = Vec::with_capacity(4 + uri.len() + knock.body.len() + stamp.len());
    text.extend_from_slice(b"POST");
    text.extend_from_slice(uri.as_bytes());
    text.extend_from_slice(&knock.body);
    text.extend_from_slice(stamp.as_bytes());
    text
}

fn decoded(uri: &str) -> String {
    let mut text = uri.to_owned();
    for (encoded, plain) in DECODED.into_iter().chain([("%3B", ";")]) {
        text = text.replace(encoded, plain).replace(&encoded.to_ascii_lowercase(), plain);
    }
    text
}

/// The records that an event names.
fn events(settings: &Settings, told: &Told) -> Vec<Event> {
    let what = told.subscription_type.as_deref().unwrap_or_default();
    let Some((kind, change)) = what.split_once('.') else { return Vec::new() };
    let object = match (kind, told.object_type_id.as_deref()) {
        ("contact", _) | ("object", Some("0-1")) => Object::Person,
        ("company", _) | ("object", Some("0-2")) => Object::Company,
        ("object", Some("0-48")) => Object::Call,
        ("object", Some("0-49")) => Object::Email,
        ("object", Some("0-47")) => Object::Meeting,
        // Deals, tasks and whatever else: nothing of it is kept.
        _ => return Vec::new(),
    };
    let is_association = change == "associationChange";
    let ids = [&told.object_id, &told.new_object_id, &told.primary_object_id, &told.from_object_id];
    let ids = ids.into_iter().flatten().chain(&told.merged_object_ids).filter_map(number);
    let text = |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
    let mut found: Vec<Event> = Vec::new();
    for id in ids {
        // Not the attempt: a repeated delivery is the same event. The event's own id alone is not unique.
        let key = hook::digest(&[
            &text(&told.portal_id),
            what,
            &id,
            told.property_name.as_deref().unwrap_or_default(),
            &text(&told.occurred_at),
            &text(&told.event_id),
            &text(&told.to_object_id),
        ]);
        let of = RecordRef::new(&settings.id, object, id);
        if !found.iter().any(|known| known.of == of) {
            found.push(Event { key, of, around: is_association });
        }
    }
    found
}

/// An id, as a number or as its text; anything else names no record.
fn number(value: &Value) -> Option<String> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use url::Url;

    use super::*;
    use crate::connector::settings::Kind;

    const SECRET: &str = "baton-test-client-secret-0001";
    const ADDRESS: &str = "https://baton.example.com/webhooks/hubspot";
    const ARRAY: &str = r#"[{"eventId":3816279340,"subscriptionId":25,"portalId":62515,"appId":54321,"occurredAt":1790000000123,"subscriptionType":"contact.propertyChange","attemptNumber":0,"objectId":1246965,"propertyName":"lifecyclestage","propertyValue":"marketingqualifiedlead","changeSource":"CRM_UI","sourceId":"userId:9586504"}]"#;
    const AT: i64 = 1_790_000_001_000;

    fn settings(secret: &str, address: &str, old_signature: bool) -> Settings {
        let base = Url::parse("https://api.hubapi.com").unwrap();
        let mut settings = Settings::new("hubspot", Kind::HubSpot, base, "token".to_owned().into());
        settings.hook = Some(Hook { secret: secret.into(), address: address.to_owned(), old_signature });
        settings
    }

    fn knock(body: &str, stamp: i64, signature: &str) -> Knock {
        Knock {
            headers: vec![
                ("x-hubspot-signature-v3".to_owned(), signature.to_owned()),
                ("x-hubspot-request-timestamp".to_owned(), stamp.to_string()),
            ],
            body: body.as_bytes().to_vec(),
            now: Timestamp::from_millisecond(stamp).unwrap(),
            ..Knock::default()
        }
    }

    /// Source: the table of test vectors in section 12.
    #[test]
    fn the_third_signature_is_that_of_each_vector_section_12() {
        let check = |secret: &str, address: &str, query: Option<&str>, body: &str, stamp: i64, signature: &str| {
            let hook = settings(secret, address, false).hook.unwrap();
            let good = Knock { query: query.map(str::to_owned), ..knock(body, stamp, signature) };
            assert_eq!(prove(&hook, &good), Ok(()), "{signature}");
            let other = Knock { body: format!("{body} ").into_bytes(), ..good.clone() };
            assert!(prove(&hook, &other).is_err(), "another body: {signature}");
            let other = Hook { address: format!("{address}s"), ..hook.clone() };
            assert!(prove(&other, &good).is_err(), "another address: {signature}");
            let other = Hook { secret: format!("{secret}1").into(), ..hook.clone() };
            assert!(prove(&other, &good).is_err(), "another secret: {signature}");
        };
        assert_eq!(ARRAY.len(), 308);
        check(SECRET, ADDRESS, None, ARRAY, AT, "QDTRxBJ3MdOxKC8tK1glmyugme67OzDJ9NxmXip0N+k=");
        let zoe = r#"[{"objectId":1,"propertyName":"lastname","propertyValue":"Zoë Müller"}]"#;
        assert_eq!(zoe.len(), 73);
        check(SECRET, ADDRESS, None, zoe, AT, "2VF0wvAkDanYMN+kU6Gqdrys+lTYZPaokri+KpsJWVs=");
        let query = Some("src=hs%3Aapp%2Fv3&x=%28a%29");
        check(SECRET, ADDRESS, query, "[]", AT, "iv4fynn0N0B89bFujfK55qB5QotiYBYGfRXVDnQnmqc=");
        let python = ("yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy", "https://www.example.com/webhook_uri");
        let body = "{'example_field':'example_value'}";
        check(python.0, python.1, None, body, 1_693_657_560_000, "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y=");
    }

    #[test]
    fn a_signature_holds_for_five_minutes_and_none_of_the_future_fault_48() {
        let hook = settings(SECRET, ADDRESS, false).hook.unwrap();
        let check = |ms: i64, expected: Result<(), Refusal>| {
            let mut good = knock(ARRAY, AT, "QDTRxBJ3MdOxKC8tK1glmyugme67OzDJ9NxmXip0N+k=");
            good.now = Timestamp::from_millisecond(AT + ms).unwrap();
            assert_eq!(prove(&hook, &good), expected, "{ms} ms later");
        };
        check(0, Ok(()));
        check(300_000, Ok(()));
        check(300_001, Err(Refusal::Forged("it is older than five minutes")));
        check(-60_000, Ok(()));
        check(-60_001, Err(Refusal::Forged("its timestamp lies more than a minute ahead")));
        let replayed = Knock {
            headers: vec![
                ("x-hubspot-signature-v3".to_owned(), "QDTRxBJ3MdOxKC8tK1glmyugme67OzDJ9NxmXip0N+k=".to_owned()),
                ("x-hubspot-request-timestamp".to_owned(), (AT + 1).to_string()),
            ],
            ..knock(ARRAY, AT, "")
        };
        assert!(prove(&hook, &replayed).is_err(), "another time under an old signature");
    }

    #[test]
    fn the_first_signature_is_taken_by_choice_alone_and_the_second_never_section_12() {
        const FIRST: &str = "ea3184f84ebaf71cfbbc4062bd1f815d6c4149287386d6848c03366cee11f3c0";
        let signed = |version: Option<&str>, signature: &str| {
            let version = version.map(|version| ("x-hubspot-signature-version".to_owned(), version.to_owned()));
            let headers =
                [("x-hubspot-signature".to_owned(), signature.to_owned())].into_iter().chain(version).collect();
            Knock { headers, body: ARRAY.as_bytes().to_vec(), ..Knock::default() }
        };
        let check = |old: bool, knock: &Knock, is_taken: bool| {
            let hook = settings(SECRET, ADDRESS, old).hook.unwrap();
            assert_eq!(prove(&hook, knock).is_ok(), is_taken, "{knock:?}");
        };
        check(true, &signed(None, FIRST), true);
        check(true, &signed(Some("v1"), FIRST), true);
        check(true, &signed(Some("v2"), FIRST), false);
        check(false, &signed(None, FIRST), false);
        check(true, &signed(None, &FIRST.replace('e', "f")), false);
        check(true, &Knock { body: ARRAY.as_bytes().to_vec(), ..Knock::default() }, false);
    }

    #[test]
    fn events_name_records_and_their_values_are_not_looked_at_fault_46() {
        let settings = settings(SECRET, ADDRESS, false);
        let refs = |body: &str| {
            let told: Vec<Told> = serde_json::from_str(body).unwrap();
            let found: Vec<Event> = told.iter().flat_map(|told| events(&settings, told)).collect();
            let found = found.iter().map(|event| format!("{}{}", event.of, if event.around { " around" } else { "" }));
            found.collect::<Vec<_>>()
        };
        assert_eq!(refs(ARRAY), ["hubspot:person:1246965"]);
        let merge = r#"[{"eventType":"contact.merge","primaryObjectId":5,"mergedObjectIds":[5,6],"newObjectId":"7"}]"#;
        assert_eq!(refs(merge).len(), 3, "{:?}", refs(merge));
        let association = r#"[{"subscriptionType":"contact.associationChange","associationType":"CONTACT_TO_COMPANY","fromObjectId":5,"toObjectId":9}]"#;
        assert_eq!(refs(association), ["hubspot:person:5 around"]);
        let generic = r#"[{"subscriptionType":"object.creation","objectTypeId":"0-48","objectId":77}]"#;
        assert_eq!(refs(generic).len(), 1);
        for nothing in [
            r#"[{"subscriptionType":"deal.creation","objectId":1}]"#,
            r#"[{"subscriptionType":"contact.creation","objectId":"../../etc"}]"#,
            r#"[{"subscriptionType":"contact.creation","objectId":{"a":1}}]"#,
            r#"[{"subscriptionType":"contact.creation"}]"#,
            r#"[{}]"#,
        ] {
            assert_eq!(refs(nothing), [""; 0], "{nothing}");
        }
        let twice: Vec<Told> = serde_json::from_str(ARRAY).unwrap();
        let again: Vec<Told> =
            serde_json::from_str(&ARRAY.replace("\"attemptNumber\":0", "\"attemptNumber\":3")).unwrap();
        assert_eq!(events(&settings, &twice[0]), events(&settings, &again[0]), "a repeat is the same event (fault 45)");
    }
}
