//! How a stream is walked: windows by time whose pages go by id, and who is owed to be told of. Pure.
//!
//! v2 lists are read from `updated_since` on and **sorted by id**: a row that is edited during the walk keeps its place, so
//! nothing is skipped (section 5). A window has no fixed end in the query; it covers what was there when its *first* page was
//! answered, less `settle`, by the CRM's own clock. Fixing the end beforehand would need the CRM's time, and so one more
//! request for each window.
//!
//! Leads have only v1's offsets (section 5): rows that are archived, converted or deleted during the walk move the rest forward, so
//! each page begins a few rows early, and windows overlap. What even that misses the patrol finds.
//!
//! v2's cursors live for nobody knows how long: one of another process begins its window anew.

use std::collections::{BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::connector::Cursor;

/// Rows that a page of leads goes back behind the one before.
pub(super) const BACK_ROWS: usize = 10;
/// How often the archived leads are looked at, which have no list by time and cost 40 tokens a page. Source: section 5.
pub(super) const ARCHIVED_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// How often the users are: their list costs 20 tokens. Source: section 3.
pub(super) const USERS_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// Where a stream stands. Times are in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Place {
    /// Everything up to here has been read; `None` during the first pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) covered: Option<i64>,
    /// When the window under way was begun, by the CRM's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) began: Option<i64>,
    /// v2: where the list goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<String>,
    /// The process whose token that is.
    pub(super) run: u64,
    /// v1: rows to pass over.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) offset: usize,
    /// Leads: when the archived ones were looked at last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) archived: Option<i64>,
    /// Leads: the rows of the archived ones to pass over, while they are looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) in_archive: Option<usize>,
    /// Counts the pages, so that no two cursors are equal.
    pub(super) page: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Place {
    /// Reads a cursor. An empty one is the beginning; one that cannot be read begins again, which is harmless.
    pub(super) fn of(cursor: &Cursor, run: u64) -> Self {
        let place: Self = serde_json::from_str(&cursor.0).unwrap_or_default();
        if place.run == run || (place.token.is_none() && place.offset == 0) {
            return place;
        }
        // Begun by a process that is gone.
        Self { token: None, offset: 0, began: None, ..place }
    }

    /// Writes the cursor.
    pub(super) fn cursor(&self) -> Cursor {
        // Plain values can always be written as JSON.
        Cursor(serde_json::to_string(self).unwrap_or_default())
    }

    /// From when on the window looks; `None` = everything.
    pub(super) fn since(&self, overlap: SignedDuration) -> Option<Timestamp> {
        let covered = Timestamp::from_millisecond(self.covered?).ok()?;
        Some(covered.saturating_sub(overlap).unwrap_or(Timestamp::MIN))
    }

    /// Everything up to here has been read.
    pub(super) fn covered_until(&self) -> Option<Timestamp> {
        self.covered.and_then(|at| Timestamp::from_millisecond(at).ok())
    }

    /// After a page that was answered at `date`: it goes on with `token`, or with `offset`, or the window is done.
    pub(super) fn after(&self, date: Timestamp, settle: SignedDuration, next: Next, run: u64) -> Self {
        let began = self.began.unwrap_or_else(|| date.as_millisecond());
        let mut place = Self { began: Some(began), run, page: self.page + 1, token: None, offset: 0, ..self.clone() };
        match next {
            Next::Token(token) => place.token = Some(token),
            Next::Offset(offset) => place.offset = offset,
            Next::End => {
                let settled = began.saturating_sub(i64::try_from(settle.as_millis()).unwrap_or(i64::MAX));
                // Coverage never goes back with the CRM's clock.
                place.covered = Some(self.covered.map_or(settled, |covered| covered.max(settled)));
                place.began = None;
            }
        }
        place
    }
}

/// How a list goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Token(String),
    Offset(usize),
    End,
}

impl Next {
    /// After a page of `rows` leads at `offset`: a few rows early, but always on.
    pub(super) fn of_offset(offset: usize, rows: usize, has_more: bool) -> Self {
        if !has_more || rows == 0 {
            return Self::End;
        }
        Self::Offset(offset + if rows > BACK_ROWS { rows - BACK_ROWS } else { rows })
    }
}

/// Persons whose journey changed and of whom no page that is stored has told yet.
#[derive(Debug, Default)]
pub(super) struct Owed {
    waiting: BTreeSet<i64>,
    /// What the newest page of each stream told, by the cursor that comes back once it is stored.
    sent: HashMap<&'static str, (String, Vec<i64>)>,
}

impl Owed {
    pub(super) fn add(&mut self, persons: impl IntoIterator<Item = i64>) {
        self.waiting.extend(persons);
    }

    /// `stream` is asked for the page at `cursor`: what was told before counts only if that page is stored.
    pub(super) fn turn_to(&mut self, stream: &'static str, cursor: &Cursor) {
        if let Some((next, persons)) = self.sent.remove(stream)
            && next != cursor.0
        {
            self.waiting.extend(persons);
        }
    }

    /// Takes those who are told of now, at most `limit`.
    pub(super) fn take(&mut self, limit: usize) -> Vec<i64> {
        let taken: Vec<i64> = self.waiting.iter().copied().take(limit).collect();
        self.waiting.retain(|person| !taken.contains(person));
        taken
    }

    /// They are told with the page behind which `next` stands.
    pub(super) fn told(&mut self, stream: &'static str, next: &Cursor, persons: Vec<i64>) {
        self.sent.insert(stream, (next.0.clone(), persons));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLE: SignedDuration = SignedDuration::from_secs(10);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_window_covers_what_was_there_at_its_first_page() {
        let place = Place::default();
        let place = place.after(at(1_000), SETTLE, Next::Token("a".to_owned()), 7);
        assert_eq!((place.covered_until(), place.token.as_deref()), (None, Some("a")));
        let place = Place::of(&place.cursor(), 7).after(at(1_060), SETTLE, Next::End, 7);
        assert_eq!(place.covered_until(), Some(at(990)));
        assert_eq!(place.since(SignedDuration::from_secs(600)), Some(at(390)));
        let place = place.after(at(900), SETTLE, Next::End, 7);
        assert_eq!(place.covered_until(), Some(at(990)), "never back with the CRM's clock");
    }

    #[test]
    fn a_cursor_of_another_process_begins_its_window_anew() {
        let place = Place { covered: Some(5), ..Place::default() };
        let under_way = place.after(at(1_000), SETTLE, Next::Token("a".to_owned()), 7);
        let again = Place::of(&under_way.cursor(), 8);
        assert_eq!((again.token, again.began, again.covered), (None, None, Some(5)));
        let offset = place.after(at(1_000), SETTLE, Next::Offset(490), 7);
        assert_eq!(Place::of(&offset.cursor(), 8).offset, 0);
        assert_eq!(Place::of(&Cursor("nonsense".to_owned()), 8), Place::default());
    }

    #[test]
    fn pages_of_leads_overlap_and_come_to_an_end_section_5() {
        assert_eq!(Next::of_offset(0, 500, true), Next::Offset(490));
        assert_eq!(Next::of_offset(490, 500, true), Next::Offset(980));
        assert_eq!(Next::of_offset(980, 4, true), Next::Offset(984), "always on");
        assert_eq!(Next::of_offset(984, 500, false), Next::End);
        assert_eq!(Next::of_offset(984, 0, true), Next::End);
    }

    #[test]
    fn who_was_told_with_a_page_that_was_not_stored_is_told_again() {
        let mut owed = Owed::default();
        owed.add([3, 1, 2]);
        let (first, second) = (Cursor("1".to_owned()), Cursor("2".to_owned()));
        assert_eq!(owed.take(2), [1, 2]);
        owed.told("leads", &second, vec![1, 2]);
        owed.turn_to("leads", &first);
        assert_eq!(owed.take(9), [1, 2, 3], "the same page is asked for again");
        owed.told("leads", &second, vec![1, 2, 3]);
        owed.turn_to("leads", &second);
        assert!(owed.waiting.is_empty(), "it is stored");
    }
}
