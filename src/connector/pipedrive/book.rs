//! Every lead and deal in short, by the person they are about: which of them carries the journey now. Pure.
//!
//! Pipedrive says what became of a person in their leads and deals, and to ask for those of one person costs 30 tokens. So all
//! of them are read once when Baton starts (20 tokens for 500), and what the feeds and every look show is noted here. Deleted and
//! converted leads are in no feed (section 1.6): whoever meets one notes that it is gone, too.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;

use super::wire::Row;

/// A lead or a deal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum JourneyId {
    Lead(String),
    Deal(i64),
}

/// How a journey stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Open,
    /// A lead that was put away, or deleted.
    Archived,
    Deleted,
    Won,
    Lost,
}

/// A lead or a deal, as far as the journey of its person is concerned.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Journey {
    pub(super) id: JourneyId,
    pub(super) person: Option<i64>,
    pub(super) organization: Option<i64>,
    pub(super) owner: Option<i64>,
    pub(super) state: State,
    pub(super) added: Timestamp,
    pub(super) updated: Timestamp,
    /// Of a deal.
    pub(super) stage: Option<i64>,
    /// Since when it is so: stage, or end.
    pub(super) since: Timestamp,
    /// Labels of a lead.
    pub(super) labels: Vec<String>,
    /// Of a lost deal.
    pub(super) lost_reason: Option<String>,
    /// What Baton set when it made the lead. Source: section 4.
    pub(super) origin: Option<String>,
    /// The lead that a deal was made of.
    pub(super) source_lead: Option<String>,
    /// Title, worth, and the fields that the settings map.
    pub(super) row: Row,
}

impl Journey {
    /// Reads a lead of v1; of its fields those in `keep` stay.
    pub(super) fn of_lead(row: &Row, keep: &[String]) -> Option<Self> {
        let updated = row.time("update_time")?;
        let added = row.time("add_time").unwrap_or(updated);
        let state = if row.flag("is_archived") { State::Archived } else { State::Open };
        let labels = row.list("label_ids").iter().filter_map(|id| id.as_str().map(str::to_owned)).collect();
        Some(Self {
            id: JourneyId::Lead(row.id()?),
            person: row.integer("person_id"),
            organization: row.integer("organization_id"),
            owner: row.integer("owner_id"),
            state,
            added,
            updated,
            stage: None,
            since: if state == State::Open { added } else { updated },
            labels,
            lost_reason: None,
            origin: row.text("origin_id").map(str::to_owned),
            source_lead: None,
            row: kept(row, keep),
        })
    }

    /// Reads a deal of v2; of its fields those in `keep` stay.
    pub(super) fn of_deal(row: &Row, keep: &[String]) -> Option<Self> {
        let updated = row.time("update_time")?;
        let added = row.time("add_time").unwrap_or(updated);
        let (state, ended) = match row.text("status") {
            Some("won") => (State::Won, row.time("won_time")),
            Some("lost") => (State::Lost, row.time("lost_time")),
            Some("open") => (State::Open, None),
            // `deleted`, as the list of deleted ones has it. Source: section 5.
            _ => (State::Deleted, None),
        };
        let since = match state {
            State::Open => row.time("stage_change_time").unwrap_or(added),
            State::Won | State::Lost => ended.unwrap_or(updated),
            State::Archived | State::Deleted => updated,
        };
        Some(Self {
            id: JourneyId::Deal(row.number()?),
            person: row.integer("person_id"),
            organization: row.integer("org_id"),
            owner: row.integer("owner_id"),
            state: if row.flag("is_deleted") { State::Deleted } else { state },
            added,
            updated,
            stage: row.integer("stage_id"),
            since,
            labels: Vec::new(),
            lost_reason: row.text("lost_reason").map(str::to_owned),
            origin: row.text("origin_id").map(str::to_owned),
            source_lead: row.text("source_lead_id").map(str::to_owned),
            row: kept(row, keep),
        })
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    pub(super) fn is_lead(&self) -> bool {
        matches!(self.id, JourneyId::Lead(_))
    }
}

/// A row without what nobody asks for: there may be many of them.
fn kept(row: &Row, keep: &[String]) -> Row {
    let mut kept = serde_json::Map::new();
    let mut custom = serde_json::Map::new();
    for name in
        ["title", "value", "currency", "source_name", "origin"].into_iter().chain(keep.iter().map(String::as_str))
    {
        if let Some(value) = row.value(name).filter(|_| row.0.contains_key(name) && name.len() != HASH_CHARS) {
            kept.insert(name.to_owned(), value.clone());
        } else if let Some(value) = row.custom(name) {
            custom.insert(name.to_owned(), value.clone());
        }
    }
    if !custom.is_empty() {
        kept.insert("custom_fields".to_owned(), serde_json::Value::Object(custom));
    }
    Row(kept)
}

/// Digits of a custom field's key. Source: section 4.
const HASH_CHARS: usize = 40;

/// All journeys.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    journeys: HashMap<JourneyId, Journey>,
    by_person: HashMap<i64, BTreeSet<JourneyId>>,
    /// When something of a person vanished: what is seen of them from then on is newer than that.
    floors: HashMap<i64, Timestamp>,
    /// When it was filled, by the CRM's clock.
    filled: Option<Timestamp>,
    /// Persons of whom a walk has said by now that they have no open journey.
    walked: HashSet<i64>,
}

impl Book {
    pub(super) fn filled(&self) -> Option<Timestamp> {
        self.filled
    }

    pub(super) fn set_filled(&mut self, at: Timestamp) {
        self.filled = Some(at);
    }

    /// Notes how a journey stands; answers with the persons whom that concerns, if it says anything new.
    pub(super) fn note(&mut self, mut journey: Journey) -> Vec<i64> {
        let before = self.journeys.get(&journey.id);
        if before.is_some_and(|before| before.updated > journey.updated || *before == journey) {
            return Vec::new();
        }
        // A deal that is open again is so since it was changed, not since its stage was entered.
        let is_back = before.is_some_and(|before| !before.is_open()) && journey.is_open();
        if is_back {
            journey.since = journey.updated;
        } else if let Some(before) =
            before.filter(|before| before.state == journey.state && before.stage == journey.stage)
        {
            journey.since = journey.since.max(before.since);
        }
        let old = before.and_then(|before| before.person);
        let mut concerned = Vec::new();
        if let Some(old) = old.filter(|old| Some(*old) != journey.person) {
            self.leave(old, &journey.id, journey.updated);
            concerned.push(old);
        }
        // A lead that became a deal is a lead no more. Source: section 5.
        if let Some(lead) = journey.source_lead.clone().map(JourneyId::Lead)
            && let Some(gone) = self.journeys.remove(&lead)
            && let Some(person) = gone.person
        {
            self.leave(person, &lead, journey.added.max(gone.updated));
            concerned.push(person);
        }
        if let Some(person) = journey.person {
            self.by_person.entry(person).or_default().insert(journey.id.clone());
            concerned.push(person);
        }
        self.journeys.insert(journey.id.clone(), journey);
        concerned.sort_unstable();
        concerned.dedup();
        concerned
    }

    /// A journey is not there any more, seen at `at`. A lead that was deleted stays as such: somebody gave it back.
    pub(super) fn gone(&mut self, id: &JourneyId, at: Timestamp) -> Option<i64> {
        let journey = self.journeys.get_mut(id).filter(|journey| journey.state != State::Deleted)?;
        journey.state = State::Deleted;
        (journey.since, journey.updated) = (at, at.max(journey.updated));
        let person = journey.person?;
        self.raise(person, at);
        Some(person)
    }

    fn leave(&mut self, person: i64, id: &JourneyId, at: Timestamp) {
        if let Some(all) = self.by_person.get_mut(&person) {
            all.remove(id);
        }
        self.raise(person, at);
    }

    /// What is seen of this person from now on is no older than `at`.
    pub(super) fn raise(&mut self, person: i64, at: Timestamp) {
        let floor = self.floors.entry(person).or_insert(at);
        *floor = (*floor).max(at);
    }

    /// A walk shows a person: one without an open journey may have lost theirs while nobody looked, so the first look of a process
    /// is dated by itself.
    pub(super) fn walk_over(&mut self, person: i64, at: Timestamp) {
        let is_open = self.current(person).is_some_and(Journey::is_open);
        if !is_open && self.walked.insert(person) {
            self.raise(person, at);
        }
    }

    pub(super) fn get(&self, id: &JourneyId) -> Option<&Journey> {
        self.journeys.get(id)
    }

    pub(super) fn of(&self, person: i64) -> impl Iterator<Item = &Journey> {
        self.by_person.get(&person).into_iter().flatten().filter_map(|id| self.journeys.get(id))
    }

    /// The journey that counts: the newest open one, else the newest. One that was deleted counts only if nothing else is there.
    pub(super) fn current(&self, person: i64) -> Option<&Journey> {
        self.of(person).max_by_key(|journey| {
            (journey.is_open(), journey.state != State::Deleted, journey.added, journey.id.clone())
        })
    }

    /// When what is known of a person's journeys changed last.
    pub(super) fn changed(&self, person: i64) -> Option<Timestamp> {
        let floor = self.floors.get(&person).copied();
        self.of(person).map(|journey| journey.updated).chain(floor).max()
    }

    /// Leads that are neither archived nor gone, as far as is known.
    pub(super) fn open_leads(&self) -> impl Iterator<Item = (&str, &Journey)> {
        self.journeys.values().filter(|journey| journey.is_open()).filter_map(|journey| match &journey.id {
            JourneyId::Lead(id) => Some((id.as_str(), journey)),
            JourneyId::Deal(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(value: serde_json::Value) -> Row {
        serde_json::from_value(value).unwrap()
    }

    fn at(minute: u8) -> String {
        format!("2026-11-24T08:{minute:02}:00Z")
    }

    fn lead(id: &str, person: i64, minute: u8, archived: bool) -> Journey {
        let lead = json!({"id": id, "person_id": person, "owner_id": 5, "add_time": at(0), "update_time": at(minute), "is_archived": archived});
        Journey::of_lead(&row(lead), &[]).unwrap()
    }

    fn deal(id: i64, person: i64, minute: u8, status: &str, source: Option<&str>) -> Journey {
        let deal = json!({"id": id, "person_id": person, "owner_id": 5, "add_time": at(10), "update_time": at(minute), "stage_id": 1,
            "status": status, "lost_time": if status == "lost" { Some(at(minute)) } else { None }, "source_lead_id": source});
        Journey::of_deal(&row(deal), &[]).unwrap()
    }

    #[test]
    fn the_newest_open_journey_counts_and_then_the_newest() {
        let mut book = Book::default();
        assert_eq!(book.note(lead("a", 7, 5, false)), [7]);
        assert_eq!(book.note(lead("a", 7, 5, false)), Vec::<i64>::new(), "the same again is no news");
        book.note(deal(1, 7, 12, "lost", None));
        assert_eq!(book.current(7).unwrap().id, JourneyId::Lead("a".to_owned()), "open goes before newer");
        book.note(lead("a", 7, 20, true));
        assert_eq!(book.current(7).unwrap().id, JourneyId::Deal(1));
        assert_eq!(book.note(lead("a", 7, 4, false)), Vec::<i64>::new(), "older than what is known");
    }

    #[test]
    fn a_converted_lead_is_its_deal_and_nothing_was_given_back_section_5() {
        let mut book = Book::default();
        book.note(lead("a", 7, 5, false));
        assert_eq!(book.note(deal(1, 7, 12, "open", Some("a"))), [7]);
        assert_eq!((book.of(7).count(), book.current(7).unwrap().state), (1, State::Open));
        assert!(book.get(&JourneyId::Lead("a".to_owned())).is_none());
    }

    #[test]
    fn a_deleted_lead_is_dated_by_the_look_and_counts_only_alone() {
        let mut book = Book::default();
        book.note(lead("a", 7, 5, false));
        let seen: Timestamp = at(30).parse().unwrap();
        let id = JourneyId::Lead("a".to_owned());
        assert_eq!((book.gone(&id, seen), book.gone(&id, seen)), (Some(7), None));
        assert_eq!((book.current(7).unwrap().state, book.changed(7)), (State::Deleted, Some(seen)));
        book.note(deal(2, 7, 12, "won", None));
        assert_eq!(book.current(7).unwrap().state, State::Won);
        assert_eq!(book.changed(7), Some(seen), "never back");
    }

    #[test]
    fn a_journey_that_is_given_to_another_person_leaves_the_first() {
        let mut book = Book::default();
        book.note(lead("a", 7, 5, false));
        assert_eq!(book.note(lead("a", 8, 6, false)), [7, 8]);
        assert!(book.current(7).is_none() && book.current(8).is_some());
        assert_eq!(book.changed(7), Some(at(6).parse().unwrap()));
    }

    #[test]
    fn a_deal_that_is_open_again_is_so_since_then() {
        let mut book = Book::default();
        book.note(deal(1, 7, 12, "lost", None));
        book.note(deal(1, 7, 30, "open", None));
        assert_eq!(book.current(7).unwrap().since, at(30).parse().unwrap());
        book.note(deal(1, 7, 40, "open", None));
        assert_eq!(book.current(7).unwrap().since, at(30).parse().unwrap(), "an edit moves nothing");
    }
}
