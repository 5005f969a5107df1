//! The methods of JSON-2: `POST /json/2/<model>/<method>` with named arguments.

use serde_json::{Map, Value, json};

use super::domain::{self, Node, SortKey};
use super::failure::Failure;
use super::schema::{Field, Model, Schema};
use super::state::{State, is_empty};
use super::thread::escape;
use super::transaction::Transaction;

/// The operations that change nothing; all others are refused while the sandbox is read-only.
const READING: &[&str] = &[
    "search_read",
    "search",
    "read",
    "search_count",
    "fields_get",
    "context_get",
    "name_search",
    "has_access",
    "has_group",
    "get_external_id",
];

/// Whether a method only reads.
pub(super) fn is_reading(method: &str) -> bool {
    READING.contains(&method)
}

/// The answer to a call, and the records it fell on or made.
pub(super) struct Answer {
    pub(super) value: Value,
    pub(super) ids: Vec<i64>,
}

/// A call's arguments, checked against the method's signature.
struct Arguments(Map<String, Value>);

impl Arguments {
    fn check(&self, known: &[&str], required: &[&str]) -> Result<(), Failure> {
        if let Some(name) = required.iter().find(|name| !self.0.contains_key(**name)) {
            return Err(Failure::unprocessable(format!("missing a required argument: '{name}'")));
        }
        if let Some(name) = self.0.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(Failure::unprocessable(format!("got an unexpected keyword argument '{name}'")));
        }
        Ok(())
    }

    fn names(&self, argument: &str) -> Option<Vec<String>> {
        let list = self.0.get(argument)?.as_array()?;
        Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    fn object(&self, argument: &str) -> Map<String, Value> {
        self.0.get(argument).and_then(Value::as_object).cloned().unwrap_or_default()
    }

    fn text(&self, argument: &str) -> &str {
        self.0.get(argument).and_then(Value::as_str).unwrap_or_default()
    }

    /// A count that may come as a number or as its text; `None` where there is none.
    fn count(&self, argument: &str) -> Result<Option<usize>, Failure> {
        let number = match self.0.get(argument) {
            None | Some(Value::Null | Value::Bool(false)) => return Ok(None),
            Some(Value::String(text)) => text.parse::<i64>().unwrap_or(0),
            Some(value) => value.as_i64().unwrap_or(0),
        };
        usize::try_from(number).map(Some).map_err(|_| {
            Failure::sql(
                "psycopg2.errors.InvalidRowCountInLimitClause",
                format!("{} must not be negative\n", argument.to_uppercase()),
            )
        })
    }
}

/// Carries out one call.
pub(super) fn call(
    tx: &mut Transaction<'_>,
    model: &str,
    method: &str,
    mut body: Map<String, Value>,
) -> Result<Answer, Failure> {
    let schema = tx.state.schema.clone();
    let model = schema.model(model).ok_or_else(|| Failure::no_model(model))?;
    if method.starts_with('_') {
        return Err(Failure::private(model.name, method));
    }
    if method == "has_access" {
        return Ok(seen(json!(tx.state.check_model(tx.user, model).is_ok())));
    }
    tx.state.check_model(tx.user, model)?;
    let sees_active_only =
        body.remove("context").is_none_or(|context| context.get("active_test") != Some(&json!(false)));
    let ids = match body.remove("ids") {
        None | Some(Value::Null) => Vec::new(),
        Some(value) => read_ids(&value)?,
    };
    let call = Call { schema: &schema, model, ids, arguments: Arguments(body), sees_active_only };
    match (call.model.name, method) {
        (_, "search_read" | "search" | "search_count" | "read" | "fields_get" | "name_search") => {
            call.look(tx.state, tx.user, method)
        }
        (_, "get_external_id") => Ok(seen(call.external_ids(tx.state))),
        ("res.users", "context_get") => Ok(seen(json!({"lang": "en_US", "tz": "Europe/Berlin", "uid": tx.user}))),
        ("res.users", "has_group") => {
            let user = call.ids.first().copied().unwrap_or(tx.user);
            Ok(seen(json!(
                tx.state.is_admin(user) || call.arguments.text("group_ext_id") == "sales_team.group_sale_salesman"
            )))
        }
        (_, "create") => call.create(tx),
        (_, "write") => call.write(tx),
        (_, "unlink") => {
            tx.unlink(call.model, &call.ids)?;
            Ok(Answer { value: json!(true), ids: call.ids })
        }
        ("crm.lead", "load") => call.load(tx),
        ("crm.lead", _) => call.on_lead(tx, method),
        ("mail.activity", "action_feedback" | "action_done") => call.close_activities(tx),
        _ => Err(Failure::no_method(call.model.name, method)),
    }
}

fn seen(value: Value) -> Answer {
    Answer { value, ids: Vec::new() }
}

fn read_ids(value: &Value) -> Result<Vec<i64>, Failure> {
    let items = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    let read = |item: &Value| {
        item.as_i64().ok_or_else(|| {
            let message = format!("invalid input syntax for type integer: {item}\n");
            Failure::sql("psycopg2.errors.InvalidTextRepresentation", message)
        })
    };
    items.iter().map(read).collect()
}

struct Call<'m> {
    schema: &'m Schema,
    model: &'m Model,
    ids: Vec<i64>,
    arguments: Arguments,
    sees_active_only: bool,
}

impl Call<'_> {
    fn look(&self, state: &State, user: i64, method: &str) -> Result<Answer, Failure> {
        let arguments = &self.arguments;
        let value = match method {
            "search_read" => {
                arguments.check(&["domain", "fields", "offset", "limit", "order", "load"], &[])?;
                let fields = self.fields(state, user)?;
                self.records(state, &self.search(state, user)?, &fields)
            }
            "search" => {
                arguments.check(&["domain", "offset", "limit", "order"], &["domain"])?;
                json!(self.search(state, user)?)
            }
            "search_count" => {
                arguments.check(&["domain", "limit"], &["domain"])?;
                json!(self.search(state, user)?.len())
            }
            "read" => {
                arguments.check(&["fields", "load"], &[])?;
                let fields = self.fields(state, user)?;
                let there =
                    self.ids.iter().copied().filter(|id| state.exists(self.model.name, *id)).collect::<Vec<_>>();
                if let Some(_hidden) = there.iter().find(|id| !state.sees(user, self.model.name, **id)) {
                    let name = state.text_in("res.users", user, "name");
                    return Err(Failure::hidden_record(&name, user, "read", self.model.label, self.model.name));
                }
                self.records(state, &there, &fields)
            }
            "fields_get" => {
                arguments.check(&["allfields", "attributes"], &[])?;
                self.model.describe(arguments.names("allfields").as_deref(), arguments.names("attributes").as_deref())
            }
            _ => {
                arguments.check(&["name", "domain", "operator", "limit"], &[])?;
                let wanted = json!([["display_name", "ilike", arguments.text("name")]]);
                let node = domain::parse(self.schema, self.model, &wanted)?;
                let mut found = self.search(state, user)?;
                found.retain(|id| domain::matches(state, self.model, *id, &node));
                json!(
                    found
                        .into_iter()
                        .map(|id| json!([id, state.display_name(self.model.name, id)]))
                        .collect::<Vec<_>>()
                )
            }
        };
        Ok(seen(value))
    }

    fn fields(&self, state: &State, user: i64) -> Result<Vec<&Field>, Failure> {
        let is_hidden = |field: &Field| {
            self.model.name == "mail.message" && field.name == "tracking_value_ids" && !state.is_admin(user)
        };
        let Some(names) = self.arguments.names("fields").filter(|names| !names.is_empty()) else {
            return Ok(self.model.fields.iter().filter(|field| !is_hidden(field)).collect());
        };
        let mut fields = Vec::with_capacity(names.len());
        for name in names {
            let invalid = || Failure::value(format!("Invalid field '{name}' on '{}'", self.model.name));
            let field = self.model.field(&name).ok_or_else(invalid)?;
            if is_hidden(field) {
                return Err(Failure::access(format!(
                    "You do not have enough rights to access the field \"{name}\" on Message (mail.message). Please contact \
                     your system administrator.\n\nOperation: read\nUser: {user}\nGroups: allowed for groups 'Role / \
                     Administrator'"
                )));
            }
            fields.push(field);
        }
        Ok(fields)
    }

    fn records(&self, state: &State, ids: &[i64], fields: &[&Field]) -> Value {
        let with_names = self.arguments.0.get("load") != Some(&Value::Null);
        json!(ids.iter().map(|id| state.record(self.model, *id, fields, with_names)).collect::<Vec<_>>())
    }

    fn search(&self, state: &State, user: i64) -> Result<Vec<i64>, Failure> {
        let wanted = self.arguments.0.get("domain").unwrap_or(&Value::Null);
        let node = domain::parse(self.schema, self.model, wanted)?;
        let order = Some(self.arguments.text("order")).filter(|order| !order.is_empty()).unwrap_or(self.model.order);
        let keys = domain::parse_order(self.model, order)?;
        let (limit, offset) = (self.arguments.count("limit")?, self.arguments.count("offset")?.unwrap_or(0));
        let hides_archived = self.sees_active_only && self.model.field("active").is_some() && !node.mentions("active");
        let mut found = self.matching(state, user, &node, hides_archived);
        let by_id = [("id", false)];
        if !keys.iter().map(|(field, down)| (field.name, *down)).eq(by_id) {
            let sortable =
                |id: i64| keys.iter().map(|(field, _)| domain::sort_key(state, self.model, id, field)).collect();
            let mut keyed = found.into_iter().map(|id| (sortable(id), id)).collect::<Vec<(Vec<SortKey>, i64)>>();
            keyed.sort_by(|(left, left_id), (right, right_id)| {
                let compared = keys
                    .iter()
                    .zip(left.iter().zip(right))
                    .map(|((_, down), (left, right))| if *down { right.compare(left) } else { left.compare(right) });
                compared.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then).then(left_id.cmp(right_id))
            });
            found = keyed.into_iter().map(|(_, id)| id).collect();
        }
        Ok(found.into_iter().skip(offset).take(limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX)).collect())
    }

    fn matching(&self, state: &State, user: i64, node: &Node, hides_archived: bool) -> Vec<i64> {
        let mut found = state.ids(self.model.name);
        let is_feed = node.mentions("write_date");
        let is_lost = |id: i64| {
            is_feed && state.faults.loses(self.model.name, id, &state.text_in(self.model.name, id, "write_date"))
        };
        found.retain(|id| {
            !is_lost(*id)
                && (!hides_archived || state.is_set(self.model.name, *id, "active"))
                && domain::matches(state, self.model, *id, node)
                && state.sees(user, self.model.name, *id)
        });
        found
    }

    fn create(self, tx: &mut Transaction<'_>) -> Result<Answer, Failure> {
        self.arguments.check(&["vals_list"], &["vals_list"])?;
        let list = match self.arguments.0.get("vals_list") {
            Some(Value::Array(list)) => list.clone(),
            other => vec![other.cloned().unwrap_or_default()],
        };
        // A batch is one transaction: all values are checked before the first record is made.
        let list = list.iter().map(|values| values.as_object().cloned().unwrap_or_default()).collect::<Vec<_>>();
        for values in &list {
            tx.coerce(self.model, values)?;
            let is_named = values.get("name").is_some_and(|name| !is_empty(name));
            if let Some(name) = self.model.field("name").filter(|field| field.is_required && !is_named) {
                return Err(Failure::required(self.model.name, self.model.label, "name", name.label));
            }
        }
        let mut ids = Vec::with_capacity(list.len());
        for values in &list {
            ids.push(match self.model.name {
                "crm.lead" => tx.create_lead(self.model, values)?,
                "mail.activity" => {
                    let lead = values.get("res_id").and_then(Value::as_i64);
                    let lead = lead.filter(|lead| values.contains_key("res_model_id") && tx.state.exists("crm.lead", *lead));
                    let lead = lead.ok_or_else(|| {
                        Failure::validation(
                            "The operation cannot be completed: Activities have to be linked to records with a not null res_id.",
                        )
                    })?;
                    let row = tx.coerce(self.model, values)?;
                    tx.plan(lead, row)
                }
                _ => tx.create_plain(self.model, values)?,
            });
        }
        Ok(Answer { value: json!(ids), ids })
    }

    /// The first external id of each record, or an empty text. Source: a running server.
    fn external_ids(&self, state: &State) -> Value {
        let named = |id: &i64| {
            let known = state.ids("ir.model.data").into_iter().find(|row| {
                state.text_in("ir.model.data", *row, "model") == self.model.name
                    && state.id_in("ir.model.data", *row, "res_id") == Some(*id)
            });
            let text = |row: i64, field: &str| state.text_in("ir.model.data", row, field);
            let name = known.map(|row| format!("{}.{}", text(row, "module"), text(row, "name")));
            (id.to_string(), json!(name.unwrap_or_default()))
        };
        Value::Object(self.ids.iter().map(named).collect())
    }

    /// `load`: rows of cells, each under an external id; a row whose id is known changes its record instead of making
    /// another. What it refuses it says in an answer of 200. Source: a running server.
    fn load(self, tx: &mut Transaction<'_>) -> Result<Answer, Failure> {
        self.arguments.check(&["fields", "data"], &["fields", "data"])?;
        let columns = self.arguments.names("fields").unwrap_or_default();
        let rows = self.arguments.0.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut made = Vec::with_capacity(rows.len());
        for cells in &rows {
            let (mut values, mut xmlid) = (Map::new(), String::new());
            for (column, cell) in columns.iter().zip(cells.as_array().into_iter().flatten()) {
                let text = cell.as_str().unwrap_or_default();
                let (name, by_number) =
                    column.split_once('/').map_or((column.as_str(), false), |(name, _)| (name, true));
                if name == "id" {
                    text.clone_into(&mut xmlid);
                    continue;
                }
                let Some(field) = self.model.field(name) else {
                    return Err(Failure::value(format!("Invalid field name '{name}'")));
                };
                let number = text.parse::<i64>().ok();
                if by_number && !number.is_some_and(|id| tx.state.exists(field.relation, id)) {
                    let message =
                        format!("No matching record found for database id '{text}' in field '{}'", field.label);
                    let told = json!({"type": "error", "record": 0, "field": name, "message": message});
                    return Ok(seen(json!({"ids": false, "messages": [told], "nextrow": 0})));
                }
                let value = number.filter(|_| by_number).map_or_else(|| cell.clone(), |id| json!(id));
                values.insert(name.to_owned(), value);
            }
            let (module, name) = xmlid.split_once('.').unwrap_or(("__import__", xmlid.as_str()));
            let known = tx.state.external(module, name);
            let lead = match known {
                Some(lead) => {
                    tx.write_leads(self.model, &[lead], &values)?;
                    lead
                }
                None => tx.create_lead(self.model, &values)?,
            };
            if known.is_none() && !name.is_empty() {
                tx.name_externally(module, name, self.model.name, lead);
            }
            made.push(lead);
        }
        Ok(Answer { value: json!({"ids": made, "messages": [], "nextrow": 0}), ids: made })
    }

    fn write(self, tx: &mut Transaction<'_>) -> Result<Answer, Failure> {
        self.arguments.check(&["vals"], &["vals"])?;
        let values = self.arguments.object("vals");
        match self.model.name {
            "crm.lead" => tx.write_leads(self.model, &self.ids, &values)?,
            _ => tx.write_plain(self.model, &self.ids, &values)?,
        }
        Ok(Answer { value: json!(true), ids: self.ids })
    }

    fn on_lead(self, tx: &mut Transaction<'_>, method: &str) -> Result<Answer, Failure> {
        let value = match method {
            "action_set_lost" => {
                tx.set_lost(self.model, &self.ids, &self.arguments.0)?;
                Value::Null
            }
            "action_set_won" => {
                tx.set_won(self.model, &self.ids)?;
                json!(true)
            }
            "action_archive" | "action_unarchive" | "action_restore" => {
                tx.set_active(self.model, &self.ids, method != "action_archive")?;
                Value::Null
            }
            "toggle_active" => {
                for id in &self.ids {
                    let is_active = tx.state.is_set("crm.lead", *id, "active");
                    tx.set_active(self.model, &[*id], !is_active)?;
                }
                Value::Null
            }
            "merge_opportunity" => {
                let winner = tx.merge(self.model, &self.ids)?;
                return Ok(Answer { value: json!([winner]), ids: self.ids });
            }
            "message_post" => {
                let [lead] = self.ids.as_slice() else {
                    let ids = self.ids.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
                    return Err(Failure::value(format!("Expected singleton: crm.lead({ids})")));
                };
                tx.check(self.model, &[*lead], "read")?;
                json!([tx.message_post(*lead, &self.arguments.0)?])
            }
            "activity_schedule" => {
                let visible =
                    self.ids.iter().copied().filter(|id| tx.state.exists("crm.lead", *id)).collect::<Vec<_>>();
                tx.check(self.model, &visible, "read")?;
                let mut made = Vec::with_capacity(self.ids.len());
                for lead in &self.ids {
                    made.push(tx.schedule(*lead, &self.arguments.0)?);
                }
                json!(made)
            }
            _ => return Err(Failure::no_method(self.model.name, method)),
        };
        Ok(Answer { value, ids: self.ids })
    }

    fn close_activities(self, tx: &mut Transaction<'_>) -> Result<Answer, Failure> {
        self.arguments.check(&["feedback", "attachment_ids"], &[])?;
        tx.check(self.model, &self.ids, "write")?;
        let feedback = escape(self.arguments.text("feedback"));
        let mut last = Value::Bool(false);
        for id in &self.ids {
            last = json!(tx.feedback(*id, &feedback));
        }
        Ok(Answer { value: last, ids: self.ids })
    }
}
