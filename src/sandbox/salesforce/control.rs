//! `/_sandbox/...`: faults, ledger, counts and the people inside the org, for other processes and for the curious.

use axum::http::Method;
use serde_json::{Value, json};

use super::Salesforce;
use super::answer::Answer;
use super::faults::Order;

pub(super) fn serve(org: &Salesforce, method: &Method, path: &str, body: &[u8]) -> Answer {
    let order: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| order.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    match (method.as_str(), path) {
        ("GET", "ledger") => Answer::json(200, &json!(org.ledger())),
        ("GET", "requests") => Answer::json(200, &json!(org.requests())),
        ("DELETE", "requests") => {
            org.reset_requests();
            Answer::empty(204)
        }
        ("POST", "faults") => match serde_json::from_slice::<Order>(body) {
            Ok(order) => {
                org.lock().arm(order);
                Answer::empty(204)
            }
            Err(error) => Answer::json(400, &json!({"error": error.to_string()})),
        },
        ("DELETE", "faults") => {
            org.faults().clear();
            Answer::empty(204)
        }
        ("POST", "users") => {
            Answer::json(200, &json!({"id": org.add_user(&text("username"), &text("name"), &text("email"))}))
        }
        // {"as": "a.lang@example.com", "do": "update", "object": "Lead", "id": "00Q...", "values": {...}}
        ("POST", "act") => {
            let Some(user) = org.user(&text("as")) else {
                return Answer::json(400, &json!({"error": "`as` names no user's username"}));
            };
            let person = org.as_user(&user);
            let values = order.get("values").cloned().unwrap_or_else(|| json!({}));
            let (object, id) = (text("object"), text("id"));
            let other = order.get("other").and_then(Value::as_str);
            let done = match text("do").as_str() {
                "create" => person.create(&object, values).map(|id| json!({"id": id})),
                "update" => person.update(&object, &id, values).map(|()| json!({"id": id})),
                "delete" => person.delete(&object, &id).map(|()| json!({"id": id})),
                "log_call" => person.log_call(&id, "Call").map(|id| json!({"id": id})),
                "convert" => person.convert(&id, other, order.get("opportunity").and_then(Value::as_str)).map(
                    |made| json!({"account": made.account, "contact": made.contact, "opportunity": made.opportunity}),
                ),
                "merge" => person.merge(&object, &id, other.unwrap_or_default()).map(|()| json!({"id": id})),
                _ => {
                    return Answer::json(
                        400,
                        &json!({"error": "`do`: create, update, delete, log_call, convert, merge"}),
                    );
                }
            };
            done.map_or_else(Answer::from, |value| Answer::json(200, &value))
        }
        _ => Answer::json(404, &json!({"error": "faults, ledger, requests, users, act"})),
    }
}
