//! Who may be one person, on the board: both side by side, and a person's word by form.

use baton::engine::command::{Asked, Command};
use baton::http::{Client, Method, Request};
use baton::sandbox::hubspot::{Author, Kind as Object};
use tokio::task::JoinSet;

use super::harness::{World, serve};

struct Board {
    world: World,
    at: url::Url,
    client: Client,
    _servers: JoinSet<()>,
}

impl Board {
    /// A board that shows two pairs of people: the Roes, who have a firm and a number in common, and the Does.
    async fn with_pairs() -> Self {
        let world = World::new().await;
        let by = Author::Form;
        let firm = [("name", "Acme GmbH"), ("domain", "acme.example"), ("numberofemployees", "300")];
        let company = world.hubspot.create(Object::Company, by, &firm);
        for (first, last, email, title) in [
            ("Jane", "Roe", "jane.roe@acme.example", "Head of IT"),
            ("Jane", "Rohe", "janeroe@acme.example", "CIO"),
            ("Max", "Doe", "max.doe@acme.example", "Buyer"),
            ("Max", "Doe", "m.x.doe@acme.example", "Buyer"),
        ] {
            let values = [("email", email), ("firstname", first), ("lastname", last), ("jobtitle", title)];
            let id = world.hubspot.create_contact(by, &[&values[..], &[("lifecyclestage", "lead")]].concat());
            assert!(world.hubspot.associate((Object::Contact, &id), (Object::Company, &company), true));
        }
        world.beat().await;
        world.pass(2).await;
        world.parts.engine.compare().await.unwrap();
        let mut servers = JoinSet::new();
        let api = baton::api::Api { engine: world.parts.engine.clone(), status: world.parts.status.clone() };
        let at = serve(&mut servers, baton::api::router(api)).await.parse().unwrap();
        Self { world, at, client: Client::new().unwrap(), _servers: servers }
    }

    async fn get(&self, path: &[&str]) -> String {
        let answer = self.client.send(Request::to(Method::Get, &self.at, path)).await.unwrap();
        assert_eq!(answer.status, 200, "{path:?}");
        String::from_utf8(answer.body).unwrap()
    }

    async fn post(&self, path: &[&str], site: Option<&str>) -> (u16, String) {
        let mut request = Request::to(Method::Post, &self.at, path);
        request.headers.extend(site.map(|site| ("sec-fetch-site", site.to_owned())));
        let answer = self.client.send(request).await.unwrap();
        (answer.status, String::from_utf8(answer.body).unwrap())
    }

    async fn lead(&self, email: &str) -> Option<String> {
        self.world.parts.engine.store().find_lead(email).await.unwrap().map(|lead| lead.to_string())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_records_stand_side_by_side_and_the_forms_take_a_persons_word() {
    let board = Board::with_pairs().await;
    assert!(board.get(&[]).await.contains("2 pairs of leads may be one person"));
    let page = board.get(&["review"]).await;
    for part in ["jane.roe@acme.example", "janeroe@acme.example", "Head of IT", "CIO", "Acme GmbH", "similar names"] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    assert_eq!(page.matches("<form").count(), 4, "{page}");
    let asked: serde_json::Value = serde_json::from_str(&board.get(&["api", "v1", "pairs"]).await).unwrap();
    let facts = asked[0]["facts"].as_array().unwrap();
    let same: Vec<&str> =
        facts.iter().filter(|fact| fact["is_same"] == true).map(|fact| fact["fact"].as_str().unwrap()).collect();
    assert_eq!(same, ["Company"], "{facts:?}");

    let (jane, near) =
        (board.lead("jane.roe@acme.example").await.unwrap(), board.lead("janeroe@acme.example").await.unwrap());
    let (max, other) =
        (board.lead("max.doe@acme.example").await.unwrap(), board.lead("m.x.doe@acme.example").await.unwrap());
    let (status, said) = board.post(&["review", &jane, &near, "same"], Some("same-origin")).await;
    assert!(status == 200 && said.contains("is the same person as") && said.contains("baton unlink"), "{said}");
    assert_eq!(board.lead("janeroe@acme.example").await, Some(jane.clone()));
    let (status, said) = board.post(&["review", &max, &other, "apart"], Some("same-origin")).await;
    assert!(status == 200 && said.contains("are two people"), "{said}");
    assert_ne!(board.lead("m.x.doe@acme.example").await, Some(max.clone()));
    let page = board.get(&["review"]).await;
    assert!(
        page.contains("No two leads look like one person") && !page.contains("<form"),
        "at once, not after the next round: {page}"
    );
    assert!(!board.get(&[]).await.contains("may be one person"));
    let (status, said) = board.post(&["review", &near, &jane, "same"], Some("same-origin")).await;
    assert!(
        status == 409 && said.contains("are one lead already") && said.contains("<h1>"),
        "a second click is told: {said}"
    );
    let said = board.world.story().await;
    assert!(said.contains("joined to this lead by the board"), "{said}");
    let command = Command::Unlink { record: board.world.hubspot.ids(Object::Contact)[1].clone() };
    let unknown = board.world.parts.engine.execute(&Asked { by: "ops".to_owned(), command }).await;
    assert!(unknown.is_err(), "a bare number names a lead, not a record");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_page_can_say_who_is_one_person_fault_126() {
    let board = Board::with_pairs().await;
    let (jane, near) =
        (board.lead("jane.roe@acme.example").await.unwrap(), board.lead("janeroe@acme.example").await.unwrap());
    for word in ["same", "apart"] {
        for foreign in [None, Some("cross-site"), Some("same-site"), Some("none")] {
            let (status, said) = board.post(&["review", &jane, &near, word], foreign).await;
            assert!(
                status == 403 && said.contains("does not come from a page of the board"),
                "{word} {foreign:?}: {said}"
            );
        }
        let asked =
            board.client.send(Request::to(Method::Get, &board.at, &["review", &jane, &near, word])).await.unwrap();
        assert_eq!(asked.status, 403, "looking says nothing");
    }
    assert_eq!(board.lead("janeroe@acme.example").await, Some(near));
    assert_eq!(board.world.parts.engine.store().pairs_count().await.unwrap(), 2);
}
