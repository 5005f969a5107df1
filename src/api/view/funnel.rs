//! What became of the hand-offs of late.

use jiff::{SignedDuration, Timestamp};

use crate::engine::Engine;
use crate::report::funnel::{Funnel, funnel};
use crate::store::StoreError;

use super::Moment;

/// So far back a hand-off of late may have opened.
const BACK: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Events that are looked at: a page must not cost more the longer Baton has run.
const EVENTS_MAX: usize = 5_000;

/// The funnel with the time from which it counts.
#[derive(Clone, Debug)]
pub struct FunnelView {
    /// Hand-offs that opened since then are counted.
    pub since: Moment,
    /// Their figures.
    pub funnel: Funnel,
}

/// What became of the hand-offs of the last thirty days, or of as many of them as the newest events tell of.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub async fn funnel_of_late(engine: &Engine) -> Result<FunnelView, StoreError> {
    let mut rows = engine.store().recent_events(0, EVENTS_MAX).await?;
    rows.reverse();
    let mut since = engine.clock().now() - BACK;
    if rows.len() == EVENTS_MAX {
        since = since.max(rows.first().map_or(Timestamp::MIN, |row| row.decided_at));
    }
    let first = rows.first().map(|row| row.decided_at);
    let counted = funnel(since, rows.iter().map(|row| (row.lead, &row.event)));
    // Nobody looked before the first event.
    let since = first.map_or(since, |first| since.max(first));
    Ok(FunnelView { since: Moment::new(since, &engine.rules().zone), funnel: counted })
}
