//! Records as each API shows them. Source: sections 3 and 4, and the vendor's examples.

use serde_json::{Map, Value, json};

use super::answer::{lead_time, v1_time, v2_time};
use super::kind::Kind;
use super::model::{CustomField, Label, Model, Record, Stage, User};
use super::settings::Settings;

/// A record of v2, or a lead or note of v1.
pub(super) fn record(model: &Model, kind: Kind, record: &Record, include: &[&str]) -> Value {
    match kind {
        Kind::Lead => lead(model, record),
        Kind::Note => note(model, record),
        Kind::Person | Kind::Organization | Kind::Deal | Kind::Activity => v2(kind, record, include),
    }
}

fn v2(kind: Kind, record: &Record, include: &[&str]) -> Value {
    let mut shown = Map::new();
    shown.insert("id".to_owned(), json!(record.number()));
    for shape in kind.shapes() {
        // Only who asks for it sees it. Source: section 4.
        if shape.name == "source_lead_id" && !include.contains(&"source_lead_id") {
            continue;
        }
        shown.insert(shape.name.to_owned(), record.values.get(shape.name).cloned().unwrap_or(Value::Null));
    }
    shown.insert("add_time".to_owned(), json!(v2_time(record.added)));
    shown.insert("update_time".to_owned(), json!(v2_time(record.updated)));
    shown.insert("is_deleted".to_owned(), json!(!record.is_live()));
    if kind != Kind::Activity {
        shown.insert("custom_fields".to_owned(), Value::Object(record.custom.clone()));
    }
    Value::Object(shown)
}

/// Custom fields stand at the root, and those that are not set are absent. Source: section 4.
pub(super) fn lead(model: &Model, record: &Record) -> Value {
    let mut shown = Map::new();
    shown.insert("id".to_owned(), json!(record.id));
    for shape in Kind::Lead.shapes() {
        shown.insert(shape.name.to_owned(), record.values.get(shape.name).cloned().unwrap_or(Value::Null));
    }
    shown.insert("next_activity_id".to_owned(), model.next_activity(&record.id));
    shown.insert("cc_email".to_owned(), json!(format!("acme+lead{}@pipedrivemail.example", record.id)));
    shown.insert("add_time".to_owned(), json!(lead_time(record.added)));
    shown.insert("update_time".to_owned(), json!(lead_time(record.updated)));
    for (hash, value) in &record.custom {
        if !value.is_null() {
            shown.insert(hash.clone(), value.clone());
        }
    }
    Value::Object(shown)
}

fn note(model: &Model, record: &Record) -> Value {
    let user = record.int("user_id").and_then(|id| model.user(id));
    let mut shown = json!({
        "id": record.number(),
        "active_flag": record.is_live(),
        "add_time": v1_time(record.added),
        "update_time": v1_time(record.updated),
        "last_update_user_id": record.int("user_id"),
        "pinned_to_lead_flag": false,
        "pinned_to_deal_flag": false,
        "pinned_to_person_flag": false,
        "pinned_to_organization_flag": false,
    });
    for shape in Kind::Note.shapes() {
        // What a note does not hang on is absent: the specification knows no null here.
        if let Some(value) = record.values.get(shape.name).filter(|value| !value.is_null()) {
            shown[shape.name] = value.clone();
        }
    }
    if let Some(user) = user {
        shown["user"] = json!({"email": user.email, "name": user.name, "is_you": false});
    }
    shown
}

/// A member of staff. Source: section 4.
pub(super) fn user(user: &User, is_you: bool) -> Value {
    json!({
        "id": user.id,
        "name": user.name,
        "default_currency": "EUR",
        "locale": "en_US",
        "lang": 1,
        "email": user.email,
        "phone": null,
        "activated": true,
        "last_login": v1_time(user.created),
        "created": v1_time(user.created),
        "modified": v1_time(user.modified),
        "has_created_company": user.id == 1,
        "access": [{"app": "sales", "admin": user.id == 1, "permission_set_id": "62cc4d7f-4038-4352-abf3-a8c1c822b631"}],
        "active_flag": user.is_active,
        "timezone_name": "Europe/Berlin",
        "timezone_offset": "+01:00",
        "role_id": 1,
        "icon_url": null,
        "is_you": is_you,
        "is_deleted": false,
    })
}

/// `GET /v1/users/me`.
pub(super) fn me(of: &User, settings: &Settings) -> Value {
    let mut shown = user(of, true);
    shown["company_id"] = json!(settings.company_id);
    shown["company_name"] = json!("Acme Sales");
    shown["company_domain"] = json!(settings.company_domain);
    shown["company_country"] = json!("DE");
    shown["company_industry"] = json!("IT Services");
    shown["language"] = json!({"language_code": "en", "country_code": "US"});
    shown
}

pub(super) fn stage(stage: &Stage) -> Value {
    json!({
        "id": stage.id,
        "order_nr": stage.order + 1,
        "name": stage.name,
        "is_deleted": false,
        "deal_probability": 100,
        "pipeline_id": stage.pipeline,
        "is_deal_rot_enabled": false,
        "days_to_rotten": null,
        "add_time": v2_time(stage.added),
        "update_time": v2_time(stage.added),
    })
}

pub(super) fn label(label: &Label) -> Value {
    let at = lead_time(label.added);
    json!({"id": label.id, "name": label.name, "color": label.color, "add_time": at, "update_time": at})
}

/// A field of `/v2/*Fields`.
pub(super) fn field_v2(field: &CustomField) -> Value {
    let mut shown = standard_v2(&field.hash, &field.name, &field.holds);
    shown["is_custom_field"] = json!(true);
    shown["options"] = options(field);
    shown
}

fn options(field: &CustomField) -> Value {
    if field.options.is_empty() {
        return Value::Null;
    }
    json!(field.options.iter().map(|(id, label)| json!({"id": id, "label": label})).collect::<Vec<_>>())
}

/// A field that every account has.
pub(super) fn standard_v2(code: &str, name: &str, holds: &str) -> Value {
    json!({
        "field_name": name,
        "field_code": code,
        "description": "",
        "field_type": holds,
        "options": null,
        "subfields": null,
        "is_custom_field": false,
        "is_optional_response_field": false,
    })
}
