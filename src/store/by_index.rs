//! What the loops ask again and again must not cost more the more leads, effects and deals there are.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Row as _};

use super::sql;
use super::sqlite::Store;
use super::statement::ready;
use crate::domain::id::WorkspaceId;

/// Every statement of a decision, a delivery or a poll that names more rows than it wants.
const ASKED: [(&str, &str); 35] = [
    ("PEOPLE", sql::PEOPLE),
    ("PEOPLE_OF_LEADS", sql::PEOPLE_OF_LEADS),
    ("LEADS_OF_PEOPLE", sql::LEADS_OF_PEOPLE),
    ("LEADS_BY_KEY", sql::LEADS_BY_KEY),
    ("COLLEAGUES_OF", sql::COLLEAGUES_OF),
    ("COLLEAGUES_IN", sql::COLLEAGUES_IN),
    ("HEADCOUNTS", sql::HEADCOUNTS),
    ("COMPANIES", sql::COMPANIES),
    ("TOUCHES_OF", sql::TOUCHES_OF),
    ("TOUCHES_ON", sql::TOUCHES_ON),
    ("DELETE_TOUCHES", sql::DELETE_TOUCHES),
    ("DELETE_KEY", sql::DELETE_KEY),
    ("LEADS", sql::LEADS),
    ("VERSIONS", sql::VERSIONS),
    ("HANDOFFS", sql::HANDOFFS),
    ("RECEIPTS", sql::RECEIPTS),
    ("LEADS_DUE", sql::LEADS_DUE),
    ("EVIDENCE_WAITING", sql::EVIDENCE_WAITING),
    ("OPEN_LOADS", sql::OPEN_LOADS),
    ("RECHECK", sql::RECHECK),
    ("CANCEL", sql::CANCEL),
    ("CANCEL_OWNERS", sql::CANCEL_OWNERS),
    ("RESOLVE", sql::RESOLVE),
    ("CLAIM_WRITES", sql::CLAIM_WRITES),
    ("CLAIM_NOTICES", sql::CLAIM_NOTICES),
    ("CHANNELS_WAITING", sql::CHANNELS_WAITING),
    ("JOURNEY", sql::JOURNEY),
    ("DUE_SOON", sql::DUE_SOON),
    ("ALL_OPEN_PEOPLE", sql::ALL_OPEN_PEOPLE),
    ("OPEN_DEALS_OF_LEADS", sql::OPEN_DEALS_OF_LEADS),
    ("OPEN_DEALS_OF_COMPANY", sql::OPEN_DEALS_OF_COMPANY),
    ("ENGAGED_OF_COMPANY", sql::ENGAGED_OF_COMPANY),
    ("APART_OF_LEADS", sql::APART_OF_LEADS),
    ("PAIRS_WITH", sql::PAIRS_WITH),
    ("WRITTEN_TO", sql::WRITTEN_TO),
];

#[tokio::test]
async fn what_the_loops_ask_walks_through_no_whole_table() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("baton.db"), &WorkspaceId::from("default")).await.unwrap();
    let mut walks = Vec::new();
    for (name, text) in ASKED {
        let text = Arc::clone(&ready(text, 3).text);
        let asked = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}")));
        for row in asked.fetch_all(&mut *store.inner.writer.acquire().await.unwrap()).await.unwrap() {
            let step: String = row.get(3);
            // The workspace is the same in all rows, and with the rest of the plan these names are of small results.
            let is_small = ["ready", "looked", "awaited", "open_deals"].iter().any(|small| step.ends_with(small));
            if step.ends_with("(workspace=?)") || (step.starts_with("SCAN") && !is_small) {
                walks.push(format!("{name}: {step}"));
            }
        }
    }
    assert!(walks.is_empty(), "{}", walks.join("\n"));
}

/// A condition of an index, `column operator 'constant'`, and the table that has it.
async fn conditions(store: &Store) -> Vec<(String, String)> {
    let asked = sqlx::query("SELECT tbl_name, sql FROM sqlite_master WHERE type = 'index' AND sql LIKE '% WHERE %'");
    let rows = asked.fetch_all(&mut *store.inner.writer.acquire().await.unwrap()).await.unwrap();
    let mut found = Vec::new();
    for row in rows {
        let (table, text): (String, String) = (row.get(0), row.get(1));
        let (_, condition) = text.split_once(" WHERE ").unwrap();
        for part in condition.split(" AND ") {
            let compared: Vec<&str> = part.split(' ').take(2).collect();
            if compared[1] != "IS" && compared[1] != "IN" {
                found.push((table.clone(), compared.join(" ")));
            }
        }
    }
    found
}

/// SQLite compiles some statements anew at each use, since its plan could be another with another value: where the column of an
/// index's condition is compared with one, and where one alone is a limit.
#[tokio::test]
async fn no_statement_is_compiled_anew_at_each_use() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("baton.db"), &WorkspaceId::from("default")).await.unwrap();
    let conditions = conditions(&store).await;
    assert!(conditions.contains(&("outbox".to_owned(), "state =".to_owned())), "{conditions:?}");
    let mut compiled_anew = Vec::new();
    for statement in include_str!("sql.rs").split("pub(super) const ").skip(1) {
        let name = statement.split(':').next().unwrap();
        if statement.contains("LIMIT $") {
            compiled_anew.push(format!("{name}: LIMIT $; LIMIT CAST($ AS BIGINT) is not"));
        }
        for (table, compared) in &conditions {
            if statement.contains(&format!(" {table} ")) && statement.contains(&format!("{compared} $")) {
                compiled_anew.push(format!("{name}: {compared} $"));
            }
        }
    }
    assert!(compiled_anew.is_empty(), "{}", compiled_anew.join("\n"));
}
