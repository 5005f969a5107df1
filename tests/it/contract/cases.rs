//! What every connector owes, whatever its CRM does.

use std::collections::HashSet;
use std::time::Duration;

use baton::connector::{ConnectorError, Cursor, Outcome};
use baton::domain::finding::FindingKind;
use baton::domain::id::{Object, RemoteId};
use baton::domain::observation::{Content, Observation};
use baton::domain::plan::Effect;
use jiff::SignedDuration;

use super::Crm;
use super::gate::Trouble;

fn addresses(seen: &[Observation]) -> HashSet<String> {
    let keys = seen.iter().filter_map(Observation::person).flat_map(|person| &person.keys);
    keys.filter(|key| key.value.as_str().contains('@')).map(|key| key.value.to_string()).collect()
}

fn people(seen: &[Observation]) -> HashSet<String> {
    let people = seen.iter().filter(|seen| seen.person().is_some());
    people.map(|seen| seen.of.id.to_string()).collect()
}

fn owner(user: &RemoteId, expected: &RemoteId) -> Effect {
    Effect::SetOwner { owner: user.clone(), expected: Some(expected.clone()) }
}

/// Fault 23: what moves between pages while they are read is neither lost nor the end of the reading.
pub(super) async fn page_drift_loses_nobody(crm: &dyn Crm) {
    let rep = crm.user("Anna Lang");
    let rows = crm.page_rows();
    crm.import(rows + rows / 2);
    let (first, last) = (crm.person("first@x.example", &rep), crm.person("last@x.example", &rep));
    let mut seen = Vec::new();
    let mut cursor = Cursor::default();
    for turn in 0.. {
        let page = crm.pull(&cursor).await.unwrap();
        seen.extend(page.observations);
        cursor = page.next;
        crm.clock().advance(SignedDuration::from_secs(2));
        match turn {
            0 => crm.change(&first),
            1 => crm.change(&last),
            _ => {}
        }
        if !page.has_more {
            break;
        }
        assert!(turn < 50, "the reading ends");
    }
    let (rest, _) = crm.catch_up(cursor).await;
    seen.extend(rest);
    assert_eq!(people(&seen).len(), rows + rows / 2 + 2);
    for person in [&first, &last] {
        let newest = seen.iter().rev().find(|seen| seen.of.id == *person).and_then(Observation::person).unwrap();
        let now = crm.now(person).await.1;
        assert_eq!(newest.values, now.values, "the change after its page was read");
    }
}

/// Fault 25: equal times beyond a page are all read, by one pass and by the feed after it.
pub(super) async fn people_of_one_instant_fill_more_than_a_page(crm: &dyn Crm) {
    let rows = crm.page_rows();
    crm.import(2 * rows + 7);
    let (seen, cursor) = crm.drain(Cursor::default()).await;
    assert_eq!(people(&seen).len(), 2 * rows + 7);
    crm.clock().advance(SignedDuration::from_secs(900));
    let (_, cursor) = crm.catch_up(cursor).await;
    crm.import(2 * rows + 3);
    let (seen, _) = crm.catch_up(cursor).await;
    assert_eq!(people(&seen).len(), 2 * rows + 3, "those who were imported, and nobody else");
}

/// Fault 25: as many of one instant as no search answers (HubSpot's ends at 10,000).
pub(super) async fn ten_thousand_people_of_one_instant_are_all_read(crm: &dyn Crm) {
    const PEOPLE: usize = 10_050;
    let (_, cursor) = crm.drain(Cursor::default()).await;
    let (_, mut cursor) = crm.catch_up(cursor).await;
    crm.import(PEOPLE);
    let mut found = HashSet::new();
    for _ in 0..6 {
        crm.clock().advance(SignedDuration::from_secs(60));
        let (seen, next) = crm.drain(cursor).await;
        found.extend(people(&seen));
        cursor = next;
        if found.len() >= PEOPLE {
            break;
        }
    }
    assert_eq!(found.len(), PEOPLE);
}

/// Faults 24 and 27: the feed looks back far enough.
pub(super) async fn what_is_late_is_read_all_the_same(crm: &dyn Crm) {
    let rep = crm.user("Anna Lang");
    crm.person("early@x.example", &rep);
    let (_, cursor) = crm.drain(Cursor::default()).await;
    let (_, cursor) = crm.catch_up(cursor).await;
    crm.person("present@x.example", &rep);
    crm.clock().advance(SignedDuration::from_secs(30));
    let (seen, cursor) = crm.drain(cursor).await;
    let mut found = addresses(&seen);
    crm.late("late@x.example", &rep, SignedDuration::from_secs(25));
    let (seen, _) = crm.catch_up(cursor).await;
    found.extend(addresses(&seen));
    assert!(found.contains("present@x.example") && found.contains("late@x.example"), "{found:?}");
}

/// Fault 30.
pub(super) async fn a_merged_record_leads_to_the_one_that_is_left(crm: &dyn Crm) {
    let rep = crm.user("Anna Lang");
    let (winner, loser) = (crm.person("winner@x.example", &rep), crm.person("loser@x.example", &rep));
    crm.clock().advance(SignedDuration::from_secs(5));
    if !crm.merge(&winner, &loser) {
        let seen = crm.connector().read(&[crm.of(&loser)]).await.unwrap();
        assert!(seen.iter().any(|seen| seen.of == crm.of(&loser) && seen.content == Content::Gone), "{seen:?}");
        return;
    }
    let (left, _) = crm.now(&loser).await;
    assert_eq!(crm.now(&winner).await.0, left, "one record of both");
}

/// Fault 29.
pub(super) async fn a_deleted_record_is_gone(crm: &dyn Crm) {
    let rep = crm.user("Anna Lang");
    let person = crm.person("jo@x.example", &rep);
    crm.clock().advance(SignedDuration::from_secs(5));
    crm.delete(&person);
    let seen = crm.connector().read(&[crm.of(&person)]).await.unwrap();
    let gone = seen.iter().find(|seen| seen.of == crm.of(&person)).map(|seen| &seen.content);
    assert_eq!(gone, Some(&Content::Gone), "{seen:?}");
    let outcome = crm.push(&[crm.write(&person, owner(&crm.user("Ben May"), &rep))]).await;
    assert!(matches!(outcome[..], [Outcome::Refused { .. }]), "{outcome:?}");
}

/// Fault 31.
pub(super) async fn a_converted_lead_keeps_person_and_owner(crm: &dyn Crm) {
    let rep = crm.user("Anna Lang");
    let person = crm.person("jo@x.example", &rep);
    let before = crm.now(&person).await.1;
    crm.clock().advance(SignedDuration::from_secs(5));
    if !crm.convert(&person) {
        return;
    }
    let after = crm.now(&person).await.1;
    let address = |seen: &baton::domain::observation::PersonSeen| {
        seen.keys.iter().find(|key| key.value.as_str().contains('@')).cloned()
    };
    assert_eq!(address(&after), address(&before));
    assert_eq!(after.owners.last().and_then(|entry| entry.owner.clone()), Some(rep));
}

/// Fault 63.
pub(super) async fn an_owner_who_left_is_refused_for_good(crm: &dyn Crm) {
    let (anna, ben) = (crm.user("Anna Lang"), crm.user("Ben May"));
    let person = crm.person("jo@x.example", &anna);
    crm.deactivate(&ben);
    crm.clock().advance(SignedDuration::from_secs(5));
    let outcome = crm.push(&[crm.write(&person, owner(&ben, &anna))]).await;
    if crm.takes_who_left() {
        assert!(matches!(outcome[..], [Outcome::Done(_)]), "{outcome:?}");
        return;
    }
    assert!(matches!(outcome[..], [Outcome::Refused { .. }]), "{outcome:?}");
    assert_eq!(crm.owner(&person), Some(anna));
}

/// Fault 60.
pub(super) async fn one_bad_row_spoils_no_other(crm: &dyn Crm) {
    let (anna, ben) = (crm.user("Anna Lang"), crm.user("Ben May"));
    let people: Vec<RemoteId> = (0..3).map(|number| crm.person(&format!("p{number}@x.example"), &anna)).collect();
    crm.delete(&people[1]);
    let writes: Vec<_> = people.iter().map(|person| crm.write(person, owner(&ben, &anna))).collect();
    let outcomes = crm.push(&writes).await;
    let done: Vec<bool> = outcomes.iter().map(|outcome| matches!(outcome, Outcome::Done(_))).collect();
    assert_eq!(done, [true, false, true], "{outcomes:?}");
    assert!(matches!(outcomes[1], Outcome::Refused { .. }), "{outcomes:?}");
    assert_eq!([crm.owner(&people[0]), crm.owner(&people[2])], [Some(ben.clone()), Some(ben)]);
}

/// Faults 58 and 59: what may have had its effect is looked for, and found.
pub(super) async fn a_write_without_an_answer_is_found_and_not_doubled(crm: &dyn Crm) {
    let (anna, ben) = (crm.user("Anna Lang"), crm.user("Ben May"));
    let person = crm.person("jo@x.example", &anna);
    let due_at = crm.clock().now() + SignedDuration::from_hours(4);
    let task = Effect::AddTask { title: "Call".to_owned(), body: "Now".to_owned(), due_at, owner: Some(anna.clone()) };
    for (effect, status) in [(owner(&ben, &anna), 504), (task, 500)] {
        let write = crm.write(&person, effect);
        assert_eq!(crm.connector().find_effect(&write).await.unwrap(), None, "not yet");
        crm.gate().writing(Trouble::FailsAfter(status));
        let outcome = crm.push(std::slice::from_ref(&write)).await;
        assert!(matches!(outcome[..], [Outcome::Unknown { .. }]), "{outcome:?}");
        let found = crm.connector().find_effect(&write).await.unwrap();
        assert!(found.is_some(), "{:?}", write.write.effect);
    }
    assert_eq!(crm.gate().struck(), 2);
    assert_eq!((crm.owner(&person), crm.tasks(&person)), (Some(ben), 1));
    // One that is not there is not found.
    let absent = crm.write(&person, owner(&anna, &anna));
    assert_eq!(crm.connector().find_effect(&absent).await.unwrap(), None);
}

/// Faults 53 and 54.
pub(super) async fn too_many_requests_are_waited_for(crm: &dyn Crm) {
    let rep = crm.user("Anna Lang");
    crm.person("jo@x.example", &rep);
    crm.drain(Cursor::default()).await;
    crm.gate().reading(Trouble::TooMany(Some(1)));
    let error = crm.pull(&Cursor::default()).await.unwrap_err();
    let ConnectorError::RateLimited { retry_after, .. } = &error else { panic!("{error:?}") };
    assert!(*retry_after >= Duration::from_secs(1), "{error}");
    let began = std::time::Instant::now();
    assert!(!crm.pull(&Cursor::default()).await.unwrap().observations.is_empty());
    assert!(began.elapsed() >= Duration::from_millis(900), "the wait is kept by whoever asks next");
    crm.gate().reading(Trouble::TooMany(None));
    let error = crm.pull(&Cursor::default()).await.unwrap_err();
    assert!(error.is_passing(), "{error:?}");
}

/// Fault 55.
pub(super) async fn a_day_that_is_used_up_is_no_reason_to_hammer(crm: &dyn Crm) {
    let rep = crm.user("Anna Lang");
    crm.person("jo@x.example", &rep);
    crm.drain(Cursor::default()).await;
    if !crm.use_up_the_day() {
        return;
    }
    let error = crm.pull(&Cursor::default()).await.unwrap_err();
    let ConnectorError::RateLimited { retry_after, .. } = &error else { panic!("{error:?}") };
    assert!(*retry_after >= Duration::from_secs(60), "minutes at least, not seconds: {error}");
}

/// Faults 50 and 52.
pub(super) async fn a_session_that_ends_is_renewed_or_a_person_is_asked(crm: &dyn Crm) {
    let rep = crm.user("Anna Lang");
    crm.person("jo@x.example", &rep);
    crm.drain(Cursor::default()).await;
    if crm.end_session() {
        let (seen, _) = crm.drain(Cursor::default()).await;
        assert!(addresses(&seen).contains("jo@x.example"));
    }
    crm.revoke();
    let error = crm.pull(&Cursor::default()).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Unauthorized { .. }), "{error:?}");
    assert!(!error.is_passing());
}

/// Fault 35: never an empty page.
pub(super) async fn a_page_for_people_is_no_empty_answer(crm: &dyn Crm) {
    spoiled(crm, Trouble::Html).await;
}

/// Fault 35.
pub(super) async fn half_an_answer_is_none(crm: &dyn Crm) {
    spoiled(crm, Trouble::Truncated).await;
}

async fn spoiled(crm: &dyn Crm, trouble: Trouble) {
    let rep = crm.user("Anna Lang");
    let person = crm.person("jo@x.example", &rep);
    crm.drain(Cursor::default()).await;
    crm.gate().reading(trouble.clone());
    let error = crm.pull(&Cursor::default()).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Malformed { .. } | ConnectorError::Unavailable { .. }), "{error:?}");
    let (seen, _) = crm.drain(Cursor::default()).await;
    assert!(addresses(&seen).contains("jo@x.example"), "it passes");
    // The look before a write is as little to be believed, and nothing is written on its word.
    crm.gate().reading(trouble);
    let outcome = crm.push(&[crm.write(&person, owner(&crm.user("Ben May"), &rep))]).await;
    assert!(matches!(outcome[..], [Outcome::Again { .. }]), "{outcome:?}");
    assert_eq!(crm.owner(&person), Some(rep));
}

/// A host that hears who calls.
async fn elsewhere() -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let calls = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let counted = std::sync::Arc::clone(&calls);
    let router = axum::Router::new().fallback(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async { "{}" }
    });
    #[expect(clippy::disallowed_methods, reason = "the test's own server")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, calls)
}

/// Fault 74: a token never leaves for another host.
pub(super) async fn no_redirect_is_followed(crm: &dyn Crm) {
    let rep = crm.user("Anna Lang");
    crm.person("jo@x.example", &rep);
    crm.drain(Cursor::default()).await;
    let (host, calls) = elsewhere().await;
    crm.gate().reading(Trouble::Redirect(format!("{host}/stolen")));
    crm.pull(&Cursor::default()).await.unwrap_err();
    assert_eq!(calls.load(std::sync::atomic::Ordering::SeqCst), 0);
}

/// Fault 44.
pub(super) async fn a_link_to_another_host_is_not_followed(crm: &dyn Crm) {
    crm.user("Anna Lang");
    crm.import(crm.page_rows() * 2 + 1);
    let (host, calls) = elsewhere().await;
    if !crm.link_elsewhere(&host) {
        return;
    }
    let mut cursor = Cursor::default();
    for _ in 0..4 {
        match crm.pull(&cursor).await {
            Ok(page) if page.has_more => cursor = page.next,
            Ok(_) | Err(_) => break,
        }
    }
    assert_eq!(calls.load(std::sync::atomic::Ordering::SeqCst), 0);
}

/// Fault 73.
pub(super) async fn a_drip_is_not_waited_for(crm: &dyn Crm) {
    let rep = crm.user("Anna Lang");
    crm.person("jo@x.example", &rep);
    crm.drain(Cursor::default()).await;
    crm.gate().reading(Trouble::Drip);
    let began = std::time::Instant::now();
    let error = crm.pull(&Cursor::default()).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Unavailable { .. }), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

/// Fault 34.
pub(super) async fn a_field_that_is_gone_is_told_and_the_rest_is_read(crm: &dyn Crm) {
    let rep = crm.user("Anna Lang");
    let person = crm.person("jo@x.example", &rep);
    let told = |description: &baton::connector::Description| {
        description.findings.iter().filter(|finding| finding.kind == FindingKind::MissingField).count()
    };
    assert_eq!(told(&crm.connector().describe().await.unwrap()), 0);
    if !crm.remove_field() {
        return;
    }
    assert_eq!(told(&crm.connector().describe().await.unwrap()), 1);
    let (seen, _) = crm.drain(Cursor::default()).await;
    assert!(addresses(&seen).contains("jo@x.example"), "{seen:?}");
    assert_eq!(crm.now(&person).await.0.object, Object::Person);
}
