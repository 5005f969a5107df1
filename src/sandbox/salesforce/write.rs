//! Creating, changing and deleting rows: what is checked, what follows, and what is kept as history. Source: sections 4, 7 and 9.

use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::id;
use super::schema::Object;
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

    /// Assignment rules fire on create and on update alike, unless the header says no. Source: section 1.1.
    fn assign(&self, actor: &Actor, object: &Object, row: &mut Row) {
        if object.name == "Lead"
            && actor.auto_assign
            && let Some(owner) = &self.settings.assignment_rule_owner
        {
            row.insert("OwnerId".to_owned(), json!(owner));
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
