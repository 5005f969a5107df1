//! The hash chain: it holds over a whole run, and nothing of the history can be changed without being found and named.

use baton::store::{Audited, Store};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _};

use super::harness::{AGREEMENT, World};

/// A world in which a lead was passed on in silence and another was returned, with decisions, effects and notices.
pub(crate) async fn lived() -> World {
    let mut world = World::new().await;
    world.handed_over("Jane").await;
    let (_, lead, owner) = world.handed_over("John").await;
    world.rep(owner).mark_lost(lead, "Bad timing").unwrap();
    world.pass(100).await;
    world.restart(&AGREEMENT.replace("version = \"demo.1\"", "version = \"demo.2\"")).await;
    world.pass(60).await;
    world
}

pub(crate) async fn shell(world: &World) -> SqlitePool {
    let options = SqliteConnectOptions::new().filename(world.folder.path().join("baton.db"));
    SqlitePool::connect_with(options).await.unwrap()
}

async fn verify(world: &World) -> Audited {
    world.parts.engine.store().verify(None).await.unwrap()
}

async fn counted(pool: &SqlitePool, table: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"))).fetch_one(pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_effect_and_decision_of_a_run_is_chained() {
    let world = lived().await;
    let found = verify(&world).await;
    assert_eq!(found.problems, Vec::<String>::new());
    let pool = shell(&world).await;
    for (table, chained) in [("event", found.events), ("outbox", found.effects), ("journal", found.decisions)] {
        assert!(chained > 5, "{table}: {chained}");
        assert_eq!(counted(&pool, table).await, chained, "{table}");
    }
    let links: Vec<String> =
        sqlx::query_scalar("SELECT content FROM audit ORDER BY seq").fetch_all(&pool).await.unwrap();
    let all = links.join("\n");
    for personal in ["Jane", "jane", "Roe", "acme", "example.com"] {
        assert!(!all.contains(personal), "{personal} is in the chain:\n{all}");
    }
    for kind in ["start ", "event ", "outbox ", "journal ", "effect ", "policy "] {
        assert!(all.lines().any(|line| line.starts_with(kind)), "{kind} is missing:\n{all}");
    }
    let settled: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM outbox WHERE state IN ('done', 'dead', 'cancelled')")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert!(settled > 5, "{settled}");
}

/// The columns that never change once a row stands, and those that do not once it is settled.
const HISTORY: [(&str, &str, &[&str]); 5] = [
    ("event", "seq", &["lead", "happened_at", "decided_at", "body", "digest"]),
    (
        "outbox",
        "op",
        &["seq", "lead", "handoff", "connection", "channel", "lane", "effect", "created_at", "body", "digest"],
    ),
    ("journal", "seq", &["lead", "decided_at", "body", "result", "digest"]),
    ("audit", "seq", &["chained_at", "content", "previous", "hash"]),
    ("policy", "digest", &["kind", "body"]),
];
const FATE: [&str; 3] = ["state", "settled_at", "message"];

/// The value with one byte of it changed, as SQL.
fn flipped(row: &SqliteRow, column: &str) -> Option<String> {
    if let Ok(Some(number)) = row.try_get::<Option<i64>, _>(column) {
        return Some((number ^ 1).to_string());
    }
    let text = row.try_get::<Option<String>, _>(column).ok().flatten()?;
    let at = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
    let mut changed = text.clone();
    match text[at..].chars().next() {
        None => changed.push('x'),
        Some(letter) => {
            let other = if letter == 'x' { "y" } else { "x" };
            changed.replace_range(at..at + letter.len_utf8(), other);
        }
    }
    Some(format!("'{}'", changed.replace('\'', "''")))
}

async fn set(pool: &SqlitePool, table: &str, column: &str, value: &str, of: &str) {
    let text = format!("UPDATE {table} SET {column} = {value} WHERE {of}");
    let done = sqlx::query(AssertSqlSafe(text)).execute(pool).await.unwrap();
    assert_eq!(done.rows_affected(), 1, "{table} {of}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_changed_byte_in_any_row_of_the_history_is_found_and_its_row_is_named() {
    let world = lived().await;
    let pool = shell(&world).await;
    let mut flips = 0;
    for (table, key, columns) in HISTORY {
        let rows = sqlx::query(AssertSqlSafe(format!("SELECT * FROM {table} ORDER BY {key}"))).fetch_all(&pool).await;
        let rows = rows.unwrap();
        // The ends and some between: every row takes the same road.
        let step = (rows.len() / 4).max(1);
        for (place, row) in rows.iter().enumerate().filter(|(place, _)| place % step == 0 || place + 1 == rows.len()) {
            let name = row.try_get::<String, _>(key).unwrap_or_else(|_| row.get::<i64, _>(key).to_string());
            let of = format!("{key} = '{name}'");
            let is_settled =
                table == "outbox" && ["done", "dead", "cancelled"].contains(&row.get::<String, _>("state").as_str());
            let fate = if is_settled { &FATE[..] } else { &[] };
            for column in columns.iter().chain(fate) {
                let Some(value) = flipped(row, column) else { continue };
                let before = match row.try_get::<Option<i64>, _>(*column) {
                    Ok(number) => number.map_or("NULL".to_owned(), |number| number.to_string()),
                    Err(_) => {
                        let text = row.get::<Option<String>, _>(*column);
                        text.map_or("NULL".to_owned(), |text| format!("'{}'", text.replace('\'', "''")))
                    }
                };
                set(&pool, table, column, &value, &of).await;
                let found = verify(&world).await.problems;
                let told = found.join("\n");
                assert!(!found.is_empty(), "{table}.{column} of {name} (row {place}) was changed, and nobody saw it");
                assert!(told.contains(&name) || told.contains("link"), "{table}.{column} of {name}: {told}");
                set(&pool, table, column, &before, &of).await;
                flips += 1;
            }
        }
    }
    assert!(flips > 100, "{flips}");
    assert_eq!(verify(&world).await.problems, Vec::<String>::new(), "all is as it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_taken_out_put_in_or_emptied_are_found() {
    let world = lived().await;
    let pool = shell(&world).await;
    let head = verify(&world).await.head;
    for (undo, statement) in [
        ("event", "DELETE FROM event WHERE seq = 2"),
        (
            "event",
            "INSERT INTO event SELECT workspace, seq + 100000, lead, happened_at, decided_at, body, digest FROM event WHERE seq = 2",
        ),
        ("event", "UPDATE event SET body = '' WHERE seq = 2"),
        ("journal", "DELETE FROM journal WHERE seq = 1"),
        ("journal", "UPDATE journal SET body = '' WHERE seq = 1"),
        ("outbox", "DELETE FROM outbox WHERE seq = (SELECT MIN(seq) FROM outbox)"),
        ("outbox", "UPDATE outbox SET body = '' WHERE seq = (SELECT MIN(seq) FROM outbox)"),
        ("outbox", "UPDATE outbox SET state = 'dead' WHERE op = (SELECT op FROM outbox WHERE state = 'done' LIMIT 1)"),
        ("policy", "DELETE FROM policy WHERE kind = 'agreement'"),
        ("audit", "DELETE FROM audit WHERE seq = 3"),
    ] {
        sqlx::query(AssertSqlSafe(format!("CREATE TABLE kept AS SELECT * FROM {undo}"))).execute(&pool).await.unwrap();
        let done = sqlx::query(statement).execute(&pool).await.unwrap();
        assert!(done.rows_affected() > 0, "{statement}");
        assert_ne!(verify(&world).await.problems, Vec::<String>::new(), "{statement}");
        for text in
            [format!("DELETE FROM {undo}"), format!("INSERT INTO {undo} SELECT * FROM kept"), "DROP TABLE kept".into()]
        {
            sqlx::query(AssertSqlSafe(text)).execute(&pool).await.unwrap();
        }
    }
    assert_eq!(verify(&world).await.problems, Vec::<String>::new());
    // A chain that is cut at its end with all that it spoke of fits in itself: only a head that was noted shows it.
    let store: &Store = world.parts.engine.store();
    assert!(store.verify(Some(&head)).await.unwrap().problems.is_empty());
    sqlx::query("DELETE FROM audit WHERE seq = (SELECT MAX(seq) FROM audit)").execute(&pool).await.unwrap();
    let cut = store.verify(Some(&head)).await.unwrap().problems;
    assert!(cut.iter().any(|problem| problem.contains("does not hold the hash")), "{cut:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_person_asks_for_is_chained_before_it_is_done() {
    use baton::engine::command::{Asked, Command};
    let world = lived().await;
    let asked = Asked { by: "eve\nforgotten 1".to_owned(), command: Command::Retry { op: "0123".to_owned() } };
    world.parts.engine.execute(&asked).await.unwrap_err();
    let pool = shell(&world).await;
    let last: String =
        sqlx::query_scalar("SELECT content FROM audit ORDER BY seq DESC LIMIT 1").fetch_one(&pool).await.unwrap();
    assert_eq!(last, "asked eve_forgotten_1 retry an effect", "one line, and no line of somebody's making");
    assert_eq!(verify(&world).await.problems, Vec::<String>::new());
}
