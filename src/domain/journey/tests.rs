//! Ledgers and the journeys that they tell of.

use std::sync::Arc;

use jiff::SignedDuration;

use super::*;
use crate::domain::id::{ConnectionId, Object};
use crate::domain::record::{Author, Link, LinkRule, Presence};
use crate::domain::stage::StageEntry;

/// Baton meets the lead at minute 0.
fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_795_510_800).unwrap() + SignedDuration::from_mins(minute)
}

fn of(object: Object, id: &str) -> RecordRef {
    RecordRef::new(&ConnectionId::from("crm"), object, id)
}

fn record(created: i64, history: &[(i64, Stage)]) -> PersonRecord {
    PersonRecord {
        of: of(Object::Person, "1"),
        link: Link { lead: LeadId(1), rule: LinkRule::First, at: at(0) },
        modified: at(0),
        created: at(created),
        presence: Presence::Live,
        values: Vec::new(),
        keys: Vec::new(),
        company: None,
        stages: history
            .iter()
            .map(|(minute, stage)| StageEntry { stage: *stage, at: at(*minute), by: Author::Unknown })
            .collect(),
        owners: Vec::new(),
        scores: Vec::new(),
        disposition: None,
        signals: Vec::new(),
        company_since: None,
        has_history: true,
    }
}

fn event(minute: i64, handoff: Option<u32>, what: Happening) -> Event {
    Event { at: at(minute), handoff, what }
}

fn moved(minute: i64, from: Stage, to: Stage) -> Event {
    event(minute, None, Happening::StageChanged { from, to, by_baton: false })
}

fn opened(minute: i64, number: u32) -> Event {
    event(minute, Some(number), Happening::Opened { below_bar: false })
}

fn returned(minute: i64, reason: &str, track: Option<&str>) -> Event {
    let (reason, track) = (Name::from(reason), track.map(Name::from));
    event(minute, Some(1), Happening::Returned { reason, track, cycle: 1, rests_until: at(minute + 100) })
}

fn deal(id: &str, created: i64, closed: Option<(i64, DealState)>) -> DealRecord {
    DealRecord {
        of: of(Object::Deal, id),
        modified: at(created),
        state: closed.map_or(DealState::Open, |(_, state)| state),
        stage: None,
        title: Some(Arc::from(id)),
        amount: None,
        created: at(created),
        closed: closed.map(|(minute, _)| at(minute)),
        owner: None,
        company: None,
        people: Vec::new(),
        is_gone: false,
    }
}

/// As a line: `1 engagement>mql [1] recycled no_response/re-engage`.
fn line(journey: &Journey) -> String {
    let name = |name: &Option<Name>| name.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    let end = match journey.end.as_ref().map(|end| &end.how) {
        None => "goes on".to_owned(),
        Some(Ended::Won) => "won".to_owned(),
        Some(Ended::Lost) => "lost".to_owned(),
        Some(Ended::Recycled { reason, track }) => format!("recycled {}/{}", name(reason), name(track)),
        Some(Ended::Disqualified { reason }) => format!("disqualified {}", name(reason)),
        Some(Ended::Merged(into)) => format!("merged {into}"),
        Some(Ended::Gone) => "gone".to_owned(),
    };
    let deals: Vec<&str> = journey.deals.iter().map(|deal| deal.id.as_str()).collect();
    let deals = if deals.is_empty() { String::new() } else { format!(" with {}", deals.join(",")) };
    format!("{} {}>{} {:?}{deals} {end}", journey.number, journey.began, journey.furthest, journey.handoffs)
}

#[test]
fn each_pass_from_entering_to_an_end_is_a_journey_of_its_own() {
    use Stage::{Awareness, Disqualified, Engagement, Lost, Mql, Negotiation, Nurture, Sal, Sql, Won};
    let check =
        |why: &str, history: &[(i64, Stage)], events: &[Event], deals: &[DealRecord], stage, expected: &[&str]| {
            let found = journeys(&[record(-500, history)], events, deals, stage);
            assert_eq!(found.iter().map(line).collect::<Vec<_>>(), expected, "{why}");
        };
    check("only seen", &[], &[], &[], Engagement, &["1 engagement>engagement [] goes on"]);
    check(
        "recycled, and back by new intent: the second is not the first",
        &[],
        &[
            moved(1, Engagement, Mql),
            opened(1, 1),
            event(9, Some(1), Happening::Closed(Outcome::Recycled(Name::from("no_response")))),
            moved(9, Mql, Nurture),
            returned(9, "no_response", Some("re-engage")),
            moved(200, Nurture, Mql),
            opened(200, 2),
            moved(210, Mql, Sal),
        ],
        &[],
        Sal,
        &["1 engagement>mql [1] recycled no_response/re-engage", "2 mql>sal [2] goes on"],
    );
    check(
        "a step back within a pass is no new pass",
        &[],
        &[moved(1, Mql, Engagement), moved(2, Engagement, Mql), opened(2, 1)],
        &[],
        Mql,
        &["1 mql>mql [1] goes on"],
    );
    check(
        "given back for good",
        &[],
        &[moved(1, Awareness, Mql), opened(1, 1), moved(5, Mql, Disqualified), returned(5, "bad_fit", None)],
        &[],
        Disqualified,
        &["1 awareness>mql [1] disqualified bad_fit"],
    );
    check(
        "what the record tells of the time before Baton counts",
        &[(-400, Engagement), (-300, Mql), (-200, Lost), (-100, Engagement)],
        &[moved(3, Engagement, Mql), opened(3, 1)],
        &[],
        Mql,
        &["1 engagement>mql [] lost", "2 engagement>mql [1] goes on"],
    );
    check("met with marketing", &[(-9, Nurture)], &[], &[], Nurture, &["1 awareness>awareness [] recycled -/-"]);
    check(
        "bought in the past, and a deal is open now",
        &[(-400, Sql), (-300, Won), (-50, Engagement)],
        &[moved(1, Engagement, Mql), opened(1, 1), moved(5, Mql, Sql)],
        &[deal("old", -390, Some((-300, DealState::Won))), deal("new", 6, None)],
        Sql,
        &["1 sql>won [] with old won", "2 engagement>sql [1] with new goes on"],
    );
    check(
        "from sql on it ends with the last of its deals",
        &[],
        &[moved(1, Engagement, Sql), moved(40, Sql, Mql), opened(40, 1)],
        &[deal("one", 2, Some((10, DealState::Lost))), deal("two", 3, Some((20, DealState::Lost)))],
        Mql,
        &["1 engagement>sql [] with one,two lost", "2 mql>mql [1] goes on"],
    );
    check(
        "the stage that says the same as the deal is no journey more",
        &[],
        &[moved(1, Engagement, Negotiation), moved(21, Negotiation, Won)],
        &[deal("one", 2, Some((20, DealState::Won)))],
        Won,
        &["1 engagement>won [] with one won"],
    );
    check(
        "a colleague's old deal before sql ends nothing",
        &[],
        &[moved(1, Engagement, Mql), opened(1, 1)],
        &[deal("one", -3, Some((20, DealState::Lost)))],
        Mql,
        &["1 engagement>mql [1] with one goes on"],
    );
}

#[test]
fn a_merge_that_is_taken_back_ends_nothing() {
    let to = |into: i64| Happening::JoinedTo { into: LeadId(into), by: None };
    let from = |other: i64| Happening::PartedFrom { other: LeadId(other), by: Name::from("ops") };
    let ledger = vec![moved(1, Stage::Engagement, Stage::Mql), opened(1, 1), event(5, None, to(9))];
    let merged = journeys(&[record(-500, &[])], &ledger, &[], Stage::Mql);
    assert_eq!(line(&merged[0]), "1 engagement>mql [1] merged L-9");
    for (other, expected) in [(9, "1 engagement>mql [1] goes on"), (8, "1 engagement>mql [1] merged L-9")] {
        let mut ledger = ledger.clone();
        ledger.push(event(7, None, from(other)));
        let found = journeys(&[record(-500, &[])], &ledger, &[], Stage::Mql);
        assert_eq!(found.iter().map(line).collect::<Vec<_>>(), [expected]);
    }
}
