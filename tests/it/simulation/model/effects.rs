//! What writes do to the model CRM, what its own workflows do about it, and what of all that is heard.

use baton::connector::{Addressed, Done, Outcome};
use baton::domain::field::{Field, Value};
use baton::domain::id::{ConnectionId, Name, Object, RecordRef, RemoteId};
use baton::domain::plan::{Effect, Write};
use baton::domain::record::{Author, Disposition, OwnerEntry, Word};
use baton::domain::stage::{Stage, StageEntry};
use jiff::{SignedDuration, Timestamp};

use super::super::faults::{Fault, Met};
use super::{Entry, Person, State, blank};

/// What a workflow does about a write of Baton's, a little later.
#[derive(Clone, Debug)]
pub(super) enum Reaction {
    Owner(RemoteId),
    Stage(Stage),
}

/// Who owned a record before a write.
#[derive(Default)]
struct Before {
    owner: Option<OwnerEntry>,
    was_shown: bool,
}

impl State {
    /// What a write does to this CRM; the look before it is part of the request, as in every connector.
    pub(super) fn apply(&mut self, connection: &ConnectionId, addressed: &Addressed, now: Timestamp) -> Outcome {
        let write = &addressed.write;
        if let Effect::Create { values, owner, is_new_journey, not } = &write.effect {
            let person = NewPerson { values, owner: owner.as_ref(), is_new_journey: *is_new_journey, not };
            return self.create(connection, write, &person, now);
        }
        let Some(record) = addressed.record.as_ref() else {
            return Outcome::Refused { message: "no record".to_owned() };
        };
        let id = record.id.clone();
        // What is only shown waits in the last lane: its look finds nobody and refuses it.
        let is_shown = matches!(write.effect, Effect::SetScore(_) | Effect::SetHandoff(_));
        if let Some(told) = self.told_gone.get(&id).filter(|_| !is_shown)
            && self.people.get(&id).is_some_and(|person| person.is_gone)
        {
            let what = write.effect.as_str();
            self.broken
                .push(format!("{what} {} was written to {id} at {now}, which was shown as gone at {told}", write.op));
        }
        let Some(person) = self.people.get_mut(&id).filter(|person| !person.is_gone) else {
            return Outcome::Refused { message: "404".to_owned() };
        };
        let was_opted_out = person.is_opted_out();
        let was_shown = self.owners_shown.get(&id).is_some_and(|shown| *shown >= person.owners.len());
        let before = Before { owner: person.owners.last().cloned(), was_shown };
        let mut made = None;
        match &write.effect {
            Effect::Create { .. } => {}
            Effect::SetOwner { owner, expected } => {
                if person.owner() == Some(owner) {
                    return Outcome::Done(Done { at: Some(now), ..Done::default() });
                }
                if person.owner() != expected.as_ref() {
                    self.faults.met(Met::OwnerOfSomebodyElse);
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
        self.provoke(&id, &write.effect, now);
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
        let is_found = known.is_some();
        let id = if let Some(id) = known {
            self.faults.met(Met::CreateFoundRecord);
            id
        } else {
            let id = self.new_id();
            let values = values.iter().map(|(field, value)| (*field, (value.clone(), now)));
            let values = values.filter(|(field, _)| !field.name().starts_with("company."));
            let mut person = blank(now, values.collect(), None);
            person.own = Some(write.lead);
            self.people.insert(id.clone(), person);
            self.note(write, &id, Before::default(), false);
            id
        };
        let person = self.people.get_mut(&id).expect("it was found or made");
        // An owner who is there was somebody's choice.
        if let Some(owner) = owner.filter(|_| !is_found || person.owner().is_none()) {
            person.owners.push(OwnerEntry { owner: Some(owner.clone()), at: now, by: Author::Baton });
        }
        person.own = person.own.or(Some(write.lead));
        person.modified = now;
        self.changed(Object::Person, &id, now);
        self.provoke(&id, &write.effect, now);
        let made = RecordRef { connection: connection.clone(), object: Object::Person, id };
        self.marks.insert(write.op, made.clone());
        Outcome::Done(Done { made: Some(made), at: Some(now), ..Done::default() })
    }

    fn note(&mut self, write: &Write, id: &RemoteId, before: Before, was_opted_out: bool) {
        self.ledger.push(Entry {
            op: write.op,
            effect: write.effect.clone(),
            lead: write.lead,
            handoff: write.handoff,
            record: id.clone(),
            before: before.owner,
            was_shown: before.was_shown,
            was_opted_out,
        });
    }

    /// A workflow that wants something else than Baton sets it back a little later, again and again.
    fn provoke(&mut self, id: &RemoteId, effect: &Effect, now: Timestamp) {
        let at = now + SignedDuration::from_secs(self.rng.i64(1..90));
        let Some(person) = self.people.get(id) else { return };
        let favourite = self.users.keys().nth(1).cloned();
        let Self { rng, faults, .. } = self;
        let reaction = match effect {
            Effect::Create { .. } | Effect::SetOwner { .. } => favourite
                .filter(|favourite| person.owner() != Some(favourite))
                .filter(|_| faults.strikes(rng, Fault::OwnerFought))
                .map(Reaction::Owner),
            Effect::SetStage { .. } => {
                let before = person.stages.len().checked_sub(2).map(|place| person.stages[place].stage);
                before.filter(|_| faults.strikes(rng, Fault::StageFought)).map(Reaction::Stage)
            }
            Effect::SetScore(_)
            | Effect::SetHandoff(_)
            | Effect::AddTask { .. }
            | Effect::AddNote { .. }
            | Effect::JoinTrack(_)
            | Effect::LeaveTrack(_)
            | Effect::Reject(_)
            | Effect::Restore { .. }
            | Effect::Withdraw { .. } => None,
        };
        self.reactions.extend(reaction.map(|reaction| (at, id.clone(), reaction)));
    }

    /// Workflows whose time has come.
    pub(super) fn react(&mut self, until: Timestamp) {
        let (due, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.reactions).into_iter().partition(|(at, ..)| *at <= until);
        self.reactions = rest;
        for (at, id, reaction) in due {
            let Some(person) = self.people.get_mut(&id).filter(|person| !person.is_gone) else { continue };
            let by = Author::Automation(Name::from("assignment rule"));
            // Something else happened meanwhile: a ledger is in the order of time.
            let last = person.owners.last().map(|entry| entry.at).max(person.stages.last().map(|entry| entry.at));
            let at = Some(at).max(last).unwrap_or(at);
            match reaction {
                Reaction::Owner(owner) => person.own_by(OwnerEntry { owner: Some(owner), at, by }),
                Reaction::Stage(stage) => person.stages.push(StageEntry { stage, at, by }),
            }
            person.modified = person.modified.max(at);
            let modified = person.modified;
            self.changed(Object::Person, &id, modified);
        }
    }

    /// Is what the write wants the case?
    pub(super) fn effect_of(&self, addressed: &Addressed) -> Option<Done> {
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

/// What a new record shall say.
#[derive(Clone, Copy)]
struct NewPerson<'a> {
    values: &'a [(Field, Value)],
    owner: Option<&'a RemoteId>,
    is_new_journey: bool,
    not: &'a [RemoteId],
}

/// What the other end hears of a write.
pub(super) enum Answer {
    Outcome(Outcome),
    /// The answer does not name it.
    Nothing,
    /// The process dies before it hears anything.
    Death,
}

impl State {
    pub(super) fn answer(&mut self, connection: &ConnectionId, addressed: &Addressed, now: Timestamp) -> Answer {
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
