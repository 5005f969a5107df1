//! What the org sets by itself when a row is written. Source: section 4.

use serde_json::{Value, json};

use super::failure::Failure;
use super::moment;
use super::schema::Object;
use super::state::{Actor, Row, State};

impl State {
    /// What the org sets by itself.
    pub(super) fn follow(
        &self,
        actor: &Actor,
        object: &Object,
        before: Option<&Row>,
        row: &mut Row,
    ) -> Result<(), Failure> {
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

    pub(super) fn follow_lead(&self, actor: &Actor, before: Option<&Row>, row: &mut Row) -> Result<(), Failure> {
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

    pub(super) fn follow_task(&self, actor: &Actor, before: Option<&Row>, row: &mut Row) -> Result<(), Failure> {
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

    pub(super) fn follow_opportunity(&self, actor: &Actor, before: Option<&Row>, row: &mut Row) {
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

    pub(super) fn follow_member(&self, actor: &Actor, row: &mut Row) -> Result<(), Failure> {
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
    pub(super) fn after_activity(&mut self, object: &Object, id: &str) {
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
