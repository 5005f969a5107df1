//! One life of a company from one seed: visitors, sellers, marketers, other machines, and a daemon that is killed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use baton::clock::Clock;
use baton::connector::Connector;
use baton::domain::field::{Field, Value};
use baton::domain::id::{ConnectionId, Name, RemoteId};
use baton::domain::plan::Mode;
use baton::domain::record::{Author, Disposition, OwnerEntry, Word};
use baton::domain::signal::Signal;
use baton::domain::stage::{Stage, StageEntry};
use baton::domain::touch::{Channel, Genuine, NotGenuine, Touch};
use baton::engine::{Engine, EngineError, Rules};
use baton::store::Store;
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

use super::faults::{Fault, Faults};
use super::model::Model;
use super::oracle::Watch;
use crate::harness::{AGREEMENT, REPS, ROSTER, rules};

/// Steps of a run before the faults end.
const STEPS: usize = 45;

/// Beginnings: before both changes of the clocks, and an ordinary week.
const BEGINNINGS: [&str; 3] = ["2026-11-24T07:10:00Z", "2026-10-23T06:10:00Z", "2027-03-26T07:10:00Z"];

/// A run and everything that it is made of.
pub(super) struct Run {
    pub(super) clock: Clock,
    pub(super) marketing: Model,
    pub(super) sales: Model,
    engine: Option<Engine>,
    pub(super) watch: Watch,
    pub(super) writes: Mode,
    rules: Rules,
    rng: Rng,
    faults: Faults,
    path: PathBuf,
    sellers: Vec<(RemoteId, RemoteId)>,
    leads_made: u32,
}

impl Run {
    pub(super) async fn begin(seed: u64, folder: &Path) -> Self {
        // What the product draws by chance (the jitter of its waits) comes from the seed too.
        fastrand::seed(seed);
        let mut rng = Rng::with_seed(seed);
        let start: Timestamp = BEGINNINGS[rng.usize(..BEGINNINGS.len())].parse().unwrap();
        let clock = Clock::manual_with_leases(start);
        let faults = Faults::drawn(&mut rng);
        let marketing = Model::new("hubspot", false, &clock, rng.u64(..), faults.clone());
        let sales = Model::new("odoo", true, &clock, rng.u64(..), faults.clone());
        let sellers = REPS.iter().map(|(login, _, _)| format!("{login}@example.com"));
        let sellers = sellers.map(|email| (marketing.add_user(&email), sales.add_user(&email))).collect();
        for email in ["m.huber@example.com", "o.stein@example.com"] {
            marketing.add_user(email);
            sales.add_user(email);
        }
        let writes = if rng.u8(..10) == 0 { Mode::Off } else { Mode::On };
        let effective = format!("effective = {}", start.strftime("%Y-%m-%dT%H:%M:%SZ"));
        let agreement = AGREEMENT.replace("effective = 2026-11-24", &effective);
        let rules = rules(&agreement, ROSTER, writes);
        let path = folder.join(format!("{seed}.db"));
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
        }
    }

    pub(super) fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("one runs")
    }

    /// Everything until the faults end.
    pub(super) async fn live(&mut self) {
        for _ in 0..STEPS {
            let minutes = self.rng.i64(0..12);
            self.clock.advance(SignedDuration::from_secs(minutes * 60 + self.rng.i64(0..60)));
            if self.strikes(Fault::LongSleep) {
                self.clock.advance(SignedDuration::from_mins(self.rng.i64(30..2_000)));
            }
            for _ in 0..self.rng.usize(0..3) {
                self.somebody_acts().await;
            }
            self.passes().await;
            if self.strikes(Fault::Killed) {
                self.restart().await;
            }
        }
    }

    /// Faults off; time goes on until nothing follows any more. Then nothing may be left.
    pub(super) async fn settle(&mut self) {
        self.faults.stop();
        self.marketing.calm();
        self.sales.calm();
        let mut quiet = 0;
        for _ in 0..60 {
            self.clock.advance(SignedDuration::from_mins(16));
            if self.beat().await == 0 {
                quiet += 1;
            } else {
                quiet = 0;
            }
            if quiet == 3 {
                return;
            }
        }
    }

    /// One round of the daemon's loops; counts what they did.
    pub(super) async fn beat(&mut self) -> usize {
        let before = self.watch.events_seen();
        let mut done = 0;
        for connection in ["hubspot", "odoo"] {
            done += self.pass(&Pass::Poll(connection)).await;
        }
        done += self.pass(&Pass::Sweep).await;
        for connection in ["hubspot", "odoo"] {
            done += self.pass(&Pass::Deliver(connection)).await;
        }
        done + usize::try_from(self.watch.events_seen() - before).unwrap_or(0)
    }

    async fn passes(&mut self) {
        for connection in ["hubspot", "odoo"] {
            if !self.strikes(Fault::PollSkipped) {
                self.pass(&Pass::Poll(connection)).await;
            }
        }
        if !self.strikes(Fault::SweepSkipped) {
            self.pass(&Pass::Sweep).await;
        }
        for connection in ["hubspot", "odoo"] {
            self.pass(&Pass::Deliver(connection)).await;
        }
    }

    /// Runs one pass of the engine, or as much of it as it lives, and looks at what came of it.
    async fn pass(&mut self, pass: &Pass) -> usize {
        let coverage = self.engine().coverage().await.unwrap();
        let dies =
            Arc::clone(if matches!(pass, Pass::Deliver("odoo")) { &self.sales.dies } else { &self.marketing.dies });
        let ended = tokio::select! {
            biased;
            ended = pass.run(self.engine()) => Some(ended),
            () = dies.notified() => None,
        };
        let done = match ended {
            Some(Ok(done)) => done,
            Some(Err(EngineError::Connector(_) | EngineError::Vanished(_))) => 0,
            Some(failed @ Err(EngineError::Store(_))) => failed.expect("the store works"),
            None => {
                self.restart().await;
                1
            }
        };
        let after = self.engine().coverage().await.unwrap();
        let read = if matches!(pass, Pass::Poll(_)) { after } else { coverage };
        self.watch.look(self.engine.as_ref().expect("one runs"), &read).await;
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

    fn strikes(&mut self, fault: Fault) -> bool {
        self.faults.strikes(&mut self.rng, fault)
    }

    /// How often each fault struck.
    pub(super) fn struck(&self) -> BTreeMap<Fault, u64> {
        let mut all = self.faults.struck().clone();
        for model in [&self.marketing, &self.sales] {
            for (fault, count) in model.lock().faults.struck() {
                *all.entry(*fault).or_default() += count;
            }
        }
        all
    }

    async fn somebody_acts(&mut self) {
        match self.rng.u8(..10) {
            0..=2 => self.visitor_comes(),
            3 | 4 => self.visitor_asks(),
            5 | 6 => self.seller_calls(),
            7 => self.seller_speaks(),
            _ => self.trouble_comes(),
        }
    }

    fn visitor_comes(&mut self) {
        self.leads_made += 1;
        let company = self.marketing.add_company(if self.rng.u8(..5) == 0 { 5.0 } else { 300.0 });
        let email = format!("lead{}@firm{}.example", self.leads_made, self.leads_made);
        let contact = self.marketing.add_person(&email, Some(&company));
        self.marketing.edit(&contact, |person, now| {
            let title = Value::text("Head of IT").expect("a text");
            person.values.insert(Field::Title, (title, now));
        });
        if self.rng.bool() {
            self.asks(&contact);
        }
    }

    fn asks(&mut self, contact: &RemoteId) {
        self.marketing.edit(contact, |person, now| {
            person.signals.push(Signal { name: Name::from("demo_request"), at: now });
        });
    }

    fn visitor_asks(&mut self) {
        if let Some(contact) = self.any(false) {
            self.asks(&contact);
        }
    }

    fn seller_calls(&mut self) {
        let Some(lead) = self.any(true) else { return };
        let late = if self.strikes(Fault::LoggedLate) { self.rng.i64(1..90) } else { 0 };
        let at = self.clock.now() - SignedDuration::from_mins(late);
        let channel = Channel::ALL[self.rng.usize(..3)];
        let genuine = match self.rng.u8(..5) {
            0 => Genuine::No(NotGenuine::Inbound),
            1 => Genuine::No(NotGenuine::Failed),
            _ => Genuine::Yes,
        };
        let seller = self.seller();
        self.sales.log(&lead, &seller, |of, person| Touch { of, person, channel, at, by: None, genuine });
    }

    fn seller_speaks(&mut self) {
        let Some(lead) = self.any(true) else { return };
        let by = Author::Person(Some(self.seller()));
        let stage = match self.rng.u8(..4) {
            0 => Some(Stage::Sal),
            1 => Some(Stage::Sql),
            _ => None,
        };
        let reason = ["bad_timing", "bad_fit", "no_reason_of_ours"][self.rng.usize(..3)];
        self.sales.edit(&lead, |person, now| match stage {
            Some(stage) => person.stages.push(StageEntry { stage, at: now, by }),
            None => {
                let said = Some(Name::from(reason));
                let reason = said.clone().filter(|reason| reason.as_str() != "no_reason_of_ours");
                person.disposition = Some(Disposition { word: Word::Rejected { reason, said }, at: now, by });
            }
        });
    }

    /// People and machines who do what nobody asked them for.
    fn trouble_comes(&mut self) {
        let seller = self.seller();
        if self.strikes(Fault::Reassigned)
            && let Some(lead) = self.any(true)
        {
            let by = Author::Person(Some(seller.clone()));
            let owner = self.seller();
            self.sales.edit(&lead, |person, now| person.owners.push(OwnerEntry { owner: Some(owner), at: now, by }));
        }
        if self.strikes(Fault::Overwritten)
            && let Some(lead) = self.any(true)
        {
            let by = Author::Automation(Name::from("assignment rule"));
            let owner = Some(seller.clone());
            self.sales.edit(&lead, |person, now| person.owners.push(OwnerEntry { owner, at: now, by }));
        }
        if self.strikes(Fault::UserLeft) {
            let is_active = self.rng.u8(..3) == 0;
            self.sales.set_active(&seller, is_active);
        }
        if self.strikes(Fault::Deleted) {
            let of_sales = self.rng.bool();
            if let Some(id) = self.any(of_sales) {
                self.model(of_sales).delete(&id);
            }
        }
        if self.strikes(Fault::Restored) {
            let of_sales = self.rng.bool();
            let gone =
                self.model(of_sales).lock().people.iter().find(|(_, person)| person.is_gone).map(|(id, _)| id.clone());
            if let Some(id) = gone {
                self.model(of_sales).restore(&id);
            }
        }
        if self.strikes(Fault::Merged)
            && let (Some(one), Some(other)) = (self.any(false), self.any(false))
            && one != other
        {
            self.marketing.merge(&one, &other);
        }
        if self.strikes(Fault::OptedOut)
            && let Some(contact) = self.any(false)
        {
            self.marketing.edit(&contact, |person, now| {
                person.values.insert(Field::OptedOut, (Value::Flag(true), now));
            });
        }
        if self.strikes(Fault::AddressChanged)
            && let Some(contact) = self.any(false)
        {
            let address = format!("new{}@other.example", self.rng.u16(..));
            self.marketing.edit(&contact, |person, now| {
                person.values.insert(Field::Email, (Value::text(&address).expect("a text"), now));
            });
        }
        if self.strikes(Fault::StageByHand)
            && let Some(contact) = self.any(false)
        {
            let stage = [Stage::Mql, Stage::Engagement, Stage::Awareness][self.rng.usize(..3)];
            let by = Author::Person(None);
            self.marketing.edit(&contact, |person, now| person.stages.push(StageEntry { stage, at: now, by }));
        }
    }

    fn model(&self, of_sales: bool) -> &Model {
        if of_sales { &self.sales } else { &self.marketing }
    }

    fn any(&mut self, of_sales: bool) -> Option<RemoteId> {
        let live: Vec<RemoteId> = {
            let state = self.model(of_sales).lock();
            state.people.iter().filter(|(_, person)| !person.is_gone).map(|(id, _)| id.clone()).collect()
        };
        if live.is_empty() { None } else { Some(live[self.rng.usize(..live.len())].clone()) }
    }

    fn seller(&mut self) -> RemoteId {
        self.sellers[self.rng.usize(..self.sellers.len())].1.clone()
    }
}

enum Pass {
    Poll(&'static str),
    Sweep,
    Deliver(&'static str),
}

impl Pass {
    async fn run(&self, engine: &Engine) -> Result<usize, EngineError> {
        match self {
            Self::Poll(connection) => Ok(engine.poll(&ConnectionId::from(*connection)).await?.changes),
            Self::Sweep => Ok(engine.sweep().await?.leads),
            Self::Deliver(connection) => Ok(engine.deliver(&ConnectionId::from(*connection)).await?.claimed),
        }
    }
}

async fn open(path: &Path, clock: &Clock, marketing: &Model, sales: &Model, rules: &Rules) -> Engine {
    let store = Store::open_at(path, &rules.workspace, clock.wall() + SignedDuration::from_secs(10)).await.unwrap();
    let connectors: Vec<Arc<dyn Connector>> = vec![Arc::new(marketing.clone()), Arc::new(sales.clone())];
    Engine::new(store, connectors, clock.clone(), rules.clone()).await.unwrap()
}
