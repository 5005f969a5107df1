//! What records refer to: users, labels, sources, activity types, stages, pipelines, fields. Source: sections 3 and 4.

use serde_json::{Value, json};

use super::answer::{Reply, failed, invalid, no_such_path, ok, ok_with, uuid, v1_time, v2_time};
use super::kind::Kind;
use super::model::{CustomField, Label, hash};
use super::page::by_offset;
use super::render;
use super::server::Call;

const SOURCES: [&str; 10] = [
    "Manually created",
    "Deal",
    "Web forms",
    "Prospector",
    "Leadbooster",
    "Live chat",
    "Import",
    "Website visitors",
    "Workflow automation",
    "API",
];
const COLORS: [&str; 10] = ["blue", "brown", "dark-gray", "gray", "green", "orange", "pink", "purple", "red", "yellow"];
/// The types that an account begins with.
const ACTIVITY_TYPES: [(&str, &str); 6] = [
    ("call", "Call"),
    ("meeting", "Meeting"),
    ("task", "Task"),
    ("deadline", "Deadline"),
    ("email", "Email"),
    ("lunch", "Lunch"),
];

pub(super) fn v1(call: &mut Call<'_>, path: &[&str]) -> Reply {
    let state = &mut *call.state;
    match (call.method, path) {
        ("GET", ["users", "me"]) => match state.model.user(call.by.user) {
            Some(user) => Ok(ok(&render::me(user, &state.settings))),
            None => Err(failed(404, "User not found or not accessible.", "")),
        },
        ("GET", ["users"]) => {
            let shown: Vec<Value> =
                state.model.users.iter().map(|user| render::user(user, user.id == call.by.user)).collect();
            Ok(ok(&json!(shown)))
        }
        ("GET", ["users", id]) => match id.parse().ok().and_then(|id| state.model.user(id)) {
            Some(user) => Ok(ok(&render::user(user, user.id == call.by.user))),
            None => Err(failed(404, "User not found or not accessible.", "")),
        },
        ("GET", ["leadLabels"]) => Ok(ok(&json!(state.model.labels.iter().map(render::label).collect::<Vec<_>>()))),
        ("POST", ["leadLabels"]) => {
            let body = call.json()?;
            let (Some(name), Some(color)) = (body["name"].as_str(), body["color"].as_str()) else {
                return Err(invalid("name and color are required"));
            };
            if !COLORS.contains(&color) {
                return Err(invalid("color is not valid"));
            }
            let state = &mut *call.state;
            let added = state.now();
            let label = Label { id: uuid(), name: name.to_owned(), color: color.to_owned(), added };
            let shown = render::label(&label);
            state.model.labels.push(label);
            Ok(ok(&shown))
        }
        ("GET", ["leadSources"]) => Ok(ok(&json!(SOURCES.map(|name| json!({ "name": name }))))),
        ("GET", ["leadFields"]) => {
            let mut fields: Vec<Value> = [("title", "Title", "varchar"), ("owner_id", "Owner", "user")]
                .map(|(key, name, holds)| json!({"id": 1, "key": key, "name": name, "field_type": holds, "edit_flag": false}))
                .to_vec();
            fields.extend(state.model.fields_of(Kind::Lead).map(|field| {
                json!({"id": 2, "key": field.hash, "name": field.name, "field_type": field.holds, "edit_flag": true})
            }));
            let (rows, paging) = by_offset(&call.query, fields)?;
            Ok(ok_with(&json!(rows), &paging))
        }
        ("GET", ["activityTypes"]) => {
            let at = v1_time(0);
            let one = |(place, (key, name)): (usize, (&str, &str))| {
                json!({"id": place + 1, "order_nr": place + 1, "name": name, "key_string": key, "icon_key": key, "active_flag": true,
                    "color": "FFFFFF", "is_custom_flag": false, "add_time": at, "update_time": at})
            };
            let types: Vec<Value> = ACTIVITY_TYPES.into_iter().enumerate().map(one).collect();
            Ok(ok(&json!(types)))
        }
        _ => Err(no_such_path()),
    }
}

pub(super) fn v2(call: &mut Call<'_>, path: &[&str]) -> Reply {
    let end = json!({ "next_cursor": null });
    let state = &mut *call.state;
    let kind = match path {
        ["stages"] => {
            let shown: Vec<Value> = state.model.stages.iter().map(render::stage).collect();
            return Ok(ok_with(&json!(shown), &end));
        }
        ["pipelines"] => {
            let at = v2_time(0);
            let pipeline = json!({"id": 1, "name": "Pipeline", "order_nr": 1, "is_deleted": false,
                "is_deal_probability_enabled": true, "add_time": at, "update_time": at});
            return Ok(ok_with(&json!([pipeline]), &end));
        }
        ["dealFields"] => Kind::Deal,
        ["personFields"] => Kind::Person,
        ["organizationFields"] => Kind::Organization,
        ["activityFields"] => Kind::Activity,
        _ => return Err(no_such_path()),
    };
    if call.method == "POST" {
        let body = call.json()?;
        let (Some(name), Some(holds)) = (body["field_name"].as_str(), body["field_type"].as_str()) else {
            return Err(invalid("field_name and field_type are required"));
        };
        let labels = body["options"].as_array().cloned().unwrap_or_default();
        let options =
            (1..).zip(labels).map(|(id, one)| (id, one["label"].as_str().unwrap_or_default().to_owned())).collect();
        let field = CustomField {
            kind,
            hash: hash(),
            name: name.to_owned(),
            holds: holds.to_owned(),
            options,
            is_removed: false,
        };
        let shown = render::field_v2(&field);
        call.state.model.fields.push(field);
        return Ok(ok(&shown));
    }
    let mut fields: Vec<Value> = kind
        .shapes()
        .iter()
        .map(|shape| render::standard_v2(shape.name, &shape.name.replace('_', " "), "varchar"))
        .collect();
    let labels: Vec<Value> =
        state.model.person_labels.iter().map(|(id, label)| json!({"id": id, "label": label})).collect();
    let is_labels = |field: &&mut Value| kind == Kind::Person && field["field_code"] == json!("label_ids");
    fields.iter_mut().filter(is_labels).for_each(|field| field["options"] = json!(labels));
    fields.extend(state.model.fields_of(kind).map(render::field_v2));
    Ok(ok_with(&json!(fields), &end))
}

/// `POST /v2/personFields/{code}/options`: here for the labels of persons alone.
pub(super) fn add_options(call: &mut Call<'_>, code: &str) -> Reply {
    let body = call.json()?;
    let Some(wanted) = body.as_array().filter(|_| code == "label_ids") else {
        return Err(invalid("options are a list of labels"));
    };
    let mut made = Vec::new();
    for one in wanted {
        let Some(label) = one["label"].as_str() else { return Err(invalid("label is required")) };
        let id = i64::try_from(call.state.model.person_labels.len()).unwrap_or(0) + 1;
        call.state.model.person_labels.push((id, label.to_owned()));
        made.push(json!({"id": id, "label": label}));
    }
    Ok(ok_with(&json!(made), &Value::Null))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::pipedrive::answer::lead_time;

    #[test]
    fn each_api_writes_time_its_own_way_section_3() {
        let at = 1_795_507_200_140;
        assert_eq!(lead_time(at), "2026-11-24T08:00:00.140Z");
        assert_eq!(v2_time(at), "2026-11-24T08:00:00Z");
        assert_eq!(v1_time(at), "2026-11-24 08:00:00");
    }
}
