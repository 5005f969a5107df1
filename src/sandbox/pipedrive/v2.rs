//! Persons, organizations, deals and activities: list, read, make, change, delete. Source: sections 3, 4 and 5.

use serde_json::{Value, json};

use super::answer::{Answer, Reply, entity_not_found, invalid, no_such_path, ok, ok_with};
use super::kind::Kind;
use super::model::Record;
use super::page::by_cursor;
use super::render;
use super::server::Call;

/// Rows of a page at most. Source: section 5.
const ROWS_MAX: usize = 500;
/// Ids in one query at most. Source: section 5.
const IDS_MAX: usize = 100;
/// How long a deleted deal is still listed as such. Source: section 5.
const DELETED_MS: i64 = 30 * 86_400_000;

/// Parameters that every list takes.
const COMMON: &[&str] = &[
    "filter_id",
    "ids",
    "owner_id",
    "updated_since",
    "updated_until",
    "sort_by",
    "sort_direction",
    "include_fields",
    "limit",
    "cursor",
];

fn allowed(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Person => &["org_id", "deal_id", "custom_fields", "include_option_labels", "include_labels"],
        Kind::Organization => &["custom_fields", "include_option_labels", "include_labels"],
        Kind::Deal => &[
            "person_id",
            "org_id",
            "pipeline_id",
            "stage_id",
            "status",
            "custom_fields",
            "include_option_labels",
            "include_labels",
        ],
        Kind::Activity => &["deal_id", "lead_id", "person_id", "org_id", "done"],
        Kind::Lead | Kind::Note => &[],
    }
}

pub(super) fn run(call: &mut Call<'_>, kind: Kind, path: &[&str]) -> Reply {
    match (call.method, path) {
        ("GET", []) => list(call, kind, false),
        ("GET", ["archived"]) => list(call, kind, true),
        ("GET", [id]) => one(call, kind, id),
        ("POST", []) => {
            let body = call.json()?;
            let id = call.state.create(kind, &body, call.by)?;
            call.note("create", kind, &id, body);
            shown(call, kind, &id)
        }
        ("PATCH", [id]) => {
            let body = call.json()?;
            call.state.update(kind, id, &body, call.by)?;
            call.note("update", kind, id, body);
            shown(call, kind, id)
        }
        ("DELETE", [id]) => {
            call.state.delete(kind, id, call.by)?;
            call.note("delete", kind, id, Value::Null);
            Ok(ok(&json!({"id": id.parse::<i64>().unwrap_or(0)})))
        }
        _ => Err(no_such_path()),
    }
}

/// `PUT /v1/persons/{id}/merge`: the person of the path is merged into `merge_with_id`.
pub(super) fn merge(call: &mut Call<'_>, id: &str) -> Reply {
    let body = call.json()?;
    let Some(winner) = body["merge_with_id"].as_i64() else { return Err(invalid("merge_with_id is required")) };
    call.state.merge_persons(&winner.to_string(), id, call.by)?;
    call.note("merge", Kind::Person, id, body);
    shown(call, Kind::Person, &winner.to_string())
}

fn one(call: &Call<'_>, kind: Kind, id: &str) -> Reply {
    if call.state.model.live(kind, id).is_none() || call.state.faults.hides(kind, id) {
        return Err(entity_not_found());
    }
    shown(call, kind, id)
}

fn shown(call: &Call<'_>, kind: Kind, id: &str) -> Reply {
    let Some(record) = call.state.model.live(kind, id) else { return Err(entity_not_found()) };
    Ok(ok(&render::record(&call.state.model, kind, record, &call.query.list("include_fields"))))
}

fn list(call: &Call<'_>, kind: Kind, archived: bool) -> Reply {
    let query = &call.query;
    if let Some(strange) = query.names().find(|name| !COMMON.contains(name) && !allowed(kind).contains(name)) {
        return Err(invalid(format!("{strange} is not allowed")));
    }
    let (since, until) = (query.time("updated_since")?, query.time("updated_until")?);
    let ids = query.list("ids");
    if ids.len() > IDS_MAX {
        return Err(invalid(format!("ids takes at most {IDS_MAX}")));
    }
    let status = query.one("status");
    let now = call.state.now();
    let numbers = |name: &str| -> Result<Option<i64>, Answer> { query.number(name) };
    let (owner, person, org, deal) =
        (numbers("owner_id")?, numbers("person_id")?, numbers("org_id")?, numbers("deal_id")?);
    let (stage, pipeline) = (numbers("stage_id")?, numbers("pipeline_id")?);
    let (lead, done) = (query.one("lead_id"), query.one("done"));
    let has =
        |record: &Record, name: &str, wanted: Option<i64>| wanted.is_none_or(|wanted| record.int(name) == Some(wanted));
    let fits = |record: &&Record| {
        let is_there = match (status, record.deleted) {
            (Some("deleted"), Some(at)) => now - at < DELETED_MS,
            (Some("deleted"), None) | (_, Some(_)) => false,
            (Some(status), None) => record.text("status") == Some(status),
            (None, None) => true,
        };
        // Archived deals leave the plain list. Source: section 1.7.
        let is_on_it = !matches!(kind, Kind::Deal) || record.flag("is_archived") == archived;
        let is_in_window = (since.is_none() && until.is_none())
            || (now >= record.visible
                && since.is_none_or(|since| record.updated >= since)
                && until.is_none_or(|until| record.updated < until));
        let is_participant = person.is_none_or(|person| {
            record.int("person_id") == Some(person)
                || record
                    .values
                    .get("participants")
                    .and_then(Value::as_array)
                    .is_some_and(|all| all.iter().any(|one| one["person_id"].as_i64() == Some(person)))
        });
        is_there
            && is_on_it
            && is_in_window
            && is_participant
            && has(record, "owner_id", owner)
            && has(record, "org_id", org)
            && has(record, "deal_id", deal)
            && has(record, "stage_id", stage)
            && has(record, "pipeline_id", pipeline)
            && lead.is_none_or(|lead| record.text("lead_id") == Some(lead))
            && done.is_none_or(|done| record.flag("done") == (done == "true"))
            && (ids.is_empty() || ids.contains(&record.id.as_str()))
            && !call.state.faults.hides(kind, &record.id)
    };
    let rows: Vec<&Record> = call.state.model.all(kind).filter(fits).collect();
    let (rows, additional) = by_cursor(query, rows, ROWS_MAX)?;
    let include = query.list("include_fields");
    let shown: Vec<Value> =
        rows.into_iter().map(|record| render::record(&call.state.model, kind, record, &include)).collect();
    Ok(ok_with(&json!(shown), &additional))
}
