//! Forgetting a person: nothing of them is left in any file, nobody comes back, and the chain still holds.

use std::path::Path;

use baton::engine::command::{Answer, Asked, Command, CommandError};
use baton::engine::replay;
use baton::sandbox::hubspot::{Author, Kind};
use jiff::Timestamp;
use sqlx::AssertSqlSafe;

use super::audit::shell;
use super::harness::World;

/// Of a person whom nobody else is like, in pieces as they could come out.
const MARKS: [&str; 6] = ["Qwendolyn", "Canarsky", "qwendolyn@", "98765432", "Vicequeen", "canary-person"];

/// The person, handed over to sales, called, and with a notice on its way.
async fn with_person(world: &World) -> String {
    let values = [
        ("email", "qwendolyn@canary-person.example"),
        ("firstname", "Qwendolyn"),
        ("lastname", "Canarsky"),
        ("phone", "+49 30 98765432"),
        ("jobtitle", "Vicequeen"),
        ("lifecyclestage", "lead"),
    ];
    let id = world.hubspot.create_contact(Author::Form, &values);
    let firm = [("name", "Acme"), ("domain", "acme.example"), ("numberofemployees", "300"), ("country", "Germany")];
    let company = world.hubspot.create(Kind::Company, Author::Form, &firm);
    assert!(world.hubspot.associate((Kind::Contact, &id), (Kind::Company, &company), true));
    let deal = world.hubspot.create(
        Kind::Deal,
        Author::Form,
        &[("dealname", "Qwendolyn Canarsky wants it all"), ("hs_is_closed", "true"), ("hs_is_closed_won", "false")],
    );
    assert!(world.hubspot.associate((Kind::Contact, &id), (Kind::Deal, &deal), true));
    world.beat().await;
    world.pass(2).await;
    world.qualify(&id);
    world.pass(30).await;
    let lead = world.odoo.leads().into_iter().max().unwrap();
    let owner = world.odoo.owner(lead).expect("it was handed over");
    world.odoo.as_user(owner).log_call(lead, "talked to Qwendolyn").unwrap();
    world.pass(10).await;
    id
}

async fn forget(world: &World, who: &str, is_sure: bool) -> Result<Answer, CommandError> {
    let command = Command::Forget { who: who.to_owned(), is_sure };
    world.parts.engine.execute(&Asked { by: "eve".to_owned(), command }).await
}

/// Where marks stand in the files of a folder.
fn traces(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default().to_ascii_lowercase();
        for mark in MARKS {
            let mark = mark.to_ascii_lowercase();
            if bytes.windows(mark.len()).any(|window| window == mark.as_bytes()) {
                found.push(format!("{mark} in {}", path.display()));
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_byte_of_a_forgotten_person_is_left_in_any_file_fault_134() {
    let world = World::new().await;
    world.handed_over("Jane").await;
    with_person(&world).await;
    let store = world.parts.engine.store();
    assert!(
        traces(world.folder.path()).len() >= MARKS.len() - 1,
        "the search finds: {:?}",
        traces(world.folder.path())
    );
    let before = replay(store, None, Timestamp::MIN).await.unwrap();
    let shown = forget(&world, "qwendolyn@canary-person.example", false).await.unwrap();
    assert!(shown.lines[0].contains("2 records"), "{:?}", shown.lines);
    assert!(store.find_lead("qwendolyn@canary-person.example").await.unwrap().is_some(), "only shown");

    let done = forget(&world, "qwendolyn@canary-person.example", true).await.unwrap();
    assert!(done.lines.iter().any(|line| line.contains("GDPR delete")), "{:?}", done.lines);
    assert_eq!(traces(world.folder.path()), Vec::<String>::new());
    assert_eq!(store.find_lead("qwendolyn@canary-person.example").await.unwrap(), None);
    let open = store.open_handoffs(10).await.unwrap();
    assert!(open.iter().all(|row| row.name.as_deref() == Some("Jane Roe")), "no clock runs on: {open:?}");
    let refused = forget(&world, "qwendolyn@canary-person.example", true).await.unwrap_err();
    assert!(refused.to_string().contains("nobody is known by that"), "{refused}");
    // The history stands, sealed where it spoke of the person.
    let found = store.verify(None).await.unwrap();
    assert_eq!(found.problems, Vec::<String>::new());
    assert!(found.emptied > 0, "{found:?}");
    let after = replay(store, None, Timestamp::MIN).await.unwrap();
    assert_eq!((after.different, after.unreadable), (0, 0), "{after:?}");
    assert!(after.sealed > 0 && after.same < before.same, "{after:?} after {before:?}");
    let chain: Vec<String> =
        sqlx::query_scalar("SELECT content FROM audit").fetch_all(&shell(&world).await).await.unwrap();
    assert!(chain.iter().any(|content| content.contains("forgotten 2 records 2")), "{chain:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_a_crm_still_shows_stays_forgotten_unless_the_settings_say_otherwise() {
    let mut world = World::new().await;
    let contact = with_person(&world).await;
    forget(&world, "qwendolyn@canary-person.example", true).await.unwrap();
    // The CRMs go on showing the person.
    for title in ["Vicequeen of Sales", "Vicequeen of All"] {
        assert!(world.hubspot.update(Kind::Contact, &contact, Author::Form, &[("jobtitle", title)]));
        world.pass(20).await;
        let store = world.parts.engine.store();
        assert_eq!(store.find_lead("qwendolyn@canary-person.example").await.unwrap(), None);
        assert_eq!(traces(world.folder.path()), Vec::<String>::new());
        let (marks, seen) = store.marks_counted().await.unwrap();
        assert!(marks >= 3 && seen >= 1, "two records and an address: {marks}, {seen}");
        world.restart(super::harness::AGREEMENT).await;
    }
    // Their number is never given to somebody else: operation ids are made of it.
    let numbers = async |world: &World| {
        let pool = shell(world).await;
        let all: Vec<i64> = sqlx::query_scalar("SELECT id FROM lead ORDER BY id").fetch_all(&pool).await.unwrap();
        all
    };
    assert_eq!(numbers(&world).await, [1]);
    world.contact("John");
    world.pass(4).await;
    assert_eq!(numbers(&world).await, [1, 2]);
    let mut assembly = world.assembly_with(super::harness::AGREEMENT, super::harness::ROSTER);
    assembly.retention.forgotten_return = true;
    world.restart_as(assembly, async |_| {}).await;
    assert!(world.hubspot.update(Kind::Contact, &contact, Author::Form, &[("jobtitle", "Vicequeen once more")]));
    world.pass(20).await;
    assert!(world.parts.engine.store().find_lead("qwendolyn@canary-person.example").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_privacy_deletion_in_hubspot_is_found_by_itself_and_finished_here_and_sales_record_is_named() {
    let world = World::new().await;
    let contact = with_person(&world).await;
    let lead = world.parts.engine.store().find_lead(&format!("hubspot:{contact}")).await.unwrap().unwrap();
    assert!(world.hubspot.gdpr_delete(&contact));
    // No feed tells of it: HubSpot keeps such a contact not even in its archive.
    super::patrol::hours(&world, 30).await;
    let store = world.parts.engine.store();
    let records = store.people_of(&[lead]).await.unwrap();
    let erased = records.iter().find(|record| record.of.id.as_str() == contact).expect("its place is kept");
    assert!(!erased.is_live() && erased.values.is_empty() && erased.keys.is_empty(), "{erased:?}");
    assert!(erased.signals.is_empty(), "{erased:?}");
    let odoo = records.iter().find(|record| record.is_live()).expect("sales' record stands in Odoo");
    // What Odoo still shows is for a person to decide: it is named, and here it goes at a word.
    let done = forget(&world, &lead.to_string(), true).await.unwrap();
    assert!(done.lines.iter().any(|line| line.contains(&odoo.of.spoken())), "{:?}", done.lines);
    assert_eq!(traces(world.folder.path()), Vec::<String>::new());
    super::patrol::hours(&world, 30).await;
    assert_eq!(traces(world.folder.path()), Vec::<String>::new(), "the patrol does not bring them back");
}

/// A new table must say what becomes of it when a person is forgotten.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_table_is_erased_or_holds_nobody() {
    let world = World::new().await;
    let pool = shell(&world).await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let known: [(&str, &str); 32] = [
        ("alike", "deleted with its lead"),
        ("apart", "deleted with its record"),
        ("audit", "ids and digests"),
        ("colleague", "employers, not people"),
        ("company", "employers, not people"),
        ("credential", "of connections"),
        ("crm_user", "staff, whose account it is"),
        ("deal", "title emptied, person left out"),
        ("deal_person", "deleted"),
        ("event", "ids, names of fields and of staff"),
        ("finding", "deleted with its lead"),
        ("forgotten", "keyed marks"),
        ("handoff", "ids and names of staff; ended"),
        ("hint", "deleted with its record"),
        ("hook_event", "ids of calls"),
        ("journal", "sealed, its key destroyed"),
        ("lead", "name and address emptied"),
        ("meta", "facts about the file"),
        ("outbox", "bodies and messages emptied"),
        ("patrol", "counts"),
        ("person", "deleted"),
        ("person_key", "deleted"),
        ("person_secret", "deleted"),
        ("policy", "agreement, roster, users, settings"),
        ("proposal", "operation ids and digests"),
        ("repair", "counts"),
        ("review", "deleted with its lead"),
        ("stream", "cursors"),
        ("team", "staff"),
        ("touch", "deleted"),
        ("undecided", "deleted with its lead"),
        ("vanished", "counts"),
    ];
    let known: Vec<&str> = known.iter().map(|(table, _)| *table).collect();
    assert_eq!(tables, known, "say here, and in `store/forget.rs`, what becomes of a new table");
}

/// Everything but what the chain gained.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn showing_what_would_be_forgotten_changes_nothing() {
    let world = World::new().await;
    with_person(&world).await;
    let pool = shell(&world).await;
    let mut dumps = Vec::new();
    for _ in 0..2 {
        let mut dump = Vec::new();
        for (table, column) in [("person", "body"), ("lead", "email"), ("outbox", "body"), ("touch", "body")] {
            let text = format!("SELECT COALESCE({column}, '') FROM {table} ORDER BY 1");
            let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(text)).fetch_all(&pool).await.unwrap();
            dump.push(rows);
        }
        dumps.push(dump);
        forget(&world, "L-1", false).await.unwrap();
    }
    assert_eq!(dumps[0], dumps[1]);
}
