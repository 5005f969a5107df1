//! What is checked before a row is kept: types, references, rules of the org, what may stand once, duplicates, owners. Source: sections 4, 7 and 9.

use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::id;
use super::moment;
use super::schema::{Field, Object, Type};
use super::state::{Actor, Row, State};

impl State {
    /// The values as they are kept; the first that does not fit refuses all of them.
    pub(super) fn checked(&self, object: &Object, values: &Map<String, Value>, creates: bool) -> Result<Row, Failure> {
        let mut row = Row::new();
        for (name, value) in values.iter().filter(|(name, _)| *name != "attributes") {
            let Some(field) = self.schema.visible(object, name) else {
                let words = format!("No such column '{name}' on sobject of type {}", object.name);
                return Err(Failure::new(400, "INVALID_FIELD", words));
            };
            let is_allowed = if creates { field.createable } else { field.updateable };
            if !is_allowed {
                let way = if creates { "create" } else { "update" };
                let words = format!(
                    "Unable to create/update fields: {}. Please check the security settings of this field and verify that it is \
                     read/write for your profile or permission set. ({way})",
                    field.name
                );
                return Err(Failure::new(400, "INVALID_FIELD_FOR_INSERT_UPDATE", words).with_fields(&[&field.name]));
            }
            row.insert(field.name.clone(), self.kept(field, value)?);
        }
        Ok(row)
    }

    pub(super) fn kept(&self, field: &Field, value: &Value) -> Result<Value, Failure> {
        let wrong = |kind: &str| {
            let shown = match value {
                Value::String(text) => format!("VALUE_STRING value {text}"),
                other => format!("value {other}"),
            };
            Failure::bad_json(format!(
                "Cannot deserialize instance of {kind} from {shown} or request may be missing a required field"
            ))
        };
        Ok(match (field.kind, value) {
            (_, Value::Null) => Value::Null,
            (Type::Boolean, Value::Bool(_)) => value.clone(),
            (Type::Boolean, _) => return Err(wrong("boolean")),
            (kind, Value::Number(_)) if kind.is_number() => value.clone(),
            (kind, _) if kind.is_number() => return Err(wrong("double")),
            (Type::Datetime, Value::String(text)) => json!(moment::read(text).ok_or_else(|| wrong("datetime"))?),
            (Type::Date, Value::String(text)) => json!(moment::read_day(text).ok_or_else(|| wrong("date"))?),
            (Type::Reference, Value::String(text)) if text.is_empty() => Value::Null,
            (Type::Reference, Value::String(text)) => json!(self.referred(field, text)?),
            (_, Value::String(text)) if text.is_empty() => Value::Null,
            (Type::Email, Value::String(text)) if !text.contains('@') || text.contains(char::is_whitespace) => {
                let words = format!("{}: invalid email address: {text}", field.name);
                return Err(Failure::new(400, "INVALID_EMAIL_ADDRESS", words).with_fields(&[&field.name]));
            }
            (_, Value::String(text)) if field.length > 0 && text.chars().count() > field.length => {
                let words = format!("{}: data value too large: (max length={})", field.name, field.length);
                return Err(Failure::new(400, "STRING_TOO_LONG", words).with_fields(&[&field.name]));
            }
            (_, Value::String(_)) => value.clone(),
            _ => return Err(wrong("string")),
        })
    }

    pub(super) fn referred(&self, field: &Field, text: &str) -> Result<String, Failure> {
        let Some(id) = id::full(text) else {
            let words = format!("{}: id value of incorrect type: {text}", field.name);
            return Err(Failure::new(400, "MALFORMED_ID", words).with_fields(&[&field.name]));
        };
        let is_there = self.find(&id).is_some_and(|(object, row)| {
            field.targets.iter().any(|target| target == object) && row.get("IsDeleted") != Some(&Value::Bool(true))
        });
        if is_there {
            return Ok(id);
        }
        Err(Failure::new(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id").with_fields(&[&field.name]))
    }

    /// A rule of the org refuses a change of this field, or of the whole row. Source: section 9.
    pub(super) fn check_rules(&self, object: &Object, before: &Row, changes: &Row) -> Result<(), Failure> {
        for (of, field, message) in &self.faults.validations {
            if *of == object.name && changes.get(field).is_some_and(|value| before.get(field) != Some(value)) {
                return Err(
                    Failure::new(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", message.clone()).with_fields(&[field])
                );
            }
        }
        let id = before.get("Id").and_then(Value::as_str).unwrap_or_default();
        if self.faults.locked.contains(id) {
            return Err(Failure::locked());
        }
        Ok(())
    }

    pub(super) fn check_unique(&self, object: &Object, own: Option<&str>, row: &Row) -> Result<(), Failure> {
        for field in object.fields.iter().filter(|field| field.external_id) {
            let Some(value) = row.get(&field.name).and_then(Value::as_str) else { continue };
            let taken = self.ids_by(&object.name, &field.name, value);
            let taken = taken.iter().find(|id| own != Some(id.as_str()) && self.is_live(&object.name, id));
            if let Some(id) = taken {
                let words = format!("duplicate value found: {} duplicates value on record with id: {id}", field.name);
                return Err(Failure::new(400, "DUPLICATE_VALUE", words).with_fields(&[]));
            }
        }
        if object.name == "CampaignMember" && own.is_none() {
            let same = |known: &&Row| {
                ["CampaignId", "LeadId", "ContactId"]
                    .iter()
                    .all(|name| known.get(*name) == row.get(*name).filter(|value| !value.is_null()))
            };
            if self.rows("CampaignMember").any(|known| same(&known)) {
                return Err(Failure::new(400, "DUPLICATE_VALUE", "Already a campaign member."));
            }
        }
        Ok(())
    }

    /// The standard duplicate rule alerts, which through the API is a refusal unless the header lets it save. Source: section 7.
    pub(super) fn check_duplicates(&self, actor: &Actor, object: &Object, row: &Row) -> Result<(), Failure> {
        let is_checked = matches!(object.name.as_str(), "Lead" | "Contact") && self.settings.duplicate_rule;
        let Some(email) = row.get("Email").and_then(Value::as_str).filter(|_| is_checked && !actor.allows_duplicates)
        else {
            return Ok(());
        };
        let same: Vec<String> = self.ids_by(&object.name, "Email", email);
        let same: Vec<Value> = same
            .iter()
            .filter(|id| self.is_live(&object.name, id))
            .map(|id| json!({"matchConfidence": 100.0, "record": {"attributes": {"type": object.name}, "Id": id}}))
            .collect();
        if same.is_empty() {
            return Ok(());
        }
        let words = "You're creating a duplicate record. We recommend you use an existing record instead.";
        let mut failure = Failure::new(400, "DUPLICATES_DETECTED", words);
        failure.extra = Some(json!({
            "allowSave": true, "duplicateRule": format!("Standard_{}_Duplicate_Rule", object.name),
            "matchResults": [{"rule": format!("Standard_{}_Match_Rule_v1_0", object.name), "matchEngine": "FuzzyMatchEngine", "matchRecords": same}],
        }));
        Err(failure)
    }

    pub(super) fn check_owner(&self, object: &Object, row: &Row) -> Result<(), Failure> {
        let Some(owner) = row.get("OwnerId").and_then(Value::as_str) else { return Ok(()) };
        if owner.starts_with("00G") {
            let serves = |queue: &&Row| {
                let text = |name: &str| queue.get(name).and_then(Value::as_str);
                text("QueueId") == Some(owner) && text("SobjectType") == Some(object.name.as_str())
            };
            if self.rows("QueueSobject").any(|queue| serves(&queue)) {
                return Ok(());
            }
            let words = format!("Queue not associated with this SObject type: {}", object.name);
            return Err(Failure::new(400, "INVALID_OPERATION", words).with_fields(&["OwnerId"]));
        }
        if self.flag("User", owner, "IsActive") {
            return Ok(());
        }
        let words =
            format!("operation performed with inactive user [{owner}] as owner of {}", object.name.to_lowercase());
        Err(Failure::new(400, "INACTIVE_OWNER_OR_USER", words))
    }
}
