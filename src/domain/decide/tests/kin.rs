//! What follows for leads and their hand-offs when people say who is one person, and who is not.

use super::*;
use crate::domain::plan::Told;

fn by() -> Name {
    Name::from("ops")
}

fn other(id: i64) -> LeadState {
    let mut state = LeadState::new(LeadId(id), at(-9_000));
    state.version = 3;
    state
}

impl World {
    /// Decides at `minute` with something that is told once.
    fn hear(&mut self, minute: i64, told: Told) -> Plan {
        self.case.told = vec![told];
        let plan = self.play(minute);
        self.case.told.clear();
        plan
    }
}

#[test]
fn a_lead_that_is_joined_to_another_ends_its_handoff_and_is_decided_no_more() {
    let mut world = World::handed_over();
    let records = std::mem::take(&mut world.case.records);
    let plan = world.hear(10, Told::JoinedTo { into: LeadId(3), by: Some(by()) });
    let handoff = plan.handoff.expect("it ended");
    assert!(matches!(handoff.state, HandoffState::Closed { outcome: Outcome::Merged(LeadId(3)), .. }), "{handoff:?}");
    assert!(plan.cancels.is_some(), "what waits for it is not sent");
    assert_eq!((plan.lead.merged_into, &plan.lead.owner, plan.lead.look_again_at), (Some(LeadId(3)), &None, None));
    assert!(plan.writes.is_empty() && plan.wants_owner.is_none(), "{:?}", plan.writes);
    let again = world.play(500);
    assert!(again.events.is_empty() && again.handoff.is_none() && again.notices.is_empty(), "{:?}", again.events);

    // Taken back: the same owner goes on, with a clock that begins anew, and nobody is accused of the time between.
    world.case.records = records;
    let told = world.told.len();
    let plan = world.hear(1_000, Told::PartedFrom { other: LeadId(3), by: by(), memory: None });
    assert_eq!(plan.lead.merged_into, None);
    assert_eq!(world.owner().as_deref(), Some("anna"));
    assert_eq!(world.clock_from(), Some(at(1_000)));
    assert_eq!(world.case.handoff.as_ref().unwrap().turns.len(), 1);
    assert_eq!(world.told.len(), told, "nothing is told of it: {:?}", world.told);
    world.play(1_048);
    assert_eq!(world.kinds().last(), Some(&NoticeKind::Warning), "80 % of an hour from then on");
}

#[test]
fn a_handoff_whose_owner_was_never_written_asks_for_another_when_its_merge_is_taken_back() {
    let mut world = World::new();
    world.stage(0, Stage::Mql, Author::Person(None));
    world.play(0);
    world.hear(1, Told::JoinedTo { into: LeadId(3), by: None });
    world.hear(2, Told::PartedFrom { other: LeadId(3), by: by(), memory: None });
    let handoff = world.case.handoff.as_ref().unwrap();
    assert!(handoff.is_open());
    assert_eq!((handoff.turns.len(), world.owner().as_deref()), (2, Some("bela")));
}

#[test]
fn only_the_merge_that_ended_a_handoff_brings_it_back() {
    let mut world = World::handed_over();
    world.hear(10, Told::JoinedTo { into: LeadId(3), by: None });
    world.hear(20, Told::PartedFrom { other: LeadId(5), by: by(), memory: None });
    assert!(world.case.handoff.as_ref().unwrap().is_closed());
}

#[test]
fn a_joined_leads_past_counts_for_the_person() {
    let mut world = World::new();
    let mut resting = other(9);
    resting.stage = Stage::Nurture;
    resting.stage_since = at(-10);
    resting.cycles = 2;
    resting.rests_until = Some(at(5_000));
    let plan = world.hear(0, Told::Joined { other: Box::new(resting), by: Some(by()) });
    assert_eq!((plan.lead.stage, plan.lead.cycles, plan.lead.rests_until), (Stage::Nurture, 2, Some(at(5_000))));
    assert!(matches!(&plan.events[0].what, Happening::Joined { other: LeadId(9), by: Some(_) }), "{:?}", plan.events);
    let plan = world.hear(1, Told::Parted { other: LeadId(9), by: by() });
    assert_eq!((plan.lead.cycles, plan.lead.rests_until), (0, None), "and goes with it");
}

#[test]
fn who_is_taken_out_of_a_lead_that_was_handed_over_before_is_not_handed_over_for_the_same_again() {
    let memory = {
        let mut world = World::handed_over();
        world.says(5, Word::Rejected { reason: Some(Name::from("bad_timing")), said: None });
        world.play(6);
        world.case.lead.memory()
    };
    assert_eq!(memory.stage, Stage::Nurture);
    let mut world = World::new();
    world.case.lead.version = 0;
    world.stage(0, Stage::Mql, Author::Person(None));
    let plan = world.hear(10, Told::PartedFrom { other: LeadId(7), by: by(), memory: Some(memory) });
    assert_eq!((plan.lead.stage, plan.handoff), (Stage::Nurture, None), "what came before was of both");

    let mut fresh = World::new();
    fresh.case.lead.version = 0;
    fresh.stage(0, Stage::Mql, Author::Person(None));
    let plan = fresh.hear(10, Told::PartedFrom { other: LeadId(7), by: by(), memory: None });
    assert!(plan.handoff.is_some(), "who leaves while the other is with sales is qualified, and with nobody");
}

#[test]
fn a_person_in_an_open_deal_is_not_handed_over_where_the_agreement_says_so() {
    let mut world = World::new();
    world.stage(0, Stage::Mql, Author::Person(None));
    world.case.open_deals = 1;
    let agreement = Arc::make_mut(&mut world.policy.agreement);
    agreement.handoff.skip.push(Skip::OpenDeal);
    assert!(world.play(0).handoff.is_none());
    world.case.open_deals = 0;
    assert!(world.play(1).handoff.is_some(), "the deal is over");
    world.case.open_deals = 1;
    world.play(2);
    assert!(!world.case.handoff.as_ref().unwrap().is_closed(), "a deal that comes of it is what it was for");
}

#[test]
fn a_record_that_is_somebody_elses_is_not_taken_for_the_leads() {
    let mut world = World::new();
    world.case.apart = vec![
        RecordRef::new(&ConnectionId::from("odoo"), Object::Person, "17"),
        RecordRef::new(&ConnectionId::from("hubspot"), Object::Person, "502"),
    ];
    world.stage(0, Stage::Mql, Author::Person(None));
    world.play(0);
    let create = world.written.iter().find_map(|write| match &write.effect {
        Effect::Create { not, .. } => Some(not.clone()),
        _ => None,
    });
    assert_eq!(create.unwrap(), [RemoteId::from("17")], "those of the CRM where it is made");
}
