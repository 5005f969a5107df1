//! Makes and changes records, by people in the app and through the API: the same rules, and a webhook event for each.

use serde_json::{Map, Value, json};

use super::State;
use super::answer::{Answer, entity_not_found, invalid, lead_not_found, lead_time, v2_time};
use super::kind::{Kind, fits};
use super::model::{OwnerChange, Record};
use super::render;
use super::webhooks::Happened;

/// Who writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct By {
    pub(super) user: i64,
    pub(super) is_api: bool,
}

impl By {
    pub(super) fn person(user: i64) -> Self {
        Self { user, is_api: false }
    }

    pub(super) fn api(user: i64) -> Self {
        Self { user, is_api: true }
    }

    fn source(self) -> &'static str {
        if self.is_api { "api" } else { "app" }
    }
}

impl State {
    pub(super) fn create(&mut self, kind: Kind, body: &Value, by: By) -> Result<String, Answer> {
        let (values, custom) = self.checked(kind, None, body)?;
        let now = self.now();
        let visible = now + self.faults.commit_lag_ms;
        let mut all = self.defaults(kind, by);
        all.extend(values);
        needed(kind, &all)?;
        self.derive(kind, None, &mut all, now);
        let record = self.model.insert(kind, now, visible);
        record.values = all;
        record.custom = custom.unwrap_or_default();
        let id = record.id.clone();
        let shown = self.shown(kind, &id);
        self.happened(Happened {
            kind,
            action: "create",
            id: &id,
            data: shown,
            previous: Value::Null,
            by,
            merged: None,
        });
        Ok(id)
    }

    pub(super) fn update(&mut self, kind: Kind, id: &str, body: &Value, by: By) -> Result<(), Answer> {
        let Some(record) = self.model.live(kind, id).cloned() else { return Err(not_found(kind)) };
        if by.is_api && record.flag("is_archived") {
            return Err(invalid(format!("archived {} is not editable", kind.as_str())));
        }
        let (values, custom) = self.checked(kind, Some(&record), body)?;
        let before = self.shown(kind, id);
        let now = self.now();
        let visible = now + self.faults.commit_lag_ms;
        let mut all = record.values.clone();
        all.extend(values);
        needed(kind, &all)?;
        self.derive(kind, Some(&record), &mut all, now);
        let mut merged = record.custom.clone();
        if let Some(custom) = custom {
            // `{}` clears every one of them. Source: section 10.
            if custom.is_empty() && kind != Kind::Lead {
                merged.clear();
            }
            merged.extend(custom);
        }
        let owner = record.int("owner_id");
        let is_same = all == record.values && merged == record.custom;
        let Some(record) = self.model.any_mut(kind, id) else { return Err(not_found(kind)) };
        record.values = all;
        record.custom = merged;
        if is_same {
            return Ok(());
        }
        record.updated = now.max(record.updated + 1);
        record.visible = visible;
        let after = record.int("owner_id");
        if kind == Kind::Deal && after != owner {
            let source = by.source();
            self.model.changes.push(OwnerChange {
                deal: id.to_owned(),
                before: owner,
                after,
                at: now,
                by: by.user,
                source,
            });
        }
        let shown = self.shown(kind, id);
        let previous = changed(&before, &shown);
        self.happened(Happened { kind, action: "change", id, data: shown, previous, by, merged: None });
        Ok(())
    }

    pub(super) fn delete(&mut self, kind: Kind, id: &str, by: By) -> Result<(), Answer> {
        if self.model.live(kind, id).is_none() {
            return Err(not_found(kind));
        }
        let before = self.shown(kind, id);
        self.vanish(kind, id);
        self.happened(Happened { kind, action: "delete", id, data: Value::Null, previous: before, by, merged: None });
        Ok(())
    }

    pub(super) fn merge_persons(&mut self, winner: &str, loser: &str, by: By) -> Result<(), Answer> {
        let (Some(kept), Some(lost)) =
            (self.model.live(Kind::Person, winner).cloned(), self.model.live(Kind::Person, loser).cloned())
        else {
            return Err(entity_not_found());
        };
        let before = self.shown(Kind::Person, loser);
        let now = self.now();
        let (from, to) = (lost.number(), kept.number());
        for kind in [Kind::Lead, Kind::Deal, Kind::Activity, Kind::Note] {
            for record in self.model.records.get_mut(&kind).into_iter().flat_map(|all| all.values_mut()) {
                if record.int("person_id") == Some(from) {
                    record.values.insert("person_id".to_owned(), json!(to));
                    (record.updated, record.visible) = (now, now);
                }
                if let Some(Value::Array(participants)) = record.values.get_mut("participants") {
                    let ours = participants.iter_mut().filter(|one| one["person_id"] == json!(from));
                    ours.for_each(|one| one["person_id"] = json!(to));
                }
            }
        }
        let mut values = kept.values.clone();
        for (name, value) in &lost.values {
            let is_empty = |value: Option<&Value>| value.is_none_or(|value| value.is_null() || *value == json!([]));
            if is_empty(values.get(name)) {
                values.insert(name.clone(), value.clone());
            }
        }
        for list in ["emails", "phones"] {
            let more = lost.values.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
            if let Some(Value::Array(known)) = values.get_mut(list) {
                let news: Vec<Value> =
                    more.into_iter().filter(|one| !known.iter().any(|old| old["value"] == one["value"])).collect();
                known.extend(
                    news.into_iter().map(|one| json!({"value": one["value"], "primary": false, "label": "other"})),
                );
            }
        }
        if let Some(record) = self.model.any_mut(Kind::Person, winner) {
            record.values = values;
            (record.updated, record.visible) = (now.max(record.updated + 1), now);
        }
        self.vanish(Kind::Person, loser);
        let shown = self.shown(Kind::Person, winner);
        self.happened(Happened {
            kind: Kind::Person,
            action: "delete",
            id: loser,
            data: Value::Null,
            previous: before,
            by,
            merged: Some(("merged_to_id", winner)),
        });
        self.happened(Happened {
            kind: Kind::Person,
            action: "change",
            id: winner,
            data: shown,
            previous: json!({}),
            by,
            merged: Some(("merged_from_id", loser)),
        });
        Ok(())
    }

    pub(super) fn vanish(&mut self, kind: Kind, id: &str) {
        let now = self.now();
        if let Some(record) = self.model.any_mut(kind, id) {
            record.deleted = Some(now);
            (record.updated, record.visible) = (now, now);
        }
    }

    pub(super) fn shown(&self, kind: Kind, id: &str) -> Value {
        let record = self.model.any(kind, id);
        record.map_or(Value::Null, |record| render::record(&self.model, kind, record, &["source_lead_id"]))
    }

    /// What a body says, checked field by field: the values, and the custom fields if any are named.
    #[expect(clippy::type_complexity, reason = "values and custom fields of one body")]
    fn checked(
        &self,
        kind: Kind,
        before: Option<&Record>,
        body: &Value,
    ) -> Result<(Map<String, Value>, Option<Map<String, Value>>), Answer> {
        let Value::Object(body) = body else { return Err(invalid("the body is no object")) };
        let mut values = Map::new();
        let mut custom: Option<Map<String, Value>> = None;
        for (name, value) in body {
            if kind == Kind::Activity && name == "person_id" {
                continue;
            }
            // Dropped on POST, refused on PATCH. Source: section 10.
            if kind == Kind::Deal && name == "origin_id" && before.is_none() {
                continue;
            }
            if name == "custom_fields" && !matches!(kind, Kind::Lead | Kind::Note) {
                let Value::Object(fields) = value else { return Err(invalid("custom_fields is no object")) };
                let mut checked = Map::new();
                for (hash, value) in fields {
                    checked.insert(hash.clone(), self.custom(kind, hash, value)?);
                }
                custom = Some(checked);
                continue;
            }
            if kind == Kind::Lead && self.model.field(kind, name).is_some() {
                let value = self.custom(kind, name, value)?;
                custom.get_or_insert_default().insert(name.clone(), value);
                continue;
            }
            let Some(shape) = kind.shape(name) else { return Err(invalid(format!("{name} is not allowed"))) };
            let may = if before.is_some() { shape.on_update } else { shape.on_create };
            if !may || !fits(shape.holds, value) {
                return Err(invalid(format!("{name} is not valid")));
            }
            self.check_reference(name, value)?;
            values.insert(name.clone(), value.clone());
        }
        Ok((values, custom))
    }

    fn custom(&self, kind: Kind, hash: &str, value: &Value) -> Result<Value, Answer> {
        let Some(field) = self.model.field(kind, hash) else {
            return Err(invalid(format!("custom field {hash} does not exist")));
        };
        let is_option = |value: &Value| field.options.iter().any(|(id, _)| value.as_i64() == Some(*id));
        let fits = value.is_null()
            || match field.holds.as_str() {
                // Leads send the option's id as text, too: v1 style. Source: section 9.
                "enum" => {
                    is_option(value)
                        || value.as_str().and_then(|id| id.parse().ok()).is_some_and(|id: i64| is_option(&json!(id)))
                }
                // `[]` is not supported. Source: section 4.
                "set" => value.as_array().is_some_and(|ids| !ids.is_empty() && ids.iter().all(is_option)),
                "double" | "int" => value.is_number(),
                "monetary" => value.get("value").is_some_and(Value::is_number),
                _ => value.is_string(),
            };
        if fits { Ok(value.clone()) } else { Err(invalid(format!("custom field {hash} is not valid"))) }
    }

    fn check_reference(&self, name: &str, value: &Value) -> Result<(), Answer> {
        let is_there = match (name, value.as_i64()) {
            // "Inactive owners probably rejected": they are here. Source: section 9.
            ("owner_id" | "user_id", Some(id)) => self.model.user(id).is_some_and(|user| user.is_active),
            ("person_id", Some(id)) => self.model.live(Kind::Person, &id.to_string()).is_some(),
            ("org_id" | "organization_id", Some(id)) => self.model.live(Kind::Organization, &id.to_string()).is_some(),
            ("deal_id", Some(id)) => self.model.live(Kind::Deal, &id.to_string()).is_some(),
            ("stage_id", Some(id)) => self.model.stage(id).is_some(),
            ("lead_id", None) => value.as_str().is_none_or(|id| self.model.live(Kind::Lead, id).is_some()),
            ("participants", None) => value.as_array().is_none_or(|all| {
                all.iter().all(|one| self.model.live(Kind::Person, &one["person_id"].to_string()).is_some())
            }),
            ("label_ids", None) => value.as_array().is_none_or(|all| {
                all.iter().filter_map(Value::as_str).all(|id| self.model.labels.iter().any(|label| label.id == id))
            }),
            _ => true,
        };
        if is_there { Ok(()) } else { Err(invalid(format!("{name} names nothing that is there"))) }
    }

    fn defaults(&self, kind: Kind, by: By) -> Map<String, Value> {
        let mut all = Map::new();
        let mut set = |name: &str, value: Value| drop(all.insert(name.to_owned(), value));
        for shape in kind.shapes() {
            set(shape.name, Value::Null);
        }
        set(if kind == Kind::Note { "user_id" } else { "owner_id" }, json!(by.user));
        match kind {
            Kind::Person => {
                ["emails", "phones", "label_ids"].into_iter().for_each(|name| set(name, json!([])));
                set("visible_to", json!(3));
                if self.settings.has_campaigns {
                    set("marketing_status", json!("no_consent"));
                }
            }
            Kind::Organization => {
                set("label_ids", json!([]));
                set("visible_to", json!(3));
            }
            Kind::Lead => {
                set("creator_id", json!(by.user));
                set("label_ids", json!([]));
                set("source_name", json!(if by.is_api { "API" } else { "Manually created" }));
                set("origin", json!(if by.is_api { "API" } else { "ManuallyCreated" }));
                set("is_archived", json!(false));
                set("was_seen", json!(!by.is_api));
                set("visible_to", json!("3"));
            }
            Kind::Deal => {
                let stage = self.model.stages.first();
                set("creator_user_id", json!(by.user));
                set("stage_id", json!(stage.map(|stage| stage.id)));
                set("pipeline_id", json!(1));
                set("status", json!("open"));
                set("is_archived", json!(false));
                set("value", json!(0));
                set("currency", json!("EUR"));
                set("label_ids", json!([]));
                set("visible_to", json!(3));
                set("origin", json!(if by.is_api { "API" } else { "ManuallyCreated" }));
            }
            Kind::Activity => {
                set("creator_user_id", json!(by.user));
                set("done", json!(false));
                set("busy", json!(false));
                set("participants", json!([]));
                set("type", json!("call"));
            }
            Kind::Note => {}
        }
        // The server names nobody as the owner of an activity without being told, but the author.
        all.retain(|name, _| kind.shape(name).is_some());
        all
    }

    /// What follows from the values.
    fn derive(&self, kind: Kind, before: Option<&Record>, all: &mut Map<String, Value>, now: i64) {
        let text = |all: &Map<String, Value>, name: &str| all.get(name).and_then(Value::as_str).map(str::to_owned);
        match kind {
            Kind::Person => {
                let name = text(all, "name").unwrap_or_default();
                let (first, last) = name.split_once(' ').unwrap_or((name.as_str(), ""));
                all.insert("first_name".to_owned(), json!(first));
                all.insert("last_name".to_owned(), if last.is_empty() { Value::Null } else { json!(last) });
            }
            Kind::Deal => {
                let old = |name: &str| before.and_then(|record| record.values.get(name)).cloned();
                if before.is_none() || old("stage_id") != all.get("stage_id").cloned() {
                    let at = if before.is_none() { Value::Null } else { json!(v2_time(now)) };
                    all.insert("stage_change_time".to_owned(), at);
                }
                let status = text(all, "status").unwrap_or_default();
                if old("status") != all.get("status").cloned() {
                    for (of, names) in [("won", ["won_time", "close_time"]), ("lost", ["lost_time", "close_time"])] {
                        if status == of {
                            names.iter().for_each(|name| drop(all.insert((*name).to_owned(), json!(v2_time(now)))));
                        }
                    }
                    if status == "open" {
                        ["won_time", "lost_time", "close_time", "lost_reason"]
                            .into_iter()
                            .for_each(|name| drop(all.insert(name.to_owned(), Value::Null)));
                    }
                }
            }
            Kind::Activity => {
                let done = all.get("done").and_then(Value::as_bool).unwrap_or(false);
                if done != before.is_some_and(|record| record.flag("done")) {
                    all.insert("marked_as_done_time".to_owned(), if done { json!(v2_time(now)) } else { Value::Null });
                }
                // The primary participant is the person of the activity; nobody is taken over from its lead or deal.
                let participants = all.get("participants").and_then(Value::as_array).cloned().unwrap_or_default();
                let primary = participants.iter().find(|one| one["primary"] == json!(true)).or(participants.first());
                let person = primary.map(|one| one["person_id"].clone());
                all.insert("person_id".to_owned(), person.unwrap_or(Value::Null));
            }
            Kind::Lead | Kind::Organization | Kind::Note => {}
        }
    }
}

fn needed(kind: Kind, all: &Map<String, Value>) -> Result<(), Answer> {
    let has = |name: &str| all.get(name).is_some_and(|value| !value.is_null() && *value != json!(""));
    let lacks = match kind {
        Kind::Person | Kind::Organization => (!has("name")).then_some("name is required"),
        Kind::Lead if !has("title") => Some("title is required"),
        // Source: section 4.
        Kind::Lead => (!has("person_id") && !has("organization_id"))
            .then_some("A lead must be linked to a person or an organization"),
        Kind::Deal => (!has("title")).then_some("title is required"),
        Kind::Activity => None,
        Kind::Note if !has("content") => Some("content is required"),
        Kind::Note => {
            let hangs = ["lead_id", "deal_id", "person_id", "org_id"].into_iter().any(has);
            (!hangs).then_some("a note hangs on something")
        }
    };
    lacks.map_or(Ok(()), |why| Err(invalid(why)))
}

/// The earlier values of what differs. Source: section 8.
fn changed(before: &Value, after: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (before, after) else { return json!({}) };
    let differs = |(name, value): &(&String, &Value)| after.get(*name) != Some(*value);
    let mut previous: Map<String, Value> =
        before.iter().filter(differs).map(|(name, value)| (name.clone(), value.clone())).collect();
    previous
        .entry("update_time".to_owned())
        .or_insert_with(|| before.get("update_time").cloned().unwrap_or(json!(lead_time(0))));
    Value::Object(previous)
}

pub(super) fn not_found(kind: Kind) -> Answer {
    if kind == Kind::Lead { lead_not_found() } else { entity_not_found() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::pipedrive::kind::Type;

    #[test]
    fn what_the_server_gives_fits_nothing_that_is_sent() {
        for shape in Kind::ALL.iter().flat_map(|kind| kind.shapes()) {
            assert_eq!(shape.holds != Type::Given, shape.on_create || shape.on_update, "{}", shape.name);
        }
    }
}
