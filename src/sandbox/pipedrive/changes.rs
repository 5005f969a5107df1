//! The changelog of a deal, as far as it tells of owners. Source: v1 specification, `getDealChangelog`; that an owner is called
//! `user_id` there, as v1 calls it on the deal, is made up.

use serde_json::{Value, json};

use super::answer::{Reply, entity_not_found, ok_with, v1_time};
use super::kind::Kind;
use super::server::Call;

/// Changes of a page, unless the caller asks for fewer.
const ROWS: usize = 100;

pub(super) fn list(call: &Call<'_>, deal: &str) -> Reply {
    if call.state.model.live(Kind::Deal, deal).is_none() {
        return Err(entity_not_found());
    }
    let from = call.query.number("cursor")?.and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
    let limit = call.query.number("limit")?.and_then(|at| usize::try_from(at).ok()).unwrap_or(ROWS).clamp(1, 500);
    let all: Vec<_> = call.state.model.changes.iter().rev().filter(|change| change.deal == deal).collect();
    let text = |owner: Option<i64>| owner.map_or(Value::Null, |id| json!(id.to_string()));
    let rows: Vec<Value> = all
        .iter()
        .skip(from)
        .take(limit)
        .map(|change| {
            json!({
                "field_key": "user_id",
                "old_value": text(change.before),
                "new_value": text(change.after),
                "actor_user_id": change.by,
                "time": v1_time(change.at),
                "change_source": change.source,
                "change_source_user_agent": null,
                "is_bulk_update_flag": false,
            })
        })
        .collect();
    let next = from + rows.len();
    let cursor = if next < all.len() { json!(next.to_string()) } else { Value::Null };
    Ok(ok_with(&json!(rows), &json!({ "next_cursor": cursor })))
}
