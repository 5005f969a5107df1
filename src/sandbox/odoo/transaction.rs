//! One transaction: who acts, when it began, and the steps every kind of record shares.

use serde_json::{Map, Value, json};

use super::domain::python;
use super::failure::Failure;
use super::moment;
use super::schema::{Field, Model, Type};
use super::state::{Row, State, is_empty};

/// A transaction under way. Its records are stamped with its start, not its commit. Source: trap 1.
pub(super) struct Transaction<'s> {
    pub(super) state: &'s mut State,
    pub(super) user: i64,
    /// When it began, in microseconds.
    pub(super) began: i64,
    pub(super) now: i64,
}

impl<'s> Transaction<'s> {
    /// Begins as `user`, `ago_ms` before the present.
    pub(super) fn begin(state: &'s mut State, user: i64, ago_ms: i64) -> Self {
        let now = state.now();
        Self { state, user, began: now - ago_ms * 1000, now }
    }

    pub(super) fn stamp(&self) -> Value {
        json!(moment::kept(self.began))
    }

    /// The row with its four stamps.
    pub(super) fn created(&self, mut row: Row) -> Row {
        for field in ["create_date", "write_date"] {
            row.insert(field, self.stamp());
        }
        for field in ["create_uid", "write_uid"] {
            row.insert(field, json!(self.user));
        }
        row.retain(|_, value| *value != Value::Bool(false));
        row
    }

    pub(super) fn touch(&mut self, model: &str, id: i64) {
        let stamp = self.stamp();
        self.state.set(model, id, "write_date", stamp);
        self.state.set(model, id, "write_uid", json!(self.user));
    }

    /// All of them there, and open to this user; else the refusal that Odoo gives.
    pub(super) fn check(&self, model: &Model, ids: &[i64], operation: &str) -> Result<(), Failure> {
        for id in ids {
            if !self.state.exists(model.name, *id) {
                return Err(Failure::missing(model.name, *id, self.user));
            }
            if !self.state.sees(self.user, model.name, *id) {
                let name = self.state.text_in("res.users", self.user, "name");
                return Err(Failure::hidden_record(&name, self.user, operation, model.label, model.name));
            }
        }
        Ok(())
    }

    /// The values of a create or write in the form they are kept in.
    pub(super) fn coerce(&self, model: &Model, values: &Map<String, Value>) -> Result<Row, Failure> {
        let mut row = Row::new();
        for (name, value) in values {
            let field = model.field(name);
            let field = field.ok_or_else(|| Failure::value(format!("Invalid field '{name}' in '{}'", model.name)))?;
            let is_ours = matches!(field.name, "id" | "create_date" | "write_date" | "create_uid" | "write_uid");
            if is_ours || field.kind == Type::One2many {
                continue;
            }
            let value = self.coerced(model, field, value)?;
            if field.is_required && is_empty(&value) && field.kind != Type::Boolean {
                return Err(Failure::required(model.name, model.label, field.name, field.label));
            }
            row.insert(field.name, value);
        }
        Ok(row)
    }

    fn coerced(&self, model: &Model, field: &Field, value: &Value) -> Result<Value, Failure> {
        let nothing = Ok(Value::Bool(false));
        match (field.kind, value) {
            (Type::Boolean, value) => Ok(json!(!is_empty(value) && value != &json!(0))),
            (Type::Many2many, Value::Array(commands)) => Ok(self.linked(commands)),
            (Type::Integer | Type::Float | Type::Monetary, value) if is_empty(value) => Ok(field.empty()),
            (_, value) if is_empty(value) => nothing,
            (Type::Char | Type::Text, Value::String(text)) => Ok(json!(text)),
            (Type::Html, Value::String(html)) => Ok(json!(clean(html))),
            (Type::Char | Type::Text | Type::Html, other) => Ok(json!(python(other).trim_matches('\''))),
            (Type::Date, Value::String(text)) => moment::date(text).map(Value::String),
            (Type::Datetime, Value::String(text)) => moment::datetime(text).map(Value::String),
            (Type::Selection, value) => {
                let key = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                if field.choices.is_empty() || field.choices.iter().any(|(choice, _)| *choice == key) {
                    return Ok(json!(key));
                }
                Err(Failure::value(format!("Wrong value for {}.{}: {}", model.name, field.name, python(value))))
            }
            (Type::Integer | Type::Reference, Value::Number(_)) => Ok(value.clone()),
            (Type::Float | Type::Monetary, Value::Number(number)) => Ok(json!(number.as_f64().unwrap_or(0.0))),
            (Type::Float | Type::Monetary, Value::String(text)) => match text.parse::<f64>() {
                Ok(number) => Ok(json!(number)),
                Err(_) => Err(Failure::value(format!("could not convert string to float: '{text}'"))),
            },
            (Type::Many2one, Value::Number(number)) => {
                let target = number.as_i64().unwrap_or(0);
                match (self.state.exists(field.relation, target), field.name) {
                    (true, _) => Ok(json!(target)),
                    (false, "user_id" | "stage_id" | "team_id") if model.name == "crm.lead" => {
                        Err(Failure::missing(field.relation, target, self.user))
                    }
                    (false, _) => Err(Failure::dangling(model.name, model.label, field.name, field.label)),
                }
            }
            (Type::Many2one | Type::Integer | Type::Reference, other) => Err(Failure::sql(
                "psycopg2.errors.InvalidTextRepresentation",
                format!("invalid input syntax for type integer: {other}\n"),
            )),
            _ => Ok(value.clone()),
        }
    }

    /// A many2many's commands: `[6, 0, ids]`, `[4, id]`, or plain ids.
    fn linked(&self, commands: &[Value]) -> Value {
        let mut ids = Vec::<i64>::new();
        for command in commands {
            match command {
                Value::Array(parts) => match (parts.first().and_then(Value::as_i64), parts.get(1), parts.get(2)) {
                    (Some(6), _, Some(Value::Array(set))) => ids = set.iter().filter_map(Value::as_i64).collect(),
                    (Some(4), Some(id), _) => ids.extend(id.as_i64()),
                    _ => {}
                },
                id => ids.extend(id.as_i64()),
            }
        }
        ids.dedup();
        json!(ids)
    }

    /// Creates a record of a model without behaviour of its own.
    pub(super) fn create_plain(&mut self, model: &Model, values: &Map<String, Value>) -> Result<i64, Failure> {
        let mut row = self.coerce(model, values)?;
        if model.field("active").is_some() {
            row.entry("active").or_insert(json!(true));
        }
        if let Some(name) = model.field("name").filter(|field| field.is_required) {
            let given = row.get("name").cloned().unwrap_or_default();
            if is_empty(&given) {
                return Err(Failure::required(model.name, model.label, "name", name.label));
            }
            if model.name == "crm.tag"
                && self.state.ids(model.name).iter().any(|id| self.state.stored(model.name, *id, "name") == &given)
            {
                return Err(Failure::validation("The operation cannot be completed: Tag name already exists!"));
            }
        }
        if model.name == "ir.model.data" {
            let text = |field: &str| row.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            if self.state.external(&text("module"), &text("name")).is_some() {
                return Err(Failure::validation(
                    "The operation cannot be completed: duplicate key value violates unique constraint \"ir_model_data_module_name_uniq_index\"",
                ));
            }
        }
        let row = self.created(row);
        Ok(self.state.insert(model.name, row))
    }

    /// Gives a record an external id.
    pub(super) fn name_externally(&mut self, module: &str, name: &str, model: &str, id: i64) {
        let row = Row::from([
            ("module", json!(module)),
            ("name", json!(name)),
            ("model", json!(model)),
            ("res_id", json!(id)),
        ]);
        let row = self.created(row);
        self.state.insert("ir.model.data", row);
    }

    /// Writes to records of a model without behaviour of its own.
    pub(super) fn write_plain(
        &mut self,
        model: &Model,
        ids: &[i64],
        values: &Map<String, Value>,
    ) -> Result<(), Failure> {
        self.check(model, ids, "write")?;
        let row = self.coerce(model, values)?;
        for id in ids {
            for (field, value) in &row {
                self.state.set(model.name, *id, field, value.clone());
            }
            self.touch(model.name, *id);
        }
        Ok(())
    }

    /// Deletes records, and what hangs on a lead with it.
    pub(super) fn unlink(&mut self, model: &Model, ids: &[i64]) -> Result<(), Failure> {
        let is_sales_data = model.name.starts_with("crm.");
        if is_sales_data && !self.state.is_admin(self.user) {
            return Err(Failure::closed_model("delete", model.label, model.name, "Sales/Administrator"));
        }
        self.check(model, ids, "unlink")?;
        for id in ids {
            if model.name == "crm.lead" {
                for message in self.state.children("mail.message", *id) {
                    self.remove_message(message);
                }
                for activity in self.state.children("mail.activity", *id) {
                    self.state.remove("mail.activity", activity);
                }
            }
            if model.name == "mail.message" {
                self.remove_message(*id);
            }
            self.state.remove(model.name, *id);
        }
        Ok(())
    }

    fn remove_message(&mut self, message: i64) {
        for tracking in self.state.children("mail.tracking.value", message) {
            self.state.remove("mail.tracking.value", tracking);
        }
        self.state.remove("mail.message", message);
    }
}

/// HTML without scripts.
fn clean(html: &str) -> String {
    let mut rest = html;
    let mut kept = String::with_capacity(html.len());
    while let Some(start) = rest.find("<script") {
        kept.push_str(&rest[..start]);
        let Some(end) = rest[start..].find("</script>") else { return kept };
        rest = &rest[start + end + "</script>".len()..];
    }
    kept + rest
}
