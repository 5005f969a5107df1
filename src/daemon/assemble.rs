//! Puts the parts together: connections, store, engine, board. The demo, the daemon and the tests take the same road.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::SignedDuration;

use crate::clock::Clock;
use crate::connector::Connector;
use crate::connector::hubspot::HubSpot;
use crate::connector::odoo::Odoo;
use crate::connector::settings::{Kind, Settings};
use crate::domain::id::ConnectionId;
use crate::engine::deliver::Channels;
use crate::engine::{Engine, Retention, Rules, Status};
use crate::http::Client;
use crate::http::limiter::{self, Limiter, Rate};
use crate::http::peer_clock::PeerClock;
use crate::store::Store;

use super::Parts;

/// What the parts are made from.
#[derive(Debug)]
pub struct Assembly {
    /// What was agreed, and by whom.
    pub rules: Rules,
    /// The CRM accounts.
    pub connections: Vec<Settings>,
    /// Where notices go.
    pub channels: Channels,
    /// The database's file.
    pub store: PathBuf,
    /// How long what was being sent when Baton ended rests before it is looked for.
    pub rest: SignedDuration,
    /// What is forgotten when.
    pub retention: Retention,
    /// Where domain time comes from.
    pub clock: Clock,
    /// Another pace than the CRMs' own limits: for sandboxes on loopback, which are asked far more often than a CRM.
    pub pace: Option<limiter::Settings>,
}

/// Opens the store and makes everything else; sends nothing yet.
///
/// # Errors
/// What could not be opened or made.
pub async fn assemble(assembly: Assembly) -> anyhow::Result<Parts> {
    let shown = assembly.store.display().to_string();
    let store = Store::open_resting(&assembly.store, &assembly.rules.workspace, assembly.rest)
        .await
        .with_context(|| format!("opening the store {shown}"))?;
    let client = Client::new().context("setting up the HTTP client")?;
    let clocks: Vec<(ConnectionId, PeerClock)> =
        assembly.connections.iter().map(|settings| (settings.id.clone(), PeerClock::default())).collect();
    let connectors = assembly
        .connections
        .iter()
        .zip(&clocks)
        .map(|(settings, (_, clock))| connector(settings, client.noting(clock.clone()), assembly.pace))
        .collect();
    let polls = assembly.connections.iter().map(|settings| (settings.id.clone(), settings.poll)).collect();
    let engine = Engine::new(store, connectors, assembly.clock, assembly.rules).await.context("reading the store")?;
    let shares = assembly.connections.iter().map(|settings| (settings.id.clone(), settings.vanish_max_percent));
    let engine = engine.with_vanish_max(shares).with_peer_clocks(clocks);
    Ok(Parts {
        engine: Arc::new(engine),
        polls,
        channels: assembly.channels,
        client,
        retention: assembly.retention,
        status: Arc::new(Status::default()),
        control: super::control::socket_of(&assembly.store),
    })
}

/// A connector for each connection.
#[must_use]
pub fn connect(connections: &[Settings], client: &Client, pace: Option<limiter::Settings>) -> Vec<Arc<dyn Connector>> {
    connections.iter().map(|settings| connector(settings, client.clone(), pace)).collect()
}

fn connector(settings: &Settings, client: Client, pace: Option<limiter::Settings>) -> Arc<dyn Connector> {
    let limiter = Arc::new(Limiter::new(pace.unwrap_or_else(|| limits(settings))));
    match settings.kind {
        Kind::HubSpot => Arc::new(HubSpot::new(settings.clone(), client, limiter)),
        Kind::Odoo => Arc::new(Odoo::new(settings.clone(), client, limiter)),
    }
}

/// The limits that hold until the CRM's own headers say better.
fn limits(settings: &Settings) -> limiter::Settings {
    match settings.kind {
        Kind::HubSpot => HubSpot::pace(settings),
        // The Community server has none; a self-hosted machine is not to be flooded all the same.
        Kind::Odoo => {
            limiter::Settings { share_percent: u32::from(settings.budget_percent), ..limiter::Settings::default() }
        }
    }
}

/// A pace for sandboxes on loopback, as fast as they answer.
#[must_use]
pub fn sandbox_pace() -> limiter::Settings {
    let rate = Rate::new(100_000, Duration::from_secs(10));
    limiter::Settings { share_percent: 100, burst: rate, search: rate }
}
