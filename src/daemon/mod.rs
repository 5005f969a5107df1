//! Floor 6: the composition root. One `JoinSet`, one cancellation token, and all wiring; nothing else starts tasks.
//!
//! Each loop calls bounded passes of the engine, on a period and on a nudge. A nudge says "now", never "what", so a pass
//! never overlaps itself and a restart takes the same road as any other minute.

pub mod assemble;
pub mod control;
mod schedule;

mod task;
pub mod telemetry;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::engine::deliver::Channels;
use crate::engine::{Engine, Retention, Status};
use crate::http::Client;

/// How long the daemon may take to stop; shorter than systemd's `TimeoutStopSec`.
pub const STOP_WITHIN: Duration = Duration::from_secs(10);

/// What the daemon is made of.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The engine.
    pub engine: Arc<Engine>,
    /// How often each connection is polled.
    pub polls: Vec<(crate::domain::id::ConnectionId, Duration)>,
    /// Where notices go.
    pub channels: Channels,
    /// The client that notices go out by.
    pub client: Client,
    /// What is forgotten when.
    pub retention: Retention,
    /// What the loops report.
    pub status: Arc<Status>,
    /// Where the control socket is opened.
    pub control: std::path::PathBuf,
}

impl Parts {
    /// Looks at every account once: what does not fit becomes findings, and an account that cannot be read is logged, not
    /// fatal, since it may come back.
    pub async fn describe_connections(&self) {
        for (connection, outcome) in self.engine.describe().await {
            match outcome {
                Ok(account) => tracing::info!(connection.id = %connection, "{connection}: {account}"),
                Err(error) => tracing::warn!(connection.id = %connection, "{connection}: {error}"),
            }
        }
    }
}

/// Resolves when the process is asked to stop: Ctrl-C or SIGTERM. A second signal ends it at once.
pub async fn stopped() {
    let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => {
            tracing::warn!("SIGTERM is not heard: {error}");
            return drop(tokio::signal::ctrl_c().await);
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping");
}

/// Runs until `shutdown` resolves or a loop ends in a panic.
///
/// # Errors
/// The failure that ended it, if it was not asked to stop.
pub async fn run(
    parts: Parts,
    router: axum::Router,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    let parts = Arc::new(parts);
    let stop = CancellationToken::new();
    let outbox = Arc::new(Notify::new());
    let mut tasks: JoinSet<&'static str> = JoinSet::new();
    for (connection, every) in parts.polls.clone() {
        tasks.spawn(task::poll(Arc::clone(&parts), connection.clone(), every, Arc::clone(&outbox), stop.clone()));
        tasks.spawn(task::deliver(Arc::clone(&parts), connection, Arc::clone(&outbox), stop.clone()));
    }
    tasks.spawn(task::sweep(Arc::clone(&parts), Arc::clone(&outbox), stop.clone()));
    tasks.spawn(task::notices(Arc::clone(&parts), Arc::clone(&outbox), stop.clone()));
    match control::listen(&parts.control) {
        Ok(listener) => {
            tasks.spawn(control::control(Arc::clone(&parts), listener, Arc::clone(&outbox), stop.clone()));
        }
        Err(error) => tracing::error!(
            "no control socket at {}: {error}; commands that change something work only while the daemon is stopped",
            parts.control.display()
        ),
    }
    let tick = Arc::new(Notify::new());
    let scheduler = schedule::start(Arc::clone(&tick)).await.context("starting the minute's tick")?;
    tasks.spawn(task::upkeep(Arc::clone(&parts), tick, stop.clone()));
    let server_stop = stop.clone();
    tasks.spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(server_stop.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!("the board's server ended: {error}");
        }
        "server"
    });
    tasks.spawn(task::watchdog(Arc::clone(&parts), stop.clone()));
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        tracing::debug!("systemd was not told: {error}");
    }
    let ended = tokio::select! {
        () = shutdown => None,
        Some(ended) = tasks.join_next() => Some(ended),
    };
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Stopping]) {
        tracing::debug!("systemd was not told: {error}");
    }
    stop.cancel();
    drop(scheduler);
    let drained = tokio::time::timeout(STOP_WITHIN, async { while tasks.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        // What was claimed stays under its lease, and is looked for after the next start.
        tracing::warn!("not everything ended within {} s; leases lapse by themselves", STOP_WITHIN.as_secs());
        tasks.abort_all();
    }
    match ended {
        None => Ok(()),
        Some(Ok(name)) => anyhow::bail!("the loop `{name}` ended by itself"),
        Some(Err(panic)) => Err(panic).context("a loop panicked; the process ends so that it is started anew"),
    }
}
