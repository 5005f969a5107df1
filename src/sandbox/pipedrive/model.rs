//! The records and what holds them together: ids, times, custom fields, pipelines, labels, users.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::answer::{uuid, uuid_of};
use super::kind::Kind;

/// One record of any kind; `values` holds what its [`Kind::shapes`] name.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// The number, or the UUID of a lead.
    pub(super) id: String,
    pub(super) values: Map<String, Value>,
    /// Custom fields by their hash.
    pub(super) custom: Map<String, Value>,
    pub(super) added: i64,
    pub(super) updated: i64,
    /// From when on lists by time show the present state: a commit may lag behind its own time. Source: section 5.
    pub(super) visible: i64,
    /// Gone since. Deals stay listed as deleted for 30 days; nothing else does. Source: section 5.
    pub(super) deleted: Option<i64>,
}

impl Record {
    pub(super) fn int(&self, name: &str) -> Option<i64> {
        self.values.get(name).and_then(Value::as_i64)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(Value::as_str)
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.values.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(super) fn number(&self) -> i64 {
        self.id.parse().unwrap_or(0)
    }

    pub(super) fn is_live(&self) -> bool {
        self.deleted.is_none()
    }
}

/// A member of staff.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) email: String,
    pub(super) is_active: bool,
    pub(super) created: i64,
    pub(super) modified: i64,
}

/// A stage of a pipeline.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) pipeline: i64,
    pub(super) order: i64,
    pub(super) added: i64,
}

/// A label of leads.
#[derive(Clone, Debug)]
pub(super) struct Label {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) color: String,
    pub(super) added: i64,
}

/// A custom field.
#[derive(Clone, Debug)]
pub(super) struct CustomField {
    pub(super) kind: Kind,
    /// 40 hexadecimal digits.
    pub(super) hash: String,
    pub(super) name: String,
    pub(super) holds: String,
    pub(super) options: Vec<(i64, String)>,
    pub(super) is_removed: bool,
}

/// A conversion of a lead into a deal, or back. Source: section 9.
#[derive(Clone, Debug)]
pub(super) struct Conversion {
    pub(super) id: String,
    pub(super) lead: String,
    pub(super) deal: Option<i64>,
    pub(super) due: i64,
    pub(super) stage: Option<i64>,
    pub(super) pipeline: Option<i64>,
    pub(super) by: i64,
    pub(super) is_api: bool,
}

/// Another owner of a deal, as its changelog tells. Source: v1 specification, `getDealChangelog`.
#[derive(Clone, Debug)]
pub(super) struct OwnerChange {
    pub(super) deal: String,
    pub(super) before: Option<i64>,
    pub(super) after: Option<i64>,
    pub(super) at: i64,
    pub(super) by: i64,
    /// `app`, `api`, `automation`.
    pub(super) source: &'static str,
}

/// Everything that the account holds.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) records: BTreeMap<Kind, BTreeMap<u64, Record>>,
    pub(super) users: Vec<User>,
    pub(super) stages: Vec<Stage>,
    pub(super) labels: Vec<Label>,
    /// Labels of persons: options of their field `label_ids`.
    pub(super) person_labels: Vec<(i64, String)>,
    pub(super) fields: Vec<CustomField>,
    pub(super) conversions: Vec<Conversion>,
    pub(super) changes: Vec<OwnerChange>,
    next: u64,
}

impl Model {
    /// An account as a company finds it on the first day. Source: section 4 (labels) and the app's own pipeline.
    pub(super) fn new(now: i64) -> Self {
        let mut model = Self { next: 1, ..Self::default() };
        for (order, name) in
            (0..).zip(["Qualified", "Contact Made", "Demo Scheduled", "Proposal Made", "Negotiations Started"])
        {
            model.stages.push(Stage { id: order + 1, name: name.to_owned(), pipeline: 1, order, added: now });
        }
        for (name, color) in [("Hot", "red"), ("Warm", "yellow"), ("Cold", "blue")] {
            model.labels.push(Label { id: uuid(), name: name.to_owned(), color: color.to_owned(), added: now });
        }
        model
    }

    pub(super) fn all(&self, kind: Kind) -> impl Iterator<Item = &Record> {
        self.records.get(&kind).into_iter().flat_map(BTreeMap::values)
    }

    /// A record by the id that clients know, be it deleted.
    pub(super) fn any(&self, kind: Kind, id: &str) -> Option<&Record> {
        if kind == Kind::Lead {
            return self.all(kind).find(|record| record.id == id);
        }
        self.records.get(&kind)?.get(&id.parse().ok()?)
    }

    pub(super) fn live(&self, kind: Kind, id: &str) -> Option<&Record> {
        self.any(kind, id).filter(|record| record.is_live())
    }

    pub(super) fn any_mut(&mut self, kind: Kind, id: &str) -> Option<&mut Record> {
        let all = self.records.get_mut(&kind)?;
        if kind == Kind::Lead {
            return all.values_mut().find(|record| record.id == id);
        }
        all.get_mut(&id.parse().ok()?)
    }

    /// A new record without values. Numbers of one kind grow; the UUIDs of leads have no order.
    pub(super) fn insert(&mut self, kind: Kind, now: i64, visible: i64) -> &mut Record {
        let number = self.next;
        self.next += 1;
        let id = if kind == Kind::Lead { uuid_of(number) } else { number.to_string() };
        let record =
            Record { id, values: Map::new(), custom: Map::new(), added: now, updated: now, visible, deleted: None };
        self.records.entry(kind).or_default().entry(number).or_insert(record)
    }

    pub(super) fn user(&self, id: i64) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    pub(super) fn field(&self, kind: Kind, hash: &str) -> Option<&CustomField> {
        let is_it = |field: &&CustomField| field.kind == kind.of_fields() && field.hash == hash && !field.is_removed;
        self.fields.iter().find(is_it)
    }

    pub(super) fn fields_of(&self, kind: Kind) -> impl Iterator<Item = &CustomField> {
        self.fields.iter().filter(move |field| field.kind == kind.of_fields() && !field.is_removed)
    }

    pub(super) fn stage(&self, id: i64) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.id == id)
    }

    /// The next open activity that hangs on a lead.
    pub(super) fn next_activity(&self, lead: &str) -> Value {
        let open = self
            .all(Kind::Activity)
            .find(|activity| activity.is_live() && activity.text("lead_id") == Some(lead) && !activity.flag("done"));
        open.map_or(Value::Null, |activity| json!(activity.number()))
    }
}

/// A hash as the CRM makes one: it says nothing.
pub(super) fn hash() -> String {
    format!("{:032x}{:08x}", fastrand::u128(..), fastrand::u32(..))
}
