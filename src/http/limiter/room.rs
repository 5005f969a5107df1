//! The room that other applications leave in a window, as far as the CRM's answers tell: they say how much of it is left for everybody,
//! and what of the rest is ours is counted here.
//!
//! A pace that is halved whenever little is left, and grows back, uses less than what is left and cannot know how much that is. So
//! nothing is slowed: a request waits as long as ours in the window, and the others' with a margin, fill it.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::Rate;

/// A request counts for the CRM from when it arrives, which is so long after it left at most; later ones only make us more careful.
const WAY: Duration = Duration::from_millis(250);

/// One window, as it is used.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// When ours left, oldest first, as long as they may count.
    sent: VecDeque<Instant>,
    /// How many were others' by each answer of the last window, oldest first.
    others: VecDeque<(Instant, u32)>,
}

impl Room {
    /// One of ours leaves.
    pub(super) fn count(&mut self, now: Instant, rate: Rate) {
        let ended = |sent: &Instant| now.duration_since(*sent) >= rate.window + WAY;
        while self.sent.front().is_some_and(ended) {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
    }

    /// One of ours was refused: it has used nothing.
    pub(super) fn turned_away(&mut self) {
        self.sent.pop_back();
    }

    /// An answer said that so many are left for everybody.
    pub(super) fn told(&mut self, now: Instant, rate: Rate, left: u32) {
        while self.others.front().is_some_and(|(at, _)| now.duration_since(*at) >= rate.window) {
            self.others.pop_front();
        }
        let used = rate.limit.get().saturating_sub(left);
        self.others.push_back((now, used.saturating_sub(self.ours(now, rate.window + WAY))));
    }

    /// How long the next request waits for room, if it may use so many percent of it; `None` if there is some, or nobody else.
    pub(super) fn wait(&self, now: Instant, rate: Rate, percent: u32) -> Option<Duration> {
        let (told_at, others) = self.expected(now, rate)?;
        let room = rate.limit.get().saturating_sub(others) * percent / 100;
        let ours = self.ours(now, rate.window);
        let over = ours.checked_sub(room)?;
        // So many of ours must have left the window before; without any of ours, what was told lapses.
        let first = self.sent.len() - usize::try_from(ours).unwrap_or(self.sent.len());
        let from = self.sent.get(first + usize::try_from(over).unwrap_or_default()).unwrap_or(&told_at);
        Some((*from + rate.window).saturating_duration_since(now).max(Duration::from_millis(1)))
    }

    /// What others will have of the window, and when it was told last: the most of its last half, since they come in bursts, as much more
    /// as that is above the half before, and what may come until the next answer. `None` if there is nobody.
    fn expected(&self, now: Instant, rate: Rate) -> Option<(Instant, u32)> {
        let (told_at, _) = *self.others.back()?;
        let half = rate.window / 2;
        let most = |from: Duration, until: Duration| {
            let within = self.others.iter().filter(|(at, _)| (from..until).contains(&now.duration_since(*at)));
            within.map(|(_, count)| *count).max()
        };
        let recent = most(Duration::ZERO, half).or_else(|| most(half, rate.window)).filter(|count| *count > 0)?;
        let growth = recent.saturating_sub(most(half, rate.window).unwrap_or(recent));
        Some((told_at, recent + growth + rate.limit.get().div_ceil(30)))
    }

    /// Ours of the last `span`.
    fn ours(&self, now: Instant, span: Duration) -> u32 {
        let within = self.sent.iter().rev().take_while(|sent| now.duration_since(**sent) < span).count();
        u32::try_from(within).unwrap_or(u32::MAX)
    }
}
