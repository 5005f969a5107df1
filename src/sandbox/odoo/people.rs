//! The people side: what salespeople and administrators do in Odoo's own screens, without HTTP.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::Odoo;
use super::call;
use super::failure::Failure;
use super::moment;
use super::state::Row;
use super::thread::{escape, subtype};
use super::transaction::Transaction;

/// How a person reached, or was reached by, somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivityKind {
    /// An e-mail to write.
    Email,
    /// A call.
    Call,
    /// A meeting.
    Meeting,
    /// Anything else.
    ToDo,
}

impl ActivityKind {
    fn xmlid(self) -> &'static str {
        match self {
            Self::Email => "mail.mail_activity_data_email",
            Self::Call => "mail.mail_activity_data_call",
            Self::Meeting => "mail.mail_activity_data_meeting",
            Self::ToDo => "mail.mail_activity_data_todo",
        }
    }
}

/// One user at work. Every method is a transaction of that user's; the rules of access hold.
#[derive(Clone)]
pub struct Person {
    pub(super) odoo: Odoo,
    pub(super) user: i64,
    pub(super) ago: SignedDuration,
}

impl Person {
    /// The same person in a transaction that began so long before it commits: its stamps lie in the past. Source: trap 1.
    #[must_use]
    pub fn begun(mut self, ago: SignedDuration) -> Self {
        self.ago = ago;
        self
    }

    fn act<T>(&self, act: impl FnOnce(&mut Transaction<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut state = self.odoo.lock();
        let ago_ms = i64::try_from(self.ago.as_millis()).unwrap_or(0);
        act(&mut Transaction::begin(&mut state, self.user, ago_ms))
    }

    /// Any method of any model, with its arguments (`ids` among them).
    ///
    /// # Errors
    /// What the API would refuse.
    pub fn call(&self, model: &str, method: &str, arguments: Value) -> Result<Value, Failure> {
        let body = arguments.as_object().cloned().unwrap_or_default();
        let mut state = self.odoo.lock();
        let ago_ms = i64::try_from(self.ago.as_millis()).unwrap_or(0);
        state.carry_out(self.user, ago_ms, model, method, body, false).map(|answer| answer.value)
    }

    fn create(&self, model: &str, values: Value) -> Result<i64, Failure> {
        let made = self.call(model, "create", json!({"vals_list": [values]}))?;
        Ok(made.get(0).and_then(Value::as_i64).unwrap_or(0))
    }

    /// A new `crm.lead`; owner is this person unless `values` has `user_id`. Answers its id.
    ///
    /// # Errors
    /// What the API would refuse.
    pub fn create_lead(&self, values: Value) -> Result<i64, Failure> {
        self.create("crm.lead", values)
    }

    /// Changes fields of a lead.
    ///
    /// # Errors
    /// What the API would refuse.
    pub fn write_lead(&self, lead: i64, values: Value) -> Result<(), Failure> {
        self.call("crm.lead", "write", json!({"ids": [lead], "vals": values})).map(drop)
    }

    /// Plans an activity for this person; answers its id.
    ///
    /// # Errors
    /// What the API would refuse.
    pub fn schedule_activity(&self, lead: i64, kind: ActivityKind, summary: &str, due: &str) -> Result<i64, Failure> {
        let made = self.call(
            "crm.lead",
            "activity_schedule",
            json!({"ids": [lead], "act_type_xmlid": kind.xmlid(), "summary": summary, "date_deadline": due, "user_id": self.user}),
        )?;
        Ok(made.get(0).and_then(Value::as_i64).unwrap_or(0))
    }

    /// Marks an activity done, with what came of it.
    ///
    /// # Errors
    /// What the API would refuse.
    pub fn complete_activity(&self, activity: i64, feedback: &str) -> Result<(), Failure> {
        self.call("mail.activity", "action_feedback", json!({"ids": [activity], "feedback": feedback})).map(drop)
    }

    /// A call that was made: an activity scheduled and marked done at once, which is how Odoo logs one.
    ///
    /// # Errors
    /// What the API would refuse.
    pub fn log_call(&self, lead: i64, feedback: &str) -> Result<(), Failure> {
        let today = moment::kept(self.odoo.lock().now());
        let activity = self.schedule_activity(lead, ActivityKind::Call, "Call", moment::day(&today))?;
        self.complete_activity(activity, feedback)
    }

    /// A mail written from the lead's thread to its customer: a comment of the subtype "Discussions". Answers its id.
    ///
    /// # Errors
    /// What the API would refuse.
    pub fn send_email(&self, lead: i64, subject: &str, body: &str) -> Result<i64, Failure> {
        self.message(lead, subtype::DISCUSSIONS, "comment", subject, body, None)
    }

    /// A mail from the thread that is logged now and says it was sent at `at`. Source: reliability.md, fault 88.
    ///
    /// # Errors
    /// What the API would refuse.
    pub fn send_email_at(&self, lead: i64, subject: &str, body: &str, at: Timestamp) -> Result<i64, Failure> {
        self.message(lead, subtype::DISCUSSIONS, "comment", subject, body, Some(at))
    }

    /// An internal note.
    ///
    /// # Errors
    /// What the API would refuse.
    pub fn log_note(&self, lead: i64, body: &str) -> Result<i64, Failure> {
        self.message(lead, subtype::NOTE, "comment", "", body, None)
    }

    fn message(
        &self,
        lead: i64,
        subtype: i64,
        kind: &str,
        subject: &str,
        body: &str,
        at: Option<Timestamp>,
    ) -> Result<i64, Failure> {
        self.act(|tx| {
            let schema = tx.state.schema.clone();
            let model = schema.model("crm.lead").ok_or_else(|| Failure::no_model("crm.lead"))?;
            tx.check(model, &[lead], "read")?;
            let mut row = Row::from([
                ("message_type", json!(kind)),
                ("subtype_id", json!(subtype)),
                ("body", json!(format!("<p>{}</p>", escape(body)))),
            ]);
            if !subject.is_empty() {
                row.insert("subject", json!(subject));
            }
            let partner = tx.state.id_in("crm.lead", lead, "partner_id");
            if let Some(partner) = partner.filter(|_| subtype == subtype::DISCUSSIONS) {
                row.insert("partner_ids", json!([partner]));
            }
            if let Some(at) = at {
                row.insert("date", json!(moment::kept(at.as_microsecond())));
            }
            let message = tx.post(lead, row);
            if subtype == subtype::DISCUSSIONS && partner.is_none() {
                let address = tx.state.text_in("crm.lead", lead, "email_from");
                tx.deliver(message, ("mail_email_address", json!(address)));
            }
            Ok(message)
        })
    }

    /// An answer that came in from the customer: an incoming mail without an author among the users.
    ///
    /// # Errors
    /// What the API would refuse.
    pub fn receive_email(&self, lead: i64, from: &str, body: &str) -> Result<i64, Failure> {
        let arguments = json!({"ids": [lead], "message_type": "email", "email_from": from, "body": body, "subtype_xmlid": "mail.mt_comment"});
        let made = self.call("crm.lead", "message_post", arguments)?;
        Ok(made.get(0).and_then(Value::as_i64).unwrap_or(0))
    }

    /// Marks a lead lost: archived, with a reason by its name. An unknown name becomes a new reason.
    ///
    /// # Errors
    /// What the API would refuse.
    pub fn mark_lost(&self, lead: i64, reason: &str) -> Result<(), Failure> {
        let reason = self.odoo.reason(reason);
        self.call("crm.lead", "action_set_lost", json!({"ids": [lead], "lost_reason_id": reason})).map(drop)
    }

    /// Converts a lead to an opportunity of a new customer, as the button does: the record stays the same. Answers the partner.
    ///
    /// # Errors
    /// What the API would refuse.
    pub fn convert(&self, lead: i64) -> Result<i64, Failure> {
        let text = |field: &str| self.odoo.lock().text_in("crm.lead", lead, field);
        let (name, email) = (text("contact_name"), text("email_from"));
        let name = if name.is_empty() { email.clone() } else { name };
        let partner = self.create("res.partner", json!({"name": name, "email": email}))?;
        let now = moment::kept(self.odoo.lock().now());
        let now = now.split('.').next().unwrap_or_default();
        self.write_lead(lead, json!({"type": "opportunity", "partner_id": partner, "date_conversion": now}))?;
        Ok(partner)
    }

    /// Marks a lead won.
    ///
    /// # Errors
    /// What the API would refuse.
    pub fn mark_won(&self, lead: i64) -> Result<(), Failure> {
        self.call("crm.lead", "action_set_won", json!({"ids": [lead]})).map(drop)
    }

    /// Merges leads; answers the one that goes on.
    ///
    /// # Errors
    /// What the API would refuse.
    pub fn merge(&self, leads: &[i64]) -> Result<i64, Failure> {
        let merged = self.call("crm.lead", "merge_opportunity", json!({"ids": leads}))?;
        Ok(merged.get(0).and_then(Value::as_i64).unwrap_or(0))
    }

    /// Deletes a lead for good; administrators only.
    ///
    /// # Errors
    /// What the API would refuse.
    pub fn delete(&self, lead: i64) -> Result<(), Failure> {
        self.call("crm.lead", "unlink", json!({"ids": [lead]})).map(drop)
    }
}

impl Odoo {
    /// A lead as the API would show all its fields to an administrator, archived or not.
    #[must_use]
    pub fn get_lead(&self, lead: i64) -> Option<Map<String, Value>> {
        self.records("crm.lead", json!([["id", "=", lead]])).into_iter().next()
    }

    /// The ids of all leads, archived ones too.
    #[must_use]
    pub fn leads(&self) -> Vec<i64> {
        self.lock().ids("crm.lead")
    }

    /// A stage of the pipeline by its name.
    #[must_use]
    pub fn stage(&self, name: &str) -> Option<i64> {
        let state = self.lock();
        state.ids("crm.stage").into_iter().find(|stage| state.stored("crm.stage", *stage, "name") == name)
    }

    /// Leads that are not archived and have an owner, with the owner's user id.
    #[must_use]
    pub fn open_leads(&self) -> Vec<(i64, i64)> {
        let state = self.lock();
        let leads = state.ids("crm.lead").into_iter().filter(|lead| state.is_set("crm.lead", *lead, "active"));
        leads.filter_map(|lead| Some((lead, state.id_in("crm.lead", lead, "user_id")?))).collect()
    }

    /// The owner of a lead that is not archived.
    #[must_use]
    pub fn owner(&self, lead: i64) -> Option<i64> {
        let state = self.lock();
        state.is_set("crm.lead", lead, "active").then(|| state.id_in("crm.lead", lead, "user_id")).flatten()
    }

    /// The messages of a lead, oldest first.
    #[must_use]
    pub fn messages(&self, lead: i64) -> Vec<Map<String, Value>> {
        self.records("mail.message", json!([["model", "=", "crm.lead"], ["res_id", "=", lead]]))
    }

    /// The activities of a lead, closed ones too, oldest first.
    #[must_use]
    pub fn activities(&self, lead: i64) -> Vec<Map<String, Value>> {
        self.records("mail.activity", json!([["res_model", "=", "crm.lead"], ["res_id", "=", lead]]))
    }

    /// The tracked changes of a lead, oldest first.
    #[must_use]
    pub fn trackings(&self, lead: i64) -> Vec<Map<String, Value>> {
        self.records("mail.tracking.value", json!([["mail_message_id.res_id", "=", lead]]))
    }

    fn records(&self, model: &str, domain: Value) -> Vec<Map<String, Value>> {
        let body = json!({"domain": domain, "order": "id asc", "context": {"active_test": false}});
        let mut state = self.lock();
        let mut tx = Transaction::begin(&mut state, super::state::ROBOT, 0);
        let found = call::call(&mut tx, model, "search_read", body.as_object().cloned().unwrap_or_default());
        let Ok(call::Answer { value: Value::Array(records), .. }) = found else { return Vec::new() };
        records.into_iter().filter_map(|record| record.as_object().cloned()).collect()
    }
}
