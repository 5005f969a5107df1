//! What an effect asks for, given what the record says now. Sends nothing.

use std::collections::HashMap;

use super::Values;
use crate::connector::hubspot::HubSpot;
use crate::connector::hubspot::map;
use crate::connector::hubspot::settings::OWNER;
use crate::connector::hubspot::wire::{Record, Text};
use crate::connector::settings::ScorePart;
use crate::domain::field::Field;
use crate::domain::id::{Name, RemoteId};
use crate::domain::plan::Effect;

/// What a look showed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Gone,
    There(HashMap<String, String>),
}

impl Seen {
    pub(super) fn of(record: &Record<'_>) -> Self {
        if record.archived == Some(true) {
            return Self::Gone;
        }
        let set = record.properties.0.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        Self::There(
            set.map(|(name, value): (_, &Text<'_>)| (name.clone().into_owned(), value.as_str().to_owned())).collect(),
        )
    }

    pub(super) fn values(&self) -> Option<&HashMap<String, String>> {
        match self {
            Self::Gone => None,
            Self::There(values) => Some(values),
        }
    }
}

/// What is to be done for an effect.
pub(super) enum Wanted {
    Nothing,
    Superseded(String),
    Refused(String),
    Set(Values),
    Back { values: Values, clear: Vec<String> },
    Make,
    List(Name, bool),
}

/// Is the record looked at before this is written?
pub(super) fn needs_look(effect: &Effect) -> bool {
    match effect {
        Effect::SetOwner { .. } | Effect::SetStage { .. } | Effect::Reject(_) | Effect::JoinTrack(_) => true,
        Effect::SetScore(_)
        | Effect::LeaveTrack(_)
        | Effect::AddTask { .. }
        | Effect::AddNote { .. }
        | Effect::Create { .. } => false,
    }
}

impl HubSpot {
    /// What an effect asks for, given what the record says now.
    pub(super) fn wanted(&self, effect: &Effect, found: Option<&HashMap<String, String>>) -> Wanted {
        let value = |name: &str| found.and_then(|values| values.get(name)).map_or("", String::as_str);
        match effect {
            Effect::SetOwner { owner, expected } => {
                let present = value(OWNER);
                if present == owner.as_str() {
                    Wanted::Nothing
                } else if present != expected.as_ref().map_or("", RemoteId::as_str) {
                    let whose = if present.is_empty() { "nobody".to_owned() } else { format!("owner {present}") };
                    Wanted::Superseded(whose)
                } else {
                    Wanted::Set(vec![(OWNER.to_owned(), owner.as_str().to_owned())])
                }
            }
            Effect::SetStage { stage, is_backward } => {
                let values = self.maps.entering(*stage).to_vec();
                if values.is_empty() {
                    return Wanted::Refused(format!("no value is mapped to write {stage}"));
                }
                if values.iter().all(|(name, wanted)| value(name) == wanted) {
                    return Wanted::Nothing;
                }
                // The lifecycle goes back only through empty. Source: section 10.2.
                let clear: Vec<String> = values
                    .iter()
                    .filter(|(name, wanted)| {
                        map::is_lifecycle(name) && value(name) != wanted && !value(name).is_empty()
                    })
                    .map(|(name, _)| name.clone())
                    .collect();
                if *is_backward && values.iter().any(|(name, _)| map::is_lifecycle(name)) {
                    Wanted::Back { values, clear }
                } else {
                    Wanted::Set(values)
                }
            }
            Effect::SetScore(points) => {
                let of = |part: ScorePart| match part {
                    ScorePart::Fit => points.fit.to_string(),
                    ScorePart::Intent => points.intent.to_string(),
                    ScorePart::Engagement => points.engagement.to_string(),
                    ScorePart::Grade => points.grade.to_string(),
                };
                let parts = self.settings.score_properties.iter();
                let values: Values = parts.map(|(part, name)| (name.clone(), of(*part))).collect();
                if values.is_empty() {
                    Wanted::Refused("no property is mapped for the score".to_owned())
                } else {
                    Wanted::Set(values)
                }
            }
            Effect::Reject(reason) => {
                let values = self.maps.rejecting(reason);
                if values.iter().all(|(name, wanted)| value(name) == wanted) {
                    Wanted::Nothing
                } else {
                    Wanted::Set(values)
                }
            }
            Effect::JoinTrack(track) => {
                let property = self.maps.person_fields.iter().find(|(field, _)| *field == Field::OptedOut);
                if property.is_some_and(|(_, name)| value(name).eq_ignore_ascii_case("true")) {
                    return Wanted::Refused("the person has unsubscribed from all e-mail: on no list".to_owned());
                }
                Wanted::List(track.clone(), true)
            }
            Effect::LeaveTrack(track) => Wanted::List(track.clone(), false),
            Effect::AddTask { .. } | Effect::AddNote { .. } => Wanted::Make,
            Effect::Create { .. } => Wanted::Refused("a record that exists is not created".to_owned()),
        }
    }
}
