//! Fights: another automation sets back what Baton writes. It gets one retry; then the field is left alone and a person told.
//!
//! Who did what is read off the record's own ledger: an entry of an automation right behind one of Baton's is a setback. The
//! ledger holds what the CRM's history says, so that a restart, or a write by another Baton, changes nothing of the count.

use jiff::{SignedDuration, Timestamp};

use super::id::{ConnectionId, Name};
use super::instant::is_since;
use super::record::{Author, PersonRecord};
use super::stage::Stage;

/// So many setbacks within [`FLIPS_WITHIN`] end the fight, whatever was written in between.
pub const FLIPS_MAX: usize = 2;
/// See [`FLIPS_MAX`].
pub const FLIPS_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// A field that Baton writes and others may fight for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fought {
    /// The record's owner.
    Owner,
    /// The record's stage.
    Stage,
    /// The score in the record's own fields.
    Score,
}

impl Fought {
    /// The field's name in tables and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Stage => "stage",
            Self::Score => "score",
        }
    }
}

/// A field that is left alone because another automation fights for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contested {
    /// Where.
    pub connection: ConnectionId,
    /// Which field.
    pub field: Fought,
    /// The other party, as the CRM names it.
    pub by: Name,
    /// Since when.
    pub since: Timestamp,
}

/// What an automation did to a value of Baton's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setback {
    /// The automation.
    pub by: Name,
    /// When, by the CRM's time.
    pub at: Timestamp,
}

/// Every time that an automation replaced an owner whom Baton had written, oldest first.
#[must_use]
pub fn owner_setbacks(record: &PersonRecord) -> Vec<Setback> {
    let pairs = record.owners.iter().zip(record.owners.iter().skip(1));
    pairs
        .filter(|(ours, next)| ours.by == Author::Baton && ours.owner != next.owner)
        .filter_map(|(_, next)| setback(&next.by, next.at))
        .collect()
}

/// Every time that an automation took a stage that Baton had written back to the one before it, oldest first. One that moves
/// the record on from Baton's stage is no setback.
#[must_use]
pub fn stage_setbacks(record: &PersonRecord) -> Vec<Setback> {
    let places = 1..record.stages.len();
    places.filter(|place| is_setback(record, *place)).filter_map(|place| at(record, place)).collect()
}

/// Every time that an automation replaced a score that Baton had written, oldest first.
#[must_use]
pub fn score_setbacks(record: &PersonRecord) -> Vec<Setback> {
    let pairs = record.scores.iter().zip(record.scores.iter().skip(1));
    pairs
        .filter(|(ours, next)| ours.by == Author::Baton && ours.shown != next.shown)
        .filter_map(|(_, next)| setback(&next.by, next.at))
        .collect()
}

/// Does the record show a score by which an automation replaced Baton's?
#[must_use]
pub fn is_score_set_back(record: &PersonRecord) -> bool {
    let [.., ours, last] = record.scores.as_slice() else { return false };
    ours.by == Author::Baton && ours.shown != last.shown && matches!(last.by, Author::Automation(_))
}

/// The stage of Baton's that an automation has set back, if that is how the record stands now.
#[must_use]
pub fn set_back_from(record: &PersonRecord) -> Option<Stage> {
    let last = record.stages.len().checked_sub(1)?;
    (last > 0 && is_setback(record, last)).then(|| record.stages[last - 1].stage)
}

/// How many of `setbacks` are not before `since`.
#[must_use]
pub fn count_since(setbacks: &[Setback], since: Timestamp) -> usize {
    setbacks.iter().filter(|setback| is_since(setback.at, since)).count()
}

/// Has the value gone to and fro so often of late that writing again would only go on with it?
#[must_use]
pub fn is_flapping(setbacks: &[Setback], now: Timestamp) -> bool {
    let since = now.saturating_sub(FLIPS_WITHIN).unwrap_or(Timestamp::MIN);
    count_since(setbacks, since) >= FLIPS_MAX
}

fn setback(by: &Author, at: Timestamp) -> Option<Setback> {
    match by {
        Author::Automation(name) => Some(Setback { by: name.clone(), at }),
        Author::Person(_) | Author::Baton | Author::Unknown => None,
    }
}

fn at(record: &PersonRecord, place: usize) -> Option<Setback> {
    let entry = &record.stages[place];
    setback(&entry.by, entry.at)
}

fn is_setback(record: &PersonRecord, place: usize) -> bool {
    let (ours, next) = (&record.stages[place - 1], &record.stages[place]);
    let before = place.checked_sub(2).map(|place| record.stages[place].stage);
    ours.by == Author::Baton && matches!(next.by, Author::Automation(_)) && before == Some(next.stage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{LeadId, Object, RecordRef, RemoteId};
    use crate::domain::record::{Link, LinkRule, OwnerEntry, Presence};
    use crate::domain::stage::StageEntry;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_795_510_800 + 60 * minute).unwrap()
    }

    fn flow() -> Author {
        Author::Automation(Name::from("Workflow 7"))
    }

    fn record(stages: &[(Stage, i64, Author)], owners: &[(&str, i64, Author)]) -> PersonRecord {
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

    #[test]
    fn only_an_automation_that_takes_our_stage_back_sets_back_fault_67() {
        use Stage::{Engagement, Mql, Sal};
        let check = |name: &str, stages: &[(Stage, i64, Author)], expected: Option<Stage>| {
            assert_eq!(set_back_from(&record(stages, &[])), expected, "{name}");
        };
        let before = (Engagement, 0, Author::Person(None));
        let ours = (Mql, 1, Author::Baton);
        check("set back", &[before.clone(), ours.clone(), (Engagement, 2, flow())], Some(Mql));
        check(
            "a person's change is none",
            &[before.clone(), ours.clone(), (Engagement, 2, Author::Person(None))],
            None,
        );
        check("moved on", &[before.clone(), ours.clone(), (Sal, 2, flow())], None);
        check("not ours", &[before.clone(), (Mql, 1, Author::Person(None)), (Engagement, 2, flow())], None);
        check("ours stands again", &[before, ours, (Engagement, 2, flow()), (Mql, 3, Author::Baton)], None);
        check("nothing", &[], None);
    }

    #[test]
    fn two_setbacks_within_an_hour_are_a_fight_and_two_in_two_hours_are_not_fault_67() {
        let ours = |minute| ("11", minute, Author::Baton);
        let theirs = |minute| ("12", minute, flow());
        let setbacks = owner_setbacks(&record(&[], &[ours(0), theirs(1), ours(2), theirs(3)]));
        assert_eq!(setbacks.len(), 2);
        assert_eq!(setbacks[0].by.as_str(), "Workflow 7");
        assert!(is_flapping(&setbacks, at(4)));
        assert!(!is_flapping(&setbacks, at(62)), "one of them is older than an hour");
        assert_eq!(count_since(&setbacks, at(2)), 1);
        let once = owner_setbacks(&record(&[], &[ours(0), theirs(1), ("13", 2, Author::Person(None)), theirs(3)]));
        assert_eq!(once.len(), 1, "a person's owner whom an automation replaces is not ours to defend");
    }
}
