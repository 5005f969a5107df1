//! How a stream is walked: pages by `(SystemModstamp, Id)`, windows that reach back for late commits, and how far that covers. Pure.
//! Source: the sheet, section 6.
//!
//! - A stamp is taken when a change is made, and the row appears when its transaction commits: up to ten minutes later. Every scan
//!   therefore begins so long before the last one did; what is read twice changes nothing.
//! - Stamps are whole seconds, and an import gives thousands of rows one of them: a page ends at a row, not at a second.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::soql::{Condition, Id, Literal, Sign};
use crate::connector::Cursor;

/// Where a stream stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The second at which the next page begins; everything before it has been read by this scan. Unix time.
    #[serde(default)]
    pub(super) from: i64,
    /// Set within a scan: the last row that was read has the stamp `from` and this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// When the scan under way began, by the server's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    began: Option<i64>,
    /// How far the last whole scan covers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    covered: Option<i64>,
    /// How far deletions have been asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleted: Option<i64>,
    /// The bulk job that a first load is read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) job: Option<Job>,
    /// A first load was asked for by a job before, and goes on by pages.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    by_pages: bool,
}

/// A bulk job under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Job {
    /// Its id.
    pub(super) id: String,
    /// The next page of its results; `None`: the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) locator: Option<String>,
}

/// How far scans reach back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// Nothing newer than this is claimed to be read.
    pub(super) settle: SignedDuration,
    /// How far a scan reaches back over the one before.
    pub(super) overlap: SignedDuration,
}

/// What a page showed, as far as walking on is concerned.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    /// Is there nothing behind it?
    pub(super) is_last: bool,
    /// Stamp and id of the last readable row.
    pub(super) last: Option<(Timestamp, Id)>,
    /// The server's clock when it began to answer.
    pub(super) server: Timestamp,
}

impl Place {
    /// The beginning of a load that no job is made for any more.
    pub(super) fn by_pages() -> Self {
        Self { by_pages: true, ..Self::default() }
    }

    /// Reads a cursor. An empty one is the beginning; one that cannot be read begins again, which is harmless.
    pub(super) fn of(cursor: &Cursor) -> Self {
        serde_json::from_str(&cursor.0).unwrap_or_default()
    }

    /// Writes the cursor.
    pub(super) fn cursor(&self) -> Cursor {
        // Plain values can always be written as JSON.
        Cursor(serde_json::to_string(self).unwrap_or_default())
    }

    /// Is nothing read yet?
    pub(super) fn is_beginning(&self) -> bool {
        *self == Self::default()
    }

    /// When the scan under way began, by the server's clock.
    pub(super) fn began_at(&self) -> Option<Timestamp> {
        self.began.and_then(|second| Timestamp::from_second(second).ok())
    }

    /// Deletions have been asked for up to here.
    pub(super) fn deleted_until(&self) -> Option<Timestamp> {
        self.deleted.and_then(|second| Timestamp::from_second(second).ok())
    }

    /// Deletions have been asked for up to `until`.
    pub(super) fn deletions_read(&mut self, until: Timestamp) {
        self.deleted = Some(until.as_second());
    }

    /// Everything up to here has been read.
    pub(super) fn covered_until(&self) -> Option<Timestamp> {
        self.covered.and_then(|second| Timestamp::from_second(second).ok())
    }

    /// The condition on stamp and id; `None` reads everything.
    pub(super) fn window(&self) -> Option<Condition> {
        let at = Timestamp::from_second(self.from).unwrap_or(Timestamp::UNIX_EPOCH);
        let stamp = |sign: Sign| Condition::Is("SystemModstamp", sign, Literal::Moment(at));
        match self.id.as_deref().and_then(Id::parse) {
            None if self.from == 0 => None,
            None => Some(stamp(Sign::AtLeast)),
            Some(id) => {
                let behind = Condition::Is("Id", Sign::Greater, Literal::Id(id));
                Some(Condition::Any(vec![Condition::All(vec![stamp(Sign::Equal), behind]), stamp(Sign::Greater)]))
            }
        }
    }

    /// Where to go on after a page, and whether there is more right now. `None`: the page moved nothing on, so that asking again would
    /// never end.
    pub(super) fn after(&self, shown: Shown, reach: Reach) -> Option<(Self, bool)> {
        let began = self.began.unwrap_or_else(|| shown.server.as_second());
        if shown.is_last {
            return Some((self.finished(began, reach), false));
        }
        let (at, id) = shown.last?;
        let next = Self {
            from: at.as_second(),
            id: Some(id.as_str().to_owned()),
            began: Some(began),
            job: None,
            ..self.clone()
        };
        (next.id != self.id || next.from != self.from).then_some((next, true))
    }

    /// A first load by a job has ended; what changed since the job was made is read by pages.
    pub(super) fn loaded(&self, reach: Reach) -> Self {
        let began = self.began.unwrap_or(0);
        // What is deleted for good while the job runs is asked for later.
        let deleted = self.deleted.or(self.began);
        Self {
            from: (began - reach.overlap.as_secs()).max(1),
            id: None,
            began: None,
            job: None,
            deleted,
            ..self.clone()
        }
    }

    /// A job was made at `server`.
    pub(super) fn with_job(&self, job: Job, server: Timestamp) -> Self {
        let began = self.began.unwrap_or_else(|| server.as_second());
        Self { job: Some(job), began: Some(began), ..self.clone() }
    }

    fn finished(&self, began: i64, reach: Reach) -> Self {
        let covered = (began - reach.settle.as_secs()).max(self.covered.unwrap_or(i64::MIN));
        Self {
            from: (began - reach.overlap.as_secs()).max(1),
            id: None,
            began: None,
            covered: Some(covered),
            deleted: self.deleted,
            job: None,
            by_pages: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REACH: Reach = Reach { settle: SignedDuration::from_secs(60), overlap: SignedDuration::from_secs(600) };

    fn id(serial: u32) -> String {
        format!("00Q5f00{serial:08}")
    }

    fn second(at: i64) -> Timestamp {
        Timestamp::from_second(at).unwrap()
    }

    /// Answers as the org does: sorted by stamp and id.
    fn page(stored: &[(i64, u32)], place: &Place, limit: usize) -> (Vec<(i64, u32)>, bool) {
        let behind = |(at, serial): &&(i64, u32)| match &place.id {
            None => *at >= place.from,
            Some(last) => *at > place.from || (*at == place.from && id(*serial) > *last),
        };
        let mut rows: Vec<(i64, u32)> = stored.iter().filter(behind).copied().collect();
        rows.sort_unstable();
        let is_last = rows.len() <= limit;
        rows.truncate(limit);
        (rows, is_last)
    }

    fn scan(stored: &[(i64, u32)], mut place: Place, limit: usize, server: i64) -> (Vec<u32>, Place) {
        let mut seen = Vec::new();
        for _ in 0..10_000 {
            let (rows, is_last) = page(stored, &place, limit);
            seen.extend(rows.iter().map(|(_, serial)| *serial));
            let last = rows.last().map(|(at, serial)| (second(*at), Id::parse(&id(*serial)).unwrap()));
            let (next, has_more) = place.after(Shown { is_last, last, server: second(server) }, REACH).unwrap();
            place = Place::of(&next.cursor());
            if !has_more {
                return (seen, place);
            }
        }
        panic!("endless");
    }

    #[test]
    fn a_late_commit_is_found_and_an_idle_poll_is_one_empty_page_fault_27() {
        let mut stored = vec![(1_000, 1), (5_000, 2)];
        let (seen, place) = scan(&stored, Place::default(), 1, 5_010);
        assert_eq!((seen, place.covered_until()), (vec![1, 2], Some(second(4_950))));
        stored.push((4_500, 3));
        let (seen, place) = scan(&stored, place, 1, 5_040);
        assert!(seen.contains(&3), "committed late, behind what was read");
        let (_, place) = scan(&stored, place, 1, 9_000);
        let (seen, place) = scan(&stored, place, 1, 9_030);
        assert!(seen.is_empty());
        let (_, place) = scan(&stored, place, 1, 8_000);
        assert_eq!(place.covered_until(), Some(second(8_970)), "coverage never goes back with the server's clock");
    }

    #[test]
    fn a_page_that_moves_nothing_on_is_no_page() {
        let place = Place { from: 7, id: Some(id(1)), ..Place::default() };
        let same = Shown { is_last: false, last: Some((second(7), Id::parse(&id(1)).unwrap())), server: second(9) };
        assert_eq!(place.after(same, REACH), None);
        assert_eq!(place.after(Shown { is_last: false, last: None, server: second(9) }, REACH), None);
    }

    proptest! {
        #[test]
        fn every_record_is_read_once_whatever_its_time_and_the_page_fault_25(
            stamps in prop::collection::vec(1_000i64..1_004, 0..60),
            limit in 1usize..7,
        ) {
            let stored: Vec<(i64, u32)> = stamps.iter().copied().zip(1..).collect();
            let (mut seen, place) = scan(&stored, Place::default(), limit, 2_000);
            prop_assert_eq!(seen.len(), stored.len());
            seen.sort_unstable();
            seen.dedup();
            prop_assert_eq!(seen.len(), stored.len());
            prop_assert_eq!(place.covered_until(), Some(second(1_940)));
        }
    }
}
