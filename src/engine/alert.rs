//! Notices that are about no lead: a connection that a person must repair, rules that could not be read anew.

use crate::domain::finding::Finding;
use crate::domain::id::{ConnectionId, LeadId, OperationId};
use crate::domain::plan::{Mode, Notice, NoticeKind, Story};
use crate::store::StoreError;

use super::Engine;

impl Engine {
    /// The notice of `finding`, unless nobody is to be told. It goes out once for each `episode`: what is said again within
    /// one is the same notice.
    pub(super) fn alert_of(&self, finding: &Finding, episode: &str) -> Option<Notice> {
        self.alert(finding, format!("Baton needs a person: {}", finding.subject), episode)
    }

    /// The same under a headline of its own.
    pub(super) fn alert(&self, finding: &Finding, headline: String, episode: &str) -> Option<Notice> {
        let rules = self.rules.load();
        let channel = self.operators.clone().filter(|_| rules.notices == Mode::On)?;
        let subject = finding.subject.to_string();
        let parts = [rules.workspace.as_str(), "alert", finding.kind.as_str(), subject.as_str(), episode];
        Some(Notice {
            op: OperationId::of(&parts),
            lead: LeadId::NONE,
            handoff: None,
            at: self.clock.now(),
            kind: NoticeKind::Trouble,
            channel,
            people: Vec::new(),
            audience: Vec::new(),
            story: Story { headline, lines: vec![finding.text.clone()], link: rules.public_url.to_string() },
            withdraws: None,
            about: None,
            ask: None,
            package: None,
        })
    }

    /// How long a connection has been failing, as a name: the instant it was last read. It stays the same until something
    /// can be read again.
    pub(super) async fn episode(&self, connection: &ConnectionId) -> Result<String, StoreError> {
        let streams = self.store.streams().await?;
        let read = streams.iter().filter(|stream| &stream.connection == connection).filter_map(|stream| stream.read_at);
        Ok(read.max().map_or_else(|| "never".to_owned(), |at| at.to_string()))
    }
}
