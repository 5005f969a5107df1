//! One-click answers: links that are safe to look at, good for one turn and its owner, and end as a word in the CRM.

use std::sync::Arc;

use baton::api::{Api, router};
use baton::domain::answer::{Key, Ticket};
use baton::domain::id::{HandoffId, LeadId, Name, PersonId, WorkspaceId};
use baton::domain::reach::Links;
use baton::engine::deliver::Channels;
use baton::notify::email::Security;
use jiff::SignedDuration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use super::harness::{AGREEMENT, ROSTER, World, serve};
use super::mail::{by_mail, email};
use super::smtp::Smtp;

struct Setup {
    world: World,
    server: Smtp,
    board: String,
    _servers: JoinSet<()>,
}

/// People are told by mail, with links that are good for `last`.
async fn setup(last: SignedDuration) -> Setup {
    let server = Smtp::plain();
    let mut world = World::new().await;
    let mut channels: Channels = world.parts.channels.clone();
    channels.by_name.push((Name::from("email.main"), email(&server, Security::Plain)));
    let links = Some(Links { last, in_places: false });
    world.restart_telling(AGREEMENT, &by_mail(ROSTER), channels, links).await;
    let mut servers = JoinSet::new();
    let (engine, status) = (Arc::clone(&world.parts.engine), Arc::clone(&world.parts.status));
    let board = serve(&mut servers, router(Api { engine, status })).await;
    Setup { world, server, board, _servers: servers }
}

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

impl Setup {
    /// The link of the last mail: what follows the board's address.
    fn link(&self) -> String {
        let text = self.server.taken().last().expect("a mail").plain();
        let at = text.find("http://board.example/answer/").expect("the mail has a link");
        let link = text[at..].split_whitespace().next().unwrap();
        link.trim_start_matches("http://board.example").to_owned()
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let address = self.board.trim_start_matches("http://");
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_at_the_page_changes_nothing_and_accepting_is_written_to_the_crms() {
    let setup = setup(days(14)).await;
    let (contact, lead, _) = setup.world.handed_over("Jane").await;
    let link = setup.link();
    assert!(!link.contains("jane") && !link.contains('@'), "{link}");
    for method in ["GET", "HEAD", "GET"] {
        let (status, page) = setup.ask(method, &link, "").await;
        assert_eq!(status, 200, "{page}");
        if method == "GET" {
            for part in ["Jane Roe", "Accept", "bad timing", "first touch"] {
                assert!(page.contains(part), "{part} is missing in {page}");
            }
            assert!(!page.contains("<script"), "{page}");
        }
    }
    setup.world.beat().await;
    assert!(!setup.world.story().await.contains("accepted it"), "{}", setup.world.story().await);
    let (status, page) = setup.ask("POST", &link, "word=accepted").await;
    assert!(status == 200 && page.contains("You have taken"), "{page}");
    setup.world.pass(3).await;
    let story = setup.world.story().await;
    for part in ["accepted it by the link", "disposition kept in time", "passed from mql to sal"] {
        assert!(story.contains(part), "{part} is missing in {story}");
    }
    let status = setup.world.hubspot.get(baton::sandbox::hubspot::Kind::Contact, &contact).unwrap();
    assert_eq!(status.get("hs_lead_status").map(String::as_str), Some("IN_PROGRESS"), "{story}");
    assert!(setup.world.odoo.get_lead(lead).is_some());
    let (status, page) = setup.ask("POST", &link, "word=rejected&reason=bad_fit").await;
    assert!(status == 409 && page.contains("accepted it by the link"), "the second says what stands: {page}");
    setup.world.pass(3).await;
    assert!(!setup.world.story().await.contains("gave it back"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn giving_back_closes_the_handoff_marks_the_lead_lost_and_returns_it() {
    let setup = setup(days(14)).await;
    let (contact, lead, owner) = setup.world.handed_over("Jane").await;
    let link = setup.link();
    for wrong in ["", "word=rejected", "word=rejected&reason=none_of_ours", "word=maybe"] {
        let (status, page) = setup.ask("POST", &link, wrong).await;
        assert_eq!(status, 422, "{wrong}: {page}");
    }
    let (status, page) = setup.ask("POST", &link, "word=rejected&reason=bad_timing").await;
    assert!(status == 200 && page.contains("bad timing"), "{page}");
    setup.world.pass(3).await;
    let story = setup.world.story().await;
    let name =
        setup.world.parts.engine.rules().roster.name_of(&PersonId::from(format!("{owner}@example.com"))).to_owned();
    assert!(story.contains(&format!("{name} gave it back by the link (bad_timing)")), "{story}");
    assert!(story.contains("given back by sales (bad_timing)"), "{story}");
    assert_eq!(setup.world.odoo.get_lead(lead).unwrap()["active"], serde_json::json!(false), "lost in Odoo: {story}");
    assert_eq!(setup.world.hubspot.list_members("Nurture: next quarter"), [contact], "{story}");
    let (status, page) = setup.ask("GET", &link, "").await;
    assert!(status == 200 && page.contains("gave it back by the link"), "{page}");
    // Odoo's own word, read back, is Baton's echo and no second rejection.
    setup.world.pass(20).await;
    assert_eq!(setup.world.story().await.matches("given back by sales").count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_expired_and_old_links_say_so_and_do_nothing_fault_132() {
    let setup = setup(SignedDuration::from_hours(2)).await;
    setup.world.handed_over("Jane").await;
    let link = setup.link();
    let forged = |turn: u32, person: &str| {
        let handoff = HandoffId { lead: LeadId(1), number: 1 };
        let ticket = Ticket { handoff, turn, until: setup.world.clock.now() + days(9) };
        format!("/answer/{}", ticket.sign(&WorkspaceId::from("default"), &PersonId::from(person), &Key::new(&[0; 32])))
    };
    let bent = format!("{}A", &link[..link.len() - 1]);
    let bent = if bent == link { format!("{}B", &link[..link.len() - 1]) } else { bent };
    for wrong in [forged(1, "a.lang@example.com"), forged(9, "a.lang@example.com"), bent, "/answer/x".to_owned()] {
        for (method, body) in [("GET", ""), ("POST", "word=accepted")] {
            let (status, page) = setup.ask(method, &wrong, body).await;
            assert!(status == 404 && page.contains("not good") && !page.contains("Jane"), "{wrong}: {page}");
        }
    }
    // The turn goes on to the next: the first owner's link is over, the second's is good.
    setup.world.pass(100).await;
    assert!(setup.world.story().await.contains("turn 1 missed"), "{}", setup.world.story().await);
    let (status, page) = setup.ask("POST", &link, "word=accepted").await;
    assert!(status == 409 && page.contains("went on to somebody else"), "{page}");
    let second = setup.server.taken().into_iter().rev().find(|mail| mail.plain().contains("/answer/")).unwrap().plain();
    let second = second[second.find("/answer/").unwrap()..].split_whitespace().next().unwrap().to_owned();
    assert_ne!(second, link);
    assert_eq!(setup.ask("GET", &second, "").await.0, 200);
    setup.world.clock.advance(SignedDuration::from_hours(3));
    let (status, page) = setup.ask("POST", &second, "word=accepted").await;
    assert!(status == 410 && page.contains("expired"), "{page}");
    assert!(!setup.world.story().await.contains("accepted it"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clicks_at_once_are_one_answer() {
    let setup = setup(days(14)).await;
    setup.world.handed_over("Jane").await;
    let link = setup.link();
    let (one, other) = tokio::join!(
        setup.ask("POST", &link, "word=accepted"),
        setup.ask("POST", &link, "word=rejected&reason=bad_fit")
    );
    let mut statuses = [one.0, other.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{one:?} {other:?}");
    let events = setup.world.story().await;
    assert_eq!(events.matches("by the link").count(), 1, "{events}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_link_stands_where_others_read_along_nor_in_the_store() {
    let setup = setup(days(14)).await;
    let link = {
        setup.world.handed_over("Jane").await;
        setup.link()
    };
    let token = link.trim_start_matches("/answer/");
    setup.world.parts.engine.store().close().await;
    for entry in std::fs::read_dir(setup.world.folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(token.len()).any(|part| part == token.as_bytes()), "the store keeps no capability");
    }
    // By default a channel's message has none; a manager's copy neither.
    let mut world = World::new().await;
    let channels = world.parts.channels.clone();
    world.restart_telling(AGREEMENT, ROSTER, channels, Some(Links { last: days(14), in_places: false })).await;
    world.handed_over("Jane").await;
    let posted = world.inbox.lock().unwrap()[0].1.to_string();
    assert!(!posted.contains("/answer/"), "{posted}");
    let channels = world.parts.channels.clone();
    world.restart_telling(AGREEMENT, ROSTER, channels, Some(Links { last: days(14), in_places: true })).await;
    world.handed_over("John").await;
    let posted = world.inbox.lock().unwrap().last().unwrap().1.to_string();
    assert!(posted.contains("/answer/"), "only if the settings say so: {posted}");
}
