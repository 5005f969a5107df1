//! One life of a company from one seed: visitors, sellers, marketers, other machines, and a daemon that is killed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use baton::clock::Clock;
use baton::connector::Connector;
use baton::connector::hook::Knock;
use baton::domain::id::{ConnectionId, RemoteId};
use baton::domain::plan::Mode;
use baton::engine::{Engine, EngineError, FeedRule, Rules};
use baton::store::Store;
use fastrand::Rng;
use jiff::SignedDuration;

use super::faults::{Fault, Faults, Met, Tally};
use super::model::Model;
use super::watch::Watch;
use crate::harness::{AGREEMENT, REPS, ROSTER, rules};

/// How long a life is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Length {
    /// Steps before the faults end.
    pub(super) steps: usize,
    /// Steps at most, after they ended, until nothing follows any more.
    pub(super) settling: usize,
}

/// Beginnings: before both changes of the clocks, and an ordinary week.
const BEGINNINGS: [&str; 3] = ["2026-11-24T07:10:00Z", "2026-10-23T06:10:00Z", "2027-03-26T07:10:00Z"];
/// In these lives everything is read again within this.
const PATROL: SignedDuration = SignedDuration::from_mins(40);
/// Steps after the faults ended within which everything was read again: later there is nothing that a patrol could find.
const PATROLLED: usize = 6;
/// Pages that the patrol walks at most before the others have their turn.
const PATROL_PAGES: usize = 12;

/// A run and everything that it is made of.
pub(super) struct Run {
    pub(super) clock: Clock,
    pub(super) marketing: Model,
    pub(super) sales: Model,
    engine: Option<Engine>,
    pub(super) watch: Watch,
    pub(super) writes: Mode,
    rules: Rules,
    pub(super) rng: Rng,
    faults: Faults,
    path: PathBuf,
    pub(super) sellers: Vec<RemoteId>,
    pub(super) leads_made: u32,
    /// How far the wall clock has stepped from the truth, in minutes.
    stepped: i64,
    length: Length,
}

impl Run {
    pub(super) async fn begin(seed: u64, path: PathBuf, length: Length) -> Self {
        // What the product draws by chance (the jitter of its waits) comes from the seed too.
        fastrand::seed(seed);
        let mut rng = Rng::with_seed(seed);
        let beginning = rng.usize(..BEGINNINGS.len());
        let clock = Clock::manual_with_leases(BEGINNINGS[beginning].parse().unwrap());
        let mut faults = Faults::drawn(&mut rng);
        let marketing = Model::new("hubspot", false, &clock, rng.u64(..), faults.clone());
        let sales = Model::new("odoo", true, &clock, rng.u64(..), faults.clone());
        let add = |email: &str| {
            marketing.add_user(email);
            sales.add_user(email)
        };
        let sellers = REPS.iter().map(|(login, _, _)| add(&format!("{login}@example.com"))).collect();
        for email in ["m.huber@example.com", "o.stein@example.com"] {
            add(email);
        }
        let writes = match rng.u8(..20) {
            0 => Mode::Off,
            1 => Mode::Plan,
            _ => Mode::On,
        };
        match writes {
            Mode::Off => faults.met(Met::WritesOff),
            Mode::Plan => faults.met(Met::WritesPlanned),
            Mode::On => {}
        }
        let rules = Rules { writes, ..agreed(beginning) };
        let engine = open(&path, &clock, &marketing, &sales, &rules).await;
        Self {
            clock,
            marketing,
            sales,
            engine: Some(engine),
            watch: Watch::default(),
            writes,
            rules,
            rng,
            faults,
            path,
            sellers,
            leads_made: 0,
            stepped: 0,
            length,
        }
    }

    pub(super) fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("one runs")
    }

    /// Everything until the faults end.
    pub(super) async fn live(&mut self) {
        for _ in 0..self.length.steps {
            let minutes = self.rng.i64(0..12);
            self.clock.advance(SignedDuration::from_secs(minutes * 60 + self.rng.i64(0..60)));
            if self.strikes(Fault::LongSleep) {
                self.clock.advance(SignedDuration::from_mins(self.rng.i64(30..2_000)));
            }
            if self.strikes(Fault::ClockSteps) {
                let minutes = self.rng.i64(-300..300);
                self.step_clock(minutes);
            } else if self.stepped != 0 && self.rng.u8(..4) == 0 {
                self.step_clock(-self.stepped);
            }
            for _ in 0..self.rng.usize(0..3) {
                self.somebody_acts();
            }
            self.passes().await;
            if self.strikes(Fault::Killed) {
                self.restart().await;
            }
        }
    }

    fn step_clock(&mut self, minutes: i64) {
        self.clock.step(SignedDuration::from_mins(minutes));
        self.stepped += minutes;
    }

    /// Faults off; time goes on until nothing follows any more. Then nothing may be left.
    pub(super) async fn settle(&mut self) {
        self.faults.stop();
        self.step_clock(-self.stepped);
        self.marketing.calm();
        self.sales.calm();
        let mut quiet = 0;
        for beat in 0..self.length.settling {
            // Waits and leases first, then what takes hours.
            self.clock.advance(SignedDuration::from_mins(if beat < 8 { 16 } else { 50 }));
            if self.beat(beat <= PATROLLED).await == 0 {
                quiet += 1;
            } else {
                quiet = 0;
            }
            if quiet >= 3 && beat >= PATROLLED {
                return;
            }
        }
    }

    /// One round of the daemon's loops, the patrol among them or not; counts what they did.
    pub(super) async fn beat(&mut self, patrols: bool) -> usize {
        let before = self.watch.events_seen();
        let mut done = 0;
        for connection in CONNECTIONS {
            done += self.pass(&Pass::Poll(connection)).await;
            if patrols {
                done += self.pass(&Pass::Patrol(connection)).await;
            }
        }
        done += self.pass(&Pass::Sweep).await;
        for connection in CONNECTIONS {
            done += self.pass(&Pass::Deliver(connection)).await;
        }
        done + usize::try_from(self.watch.events_seen() - before).unwrap_or(0)
    }

    async fn passes(&mut self) {
        for connection in CONNECTIONS {
            self.knock(connection).await;
            if !self.strikes(Fault::PollSkipped) {
                self.pass(&Pass::Poll(connection)).await;
            }
            if self.rng.u8(..4) == 0 {
                self.pass(&Pass::Patrol(connection)).await;
            }
        }
        if !self.strikes(Fault::SweepSkipped) {
            self.pass(&Pass::Sweep).await;
        }
        if self.strikes(Fault::KilledBeforeSending) {
            self.restart().await;
        }
        for connection in CONNECTIONS {
            self.pass(&Pass::Deliver(connection)).await;
        }
    }

    /// Webhooks come in and are followed.
    async fn knock(&mut self, connection: &'static str) {
        let bodies = self.model(connection == "odoo").hooks();
        let has_any = !bodies.is_empty();
        for body in bodies {
            let knock = Knock { body, ..Knock::default() };
            self.engine().knock(&ConnectionId::from(connection), knock).await.expect("the store works");
        }
        if has_any {
            let followed = self.pass(&Pass::Hints(connection)).await;
            if followed > 0 {
                self.faults.met(Met::HintFollowed);
            }
        }
    }

    /// Runs one pass of the engine, or as much of it as it lives, and looks at what came of it.
    async fn pass(&mut self, pass: &Pass) -> usize {
        let is_sure = self.clock.stepped().is_none();
        let brings_news = matches!(pass, Pass::Poll(_));
        let before = if brings_news { None } else { Some(self.engine().coverage().await.unwrap()) };
        let dies = Arc::clone(if pass.is_of("odoo") { &self.sales.dies } else { &self.marketing.dies });
        let ended = tokio::select! {
            biased;
            ended = pass.run(self.engine.as_ref().expect("one runs")) => Some(ended),
            () = dies.notified() => None,
        };
        for model in [&self.marketing, &self.sales] {
            model.pass_ended(matches!(ended, Some(Ok(_))));
        }
        let done = match ended {
            Some(Ok(done)) => done,
            Some(Err(EngineError::Connector(_) | EngineError::Vanished(_))) => 0,
            Some(failed @ Err(EngineError::Store(_))) => failed.expect("the store works"),
            None => {
                self.restart().await;
                1
            }
        };
        if matches!(pass, Pass::Patrol(_)) && done > 0 {
            self.faults.met(Met::PatrolRepaired);
        }
        let read = match before {
            Some(before) => before,
            None => self.engine().coverage().await.unwrap(),
        };
        let Self { watch, engine, faults, marketing, sales, .. } = self;
        watch.look(engine.as_ref().expect("one runs"), &read, is_sure, faults).await;
        watch.look_at_lists([marketing, sales], faults);
        done
    }

    /// The process dies where it stands, and another one begins.
    async fn restart(&mut self) {
        let engine = self.engine.take().expect("one runs");
        engine.store().close().await;
        // The lock goes with the last handle of the store.
        drop(engine);
        // Whatever begins anew takes a moment; what was being sent is looked for after it.
        self.clock.advance(SignedDuration::from_secs(self.rng.i64(1..40)));
        self.engine = Some(open(&self.path, &self.clock, &self.marketing, &self.sales, &self.rules).await);
    }

    pub(super) fn strikes(&mut self, fault: Fault) -> bool {
        self.faults.strikes(&mut self.rng, fault)
    }

    /// How often what was met.
    pub(super) fn tally(&self) -> Tally {
        let mut all = self.faults.tally.clone();
        for model in [&self.marketing, &self.sales] {
            all.merge(model.lock().faults.tally.clone());
        }
        all
    }

    pub(super) fn model(&self, of_sales: bool) -> &Model {
        if of_sales { &self.sales } else { &self.marketing }
    }
}

const CONNECTIONS: [&str; 2] = ["hubspot", "odoo"];

enum Pass {
    Poll(&'static str),
    Patrol(&'static str),
    Hints(&'static str),
    Sweep,
    Deliver(&'static str),
}

impl Pass {
    fn is_of(&self, connection: &str) -> bool {
        match self {
            Self::Poll(of) | Self::Patrol(of) | Self::Hints(of) | Self::Deliver(of) => *of == connection,
            Self::Sweep => false,
        }
    }

    async fn run(&self, engine: &Engine) -> Result<usize, EngineError> {
        match self {
            Self::Poll(connection) => Ok(engine.poll(&ConnectionId::from(*connection)).await?.changes),
            Self::Patrol(connection) => {
                let mut repaired = 0;
                for _ in 0..PATROL_PAGES {
                    let patrolled = engine.patrol(&ConnectionId::from(*connection)).await?;
                    repaired += patrolled.repaired;
                    if patrolled.next_at.is_none_or(|at| at > engine.clock().now()) {
                        break;
                    }
                }
                Ok(repaired)
            }
            Self::Hints(connection) => Ok(engine.follow_hints(&ConnectionId::from(*connection)).await?.records),
            Self::Sweep => Ok(engine.sweep().await?.leads),
            Self::Deliver(connection) => Ok(engine.deliver(&ConnectionId::from(*connection)).await?.claimed),
        }
    }
}

/// What was agreed, in force from each beginning on. Read once: the calendars alone would cost more than many a life.
fn agreed(beginning: usize) -> Rules {
    static AGREED: OnceLock<Vec<Rules>> = OnceLock::new();
    let read = |start: &&str| {
        let agreement = AGREEMENT.replace("effective = 2026-11-24", &format!("effective = {start}"));
        rules(&agreement, ROSTER, Mode::On)
    };
    AGREED.get_or_init(|| BEGINNINGS.iter().map(read).collect())[beginning].clone()
}

async fn open(path: &Path, clock: &Clock, marketing: &Model, sales: &Model, rules: &Rules) -> Engine {
    let store = Store::open_at(path, &rules.workspace, clock.steady() + SignedDuration::from_secs(10)).await.unwrap();
    let connectors: Vec<Arc<dyn Connector>> = vec![Arc::new(marketing.clone()), Arc::new(sales.clone())];
    let rule = FeedRule { patrol: PATROL, ..FeedRule::default() };
    let feeds = CONNECTIONS.map(|connection| (ConnectionId::from(connection), rule));
    Engine::new(store, connectors, clock.clone(), rules.clone()).await.unwrap().with_feeds(feeds)
}
