//! What a write is about to replace is kept before its request leaves: once the answer is lost, nobody can tell any more.

use async_trait::async_trait;

use super::Outcome;
use crate::domain::id::OperationId;
use crate::domain::plan::Was;

/// Keeps what writes are about to replace.
#[async_trait]
pub trait Before: Send + Sync {
    /// Keeps what each of these writes replaces. Writes of which that could not be kept are not sent.
    ///
    /// # Errors
    /// [`NotKept`] if it is not durable.
    async fn keep(&self, replaced: Vec<(OperationId, Vec<Was>)>) -> Result<(), NotKept>;
}

/// What writes replace was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotKept;

impl From<NotKept> for Outcome {
    fn from(_: NotKept) -> Self {
        let message = "what it replaces could not be kept, so it was not sent".to_owned();
        Self::Again { after: None, counts: false, message }
    }
}

/// Keeps nothing: for whoever takes nothing back.
#[derive(Clone, Copy, Debug)]
pub struct Forget;

#[async_trait]
impl Before for Forget {
    async fn keep(&self, _: Vec<(OperationId, Vec<Was>)>) -> Result<(), NotKept> {
        Ok(())
    }
}
