//! Many writes to HubSpot over real HTTP: how few requests they take, and that each row of a batch is settled by itself.

use std::time::Duration;

use baton::connector::settings::ScorePart;
use baton::connector::{Addressed, Connector as _, Forget, Outcome};
use baton::domain::id::{Name, Object, OperationId, RecordRef, RemoteId};
use baton::domain::lead::Points;
use baton::domain::plan::Effect;
use baton::domain::stage::Stage;
use baton::sandbox::hubspot::{Author, Breakage, Fault, Kind, Place, When};

use super::connector_hubspot::{Portal, write};

const TASKS: &str = "/tasks/batch/create";

fn contacts(portal: &Portal, count: usize) -> Vec<RecordRef> {
    let contact = |n: usize| {
        let values = [("email", &*format!("p{n}@x.example")), ("lifecyclestage", "lead")];
        portal.of(Object::Person, &portal.hub.create_contact(Author::Form, &values))
    };
    (0..count).map(contact).collect()
}

fn task(portal: &Portal, of: &RecordRef, owner: Option<&str>, tag: &str) -> Addressed {
    let effect = Effect::AddTask {
        title: format!("Call {tag}"),
        body: "first touch due".to_owned(),
        due_at: portal.clock.now(),
        owner: owner.map(RemoteId::from),
    };
    write(Some(of.clone()), effect, tag)
}

fn tasks(portal: &Portal, people: &[RecordRef]) -> Vec<Addressed> {
    people.iter().enumerate().map(|(n, of)| task(portal, of, None, &format!("t{n}"))).collect()
}

fn again(writes: &[Addressed]) -> Vec<Addressed> {
    writes.iter().map(|write| Addressed { attempt: write.attempt + 1, ..write.clone() }).collect()
}

fn sent(portal: &Portal, what: &str) -> u64 {
    portal.hub.requests().by_object.get(what).copied().unwrap_or_default()
}

/// How many outcomes are `Done`, `Refused`, `Unknown` and `Again`.
fn fates(outcomes: &[(OperationId, Outcome)]) -> (usize, usize, usize, usize) {
    let count = |wanted: fn(&Outcome) -> bool| outcomes.iter().filter(|(_, outcome)| wanted(outcome)).count();
    (
        count(|outcome| matches!(outcome, Outcome::Done(_))),
        count(|outcome| matches!(outcome, Outcome::Refused { .. })),
        count(|outcome| matches!(outcome, Outcome::Unknown { .. })),
        count(|outcome| matches!(outcome, Outcome::Again { .. })),
    )
}

/// Every task stands once, and on the contact that it is for.
fn assert_each_once(portal: &Portal, writes: &[Addressed]) {
    let bodies: Vec<(String, String)> = portal
        .hub
        .ids(Kind::Task)
        .into_iter()
        .map(|id| (portal.hub.get(Kind::Task, &id).unwrap()["hs_task_body"].clone(), id))
        .collect();
    for write in writes {
        let op = write.write.op.to_string();
        let made: Vec<&String> = bodies.iter().filter(|(body, _)| body.contains(&op)).map(|(_, id)| id).collect();
        assert_eq!(made.len(), 1, "{op}");
        let contact = write.record.as_ref().unwrap().id.as_str();
        assert_eq!(portal.hub.associated(Kind::Task, made[0], Kind::Contact), [contact]);
    }
    assert_eq!(bodies.len(), writes.len());
}

#[tokio::test]
async fn a_thousand_tasks_take_ten_requests() {
    let portal = Portal::start().await;
    let writes = tasks(&portal, &contacts(&portal, 1_000));
    portal.hub.reset_requests();
    let outcomes = portal.connector.push(&writes, &Forget).await;
    assert_eq!(fates(&outcomes), (1_000, 0, 0, 0));
    assert_eq!(sent(&portal, "tasks batch_write"), 10);
    // And the look at the account.
    assert_eq!(portal.hub.requests().total, 11);
    assert_each_once(&portal, &writes);
    for (write, (op, outcome)) in writes.iter().zip(&outcomes) {
        let Outcome::Done(done) = outcome else { panic!("{outcome:?}") };
        let made = portal.hub.get(Kind::Task, done.made.as_ref().unwrap().id.as_str()).unwrap();
        assert!(made["hs_task_body"].contains(&op.to_string()), "each outcome names its own task");
        assert_eq!(*op, write.write.op);
    }
    // A second try of all of them finds them by few requests, and makes nothing.
    portal.hub.reset_requests();
    let outcomes = portal.connector.push(&again(&writes), &Forget).await;
    assert_eq!(fates(&outcomes), (1_000, 0, 0, 0));
    assert_eq!(portal.hub.requests().total, 11, "one look at the associations, ten at the bodies");
    assert_each_once(&portal, &writes);
}

#[tokio::test]
async fn owners_stages_and_scores_of_many_go_together() {
    let portal = Portal::with(
        |settings| {
            settings.score_properties = vec![(ScorePart::Fit, "baton_fit".to_owned())];
            settings.own_login = Some("26892217".into());
            settings.tracks = vec![(Name::from("next"), "Next".to_owned())];
        },
        Default::default(),
    )
    .await;
    portal.hub.create_list("Next");
    portal.hub.create_contact(Author::Form, &[("email", "first@x.example"), ("baton_fit", "0")]);
    let owner = portal.hub.add_owner("a@x.example", "A", "A").id;
    let taken = portal.hub.add_owner("b@x.example", "B", "B").id;
    let people = contacts(&portal, 400);
    // A person has given this one to somebody else meanwhile, and keeps it (fault 68).
    let theirs = people[0].id.as_str();
    portal.hub.update(Kind::Contact, theirs, Author::User(1), &[("hubspot_owner_id", &taken)]);
    let points = Points { fit: 40, ..Points::default() };
    let writes: Vec<Addressed> = people
        .iter()
        .enumerate()
        .map(|(n, of)| {
            let effect = match n % 4 {
                0 => Effect::SetOwner { owner: RemoteId::from(owner.as_str()), expected: None },
                1 => Effect::SetStage { stage: Stage::Mql, is_backward: false },
                2 => Effect::SetScore(points),
                _ => Effect::JoinTrack(Name::from("next")),
            };
            write(Some(of.clone()), effect, &format!("w{n}"))
        })
        .collect();
    portal.hub.reset_requests();
    let outcomes = portal.connector.push(&writes, &Forget).await;
    assert_eq!(fates(&outcomes), (399, 0, 0, 0));
    assert!(matches!(outcomes[0].1, Outcome::Superseded { .. }), "{:?}", outcomes[0]);
    assert_eq!(portal.hub.get(Kind::Contact, theirs).unwrap()["hubspot_owner_id"], taken);
    let value = |n: usize, name: &str| portal.hub.get(Kind::Contact, people[n].id.as_str()).unwrap()[name].clone();
    assert_eq!((value(4, "hubspot_owner_id"), value(1, "lifecyclestage")), (owner, "marketingqualifiedlead".into()));
    assert_eq!(value(2, "baton_fit"), "40");
    assert_eq!(portal.hub.list_members("Next").len(), 100);
    let requests = portal.hub.requests();
    // 400 looked at (of a score, what it replaces), 299 written, and the list: its name, who is on it, who joins.
    assert_eq!((sent(&portal, "contacts batch_read"), sent(&portal, "contacts batch_write")), (4, 3), "{requests:?}");
    assert_eq!(requests.total, 1 + 4 + 3 + 3, "{requests:?}");
}

#[tokio::test]
async fn a_batch_whose_answer_is_lost_makes_each_task_once_fault_58() {
    for breakage in [Breakage::Status(504), Breakage::Status(500), Breakage::Reset] {
        let portal = Portal::start().await;
        let writes = tasks(&portal, &contacts(&portal, 100));
        portal.hub.faults().inject(Place::method("POST", TASKS), When::times(1), Fault::AfterEffect { breakage });
        assert_eq!(fates(&portal.connector.push(&writes, &Forget).await), (0, 0, 100, 0), "{breakage:?}");
        let found = portal.connector.find_effect(&writes[17]).await.unwrap();
        assert!(found.unwrap().made.is_some());
        assert_eq!(fates(&portal.connector.push(&again(&writes), &Forget).await), (100, 0, 0, 0), "{breakage:?}");
        assert_each_once(&portal, &writes);
    }
}

#[tokio::test]
async fn what_had_no_effect_is_made_by_the_second_try_once_it_cannot_come_any_more() {
    for (breakage, late, comes_later) in [
        (Breakage::Status(500), 3_600, false),
        (Breakage::Status(504), 3_600, true),
        (Breakage::Reset, 3_600, true),
        (Breakage::Reset, 0, false),
    ] {
        let portal = Portal::with(|settings| settings.late = Duration::from_secs(late), Default::default()).await;
        let writes = tasks(&portal, &contacts(&portal, 3));
        portal.hub.faults().inject(Place::method("POST", TASKS), When::times(1), Fault::BeforeEffect { breakage });
        assert_eq!(fates(&portal.connector.push(&writes, &Forget).await), (0, 0, 3, 0), "{breakage:?}");
        let outcomes = portal.connector.push(&again(&writes), &Forget).await;
        if comes_later {
            let waits = |outcome: &Outcome| matches!(outcome, Outcome::Again { after: Some(rest), counts: false, .. } if rest.as_secs() > 3_500);
            assert!(outcomes.iter().all(|(_, outcome)| waits(outcome)), "{outcomes:?}");
            assert!(portal.hub.ids(Kind::Task).is_empty());
        } else {
            assert_eq!(fates(&outcomes), (3, 0, 0, 0), "{breakage:?}");
            assert_each_once(&portal, &writes);
        }
    }
}

/// HubSpot may still carry out what a process sent before it died.
#[tokio::test]
async fn what_an_earlier_process_tried_is_not_made_again_while_it_may_come_fault_59() {
    let mut portal = Portal::start().await;
    let writes = tasks(&portal, &contacts(&portal, 3));
    portal.begin_again();
    assert!(portal.connector.find_effect(&writes[0]).await.unwrap().is_none());
    let outcomes = portal.connector.push(&again(&writes), &Forget).await;
    let waits = |outcome: &Outcome| matches!(outcome, Outcome::Again { after: Some(rest), counts: false, .. } if rest.as_secs() > 100);
    assert!(outcomes.iter().all(|(_, outcome)| waits(outcome)), "{outcomes:?}");
    assert!(portal.hub.ids(Kind::Task).is_empty());
    // What the new process tries first is made at once, and a provable failure of it is tried again at once.
    let own = [task(&portal, writes[0].record.as_ref().unwrap(), None, "own")];
    let refused = Fault::BeforeEffect { breakage: Breakage::Status(500) };
    portal.hub.faults().inject(Place::method("POST", TASKS), When::times(1), refused);
    assert_eq!(fates(&portal.connector.push(&own, &Forget).await), (0, 0, 1, 0));
    assert_eq!(fates(&portal.connector.push(&again(&own), &Forget).await), (1, 0, 0, 0));
    assert_each_once(&portal, &own);
}

#[tokio::test]
async fn one_bad_row_among_a_hundred_is_refused_alone_faults_60_and_61() {
    for is_whole in [false, true] {
        let portal = Portal::start().await;
        if is_whole {
            portal.hub.faults().set(Fault::WholeBatches);
        }
        let people = contacts(&portal, 100);
        let mut writes = tasks(&portal, &people);
        writes[41] = task(&portal, &people[41], Some("1"), "bad");
        portal.hub.reset_requests();
        let outcomes = portal.connector.push(&writes, &Forget).await;
        assert_eq!(fates(&outcomes), (99, 1, 0, 0), "{is_whole}");
        let Outcome::Refused { message } = &outcomes[41].1 else { panic!("{outcomes:?}") };
        assert!(message.contains("VALIDATION_ERROR: INVALID_OWNER_ID on hubspot_owner_id"), "{message}");
        // Halves until it stands alone.
        let most = if is_whole { 15 } else { 1 };
        assert!(sent(&portal, "tasks batch_write") <= most, "{:?}", portal.hub.requests());
        writes.remove(41);
        assert_each_once(&portal, &writes);
    }
}

#[tokio::test]
async fn one_bad_row_of_a_batch_update_is_refused_alone_faults_60_and_61() {
    for is_whole in [false, true] {
        let portal = Portal::start().await;
        let owner = portal.hub.add_owner("a@x.example", "A", "A").id;
        if is_whole {
            portal.hub.faults().set(Fault::WholeBatches);
        }
        let people = contacts(&portal, 100);
        let set = |n: usize| {
            let owner = if n == 99 { "1" } else { &owner };
            let effect = Effect::SetOwner { owner: RemoteId::from(owner), expected: None };
            write(Some(people[n].clone()), effect, &format!("o{n}"))
        };
        let outcomes = portal.connector.push(&(0..100).map(set).collect::<Vec<_>>(), &Forget).await;
        assert_eq!(fates(&outcomes), (99, 1, 0, 0), "{is_whole}");
        assert!(matches!(&outcomes[99].1, Outcome::Refused { message } if message.contains("INVALID_OWNER_ID")));
        assert_eq!(portal.hub.get(Kind::Contact, people[0].id.as_str()).unwrap()["hubspot_owner_id"], owner);
    }
}

#[tokio::test]
async fn two_writes_for_one_record_keep_their_order_and_their_own_batches() {
    let portal = Portal::start().await;
    let owner = portal.hub.add_owner("a@x.example", "A", "A").id;
    let next = portal.hub.add_owner("b@x.example", "B", "B").id;
    let people = contacts(&portal, 50);
    let mut writes = Vec::new();
    for round in ["first", "second"] {
        for (n, of) in people.iter().enumerate() {
            let (to, expected) = if round == "first" { (&owner, None) } else { (&next, Some(owner.as_str().into())) };
            let effect = Effect::SetOwner { owner: RemoteId::from(to.as_str()), expected };
            writes.push(write(Some(of.clone()), effect, &format!("{round} owner {n}")));
            writes.push(task(&portal, of, None, &format!("{round} {n}")));
        }
    }
    let outcomes = portal.connector.push(&writes, &Forget).await;
    assert_eq!(fates(&outcomes), (200, 0, 0, 0));
    assert_eq!((sent(&portal, "tasks batch_write"), sent(&portal, "contacts batch_write")), (2, 2));
    for of in &people {
        let ledger = portal.hub.ledger();
        let about = |effect: &&baton::sandbox::hubspot::Effect| {
            effect.id == of.id.as_str()
                || effect.properties.get("associations.contacts").is_some_and(|id| id == of.id.as_str())
        };
        let story: Vec<String> = ledger
            .iter()
            .filter(about)
            .map(|effect| {
                let words = ["hubspot_owner_id", "hs_task_subject"].map(|name| effect.properties.get(name));
                words.into_iter().flatten().next().unwrap().split(' ').take(2).collect::<Vec<_>>().join(" ")
            })
            .collect();
        assert_eq!(story, [owner.as_str(), "Call first", next.as_str(), "Call second"]);
    }
}

#[tokio::test]
async fn many_stages_go_back_by_two_requests_section_10_2() {
    let portal = Portal::with(|settings| settings.own_login = Some("26892217".into()), Default::default()).await;
    let people = contacts(&portal, 100);
    for of in &people {
        let stage = [("lifecyclestage", "marketingqualifiedlead")];
        portal.hub.update(Kind::Contact, of.id.as_str(), Author::User(1), &stage);
    }
    let back = |(n, of): (usize, &RecordRef)| {
        let effect = Effect::SetStage { stage: Stage::Engagement, is_backward: true };
        write(Some(of.clone()), effect, &format!("b{n}"))
    };
    let writes: Vec<Addressed> = people.iter().enumerate().map(back).collect();
    portal.hub.reset_requests();
    let outcomes = portal.connector.push(&writes, &Forget).await;
    assert_eq!(fates(&outcomes), (100, 0, 0, 0), "{:?}", outcomes[0]);
    assert_eq!(sent(&portal, "contacts batch_write"), 2);
    for of in &people {
        assert_eq!(portal.hub.get(Kind::Contact, of.id.as_str()).unwrap()["lifecyclestage"], "lead");
    }
}

#[tokio::test]
async fn a_wait_that_is_asked_for_ends_the_sending_of_all_that_is_left() {
    let portal = Portal::start().await;
    let writes = tasks(&portal, &contacts(&portal, 250));
    portal.hub.faults().inject(
        Place::method("POST", TASKS),
        When { skip: 1, times: Some(1), ..When::default() },
        Fault::RateLimit { policy: "DAILY".to_owned(), retry_after: None },
    );
    portal.hub.reset_requests();
    let outcomes = portal.connector.push(&writes, &Forget).await;
    assert_eq!(fates(&outcomes), (100, 0, 0, 150));
    assert_eq!(sent(&portal, "tasks batch_write"), 2, "the third batch is not sent");
    let is_long = |outcome: &Outcome| matches!(outcome, Outcome::Again { after: Some(wait), counts: false, .. } if wait.as_secs() > 600);
    assert!(outcomes[100..].iter().all(|(_, outcome)| is_long(outcome)), "{:?}", outcomes[249]);
}
