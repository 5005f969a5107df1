//! How far a CRM's clock is from ours, as far as its answers can tell.
//!
//! Cursors move by the CRM's time alone and the CRM's times are compared with each other, so that an offset loses no record;
//! but what is due is due by our clock, and people are judged by both. So an offset of more than a minute is told, and until
//! the clock is right it speaks for whoever is judged: a time that the CRM wrote may lie as far off as its clock did.

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

/// A `Date` is cut to the second, so that what [`offset`] answers may be so much more.
const CUT: SignedDuration = SignedDuration::from_secs(1);

/// How long an offset that was seen once is allowed for: what was written meanwhile is still judged.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// How far the clock of a connection was off within the last day, either way. Times that it wrote may be as far off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skew {
    /// Whose clock.
    pub connection: ConnectionId,
    /// How far it was ahead of ours at most.
    pub ahead: SignedDuration,
    /// How far it was behind ours at most.
    pub behind: SignedDuration,
}

impl Skew {
    /// The first and the last instant by our clock at which what the CRM dates `theirs` may have happened.
    #[must_use]
    pub fn span(&self, theirs: Timestamp) -> (Timestamp, Timestamp) {
        let first = theirs.saturating_sub(self.ahead).unwrap_or(Timestamp::MIN);
        (first, theirs.saturating_add(self.behind).unwrap_or(Timestamp::MAX))
    }
}

/// What answers have said of a clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    last: SignedDuration,
    ahead: Option<(SignedDuration, Timestamp)>,
    behind: Option<(SignedDuration, Timestamp)>,
}

impl Heard {
    /// Notes what an answer says at `now`.
    pub fn note(&mut self, offset: SignedDuration, now: Timestamp) {
        self.last = offset;
        let side = if offset.is_negative() { &mut self.behind } else { &mut self.ahead };
        let far = offset.abs().saturating_add(CUT);
        let is_greatest = side.is_none_or(|(known, at)| known <= far || now.duration_since(at) > KEPT);
        if !offset.is_zero() && is_greatest {
            *side = Some((far, now));
        }
    }

    /// How far the clock was off within the last day; nothing if it was right.
    #[must_use]
    pub fn skew(&self, connection: &ConnectionId, now: Timestamp) -> Option<Skew> {
        let of = |side: Option<(SignedDuration, Timestamp)>| {
            side.filter(|(_, at)| now.duration_since(*at) <= KEPT).map_or(SignedDuration::ZERO, |(far, _)| far)
        };
        let (ahead, behind) = (of(self.ahead), of(self.behind));
        let is_off = !ahead.is_zero() || !behind.is_zero();
        is_off.then(|| Skew { connection: connection.clone(), ahead, behind })
    }

    /// As text, for the next process: what is allowed for, and since when. What the last answer said is not among it: a clock
    /// that was set right meanwhile must not seem to be read further than it was.
    #[must_use]
    pub fn written(&self) -> String {
        let side = |side: Option<(SignedDuration, Timestamp)>| {
            side.map_or_else(|| "- -".to_owned(), |(far, at)| format!("{} {}", far.as_millis(), at.as_millisecond()))
        };
        format!("{} {}", side(self.ahead), side(self.behind))
    }

    /// Reads [`Heard::written`]; `None` if it is something else.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let side = |far: &str, at: &str| match (far, at) {
            ("-", "-") => Some(None),
            (far, at) => {
                let at = Timestamp::from_millisecond(at.parse().ok()?).ok()?;
                Some(Some((SignedDuration::from_millis(far.parse().ok()?), at)))
            }
        };
        let words: Vec<&str> = text.split(' ').collect();
        let [ahead, ahead_at, behind, behind_at] = words[..] else { return None };
        Some(Self { last: SignedDuration::ZERO, ahead: side(ahead, ahead_at)?, behind: side(behind, behind_at)? })
    }

    /// Our time when the CRM's clock, which is behind ours, reads `theirs`; a clock that is ahead is not believed.
    #[must_use]
    pub fn ours(&self, theirs: Timestamp) -> Timestamp {
        if self.last.is_negative() { theirs.saturating_sub(self.last).unwrap_or(Timestamp::MAX) } else { theirs }
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
             lost by that, for streams are read by the CRM's own time; but what is due is due by ours, and until the wrong one is set \
             right a time that {connection} wrote is taken in the owner's favour",
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
    fn the_farthest_offset_of_a_day_is_allowed_for_either_way_fault_28() {
        let crm = ConnectionId::from("crm");
        let second = SignedDuration::from_secs;
        let hours = |hours: i64| at(hours * 3_600_000);
        let mut heard = Heard::default();
        heard.note(SignedDuration::ZERO, hours(0));
        assert_eq!(heard.skew(&crm, hours(0)), None);
        heard.note(second(90), hours(1));
        heard.note(second(30), hours(2));
        heard.note(second(-10), hours(3));
        let skew = heard.skew(&crm, hours(3)).unwrap();
        assert_eq!((skew.ahead, skew.behind), (second(91), second(11)));
        assert_eq!(skew.span(at(100_000)), (at(9_000), at(111_000)));
        assert_eq!(heard.ours(at(0)), at(10_000), "it is behind now");
        let recalled = Heard::read(&heard.written()).unwrap();
        assert_eq!(recalled.skew(&crm, hours(3)), Some(skew), "the next process allows for it, too");
        assert_eq!(recalled.ours(at(0)), at(0), "but believes nobody to be read further");
        assert_eq!(Heard::read(&Heard::default().written()), Some(Heard::default()));
        for other in ["", "- -", "1 2 3", "a b - -", "1 2 3 4 5"] {
            assert_eq!(Heard::read(other), None, "{other}");
        }
        heard.note(SignedDuration::ZERO, hours(4));
        assert_eq!(heard.ours(at(0)), at(0));
        assert!(heard.skew(&crm, hours(24)).is_some(), "what was written meanwhile is still judged");
        assert_eq!(heard.skew(&crm, hours(26)).map(|skew| (skew.ahead, skew.behind)), Some((second(0), second(11))));
        assert_eq!(heard.skew(&crm, hours(28)), None);
        heard.note(second(5), hours(30));
        assert_eq!(
            heard.skew(&crm, hours(30)).unwrap().ahead,
            second(6),
            "a lesser one counts once the greater is over"
        );
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
