//! An opportunity is a possible sale, with the people in its roles. Source: the sheet, section 4, Opportunity.

use super::super::settings::Maps;
use super::super::soql::Id;
use super::super::wire::Row;
use super::{ended, observation, person, person_owner};
use crate::connector::number;
use crate::domain::deal::{DealSeen, DealState};
use crate::domain::id::{Name, Object, RecordRef};
use crate::domain::observation::{Content, Observation};

/// What an opportunity's row says; `people` are the contacts of its roles.
pub(in crate::connector::salesforce) fn deal(row: &Row, people: &[Id], maps: &Maps) -> Option<Observation> {
    if row.flag("IsDeleted") {
        return ended(&maps.connection, Object::Deal, row);
    }
    let modified = row.stamp()?;
    let state = match (row.flag("IsClosed"), row.flag("IsWon")) {
        (_, true) => DealState::Won,
        (true, false) => DealState::Lost,
        (false, false) => DealState::Open,
    };
    let company =
        row.id("AccountId").map(|account| RecordRef::new(&maps.connection, Object::Company, account.as_str()));
    let content = Content::Deal(DealSeen {
        state,
        stage: row.text("StageName").map(Name::from),
        title: row.text("Name").map(Into::into),
        amount: row.plain("Amount").and_then(|text| number::exact(&text)).filter(|worth| *worth > 0.0),
        created: row.time("CreatedDate").unwrap_or(modified),
        // `CloseDate` is a plan while it is open, and a day at best.
        closed: row.time("LastStageChangeDate").filter(|_| state != DealState::Open),
        owner: person_owner(row),
        company: Some(company),
        people: Some(people.iter().map(|contact| person(&maps.connection, contact)).collect()),
    });
    observation(&maps.connection, Object::Deal, row, content, Vec::new())
}
