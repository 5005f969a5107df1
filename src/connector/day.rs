//! The day's requests, which everybody on the account shares: what Baton may still send. Sources: Salesforce's sheet, section 8 (24 hours
//! that roll), and HubSpot's, section 8 (days of the account's zone: 24 hours that roll are never more).
//!
//! What was spent is kept over a restart ([`Spent`]), or each process would begin with a share of its own.

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;

/// Hours that count.
const HOURS: u64 = 24;

/// Own requests by the hour, counted from 1970: what outlives a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spent(BTreeMap<u64, u32>);

impl Spent {
    /// As the store keeps it: `493872=12 493873=40`.
    pub(super) fn text(&self) -> String {
        let hours: Vec<String> = self.0.iter().map(|(hour, count)| format!("{hour}={count}")).collect();
        hours.join(" ")
    }

    /// What cannot be read is left out.
    pub(super) fn parse(text: &str) -> Self {
        let hour = |word: &str| {
            let (hour, count) = word.split_once('=')?;
            Some((hour.parse().ok()?, count.parse().ok()?))
        };
        Self(text.split(' ').filter_map(hour).collect())
    }
}

/// What a day and its share allow.
#[derive(Debug)]
pub(super) struct Day {
    pub(super) used: Option<(u32, u32)>,
    spent: Spent,
    /// A moment, and the seconds since 1970 that it was told to be: from then on it counts by itself. Before anybody tells, hours since
    /// the start do as well.
    told: (Instant, u64),
}

impl Default for Day {
    fn default() -> Self {
        Self { used: None, spent: Spent::default(), told: (Instant::now(), HOURS * 3600) }
    }
}

impl Day {
    /// A request leaves.
    pub(super) fn count(&mut self) {
        self.count_in(self.hour());
    }

    /// What Baton may still send: what the account has left, and what its own share of the day has left. Others live off the same quota.
    pub(super) fn left(&self, share_percent: u32) -> Option<u32> {
        self.left_in(self.hour(), share_percent)
    }

    /// What was spent so far.
    pub(super) fn spent(&self) -> Spent {
        self.spent.clone()
    }

    /// It is `now` by real time, and an earlier process has spent this.
    pub(super) fn recall(&mut self, earlier: Spent, now: Timestamp) {
        let own: u32 = self.spent.0.values().sum();
        self.told = (Instant::now(), u64::try_from(now.as_second()).unwrap_or_default());
        self.spent = earlier;
        let here = self.hour();
        // What lies ahead was written by a clock that was: it counts from now on, and not for ever.
        let ahead: u32 = self.spent.0.split_off(&(here + 1)).into_values().sum();
        *self.spent.0.entry(here).or_default() += own.saturating_add(ahead);
    }

    fn hour(&self) -> u64 {
        let (at, second) = self.told;
        (second + at.elapsed().as_secs()) / 3600
    }

    fn count_in(&mut self, hour: u64) {
        self.spent.0 = self.spent.0.split_off(&(hour + 1).saturating_sub(HOURS));
        let count = self.spent.0.entry(hour).or_default();
        *count = count.saturating_add(1);
    }

    fn left_in(&self, hour: u64, share_percent: u32) -> Option<u32> {
        let (used, limit) = self.used?;
        let own: u32 = self.spent.0.iter().filter(|(of, _)| *of + HOURS > hour).map(|(_, count)| *count).sum();
        let share = u64::from(limit) * u64::from(share_percent) / 100;
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        Some(limit.saturating_sub(used).min(share.saturating_sub(own)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn baton_takes_its_share_of_the_day_and_leaves_the_rest_section_8() {
        let mut day = Day { used: Some((10_000, 100_000)), ..Day::default() };
        assert_eq!(day.left_in(24, 60), Some(60_000), "others have used little: the share is the limit");
        for _ in 0..1_000 {
            day.count_in(24);
        }
        assert_eq!(day.left_in(24, 60), Some(59_000));
        assert_eq!(day.left_in(47, 60), Some(59_000));
        assert_eq!(day.left_in(48, 60), Some(60_000), "a day later they count no more");
        day.count_in(48);
        assert_eq!(day.spent().text(), "48=1", "nor are they kept");
        day.used = Some((95_000, 100_000));
        assert_eq!(day.left_in(48, 60), Some(5_000), "others have used much: what is left is the limit");
    }

    #[test]
    fn what_an_earlier_process_spent_counts_until_a_day_is_over() {
        let at = |hour: i64| Timestamp::from_second(hour * 3600 + 60).unwrap();
        let left = |earlier: &str, hour: i64| {
            let mut day = Day { used: Some((0, 1_000)), ..Day::default() };
            // Before anybody told what has been spent.
            day.count();
            day.recall(Spent::parse(earlier), at(hour));
            day.left(50)
        };
        for (hour, expected) in [(500, 439), (522, 439), (523, 449), (524, 499)] {
            assert_eq!(left("499=10 500=50", hour), Some(expected), "in hour {hour}");
        }
        assert_eq!(left("500=50 x 7=y", 500), Some(449), "what cannot be read is left out");
        assert_eq!(left("900=50", 500), Some(449), "a clock that was ahead");
        let mut day = Day::default();
        day.recall(Spent::parse("499=10 500=50"), at(500));
        day.count();
        assert_eq!(Spent::parse(&day.spent().text()), day.spent());
        assert_eq!(day.spent().text(), "499=10 500=51");
    }
}
