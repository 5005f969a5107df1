//! Who is the same person, by hand: join, take apart, keep apart.

use serde_json::json;

use crate::domain::id::{Name, RecordRef};

use super::super::Engine;
use super::super::kin::KinError;
use super::{Answer, CommandError};

impl From<KinError> for CommandError {
    fn from(error: KinError) -> Self {
        match error {
            KinError::Engine(error) => Self::Engine(error),
            refused @ (KinError::Unknown(_)
            | KinError::Same { .. }
            | KinError::WholeLead { .. }
            | KinError::Alone { .. }) => Self::Refused(refused.to_string()),
        }
    }
}

impl Engine {
    pub(super) async fn link(&self, what: &str, into: &str, by: &str) -> Result<Answer, CommandError> {
        let joined = self.join(what, into, &Name::from(by)).await?;
        let (lead, other) = (joined.lead, joined.other);
        let moved = belong(&joined.records, &lead.to_string());
        let mut lines = vec![format!("{other} is the same person as {lead}: {moved} now")];
        if joined.is_turned {
            lines.push(format!("{lead} goes on, though {other} was named: its hand-off is the older one"));
        }
        let record = joined.records.first().map(RecordRef::spoken).unwrap_or_default();
        lines.push(format!("take it back with: baton unlink {record}"));
        let data = json!({
            "lead": lead.to_string(), "other": other.to_string(), "records": names(&joined.records),
            "turned": joined.is_turned,
        });
        Ok(Answer { lines, data })
    }

    pub(super) async fn unlink(&self, record: &str, by: &str) -> Result<Answer, CommandError> {
        let parted = self.take_apart(record, &Name::from(by)).await?;
        let (lead, other) = (parted.lead, parted.other);
        let moved = belong(&parted.records, &other.to_string());
        let mut lines = vec![format!("{moved} now, and no rule joins them to {lead} again")];
        match (parted.is_turned, parted.is_undone) {
            (true, true) => lines.push(format!("{record} stays with {lead}, where it was first")),
            (true, false) => {
                lines.push(format!("{record} stays with {lead}, whose hand-off it carries: the other records left"));
            }
            (false, _) => {}
        }
        if parted.is_undone {
            lines.push(format!("{other} is as it was before it was joined to {lead}"));
        } else {
            lines.push(format!("{other} is a lead of its own"));
        }
        let data = json!({
            "lead": lead.to_string(), "other": other.to_string(), "records": names(&parted.records),
            "turned": parted.is_turned, "undone": parted.is_undone,
        });
        Ok(Answer { lines, data })
    }

    pub(super) async fn not_same(&self, one: &str, other: &str, by: &str) -> Result<Answer, CommandError> {
        let (one, other) = self.keep_apart(one, other, &Name::from(by)).await?;
        let lines = vec![format!("{one} and {other} are two people: no rule joins them, and nobody is asked again")];
        Ok(Answer { lines, data: json!({ "lead": one.to_string(), "other": other.to_string() }) })
    }
}

fn belong(records: &[RecordRef], lead: &str) -> String {
    match records {
        [one] => format!("record {} belongs to {lead}", one.spoken()),
        many => format!("records {} belong to {lead}", names(many).join(", ")),
    }
}

fn names(records: &[RecordRef]) -> Vec<String> {
    records.iter().map(RecordRef::spoken).collect()
}
