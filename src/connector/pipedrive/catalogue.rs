//! What records refer to: stages, labels, activity types, fields with their hashes, and who Baton itself is there.
//!
//! Read in eight requests (87 tokens) at the start, once an hour, and when a record names something that is not known yet.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use serde_json::Value;

use super::answer::Failure;
use super::api::Api;
use super::settings::Of;
use super::wire::{Listed, Row};
use crate::domain::touch::Channel;

/// Rows of a page at most. Source: section 5.
pub(super) const ROWS: &str = "500";
/// More pages than any of these lists has.
const PAGES_MAX: usize = 50;

/// Something with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) id: String,
    pub(super) name: String,
}

/// A field, its own or one that every company has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldDef {
    /// A hash of 40 digits for one of the company's own. Source: section 4.
    pub(super) code: String,
    pub(super) name: String,
    pub(super) holds: String,
    pub(super) is_custom: bool,
    pub(super) options: Vec<Named>,
}

impl FieldDef {
    /// The option with this name, without regard to case.
    pub(super) fn option(&self, name: &str) -> Option<&Named> {
        find(&self.options, name)
    }

    /// The name of an option.
    pub(super) fn label(&self, id: &str) -> Option<&str> {
        self.options.iter().find(|option| option.id == id).map(|option| option.name.as_str())
    }
}

/// What a company holds besides its records.
#[derive(Clone, Debug)]
pub(super) struct Catalogue {
    pub(super) read_at: Instant,
    /// The user that the token belongs to.
    pub(super) own: i64,
    pub(super) company: String,
    /// `acme` of `acme.pipedrive.com`.
    pub(super) domain: String,
    pub(super) stages: Vec<Named>,
    pub(super) labels: Vec<Named>,
    /// Activity types that are a way to reach somebody.
    pub(super) channels: HashMap<String, Channel>,
    /// Every activity type's key.
    pub(super) types: HashSet<String>,
    fields: HashMap<Of, Vec<FieldDef>>,
}

impl Catalogue {
    /// Reads it whole.
    pub(super) async fn read(api: &Api) -> Result<Self, Failure> {
        let me = api.one(&["v1", "users", "me"], &[]).await?;
        let me = me.ok_or_else(|| Failure::Malformed("users/me: nobody".to_owned()))?;
        // Without its own user Baton would take what it made itself for a person's.
        let own = me.number().ok_or_else(|| Failure::Malformed("users/me: no id".to_owned()))?;
        let stages = all(api, &["v2", "stages"]).await?;
        let (labels, _) = api.list(&["v1", "leadLabels"], &[]).await?;
        let (types, _) = api.list(&["v1", "activityTypes"], &[]).await?;
        let mut fields = HashMap::new();
        for (of, path) in
            [(Of::Person, "personFields"), (Of::Organization, "organizationFields"), (Of::Deal, "dealFields")]
        {
            let rows = all(api, &["v2", path]).await?;
            fields.insert(of, rows.iter().filter_map(field).collect());
        }
        let text = |name: &str| me.text(name).unwrap_or_default().to_owned();
        Ok(Self {
            read_at: Instant::now(),
            own,
            company: text("company_name"),
            domain: text("company_domain"),
            stages: stages.iter().filter(|row| !row.flag("is_deleted")).filter_map(named).collect(),
            labels: labels.rows.iter().filter_map(named).collect(),
            channels: types.rows.iter().filter_map(channel).collect(),
            types: types.rows.iter().filter_map(|row| row.text("key_string").map(str::to_owned)).collect(),
            fields,
        })
    }

    /// One of a company with these labels and stages and no fields.
    #[cfg(test)]
    pub(super) fn of(labels: Vec<Named>, stages: Vec<Named>) -> Self {
        Self {
            read_at: Instant::now(),
            own: 1,
            company: String::new(),
            domain: String::new(),
            stages,
            labels,
            channels: HashMap::from([("call".to_owned(), Channel::Call)]),
            types: HashSet::from(["call".to_owned(), "task".to_owned()]),
            fields: HashMap::new(),
        }
    }

    /// The field that the settings mean, by its name or its key, without regard to case.
    pub(super) fn field(&self, of: Of, wanted: &str) -> Option<&FieldDef> {
        let all = self.fields.get(&of)?;
        let wanted = wanted.trim();
        let by_code = all.iter().find(|field| field.code.eq_ignore_ascii_case(wanted));
        by_code.or_else(|| all.iter().find(|field| field.name.trim().eq_ignore_ascii_case(wanted)))
    }

    pub(super) fn stage_name(&self, id: i64) -> Option<&str> {
        let id = id.to_string();
        self.stages.iter().find(|stage| stage.id == id).map(|stage| stage.name.as_str())
    }

    pub(super) fn label_name(&self, id: &str) -> Option<&str> {
        self.labels.iter().find(|label| label.id == id).map(|label| label.name.as_str())
    }

    /// The type of the tasks that Baton makes: one that is no way to reach anybody, so that ticking it off proves nothing.
    pub(super) fn task_type(&self) -> &str {
        if self.types.contains("task") {
            return "task";
        }
        let mut others: Vec<&str> =
            self.types.iter().map(String::as_str).filter(|key| !self.channels.contains_key(*key)).collect();
        others.sort_unstable();
        others.first().copied().unwrap_or("task")
    }
}

/// The one with this name or number, without regard to case.
pub(super) fn find<'a>(list: &'a [Named], wanted: &str) -> Option<&'a Named> {
    let wanted = wanted.trim();
    let by_name = list.iter().find(|named| named.name.trim().eq_ignore_ascii_case(wanted));
    by_name.or_else(|| list.iter().find(|named| named.id == wanted))
}

/// A list of v2 to its end. Fields and stages have no records in them that could be broken, so one that cannot be read is an error
/// of the contract: it would be taken for missing.
async fn all(api: &Api, path: &[&str]) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let mut query = vec![("limit", ROWS)];
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let answer = api.ask(path, &query).await?;
        let body = with_ids(&answer.body);
        let listed: Listed =
            super::wire::listed(&body).map_err(|at| Failure::Malformed(format!("{}: {at}", path.join("/"))))?;
        rows.extend(listed.rows);
        cursor = listed.cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(rows)
}

/// Fields have a code in place of an id; rows are known by an id.
fn with_ids(body: &[u8]) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return body.to_vec() };
    let records = value.get_mut("data").and_then(Value::as_array_mut);
    for record in records.into_iter().flatten().filter_map(Value::as_object_mut) {
        if let (None, Some(code)) = (record.get("id"), record.get("field_code").cloned()) {
            record.insert("id".to_owned(), code);
        }
    }
    value.to_string().into_bytes()
}

fn named(row: &Row) -> Option<Named> {
    Some(Named { id: row.id()?, name: row.text("name")?.to_owned() })
}

fn field(row: &Row) -> Option<FieldDef> {
    let option = |one: &Value| {
        let id = match one.get("id")? {
            Value::String(text) => text.clone(),
            number => number.to_string(),
        };
        Some(Named { id, name: one.get("label")?.as_str()?.to_owned() })
    };
    Some(FieldDef {
        code: row.text("field_code")?.to_owned(),
        name: row.text("field_name").unwrap_or_default().to_owned(),
        holds: row.text("field_type").unwrap_or_default().to_owned(),
        is_custom: row.flag("is_custom_field"),
        options: row.list("options").iter().filter_map(option).collect(),
    })
}

/// By which way an activity of this type reaches somebody: its icon says so of a company's own types. Source: section 4 and the
/// specification of activity types.
fn channel(row: &Row) -> Option<(String, Channel)> {
    let key = row.text("key_string")?;
    let channel = [key, row.text("icon_key").unwrap_or_default()].into_iter().find_map(|word| match word {
        "call" => Some(Channel::Call),
        "email" => Some(Channel::Email),
        "meeting" => Some(Channel::Meeting),
        _ => None,
    })?;
    Some((key.to_owned(), channel))
}
