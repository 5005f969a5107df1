//! Floor 3: the use cases, each one bounded pass.
//!
//! A pass takes no input beyond the connection it serves, never sleeps, and never loops over time: the daemon calls it on
//! a period and on a nudge. What a person asks for comes in as a [`command`]. [`poll`] reads pages and reconciles them, [`judge`] decides about leads and gives owners,
//! [`sweep`] wakes what is due, [`deliver`] sends what was decided, [`prune`] forgets what need not be kept.

pub mod command;
pub mod deliver;
mod directory;
mod judge;
mod poll;
mod prune;
mod reconcile;
mod status;
mod sweep;
mod vanish;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use arc_swap::ArcSwap;
use jiff::tz::TimeZone;
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::connector::{CREDENTIALS, Connector, ConnectorError};
use crate::domain::agreement::Agreement;
use crate::domain::coverage::{Coverage, StreamCoverage};
use crate::domain::finding::{Checked, FindingKind};
use crate::domain::id::{ConnectionId, Name, WorkspaceId};
use crate::domain::plan::{Ability, Mode, Policy};
use crate::domain::roster::{Directory, Roster};
use crate::domain::vanish::Vanished;
use crate::http::peer_clock::PeerClock;
use crate::store::{Store, StoreError};

pub use poll::Polled;
pub use prune::Retention;
pub use status::{LoopStatus, Status};
pub use sweep::Swept;

/// Leads that are decided in one transaction.
pub const LEADS_MAX: usize = 500;

/// What the engine is told once, at start.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Which workspace.
    pub workspace: WorkspaceId,
    /// What was signed.
    pub agreement: Arc<Agreement>,
    /// Who there is.
    pub roster: Arc<Roster>,
    /// The workspace's zone.
    pub zone: TimeZone,
    /// May Baton write to CRMs?
    pub writes: Mode,
    /// May Baton tell people?
    pub notices: Mode,
    /// The board's address, for links.
    pub public_url: Arc<str>,
}

/// Why a pass could not be finished. Nothing of it is half done: the next pass takes the same road.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A CRM could not be read.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too many people vanished at once to be believed: nothing of it is stored.
    #[error("{} of {} people of {} vanished at once", .0.gone, .0.live, .0.connection)]
    Vanished(Vanished),
}

/// The engine of one workspace: its store, its connections, and what was agreed.
pub struct Engine {
    store: Store,
    connectors: Vec<Arc<dyn Connector>>,
    clock: Clock,
    rules: ArcSwap<Rules>,
    directory: ArcSwap<Directory>,
    /// Held from reading cases to committing their plans: decisions of one workspace are made one batch at a time, so
    /// that two streams that show one lead at once cannot plan past each other. The store's versions check the same.
    deciding: Mutex<()>,
    next_lead: AtomicI64,
    is_live: AtomicBool,
    /// The share of a connection's people that may vanish at once, in percent, where it is not the usual one.
    vanish_max: BTreeMap<ConnectionId, u8>,
    /// What the CRMs' answers say of their clocks.
    peer_clocks: BTreeMap<ConnectionId, PeerClock>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("workspace", &self.rules.load().workspace).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine over `store` and `connectors`.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub async fn new(
        store: Store,
        connectors: Vec<Arc<dyn Connector>>,
        clock: Clock,
        rules: Rules,
    ) -> Result<Self, StoreError> {
        let next_lead = AtomicI64::new(store.next_lead_number().await?);
        let engine = Self {
            store,
            connectors,
            clock,
            rules: ArcSwap::from_pointee(rules),
            directory: ArcSwap::default(),
            deciding: Mutex::new(()),
            next_lead,
            is_live: AtomicBool::new(false),
            vanish_max: BTreeMap::new(),
            peer_clocks: BTreeMap::new(),
        };
        engine.refresh_directory().await?;
        Ok(engine)
    }

    /// The same engine with the shares of people, in percent, that may vanish from a connection at once.
    #[must_use]
    pub fn with_vanish_max(mut self, percents: impl IntoIterator<Item = (ConnectionId, u8)>) -> Self {
        self.vanish_max.extend(percents);
        self
    }

    /// The same engine, which holds the clocks of these connections against its own.
    #[must_use]
    pub fn with_peer_clocks(mut self, clocks: impl IntoIterator<Item = (ConnectionId, PeerClock)>) -> Self {
        self.peer_clocks.extend(clocks);
        self
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The connections.
    #[must_use]
    pub fn connectors(&self) -> &[Arc<dyn Connector>] {
        &self.connectors
    }

    /// What was agreed.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// The engine's clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Looks at every account: its name, or why it cannot be read. What does not fit becomes findings.
    pub async fn describe(&self) -> Vec<(ConnectionId, Result<String, EngineError>)> {
        let mut told = Vec::new();
        for connector in &self.connectors {
            told.push((connector.id().clone(), self.describe_one(connector).await));
        }
        told
    }

    async fn describe_one(&self, connector: &Arc<dyn Connector>) -> Result<String, EngineError> {
        let description = connector.describe().await?;
        let mut checked = description.checked;
        checked.push(Checked::part(FindingKind::Connection, connector.id(), CREDENTIALS));
        let batch = crate::store::Batch {
            findings: description.findings,
            checked,
            now: Some(self.clock.now()),
            ..crate::store::Batch::default()
        };
        self.store.commit(&batch).await?;
        Ok(description.account)
    }

    fn connector(&self, id: &ConnectionId) -> Option<&Arc<dyn Connector>> {
        self.connectors.iter().find(|connector| connector.id() == id)
    }

    /// How far every stream of every connection has been read.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub async fn coverage(&self) -> Result<Coverage, StoreError> {
        let states = self.store.streams().await?;
        let mut streams = Vec::new();
        for connector in &self.connectors {
            for stream in connector.streams() {
                let state =
                    states.iter().find(|state| &state.connection == connector.id() && state.stream == stream.name);
                streams.push(StreamCoverage {
                    stream: Name::from(format!("{}.{}", connector.id(), stream.name)),
                    proves: stream.proves.clone(),
                    covered_until: state.and_then(|state| state.covered_until),
                });
            }
        }
        Ok(Coverage { streams })
    }

    /// Everything that is the same for all leads now.
    async fn policy(&self) -> Result<Policy, StoreError> {
        let rules = self.rules.load();
        let connections: Vec<Ability> = self.connectors.iter().map(|connector| connector.ability()).collect();
        Ok(Policy {
            workspace: rules.workspace.clone(),
            agreement: Arc::clone(&rules.agreement),
            roster: Arc::clone(&rules.roster),
            directory: self.directory.load_full(),
            coverage: self.coverage().await?,
            is_time_sure: self.clock.stepped().is_none(),
            connections,
            zone: rules.zone.clone(),
            writes: rules.writes,
            notices: rules.notices,
            public_url: Arc::clone(&rules.public_url),
        })
    }

    /// Has every stream of every connection finished its first pass, so that decisions are taken?
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.is_live.load(Ordering::Acquire)
    }
}
