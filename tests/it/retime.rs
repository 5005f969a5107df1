//! `baton agreement apply --running` (fault 90): the agreement in force for turns that began under another, listed and then done.

use std::process::Stdio;
use std::time::{Duration, Instant};

use baton::domain::id::{Name, WorkspaceId};
use baton::engine::command::{Asked, Command};
use baton::sandbox::hubspot::{Author, Kind as Object};
use baton::store::Store;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::harness::{AGREEMENT, World};
use super::online::Scene;

const PATIENCE: Duration = Duration::from_secs(60);

/// The agreement with three hours for the first touch.
fn slower() -> String {
    let slower = AGREEMENT.replace("version = \"demo.1\"", "version = \"demo.2\"");
    slower.replace("time = \"1 business hour\"", "time = \"3 business hours\"")
}

async fn ask(world: &World, with_overdue: bool, yes: bool) -> Value {
    let asked = Asked { by: "eve".to_owned(), command: Command::Retime { with_overdue, yes } };
    let answer = world.parts.engine.execute(&asked).await.unwrap();
    assert_eq!(answer.data["is_done"], yes, "{answer:?}");
    answer.data
}

async fn due_at(world: &World) -> Timestamp {
    world.parts.engine.store().open_handoffs(10).await.unwrap()[0].handoff.due_at().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_turns_keep_their_terms_until_a_person_moves_them_and_no_step_is_told_twice_fault_90() {
    let mut world = World::new().await;
    world.handed_over("Jane").await;
    world.pass(52).await;
    let (frozen, before) = (due_at(&world).await, world.told());
    world.restart(&slower()).await;
    world.beat().await;
    assert_eq!(due_at(&world).await, frozen, "an edited file moves nobody's deadline");

    let listed = ask(&world, false, false).await;
    let row = &listed["moved"][0];
    assert_eq!((&listed["to"], &row["from"]), (&"demo.2".into(), &"demo.1".into()), "{listed}");
    let clock = &row["commitments"][0];
    assert_eq!(clock["from"], frozen.to_string(), "{listed}");
    let to: Timestamp = clock["to"].as_str().unwrap().parse().unwrap();
    assert_eq!(clock["told"], serde_json::json!([80]), "{listed}");
    assert_eq!(due_at(&world).await, frozen, "nothing was done");

    let moved = ask(&world, false, true).await;
    assert_eq!(moved["moved"], listed["moved"], "exactly what was listed");
    assert_eq!(due_at(&world).await, to);
    assert!(
        world.story().await.contains("moved from agreement demo.1 to demo.2 by a person"),
        "{}",
        world.story().await
    );
    assert_eq!(ask(&world, true, false).await["moved"], serde_json::json!([]), "and once only");

    // The old deadline goes by, and the warning's new instant: nobody is told again.
    while world.clock.now() < to - SignedDuration::from_mins(4) {
        world.pass(3).await;
    }
    assert_eq!(world.told(), before, "{}", world.story().await);
    world.pass(6).await;
    assert!(world.told().len() > before.len(), "the breach, at its new time: {}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_would_be_overdue_at_once_is_moved_only_on_purpose_fault_90() {
    let mut world = World::with(&slower(), baton::domain::plan::Mode::On).await;
    world.handed_over("Jane").await;
    world.pass(75).await;
    let (frozen, before) = (due_at(&world).await, world.told());
    world.restart(AGREEMENT).await;
    world.beat().await;
    let listed = ask(&world, false, true).await;
    assert_eq!(
        (listed["moved"].as_array().unwrap().len(), listed["kept"].as_array().unwrap().len()),
        (0, 1),
        "{listed}"
    );
    assert_eq!(listed["kept"][0]["commitments"][0]["at_once"], serde_json::json!([80, 100]), "{listed}");
    world.pass(3).await;
    assert_eq!((due_at(&world).await, world.told()), (frozen, before.clone()), "{}", world.story().await);
    ask(&world, true, true).await;
    world.pass(3).await;
    assert!(due_at(&world).await < frozen);
    assert!(world.told().len() > before.len(), "told at once: {:?}", world.told());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_running_daemon_lists_and_moves_over_its_socket_fault_90() {
    let scene = Scene::new().await;
    let form = [("email", "jane@acme.example"), ("firstname", "Jane"), ("lastname", "Roe"), ("phone", "+49 30 1")];
    let contact = scene.hub.create_contact(Author::Form, &[&form[..], &[("lifecyclestage", "lead")]].concat());
    let firm = [("name", "Acme GmbH"), ("domain", "acme.example"), ("numberofemployees", "300")];
    let company = scene.hub.create(Object::Company, Author::Form, &firm);
    assert!(scene.hub.associate((Object::Contact, &contact), (Object::Company, &company), true));
    let mut command = scene.command(&["run"]);
    let _child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let path = scene.path("baton.db");
    let store =
        until("the store", async || Store::open_read_only(&path, &WorkspaceId::from("default")).await.ok()).await;
    until("the first decisions", async || store.decided_under().await.ok().flatten()).await;
    let stage = [("lifecyclestage", "marketingqualifiedlead")];
    assert!(scene.hub.update(Object::Contact, &contact, Author::User(1), &stage));
    let due = async || store.open_handoffs(5).await.ok()?.first()?.handoff.due_at();
    let before = until("a hand-off with a deadline", due).await;

    std::fs::write(scene.path("agreement.toml"), slower()).unwrap();
    let version = async || store.decided_under().await.ok().flatten().filter(|name| name == &Name::from("demo.2"));
    until("the agreement", version).await;
    let (status, told) = scene.run(&["agreement", "apply", "--running"]).await;
    assert_eq!(status, Some(0), "{told}");
    assert!(told.contains("1 running hand-off would move to agreement demo.2"), "{told}");
    assert!(told.contains(&format!("first touch: {before:.0} -> ")), "{told}");
    assert!(told.contains("repeat it with --yes"), "{told}");
    assert_eq!(due().await, Some(before));
    let (status, told) = scene.run(&["agreement", "apply", "--running", "--yes"]).await;
    assert_eq!(status, Some(0), "{told}");
    until("another deadline", async || due().await.filter(|now| *now > before)).await;
    let (status, told) = scene.run(&["agreement", "apply"]).await;
    assert_eq!(status, Some(2), "which hand-offs is to be said: {told}");
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what} never came");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
