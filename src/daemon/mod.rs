//! Floor 6: the composition root. One `JoinSet`, one cancellation token, and all wiring; nothing else starts tasks.
//!
//! Each loop calls bounded passes of the engine, on a period and on a nudge. A nudge says "now", never "what", so a pass
//! never overlaps itself and a restart takes the same road as any other minute. A loop of one connection that panics is started
//! anew ([`supervise`]); a panic in the sweep or any other loop that all depend on ends the process, and systemd starts it again.

pub mod assemble;
pub mod control;
mod door;
pub mod online;
pub mod rules;
mod schedule;
mod supervise;
mod task;
pub mod telemetry;
pub mod vault;
mod watchdog;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::engine::deliver::Channels;
use crate::engine::{Engine, Retention, Status, loop_name};
use crate::http::Client;
use crate::store::Reserve;

use door::Door;
use supervise::{Watched, supervised};

use rules::RulesOnDisk;

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
    /// Room that is kept free to tell of a full disk.
    pub reserve: Reserve,
    /// What the loops report.
    pub status: Arc<Status>,
    /// Where the control socket is opened.
    pub control: std::path::PathBuf,
    /// Where the rules stand, to be read anew when they change; `None`: they do not change.
    pub rules: Option<RulesOnDisk>,
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
    if !parts.reserve.keep() {
        tracing::warn!("there is no room for the reserve beside the database: the disk is as good as full");
    }
    let parts = Arc::new(parts);
    let stop = CancellationToken::new();
    let outbox = Arc::new(Notify::new());
    let mut tasks: JoinSet<&'static str> = JoinSet::new();
    let watched =
        Watched { status: Arc::clone(&parts.status), clock: parts.engine.clock().clone(), stop: stop.clone() };
    for (connection, every) in parts.polls.clone() {
        let own = || (Arc::clone(&parts), connection.clone(), Arc::clone(&outbox), stop.clone());
        let name = |what| loop_name(what, &connection);
        let (parts, id, outbox, stop) = own();
        let poll = move || task::poll(Arc::clone(&parts), id.clone(), every, Arc::clone(&outbox), stop.clone());
        tasks.spawn(supervised(name("poll"), watched.clone(), poll));
        let (parts, id, outbox, stop) = own();
        let deliver = move || task::deliver(Arc::clone(&parts), id.clone(), Arc::clone(&outbox), stop.clone());
        tasks.spawn(supervised(name("deliver"), watched.clone(), deliver));
        let (parts, id, outbox, stop) = own();
        let patrol = move || task::patrol(Arc::clone(&parts), id.clone(), Arc::clone(&outbox), stop.clone());
        tasks.spawn(supervised(name("patrol"), watched.clone(), patrol));
        let (parts, id, outbox, stop) = own();
        let hints = move || task::hints(Arc::clone(&parts), id.clone(), Arc::clone(&outbox), stop.clone());
        tasks.spawn(supervised(name("hints"), watched.clone(), hints));
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
    let ticks = [Arc::new(Notify::new()), Arc::new(Notify::new())];
    let scheduler = schedule::start(ticks.to_vec()).await.context("starting the minute's tick")?;
    let [watch, upkeep] = ticks;
    tasks.spawn(task::watch(Arc::clone(&parts), watch, stop.clone()));
    tasks.spawn(task::upkeep(Arc::clone(&parts), upkeep, stop.clone()));
    if let Some(rules) = parts.rules.clone() {
        tasks.spawn(task::reload(Arc::clone(&parts), rules, Arc::clone(&outbox), stop.clone()));
    }
    let server_stop = stop.clone();
    tasks.spawn(async move {
        let service = router.into_make_service_with_connect_info::<crate::api::Peer>();
        let served =
            axum::serve(Door::new(listener), service).with_graceful_shutdown(server_stop.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!("the board's server ended: {error}");
        }
        "server"
    });
    tasks.spawn(watchdog::watchdog(Arc::clone(&parts), stop.clone()));
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
