//! The keys that records have lost: somebody whose address changed is not found by the old one any more, and whoever has
//! that address next is somebody else.

use std::collections::HashMap;

use sqlx::SqliteConnection;

use crate::domain::id::RecordRef;
use crate::domain::record::{Key, PersonRecord};

use super::read::{bodies, by_connection};
use super::sqlite::{Store, execute, fetch_in};
use super::{Batch, StoreError, sql};

impl Store {
    /// Deletes the keys that the stored rows of the batch's people have and the people have not. Runs before the rows are
    /// replaced.
    pub(super) async fn drop_lost_keys(
        &self,
        connection: &mut SqliteConnection,
        batch: &Batch,
    ) -> Result<(), StoreError> {
        let asked = batch.people.iter().filter(|record| !batch.keys_kept.contains(&record.of));
        let kept: HashMap<&RecordRef, &[Key]> = asked.map(|record| (&record.of, record.keys.as_slice())).collect();
        if kept.is_empty() {
            return Ok(());
        }
        let refs: Vec<RecordRef> = kept.keys().map(|of| (*of).clone()).collect();
        for (of, ids) in by_connection(&refs) {
            let rows = fetch_in(connection, sql::PEOPLE, &[self.ws(), (&of).into()], &ids).await?;
            for stored in bodies::<PersonRecord>("person", &rows)? {
                let kept = kept.get(&stored.of).copied().unwrap_or_default();
                for key in stored.keys.iter().filter(|key| !kept.contains(key)) {
                    let bound = vec![
                        self.ws(),
                        key.kind.as_str().into(),
                        (&key.value).into(),
                        (&of).into(),
                        (&stored.of.id).into(),
                    ];
                    execute(connection, sql::DELETE_KEY, bound).await?;
                }
            }
        }
        Ok(())
    }
}
