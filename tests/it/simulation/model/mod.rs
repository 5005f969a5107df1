//! A CRM in memory, with an append-only ledger of every effect it took: it tells no more than a real one, and lies as
//! one does. Everything it does by chance comes from the seed.

mod connector;
mod effects;
mod feed;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use baton::clock::Clock;
use baton::connector::{Addressed, ConnectorError, Stream};
use baton::domain::agreement::Proof;
use baton::domain::field::{Field, Value};
use baton::domain::id::{ConnectionId, LeadId, Name, Object, OperationId, RecordRef, RemoteId};
use baton::domain::observation::UserSeen;
use baton::domain::plan::Effect;
use baton::domain::record::{Author, Disposition, OwnerEntry};
use baton::domain::signal::Signal;
use baton::domain::stage::{Stage, StageEntry};
use baton::domain::touch::Touch;
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use super::faults::{Fault, Faults};
use effects::Reaction;
use feed::Index;

/// A person's record.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
    pub(super) values: BTreeMap<Field, (Value, Timestamp)>,
    pub(super) own: Option<LeadId>,
    pub(super) external: Option<(ConnectionId, RemoteId)>,
    pub(super) company: Option<RemoteId>,
    pub(super) stages: Vec<StageEntry>,
    pub(super) owners: Vec<OwnerEntry>,
    pub(super) disposition: Option<Disposition>,
    pub(super) signals: Vec<Signal>,
    pub(super) merged: Vec<RemoteId>,
    pub(super) is_gone: bool,
    pub(super) tracks: BTreeSet<Name>,
}

impl Person {
    pub(super) fn owner(&self) -> Option<&RemoteId> {
        self.owners.last().and_then(|entry| entry.owner.as_ref())
    }

    /// Somebody makes somebody the owner; whoever is it already stays it, and no CRM says that anybody did anything.
    pub(super) fn own_by(&mut self, entry: OwnerEntry) {
        if self.owner() != entry.owner.as_ref() {
            self.owners.push(entry);
        }
    }

    pub(super) fn is_opted_out(&self) -> bool {
        self.values.get(&Field::OptedOut).is_some_and(|(value, _)| *value == Value::Flag(true))
    }
}

/// An effect that took place.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) op: OperationId,
    pub(super) effect: Effect,
    pub(super) lead: LeadId,
    pub(super) handoff: Option<u32>,
    pub(super) record: RemoteId,
    /// Who owned the record before, for owner writes.
    pub(super) before: Option<OwnerEntry>,
    /// Was that ever shown to the daemon?
    pub(super) was_shown: bool,
    pub(super) was_opted_out: bool,
}

/// What a read showed of a person.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shown {
    Gone(Timestamp),
    Owners(usize),
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) rng: Rng,
    pub(super) faults: Faults,
    pub(super) people: BTreeMap<RemoteId, Person>,
    pub(super) companies: BTreeMap<RemoteId, (Timestamp, f64)>,
    pub(super) touches: BTreeMap<RemoteId, (Timestamp, Touch)>,
    pub(super) users: BTreeMap<RemoteId, (Timestamp, UserSeen)>,
    pub(super) ledger: Vec<Entry>,
    /// Records that a pull or read showed as gone: nothing may be written to them any more.
    pub(super) told_gone: BTreeMap<RemoteId, Timestamp>,
    /// What the pass that is under way was shown: it counts once the pass has come to its end.
    pub(super) showing: Vec<(RemoteId, Shown)>,
    /// How many owners of each person a pull or read has shown.
    pub(super) owners_shown: BTreeMap<RemoteId, usize>,
    pub(super) broken: Vec<String>,
    index: Index,
    /// What readers behind the writer still show, and until when.
    stale: BTreeMap<RemoteId, (Timestamp, Person)>,
    /// Records that webhooks are on their way about.
    hooks: Vec<RemoteId>,
    hooks_sent: u64,
    has_hooks: bool,
    reactions: Vec<(Timestamp, RemoteId, Reaction)>,
    marks: HashMap<OperationId, RecordRef>,
    attempted: HashMap<OperationId, Timestamp>,
    late: Vec<(Timestamp, Addressed)>,
    next: u32,
    unauthorized_until: Option<Timestamp>,
}

/// A CRM in memory.
#[derive(Clone, Debug)]
pub(super) struct Model {
    id: ConnectionId,
    is_sales: bool,
    clock: Clock,
    streams: Arc<[Stream]>,
    state: Arc<Mutex<State>>,
    /// Notified where the process dies while a request is on the wire.
    pub(super) dies: Arc<Notify>,
}

impl Model {
    pub(super) fn new(id: &str, is_sales: bool, clock: &Clock, seed: u64, faults: Faults) -> Self {
        let stream =
            |name: &str, object, proves: &[Proof]| Stream { name: Name::from(name), object, proves: proves.to_vec() };
        let records: &[Proof] = if is_sales { &[Proof::Accepted, Proof::Rejected] } else { &[] };
        let mut streams = vec![stream("records", Object::Person, records)];
        if is_sales {
            streams.push(stream("touches", Object::Call, &[Proof::Call, Proof::Email, Proof::Meeting]));
        }
        let mut rng = Rng::with_seed(seed);
        let has_hooks = rng.bool();
        let state = State {
            rng,
            faults,
            people: BTreeMap::new(),
            companies: BTreeMap::new(),
            touches: BTreeMap::new(),
            users: BTreeMap::new(),
            ledger: Vec::new(),
            told_gone: BTreeMap::new(),
            showing: Vec::new(),
            owners_shown: BTreeMap::new(),
            broken: Vec::new(),
            index: Index::default(),
            stale: BTreeMap::new(),
            hooks: Vec::new(),
            hooks_sent: 0,
            has_hooks,
            reactions: Vec::new(),
            marks: HashMap::new(),
            attempted: HashMap::new(),
            late: Vec::new(),
            next: 1,
            unauthorized_until: None,
        };
        Self {
            id: ConnectionId::from(id),
            is_sales,
            clock: clock.clone(),
            streams: streams.into(),
            state: Arc::new(Mutex::new(state)),
            dies: Arc::default(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn of(&self, object: Object, id: &RemoteId) -> RecordRef {
        RecordRef { connection: self.id.clone(), object, id: id.clone() }
    }

    pub(super) fn add_user(&self, email: &str) -> RemoteId {
        let now = self.clock.now();
        let mut state = self.lock();
        let id = state.new_id();
        let user = UserSeen {
            email: Some(Name::from(email)),
            login: None,
            name: Name::from(email.split('@').next().unwrap_or(email)),
            is_active: true,
        };
        state.users.insert(id.clone(), (now, user));
        state.show(Object::User, &id, now, now);
        id
    }

    pub(super) fn set_active(&self, user: &RemoteId, is_active: bool) {
        let now = self.clock.now();
        let mut state = self.lock();
        if let Some((modified, seen)) = state.users.get_mut(user) {
            seen.is_active = is_active;
            *modified = now;
        }
        state.changed(Object::User, user, now);
    }

    pub(super) fn add_company(&self, employees: f64) -> RemoteId {
        let now = self.clock.now();
        let mut state = self.lock();
        let id = state.new_id();
        state.companies.insert(id.clone(), (now, employees));
        state.changed(Object::Company, &id, now);
        id
    }

    /// A person whom somebody or something other than Baton entered.
    pub(super) fn add_person(&self, email: &str, company: Option<&RemoteId>) -> RemoteId {
        let now = self.clock.now();
        let mut state = self.lock();
        let id = state.new_id();
        let text = |text: &str| Value::text(text).expect("a text");
        let mut values = BTreeMap::new();
        values.insert(Field::Email, (text(email), now));
        values.insert(Field::FirstName, (text("Jo"), now));
        values.insert(Field::Phone, (text(&format!("+4930{}", id.as_str())), now));
        let person = blank(now, values, company.cloned());
        state.people.insert(id.clone(), person);
        state.changed(Object::Person, &id, now);
        id
    }

    /// Changes a person's record by hand or machine, at this moment; the feed shows it as it pleases.
    pub(super) fn edit(&self, id: &RemoteId, change: impl FnOnce(&mut Person, Timestamp)) {
        let now = self.clock.now();
        let mut state = self.lock();
        let Some(person) = state.people.get_mut(id) else { return };
        if person.is_gone {
            return;
        }
        let before = person.clone();
        change(person, now);
        person.modified = now;
        let is_gone = person.is_gone;
        let State { rng, faults, .. } = &mut *state;
        // A record that is gone is gone for every reader: nothing in these lives brings back its last version.
        if !is_gone && faults.strikes(rng, Fault::StaleRead) {
            let until = now + SignedDuration::from_secs(rng.i64(5..120));
            state.stale.insert(id.clone(), (until, before));
        } else {
            state.stale.remove(id);
        }
        state.changed(Object::Person, id, now);
    }

    pub(super) fn delete(&self, id: &RemoteId) {
        self.edit(id, |person, _| person.is_gone = true);
    }

    pub(super) fn restore(&self, id: &RemoteId) {
        let now = self.clock.now();
        let mut state = self.lock();
        // Nobody can bring back what was merged into another.
        if state.people.values().any(|person| person.merged.contains(id)) {
            return;
        }
        let Some(person) = state.people.get_mut(id).filter(|person| person.is_gone && person.merged.is_empty()) else {
            return;
        };
        person.is_gone = false;
        person.modified = now;
        state.told_gone.remove(id);
        state.changed(Object::Person, id, now);
    }

    /// Merges `loser` into `survivor`, as marketing does by hand.
    pub(super) fn merge(&self, survivor: &RemoteId, loser: &RemoteId) {
        self.delete(loser);
        let (signals, merged) = {
            let state = self.lock();
            let Some(lost) = state.people.get(loser) else { return };
            (lost.signals.clone(), lost.merged.clone())
        };
        self.edit(survivor, |person, _| {
            person.signals.extend(signals);
            person.signals.sort();
            person.merged.push(loser.clone());
            person.merged.extend(merged);
        });
    }

    /// A call, e-mail or meeting that took place at `at` and is logged now.
    pub(super) fn log(&self, person: &RemoteId, by: &RemoteId, touch: impl FnOnce(RecordRef, RecordRef) -> Touch) {
        let now = self.clock.now();
        let mut state = self.lock();
        let id = state.new_id();
        let mut touch = touch(self.of(Object::Call, &id), self.of(Object::Person, person));
        touch.by = Some(by.clone());
        state.touches.insert(id.clone(), (now, touch));
        state.changed(Object::Call, &id, now);
    }

    /// A pass has ended. What it was shown is known if it came to its end; a process that died has forgotten it.
    pub(super) fn pass_ended(&self, is_known: bool) {
        let mut state = self.lock();
        for (id, shown) in std::mem::take(&mut state.showing).into_iter().filter(|_| is_known) {
            match shown {
                Shown::Gone(at) => drop(state.told_gone.entry(id).or_insert(at)),
                Shown::Owners(count) => drop(state.owners_shown.insert(id, count)),
            }
        }
    }

    /// Ends everything that goes wrong by itself; what is still under way comes at once.
    pub(super) fn calm(&self) {
        let mut state = self.lock();
        state.faults.stop();
        state.stale.clear();
        drop(state);
        self.catch_up(Timestamp::MAX);
    }

    /// Requests that nobody waits for any more come into effect, and workflows do what they do.
    pub(super) fn catch_up(&self, until: Timestamp) {
        let now = self.clock.now();
        let mut state = self.lock();
        state.react(until.min(now));
        let (due, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut state.late).into_iter().partition(|(at, _)| *at <= until);
        state.late = rest;
        for (_, write) in due {
            // Whatever it answered, nobody hears it.
            drop(state.apply(&self.id, &write, now));
        }
    }

    fn unavailable(&self, message: &str) -> ConnectorError {
        ConnectorError::Unavailable { connection: self.id.clone(), message: message.to_owned() }
    }

    /// What goes wrong with a request that reads.
    fn trouble(&self, state: &mut State) -> Option<ConnectorError> {
        let now = self.clock.now();
        if state.unauthorized_until.is_some_and(|until| now < until) {
            let message = "401".to_owned();
            return Some(ConnectorError::Unauthorized { connection: self.id.clone(), message });
        }
        let State { rng, faults, .. } = state;
        let (connection, what) = (self.id.clone(), "a page".to_owned());
        if faults.strikes(rng, Fault::ReadUnavailable) {
            return Some(self.unavailable("503"));
        }
        if faults.strikes(rng, Fault::ReadLimited) {
            return Some(ConnectorError::RateLimited { connection, retry_after: std::time::Duration::from_secs(2) });
        }
        if faults.strikes(rng, Fault::ReadMalformed) {
            return Some(ConnectorError::Malformed { connection, what, at: "line 1".to_owned() });
        }
        if faults.strikes(rng, Fault::ReadForbidden) {
            return Some(ConnectorError::Rejected { connection, what, message: "403".to_owned() });
        }
        if faults.strikes(rng, Fault::TokenRevoked) {
            state.unauthorized_until = Some(now + SignedDuration::from_mins(20));
            return Some(ConnectorError::Unauthorized { connection, message: "401".to_owned() });
        }
        None
    }
}

fn blank(now: Timestamp, values: BTreeMap<Field, (Value, Timestamp)>, company: Option<RemoteId>) -> Person {
    Person {
        created: now,
        modified: now,
        values,
        own: None,
        external: None,
        company,
        stages: vec![StageEntry { stage: Stage::Awareness, at: now, by: Author::Automation(Name::from("form")) }],
        owners: Vec::new(),
        disposition: None,
        signals: Vec::new(),
        merged: Vec::new(),
        is_gone: false,
        tracks: BTreeSet::new(),
    }
}

impl State {
    fn new_id(&mut self) -> RemoteId {
        // Numbers of one length: their order is the same as texts and as numbers.
        let id = RemoteId::from(format!("{}", 100_000 + self.next));
        self.next += 1;
        id
    }
}
