//! How much there is, where more than a number is not needed.

use crate::domain::id::ConnectionId;

use super::read::count;
use super::sqlite::{Bound, Store, int};
use super::{StoreError, sql};

impl Store {
    /// How many people's records of `connection` are live, counted no further than `most`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn people_live(&self, connection: &ConnectionId, most: usize) -> Result<usize, StoreError> {
        let bound = vec![self.ws(), Bound::from(connection), Bound::Int(count(most))];
        let rows = self.rows(sql::PEOPLE_LIVE, bound).await?;
        let found = rows.first().map(|row| int(row, 0)).transpose()?.unwrap_or(0);
        Ok(usize::try_from(found).unwrap_or(0))
    }
}
