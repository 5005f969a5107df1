//! How many people of a connection were believed gone, by the hour: what the next look may call gone depends on it.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::sqlite::{Bound, Store, execute, insert, int};
use super::{StoreError, sql};
use crate::domain::id::ConnectionId;
use crate::domain::vanish::WINDOW;

const HOUR_MS: i64 = 3_600_000;

impl Store {
    /// Counts people who went, less those who came back. What no window reaches any more goes.
    pub(super) async fn count_vanished(
        &self,
        connection: &mut SqliteConnection,
        vanished: &[(ConnectionId, i64)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let oldest = now.saturating_sub(WINDOW * 2).unwrap_or(Timestamp::MIN);
        for (of, gone) in vanished {
            let row = vec![self.ws(), of.as_str().into(), Bound::Int(hour(now)), Bound::Int(*gone)];
            insert(connection, sql::VANISHED, vec![row]).await?;
            execute(connection, sql::VANISHED_BEFORE, vec![self.ws(), of.as_str().into(), Bound::Int(hour(oldest))])
                .await?;
        }
        Ok(())
    }

    /// How many people of `connection` have been believed gone since then, by whole hours, less those who came back.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn vanished_since(&self, connection: &ConnectionId, since: Timestamp) -> Result<usize, StoreError> {
        let bound = vec![self.ws(), connection.as_str().into(), Bound::Int(hour(since))];
        let rows = self.rows(sql::VANISHED_SINCE, bound).await?;
        let sum = rows.first().map(|row| int(row, 0)).transpose()?.unwrap_or(0);
        Ok(usize::try_from(sum).unwrap_or(0))
    }
}

fn hour(at: Timestamp) -> i64 {
    at.as_millisecond().div_euclid(HOUR_MS)
}
