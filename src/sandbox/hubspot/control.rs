//! `/_sandbox/...`: faults, ledger, counts and the people inside the CRM, for other processes and for the curious.
//!
//! `POST /_sandbox/faults` takes `{"place": {"method": "PATCH", "path": "/contacts/"}, "when": {"times": 2}, "fault": {"kind": "status", "status": 503}}`;
//! `POST /_sandbox/objects` takes `{"kind": "contact", "by": {"user": 7}, "properties": {..}}` and makes a record, or changes one if `id` is there.

use std::collections::BTreeMap;

use axum::http::request::Parts;
use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, invalid, no_such_path};
use super::faults::Order;
use super::kind::Kind;
use super::model::Author;
use super::route::Query;
use super::{HubSpot, Population};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    kind: Kind,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    by: Option<Author>,
    #[serde(default)]
    properties: BTreeMap<String, String>,
    /// Records to join with: type and id.
    #[serde(default)]
    associate: Vec<(Kind, String)>,
    #[serde(default)]
    archive: bool,
    /// The loser of a merge.
    #[serde(default)]
    merge: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewOwner {
    email: String,
    first_name: String,
    last_name: String,
}

pub(super) fn serve(hub: &HubSpot, parts: &Parts, body: &[u8]) -> Answer {
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let path = parts.uri.path().trim_start_matches("/_sandbox/");
    match (parts.method.as_str(), path) {
        ("POST", "faults") => with(body, |order: Order| {
            hub.lock().arm(order);
            Answer::empty()
        }),
        ("GET", "faults") => {
            let state = hub.lock();
            Answer::json(200, &json!({"struck": state.faults.struck, "armed": state.faults.orders()}))
        }
        ("DELETE", "faults") => {
            hub.faults().clear();
            Answer::empty()
        }
        ("GET", "ledger") => {
            let from = query.one("after").and_then(|text| text.parse().ok()).unwrap_or(0);
            let ledger: Vec<_> = hub.ledger().into_iter().skip(from).collect();
            Answer::json(200, &json!(ledger))
        }
        ("GET", "requests") => Answer::json(200, &json!(hub.requests())),
        ("DELETE", "requests") => {
            hub.reset_requests();
            Answer::empty()
        }
        ("POST", "objects") => with(body, |edit: Edit| edit_object(hub, &edit)),
        ("POST", "owners") => with(body, |owner: NewOwner| {
            Answer::json(200, &json!(hub.add_owner(&owner.email, &owner.first_name, &owner.last_name)))
        }),
        ("POST", "populate") => with(body, |population: Population| {
            hub.populate(&population);
            Answer::empty()
        }),
        ("GET", other) => match other.strip_prefix("objects/").and_then(|rest| rest.split_once('/')) {
            Some((kind, id)) => match Kind::parse(kind).and_then(|kind| hub.get(kind, id)) {
                Some(values) => Answer::json(200, &json!(values)),
                None => no_such_path(),
            },
            None => no_such_path(),
        },
        _ => no_such_path(),
    }
}

fn with<T: for<'a> Deserialize<'a>>(body: &[u8], act: impl FnOnce(T) -> Answer) -> Answer {
    match serde_json::from_slice(body) {
        Ok(read) => act(read),
        Err(error) => invalid(error.to_string()),
    }
}

fn edit_object(hub: &HubSpot, edit: &Edit) -> Answer {
    let by = edit.by.unwrap_or(Author::User(1));
    let properties: Vec<(&str, &str)> =
        edit.properties.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut id = match &edit.id {
        None => hub.create(edit.kind, by, &properties),
        Some(id) => {
            if !hub.update(edit.kind, id, by, &properties) {
                return no_such_path();
            }
            id.clone()
        }
    };
    if let Some(loser) = &edit.merge {
        match hub.merge(edit.kind, &id, loser, by) {
            Some(merged) => id = merged,
            None => return no_such_path(),
        }
    }
    for (kind, other) in &edit.associate {
        hub.associate((edit.kind, &id), (*kind, other), true);
    }
    if edit.archive {
        hub.archive(edit.kind, &id);
    }
    Answer::json(200, &json!({"id": id}))
}
