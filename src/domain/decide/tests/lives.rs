//! Random lives of one lead: whatever happens in whatever order, an open hand-off has exactly one active named owner, else
//! the fallback and a finding (promise 1), and deciding again adds nothing.

use proptest::prelude::*;

use super::*;
use crate::domain::decide::Granted;
use crate::domain::routing::{self, TeamState};

const PEOPLE: [(&str, &str); 4] = [("anna", "11"), ("bela", "12"), ("cleo", "13"), ("boss", "19")];

/// Something that happens to a lead, or to those who work it.
#[derive(Clone, Debug)]
enum Act {
    /// Nothing, for so many minutes.
    Silence(i64),
    /// Marketing qualifies it.
    Qualify,
    /// Everything that was written so far takes effect, or is refused.
    Effects { done: bool },
    /// Somebody calls.
    Touch(usize),
    /// A person, or an automation, makes somebody the owner: of ours, a stranger, or nobody.
    Own { owner: Option<usize>, by_person: bool },
    /// Sales gives it back.
    Lost { known_reason: bool },
    /// Sales confirms it.
    Confirm,
    /// The newest live record of a CRM is deleted.
    Delete { sales: bool },
    /// Sales' record is merged into another.
    Merge,
    /// An account in sales' CRM ends or comes back.
    Account { who: usize, exists: bool },
    /// Everybody of the team is away, or back.
    Away(bool),
    /// The streams fall behind, or catch up.
    Covered(bool),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1..200i64).prop_map(Act::Silence),
        2 => Just(Act::Qualify),
        3 => any::<bool>().prop_map(|done| Act::Effects { done }),
        1 => (0..4usize).prop_map(Act::Touch),
        2 => (prop::option::of(0..5usize), any::<bool>()).prop_map(|(owner, by_person)| Act::Own { owner, by_person }),
        1 => any::<bool>().prop_map(|known_reason| Act::Lost { known_reason }),
        1 => Just(Act::Confirm),
        1 => any::<bool>().prop_map(|sales| Act::Delete { sales }),
        1 => Just(Act::Merge),
        2 => (0..4usize, any::<bool>()).prop_map(|(who, exists)| Act::Account { who, exists }),
        2 => any::<bool>().prop_map(Act::Away),
        1 => any::<bool>().prop_map(Act::Covered),
    ]
}

struct Life {
    world: World,
    teams: Vec<TeamState>,
    minute: i64,
    made: usize,
    /// The finding that the fallback's turn came with.
    fallback_was_told: bool,
}

impl Life {
    fn new() -> Self {
        let mut world = World::new();
        world.policy.connections.iter_mut().for_each(|ability| ability.handoff = true);
        Self { world, teams: Vec::new(), minute: 0, made: 0, fallback_was_told: false }
    }

    fn now(&self) -> Timestamp {
        at(self.minute)
    }

    fn sales_record(&mut self) -> Option<&mut PersonRecord> {
        let live = self.world.case.records.iter_mut();
        live.filter(|record| record.is_live() && record.of.connection.as_str() == "odoo")
            .max_by_key(|record| record.created)
    }

    fn happen(&mut self, act: &Act) {
        // Nothing happens at the very instant of something else.
        self.minute += 1;
        let now = self.now();
        match act {
            Act::Silence(minutes) => self.minute += minutes,
            Act::Qualify => {
                // Perhaps once more: then somebody took it back first.
                self.world.stage(self.minute, Stage::Engagement, Author::Person(None));
                self.minute += 1;
                self.world.stage(self.minute, Stage::Mql, Author::Person(None));
            }
            Act::Effects { done } => self.settle(*done),
            Act::Touch(who) => {
                if self.sales_record().is_some() {
                    self.world.touch(self.minute, Channel::Call, PEOPLE[*who].0, Genuine::Yes);
                }
            }
            Act::Own { owner, by_person } => {
                let owner = owner.map(|who| RemoteId::from(PEOPLE.get(who).map_or("77", |(_, id)| id)));
                let by = if *by_person { Author::Person(None) } else { Author::Automation(Name::from("Workflow 7")) };
                if let Some(record) = self.sales_record() {
                    record.owners.push(OwnerEntry { owner, at: now, by });
                }
            }
            Act::Lost { known_reason } => {
                let reason = known_reason.then(|| Name::from("bad_timing"));
                let said =
                    Disposition { word: Word::Rejected { reason, said: None }, at: now, by: Author::Person(None) };
                if let Some(record) = self.sales_record() {
                    record.disposition = Some(said);
                }
            }
            Act::Confirm => {
                if let Some(record) = self.sales_record() {
                    record.stages.push(StageEntry { stage: Stage::Sql, at: now, by: Author::Person(None) });
                }
            }
            Act::Delete { sales } => {
                let name = if *sales { "odoo" } else { "hubspot" };
                let live = self.world.case.records.iter_mut().rev().filter(|record| record.is_live());
                if let Some(record) = live.into_iter().find(|record| record.of.connection.as_str() == name) {
                    record.presence = Presence::Gone(now);
                }
            }
            Act::Merge => self.merge(),
            Act::Account { who, exists } => {
                let mut directory = Directory::default();
                let known = self.world.policy.directory.clone();
                let odoo = ConnectionId::from("odoo");
                for (at, (name, id)) in PEOPLE.into_iter().enumerate() {
                    let has = if at == *who { *exists } else { known.account(&odoo, &person(name)).is_some() };
                    if has {
                        directory.insert(odoo.clone(), RemoteId::from(id), person(name));
                    } else {
                        directory.insert_departed(odoo.clone(), RemoteId::from(id), person(name));
                    }
                }
                self.world.policy.directory = Arc::new(directory);
            }
            Act::Away(away) => {
                let day = jiff::civil::date;
                let absence = if *away { vec![(day(2020, 1, 1), day(2040, 1, 1))] } else { Vec::new() };
                let roster = Arc::make_mut(&mut self.world.policy.roster);
                for (name, _) in &PEOPLE[..3] {
                    roster.people.entry(person(name)).or_default().away.clone_from(&absence);
                }
            }
            Act::Covered(covered) => self.world.covered = *covered,
        }
    }

    /// What was written takes effect as a CRM would show it, or is refused.
    fn settle(&mut self, done: bool) {
        let (now, minute) = (self.now(), self.minute);
        for write in self.world.written.clone() {
            let known = self.world.case.receipts.iter_mut().find(|receipt| receipt.op == write.op);
            let Some(receipt) = known.filter(|receipt| receipt.fate == Fate::Pending) else { continue };
            (receipt.fate, receipt.at) = (if done { Fate::Done } else { Fate::Dead }, now);
            if !done || write.connection.as_str() != "odoo" {
                continue;
            }
            match &write.effect {
                Effect::Create { owner, .. } => self.add_record(owner.clone(), Author::Baton),
                Effect::SetOwner { owner, .. } => {
                    if let Some(record) = self.sales_record() {
                        record.owners.push(OwnerEntry {
                            owner: Some(owner.clone()),
                            at: at(minute),
                            by: Author::Baton,
                        });
                    }
                }
                _ => {}
            }
        }
    }

    fn add_record(&mut self, owner: Option<RemoteId>, by: Author) {
        self.made += 1;
        let mut made = record("odoo", &format!("9{}", self.made), Vec::new());
        made.created = self.now();
        made.owners = vec![OwnerEntry { owner, at: self.now(), by }];
        self.world.case.records.push(made);
    }

    fn merge(&mut self) {
        let now = self.now();
        let into = RemoteId::from(format!("9{}", self.made + 1));
        let Some(record) = self.sales_record() else { return };
        record.presence = Presence::Merged { into, at: now };
        let owner = record.owner().and_then(|entry| entry.owner.clone());
        self.add_record(owner, Author::Person(None));
    }

    /// Decides and gives owners as the engine does, and holds the promise against what came of it.
    fn decide(&mut self) -> Result<Plan, TestCaseError> {
        // A moment after what happened.
        let now = self.now() + SignedDuration::from_secs(1);
        let world = &mut self.world;
        let covered = if world.covered { now + SignedDuration::from_mins(1) } else { at(-1) };
        world.policy.coverage = Coverage {
            streams: vec![StreamCoverage {
                stream: Name::from("odoo.messages"),
                proves: vec![Proof::Call, Proof::Email, Proof::Meeting, Proof::Accepted, Proof::Rejected],
                covered_until: Some(covered),
            }],
            ..Coverage::default()
        };
        let mut plan = decide(now, &world.case, &world.policy);
        for _ in 0..2 {
            let Some(wanted) = plan.wants_owner.clone() else { break };
            let odoo = ConnectionId::from("odoo");
            let has_account = |person: &PersonId| world.policy.directory.account(&odoo, person).is_some();
            let given = routing::assign(now, &wanted, &world.policy.roster, &self.teams, &[], has_account);
            let findings: Vec<Finding> = given
                .finding
                .map(|text| Finding {
                    kind: FindingKind::NobodyEligible,
                    subject: Subject::Lead(world.case.lead.id),
                    text,
                })
                .into_iter()
                .collect();
            let Some(chosen) = given.person else {
                plan.findings.extend(findings);
                break;
            };
            if let Some(state) = given.shares {
                self.teams.retain(|known| known.team != state.team);
                self.teams.push(state);
            }
            let granted = Granted { person: chosen, team: given.team, by: given.by, why: given.why, findings };
            plan = grant(now, plan, &world.case, &world.policy, &granted);
        }
        world.case.lead = plan.lead.clone();
        world.case.lead.version += 1;
        if let Some(handoff) = plan.handoff.clone() {
            world.case.handoff = Some(handoff);
        }
        for op in plan.writes.iter().map(|write| write.op) {
            if !world.case.receipts.iter().any(|receipt| receipt.op == op) {
                world.case.receipts.push(Receipt { op, fate: Fate::Pending, at: now });
            }
        }
        world.written.extend(plan.writes.iter().cloned());
        self.hold(&plan)?;
        Ok(plan)
    }

    /// Promise 1.
    fn hold(&mut self, plan: &Plan) -> Result<(), TestCaseError> {
        let Some(handoff) = &self.world.case.handoff else { return Ok(()) };
        let active: Vec<_> = handoff.turns.iter().filter(|turn| turn.ended.is_none()).collect();
        if !handoff.is_open() {
            prop_assert!(active.is_empty(), "an ended hand-off has an owner: {active:?}");
            return Ok(());
        }
        let is_told = plan.findings.iter().any(|finding| finding.kind == FindingKind::NobodyEligible);
        let [turn] = active.as_slice() else {
            let odoo = ConnectionId::from("odoo");
            let has_fallback = self.world.policy.directory.account(&odoo, &person("boss")).is_some();
            prop_assert!(active.is_empty() && !has_fallback && is_told, "{} owners: {handoff:?}", active.len());
            prop_assert!(plan.lead.look_again_at.is_some(), "nobody has it, and nobody will look again");
            return Ok(());
        };
        prop_assert_eq!(Some(&turn.owner), plan.lead.owner.as_ref());
        prop_assert_eq!(handoff.turn().map(|last| last.number), Some(turn.number), "the active turn is the last");
        prop_assert!(handoff.turns.iter().enumerate().all(|(at, turn)| turn.number as usize == at + 1));
        let routed = handoff.turns.iter().filter(|known| known.number < turn.number && known.by != TurnBy::Person);
        let are_used = routed.count() >= self.world.policy.agreement.handoff.turns_max as usize;
        if turn.by == TurnBy::Fallback && !are_used {
            prop_assert!(is_told, "the fallback has it and nobody is told why: {turn:?}");
            self.fallback_was_told = true;
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn an_open_handoff_has_one_active_owner_or_the_fallback_and_a_finding(acts in prop::collection::vec(act(), 1..40)) {
        let mut life = Life::new();
        life.happen(&Act::Qualify);
        life.decide()?;
        for act in &acts {
            life.happen(act);
            life.decide()?;
            let before = (life.world.case.handoff.clone(), life.world.case.lead.stage);
            let again = life.decide()?;
            prop_assert!(again.events.is_empty(), "deciding again after {:?}: {:?}", act, again.events);
            prop_assert_eq!(before, (life.world.case.handoff.clone(), life.world.case.lead.stage));
        }
    }
}

#[test]
fn the_finding_of_a_fallback_stays_while_the_fallback_has_it() {
    let mut life = Life::new();
    for act in [Act::Away(true), Act::Qualify] {
        life.happen(&act);
        life.decide().unwrap();
    }
    assert_eq!(life.world.owner().as_deref(), Some("boss"));
    assert!(life.fallback_was_told);
    for act in [Act::Effects { done: true }, Act::Silence(30)] {
        life.happen(&act);
        let plan = life.decide().unwrap();
        assert!(plan.findings.iter().any(|finding| finding.kind == FindingKind::NobodyEligible), "{act:?}");
    }
}
