//! A small world round `decide`: a lead with a record in marketing's and one in sales' CRM, a team of three, and an hour's
//! promise, played forward by hand.

mod approval;
mod kin;
mod lives;
mod people;
mod seconds;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::*;
use crate::domain::agreement::{
    Agreement, Audience, Commitment, Destination, HandoffPolicy, Icp, RecyclePolicy, Rejection, RouteTo, RoutingRule,
    Rung, ScoreModel, Skip, Tier,
};
use crate::domain::calendar::{Calendar, Span};
use crate::domain::coverage::{Coverage, StreamCoverage};
use crate::domain::expr::Facts;
use crate::domain::field::{Field, FieldSet, Known, Value};
use crate::domain::handoff::{Step, TurnBy};
use crate::domain::id::{LeadId, Object, PersonId, RecordRef, RemoteId, TeamId, WorkspaceId};
use crate::domain::lead::LeadState;
use crate::domain::plan::{Ability, Effect, Fate, NoticeKind, Receipt};
use crate::domain::record::{Author, Disposition, Link, LinkRule, OwnerEntry, Presence, Word};
use crate::domain::roster::{Directory, Member, Roster, Team};
use crate::domain::stage::{Stage, StageEntry};
use crate::domain::touch::{Channel, Genuine, NotGenuine, Touch};

fn at(minute: i64) -> Timestamp {
    // Minute 0 is Tuesday 24 November 2026, 09:00 UTC.
    Timestamp::from_second(1_795_510_800).unwrap() + SignedDuration::from_mins(minute)
}

fn rung(at_percent: u32, tell: &[Audience]) -> Rung {
    Rung { at_percent, tell: tell.to_vec(), task: false, reassign: false, recycle: None }
}

fn agreement() -> Agreement {
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
        uses: FieldSet::default(),
    }
}

fn person(name: &str) -> PersonId {
    PersonId::from(format!("{name}@example.com"))
}

/// The world of one lead.
struct World {
    now: Timestamp,
    case: Case,
    policy: Policy,
    written: Vec<Write>,
    told: Vec<Notice>,
    events: Vec<Event>,
    findings: Vec<Finding>,
    covered: bool,
    next_rep: usize,
    account_numbers: Vec<(&'static str, &'static str)>,
}

impl World {
    /// Marketing's record exists with address and telephone number; nobody qualified it yet.
    fn new() -> Self {
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
            tell: Some(Name::from("slack.dach")),
            quiet: None,
            members: vec![member("anna"), member("bela"), member("cleo")],
        };
        let marketing = Team {
            manager: None,
            fallback: None,
            calendar: Name::from("always"),
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
            next_rep: 0,
            account_numbers: accounts,
        }
    }

    fn stage(&mut self, minute: i64, stage: Stage, by: Author) -> &mut Self {
        self.case.records[0].stages.push(StageEntry { stage, at: at(minute), by });
        self
    }

    /// Marketing qualifies the lead, and the receipt of the owner's write arrives a minute later.
    fn handed_over() -> Self {
        let mut world = Self::new();
        world.stage(0, Stage::Mql, Author::Person(None));
        world.play(0);
        world.receive(1);
        world.play(1);
        world
    }

    /// Decides at `minute` and makes true what follows; gives owners in the order of the team.
    fn play(&mut self, minute: i64) -> Plan {
        self.play_at(at(minute))
    }

    fn play_at(&mut self, now: Timestamp) -> Plan {
        self.now = now;
        self.policy.coverage = Coverage {
            streams: vec![StreamCoverage {
                stream: Name::from("odoo.messages"),
                proves: vec![Proof::Call, Proof::Email, Proof::Meeting, Proof::Accepted, Proof::Rejected],
                covered_until: Some(if self.covered { now + SignedDuration::from_mins(1) } else { at(-1) }),
            }],
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
    fn receive(&mut self, minute: i64) {
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
                Effect::SetOwner { owner, .. } => self.own(minute, Some(owner.as_str()), Author::Baton),
                _ => {}
            }
        }
    }

    fn own(&mut self, minute: i64, owner: Option<&str>, by: Author) {
        let entry = OwnerEntry { owner: owner.map(RemoteId::from), at: at(minute), by };
        self.case.records.iter_mut().find(|record| record.of.connection.as_str() == "odoo").unwrap().owners.push(entry);
    }

    fn touch(&mut self, minute: i64, channel: Channel, by: &str, genuine: Genuine) {
        let odoo = ConnectionId::from("odoo");
        let account = self.account_numbers.iter().find(|(name, _)| *name == by).map(|(_, id)| RemoteId::from(*id));
        let person = RecordRef::new(&odoo, Object::Person, "9");
        let of = RecordRef::new(&odoo, Object::Call, format!("m{minute}"));
        self.case.touches.push(Touch { of, person, channel, at: at(minute), by: account, genuine });
        self.case.touches.sort_by_key(|touch| touch.at);
    }

    fn says(&mut self, minute: i64, word: Word) {
        let said = Disposition { word, at: at(minute), by: Author::Person(Some(RemoteId::from("11"))) };
        self.case.records.iter_mut().find(|record| record.of.connection.as_str() == "odoo").unwrap().disposition =
            Some(said);
    }

    fn owner(&self) -> Option<String> {
        let turn = self.case.handoff.as_ref()?.turn()?;
        turn.owner.as_str().split('@').next().map(str::to_owned)
    }

    fn kinds(&self) -> Vec<NoticeKind> {
        self.told.iter().map(|notice| notice.kind).collect()
    }

    fn effects(&self, connection: &str) -> Vec<&'static str> {
        let on = self.written.iter().filter(|write| write.connection.as_str() == connection);
        on.map(|write| write.effect.as_str()).collect()
    }

    fn clock_from(&self) -> Option<Timestamp> {
        self.case.handoff.as_ref()?.turn()?.clock_from
    }
}

fn record(connection: &str, id: &str, values: Vec<Known>) -> PersonRecord {
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
        has_history: true,
    }
}

#[test]
fn a_qualified_lead_gets_an_owner_a_record_and_a_task() {
    let mut world = World::new();
    world.stage(0, Stage::Mql, Author::Person(None));
    world.play(0);
    assert_eq!(world.owner().as_deref(), Some("anna"));
    assert_eq!(world.effects("odoo"), ["create", "task"]);
    assert_eq!(world.kinds(), [NoticeKind::Assigned]);
}

#[test]
fn deciding_again_plans_nothing_more() {
    let mut world = World::handed_over();
    for minute in [1, 2, 20] {
        let plan = world.play(minute);
        assert!(plan.writes.is_empty() && plan.notices.is_empty() && plan.events.is_empty(), "{plan:?}");
        assert_eq!(plan.handoff, None);
    }
}

#[test]
fn the_clock_starts_when_the_owner_is_known_in_the_crm_not_before() {
    let mut world = World::new();
    world.stage(0, Stage::Mql, Author::Person(None));
    world.play(0);
    world.play(40);
    assert_eq!(world.clock_from(), None);
    world.receive(45);
    world.play(46);
    assert_eq!(world.clock_from(), Some(at(45)));
}

#[test]
fn a_call_in_time_stops_the_clock() {
    let mut world = World::handed_over();
    world.touch(30, Channel::Call, "anna", Genuine::Yes);
    world.play(31);
    for minute in [50, 62, 92, 182] {
        world.play(minute);
    }
    assert_eq!(world.kinds(), [NoticeKind::Assigned], "nobody is warned of what was kept");
    let kept = world.events.iter().any(|event| matches!(event.what, Happening::Kept { in_time: true, .. }));
    assert!(kept);
}

#[test]
fn only_a_genuine_touch_stops_the_clock() {
    for why in [NotGenuine::Inbound, NotGenuine::NotDone, NotGenuine::Failed, NotGenuine::Automated] {
        let mut world = World::handed_over();
        world.touch(30, Channel::Email, "anna", Genuine::No(why));
        world.play(62);
        assert!(world.kinds().contains(&NoticeKind::Breach), "{why:?}");
    }
}

#[test]
fn silence_goes_warning_breach_reassignment_with_a_full_clock() {
    let mut world = World::handed_over();
    world.play(48);
    assert_eq!(world.kinds(), [NoticeKind::Assigned], "80 % of an hour from minute 1 is minute 49");
    world.play(49);
    assert_eq!(world.kinds()[1..], [NoticeKind::Warning]);
    world.play(61);
    assert_eq!(world.kinds()[2..], [NoticeKind::Breach]);
    assert!(
        world.effects("odoo").iter().filter(|effect| **effect == "task").count() == 2,
        "the missed step makes a task"
    );
    world.play(91);
    assert_eq!(world.owner().as_deref(), Some("bela"));
    assert_eq!(world.clock_from(), None, "the next clock waits for the owner to be known");
    world.receive(92);
    world.play(93);
    assert_eq!(world.clock_from(), Some(at(92)));
    let due = world.case.handoff.as_ref().unwrap().due_at();
    assert_eq!(due, Some(at(152)), "a full hour");
}

#[test]
fn a_step_found_late_fires_once_with_its_true_time() {
    let mut world = World::handed_over();
    world.play(70);
    let fired: Vec<_> = world.events.iter().filter(|event| matches!(event.what, Happening::StepFired { .. })).collect();
    assert_eq!(fired.iter().map(|event| event.at).collect::<Vec<_>>(), [at(49), at(61)]);
    world.play(71);
    assert_eq!(world.kinds(), [NoticeKind::Assigned, NoticeKind::Warning, NoticeKind::Breach]);
}

#[test]
fn nobody_is_accused_while_the_streams_are_behind() {
    let mut world = World::handed_over();
    world.covered = false;
    world.play(62);
    assert_eq!(world.kinds(), [NoticeKind::Assigned, NoticeKind::Warning], "a warning needs no evidence");
    assert_eq!(world.case.lead.evidence_at, Some(at(61)));
    assert!(world.findings.is_empty());
    world.play(72);
    assert!(world.findings.iter().any(|finding| finding.kind == FindingKind::Blind), "{:?}", world.findings);
    world.covered = true;
    world.play(73);
    assert!(world.kinds().contains(&NoticeKind::Breach));
}

#[test]
fn contact_in_the_second_of_the_deadline_is_in_time() {
    let mut world = World::handed_over();
    world.touch(61, Channel::Call, "anna", Genuine::Yes);
    world.play(62);
    assert!(!world.kinds().contains(&NoticeKind::Breach));
}

#[test]
fn a_touch_that_comes_to_light_late_withdraws_the_breach() {
    let mut world = World::handed_over();
    world.play(61);
    let breach = world.told.iter().find(|notice| notice.kind == NoticeKind::Breach).unwrap().op;
    world.touch(55, Channel::Call, "anna", Genuine::Yes);
    world.play(70);
    let withdrawal = world.told.last().unwrap();
    assert_eq!((withdrawal.kind, withdrawal.withdraws), (NoticeKind::Withdrawal, Some(breach)));
    let steps = &world.case.handoff.as_ref().unwrap().turns[0].clocks[0].steps;
    assert!(matches!(steps[1], Step::Withdrawn { .. }));
    assert!(matches!(steps[0], Step::Fired { .. }), "the warning was right at its time");
    let told = world.told.len();
    world.play(71);
    assert_eq!(world.told.len(), told, "once");
}

#[test]
fn a_breach_that_was_kept_late_is_told_but_takes_nothing_away() {
    let mut world = World::handed_over();
    world.touch(100, Channel::Call, "anna", Genuine::Yes);
    world.play(101);
    assert!(world.kinds().contains(&NoticeKind::Breach));
    assert_eq!(world.owner().as_deref(), Some("anna"), "the step at 150 % was due before the call, but she has called");
}

#[test]
fn after_three_turns_the_fallback_has_it_and_then_it_goes_back() {
    let mut world = World::handed_over();
    let mut minute = 1;
    for owner in ["anna", "bela", "cleo"] {
        assert_eq!(world.owner().as_deref(), Some(owner));
        minute += 95;
        world.play(minute);
        minute += 1;
        world.receive(minute);
        world.play(minute);
    }
    assert_eq!(world.owner().as_deref(), Some("boss"));
    world.play(minute + 100);
    assert_eq!(world.owner().as_deref(), Some("boss"), "nobody comes after the fallback");
    world.play(minute + 181);
    assert_eq!(world.case.lead.stage, Stage::Nurture);
    assert_eq!(world.effects("hubspot"), ["join_track", "note"]);
    assert!(world.effects("odoo").contains(&"reject"), "sales' record is closed with the reason");
}

#[test]
fn a_rejection_sends_the_lead_back_once() {
    let mut world = World::handed_over();
    world.says(20, Word::Rejected { reason: Some(Name::from("bad_timing")), said: None });
    world.play(21);
    world.play(22);
    assert_eq!(world.case.lead.stage, Stage::Nurture);
    assert_eq!(world.case.lead.cycles, 1);
    assert_eq!(world.effects("hubspot"), ["join_track", "note"]);
    assert!(!world.effects("odoo").contains(&"reject"), "sales has done that itself");
    assert_eq!(world.kinds(), [NoticeKind::Assigned, NoticeKind::Recycle]);
    assert_eq!(world.case.lead.rests_until, Some(at(20) + SignedDuration::from_hours(60 * 24)));
}

#[test]
fn a_rejection_without_a_known_reason_is_asked_about_and_ends_nothing() {
    let mut world = World::handed_over();
    world.says(20, Word::Rejected { reason: None, said: Some(Name::from("Because")) });
    world.play(21);
    assert!(world.findings.iter().any(|finding| finding.kind == FindingKind::Unmapped));
    assert!(world.case.handoff.as_ref().unwrap().is_open());
}

#[test]
fn an_opted_out_person_is_put_on_no_list() {
    let mut world = World::handed_over();
    world.policy.agreement = Arc::new(Agreement {
        handoff: HandoffPolicy { skip: Vec::new(), ..world.policy.agreement.handoff.clone() },
        ..agreement()
    });
    let opted_out = Known { field: Field::OptedOut, value: Value::Flag(true), at: at(5) };
    let values = &mut world.case.records[0].values;
    let place = values.binary_search_by_key(&Field::OptedOut, |known| known.field).unwrap_err();
    values.insert(place, opted_out);
    world.says(20, Word::Rejected { reason: Some(Name::from("bad_timing")), said: None });
    world.play(21);
    assert_eq!(world.effects("hubspot"), ["note"]);
}

#[test]
fn a_person_who_changes_the_owner_wins_and_the_clock_runs_on() {
    let mut world = World::handed_over();
    world.own(30, Some("13"), Author::Person(Some(RemoteId::from("19"))));
    world.play(31);
    assert_eq!(world.owner().as_deref(), Some("cleo"));
    assert_eq!(world.clock_from(), Some(at(1)), "the running clock goes on");
    world.play(62);
    world.play(92);
    assert_eq!(world.owner().as_deref(), Some("cleo"), "Baton does not take away what a person gave");
    assert_eq!(world.effects("odoo").iter().filter(|effect| **effect == "owner").count(), 0);
}

#[test]
fn another_automation_gets_one_retry_and_then_the_field_is_left_alone() {
    let mut world = World::handed_over();
    world.own(5, Some("12"), Author::Automation(Name::from("Workflow 7")));
    world.play(6);
    assert_eq!(world.effects("odoo"), ["create", "task", "owner"]);
    world.receive(7);
    world.own(8, Some("12"), Author::Automation(Name::from("Workflow 7")));
    world.play(9);
    world.play(10);
    assert_eq!(world.effects("odoo"), ["create", "task", "owner"]);
    assert!(
        world
            .findings
            .iter()
            .any(|finding| finding.kind == FindingKind::Contested && finding.text.contains("Workflow 7"))
    );
}

#[test]
fn who_was_past_the_bar_before_the_agreement_acted_is_only_watched() {
    let mut world = World::new();
    world.stage(-700, Stage::Mql, Author::Person(None));
    world.case.lead.version = 0;
    world.play(0);
    assert!(world.case.lead.adopted);
    assert_eq!(world.case.handoff, None);
    world.play(10_000);
    assert_eq!(world.case.handoff, None);
}

#[test]
fn without_leave_to_write_a_handoff_is_a_shadow() {
    let mut world = World::new();
    world.policy.writes = Mode::Off;
    world.stage(0, Stage::Mql, Author::Person(None));
    world.play(0);
    world.play(61);
    world.play(181);
    assert!(world.case.handoff.as_ref().unwrap().is_shadow);
    assert_eq!(world.owner().as_deref(), Some("anna"));
    assert!(world.clock_from().is_some(), "its clock shows");
    assert!(world.written.is_empty() && world.told.is_empty());
    assert!(!world.events.iter().any(|event| matches!(event.what, Happening::StepFired { .. })));
}

#[test]
fn what_must_be_known_is_asked_for_first() {
    let mut world = World::new();
    world.case.records[0].values.retain(|known| known.field != Field::Phone);
    world.stage(0, Stage::Mql, Author::Person(None));
    world.play(0);
    assert_eq!(world.owner(), None);
    assert!(world.findings.iter().any(|finding| finding.text.contains("phone or linkedin")), "{:?}", world.findings);
    let phone = Known { field: Field::Phone, value: Value::text("+49 30 1").unwrap(), at: at(4) };
    let values = &mut world.case.records[0].values;
    let place = values.binary_search_by_key(&Field::Phone, |known| known.field).unwrap_err();
    values.insert(place, phone);
    world.play(5);
    assert_eq!(world.owner().as_deref(), Some("anna"));
}

#[test]
fn a_deleted_record_ends_the_handoff_without_a_word() {
    let mut world = World::handed_over();
    world.case.records[1].presence = Presence::Gone(at(30));
    let plan = world.play(31);
    assert!(world.case.handoff.as_ref().unwrap().is_closed());
    assert!(plan.cancels.is_some() && plan.writes.is_empty() && plan.notices.is_empty());
    world.play(200);
    assert_eq!(world.kinds(), [NoticeKind::Assigned]);
}

#[test]
fn sales_confirming_the_lead_ends_the_handoff() {
    let mut world = World::handed_over();
    world.case.records[1].stages.push(StageEntry { stage: Stage::Sql, at: at(20), by: Author::Person(None) });
    world.play(21);
    assert!(matches!(
        world.case.handoff.as_ref().unwrap().state,
        HandoffState::Closed { outcome: Outcome::Qualified, .. }
    ));
    world.play(200);
    assert_eq!(world.kinds(), [NoticeKind::Assigned]);
}

#[test]
fn staff_and_customers_are_never_handed_over() {
    let mut world = World::new();
    world.case.records[0].values[0].value = Value::text("jo@us.example").unwrap();
    world.stage(0, Stage::Mql, Author::Person(None));
    world.play(0);
    assert_eq!(world.case.handoff, None);
}

#[test]
fn facts_come_from_records_and_company() {
    let world = World::new();
    let facts: Facts = gather(&world.case, &Projection::of(&world.case.records));
    assert_eq!(facts.get(Field::EmailDomain), Value::text("acme.example").as_ref());
}

#[test]
fn while_the_time_is_not_sure_nobody_is_accused_and_later_each_step_fires_once_fault_82() {
    let mut world = World::handed_over();
    world.policy.is_time_sure = false;
    for minute in [49, 61, 70, 100] {
        world.play(minute);
    }
    assert_eq!(world.kinds(), [NoticeKind::Assigned, NoticeKind::Warning], "a warning accuses nobody");
    assert_eq!(world.owner().as_deref(), Some("anna"));
    assert_eq!(world.case.lead.look_again_at, Some(at(101)), "it asks again");
    world.policy.is_time_sure = true;
    world.play(101);
    world.play(102);
    let fired: Vec<_> = world.events.iter().filter(|event| matches!(event.what, Happening::StepFired { .. })).collect();
    assert_eq!(
        fired.iter().map(|event| event.at).collect::<Vec<_>>(),
        [at(49), at(61), at(91)],
        "with their true times"
    );
}

#[test]
fn a_clock_that_goes_back_fires_nothing_twice_and_nothing_early_fault_82() {
    let mut world = World::handed_over();
    for minute in [50, 62, 2, 30, 61, 63, 90] {
        world.play(minute);
    }
    assert_eq!(world.kinds(), [NoticeKind::Assigned, NoticeKind::Warning, NoticeKind::Breach]);
    assert_eq!(world.case.handoff.as_ref().unwrap().due_at(), Some(at(61)), "the deadline stays where it was");
    world.play(91);
    assert_eq!(world.owner().as_deref(), Some("bela"), "and the next step comes at its instant");
}

#[test]
fn a_deadline_behind_the_holiday_data_says_so_fault_78() {
    use crate::domain::calendar::{Days, Holidays, Hours};
    let days = "mon-sun".parse::<Days>().unwrap().0;
    let hours = Hours::default().open(days.iter().copied(), "00:00-24:00".parse().unwrap());
    let closed = Holidays::none().until(jiff::civil::date(2026, 11, 23));
    let mut world = World::new();
    let roster = Arc::make_mut(&mut world.policy.roster);
    let calendar = Calendar::new("always", TimeZone::UTC, hours, closed).unwrap();
    roster.calendars.insert(Name::from("always"), Arc::new(calendar));
    let agreement = Arc::make_mut(&mut world.policy.agreement);
    agreement.handoff.commitments[0].within[0].time = Span::Business(SignedDuration::from_hours(1));
    world.stage(0, Stage::Mql, Author::Person(None));
    world.play(0);
    world.receive(1);
    world.play(1);
    let said = world.findings.iter().find(|finding| finding.kind == FindingKind::NoHolidays).unwrap();
    for part in ["Tue 24 Nov 10:01", "2026-11-23", "calendars.always"] {
        assert!(said.text.contains(part), "{part} is missing in {}", said.text);
    }
    world.play(50);
    let warning = world.told.last().unwrap();
    assert!(
        warning.story.lines.iter().any(|line| line.contains("assumes no holidays after 2026-11-23")),
        "{warning:?}"
    );
    // What runs through nights and holidays assumes nothing.
    let mut world = World::handed_over();
    world.play(2);
    assert!(world.findings.is_empty());
}

#[test]
fn what_qualified_the_lead_again_before_sales_gave_it_back_opens_nothing() {
    // Once, it opened the next hand-off in the very decision that ended the last.
    let mut world = World::handed_over();
    world.stage(3, Stage::Engagement, Author::Person(None)).stage(4, Stage::Mql, Author::Person(None));
    world.play(5);
    world.says(20, Word::Rejected { reason: Some(Name::from("bad_timing")), said: None });
    for minute in [21, 22] {
        world.play(minute);
    }
    assert_eq!((world.case.lead.stage, world.case.lead.handoffs), (Stage::Nurture, 1));
    world.stage(30, Stage::Mql, Author::Person(None));
    world.play(31);
    assert_eq!(world.case.lead.handoffs, 2, "a person may qualify it again");
}

#[test]
fn a_lead_given_back_in_the_decision_that_would_reassign_it_goes_to_nobody() {
    // Once, the step at 150 % asked for the next owner, and got one for the hand-off that sales' word had ended.
    let mut world = World::handed_over();
    world.says(91, Word::Rejected { reason: Some(Name::from("bad_timing")), said: None });
    world.play(92);
    let handoff = world.case.handoff.as_ref().unwrap();
    assert!(handoff.is_closed() && handoff.turns.iter().all(|turn| turn.ended.is_some()), "{:?}", handoff.turns);
    assert!(!world.effects("odoo").contains(&"owner"));
}
