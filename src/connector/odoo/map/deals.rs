//! An opportunity that sales confirmed is a possible sale: from `sql` on it is a deal, beside being a person's record.

use std::collections::HashMap;

use super::super::settings::WON_STATUS;
use super::super::wire::Row;
use super::{observation, person};
use crate::connector::number;
use crate::domain::deal::{DealSeen, DealState};
use crate::domain::id::{Name, Object, RemoteId};
use crate::domain::observation::{Content, Observation};
use crate::domain::stage::{Stage, StageEntry};

/// What an opportunity may bring. Source: `fields_get` of `crm.lead` on 19.0.
pub(in crate::connector::odoo) const WORTH: &str = "expected_revenue";

/// The deal that a lead's row is, too, by what was read of the person; `None` if sales never confirmed it.
pub(in crate::connector::odoo) fn deal(row: &Row, people: &HashMap<&str, &Observation>) -> Option<Observation> {
    let seen = people.get(row.id()?.to_string().as_str())?;
    let connection = &seen.of.connection;
    let Content::Person(known) = &seen.content else {
        // Archived without being lost: as good as deleted. Of a lead that never was a deal nothing is known anyway.
        return (seen.content == Content::Gone)
            .then(|| observation(connection, Object::Deal, row, Content::Gone, Vec::new()));
    };
    let is_sale =
        |entry: &StageEntry| matches!(entry.stage, Stage::Sql | Stage::Proposal | Stage::Negotiation | Stage::Won);
    if !known.stages.iter().any(is_sale) {
        return None;
    }
    let state = match (row.text(WON_STATUS), known.stages.last().map(|entry| entry.stage)) {
        (Some("won"), _) | (_, Some(Stage::Won)) => DealState::Won,
        (Some("lost"), _) => DealState::Lost,
        (_, Some(Stage::Sql | Stage::Proposal | Stage::Negotiation)) => DealState::Open,
        // Back where it was before sales confirmed it.
        _ => DealState::Lost,
    };
    let content = Content::Deal(DealSeen {
        state,
        stage: row.link("stage_id").map(|stage| Name::from(stage.name)),
        title: row.text("name").map(Into::into),
        amount: row.plain(WORTH).and_then(|text| number::exact(&text)).filter(|worth| *worth > 0.0),
        created: known.created,
        closed: row.time("date_closed").filter(|_| state != DealState::Open),
        owner: row.link_id("user_id").map(|user| RemoteId::from(user.to_string())),
        company: Some(None),
        people: Some(vec![person(connection, row.id()?)]),
    });
    Some(observation(connection, Object::Deal, row, content, Vec::new()))
}
