//! Owners written back, all at once: how many requests that takes beside the least that the API allows.

use std::path::Path;
use std::time::Instant;

use baton::domain::id::{ConnectionId, LeadId, OperationId, RemoteId};
use baton::domain::plan::{Effect, Lane, Mode, Plan, Write};
use baton::store::Batch;

use super::crm::{REPS, baton};
use super::load::until_live;
use super::process::{Process, cpu, peak_mib};

/// The most rows of one writing request. Sources: HubSpot's sheet section 4 (batch of 100), Salesforce's section 7 (collections of 200);
/// Pipedrive has no request for several leads.
fn rows_of_a_request(kind: &str) -> usize {
    match kind {
        "hubspot" => 100,
        "salesforce" => 200,
        _ => 1,
    }
}

/// Each kind with a sandbox and a Baton of its own.
pub(crate) fn measure(people: usize, kinds: &[&str]) {
    println!("{people} owners written back");
    for kind in kinds {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("baton.db");
        let mut crm = Process::start(&["crm", kind, &format!("{people}+leads")]);
        let at = crm.hear();
        let mut writer = Process::start(&["write", kind, &at, store.to_str().unwrap()]);
        assert_eq!(writer.hear(), "ready");
        crm.ask("requests");
        let told = writer.ask("go");
        println!("  {kind}: {told}; least writing requests {}", people.div_ceil(rows_of_a_request(kind)));
        println!("    requests: {}", crm.ask("requests"));
        writer.end();
        crm.end();
    }
}

/// Reads everybody, then puts an owner for each into the outbox and delivers until nothing is left.
pub(crate) async fn write(kind: &str, at: &str, store: &Path) {
    let parts = baton(kind, at, store, Mode::On).await;
    let connection = ConnectionId::from(kind);
    let engine = &parts.engine;
    until_live(engine, &connection).await;
    let users = engine.store().users().await.unwrap();
    let account = |login: &str| -> RemoteId {
        let email = format!("{login}@example.com");
        let user = users.iter().find(|(_, user)| user.email.as_ref().is_some_and(|one| one.as_str() == email));
        user.unwrap_or_else(|| panic!("{login} is not among the users: {users:?}")).0.id.clone()
    };
    let owner = account(REPS[1]);
    println!("ready");
    super::process::listen();
    let mut queued = 0;
    let mut after = LeadId(0);
    loop {
        let leads = engine.store().leads_after(after, 1_000).await.unwrap();
        let Some(last) = leads.last() else { break };
        after = *last;
        let cases = engine.store().cases(&leads, jiff::Timestamp::MAX).await.unwrap();
        let mut batch = Batch { now: Some(engine.clock().now()), ..Batch::default() };
        for case in cases {
            let record = case.records[0].of.clone();
            let expected = case.records[0].owners.last().and_then(|entry| entry.owner.clone());
            let write = Write {
                op: OperationId::of(&["owners", record.id.as_str()]),
                lead: case.lead.id,
                handoff: None,
                connection: connection.clone(),
                record: Some(record),
                lane: Lane::Assign,
                effect: Effect::SetOwner { owner: owner.clone(), expected },
                because: "the benchmark".to_owned(),
            };
            queued += 1;
            batch.plans.push(Plan {
                lead: case.lead,
                handoff: None,
                events: Vec::new(),
                writes: vec![write],
                notices: Vec::new(),
                hold: None,
                cancels: None,
                findings: Vec::new(),
                wants_owner: None,
            });
        }
        engine.store().commit(&batch).await.unwrap();
    }
    let (before, start) = (cpu(), Instant::now());
    let (mut claimed, mut done) = (0, 0);
    loop {
        let delivered = engine.deliver(&connection).await.unwrap();
        claimed += delivered.claimed;
        done += delivered.done;
        if delivered.claimed == 0 {
            break;
        }
    }
    println!(
        "{queued} queued, {claimed} claimed, {done} done, {:.2} CPU s, {:.1} s, peak {} MiB",
        cpu() - before,
        start.elapsed().as_secs_f64(),
        peak_mib()
    );
}
