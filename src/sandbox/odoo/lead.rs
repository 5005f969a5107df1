//! How a lead behaves: what follows from an owner, a stage, an archive, a loss.
//!
//! Source: apis/odoo.md traps 5 and 6, and what a running server answered to each of these calls.

use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::schema::Model;
use super::state::{Row, is_empty};
use super::thread::{escape, subtype};
use super::transaction::Transaction;

const LEAD: &str = "crm.lead";

/// Which of two leads keeps on after a merge: opportunities first, then the older.
fn precedence(tx: &Transaction<'_>, id: i64) -> (bool, i64) {
    (tx.state.stored(LEAD, id, "type") != "opportunity", id)
}

impl Transaction<'_> {
    pub(super) fn create_lead(&mut self, model: &Model, values: &Map<String, Value>) -> Result<i64, Failure> {
        let mut row = self.coerce(model, values)?;
        if row.get("name").is_none_or(is_empty) {
            return Err(Failure::required(LEAD, model.label, "name", "Opportunity"));
        }
        let owner = row.get("user_id").cloned().unwrap_or_else(|| json!(self.user));
        let stage = self.first_stage(false);
        row.entry("type").or_insert(json!("opportunity"));
        row.entry("active").or_insert(json!(true));
        row.entry("priority").or_insert(json!("0"));
        row.entry("company_id").or_insert(json!(1));
        row.entry("stage_id").or_insert(json!(stage));
        row.entry("is_automated_probability").or_insert(json!(true));
        if let Some(user) = owner.as_i64() {
            let team = self.state.team_of(user).unwrap_or(1);
            row.entry("team_id").or_insert(json!(team));
            row.insert("date_open", self.stamp());
        }
        row.insert("user_id", owner.clone());
        row.insert("date_last_stage_update", self.stamp());
        let row = self.created(row);
        let id = self.state.insert(LEAD, row);
        let chance = self.automatic_chance(id);
        self.state.set(LEAD, id, "automated_probability", json!(chance));
        if self.state.stored(LEAD, id, "probability").is_boolean() {
            self.state.set(LEAD, id, "probability", json!(chance));
        }
        self.settle(id, false);
        self.derive_contact(id);
        let team = self.state.id_in(LEAD, id, "team_id").map(|team| self.state.text_in("crm.team", team, "name"));
        let body = match team {
            Some(team) => format!("<p>A new lead has been created for the team \"{team}\".</p>"),
            None => "<p>A new lead has been created and is not assigned to any team.</p>".to_owned(),
        };
        let body = json!(format!("<div summary=\"o_mail_notification\">{body}</div>"));
        self.post(id, Row::from([("subtype_id", json!(subtype::CREATED)), ("body", body)]));
        self.tell_new_owner(id);
        Ok(id)
    }

    pub(super) fn write_leads(
        &mut self,
        model: &Model,
        ids: &[i64],
        values: &Map<String, Value>,
    ) -> Result<(), Failure> {
        self.check(model, ids, "read")?;
        let row = self.coerce(model, values)?;
        for id in ids {
            let before = self.tracked(*id);
            self.change(*id, &row);
            self.track(*id, &before);
        }
        Ok(())
    }

    /// Applies values that have been checked, and what follows from them.
    fn change(&mut self, id: i64, row: &Row) {
        let owner = self.state.id_in(LEAD, id, "user_id");
        let stage = self.state.id_in(LEAD, id, "stage_id");
        for (field, value) in row {
            self.state.set(LEAD, id, field, value.clone());
        }
        let new_owner = self.state.id_in(LEAD, id, "user_id");
        if new_owner != owner {
            self.follow_owner(id, new_owner, row);
        }
        let new_stage = self.state.id_in(LEAD, id, "stage_id");
        if new_stage != stage {
            let stamp = self.stamp();
            self.state.set(LEAD, id, "date_last_stage_update", stamp);
            let chance = self.automatic_chance(id);
            self.state.set(LEAD, id, "automated_probability", json!(chance));
            if !row.contains_key("probability") {
                self.state.set(LEAD, id, "probability", json!(chance));
            }
        }
        let is_closing = row.get("active") == Some(&json!(false));
        if !row.contains_key("won_status") {
            self.settle(id, is_closing);
        }
        if row.contains_key("email_from") || row.contains_key("phone") || row.contains_key("website") {
            self.derive_contact(id);
        }
        self.touch(LEAD, id);
        if new_owner != owner {
            self.tell_new_owner(id);
        }
    }

    /// A new owner dates the assignment and moves the lead to a team that the owner belongs to. Source: trap 6.
    fn follow_owner(&mut self, id: i64, owner: Option<i64>, row: &Row) {
        if !row.contains_key("date_open") {
            let opened = if owner.is_some() { self.stamp() } else { Value::Bool(false) };
            self.state.set(LEAD, id, "date_open", opened);
        }
        let Some(owner) = owner.filter(|_| !row.contains_key("team_id")) else { return };
        let team = self.state.id_in(LEAD, id, "team_id");
        let (home, is_led) =
            (self.state.team_of(owner), team.and_then(|team| self.state.id_in("crm.team", team, "user_id")));
        if team.is_none() || (home != team && home.is_some() && is_led != Some(owner)) {
            self.state.set(LEAD, id, "team_id", json!(home.unwrap_or(1)));
        }
    }

    fn tell_new_owner(&mut self, id: i64) {
        let Some(owner) = self.state.id_in(LEAD, id, "user_id") else { return };
        let (lead, person) = (self.state.text_in(LEAD, id, "name"), self.state.text_in("res.users", owner, "name"));
        let kind = if self.state.stored(LEAD, id, "type") == "lead" { "Lead" } else { "Opportunity" };
        let (dear, what) = (escape(&person), escape(&lead));
        let body = format!("<span>Dear {dear},<br><br>You have been assigned to the {kind} {what}.</span>");
        self.notify(id, owner, format!("You have been assigned to {lead}"), body);
    }

    /// Won, lost or pending, and the date it was closed.
    fn settle(&mut self, id: i64, is_closing: bool) {
        let is_active = self.state.is_set(LEAD, id, "active");
        let chance = self.state.stored(LEAD, id, "probability").as_f64().unwrap_or(0.0);
        let is_won_stage =
            self.state.id_in(LEAD, id, "stage_id").is_some_and(|stage| self.state.is_set("crm.stage", stage, "is_won"));
        let status = if is_won_stage && chance >= 100.0 {
            "won"
        } else if !is_active && chance <= 0.0 {
            "lost"
        } else {
            "pending"
        };
        let was = self.state.text_in(LEAD, id, "won_status");
        self.state.set(LEAD, id, "won_status", json!(status));
        if is_closing || (status == "won" && was != "won") {
            let stamp = self.stamp();
            self.state.set(LEAD, id, "date_closed", stamp);
        } else if is_active && status == "pending" {
            self.state.set(LEAD, id, "date_closed", json!(false));
        }
    }

    /// The probability that the server works out; here it hangs on the stage alone.
    fn automatic_chance(&self, id: i64) -> f64 {
        let stage = self.state.id_in(LEAD, id, "stage_id").unwrap_or(0);
        if self.state.is_set("crm.stage", stage, "is_won") {
            return 100.0;
        }
        match self.state.stored("crm.stage", stage, "sequence").as_i64() {
            Some(1) => 12.5,
            Some(2) => 33.33,
            _ => 60.0,
        }
    }

    fn derive_contact(&mut self, id: i64) {
        let email = self.state.text_in(LEAD, id, "email_from");
        let email = email.split_once('<').map_or(email.as_str(), |(_, rest)| rest.trim_end_matches('>'));
        let email = email.trim().to_lowercase();
        let normal = if email.contains('@') { json!(email) } else { Value::Bool(false) };
        self.state.set(LEAD, id, "email_normalized", normal);
        let phone = self.state.stored(LEAD, id, "phone").clone();
        self.state.set(LEAD, id, "phone_sanitized", phone);
        let website = self.state.text_in(LEAD, id, "website");
        if !website.is_empty() && !website.contains("://") {
            self.state.set(LEAD, id, "website", json!(format!("http://{website}")));
        }
    }

    fn first_stage(&self, is_won: bool) -> i64 {
        let stages = self
            .state
            .ids("crm.stage")
            .into_iter()
            .filter(|id| self.state.is_set("crm.stage", *id, "is_won") == is_won);
        stages.min_by_key(|id| self.state.stored("crm.stage", *id, "sequence").as_i64()).unwrap_or(1)
    }

    /// `action_set_lost`: archived, at no probability, with whatever values the caller adds (`lost_reason_id`).
    pub(super) fn set_lost(&mut self, model: &Model, ids: &[i64], values: &Map<String, Value>) -> Result<(), Failure> {
        let mut all = values.clone();
        for (field, value) in [("active", json!(false)), ("probability", json!(0)), ("automated_probability", json!(0))]
        {
            all.insert(field.to_owned(), value);
        }
        self.write_leads(model, ids, &all)
    }

    /// `action_set_won`: back from the archive, into the won stage.
    pub(super) fn set_won(&mut self, model: &Model, ids: &[i64]) -> Result<(), Failure> {
        let stage = self.first_stage(true);
        let values = json!({"active": true, "stage_id": stage, "probability": 100});
        self.write_leads(model, ids, values.as_object().unwrap_or(&Map::new()))
    }

    /// Archives or brings back; what comes back is not lost any more.
    pub(super) fn set_active(&mut self, model: &Model, ids: &[i64], is_active: bool) -> Result<(), Failure> {
        self.check(model, ids, "read")?;
        for id in
            ids.iter().filter(|id| self.state.is_set(LEAD, **id, "active") != is_active).copied().collect::<Vec<_>>()
        {
            let mut row = Row::from([("active", json!(is_active))]);
            if is_active {
                let chance = self.automatic_chance(id);
                row.insert("lost_reason_id", json!(false));
                row.insert("probability", json!(chance));
                row.insert("automated_probability", json!(chance));
            }
            let before = self.tracked(id);
            self.change(id, &row);
            self.track(id, &before);
        }
        Ok(())
    }

    /// `merge_opportunity`: one goes on with everybody's messages and activities; the others are deleted.
    pub(super) fn merge(&mut self, model: &Model, ids: &[i64]) -> Result<i64, Failure> {
        self.check(model, ids, "read")?;
        let mut ordered = ids.to_vec();
        ordered.sort_by_key(|id| precedence(self, *id));
        ordered.dedup();
        let [winner, losers @ ..] = ordered.as_slice() else {
            return Err(Failure::user("Select at least two Leads/Opportunities from the list to merge them."));
        };
        if losers.is_empty() {
            return Err(Failure::user("Select at least two Leads/Opportunities from the list to merge them."));
        }
        let before = self.tracked(*winner);
        for loser in losers {
            let name = self.state.text_in(LEAD, *loser, "name");
            for message in self.state.children("mail.message", *loser) {
                let subject = self.state.text_in("mail.message", message, "subject");
                let subject =
                    if subject.is_empty() { format!("From {name}") } else { format!("From {name}: {subject}") };
                self.state.set("mail.message", message, "subject", json!(subject));
                self.state.adopt("mail.message", message, *winner);
                self.touch("mail.message", message);
            }
            for activity in self.state.children("mail.activity", *loser) {
                self.state.adopt("mail.activity", activity, *winner);
            }
            let missing = self.state.remove(LEAD, *loser).unwrap_or_default().into_iter().filter(|(field, _)| {
                is_empty(self.state.stored(LEAD, *winner, field)) && !matches!(*field, "lost_reason_id" | "date_closed")
            });
            let missing = missing.collect::<Vec<_>>();
            for (field, value) in missing {
                self.state.set(LEAD, *winner, field, value);
            }
        }
        self.touch(LEAD, *winner);
        self.track(*winner, &before);
        Ok(*winner)
    }
}
