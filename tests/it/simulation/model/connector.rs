//! The model CRM as the engine sees it.

use async_trait::async_trait;
use baton::connector::hook::{Event, Knock, Refusal};
use baton::connector::requirement::{Ensured, Making, Requirement};
use baton::connector::{
    Addressed, Around, Before, BudgetView, Connector, ConnectorError, Cursor, Description, Done, Outcome, Page, Stream,
    Walked,
};
use baton::domain::id::{ConnectionId, Name, Object, OperationId, RecordRef, RemoteId};
use baton::domain::observation::Observation;
use baton::domain::plan::Ability;
use baton::domain::stage::Stage;
use jiff::{SignedDuration, Timestamp};

use super::super::faults::{Fault, Met};
use super::Model;
use super::effects::Answer;

/// How long a request may still come into effect after nobody waits for its answer any more.
const REQUEST_LIVES: SignedDuration = SignedDuration::from_secs(120);

#[async_trait]
impl Connector for Model {
    fn id(&self) -> &ConnectionId {
        &self.id
    }

    fn ability(&self) -> Ability {
        let tracks = if self.is_sales { Vec::new() } else { ["next-quarter", "re-engage"].map(Name::from).to_vec() };
        Ability {
            connection: self.id.clone(),
            stages: if self.is_sales { Vec::new() } else { Stage::ALL.to_vec() },
            score: !self.is_sales,
            handoff: true,
            tracks,
            reasons: ["bad_timing", "no_response", "bad_fit"].map(Name::from).to_vec(),
            rejects: self.is_sales,
            stage_back: false,
        }
    }

    fn streams(&self) -> &[Stream] {
        &self.streams
    }

    async fn describe(&self) -> Result<Description, ConnectorError> {
        Ok(Description::default())
    }

    async fn pull(&self, stream: &Stream, after: &Cursor, _: Timestamp) -> Result<Page, ConnectorError> {
        self.catch_up(self.clock.now());
        let page = self.page(stream, after)?;
        if self.strikes(Fault::DiesReading) {
            self.die().await;
        }
        Ok(page)
    }

    async fn walk(
        &self,
        stream: &Stream,
        from: Option<&RemoteId>,
        _: Timestamp,
    ) -> Result<Option<Walked>, ConnectorError> {
        self.walked(stream, from)
    }

    fn hear(&self, knock: &Knock) -> Result<Vec<Event>, Refusal> {
        self.heard(knock)
    }

    async fn read(&self, refs: &[RecordRef]) -> Result<Vec<Observation>, ConnectorError> {
        let mut state = self.lock();
        if let Some(error) = self.trouble(&mut state) {
            return Err(error);
        }
        Ok(refs.iter().map(|of| state.observe(&self.id, (of.object, &of.id), self.clock.now())).collect())
    }

    async fn read_around(&self, people: &[RecordRef]) -> Result<Around, ConnectorError> {
        let mut state = self.lock();
        if let Some(error) = self.trouble(&mut state) {
            return Err(error);
        }
        let around = state.touches.iter().filter(|(_, (_, touch))| people.contains(&touch.person));
        let ids: Vec<RemoteId> = around.map(|(id, _)| id.clone()).collect();
        let observations = ids.iter().map(|id| state.observe(&self.id, (Object::Call, id), self.clock.now())).collect();
        Ok(Around { observations, ..Around::default() })
    }

    async fn push(&self, writes: &[Addressed], _: &dyn Before) -> Vec<(OperationId, Outcome)> {
        let now = self.clock.now();
        self.catch_up(now);
        let mut outcomes = Vec::new();
        for addressed in writes {
            let op = addressed.write.op;
            let answer = {
                let mut state = self.lock();
                state.attempted.insert(op, now);
                state.answer(&self.id, addressed, now)
            };
            match answer {
                Answer::Nothing => {}
                Answer::Outcome(outcome) => outcomes.push((op, outcome)),
                Answer::Death => self.die().await,
            }
        }
        outcomes
    }

    async fn find_effect(&self, write: &Addressed) -> Result<Option<Done>, ConnectorError> {
        let now = self.clock.now();
        self.catch_up(now);
        let mut state = self.lock();
        state.faults.met(Met::EffectLookedFor);
        if let Some(error) = self.trouble(&mut state) {
            return Err(error);
        }
        let found = state.effect_of(write);
        let may_come = state.attempted.get(&write.write.op).is_some_and(|at| now < *at + REQUEST_LIVES);
        if found.is_none() && may_come {
            return Err(self.unavailable("the request may still be under way"));
        }
        state.faults.met(if found.is_some() { Met::EffectFoundByLook } else { Met::EffectNotThereByLook });
        Ok(found)
    }

    fn budgets(&self) -> Vec<BudgetView> {
        Vec::new()
    }

    async fn choices(&self) -> Result<Description, ConnectorError> {
        Ok(Description::default())
    }

    async fn ensure(&self, _: &Requirement, _: Making) -> Result<Option<Ensured>, ConnectorError> {
        Ok(None)
    }
}

impl Model {
    fn strikes(&self, fault: Fault) -> bool {
        let mut state = self.lock();
        let super::State { rng, faults, .. } = &mut *state;
        faults.strikes(rng, fault)
    }

    /// The process dies while this request is on the wire: nobody hears its answer.
    async fn die(&self) {
        self.dies.notify_one();
        std::future::pending::<()>().await;
    }
}
