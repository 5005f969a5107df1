//! Searches: persons by address, number or name, leads and deals by title. Source: sections 3, 6 and 9.

use serde_json::{Value, json};

use super::answer::{Reply, invalid, ok_with};
use super::kind::Kind;
use super::model::Record;
use super::page::by_cursor;
use super::server::Call;

/// Rows of a page at most. Source: section 5 ("/itemSearch"), taken for these too.
const ROWS_MAX: usize = 100;

pub(super) fn run(call: &Call<'_>, kind: &str) -> Reply {
    let query = &call.query;
    let term = query.one("term").unwrap_or_default().trim().to_lowercase();
    let is_exact = query.one("exact_match") == Some("true");
    if term.chars().count() < if is_exact { 1 } else { 2 } {
        return Err(invalid("term is too short"));
    }
    let kind = match kind {
        "persons" => Kind::Person,
        "organizations" => Kind::Organization,
        "leads" => Kind::Lead,
        _ => Kind::Deal,
    };
    let fields = query.list("fields");
    let wants = |name: &str| fields.is_empty() || fields.contains(&name);
    let newest = call.state.now() - call.state.faults.search_lag_ms;
    let person = query.number("person_id")?;
    let fits = |record: &&Record| {
        let said = said(kind, record, &wants);
        let is_hit = |text: &String| if is_exact { *text == term } else { text.contains(&term) };
        // Archived ones are found, too: the answer says so.
        record.is_live()
            && record.updated <= newest
            && person.is_none_or(|person| record.int("person_id") == Some(person))
            && said.iter().any(is_hit)
            && !call.state.faults.hides(kind, &record.id)
    };
    let rows: Vec<&Record> = call.state.model.all(kind).filter(fits).collect();
    let (rows, additional) = by_cursor(query, rows, ROWS_MAX)?;
    let items: Vec<Value> =
        rows.into_iter().map(|record| json!({"result_score": 0.5, "item": item(kind, record)})).collect();
    Ok(ok_with(&json!({ "items": items }), &additional))
}

fn contacts(record: &Record, name: &str) -> Vec<String> {
    let all = record.values.get(name).and_then(Value::as_array);
    all.into_iter().flatten().filter_map(|one| one["value"].as_str()).map(str::to_lowercase).collect()
}

fn said(kind: Kind, record: &Record, wants: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut said = Vec::new();
    if kind == Kind::Person {
        if wants("email") {
            said.extend(contacts(record, "emails"));
        }
        if wants("phone") {
            said.extend(contacts(record, "phones"));
        }
        if wants("name") {
            said.extend(record.text("name").map(str::to_lowercase));
        }
    } else if kind == Kind::Organization {
        if wants("name") {
            said.extend(record.text("name").map(str::to_lowercase));
        }
    } else if wants("title") {
        said.extend(record.text("title").map(str::to_lowercase));
    }
    if wants("custom_fields") {
        said.extend(record.custom.values().filter_map(Value::as_str).map(str::to_lowercase));
    }
    said
}

fn item(kind: Kind, record: &Record) -> Value {
    let owner = json!({"id": record.int("owner_id")});
    match kind {
        Kind::Person => {
            json!({"id": record.number(), "type": "person", "name": record.text("name"), "emails": contacts(record, "emails"),
            "phones": contacts(record, "phones"), "visible_to": 3, "owner": owner, "organization": null, "custom_fields": [], "notes": []})
        }
        Kind::Lead => json!({"id": record.id, "type": "lead", "title": record.text("title"), "owner": owner,
            "person": record.int("person_id").map(|id| json!({"id": id, "name": ""})), "organization": null, "phones": [], "emails": [],
            "custom_fields": [], "notes": [], "value": null, "currency": null, "visible_to": 3, "is_archived": record.flag("is_archived")}),
        Kind::Organization => {
            json!({"id": record.number(), "type": "organization", "name": record.text("name"), "address": null,
            "visible_to": 3, "owner": owner, "custom_fields": [], "notes": []})
        }
        _ => json!({"id": record.number(), "type": "deal", "title": record.text("title"), "owner": owner}),
    }
}
