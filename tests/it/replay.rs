//! Decisions made again from what was kept of them come out the same, to the byte; and what was tampered with does not.

use baton::clock::Clock;
use baton::daemon::Parts;
use baton::daemon::assemble::assemble;
use baton::domain::plan::Mode;
use baton::engine::{Replayed, replay};
use baton::sandbox::hubspot::HubSpot;
use baton::sandbox::life::{Company, Desks};
use baton::sandbox::odoo::Odoo;
use baton::sandbox::pipedrive::Pipedrive;
use baton::sandbox::salesforce::Salesforce;
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;

use super::audit::{lived, shell};
use super::harness::{AGREEMENT, ROSTER, World, assembly, rules, serve};

async fn again(world: &World) -> Replayed {
    replay(world.parts.engine.store(), None, Timestamp::MIN).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kept_decision_comes_out_the_same_under_the_agreement_it_was_made_by() {
    let world = lived().await;
    let replayed = again(&world).await;
    assert_eq!(replayed, Replayed { same: replayed.same, ..Replayed::default() });
    assert!(replayed.same > 5, "{replayed:?}");
    let pool = shell(&world).await;
    let agreements: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM policy WHERE kind = 'agreement'").fetch_one(&pool).await.unwrap();
    assert_eq!(agreements, 2, "both agreements that decisions were made by are kept");
    let one = world.parts.engine.store().find_lead("jane@acme.example").await.unwrap();
    let of_one = replay(world.parts.engine.store(), one, Timestamp::MIN).await.unwrap();
    assert!(of_one.same > 0 && of_one.same < replayed.same, "{of_one:?}");
    let since = world.clock.now() - SignedDuration::from_mins(60);
    let late = replay(world.parts.engine.store(), None, since).await.unwrap();
    assert!(late.same < replayed.same, "{late:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_or_a_rule_that_was_changed_afterwards_is_told() {
    let world = lived().await;
    let pool = shell(&world).await;
    let run = async |text: &'static str| {
        sqlx::query(text).execute(&pool).await.unwrap();
    };
    run("UPDATE journal SET result = 'another' WHERE seq = 3").await;
    let replayed = again(&world).await;
    assert_eq!((replayed.different, replayed.unreadable), (1, 0));
    assert_eq!(replayed.told[0].seq, 3, "{:?}", replayed.told);
    // The signed time is made longer in what is kept, as if it had always been so.
    run("UPDATE policy SET body = replace(body, '1 business hour', '9 business hours') WHERE kind = 'agreement'").await;
    assert!(again(&world).await.different > 1, "the clocks that were set do not fit the text any more");
    run("DELETE FROM policy WHERE kind = 'roster'").await;
    let replayed = again(&world).await;
    assert_eq!((replayed.same, replayed.different), (0, 0));
    assert!(replayed.told[0].why.contains("roster it was made by is not kept"), "{:?}", replayed.told[0]);
}

/// The company of the demo, for a day of its life: everybody at work, every kind of ending.
async fn company_lives(seed: u64, hours: i64) -> (Parts, tempfile::TempDir, JoinSet<()>) {
    let clock = Clock::manual(Company::first_morning());
    let portal = baton::sandbox::hubspot::Settings {
        index_lag: SignedDuration::ZERO,
        burst_per_10s: 100_000,
        searches_per_s: 10_000,
        ..baton::sandbox::hubspot::Settings::default()
    };
    let hubspot = HubSpot::new(clock.clone(), portal);
    let odoo = Odoo::new(clock.clone(), baton::sandbox::odoo::Settings::default());
    let salesforce = Salesforce::new(clock.clone(), baton::sandbox::salesforce::Settings::default());
    let pipedrive = Pipedrive::new(clock.clone(), baton::sandbox::pipedrive::Settings::default());
    let desks = Desks::new(odoo.clone(), salesforce, pipedrive);
    let company = Company::new(clock.clone(), seed, hubspot.clone(), desks);
    company.seed_population(40);
    let mut servers = JoinSet::new();
    let hubspot_at = serve(&mut servers, hubspot.router()).await;
    let odoo_at = serve(&mut servers, odoo.router()).await;
    let folder = tempfile::tempdir().unwrap();
    let effective = format!("effective = {}", clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"));
    let agreement = AGREEMENT.replace("effective = 2026-11-24", &effective);
    let assembly = assembly(
        &clock,
        &hubspot,
        &odoo,
        // Nobody listens there: notices are decided, and stay in the outbox.
        &[&hubspot_at, &odoo_at, "http://127.0.0.1:9"],
        folder.path().join("baton.db"),
        rules(&agreement, ROSTER, Mode::On),
    );
    let parts = assemble(assembly).await.unwrap();
    for _ in 0..hours * 6 {
        clock.advance(SignedDuration::from_mins(10));
        company.step();
        for (connection, _) in &parts.polls {
            parts.engine.poll(connection).await.unwrap();
        }
        parts.engine.sweep().await.unwrap();
        for (connection, _) in &parts.polls {
            parts.engine.deliver(connection).await.unwrap();
        }
    }
    (parts, folder, servers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demos_company_is_decided_again_to_the_same_bytes() {
    let (parts, _folder, _servers) = company_lives(7, 10).await;
    let replayed = replay(parts.engine.store(), None, Timestamp::MIN).await.unwrap();
    assert_eq!(replayed, Replayed { same: replayed.same, ..Replayed::default() });
    assert!(replayed.same > 10, "a day of the company has decisions: {replayed:?}");
    let found = parts.engine.store().verify(None).await.unwrap();
    assert_eq!(found.problems, Vec::<String>::new());
}
