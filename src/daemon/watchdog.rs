//! Feeds systemd's watchdog only while each loop gets on: a hang of one is a hang, whatever the others do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::engine::LoopStatus;

use super::Parts;
use super::task::sleep;

/// A loop that is at work may stand still so long: longer than any request may take, and the wait before it.
const STILL_MAX: Duration = Duration::from_secs(300);

/// What was seen of each loop.
#[derive(Debug, Default)]
struct Watch {
    seen: BTreeMap<String, (u64, Instant)>,
}

impl Watch {
    /// The loops that are at work and have not got on for [`STILL_MAX`].
    fn stuck(
        &mut self,
        now: Instant,
        loops: &BTreeMap<String, LoopStatus>,
        requests: impl Fn(&str) -> u64,
    ) -> Vec<String> {
        let mut stuck = Vec::new();
        for (name, known) in loops {
            let done = known.passes.wrapping_add(known.steps).wrapping_add(requests(name));
            let (before, since) = self.seen.entry(name.clone()).or_insert((done, now));
            let rests = known.rests_until.is_some_and(|until| until >= now);
            if *before != done || rests {
                (*before, *since) = (done, now);
            } else if now.duration_since(*since) > STILL_MAX {
                stuck.push(name.clone());
            }
        }
        stuck
    }
}

/// Feeds the watchdog until it stops, if systemd asks for that.
pub(super) async fn watchdog(parts: Arc<Parts>, stop: CancellationToken) -> &'static str {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        stop.cancelled().await;
        return "watchdog";
    };
    let mut watch = Watch::default();
    loop {
        if sleep(&stop, limit / 3).await {
            break;
        }
        let stuck = watch.stuck(Instant::now(), &parts.status.loops(), |name| requests(&parts, name));
        if stuck.is_empty() {
            if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]) {
                tracing::warn!("systemd's watchdog was not fed: {error}");
            }
        } else {
            tracing::error!("no progress of {}: the watchdog is not fed", stuck.join(", "));
        }
    }
    "watchdog"
}

/// What a delivery has sent: a batch of many slow writes gets on without telling. Those of a poll on the same connection count,
/// too; both stand still together where one holds what the other waits for.
fn requests(parts: &Parts, name: &str) -> u64 {
    let Some(connection) = name.strip_prefix("deliver ") else { return 0 };
    let mut all = parts.engine.connectors().iter();
    all.find(|connector| connector.id().as_str() == connection).map_or(0, |connector| connector.requests())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(passes: u64, steps: u64, rests_until: Option<Instant>) -> LoopStatus {
        LoopStatus { passes, steps, rests_until, ..LoopStatus::default() }
    }

    #[test]
    fn one_loop_that_hangs_is_seen_whatever_the_others_do_fault_18() {
        let mut watch = Watch::default();
        let start = Instant::now();
        let minute = Duration::from_secs(60);
        let mut passes = 0;
        let mut look = |minutes: u32, poll: LoopStatus| {
            passes += 1;
            let loops = BTreeMap::from([("sweep".to_owned(), at(passes, 0, None)), ("poll odoo".to_owned(), poll)]);
            watch.stuck(start + minute * minutes, &loops, |_| 0)
        };
        let none: Vec<String> = Vec::new();
        assert_eq!(look(0, at(1, 0, None)), none);
        // A long pass gets on by its steps.
        for minutes in 1..30 {
            assert_eq!(look(minutes, at(1, u64::from(minutes), None)), none);
        }
        // A loop that rests on purpose does not hang, however long.
        for minutes in 30..60 {
            assert_eq!(look(minutes, at(2, 29, Some(start + minute * 59))), none);
        }
        assert_eq!(look(60, at(2, 29, None)), none);
        assert_eq!(look(64, at(2, 29, None)), none, "not yet longer than a request may take");
        assert_eq!(look(65, at(2, 29, None)), ["poll odoo"]);
        assert_eq!(look(66, at(2, 30, None)), none);
    }
}
