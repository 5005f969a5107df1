//! A full disk (fault 8): effects stop, the reserve is freed so that this can be said, and all goes on by itself once there
//! is room again.

use crate::domain::finding::{Finding, FindingKind, Subject};
use crate::domain::id::Name;
use crate::store::{Batch, Reserve};

use super::{Engine, EngineError};

impl Engine {
    /// Sends nothing any more, and says why in the room of the reserve. Once; the passes go on trying.
    pub async fn disk_is_full(&self, reserve: &Reserve) {
        if self.store.is_full() {
            return;
        }
        self.store.set_full(true);
        reserve.free();
        tracing::error!("the disk is full: nothing is sent until there is room again");
        let finding = Finding {
            kind: FindingKind::DiskFull,
            subject: Subject::Policy(Name::from("store")),
            text: "the disk is full: nothing is written to CRMs, nobody is told, and what CRMs show is not stored; make room \
                   and all goes on by itself"
                .to_owned(),
        };
        let batch = Batch { findings: vec![finding], now: Some(self.clock.now()), ..Batch::default() };
        if let Err(error) = self.store.commit(&batch).await {
            tracing::error!("not even that can be stored: {error}");
        }
    }

    /// Goes on if there is room again, which the reserve must fit into. To be called now and then.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails; then it is still taken for full.
    pub async fn look_for_room(&self, reserve: &Reserve) -> Result<(), EngineError> {
        if !self.store.is_full() || !reserve.keep() {
            return Ok(());
        }
        self.store.resolve(FindingKind::DiskFull, self.clock.now()).await?;
        self.store.set_full(false);
        tracing::info!("there is room on the disk again");
        Ok(())
    }
}
