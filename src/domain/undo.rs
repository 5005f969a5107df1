//! Taking a write back: what that asks for, and where it is not done because somebody has touched the record since.

use jiff::{SignedDuration, Timestamp};

use super::id::{Name, RecordRef, RemoteId};
use super::plan::{Effect, Was, Write};
use super::record::{Author, PersonRecord, Word};

/// Our own entry in a record's history may be later than our receipt's time by so much: clocks differ, and answers take time.
const ECHO_WITHIN: SignedDuration = SignedDuration::from_mins(2);

/// A write that took effect.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// The write.
    pub write: Write,
    /// When it was settled.
    pub at: Timestamp,
    /// What it made.
    pub made: Option<RecordRef>,
    /// What it replaced.
    pub was: Vec<Was>,
}

/// What is done about a write that shall be taken back.
#[derive(Clone, Debug, PartialEq)]
pub enum Undo {
    /// This is written.
    Write(Effect),
    /// It is left as it is, for this reason.
    Left(String),
}

/// What taking `done` back asks for, given the record as the CRM has it now (`None` if it is gone).
#[must_use]
pub fn undo(done: &Done, now: Option<&PersonRecord>) -> Undo {
    let of = done.write.op;
    match &done.write.effect {
        Effect::Create { .. } if done.was.is_empty() => {
            let why = "the record that was made, or found and taken, is left: delete it in the CRM if it must go";
            return Undo::Left(why.to_owned());
        }
        Effect::AddNote { .. } => return Undo::Left("the note is left: it says what happened".to_owned()),
        Effect::Restore { .. } | Effect::Withdraw { .. } => {
            return Undo::Left("it took another write back; to have that again, decide it again".to_owned());
        }
        // What it gave a record that it found is taken back from it like any other value.
        Effect::Create { .. }
        | Effect::SetOwner { .. }
        | Effect::SetStage { .. }
        | Effect::SetScore(_)
        | Effect::SetHandoff(_)
        | Effect::AddTask { .. }
        | Effect::JoinTrack(_)
        | Effect::LeaveTrack(_)
        | Effect::Reject(_) => {}
    }
    let Some(record) = now.filter(|record| record.is_live()) else {
        return Undo::Left("the record is gone".to_owned());
    };
    if let Some(who) = touched_since(record, done) {
        return Undo::Left(who);
    }
    if let (Effect::AddTask { .. }, Some(task)) = (&done.write.effect, &done.made) {
        return Undo::Write(Effect::Withdraw { of, task: task.clone() });
    }
    if done.was.is_empty() {
        return Undo::Left("it changed nothing, or what it replaced is not known".to_owned());
    }
    match &done.write.effect {
        Effect::JoinTrack(track) => Undo::Write(Effect::LeaveTrack(track.clone())),
        Effect::LeaveTrack(track) => Undo::Write(Effect::JoinTrack(track.clone())),
        _ => Undo::Write(Effect::Restore { of, values: done.was.clone() }),
    }
}

/// Who changed owner or stage of the record, or spoke of it, since `done` took effect, in words.
fn touched_since(record: &PersonRecord, done: &Done) -> Option<String> {
    let wrote = match &done.write.effect {
        Effect::SetOwner { owner, .. } => Some(owner),
        Effect::Create { owner, .. } => owner.as_ref(),
        _ => None,
    };
    let owners =
        record.owners.iter().filter(|entry| !is_echo(&entry.by, entry.owner.as_ref(), wrote, entry.at, done.at));
    let owners = owners.map(|entry| {
        let to = entry.owner.as_ref().map_or_else(|| "nobody".to_owned(), |owner| format!("user {owner}"));
        (entry.at, &entry.by, format!("made {to} the owner"))
    });
    let stages = record.stages.iter().filter(|entry| entry.by != Author::Baton);
    let is_ours = |by: &Author, at: Timestamp| {
        let tells = matches!(done.write.effect, Effect::SetStage { .. } | Effect::Reject(_));
        tells && *by == Author::Unknown && at <= done.at + ECHO_WITHIN
    };
    let stages = stages.filter(|entry| !is_ours(&entry.by, entry.at));
    let stages = stages.map(|entry| (entry.at, &entry.by, format!("set {}", entry.stage)));
    let words = record.disposition.iter().filter(|said| said.by != Author::Baton && !is_ours(&said.by, said.at));
    let words = words.map(|said| {
        let what = match &said.word {
            Word::Accepted => "accepted the lead".to_owned(),
            Word::Rejected { .. } => "gave the lead back".to_owned(),
        };
        (said.at, &said.by, what)
    });
    let since = owners.chain(stages).chain(words).filter(|(at, _, _)| *at > done.at);
    let (at, by, what) = since.max_by_key(|(at, _, _)| *at)?;
    Some(format!("{} {what} at {at:.0}", author(by)))
}

/// Is this our own write, come back under our name, or under nobody's?
fn is_echo(by: &Author, owner: Option<&RemoteId>, wrote: Option<&RemoteId>, at: Timestamp, done: Timestamp) -> bool {
    match by {
        Author::Baton => true,
        Author::Unknown => wrote.is_some() && owner == wrote && at <= done + ECHO_WITHIN,
        Author::Person(_) | Author::Automation(_) => false,
    }
}

fn author(by: &Author) -> String {
    match by {
        Author::Person(Some(user)) => format!("user {user}"),
        Author::Person(None) => "a person".to_owned(),
        Author::Automation(name) => name.to_string(),
        Author::Baton => "Baton".to_owned(),
        Author::Unknown => "somebody".to_owned(),
    }
}

/// The reason under which a hand-off ends whose owner was taken back.
#[must_use]
pub fn ends() -> Name {
    Name::from("taken back by a person")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{ConnectionId, LeadId, Object, OperationId};
    use crate::domain::lead::Points;
    use crate::domain::plan::Lane;
    use crate::domain::record::{Link, LinkRule, OwnerEntry, Presence};
    use crate::domain::stage::{Stage, StageEntry};

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_795_510_800 + 60 * minute).unwrap()
    }

    fn done(effect: Effect, was: Vec<Was>, made: Option<RecordRef>) -> Done {
        let write = Write {
            op: OperationId::of(&["x"]),
            lead: LeadId(1),
            handoff: Some(1),
            connection: ConnectionId::from("hubspot"),
            record: None,
            lane: Lane::Assign,
            effect,
            because: String::new(),
        };
        Done { write, at: at(10), made, was }
    }

    fn record(owners: &[(&str, i64, Author)], stages: &[(Stage, i64, Author)]) -> PersonRecord {
        PersonRecord {
            of: RecordRef::new(&ConnectionId::from("hubspot"), Object::Person, "1"),
            link: Link { lead: LeadId(1), rule: LinkRule::First, at: at(0) },
            modified: at(0),
            created: at(0),
            presence: Presence::Live,
            values: Vec::new(),
            keys: Vec::new(),
            company: None,
            stages: stages
                .iter()
                .map(|(stage, m, by)| StageEntry { stage: *stage, at: at(*m), by: by.clone() })
                .collect(),
            owners: owners
                .iter()
                .map(|(owner, m, by)| OwnerEntry { owner: Some(RemoteId::from(*owner)), at: at(*m), by: by.clone() })
                .collect(),
            disposition: None,
            signals: Vec::new(),
            scores: Vec::new(),
            company_since: None,
            has_history: true,
        }
    }

    fn was() -> Vec<Was> {
        vec![Was { name: Name::from("owner"), before: Some(Name::from("9")), after: Some(Name::from("11")) }]
    }

    fn owner() -> Effect {
        Effect::SetOwner { owner: RemoteId::from("11"), expected: Some(RemoteId::from("9")) }
    }

    #[test]
    fn what_a_create_gave_a_record_that_it_found_is_taken_back_and_a_made_one_is_left() {
        let create = |was: Vec<Was>| {
            let owner = Some(RemoteId::from("7"));
            done(Effect::Create { values: Vec::new(), owner, is_new_journey: false, not: Vec::new() }, was, None)
        };
        let record = record(&[("7", 10, Author::Unknown)], &[]);
        let was = vec![Was { name: "user_id".into(), before: None, after: Some("7".into()) }];
        let found = create(was.clone());
        let of = found.write.op;
        assert_eq!(undo(&found, Some(&record)), Undo::Write(Effect::Restore { of, values: was }));
        let Undo::Left(why) = undo(&create(Vec::new()), Some(&record)) else { panic!("a record is never deleted") };
        assert!(why.contains("made, or found"), "{why}");
    }

    #[test]
    fn a_write_is_taken_back_only_where_nobody_touched_the_record_since() {
        let restore = Undo::Write(Effect::Restore { of: OperationId::of(&["x"]), values: was() });
        let left = |words: &str| Undo::Left(words.to_owned());
        let person = || Author::Person(Some(RemoteId::from("7")));
        let flow = || Author::Automation(Name::from("Workflow 7"));
        let check = |name: &str, record: Option<PersonRecord>, expected: Undo| {
            assert_eq!(undo(&done(owner(), was(), None), record.as_ref()), expected, "{name}");
        };
        check("ours alone", Some(record(&[("9", 1, person()), ("11", 10, Author::Baton)], &[])), restore.clone());
        check("our echo without a name", Some(record(&[("11", 11, Author::Unknown)], &[])), restore.clone());
        check("before ours", Some(record(&[("9", 9, person())], &[(Stage::Mql, 5, person())])), restore);
        let at = at(30);
        check(
            "another owner",
            Some(record(&[("11", 10, Author::Baton), ("12", 30, person())], &[])),
            Undo::Left(format!("user 7 made user 12 the owner at {at:.0}")),
        );
        check(
            "an automation",
            Some(record(&[("12", 30, flow())], &[])),
            Undo::Left(format!("Workflow 7 made user 12 the owner at {at:.0}")),
        );
        check(
            "another stage",
            Some(record(&[("11", 10, Author::Baton)], &[(Stage::Sal, 30, person())])),
            Undo::Left(format!("user 7 set sal at {at:.0}")),
        );
        check("gone", None, left("the record is gone"));
    }

    #[test]
    fn each_effect_is_taken_back_in_its_own_way_or_left_and_said_so() {
        let of = OperationId::of(&["x"]);
        let record = record(&[], &[]);
        let check = |effect: Effect, was: Vec<Was>, made: Option<RecordRef>, expected: Option<Effect>| {
            let name = effect.as_str();
            match (undo(&done(effect, was, made), Some(&record)), expected) {
                (Undo::Write(found), Some(expected)) => assert_eq!(found, expected, "{name}"),
                (Undo::Left(_), None) => {}
                (found, expected) => panic!("{name}: {found:?}, expected {expected:?}"),
            }
        };
        let task = RecordRef::new(&ConnectionId::from("hubspot"), Object::Task, "5");
        let due_at = at(60);
        let add = Effect::AddTask { title: "t".to_owned(), body: String::new(), due_at, owner: None };
        check(add, Vec::new(), Some(task.clone()), Some(Effect::Withdraw { of, task }));
        check(Effect::AddNote { body: "n".to_owned() }, Vec::new(), None, None);
        check(
            Effect::Create { values: Vec::new(), owner: None, is_new_journey: false, not: Vec::new() },
            Vec::new(),
            None,
            None,
        );
        let track = Name::from("next-quarter");
        check(Effect::JoinTrack(track.clone()), was(), None, Some(Effect::LeaveTrack(track.clone())));
        check(Effect::JoinTrack(track.clone()), Vec::new(), None, None);
        check(Effect::LeaveTrack(track.clone()), was(), None, Some(Effect::JoinTrack(track)));
        check(Effect::SetScore(Points::default()), was(), None, Some(Effect::Restore { of, values: was() }));
        let stage = Effect::SetStage { stage: Stage::Mql, is_backward: false };
        check(stage, was(), None, Some(Effect::Restore { of, values: was() }));
        check(Effect::Restore { of, values: was() }, was(), None, None);
    }
}
