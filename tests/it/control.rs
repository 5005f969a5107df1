//! Commands that change something: through the running daemon's socket, and by themselves while none runs.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use baton::api::{self, Api};
use baton::daemon;
use baton::daemon::control::{Reply, ask};
use baton::engine::command::{Asked, Command, CommandError};
use baton::sandbox::hubspot::{Fault as Trouble, Kind as Object, Place as Path, When as Often};
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::beats::settle;
use crate::harness::World;

fn asked(command: Command) -> Asked {
    Asked { by: "ops".to_owned(), command }
}

/// A world in which HubSpot refused to take an owner, the contact, and the refused write's operation id.
async fn refused() -> (World, String, String) {
    let world = World::new().await;
    let contact = world.contact("Jane");
    world.beat().await;
    world.pass(2).await;
    let refusal = Trouble::Status { status: 400, retry_after: None };
    world.hubspot.faults().inject(Path::method("POST", "/contacts/batch/update"), Often::default(), refusal.clone());
    world.hubspot.faults().inject(Path::method("PATCH", "/contacts/"), Often::default(), refusal);
    world.qualify(&contact);
    world.clock.advance(SignedDuration::from_mins(1));
    settle(&world).await;
    let dead = world.parts.engine.store().effects_dead(10).await.unwrap();
    let owner = dead.iter().find(|row| row.to == "hubspot" && row.effect == "owner").expect("a dead owner write");
    let op = owner.op.clone();
    world.hubspot.faults().clear();
    (world, contact, op)
}

fn owner_of(world: &World, contact: &str) -> Option<String> {
    let owner = world.hubspot.get(Object::Contact, contact).unwrap().get("hubspot_owner_id").cloned();
    owner.filter(|owner| !owner.is_empty())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_write_is_tried_again_when_a_person_asks_and_only_then() {
    let (world, contact, op) = refused().await;
    world.pass(30).await;
    assert_eq!(owner_of(&world, &contact), None, "dead stays dead");
    let command = Command::Retry { op: op[..8].to_owned() };
    let answer = world.parts.engine.execute(&asked(command.clone())).await.unwrap();
    assert!(answer.lines[0].contains("is tried again"), "{answer:?}");
    world.clock.advance(SignedDuration::from_mins(1));
    world.beat().await;
    assert!(owner_of(&world, &contact).is_some(), "{}", world.story().await);
    let again = world.parts.engine.execute(&asked(command)).await.unwrap_err();
    assert!(matches!(&again, CommandError::Refused(why) if why.contains("only a dead effect")), "{again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_person_discards_is_never_sent() {
    let (world, contact, op) = refused().await;
    world.parts.engine.execute(&asked(Command::Discard { op: op.clone() })).await.unwrap();
    let row = world.parts.engine.store().effects_named(&op, 1).await.unwrap().pop().unwrap();
    assert_eq!((row.state.as_str(), row.message.as_deref()), ("cancelled", Some("discarded by ops")));
    let again = world.parts.engine.execute(&asked(Command::Retry { op })).await.unwrap_err();
    assert!(matches!(again, CommandError::Refused(_)), "{again}");
    world.pass(30).await;
    assert_eq!(owner_of(&world, &contact), None, "{}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_names_no_effect_or_two_is_refused_with_what_to_write() {
    let (world, _, op) = refused().await;
    for (written, part) in [("zz", "is no operation id"), ("", "is no operation id"), ("00000000", "begins with")] {
        let error = world.parts.engine.execute(&asked(Command::Retry { op: written.to_owned() })).await.unwrap_err();
        assert!(matches!(&error, CommandError::Refused(why) if why.contains(part)), "{written}: {error}");
    }
    let upper = Command::Discard { op: op.to_uppercase() };
    world.parts.engine.execute(&asked(upper)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_running_daemon_takes_commands_over_a_socket_of_its_owner_alone() {
    let (world, _, op) = refused().await;
    let socket = world.parts.control.clone();
    std::fs::write(&socket, "left behind by a Baton that was killed").unwrap();
    assert!(
        ask(&world.folder.path().join("nobody.sock"), &asked(Command::Retry { op: op.clone() }))
            .await
            .unwrap()
            .is_none()
    );
    let engine = Arc::clone(&world.parts.engine);
    let router = api::router(Api { engine: Arc::clone(&engine), status: Arc::clone(&world.parts.status) });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let parts = world.parts.clone();
    let mut running = JoinSet::new();
    running.spawn(daemon::run(parts, router, listener, async move { drop(stopped.await) }));
    let answer = loop {
        match ask(&socket, &asked(Command::Discard { op: op.clone() })).await {
            Ok(Some(reply)) => break reply,
            Ok(None) | Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    assert!(matches!(&answer, Reply::Done(done) if done.data["state"] == "cancelled"), "{answer:?}");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let refused = ask(&socket, &asked(Command::Discard { op })).await.unwrap().unwrap();
    assert!(matches!(&refused, Reply::Refused(why) if why.contains("cancelled already")), "{refused:?}");
    stop.send(()).unwrap();
    running.join_next().await.unwrap().unwrap().unwrap();
    assert!(!socket.exists(), "the socket goes with the daemon");
}
