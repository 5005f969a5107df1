//! Creating, changing and deleting rows: what is checked, what follows, and what is kept as history. Source: sections 4, 7 and 9.

use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::id;
use super::moment;
use super::schema::{Field, Object, Type};
use super::state::{Actor, Row, State};

impl State {
    /// Makes a row.
    pub(super) fn create(
        &mut self,
        actor: &Actor,
        object: &str,
        values: &Map<String, Value>,
    ) -> Result<String, Failure> {
        let object = self.schema.object(object).ok_or_else(|| Failure::no_type(object))?.clone();
        if !object.fields.iter().any(|field| field.createable) {
            let words = format!("entity type {} cannot be created", object.name);
            return Err(Failure::new(400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", words));
        }
        let mut row = self.checked(&object, values, true)?;
        let missing: Vec<&str> = object
            .fields
            .iter()
            .filter(|field| field.required && row.get(&field.name).is_none_or(Value::is_null))
            .map(|field| field.name.as_str())
            .collect();
        if !missing.is_empty() {
            let words = format!("Required fields are missing: [{}]", missing.join(", "));
            return Err(Failure::new(400, "REQUIRED_FIELD_MISSING", words).with_fields(&missing));
        }
        self.check_unique(&object, None, &row)?;
        self.check_duplicates(actor, &object, &row)?;
        row.retain(|_, value| !value.is_null());
        if object.has("OwnerId") {
            let user = actor.user.clone();
            row.entry("OwnerId".to_owned()).or_insert_with(|| json!(user));
        }
        self.assign(actor, &object, &mut row);
        self.check_owner(&object, &row)?;
        self.follow(actor, &object, None, &mut row)?;
        let id = self.insert(&object.name, actor, row);
        if object.name == "Lead" {
            self.history(actor, &id, "created", Value::Null, Value::Null);
        }
        self.after_activity(&object, &id);
        self.note(actor, "create", &object.name, &id, values);
        Ok(id)
    }

    /// Changes a row.
    pub(super) fn update(
        &mut self,
        actor: &Actor,
        object: &str,
        id: &str,
        values: &Map<String, Value>,
    ) -> Result<(), Failure> {
        let object = self.schema.object(object).ok_or_else(|| Failure::no_type(object))?.clone();
        let id = id::full(id).ok_or_else(|| Failure::new(400, "MALFORMED_ID", format!("malformed id {id}")))?;
        let before = self.row(&object.name, &id).cloned().ok_or_else(Failure::not_found)?;
        if before.get("IsDeleted") == Some(&Value::Bool(true)) {
            return Err(Failure::deleted());
        }
        if object.name == "Lead" && before.get("IsConverted") == Some(&Value::Bool(true)) {
            return Err(Failure::new(400, "CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead"));
        }
        let changes = self.checked(&object, values, false)?;
        self.check_rules(&object, &before, &changes)?;
        let empty: Vec<&str> = object
            .fields
            .iter()
            .filter(|field| field.required && changes.get(&field.name) == Some(&Value::Null))
            .map(|field| field.name.as_str())
            .collect();
        if !empty.is_empty() {
            let words = format!("Required fields are missing: [{}]", empty.join(", "));
            return Err(Failure::new(400, "REQUIRED_FIELD_MISSING", words).with_fields(&empty));
        }
        self.check_unique(&object, Some(&id), &changes)?;
        let mut row = before.clone();
        row.extend(changes);
        self.assign(actor, &object, &mut row);
        if row.get("OwnerId") != before.get("OwnerId") {
            self.check_owner(&object, &row)?;
        }
        self.follow(actor, &object, Some(&before), &mut row)?;
        row.retain(|_, value| !value.is_null());
        if let Some(place) = self.row_mut(&object.name, &id) {
            *place = row.clone();
        }
        self.touch(&object.name, &id, actor);
        if object.name == "Lead" {
            self.track(actor, &id, &before, &row);
        }
        self.after_activity(&object, &id);
        self.note(actor, "update", &object.name, &id, values);
        Ok(())
    }

    /// Puts a row into the recycle bin. Source: section 6, "Deletes".
    pub(super) fn delete(&mut self, actor: &Actor, object: &str, id: &str) -> Result<(), Failure> {
        let name = self.schema.object(object).ok_or_else(|| Failure::no_type(object))?.name.clone();
        let id = id::full(id).ok_or_else(|| Failure::new(400, "MALFORMED_ID", format!("malformed id {id}")))?;
        if self.row(&name, &id).is_none() {
            return Err(Failure::not_found());
        }
        if !self.is_live(&name, &id) {
            return Err(Failure::deleted());
        }
        if let Some(row) = self.row_mut(&name, &id) {
            row.insert("IsDeleted".to_owned(), json!(true));
        }
        self.touch(&name, &id, actor);
        if name == "Opportunity" {
            // The roles go with their opportunity. Source: section 4, OpportunityContactRole.
            for role in self.ids_by("OpportunityContactRole", "OpportunityId", &id) {
                if let Some(row) = self.row_mut("OpportunityContactRole", &role) {
                    row.insert("IsDeleted".to_owned(), json!(true));
                }
                self.touch("OpportunityContactRole", &role, actor);
            }
        }
        if matches!(name.as_str(), "OpportunityContactRole" | "CampaignMember") {
            // Removed on its own it is not found by queryAll. Source: section 4.
            self.remove(&name, &id);
        }
        self.note(actor, "delete", &name, &id, &Map::new());
        Ok(())
    }

    /// The values as they are kept; the first that does not fit refuses all of them.
    fn checked(&self, object: &Object, values: &Map<String, Value>, creates: bool) -> Result<Row, Failure> {
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

    fn kept(&self, field: &Field, value: &Value) -> Result<Value, Failure> {
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

    fn referred(&self, field: &Field, text: &str) -> Result<String, Failure> {
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
    fn check_rules(&self, object: &Object, before: &Row, changes: &Row) -> Result<(), Failure> {
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

    fn check_unique(&self, object: &Object, own: Option<&str>, row: &Row) -> Result<(), Failure> {
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
    fn check_duplicates(&self, actor: &Actor, object: &Object, row: &Row) -> Result<(), Failure> {
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

    /// Assignment rules fire on create and on update alike, unless the header says no. Source: section 1.1.
    fn assign(&self, actor: &Actor, object: &Object, row: &mut Row) {
        if object.name == "Lead"
            && actor.auto_assign
            && let Some(owner) = &self.settings.assignment_rule_owner
        {
            row.insert("OwnerId".to_owned(), json!(owner));
        }
    }

    fn check_owner(&self, object: &Object, row: &Row) -> Result<(), Failure> {
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

    /// What the org sets by itself.
    fn follow(&self, actor: &Actor, object: &Object, before: Option<&Row>, row: &mut Row) -> Result<(), Failure> {
        let text = |row: &Row, name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
        match object.name.as_str() {
            "Lead" | "Contact" => {
                let parts = [text(row, "FirstName"), text(row, "LastName")];
                let name: Vec<String> = parts.into_iter().flatten().collect();
                row.insert("Name".to_owned(), json!(name.join(" ")));
                for flag in ["HasOptedOutOfEmail", "DoNotCall"] {
                    row.entry(flag.to_owned()).or_insert(json!(false));
                }
                if object.name == "Lead" {
                    self.follow_lead(actor, before, row)?;
                }
            }
            "Task" => self.follow_task(actor, before, row)?,
            "Event" => follow_event(row)?,
            "Opportunity" => self.follow_opportunity(actor, before, row),
            "CampaignMember" => self.follow_member(actor, row)?,
            "Group" => {
                let name = text(row, "Name").unwrap_or_default().replace(' ', "_");
                row.entry("DeveloperName".to_owned()).or_insert(json!(name));
            }
            _ => {}
        }
        Ok(())
    }

    fn follow_lead(&self, actor: &Actor, before: Option<&Row>, row: &mut Row) -> Result<(), Failure> {
        row.entry("IsConverted".to_owned()).or_insert(json!(false));
        let default = || self.rows("LeadStatus").find(|status| status.get("IsDefault") == Some(&json!(true)));
        if row.get("Status").is_none_or(Value::is_null) {
            row.insert(
                "Status".to_owned(),
                default().and_then(|status| status.get("ApiName").cloned()).unwrap_or_default(),
            );
        }
        let means_converted = |name: &Value| {
            self.rows("LeadStatus")
                .any(|status| status.get("ApiName") == Some(name) && status.get("IsConverted") == Some(&json!(true)))
        };
        if row.get("Status").is_some_and(means_converted) {
            // A lead cannot be converted by its status (section 1.7); the code is not in the sheet (unverified).
            let words = "invalid status value for a lead that is not converted";
            return Err(Failure::new(400, "INVALID_STATUS", words).with_fields(&["Status"]));
        }
        let is_given = before.is_none_or(|before| before.get("OwnerId") != row.get("OwnerId"));
        let is_by_owner = row.get("OwnerId").and_then(Value::as_str) == Some(actor.user.as_str());
        let is_unread = if is_by_owner { Some(false) } else { is_given.then_some(true) };
        if let Some(is_unread) = is_unread {
            row.insert("IsUnreadByOwner".to_owned(), json!(is_unread));
        }
        Ok(())
    }

    fn follow_task(&self, actor: &Actor, before: Option<&Row>, row: &mut Row) -> Result<(), Failure> {
        check_who(row)?;
        row.entry("Priority".to_owned()).or_insert(json!("Normal"));
        row.entry("TaskSubtype".to_owned()).or_insert(json!("Task"));
        if row.get("Status").is_none_or(Value::is_null) {
            row.insert("Status".to_owned(), json!("Not Started"));
        }
        let status = row.get("Status").cloned().unwrap_or_default();
        let is_closed = self
            .rows("TaskStatus")
            .any(|known| known.get("ApiName") == Some(&status) && known.get("IsClosed") == Some(&json!(true)));
        let was_closed = before.is_some_and(|before| before.get("IsClosed") == Some(&json!(true)));
        row.insert("IsClosed".to_owned(), json!(is_closed));
        if is_closed && !was_closed {
            row.insert("CompletedDateTime".to_owned(), json!(self.stamp(actor)));
        } else if !is_closed {
            row.remove("CompletedDateTime");
        }
        Ok(())
    }

    fn follow_opportunity(&self, actor: &Actor, before: Option<&Row>, row: &mut Row) {
        let stage = row.get("StageName").cloned().unwrap_or_default();
        let known = self.rows("OpportunityStage").find(|known| known.get("ApiName") == Some(&stage));
        let of = |name: &str| known.and_then(|known| known.get(name).cloned());
        row.insert("IsClosed".to_owned(), of("IsClosed").unwrap_or(json!(false)));
        row.insert("IsWon".to_owned(), of("IsWon").unwrap_or(json!(false)));
        if before.is_none_or(|before| before.get("StageName") != Some(&stage)) {
            row.insert("Probability".to_owned(), of("DefaultProbability").unwrap_or(json!(10)));
            row.insert("LastStageChangeDate".to_owned(), json!(self.stamp(actor)));
        }
    }

    fn follow_member(&self, actor: &Actor, row: &mut Row) -> Result<(), Failure> {
        let is_set = |name: &str| row.get(name).is_some_and(|value| !value.is_null());
        if is_set("LeadId") == is_set("ContactId") {
            let words = "You must specify exactly one of: LeadId, ContactId";
            return Err(Failure::new(400, "FIELD_INTEGRITY_EXCEPTION", words));
        }
        let campaign = row.get("CampaignId").and_then(Value::as_str).unwrap_or_default().to_owned();
        let statuses: Vec<&Row> = self
            .rows("CampaignMemberStatus")
            .filter(|status| status.get("CampaignId") == Some(&json!(campaign)))
            .collect();
        let default = statuses.iter().find(|status| status.get("IsDefault") == Some(&json!(true)));
        let default = default.and_then(|status| status.get("Label").cloned()).unwrap_or(json!("Sent"));
        let status = row.entry("Status".to_owned()).or_insert(default).clone();
        let Some(known) = statuses.iter().find(|known| known.get("Label") == Some(&status)) else {
            let words =
                format!("Status: bad value for restricted picklist field: {}", status.as_str().unwrap_or_default());
            return Err(Failure::new(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", words).with_fields(&["Status"]));
        };
        let responded = known.get("HasResponded").cloned().unwrap_or(json!(false));
        if responded == json!(true) {
            let day = moment::day(&self.stamp(actor)).to_owned();
            row.entry("FirstRespondedDate".to_owned()).or_insert(json!(day));
        }
        row.insert("HasResponded".to_owned(), responded);
        Ok(())
    }

    /// `LastActivityDate` is a due date. Source: section 1.6.
    fn after_activity(&mut self, object: &Object, id: &str) {
        let date = match object.name.as_str() {
            "Task" if self.flag("Task", id, "IsClosed") => self.text("Task", id, "ActivityDate"),
            "Event" => self.text("Event", id, "EndDateTime").map(|end| moment::day(&end).to_owned()),
            _ => return,
        };
        let (Some(date), Some(who)) = (date, self.text(&object.name, id, "WhoId")) else { return };
        let of = if who.starts_with("00Q") { "Lead" } else { "Contact" };
        let is_later = self.text(of, &who, "LastActivityDate").is_none_or(|known| known < date);
        if let Some(row) = self.row_mut(of, &who).filter(|_| is_later) {
            row.insert("LastActivityDate".to_owned(), json!(date));
        }
    }

    /// Tracked changes of a lead. An owner gives two rows, one with ids and one with names. Source: section 4, LeadHistory.
    fn track(&mut self, actor: &Actor, id: &str, before: &Row, after: &Row) {
        let value = |row: &Row, name: &str| row.get(name).cloned().unwrap_or(Value::Null);
        for tracked in self.settings.tracked.clone() {
            let field = if tracked == "Owner" { "OwnerId" } else { &tracked };
            let (old, new) = (value(before, field), value(after, field));
            if old == new {
                continue;
            }
            if tracked == "Owner" {
                let name = |id: &Value| {
                    let known = id.as_str().and_then(|id| self.find(id)).and_then(|(_, row)| row.get("Name").cloned());
                    known.unwrap_or(Value::Null)
                };
                let (old_name, new_name) = (name(&old), name(&new));
                self.history(actor, id, &tracked, old_name, new_name);
            }
            self.history(actor, id, &tracked, old, new);
        }
    }

    pub(super) fn history(&mut self, actor: &Actor, lead: &str, field: &str, old: Value, new: Value) {
        if self.settings.tracked.is_empty() {
            return;
        }
        let kind = if new.as_str().is_some_and(|text| id::full(text).is_some()) { "EntityId" } else { "Text" };
        let mut row = Row::from([
            ("LeadId".to_owned(), json!(lead)),
            ("Field".to_owned(), json!(field)),
            ("DataType".to_owned(), json!(kind)),
        ]);
        row.insert("OldValue".to_owned(), old);
        row.insert("NewValue".to_owned(), new);
        self.insert("LeadHistory", actor, row);
    }
}

/// A lead's activity hangs on nothing else. Source: section 4, Task.
fn check_who(row: &Row) -> Result<(), Failure> {
    let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("WhoId").starts_with("00Q") && !text("WhatId").is_empty() {
        let words = "Related To ID: If WhoId is a lead, WhatId must be empty";
        return Err(Failure::new(400, "FIELD_INTEGRITY_EXCEPTION", words).with_fields(&["WhatId"]));
    }
    Ok(())
}

fn follow_event(row: &mut Row) -> Result<(), Failure> {
    check_who(row)?;
    row.entry("IsChild".to_owned()).or_insert(json!(false));
    row.entry("IsAllDayEvent".to_owned()).or_insert(json!(false));
    row.entry("EventSubtype".to_owned()).or_insert(json!("Event"));
    let start =
        row.get("StartDateTime").or_else(|| row.get("ActivityDateTime")).and_then(Value::as_str).map(str::to_owned);
    let Some(start) = start else {
        let words = "Required fields are missing: [ActivityDateTime]";
        return Err(Failure::new(400, "REQUIRED_FIELD_MISSING", words).with_fields(&["ActivityDateTime"]));
    };
    row.insert("StartDateTime".to_owned(), json!(start));
    row.insert("ActivityDateTime".to_owned(), json!(start));
    let minutes = row.get("DurationInMinutes").and_then(Value::as_i64).unwrap_or(60);
    let end = moment::millisecond(&start).map(|start| moment::shown(start + minutes * 60_000));
    row.entry("EndDateTime".to_owned()).or_insert(json!(end));
    Ok(())
}
