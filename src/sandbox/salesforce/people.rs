//! The people side: what reps and administrators do in the org's own screens, without HTTP. Conversion and merge are among
//! it, since REST has neither (section 1.7).

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::Salesforce;
use super::failure::Failure;
use super::moment;
use super::state::{Actor, Row, State};

/// One user at work.
#[derive(Clone)]
pub struct Person {
    pub(super) org: Salesforce,
    pub(super) user: String,
    pub(super) ago: SignedDuration,
}

/// What a conversion made or used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The account.
    pub account: String,
    /// The contact.
    pub contact: String,
    /// The opportunity, if one was asked for.
    pub opportunity: Option<String>,
}

impl Person {
    /// The same person in a transaction that began so long before it commits: its stamps lie in the past. Source: section 6.2.
    #[must_use]
    pub fn begun(mut self, ago: SignedDuration) -> Self {
        self.ago = ago;
        self
    }

    fn actor(&self) -> Actor {
        Actor { ago_ms: i64::try_from(self.ago.as_millis()).unwrap_or(0), ..Actor::person(&self.user) }
    }

    /// Makes a row of any object.
    ///
    /// # Errors
    /// What the org refuses.
    pub fn create(&self, object: &str, values: Value) -> Result<String, Failure> {
        self.org.lock().create(&self.actor(), object, &map(values))
    }

    /// Changes a row.
    ///
    /// # Errors
    /// What the org refuses.
    pub fn update(&self, object: &str, id: &str, values: Value) -> Result<(), Failure> {
        self.org.lock().update(&self.actor(), object, id, &map(values))
    }

    /// Deletes a row into the recycle bin.
    ///
    /// # Errors
    /// What the org refuses.
    pub fn delete(&self, object: &str, id: &str) -> Result<(), Failure> {
        self.org.lock().delete(&self.actor(), object, id)
    }

    /// "Log a Call": a closed call task.
    ///
    /// # Errors
    /// What the org refuses.
    pub fn log_call(&self, who: &str, subject: &str) -> Result<String, Failure> {
        let day = moment::day(&moment::shown(self.org.lock().now())).to_owned();
        let values = json!({"WhoId": who, "Subject": subject, "Status": "Completed", "TaskSubtype": "Call", "ActivityDate": day});
        self.create("Task", values)
    }

    /// Marks a task as done.
    ///
    /// # Errors
    /// What the org refuses.
    pub fn complete_task(&self, task: &str) -> Result<(), Failure> {
        self.update("Task", task, json!({"Status": "Completed"}))
    }

    /// Converts a lead; `contact` is one that exists already. Source: sections 1.7 and 6.
    ///
    /// # Errors
    /// What the org refuses.
    pub fn convert(&self, lead: &str, contact: Option<&str>, opportunity: Option<&str>) -> Result<Converted, Failure> {
        self.org.lock().convert(&self.actor(), lead, contact, opportunity)
    }

    /// Merges `loser` into `winner`, both leads or both contacts. Source: section 6, "Merges".
    ///
    /// # Errors
    /// What the org refuses.
    pub fn merge(&self, object: &str, winner: &str, loser: &str) -> Result<(), Failure> {
        self.org.lock().merge(&self.actor(), object, winner, loser)
    }
}

fn map(values: Value) -> Map<String, Value> {
    match values {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// An object, its columns, and a line for each row.
type Seeded<'a> = (&'a str, &'a [&'a str], &'a [&'a [Value]]);

impl State {
    pub(super) fn convert(
        &mut self,
        actor: &Actor,
        lead: &str,
        contact: Option<&str>,
        opportunity: Option<&str>,
    ) -> Result<Converted, Failure> {
        if !self.is_live("Lead", lead) {
            return Err(Failure::deleted());
        }
        let row = self.row("Lead", lead).cloned().unwrap_or_default();
        if row.get("IsConverted") == Some(&json!(true)) {
            return Err(Failure::new(400, "CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead"));
        }
        let of = |name: &str| row.get(name).cloned().unwrap_or(Value::Null);
        if of("OwnerId").as_str().is_some_and(|owner| owner.starts_with("00G")) {
            let words = "Converted objects can only be owned by users. If the lead is not owned by a user, you must specify a user for the Owner field.";
            return Err(Failure::new(400, "INVALID_OPERATION", words));
        }
        let account = match contact.and_then(|contact| self.text("Contact", contact, "AccountId")) {
            Some(account) => account,
            None => {
                let values = json!({"Name": of("Company"), "OwnerId": of("OwnerId"), "Website": of("Website")});
                self.create(actor, "Account", &map(values))?
            }
        };
        let contact = match contact {
            Some(contact) => contact.to_owned(),
            None => {
                let values = json!({
                    "AccountId": account, "OwnerId": of("OwnerId"), "FirstName": of("FirstName"), "LastName": of("LastName"),
                    "Email": of("Email"), "Phone": of("Phone"), "Title": of("Title"), "LeadSource": of("LeadSource"),
                    "MailingCountry": of("Country"),
                });
                self.create(actor, "Contact", &map(values))?
            }
        };
        let opportunity = match opportunity {
            None => None,
            Some(name) => {
                let close = moment::day(&moment::shown(self.now() + 30 * 86_400_000)).to_owned();
                let values = json!({
                    "Name": name, "AccountId": account, "OwnerId": of("OwnerId"), "StageName": "Prospecting", "CloseDate": close,
                    "LeadSource": of("LeadSource"),
                });
                let made = self.create(actor, "Opportunity", &map(values))?;
                let role = json!({"OpportunityId": made, "ContactId": contact, "IsPrimary": true});
                self.create(actor, "OpportunityContactRole", &map(role))?;
                Some(made)
            }
        };
        let before = row.clone();
        let day = moment::day(&self.stamp(actor)).to_owned();
        if let Some(row) = self.row_mut("Lead", lead) {
            row.insert("IsConverted".to_owned(), json!(true));
            row.insert("Status".to_owned(), json!("Closed - Converted"));
            row.insert("ConvertedDate".to_owned(), json!(day));
            row.insert("ConvertedAccountId".to_owned(), json!(account));
            row.insert("ConvertedContactId".to_owned(), json!(contact));
            if let Some(opportunity) = &opportunity {
                row.insert("ConvertedOpportunityId".to_owned(), json!(opportunity));
            }
        }
        self.touch("Lead", lead, actor);
        if self.settings.tracked.iter().any(|field| field == "Status") {
            let old = before.get("Status").cloned().unwrap_or(Value::Null);
            self.history(actor, lead, "Status", old, json!("Closed - Converted"));
        }
        self.history(actor, lead, "leadConverted", Value::Null, Value::Null);
        let what = opportunity.clone().unwrap_or_else(|| account.clone());
        self.move_activities(actor, lead, &contact, Some(&what));
        self.move_members(lead, &contact);
        self.note(actor, "convert", "Lead", lead, &Map::new());
        Ok(Converted { account, contact, opportunity })
    }

    pub(super) fn merge(&mut self, actor: &Actor, object: &str, winner: &str, loser: &str) -> Result<(), Failure> {
        for id in [winner, loser] {
            if !self.is_live(object, id) {
                return Err(Failure::deleted());
            }
        }
        // What the winner lacks is taken from the loser.
        let lost = self.row(object, loser).cloned().unwrap_or_default();
        if let Some(row) = self.row_mut(object, winner) {
            for name in ["Phone", "Email", "Title", "Company"] {
                if let (None, Some(value)) = (row.get(name), lost.get(name)) {
                    row.insert(name.to_owned(), value.clone());
                }
            }
        }
        self.touch(object, winner, actor);
        if let Some(row) = self.row_mut(object, loser) {
            row.insert("IsDeleted".to_owned(), json!(true));
            row.insert("MasterRecordId".to_owned(), json!(winner));
        }
        self.touch(object, loser, actor);
        self.move_activities(actor, loser, winner, None);
        self.note(actor, "merge", object, winner, &Map::from_iter([("loser".to_owned(), json!(loser))]));
        Ok(())
    }

    /// Activities go with their person, with fresh stamps. Source: section 6, "Conversions".
    fn move_activities(&mut self, actor: &Actor, from: &str, to: &str, what: Option<&str>) {
        for object in ["Task", "Event"] {
            for id in self.ids_by(object, "WhoId", from) {
                if let Some(row) = self.row_mut(object, &id) {
                    row.insert("WhoId".to_owned(), json!(to));
                    if let Some(what) = what {
                        row.entry("WhatId".to_owned()).or_insert(json!(what));
                    }
                }
                self.touch(object, &id, actor);
            }
        }
    }

    fn move_members(&mut self, lead: &str, contact: &str) {
        for id in self.ids_by("CampaignMember", "LeadId", lead) {
            if let Some(row) = self.row_mut("CampaignMember", &id) {
                row.insert("ContactId".to_owned(), json!(contact));
            }
        }
    }

    /// Purges a row: only `getDeleted` tells of it then. Source: section 1.5.
    pub(super) fn purge(&mut self, object: &str, id: &str) {
        let now = self.now();
        if self.remove(object, id).is_some() {
            self.purged.push((object.to_owned(), id.to_owned(), now));
        }
    }

    pub(super) fn seed_rows(&mut self, actor: &Actor) {
        let rows: [Seeded<'_>; 3] = [
            (
                "LeadStatus",
                &["MasterLabel", "IsDefault", "IsConverted"],
                &[
                    &[json!("Open - Not Contacted"), json!(true), json!(false)],
                    &[json!("Working - Contacted"), json!(false), json!(false)],
                    &[json!("Closed - Converted"), json!(false), json!(true)],
                    &[json!("Closed - Not Converted"), json!(false), json!(false)],
                ],
            ),
            (
                "OpportunityStage",
                &["MasterLabel", "IsClosed", "IsWon", "DefaultProbability", "IsActive"],
                &[
                    &[json!("Prospecting"), json!(false), json!(false), json!(10), json!(true)],
                    &[json!("Qualification"), json!(false), json!(false), json!(10), json!(true)],
                    &[json!("Needs Analysis"), json!(false), json!(false), json!(20), json!(true)],
                    &[json!("Value Proposition"), json!(false), json!(false), json!(50), json!(true)],
                    &[json!("Id. Decision Makers"), json!(false), json!(false), json!(60), json!(true)],
                    &[json!("Perception Analysis"), json!(false), json!(false), json!(70), json!(true)],
                    &[json!("Proposal/Price Quote"), json!(false), json!(false), json!(75), json!(true)],
                    &[json!("Negotiation/Review"), json!(false), json!(false), json!(90), json!(true)],
                    &[json!("Closed Won"), json!(true), json!(true), json!(100), json!(true)],
                    &[json!("Closed Lost"), json!(true), json!(false), json!(0), json!(true)],
                ],
            ),
            (
                "TaskStatus",
                &["MasterLabel", "IsDefault", "IsClosed"],
                &[
                    &[json!("Not Started"), json!(true), json!(false)],
                    &[json!("In Progress"), json!(false), json!(false)],
                    &[json!("Completed"), json!(false), json!(true)],
                    &[json!("Waiting on someone else"), json!(false), json!(false)],
                    &[json!("Deferred"), json!(false), json!(false)],
                ],
            ),
        ];
        for (object, names, values) in rows {
            for (at, line) in values.iter().enumerate() {
                let mut row: Row = names.iter().map(|name| (*name).to_owned()).zip(line.iter().cloned()).collect();
                row.insert("ApiName".to_owned(), line[0].clone());
                row.insert("SortOrder".to_owned(), json!(at + 1));
                self.insert(object, actor, row);
            }
        }
        let mut hours = Row::from([
            ("Name".to_owned(), json!("Default")),
            ("IsActive".to_owned(), json!(true)),
            ("IsDefault".to_owned(), json!(true)),
            ("TimeZoneSidKey".to_owned(), json!("Europe/Berlin")),
        ]);
        for day in ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"] {
            hours.insert(format!("{day}StartTime"), json!("09:00:00.000Z"));
            hours.insert(format!("{day}EndTime"), json!("17:00:00.000Z"));
        }
        self.insert("BusinessHours", actor, hours);
    }
}
