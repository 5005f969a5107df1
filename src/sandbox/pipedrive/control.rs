//! `/_sandbox/...`: faults, ledger, counts and the people inside the CRM, for other processes and for the curious.
//!
//! `POST /_sandbox/faults` takes `{"place": {"method": "PATCH", "path": "/leads/"}, "when": {"times": 2}, "fault": {"kind": "status", "status": 503}}`;
//! `POST /_sandbox/records` takes `{"kind": "lead", "by": 1, "values": {..}}` and makes a record, or changes one if `id` is there.

use axum::http::request::Parts;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, invalid, no_such_path, ok};
use super::faults::Order;
use super::kind::Kind;
use super::page::Query;
use super::{Pipedrive, State};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    kind: Kind,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    by: Option<i64>,
    #[serde(default)]
    values: Value,
    #[serde(default)]
    delete: bool,
    /// Makes a deal of the lead.
    #[serde(default)]
    convert: bool,
    /// The loser of a merge of persons.
    #[serde(default)]
    merge: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    name: String,
    email: String,
}

pub(super) fn serve(account: &Pipedrive, parts: &Parts, body: &[u8]) -> Answer {
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let path = parts.uri.path().trim_start_matches("/_sandbox/");
    match (parts.method.as_str(), path) {
        ("POST", "faults") => with(body, |order: Order| {
            account.lock().arm(order);
            ok(&Value::Null)
        }),
        ("GET", "faults") => {
            let state = account.lock();
            ok(&json!({"struck": state.faults.struck, "armed": state.faults.orders()}))
        }
        ("DELETE", "faults") => {
            account.faults().clear();
            ok(&Value::Null)
        }
        ("GET", "ledger") => {
            let from = query.one("after").and_then(|text| text.parse().ok()).unwrap_or(0);
            ok(&json!(account.ledger().into_iter().skip(from).collect::<Vec<_>>()))
        }
        ("GET", "requests") => ok(&json!(account.requests())),
        ("DELETE", "requests") => {
            account.reset_requests();
            ok(&Value::Null)
        }
        ("POST", "users") => with(body, |user: NewUser| ok(&json!(account.add_user(&user.name, &user.email)))),
        ("POST", "records") => with(body, |edit: Edit| act(account, &edit)),
        ("GET", other) => match other.strip_prefix("records/").and_then(|rest| rest.split_once('/')) {
            Some((kind, id)) => {
                let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind);
                kind.and_then(|kind| account.get(kind, id)).map_or_else(no_such_path, |shown| ok(&shown))
            }
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

fn act(account: &Pipedrive, edit: &Edit) -> Answer {
    let by = edit.by.unwrap_or(1);
    let done = match &edit.id {
        None => account.create(by, edit.kind, &edit.values),
        Some(id) if edit.convert => account.convert(by, id).ok_or_else(|| "no such lead".to_owned()),
        Some(id) if edit.delete => {
            account.delete(by, edit.kind, id).then(|| id.clone()).ok_or_else(|| "gone".to_owned())
        }
        Some(id) => match &edit.merge {
            Some(loser) => {
                account.merge_persons(by, id, loser).then(|| id.clone()).ok_or_else(|| "no such persons".to_owned())
            }
            None => account.update(by, edit.kind, id, &edit.values).map(|()| id.clone()),
        },
    };
    match done {
        Ok(id) => ok(&json!({ "id": id })),
        Err(why) => invalid(why),
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("company", &self.settings.company_domain).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Pipedrive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipedrive").finish_non_exhaustive()
    }
}
