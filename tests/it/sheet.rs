//! `/api/v1/handoffs.csv` over HTTP: what an ops team opens in a spreadsheet, whatever the CRMs hold (fault 120).

use baton::api::{Api, router};
use baton::http::{Client, Method, Request, Response};
use baton::sandbox::hubspot::{Author, Kind as Object};
use jiff::SignedDuration;
use tokio::task::JoinSet;

use super::harness::{World, serve};

struct Board {
    client: Client,
    at: String,
    _servers: JoinSet<()>,
}

impl Board {
    async fn of(world: &World) -> Self {
        let mut servers = JoinSet::new();
        let engine = world.parts.engine.clone();
        let status = engine.status().clone();
        let at = serve(&mut servers, router(Api { engine, status })).await;
        Self { client: Client::new().unwrap(), at, _servers: servers }
    }

    async fn table(&self, query: &[(&str, &str)]) -> Response {
        let path = ["api", "v1", "handoffs.csv"];
        let mut request = Request::to(Method::Get, &self.at.parse().unwrap(), &path);
        for (name, value) in query {
            request = request.query(name, value);
        }
        self.client.send(request).await.unwrap()
    }

    /// The lines of the table, each by its columns' names.
    async fn lines(&self, query: &[(&str, &str)]) -> Vec<csv::StringRecord> {
        let answer = self.table(query).await;
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        let mut lines = csv::ReaderBuilder::new().has_headers(false).from_reader(answer.body.as_slice());
        lines.records().map(Result::unwrap).collect()
    }
}

/// The cell of a line under a column.
fn cell<'a>(lines: &'a [csv::StringRecord], line: usize, column: &str) -> &'a str {
    let place = lines[0].iter().position(|name| name.trim_start_matches('\u{feff}') == column);
    &lines[line][place.unwrap()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_and_ended_handoffs_are_a_table_that_no_value_turns_into_a_formula_fault_120() {
    let world = World::new().await;
    let (contact, lead, owner) = world.handed_over("Jane").await;
    let hostile = "=HYPERLINK(\"http://evil.example\",\"pay\"),\nnext";
    assert!(world.hubspot.update(Object::Contact, &contact, Author::Form, &[("firstname", hostile)]));
    world.pass(20).await;
    world.rep(owner).log_call(lead, "reached").unwrap();
    world.pass(3).await;
    world.handed_over("Silent").await;
    world.pass(64).await;
    let board = Board::of(&world).await;
    let lines = board.lines(&[]).await;
    assert_eq!(lines.len(), 3, "a head and two hand-offs: {lines:?}");
    assert_eq!(cell(&lines, 0, "handoff"), "handoff");
    assert!(cell(&lines, 1, "name").starts_with("'=HYPERLINK(\"http://evil.example\",\"pay\"),\nnext"), "{lines:?}");
    assert_eq!(cell(&lines, 1, "state"), "open");
    assert_eq!(cell(&lines, 1, "owner_address"), format!("{owner}@example.com"));
    assert_eq!(cell(&lines, 1, "in_time"), "yes");
    assert_eq!(cell(&lines, 1, "breaches"), "0");
    let minutes: i64 = cell(&lines, 1, "minutes_to_touch").parse().expect("a number stays one");
    assert!((15..30).contains(&minutes), "{lines:?}");
    assert!(cell(&lines, 1, "opened").starts_with("2026-11-24 09:0"), "in the workspace's zone: {lines:?}");
    assert_eq!((cell(&lines, 2, "in_time"), cell(&lines, 2, "touched")), ("no", ""), "{lines:?}");
    assert_eq!(cell(&lines, 2, "breaches"), "1");

    // Ended ones stand in it with how they ended, and a range leaves out what was over before it.
    world.rep(owner).mark_lost(lead, "Bad timing").unwrap();
    world.pass(5).await;
    let lines = board.lines(&[("from", "2026-11-24"), ("to", "2026-11-24")]).await;
    assert_eq!((cell(&lines, 1, "state"), cell(&lines, 1, "outcome")), ("ended", "rejected"), "{lines:?}");
    assert_eq!(cell(&lines, 1, "reason"), "bad_timing");
    assert!(cell(&lines, 1, "closed").starts_with("2026-11-24 1"), "{lines:?}");
    assert_eq!(board.lines(&[("to", "2026-11-23")]).await.len(), 1, "the head alone");
    world.clock.advance(SignedDuration::from_hours(24));
    let lines = board.lines(&[("from", "2026-11-25")]).await;
    assert!(lines.iter().skip(1).all(|line| &line[8] != "ended"), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_that_is_none_is_told_and_the_file_has_a_name() {
    let world = World::new().await;
    let board = Board::of(&world).await;
    let answer = board.table(&[]).await;
    let disposition = answer.header("content-disposition").unwrap_or_default();
    assert_eq!(disposition, "attachment; filename=\"handoffs-2026-11-24.csv\"");
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/csv")));
    // Without it Excel takes UTF-8 for the machine's own letters.
    assert!(answer.body.starts_with("\u{feff}handoff".as_bytes()));
    for query in [[("from", "soon"), ("to", "2026-11-30")], [("from", "2026-11-30"), ("to", "2026-11-01")]] {
        let answer = board.table(&query).await;
        let told = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, 400, "{told}");
        assert!(told.contains("bad_range"), "{told}");
    }
}
