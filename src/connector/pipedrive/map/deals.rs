//! Deals and organizations. Source: section 4.

use super::super::book::{Journey, JourneyId, State};
use super::super::catalogue::Catalogue;
use super::super::settings::Maps;
use super::super::wire::Row;
use super::observation;
use super::values;
use crate::connector::number;
use crate::domain::deal::{DealSeen, DealState};
use crate::domain::id::{Name, Object, RecordRef, RemoteId};
use crate::domain::observation::{CompanySeen, Content, Observation};

/// A deal; `None` for a lead, which is none yet.
pub(in crate::connector::pipedrive) fn deal(
    journey: &Journey,
    maps: &Maps,
    catalogue: &Catalogue,
) -> Option<Observation> {
    let JourneyId::Deal(id) = journey.id else { return None };
    let connection = &maps.connection;
    let state = match journey.state {
        State::Open => DealState::Open,
        State::Won => DealState::Won,
        State::Lost | State::Archived => DealState::Lost,
        State::Deleted => return Some(observation(connection, Object::Deal, id, journey.updated, Content::Gone)),
    };
    let company = journey.organization.map(|org| RecordRef::new(connection, Object::Company, org.to_string()));
    let person = journey.person.map(|person| RecordRef::new(connection, Object::Person, person.to_string()));
    let amount = journey.row.value("value").and_then(|value| number::exact(&value.to_string()));
    let content = Content::Deal(DealSeen {
        state,
        stage: journey.stage.and_then(|id| catalogue.stage_name(id)).map(Name::from),
        title: journey.row.text("title").map(Into::into),
        amount: amount.filter(|worth| *worth > 0.0),
        created: journey.added,
        closed: (state != DealState::Open).then_some(journey.since),
        owner: journey.owner.map(|user| RemoteId::from(user.to_string())),
        company: Some(company),
        people: Some(person.into_iter().collect()),
    });
    Some(observation(connection, Object::Deal, id, journey.updated, content))
}

/// An organization; the error says what is wrong with the row.
pub(in crate::connector::pipedrive) fn organization(
    row: &Row,
    maps: &Maps,
    catalogue: &Catalogue,
) -> Result<Observation, String> {
    let id = row.number().ok_or("it has no number")?;
    let modified = row.time("update_time").ok_or("update_time is no time")?;
    if row.flag("is_deleted") {
        return Ok(observation(&maps.connection, Object::Company, id, modified, Content::Gone));
    }
    let (values, findings) = values::company(row, modified, maps, catalogue);
    let owner = row.integer("owner_id").map(|user| RemoteId::from(user.to_string()));
    let mut seen =
        observation(&maps.connection, Object::Company, id, modified, Content::Company(CompanySeen { values, owner }));
    seen.findings = findings;
    Ok(seen)
}
