//! What an untouched Pipedrive means, and the connection's own maps laid over it. Pure.
//!
//! Stage names are those of the pipeline that a new company begins with; a company that renamed them maps its own, by name or by
//! number. A lead of the inbox has no stage. Making a deal of it is sales' confirmation, so the first stages mean `sql`. Source:
//! sections 1.8 and 4.

use std::time::Duration;

use jiff::SignedDuration;

use crate::connector::Stream;
use crate::connector::moment::Form;
use crate::connector::settings::{HandoffPart, ScorePart, Settings, SignalMap, StageMap};
use crate::domain::agreement::Proof;
use crate::domain::field::{Field, FieldSource};
use crate::domain::id::{ConnectionId, Name, Object};
use crate::domain::plan::Ability;
use crate::domain::stage::Stage;

/// A deal's stage in its pipeline.
pub(super) const STAGE: &str = "stage";
/// A deal's status: `open`, `won` or `lost`.
pub(super) const STATUS: &str = "status";
/// A label of a lead.
pub(super) const LABEL: &str = "label";
/// What a property of the lead or deal begins with, in the settings; others are of the person or the organization.
const OF_DEAL: &str = "deal:";
/// The word for a reason that an archived lead has without a label that says more.
pub(super) const ARCHIVED: &str = "archived";
/// The word for a reason that a deleted lead has.
pub(super) const DELETED: &str = "deleted";

/// Where the fields stand. Source: section 4 and the specification of persons and organizations.
const FIELDS: &[(Field, &str)] = &[
    (Field::Email, "emails"),
    (Field::FirstName, "first_name"),
    (Field::LastName, "last_name"),
    (Field::Phone, "phones"),
    (Field::Title, "job_title"),
    (Field::Country, "postal_address"),
    (Field::OptedOut, "marketing_status"),
    (Field::CompanyName, "name"),
    (Field::CompanyDomain, "website"),
    (Field::Employees, "employee_count"),
    (Field::Revenue, "annual_revenue"),
    (Field::Industry, "industry"),
    (Field::CompanyCountry, "address"),
];

/// Of which record a property is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Of {
    Person,
    Organization,
    /// The lead or deal that carries the journey: they have the same custom fields.
    Deal,
}

/// A property, as the settings name it.
pub(super) fn property(text: &str, otherwise: Of) -> (Of, &str) {
    text.strip_prefix(OF_DEAL).map_or((otherwise, text), |rest| (Of::Deal, rest.trim()))
}

/// The connection's maps, complete.
#[derive(Clone, Debug)]
pub(super) struct Maps {
    pub(super) connection: ConnectionId,
    /// Field and property, in the order of the catalogue.
    pub(super) fields: Vec<(Field, String)>,
    pub(super) stages: Vec<StageMap>,
    pub(super) signals: Vec<SignalMap>,
    pub(super) times: Vec<(String, Form)>,
    /// Reason of the agreement and the words that mean it: lost reasons of deals, labels of leads; the first is written.
    pub(super) reasons: Vec<(Name, Vec<String>)>,
    /// Track and the name of its label.
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
        let mut stages = default_stages();
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
            times: settings.times.clone(),
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

    /// The stage that a value of `property` means: `values` are its name and its number.
    pub(super) fn stage(&self, property: &str, values: &[&str]) -> Option<Stage> {
        let fits = |wanted: &String| values.iter().any(|value| wanted.trim().eq_ignore_ascii_case(value.trim()));
        let holds = |map: &&StageMap| map.read.iter().any(|(at, wanted)| at == property && wanted.iter().any(fits));
        self.stages.iter().find(holds).map(|map| map.stage)
    }

    /// Property and value that enter `stage`, if the connection writes it.
    pub(super) fn writes(&self, stage: Stage) -> Option<&[(String, String)]> {
        let map = self.stages.iter().find(|map| map.stage == stage)?;
        Some(map.write.as_slice()).filter(|list| !list.is_empty())
    }

    /// The agreement's name of a reason.
    pub(super) fn reason(&self, said: &str) -> Option<&Name> {
        let fits = |value: &String| value.trim().eq_ignore_ascii_case(said.trim());
        self.reasons.iter().find(|(_, values)| values.iter().any(fits)).map(|(name, _)| name)
    }

    /// The words that are written for a reason of the agreement.
    pub(super) fn words<'a>(&'a self, reason: &'a Name) -> Option<&'a str> {
        let known = self.reasons.iter().find(|(name, _)| name == reason)?;
        known.1.iter().map(String::as_str).find(|said| ![ARCHIVED, DELETED].contains(said)).or(Some(reason.as_str()))
    }

    pub(super) fn form(&self, property: &str) -> Option<Form> {
        self.times.iter().find(|(known, _)| known == property).map(|(_, form)| *form)
    }

    /// Every property that the settings or the defaults name, with the record that it is of and the names of what it is for.
    pub(super) fn properties(&self) -> Vec<(Of, &str)> {
        let mut all: Vec<(Of, &str)> = Vec::new();
        for (field, text) in &self.fields {
            let of = if field.source() == FieldSource::Company { Of::Organization } else { Of::Person };
            all.push(property(text, of));
        }
        let signals = self.signals.iter().flat_map(|signal| [Some(signal.property.as_str()), signal.at.as_deref()]);
        let written = self.score.iter().map(|(_, text)| text).chain(self.handoff.iter().map(|(_, text)| text));
        let texts = signals.flatten().chain(written.map(String::as_str)).chain(self.key_property.as_deref());
        all.extend(texts.map(|text| property(text, Of::Person)));
        all.sort_unstable();
        all.dedup();
        all
    }

    /// What the connection can be asked to write.
    pub(super) fn ability(&self) -> Ability {
        let reasons = self.reasons.iter().filter(|(_, values)| !values.is_empty());
        Ability {
            connection: self.connection.clone(),
            stages: self.stages.iter().filter(|map| !map.write.is_empty()).map(|map| map.stage).collect(),
            score: !self.score.is_empty(),
            handoff: !self.handoff.is_empty(),
            tracks: self.tracks.iter().map(|(track, _)| track.clone()).collect(),
            reasons: reasons.map(|(name, _)| name.clone()).collect(),
            rejects: true,
            stage_back: self.stage_back,
        }
    }
}

/// The pipeline of a new company; a deal's status says how it ended. Nothing of it is written: the stage is sales' own.
fn default_stages() -> Vec<StageMap> {
    let map = |stage: Stage, property: &str, values: &[&str]| StageMap {
        stage,
        read: vec![(property.to_owned(), values.iter().map(|value| (*value).to_owned()).collect())],
        write: Vec::new(),
    };
    vec![
        map(Stage::Sql, STAGE, &["Qualified", "Contact Made", "Demo Scheduled"]),
        map(Stage::Proposal, STAGE, &["Proposal Made"]),
        map(Stage::Negotiation, STAGE, &["Negotiations Started"]),
        map(Stage::Won, STATUS, &["won"]),
        map(Stage::Lost, STATUS, &["lost"]),
    ]
}

/// The streams of every Pipedrive, users first: what others refer to.
pub(super) fn streams() -> Vec<Stream> {
    let stream = |name: &str, object: Object, proves: &[Proof]| Stream {
        name: Name::from(name),
        object,
        proves: proves.to_vec(),
    };
    vec![
        stream("users", Object::User, &[]),
        stream("organizations", Object::Company, &[]),
        stream("persons", Object::Person, &[]),
        stream("leads", Object::Person, &[Proof::Accepted, Proof::Rejected]),
        stream("deals", Object::Deal, &[Proof::Accepted, Proof::Rejected]),
        stream("activities", Object::Call, &[Proof::Call, Proof::Email, Proof::Meeting]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::settings::Kind;

    fn settings() -> Settings {
        Settings::new("pipedrive", Kind::Pipedrive, "http://127.0.0.1:8703".parse().unwrap(), "k".to_owned().into())
    }

    #[test]
    fn an_untouched_pipeline_is_understood_and_names_or_numbers_are_taken() {
        let mut settings = settings();
        let maps = Maps::of(&settings);
        assert_eq!(maps.stage(STAGE, &["1", "qualified"]), Some(Stage::Sql));
        assert_eq!(maps.stage(STAGE, &["5", "Negotiations Started"]), Some(Stage::Negotiation));
        assert_eq!((maps.stage(STATUS, &["won"]), maps.stage(STATUS, &["open"])), (Some(Stage::Won), None));
        let read = vec![(STAGE.to_owned(), vec!["7".to_owned(), "Qualified".to_owned()])];
        settings.stages.push(StageMap { stage: Stage::Sal, read, write: Vec::new() });
        let maps = Maps::of(&settings);
        assert_eq!(maps.stage(STAGE, &["7", "In Gespräch"]), Some(Stage::Sal));
        assert_eq!(maps.stage(STAGE, &["1", "Qualified"]), Some(Stage::Sal), "taken from the default");
        assert_eq!(maps.stage(STAGE, &["2", "Contact Made"]), Some(Stage::Sql), "the others stay");
        assert!(maps.ability().stages.is_empty(), "no stage is written by default");
    }

    #[test]
    fn a_property_says_of_which_record_it_is() {
        assert_eq!(property("Customer type", Of::Person), (Of::Person, "Customer type"));
        assert_eq!(property("deal: Customer type", Of::Person), (Of::Deal, "Customer type"));
    }

    #[test]
    fn the_words_for_archived_and_deleted_are_read_and_not_written() {
        let mut settings = settings();
        settings.reasons = vec![
            (Name::from("bad_timing"), vec![ARCHIVED.to_owned(), "Not now".to_owned()]),
            (Name::from("duplicate"), vec![DELETED.to_owned()]),
        ];
        let maps = Maps::of(&settings);
        assert_eq!(maps.words(&Name::from("bad_timing")), Some("Not now"));
        assert_eq!(maps.words(&Name::from("duplicate")), Some("duplicate"));
        assert_eq!(maps.words(&Name::from("bad_fit")), None);
        assert_eq!(maps.reason("Archived").map(Name::as_str), Some("bad_timing"));
    }
}
