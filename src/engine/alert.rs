//! Notices for those who run Baton: a connection that a person must repair, rules that could not be read anew, a fight.

use crate::domain::finding::{Finding, FindingKind, Subject};
use crate::domain::id::{ConnectionId, LeadId, OperationId};
use crate::domain::plan::{Happening, Mode, Notice, NoticeKind, Plan, Story};
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

    /// A notice for each fight that begins with one of `plans`: those who run Baton can stop the other party, sales cannot.
    /// One for each fight, however often the value went to and fro.
    pub(super) fn alerts_of_fights(&self, plans: &[Plan]) -> Vec<Notice> {
        let mut notices = Vec::new();
        for plan in plans {
            for event in &plan.events {
                let Happening::Contested(fight) = &event.what else { continue };
                let (by, field, connection) = (&fight.by, fight.field.as_str(), &fight.connection);
                let who = plan.lead.name.as_deref().map_or_else(|| plan.lead.id.to_string(), str::to_owned);
                let text = format!(
                    "{by} sets back the {field} that Baton writes in {connection}, and has done so again after one retry. The \
                     {field} of {who} is left alone until the hand-off ends. Keep {by} from it, or take the rule out of the \
                     agreement."
                );
                let subject = Subject::Lead(plan.lead.id);
                let finding = Finding { kind: FindingKind::Contested, subject, text };
                let headline = format!("{by} fights for the {field} in {connection}");
                let episode = format!("{connection} {field} {}", fight.since);
                let notice = self.alert(&finding, headline, &episode);
                notices.extend(notice.map(|notice| Notice { lead: plan.lead.id, ..notice }));
            }
        }
        notices
    }

    /// How long a connection has been failing, as a name: the instant it was last read. It stays the same until something
    /// can be read again.
    pub(super) async fn episode(&self, connection: &ConnectionId) -> Result<String, StoreError> {
        let streams = self.store.streams().await?;
        let read = streams.iter().filter(|stream| &stream.connection == connection).filter_map(|stream| stream.read_at);
        Ok(read.max().map_or_else(|| "never".to_owned(), |at| at.to_string()))
    }
}
