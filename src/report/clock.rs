//! A clock minute by minute: which stretches counted, which did not, and why.

use jiff::{SignedDuration, Timestamp};

use crate::domain::calendar::Calendar;
use crate::domain::handoff::{CommitmentClock, Turn};
use crate::domain::roster::Roster;

/// One commitment's clock, accounted for.
#[derive(Clone, Debug)]
pub struct Account {
    /// The turn.
    pub turn: u32,
    /// The commitment.
    pub commitment: String,
    /// The working hours that counted.
    pub calendar: String,
    /// When the clock started.
    pub from: Timestamp,
    /// When it is due.
    pub due_at: Option<Timestamp>,
    /// When it was kept, if it was.
    pub met_at: Option<Timestamp>,
    /// Open time so far, or until it was kept.
    pub counted: SignedDuration,
    /// Every stretch, counted or skipped, with the reason.
    pub stretches: Vec<Stretch>,
}

/// A stretch of time on a clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// From.
    pub from: Timestamp,
    /// To.
    pub to: Timestamp,
    /// Did it count?
    pub counts: bool,
    /// Why, or why not.
    pub why: String,
}

/// Accounts for every started clock of `turn` up to `now`.
#[must_use]
pub fn accounts(now: Timestamp, turn: &Turn, roster: &Roster) -> Vec<Account> {
    let Some(from) = turn.clock_from else { return Vec::new() };
    let calendar = roster.calendar_of(&turn.owner, turn.team.as_ref()).map(|(_, calendar)| Calendar::clone(calendar));
    let calendar = calendar.unwrap_or_else(Calendar::always_open);
    turn.clocks.iter().map(|clock| account(now, turn, clock, from, &calendar)).collect()
}

fn account(now: Timestamp, turn: &Turn, clock: &CommitmentClock, from: Timestamp, hours: &Calendar) -> Account {
    let always = Calendar::always_open();
    let calendar = if clock.time.is_business() { hours } else { &always };
    let end = clock.met.as_ref().map(|met| met.at).or(turn.ended.map(|end| end.at)).unwrap_or(now);
    let stretches = calendar
        .explain(from, end)
        .into_iter()
        .map(|interval| Stretch {
            from: interval.from,
            to: interval.to,
            counts: interval.open,
            why: interval.why.to_string(),
        })
        .collect();
    Account {
        turn: turn.number,
        commitment: clock.name.to_string(),
        calendar: calendar.name().to_owned(),
        from,
        due_at: clock.due_at,
        met_at: clock.met.as_ref().map(|met| met.at),
        counted: calendar.between(from, end),
        stretches,
    }
}
