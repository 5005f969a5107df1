//! Events and durations in plain words.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::domain::answer::Verdict;
use crate::domain::handoff::{Outcome, TurnEnded};
use crate::domain::id::Name;
use crate::domain::plan::Happening;
use crate::domain::roster::Roster;

/// One event as a sentence without its lead.
#[must_use]
pub fn happening(what: &Happening, roster: &Roster) -> String {
    match what {
        Happening::StageChanged { from, to, by_baton: true } => format!("passed from {from} to {to} by the agreement"),
        Happening::StageChanged { from, to, by_baton: false } => format!("went from {from} to {to} in the CRM"),
        Happening::Adopted => "was past the bar before the agreement acted: only watched".to_owned(),
        Happening::Opened { below_bar: false } => "qualified: hand-off opened".to_owned(),
        Happening::Opened { below_bar: true } => "hand-off opened by a person, below the bar".to_owned(),
        Happening::Incomplete(missing) => {
            let names: Vec<String> = missing
                .iter()
                .map(|any| any.iter().map(|field| field.name()).collect::<Vec<_>>().join(" or "))
                .collect();
            format!("cannot be passed yet: {} missing", names.join(", "))
        }
        Happening::Assigned { turn, owner, why } => {
            format!("turn {turn} goes to {} ({why})", roster.name_of(owner))
        }
        Happening::ClockStarted { turn } => format!("the clock of turn {turn} started"),
        Happening::TakenOver { turn, owner } => {
            format!("a person gave it to {} (turn {turn}, the clock runs on)", roster.name_of(owner))
        }
        Happening::Answered { by, word: Verdict::Accepted, .. } => {
            format!("{} accepted it by the link", roster.name_of(by))
        }
        Happening::Answered { by, word: Verdict::Rejected(reason), .. } => {
            format!("{} gave it back by the link ({reason})", roster.name_of(by))
        }
        Happening::Kept { commitment, in_time: true, .. } => format!("{commitment} kept in time"),
        Happening::Kept { commitment, in_time: false, .. } => format!("{commitment} kept late"),
        Happening::StepFired { commitment, at_percent, .. } if *at_percent < 100 => {
            format!("warning: {commitment} at {at_percent} % of its time")
        }
        Happening::StepFired { commitment, at_percent, .. } => {
            format!("BREACH: {commitment} at {at_percent} % of its time")
        }
        Happening::StepWithdrawn { commitment, at_percent, .. } => {
            format!("withdrawn: the step of {commitment} at {at_percent} % was wrong, a touch came to light")
        }
        Happening::Retimed { turn, from, to, due_at } => {
            let due = due_at.map_or_else(|| "nothing is due".to_owned(), |due| format!("due {due:.0}"));
            format!("turn {turn} moved from agreement {from} to {to} by a person: {due}")
        }
        Happening::TurnEnded { turn, how } => match how {
            TurnEnded::Missed => format!("turn {turn} missed: goes to the next"),
            TurnEnded::TakenOver => format!("turn {turn} was taken over"),
            TurnEnded::OwnerGone => format!("turn {turn} ended: its owner cannot own records any more"),
            TurnEnded::Closed => format!("turn {turn} ended"),
        },
        Happening::Contested(contested) => format!(
            "{} overwrites the {} in {}: it is left alone until the hand-off ends",
            contested.by,
            contested.field.as_str(),
            contested.connection
        ),
        Happening::Closed(outcome) => match outcome {
            Outcome::Qualified => "hand-off ended: confirmed by sales".to_owned(),
            Outcome::Rejected(reason) => format!("hand-off ended: given back by sales ({reason})"),
            Outcome::Recycled(reason) => format!("hand-off ended: taken back ({reason})"),
            Outcome::Merged(lead) => format!("hand-off ended: merged into {lead}"),
            Outcome::Gone => "hand-off ended: the record is gone".to_owned(),
            Outcome::Skipped(why) => format!("hand-off ended: {why}"),
        },
        Happening::Reopened => "the merge was taken back: the hand-off goes on, its clock begins anew".to_owned(),
        Happening::Joined { other, by } => {
            format!("{other} is the same person: joined to this lead {}", said(by.as_ref()))
        }
        Happening::JoinedTo { into, by } => format!("is the same person as {into}: joined to it {}", said(by.as_ref())),
        Happening::Parted { other, by } => {
            format!("a part of its records is somebody else: now {other} {}", said(Some(by)))
        }
        Happening::PartedFrom { other, by } => format!("is not the person of {other}: taken apart {}", said(Some(by))),
        Happening::Returned { reason, track: Some(track), cycle, .. } => {
            format!("returned to marketing: {reason}, track {track} (return {cycle})")
        }
        Happening::Returned { reason, track: None, .. } => format!("returned: {reason}"),
    }
}

/// Who said that two are one person, or not.
fn said(by: Option<&Name>) -> String {
    by.map_or_else(|| "by a merge in the CRM".to_owned(), |by| format!("by {by}"))
}

/// A kind by which screens colour an event: `good`, `warn`, `bad`, `back` or `plain`.
#[must_use]
pub fn tone(what: &Happening) -> &'static str {
    match what {
        Happening::Kept { in_time: true, .. } | Happening::Closed(Outcome::Qualified) => "good",
        Happening::StepFired { at_percent, .. } if *at_percent < 100 => "warn",
        Happening::StepFired { .. } | Happening::Kept { in_time: false, .. } => "bad",
        Happening::TurnEnded { how: TurnEnded::Missed, .. } => "bad",
        Happening::Returned { .. } | Happening::StepWithdrawn { .. } => "back",
        Happening::Incomplete(_) | Happening::Contested(_) => "warn",
        Happening::StageChanged { .. }
        | Happening::Adopted
        | Happening::Opened { .. }
        | Happening::Assigned { .. }
        | Happening::ClockStarted { .. }
        | Happening::TakenOver { .. }
        | Happening::Answered { .. }
        | Happening::TurnEnded { .. }
        | Happening::Retimed { .. }
        | Happening::Reopened
        | Happening::Joined { .. }
        | Happening::JoinedTo { .. }
        | Happening::Parted { .. }
        | Happening::PartedFrom { .. }
        | Happening::Closed(_) => "plain",
    }
}

/// The time until `due`, or since it: `in 2 h 10 min`, `35 min late`.
#[must_use]
pub fn left(now: Timestamp, due: Timestamp) -> String {
    if due >= now {
        format!("in {}", span(due.duration_since(now)))
    } else {
        format!("{} late", span(now.duration_since(due)))
    }
}

/// A cause of the patrol's repairs, for people.
#[must_use]
pub fn cause(name: &str) -> &'static str {
    crate::domain::patrol::Cause::parse(name).map_or("repairs", crate::domain::patrol::Cause::words)
}

/// `bad_timing` as people say it.
#[must_use]
pub fn reason(reason: &Name) -> String {
    reason.as_str().replace('_', " ")
}

/// Why an effect waits for a person, and what lets it go.
#[must_use]
pub fn hold(hold: &str) -> String {
    match hold {
        "plan" => "waits for a person: `baton plan`".to_owned(),
        "cap" => "more than [caps] lets go by itself: `baton plan`".to_owned(),
        "rules" => "another agreement asks for more than [caps] lets go by itself: `baton plan`".to_owned(),
        other => match other.strip_prefix("paused:") {
            Some(team) => format!("team {team} is paused: `baton resume {team}`"),
            None => format!("waits for a person ({other})"),
        },
    }
}

/// A duration in its two largest units.
#[must_use]
pub fn span(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().abs();
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, _) => format!("{minutes} min"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, hours, _, _) => format!("{days} d {hours} h"),
    }
}

/// An instant in `zone`, to the minute: `Tue 24 Nov 09:30`.
#[must_use]
pub fn instant(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%a %-d %b %H:%M").to_string()
}

/// Text that somebody else wrote, for a screen: at most `chars_max` characters, and none that does something instead of
/// showing something.
#[must_use]
pub fn shown(text: &str, chars_max: usize) -> String {
    let mut letters = text.chars().map(|letter| if letter.is_control() { '·' } else { letter });
    let mut short: String = letters.by_ref().take(chars_max).collect();
    if letters.next().is_some() {
        short.push('…');
    }
    short
}

/// The same where nothing keeps it apart from what follows: without marks that turn the reading direction (Unicode,
/// annex 9).
#[must_use]
pub fn flat(text: &str, chars_max: usize) -> String {
    let turns =
        |letter: &char| matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    shown(&text.chars().filter(|letter| !turns(letter)).collect::<String>(), chars_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_cut_and_does_nothing() {
        assert_eq!(shown("a\u{1b}[31m\nb", 20), "a·[31m·b");
        assert_eq!(shown("abcdef", 3), "abc…");
        assert_eq!(shown("abc", 3), "abc");
        assert_eq!(flat("a\u{202e}b\u{2066}c", 20), "abc");
    }

    #[test]
    fn time_left_reads_as_a_person_says_it() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let at = |seconds: i64| now + SignedDuration::from_secs(seconds);
        assert_eq!(left(now, at(7_800)), "in 2 h 10 min");
        assert_eq!(left(now, at(-2_100)), "35 min late");
        assert_eq!(left(now, at(200_000)), "in 2 d 7 h");
        assert_eq!(left(now, now), "in 0 s");
    }
}
