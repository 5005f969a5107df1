//! Other rules while Baton runs. A restart takes the same road: it reads the files, and decides anew if the agreement is
//! another.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::domain::agreement::Agreement;
use crate::domain::finding::{Checked, Finding, FindingKind, Subject};
use crate::domain::id::{LeadId, Name};
use crate::domain::roster::Roster;
use crate::store::Batch;

use super::{Engine, EngineError};

/// The most that a finding says of what is wrong with the files.
const TEXT_CHARS_MAX: usize = 1_000;

impl Engine {
    /// Puts `agreement` and `roster` in force, between two decisions. Running turns keep the agreement that they began under.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails.
    pub async fn adopt_rules(&self, agreement: Arc<Agreement>, roster: Arc<Roster>) -> Result<(), EngineError> {
        let deciding = self.deciding.lock().await;
        let mut rules = (*self.rules.load_full()).clone();
        rules.agreement = Arc::clone(&agreement);
        rules.roster = roster;
        self.rules.store(Arc::new(rules));
        self.refresh_directory().await?;
        drop(deciding);
        let version = &agreement.version;
        if self.is_live.load(Ordering::Acquire) {
            self.heed_zones().await?;
            if self.store.decided_under().await?.as_ref() == Some(version) {
                // Who is away, who owns and when a calendar is open counts for what runs, too.
                let open: Vec<LeadId> = self.open_deadlines().await?.into_keys().collect();
                self.judge(&open).await?;
            } else {
                self.judge_all().await?;
                self.store.set_decided_under(version).await?;
            }
        }
        let checked = vec![Checked::One(FindingKind::ReloadFailed, files())];
        self.store.commit(&Batch { checked, now: Some(self.clock.now()), ..Batch::default() }).await?;
        tracing::info!(agreement.version = %version, "agreement and roster were read anew and are in force");
        Ok(())
    }

    /// Says that the files cannot be used: what was in force stays in force.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails.
    pub async fn note_failed_reload(&self, problems: &str) -> Result<(), EngineError> {
        let now = self.clock.now();
        let version = self.rules.load().agreement.version.clone();
        let told: String = problems.chars().take(TEXT_CHARS_MAX).collect();
        tracing::error!(agreement.version = %version, "reload failed, the rules before stay in force: see `baton check`");
        let finding = Finding {
            kind: FindingKind::ReloadFailed,
            subject: files(),
            text: format!(
                "reload failed: {told}. Agreement {version} and the roster before stay in force; `baton check` shows where"
            ),
        };
        let notices = self.alert_of(&finding, &now.to_string()).into_iter().collect();
        self.store.commit(&Batch { findings: vec![finding], notices, now: Some(now), ..Batch::default() }).await?;
        Ok(())
    }
}

fn files() -> Subject {
    Subject::Policy(Name::from("files"))
}
