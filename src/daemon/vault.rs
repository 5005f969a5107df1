//! The store as the place that keeps the tokens of logins.

use async_trait::async_trait;

use crate::clock::Clock;
use crate::connector::tokens::{Tokens, Vault, VaultError};
use crate::domain::id::ConnectionId;
use crate::store::{Store, StoreError};

use super::task::chain;

/// A store that keeps tokens.
#[derive(Debug)]
pub struct StoreVault {
    store: Store,
    may_refresh: bool,
}

impl StoreVault {
    /// The store of a process that holds its lock.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, may_refresh: true }
    }

    /// A store that belongs to a running Baton: its tokens are used as they are, and refreshed by their owner alone.
    #[must_use]
    pub fn borrowed(store: Store) -> Self {
        Self { store, may_refresh: false }
    }
}

#[async_trait]
impl Vault for StoreVault {
    async fn tokens(&self, connection: &ConnectionId) -> Result<Option<Tokens>, VaultError> {
        let Some(kept) = self.store.credential(connection).await.map_err(failed)? else { return Ok(None) };
        let read = Tokens::of_text(&kept).ok_or_else(|| VaultError("it is not what this Baton wrote".to_owned()))?;
        Ok(Some(read))
    }

    async fn keep(&self, connection: &ConnectionId, tokens: &Tokens) -> Result<(), VaultError> {
        self.store.keep_credential(connection, &tokens.to_text(), Clock::system().wall()).await.map_err(failed)
    }

    fn may_refresh(&self) -> bool {
        self.may_refresh
    }
}

fn failed(error: StoreError) -> VaultError {
    VaultError(chain(&error))
}
