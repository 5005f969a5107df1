//! Tokens of logins, sealed with the settings' key.

use jiff::Timestamp;
use secrecy::SecretString;

use crate::domain::id::ConnectionId;

use super::read::ms;
use super::seal::{Seal, SealError};
use super::sqlite::{Bound, Store, execute, insert, text};
use super::{StoreError, sql};

impl Store {
    /// The same store with the key that seals what is secret in it.
    #[must_use]
    pub fn sealed_with(mut self, seal: Seal) -> Self {
        self.seal = std::sync::Arc::new(seal);
        self
    }

    /// What is kept for a connection's login.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] if the key does not open it; [`StoreError::Database`] if the database fails.
    pub async fn credential(&self, connection: &ConnectionId) -> Result<Option<SecretString>, StoreError> {
        let rows = self.rows(sql::CREDENTIAL, vec![self.ws(), connection.as_str().into()]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let opened = self.seal.open(&self.about(connection.as_str()), &text(row, 0)?);
        opened.map(Some).map_err(|cause| sealed(connection.as_str(), cause))
    }

    /// Keeps `body` for a connection's login, in place of what was there. Once this answers, it stands on the disk.
    ///
    /// # Errors
    /// As [`credential`](Self::credential).
    pub async fn keep_credential(
        &self,
        connection: &ConnectionId,
        body: &SecretString,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let closed = self.seal.close(&self.about(connection.as_str()), body);
        let closed = closed.map_err(|cause| sealed(connection.as_str(), cause))?;
        let row = vec![self.ws(), connection.as_str().into(), closed.into(), ms(now)];
        let mut transaction = self.inner.writer.begin().await?;
        insert(&mut transaction, sql::CREDENTIAL_ROW, vec![row]).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Brings every credential to the state that the settings ask for: what was kept clear before there was a key is
    /// sealed, and the pages that held it are wiped, those of the write-ahead log too.
    ///
    /// # Errors
    /// As [`credential`](Self::credential).
    pub async fn seal_credentials(&self) -> Result<(), StoreError> {
        let mut changed = Vec::new();
        for row in self.rows(sql::CREDENTIALS, vec![self.ws()]).await? {
            let (connection, stored) = (text(&row, 0)?, text(&row, 1)?);
            if self.seal.is_as_wanted(&stored) || !self.seal.has_key() {
                continue;
            }
            let about = self.about(&connection);
            let value = self.seal.open(&about, &stored).map_err(|cause| sealed(&connection, cause))?;
            let closed = self.seal.close(&about, &value).map_err(|cause| sealed(&connection, cause))?;
            changed.push((connection, closed));
        }
        if changed.is_empty() {
            return Ok(());
        }
        let mut writer = self.inner.writer.acquire().await?;
        sqlx::raw_sql("PRAGMA secure_delete = ON").execute(&mut *writer).await?;
        for (connection, closed) in changed {
            let bound: Vec<Bound> = vec![self.ws(), connection.into(), closed.into()];
            execute(&mut writer, sql::CREDENTIAL_SEALED, bound).await?;
        }
        sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA secure_delete = OFF").execute(&mut *writer).await?;
        Ok(())
    }

    fn about(&self, connection: &str) -> String {
        format!("{}/{connection}", self.workspace())
    }
}

fn sealed(connection: &str, cause: SealError) -> StoreError {
    StoreError::Sealed { connection: connection.to_owned(), cause }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::domain::id::WorkspaceId;

    fn key() -> Seal {
        Seal::of(&SecretString::from("k".repeat(40))).unwrap()
    }

    async fn open(path: &Path, seal: Seal) -> Store {
        Store::open(path, &WorkspaceId::from("default")).await.unwrap().sealed_with(seal)
    }

    /// Does any file of the folder hold `needle`?
    fn holds(folder: &Path, needle: &str) -> bool {
        std::fs::read_dir(folder).unwrap().any(|entry| {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
        })
    }

    #[tokio::test]
    async fn tokens_are_in_no_file_in_clear_once_there_is_a_key_fault_125() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("baton.db");
        let (hubspot, value) = (ConnectionId::from("hubspot"), SecretString::from("canary-refresh-token"));
        let store = open(&path, Seal::none()).await;
        store.keep_credential(&hubspot, &value, Timestamp::UNIX_EPOCH).await.unwrap();
        assert!(holds(folder.path(), "canary-refresh-token"), "without a key it can be read: the test sees it");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "by the owner alone");
        store.close().await;
        drop(store);

        let store = open(&path, key()).await;
        store.seal_credentials().await.unwrap();
        assert!(!holds(folder.path(), "canary-refresh-token"), "sealed while it runs");
        let read = store.credential(&hubspot).await.unwrap().unwrap();
        assert_eq!(read.expose_secret(), "canary-refresh-token");
        store.keep_credential(&hubspot, &SecretString::from("canary-second"), Timestamp::UNIX_EPOCH).await.unwrap();
        store.close().await;
        assert!(!holds(folder.path(), "canary"), "nor later");
        drop(store);

        let store = open(&path, Seal::none()).await;
        let error = store.credential(&hubspot).await.unwrap_err();
        assert!(matches!(&error, StoreError::Sealed { cause: SealError::NoKey, .. }), "{error:?}");
    }
}
