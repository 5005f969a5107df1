//! A Pipedrive company account on loopback, faithful to the fact sheet down to error bodies, budgets and traps.
//!
//! [`Pipedrive`] is the account: its methods are the people inside the CRM, [`Pipedrive::router`] is its API (v1 and v2), and
//! [`Pipedrive::faults`] makes it misbehave. It is strict where the sheet leaves room, so that a connector's mistake shows: what
//! is unverified there (section 12) is played the harder way. It must not know any connector's wire types: a shared misreading
//! would hide itself.
//!
//! Domain time (record times, conversions, the day's tokens, webhooks) is the sandbox's clock; the two-second limits and delays run
//! on the real monotonic clock. "Section n" in these files means the Pipedrive fact sheet.

mod answer;
mod changes;
mod control;
mod convert;
mod faults;
mod gate;
mod kind;
mod leads;
mod meta;
mod model;
mod notes;
mod oauth;
mod page;
mod render;
mod search;
mod server;
mod settings;
mod v2;
mod webhooks;
mod write;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::clock::Clock;

pub use faults::{Breakage, Fault, Faults, Place, When};
pub use gate::RequestCounts;
pub use kind::Kind;
pub use settings::{OauthApp, Settings, Token};
pub use webhooks::Delivery;

use faults::FaultState;
use gate::Gate;
use model::{CustomField, Model, User};
use webhooks::Hooks;
use write::By;

/// The account. Cheap to clone; clones are the same account.
#[derive(Clone)]
pub struct Pipedrive(Arc<Mutex<State>>);

/// Everything behind the lock.
pub(crate) struct State {
    clock: Clock,
    settings: Settings,
    model: Model,
    ledger: Vec<Effect>,
    gate: Gate,
    faults: FaultState,
    hooks: Hooks,
    oauth: oauth::Logins,
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
    /// What happened: `create`, `update`, `delete`, `merge`, `convert`.
    pub what: String,
    /// `lead`, `person` ...
    pub object: String,
    /// The record it fell on.
    pub id: String,
    /// The body as it came.
    pub values: Value,
    /// Whose token it was.
    pub user: i64,
}

impl State {
    fn now(&self) -> i64 {
        self.clock.now().as_millisecond() + self.faults.skew_ms
    }

    /// Carries out what is due by the clock.
    fn tick(&mut self) {
        let now = self.now();
        self.run_conversions(now);
    }
}

impl Pipedrive {
    /// An empty account with one administrator, user 1, whose token `settings` name.
    #[must_use]
    pub fn new(clock: Clock, settings: Settings) -> Self {
        let now = clock.now().as_millisecond();
        let mut model = Model::new(now);
        model.users.push(User {
            id: 1,
            name: "Ada Admin".to_owned(),
            email: "admin@example.com".to_owned(),
            is_active: true,
            created: now,
            modified: now,
        });
        let state = State {
            clock,
            settings,
            model,
            ledger: Vec::new(),
            gate: Gate::default(),
            faults: FaultState::default(),
            hooks: Hooks::default(),
            oauth: oauth::Logins::default(),
        };
        Self(Arc::new(Mutex::new(state)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.tick();
        state
    }

    /// The API, to be served on any listener; `/_sandbox/...` beside it steers faults and shows the ledger.
    pub fn router(&self) -> axum::Router {
        axum::Router::new().fallback(server::serve).with_state(self.clone())
    }

    /// A new member of staff; answers with the id.
    pub fn add_user(&self, name: &str, email: &str) -> i64 {
        let mut state = self.lock();
        let now = state.now();
        let id = 1_000 + i64::try_from(state.model.users.len()).unwrap_or(0);
        state.model.users.push(User {
            id,
            name: name.to_owned(),
            email: email.to_owned(),
            is_active: true,
            created: now,
            modified: now,
        });
        id
    }

    /// A user leaves: they can own nothing new. `false` if there is no such user.
    pub fn deactivate_user(&self, id: i64) -> bool {
        let mut state = self.lock();
        let now = state.now();
        let Some(user) = state.model.users.iter_mut().find(|user| user.id == id) else { return false };
        user.modified = now;
        std::mem::replace(&mut user.is_active, false)
    }

    /// A new record, as user `by` makes it in the app; answers with its id.
    ///
    /// # Errors
    /// What the CRM says of values that do not fit.
    pub fn create(&self, by: i64, kind: Kind, values: &Value) -> Result<String, String> {
        let mut state = self.lock();
        let made = state.create(kind, values, By::person(by));
        made.map_err(|answer| String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// Changes a record as user `by` does in the app, where archived leads come back, too.
    ///
    /// # Errors
    /// What the CRM says of values that do not fit, or of a record that is not there.
    pub fn update(&self, by: i64, kind: Kind, id: &str, values: &Value) -> Result<(), String> {
        let mut state = self.lock();
        let changed = state.update(kind, id, values, By::person(by));
        changed.map_err(|answer| String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// Deletes a record. `false` if it was not there.
    pub fn delete(&self, by: i64, kind: Kind, id: &str) -> bool {
        self.lock().delete(kind, id, By::person(by)).is_ok()
    }

    /// Makes a deal of a lead, as the app's button does; answers with the deal.
    pub fn convert(&self, by: i64, lead: &str) -> Option<String> {
        self.lock().convert_lead(lead, None, None, By::person(by)).map(|deal| deal.to_string())
    }

    /// Merges person `loser` into `winner`. `false` if one of them is not there.
    pub fn merge_persons(&self, by: i64, winner: &str, loser: &str) -> bool {
        self.lock().merge_persons(winner, loser, By::person(by)).is_ok()
    }

    /// A record as its API shows it, deleted ones not; `None` if it is not there.
    #[must_use]
    pub fn get(&self, kind: Kind, id: &str) -> Option<Value> {
        let state = self.lock();
        let record = state.model.live(kind, id)?;
        Some(render::record(&state.model, kind, record, &["source_lead_id"]))
    }

    /// The ids of all records of a kind that are there, archived ones too, in the order in which they were made.
    #[must_use]
    pub fn ids(&self, kind: Kind) -> Vec<String> {
        let state = self.lock();
        state.model.all(kind).filter(|record| record.is_live()).map(|record| record.id.clone()).collect()
    }

    /// The label of leads with this name, made if there is none; answers with its id.
    pub fn label(&self, name: &str) -> String {
        let mut state = self.lock();
        if let Some(known) = state.model.labels.iter().find(|label| label.name == name) {
            return known.id.clone();
        }
        let now = state.now();
        let label = model::Label { id: answer::uuid(), name: name.to_owned(), color: "gray".to_owned(), added: now };
        let id = label.id.clone();
        state.model.labels.push(label);
        id
    }

    /// The stage with this name.
    #[must_use]
    pub fn stage(&self, name: &str) -> Option<i64> {
        self.lock().model.stages.iter().find(|stage| stage.name == name).map(|stage| stage.id)
    }

    /// A new stage at the end of the pipeline.
    pub fn add_stage(&self, name: &str) -> i64 {
        let mut state = self.lock();
        let added = state.now();
        let order = i64::try_from(state.model.stages.len()).unwrap_or(0);
        let id = state.model.stages.iter().map(|stage| stage.id).max().unwrap_or(0) + 1;
        state.model.stages.push(model::Stage { id, name: name.to_owned(), pipeline: 1, order, added });
        id
    }

    /// A custom field; `holds` is the CRM's type (`varchar`, `enum` ...). Answers with its hash. Deals' fields are leads', too.
    pub fn add_field(&self, kind: Kind, name: &str, holds: &str, options: &[&str]) -> String {
        let mut state = self.lock();
        let hash = model::hash();
        let base = 100 + 10 * i64::try_from(state.model.fields.len()).unwrap_or(0);
        let options = (base..).zip(options).map(|(id, label)| (id, (*label).to_owned())).collect();
        state.model.fields.push(CustomField {
            kind: kind.of_fields(),
            hash: hash.clone(),
            name: name.to_owned(),
            holds: holds.to_owned(),
            options,
            is_removed: false,
        });
        hash
    }

    /// Takes a custom field away: reads leave it out, writes to it are refused.
    pub fn remove_field(&self, hash: &str) -> bool {
        let mut state = self.lock();
        let Some(field) = state.model.fields.iter_mut().find(|field| field.hash == hash) else { return false };
        field.is_removed = true;
        for records in state.model.records.values_mut() {
            records.values_mut().for_each(|record| drop(record.custom.remove(hash)));
        }
        true
    }

    /// A rep calls (or meets, or writes to) somebody and logs it: an activity of this type that is done. `on` names what it
    /// hangs on: `person_id`, `lead_id` or `deal_id`.
    ///
    /// # Errors
    /// What the CRM says if something of it is not there.
    pub fn log(&self, by: i64, kind: &str, on: &Map<String, Value>) -> Result<String, String> {
        let mut values = on.clone();
        if let Some(person) = values.remove("person_id") {
            let participants = serde_json::json!([{"person_id": person, "primary": true}]);
            values.insert("participants".to_owned(), participants);
        }
        values.insert("subject".to_owned(), format!("logged {kind}").into());
        values.insert("type".to_owned(), kind.into());
        values.insert("owner_id".to_owned(), by.into());
        values.insert("done".to_owned(), true.into());
        self.create(by, Kind::Activity, &Value::Object(values))
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

    /// Sets the counts of [`Pipedrive::requests`] to zero.
    pub fn reset_requests(&self) {
        self.lock().gate.counts = RequestCounts::default();
    }

    /// Tokens of today that are used up.
    #[must_use]
    pub fn tokens_used(&self) -> u64 {
        self.lock().gate.used_today
    }

    /// The switchboard of faults.
    #[must_use]
    pub fn faults(&self) -> Faults {
        Faults::new(self.clone())
    }

    /// The account's settings.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.lock().settings.clone()
    }

    /// Names of labels on a person, in the order in which they were made.
    #[must_use]
    pub fn labels_of_person(&self, person: &str) -> Vec<String> {
        let state = self.lock();
        let Some(record) = state.model.any(Kind::Person, person) else { return Vec::new() };
        let has = |id: i64| {
            record
                .values
                .get("label_ids")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .any(|known| known.as_i64() == Some(id))
        };
        state.model.person_labels.iter().filter(|(id, _)| has(*id)).map(|(_, name)| name.clone()).collect()
    }

    /// Another API token, of user `user`; what the client sends.
    pub fn add_token(&self, name: &str, user: i64) -> String {
        let secret = format!("token-{}", answer::uuid());
        let token = Token { name: name.to_owned(), secret: secret.clone(), user };
        self.lock().settings.tokens.push(token);
        secret
    }

    /// Ends every access token that a login gave; with `for_good` its refresh token, too.
    pub fn end_sessions(&self, for_good: bool) {
        let oauth = &mut self.lock().oauth;
        if for_good { oauth.revoke() } else { oauth.end() }
    }

    /// How many access tokens logins were given so far.
    #[must_use]
    pub fn tokens_given(&self) -> u64 {
        self.lock().oauth.given()
    }

    /// Names of labels on a lead, in alphabetical order.
    #[must_use]
    pub fn labels_of(&self, lead: &str) -> Vec<String> {
        let state = self.lock();
        let Some(record) = state.model.any(Kind::Lead, lead) else { return Vec::new() };
        let ids: Vec<&str> = record
            .values
            .get("label_ids")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut names: BTreeMap<String, ()> = BTreeMap::new();
        for label in state.model.labels.iter().filter(|label| ids.contains(&label.id.as_str())) {
            names.insert(label.name.clone(), ());
        }
        names.into_keys().collect()
    }
}
