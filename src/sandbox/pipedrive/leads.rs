//! Leads, which only v1 has. Source: sections 4, 5 and 9.

use serde_json::{Value, json};

use super::answer::{Answer, Reply, invalid, lead_not_found, no_such_path, ok, ok_with};
use super::kind::Kind;
use super::model::Record;
use super::page::by_offset;
use super::render;
use super::server::Call;

const PARAMETERS: &[&str] =
    &["limit", "start", "owner_id", "person_id", "organization_id", "filter_id", "updated_since", "sort"];

pub(super) fn run(call: &mut Call<'_>, path: &[&str]) -> Reply {
    match (call.method, path) {
        ("GET", []) => list(call, false),
        ("GET", ["archived"]) => list(call, true),
        ("GET", [id]) => shown(call, id, 200),
        ("POST", []) => {
            let body = call.json()?;
            let id = call.state.create(Kind::Lead, &body, call.by)?;
            call.note("create", Kind::Lead, &id, body);
            shown(call, &id, 201)
        }
        ("PATCH", [id]) => {
            let body = call.json()?;
            call.state.update(Kind::Lead, id, &body, call.by)?;
            call.note("update", Kind::Lead, id, body);
            shown(call, id, 200)
        }
        ("DELETE", [id]) => {
            call.state.delete(Kind::Lead, id, call.by)?;
            call.note("delete", Kind::Lead, id, Value::Null);
            Ok(ok(&json!({"id": id})))
        }
        _ => Err(no_such_path()),
    }
}

fn shown(call: &Call<'_>, id: &str, status: u16) -> Reply {
    let Some(record) = call.state.model.live(Kind::Lead, id).filter(|_| !call.state.faults.hides(Kind::Lead, id))
    else {
        return Err(lead_not_found());
    };
    let data = render::lead(&call.state.model, record);
    Ok(Answer { status, ..ok(&data) })
}

fn list(call: &Call<'_>, archived: bool) -> Reply {
    let query = &call.query;
    if let Some(strange) = query.names().find(|name| !PARAMETERS.contains(name)) {
        return Err(invalid(format!("{strange} is not allowed")));
    }
    // No list of archived leads by time exists. Source: section 5.
    if archived && query.one("updated_since").is_some() {
        return Err(invalid("updated_since is not allowed"));
    }
    let since = query.time("updated_since")?;
    let (owner, person, org) =
        (query.number("owner_id")?, query.number("person_id")?, query.number("organization_id")?);
    let now = call.state.now();
    let has =
        |record: &Record, name: &str, wanted: Option<i64>| wanted.is_none_or(|wanted| record.int(name) == Some(wanted));
    let mut rows: Vec<&Record> = call
        .state
        .model
        .all(Kind::Lead)
        .filter(|record| record.is_live() && record.flag("is_archived") == archived)
        .filter(|record| since.is_none_or(|since| now >= record.visible && record.updated >= since))
        .filter(|record| {
            has(record, "owner_id", owner) && has(record, "person_id", person) && has(record, "organization_id", org)
        })
        .filter(|record| !call.state.faults.hides(Kind::Lead, &record.id))
        .collect();
    let sort = query.one("sort").unwrap_or("add_time ASC");
    let (field, way) = sort.split_once(' ').unwrap_or((sort, "ASC"));
    match field {
        "id" => rows.sort_by(|one, other| one.id.cmp(&other.id)),
        "add_time" => rows.sort_by_key(|record| record.added),
        "update_time" => rows.sort_by_key(|record| record.updated),
        "title" => rows.sort_by(|one, other| one.text("title").cmp(&other.text("title"))),
        "owner_id" | "creator_id" | "was_seen" | "expected_close_date" | "next_activity_id" => {}
        _ => return Err(invalid("sort is not valid")),
    }
    match way {
        "ASC" => {}
        "DESC" => rows.reverse(),
        _ => return Err(invalid("sort is not valid")),
    }
    let (rows, mut paging) = by_offset(query, rows)?;
    // Directly in `additional_data`, and without a next start. Source: section 5.
    if let Some(paging) = paging.as_object_mut() {
        paging.remove("next_start");
    }
    let shown: Vec<Value> = rows.into_iter().map(|record| render::lead(&call.state.model, record)).collect();
    Ok(ok_with(&json!(shown), &paging))
}
