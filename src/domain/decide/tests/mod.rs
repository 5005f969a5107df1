//! A small world round `decide`: a lead with a record in marketing's and one in sales' CRM, a team of three, and an hour's
//! promise, played forward by hand.

mod approval;
mod clocks;
mod committee;
mod kin;
mod lives;
mod once;
mod people;
mod places;
mod retime;
mod seconds;
mod shown;
mod world;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::*;
use crate::domain::agreement::{Agreement, HandoffPolicy, ScoreModel, Skip};
use crate::domain::calendar::{Calendar, Span};
use crate::domain::coverage::{Coverage, StreamCoverage};
use crate::domain::expr::Facts;
use crate::domain::field::{Field, Known, Value};
use crate::domain::handoff::{Step, TurnBy};
use crate::domain::id::{LeadId, Object, PersonId, RecordRef, RemoteId, TeamId};
use crate::domain::lead::LeadState;
use crate::domain::plan::{Ability, Effect, Fate, NoticeKind, Receipt};
use crate::domain::record::{Author, Disposition, OwnerEntry, Presence, Word};
use crate::domain::roster::{Directory, Roster};
use crate::domain::stage::{Stage, StageEntry};
use crate::domain::touch::{Channel, Genuine, NotGenuine, Touch};

use world::*;

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
    for why in [NotGenuine::Inbound, NotGenuine::NotDone, NotGenuine::Unsaid, NotGenuine::Failed, NotGenuine::Automated]
    {
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
fn a_lead_given_back_without_a_reason_of_ours_is_still_followed() {
    let mut world = World::handed_over();
    world.says(20, Word::Rejected { reason: None, said: Some(Name::from("Because")) });
    world.play(21);
    world.own(30, Some("13"), Author::Person(Some(RemoteId::from("19"))));
    world.play(31);
    assert_eq!(world.owner().as_deref(), Some("cleo"), "the hand-off is open, and the record is its own");
}

#[test]
fn what_a_person_chose_too_is_not_taken_away_by_the_clock() {
    let reassigned = |by: Author| {
        let mut world = World::handed_over();
        world.play(91);
        assert_eq!(world.owner().as_deref(), Some("bela"));
        world.receive(92);
        // Read only now: ten minutes before the clock did, somebody had given the lead to Bela, so that ours changed nothing.
        let record = world.case.records.iter_mut().find(|record| record.of.connection.as_str() == "odoo").unwrap();
        *record.owners.last_mut().unwrap() = OwnerEntry { owner: Some(RemoteId::from("12")), at: at(81), by };
        world.play(93);
        world.play(190);
        world.owner().as_deref() != Some("bela")
    };
    assert!(!reassigned(Author::Person(Some(RemoteId::from("19")))));
    assert!(reassigned(Author::Automation(Name::from("Workflow 7"))), "a machine's choice is nobody's");
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
