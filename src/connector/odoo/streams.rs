//! How a stream is walked: pages by `write_date`, windows that reach back for late commits, and how far that covers. Pure.
//!
//! Why not simply "changed since the last page":
//! - `write_date` is the *start* of a transaction, so a long one appears behind what was already read (trap 1). A scan
//!   therefore begins some time before the last one did: [`LATE`] each time, since Odoo cuts a request at 120 s, and the
//!   settings' `overlap` now and then, for imports and jobs that no limit cuts. A record is read a handful of times, not
//!   for ever; what it says twice changes nothing.
//! - Times are shown in whole seconds but sorted and compared with microseconds (trap 2), so `(write_date, id)` of the
//!   last row is no place to go on from: inside one second the order is not the order of ids. A page that ends in second
//!   S goes on at S, whole. Only if S fills a page by itself (mass imports, trap 3) it is walked by id.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::wire;
use crate::connector::Cursor;

/// How many records a page asks for.
pub(super) const PAGE_ROWS: usize = 500;
/// How far every scan reaches back: Odoo ends a request after 120 s, so none of its transactions is older than that.
pub(super) const LATE: SignedDuration = SignedDuration::from_secs(125);

/// Where a stream stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The second at which the next page begins; everything before it has been read by this scan. Unix time.
    #[serde(default)]
    from: i64,
    /// Set while one second is walked by id: the last id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<i64>,
    /// When the scan under way began, by the server's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    began: Option<i64>,
    /// How far the last whole scan covers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    covered: Option<i64>,
    /// When the last scan that reached back by the whole overlap began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wide: Option<i64>,
}

/// How far scans reach back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// Nothing newer than this is claimed to be read.
    pub(super) settle: SignedDuration,
    /// What a wide scan reaches back.
    pub(super) overlap: SignedDuration,
}

/// What a page showed, as far as walking on is concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    /// How many records, undecodable ones included.
    pub(super) rows: usize,
    /// How many were asked for.
    pub(super) limit: usize,
    /// `write_date` of the last record.
    pub(super) last_at: Option<Timestamp>,
    /// Id of the last record.
    pub(super) last_id: Option<i64>,
    /// The server's clock when it began to answer.
    pub(super) server: Timestamp,
}

impl Place {
    /// Reads a cursor. An empty one is the beginning; one that cannot be read begins again, which is harmless.
    pub(super) fn of(cursor: &Cursor) -> Self {
        serde_json::from_str(&cursor.0).unwrap_or_default()
    }

    /// Writes the cursor.
    pub(super) fn cursor(&self) -> Cursor {
        Cursor(json!(self).to_string())
    }

    /// Everything up to here has been read.
    pub(super) fn covered_until(&self) -> Option<Timestamp> {
        self.covered.and_then(|second| Timestamp::from_second(second).ok())
    }

    /// The conditions on `write_date` and `id`, and the order.
    pub(super) fn window(&self) -> (Vec<Value>, &'static str) {
        let from = wire::stamp(second(self.from));
        match self.id {
            None if self.from == 0 => (Vec::new(), "write_date asc, id asc"),
            None => (vec![json!(["write_date", ">=", from])], "write_date asc, id asc"),
            Some(id) => {
                let to = wire::stamp(second(self.from + 1));
                (
                    vec![json!(["write_date", ">=", from]), json!(["write_date", "<", to]), json!(["id", ">", id])],
                    "id asc",
                )
            }
        }
    }

    /// Where to go on after a page, and whether there is more right now.
    pub(super) fn after(&self, shown: Shown, reach: Reach) -> (Self, bool) {
        let began = self.began.unwrap_or_else(|| shown.server.as_second());
        let mut next = Self { began: Some(began), ..self.clone() };
        let is_full = shown.rows >= shown.limit;
        match (is_full, self.id, shown.last_at, shown.last_id) {
            (true, None, Some(last_at), _) if last_at.as_second() > self.from => next.from = last_at.as_second(),
            (true, None, _, _) => next.id = Some(0),
            (true, Some(_), _, Some(last_id)) => next.id = Some(last_id),
            (true, Some(_), _, None) | (false, Some(_), _, _) => {
                next.id = None;
                next.from = self.from + 1;
            }
            (false, None, _, _) => return (self.finished(began, reach), false),
        }
        (next, true)
    }

    fn finished(&self, began: i64, reach: Reach) -> Self {
        let overlap = reach.overlap.as_secs().max(LATE.as_secs());
        let since_wide = began - self.wide.unwrap_or(began - overlap);
        let is_wide = since_wide >= overlap / 2;
        let back = if is_wide { overlap } else { LATE.as_secs() };
        let covered = (began - reach.settle.as_secs()).max(self.covered.unwrap_or(i64::MIN));
        Self {
            from: (began - back).max(1),
            id: None,
            began: None,
            covered: Some(covered),
            wide: if is_wide { Some(began) } else { self.wide },
        }
    }
}

fn second(at: i64) -> Timestamp {
    Timestamp::from_second(at).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REACH: Reach = Reach { settle: SignedDuration::from_secs(10), overlap: SignedDuration::from_secs(600) };

    /// A record of a server that sorts by microseconds and shows seconds.
    #[derive(Clone, Copy, Debug)]
    struct Stored {
        id: i64,
        micros: i64,
    }

    /// Answers as Odoo does.
    fn page(stored: &[Stored], place: &Place, limit: usize) -> Vec<Stored> {
        let mut rows: Vec<Stored> = stored.to_vec();
        if let Some(id) = place.id {
            let inside = place.from * 1_000_000..(place.from + 1) * 1_000_000;
            rows.retain(|row| inside.contains(&row.micros) && row.id > id);
            rows.sort_by_key(|row| row.id);
        } else {
            rows.retain(|row| row.micros >= place.from * 1_000_000);
            rows.sort_by_key(|row| (row.micros, row.id));
        }
        rows.truncate(limit);
        rows
    }

    fn scan(stored: &[Stored], mut place: Place, limit: usize, server: i64) -> (Vec<i64>, Place) {
        let mut seen = Vec::new();
        for _ in 0..10_000 {
            let rows = page(stored, &place, limit);
            seen.extend(rows.iter().map(|row| row.id));
            let last = rows.last();
            let shown = Shown {
                rows: rows.len(),
                limit,
                last_at: last.map(|row| second(row.micros.div_euclid(1_000_000))),
                last_id: last.map(|row| row.id),
                server: second(server),
            };
            let (next, has_more) = place.after(shown, REACH);
            place = Place::of(&next.cursor());
            if !has_more {
                return (seen, place);
            }
        }
        panic!("endless");
    }

    #[test]
    fn a_late_commit_is_found_and_nothing_is_read_for_ever() {
        let row = |id: i64, second: i64| Stored { id, micros: second * 1_000_000 + 140_000 };
        let mut stored = vec![row(1, 1_000), row(2, 5_000)];
        let (seen, place) = scan(&stored, Place::default(), 3, 5_010);
        assert_eq!((seen, place.covered_until()), (vec![1, 2], Some(second(5_000))));
        stored.push(row(3, 4_900));
        let (seen, mut place) = scan(&stored, place, 3, 5_040);
        assert!(seen.contains(&3), "committed late, behind what was read");
        let mut reads = 0;
        for poll in 0..100 {
            let (seen, next) = scan(&stored, place, 3, 5_070 + poll * 30);
            reads += seen.len();
            place = next;
        }
        assert!(reads < 3 * 9, "{reads} repeated reads of 3 records");
        let (seen, _) = scan(&stored, place, 3, 9_000);
        assert!(seen.is_empty(), "an idle poll is one request with an empty answer");
    }

    #[test]
    fn coverage_never_goes_back_with_the_servers_clock() {
        let (_, place) = scan(&[], Place::default(), 3, 5_000);
        let (_, place) = scan(&[], place, 3, 4_000);
        assert_eq!(place.covered_until(), Some(second(4_990)));
    }

    proptest! {
        #[test]
        fn every_record_is_read_whatever_its_time_and_the_page(
            rows in prop::collection::vec((1_000i64..1_008, 0i64..4), 0..60),
            limit in 1usize..7,
        ) {
            // Ids run against the microseconds, as those of concurrent transactions may.
            let count = i64::try_from(rows.len()).unwrap();
            let stored: Vec<Stored> = rows.iter().zip(1..).map(|((second, part), at)| Stored {
                id: count - at + 1,
                micros: second * 1_000_000 + part * 250_000,
            }).collect();
            let (mut seen, place) = scan(&stored, Place::default(), limit, 2_000);
            seen.sort_unstable();
            seen.dedup();
            prop_assert_eq!(seen.len(), stored.len());
            prop_assert_eq!(place.covered_until(), Some(second(1_990)));
        }
    }
}
