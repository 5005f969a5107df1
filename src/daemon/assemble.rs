//! Puts the parts together: connections, store, engine, board. The demo, the daemon and the tests take the same road.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::SignedDuration;
use secrecy::SecretString;

use crate::clock::Clock;
use crate::connector::Connector;
use crate::connector::hubspot::HubSpot;
use crate::connector::odoo::Odoo;
use crate::connector::pipedrive::Pipedrive;
use crate::connector::salesforce::Salesforce;
use crate::connector::settings::{Auth, Kind, Settings};
use crate::connector::tokens::Vault;
use crate::domain::access::Access;
use crate::domain::caps::Caps;
use crate::domain::id::ConnectionId;
use crate::engine::deliver::Channels;
use crate::engine::{Engine, FeedRule, Retention, Rules};
use crate::http::Client;
use crate::http::limiter::{self, Limiter, Rate};
use crate::http::peer_clock::PeerClock;
use crate::store::seal::Seal;
use crate::store::{Reserve, Store};

use super::Parts;
use super::vault::StoreVault;

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
    /// What secrets in the database are sealed with; `None`: they are kept clear.
    pub store_key: Option<SecretString>,
    /// How long what was being sent when Baton ended rests before it is looked for.
    pub rest: SignedDuration,
    /// What is forgotten when.
    pub retention: Retention,
    /// How much is written by itself.
    pub caps: Caps,
    /// Who may use the board.
    pub access: Access,
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
        .with_context(|| format!("opening the store {shown}"))?
        .sealed_with(seal(assembly.store_key.as_ref())?);
    store.seal_credentials().await.context("sealing the logins in the store")?;
    let vault: Arc<dyn Vault> = Arc::new(StoreVault::new(store.clone()));
    let client = Client::new().context("setting up the HTTP client")?;
    let clocks: Vec<(ConnectionId, PeerClock)> =
        assembly.connections.iter().map(|settings| (settings.id.clone(), PeerClock::default())).collect();
    let connectors = assembly
        .connections
        .iter()
        .zip(&clocks)
        .map(|(settings, (_, clock))| connector(settings, client.noting(clock.clone()), assembly.pace, Some(&vault)))
        .collect();
    let polls = assembly.connections.iter().map(|settings| (settings.id.clone(), settings.poll)).collect();
    let engine = Engine::new(store, connectors, assembly.clock, assembly.rules).await.context("reading the store")?;
    let shares = assembly.connections.iter().map(|settings| (settings.id.clone(), settings.vanish_max_percent));
    let span = |real: Duration| SignedDuration::try_from(real).unwrap_or(SignedDuration::MAX);
    let feeds = assembly.connections.iter().map(|settings| {
        let rule = FeedRule { patrol: span(settings.patrol), reach: span(settings.overlap), poll: span(settings.poll) };
        (settings.id.clone(), rule)
    });
    let engine = engine
        .with_vanish_max(shares)
        .with_peer_clocks(clocks)
        .with_forgotten_returning(assembly.retention.forgotten_return)
        .with_caps(assembly.caps)
        .with_access(assembly.access)
        .with_feeds(feeds)
        .with_operators(assembly.channels.operators.clone().or_else(|| assembly.channels.fallback.clone()));
    let status = Arc::clone(engine.status());
    Ok(Parts {
        engine: Arc::new(engine),
        polls,
        channels: assembly.channels,
        client,
        retention: assembly.retention,
        reserve: Reserve::beside(&assembly.store),
        status,
        control: super::control::socket_of(&assembly.store),
        rules: None,
    })
}

/// What the secrets in the store are sealed with.
///
/// # Errors
/// The key is too short.
pub fn seal(key: Option<&SecretString>) -> anyhow::Result<Seal> {
    key.map_or(Ok(Seal::none()), |key| Seal::of(key).context("reading [store] key"))
}

/// A connector for each connection, without a place for the tokens of logins.
#[must_use]
pub fn connect(connections: &[Settings], client: &Client, pace: Option<limiter::Settings>) -> Vec<Arc<dyn Connector>> {
    connections.iter().map(|settings| connector(settings, client.clone(), pace, None)).collect()
}

/// The connector of one connection.
#[must_use]
pub fn connector(
    settings: &Settings,
    client: Client,
    pace: Option<limiter::Settings>,
    vault: Option<&Arc<dyn Vault>>,
) -> Arc<dyn Connector> {
    let vault = vault.filter(|_| matches!(settings.auth, Auth::Oauth(_))).map(Arc::clone);
    let limiter = Arc::new(Limiter::new(pace.unwrap_or_else(|| limits(settings))));
    match settings.kind {
        Kind::HubSpot => Arc::new(HubSpot::new(settings.clone(), client, limiter, vault)),
        Kind::Odoo => Arc::new(Odoo::new(settings.clone(), client, limiter)),
        Kind::Salesforce => Arc::new(Salesforce::new(settings.clone(), client, limiter, vault)),
        Kind::Pipedrive => Arc::new(Pipedrive::new(settings.clone(), client, limiter, vault)),
    }
}

/// The limits that hold until the CRM's own headers say better.
fn limits(settings: &Settings) -> limiter::Settings {
    match settings.kind {
        Kind::HubSpot => HubSpot::pace(settings),
        Kind::Salesforce => Salesforce::pace(settings),
        Kind::Pipedrive => Pipedrive::pace(settings),
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
