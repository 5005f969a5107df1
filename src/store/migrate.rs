//! The schema, step by step: each file once, in the order of its number, with the number it leads to in one transaction.

use sqlx::SqliteConnection;

use super::StoreError;
use super::writer::Writer;

/// The steps, and the schema that each leads to.
const STEPS: [(i64, &str); 14] = [
    (1, include_str!("migrations/0001_start.sql")),
    (2, include_str!("migrations/0002_approval.sql")),
    (3, include_str!("migrations/0003_identity.sql")),
    (4, include_str!("migrations/0004_feed.sql")),
    (5, include_str!("migrations/0005_credential.sql")),
    (6, include_str!("migrations/0006_people.sql")),
    (7, include_str!("migrations/0007_trust.sql")),
    (8, include_str!("migrations/0008_speed.sql")),
    (9, include_str!("migrations/0009_colleagues.sql")),
    (10, include_str!("migrations/0010_reading.sql")),
    (11, include_str!("migrations/0011_outbox.sql")),
    (12, include_str!("migrations/0012_committee.sql")),
    (13, include_str!("migrations/0013_sent.sql")),
    (14, include_str!("migrations/0014_notices.sql")),
];

/// The newest schema this Baton knows.
pub(super) const SCHEMA: i64 = STEPS[STEPS.len() - 1].0;

/// Who made the newest schema that the file has, for an older Baton to say which one it takes.
const MADE_BY: &str = "INSERT INTO meta (workspace, name, value) VALUES ('', 'schema_made_by', $1) ON CONFLICT (workspace, name) DO UPDATE SET value = excluded.value";
const MADE_BY_WHOM: &str = "SELECT value FROM meta WHERE workspace = '' AND name = 'schema_made_by'";

/// Refuses a schema that a newer Baton made.
///
/// # Errors
/// [`StoreError::Newer`], with that Baton's version if the file has it.
pub(super) async fn check(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await?;
    if found <= SCHEMA {
        return Ok(found);
    }
    // A schema so new that it has no such table is refused all the same.
    let by: Option<String> = sqlx::query_scalar(MADE_BY_WHOM).fetch_optional(connection).await.unwrap_or_default();
    Err(StoreError::Newer { found, known: SCHEMA, by: by.unwrap_or_else(|| "a newer version".to_owned()) })
}

/// Brings the schema up to date. A crash between or within steps leaves a schema that the next start goes on from.
///
/// # Errors
/// [`StoreError::Newer`] if a newer Baton made it.
pub(super) async fn migrate(writer: &Writer) -> Result<(), StoreError> {
    let found = check(&mut *writer.acquire().await?).await?;
    for (number, text) in STEPS.iter().filter(|(number, _)| *number > found) {
        let mut transaction = writer.begin().await?;
        sqlx::raw_sql(*text).execute(&mut *transaction).await?;
        sqlx::query(MADE_BY).bind(env!("CARGO_PKG_VERSION")).execute(&mut *transaction).await?;
        let set = sqlx::AssertSqlSafe(format!("PRAGMA user_version = {number}"));
        sqlx::raw_sql(set).execute(&mut *transaction).await?;
        transaction.commit().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

    use super::*;
    use crate::domain::id::{Name, WorkspaceId};
    use crate::store::Store;

    /// The statements of a step, one by one.
    fn statements(text: &str) -> Vec<String> {
        let plain: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
        plain.join("\n").split(';').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect()
    }

    async fn shell(path: &std::path::Path) -> SqlitePool {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap()
    }

    async fn schema(path: &std::path::Path) -> Vec<String> {
        let pool = shell(path).await;
        let text = "SELECT name || COALESCE(sql, '') FROM sqlite_master ORDER BY name";
        let all = sqlx::query_scalar(text).fetch_all(&pool).await.unwrap();
        pool.close().await;
        all
    }

    /// The process dies after each statement of each step: what it leaves is what the disk has, the file and its log.
    #[tokio::test]
    async fn a_crash_at_each_statement_of_each_step_is_gone_on_from_fault_14() {
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("whole.db");
        Store::open(&whole, &WorkspaceId::from("default")).await.unwrap().close().await;
        let whole = schema(&whole).await;
        for (step, (number, text)) in STEPS.iter().enumerate() {
            let statements = statements(text);
            let ends = text.lines().filter(|line| !line.trim_start().starts_with("--") && line.ends_with(';'));
            assert_eq!(statements.len(), ends.count(), "step {number} is cut into its statements");
            for dies_after in 0..=statements.len() {
                let name = format!("{number}-{dies_after}.db");
                let path = folder.path().join(&name);
                let pool = shell(&path).await;
                sqlx::raw_sql("PRAGMA journal_mode = WAL").execute(&pool).await.unwrap();
                for (before, text) in &STEPS[..step] {
                    sqlx::raw_sql(*text).execute(&pool).await.unwrap();
                    let set = sqlx::AssertSqlSafe(format!("PRAGMA user_version = {before}"));
                    sqlx::raw_sql(set).execute(&pool).await.unwrap();
                }
                let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
                for statement in &statements[..dies_after] {
                    sqlx::raw_sql(sqlx::AssertSqlSafe(statement.clone())).execute(&mut *transaction).await.unwrap();
                }
                let dead = folder.path().join(format!("dead-{name}"));
                for side in ["", "-wal"] {
                    let of = |path: &std::path::Path| format!("{}{side}", path.display());
                    if std::path::Path::new(&of(&path)).exists() {
                        std::fs::copy(of(&path), of(&dead)).unwrap();
                    }
                }
                drop(transaction);
                let store = Store::open(&dead, &WorkspaceId::from("default")).await.unwrap();
                store.set_decided_under(&Name::from("1")).await.unwrap();
                store.close().await;
                assert_eq!(schema(&dead).await, whole, "died after statement {dies_after} of step {number}");
            }
        }
    }

    #[tokio::test]
    async fn a_newer_schema_is_refused_with_the_version_that_made_it_fault_14() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("baton.db");
        Store::open(&path, &WorkspaceId::from("default")).await.unwrap().close().await;
        let pool = shell(&path).await;
        sqlx::raw_sql("PRAGMA user_version = 99; UPDATE meta SET value = '7.1.0' WHERE name = 'schema_made_by'")
            .execute(&pool)
            .await
            .unwrap();
        pool.close().await;
        let again = Store::open(&path, &WorkspaceId::from("default")).await.unwrap_err();
        assert!(matches!(&again, StoreError::Newer { found: 99, known: SCHEMA, .. }), "{again:?}");
        assert!(again.to_string().contains("7.1.0"), "{again}");
        let reading = Store::open_read_only(&path, &WorkspaceId::from("default")).await.unwrap_err();
        assert!(matches!(reading, StoreError::Newer { .. }), "{reading:?}");
    }
}
