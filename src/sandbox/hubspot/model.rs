//! The portal's records: values with their history, merges, associations, and what the search index still believes.
//!
//! Knows nothing of HTTP. Times are milliseconds of the sandbox's clock.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::association::Types;
use super::kind::Kind;
use super::schema::{Schema, Source};

/// Who changed something: decides the `sourceType` of the history entry. Source: sheet section 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// A person in the CRM's screens, by user id (not owner id).
    User(i64),
    /// A workflow, by its id.
    Workflow(i64),
    /// An app through the API, by app id.
    App(i64),
    /// A form on the website.
    Form,
    /// A file import.
    Import,
    /// HubSpot itself.
    Calculated,
}

impl Author {
    pub(super) fn source_type(self) -> &'static str {
        match self {
            Self::User(_) => "CRM_UI",
            Self::Workflow(_) => "AUTOMATION_PLATFORM",
            Self::App(_) => "INTEGRATION",
            Self::Form => "FORM",
            Self::Import => "IMPORT",
            Self::Calculated => "CALCULATED",
        }
    }

    pub(super) fn source_id(self) -> Option<String> {
        match self {
            Self::User(id) => Some(format!("userId:{id}")),
            Self::Workflow(id) | Self::App(id) => Some(id.to_string()),
            Self::Form | Self::Import | Self::Calculated => None,
        }
    }
}

/// One value a property had from `at` on. An empty value is a cleared one.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) value: Arc<str>,
    pub(super) at: i64,
    pub(super) author: Author,
}

/// One record.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) id: u64,
    pub(super) created: i64,
    pub(super) modified: i64,
    pub(super) archived: Option<i64>,
    pub(super) values: Vec<(u16, Entry)>,
    pub(super) earlier: Vec<(u16, Entry)>,
    pub(super) merged: Vec<u64>,
}

impl Object {
    pub(super) fn stored(&self, property: u16) -> Option<&Entry> {
        self.values.iter().find(|(number, _)| *number == property).map(|(_, entry)| entry)
    }

    /// The value as text; `None` where the property is empty.
    pub(super) fn value(&self, source: Source) -> Option<Cow<'_, str>> {
        match source {
            Source::Stored(property) => {
                self.stored(property).filter(|entry| !entry.value.is_empty()).map(|entry| Cow::Borrowed(&*entry.value))
            }
            Source::Id => Some(Cow::Owned(self.id.to_string())),
            Source::Created => Some(Cow::Owned(super::answer::time_text(self.created))),
            Source::Modified => Some(Cow::Owned(super::answer::time_text(self.modified))),
            Source::Merged if self.merged.is_empty() => None,
            Source::Merged => Some(Cow::Owned(self.merged.iter().map(u64::to_string).collect::<Vec<_>>().join(";"))),
        }
    }
}

/// A static or dynamic list of records.
#[derive(Clone, Debug)]
pub(super) struct List {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) processing: String,
    pub(super) members: BTreeMap<u64, i64>,
    pub(super) created: i64,
    pub(super) changed: i64,
}

/// A person (or queue) that records can be assigned to.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    pub(super) id: u64,
    pub(super) user_id: i64,
    pub(super) email: String,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) team: Option<(String, String)>,
    pub(super) is_archived: bool,
    pub(super) created: i64,
    pub(super) changed: i64,
}

/// One end of an association.
pub(super) type End = (Kind, u64);

/// Old versions of one record that the index still shows, each until an instant; `None` = not there yet.
type Stale = VecDeque<(i64, Option<Object>)>;

/// All records of the portal.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) schemas: HashMap<Kind, Schema>,
    pub(super) objects: HashMap<Kind, BTreeMap<u64, Object>>,
    pub(super) by_modified: HashMap<Kind, BTreeSet<(i64, u64)>>,
    pub(super) unique: HashMap<(Kind, u16), HashMap<Arc<str>, u64>>,
    pub(super) merged_into: HashMap<End, u64>,
    pub(super) associations: BTreeMap<(End, End), Types>,
    pub(super) lists: BTreeMap<u64, List>,
    pub(super) owners: BTreeMap<u64, Owner>,
    pub(super) blocked_emails: HashSet<String>,
    pub(super) stale: HashMap<End, Stale>,
    pub(super) index_lag: i64,
    next_id: u64,
}

impl Model {
    pub(super) fn new(now: i64, index_lag: i64) -> Self {
        Self {
            schemas: Kind::ALL.into_iter().map(|kind| (kind, Schema::of(kind, now))).collect(),
            objects: Kind::ALL.into_iter().map(|kind| (kind, BTreeMap::new())).collect(),
            by_modified: Kind::ALL.into_iter().map(|kind| (kind, BTreeSet::new())).collect(),
            unique: HashMap::new(),
            merged_into: HashMap::new(),
            associations: BTreeMap::new(),
            lists: BTreeMap::new(),
            owners: BTreeMap::new(),
            blocked_emails: HashSet::new(),
            stale: HashMap::new(),
            index_lag,
            next_id: 33_450,
        }
    }

    /// A fresh id; ids only grow, but not by one.
    pub(super) fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(super) fn schema(&self, kind: Kind) -> &Schema {
        &self.schemas[&kind]
    }

    pub(super) fn schema_mut(&mut self, kind: Kind) -> &mut Schema {
        self.schemas.entry(kind).or_default()
    }

    pub(super) fn all(&self, kind: Kind) -> &BTreeMap<u64, Object> {
        &self.objects[&kind]
    }

    /// The id that `id` goes by today, after merges.
    pub(super) fn current(&self, kind: Kind, mut id: u64) -> u64 {
        while let Some(next) = self.merged_into.get(&(kind, id)) {
            id = *next;
        }
        id
    }

    pub(super) fn object(&self, kind: Kind, id: u64) -> Option<&Object> {
        self.all(kind).get(&self.current(kind, id))
    }

    /// The live (not archived) record with this unique value.
    pub(super) fn by_unique(&self, kind: Kind, property: u16, value: &str) -> Option<u64> {
        let id = *self.unique.get(&(kind, property))?.get(value.to_lowercase().as_str())?;
        self.object(kind, id).filter(|object| object.archived.is_none()).map(|object| object.id)
    }

    /// Keeps what the index shows of `id` until the lag has passed; called before a change.
    fn remember_for_index(&mut self, kind: Kind, id: u64, now: i64) {
        if self.index_lag > 0 {
            let before = self.all(kind).get(&id).cloned();
            self.stale.entry((kind, id)).or_default().push_back((now + self.index_lag, before));
        }
    }

    /// Lets the index catch up to `now`.
    pub(super) fn settle_index(&mut self, now: i64) {
        self.stale.retain(|_, versions| {
            while versions.front().is_some_and(|(until, _)| *until <= now) {
                versions.pop_front();
            }
            !versions.is_empty()
        });
    }

    /// Makes a record with nothing in it but its times.
    pub(super) fn insert(&mut self, kind: Kind, now: i64) -> u64 {
        let id = self.fresh_id();
        self.remember_for_index(kind, id, now);
        self.insert_with(kind, id, now);
        id
    }

    /// As [`Model::insert`], past the index lag.
    pub(super) fn insert_with(&mut self, kind: Kind, id: u64, now: i64) {
        self.next_id = self.next_id.max(id);
        let object = Object {
            id,
            created: now,
            modified: now,
            archived: None,
            values: Vec::new(),
            earlier: Vec::new(),
            merged: Vec::new(),
        };
        self.objects.entry(kind).or_default().insert(id, object);
        self.by_modified.entry(kind).or_default().insert((now, id));
    }

    /// Sets values and stamps the record, but only where something differs; answers whether anything did.
    pub(super) fn set(&mut self, kind: Kind, id: u64, author: Author, now: i64, values: &[(u16, Arc<str>)]) -> bool {
        let id = self.current(kind, id);
        let Some(object) = self.all(kind).get(&id) else { return false };
        let differing: Vec<(u16, Arc<str>)> = values
            .iter()
            .filter(|(property, value)| match object.stored(*property) {
                Some(entry) => entry.value != *value,
                None => !value.is_empty(),
            })
            .cloned()
            .collect();
        if differing.is_empty() {
            return false;
        }
        if object.created != now || !object.values.is_empty() {
            self.remember_for_index(kind, id, now);
        }
        for (property, value) in differing {
            self.reindex_unique(kind, id, property, &value);
            let Some(object) = self.objects.entry(kind).or_default().get_mut(&id) else { continue };
            let entry = Entry { value, at: now, author };
            match object.values.iter_mut().find(|(number, _)| *number == property) {
                Some((_, present)) => {
                    let former = std::mem::replace(present, entry);
                    object.earlier.push((property, former));
                }
                None => object.values.push((property, entry)),
            }
        }
        self.stamp(kind, id, now);
        true
    }

    /// Moves the last-modified time.
    pub(super) fn stamp(&mut self, kind: Kind, id: u64, now: i64) {
        let Some(object) = self.objects.entry(kind).or_default().get_mut(&id) else { return };
        let before = std::mem::replace(&mut object.modified, now);
        let index = self.by_modified.entry(kind).or_default();
        index.remove(&(before, id));
        index.insert((now, id));
    }

    fn reindex_unique(&mut self, kind: Kind, id: u64, property: u16, value: &str) {
        if !self.schema(kind).get(property).is_unique {
            return;
        }
        let before =
            self.all(kind).get(&id).and_then(|object| object.stored(property)).map(|entry| entry.value.clone());
        let index = self.unique.entry((kind, property)).or_default();
        if let Some(before) = before {
            index.remove(before.to_lowercase().as_str());
        }
        if !value.is_empty() {
            index.insert(value.to_lowercase().into(), id);
        }
    }

    pub(super) fn archive(&mut self, kind: Kind, id: u64, now: i64) -> bool {
        let id = self.current(kind, id);
        if self.object(kind, id).is_none_or(|object| object.archived.is_some()) {
            return false;
        }
        self.remember_for_index(kind, id, now);
        if let Some(object) = self.objects.entry(kind).or_default().get_mut(&id) {
            object.archived = Some(now);
        }
        true
    }

    /// Forgets a record for good.
    pub(super) fn erase(&mut self, kind: Kind, id: u64) -> bool {
        let id = self.current(kind, id);
        let Some(object) = self.objects.entry(kind).or_default().remove(&id) else { return false };
        self.by_modified.entry(kind).or_default().remove(&(object.modified, id));
        for index in self.unique.iter_mut().filter(|((of, _), _)| *of == kind).map(|(_, index)| index) {
            index.retain(|_, holder| *holder != id);
        }
        self.drop_associations((kind, id));
        self.lists.values_mut().filter(|list| list.kind == kind).for_each(|list| {
            list.members.remove(&id);
        });
        true
    }

    fn drop_associations(&mut self, end: End) -> Vec<(End, Types)> {
        let others: Vec<(End, Types)> = self.associated(end).map(|(other, types)| (other, *types)).collect();
        for (other, _) in &others {
            self.associations.remove(&(end, *other));
            self.associations.remove(&(*other, end));
        }
        others
    }

    /// Everything associated with `end`.
    pub(super) fn associated(&self, end: End) -> impl Iterator<Item = (End, &Types)> {
        self.associations
            .range((end, (Kind::Contact, 0))..=(end, (Kind::Meeting, u64::MAX)))
            .map(|((_, other), types)| (*other, types))
    }

    /// What of type `to` is associated with `end`, by id.
    pub(super) fn associated_to(&self, end: End, to: Kind) -> impl Iterator<Item = (u64, &Types)> {
        self.associations.range((end, (to, 0))..=(end, (to, u64::MAX))).map(|((_, other), types)| (other.1, types))
    }

    /// A merge makes a new record; both old ids resolve to it. Source: sheet section 5.
    pub(super) fn merge(&mut self, kind: Kind, winner: u64, loser: u64, author: Author, now: i64) -> Option<u64> {
        let (winner, loser) = (self.current(kind, winner), self.current(kind, loser));
        if winner == loser {
            return None;
        }
        let first = self.object(kind, winner)?.clone();
        let second = self.object(kind, loser)?.clone();
        self.remember_for_index(kind, winner, now);
        self.remember_for_index(kind, loser, now);
        let id = self.insert(kind, now);
        let mut values = first.values.clone();
        let mut earlier = first.earlier.clone();
        earlier.extend(second.earlier.iter().cloned());
        for (property, entry) in &second.values {
            match values.iter_mut().find(|(number, _)| number == property) {
                Some((_, present)) if present.value.is_empty() => *present = entry.clone(),
                Some(_) => earlier.push((*property, entry.clone())),
                None => values.push((*property, entry.clone())),
            }
        }
        let mut merged = first.merged.clone();
        merged.extend(second.merged.iter().copied());
        merged.extend([winner, loser]);
        for old in [winner, loser] {
            self.objects.entry(kind).or_default().remove(&old);
            self.merged_into.insert((kind, old), id);
            for (other, types) in self.drop_associations((kind, old)) {
                let reverse = types.map(super::association::inverse);
                self.associations.entry(((kind, id), other)).or_default().extend(&types);
                self.associations.entry((other, (kind, id))).or_default().extend(&reverse);
            }
            for list in self.lists.values_mut().filter(|list| list.kind == kind) {
                if let Some(at) = list.members.remove(&old) {
                    list.members.entry(id).or_insert(at);
                }
            }
        }
        let index = self.by_modified.entry(kind).or_default();
        index.remove(&(first.modified, winner));
        index.remove(&(second.modified, loser));
        for index in self.unique.iter_mut().filter(|((of, _), _)| *of == kind).map(|(_, index)| index) {
            index.values_mut().filter(|holder| **holder == winner || **holder == loser).for_each(|holder| *holder = id);
        }
        if let Some(object) = self.objects.entry(kind).or_default().get_mut(&id) {
            object.created = first.created.min(second.created);
            object.values = values;
            object.earlier = earlier;
            object.merged = merged;
        }
        self.keep_second_email(kind, id, &second, author, now);
        Some(id)
    }

    fn keep_second_email(&mut self, kind: Kind, id: u64, loser: &Object, author: Author, now: i64) {
        let schema = self.schema(kind);
        let (main, others) = match kind {
            Kind::Contact => ("email", "hs_additional_emails"),
            Kind::Company => ("domain", "hs_additional_domains"),
            Kind::Deal | Kind::Lead | Kind::Task | Kind::Note | Kind::Call | Kind::Email | Kind::Meeting => return,
        };
        let (Some(main), Some(others)) = (schema.any(main), schema.any(others)) else { return };
        let Some(lost) = loser.stored(main).map(|entry| entry.value.clone()).filter(|value| !value.is_empty()) else {
            return;
        };
        let Some(object) = self.object(kind, id) else { return };
        if object.stored(main).is_some_and(|entry| entry.value == lost) {
            return;
        }
        let mut all: Vec<String> =
            object.stored(others).map(|entry| entry.value.split(';').map(str::to_owned).collect()).unwrap_or_default();
        all.retain(|value| !value.is_empty());
        all.push(lost.to_string());
        self.set(kind, id, author, now, &[(others, all.join(";").into())]);
    }
}
