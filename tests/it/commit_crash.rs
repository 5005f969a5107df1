//! Faults 1 and 2: a page and its cursor are one transaction. The commit is made to fail at each table it writes, and nothing of it
//! may stand; what was read is read again.

use std::collections::BTreeMap;

use baton::domain::id::ConnectionId;
use baton::engine::EngineError;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Column as _, Row as _};

use super::harness::World;

/// Everything that a page of contacts may change.
const TABLES: [&str; 8] = ["person", "person_key", "lead", "handoff", "event", "outbox", "team", "stream"];

struct Database(SqlitePool);

impl Database {
    async fn of(world: &World) -> Self {
        let options = SqliteConnectOptions::new().filename(world.folder.path().join("baton.db"));
        Self(SqlitePool::connect_with(options).await.unwrap())
    }

    async fn run(&self, text: String) {
        sqlx::query(AssertSqlSafe(text)).execute(&self.0).await.unwrap();
    }

    /// From now on a commit dies when it comes to `table`.
    async fn dies_at(&self, table: &str) {
        // Other streams are stored before this one; only the contacts' own cursor is meant.
        let when = if table == "stream" { "WHEN new.stream = 'contacts'" } else { "" };
        self.run(format!("CREATE TRIGGER dies BEFORE INSERT ON {table} {when} BEGIN SELECT RAISE(ABORT, 'dies'); END"))
            .await;
    }

    async fn lives(&self) {
        self.run("DROP TRIGGER dies".to_owned()).await;
    }

    /// All rows, but for the cursors of other streams, which go on.
    async fn dump(&self) -> BTreeMap<&'static str, Vec<String>> {
        let mut dump = BTreeMap::new();
        for table in TABLES {
            let only = if table == "stream" { "WHERE stream = 'contacts'" } else { "" };
            let text = AssertSqlSafe(format!("SELECT * FROM {table} {only}"));
            let rows = sqlx::query(text).fetch_all(&self.0).await.unwrap();
            let mut rows: Vec<String> = rows.iter().map(shown).collect();
            rows.sort();
            dump.insert(table, rows);
        }
        dump
    }
}

fn shown(row: &SqliteRow) -> String {
    let cell = |at: usize| {
        let text = row.try_get::<Option<String>, _>(at).ok().flatten();
        text.or_else(|| row.try_get::<Option<i64>, _>(at).ok().flatten().map(|number| number.to_string()))
    };
    let cells = row.columns().iter().map(|column| format!("{}={:?}", column.name(), cell(column.ordinal())));
    cells.collect::<Vec<_>>().join(" ")
}

/// The commit of the page of contacts that is due now dies at each of `tables` in turn; each time nothing of it stands.
async fn dies_everywhere(world: &World, database: &Database, tables: &[&str]) {
    let hubspot = ConnectionId::from("hubspot");
    for table in tables {
        let before = database.dump().await;
        database.dies_at(table).await;
        let error = world.parts.engine.poll(&hubspot).await.expect_err(table);
        assert!(matches!(error, EngineError::Store(_)), "{table}: {error}");
        assert_eq!(database.dump().await, before, "{table}: neither record nor decision nor cursor moved");
        database.lives().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_dies_at_any_table_leaves_neither_lead_nor_cursor_faults_1_and_2() {
    let world = World::new().await;
    world.beat().await;
    world.pass(1).await;
    let database = Database::of(&world).await;
    // A contact who is seen for the first time, and then the same one past the bar: decision, owner and effects with it.
    let contact = world.contact("Jane");
    world.clock.advance(jiff::SignedDuration::from_mins(1));
    dies_everywhere(&world, &database, &["person", "person_key", "lead", "stream"]).await;
    world.pass(2).await;
    world.qualify(&contact);
    world.clock.advance(jiff::SignedDuration::from_mins(1));
    // Keys that are the same are not written again.
    let others: Vec<&str> = TABLES.into_iter().filter(|table| *table != "person_key").collect();
    dies_everywhere(&world, &database, &others).await;

    world.pass(5).await;
    let story = world.story().await;
    assert_eq!(world.odoo.leads().len(), 1, "nothing is lost and nothing doubled: {story}");
    assert!(world.odoo.owner(world.odoo.leads()[0]).is_some(), "{story}");
    assert_eq!(world.parts.engine.store().open_handoffs(10).await.unwrap().len(), 1, "{story}");
    let made = world.odoo.ledger().iter().filter(|effect| effect.is_api && effect.method == "load").count();
    assert_eq!(made, 1, "{story}");
    database.0.close().await;
}
