//! A finding ends by itself when what it tells of is well again.

use baton::connector::settings::Settings;
use baton::domain::field::Field;
use baton::domain::id::{Name, Object, RecordRef};
use baton::domain::plan::Mode;
use baton::sandbox::hubspot::{Author, Fault, Kind};
use jiff::SignedDuration;

use super::harness::{AGREEMENT, World};

/// The open findings of this kind, by their subjects.
async fn open(world: &World, kind: &str) -> Vec<String> {
    let rows = world.parts.engine.store().findings(100).await.unwrap();
    let mut open: Vec<String> = rows.into_iter().filter(|row| row.kind == kind).map(|row| row.subject).collect();
    open.sort();
    open
}

/// One poll of HubSpot a minute later, which may fail.
async fn poll(world: &World) -> bool {
    world.clock.advance(SignedDuration::from_mins(1));
    world.parts.engine.poll(&"hubspot".into()).await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finding_about_credentials_or_a_permission_ends_with_the_next_answer() {
    let world = World::with(AGREEMENT, Mode::Off).await;
    world.beat().await;
    let faults = world.hubspot.faults();
    for (fault, about) in [
        (Fault::TokenRevoked { token: "sandbox".to_owned() }, "hubspot: credentials"),
        (Fault::ScopeRemoved { scope: "crm.objects.contacts.read".to_owned() }, "hubspot: contacts"),
    ] {
        faults.set(fault);
        assert!(!poll(&world).await);
        assert!(open(&world, "connection").await.contains(&about.to_owned()), "{}", world.story().await);
        assert!(!poll(&world).await);
        assert!(open(&world, "connection").await.contains(&about.to_owned()), "it stands as long as it is true");
        faults.clear();
        assert!(poll(&world).await);
        assert_eq!(open(&world, "connection").await, [""; 0], "{}", world.story().await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finding_about_what_is_missing_ends_when_the_look_finds_it() {
    let with_track = |settings: &mut Settings| {
        settings.tracks.push((Name::from("later"), "Nurture: later".to_owned()));
    };
    let world = World::with_settings(AGREEMENT, Mode::Off, with_track).await;
    let look = async || {
        world.clock.advance(SignedDuration::from_mins(1));
        for (connection, told) in world.parts.engine.describe().await {
            told.unwrap_or_else(|error| panic!("{connection}: {error}"));
        }
        open(&world, "missing_field").await
    };
    let about = "hubspot: tracks.later".to_owned();
    let before = look().await;
    assert!(before.contains(&about), "{}", world.story().await);
    // A key that may not see the lists cannot say that none is missing any more.
    world.hubspot.faults().set(Fault::ScopeRemoved { scope: "crm.lists.read".to_owned() });
    assert_eq!(look().await, before);
    assert!(open(&world, "connection").await.contains(&"hubspot: lists".to_owned()), "{}", world.story().await);
    world.hubspot.faults().clear();
    assert_eq!(look().await, before);
    assert_eq!(open(&world, "connection").await, [""; 0], "the permission is there again");
    world.hubspot.create_list("Nurture: later");
    let mut left = before.clone();
    left.retain(|known| *known != about);
    assert_eq!(look().await, left, "and what else is missing still stands");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finding_about_the_settings_ends_when_they_are_set_right() {
    let wrong = |settings: &mut Settings| {
        settings.fields = vec![(Field::Reason, "no_such_property".to_owned())];
    };
    let mut world = World::with_settings(AGREEMENT, Mode::Off, wrong).await;
    world.parts.engine.describe().await;
    let about = "hubspot: contacts.no_such_property".to_owned();
    assert!(open(&world, "missing_field").await.contains(&about), "{}", world.story().await);
    world.clock.advance(SignedDuration::from_mins(1));
    world.adjust(|settings| settings.fields.clear());
    world.restart(AGREEMENT).await;
    world.parts.engine.describe().await;
    assert!(!open(&world, "missing_field").await.contains(&about), "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_touch_that_may_be_read_keeps_a_promise_though_another_kind_may_not() {
    let world = World::with(AGREEMENT, Mode::Off).await;
    let contact = world.contact("Jane");
    world.beat().await;
    world.hubspot.faults().set(Fault::ScopeRemoved { scope: "sales-email-read".to_owned() });
    let hubspot = "hubspot".into();
    let of = RecordRef::new(&hubspot, Object::Person, contact.as_str());
    world.clock.advance(SignedDuration::from_mins(1));
    let call = world.hubspot.create(
        Kind::Call,
        Author::User(1),
        &[("hs_timestamp", "2026-11-24T08:00:00Z"), ("hs_call_direction", "OUTBOUND"), ("hs_call_status", "COMPLETED")],
    );
    assert!(world.hubspot.associate((Kind::Call, &call), (Kind::Contact, &contact), false));
    let connector = world.parts.engine.connectors().iter().find(|one| one.id() == &hubspot).unwrap();
    let around = connector.read_around(std::slice::from_ref(&of)).await.unwrap();
    let refused: Vec<&str> = around.refused.iter().map(|(stream, _)| stream.as_str()).collect();
    assert_eq!(refused, ["emails"]);
    assert!(around.observations.iter().any(|seen| seen.of.id.as_str() == call), "{around:?}");
    let before = world.parts.engine.store().streams().await.unwrap();
    assert_eq!(world.parts.engine.read_around(&hubspot, &[of]).await.unwrap(), 1, "the call is stored");
    assert!(open(&world, "connection").await.contains(&"hubspot: emails".to_owned()), "{}", world.story().await);
    assert_eq!(world.parts.engine.store().streams().await.unwrap(), before, "and nothing is covered by it");
}
