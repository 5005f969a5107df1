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
            refused @ (KinError::Unknown(_) | KinError::Same { .. } | KinError::Alone { .. }) => {
                Self::Refused(refused.to_string())
            }
        }
    }
}

impl Engine {
    pub(super) async fn link(&self, what: &str, into: &str, by: &str) -> Result<Answer, CommandError> {
        let joined = self.join(what, into, &Name::from(by)).await?;
        let (lead, other) = (joined.lead, joined.other);
        let mut lines =
            vec![format!("{other} is the same person as {lead}: {} now", belong(&joined.records, &lead.to_string()))];
        if joined.is_turned {
            lines.push(format!("{lead} goes on, though {other} was named: its hand-off is the older one"));
        }
        lines
            .push(format!("take it back with: baton unlink {}", joined.records.first().map(short).unwrap_or_default()));
        let data = json!({ "lead": lead.to_string(), "other": other.to_string(), "records": names(&joined.records) });
        Ok(Answer { lines, data })
    }

    pub(super) async fn unlink(&self, record: &str, by: &str) -> Result<Answer, CommandError> {
        let parted = self.take_apart(record, &Name::from(by)).await?;
        let (lead, other) = (parted.lead, parted.other);
        let mut lines = vec![format!(
            "{} now, and no rule joins them to {lead} again",
            belong(&parted.records, &other.to_string())
        )];
        if parted.is_turned {
            lines.push(format!("{record} stays with {lead}, whose hand-off it carries: the other records left"));
        }
        if parted.is_undone {
            lines.push(format!("{other} is as it was before it was joined to {lead}"));
        }
        let data = json!({ "lead": lead.to_string(), "other": other.to_string(), "records": names(&parted.records) });
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
        [one] => format!("its record {} belongs to {lead}", short(one)),
        many => format!("its records {} belong to {lead}", many.iter().map(short).collect::<Vec<_>>().join(", ")),
    }
}

fn short(of: &RecordRef) -> String {
    format!("{}:{}", of.connection, of.id)
}

fn names(records: &[RecordRef]) -> Vec<String> {
    records.iter().map(short).collect()
}
