//! The loops: each waits for its period or a nudge, runs one pass, and notes how it ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::connector::ConnectorError;
use crate::domain::id::ConnectionId;
use crate::engine::{EngineError, loop_name};
use crate::store::StoreError;

use super::Parts;
use super::rules::RulesOnDisk;

/// The database is looked through once a day.
const HOURS_A_DAY: u64 = 24;
/// The longest pause after failures in a row.
const BACK_OFF_MAX: Duration = Duration::from_secs(300);
/// How often the sweep looks at what is due.
const SWEEP_EVERY: Duration = Duration::from_millis(250);
/// How often the files of the rules are looked at.
const LOOK_AT_FILES_EVERY: Duration = Duration::from_secs(2);
/// How often the outbox is looked at without a nudge.
const DELIVER_EVERY: Duration = Duration::from_secs(1);
/// How often, at least and at most, the patrol looks whether a page is due.
const PATROL_EVERY_MIN: Duration = Duration::from_millis(50);
const PATROL_EVERY_MAX: Duration = Duration::from_secs(60);
/// How often hints are looked for without a nudge: after a start, or once a record has rested.
const HINTS_EVERY: Duration = Duration::from_secs(5);
/// How often the upkeep is done.
const UPKEEP_EVERY: Duration = Duration::from_secs(3_600);
/// The minute's tick comes within this.
const TICK_WITHIN: Duration = Duration::from_secs(180);

pub(super) async fn poll(
    parts: Arc<Parts>,
    connection: ConnectionId,
    every: Duration,
    outbox: Arc<Notify>,
    stop: CancellationToken,
) -> &'static str {
    let name = loop_name("poll", &connection);
    parts.status.begins(&name);
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
        note(&parts, &name, started, polled.err()).await;
        if parts.engine.is_live() {
            let around = parts.engine.read_around_due(&connection).await;
            if let Err(error) = around {
                tracing::warn!(connection.id = %connection, "cannot read around what is due: {}", chain(&error));
            }
        }
        if rest(&parts, &name, &stop, pause).await {
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
    let name = loop_name("deliver", &connection);
    parts.status.begins(&name);
    loop {
        let started = Instant::now();
        let delivered = parts.engine.deliver(&connection).await;
        let is_idle = delivered.as_ref().map_or(true, |delivered| delivered.claimed == 0);
        if let Err(error) = &delivered {
            tracing::error!(connection.id = %connection, "cannot deliver: {}", chain(error));
        }
        note(&parts, &name, started, delivered.err()).await;
        let pause = if is_idle { DELIVER_EVERY } else { Duration::ZERO };
        parts.status.rests(&name, Instant::now() + pause);
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
    parts.status.begins("notices");
    loop {
        let started = Instant::now();
        let delivered = parts.engine.deliver_notices(&parts.client, &parts.channels).await;
        if let Err(error) = &delivered {
            tracing::error!("cannot deliver notices: {}", chain(error));
        }
        note(&parts, "notices", started, delivered.err()).await;
        parts.status.rests("notices", Instant::now() + DELIVER_EVERY);
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
    parts.status.begins("sweep");
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
        note(&parts, "sweep", started, swept.err()).await;
        if rest(&parts, "sweep", &stop, pause).await {
            break;
        }
    }
    "sweep"
}

/// Reads everything again, from what the others leave of the request budget.
pub(super) async fn patrol(
    parts: Arc<Parts>,
    connection: ConnectionId,
    outbox: Arc<Notify>,
    stop: CancellationToken,
) -> &'static str {
    let name = loop_name("patrol", &connection);
    parts.status.begins(&name);
    let mut failures = 0_u32;
    loop {
        let started = Instant::now();
        let patrolled = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            patrolled = parts.engine.patrol(&connection) => patrolled,
        };
        let clock = parts.engine.clock();
        let mut error = None;
        let pause = match patrolled {
            Ok(patrolled) => {
                failures = 0;
                if patrolled.repaired > 0 {
                    outbox.notify_waiters();
                }
                let wait = patrolled.next_at.map(|next| clock.real(next.duration_since(clock.now())));
                wait.unwrap_or(PATROL_EVERY_MAX).clamp(PATROL_EVERY_MIN, PATROL_EVERY_MAX)
            }
            // The others needed all requests: nothing failed.
            Err(EngineError::Connector(ConnectorError::RateLimited { retry_after, .. })) => {
                retry_after.clamp(PATROL_EVERY_MIN, BACK_OFF_MAX)
            }
            Err(failure) => {
                failures = failures.saturating_add(1);
                tracing::warn!(connection.id = %connection, failures, "the patrol of {connection} does not go on: {}", chain(&failure));
                back_off(PATROL_EVERY_MAX, failures, error.insert(failure))
            }
        };
        note(&parts, &name, started, error).await;
        if rest(&parts, &name, &stop, pause).await {
            break;
        }
    }
    "patrol"
}

/// Looks at what webhooks name.
pub(super) async fn hints(
    parts: Arc<Parts>,
    connection: ConnectionId,
    outbox: Arc<Notify>,
    stop: CancellationToken,
) -> &'static str {
    let name = loop_name("hints", &connection);
    parts.status.begins(&name);
    let mut failures = 0_u32;
    loop {
        let started = Instant::now();
        let followed = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            followed = parts.engine.follow_hints(&connection) => followed,
        };
        let mut pause = HINTS_EVERY;
        let mut is_nudged = true;
        match &followed {
            Ok(followed) => {
                failures = 0;
                if followed.changes > 0 {
                    outbox.notify_waiters();
                }
                if followed.has_more {
                    pause = Duration::ZERO;
                }
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                pause = back_off(HINTS_EVERY, failures, error);
                // More hints do not make it answer sooner.
                is_nudged = false;
                tracing::warn!(connection.id = %connection, failures, "cannot look at what webhooks name: {}", chain(error));
            }
        }
        note(&parts, &name, started, followed.err()).await;
        parts.status.rests(&name, Instant::now() + pause);
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = parts.engine.hinted(&connection), if is_nudged => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    "hints"
}

/// What the minute's tick asks for: a look at the streams, the clock and the calendars.
pub(super) async fn watch(parts: Arc<Parts>, tick: Arc<Notify>, stop: CancellationToken) -> &'static str {
    parts.status.begins("watch");
    loop {
        if ticked(&parts, "watch", &tick, &stop).await {
            break;
        }
        let started = Instant::now();
        let watched = parts.engine.watch().await;
        let room = parts.engine.look_for_room(&parts.reserve).await;
        let compared = parts.engine.compare().await;
        let chosen = parts.engine.watch_choices().await;
        let tested = match parts.channels.self_test {
            Some(every) => parts.engine.test_when_due(every).await,
            None => Ok(()),
        };
        let watched = watched.and(room).and(compared).and(chosen).and(tested);
        if let Err(error) = &watched {
            tracing::error!("cannot look at streams, clock and calendars: {}", chain(error));
        }
        note(&parts, "watch", started, watched.err()).await;
    }
    "watch"
}

/// What the minute's tick asks for once an hour: reading around open hand-offs, and forgetting what need not be kept. Ticks that
/// come while it runs are one tick when it is done (fault 92).
pub(super) async fn upkeep(parts: Arc<Parts>, tick: Arc<Notify>, stop: CancellationToken) -> &'static str {
    parts.status.begins("upkeep");
    let mut due = Instant::now();
    let mut hours = 0_u64;
    loop {
        if ticked(&parts, "upkeep", &tick, &stop).await {
            break;
        }
        if due > Instant::now() {
            continue;
        }
        let started = Instant::now();
        due = started + UPKEEP_EVERY;
        let sound = if hours > 0 && hours.is_multiple_of(HOURS_A_DAY) {
            parts.engine.store().check_integrity().await.map_err(EngineError::from)
        } else {
            Ok(())
        };
        hours += 1;
        let done = parts.engine.upkeep(parts.retention).await.and(sound);
        if let Err(error) = &done {
            tracing::error!("cannot do the hour's upkeep: {}", chain(error));
        }
        note(&parts, "upkeep", started, done.err()).await;
    }
    "upkeep"
}

/// Waits for the minute's tick; says whether the daemon stops.
async fn ticked(parts: &Parts, name: &str, tick: &Notify, stop: &CancellationToken) -> bool {
    // A tick that does not come is the scheduler's hang, and this loop's.
    parts.status.rests(name, Instant::now() + TICK_WITHIN);
    tokio::select! {
        biased;
        () = stop.cancelled() => true,
        () = tick.notified() => false,
    }
}

/// Puts agreement and roster in force anew when their files have changed, or when SIGHUP asks for it.
pub(super) async fn reload(
    parts: Arc<Parts>,
    mut rules: RulesOnDisk,
    outbox: Arc<Notify>,
    stop: CancellationToken,
) -> &'static str {
    let mut asked = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()) {
        Ok(asked) => Some(asked),
        Err(error) => {
            tracing::warn!("SIGHUP is not heard: {error}");
            None
        }
    };
    loop {
        parts.status.rests("reload", Instant::now() + LOOK_AT_FILES_EVERY);
        let hangup = async {
            match &mut asked {
                Some(asked) => asked.recv().await,
                None => std::future::pending().await,
            }
        };
        let is_asked = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            _ = hangup => true,
            () = tokio::time::sleep(LOOK_AT_FILES_EVERY) => false,
        };
        if !(rules.have_changed() || is_asked) {
            continue;
        }
        let started = Instant::now();
        let done = match rules.read() {
            Ok((agreement, roster)) => parts.engine.adopt_rules(agreement, roster).await,
            Err(problems) => parts.engine.note_failed_reload(&problems).await,
        };
        if let Err(error) = &done {
            tracing::error!("cannot put the rules in force: {}", chain(error));
        }
        outbox.notify_waiters();
        note(&parts, "reload", started, done.err()).await;
    }
    "reload"
}

/// Notes how a pass ended, and what its failure means for the whole.
async fn note(parts: &Parts, name: &str, started: Instant, error: Option<EngineError>) {
    match &error {
        Some(EngineError::Store(error)) if error.is_fatal() => die(error),
        Some(EngineError::Store(StoreError::Full(_))) => parts.engine.disk_is_full(&parts.reserve).await,
        _ => {}
    }
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    parts.status.passed(name, parts.engine.clock().now(), duration_ms, error.map(|error| chain(&error)));
}

/// Ends the process where it stands (fault 9). After a failed flush nobody knows what the disk holds; to close the database
/// would flush again, and might succeed without what was lost.
fn die(error: &StoreError) -> ! {
    tracing::error!("the database cannot be trusted any more, so Baton ends: {}", chain(error));
    std::process::exit(1)
}

/// The same, which a loop does on purpose.
async fn rest(parts: &Parts, name: &str, stop: &CancellationToken, pause: Duration) -> bool {
    parts.status.rests(name, Instant::now() + pause);
    sleep(stop, pause).await
}

/// Sleeps for `pause`; says whether the daemon stops.
pub(super) async fn sleep(stop: &CancellationToken, pause: Duration) -> bool {
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
