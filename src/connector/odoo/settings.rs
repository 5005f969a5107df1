//! What an untouched Odoo means, and the connection's own maps laid over it. Pure.
//!
//! Stage names are those that Odoo's CRM module installs; a pipeline that a company renamed is mapped in the settings, by
//! name or by number. `New` means nothing here on purpose: it is where every record begins, before sales said anything.

use std::time::Duration;

use jiff::SignedDuration;

use crate::connector::Stream;
use crate::connector::settings::{HandoffPart, ScorePart, Settings, SignalMap, StageMap};
use crate::domain::agreement::Proof;
use crate::domain::field::Field;
use crate::domain::id::{ConnectionId, Name, Object};
use crate::domain::plan::Ability;
use crate::domain::stage::Stage;

/// The property that says how far a `crm.lead` is.
pub(super) const STAGE: &str = "stage_id";
/// `pending`, `won` or `lost`.
pub(super) const WON_STATUS: &str = "won_status";
/// `lead` or `opportunity`.
pub(super) const TYPE: &str = "type";

/// Where the fields stand on a plain `crm.lead`. Source: `fields_get` of `crm.lead` on 19.0.
const FIELDS: &[(Field, &str)] = &[
    (Field::Email, "email_normalized"),
    (Field::FirstName, "contact_name"),
    (Field::LastName, "contact_name"),
    (Field::Phone, "phone"),
    (Field::Title, "function"),
    (Field::Country, "country_id"),
    (Field::Language, "lang_code"),
    (Field::Source, "source_id"),
    (Field::Campaign, "campaign_id"),
    (Field::OptedOut, "is_blacklisted"),
    (Field::Reason, "lost_reason_id"),
    (Field::CompanyName, "partner_name"),
    (Field::CompanyDomain, "website"),
    (Field::CompanyCountry, "country_id"),
];

/// Read with every record, whatever is mapped.
pub(super) const ALWAYS: &[&str] = &[
    "name",
    "type",
    "stage_id",
    "user_id",
    "team_id",
    "active",
    "won_status",
    "lost_reason_id",
    "create_date",
    "create_uid",
    "write_date",
    "date_open",
    "date_closed",
    "date_last_stage_update",
    "email_from",
    "email_normalized",
];

/// The connection's maps, complete.
#[derive(Clone, Debug)]
pub(super) struct Maps {
    pub(super) connection: ConnectionId,
    /// Field and property, in the order of the catalogue.
    pub(super) fields: Vec<(Field, String)>,
    pub(super) stages: Vec<StageMap>,
    pub(super) signals: Vec<SignalMap>,
    /// Reason of the agreement and the names of lost reasons that mean it; the first is written.
    pub(super) reasons: Vec<(Name, Vec<String>)>,
    /// Track and the name of its tag.
    pub(super) tracks: Vec<(Name, String)>,
    pub(super) score: Vec<(ScorePart, String)>,
    pub(super) handoff: Vec<(HandoffPart, String)>,
    pub(super) key_property: Option<String>,
    /// Of numbers that do not say it themselves.
    pub(super) country: Option<Name>,
    pub(super) stage_back: bool,
    pub(super) settle: SignedDuration,
    pub(super) overlap: SignedDuration,
}

impl Maps {
    /// The defaults with the settings laid over them.
    pub(super) fn of(settings: &Settings) -> Self {
        let mut fields: Vec<(Field, String)> = FIELDS.iter().map(|(field, at)| (*field, (*at).to_owned())).collect();
        for (field, property) in &settings.fields {
            fields.retain(|(known, _)| known != field);
            fields.push((*field, property.clone()));
        }
        fields.sort_by_key(|(field, _)| *field);
        let mut stages: Vec<StageMap> = default_stages();
        for map in &settings.stages {
            stages.retain(|known| known.stage != map.stage);
            // A value that the settings give to one stage no longer means the stage it meant by default.
            for known in stages.iter_mut().filter(|known| !settings.stages.iter().any(|own| own.stage == known.stage)) {
                for (property, values) in &mut known.read {
                    let taken = map.read.iter().filter(|(own, _)| own == property).flat_map(|(_, values)| values);
                    let taken: Vec<&String> = taken.collect();
                    values.retain(|value| !taken.iter().any(|other| other.eq_ignore_ascii_case(value)));
                }
            }
            stages.push(map.clone());
        }
        stages.sort_by_key(|map| map.stage);
        let span = |time: Duration| SignedDuration::try_from(time).unwrap_or_default();
        Self {
            connection: settings.id.clone(),
            fields,
            stages,
            signals: settings.signals.clone(),
            reasons: settings.reasons.clone(),
            tracks: settings.tracks.clone(),
            score: settings.score_properties.clone(),
            handoff: settings.handoff_properties.clone(),
            key_property: settings.key_property.clone(),
            country: settings.country.clone(),
            stage_back: settings.stage_back,
            settle: span(settings.settle),
            overlap: span(settings.overlap),
        }
    }

    /// The stage that `value` (its name, or its number) of `property` means.
    pub(super) fn stage(&self, property: &str, id: Option<i64>, name: &str) -> Option<Stage> {
        let number = id.map(|id| id.to_string());
        let fits = |value: &String| value.trim().eq_ignore_ascii_case(name.trim()) || number.as_ref() == Some(value);
        let holds = |map: &&StageMap| map.read.iter().any(|(at, values)| at == property && values.iter().any(fits));
        self.stages.iter().find(holds).map(|map| map.stage)
    }

    /// Property and value that enter `stage`, if the connection writes it.
    pub(super) fn writes(&self, stage: Stage) -> Option<&[(String, String)]> {
        self.stages
            .iter()
            .find(|map| map.stage == stage)
            .map(|map| map.write.as_slice())
            .filter(|list| !list.is_empty())
    }

    /// The agreement's name of a lost reason.
    pub(super) fn reason(&self, said: &str) -> Option<&Name> {
        let fits = |value: &String| value.trim().eq_ignore_ascii_case(said.trim());
        self.reasons.iter().find(|(_, values)| values.iter().any(fits)).map(|(name, _)| name)
    }

    /// The name of the lost reason that is written for a reason of the agreement.
    pub(super) fn said<'a>(&'a self, reason: &'a Name) -> &'a str {
        let known = self.reasons.iter().find(|(name, _)| name == reason).and_then(|(_, values)| values.first());
        known.map_or(reason.as_str(), String::as_str)
    }

    /// Every property that is read of a `crm.lead`.
    pub(super) fn properties(&self) -> Vec<&str> {
        let mut names: Vec<&str> = ALWAYS.to_vec();
        names.extend(self.fields.iter().map(|(_, property)| property.as_str()));
        names.extend(self.signals.iter().map(|signal| signal.property.as_str()));
        names.extend(self.signals.iter().filter_map(|signal| signal.at.as_deref()));
        names.extend(self.stages.iter().flat_map(|map| map.read.iter().map(|(property, _)| property.as_str())));
        names.extend(self.key_property.as_deref());
        names.sort_unstable();
        names.dedup();
        names
    }

    /// What the connection can be asked to write.
    pub(super) fn ability(&self) -> Ability {
        Ability {
            connection: self.connection.clone(),
            stages: self.stages.iter().filter(|map| !map.write.is_empty()).map(|map| map.stage).collect(),
            score: !self.score.is_empty(),
            handoff: !self.handoff.is_empty(),
            tracks: self.tracks.iter().map(|(track, _)| track.clone()).collect(),
            reasons: self
                .reasons
                .iter()
                .filter(|(_, values)| !values.is_empty())
                .map(|(name, _)| name.clone())
                .collect(),
            rejects: true,
            stage_back: self.stage_back,
        }
    }
}

/// Odoo's own pipeline: `New`, `Qualified`, `Proposition`, `Won`. Leaving `New` for `Qualified` is sales' acceptance.
fn default_stages() -> Vec<StageMap> {
    let map = |stage: Stage, value: &str| StageMap {
        stage,
        read: vec![(STAGE.to_owned(), vec![value.to_owned()])],
        write: vec![(STAGE.to_owned(), value.to_owned())],
    };
    vec![map(Stage::Sql, "Qualified"), map(Stage::Proposal, "Proposition"), map(Stage::Won, "Won")]
}

/// The streams of every Odoo, users first: what others refer to.
pub(super) fn streams() -> Vec<Stream> {
    let stream = |name: &str, object: Object, proves: &[Proof]| Stream {
        name: Name::from(name),
        object,
        proves: proves.to_vec(),
    };
    vec![
        stream("users", Object::User, &[]),
        stream("leads", Object::Person, &[Proof::Accepted, Proof::Rejected]),
        stream("messages", Object::Email, &[Proof::Call, Proof::Email, Proof::Meeting]),
        stream("activities", Object::Task, &[]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::settings::Kind;

    fn settings() -> Settings {
        Settings::new("odoo", Kind::Odoo, "http://127.0.0.1:8069".parse().unwrap(), "k".to_owned().into())
    }

    #[test]
    fn new_means_no_stage_and_names_or_numbers_are_taken() {
        let mut settings = settings();
        let maps = Maps::of(&settings);
        assert_eq!(maps.stage(STAGE, Some(1), "New"), None);
        assert_eq!(maps.stage(STAGE, Some(2), "qualified"), Some(Stage::Sql));
        let read = vec![(STAGE.to_owned(), vec!["7".to_owned(), "Qualified".to_owned()])];
        settings.stages.push(StageMap { stage: Stage::Sal, read, write: Vec::new() });
        let maps = Maps::of(&settings);
        assert_eq!(maps.stage(STAGE, Some(7), "In Gespräch"), Some(Stage::Sal));
        assert_eq!(maps.stage(STAGE, Some(2), "Qualified"), Some(Stage::Sal), "taken from the default");
        assert_eq!(maps.writes(Stage::Sal), None);
        assert_eq!(maps.ability().stages, [Stage::Sql, Stage::Proposal, Stage::Won]);
    }
}
