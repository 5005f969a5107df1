//! A HubSpot portal on loopback, faithful to the fact sheet down to error bodies, limits, index lag and merges.
//!
//! [`HubSpot`] is the portal: its methods are the people, workflows and forms inside the CRM, [`HubSpot::router`] is its
//! API, and [`HubSpot::faults`] makes it misbehave. It is strict where the sheet leaves room, so that a connector's
//! mistake shows. It must not know any connector's wire types: a shared misreading would hide itself.
//!
//! Domain time (record times, index lag, the daily quota) is the sandbox's clock; rate limits, `Retry-After` and delays run on
//! the real monotonic clock. "Section n" in these files means the HubSpot fact sheet.

mod account;
mod answer;
mod association;
mod associations;
mod batch;
mod bulk;
mod control;
mod faults;
mod gate;
mod kind;
mod lists;
mod model;
mod objects;
mod owners;
mod properties;
mod render;
mod route;
mod schema;
mod search;
mod server;
mod settings;
mod write;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::clock::Clock;

pub use bulk::Population;
pub use faults::{Breakage, Fault, Faults, Place, RetryAfter, When};
pub use gate::RequestCounts;
pub use kind::{Kind, Version};
pub use model::Author;
pub use settings::{OauthApp, Required, Settings, Token};

use association::Types;
use faults::FaultState;
use gate::Gate;
use model::{Entry, List, Model, Owner};
use schema::{Choice, Property};

/// The portal. Cheap to clone; clones are the same portal.
#[derive(Clone)]
pub struct HubSpot(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
}

/// Everything behind the lock.
pub(crate) struct State {
    clock: Clock,
    settings: Settings,
    model: Model,
    ledger: Vec<Effect>,
    gate: Gate,
    faults: FaultState,
    oauth: account::Oauth,
}

/// The two numbers of an owner: records are assigned by `id`; `user_id` appears in histories. Source: section 3.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnerIds {
    /// The owner id, for `hubspot_owner_id`.
    pub id: String,
    /// The user id, for [`Author::User`]; an assignment by it is refused.
    pub user_id: i64,
}

/// One accepted write that came through the API.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effect {
    /// Counts from 1 without gaps.
    pub sequence: u64,
    /// The sandbox's clock at the write.
    pub at: Timestamp,
    /// The HTTP method.
    pub method: String,
    /// The path without its query.
    pub path: String,
    /// What happened: `create`, `update`, `archive`, `merge`, `associate`, `dissociate`, `list add`, `list remove` ...
    pub what: String,
    /// The object type, `contacts`; or `lists`, `properties`.
    pub object: String,
    /// The record the write fell on, by its id today.
    pub id: String,
    /// The values sent, or the other end of an association, or the list.
    pub properties: BTreeMap<String, String>,
    /// Which properties were dropped although the answer was 2xx (lifecycle set backward). Source: section 10.2.
    pub dropped: Vec<String>,
    /// The name of the token, never its secret.
    pub token: String,
}

impl State {
    fn now(&self) -> i64 {
        self.clock.now().as_millisecond() + self.faults.skew_ms
    }

    /// Runs what is due by the clock: the search index and workflows.
    fn tick(&mut self) {
        let now = self.now();
        self.model.settle_index(now);
        for step in self.faults.due_workflows(now) {
            let Some(property) = self.model.schema(step.kind).find(&step.property) else { continue };
            let author = Author::Workflow(9001);
            self.model.set(step.kind, step.id, author, now, &[(property, step.value.as_str().into())]);
        }
    }
}

impl HubSpot {
    /// An empty portal.
    #[must_use]
    pub fn new(clock: Clock, settings: Settings) -> Self {
        let now = clock.now().as_millisecond();
        let lag = i64::try_from(settings.index_lag.as_millis()).unwrap_or(0);
        let state = State {
            model: Model::new(now, lag),
            gate: Gate::default(),
            faults: FaultState::default(),
            ledger: Vec::new(),
            oauth: account::Oauth::default(),
            clock,
            settings,
        };
        Self(Arc::new(Inner { state: Mutex::new(state) }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.tick();
        state
    }

    /// The API, to be served on any listener; `/_sandbox/...` beside it steers faults and shows the ledger.
    pub fn router(&self) -> axum::Router {
        axum::Router::new().fallback(server::serve).with_state(self.clone())
    }

    /// A new contact. An unknown property is defined as text, an unknown choice is added: people in the CRM may do both.
    /// An e-mail address that is taken changes that contact instead. Answers with the id.
    pub fn create_contact(&self, by: Author, properties: &[(&str, &str)]) -> String {
        self.create(Kind::Contact, by, properties)
    }

    /// A new record of any type; see [`HubSpot::create_contact`].
    pub fn create(&self, kind: Kind, by: Author, properties: &[(&str, &str)]) -> String {
        let mut state = self.lock();
        let now = state.now();
        let email = properties.iter().find(|(name, _)| kind == Kind::Contact && *name == "email");
        let taken = email.and_then(|(name, value)| {
            let property = state.model.schema(kind).find(name)?;
            state.model.by_unique(kind, property, value)
        });
        let id = taken.unwrap_or_else(|| state.model.insert(kind, now));
        state.set_by_name(kind, id, by, now, properties);
        id.to_string()
    }

    /// Changes a record as somebody inside the CRM; any stage and any value goes. `false` if there is no such record.
    pub fn update(&self, kind: Kind, id: &str, by: Author, properties: &[(&str, &str)]) -> bool {
        let mut state = self.lock();
        let now = state.now();
        let Some(id) = id.parse().ok().filter(|id| state.model.object(kind, *id).is_some()) else { return false };
        state.set_by_name(kind, id, by, now, properties);
        true
    }

    /// The values of a record by name, the computed ones (id, times) included; `None` if it is gone.
    #[must_use]
    pub fn get(&self, kind: Kind, id: &str) -> Option<BTreeMap<String, String>> {
        let state = self.lock();
        let object = state.model.object(kind, id.parse().ok()?).filter(|object| object.archived.is_none())?;
        let schema = state.model.schema(kind);
        let values = schema.properties.iter().filter_map(|property| {
            let source = schema.source(kind, &property.name)?;
            Some((property.name.to_string(), object.value(source)?.into_owned()))
        });
        Some(values.collect())
    }

    /// The ids of all records of a type that are not archived, in order.
    #[must_use]
    pub fn ids(&self, kind: Kind) -> Vec<String> {
        let state = self.lock();
        state
            .model
            .all(kind)
            .values()
            .filter(|object| object.archived.is_none())
            .map(|object| object.id.to_string())
            .collect()
    }

    /// Joins two records with the plain type (and the primary one, if asked and there is one). `false` if the pair cannot be joined.
    pub fn associate(&self, from: (Kind, &str), to: (Kind, &str), is_primary: bool) -> bool {
        let mut state = self.lock();
        let (Ok(from_id), Ok(to_id)) = (from.1.parse(), to.1.parse()) else { return false };
        let Some(plain) = association::plain(from.0, to.0) else { return false };
        let mut types = Types::of(&[plain]);
        if is_primary && let Some(primary) = association::primary(from.0, to.0) {
            types.add(primary);
        }
        let model = &mut state.model;
        let (from_id, to_id) = (model.current(from.0, from_id), model.current(to.0, to_id));
        if model.object(from.0, from_id).is_none() || model.object(to.0, to_id).is_none() {
            return false;
        }
        associations::join(model, (from.0, from_id), (to.0, to_id), types, false);
        true
    }

    /// The ids of type `to` joined with a record.
    #[must_use]
    pub fn associated(&self, from: Kind, id: &str, to: Kind) -> Vec<String> {
        let state = self.lock();
        let Ok(id) = id.parse() else { return Vec::new() };
        let end = (from, state.model.current(from, id));
        state.model.associated_to(end, to).map(|(other, _)| other.to_string()).collect()
    }

    /// Parts two records. `false` if they were not joined.
    pub fn dissociate(&self, from: (Kind, &str), to: (Kind, &str)) -> bool {
        let mut state = self.lock();
        let (Ok(from_id), Ok(to_id)) = (from.1.parse(), to.1.parse()) else { return false };
        let now = state.now();
        associations::part(&mut state.model, (from.0, from_id), (to.0, to_id), now)
    }

    /// Archives a record, as the delete button does. `false` if it was gone already.
    pub fn archive(&self, kind: Kind, id: &str) -> bool {
        let mut state = self.lock();
        let now = state.now();
        id.parse().is_ok_and(|id| state.model.archive(kind, id, now))
    }

    /// Brings an archived record back.
    pub fn restore(&self, kind: Kind, id: &str) -> bool {
        let mut state = self.lock();
        let now = state.now();
        let Ok(id) = id.parse() else { return false };
        let Some(object) = state.model.objects.entry(kind).or_default().get_mut(&id) else { return false };
        let was_archived = object.archived.take().is_some();
        state.model.stamp(kind, id, now);
        was_archived
    }

    /// Merges two records into a new one, as since 2025; both old ids resolve to the new id. Source: section 5.
    pub fn merge(&self, kind: Kind, winner: &str, loser: &str, by: Author) -> Option<String> {
        let mut state = self.lock();
        let now = state.now();
        state.model.merge(kind, winner.parse().ok()?, loser.parse().ok()?, by, now).map(|id| id.to_string())
    }

    /// Erases a contact for good and blocks its address, as a privacy deletion does. Source: section 5.
    pub fn gdpr_delete(&self, id: &str) -> bool {
        let mut state = self.lock();
        let Ok(id) = id.parse() else { return false };
        state.forget_contact(id)
    }

    /// A new owner; ids and user ids come from different ranges, so that a mix-up shows.
    pub fn add_owner(&self, email: &str, first_name: &str, last_name: &str) -> OwnerIds {
        let mut state = self.lock();
        let now = state.now();
        let id = state.model.fresh_id() + 41_000_000;
        let user_id = i64::try_from(id).unwrap_or(0) - 31_400_000;
        let owner = Owner {
            id,
            user_id,
            email: email.to_owned(),
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
            team: None,
            is_archived: false,
            created: now,
            changed: now,
        };
        state.model.owners.insert(id, owner);
        OwnerIds { id: id.to_string(), user_id }
    }

    /// Puts an owner into a team. `false` if there is no such owner.
    pub fn set_team(&self, owner: &str, team_id: &str, team: &str) -> bool {
        let mut state = self.lock();
        let Some(owner) = owner.parse().ok().and_then(|id: u64| state.model.owners.get_mut(&id)) else { return false };
        owner.team = Some((team_id.to_owned(), team.to_owned()));
        true
    }

    /// Deactivates an owner's user: the owner is archived and loses its user id. Source: section 3.
    pub fn archive_owner(&self, owner: &str) -> bool {
        let mut state = self.lock();
        let now = state.now();
        let Some(owner) = owner.parse().ok().and_then(|id: u64| state.model.owners.get_mut(&id)) else { return false };
        owner.changed = now;
        !std::mem::replace(&mut owner.is_archived, true)
    }

    /// Every active owner: address and ids.
    #[must_use]
    pub fn owners(&self) -> Vec<(String, OwnerIds)> {
        let state = self.lock();
        let active = state.model.owners.values().filter(|owner| !owner.is_archived);
        active
            .map(|owner| (owner.email.clone(), OwnerIds { id: owner.id.to_string(), user_id: owner.user_id }))
            .collect()
    }

    /// A static (`MANUAL`) list of contacts; answers with its id. The id of the list that has the name already, if one does.
    pub fn create_list(&self, name: &str) -> String {
        let mut state = self.lock();
        if let Some(list) = state.model.lists.values().find(|list| list.name == name) {
            return list.id.to_string();
        }
        let now = state.now();
        let id = state.model.fresh_id() % 100_000 + 600;
        let list = List {
            id,
            name: name.to_owned(),
            kind: Kind::Contact,
            processing: "MANUAL".to_owned(),
            members: BTreeMap::new(),
            created: now,
            changed: now,
        };
        state.model.lists.insert(id, list);
        id.to_string()
    }

    /// The contacts on a list, by the list's name; empty if there is no such list.
    #[must_use]
    pub fn list_members(&self, name: &str) -> Vec<String> {
        let state = self.lock();
        let list = state.model.lists.values().find(|list| list.name == name);
        list.map(|list| list.members.keys().map(u64::to_string).collect()).unwrap_or_default()
    }

    /// A person puts a contact on a list, by the list's name; says whether there is such a list.
    #[must_use]
    pub fn join_list(&self, name: &str, contact: &str) -> bool {
        let mut state = self.lock();
        let now = state.now();
        let list = state.model.lists.values_mut().find(|list| list.name == name);
        let (Some(list), Ok(id)) = (list, contact.parse()) else { return false };
        list.members.insert(id, now);
        true
    }

    /// Every value a property had, oldest first: time, value, author.
    #[must_use]
    pub fn history(&self, kind: Kind, id: &str, property: &str) -> Vec<(Timestamp, String, Author)> {
        let state = self.lock();
        let (Ok(id), Some(number)) = (id.parse(), state.model.schema(kind).any(property)) else { return Vec::new() };
        let Some(object) = state.model.object(kind, id) else { return Vec::new() };
        let mut entries: Vec<&Entry> = object
            .earlier
            .iter()
            .chain(&object.values)
            .filter(|(of, _)| *of == number)
            .map(|(_, entry)| entry)
            .collect();
        entries.sort_by_key(|entry| entry.at);
        let instant = |at| Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
        entries.into_iter().map(|entry| (instant(entry.at), entry.value.to_string(), entry.author)).collect()
    }

    /// Adds a choice to an enumeration, as an admin may at any time. `false` if there is no such property.
    pub fn add_option(&self, kind: Kind, property: &str, value: &str, label: &str) -> bool {
        self.lock().add_option(kind, property, value, label)
    }

    /// Takes a property away: reads leave it out, writes to it are refused.
    pub fn remove_property(&self, kind: Kind, property: &str) -> bool {
        self.lock().remove_property(kind, property)
    }

    /// Adds a rule on required properties, as an admin may at any time.
    pub fn require(&self, rule: Required) {
        self.lock().settings.required.push(rule);
    }

    /// Every accepted write that came through the API, in order: the oracle for "nothing lost, nothing doubled".
    #[must_use]
    pub fn ledger(&self) -> Vec<Effect> {
        self.lock().ledger.clone()
    }

    /// What was asked of the API so far.
    #[must_use]
    pub fn requests(&self) -> RequestCounts {
        self.lock().gate.counts.clone()
    }

    /// Sets the counts of [`HubSpot::requests`] to zero.
    pub fn reset_requests(&self) {
        self.lock().gate.counts = RequestCounts::default();
    }

    /// The switchboard of faults.
    #[must_use]
    pub fn faults(&self) -> Faults {
        Faults::new(self.clone())
    }

    /// How long the search index lags behind from now on, in the sandbox's time.
    pub fn set_index_lag(&self, lag: SignedDuration) {
        self.lock().model.index_lag = i64::try_from(lag.as_millis()).unwrap_or(0);
    }

    /// The portal's settings.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.lock().settings.clone()
    }
}

impl State {
    fn set_by_name(&mut self, kind: Kind, id: u64, by: Author, now: i64, properties: &[(&str, &str)]) {
        let mut values: Vec<(u16, Arc<str>)> = Vec::with_capacity(properties.len());
        for (name, value) in properties {
            let number = self.define_if_missing(kind, name, value, now);
            let text: Arc<str> = match schema::check(self.model.schema(kind).get(number), value, true) {
                Ok(schema::Checked::As(text) | schema::Checked::Normalised(text)) => text.into(),
                Ok(schema::Checked::Same) | Err(_) => (*value).into(),
            };
            values.push((number, text));
        }
        self.model.set(kind, id, by, now, &values);
    }

    fn define_if_missing(&mut self, kind: Kind, name: &str, value: &str, now: i64) -> u16 {
        let schema = self.model.schema_mut(kind);
        if let Some(number) = schema.find(name) {
            let property = schema.get_mut(number);
            let is_choice = property.data_type == "enumeration" && property.field_type == "select";
            if is_choice && !value.is_empty() && !property.options.iter().any(|choice| choice.value == value) {
                let order = i64::try_from(property.options.len()).unwrap_or(0);
                property.options.push(Choice {
                    label: value.to_owned(),
                    value: value.to_owned(),
                    order,
                    hidden: false,
                });
            }
            return number;
        }
        let group = schema.groups.keys().next().cloned().unwrap_or_default();
        schema.add(Property {
            name: name.into(),
            label: name.replace('_', " "),
            data_type: "string".to_owned(),
            field_type: "text".to_owned(),
            group,
            description: String::new(),
            options: Vec::new(),
            is_unique: false,
            is_archived: false,
            is_read_only: false,
            is_custom: true,
            changed: now,
        })
    }

    fn add_option(&mut self, kind: Kind, property: &str, value: &str, label: &str) -> bool {
        let schema = self.model.schema_mut(kind);
        let Some(number) = schema.find(property) else { return false };
        let options = &mut schema.get_mut(number).options;
        let order = i64::try_from(options.len()).unwrap_or(0);
        options.push(Choice { label: label.to_owned(), value: value.to_owned(), order, hidden: false });
        true
    }

    fn remove_property(&mut self, kind: Kind, property: &str) -> bool {
        let schema = self.model.schema_mut(kind);
        let Some(number) = schema.find(property) else { return false };
        schema.get_mut(number).is_archived = true;
        true
    }

    fn forget_contact(&mut self, id: u64) -> bool {
        let email = self.model.schema(Kind::Contact).any("email");
        let address = self
            .model
            .object(Kind::Contact, id)
            .and_then(|object| object.stored(email?))
            .map(|entry| entry.value.clone());
        if let Some(address) = address {
            self.model.blocked_emails.insert(address.to_lowercase());
        }
        self.model.erase(Kind::Contact, id)
    }
}
