//! The patrol: everything is read again in a rolling round, and what it repairs is counted by cause. The feed is a hint, the
//! patrol is the truth.
//!
//! A round walks one stream by ids, whatever changed when, and is spread over its period, so that it takes only what the
//! polls leave of the request budget. Pure: where the next page falls in time, and what a difference that it finds means.

use jiff::{SignedDuration, Timestamp};

use super::finding::{Finding, FindingKind, Subject};
use super::id::{ConnectionId, Name, RemoteId};

/// How long one round may take where the settings say nothing.
pub const EVERY: SignedDuration = SignedDuration::from_hours(24);

/// The part of the period that a round is spread over, in percent; the rest is for what delays it.
const SPREAD_PERCENT: i64 = 80;

/// How long a lag that was seen once is allowed for.
pub const LAG_KEPT: SignedDuration = SignedDuration::from_hours(24);

/// Why a stored record was not what the CRM shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The feed never showed a change that lies further back than it looks.
    MissedChange,
    /// The feed never showed a new record.
    MissedCreate,
    /// The feed never showed that a record is gone. HubSpot's never does: its search leaves archived records out.
    MissedDelete,
    /// The change came to light later than the feed claimed to have read, but within its look back: an index that lags, or a
    /// transaction that committed late.
    Late,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 4] = [Self::MissedChange, Self::MissedCreate, Self::MissedDelete, Self::Late];

    /// The cause's name in tables, metrics and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissedChange => "missed_change",
            Self::MissedCreate => "missed_create",
            Self::MissedDelete => "missed_delete",
            Self::Late => "late",
        }
    }

    /// The cause with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text)
    }

    /// For people: `missed changes`.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::MissedChange => "missed changes",
            Self::MissedCreate => "missed new records",
            Self::MissedDelete => "missed deletions",
            Self::Late => "late changes",
        }
    }
}

/// What a difference between the stored record and the CRM's was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It was not stored.
    New,
    /// It was stored otherwise.
    Changed,
    /// It is not there any more.
    Gone,
}

/// What a difference says of the feed, and how far behind its claim the change lies. `None` if it says nothing: the feed has
/// not claimed to have read so far.
///
/// - `modified`: the CRM's time of the change.
/// - `covered`: up to where the feed claimed to have read everything, before the patrol asked.
/// - `reach`: how far the feed looks back behind that each time.
#[must_use]
pub fn judge(
    difference: Difference,
    modified: Timestamp,
    covered: Timestamp,
    reach: SignedDuration,
) -> Option<(Cause, SignedDuration)> {
    if difference == Difference::Gone {
        // Nobody says since when it is gone.
        return Some((Cause::MissedDelete, SignedDuration::ZERO));
    }
    let age = covered.duration_since(modified);
    if age.is_negative() {
        return None;
    }
    let cause = match difference {
        _ if age <= reach => Cause::Late,
        Difference::New => Cause::MissedCreate,
        Difference::Changed | Difference::Gone => Cause::MissedChange,
    };
    Some((cause, age))
}

/// Where the patrol of one stream stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// Whose.
    pub connection: ConnectionId,
    /// Which stream.
    pub stream: Name,
    /// When the round began.
    pub began: Timestamp,
    /// Where it goes on; `None` = at the beginning.
    pub next: Option<RemoteId>,
    /// Records it has passed.
    pub seen: u64,
    /// Records that it expects to pass.
    pub expected: u64,
    /// People it found gone.
    pub gone: u64,
    /// When the last whole round ended.
    pub whole_at: Option<Timestamp>,
    /// Since when, and why, it does not go on: too many people vanished to be believed.
    pub halted: Option<(Timestamp, String)>,
}

impl Round {
    /// The first round of a stream, which begins at `now`.
    #[must_use]
    pub fn first(connection: &ConnectionId, stream: &Name, now: Timestamp, expected: u64) -> Self {
        Self {
            connection: connection.clone(),
            stream: stream.clone(),
            began: now,
            next: None,
            seen: 0,
            expected,
            gone: 0,
            whole_at: None,
            halted: None,
        }
    }

    /// When the next page is to be read, so that a round is spread over its period.
    #[must_use]
    pub fn next_at(&self, every: SignedDuration) -> Timestamp {
        let share = |seen: u64| i128::from(seen) * 1_000 / i128::from(self.expected.max(1));
        let per_mille = i64::try_from(share(self.seen).min(1_000)).unwrap_or(1_000);
        let span = every.as_millis() * i128::from(SPREAD_PERCENT) / 100 * i128::from(per_mille) / 1_000;
        let span = SignedDuration::from_millis(i64::try_from(span).unwrap_or(i64::MAX));
        self.began.checked_add(span).unwrap_or(Timestamp::MAX)
    }

    /// The round after a page of `records`, of whom `gone` were people who are not there any more; it went on to `next`, or
    /// to the end. A whole round makes way for the next one, which begins a period after this one began.
    #[must_use]
    pub fn after(
        &self,
        now: Timestamp,
        every: SignedDuration,
        records: u64,
        gone: u64,
        next: Option<RemoteId>,
    ) -> Self {
        let seen = self.seen + records;
        if next.is_some() {
            return Self { next, seen, gone: self.gone + gone, halted: None, ..self.clone() };
        }
        let began = self.began.checked_add(every).unwrap_or(Timestamp::MAX).max(now);
        Self { whole_at: Some(now), ..Self::first(&self.connection, &self.stream, began, seen) }
    }

    /// Does the round take longer than it may?
    #[must_use]
    pub fn is_late(&self, now: Timestamp, every: SignedDuration) -> bool {
        now.duration_since(self.began) > every
    }

    /// What is to be said of a round that takes too long.
    #[must_use]
    pub fn late(&self, now: Timestamp, every: SignedDuration) -> Finding {
        let Self { connection, stream, .. } = self;
        let percent = (self.seen * 100 / self.expected.max(1)).min(99);
        let hours = now.duration_since(self.began).as_hours();
        let text = format!(
            "the patrol of {connection}.{stream} has passed {percent} % of its records after {hours} h, and everything is to be \
             read again within {} h: the polls leave too few requests. Raise `budget` under [connections.{connection}], or \
             give the patrol longer with `patrol`",
            every.as_hours()
        );
        Finding { kind: FindingKind::Connection, subject: late_subject(connection, stream), text }
    }
}

/// What the finding on a late round is about.
#[must_use]
pub fn late_subject(connection: &ConnectionId, stream: &Name) -> Subject {
    Subject::Connection(connection.clone(), Name::from(format!("patrol of {stream}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    #[test]
    fn a_difference_says_something_of_the_feed_only_behind_its_claim_fault_27() {
        const HOUR: i64 = 3_600;
        let check = |difference, modified: i64, expected: Option<(Cause, i64)>| {
            let found = judge(difference, at(modified), at(0), SignedDuration::from_mins(10));
            assert_eq!(found.map(|(cause, age)| (cause, age.as_secs())), expected, "{difference:?} at {modified}");
        };
        check(Difference::Changed, 1, None);
        check(Difference::New, 60, None);
        check(Difference::Changed, 0, Some((Cause::Late, 0)));
        check(Difference::New, -600, Some((Cause::Late, 600)));
        check(Difference::Changed, -601, Some((Cause::MissedChange, 601)));
        check(Difference::New, -HOUR, Some((Cause::MissedCreate, HOUR)));
        check(Difference::Gone, -HOUR, Some((Cause::MissedDelete, 0)));
        check(Difference::Gone, 60, Some((Cause::MissedDelete, 0)));
    }

    #[test]
    fn a_round_is_spread_over_its_period_and_the_next_begins_a_period_later() {
        let every = SignedDuration::from_secs(1_000);
        let round = Round::first(&ConnectionId::from("odoo"), &Name::from("leads"), at(0), 400);
        let mut now = at(0);
        let mut going = round.clone();
        let mut due = Vec::new();
        for page in 1..=4_u64 {
            due.push(going.next_at(every).duration_since(at(0)).as_secs());
            now = going.next_at(every);
            let next = (page < 4).then(|| RemoteId::from(format!("{}", page * 100)));
            going = going.after(now, every, 100, 0, next);
        }
        assert_eq!(due, [0, 200, 400, 600]);
        assert_eq!((going.began, going.next.clone(), going.seen, going.expected), (at(1_000), None, 0, 400));
        assert_eq!(going.whole_at, Some(now));
        assert_eq!(going.next_at(every), at(1_000));
        // More records than were thought of make no round endless, and one that ends late makes no two at once.
        let more = Round { seen: 900, next: Some(RemoteId::from("9")), ..round };
        assert_eq!(more.next_at(every), at(800));
        assert_eq!(more.after(at(5_000), every, 1, 0, None).began, at(5_000));
        assert!(more.is_late(at(1_001), every) && !more.is_late(at(1_000), every));
    }
}
