//! The board's pages for who looks around in it: the way between them, and what stands where there is nothing.

use baton::agreement;
use baton::document::{Problems, Source};
use baton::domain::plan::Mode;
use baton::http::{Client, Method, Request, Response};
use jiff::tz::TimeZone;
use serde_json::Value;

use super::board::Board;
use super::harness::{AGREEMENT, World};

async fn asked(board: &Board, method: Method, path: &[&str]) -> Response {
    Client::new().unwrap().send(Request::to(method, &board.address, path)).await.unwrap()
}

fn text(answer: &Response) -> String {
    String::from_utf8(answer.body.to_vec()).unwrap()
}

#[tokio::test]
async fn where_there_is_nothing_people_get_a_page_and_programs_a_sentence() {
    let world = World::new().await;
    let board = Board::of(&world).await;
    for (method, path, status) in [
        (Method::Get, vec!["nope"], 404),
        (Method::Get, vec!["leads", "L-999"], 404),
        (Method::Get, vec!["companies", "nobody"], 404),
        (Method::Get, vec!["leads", "jane@example.com"], 400),
        (Method::Delete, vec!["plan"], 405),
        (Method::Post, vec!["plan", "abc", "apply"], 403),
    ] {
        let answer = asked(&board, method, &path).await;
        let page = text(&answer);
        assert_eq!(answer.status, status, "{path:?}: {page}");
        assert!(page.contains("<link rel=\"stylesheet\" href=\"/board.css\">"), "{path:?}: {page}");
        assert!(page.contains("<h1>") && page.contains("href=\"/\""), "{path:?} leads home: {page}");
        assert!(answer.header("content-security-policy").is_some_and(|policy| policy.contains("default-src 'none'")));
        assert!(!page.contains("jane@example.com"), "what was asked for is not repeated: {page}");
    }
    assert_eq!(asked(&board, Method::Delete, &["plan"]).await.header("allow"), Some("GET,HEAD"));
    for (method, path, status, code) in [
        (Method::Get, vec!["api", "v1", "nope"], 404, "not_found"),
        (Method::Get, vec!["api"], 404, "not_found"),
        (Method::Get, vec!["hooks", "nobody"], 405, "method_not_allowed"),
        (Method::Delete, vec!["api", "v1", "status"], 405, "method_not_allowed"),
        (Method::Get, vec!["api", "v1", "leads", "L-999"], 404, "not_found"),
    ] {
        let answer = asked(&board, method, &path).await;
        let told: Value =
            serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{path:?}: {}", text(&answer)));
        assert_eq!((answer.status, told["error"]["code"].as_str()), (status, Some(code)), "{path:?}: {told}");
        assert!(told["error"]["message"].as_str().is_some_and(|message| message.len() > 10), "{told}");
    }
}

#[tokio::test]
async fn every_page_leads_to_the_others_and_says_how_much_waits_there() {
    let world = World::with(AGREEMENT, Mode::Plan).await;
    let board = Board::of(&world).await;
    let ways = ["href=\"/\"", "href=\"/plan\"", "href=\"/review\"", "href=\"/companies\""];
    for path in [vec![], vec!["plan"], vec!["review"], vec!["companies"]] {
        let page = board.page(&path).await;
        let nav = page.split("<nav class=\"pages\"").nth(1).and_then(|rest| rest.split("</nav>").next()).unwrap();
        assert!(ways.iter().all(|way| nav.contains(way)), "{path:?}: {nav}");
        assert!(!nav.contains("<b"), "nothing waits: {nav}");
        assert_eq!(nav.matches("aria-current=\"page\"").count(), 1, "{nav}");
    }
    let contact = world.contact("Jane");
    world.beat().await;
    world.pass(2).await;
    world.qualify(&contact);
    world.pass(10).await;
    let waiting: i64 = world.parts.engine.store().held_counts().await.unwrap().iter().map(|count| count.writes).sum();
    assert!(waiting > 0, "{}", world.story().await);
    let page = board.page(&["review"]).await;
    assert!(page.contains(&format!("Plan <b title=\"wait for a person\">{waiting}</b>")), "{page}");
}

#[tokio::test]
async fn companies_without_a_committee_show_lines_that_the_agreement_takes() {
    let world = World::new().await;
    let page = Board::of(&world).await.page(&["companies"]).await;
    let lines = page.split("<pre><code>").nth(1).and_then(|rest| rest.split("</code>").next()).unwrap();
    let lines = lines.replace("&quot;", "\"").replace("&#39;", "'").replace("&gt;", ">").replace("&lt;", "<");
    let problems = Problems::new();
    let with = Source::new("agreement.toml", format!("{AGREEMENT}\n{lines}"));
    let draft = agreement::read(&with, &TimeZone::UTC, &problems);
    assert!(!problems.has_errors(), "{}", problems.render(false));
    let committee = draft.agreement.committee.expect("[committee]");
    assert_eq!((committee.roles.len(), committee.required.len()), (2, 1));
}
