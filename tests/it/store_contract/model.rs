//! The outbox against the simplest thing that could be one: a list in memory that does what the docs say.
//!
//! Random decisions, claims, settlements and restarts go to both; they must answer alike and end alike. Beside that it is
//! held to what the list cannot get wrong by copying: nothing lost, nothing with two at one time, order within a lead.

use std::collections::BTreeMap;

use baton::domain::plan::{Effect, Lane, Plan};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

const LEADS: i64 = 3;
const CONNECTIONS: [&str; 2] = ["hubspot", "odoo"];
const CHANNEL: &str = "slack.dach";

#[derive(Clone, Debug)]
enum Act {
    /// A decision about a lead with this effect, which may have been decided before.
    Decide {
        name: u8,
        lead: i64,
        to: Option<&'static str>,
        lane: Lane,
    },
    /// The lead's waiting writes are not wanted any more.
    Cancel {
        lead: i64,
    },
    Claim {
        from: Option<&'static str>,
        limit: usize,
    },
    /// Any claim that was ever given, settled again and again.
    Settle {
        claim: Index,
        how: How,
        wait: i64,
    },
    Pass {
        seconds: i64,
    },
    Hurry,
    Restart,
}

#[derive(Clone, Copy, Debug)]
enum How {
    Done,
    Again,
    Asked,
    Unknown,
    Dead,
}

fn act() -> impl Strategy<Value = Act> {
    let to = || prop_oneof![3 => select(CONNECTIONS.as_slice()).prop_map(Some), 1 => Just(None)];
    let how = select([How::Done, How::Again, How::Asked, How::Unknown, How::Dead].as_slice());
    prop_oneof![
        6 => (0..24_u8, 1..=LEADS, to(), select(Lane::ALL.as_slice()))
            .prop_map(|(name, lead, to, lane)| Act::Decide { name, lead, to, lane }),
        1 => (1..=LEADS).prop_map(|lead| Act::Cancel { lead }),
        5 => (to(), 1..4_usize).prop_map(|(from, limit)| Act::Claim { from, limit }),
        5 => (any::<Index>(), how, 0..90_i64).prop_map(|(claim, how, wait)| Act::Settle { claim, how, wait }),
        3 => (1..90_i64).prop_map(|seconds| Act::Pass { seconds }),
        1 => Just(Act::Hurry),
        1 => Just(Act::Restart),
    ]
}

#[derive(Clone, Debug)]
struct Row {
    op: OperationId,
    lead: i64,
    /// The connection; none for a notice.
    to: Option<&'static str>,
    lane: Lane,
    state: &'static str,
    attempt: u32,
    tries: u32,
    /// How many earlier tries of a notice may have arrived; of a write, whether one may have taken effect.
    doubts: u32,
    not_before: i64,
    lease_until: i64,
    decided: i64,
}

impl Row {
    fn is_open(&self) -> bool {
        ["pending", "sending", "unknown"].contains(&self.state)
    }

    fn is_ready(&self, now: i64) -> bool {
        match self.state {
            "pending" | "unknown" => self.not_before <= now,
            "sending" => self.lease_until < now,
            _ => false,
        }
    }
}

/// The outbox as a list, in the order of decisions.
#[derive(Clone, Debug, Default)]
struct List(Vec<Row>);

impl List {
    fn decide(&mut self, row: Row) {
        if self.0.iter().all(|known| known.op != row.op) {
            self.0.push(row);
        }
    }

    fn cancel(&mut self, lead: i64, now: i64) {
        let waits =
            |row: &&mut Row| row.lead == lead && row.to.is_some() && row.state == "pending" && row.decided < now;
        self.0.iter_mut().filter(waits).for_each(|row| row.state = "cancelled");
    }

    fn claim(&mut self, from: Option<&'static str>, limit: usize, now: i64) -> Vec<(OperationId, u32, u32, u32)> {
        let waits_for = |at: usize| {
            let row = &self.0[at];
            let is_before =
                |earlier: &&Row| earlier.lead == row.lead && earlier.to == row.to && earlier.lane <= row.lane;
            self.0[..at].iter().filter(is_before).any(Row::is_open)
        };
        let ready = |at: &usize| self.0[*at].to == from && self.0[*at].is_ready(now);
        let mut chosen: Vec<usize> =
            (0..self.0.len()).filter(ready).filter(|at| from.is_none() || !waits_for(*at)).collect();
        if from.is_some() {
            chosen.sort_by_key(|at| (self.0[*at].lane, *at));
        }
        chosen.truncate(limit);
        chosen
            .into_iter()
            .map(|at| {
                let row = &mut self.0[at];
                match row.to {
                    Some(_) if row.state != "pending" => row.doubts = 1,
                    None if row.state == "sending" => row.doubts += 1,
                    _ => {}
                }
                row.state = "sending";
                row.attempt += 1;
                row.tries += 1;
                row.lease_until = now + LEASE.as_secs();
                (row.op, row.attempt, row.tries, row.doubts)
            })
            .collect()
    }

    /// Is the claim still ours?
    fn settle(&mut self, op: OperationId, attempt: u32, how: How, not_before: i64) -> bool {
        let ours = |row: &&mut Row| row.op == op && row.attempt == attempt && row.state == "sending";
        let Some(row) = self.0.iter_mut().find(ours) else { return false };
        // Nobody can look whether a notice arrived: its doubts stay.
        let stay = if row.to.is_none() { row.doubts } else { 0 };
        row.doubts = stay + u32::from(matches!(how, How::Unknown));
        row.tries -= u32::from(matches!(how, How::Asked));
        row.state = match how {
            How::Done => "done",
            How::Again | How::Asked => "pending",
            How::Unknown => "unknown",
            How::Dead => "dead",
        };
        row.not_before = not_before;
        true
    }

    fn hurry(&mut self) {
        self.0.iter_mut().filter(|row| ["pending", "unknown"].contains(&row.state)).for_each(|row| row.not_before = 0);
    }

    /// Nobody is left to settle what was under way.
    fn restart(&mut self) {
        for row in self.0.iter_mut().filter(|row| row.state == "sending") {
            (row.state, row.doubts, row.not_before) = ("unknown", row.doubts + 1, 0);
        }
    }

    fn shown(&self, lead: i64) -> Vec<(String, String, i64)> {
        let rows = self.0.iter().filter(|row| row.lead == lead);
        rows.map(|row| (row.op.to_string(), row.state.to_owned(), i64::from(row.attempt))).collect()
    }
}

async fn shown(store: &Store, lead: i64) -> Vec<(String, String, i64)> {
    let rows = store.effects_of(LeadId(lead)).await.unwrap();
    rows.into_iter().map(|row| (row.op, row.state, row.attempt)).collect()
}

/// A decision about `lead` as it is stored.
async fn decision(store: &Store, lead: i64) -> Plan {
    let version = store.lead_state(LeadId(lead)).await.unwrap().map_or(0, |state| state.version);
    plan(super::lead(lead, version))
}

async fn take(store: &Store, from: Option<&'static str>, limit: usize, now: i64) -> Vec<Claim> {
    match from {
        Some(connection) => store.claim_writes(&connection.into(), at(now), LEASE, limit).await.unwrap(),
        None => store.claim_notices(&CHANNEL.into(), at(now), Timestamp::MAX, LEASE, limit).await.unwrap(),
    }
}

async fn run(acts: Vec<Act>) -> Result<(), TestCaseError> {
    let mut held = open().await;
    let mut list = List::default();
    let mut given: Vec<Claim> = Vec::new();
    // Until when each row is with somebody who may be sending it.
    let mut with: BTreeMap<OperationId, i64> = BTreeMap::new();
    let mut now = 1;
    for act in acts {
        match act {
            Act::Decide { name, lead, to, lane } => {
                let name = name.to_string();
                let mut decided = decision(&held.store, lead).await;
                match to {
                    Some(connection) => {
                        let effect = Effect::AddNote { body: name.clone() };
                        decided.writes = vec![write(&name, lead, connection, lane, effect)];
                    }
                    None => decided.notices = vec![notice(&name, lead, CHANNEL)],
                }
                held.store.commit(&Batch { now: Some(at(now)), ..batch(vec![decided]) }).await.unwrap();
                list.decide(Row {
                    op: op(&name),
                    lead,
                    to,
                    lane,
                    state: "pending",
                    attempt: 0,
                    tries: 0,
                    doubts: 0,
                    not_before: 0,
                    lease_until: 0,
                    decided: now,
                });
            }
            Act::Cancel { lead } => {
                let mut gone = decision(&held.store, lead).await;
                gone.handoff = Some(handoff(lead, 1, 400));
                gone.cancels = Some("gone".into());
                held.store.commit(&Batch { now: Some(at(now)), ..batch(vec![gone]) }).await.unwrap();
                list.cancel(lead, now);
            }
            Act::Claim { from, limit } => {
                let claims = take(&held.store, from, limit, now).await;
                let wanted = list.claim(from, limit, now);
                let got: Vec<_> =
                    claims.iter().map(|claim| (claim.op, claim.attempt, claim.tries, claim.doubts)).collect();
                prop_assert_eq!(got, wanted);
                for claim in &claims {
                    prop_assert_eq!(claim.is_unknown, claim.doubts > 0);
                    prop_assert!(with.get(&claim.op).is_none_or(|until| *until < now), "{:?} is with somebody", claim);
                    with.insert(claim.op, now + LEASE.as_secs());
                }
                given.extend(claims);
            }
            Act::Settle { claim, how, wait } => {
                if given.is_empty() {
                    continue;
                }
                let claim = claim.get(&given);
                let settlement = match how {
                    How::Done => done(now),
                    How::Again => again(now + wait),
                    How::Asked => {
                        Settlement::Again { not_before: at(now + wait), counts: false, message: "429".to_owned() }
                    }
                    How::Unknown => unknown(now + wait),
                    How::Dead => dead(now),
                };
                let is_settled = settle(&held.store, claim, settlement).await.is_ok();
                prop_assert_eq!(is_settled, list.settle(claim.op, claim.attempt, how, now + wait), "{:?}", claim);
                if is_settled {
                    with.remove(&claim.op);
                }
            }
            Act::Pass { seconds } => now += seconds,
            Act::Hurry => {
                held.store.hurry().await.unwrap();
                list.hurry();
            }
            Act::Restart => {
                held = held.again().await;
                list.restart();
                with.clear();
            }
        }
        for lead in 1..=LEADS {
            prop_assert_eq!(shown(&held.store, lead).await, list.shown(lead));
        }
    }
    drain(&held.store, now, &list).await
}

/// Everything that was decided goes out in the end, each once, in the order in which its lane was decided.
async fn drain(store: &Store, mut now: i64, list: &List) -> Result<(), TestCaseError> {
    let mut sent: Vec<OperationId> = Vec::new();
    for _ in 0..list.0.len() + 3 {
        now += 200;
        for from in CONNECTIONS.into_iter().map(Some).chain([None]) {
            for claim in take(store, from, 99, now).await {
                settle(store, &claim, done(now)).await.unwrap();
                sent.push(claim.op);
            }
        }
    }
    let mut waited: Vec<OperationId> = list.0.iter().filter(|row| row.is_open()).map(|row| row.op).collect();
    for lead in 1..=LEADS {
        for to in CONNECTIONS {
            for lane in Lane::ALL {
                let waits = |row: &&Row| row.is_open() && row.lead == lead && row.to == Some(to) && row.lane == lane;
                let wanted: Vec<OperationId> = list.0.iter().filter(waits).map(|row| row.op).collect();
                let order: Vec<OperationId> = sent.iter().filter(|op| wanted.contains(op)).copied().collect();
                prop_assert_eq!(order, wanted);
            }
        }
    }
    sent.sort();
    waited.sort();
    prop_assert_eq!(sent, waited);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_outbox_does_what_a_plain_list_does(acts in vec(act(), 1..48)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(acts))?;
    }
}
