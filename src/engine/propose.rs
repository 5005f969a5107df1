//! `writes = "plan"`: what waits for a person, as a plan with an id; and letting go exactly what that person saw.
//!
//! A proposal is a list of operations, each with a digest of what it would write. To apply it releases those rows and no
//! others. A row whose basis has changed since it was planned is superseded first, and its lead decided about anew: what
//! follows then is another row, of another proposal.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};

use crate::domain::counted::many;
use crate::domain::decide::would_write;
use crate::domain::handoff::Handoff;
use crate::domain::id::{ConnectionId, HandoffId, LeadId, OperationId};
use crate::domain::plan::{Case, Mode, Notice, Policy, Write};
use crate::domain::proposal::{self, Change};
use crate::store::{Batch, HeldRow, ProposalRow, StoreError};

use super::judge::{TOUCHES_BACK, touches_since};
use super::{Engine, EngineError, LEADS_MAX};

/// Rows of one proposal; what is more waits for the next.
pub const ROWS_MAX: usize = 10_000;

/// A proposal that is older is not applied any more: the person saw another world.
pub const LASTS: SignedDuration = SignedDuration::from_hours(24);

/// Digits of a proposal's id.
const ID_DIGITS: usize = 12;

/// Shadows that a dry plan is made of.
const SHADOWS_MAX: usize = 2_000;

/// What waits for a person.
#[derive(Clone, Debug, Default)]
pub struct Proposal {
    /// What to apply it by; empty if there is nothing to apply.
    pub id: String,
    /// When it was made.
    pub made_at: Option<Timestamp>,
    /// Its rows, by lead and in the order in which they would be sent.
    pub rows: Vec<Proposed>,
    /// People who would be told, if this is a dry plan.
    pub notices: Vec<Notice>,
    /// How many more wait than are listed.
    pub more: usize,
    /// Nothing waits: this is what would be, were `writes` not off.
    pub is_dry: bool,
}

/// One row of a proposal.
#[derive(Clone, Debug)]
pub struct Proposed {
    /// Its operation; of a dry plan, the one that it would have.
    pub op: OperationId,
    /// For whom.
    pub lead: LeadId,
    /// What the lead is called.
    pub who: Option<String>,
    /// Under which hand-off.
    pub handoff: Option<HandoffId>,
    /// Why its owner was chosen, if it sets one.
    pub why: Option<String>,
    /// Where it would be written.
    pub connection: ConnectionId,
    /// From which value to which.
    pub change: Change,
    /// Why.
    pub because: String,
    /// Why it waits: `plan`, `cap`, `rules`.
    pub hold: String,
    /// Since when.
    pub since: Timestamp,
}

/// What applying did.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// Rows that may be sent now.
    pub released: usize,
    /// Rows that had been released, discarded or sent before.
    pub settled: usize,
    /// Rows that were not released, because what they were planned on has changed: how often for which reason.
    pub superseded: BTreeMap<String, usize>,
}

/// Which effects a person means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// These.
    pub ops: Vec<OperationId>,
    /// Those of this plan that was applied.
    pub proposal: Option<String>,
    /// Those to this connection.
    pub connection: Option<ConnectionId>,
    /// Those for this lead.
    pub lead: Option<LeadId>,
    /// Those of this kind: `owner`, `stage`.
    pub effect: Option<String>,
    /// Everything.
    pub all: bool,
}

/// Why a person's order was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// No plan begins like this.
    #[error("no plan begins with {0:?}: `baton plan` shows what waits, with its id")]
    NoProposal(String),
    /// Two plans begin like this.
    #[error("two plans begin with {0:?}: give more of the id")]
    Ambiguous(String),
    /// Too old.
    #[error("plan {id} was made {} ago, and a plan holds for 24: look at `baton plan` again", many(*hours, "hour", "hours"))]
    Lapsed {
        /// Which.
        id: String,
        /// How old.
        hours: i64,
    },
    /// Nothing may be sent.
    #[error("writes = \"off\": nothing is sent; set `writes = \"plan\"` or \"on\" in baton.toml and start Baton anew")]
    Off,
    /// The selection names nothing.
    #[error("say which effects are meant: operation ids, a plan, --lead, --connection, or --all")]
    Nothing,
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Selection {
    /// Does it name anything at all?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Is `write` meant?
    #[must_use]
    pub fn takes(&self, write: &Write) -> bool {
        (self.ops.is_empty() || self.ops.contains(&write.op))
            && self.connection.as_ref().is_none_or(|connection| *connection == write.connection)
            && self.lead.is_none_or(|lead| lead == write.lead)
            && self.effect.as_ref().is_none_or(|effect| effect == write.effect.as_str())
    }
}

impl Engine {
    /// What waits for a person, with an id to apply it by. With `writes = "off"` what would be written and sent, dry.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails.
    pub async fn propose(&self) -> Result<Proposal, EngineError> {
        let _deciding = self.deciding.lock().await;
        let now = self.clock.now();
        let (rows, more) = self.standing(now).await?;
        if rows.is_empty() && self.rules.load().writes == Mode::Off {
            return self.dry(now).await;
        }
        if rows.is_empty() {
            return Ok(Proposal { made_at: Some(now), ..Proposal::default() });
        }
        let listed: Vec<(OperationId, String)> =
            rows.iter().map(|(row, _)| (row.write.op, row.digest.clone())).collect();
        let id = id_of(&listed);
        let proposal = ProposalRow { id: id.clone(), made_at: now, rows: listed };
        let forget = now.checked_sub(LASTS * 2).unwrap_or(Timestamp::MIN);
        self.store.keep_proposal(&proposal, forget).await?;
        let rows = rows.into_iter().map(|(_, proposed)| proposed).collect();
        Ok(Proposal { id, made_at: Some(now), rows, more, ..Proposal::default() })
    }

    /// Lets go what the plan `id` holds and nothing else. A row whose basis has changed is superseded and planned anew.
    ///
    /// # Errors
    /// [`OrderError`] with what to do instead.
    pub async fn apply_plan(&self, id: &str) -> Result<Applied, OrderError> {
        let proposal = self.proposal_named(id).await?;
        let age = self.clock.now().duration_since(proposal.made_at);
        if age >= LASTS {
            return Err(OrderError::Lapsed { id: proposal.id, hours: age.as_hours() });
        }
        self.let_go(&proposal.rows, Some(&proposal.id)).await
    }

    /// Takes back for good what the plan `id` holds and still waits.
    ///
    /// # Errors
    /// [`OrderError`] with what to do instead.
    pub async fn discard_plan(&self, id: &str, by: &str) -> Result<usize, OrderError> {
        let proposal = self.proposal_named(id).await?;
        let ops = proposal.rows.into_iter().map(|(op, _)| op).collect();
        self.discard_held(&Selection { ops, ..Selection::default() }, by).await
    }

    async fn proposal_named(&self, id: &str) -> Result<ProposalRow, OrderError> {
        let mut found = self.store.proposals(id).await?;
        match (found.pop(), found.pop()) {
            (None, _) => Err(OrderError::NoProposal(id.to_owned())),
            (Some(_), Some(_)) => Err(OrderError::Ambiguous(id.to_owned())),
            (Some(proposal), None) => Ok(proposal),
        }
    }

    /// Lets go what `selection` names of what waits.
    ///
    /// # Errors
    /// [`OrderError`] with what to do instead.
    pub async fn approve(&self, selection: &Selection) -> Result<Applied, OrderError> {
        let held = self.selected_held(selection).await?;
        let rows: Vec<(OperationId, String)> = held.into_iter().map(|row| (row.write.op, row.digest)).collect();
        self.let_go(&rows, None).await
    }

    /// Takes effects back for good that wait for a person. A proposed owner that is discarded leaves its hand-off the shadow
    /// that it is.
    ///
    /// # Errors
    /// [`OrderError`] if nothing is named, or the store fails.
    pub async fn discard_held(&self, selection: &Selection, by: &str) -> Result<usize, OrderError> {
        let ops: Vec<OperationId> = self.selected_held(selection).await?.into_iter().map(|row| row.write.op).collect();
        let _deciding = self.deciding.lock().await;
        let now = self.clock.now();
        let leads = self.store.discard_held(&ops, now, &format!("discarded by {by}")).await?;
        self.decide_now(&leads).await?;
        self.tell_of_holds(now).await?;
        Ok(leads.len())
    }

    async fn selected_held(&self, selection: &Selection) -> Result<Vec<HeldRow>, OrderError> {
        if selection.is_empty() {
            return Err(OrderError::Nothing);
        }
        let held = self.store.held_rows(ROWS_MAX).await?;
        Ok(held.into_iter().filter(|row| selection.takes(&row.write)).collect())
    }

    async fn let_go(&self, rows: &[(OperationId, String)], proposal: Option<&str>) -> Result<Applied, OrderError> {
        if self.rules.load().writes == Mode::Off {
            return Err(OrderError::Off);
        }
        let _deciding = self.deciding.lock().await;
        let now = self.clock.now();
        let known: HashMap<OperationId, &str> = rows.iter().map(|(op, digest)| (*op, digest.as_str())).collect();
        let ops: Vec<OperationId> = rows.iter().map(|(op, _)| *op).collect();
        let held = self.store.held_of(&ops).await?;
        let mut applied = Applied { settled: rows.len() - held.len(), ..Applied::default() };
        let mut stale = Vec::new();
        let mut standing = Vec::new();
        for (row, basis) in self.weighed(held).await? {
            let is_same = known.get(&row.write.op).is_some_and(|digest| *digest == row.digest);
            match basis {
                Ok(_) if is_same => standing.push(row.write.op),
                Ok(_) => *applied.superseded.entry("it was planned anew since".to_owned()).or_default() += 1,
                Err(why) => {
                    *applied.superseded.entry(why.clone()).or_default() += 1;
                    stale.push((row.write.op, row.write.lead, why));
                }
            }
        }
        applied.released = self.store.release_rows(&standing, proposal).await?.len();
        self.plan_anew(stale, now).await?;
        self.tell_of_holds(now).await?;
        tracing::info!(
            plan = proposal,
            released = applied.released,
            superseded = applied.superseded.len(),
            "a person let {} go",
            many(applied.released, "effect", "effects")
        );
        Ok(applied)
    }

    /// What waits and still stands, with what it changes; and how many more wait. What does not stand any more is superseded
    /// on the way. The caller holds `deciding`.
    async fn standing(&self, now: Timestamp) -> Result<(Vec<(HeldRow, Proposed)>, usize), EngineError> {
        // Planning anew may show that another row of the lead does not stand either; a third round is none's.
        for _ in 0..3 {
            let held = self.store.held_rows(ROWS_MAX).await?;
            let more = if held.len() < ROWS_MAX { 0 } else { self.waiting().await?.saturating_sub(ROWS_MAX) };
            let mut rows = Vec::with_capacity(held.len());
            let mut stale = Vec::new();
            for (row, basis) in self.weighed(held).await? {
                match basis {
                    Ok(proposed) => rows.push((row, proposed)),
                    Err(why) => stale.push((row.write.op, row.write.lead, why)),
                }
            }
            if stale.is_empty() {
                return Ok((rows, more));
            }
            self.plan_anew(stale, now).await?;
        }
        Ok((Vec::new(), 0))
    }

    /// How many writes wait for a person.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub async fn waiting(&self) -> Result<usize, StoreError> {
        let counts = self.store.held_counts().await?;
        let waits = counts.iter().filter(|count| !count.hold.starts_with("paused:"));
        Ok(usize::try_from(waits.map(|count| count.writes).sum::<i64>()).unwrap_or(0))
    }

    async fn plan_anew(&self, stale: Vec<(OperationId, LeadId, String)>, now: Timestamp) -> Result<(), EngineError> {
        if stale.is_empty() {
            return Ok(());
        }
        let leads: Vec<LeadId> = stale.iter().map(|(_, lead, _)| *lead).collect();
        let ops: Vec<(OperationId, String)> = stale.into_iter().map(|(op, _, why)| (op, why)).collect();
        self.store.supersede(&ops, now).await?;
        self.decide_now(&leads).await
    }

    /// Decides about `leads`, each once. The caller holds `deciding`.
    pub(super) async fn decide_now(&self, leads: &[LeadId]) -> Result<(), EngineError> {
        let mut leads = leads.to_vec();
        leads.sort_unstable();
        leads.dedup();
        let now = self.clock.now();
        for chunk in leads.chunks(LEADS_MAX) {
            let mut batch = Batch::default();
            if !self.is_live() {
                // No decision is taken yet: they are due when decisions begin.
                batch.rechecks = chunk.iter().map(|lead| (*lead, now)).collect();
            }
            self.commit_judged(batch, chunk).await?;
        }
        Ok(())
    }

    /// Each row with what it changes, or why it does not stand any more.
    async fn weighed(&self, held: Vec<HeldRow>) -> Result<Vec<(HeldRow, Result<Proposed, String>)>, StoreError> {
        let policy = self.policy().await?;
        let mut leads: Vec<LeadId> = held.iter().map(|row| row.write.lead).collect();
        leads.sort_unstable();
        leads.dedup();
        let mut cases: HashMap<LeadId, Case> = HashMap::new();
        for chunk in leads.chunks(LEADS_MAX) {
            let some = self.store.cases(chunk, self.clock.now() - TOUCHES_BACK).await?;
            cases.extend(some.into_iter().map(|case| (case.lead.id, case)));
        }
        let weigh = |row: HeldRow| {
            let basis = match cases.get(&row.write.lead) {
                Some(case) => proposal::stands(&row.write, case)
                    .map(|()| proposed(&row.write, case, &policy, row.hold.clone(), row.since)),
                None => Err("the lead is gone".to_owned()),
            };
            (row, basis)
        };
        Ok(held.into_iter().map(weigh).collect())
    }

    /// What would be written and sent for the hand-offs that are shadows because nothing may be written.
    async fn dry(&self, now: Timestamp) -> Result<Proposal, EngineError> {
        let mut policy = self.policy().await?;
        policy.writes = Mode::On;
        policy.notices = Mode::On;
        let open = self.store.open_handoffs(SHADOWS_MAX).await?;
        let leads: Vec<LeadId> = open.iter().map(|row| row.handoff.id.lead).collect();
        let mut dry = Proposal { is_dry: true, made_at: Some(now), ..Proposal::default() };
        for chunk in leads.chunks(LEADS_MAX) {
            let mut cases = self.store.cases(chunk, touches_since(now, &policy)).await?;
            self.hear_answers(&mut cases, &policy, touches_since(now, &policy)).await?;
            self.summarise(&mut cases, &policy).await?;
            for case in cases {
                let (writes, notices) = would_write(now, &case, &policy);
                dry.rows.extend(writes.iter().map(|write| proposed(write, &case, &policy, "off".to_owned(), now)));
                dry.notices.extend(notices);
            }
        }
        Ok(dry)
    }
}

fn id_of(rows: &[(OperationId, String)]) -> String {
    let lines: Vec<String> = rows.iter().map(|(op, digest)| format!("{op} {digest}")).collect();
    let mut id = OperationId::of(&lines.iter().map(String::as_str).collect::<Vec<_>>()).to_string();
    id.truncate(ID_DIGITS);
    id
}

fn proposed(write: &Write, case: &Case, policy: &Policy, hold: String, since: Timestamp) -> Proposed {
    let turn = case.handoff.as_ref().and_then(Handoff::turn);
    let sets_owner = matches!(write.effect.as_str(), "create" | "owner");
    Proposed {
        op: write.op,
        lead: write.lead,
        who: case.lead.name.as_deref().or(case.lead.email.as_deref()).map(str::to_owned),
        handoff: write.handoff.map(|number| HandoffId { lead: write.lead, number }),
        why: turn.filter(|_| sets_owner).map(|turn| turn.why.clone()),
        connection: write.connection.clone(),
        change: proposal::change(write, case, &policy.directory),
        because: write.because.clone(),
        hold,
        since,
    }
}
