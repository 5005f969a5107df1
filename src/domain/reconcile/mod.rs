//! Observations into records: what is believed, since when, and whether it changed anything.
//!
//! Reconciling the same observation twice changes nothing the second time, so that overlapping reads, repeated pages and
//! the echo of our own writes plan nothing. Knows nothing of leads: who a record belongs to is [`super::identity`]'s.

use jiff::Timestamp;

use super::company::CompanyRecord;
use super::field::{FieldSet, Known};
use super::id::{Name, RecordRef, RemoteId};
use super::lead::ScorePart;
use super::observation::{CompanySeen, Content, Observation, PersonSeen};
use super::record::{Author, Disposition, Link, OwnerEntry, PersonRecord, Presence, ScoreEntry};
use super::signal::Signal;
use super::stage::{Stage, StageEntry};

/// One record keeps so many signals; of more, the newest.
pub const SIGNALS_MAX: usize = 500;
/// One record keeps so many entries of each ledger; of more, the newest.
pub const LEDGER_MAX: usize = 500;

/// What an observation changed of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The record was not known before.
    pub is_new: bool,
    /// The record must be stored again, be it only that it was read at a later state with the same content.
    pub is_stored: bool,
    /// Fields with another value, or none any more.
    pub fields: FieldSet,
    /// The stage ledger has other entries, and not only such as Baton itself caused.
    pub stage: bool,
    /// The owner ledger has other entries, and not only such as Baton itself caused.
    pub owner: bool,
    /// Somebody else than Baton changed the score that Baton writes.
    pub score: bool,
    /// Signals came to light.
    pub signals: bool,
    /// Sales said another word.
    pub disposition: bool,
    /// It can be recognised by other keys.
    pub keys: bool,
    /// It is linked to another company.
    pub company: bool,
    /// It came, went or was merged.
    pub presence: bool,
    /// It belongs to another lead.
    pub link: bool,
}

impl Change {
    /// Is the record as it was, to the last time? Then there is nothing to store either.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        !self.is_stored
    }

    /// May anything follow from it for the lead?
    #[must_use]
    pub fn asks_for_decision(&self) -> bool {
        let flags = [
            self.is_new,
            self.stage,
            self.owner,
            self.score,
            self.signals,
            self.disposition,
            self.keys,
            self.company,
            self.presence,
            self.link,
        ];
        flags.contains(&true) || !self.fields.is_empty()
    }
}

/// A person's record after `observation`, and what that changed. `None` if there is no record: something was said of a
/// person nobody has seen yet, or the observation is about something else.
///
/// - An observation of an older state never overwrites a newer one; only what adds up (signals, the CRM's own history) is
///   taken from it. Of two states with equal times the later read counts, but gone stays gone.
/// - The CRM's history replaces what was put together at first sight, from its first entry to the time of the reading.
///   Without history, another stage or owner is an entry at the time of the change in which it was seen.
/// - A value that stays keeps its time; signals add up, each once.
///
/// `link` is the link of a new record; a known one keeps its own, unless `link` names another lead.
#[must_use]
pub fn absorb(before: Option<PersonRecord>, observation: &Observation, link: Link) -> Option<(PersonRecord, Change)> {
    let Some(before) = before else {
        let Content::Person(seen) = &observation.content else { return None };
        let mut record = PersonRecord {
            of: observation.of.clone(),
            link,
            modified: observation.modified,
            created: seen.created,
            presence: Presence::Live,
            values: Vec::new(),
            keys: Vec::new(),
            company: None,
            company_since: None,
            stages: Vec::new(),
            owners: Vec::new(),
            scores: Vec::new(),
            disposition: None,
            signals: Vec::new(),
            has_history: false,
        };
        take_over(&mut record, seen, observation.modified);
        take_ledgers(&mut record, seen, observation.modified);
        let mut change = difference(None, &record);
        change.is_new = true;
        return Some((record, change));
    };
    let mut record = before.clone();
    if record.link.lead != link.lead {
        record.link = link;
    }
    let at = observation.modified;
    match &observation.content {
        Content::Person(seen) => {
            let is_older = at < record.modified || (at == record.modified && !record.is_live());
            if !is_older {
                take_over(&mut record, seen, at);
            }
            add_signals(&mut record.signals, &seen.signals);
            if !is_older || seen.has_history {
                take_ledgers(&mut record, seen, at);
            }
        }
        Content::CompanyOf(company) => record.company.clone_from(company),
        Content::Gone => {
            if record.is_live() && at >= record.modified {
                record.presence = Presence::Gone(at);
                record.modified = at;
            }
        }
        Content::Erased => {
            if at >= record.modified {
                if record.is_live() {
                    record.presence = Presence::Gone(at);
                    record.modified = at;
                }
                record.values.clear();
                record.keys.clear();
                record.signals.clear();
                record.company = None;
            }
        }
        Content::MergedInto(survivor) => {
            // A merge is known of a vanished record too, and says more; it is not taken back.
            let is_known = matches!(&record.presence, Presence::Merged { into, .. } if into == survivor);
            if !is_known && (at >= record.modified || matches!(record.presence, Presence::Gone(_))) {
                record.presence = Presence::Merged { into: survivor.clone(), at };
                record.modified = record.modified.max(at);
            }
        }
        Content::Company(_)
        | Content::Touch(_)
        | Content::User(_)
        | Content::Task(_)
        | Content::Deal(_)
        | Content::Undecodable(_) => {}
    }
    if record.company != before.company {
        record.company_since = Some(at);
    }
    let change = difference(Some(&before), &record);
    Some((record, change))
}

/// What the CRM's merge says of the records that were merged into `observation`'s: they live on in it.
pub fn merged_away(observation: &Observation) -> impl Iterator<Item = Observation> {
    let losers = observation.person().map_or(&[][..], |seen| seen.merged.as_slice());
    losers.iter().filter(|loser| **loser != observation.of.id).map(|loser| Observation {
        of: RecordRef { id: loser.clone(), ..observation.of.clone() },
        modified: observation.modified,
        content: Content::MergedInto(observation.of.id.clone()),
        findings: Vec::new(),
    })
}

/// What the record says as a whole: the state at `at` stands for all of it.
fn take_over(record: &mut PersonRecord, seen: &PersonSeen, at: Timestamp) {
    record.modified = at;
    record.created = seen.created;
    record.presence = Presence::Live;
    record.values = values(&record.values, &seen.values);
    record.keys.clone_from(&seen.keys);
    record.keys.sort();
    record.keys.dedup();
    if let Some(company) = &seen.company {
        record.company.clone_from(company);
    }
    record.disposition = disposition(record.disposition.take(), seen);
    add_signals(&mut record.signals, &seen.signals);
}

/// The new values; one that stays keeps the earlier of its times.
fn values(before: &[Known], seen: &[Known]) -> Vec<Known> {
    let mut values = seen.to_vec();
    values.sort_by_key(|known| known.field);
    values.dedup_by_key(|known| known.field);
    for known in &mut values {
        if let Some(same) = before.iter().find(|old| old.field == known.field && old.value == known.value) {
            known.at = known.at.min(same.at);
        }
    }
    values
}

/// Without history every reading dates the same word anew; the first sight of it stands.
fn disposition(before: Option<Disposition>, seen: &PersonSeen) -> Option<Disposition> {
    match (before, &seen.disposition) {
        (Some(before), Some(now)) if !seen.has_history && before.word == now.word => Some(before),
        (_, now) => now.clone(),
    }
}

fn add_signals(signals: &mut Vec<Signal>, seen: &[Signal]) {
    signals.extend_from_slice(seen);
    signals.sort_by(|one, other| (one.at, &one.name).cmp(&(other.at, &other.name)));
    signals.dedup();
    keep_newest(signals, SIGNALS_MAX);
}

fn take_ledgers(record: &mut PersonRecord, seen: &PersonSeen, at: Timestamp) {
    merge_ledger(&mut record.stages, &seen.stages, at, seen.has_history);
    merge_ledger(&mut record.owners, &seen.owners, at, seen.has_history);
    merge_ledger(&mut record.scores, &seen.scores, at, seen.has_history);
    record.has_history |= seen.has_history;
}

/// An entry of a ledger: a value, since when, by whom.
trait Entry: Clone {
    type Value: PartialEq;
    fn value(&self) -> &Self::Value;
    fn at(&self) -> Timestamp;
}

impl Entry for StageEntry {
    type Value = Stage;
    fn value(&self) -> &Stage {
        &self.stage
    }
    fn at(&self) -> Timestamp {
        self.at
    }
}

impl Entry for OwnerEntry {
    type Value = Option<RemoteId>;
    fn value(&self) -> &Option<RemoteId> {
        &self.owner
    }
    fn at(&self) -> Timestamp {
        self.at
    }
}

impl Entry for ScoreEntry {
    type Value = Vec<(ScorePart, Name)>;
    fn value(&self) -> &Self::Value {
        &self.shown
    }
    fn at(&self) -> Timestamp {
        self.at
    }
}

fn merge_ledger<E: Entry>(ledger: &mut Vec<E>, seen: &[E], read_at: Timestamp, has_history: bool) {
    if has_history {
        let Some(first) = seen.iter().map(E::at).min() else { return };
        let last = seen.iter().map(E::at).fold(read_at, Timestamp::max);
        ledger.retain(|entry| entry.at() < first || entry.at() > last);
        ledger.extend_from_slice(seen);
    } else {
        let is_news = |entry: &&E| ledger.last().is_none_or(|last| last.value() != entry.value());
        let Some(entry) = seen.last().filter(is_news).cloned() else { return };
        ledger.push(entry);
    }
    // Stable: entries of one instant keep the CRM's order, as the last of them is the one that holds.
    ledger.sort_by_key(E::at);
    // Setting a value that already holds enters nothing; a loop (A, B, A) has another value between and stays.
    ledger.dedup_by(|later, earlier| later.value() == earlier.value());
    keep_newest(ledger, LEDGER_MAX);
}

fn keep_newest<T>(list: &mut Vec<T>, max: usize) {
    let surplus = list.len().saturating_sub(max);
    list.drain(..surplus);
}

fn difference(before: Option<&PersonRecord>, after: &PersonRecord) -> Change {
    let Some(before) = before else {
        let mut fields = FieldSet::default();
        after.values.iter().for_each(|known| fields.insert(known.field));
        return Change {
            is_new: true,
            is_stored: true,
            fields,
            stage: !after.stages.is_empty(),
            owner: !after.owners.is_empty(),
            score: false,
            signals: !after.signals.is_empty(),
            disposition: after.disposition.is_some(),
            keys: !after.keys.is_empty(),
            company: after.company.is_some(),
            presence: true,
            link: true,
        };
    };
    Change {
        is_new: false,
        is_stored: before != after,
        fields: changed_fields(&before.values, &after.values),
        stage: ledger_matters(&before.stages, &after.stages, |entry| &entry.by),
        owner: ledger_matters(&before.owners, &after.owners, |entry| &entry.by),
        score: ledger_matters(&before.scores, &after.scores, |entry| &entry.by),
        signals: before.signals != after.signals,
        disposition: before.disposition != after.disposition,
        keys: before.keys != after.keys,
        company: before.company != after.company,
        presence: before.presence != after.presence,
        link: before.link != after.link,
    }
}

/// Does the ledger differ in more than new entries that Baton caused?
fn ledger_matters<E: PartialEq>(before: &[E], after: &[E], by: impl Fn(&E) -> &Author) -> bool {
    let is_news = |entry: &&E| *by(entry) != Author::Baton && !before.contains(entry);
    after.iter().any(|entry| is_news(&entry)) || before.iter().any(|entry| !after.contains(entry))
}

/// The fields whose values differ; another time of the same value is no change.
fn changed_fields(before: &[Known], after: &[Known]) -> FieldSet {
    let has =
        |list: &[Known], known: &Known| list.iter().any(|one| one.field == known.field && one.value == known.value);
    let mut fields = FieldSet::default();
    let differing = after.iter().filter(|known| !has(before, known));
    let missing = before.iter().filter(|known| !has(after, known));
    differing.chain(missing).for_each(|known| fields.insert(known.field));
    fields
}

/// What an observation changed of a company.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompanyChange {
    /// The record must be stored again.
    pub is_stored: bool,
    /// Fields with another value, or none any more.
    pub fields: FieldSet,
    /// It has another owner.
    pub owner: bool,
    /// It came or went.
    pub presence: bool,
}

impl CompanyChange {
    /// Is the record as it was?
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        !self.is_stored
    }

    /// May anything follow from it for the company's leads?
    #[must_use]
    pub fn asks_for_decision(&self) -> bool {
        self.owner || self.presence || !self.fields.is_empty()
    }
}

/// A company's record after `observation`, by the same rules as [`absorb`]. `None` if there is no record.
#[must_use]
pub fn absorb_company(
    before: Option<CompanyRecord>,
    observation: &Observation,
) -> Option<(CompanyRecord, CompanyChange)> {
    let at = observation.modified;
    let after = match (&observation.content, &before) {
        (Content::Company(seen), None) => company(observation, seen, &[]),
        (Content::Company(seen), Some(known)) if at > known.modified || (at == known.modified && !known.is_gone) => {
            company(observation, seen, &known.values)
        }
        (Content::Gone | Content::Erased | Content::MergedInto(_), Some(known))
            if !known.is_gone && at >= known.modified =>
        {
            CompanyRecord { is_gone: true, modified: at, ..known.clone() }
        }
        _ => return before.map(|same| (same, CompanyChange::default())),
    };
    let (no_values, owner, was_there) = (Vec::new(), None, false);
    let (values, owner, was_there) =
        before.as_ref().map_or((&no_values, &owner, was_there), |known| (&known.values, &known.owner, !known.is_gone));
    let change = CompanyChange {
        is_stored: before.as_ref() != Some(&after),
        fields: changed_fields(values, &after.values),
        owner: *owner != after.owner,
        presence: was_there == after.is_gone,
    };
    Some((after, change))
}

fn company(observation: &Observation, seen: &CompanySeen, before: &[Known]) -> CompanyRecord {
    CompanyRecord {
        of: observation.of.clone(),
        modified: observation.modified,
        values: values(before, &seen.values),
        owner: seen.owner.clone(),
        is_gone: false,
    }
}

#[cfg(test)]
mod tests;
