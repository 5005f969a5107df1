//! The loops: each waits for its period or a nudge, runs one pass, and notes how it ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::connector::ConnectorError;
use crate::domain::id::ConnectionId;
use crate::engine::EngineError;

use super::Parts;

/// The longest pause after failures in a row.
const BACK_OFF_MAX: Duration = Duration::from_secs(300);
/// How often the sweep looks at what is due.
const SWEEP_EVERY: Duration = Duration::from_millis(250);
/// How often the outbox is looked at without a nudge.
const DELIVER_EVERY: Duration = Duration::from_secs(1);

pub(super) async fn poll(
    parts: Arc<Parts>,
    connection: ConnectionId,
    every: Duration,
    outbox: Arc<Notify>,
    stop: CancellationToken,
) -> &'static str {
    let name = format!("poll {connection}");
    let mut failures = 0_u32;
    loop {
        let started = Instant::now();
        let polled = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            polled = parts.engine.poll(&connection) => polled,
        };
        let mut pause = every;
        match &polled {
            Ok(polled) => {
                failures = 0;
                if polled.changes > 0 {
                    tracing::info!(connection.id = %connection, pages = polled.pages, changes = polled.changes, "polled {connection}");
                    outbox.notify_waiters();
                }
                if polled.has_more {
                    pause = Duration::ZERO;
                } else if let Err(error) = parts.engine.hear_time(&connection).await {
                    tracing::error!(connection.id = %connection, "cannot hold the clock against the CRM's: {}", chain(&error));
                }
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                pause = back_off(every, failures, error);
                tracing::warn!(connection.id = %connection, failures, "cannot poll {connection}: {}", chain(error));
            }
        }
        note(&parts, &name, started, polled.err());
        if parts.engine.is_live() {
            let around = parts.engine.read_around_due(&connection).await;
            if let Err(error) = around {
                tracing::warn!(connection.id = %connection, "cannot read around what is due: {}", chain(&error));
            }
        }
        if sleep(&stop, pause).await {
            break;
        }
    }
    "poll"
}

pub(super) async fn deliver(
    parts: Arc<Parts>,
    connection: ConnectionId,
    outbox: Arc<Notify>,
    stop: CancellationToken,
) -> &'static str {
    let name = format!("deliver {connection}");
    loop {
        let started = Instant::now();
        let delivered = parts.engine.deliver(&connection).await;
        let is_idle = delivered.as_ref().map_or(true, |delivered| delivered.claimed == 0);
        if let Err(error) = &delivered {
            tracing::error!(connection.id = %connection, "cannot deliver: {}", chain(error));
        }
        note(&parts, &name, started, delivered.err());
        let pause = if is_idle { DELIVER_EVERY } else { Duration::ZERO };
        tokio::select! {
            // Asked first: a pause that is over must not begin another batch.
            biased;
            () = stop.cancelled() => break,
            () = outbox.notified(), if is_idle => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    "deliver"
}

pub(super) async fn notices(parts: Arc<Parts>, outbox: Arc<Notify>, stop: CancellationToken) -> &'static str {
    loop {
        let started = Instant::now();
        let delivered = parts.engine.deliver_notices(&parts.client, &parts.channels).await;
        if let Err(error) = &delivered {
            tracing::error!("cannot deliver notices: {}", chain(error));
        }
        note(&parts, "notices", started, delivered.err());
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = outbox.notified() => {}
            () = tokio::time::sleep(DELIVER_EVERY) => {}
        }
    }
    "notices"
}

pub(super) async fn sweep(parts: Arc<Parts>, outbox: Arc<Notify>, stop: CancellationToken) -> &'static str {
    loop {
        let started = Instant::now();
        let swept = parts.engine.sweep().await;
        let mut pause = SWEEP_EVERY;
        match &swept {
            Ok(swept) if swept.leads > 0 => {
                outbox.notify_waiters();
                if swept.has_more {
                    pause = Duration::ZERO;
                }
            }
            Ok(_) => {}
            Err(error) => tracing::error!("cannot sweep: {}", chain(error)),
        }
        note(&parts, "sweep", started, swept.err());
        if sleep(&stop, pause).await {
            break;
        }
    }
    "sweep"
}

/// What the minute's tick asks for: a look at the clock and the calendars, and once an hour forgetting what need not be
/// kept.
pub(super) async fn upkeep(parts: Arc<Parts>, tick: Arc<Notify>, stop: CancellationToken) -> &'static str {
    let mut minutes = 0_u64;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = tick.notified() => {}
        }
        let started = Instant::now();
        let watched = parts.engine.watch().await;
        let done = parts.engine.upkeep(minutes, parts.retention).await.and(watched);
        minutes += 1;
        if let Err(error) = &done {
            tracing::error!("cannot do the minute's upkeep: {}", chain(error));
        }
        note(&parts, "upkeep", started, done.err());
    }
    "upkeep"
}

/// Feeds systemd's watchdog, but only while passes end: a hang is a hang, whatever a timer says.
pub(super) async fn watchdog(parts: Arc<Parts>, stop: CancellationToken) -> &'static str {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        stop.cancelled().await;
        return "watchdog";
    };
    let mut seen = 0;
    loop {
        if sleep(&stop, limit / 3).await {
            break;
        }
        let passes = parts.status.passes();
        if passes != seen {
            seen = passes;
            if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]) {
                tracing::warn!("systemd's watchdog was not fed: {error}");
            }
        }
    }
    "watchdog"
}

fn note(parts: &Parts, name: &str, started: Instant, error: Option<EngineError>) {
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    parts.status.passed(name, parts.engine.clock().now(), duration_ms, error.map(|error| chain(&error)));
}

/// Sleeps for `pause`; says whether the daemon stops.
async fn sleep(stop: &CancellationToken, pause: Duration) -> bool {
    tokio::select! {
        biased;
        () = stop.cancelled() => true,
        () = tokio::time::sleep(pause) => false,
    }
}

fn back_off(every: Duration, failures: u32, error: &EngineError) -> Duration {
    let grown = every.saturating_mul(2_u32.saturating_pow(failures.min(8))).min(BACK_OFF_MAX);
    match error {
        EngineError::Connector(ConnectorError::RateLimited { retry_after, .. }) => (*retry_after).max(every),
        EngineError::Connector(_) | EngineError::Store(_) | EngineError::Vanished(_) => grown,
    }
}

/// An error with its causes, on one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::ConnectionId;

    #[test]
    fn a_connection_that_cannot_be_read_is_asked_ever_more_rarely_fault_72() {
        let every = Duration::from_secs(30);
        let message = "the server's certificate has expired".to_owned();
        let error =
            EngineError::Connector(ConnectorError::Unavailable { connection: ConnectionId::from("odoo"), message });
        let waits: Vec<Duration> = (1..=20).map(|failures| back_off(every, failures, &error)).collect();
        assert_eq!(waits[..3], [every * 2, every * 4, every * 8]);
        assert!(waits.is_sorted() && waits[19] == BACK_OFF_MAX, "{waits:?}");
    }
}
