//! Consent, asked once more right before sending: people opt out between a decision and its effect, and in any of the CRMs
//! that know them.

use std::collections::{BTreeMap, HashMap};

use crate::connector::{Addressed, Outcome};
use crate::domain::decide::DO_NOT_WRITE;
use crate::domain::field::{Field, Value};
use crate::domain::id::{ConnectionId, LeadId, RecordRef};
use crate::domain::lead::Projection;
use crate::domain::observation::{Content, Observation};
use crate::domain::plan::Effect;
use crate::domain::record::PersonRecord;

use super::{Engine, EngineError};

impl Engine {
    /// Takes back what must not be sent to somebody who has opted out: nobody is put on a list, and a task says that they must
    /// not be written to.
    ///
    /// A list is asked of every CRM that knows the person, as it is now, but of the record itself, which the connector looks at
    /// before it writes. A task is held against what was read last.
    pub(super) async fn with_consent(&self, addressed: &mut [Result<Addressed, Outcome>]) -> Result<(), EngineError> {
        let asks = |one: &Addressed| matches!(one.write.effect, Effect::JoinTrack(_) | Effect::AddTask { .. });
        let leads: Vec<LeadId> = addressed.iter().flatten().filter(|one| asks(one)).map(|one| one.write.lead).collect();
        if leads.is_empty() {
            return Ok(());
        }
        let mut people: HashMap<LeadId, Vec<PersonRecord>> = HashMap::new();
        for record in self.store.people_of(&leads).await? {
            people.entry(record.link.lead).or_default().push(record);
        }
        for place in addressed.iter_mut() {
            let Ok(one) = place else { continue };
            let Some(records) = people.get(&one.write.lead).filter(|_| asks(one)) else { continue };
            let has_opted_out = is_out(Projection::of(records).value(Field::OptedOut));
            if let Effect::AddTask { body, .. } = &mut one.write.effect {
                if has_opted_out && !body.starts_with(DO_NOT_WRITE) {
                    *body = format!("{DO_NOT_WRITE}\n{body}");
                }
                continue;
            }
            let refusal = if has_opted_out { Some(opted_out()) } else { self.opted_out_elsewhere(records, one).await };
            if let Some(refusal) = refusal {
                *place = Err(refusal);
            }
        }
        Ok(())
    }

    /// What the CRMs say now of the lead's other records; what cannot be asked is no consent.
    async fn opted_out_elsewhere(&self, records: &[PersonRecord], one: &Addressed) -> Option<Outcome> {
        let mut others: BTreeMap<&ConnectionId, Vec<RecordRef>> = BTreeMap::new();
        for record in records.iter().filter(|record| record.is_live() && Some(&record.of) != one.record.as_ref()) {
            others.entry(&record.of.connection).or_default().push(record.of.clone());
        }
        for (connection, refs) in others {
            let Some(connector) = self.connector(connection) else { continue };
            match connector.read(&refs).await {
                Ok(seen) if seen.iter().any(says_no) => return Some(opted_out()),
                Ok(_) => {}
                Err(error) => {
                    let message = format!("cannot see whether the person has opted out: {error}");
                    return Some(Outcome::Again { after: None, counts: true, message });
                }
            }
        }
        None
    }
}

fn says_no(observation: &Observation) -> bool {
    let Content::Person(seen) = &observation.content else { return false };
    is_out(seen.values.iter().find(|known| known.field == Field::OptedOut).map(|known| &known.value))
}

fn is_out(value: Option<&Value>) -> bool {
    value.and_then(Value::as_flag) == Some(true)
}

fn opted_out() -> Outcome {
    Outcome::Refused { message: "the person has opted out meanwhile: put on no list".to_owned() }
}
