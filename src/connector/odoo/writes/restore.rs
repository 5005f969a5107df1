//! Takes earlier writes back: values where what was written still stands, tasks that nobody has closed.

use serde_json::{Map, Value, json};

use super::super::api::Failure;
use super::super::{Odoo, query};
use super::{Step, Stop, done, lane, quiet, superseded};
use crate::connector::Done;
use crate::connector::number;
use crate::domain::id::{Name, RecordRef};
use crate::domain::plan::{Was, Write};

/// Whether a lead is in use; lost ones are not.
const ACTIVE: &str = "active";

/// A value that was replaced, in Odoo's JSON.
pub(super) fn was(name: &str, before: Option<Value>, after: Option<Value>) -> Was {
    let text = |value: Option<Value>| value.filter(is_set).map(|value| Name::from(value.to_string()));
    Was { name: Name::from(name), before: text(before), after: text(after) }
}

impl Odoo {
    /// What writing `vals` replaces.
    pub(super) async fn replaced(&self, lead: i64, vals: &Map<String, Value>) -> Result<Vec<Was>, Failure> {
        let names: Vec<&str> = vals.keys().map(String::as_str).collect();
        let Some(now) = self.values(lead, &names).await? else { return Ok(Vec::new()) };
        let changed = vals.iter().filter(|(name, value)| !is_same(now.get(*name), Some(*value)));
        Ok(changed.map(|(name, value)| was(name, now.get(name).cloned(), Some(value.clone()))).collect())
    }

    /// What losing the lead for `reason` replaces. A probability that Odoo works out itself comes back by itself.
    pub(super) async fn lost(&self, lead: i64, reason: i64) -> Result<Vec<Was>, Failure> {
        let mut vals =
            Map::from_iter([(ACTIVE.to_owned(), json!(false)), ("lost_reason_id".to_owned(), json!(reason))]);
        let odds = self.values(lead, &["is_automated_probability"]).await?.unwrap_or_default();
        if odds.get("is_automated_probability") == Some(&Value::Bool(false)) {
            vals.insert("probability".to_owned(), json!(0));
        }
        self.replaced(lead, &vals).await
    }

    pub(super) async fn restore(&self, write: &Write, lead: i64, values: &[Was]) -> Step<Done> {
        let names: Vec<&str> = values.iter().map(|was| was.name.as_str()).collect();
        let now = self.values(lead, &names).await.map_err(Stop::Look)?;
        let Some(now) = now else { return Err(superseded("the lead was deleted meanwhile").into()) };
        if is_back(&now, values) {
            return Ok(done(None));
        }
        // What is back already was brought back by an earlier try that got no further.
        let stands = |was: &&Was| {
            let now = now.get(was.name.as_str());
            [&was.after, &was.before].into_iter().any(|known| is_same(now, parsed(known.as_ref()).as_ref()))
        };
        if let Some(was) = values.iter().find(|was| !stands(was)) {
            let found = now.get(was.name.as_str()).filter(|value| is_set(value));
            let found = found.map_or_else(|| "nothing".to_owned(), ToString::to_string);
            return Err(superseded(&format!("{} = {found}", was.name)).into());
        }
        let back = values
            .iter()
            .map(|was| (was.name.as_str().to_owned(), parsed(was.before.as_ref()).unwrap_or(Value::Bool(false))));
        let mut back: Map<String, Value> = back.collect();
        if back.get(ACTIVE) == Some(&Value::Bool(true)) {
            // Odoo works the probability out anew, and the lead is not lost any more; a plain write of the field does neither.
            let arguments = json!({ "ids": [lead], "context": quiet() });
            let unarchived = self.api.write(lane(write.lane), "crm.lead", "action_unarchive", &arguments).await;
            unarchived.map_err(Stop::Write)?;
            back.remove(ACTIVE);
            back.retain(|name, value| name != "lost_reason_id" || is_set(value));
        }
        if !back.is_empty() {
            self.write(write, lead, back).await?;
        }
        Ok(done(None))
    }

    /// Has the lead again what it had before?
    pub(super) async fn is_restored(&self, lead: i64, values: &[Was]) -> Result<bool, Failure> {
        let names: Vec<&str> = values.iter().map(|was| was.name.as_str()).collect();
        Ok(self.values(lead, &names).await?.is_some_and(|now| is_back(&now, values)))
    }

    /// Deletes an activity that is open still: a closed one is no activity any more, but a message of what was done.
    pub(super) async fn withdraw(&self, write: &Write, task: &RecordRef) -> Step<Done> {
        if !self.is_open_task(task).await.map_err(Stop::Look)? {
            return Err(superseded("the activity was done or deleted meanwhile").into());
        }
        let Ok(id) = task.id.as_str().parse::<i64>() else { return Err(super::refused("the task's id is no number")) };
        let arguments = json!({ "ids": [id] });
        self.api.write(lane(write.lane), "mail.activity", "unlink", &arguments).await.map_err(Stop::Write)?;
        Ok(done(None))
    }

    pub(super) async fn is_open_task(&self, task: &RecordRef) -> Result<bool, Failure> {
        let id: i64 = task.id.as_str().parse().unwrap_or_default();
        Ok(!self.api.rows("mail.activity", &query(&[json!(["id", "=", id])], &["id"], "id asc", 1)).await?.is_empty())
    }

    /// These fields of a lead, links by their number.
    async fn values(&self, lead: i64, names: &[&str]) -> Result<Option<Map<String, Value>>, Failure> {
        let rows = self.api.rows("crm.lead", &query(&[json!(["id", "=", lead])], names, "id asc", 1)).await?;
        let plain = |value: &Value| match value {
            Value::Array(link) => link.first().cloned().unwrap_or(Value::Bool(false)),
            other => other.clone(),
        };
        Ok(rows
            .first()
            .map(|row| names.iter().filter_map(|name| Some(((*name).to_owned(), plain(row.0.get(*name)?)))).collect()))
    }
}

fn is_back(now: &Map<String, Value>, values: &[Was]) -> bool {
    values.iter().all(|was| is_same(now.get(was.name.as_str()), parsed(was.before.as_ref()).as_ref()))
}

/// Odoo says `false` for a field that is empty.
fn is_set(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}

fn parsed(text: Option<&Name>) -> Option<Value> {
    text.and_then(|text| serde_json::from_str(text.as_str()).ok())
}

/// Numbers may come back in another form.
fn is_same(one: Option<&Value>, other: Option<&Value>) -> bool {
    let (one, other) = (one.filter(|value| is_set(value)), other.filter(|value| is_set(value)));
    match (one, other) {
        (Some(Value::Number(one)), Some(Value::Number(other))) => number::is_same(&one.to_string(), &other.to_string()),
        (Some(one), Some(other)) => one == other,
        (None, None) => true,
        _ => false,
    }
}
