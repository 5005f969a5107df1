//! What of a day's requests each connection has spent is kept, so that a start anew does not spend the share twice.

use std::sync::{Arc, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::Engine;
use crate::connector::Connector;
use crate::domain::id::ConnectionId;
use crate::store::StoreError;

/// So many requests, or this time, may go unkept: what a process that is killed has spent for nothing.
const REQUESTS_UNKEPT: u64 = 20;
const UNKEPT: SignedDuration = SignedDuration::from_secs(10);

/// What was kept last of a connection: when, by real time, and after how many requests of this process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    at: Timestamp,
    requests: u64,
}

impl Engine {
    /// Tells the connections what an earlier process has spent, and what time it is: a day is one of real time.
    pub(super) async fn recall_spent(&self) -> Result<(), StoreError> {
        for connector in self.connectors.iter().filter(|connector| connector.spent().is_some()) {
            let earlier = self.store.meta(&kept_as(connector.id())).await?.unwrap_or_default();
            connector.recall_spent(&earlier, self.clock.steady());
        }
        Ok(())
    }

    /// Keeps what a connection has spent, once there is enough of it. To be called after each pass.
    pub(super) async fn keep_spent(&self, connector: &Arc<dyn Connector>) -> Result<(), StoreError> {
        let (now, requests) = (self.clock.steady(), connector.requests());
        let Some(spent) = connector.spent() else { return Ok(()) };
        let known = self.spent.lock().unwrap_or_else(PoisonError::into_inner).get(connector.id()).copied();
        let is_due = known.is_none_or(|known| {
            let news = requests.saturating_sub(known.requests);
            news >= REQUESTS_UNKEPT || (news > 0 && now.duration_since(known.at) >= UNKEPT)
        });
        if !is_due {
            return Ok(());
        }
        self.store.set_meta(&kept_as(connector.id()), &spent).await?;
        let kept = Kept { at: now, requests };
        self.spent.lock().unwrap_or_else(PoisonError::into_inner).insert(connector.id().clone(), kept);
        Ok(())
    }
}

/// What the store calls what a connection has spent.
fn kept_as(connection: &ConnectionId) -> String {
    format!("spent:{connection}")
}
