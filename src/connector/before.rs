//! What is known of a write is kept before its request leaves: once the answer is lost, or Baton ends, nobody can tell any more what it
//! replaced, what was known then, and until when it may still have its effect.

use async_trait::async_trait;

use super::Outcome;
use crate::domain::plan::Leaving;

/// Keeps what is known of writes that are about to leave.
#[async_trait]
pub trait Before: Send + Sync {
    /// Keeps what each of these writes replaces, and that they leave now. Writes of which that could not be kept are not sent.
    ///
    /// # Errors
    /// [`NotKept`] if it is not durable.
    async fn keep(&self, leaving: Vec<Leaving>) -> Result<(), NotKept>;
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
    async fn keep(&self, _: Vec<Leaving>) -> Result<(), NotKept> {
        Ok(())
    }
}
