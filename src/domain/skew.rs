//! How far a CRM's clock is from ours, as far as its answers can tell.
//!
//! Cursors move by the CRM's time alone and the CRM's times are compared with each other, so that an offset loses no record;
//! but what is due is due by our clock, and people are judged by both. So an offset of more than a minute is told.

use jiff::{SignedDuration, Timestamp};

use super::finding::{Finding, FindingKind, Subject};
use super::id::{ConnectionId, Name};

/// The part of a connection that the finding names.
pub const PART: &str = "clock";

/// A larger offset is told to a person.
pub const OFFSET_MAX: SignedDuration = SignedDuration::from_mins(1);

/// How far `theirs`, written between `sent` and `received` by our clock and cut to the second, is from ours at least: positive
/// if their clock is ahead, zero if both may be right.
#[must_use]
pub fn offset(theirs: Timestamp, sent: Timestamp, received: Timestamp) -> SignedDuration {
    let latest = theirs.saturating_add(SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX);
    if theirs > received {
        theirs.duration_since(received)
    } else if latest < sent {
        latest.duration_since(sent)
    } else {
        SignedDuration::ZERO
    }
}

/// What a person is told of a clock that is `offset` from ours when ours reads `ours`; nothing if that is little.
#[must_use]
pub fn finding(
    connection: &ConnectionId,
    theirs: Timestamp,
    ours: Timestamp,
    offset: SignedDuration,
) -> Option<Finding> {
    if offset.abs() <= OFFSET_MAX {
        return None;
    }
    let way = if offset.is_negative() { "behind" } else { "ahead of" };
    Some(Finding {
        kind: FindingKind::Connection,
        subject: Subject::Connection(connection.clone(), Name::from(PART)),
        text: format!(
            "the clock of {connection} reads {theirs:.0} when this machine's reads {ours:.0}: it is {} s {way} ours. No record is \
             lost by that, for streams are read by the CRM's own time; but what is due is due by ours: set the wrong one right",
            offset.abs().as_secs()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_000_000_000 + ms).unwrap()
    }

    #[test]
    fn an_offset_is_what_neither_the_way_nor_the_cut_second_explains() {
        let check = |theirs: i64, sent: i64, received: i64, expected: i64| {
            let found = offset(at(theirs), at(sent), at(received));
            assert_eq!(found, SignedDuration::from_millis(expected), "{theirs} within {sent}..{received}");
        };
        check(0, 0, 0, 0);
        check(0, 900, 950, 0);
        check(5_000, 0, 30_000, 0);
        check(0, 1_000, 2_000, 0);
        check(0, 1_500, 2_000, -500);
        check(90_000, 0, 1_000, 89_000);
        check(0, 7_200_000, 7_200_100, -7_199_000);
    }

    #[test]
    fn more_than_a_minute_is_told_with_both_times() {
        let told = |seconds: i64| {
            let offset = SignedDuration::from_secs(seconds);
            finding(&ConnectionId::from("odoo"), at(seconds * 1_000), at(0), offset).map(|finding| finding.text)
        };
        assert_eq!((told(0), told(60), told(-60)), (None, None, None));
        let ahead = told(61).unwrap();
        assert!(ahead.contains("reads 1970-01-12T13:47:41Z when this machine's reads 1970-01-12T13:46:40Z"), "{ahead}");
        assert!(ahead.contains("61 s ahead of ours"), "{ahead}");
        assert!(told(-7_200).unwrap().contains("7200 s behind ours"));
    }
}
