//! The keys of records, and those that they have lost: somebody whose address changed is not found by the old one any more, and
//! whoever has that address next is somebody else.

use std::collections::HashMap;

use sqlx::SqliteConnection;

use crate::domain::id::RecordRef;
use crate::domain::record::{Key, PersonRecord};

use super::read::{bodies, by_connection};
use super::sqlite::{Store, execute, fetch_in};
use super::{Batch, StoreError, sql};

/// What a record's keys are to those that are stored of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keys {
    /// The record is new, so nothing is stored of it.
    New,
    /// The same, of the same lead: nothing is written.
    Same,
    /// The same, of another lead.
    Moved,
    /// Others, perhaps: which of them are lost is looked up.
    #[default]
    Others,
}

impl Keys {
    /// What they are after a second change within one batch, which knows of the first alone.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        match (self, next) {
            // Nothing is stored yet, whatever changed since.
            (Self::New, _) => Self::New,
            (first, Self::Same | Self::New) => first,
            (Self::Others, _) | (_, Self::Others) => Self::Others,
            (Self::Same | Self::Moved, Self::Moved) => Self::Moved,
        }
    }
}

impl Batch {
    /// What the keys of a record are to those that are stored.
    pub(super) fn keys_of(&self, of: &RecordRef) -> Keys {
        self.keys.get(of).copied().unwrap_or_default()
    }
}

impl Store {
    /// Deletes the keys that the stored rows of the batch's people have and the people have not. Runs before the rows are
    /// replaced.
    pub(super) async fn drop_lost_keys(
        &self,
        connection: &mut SqliteConnection,
        batch: &Batch,
    ) -> Result<(), StoreError> {
        let asked = batch.people.iter().filter(|record| batch.keys_of(&record.of) == Keys::Others);
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

#[cfg(test)]
mod tests {
    use super::Keys::{self, Moved, New, Others, Same};

    #[test]
    fn two_changes_in_one_batch_are_held_against_what_is_stored() {
        for (first, second, both) in [
            (New, Others, New),
            (New, Moved, New),
            (Same, Same, Same),
            (Same, Moved, Moved),
            (Moved, Same, Moved),
            (Moved, Others, Others),
            (Others, Same, Others),
            (Others, Moved, Others),
        ] {
            assert_eq!(first.then(second), both, "{first:?}, then {second:?}");
        }
        assert_eq!(Keys::default(), Others, "what nobody says anything of is looked up");
    }
}
