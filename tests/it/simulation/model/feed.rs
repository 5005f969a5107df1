//! What the model CRM tells: feeds that lag, lose and drift, pages, a walk over everything, webhooks.

use std::collections::BTreeMap;

use baton::connector::hook::{Event, Knock, Refusal};
use baton::connector::{ConnectorError, Cursor, Page, Stream, Walked};
use baton::domain::field::{Field, Known, Value};
use baton::domain::id::{ConnectionId, Object, RecordRef, RemoteId};
use baton::domain::identity::{email_key, external_key, own_key};
use baton::domain::observation::{CompanySeen, Content, Observation, PersonSeen};
use jiff::{SignedDuration, Timestamp};

use super::super::faults::{Fault, Met};
use super::{Model, Person, Shown, State};

/// The feed is asked again for so long before where it stood.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);
/// The feed is not asked for what is younger.
const SETTLE: SignedDuration = SignedDuration::from_secs(10);
/// Records on one page of a walk.
const WALKED_MAX: usize = 6;

/// One version of an object as the index has it: found under the time `stamp`, from `visible_at` on.
#[derive(Clone, Copy, Debug)]
struct Version {
    stamp: Timestamp,
    visible_at: Timestamp,
}

/// The index behind the feed: of each object the versions, oldest first; only the newest that is visible counts, so that a
/// record which changes while pages are read leaves the window it stood in.
#[derive(Debug, Default)]
pub(super) struct Index(BTreeMap<String, (Object, RemoteId, Vec<Version>)>);

impl Index {
    fn add(&mut self, object: Object, id: &RemoteId, version: Version) {
        let key = format!("{}{id}", object.as_str());
        self.0.entry(key).or_insert_with(|| (object, id.clone(), Vec::new())).2.push(version);
    }

    /// What lies in the window behind `after`, in the order of keys, each with its time.
    fn window(
        &self,
        now: Timestamp,
        (from, to): (i64, i64),
        after: &str,
        wanted: impl Fn(Object) -> bool,
    ) -> Vec<(String, Object, RemoteId, i64)> {
        let newest = |versions: &[Version]| versions.iter().rfind(|version| version.visible_at <= now).copied();
        let rest = self.0.range::<str, _>((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded));
        rest.filter(|(_, (object, ..))| wanted(*object))
            .filter_map(|(key, (object, id, versions))| {
                Some((key, object, id, newest(versions)?.stamp.as_millisecond()))
            })
            .filter(|(.., stamp)| (from..=to).contains(stamp))
            .map(|(key, object, id, stamp)| (key.clone(), *object, id.clone(), stamp))
            .collect()
    }
}

impl State {
    /// The feed learns of a change: at once, or after the index has caught up, or under an earlier time, as a long
    /// transaction does, or never. A webhook is sent beside it.
    pub(super) fn changed(&mut self, object: Object, id: &RemoteId, now: Timestamp) {
        let Self { rng, faults, .. } = self;
        let is_walked = matches!(object, Object::Person | Object::Call);
        let lag = if faults.strikes(rng, Fault::IndexLag) { rng.i64(1..240) } else { 0 };
        let late = if faults.strikes(rng, Fault::LateCommit) { rng.i64(1..200) } else { 0 };
        let is_lost = is_walked && faults.strikes(rng, Fault::FeedLoses);
        if object == Object::Person && self.has_hooks {
            self.hooks.push(id.clone());
        }
        if !is_lost {
            self.show(object, id, now, now + SignedDuration::from_secs(lag + late));
        }
    }

    pub(super) fn show(&mut self, object: Object, id: &RemoteId, stamp: Timestamp, visible_at: Timestamp) {
        self.index.add(object, id, Version { stamp, visible_at });
    }

    /// The object as it is, however long ago it changed.
    pub(super) fn observe(
        &mut self,
        connection: &ConnectionId,
        (object, id): (Object, &RemoteId),
        now: Timestamp,
    ) -> Observation {
        let of = RecordRef { connection: connection.clone(), object, id: id.clone() };
        let (modified, content) = match object {
            Object::Person => match self.people.get(id) {
                Some(person) if !person.is_gone => {
                    self.showing.push((id.clone(), Shown::Owners(person.owners.len())));
                    (person.modified, seen(connection, person))
                }
                gone => {
                    let at = gone.map_or(Timestamp::UNIX_EPOCH, |person| person.modified);
                    self.showing.push((id.clone(), Shown::Gone(now)));
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

    /// The object as a page of the feed shows it: a reader behind the writer may still have the version before.
    fn observe_page(
        &mut self,
        connection: &ConnectionId,
        object: Object,
        id: &RemoteId,
        now: Timestamp,
    ) -> Observation {
        let stale = self.stale.get(id).filter(|(until, _)| object == Object::Person && now < *until);
        let Some((_, person)) = stale else { return self.observe(connection, (object, id), now) };
        let of = RecordRef { connection: connection.clone(), object, id: id.clone() };
        Observation { of, modified: person.modified, content: seen(connection, person), findings: Vec::new() }
    }

    /// Somebody changes a record that a later page was about to show.
    fn drift(&mut self, rest: &[(String, Object, RemoteId, i64)], now: Timestamp) {
        let people: Vec<&RemoteId> =
            rest.iter().filter(|(_, object, ..)| *object == Object::Person).map(|(_, _, id, _)| id).collect();
        if people.is_empty() || !self.faults.strikes(&mut self.rng, Fault::PageDrifts) {
            return;
        }
        let id = people[self.rng.usize(..people.len())].clone();
        let title = format!("Head of {}", self.rng.u16(..));
        let Some(person) = self.people.get_mut(&id).filter(|person| !person.is_gone) else { return };
        person.values.insert(Field::Title, (Value::text(&title).expect("a text"), now));
        person.modified = now;
        self.changed(Object::Person, &id, now);
    }
}

fn seen(connection: &ConnectionId, person: &Person) -> Content {
    let values =
        person.values.iter().map(|(field, (value, at))| Known { field: *field, value: value.clone(), at: *at });
    let email = person.values.get(&Field::Email).and_then(|(value, _)| email_key(value.as_text()?));
    let external = person.external.as_ref().map(|(connection, id)| external_key(connection, id));
    let company = person.company.as_ref();
    Content::Person(Box::new(PersonSeen {
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
    }))
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

impl Model {
    pub(super) fn page(&self, stream: &Stream, after: &Cursor) -> Result<Page, ConnectorError> {
        let now = self.clock.now();
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
        let mut shown = state.index.window(now, (from, place.to), &place.after, wanted);
        let size = state.rng.usize(2..9);
        let rest = shown.split_off(shown.len().min(size));
        if let (Some((.., last)), Some((.., next))) = (shown.last(), rest.first())
            && last == next
        {
            state.faults.met(Met::PageBetweenEqualTimes);
        }
        if let Some((key, ..)) = shown.last() {
            place.after.clone_from(key);
        }
        let mut observations: Vec<Observation> =
            shown.iter().map(|(_, object, id, _)| state.observe_page(&self.id, *object, id, now)).collect();
        let State { rng, faults, .. } = &mut *state;
        if faults.strikes(rng, Fault::PageTwice) {
            observations.extend(observations.clone());
        }
        if rest.is_empty() {
            place = Place { done: Some(place.to), to: 0, after: String::new() };
        } else {
            state.drift(&rest, now);
        }
        let covered_until = place.done.and_then(|done| Timestamp::from_millisecond(done).ok());
        let has_more = !rest.is_empty();
        Ok(Page { observations, next: place.write(), has_more, covered_until, findings: Vec::new() })
    }

    /// A page of everything, in the order of ids.
    pub(super) fn walked(&self, stream: &Stream, from: Option<&RemoteId>) -> Result<Option<Walked>, ConnectorError> {
        let now = self.clock.now();
        let mut state = self.lock();
        if let Some(error) = self.trouble(&mut state) {
            return Err(error);
        }
        let is_touches = stream.object == Object::Call;
        let object = if is_touches { Object::Call } else { Object::Person };
        let live = |state: &State, id: &RemoteId| is_touches || !state.people[id].is_gone;
        let ids: Vec<RemoteId> =
            if is_touches { state.touches.keys().cloned().collect() } else { state.people.keys().cloned().collect() };
        let mut ids: Vec<RemoteId> =
            ids.into_iter().filter(|id| from.is_none_or(|from| id >= from) && live(&state, id)).collect();
        let next = ids.get(WALKED_MAX).cloned();
        ids.truncate(WALKED_MAX);
        let observations = ids.iter().map(|id| state.observe(&self.id, (object, id), now)).collect();
        let objects: &'static [Object] = if is_touches { &[Object::Call] } else { &[Object::Person] };
        Ok(Some(Walked { observations, findings: Vec::new(), objects, span: None, next }))
    }

    /// Webhooks that were sent since the last look, each as the body of a request.
    pub(in super::super) fn hooks(&self) -> Vec<Vec<u8>> {
        let mut state = self.lock();
        let sent = std::mem::take(&mut state.hooks);
        let mut bodies = Vec::new();
        for id in sent {
            let State { rng, faults, .. } = &mut *state;
            if faults.strikes(rng, Fault::HookLost) {
                continue;
            }
            if faults.strikes(rng, Fault::HookLate) {
                state.hooks.push(id);
                continue;
            }
            let copies = if faults.strikes(rng, Fault::HookTwice) { 2 } else { 1 };
            state.hooks_sent += 1;
            let body = format!("{} {id}", state.hooks_sent).into_bytes();
            bodies.extend(std::iter::repeat_n(body, copies));
        }
        bodies
    }

    pub(super) fn heard(&self, knock: &Knock) -> Result<Vec<Event>, Refusal> {
        let body = String::from_utf8_lossy(&knock.body);
        let (key, id) = body.split_once(' ').ok_or_else(|| Refusal::Unreadable("the body".to_owned()))?;
        let of = self.of(Object::Person, &RemoteId::from(id));
        Ok(vec![Event { key: key.to_owned(), of, around: false }])
    }
}
