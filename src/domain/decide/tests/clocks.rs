//! CRMs whose clocks are not ours: nobody is accused for that, and whoever is silent still is.

use super::*;
use crate::domain::skew::Skew;

/// A turn whose clock runs from minute 1 to minute 61, and a call that Odoo dates so. Says whether a breach was told by `now`.
fn is_accused(ahead: i64, behind: i64, dated: i64, now: i64) -> bool {
    let mut world = World::handed_over();
    if ahead + behind > 0 {
        let minutes = SignedDuration::from_mins;
        let connection = ConnectionId::from("odoo");
        world.clocks = vec![Skew { connection, ahead: minutes(ahead), behind: minutes(behind) }];
    }
    world.touch(dated, Channel::Call, "anna", Genuine::Yes);
    world.play(now);
    world.kinds().contains(&NoticeKind::Breach)
}

#[test]
fn what_a_wrong_clock_dates_is_taken_in_the_owners_favour_fault_28() {
    let check = |what: &str, (ahead, behind, dated, now): (i64, i64, i64, i64), expected: bool| {
        assert_eq!(is_accused(ahead, behind, dated, now), expected, "{what}");
    };
    check("right clock, at the deadline", (0, 0, 61, 63), false);
    check("right clock, a minute late", (0, 0, 62, 63), true);
    check("right clock, of the time before the lead was qualified", (0, 0, -1, 63), true);
    check("half an hour ahead, made a minute before the deadline", (30, 0, 90, 62), false);
    check("half an hour ahead, made at the deadline", (30, 0, 91, 62), false);
    check("half an hour ahead, made a minute late", (30, 0, 92, 62), true);
    check("half an hour ahead, dated as far off as no clock is", (30, 0, 200, 62), true);
    check("half an hour ahead, dated by hand as it was", (30, 0, 20, 62), false);
    check("half an hour behind, made ten minutes after the beginning", (0, 30, -20, 62), false);
    check("half an hour behind, made long before", (0, 30, -40, 62), true);
    check("half an hour behind, dated before the deadline", (0, 30, 50, 90), false);
    check("half an hour behind, dated after the deadline", (0, 30, 62, 95), true);
}

#[test]
fn a_wrong_clock_of_one_crm_says_nothing_of_another_and_silence_stays_silence_fault_28() {
    let mut world = World::handed_over();
    let connection = ConnectionId::from("hubspot");
    world.clocks = vec![Skew { connection, ahead: SignedDuration::from_mins(30), behind: SignedDuration::ZERO }];
    world.touch(70, Channel::Call, "anna", Genuine::Yes);
    world.play(62);
    assert!(world.kinds().contains(&NoticeKind::Breach), "the call is Odoo's, and Odoo's clock is right");
    let mut silent = World::handed_over();
    let connection = ConnectionId::from("odoo");
    silent.clocks = vec![Skew { connection, ahead: SignedDuration::ZERO, behind: SignedDuration::from_mins(120) }];
    silent.play(62);
    assert!(silent.kinds().contains(&NoticeKind::Breach));
}
