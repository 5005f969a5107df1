//! What an effect asks for, given what the record says now. Sends nothing.

use std::collections::HashMap;

use jiff::Timestamp;

use super::Values;
use crate::connector::hubspot::HubSpot;
use crate::connector::hubspot::map;
use crate::connector::hubspot::settings::OWNER;
use crate::connector::hubspot::wire::{Record, Text};
use crate::connector::number;
use crate::connector::settings::HandoffPart;
use crate::domain::field::Field;
use crate::domain::handoff_fields::HandoffFields;
use crate::domain::id::{Name, RemoteId};
use crate::domain::plan::{Effect, Was};

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
    Withdraw(RemoteId),
}

/// What writing `values` replaces, given what the record says now.
pub(super) fn replaced(values: &Values, found: Option<&HashMap<String, String>>) -> Vec<Was> {
    let Some(found) = found else { return Vec::new() };
    let set = |text: &str| Some(text).filter(|text| !text.is_empty()).map(Name::from);
    let before = |name: &String| found.get(name).map_or("", String::as_str);
    let changed = values.iter().filter(|(name, value)| !is_same(before(name), value));
    changed
        .map(|(name, value)| Was { name: Name::from(name.as_str()), before: set(before(name)), after: set(value) })
        .collect()
}

/// Numbers and instants may come back in another form.
pub(super) fn is_same(found: &str, wanted: &str) -> bool {
    let instant = |text: &str| text.parse::<Timestamp>().ok();
    found == wanted || number::is_same(found, wanted) || (instant(found).is_some() && instant(found) == instant(wanted))
}

/// Is the record looked at before this is written?
pub(super) fn needs_look(effect: &Effect) -> bool {
    match effect {
        Effect::SetOwner { .. }
        | Effect::SetStage { .. }
        | Effect::SetScore(_)
        | Effect::SetHandoff(_)
        | Effect::Reject(_)
        | Effect::JoinTrack(_)
        | Effect::Restore { .. } => true,
        Effect::LeaveTrack(_)
        | Effect::Withdraw { .. }
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
                let parts = self.settings.score_properties.iter();
                let values: Values = parts.map(|(part, name)| (name.clone(), points.text(*part))).collect();
                if values.is_empty() {
                    Wanted::Refused("no property is mapped for the score".to_owned())
                } else if values.iter().all(|(name, wanted)| is_same(value(name), wanted)) {
                    Wanted::Nothing
                } else {
                    Wanted::Set(values)
                }
            }
            Effect::SetHandoff(fields) => {
                let values = self.handoff_values(fields);
                if values.is_empty() {
                    Wanted::Refused("no property is mapped for the hand-off".to_owned())
                } else if values.iter().all(|(name, wanted)| is_same(value(name), wanted)) {
                    Wanted::Nothing
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
            Effect::Restore { values, .. } => restored(values, value),
            Effect::Withdraw { task, .. } => Wanted::Withdraw(task.id.clone()),
            Effect::Create { .. } => Wanted::Refused("a record that exists is not created".to_owned()),
        }
    }
}

impl HubSpot {
    /// What is nothing is written as an empty text, which clears the property.
    fn handoff_values(&self, fields: &HandoffFields) -> Values {
        let text = |part: HandoffPart| match part {
            HandoffPart::Reason => fields.reason.as_ref().map(ToString::to_string),
            HandoffPart::OwnerDue => fields.owner_due.as_ref().map(ToString::to_string),
        };
        let parts = self.settings.handoff_properties.iter();
        parts.map(|(part, name)| (name.clone(), text(*part).unwrap_or_default())).collect()
    }
}

/// Puts back what was there before, where what was written still stands.
fn restored<'a>(values: &[Was], value: impl Fn(&str) -> &'a str) -> Wanted {
    let text = |name: &Option<Name>| name.as_ref().map_or_else(String::new, ToString::to_string);
    if values.iter().all(|was| is_same(value(was.name.as_str()), &text(&was.before))) {
        return Wanted::Nothing;
    }
    if let Some(was) = values.iter().find(|was| !is_same(value(was.name.as_str()), &text(&was.after))) {
        let (name, found) = (&was.name, value(was.name.as_str()));
        return Wanted::Superseded(format!("{name} = {}", if found.is_empty() { "nothing" } else { found }));
    }
    let back: Values = values.iter().map(|was| (was.name.to_string(), text(&was.before))).collect();
    // The lifecycle goes back only through empty. Source: section 10.2.
    let clear: Vec<String> = back
        .iter()
        .filter(|(name, before)| map::is_lifecycle(name) && !before.is_empty() && !value(name).is_empty())
        .map(|(name, _)| name.clone())
        .collect();
    if clear.is_empty() { Wanted::Set(back) } else { Wanted::Back { values: back, clear } }
}
