//! A CRM in memory, with an append-only ledger of every effect it took: it tells no more than a real one, and lies as
//! one does. Everything it does by chance comes from the seed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use baton::clock::Clock;
use baton::connector::requirement::{Ensured, Making, Requirement};
use baton::connector::{
    Addressed, Around, Before, BudgetView, Connector, ConnectorError, Cursor, Description, Done, Outcome, Page, Stream,
};
use baton::domain::agreement::Proof;
use baton::domain::field::{Field, Known, Value};
use baton::domain::id::{ConnectionId, LeadId, Name, Object, OperationId, RecordRef, RemoteId};
use baton::domain::identity::{email_key, external_key, own_key};
use baton::domain::observation::{CompanySeen, Content, Observation, PersonSeen, UserSeen};
use baton::domain::plan::{Ability, Effect, Write};
use baton::domain::record::{Author, Disposition, OwnerEntry, Word};
use baton::domain::signal::Signal;
use baton::domain::stage::{Stage, StageEntry};
use baton::domain::touch::Touch;
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use super::faults::{Fault, Faults};

/// The feed is asked again for so long before where it stood.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);
/// The feed is not asked for what is younger.
const SETTLE: SignedDuration = SignedDuration::from_secs(10);
/// How long a request may still come into effect after nobody waits for its answer any more.
const REQUEST_LIVES: SignedDuration = SignedDuration::from_secs(120);

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

    pub(super) fn is_opted_out(&self) -> bool {
        self.values.get(&Field::OptedOut).is_some_and(|(value, _)| *value == Value::Flag(true))
    }
}

/// An effect that took place.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) op: OperationId,
    pub(super) effect: Effect,
    pub(super) handoff: Option<u32>,
    pub(super) record: RemoteId,
    /// Who owned the record before, for owner writes.
    pub(super) before: Option<OwnerEntry>,
    pub(super) was_opted_out: bool,
}

/// A change that the feed shows under the time `stamp`, from `visible_at` on.
#[derive(Clone, Debug)]
struct Fed {
    object: Object,
    id: RemoteId,
    stamp: Timestamp,
    visible_at: Timestamp,
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
    pub(super) told_gone: BTreeSet<RemoteId>,
    pub(super) broken: Vec<String>,
    feed: Vec<Fed>,
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
        let state = State {
            rng: Rng::with_seed(seed),
            faults,
            people: BTreeMap::new(),
            companies: BTreeMap::new(),
            touches: BTreeMap::new(),
            users: BTreeMap::new(),
            ledger: Vec::new(),
            told_gone: BTreeSet::new(),
            broken: Vec::new(),
            feed: Vec::new(),
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
        change(person, now);
        person.modified = now;
        state.changed(Object::Person, id, now);
    }

    pub(super) fn delete(&self, id: &RemoteId) {
        self.edit(id, |person, _| person.is_gone = true);
    }

    pub(super) fn restore(&self, id: &RemoteId) {
        let now = self.clock.now();
        let mut state = self.lock();
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

    /// Ends everything that goes wrong by itself; what is still under way comes at once.
    pub(super) fn calm(&self) {
        self.lock().faults.stop();
        self.apply_late(Timestamp::MAX);
    }

    /// Requests that nobody waits for any more come into effect.
    pub(super) fn apply_late(&self, until: Timestamp) {
        let now = self.clock.now();
        let mut state = self.lock();
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
        let id = RemoteId::from(format!("{:06}", self.next));
        self.next += 1;
        id
    }

    /// The feed learns of a change: at once, or after the index has caught up, or under an earlier time, as a long
    /// transaction does.
    fn changed(&mut self, object: Object, id: &RemoteId, now: Timestamp) {
        let Self { rng, faults, .. } = self;
        let lag = if faults.strikes(rng, Fault::IndexLag) { rng.i64(1..240) } else { 0 };
        let late = if faults.strikes(rng, Fault::LateCommit) { rng.i64(1..200) } else { 0 };
        let visible_at = now + SignedDuration::from_secs(lag + late);
        self.show(object, id, now, visible_at);
    }

    fn show(&mut self, object: Object, id: &RemoteId, stamp: Timestamp, visible_at: Timestamp) {
        self.feed.push(Fed { object, id: id.clone(), stamp, visible_at });
    }

    fn observe(&mut self, connection: &ConnectionId, object: Object, id: &RemoteId) -> Observation {
        let of = RecordRef { connection: connection.clone(), object, id: id.clone() };
        let (modified, content) = match object {
            Object::Person => match self.people.get(id) {
                Some(person) if !person.is_gone => {
                    (person.modified, Content::Person(Box::new(seen(connection, person))))
                }
                gone => {
                    let at = gone.map_or(Timestamp::UNIX_EPOCH, |person| person.modified);
                    self.told_gone.insert(id.clone());
                    (at, Content::Gone)
                }
            },
            Object::Company => {
                let (modified, employees) = self.companies[id];
                let value = Known { field: Field::Employees, value: Value::Number(employees), at: modified };
                (modified, Content::Company(CompanySeen { values: vec![value], owner: None }))
            }
            Object::User => {
                let (modified, user) = self.users[id].clone();
                (modified, Content::User(user))
            }
            Object::Call | Object::Email | Object::Meeting | Object::Task | Object::Note | Object::Deal => {
                let (modified, touch) = self.touches[id].clone();
                (modified, Content::Touch(vec![touch]))
            }
        };
        Observation { of, modified, content, findings: Vec::new() }
    }

    /// What a write does to this CRM; the look before it is part of the request, as in every connector.
    fn apply(&mut self, connection: &ConnectionId, addressed: &Addressed, now: Timestamp) -> Outcome {
        let write = &addressed.write;
        if let Effect::Create { values, owner, is_new_journey, not } = &write.effect {
            let person = NewPerson { values, owner: owner.as_ref(), is_new_journey: *is_new_journey, not };
            return self.create(connection, write, &person, now);
        }
        let Some(record) = addressed.record.as_ref() else {
            return Outcome::Refused { message: "no record".to_owned() };
        };
        let id = record.id.clone();
        if self.told_gone.contains(&id) && self.people.get(&id).is_some_and(|person| person.is_gone) {
            self.broken.push(format!("{} was written to {id} after it was shown as gone", write.effect.as_str()));
        }
        let Some(person) = self.people.get_mut(&id).filter(|person| !person.is_gone) else {
            return Outcome::Refused { message: "404".to_owned() };
        };
        let (before, was_opted_out) = (person.owners.last().cloned(), person.is_opted_out());
        let mut made = None;
        match &write.effect {
            Effect::Create { .. } => {}
            Effect::SetOwner { owner, expected } => {
                if person.owner() == Some(owner) {
                    return Outcome::Done(Done { at: Some(now), ..Done::default() });
                }
                if person.owner() != expected.as_ref() {
                    return Outcome::Superseded { found: "another owner".to_owned() };
                }
                person.owners.push(OwnerEntry { owner: Some(owner.clone()), at: now, by: Author::Baton });
            }
            Effect::SetStage { stage, .. } => {
                if person.stages.last().is_none_or(|entry| entry.stage != *stage) {
                    person.stages.push(StageEntry { stage: *stage, at: now, by: Author::Baton });
                }
            }
            Effect::SetScore(_) | Effect::SetHandoff(_) => {}
            Effect::AddTask { .. } => made = Some(Object::Task),
            Effect::AddNote { .. } => made = Some(Object::Note),
            Effect::JoinTrack(track) => {
                if was_opted_out {
                    return Outcome::Refused { message: "opted out".to_owned() };
                }
                person.tracks.insert(track.clone());
            }
            Effect::LeaveTrack(track) => drop(person.tracks.remove(track)),
            // Nobody takes anything back in these lives.
            Effect::Restore { .. } | Effect::Withdraw { .. } => {}
            Effect::Reject(reason) => {
                let word = Word::Rejected { reason: Some(reason.clone()), said: Some(reason.clone()) };
                person.disposition = Some(Disposition { word, at: now, by: Author::Baton });
            }
        }
        person.modified = now;
        self.note(write, &id, before, was_opted_out);
        self.changed(Object::Person, &id, now);
        let made = made.map(|object| {
            let id = self.new_id();
            RecordRef { connection: connection.clone(), object, id }
        });
        if let Some(made) = &made {
            self.marks.insert(write.op, made.clone());
        }
        Outcome::Done(Done { made, at: Some(now), ..Done::default() })
    }

    fn create(&mut self, connection: &ConnectionId, write: &Write, person: &NewPerson<'_>, now: Timestamp) -> Outcome {
        let NewPerson { values, owner, is_new_journey, not } = *person;
        let email = values.iter().find(|(field, _)| *field == Field::Email).map(|(_, value)| value);
        let fits = |person: &Person| {
            let same = person.values.get(&Field::Email).map(|(value, _)| value) == email && email.is_some();
            !person.is_gone && (person.own == Some(write.lead) || same)
        };
        let known = self.people.iter().filter(|(_, person)| fits(person)).map(|(id, _)| id.clone()).next_back();
        let known = known.filter(|id| !not.contains(id) && (!is_new_journey || self.people[id].disposition.is_none()));
        let id = if let Some(id) = known {
            id
        } else {
            let id = self.new_id();
            let values = values.iter().map(|(field, value)| (*field, (value.clone(), now)));
            let values = values.filter(|(field, _)| !field.name().starts_with("company."));
            let mut person = blank(now, values.collect(), None);
            person.own = Some(write.lead);
            self.people.insert(id.clone(), person);
            self.note(write, &id, None, false);
            id
        };
        let person = self.people.get_mut(&id).expect("it was found or made");
        if let Some(owner) = owner.filter(|owner| person.owner() != Some(owner)) {
            person.owners.push(OwnerEntry { owner: Some(owner.clone()), at: now, by: Author::Baton });
        }
        person.own = person.own.or(Some(write.lead));
        person.modified = now;
        self.changed(Object::Person, &id, now);
        let made = RecordRef { connection: connection.clone(), object: Object::Person, id };
        self.marks.insert(write.op, made.clone());
        Outcome::Done(Done { made: Some(made), at: Some(now), ..Done::default() })
    }

    fn note(&mut self, write: &Write, id: &RemoteId, before: Option<OwnerEntry>, was_opted_out: bool) {
        self.ledger.push(Entry {
            op: write.op,
            effect: write.effect.clone(),
            handoff: write.handoff,
            record: id.clone(),
            before,
            was_opted_out,
        });
    }

    /// Is what the write wants the case?
    fn effect_of(&self, addressed: &Addressed) -> Option<Done> {
        let write = &addressed.write;
        if let Some(made) = self.marks.get(&write.op) {
            return Some(Done { made: Some(made.clone()), ..Done::default() });
        }
        let person = self.people.get(&addressed.record.as_ref()?.id).filter(|person| !person.is_gone)?;
        let is_so = match &write.effect {
            Effect::Create { .. } | Effect::AddTask { .. } | Effect::AddNote { .. } => false,
            Effect::SetOwner { owner, .. } => person.owner() == Some(owner),
            Effect::SetStage { stage, .. } => person.stages.last().is_some_and(|entry| entry.stage == *stage),
            Effect::SetScore(_) | Effect::SetHandoff(_) => self.ledger.iter().any(|entry| entry.op == write.op),
            Effect::JoinTrack(track) => person.tracks.contains(track),
            Effect::LeaveTrack(track) => !person.tracks.contains(track),
            Effect::Reject(_) | Effect::Restore { .. } | Effect::Withdraw { .. } => {
                self.ledger.iter().any(|entry| entry.op == write.op)
            }
        };
        is_so.then(Done::default)
    }
}

fn seen(connection: &ConnectionId, person: &Person) -> PersonSeen {
    let values =
        person.values.iter().map(|(field, (value, at))| Known { field: *field, value: value.clone(), at: *at });
    let email = person.values.get(&Field::Email).and_then(|(value, _)| email_key(value.as_text()?));
    let external = person.external.as_ref().map(|(connection, id)| external_key(connection, id));
    let company = person.company.as_ref();
    PersonSeen {
        created: person.created,
        values: values.collect(),
        keys: email.into_iter().chain(person.own.map(own_key)).chain(external).collect(),
        merged: person.merged.clone(),
        company: Some(company.map(|id| RecordRef::new(connection, Object::Company, id.clone()))),
        stages: person.stages.clone(),
        owners: person.owners.clone(),
        disposition: person.disposition.clone(),
        signals: person.signals.clone(),
        scores: Vec::new(),
        has_history: true,
    }
}

/// What a new record shall say.
#[derive(Clone, Copy)]
struct NewPerson<'a> {
    values: &'a [(Field, Value)],
    owner: Option<&'a RemoteId>,
    is_new_journey: bool,
    not: &'a [RemoteId],
}

/// Where the feed of a stream was left: everything up to `done`, and in the window up to `to` everything up to `after`.
#[derive(Clone, Debug, Default)]
struct Place {
    done: Option<i64>,
    to: i64,
    after: String,
}

impl Place {
    fn read(cursor: &Cursor) -> Self {
        let parts: Vec<&str> = cursor.0.split('|').collect();
        match parts[..] {
            [done, to, after] => Self { done: done.parse().ok(), to: to.parse().unwrap_or(0), after: after.to_owned() },
            _ => Self::default(),
        }
    }

    fn write(&self) -> Cursor {
        let done = self.done.map_or_else(String::new, |done| done.to_string());
        Cursor(format!("{done}|{}|{}", self.to, self.after))
    }
}

#[async_trait]
impl Connector for Model {
    fn id(&self) -> &ConnectionId {
        &self.id
    }

    fn ability(&self) -> Ability {
        let tracks = if self.is_sales { Vec::new() } else { ["next-quarter", "re-engage"].map(Name::from).to_vec() };
        Ability {
            connection: self.id.clone(),
            stages: if self.is_sales { Vec::new() } else { Stage::ALL.to_vec() },
            score: !self.is_sales,
            handoff: true,
            tracks,
            reasons: ["bad_timing", "no_response", "bad_fit"].map(Name::from).to_vec(),
            rejects: self.is_sales,
            stage_back: false,
        }
    }

    fn streams(&self) -> &[Stream] {
        &self.streams
    }

    async fn describe(&self) -> Result<Description, ConnectorError> {
        Ok(Description::default())
    }

    async fn pull(&self, stream: &Stream, after: &Cursor, _: Timestamp) -> Result<Page, ConnectorError> {
        let now = self.clock.now();
        self.apply_late(now);
        let mut state = self.lock();
        if let Some(error) = self.trouble(&mut state) {
            return Err(error);
        }
        let mut place = Place::read(after);
        if place.to == 0 {
            place.to = (now - SETTLE).as_millisecond();
        }
        let from = place.done.map_or(i64::MIN, |done| done - OVERLAP.as_secs() * 1_000);
        let wanted = |object: Object| (object == Object::Call) == (stream.object == Object::Call);
        let key = |fed: &Fed| format!("{}{}", fed.object.as_str(), fed.id);
        let mut shown: Vec<(String, Object, RemoteId)> = state
            .feed
            .iter()
            .filter(|fed| wanted(fed.object) && fed.visible_at <= now)
            .filter(|fed| (from..=place.to).contains(&fed.stamp.as_millisecond()))
            .map(|fed| (key(fed), fed.object, fed.id.clone()))
            .filter(|(key, _, _)| *key > place.after)
            .collect();
        shown.sort();
        shown.dedup();
        let size = state.rng.usize(2..9);
        let has_more = shown.len() > size;
        shown.truncate(size);
        let State { rng, faults, .. } = &mut *state;
        let is_twice = faults.strikes(rng, Fault::PageTwice);
        if let Some((key, _, _)) = shown.last() {
            place.after.clone_from(key);
        }
        let mut observations: Vec<Observation> =
            shown.iter().map(|(_, object, id)| state.observe(&self.id, *object, id)).collect();
        if is_twice {
            observations.extend(observations.clone());
        }
        if !has_more {
            place = Place { done: Some(place.to), to: 0, after: String::new() };
        }
        let covered_until = place.done.and_then(|done| Timestamp::from_millisecond(done).ok());
        Ok(Page { observations, next: place.write(), has_more, covered_until, findings: Vec::new() })
    }

    async fn read(&self, refs: &[RecordRef]) -> Result<Vec<Observation>, ConnectorError> {
        let mut state = self.lock();
        if let Some(error) = self.trouble(&mut state) {
            return Err(error);
        }
        Ok(refs.iter().map(|of| state.observe(&self.id, of.object, &of.id)).collect())
    }

    async fn read_around(&self, people: &[RecordRef]) -> Result<Around, ConnectorError> {
        let mut state = self.lock();
        if let Some(error) = self.trouble(&mut state) {
            return Err(error);
        }
        let around = state.touches.iter().filter(|(_, (_, touch))| people.contains(&touch.person));
        let ids: Vec<RemoteId> = around.map(|(id, _)| id.clone()).collect();
        let observations = ids.iter().map(|id| state.observe(&self.id, Object::Call, id)).collect();
        Ok(Around { observations, ..Around::default() })
    }

    async fn push(&self, writes: &[Addressed], _: &dyn Before) -> Vec<(OperationId, Outcome)> {
        let now = self.clock.now();
        self.apply_late(now);
        let mut outcomes = Vec::new();
        for addressed in writes {
            let op = addressed.write.op;
            let dies = {
                let mut state = self.lock();
                state.attempted.insert(op, now);
                let outcome = state.answer(&self.id, addressed, now);
                match outcome {
                    Answer::Nothing => false,
                    Answer::Outcome(outcome) => {
                        outcomes.push((op, outcome));
                        false
                    }
                    Answer::Death => true,
                }
            };
            if dies {
                self.dies.notify_one();
                std::future::pending::<()>().await;
            }
        }
        outcomes
    }

    async fn find_effect(&self, write: &Addressed) -> Result<Option<Done>, ConnectorError> {
        let now = self.clock.now();
        self.apply_late(now);
        let mut state = self.lock();
        if let Some(error) = self.trouble(&mut state) {
            return Err(error);
        }
        let found = state.effect_of(write);
        let may_come = state.attempted.get(&write.write.op).is_some_and(|at| now < *at + REQUEST_LIVES);
        if found.is_none() && may_come {
            return Err(self.unavailable("the request may still be under way"));
        }
        Ok(found)
    }

    fn budgets(&self) -> Vec<BudgetView> {
        Vec::new()
    }

    async fn choices(&self) -> Result<Description, ConnectorError> {
        Ok(Description::default())
    }

    async fn ensure(&self, _: &Requirement, _: Making) -> Result<Option<Ensured>, ConnectorError> {
        Ok(None)
    }
}

/// What the other end hears of a write.
enum Answer {
    Outcome(Outcome),
    /// The answer does not name it.
    Nothing,
    /// The process dies before it hears anything.
    Death,
}

impl State {
    fn answer(&mut self, connection: &ConnectionId, addressed: &Addressed, now: Timestamp) -> Answer {
        let strike = |state: &mut Self, fault| {
            let Self { rng, faults, .. } = state;
            faults.strikes(rng, fault)
        };
        let unknown = |message: &str| Answer::Outcome(Outcome::Unknown { message: message.to_owned() });
        if strike(self, Fault::WriteLimited) {
            let after = Some(std::time::Duration::from_secs(1));
            return Answer::Outcome(Outcome::Again { after, counts: false, message: "429".to_owned() });
        }
        if strike(self, Fault::WriteUnsent) {
            return Answer::Outcome(Outcome::Again { after: None, counts: true, message: "no connection".to_owned() });
        }
        if strike(self, Fault::WriteRefused) {
            return Answer::Outcome(Outcome::Refused { message: "400".to_owned() });
        }
        if strike(self, Fault::LostBefore) {
            return unknown("timeout");
        }
        let makes =
            matches!(addressed.write.effect, Effect::Create { .. } | Effect::AddTask { .. } | Effect::AddNote { .. });
        if makes && strike(self, Fault::LateEffect) {
            let at = now + SignedDuration::from_secs(self.rng.i64(5..110));
            self.late.push((at, addressed.clone()));
            return unknown("timeout");
        }
        let outcome = self.apply(connection, addressed, now);
        if strike(self, Fault::DiesAfterEffect) {
            return Answer::Death;
        }
        if strike(self, Fault::LostAfter) {
            return unknown("504");
        }
        if strike(self, Fault::NotNamed) {
            return Answer::Nothing;
        }
        Answer::Outcome(outcome)
    }
}
