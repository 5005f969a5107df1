//! The day's requests, which everybody on the account shares: what Baton may still send. Sources: Salesforce's sheet, section 8 (24 hours
//! that roll), and HubSpot's, section 8 (days of the account's zone: 24 hours that roll are never more).

use std::time::Instant;

/// The hour since `since`. The first is the 24th, so that none of the slots looks used.
pub(super) fn hour(since: Instant) -> u64 {
    since.elapsed().as_secs() / 3600 + 24
}

/// What a day and its share allow.
#[derive(Debug, Default)]
pub(super) struct Day {
    pub(super) used: Option<(u32, u32)>,
    /// Own requests in each of the last 24 hours, by the hour since the start.
    hours: [(u64, u32); 24],
}

impl Day {
    pub(super) fn count(&mut self, hour: u64) {
        let slot = &mut self.hours[usize::try_from(hour % 24).unwrap_or(0)];
        if slot.0 != hour {
            *slot = (hour, 0);
        }
        slot.1 = slot.1.saturating_add(1);
    }

    /// What Baton may still send: what the account has left, and what its own share of the day has left. Others live off the same quota.
    pub(super) fn left(&self, hour: u64, share_percent: u32) -> Option<u32> {
        let (used, limit) = self.used?;
        let own: u32 = self.hours.iter().filter(|(of, _)| of + 24 > hour).map(|(_, count)| *count).sum();
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
        assert_eq!(day.left(24, 60), Some(60_000), "others have used little: the share is the limit");
        for _ in 0..1_000 {
            day.count(24);
        }
        assert_eq!(day.left(24, 60), Some(59_000));
        assert_eq!(day.left(48, 60), Some(60_000), "a day later they count no more");
        day.used = Some((95_000, 100_000));
        assert_eq!(day.left(24, 60), Some(5_000), "others have used much: what is left is the limit");
    }
}
