//! How rows are shown: fields, parents, children.

use serde_json::{Map, Value, json};

use super::super::failure::Failure;
use super::super::schema::Field;
use super::super::state::Row;
use super::eval::Eval;
use super::parse::{Query, Selected};

impl Eval<'_> {
    pub(super) fn shown(&self, row: &Row) -> Result<Value, Failure> {
        let mut record = self.attributes(&self.object.name, row);
        for selected in &self.query.select {
            match selected {
                Selected::Field(path) => self.show(&mut record, path, row)?,
                Selected::Fields(which) => {
                    let is_wanted = |field: &&Field| match which.as_str() {
                        "STANDARD" => !field.name.ends_with("__c"),
                        "CUSTOM" => field.name.ends_with("__c"),
                        _ => true,
                    };
                    for field in self.object.fields.iter().filter(is_wanted) {
                        if self.state.schema.visible(self.object, &field.name).is_some() {
                            record.insert(field.name.clone(), row.get(&field.name).cloned().unwrap_or(Value::Null));
                        }
                    }
                }
                Selected::Children(query) => {
                    record.insert(query.from.clone(), self.children(query, row)?);
                }
                Selected::Count => {}
            }
        }
        Ok(Value::Object(record))
    }

    pub(super) fn attributes(&self, object: &str, row: &Row) -> Map<String, Value> {
        let id = row.get("Id").and_then(Value::as_str).unwrap_or_default();
        let url = format!("/services/data/{}/sobjects/{object}/{id}", self.state.version);
        Map::from_iter([("attributes".to_owned(), json!({"type": object, "url": url}))])
    }

    pub(super) fn show(&self, record: &mut Map<String, Value>, path: &[String], row: &Row) -> Result<(), Failure> {
        let reached = self.reach(path)?;
        let value = self.value(&reached, row);
        let last = match reached.last {
            Some(field) => field.name.clone(),
            None => "Type".to_owned(),
        };
        let mut place = record;
        let mut at = row;
        for hop in &reached.hops {
            let name = hop.relationship.clone().unwrap_or_default();
            let next = at.get(&hop.name).and_then(Value::as_str).and_then(|id| self.state.find(id));
            let Some((object, next)) = next else {
                place.entry(name).or_insert(Value::Null);
                return Ok(());
            };
            // A polymorphic parent is told as a Name.
            let shown = if hop.targets.len() > 1 { "Name" } else { object };
            let inner = place.entry(name).or_insert_with(|| Value::Object(self.attributes(shown, next)));
            let Some(inner) = inner.as_object_mut() else { return Ok(()) };
            place = inner;
            at = next;
        }
        place.insert(last, value);
        Ok(())
    }

    /// `(SELECT Id FROM Tasks)`: the plural of an object that has a reference to this one.
    pub(super) fn children(&self, query: &Query, row: &Row) -> Result<Value, Failure> {
        let (name, by) = match (self.object.name.as_str(), query.from.as_str()) {
            ("Lead" | "Contact", "Tasks") => ("Task", "WhoId"),
            ("Lead" | "Contact", "Events") => ("Event", "WhoId"),
            ("Account" | "Opportunity", "Tasks") => ("Task", "WhatId"),
            ("Account", "Contacts") => ("Contact", "AccountId"),
            ("Account", "Opportunities") => ("Opportunity", "AccountId"),
            ("Opportunity", "OpportunityContactRoles") => ("OpportunityContactRole", "OpportunityId"),
            ("Contact", "OpportunityContactRoles") => ("OpportunityContactRole", "ContactId"),
            ("Lead", "Histories") => ("LeadHistory", "LeadId"),
            ("Lead" | "Contact", "CampaignMembers") => {
                ("CampaignMember", if self.object.name == "Lead" { "LeadId" } else { "ContactId" })
            }
            (_, other) => {
                let words = format!(
                    "\n{}\nDidn't understand relationship '{other}' in FROM part of query call.",
                    self.query.text
                );
                return Err(Failure::new(400, "INVALID_TYPE", words));
            }
        };
        let Some(object) = self.state.schema.object(name) else { return Err(Failure::no_type(name)) };
        let inner = Eval { state: self.state, query, scope: self.scope, object };
        inner.check()?;
        let id = row.get("Id").cloned().unwrap_or(Value::Null);
        let mut rows: Vec<&Row> = inner.rows()?.into_iter().filter(|child| child.get(by) == Some(&id)).collect();
        if rows.is_empty() {
            return Ok(Value::Null);
        }
        rows.sort_by(|one, other| inner.compare(one, other));
        let rows = rows.into_iter().take(query.limit.unwrap_or(usize::MAX));
        let records: Vec<Value> = rows.map(|row| inner.shown(row)).collect::<Result<_, _>>()?;
        Ok(json!({"totalSize": records.len(), "done": true, "records": records}))
    }
}
