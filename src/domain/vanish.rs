//! Records that vanish in masses: more likely a permission that shrank, or a mistaken bulk delete, than so many people lost.
//!
//! A look at a CRM that calls too many of a connection's people gone is not believed until a person says so or the records are
//! there again: taking it at its word would end every hand-off of theirs without a sound. Whoever went within the last day
//! counts, too, by whatever road Baton learned of it, so that a drain in small portions is no other than a mass at once.

use crate::domain::counted::{many, noun};
use jiff::SignedDuration;

use super::finding::{Finding, FindingKind, Subject};
use super::id::{ConnectionId, Name};

/// Fewer than this many are never a mass: people do clean up by hand.
pub const GONE_LEAST: usize = 25;

/// Those who vanished within so long count together.
pub const WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// The share of a connection's people that may vanish within [`WINDOW`], in percent, where the settings say nothing.
pub const PERCENT_MAX: u8 = 20;

/// The part of a connection that the finding names.
pub const PART: &str = "vanished";

/// What a look at a connection calls gone, with those who went before it, of what was known there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vanished {
    /// Which connection.
    pub connection: ConnectionId,
    /// People's records that the look calls gone and that were live until then, with those of the last day.
    pub gone: usize,
    /// People's records of the connection that were live before them.
    pub live: usize,
    /// The share that may vanish, in percent.
    pub percent_max: u8,
}

impl Vanished {
    /// Is that too much to be believed? More than `percent_max` of `live`, and at least [`GONE_LEAST`].
    #[must_use]
    pub fn is_mass(&self) -> bool {
        self.gone >= GONE_LEAST && self.gone * 100 > usize::from(self.percent_max) * self.live
    }

    /// So many live records are enough for `gone` of them to be no mass; more need not be counted.
    #[must_use]
    pub fn live_enough(gone: usize, percent_max: u8) -> usize {
        (gone * 100).div_ceil(usize::from(percent_max.max(1)))
    }

    /// What a person is told: what was found, and what to do.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let Self { connection, gone, live, percent_max } = self;
        Finding {
            kind: FindingKind::Connection,
            subject: Subject::Connection(connection.clone(), Name::from(PART)),
            text: format!(
                "{connection} says that {gone} of {} {} gone, more than {percent_max} % within a day: nobody else is \
                 taken as gone, and {connection} is not read on. Check what the key may see, and the CRM's archive; bring \
                 the records back, or confirm with `vanish_max_percent = 100` under [connections.{connection}]",
                many(*live, "person", "people"),
                noun(*gone, "is", "are")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(gone: usize, live: usize, percent_max: u8) -> Vanished {
        Vanished { connection: ConnectionId::from("odoo"), gone, live, percent_max }
    }

    #[test]
    fn a_mass_is_more_than_the_share_and_at_least_twenty_five() {
        let check = |gone, live, percent_max, expected| {
            assert_eq!(look(gone, live, percent_max).is_mass(), expected, "{gone} of {live}, {percent_max} %");
        };
        check(0, 0, 20, false);
        check(24, 24, 20, false);
        check(25, 25, 20, true);
        check(25, 124, 20, true);
        check(25, 125, 20, false);
        check(26, 125, 20, true);
        check(200, 1_000, 20, false);
        check(201, 1_000, 20, true);
        check(1_000_000, 1_000_000, 100, false);
        check(60, 100, 50, true);
    }

    #[test]
    fn counting_may_stop_where_nothing_can_change_any_more() {
        for gone in [25, 26, 40, 500, 501] {
            for percent_max in [1, 7, 20, 33, 100] {
                let enough = Vanished::live_enough(gone, percent_max);
                assert!(!look(gone, enough, percent_max).is_mass(), "{gone} of {enough}, {percent_max} %");
                let is_least = enough == 0 || look(gone, enough - 1, percent_max).is_mass();
                assert!(is_least, "{gone} of {enough}, {percent_max} %");
            }
        }
    }

    #[test]
    fn the_finding_names_the_connection_the_numbers_and_what_to_do() {
        let finding = look(31, 40, 20).finding();
        for part in ["odoo says that 31 of 40 people", "20 %", "vanish_max_percent = 100", "[connections.odoo]"] {
            assert!(finding.text.contains(part), "{part}: {}", finding.text);
        }
    }
}
