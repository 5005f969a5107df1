//! Quiet hours that hold and then bundle, and storms that become one digest.

use std::num::NonZeroU32;

use baton::api::view;
use baton::domain::id::{LeadId, Name, OperationId};
use baton::domain::plan::{Notice, NoticeKind, Story};
use baton::engine::deliver::Channels;
use baton::notify::email::Security;
use baton::store::Batch;

use super::harness::{AGREEMENT, ROSTER, World};
use super::mail::{by_mail, email};
use super::smtp::Smtp;

/// The world with quiet hours of the sales team from half past nine to half past ten. It is nine now.
async fn world(roster: &str) -> World {
    let mut world = World::new().await;
    let channels = world.parts.channels.clone();
    world.restart_telling(AGREEMENT, roster, channels, None).await;
    world
}

fn quiet_team() -> String {
    ROSTER.replacen("tell = \"slack.sales\"", "tell = \"slack.sales\"\nquiet = \"09:30-10:30\"", 1)
}

fn told_in(world: &World, channel: &str) -> Vec<String> {
    world.told().into_iter().filter(|line| line.starts_with(channel)).collect()
}

async fn hold(world: &World) -> i64 {
    world.parts.engine.store().notices_held(world.clock.now()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_falls_into_quiet_hours_is_held_visibly_and_comes_together_at_their_end() {
    let world = world(&quiet_team()).await;
    world.handed_over("Before").await;
    assert_eq!(told_in(&world, "sales").len(), 1, "{}", world.story().await);
    world.pass(30).await;
    for name in ["Jane", "John", "Joan", "Jack", "Jill"] {
        world.handed_over(name).await;
    }
    let held = hold(&world).await;
    assert!(held >= 5, "{held} held: {}", world.story().await);
    let before = told_in(&world, "sales").len();
    // The board and `explain` say so.
    let engine = &world.parts.engine;
    let status = view::status(engine, &world.parts.status).await.unwrap();
    assert_eq!(status.notices_held, held);
    let lead = view::lead(engine.store(), &engine.rules(), engine.clock().now(), "L-2").await.unwrap().unwrap();
    let notice = lead.effects.iter().find(|effect| effect.to == "slack.sales").expect("its notice");
    assert!(notice.fate().starts_with("pending: held over quiet hours until"), "{}", notice.fate());
    // Nothing of it goes out before the end; then one message has all of it.
    while world.clock.now().to_string().as_str() < "2026-11-24T09:29:00Z" {
        world.pass(1).await;
        assert_eq!(told_in(&world, "sales").len(), before, "{}", world.clock.now());
    }
    world.pass(3).await;
    let after = told_in(&world, "sales");
    assert_eq!(after.len(), before + 1, "{after:?}");
    let count: usize = after[before].trim_start_matches("sales: ").split(' ').next().unwrap().parse().unwrap();
    assert!(count >= 5, "{after:?}");
    assert_eq!(hold(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn breaches_reach_a_manager_in_quiet_hours_if_they_want_them() {
    for except in [false, true] {
        let server = Smtp::plain();
        let mut world = World::new().await;
        let mut channels = world.parts.channels.clone();
        channels.by_name.push((Name::from("email.main"), email(&server, Security::Plain)));
        let quiet =
            if except { "quiet = \"09:00-18:00\"\nquiet_except = [\"breach\"]" } else { "quiet = \"09:00-18:00\"" };
        let roster = by_mail(ROSTER).replace("name = \"Maria Huber\"", &format!("name = \"Maria Huber\"\n{quiet}"));
        world.restart_telling(AGREEMENT, &roster, channels, None).await;
        world.handed_over("Jane").await;
        world.pass(70).await;
        let to_manager = server.taken().iter().filter(|mail| mail.to == ["m.huber@example.com"]).count();
        assert_eq!(to_manager, usize::from(except), "{}", world.story().await);
        assert_eq!(hold(&world).await > 0, !except, "what is not told is held");
        let to_owner = server.taken().iter().filter(|mail| mail.header("Subject").contains("was due")).count();
        assert!(to_owner >= 1, "nobody else is held: {}", world.story().await);
    }
}

fn storm(count: usize, world: &World) -> Vec<Notice> {
    let notice = |number: usize| Notice {
        op: OperationId::of(&["storm", &number.to_string()]),
        lead: LeadId(i64::try_from(number).unwrap() + 1),
        handoff: None,
        at: world.clock.now(),
        kind: NoticeKind::Breach,
        channel: Name::from("slack.sales"),
        people: Vec::new(),
        audience: Vec::new(),
        story: Story {
            headline: format!("first touch was due for P{number}"),
            lines: vec!["one".to_owned()],
            link: format!("http://board.example/leads/L-{}", number + 1),
        },
        withdraws: None,
        about: Some(Name::from(format!("first touch at 100 %, rep {}", number % 2))),
        ask: None,
        package: None,
    };
    (0..count).map(notice).collect()
}

async fn commit(world: &World, notices: Vec<Notice>) {
    let batch = Batch { notices, now: Some(world.clock.now()), ..Batch::default() };
    world.parts.engine.store().commit(&batch).await.unwrap();
}

async fn deliver(world: &World, channels: &Channels) {
    world.parts.engine.deliver_notices(&world.parts.client, channels).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_is_one_digest_and_every_notice_says_that_it_was_in_it_fault_96() {
    let world = World::new().await;
    commit(&world, storm(4_223, &world)).await;
    deliver(&world, &world.parts.channels).await;
    let messages = world.inbox.lock().unwrap().clone();
    assert_eq!(messages.len(), 1);
    let text = messages[0].1.to_string();
    for part in [
        "4,223 notices",
        "2,112 × first touch at 100 %, rep 0",
        "2,111 × first touch at 100 %, rep 1",
        "and 4,213 more",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    let overview = world.parts.engine.store().overview().await.unwrap();
    assert_eq!(overview.effects.get("done"), Some(&4_223), "{:?}", overview.effects);
    for lead in [1, 4_000] {
        let effects = world.parts.engine.store().effects_of(LeadId(lead)).await.unwrap();
        assert_eq!(effects[0].message.as_deref(), Some("told in a digest of 4223 notices"));
    }
    deliver(&world, &world.parts.channels).await;
    assert_eq!(world.inbox.lock().unwrap().len(), 1, "once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_over_the_rate_waits_and_comes_in_the_next_digest_fault_96() {
    let world = World::new().await;
    let channels = Channels { per_minute: NonZeroU32::new(3), ..world.parts.channels.clone() };
    let all = storm(40, &world);
    for one in &all {
        commit(&world, vec![one.clone()]).await;
        deliver(&world, &channels).await;
    }
    assert_eq!(world.inbox.lock().unwrap().len(), 3, "three in a minute of real time");
    let overview = world.parts.engine.store().overview().await.unwrap();
    assert_eq!(overview.effects.get("pending"), Some(&37), "nothing is dropped: {:?}", overview.effects);
    deliver(&world, &world.parts.channels).await;
    let messages = world.inbox.lock().unwrap().clone();
    assert_eq!(messages.len(), 4);
    assert!(messages[3].1.to_string().contains("37 notices"), "{}", messages[3].1);
}
