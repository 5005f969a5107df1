//! What hangs on a lead: messages, activities and tracked changes.
//!
//! Nothing here touches the lead's own `write_date`. Source: trap 4.

use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::moment;
use super::schema::Type;
use super::state::{Row, is_empty};
use super::transaction::Transaction;

/// Message subtypes by their ids on a server with nothing but the CRM app.
pub(super) mod subtype {
    pub(crate) const DISCUSSIONS: i64 = 1;
    pub(crate) const NOTE: i64 = 2;
    pub(crate) const ACTIVITIES: i64 = 3;
    pub(crate) const CREATED: i64 = 5;
    pub(crate) const STAGE_CHANGED: i64 = 6;
    pub(crate) const WON: i64 = 7;
    pub(crate) const LOST: i64 = 8;
    pub(crate) const RESTORED: i64 = 9;
}

/// The to-do type of activities, which stands in for one that is not found.
const TO_DO: i64 = 4;

/// Tracked fields of a lead, in the order their changes are listed; the number is the field's id. Source: a running server.
const TRACKED: &[(&str, i64)] = &[
    ("user_id", 3930),
    ("team_id", 3932),
    ("stage_id", 3940),
    ("expected_revenue", 3944),
    ("active", 3937),
    ("lost_reason_id", 3985),
    ("won_status", 3984),
    ("phone", 3968),
    ("email_from", 3966),
    ("contact_name", 3963),
    ("partner_name", 3964),
    ("type", 3938),
    ("partner_id", 3961),
];

/// The id that the sandbox gives the description of a lead's field, and whether its changes are tracked.
pub(super) fn field_number(name: &str, position: usize) -> (i64, bool) {
    match TRACKED.iter().find(|(tracked, _)| *tracked == name) {
        Some((_, number)) => (*number, true),
        None => (5000 + i64::try_from(position).unwrap_or(0), false),
    }
}

impl Transaction<'_> {
    /// Adds a message to a lead. `fields` overrule what is filled in: author, address, date and subtype.
    pub(super) fn post(&mut self, lead: i64, fields: Row) -> i64 {
        let mut row = Row::from([
            ("model", json!("crm.lead")),
            ("res_id", json!(lead)),
            ("message_type", json!("notification")),
            ("subtype_id", json!(subtype::NOTE)),
            ("date", json!(moment::kept(self.now))),
            ("author_id", self.state.partner_of(self.user).map_or(Value::Bool(false), |partner| json!(partner))),
            ("email_from", self.address()),
        ]);
        if let Some(last) = self
            .state
            .children("mail.message", lead)
            .into_iter()
            .find(|id| self.state.stored("mail.message", *id, "message_type") != "user_notification")
        {
            row.insert("parent_id", json!(last));
        }
        row.extend(fields);
        let row = self.created(row);
        let is_mail = row.get("message_type") == Some(&json!("comment"))
            && row.get("subtype_id") == Some(&json!(subtype::DISCUSSIONS));
        let partners = row.get("partner_ids").and_then(Value::as_array).cloned().unwrap_or_default();
        let message = self.state.insert("mail.message", row);
        // The id names the lead the message is written on, and keeps naming it. Source: `_get_message_id`.
        let id = json!(format!("<{message}.0-openerp-{lead}-crm.lead@sandbox>"));
        self.state.set("mail.message", message, "message_id", id);
        if is_mail {
            for partner in partners {
                self.deliver(message, ("res_partner_id", partner));
            }
        }
        message
    }

    /// Notes that a message was delivered by e-mail to a partner or to a bare address.
    pub(super) fn deliver(&mut self, message: i64, to: (&'static str, Value)) {
        let row = Row::from([
            ("mail_message_id", json!(message)),
            to,
            ("notification_type", json!("email")),
            ("notification_status", json!("sent")),
        ]);
        let row = self.created(row);
        self.state.insert("mail.notification", row);
    }

    fn address(&self) -> Value {
        let name = self.state.text_in("res.users", self.user, "name");
        let email = self.state.text_in("res.users", self.user, "email");
        json!(format!("\"{name}\" <{email}>"))
    }

    /// Odoo's note to a person who was given something; no touch of the lead.
    pub(super) fn notify(&mut self, lead: i64, user: i64, subject: String, body: String) {
        let Some(partner) = self.state.partner_of(user).filter(|_| user != self.user) else { return };
        self.post(
            lead,
            Row::from([
                ("message_type", json!("user_notification")),
                ("subject", json!(subject)),
                ("body", json!(body)),
                ("is_internal", json!(true)),
                ("partner_ids", json!([partner])),
                ("parent_id", json!(false)),
            ]),
        );
    }

    /// `message_post`, whose message is a system notification unless the caller says `comment`. Source: a running server.
    pub(super) fn message_post(&mut self, lead: i64, arguments: &Map<String, Value>) -> Result<i64, Failure> {
        const KNOWN: &[&str] = &[
            "author_id",
            "body",
            "body_is_html",
            "date",
            "email_from",
            "is_internal",
            "mail_activity_type_id",
            "message_id",
            "message_type",
            "parent_id",
            "partner_ids",
            "subject",
            "subtype_id",
            "subtype_xmlid",
        ];
        let schema = self.state.schema.clone();
        let model = schema.model("mail.message").ok_or_else(|| Failure::no_model("mail.message"))?;
        let mut values = arguments.clone();
        if let Some(unknown) = values.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            let message = format!("Those values are not supported when posting or notifying: {unknown}");
            return Err(Failure::value(message));
        }
        let is_html = values.remove("body_is_html").is_some_and(|flag| flag == true);
        let xmlid = values.remove("subtype_xmlid");
        let body = values.remove("body").unwrap_or_default();
        let body = body.as_str().unwrap_or_default();
        let mut row = self.coerce(model, &values)?;
        row.insert("body", json!(if is_html { body.to_owned() } else { format!("<span>{}</span>", escape(body)) }));
        match xmlid.as_ref().and_then(Value::as_str) {
            Some("mail.mt_comment") => row.insert("subtype_id", json!(subtype::DISCUSSIONS)),
            Some("mail.mt_activities") => row.insert("subtype_id", json!(subtype::ACTIVITIES)),
            _ => None,
        };
        if row.get("message_type") == Some(&json!("email")) && !row.contains_key("author_id") {
            let sender = row.get("email_from").cloned().unwrap_or_default();
            let author = self
                .state
                .ids("res.partner")
                .into_iter()
                .find(|id| !is_empty(&sender) && self.state.stored("res.partner", *id, "email") == &sender);
            row.insert("author_id", author.map_or(Value::Bool(false), |author| json!(author)));
        }
        Ok(self.post(lead, row))
    }

    /// Plans an activity; `user` none leaves it without a person, as Odoo does when the caller names nobody.
    pub(super) fn schedule(&mut self, lead: i64, arguments: &Map<String, Value>) -> Result<i64, Failure> {
        let schema = self.state.schema.clone();
        let model = schema.model("mail.activity").ok_or_else(|| Failure::no_model("mail.activity"))?;
        let mut values = arguments.clone();
        let xmlid = values.remove("act_type_xmlid").unwrap_or_default();
        let kind = values.get("activity_type_id").and_then(Value::as_i64);
        let kind = kind.or_else(|| self.activity_type(xmlid.as_str().unwrap_or_default())).unwrap_or(TO_DO);
        let note = values.remove("note").unwrap_or_default();
        let mut row = self.coerce(model, &values)?;
        row.insert("activity_type_id", json!(kind));
        row.insert("automated", json!(true));
        if let Some(note) = note.as_str().filter(|note| !note.is_empty()) {
            row.insert("note", json!(format!("<span>{}</span>", escape(note))));
        }
        if !self.state.exists("crm.lead", lead) {
            let next = self.state.ids("mail.activity").last().copied().unwrap_or(0) + 1;
            return Err(Failure::access(format!(
                "The requested operation cannot be completed due to security restrictions. Please contact your system \
                 administrator.\n\n(Document type: Activity, Operation: create)\n\nRecords: {next}, User: {}",
                self.user
            )));
        }
        Ok(self.plan(lead, row))
    }

    /// Adds an open activity from values that have been checked.
    pub(super) fn plan(&mut self, lead: i64, mut row: Row) -> i64 {
        row.insert("res_model", json!("crm.lead"));
        row.insert("res_id", json!(lead));
        row.insert("active", json!(true));
        row.insert("chaining_type", json!("suggest"));
        let today = moment::kept(self.now);
        if row.get("date_deadline").is_none_or(is_empty) {
            row.insert("date_deadline", json!(moment::day(&today)));
        }
        let user = row.get("user_id").and_then(Value::as_i64);
        let summary = row.get("summary").and_then(Value::as_str).unwrap_or_default().to_owned();
        let row = self.created(row);
        let id = self.state.insert("mail.activity", row);
        if let Some(user) = user {
            let name = self.state.text_in("crm.lead", lead, "name");
            let body = format!("<div><p>You have been assigned the following activity: {}</p></div>", escape(&summary));
            self.notify(lead, user, format!("\"{name}: {summary}\" assigned to you"), body);
        }
        id
    }

    fn activity_type(&self, xmlid: &str) -> Option<i64> {
        let (module, name) = xmlid.split_once('.')?;
        let rows = self.state.table("ir.model.data")?;
        let found = rows.rows.values().find(|row| {
            row.get("module") == Some(&json!(module))
                && row.get("name") == Some(&json!(name))
                && row.get("model") == Some(&json!("mail.activity.type"))
        });
        found.and_then(|row| row.get("res_id")).and_then(Value::as_i64)
    }

    /// Closes an activity: it becomes inactive, and a message of the subtype "Activities" says what was done.
    pub(super) fn feedback(&mut self, activity: i64, feedback: &str) -> i64 {
        let day = moment::kept(self.now);
        let lead = self.state.id_in("mail.activity", activity, "res_id").unwrap_or(0);
        let kind = self.state.id_in("mail.activity", activity, "activity_type_id").unwrap_or(TO_DO);
        let summary = self.state.text_in("mail.activity", activity, "summary");
        self.state.set("mail.activity", activity, "active", json!(false));
        self.state.set("mail.activity", activity, "date_done", json!(moment::day(&day)));
        let kept = if feedback.is_empty() { Value::Bool(false) } else { json!(feedback) };
        self.state.set("mail.activity", activity, "feedback", kept);
        self.touch("mail.activity", activity);
        let name = self.state.text_in("mail.activity.type", kind, "name");
        let body = format!(
            "<div><p><span>{name}</span> done<span>: </span><span>{}</span></p><div>{}</div></div>",
            escape(&summary),
            escape(feedback)
        );
        self.post(
            lead,
            Row::from([
                ("subtype_id", json!(subtype::ACTIVITIES)),
                ("mail_activity_type_id", json!(kind)),
                ("body", json!(body)),
            ]),
        )
    }

    /// What [`Transaction::track`] compares later.
    pub(super) fn tracked(&self, lead: i64) -> Vec<Value> {
        TRACKED.iter().map(|(field, _)| self.state.stored("crm.lead", lead, field).clone()).collect()
    }

    /// One message with a tracking value for each tracked field that differs from `before`.
    pub(super) fn track(&mut self, lead: i64, before: &[Value]) {
        let after = self.tracked(lead);
        let has_changed = |name: &str| {
            TRACKED.iter().zip(before.iter().zip(&after)).any(|((field, _), (old, new))| *field == name && old != new)
        };
        if before == after.as_slice() {
            return;
        }
        let is_lost = !is_empty(self.state.stored("crm.lead", lead, "lost_reason_id"));
        let is_won = self.state.stored("crm.lead", lead, "won_status") == "won";
        let is_active = self.state.is_set("crm.lead", lead, "active");
        let kind = if has_changed("stage_id") && is_won {
            subtype::WON
        } else if has_changed("lost_reason_id") && is_lost {
            subtype::LOST
        } else if has_changed("stage_id") {
            subtype::STAGE_CHANGED
        } else if has_changed("active") {
            if is_active { subtype::RESTORED } else { subtype::LOST }
        } else {
            subtype::NOTE
        };
        let is_internal = json!(kind == subtype::NOTE);
        let message = self
            .post(lead, Row::from([("subtype_id", json!(kind)), ("is_internal", is_internal), ("body", json!(""))]));
        for ((name, number), (old, new)) in
            TRACKED.iter().zip(before.iter().zip(&after)).filter(|(_, (old, new))| old != new)
        {
            let mut row = Row::from([("field_id", json!(number)), ("mail_message_id", json!(message))]);
            self.tracked_sides(name, old, ["old_value_integer", "old_value_float", "old_value_char"], &mut row);
            self.tracked_sides(name, new, ["new_value_integer", "new_value_float", "new_value_char"], &mut row);
            let row = self.created(row);
            self.state.insert("mail.tracking.value", row);
        }
    }

    fn tracked_sides(&self, name: &str, value: &Value, [integer, float, char]: [&'static str; 3], row: &mut Row) {
        let schema = self.state.schema.clone();
        let Some(field) = schema.model("crm.lead").and_then(|model| model.field(name)) else { return };
        match (field.kind, value) {
            (Type::Many2one, Value::Number(id)) => {
                row.insert(integer, value.clone());
                row.insert(char, self.state.display_name(field.relation, id.as_i64().unwrap_or(0)));
            }
            (Type::Many2one, _) => {
                row.insert(char, json!(""));
            }
            (Type::Boolean, value) => {
                row.insert(integer, json!(i64::from(value == true)));
            }
            (Type::Monetary | Type::Float, value) => {
                row.insert(float, json!(value.as_f64().unwrap_or(0.0)));
            }
            (Type::Selection, Value::String(key)) => {
                let label =
                    field.choices.iter().find(|(choice, _)| choice == key).map_or(key.as_str(), |(_, label)| label);
                row.insert(char, json!(label));
            }
            (_, value) => {
                row.insert(char, value.clone());
            }
        }
    }
}

/// Text made safe for HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
