//! The keys that records have lost: somebody whose address changed is not found by the old one any more, and whoever has
//! that address next is somebody else.

use std::collections::HashMap;

use sqlx::SqliteConnection;

use crate::domain::id::RecordRef;
use crate::domain::record::{Key, PersonRecord};

use super::read::{bodies, by_connection};
use super::sqlite::{Store, execute, fetch_in};
use super::{StoreError, sql};

impl Store {
    /// Deletes the keys that the stored rows of `people` have and `people` have not. Runs before the rows are replaced.
    pub(super) async fn drop_lost_keys(
        &self,
        connection: &mut SqliteConnection,
        people: &[PersonRecord],
    ) -> Result<(), StoreError> {
        let kept: HashMap<&RecordRef, &[Key]> =
            people.iter().map(|record| (&record.of, record.keys.as_slice())).collect();
        let refs: Vec<RecordRef> = people.iter().map(|record| record.of.clone()).collect();
        for (of, ids) in by_connection(&refs) {
            let rows = fetch_in(connection, sql::PEOPLE, &[self.ws(), of.as_str().into()], &ids).await?;
            for stored in bodies::<PersonRecord>("person", &rows)? {
                let kept = kept.get(&stored.of).copied().unwrap_or_default();
                for key in stored.keys.iter().filter(|key| !kept.contains(key)) {
                    let bound = vec![
                        self.ws(),
                        key.kind.as_str().into(),
                        key.value.as_str().into(),
                        of.as_str().into(),
                        stored.of.id.as_str().into(),
                    ];
                    execute(connection, sql::DELETE_KEY, bound).await?;
                }
            }
        }
        Ok(())
    }
}
