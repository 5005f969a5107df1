//! `commit`: whole or not at all, never from what is out of date, never an effect twice.

use baton::domain::finding::Subject;
use baton::domain::id::{Name, WorkspaceId};
use baton::domain::lead::LeadState;
use baton::domain::plan::{Effect, Event, Happening, Lane, Plan, Write};
use baton::domain::stage::Stage;
use baton::store::{Batch, Store, StoreError};

use super::*;

#[tokio::test]
async fn a_batch_is_true_whole_or_not_at_all_whichever_table_fails() {
    let held = open().await;
    held.store.commit(&page(1, 0, 1)).await.unwrap();
    held.store.commit(&batch(vec![plan(lead(2, 0))])).await.unwrap();
    // Lead 1 was decided and rechecked, lead 2 only decided; the team was chosen from once.
    let next = || {
        let mut both = page(1, 2, 50);
        let other = page(2, 1, 50);
        both.people.extend(other.people);
        both.companies.extend(other.companies);
        both.touches.extend(other.touches);
        both.users.extend(other.users);
        both.plans.extend(other.plans);
        both.rechecks.extend(other.rechecks);
        both
    };
    let before = everything(&held.store, 2).await;
    let mut tables = held.tables().await;
    // What looks alike is worked out beside every page, not with it; what was shown to a person is kept by itself.
    tables.retain(|table| !matches!(table.as_str(), "alike" | "review" | "proposal"));
    assert!(tables.len() >= 12, "{tables:?}");
    let inserts = tables.iter().map(|table| ("INSERT", table.as_str()));
    for (change, table) in inserts.chain([("UPDATE", "lead"), ("UPDATE", "finding"), ("DELETE", "touch")]) {
        let fails = format!("CREATE TRIGGER fails BEFORE {change} ON {table}");
        held.by_hand(format!("{fails} BEGIN SELECT RAISE(ABORT, 'the disk is full'); END")).await;
        let failed = held.store.commit(&next()).await;
        held.by_hand("DROP TRIGGER fails".to_owned()).await;
        assert!(matches!(failed, Err(StoreError::Database(_))), "{change} on {table}: the page does every one");
        assert_eq!(everything(&held.store, 2).await, before, "{change} on {table}");
    }
    held.store.commit(&next()).await.unwrap();
    assert_ne!(everything(&held.store, 2).await, before);
}

#[tokio::test]
async fn a_plan_made_from_an_older_lead_refuses_everything_beside_it() {
    let held = open().await;
    held.store.commit(&page(1, 0, 1)).await.unwrap();
    held.store.commit(&batch(vec![plan(lead(2, 0))])).await.unwrap();
    let before = everything(&held.store, 3).await;
    // Lead 1 is at 2: one decision and one recheck.
    for stale in [0, 1, 3] {
        let mut next = page(3, 0, 60);
        next.teams = vec![team(1, 60)];
        next.plans.push(plan(LeadState { stage: Stage::Won, ..lead(2, 1) }));
        next.plans.push(plan(lead(1, stale)));
        let refused = held.store.commit(&next).await;
        assert!(matches!(refused, Err(StoreError::Stale(LeadId(1)))), "{refused:?}");
        assert_eq!(everything(&held.store, 3).await, before);
    }
    held.store.commit(&batch(vec![plan(lead(1, 2))])).await.unwrap();
}

#[tokio::test]
async fn a_lead_that_is_not_stored_is_at_nought() {
    let held = open().await;
    let refused = held.store.commit(&batch(vec![plan(lead(5, 1))])).await;
    assert!(matches!(refused, Err(StoreError::Stale(LeadId(5)))), "{refused:?}");
    held.store.commit(&batch(vec![plan(lead(5, 0))])).await.unwrap();
    assert_eq!(held.store.lead_state(LeadId(5)).await.unwrap().unwrap().version, 1);
}

#[tokio::test]
async fn two_decisions_about_one_lead_in_one_batch_are_refused() {
    let held = open().await;
    let refused = held.store.commit(&batch(vec![plan(lead(5, 0)), plan(lead(5, 0))])).await;
    assert!(matches!(refused, Err(StoreError::Stale(LeadId(5)))), "{refused:?}");
    assert_eq!(held.store.lead_state(LeadId(5)).await.unwrap(), None);
}

#[tokio::test]
async fn an_owner_chosen_from_an_older_row_of_the_team_refuses_everything_beside_it() {
    let held = open().await;
    held.store.commit(&Batch { teams: vec![team(0, 1)], ..Batch::default() }).await.unwrap();
    assert_eq!(held.store.teams().await.unwrap(), [team(1, 1)]);
    let stale = Batch { teams: vec![team(0, 2)], ..batch(vec![plan(lead(1, 0))]) };
    assert!(matches!(held.store.commit(&stale).await, Err(StoreError::Stale(LeadId(1)))));
    assert_eq!(held.store.teams().await.unwrap(), [team(1, 1)]);
    assert_eq!(held.store.lead_state(LeadId(1)).await.unwrap(), None);
    let fresh = Batch { teams: vec![team(1, 2)], ..batch(vec![plan(lead(1, 0))]) };
    held.store.commit(&fresh).await.unwrap();
    assert_eq!(held.store.teams().await.unwrap(), [team(2, 2)]);
}

#[tokio::test]
async fn an_effect_that_exists_is_never_inserted_again() {
    let held = with_effects(1, vec![note("n", 1)], vec![notice("t", 1, "slack.dach")]).await;
    let other_words = write("n", 1, "odoo", Lane::Alert, Effect::AddNote { body: "other words".to_owned() });
    let again = |version| Plan {
        writes: vec![other_words.clone()],
        notices: vec![notice("t", 1, "slack.dach")],
        ..plan(lead(1, version))
    };
    held.store.commit(&batch(vec![again(2)])).await.unwrap();
    assert_eq!(states(&held.store, 1).await, ["pending", "pending"]);
    let claims = claim(&held.store, "odoo", 0).await;
    assert!(ops(&claims) == names(&["n"]) && !body(&claims[0]).contains("other words"), "the first words stand");
    held.store.commit(&batch(vec![again(3)])).await.unwrap();
    assert_eq!(states(&held.store, 1).await, ["sending", "pending"]);
    settle(&held.store, &claims[0], done(5)).await.unwrap();
    settle(&held.store, &claim_notices(&held.store, "slack.dach", 0).await[0], dead(5)).await.unwrap();
    held.store.commit(&batch(vec![again(4)])).await.unwrap();
    assert_eq!(states(&held.store, 1).await, ["done", "dead"]);
    assert_eq!(claim(&held.store, "odoo", 999).await, []);
    let held = held.again().await;
    held.store.commit(&batch(vec![again(5)])).await.unwrap();
    assert_eq!(states(&held.store, 1).await, ["done", "dead"]);
}

#[tokio::test]
async fn who_departs_is_let_go_of_in_the_transaction_that_says_so() {
    let held = open().await;
    let opened = |id, owner: &str| {
        let mut given = handoff(id, 1, 900);
        given.turns[0].owner = owner.into();
        Plan { handoff: Some(given), ..plan(LeadState { look_again_at: Some(at(900)), ..lead(id, 0) }) }
    };
    held.store.commit(&batch(vec![opened(1, "anna"), opened(2, "ben")])).await.unwrap();
    assert_eq!(held.store.leads_due(at(10), at(10), 9).await.unwrap(), []);
    let departed = Batch { departed: vec!["anna".into()], now: Some(at(5)), ..page(3, 0, 5) };
    held.store.commit(&departed).await.unwrap();
    assert_eq!(held.store.leads_due(at(10), at(10), 9).await.unwrap(), [LeadId(1)]);
}

#[tokio::test]
async fn a_recheck_keeps_the_sooner_time_and_makes_older_plans_stale() {
    let held = open().await;
    held.store.commit(&batch(vec![plan(lead(1, 0))])).await.unwrap();
    let mut version = 1;
    for (second, due) in [(50, 50), (90, 50), (20, 20)] {
        let recheck = Batch { rechecks: vec![(LeadId(1), at(second))], ..Batch::default() };
        held.store.commit(&recheck).await.unwrap();
        let unaware = held.store.commit(&batch(vec![plan(lead(1, version))])).await;
        assert!(matches!(unaware, Err(StoreError::Stale(LeadId(1)))), "{unaware:?}");
        version += 1;
        let state = held.store.lead_state(LeadId(1)).await.unwrap().unwrap();
        assert_eq!((state.look_again_at, state.version), (Some(at(due)), version));
    }
    // Nobody to look at yet: nothing to remember.
    held.store.commit(&Batch { rechecks: vec![(LeadId(9), at(1))], ..Batch::default() }).await.unwrap();
    assert_eq!(held.store.leads_due(at(99), at(99), 9).await.unwrap(), [LeadId(1)]);
}

#[tokio::test]
async fn a_cancel_takes_what_waits_and_leaves_what_may_be_under_way() {
    let words = ["done", "sending", "doubtful", "again", "waits"];
    let writes = words
        .iter()
        .zip(["a", "b", "c", "d", "e"])
        .map(|(name, to)| write(name, 1, to, Lane::Recycle, Effect::AddNote { body: String::new() }));
    let mut writes: Vec<_> = writes.collect();
    writes.push(note("other lead", 2));
    let mut earlier = note("other hand-off", 1);
    earlier.handoff = Some(7);
    writes.push(earlier);
    let held = with_effects(2, writes, vec![notice("told", 1, "slack.dach")]).await;
    for (connection, settlement) in
        [("a", Some(done(3))), ("b", None), ("c", Some(unknown(50))), ("d", Some(again(50)))]
    {
        let claims = claim(&held.store, connection, 0).await;
        if let Some(settlement) = settlement {
            settle(&held.store, &claims[0], settlement).await.unwrap();
        }
    }
    let mut gone = plan(lead(1, 2));
    gone.handoff = Some(handoff(1, 1, 400));
    gone.cancels = Some("the lead is gone".into());
    gone.writes = vec![note("last word", 1)];
    held.store.commit(&Batch { now: Some(at(60)), ..batch(vec![gone]) }).await.unwrap();
    assert_eq!(
        states(&held.store, 1).await,
        ["done", "sending", "unknown", "cancelled", "cancelled", "pending", "pending", "pending"]
    );
    assert_eq!(states(&held.store, 2).await, ["pending"]);
    let rows = held.store.effects_of(LeadId(1)).await.unwrap();
    assert_eq!(rows[4].message.as_deref(), Some("the lead is gone"));
    assert_eq!(rows[4].settled_at, Some(at(60)));
    assert_eq!(claim(&held.store, "e", 99).await, [], "a cancelled write never goes out");
    assert_eq!(ops(&claim(&held.store, "c", 99).await), names(&["doubtful"]), "what may have happened is looked for");
}

#[tokio::test]
async fn the_next_turn_cancels_what_waits_of_an_earlier_owner_and_nothing_else() {
    let owner_in = |connection: &str, name| Write { connection: connection.into(), ..owner(name, 1) };
    let writes = vec![owner_in("a", "waits"), owner_in("b", "sent"), note("told", 1)];
    let held = with_effects(1, writes, Vec::new()).await;
    assert_eq!(claim(&held.store, "b", 0).await.len(), 1);
    let mut next = plan(lead(1, 2));
    next.handoff = Some(handoff(1, 1, 400));
    let what = Happening::Assigned { turn: 2, owner: "bela".into(), why: "next in turn".to_owned() };
    next.events = vec![Event { at: at(60), handoff: Some(1), what }];
    next.writes = vec![owner_in("a", "wanted")];
    held.store.commit(&Batch { now: Some(at(60)), ..batch(vec![next]) }).await.unwrap();
    assert_eq!(states(&held.store, 1).await, ["cancelled", "sending", "pending", "pending"]);
    let rows = held.store.effects_of(LeadId(1)).await.unwrap();
    assert_eq!(rows[0].message.as_deref(), Some("another turn began"));
}

#[tokio::test]
async fn a_finding_keeps_its_first_time_until_it_is_resolved() {
    let held = open().await;
    held.store.commit(&batch(vec![plan(lead(1, 0))])).await.unwrap();
    let about = Subject::Lead(LeadId(1));
    let decide = |version, now, text: Option<&str>| {
        let findings = text.map(|text| finding(about.clone(), text)).into_iter().collect();
        let plan = Plan { findings, handoff: Some(handoff(1, 1, 400)), ..plan(lead(1, version)) };
        Batch { now: Some(at(now)), ..batch(vec![plan]) }
    };
    held.store.commit(&decide(1, 1, Some("first words"))).await.unwrap();
    held.store.commit(&decide(2, 5, Some("newer words"))).await.unwrap();
    let found = held.store.findings_of(LeadId(1)).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].first_at, found[0].last_at), (Some(at(1)), Some(at(5))));
    assert_eq!(found[0].text, "newer words");
    assert_eq!(held.store.findings(9).await.unwrap(), found);
    held.store.commit(&decide(3, 6, None)).await.unwrap();
    assert_eq!(held.store.findings_of(LeadId(1)).await.unwrap(), []);
    assert_eq!(held.store.findings(9).await.unwrap(), []);
    // The same thing comes up again: it stands since then, as an outage that comes back is another outage.
    held.store.commit(&decide(4, 8, Some("once more"))).await.unwrap();
    let found = held.store.findings_of(LeadId(1)).await.unwrap();
    assert_eq!((found[0].first_at, found[0].last_at), (Some(at(8)), Some(at(8))));
}

#[tokio::test]
async fn what_was_looked_at_ends_the_findings_that_the_look_did_not_raise_again() {
    let held = open().await;
    let part = |connection: &str, part: &str| Subject::Connection(connection.into(), part.into());
    let about = |kind, subject: &Subject| Finding { kind, ..finding(subject.clone(), "not well") };
    let (missing, unmapped) = (FindingKind::MissingField, FindingKind::Unmapped);
    let all = [
        about(missing, &part("hubspot", "contacts.title")),
        about(missing, &part("hubspot", "contacts.phone")),
        about(missing, &part("hubspot2", "contacts.title")),
        about(unmapped, &part("hubspot", "lifecyclestage=9")),
        about(unmapped, &part("hubspot", "country=Atlantis")),
        about(FindingKind::Undeliverable, &Subject::Policy("slack.sales".into())),
    ];
    held.store.commit(&Batch { findings: all.to_vec(), now: Some(at(1)), ..Batch::default() }).await.unwrap();
    let check = async |now, raised: &[Finding], checked: Vec<Checked>, stand: &[&Finding]| {
        let findings = raised.to_vec();
        held.store.commit(&Batch { findings, checked, now: Some(at(now)), ..Batch::default() }).await.unwrap();
        let rows = held.store.findings(99).await.unwrap();
        let mut found: Vec<(String, String)> = rows.into_iter().map(|row| (row.kind, row.subject)).collect();
        let text = |subject: &Subject| match subject {
            Subject::Connection(connection, part) => format!("{connection}: {part}"),
            Subject::Policy(part) => part.to_string(),
            Subject::Lead(lead) => lead.to_string(),
        };
        let mut wanted: Vec<(String, String)> =
            stand.iter().map(|one| (one.kind.as_str().to_owned(), text(&one.subject))).collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "at {now}");
    };
    let [title, phone, other, stage, country, channel] = &all;
    check(2, &[], vec![], &[title, phone, other, stage, country, channel]).await;
    let whole = || vec![Checked::parts(missing, &"hubspot".into(), "")];
    check(3, std::slice::from_ref(phone), whole(), &[phone, other, stage, country, channel]).await;
    let values = vec![Checked::parts(unmapped, &"hubspot".into(), "lifecyclestage=")];
    check(4, &[], values, &[phone, other, country, channel]).await;
    let channels = vec![Checked::One(FindingKind::Undeliverable, Subject::Policy("slack.sales".into()))];
    check(5, &[], channels, &[phone, other, country]).await;
    let one = || vec![Checked::part(missing, &"hubspot".into(), "contacts.phone")];
    check(6, &[], one(), &[other, country]).await;
    check(7, std::slice::from_ref(phone), one(), &[phone, other, country]).await;
    // Nobody says that the last record with a value is gone: not seen for long, it is over.
    held.store.end_unseen(at(9), at(1)).await.unwrap();
    check(9, &[], vec![], &[phone, other, country]).await;
    held.store.end_unseen(at(10), at(2)).await.unwrap();
    check(10, &[], vec![], &[phone, other]).await;
}

#[tokio::test]
async fn findings_of_others_stand_when_a_lead_is_decided_about() {
    let held = open().await;
    let subjects = [
        Subject::Lead(LeadId(2)),
        Subject::Connection("hubspot".into(), "lifecyclestage=9".into()),
        Subject::Policy("zone".into()),
    ];
    let findings = subjects.into_iter().map(|subject| finding(subject, "unknown")).collect();
    held.store.commit(&Batch { findings, ..batch(vec![plan(lead(1, 0))]) }).await.unwrap();
    let decided = Plan { handoff: Some(handoff(1, 1, 400)), ..plan(lead(1, 1)) };
    held.store.commit(&Batch { now: Some(at(50)), ..batch(vec![decided]) }).await.unwrap();
    assert_eq!(held.store.findings(9).await.unwrap().len(), 3);
}

#[tokio::test]
async fn what_is_said_alike_of_many_leads_is_one_row_and_comes_after_what_is_about_none() {
    let held = open().await;
    let of = |about: Subject, text| finding(about, text);
    let mut findings: Vec<Finding> = (1..=4).map(|id| of(Subject::Lead(LeadId(id)), "nobody can take it")).collect();
    findings.push(of(Subject::Lead(LeadId(5)), "has no e-mail address"));
    findings.extend(["a", "b"].map(|part| of(Subject::Connection("odoo".into(), part.into()), "not well")));
    held.store.commit(&Batch { findings, now: Some(at(1)), ..Batch::default() }).await.unwrap();
    let rows = held.store.findings(9).await.unwrap();
    let said: Vec<String> = rows.iter().map(|row| format!("{}: {}", row.subjects(), row.text)).collect();
    let wanted = [
        "odoo: a: not well",
        "odoo: b: not well",
        "L-5: has no e-mail address",
        "L-1 and 3 others: nobody can take it",
    ];
    assert_eq!(said, wanted);
    assert_eq!(held.store.findings_of(LeadId(3)).await.unwrap()[0].others, 0);
}

#[tokio::test]
async fn numbers_go_on_after_a_restart() {
    let held = open().await;
    held.store.commit(&page(3, 0, 1)).await.unwrap();
    assert_eq!(held.store.next_lead_number().await.unwrap(), 4);
    let last = held.store.recent_events(0, 9).await.unwrap()[0].seq;
    let held = held.again().await;
    assert_eq!(held.store.next_lead_number().await.unwrap(), 4);
    let mut next = page(3, 2, 5);
    next.plans[0].writes = vec![note("later", 3)];
    held.store.commit(&next).await.unwrap();
    let events = held.store.recent_events(last, 9).await.unwrap();
    assert!(events.len() == 1 && events[0].seq > last, "{events:?}");
    // The order of a lead's effects is the order of their numbers.
    assert_eq!(ops(&claim(&held.store, "odoo", 9).await), names(&["owner 3 1"]));
    let rows = held.store.effects_of(LeadId(3)).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.effect.as_str()).collect::<Vec<_>>(), ["owner", "breach", "note", "breach"]);
}

#[tokio::test]
async fn a_reader_beside_the_writer_sees_every_commit_and_changes_nothing() {
    let held = open().await;
    held.store.commit(&page(1, 0, 1)).await.unwrap();
    let reader = held.beside().await;
    assert_eq!(everything(&reader, 2).await, everything(&held.store, 2).await);
    assert_eq!(claim(&held.store, "odoo", 5).await.len(), 1, "the reader does not stand in the way");
    held.store.commit(&batch(vec![plan(lead(2, 0))])).await.unwrap();
    assert_eq!(everything(&reader, 2).await, everything(&held.store, 2).await);
    let before = everything(&held.store, 2).await;
    assert!(reader.commit(&batch(vec![plan(lead(3, 0))])).await.is_err());
    assert!(reader.claim_notices(&"slack.dach".into(), at(5), Timestamp::MAX, LEASE, 9).await.is_err());
    assert!(reader.hurry().await.is_err());
    assert_eq!(everything(&held.store, 2).await, before);
    // Many readers, and one that was there first, do not keep the next writer out.
    let other = held.beside().await;
    let held = held.again().await;
    held.store.commit(&batch(vec![plan(lead(3, 0))])).await.unwrap();
    assert!(other.lead_state(LeadId(3)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_second_writer_is_turned_away_while_the_first_has_it_fault_12() {
    let held = open().await;
    let second = Store::open(&held.path(), &workspace()).await;
    assert!(matches!(second, Err(StoreError::Locked { .. })), "{second:?}");
    held.store.commit(&batch(vec![plan(lead(1, 0))])).await.unwrap();
    let kept = held.store.clone();
    drop(held.store);
    assert!(Store::open(&held.folder.path().join("baton.db"), &workspace()).await.is_err(), "a clone holds it too");
    drop(kept);
    let next = Store::open(&held.folder.path().join("baton.db"), &workspace()).await.unwrap();
    assert!(next.lead_state(LeadId(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn workspaces_do_not_see_each_other() {
    let held = open().await;
    held.store.commit(&page(1, 0, 1)).await.unwrap();
    held.store.set_decided_under(&Name::from("2026.4")).await.unwrap();
    let empty = everything(&open().await.store, 2).await;
    let path = held.path();
    let Held { store, folder } = held;
    store.close().await;
    drop(store);
    let other = Store::open(&path, &WorkspaceId::from("other")).await.unwrap();
    assert_eq!(everything(&other, 2).await, empty);
    assert_eq!(other.decided_under().await.unwrap(), None);
    assert_eq!(claim(&other, "odoo", 9).await, []);
    assert_eq!(other.channels_waiting(at(9), at(9)).await.unwrap(), []);
    other.commit(&page(1, 0, 1)).await.unwrap();
    drop(other);
    let held = Held { store: Store::open(&path, &workspace()).await.unwrap(), folder };
    assert_eq!(held.store.decided_under().await.unwrap(), Some("2026.4".into()));
    assert_eq!(held.store.recent_events(0, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn many_rows_go_through_every_size_of_statement() {
    let held = open().await;
    let count = 128 + 16 * 2 + 5;
    let people = (1..=count).map(|id| person(&id.to_string(), id, &[email(&format!("p{id}@x.example"))])).collect();
    let page = Batch { people, ..batch((1..=count).map(|id| plan(lead(id, 0))).collect()) };
    held.store.commit(&page).await.unwrap();
    let ids: Vec<LeadId> = (1..=count).map(LeadId).collect();
    for asked in [0, 1, 2, 8, 9, 32, 33, 100, 101, ids.len()] {
        let cases = held.store.cases(&ids[..asked], at(0)).await.unwrap();
        assert_eq!(cases.len(), asked);
        for (case, id) in cases.iter().zip(&ids) {
            assert_eq!((case.lead.id, case.lead.version, case.records.len()), (*id, 1, 1));
        }
    }
    assert_eq!(held.store.overview().await.unwrap().stages["awareness"], count);
}
