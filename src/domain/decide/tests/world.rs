//! The small world that `decide` is tested in.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::super::*;
use crate::domain::agreement::{
    Agreement, Audience, Commitment, Destination, HandoffPolicy, Icp, RecyclePolicy, Rejection, RouteTo, RoutingRule,
    Rung, ScoreModel, Skip, Tier,
};
use crate::domain::calendar::{Calendar, Span};
use crate::domain::coverage::{Coverage, StreamCoverage};
use crate::domain::field::{Field, FieldSet, Known, Value};
use crate::domain::handoff::TurnBy;
use crate::domain::id::{LeadId, Object, PersonId, RecordRef, RemoteId, TeamId, WorkspaceId};
use crate::domain::lead::LeadState;
use crate::domain::plan::{Ability, Effect, Fate, NoticeKind, Receipt};
use crate::domain::record::{Author, Disposition, Link, LinkRule, OwnerEntry, Presence, Word};
use crate::domain::roster::{Directory, Member, Roster, Team};
use crate::domain::stage::{Stage, StageEntry};
use crate::domain::touch::{Channel, Genuine, Touch};

pub(super) fn at(minute: i64) -> Timestamp {
    // Minute 0 is Tuesday 24 November 2026, 09:00 UTC.
    Timestamp::from_second(1_795_510_800).unwrap() + SignedDuration::from_mins(minute)
}

pub(super) fn rung(at_percent: u32, tell: &[Audience]) -> Rung {
    Rung { at_percent, tell: tell.to_vec(), task: false, reassign: false, recycle: None }
}

pub(super) fn agreement() -> Agreement {
    let ladder = vec![
        rung(80, &[Audience::Owner]),
        Rung { task: true, ..rung(100, &[Audience::Owner, Audience::Manager]) },
        Rung { reassign: true, ..rung(150, &[Audience::Manager]) },
        Rung { recycle: Some(Name::from("no_response")), ..rung(300, &[Audience::Manager, Audience::Marketing]) },
    ];
    let nurture = |track: &str, days: i64| Rejection {
        to: Destination::Nurture(Name::from(track)),
        cool_off: SignedDuration::from_hours(24 * days),
        needs_touches: 0,
    };
    Agreement {
        version: Name::from("2026.4"),
        effective: at(-600),
        review_by: None,
        signed: Vec::new(),
        icp: Icp { fits: None, never: None },
        score: ScoreModel::default(),
        stages: Vec::new(),
        handoff: HandoffPolicy {
            to: Some(ConnectionId::from("odoo")),
            skip: vec![Skip::Customer, Skip::OptedOut, Skip::OwnStaff],
            requires: vec![vec![Field::Email], vec![Field::Phone, Field::LinkedIn]],
            incomplete: None,
            commitments: vec![
                Commitment {
                    name: Name::from("first touch"),
                    done_by: vec![Proof::Call, Proof::Email, Proof::Meeting],
                    within: vec![Tier { when: None, time: Span::Elapsed(SignedDuration::from_hours(1)) }],
                    ladder,
                },
                Commitment {
                    name: Name::from("disposition"),
                    done_by: vec![Proof::Accepted, Proof::Rejected],
                    within: vec![Tier { when: None, time: Span::Elapsed(SignedDuration::from_hours(10)) }],
                    ladder: vec![rung(100, &[Audience::Owner, Audience::Manager])],
                },
            ],
            rejections: BTreeMap::from([
                (Name::from("bad_timing"), nurture("next-quarter", 60)),
                (Name::from("no_response"), nurture("re-engage", 30)),
            ]),
            turns_max: 3,
        },
        recycle: RecyclePolicy { cycles_max: 3, then: Destination::Disqualified },
        routing: vec![RoutingRule {
            name: Name::from("everyone"),
            when: None,
            to: RouteTo::Team(TeamId::from("dach"), crate::domain::agreement::Fairness::RoundRobin),
        }],
        committee: None,
        uses: FieldSet::default(),
    }
}

pub(super) fn person(name: &str) -> PersonId {
    PersonId::from(format!("{name}@example.com"))
}

/// The world of one lead.
pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) case: Case,
    pub(super) policy: Policy,
    pub(super) written: Vec<Write>,
    pub(super) told: Vec<Notice>,
    pub(super) events: Vec<Event>,
    pub(super) findings: Vec<Finding>,
    pub(super) covered: bool,
    /// Clocks of CRMs that are off.
    pub(super) clocks: Vec<crate::domain::skew::Skew>,
    pub(super) next_rep: usize,
    pub(super) account_numbers: Vec<(&'static str, &'static str)>,
}

impl World {
    /// Marketing's record exists with address and telephone number; nobody qualified it yet.
    pub(super) fn new() -> Self {
        let accounts = vec![("anna", "11"), ("bela", "12"), ("cleo", "13"), ("boss", "19")];
        let mut directory = Directory::default();
        for (name, id) in &accounts {
            directory.insert(ConnectionId::from("odoo"), RemoteId::from(*id), person(name));
        }
        let member = |name: &str| Member { person: person(name), weight: 1, open_max: None, day_max: None };
        let team = Team {
            manager: Some(person("boss")),
            fallback: Some(person("boss")),
            calendar: Name::from("always"),
            works_in: None,
            tell: Some(Name::from("slack.dach")),
            quiet: None,
            members: vec![member("anna"), member("bela"), member("cleo")],
        };
        let marketing = Team {
            manager: None,
            fallback: None,
            calendar: Name::from("always"),
            works_in: None,
            tell: Some(Name::from("slack.marketing")),
            quiet: None,
            members: Vec::new(),
        };
        let mut roster = Roster::default();
        roster.teams.insert(TeamId::from("dach"), team);
        roster.teams.insert(TeamId::from("marketing"), marketing);
        roster.calendars.insert(Name::from("always"), Arc::new(Calendar::always_open()));
        roster.own_domains.push(Name::from("us.example"));
        let ability = |connection: &str, stages: Vec<Stage>, tracks: &[&str]| Ability {
            connection: ConnectionId::from(connection),
            stages,
            score: false,
            handoff: false,
            tracks: tracks.iter().map(|track| Name::from(*track)).collect(),
            reasons: vec![Name::from("no_response"), Name::from("bad_timing")],
            rejects: connection == "odoo",
            stage_back: false,
        };
        let policy = Policy {
            workspace: WorkspaceId::from("default"),
            agreement: Arc::new(agreement()),
            roster: Arc::new(roster),
            directory: Arc::new(directory),
            coverage: Coverage::default(),
            is_time_sure: true,
            connections: vec![
                ability("hubspot", vec![Stage::Mql], &["next-quarter", "re-engage"]),
                ability("odoo", Vec::new(), &[]),
            ],
            zone: TimeZone::UTC,
            writes: Mode::On,
            notices: Mode::On,
            paused: crate::domain::plan::Paused::default(),
            public_url: Arc::from("https://baton.example.com"),
            telling: Arc::default(),
        };
        let mut lead = LeadState::new(LeadId(7), at(-9_000));
        lead.version = 1;
        let known = |field, text: &str| Known { field, value: Value::text(text).unwrap(), at: at(-9_000) };
        let contact = record(
            "hubspot",
            "501",
            vec![
                known(Field::Email, "jo@acme.example"),
                known(Field::FirstName, "Jo"),
                known(Field::Phone, "+49 30 1"),
            ],
        );
        let case = Case {
            lead,
            records: vec![contact],
            company: None,
            colleagues: None,
            handoff: None,
            touches: Vec::new(),
            receipts: Vec::new(),
            open_deals: 0,
            apart: Vec::new(),
            told: Vec::new(),
            history: None,
            answer: None,
        };
        Self {
            now: at(0),
            case,
            policy,
            written: Vec::new(),
            told: Vec::new(),
            events: Vec::new(),
            findings: Vec::new(),
            covered: true,
            clocks: Vec::new(),
            next_rep: 0,
            account_numbers: accounts,
        }
    }

    pub(super) fn stage(&mut self, minute: i64, stage: Stage, by: Author) -> &mut Self {
        self.case.records[0].stages.push(StageEntry { stage, at: at(minute), by });
        self
    }

    /// Marketing qualifies the lead, and the receipt of the owner's write arrives a minute later.
    pub(super) fn handed_over() -> Self {
        let mut world = Self::new();
        world.stage(0, Stage::Mql, Author::Person(None));
        world.play(0);
        world.receive(1);
        world.play(1);
        world
    }

    /// Decides at `minute` and makes true what follows; gives owners in the order of the team.
    pub(super) fn play(&mut self, minute: i64) -> Plan {
        self.play_at(at(minute))
    }

    pub(super) fn play_at(&mut self, now: Timestamp) -> Plan {
        self.now = now;
        self.policy.coverage = Coverage {
            streams: vec![StreamCoverage {
                stream: Name::from("odoo.messages"),
                proves: vec![Proof::Call, Proof::Email, Proof::Meeting, Proof::Accepted, Proof::Rejected],
                covered_until: Some(if self.covered { now + SignedDuration::from_mins(1) } else { at(-1) }),
            }],
            clocks: self.clocks.clone(),
        };
        let mut plan = decide(self.now, &self.case, &self.policy);
        if let Some(wanted) = plan.wants_owner.clone() {
            let is_fallback = matches!(wanted.among, crate::domain::plan::Among::Fallback(_));
            let name = if is_fallback { "boss" } else { ["anna", "bela", "cleo"][self.next_rep % 3] };
            self.next_rep += 1;
            let granted = Granted {
                person: person(name),
                team: Some(TeamId::from("dach")),
                by: if is_fallback { TurnBy::Fallback } else { TurnBy::Routing },
                why: "next in turn".to_owned(),
                findings: Vec::new(),
            };
            plan = grant(self.now, plan, &self.case, &self.policy, &granted);
        }
        self.case.lead = plan.lead.clone();
        self.case.lead.version += 1;
        if let Some(handoff) = plan.handoff.clone() {
            self.case.handoff = Some(handoff);
        }
        self.written.extend(plan.writes.iter().cloned());
        self.told.extend(plan.notices.iter().cloned());
        self.events.extend(plan.events.iter().cloned());
        self.findings.clone_from(&plan.findings);
        plan
    }

    /// Everything that was written takes effect at `minute`: the record is made, the owner known.
    pub(super) fn receive(&mut self, minute: i64) {
        for write in self.written.clone() {
            if self.case.receipts.iter().any(|receipt| receipt.op == write.op) {
                continue;
            }
            self.case.receipts.push(Receipt { op: write.op, fate: Fate::Done, at: at(minute) });
            match &write.effect {
                Effect::Create { owner, .. } => {
                    let mut made = record("odoo", "9", Vec::new());
                    made.created = at(minute);
                    made.owners = vec![OwnerEntry { owner: owner.clone(), at: at(minute), by: Author::Baton }];
                    self.case.records.push(made);
                }
                Effect::SetOwner { owner, .. } => {
                    let entry = OwnerEntry { owner: Some(owner.clone()), at: at(minute), by: Author::Baton };
                    let mut records = self.case.records.iter_mut();
                    records.find(|record| record.of.connection == write.connection).unwrap().owners.push(entry);
                }
                _ => {}
            }
        }
    }

    pub(super) fn own(&mut self, minute: i64, owner: Option<&str>, by: Author) {
        let entry = OwnerEntry { owner: owner.map(RemoteId::from), at: at(minute), by };
        self.case.records.iter_mut().find(|record| record.of.connection.as_str() == "odoo").unwrap().owners.push(entry);
    }

    pub(super) fn touch(&mut self, minute: i64, channel: Channel, by: &str, genuine: Genuine) {
        let odoo = ConnectionId::from("odoo");
        let account = self.account_numbers.iter().find(|(name, _)| *name == by).map(|(_, id)| RemoteId::from(*id));
        let person = RecordRef::new(&odoo, Object::Person, "9");
        let of = RecordRef::new(&odoo, Object::Call, format!("m{minute}"));
        self.case.touches.push(Touch { of, person, channel, at: at(minute), by: account, genuine });
        self.case.touches.sort_by_key(|touch| touch.at);
    }

    pub(super) fn says(&mut self, minute: i64, word: Word) {
        let said = Disposition { word, at: at(minute), by: Author::Person(Some(RemoteId::from("11"))) };
        self.case.records.iter_mut().find(|record| record.of.connection.as_str() == "odoo").unwrap().disposition =
            Some(said);
    }

    pub(super) fn owner(&self) -> Option<String> {
        let turn = self.case.handoff.as_ref()?.turn()?;
        turn.owner.as_str().split('@').next().map(str::to_owned)
    }

    pub(super) fn kinds(&self) -> Vec<NoticeKind> {
        self.told.iter().map(|notice| notice.kind).collect()
    }

    pub(super) fn effects(&self, connection: &str) -> Vec<&'static str> {
        let on = self.written.iter().filter(|write| write.connection.as_str() == connection);
        on.map(|write| write.effect.as_str()).collect()
    }

    pub(super) fn clock_from(&self) -> Option<Timestamp> {
        self.case.handoff.as_ref()?.turn()?.clock_from
    }
}

pub(super) fn record(connection: &str, id: &str, values: Vec<Known>) -> PersonRecord {
    PersonRecord {
        of: RecordRef::new(&ConnectionId::from(connection), Object::Person, id),
        link: Link { lead: LeadId(7), rule: LinkRule::First, at: at(-9_000) },
        modified: at(-9_000),
        created: at(-9_000),
        presence: Presence::Live,
        values,
        keys: Vec::new(),
        company: None,
        stages: Vec::new(),
        owners: Vec::new(),
        disposition: None,
        signals: Vec::new(),
        scores: Vec::new(),
        company_since: None,
        has_history: true,
    }
}
