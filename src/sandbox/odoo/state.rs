//! Everything the sandbox remembers: the tables, and how a record is read from them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Settings;
use super::failure::Failure;
use super::faults::FaultState;
use super::ledger::{Effect, RequestCounts};
use super::moment;
use super::schema::{Field, Model, Schema, Type};
use crate::clock::Clock;

/// Odoo's own user, the author of automations.
pub(super) const ROBOT: i64 = 1;

/// Only values that were set; what is absent reads as [`Field::empty`].
pub(super) type Row = BTreeMap<&'static str, Value>;

#[derive(Default)]
pub(super) struct Table {
    pub(super) rows: BTreeMap<i64, Row>,
    last_id: i64,
}

pub(super) struct State {
    pub(super) clock: Clock,
    pub(super) settings: Settings,
    pub(super) schema: Arc<Schema>,
    tables: BTreeMap<&'static str, Table>,
    /// Children by relation and parent: `("mail.message", lead)`, `("mail.activity", lead)`, `("mail.tracking.value", message)`.
    children: HashMap<(&'static str, i64), Vec<i64>>,
    /// API keys and whose they are.
    pub(super) keys: BTreeMap<String, i64>,
    pub(super) ledger: Vec<Effect>,
    pub(super) counts: RequestCounts,
    pub(super) faults: FaultState,
    last_stamp: (i64, i64),
}

pub(super) const NOTHING: &Value = &Value::Bool(false);

pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::Object(_) => false,
    }
}

/// The words of a piece of HTML.
pub(super) fn plain(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut is_tag = false;
    for letter in html.chars() {
        match letter {
            '<' => is_tag = true,
            '>' => is_tag = false,
            _ if !is_tag => text.push(letter),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl State {
    pub(super) fn new(clock: Clock, settings: Settings) -> Self {
        let schema = Arc::new(Schema::load());
        let tables = schema.models().map(|model| (model.name, Table::default())).collect();
        Self {
            clock,
            settings,
            schema,
            tables,
            children: HashMap::new(),
            keys: BTreeMap::new(),
            ledger: Vec::new(),
            counts: RequestCounts::default(),
            faults: FaultState::default(),
            last_stamp: (0, 0),
        }
    }

    /// The present by the CRM's own clock, in microseconds. Two readings in one millisecond differ, as in a database.
    pub(super) fn now(&mut self) -> i64 {
        let millisecond = self.clock.now().as_millisecond() + self.faults.clock_skew_ms;
        let serial = if self.last_stamp.0 == millisecond { (self.last_stamp.1 + 1).min(999) } else { 0 };
        self.last_stamp = (millisecond, serial);
        millisecond * 1000 + serial
    }

    pub(super) fn table(&self, model: &str) -> Option<&Table> {
        self.tables.get(model)
    }

    pub(super) fn row(&self, model: &str, id: i64) -> Option<&Row> {
        self.tables.get(model)?.rows.get(&id)
    }

    pub(super) fn exists(&self, model: &str, id: i64) -> bool {
        self.row(model, id).is_some()
    }

    pub(super) fn ids(&self, model: &str) -> Vec<i64> {
        self.tables.get(model).map(|table| table.rows.keys().copied().collect()).unwrap_or_default()
    }

    /// What is stored under a field; `false` where nothing is.
    pub(super) fn stored(&self, model: &str, id: i64, field: &str) -> &Value {
        self.row(model, id).and_then(|row| row.get(field)).unwrap_or(NOTHING)
    }

    pub(super) fn id_in(&self, model: &str, id: i64, field: &str) -> Option<i64> {
        self.stored(model, id, field).as_i64()
    }

    /// The record that an external id names.
    pub(super) fn external(&self, module: &str, name: &str) -> Option<i64> {
        let rows = &self.table("ir.model.data")?.rows;
        let found = rows
            .values()
            .find(|row| row.get("name") == Some(&Value::from(name)) && row.get("module") == Some(&Value::from(module)));
        found?.get("res_id").and_then(Value::as_i64)
    }

    pub(super) fn text_in(&self, model: &str, id: i64, field: &str) -> String {
        self.stored(model, id, field).as_str().unwrap_or_default().to_owned()
    }

    pub(super) fn is_set(&self, model: &str, id: i64, field: &str) -> bool {
        self.stored(model, id, field) == &Value::Bool(true)
    }

    /// Adds a row under the next id.
    pub(super) fn insert(&mut self, model: &'static str, row: Row) -> i64 {
        let table = self.tables.entry(model).or_default();
        let id = table.last_id + 1;
        self.insert_as(model, id, row);
        id
    }

    /// Adds a row under an id of the caller's choice; later rows get higher ones.
    pub(super) fn insert_as(&mut self, model: &'static str, id: i64, row: Row) {
        if let Some(parent) = parent(model, &row) {
            self.children.entry((model, parent)).or_default().push(id);
        }
        let table = self.tables.entry(model).or_default();
        table.last_id = table.last_id.max(id);
        table.rows.insert(id, row);
    }

    pub(super) fn set(&mut self, model: &str, id: i64, field: &'static str, value: Value) {
        let Some(row) = self.tables.get_mut(model).and_then(|table| table.rows.get_mut(&id)) else { return };
        if value == Value::Bool(false) {
            row.remove(field);
        } else {
            row.insert(field, value);
        }
    }

    pub(super) fn remove(&mut self, model: &'static str, id: i64) -> Option<Row> {
        let row = self.tables.get_mut(model)?.rows.remove(&id)?;
        if let Some(siblings) = parent(model, &row).and_then(|parent| self.children.get_mut(&(model, parent))) {
            siblings.retain(|sibling| *sibling != id);
        }
        Some(row)
    }

    /// The children of a record, newest first.
    pub(super) fn children(&self, model: &'static str, parent: i64) -> Vec<i64> {
        let mut ids = self.children.get(&(model, parent)).cloned().unwrap_or_default();
        ids.sort_unstable_by(|left, right| right.cmp(left));
        ids
    }

    /// Hangs a message or an activity on another lead, as a merge does.
    pub(super) fn adopt(&mut self, model: &'static str, id: i64, lead: i64) {
        if let Some(mut row) = self.remove(model, id) {
            row.insert("res_id", json!(lead));
            self.insert_as(model, id, row);
        }
    }

    pub(super) fn is_admin(&self, user: i64) -> bool {
        user == ROBOT || self.stored("res.users", user, "role") == "group_system"
    }

    pub(super) fn partner_of(&self, user: i64) -> Option<i64> {
        self.id_in("res.users", user, "partner_id")
    }

    /// Whether the rules let this user read the record: a salesperson has own and unassigned leads, and what hangs on
    /// them. Source: trap 10.
    pub(super) fn sees(&self, user: i64, model: &str, id: i64) -> bool {
        if self.is_admin(user) {
            return true;
        }
        match model {
            "crm.lead" => self.id_in(model, id, "user_id").is_none_or(|owner| owner == user),
            "mail.message" | "mail.activity" => {
                self.id_in(model, id, "res_id").is_none_or(|lead| self.sees(user, "crm.lead", lead))
            }
            _ => true,
        }
    }

    /// Models that a salesperson may not read at all. Source: "hand-off history", and a running server.
    pub(super) fn check_model(&self, user: i64, model: &Model) -> Result<(), Failure> {
        let group = match model.name {
            "mail.tracking.value" => "Role / Administrator",
            "ir.model" | "ir.model.fields" | "ir.model.data" => "Access Rights",
            _ => return Ok(()),
        };
        if self.is_admin(user) {
            return Ok(());
        }
        Err(Failure::closed_model("access", model.label, model.name, group))
    }

    /// A field's value: stored, or worked out; relations as ids, times with microseconds.
    pub(super) fn value(&self, model: &Model, id: i64, field: &Field) -> Value {
        if field.name == "id" {
            return json!(id);
        }
        if field.name == "display_name" {
            return self.display_name(model.name, id);
        }
        match (model.name, field.name) {
            ("crm.lead", "message_ids") => json!(self.children("mail.message", id)),
            ("crm.lead", "activity_ids") => {
                let mut open = self.children("mail.activity", id);
                open.retain(|activity| self.is_set("mail.activity", *activity, "active"));
                json!(open)
            }
            ("mail.message", "tracking_value_ids") => json!(self.children("mail.tracking.value", id)),
            ("mail.message", "preview") => json!(plain(&self.text_in(model.name, id, "body"))),
            ("mail.message", "record_name") | ("mail.activity", "res_name") => {
                match self.id_in(model.name, id, "res_id") {
                    Some(lead) => self.display_name("crm.lead", lead),
                    None => NOTHING.clone(),
                }
            }
            ("mail.activity", "state") => self.activity_state(id),
            ("mail.activity", "can_write") => json!(true),
            ("mail.activity", "activity_category") => {
                let kind = self.id_in(model.name, id, "activity_type_id").unwrap_or(0);
                self.stored("mail.activity.type", kind, "category").clone()
            }
            ("mail.activity", "res_model_id") => json!(422),
            ("crm.lost.reason", "leads_count") => {
                json!(
                    self.ids("crm.lead")
                        .iter()
                        .filter(|lead| self.id_in("crm.lead", **lead, "lost_reason_id") == Some(id))
                        .count()
                )
            }
            ("res.users", "sale_team_id") => self.team_of(id).map_or(NOTHING.clone(), |team| json!(team)),
            ("res.users", "crm_team_ids") => json!(self.team_of(id).into_iter().collect::<Vec<_>>()),
            ("ir.model.data", "complete_name") => {
                json!(format!("{}.{}", self.text_in(model.name, id, "module"), self.text_in(model.name, id, "name")))
            }
            _ => match self.stored(model.name, id, field.name) {
                Value::Bool(false) => field.empty(),
                value => value.clone(),
            },
        }
    }

    fn activity_state(&self, id: i64) -> Value {
        if !self.is_set("mail.activity", id, "active") {
            return json!("done");
        }
        let millisecond = self.clock.now().as_millisecond() + self.faults.clock_skew_ms;
        let today = moment::kept(millisecond * 1000);
        let deadline = self.text_in("mail.activity", id, "date_deadline");
        json!(match deadline.as_str().cmp(moment::day(&today)) {
            std::cmp::Ordering::Less => "overdue",
            std::cmp::Ordering::Equal => "today",
            std::cmp::Ordering::Greater => "planned",
        })
    }

    /// The team that a user is a member of.
    pub(super) fn team_of(&self, user: i64) -> Option<i64> {
        self.ids("crm.team").into_iter().find(|team| {
            let members = self.stored("crm.team", *team, "member_ids").as_array();
            members.is_some_and(|members| members.contains(&json!(user)))
        })
    }

    pub(super) fn display_name(&self, model: &str, id: i64) -> Value {
        let text = |field: &str| self.stored(model, id, field).clone();
        match model {
            "mail.message" => NOTHING.clone(),
            "mail.activity" => match text("summary") {
                Value::String(summary) => json!(summary),
                _ => self.display_name("mail.activity.type", self.id_in(model, id, "activity_type_id").unwrap_or(0)),
            },
            "mail.tracking.value" => {
                self.display_name("ir.model.fields", self.id_in(model, id, "field_id").unwrap_or(0))
            }
            "ir.model.fields" => json!(format!("{} (Lead)", self.text_in(model, id, "field_description"))),
            "res.partner" => match self.id_in(model, id, "parent_id") {
                Some(parent) => {
                    json!(format!("{}, {}", self.text_in(model, parent, "name"), self.text_in(model, id, "name")))
                }
                None => text("name"),
            },
            _ => text("name"),
        }
    }

    /// A field's value as the API shows it: whole seconds, and `[id, name]` for relations unless only ids are asked for.
    pub(super) fn shown(&self, model: &Model, id: i64, field: &Field, with_names: bool) -> Value {
        let value = self.value(model, id, field);
        match (field.kind, &value) {
            (Type::Datetime, Value::String(kept)) => json!(moment::shown(kept)),
            (Type::Many2one, Value::Number(target)) if with_names => {
                let target = target.as_i64().unwrap_or(0);
                json!([target, self.display_name(field.relation, target)])
            }
            _ => value,
        }
    }

    /// A record as the API shows it; `fields` must exist.
    pub(super) fn record(&self, model: &Model, id: i64, fields: &[&Field], with_names: bool) -> Map<String, Value> {
        let id_first = ("id".to_owned(), json!(id));
        let rest = fields.iter().filter(|field| field.name != "id");
        let rest = rest.map(|field| (field.name.to_owned(), self.shown(model, id, field, with_names)));
        std::iter::once(id_first).chain(rest).collect()
    }
}

fn parent(model: &str, row: &Row) -> Option<i64> {
    let field = match model {
        "mail.message" | "mail.activity" => "res_id",
        "mail.tracking.value" => "mail_message_id",
        _ => return None,
    };
    row.get(field).and_then(Value::as_i64)
}
