//! Committees: the people of one company over all CRMs, each once, with roles and engagement; and what follows when a role is
//! not known.

use baton::domain::id::{ConnectionId, Object as Kind, RecordRef};
use baton::domain::plan::Mode;
use baton::engine::command::{Asked, Command};
use baton::sandbox::hubspot::{Author, Kind as Object};
use serde_json::{Value, json};

use super::board::{Board, MARK, payloads, problems};
use super::explain::has_the_documented_keys;
use super::harness::{AGREEMENT, World};
use super::main_job_salesforce::World as Sales;

const ROLES: &str = "
[committee]
roles = [
  { name = \"economic buyer\", when = \"lead.title.has_word(['cfo', 'finance'])\" },
  { name = \"technical buyer\", when = \"lead.title.has_word(['it', 'cto'])\" },
  { name = \"champion\", when = \"signals.demo_request >= 1\" },
]
";

/// The agreement with these roles, and with what stages ask for.
fn agreement(required: &str) -> String {
    format!("{AGREEMENT}{ROLES}{required}")
}

/// What the API tells.
async fn get(board: &Board, path: &[&str]) -> Value {
    serde_json::from_str(&board.page(path).await).unwrap()
}

async fn companies(board: &Board) -> Vec<Value> {
    get(board, &["api", "v1", "companies"]).await.as_array().unwrap().clone()
}

/// The company with this name, with its people.
async fn company(board: &Board, name: &str) -> Value {
    let listed = companies(board).await;
    let found = listed.iter().find(|row| row["name"] == name);
    assert!(found.is_some(), "{name} is not in {listed:#?}");
    let found = found.unwrap();
    get(board, &["api", "v1", "companies", found["company"].as_str().unwrap()]).await
}

fn people(company: &Value) -> Vec<&str> {
    let mut names: Vec<&str> =
        company["members"].as_array().unwrap().iter().map(|member| member["who"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

fn member<'a>(company: &'a Value, who: &str) -> &'a Value {
    company["members"].as_array().unwrap().iter().find(|member| member["who"] == who).unwrap()
}

fn roles(value: &Value) -> Vec<&str> {
    value["roles"].as_array().unwrap().iter().map(|role| role["role"].as_str().unwrap()).collect()
}

/// An account of Salesforce, and somebody who works there.
fn account(world: &Sales, name: &str, website: &str) -> String {
    world.org.as_admin().create("Account", json!({"Name": name, "Website": website})).unwrap()
}

fn works_at(world: &Sales, account: &str, first: &str, title: &str) -> String {
    let email = format!("{}@acme.example", first.to_lowercase());
    let values = json!({"FirstName": first, "LastName": "Roe", "Email": email, "Title": title, "AccountId": account});
    world.org.as_admin().create("Contact", values).unwrap()
}

fn asks_for_a_demo(hubspot: &baton::sandbox::hubspot::HubSpot, contact: &str, now: jiff::Timestamp) {
    let now = now.as_millisecond().to_string();
    let values = [("recent_conversion_event_name", "Request a demo"), ("recent_conversion_date", now.as_str())];
    assert!(hubspot.update(Object::Contact, contact, Author::Form, &values));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_people_of_one_company_are_one_committee_whatever_crm_knows_them() {
    let world = Sales::with(&agreement("")).await;
    let jane = world.contact("Jane");
    let acme = account(&world, "Acme Germany", "https://www.acme.example/de");
    works_at(&world, &acme, "Jane", "Head of IT");
    works_at(&world, &acme, "Carl", "CFO");
    let other = account(&world, "Other AG", "https://other.example");
    world
        .org
        .as_admin()
        .create("Contact", json!({"LastName": "Fremd", "Email": "f@other.example", "AccountId": other}))
        .unwrap();
    world.beat().await;
    world.pass(3).await;
    let board = Board::serving(&world.parts).await;
    let story = world.story().await;

    let found = company(&board, "Acme GmbH").await;
    has_the_documented_keys(&found, "`/api/v1/companies/ID`");
    assert_eq!(people(&found), ["Carl Roe", "Jane Roe"], "she is known twice and counts once: {story}");
    assert_eq!((&found["people"], &found["engaged"]), (&json!(2), &json!(0)), "{found:#}");
    assert_eq!(member(&found, "Jane Roe")["known_in"], json!(["hubspot", "salesforce"]));
    assert_eq!(roles(member(&found, "Carl Roe")), ["economic buyer"]);
    assert!(member(&found, "Carl Roe")["roles"][0]["when"].as_str().unwrap().contains("'cfo'"), "the rule says why");
    assert_eq!(found["unknown_roles"], json!(["champion"]));
    assert_eq!(company(&board, "Other AG").await["is_single_threaded"], true);

    asks_for_a_demo(&world.hubspot, &jane, world.clock.now());
    world.pass(3).await;
    let found = company(&board, "Acme GmbH").await;
    let she = member(&found, "Jane Roe");
    assert_eq!((&found["engaged"], &she["engaged_by"]), (&json!(1), &json!("demo_request")), "{found:#}");
    assert_eq!(roles(she), ["technical buyer", "champion"]);
    assert_eq!(found["members"][0]["who"], "Jane Roe", "whoever is engaged comes first");
    assert_eq!(she["handoff"].as_str().map(|handoff| handoff.ends_with("/1")), Some(true), "{found:#}");

    // Nobody hears of her for a quarter.
    world.clock.advance(jiff::SignedDuration::from_hours(24 * 91));
    world.beat().await;
    assert_eq!(companies(&board).await.iter().map(|row| row["engaged"].as_u64().unwrap()).sum::<u64>(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_is_missing_is_told_until_a_colleague_has_it() {
    let world = Sales::with(&agreement("roles_required = { mql = [\"economic buyer\"] }")).await;
    let jane = world.contact("Jane");
    world.beat().await;
    world.pass(2).await;
    world.qualify(&jane);
    world.pass(3).await;
    let findings = async || {
        let found = world.parts.engine.store().findings(50).await.unwrap();
        let ours = found.into_iter().filter(|finding| finding.kind == "missing_roles");
        ours.map(|finding| finding.text).collect::<Vec<_>>()
    };
    let told = findings().await;
    assert_eq!(told.len(), 1, "{}", world.story().await);
    assert!(told[0].contains("only this one contact: find economic buyer"), "{told:?}");
    let board = Board::serving(&world.parts).await;
    let found = company(&board, "Acme GmbH").await;
    assert_eq!(found["missing"]["text"], "mql needs 1 role, 0 known: find economic buyer");
    let all =
        serde_json::to_string(&world.org.ids("Task").iter().map(|id| world.org.get("Task", id)).collect::<Vec<_>>())
            .unwrap();
    assert!(all.contains("this is the only contact there"), "{all}");

    let acme = account(&world, "Acme Germany", "acme.example");
    works_at(&world, &acme, "Carl", "CFO");
    world.pass(6).await;
    assert!(findings().await.is_empty(), "nothing of hers changed: {}", world.story().await);
    assert_eq!(company(&board, "Acme GmbH").await["missing"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_changes_their_employer_leaves_one_committee_for_another() {
    let world = Sales::with(&agreement("")).await;
    let jane = world.contact("Jane");
    let acme = account(&world, "Acme Germany", "acme.example");
    works_at(&world, &acme, "Jane", "Head of IT");
    let carl = works_at(&world, &acme, "Carl", "CFO");
    let other = account(&world, "Other AG", "other.example");
    world.beat().await;
    world.pass(3).await;
    let board = Board::serving(&world.parts).await;
    assert_eq!(people(&company(&board, "Acme GmbH").await), ["Carl Roe", "Jane Roe"]);

    world.org.as_admin().update("Contact", &carl, json!({"AccountId": other})).unwrap();
    world.pass(3).await;
    assert_eq!(people(&company(&board, "Acme GmbH").await), ["Jane Roe"]);
    assert_eq!(people(&company(&board, "Other AG").await), ["Carl Roe"], "{}", world.story().await);

    // One CRM hears of it before the other: the one that changed knows better.
    let values = [("name", "Other"), ("domain", "other.example")];
    let firm = world.hubspot.create(Object::Company, Author::Form, &values);
    let before = world.hubspot.associated(Object::Contact, &jane, Object::Company);
    assert!(world.hubspot.associate((Object::Contact, &jane), (Object::Company, &firm), true));
    for old in before {
        world.hubspot.dissociate((Object::Contact, &jane), (Object::Company, &old));
    }
    assert!(world.hubspot.update(Object::Contact, &jane, Author::Form, &[("jobtitle", "CTO")]));
    world.pass(4).await;
    let names: Vec<String> = companies(&board).await.iter().map(|row| row["name"].to_string()).collect();
    assert_eq!(names.len(), 1, "nobody is known at the other any more: {names:?} {}", world.story().await);
    let listed = companies(&board).await;
    let found = get(&board, &["api", "v1", "companies", listed[0]["company"].as_str().unwrap()]).await;
    assert_eq!(people(&found), ["Carl Roe", "Jane Roe"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_is_merged_counts_once_and_one_who_is_forgotten_or_erased_not_at_all() {
    let world = World::with(&agreement("roles_required = { sql = 2 }"), Mode::On).await;
    let firm =
        world.hubspot.create(Object::Company, Author::Form, &[("name", "Acme GmbH"), ("domain", "acme.example")]);
    let contact = |first: &str, email: &str| {
        let values = [
            ("email", email),
            ("firstname", first),
            ("lastname", "Roe"),
            ("jobtitle", "CFO"),
            ("lifecyclestage", "lead"),
        ];
        let id = world.hubspot.create_contact(Author::Form, &values);
        assert!(world.hubspot.associate((Object::Contact, &id), (Object::Company, &firm), true));
        id
    };
    let (jane, twin) = (contact("Jane", "jane@acme.example"), contact("Jane", "j.roe@acme.example"));
    let (eve, max) = (contact("Eve", "eve@acme.example"), contact("Max", "max@acme.example"));
    world.beat().await;
    world.pass(2).await;
    let board = Board::of(&world).await;
    let count = async || {
        let rows = companies(&board).await;
        rows.first().map_or(0, |row| row["people"].as_u64().unwrap())
    };
    assert_eq!(count().await, 4);
    assert!(world.hubspot.merge(Object::Contact, &jane, &twin, Author::Form).is_some());
    world.pass(3).await;
    assert_eq!(count().await, 3, "{}", world.story().await);

    let command = Command::Forget { who: "eve@acme.example".to_owned(), is_sure: true };
    world.parts.engine.execute(&Asked { by: "ops".to_owned(), command }).await.unwrap();
    assert!(world.hubspot.update(Object::Contact, &eve, Author::Form, &[("jobtitle", "CEO")]));
    world.pass(3).await;
    assert_eq!(people(&company(&board, "Acme GmbH").await), ["Jane Roe", "Max Roe"]);

    // No feed tells of it; whoever looks at the person finds out.
    assert!(world.hubspot.gdpr_delete(&max));
    let hubspot = ConnectionId::from("hubspot");
    let of = RecordRef::new(&hubspot, Kind::Person, max.as_str());
    world.parts.engine.read_around(&hubspot, &[of]).await.unwrap();
    world.pass(3).await;
    let found = company(&board, "Acme GmbH").await;
    assert_eq!(people(&found), ["Jane Roe"], "{}", world.story().await);
    assert_eq!((&found["people"], &found["is_single_threaded"]), (&json!(1), &json!(true)));
    let pages =
        [board.page(&["companies"]).await, board.page(&["companies", found["company"].as_str().unwrap()]).await];
    assert!(pages.iter().all(|page| !page.contains("Eve") && !page.contains("Max")), "{pages:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_may_ask_how_many_are_known_and_how_many_roles() {
    let alone = "score.intent >= 30\"";
    let bar = "score.intent >= 30 && company.people >= 2 && company.roles >= 2 && company.engaged >= 1\"";
    let text = agreement("").replace(alone, bar);
    assert!(text.contains(bar));
    let world = World::with(&text, Mode::On).await;
    let jane = world.contact("Jane");
    world.beat().await;
    world.pass(2).await;
    asks_for_a_demo(&world.hubspot, &jane, world.clock.now());
    world.pass(4).await;
    assert_eq!(world.odoo.leads(), Vec::<i64>::new(), "she is alone: {}", world.story().await);
    // A colleague of another record of the firm: one company by its domain.
    let max = world.contact("Max");
    assert!(world.hubspot.update(Object::Contact, &max, Author::Form, &[("jobtitle", "CFO")]));
    world.pass(6).await;
    assert_eq!(world.odoo.leads().len(), 1, "nothing of hers changed: {}", world.story().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_board_shows_companies_and_their_people_and_no_hostile_value_becomes_markup() {
    let script = "\"><script>document.title='xplanted'</script>";
    let role = format!("  {{ name = {}, when = \"has(lead.title)\" }},\n]", serde_json::to_string(script).unwrap());
    let plain = agreement("roles_required = { mql = 4 }");
    let (before, committee) = plain.split_at(plain.find("[committee]").unwrap());
    let text = format!("{before}{}", committee.replacen("\n]\n", &format!("\n{role}\n"), 1));
    assert!(text.contains("xplanted"));
    let world = World::with(&text, Mode::On).await;
    for (number, payload) in payloads().iter().enumerate().step_by(3) {
        let email = format!("p{number}@firm{}.example", number % 2);
        let values = [
            ("email", email.as_str()),
            ("firstname", payload),
            ("lastname", payload),
            ("jobtitle", payload),
            ("lifecyclestage", "lead"),
        ];
        let id = world.hubspot.create_contact(Author::Form, &values);
        let domain = format!("firm{}.example", number % 2);
        let firm = [("name", payload.as_str()), ("domain", domain.as_str()), ("numberofemployees", "300")];
        let firm = world.hubspot.create(Object::Company, Author::Form, &firm);
        assert!(world.hubspot.associate((Object::Contact, &id), (Object::Company, &firm), true));
        if number % 9 == 0 {
            asks_for_a_demo(&world.hubspot, &id, world.clock.now());
        }
    }
    world.beat().await;
    world.pass(3).await;
    let board = Board::of(&world).await;
    let listed = companies(&board).await;
    assert_eq!(listed.len(), 2, "{listed:#?}");
    let mut pages = vec![("companies".to_owned(), board.page(&["companies"]).await)];
    for row in &listed {
        let id = row["company"].as_str().unwrap();
        pages.push((id.to_owned(), board.page(&["companies", id]).await));
    }
    pages.push(("lead".to_owned(), board.page(&["leads", "L-1"]).await));
    for (path, page) in &pages {
        assert!(problems(page).is_empty(), "{path}: {:?}", problems(page));
        assert!(page.contains(MARK), "{path} shows what was planted");
    }
    assert!(pages[0].1.contains("Furthest") && pages[1].1.contains("Known in"), "the tables are there");
}
