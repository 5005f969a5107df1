//! Floor 3: the use cases, each one bounded pass.
//!
//! A pass takes no input beyond the connection it serves, never sleeps, and never loops over time: the daemon calls it on
//! a period and on a nudge. What a person asks for comes in as a [`command`]. [`poll`] reads pages and reconciles them,
//! [`patrol`] reads everything again, [`hints`] what webhooks name, [`judge`] decides about leads and gives owners,
//! [`sweep`] wakes what is due, [`deliver`] sends what was decided, [`tell`] tells people, [`blind`] says what is not seen,
//! [`prune`] forgets what need not be kept, [`sessions`] knows who is logged in to the board.

pub mod adopt;
mod alert;
mod alike;
mod answer;
mod authors;
mod blind;
mod caps;
pub mod command;
mod company;
mod consent;
pub mod deliver;
mod directory;
mod disk;
mod feeds;
mod forgotten;
mod hints;
mod journal;
mod judge;
mod kin;
mod page;
mod patrol;
pub mod pause;
mod poll;
mod presence;
pub mod propose;
mod prune;
mod reconcile;
mod reload;
mod replay;
pub mod retime;
mod selftest;
mod sessions;
mod spent;
mod status;
mod sweep;
mod tell;
pub mod undo;
mod vanish;
mod watch;
mod zones;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::connector::{CREDENTIALS, Connector, ConnectorError};
use crate::domain::access::Access;
use crate::domain::agreement::Agreement;
use crate::domain::answer::Key;
use crate::domain::caps::Caps;
use crate::domain::counted::many;
use crate::domain::coverage::{Coverage, StreamCoverage};
use crate::domain::finding::{Checked, FindingKind};
use crate::domain::id::{ConnectionId, Name, WorkspaceId};
use crate::domain::plan::{Ability, Mode, Paused, Policy};
use crate::domain::reach::Telling;
use crate::domain::roster::{Directory, Roster};
use crate::domain::skew::Heard;
use crate::domain::vanish::Vanished;
use crate::http::peer_clock::PeerClock;
use crate::store::{Marks, PolicyPart, Store, StoreError};

use feeds::Feeds;

pub use answer::{Asked, Question};
pub use directory::{directory, directory_of};
pub use feeds::{FeedRule, HookOutcome};
pub use hints::{Followed, HINTS_MAX, Knocked};
pub use journal::Texts;
pub use kin::{Joined, KinError, Parted};
pub use patrol::Patrolled;
pub use poll::{Polled, Unread};
pub use prune::Retention;
pub use replay::{Different, Replayed, replay};
pub use selftest::Tested;
pub use sessions::{LogOns, LoggedOn, Sessions};
pub use status::{LoopStatus, Status, loop_name};
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
    /// The files that both were read from.
    pub texts: Arc<Texts>,
    /// The workspace's zone.
    pub zone: TimeZone,
    /// May Baton write to CRMs?
    pub writes: Mode,
    /// May Baton tell people?
    pub notices: Mode,
    /// The board's address, for links.
    pub public_url: Arc<str>,
    /// How people are told.
    pub telling: Arc<Telling>,
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
    /// Too many people vanished to be believed: nothing of it is stored.
    #[error("{} of {} of {} vanished within a day", .0.gone, many(.0.live, "person", "people"), .0.connection)]
    Vanished(Vanished),
}

/// The engine of one workspace: its store, its connections, and what was agreed.
pub struct Engine {
    store: Store,
    connectors: Vec<Arc<dyn Connector>>,
    clock: Clock,
    rules: ArcSwap<Rules>,
    directory: ArcSwap<Directory>,
    /// The users that the directory was worked out from.
    users: ArcSwap<PolicyPart>,
    /// Who was forgotten.
    marks: ArcSwap<Marks>,
    forgotten_may_return: bool,
    /// Digests of the versions that the store has kept.
    kept: std::sync::Mutex<HashSet<String>>,
    /// Held from reading cases to committing their plans: decisions of one workspace are made one batch at a time, so
    /// that two streams that show one lead at once cannot plan past each other. The store's versions check the same.
    deciding: Mutex<()>,
    next_lead: AtomicI64,
    is_live: AtomicBool,
    /// The share of a connection's people that may vanish at once, in percent, where it is not the usual one.
    vanish_max: BTreeMap<ConnectionId, u8>,
    /// What the CRMs' answers say of their clocks.
    peer_clocks: BTreeMap<ConnectionId, PeerClock>,
    /// What a person has stopped.
    paused: ArcSwap<Paused>,
    /// How much goes by itself.
    caps: Caps,
    /// How many live people connections had when they were counted last.
    live_seen: std::sync::Mutex<BTreeMap<ConnectionId, (Timestamp, usize)>>,
    /// What follows from another agreement is more than that: it waits, as if `writes` were `plan`.
    is_weighing: AtomicBool,
    /// How each feed is read, and how far it can be believed.
    feeds: Feeds,
    /// Was everything decided about once, by an earlier process perhaps? Then what changes before decisions are taken again is
    /// noted lead by lead.
    has_decided: bool,
    /// The channel of the people who run Baton.
    operators: Option<Name>,
    /// What the loops report.
    status: Arc<Status>,
    /// What went out lately.
    pace: tell::Pace,
    /// What answer links are signed with.
    answer_key: Key,
    /// What the CRMs' answers have said of their clocks.
    skews: std::sync::Mutex<BTreeMap<ConnectionId, Heard>>,
    /// What was kept last of what each connection has spent of its day.
    spent: std::sync::Mutex<BTreeMap<ConnectionId, spent::Kept>>,
    /// Who is logged in to the board.
    sessions: Sessions,
    /// By what name each connection's history shows Baton, as the store has it.
    signs_as: std::sync::Mutex<BTreeMap<ConnectionId, String>>,
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
        let marks = ArcSwap::new(store.marks().await?);
        let next_lead = AtomicI64::new(store.next_lead_number().await?);
        let paused = ArcSwap::from_pointee(pause::kept(&store).await?);
        let feeds = Feeds::of(connectors.iter().map(|connector| connector.id().clone()));
        feeds.recall(store.rounds().await?, &store.repairs().await?);
        let has_decided = store.decided_under().await?.is_some();
        let answer_key = Key::new(&store.answer_key().await?);
        let engine = Self {
            store,
            connectors,
            clock,
            rules: ArcSwap::from_pointee(rules),
            directory: ArcSwap::default(),
            users: ArcSwap::from_pointee(journal::users_part(&[])),
            kept: std::sync::Mutex::default(),
            marks,
            forgotten_may_return: false,
            deciding: Mutex::new(()),
            next_lead,
            is_live: AtomicBool::new(false),
            vanish_max: BTreeMap::new(),
            peer_clocks: BTreeMap::new(),
            paused,
            caps: Caps::default(),
            live_seen: std::sync::Mutex::default(),
            is_weighing: AtomicBool::new(false),
            feeds,
            has_decided,
            operators: None,
            status: Arc::default(),
            pace: tell::Pace::default(),
            answer_key,
            skews: std::sync::Mutex::default(),
            signs_as: std::sync::Mutex::default(),
            spent: std::sync::Mutex::default(),
            sessions: Sessions::default(),
        };
        engine.refresh_directory().await?;
        engine.recall_names().await?;
        engine.recall_clocks().await?;
        engine.recall_spent().await?;
        Ok(engine)
    }

    /// The same engine with the shares of people, in percent, that may vanish from a connection at once.
    #[must_use]
    pub fn with_vanish_max(mut self, percents: impl IntoIterator<Item = (ConnectionId, u8)>) -> Self {
        self.vanish_max.extend(percents);
        self
    }

    /// The same engine with other caps on what goes by itself.
    #[must_use]
    pub fn with_caps(mut self, caps: Caps) -> Self {
        self.caps = caps;
        self
    }

    /// The same engine, which holds the clocks of these connections against its own.
    #[must_use]
    pub fn with_peer_clocks(mut self, clocks: impl IntoIterator<Item = (ConnectionId, PeerClock)>) -> Self {
        self.peer_clocks.extend(clocks);
        self
    }

    /// The same engine, which reads these connections' feeds so.
    #[must_use]
    pub fn with_feeds(mut self, rules: impl IntoIterator<Item = (ConnectionId, FeedRule)>) -> Self {
        self.feeds.set_rules(rules);
        self
    }

    /// The same engine, which tells those who run Baton by this channel.
    #[must_use]
    pub fn with_operators(mut self, channel: Option<Name>) -> Self {
        self.operators = channel;
        self
    }

    /// The same engine, whose board these may use.
    #[must_use]
    pub fn with_access(mut self, access: Access) -> Self {
        self.sessions = Sessions::new(access);
        self
    }

    /// Who is logged in to the board.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// What the loops report.
    #[must_use]
    pub fn status(&self) -> &Arc<Status> {
        &self.status
    }

    /// How the feed of `connection` is read.
    #[must_use]
    pub fn feed_rule(&self, connection: &ConnectionId) -> FeedRule {
        self.feeds.rule(connection)
    }

    /// What became of a connection's webhooks since the start.
    #[must_use]
    pub fn hooks(&self, connection: &ConnectionId) -> Vec<(HookOutcome, u64)> {
        self.feeds.hooks(connection)
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

    /// Looks at every account's choices: a stage or a reason that appeared is a finding before a record shows it. Once a
    /// minute; an account that cannot be read shows at its streams.
    ///
    /// # Errors
    /// [`EngineError::Store`] if the store fails.
    pub async fn watch_choices(&self) -> Result<(), EngineError> {
        for connector in &self.connectors {
            match connector.choices().await {
                Ok(seen) => {
                    let (findings, checked) = (seen.findings, seen.checked);
                    let now = Some(self.clock.now());
                    self.store.commit(&crate::store::Batch { findings, checked, now, ..Default::default() }).await?;
                }
                Err(error) => tracing::debug!(connection.id = %connector.id(), "choices cannot be read: {error}"),
            }
        }
        Ok(())
    }

    fn connector(&self, id: &ConnectionId) -> Option<&Arc<dyn Connector>> {
        self.connectors.iter().find(|connector| connector.id() == id)
    }

    /// How far every stream of every connection has been read, as far as that can be believed: a lag that the patrol has seen
    /// is allowed for, and what came after people vanished in a mass does not count.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub async fn coverage(&self) -> Result<Coverage, StoreError> {
        let states = self.store.streams().await?;
        let now = self.clock.now();
        let mut streams = Vec::new();
        for connector in &self.connectors {
            for stream in connector.streams() {
                let state =
                    states.iter().find(|state| &state.connection == connector.id() && state.stream == stream.name);
                // Deals are a help: a key that may not read them holds nothing else back.
                let is_refused = state.is_some_and(|state| state.covered_until.is_none() && state.error.is_some());
                if poll::is_help(stream) && is_refused {
                    continue;
                }
                streams.push(StreamCoverage {
                    stream: Name::from(format!("{}.{}", connector.id(), stream.name)),
                    proves: stream.proves.clone(),
                    covered_until: state
                        .and_then(|state| state.covered_until)
                        .map(|until| self.by_our_clock(connector.id(), until).min(now.max(until)))
                        .map(|until| self.feeds.believed(connector.id(), &stream.name, until, now)),
                });
            }
        }
        Ok(Coverage { streams, clocks: self.skews(now) })
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
            paused: Paused::clone(&self.paused.load()),
            public_url: Arc::clone(&rules.public_url),
            telling: Arc::clone(&rules.telling),
        })
    }

    /// Has every stream of every connection finished its first pass, so that decisions are taken?
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.is_live.load(Ordering::Acquire)
    }
}
