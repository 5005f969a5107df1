//! What people are recognised by changes: nobody is found by an address they have given up.

use baton::domain::record::{Key, KeyKind};
use baton::sandbox::hubspot::{Author, Kind as Object};

use super::harness::World;

fn address(text: &str) -> Key {
    Key { kind: KeyKind::Email, value: text.into() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_an_address_next_is_somebody_else() {
    let world = World::new().await;
    let jane = world.contact("Jane");
    world.beat().await;
    let store = world.parts.engine.store();
    let (old, new) = (address("jane@acme.example"), address("jane.roe@acme.example"));
    let known = store.leads_by_keys(std::slice::from_ref(&old)).await.unwrap();
    assert_eq!(known.len(), 1);
    // Something else of her first: what she is known by stays.
    assert!(world.hubspot.update(Object::Contact, &jane, Author::User(1), &[("jobtitle", "Head of all")]));
    world.pass(2).await;
    assert_eq!(store.leads_by_keys(std::slice::from_ref(&old)).await.unwrap(), known);

    assert!(world.hubspot.update(Object::Contact, &jane, Author::User(1), &[("email", "jane.roe@acme.example")]));
    world.pass(2).await;
    let found = store.leads_by_keys(&[old.clone(), new.clone()]).await.unwrap();
    assert_eq!(found, [(new, known[0].1)]);

    world.contact("Jane");
    world.pass(2).await;
    let found = store.leads_by_keys(std::slice::from_ref(&old)).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_ne!(found[0].1, known[0].1, "the new owner of the address is another lead");
}
