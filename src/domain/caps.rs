//! How much may be written by itself within an hour. What goes beyond waits for a person: a wrong rule, a wrong map or a wrong
//! roster then touches so many records, and not all of them.

use crate::domain::counted::{many, noun};
use jiff::SignedDuration;

use super::finding::{Finding, FindingKind, Subject};
use super::id::{ConnectionId, Name};

/// The window that is counted in.
pub const WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// Fewer owners than this that change within the window are never too many: teams do move a handful of leads.
pub const OWNERS_LEAST: i64 = 25;

/// Effects that a hand-off costs sales' CRM and marketing's together: owner, task, stage, note, score.
const WRITES_OF_A_HANDOFF: u32 = 5;

/// The caps of a workspace. Alerts, and what a person approved, are never capped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Writes to one connection within an hour; `None` = as many as follow.
    pub writes: Option<u32>,
    /// The share of a connection's people, in percent, whose owner may be taken from them within an hour; 100 = all.
    pub owners_percent: u8,
}

impl Default for Caps {
    fn default() -> Self {
        Self { writes: Some(2_000), owners_percent: 10 }
    }
}

/// What is counted of one connection: writes, and those among them that take a record from somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Writes.
    pub writes: i64,
    /// Those that take a record from its owner.
    pub takes: i64,
}

impl Caps {
    /// No caps at all.
    #[must_use]
    pub fn none() -> Self {
        Self { writes: None, owners_percent: 100 }
    }

    /// How many of the writes that wait may go, if not all of them.
    #[must_use]
    pub fn writes_left(&self, sent: Count, waiting: Count) -> Option<i64> {
        let most = i64::from(self.writes?);
        (sent.writes + waiting.writes > most).then(|| (most - sent.writes).max(0))
    }

    /// How many owners may still be changed, if not as many as wait; `live` = the connection's people.
    #[must_use]
    pub fn owners_left(&self, sent: Count, waiting: Count, live: i64) -> Option<i64> {
        let changes = sent.takes + waiting.takes;
        let is_over = changes >= OWNERS_LEAST && changes * 100 > i64::from(self.owners_percent) * live;
        let most = (i64::from(self.owners_percent) * live / 100).max(OWNERS_LEAST - 1);
        (is_over && waiting.takes > 0).then(|| (most - sent.takes).max(0))
    }

    /// Hand-offs that may be opened on purpose within an hour.
    #[must_use]
    pub fn handoffs_an_hour(&self) -> u32 {
        self.writes.map_or(u32::MAX, |writes| (writes / WRITES_OF_A_HANDOFF).max(1))
    }
}

/// What the finding on a connection's caps is about.
#[must_use]
pub fn of_connection(connection: &ConnectionId) -> Subject {
    Subject::Connection(connection.clone(), Name::from("caps"))
}

/// What the finding on another agreement is about.
#[must_use]
pub fn of_rules() -> Subject {
    Subject::Policy(Name::from("agreement"))
}

/// What a person is told of writes that wait behind a cap.
#[must_use]
pub fn finding(connection: &ConnectionId, waiting: i64, leads: i64, caps: &Caps) -> Finding {
    let most =
        caps.writes.map_or_else(String::new, |writes| format!("{} an hour or ", many(writes, "write", "writes")));
    let owners = caps.owners_percent;
    Finding {
        kind: FindingKind::Capped,
        subject: of_connection(connection),
        text: format!(
            "{} to {connection} for {} {}: more than {most}owners of {owners} % of its people \
             changed, which is all that goes by itself. Look at them with `baton plan`; let them go with `baton apply ID` or \
             `baton outbox approve --connection {connection}`, or take them back with `baton outbox discard`",
            many(waiting, "write", "writes"),
            many(leads, "lead", "leads"),
            noun(waiting, "waits", "wait")
        ),
    }
}

/// What a person is told of an agreement that would touch more leads than the caps let go by themselves.
#[must_use]
pub fn rules_finding(version: &Name, writes: usize, leads: usize, caps: &Caps) -> Finding {
    let most = caps.writes.map_or_else(String::new, |writes| writes.to_string());
    Finding {
        kind: FindingKind::Capped,
        subject: of_rules(),
        text: format!(
            "agreement {version} asks for {} for {} at once, more than the {most} an hour that go by \
             themselves: they wait. Look at them with `baton plan`; let them go with `baton apply ID`, or go back to the \
             agreement before and take them back with `baton outbox discard --all`",
            many(writes, "write", "writes"),
            many(leads, "lead", "leads")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(writes: i64, takes: i64) -> Count {
        Count { writes, takes }
    }

    #[test]
    fn what_goes_beyond_the_writes_of_an_hour_waits_fault_75() {
        let caps = Caps { writes: Some(100), owners_percent: 10 };
        let check = |sent, waiting, expected| {
            assert_eq!(caps.writes_left(count(sent, 0), count(waiting, 0)), expected, "{sent} sent, {waiting} wait");
        };
        check(0, 100, None);
        check(0, 101, Some(100));
        check(60, 40, None);
        check(60, 41, Some(40));
        check(100, 1, Some(0));
        check(150, 1, Some(0));
        assert_eq!(Caps::none().writes_left(count(1_000_000, 0), count(1, 0)), None);
    }

    #[test]
    fn a_mass_of_owners_that_change_waits_and_a_handful_does_not() {
        let caps = Caps { writes: None, owners_percent: 10 };
        let check = |sent, waiting, live, expected| {
            let left = caps.owners_left(count(0, sent), count(0, waiting), live);
            assert_eq!(left, expected, "{sent} changed, {waiting} wait, of {live}");
        };
        check(0, 24, 24, None);
        check(0, 25, 25, Some(24));
        check(0, 25, 250, None);
        check(0, 101, 1_000, Some(100));
        check(90, 10, 1_000, None);
        check(90, 11, 1_000, Some(10));
        check(200, 0, 1_000, None);
        check(200, 1, 1_000, Some(0));
        assert_eq!(Caps::none().owners_left(count(0, 0), count(0, 500), 500), None);
    }

    #[test]
    fn a_finding_says_how_many_wait_and_what_to_do() {
        let text = finding(&ConnectionId::from("hubspot"), 120, 60, &Caps::default()).text;
        for part in
            ["120 writes to hubspot", "60 leads", "2000 writes an hour", "baton outbox approve --connection hubspot"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
