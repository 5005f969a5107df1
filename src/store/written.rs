//! What Baton wrote to a record last, for whoever reads it again.

use super::StoreError;
use super::read::{body, by_connection};
use super::sql;
use super::sqlite::{Bound, Store, text};
use crate::domain::id::{Object, RecordRef};
use crate::domain::plan::{Effect, Write};

impl Store {
    /// The newest owner, stage and score that Baton wrote to each of these people, or may have written. Of people to whom it
    /// wrote nothing, nothing.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn written_to(&self, people: &[RecordRef]) -> Result<Vec<(RecordRef, Effect)>, StoreError> {
        let mut found = Vec::new();
        for (connection, ids) in by_connection(people) {
            let bound = [self.ws(), Bound::from(&connection)];
            for row in self.rows_in(sql::WRITTEN_TO, &bound, ids).await? {
                let of = RecordRef::new(&connection, Object::Person, text(&row, 0)?);
                let write: Write = body("outbox", &row, 1)?;
                // A lead may have several records in one CRM.
                if write.record.is_none_or(|to| to == of) {
                    found.push((of, write.effect));
                }
            }
        }
        Ok(found)
    }
}
