//! What a process that died left behind: effects that it had claimed and never settled.

use crate::domain::counted::many;
use jiff::{SignedDuration, Timestamp};

use super::read::ms;
use super::sqlite::{Store, arguments};
use super::{StoreError, sql};

/// How long an effect that was under way when its process died rests before it is looked for, unless the settings say
/// otherwise.
///
/// The other side may still be at work on the request: a look that comes too early finds nothing, and the
/// repetition that follows would be the second of two. Longer than a CRM takes for a single write, shorter than a lease.
pub const REST: SignedDuration = SignedDuration::from_secs(10);

impl Store {
    /// Doubts everything that is being sent: it may have taken effect, and is looked for not before `look_at`.
    ///
    /// Whoever has just locked the file for itself knows that every lease in it belongs to a process that is gone. Nobody
    /// is left to settle them, so there is no reason to wait for their end; and they are given anew under the next
    /// number, so that a settlement under the old one would be refused. A store that several processes share cannot say
    /// this of all leases, only of those whose holder's own lease has ended.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub(super) async fn doubt_what_was_sending(&self, look_at: Timestamp) -> Result<(), StoreError> {
        let bound = arguments(vec![self.ws(), ms(look_at), "Baton ended while it was being sent".into()])?;
        let doubted = sqlx::query_with(sql::DOUBT, bound)
            .execute(&mut *self.inner.writer.acquire().await?)
            .await?
            .rows_affected();
        if doubted > 0 {
            tracing::warn!(
                effects = doubted,
                "{} being sent when Baton ended: they are looked for",
                many(doubted, "effect was", "effects were")
            );
        }
        Ok(())
    }
}
