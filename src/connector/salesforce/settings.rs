//! What an untouched org means, and the connection's own maps laid over it. Pure. Source: the sheet, section 4.
//!
//! `Open - Not Contacted` means nothing here on purpose: it is where every lead begins, before sales said anything. A lead that sales
//! will not pursue is told by its status; an org with a field of its own for the reason names it under `handoff.reason`.

use std::time::Duration;

use jiff::SignedDuration;

use crate::connector::Stream;
use crate::connector::settings::{CampaignSignal, HandoffPart, ScorePart, Settings, SignalMap, StageMap};
use crate::domain::agreement::Proof;
use crate::domain::field::Field;
use crate::domain::id::{ConnectionId, Name, Object};
use crate::domain::plan::Ability;
use crate::domain::stage::Stage;

/// The field that says how far a lead is.
pub(super) const STATUS: &str = "Status";
/// The field that says how far an opportunity is.
pub(super) const STAGE: &str = "StageName";
/// The field of Baton's own key, on Lead and Task, unless the settings name another.
pub(super) const KEY: &str = "BatonKey__c";
/// The longest that a transaction may appear behind its own stamp: the org ends a request after ten minutes. Source: sections 6.1 and 8.
pub(super) const LATE: SignedDuration = SignedDuration::from_mins(10);
/// Nothing newer than this is claimed to be read. Source: section 6.1.
const SETTLE: SignedDuration = SignedDuration::from_secs(60);

/// An object that people stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Lead,
    Contact,
    Account,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Lead => "Lead",
            Self::Contact => "Contact",
            Self::Account => "Account",
        }
    }
}

/// Where the fields stand in an untouched org. Source: section 4.
const FIELDS: &[(Kind, Field, &str)] = &[
    (Kind::Lead, Field::Email, "Email"),
    (Kind::Lead, Field::FirstName, "FirstName"),
    (Kind::Lead, Field::LastName, "LastName"),
    (Kind::Lead, Field::Phone, "Phone"),
    (Kind::Lead, Field::Title, "Title"),
    (Kind::Lead, Field::Country, "Country"),
    (Kind::Lead, Field::Source, "LeadSource"),
    (Kind::Lead, Field::OptedOut, "HasOptedOutOfEmail"),
    (Kind::Lead, Field::CompanyName, "Company"),
    (Kind::Lead, Field::CompanyDomain, "Website"),
    (Kind::Lead, Field::Employees, "NumberOfEmployees"),
    (Kind::Lead, Field::Industry, "Industry"),
    (Kind::Contact, Field::Email, "Email"),
    (Kind::Contact, Field::FirstName, "FirstName"),
    (Kind::Contact, Field::LastName, "LastName"),
    (Kind::Contact, Field::Phone, "Phone"),
    (Kind::Contact, Field::Title, "Title"),
    (Kind::Contact, Field::Country, "MailingCountry"),
    (Kind::Contact, Field::Source, "LeadSource"),
    (Kind::Contact, Field::OptedOut, "HasOptedOutOfEmail"),
    (Kind::Account, Field::CompanyName, "Name"),
    (Kind::Account, Field::CompanyDomain, "Website"),
    (Kind::Account, Field::Employees, "NumberOfEmployees"),
    (Kind::Account, Field::Revenue, "AnnualRevenue"),
    (Kind::Account, Field::Industry, "Industry"),
    (Kind::Account, Field::CompanyCountry, "BillingCountry"),
];

/// Read with every record, whatever is mapped.
const ALWAYS: [(Kind, &[&str]); 3] = [
    (
        Kind::Lead,
        &[
            "Id",
            "IsDeleted",
            "MasterRecordId",
            "OwnerId",
            "Status",
            "IsConverted",
            "ConvertedDate",
            "ConvertedContactId",
            "ConvertedAccountId",
            "ConvertedOpportunityId",
            "CreatedDate",
            "CreatedById",
            "LastModifiedDate",
            "LastModifiedById",
            "SystemModstamp",
        ],
    ),
    (
        Kind::Contact,
        &[
            "Id",
            "IsDeleted",
            "MasterRecordId",
            "OwnerId",
            "AccountId",
            "CreatedDate",
            "CreatedById",
            "LastModifiedDate",
            "LastModifiedById",
            "SystemModstamp",
        ],
    ),
    (Kind::Account, &["Id", "IsDeleted", "OwnerId", "SystemModstamp"]),
];

/// The connection's maps, complete.
#[derive(Clone, Debug)]
pub(super) struct Maps {
    pub(super) connection: ConnectionId,
    fields: Vec<(Kind, Field, String)>,
    pub(super) stages: Vec<StageMap>,
    pub(super) signals: Vec<SignalMap>,
    /// Signals that campaigns show.
    pub(super) campaigns: Vec<CampaignSignal>,
    /// Reason of the agreement and the values that mean it; the first is written.
    pub(super) reasons: Vec<(Name, Vec<String>)>,
    /// Where the reason stands, if not in the status.
    pub(super) reason_field: Option<String>,
    /// Track and the name of its campaign.
    pub(super) tracks: Vec<(Name, String)>,
    /// Track and the name of its queue.
    pub(super) queues: Vec<(Name, String)>,
    /// Does an event in the past count as held?
    pub(super) events_are_held: bool,
    pub(super) score: Vec<(ScorePart, String)>,
    pub(super) handoff: Vec<(HandoffPart, String)>,
    pub(super) key: String,
    /// Of numbers that do not say it themselves.
    pub(super) country: Option<Name>,
    pub(super) stage_back: bool,
    pub(super) settle: SignedDuration,
    pub(super) overlap: SignedDuration,
}

impl Maps {
    /// The defaults with the settings laid over them.
    pub(super) fn of(settings: &Settings) -> Self {
        let mut fields: Vec<(Kind, Field, String)> =
            FIELDS.iter().map(|(kind, field, at)| (*kind, *field, (*at).to_owned())).collect();
        let own = settings.fields.iter().filter(|(field, _)| *field != Field::Reason);
        for (field, property) in own {
            let kinds: Vec<Kind> = [Kind::Lead, Kind::Contact, Kind::Account]
                .into_iter()
                .filter(|kind| fields.iter().any(|(of, known, _)| of == kind && known == field))
                .collect();
            fields.retain(|(_, known, _)| known != field);
            // A field that no object has by default may stand in either of the people's.
            let kinds = if kinds.is_empty() { vec![Kind::Lead, Kind::Contact] } else { kinds };
            fields.extend(kinds.into_iter().map(|kind| (kind, *field, property.clone())));
        }
        fields.sort_by_key(|(_, field, _)| *field);
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
            campaigns: settings.campaigns.clone(),
            reasons: settings.reasons.clone(),
            reason_field: settings.fields.iter().find(|(field, _)| *field == Field::Reason).map(|(_, at)| at.clone()),
            tracks: settings.tracks.clone(),
            queues: settings.queues.clone(),
            events_are_held: settings.events_are_held,
            score: settings.score_properties.clone(),
            handoff: settings.handoff_properties.clone(),
            key: settings.key_property.clone().unwrap_or_else(|| KEY.to_owned()),
            country: settings.country.clone(),
            stage_back: settings.stage_back,
            settle: span(settings.settle).max(SETTLE),
            overlap: span(settings.overlap).max(LATE),
        }
    }

    /// Field and property of an object, in the order of the catalogue.
    pub(super) fn fields(&self, kind: Kind) -> impl Iterator<Item = (Field, &str)> {
        self.fields.iter().filter(move |(of, _, _)| *of == kind).map(|(_, field, at)| (*field, at.as_str()))
    }

    /// The stage that `value` of `property` means.
    pub(super) fn stage(&self, property: &str, value: &str) -> Option<Stage> {
        let fits = |known: &String| known.trim().eq_ignore_ascii_case(value.trim());
        let holds = |map: &&StageMap| map.read.iter().any(|(at, values)| at == property && values.iter().any(fits));
        self.stages.iter().find(holds).map(|map| map.stage)
    }

    /// Property and value that enter `stage`, if the connection writes it.
    pub(super) fn writes(&self, stage: Stage) -> Option<&[(String, String)]> {
        let map = self.stages.iter().find(|map| map.stage == stage)?;
        Some(map.write.as_slice()).filter(|list| !list.is_empty())
    }

    /// The status that a lead gets that sales gives back.
    pub(super) fn given_back(&self) -> Option<&str> {
        let map = self.stages.iter().find(|map| map.stage == Stage::Disqualified)?;
        let written = map.write.iter().find(|(property, _)| property == STATUS).map(|(_, value)| value.as_str());
        let read = || map.read.iter().find(|(property, _)| property == STATUS).and_then(|(_, values)| values.first());
        written.or_else(|| read().map(String::as_str))
    }

    /// The agreement's name of a reason.
    pub(super) fn reason(&self, said: &str) -> Option<&Name> {
        let fits = |value: &String| value.trim().eq_ignore_ascii_case(said.trim());
        self.reasons.iter().find(|(_, values)| values.iter().any(fits)).map(|(name, _)| name)
    }

    /// Every property that is read of an object's records.
    pub(super) fn properties(&self, kind: Kind) -> Vec<&str> {
        let always = ALWAYS.iter().find(|(of, _)| *of == kind).map_or(&[][..], |(_, names)| names);
        let mut names: Vec<&str> = always.to_vec();
        names.extend(self.fields(kind).map(|(_, property)| property));
        if kind != Kind::Account {
            names.extend(self.signals.iter().map(|signal| signal.property.as_str()));
            names.extend(self.signals.iter().filter_map(|signal| signal.at.as_deref()));
        }
        if kind == Kind::Lead {
            let read = self.stages.iter().flat_map(|map| map.read.iter().map(|(property, _)| property.as_str()));
            names.extend(read.filter(|property| *property != STAGE));
            names.extend(self.reason_field.as_deref());
            names.push(&self.key);
        }
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
            rejects: self.given_back().is_some(),
            stage_back: self.stage_back,
        }
    }
}

/// Salesforce's own values. Leaving `Open - Not Contacted` for `Working - Contacted` is sales' acceptance; what is converted is
/// confirmed, whatever its stage is called.
fn default_stages() -> Vec<StageMap> {
    let map = |stage: Stage, property: &str, values: &[&str]| StageMap {
        stage,
        read: vec![(property.to_owned(), values.iter().map(|value| (*value).to_owned()).collect())],
        write: Vec::new(),
    };
    let early = [
        "Prospecting",
        "Qualification",
        "Needs Analysis",
        "Value Proposition",
        "Id. Decision Makers",
        "Perception Analysis",
    ];
    vec![
        map(Stage::Sal, STATUS, &["Working - Contacted"]),
        map(Stage::Sql, STAGE, &early),
        map(Stage::Proposal, STAGE, &["Proposal/Price Quote"]),
        map(Stage::Negotiation, STAGE, &["Negotiation/Review"]),
        map(Stage::Won, STAGE, &["Closed Won"]),
        map(Stage::Lost, STAGE, &["Closed Lost"]),
        map(Stage::Disqualified, STATUS, &["Closed - Not Converted"]),
    ]
}

/// The streams of an org, users first: what others refer to. People stand in two objects. A closed task can be of any kind; an event proves a
/// meeting only where the settings say so (section 4, "Evidence"). A campaign's members are read where they show signals.
pub(super) fn streams(maps: &Maps) -> Vec<Stream> {
    let stream = |name: &str, object: Object, proves: &[Proof]| Stream {
        name: Name::from(name),
        object,
        proves: proves.to_vec(),
    };
    let meetings: &[Proof] = if maps.events_are_held { &[Proof::Meeting] } else { &[] };
    let mut streams = vec![
        stream("users", Object::User, &[]),
        stream("accounts", Object::Company, &[]),
        stream("leads", Object::Person, &[Proof::Accepted, Proof::Rejected]),
        stream("contacts", Object::Person, &[Proof::Accepted]),
        stream("opportunities", Object::Deal, &[]),
        stream("tasks", Object::Call, &[Proof::Call, Proof::Email, Proof::Meeting]),
        stream("events", Object::Meeting, meetings),
    ];
    if !maps.campaigns.is_empty() {
        streams.push(stream("members", Object::Person, &[]));
    }
    streams
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::settings;

    fn settings() -> Settings {
        let base = "http://127.0.0.1:1".parse().unwrap();
        Settings::new("salesforce", settings::Kind::Salesforce, base, "k".to_owned().into())
    }

    #[test]
    fn an_untouched_org_needs_no_map_section_4() {
        let mut settings = settings();
        let maps = Maps::of(&settings);
        assert_eq!(maps.stage(STATUS, "Open - Not Contacted"), None);
        assert_eq!(maps.stage(STATUS, "working - contacted"), Some(Stage::Sal));
        assert_eq!(maps.stage(STAGE, "Closed Won"), Some(Stage::Won));
        assert_eq!(maps.given_back(), Some("Closed - Not Converted"));
        assert!(maps.ability().stages.is_empty(), "nothing is written that nobody mapped");
        assert!(maps.settle >= SETTLE && maps.overlap >= LATE);
        let read = vec![(STATUS.to_owned(), vec!["Unqualified".to_owned()])];
        settings.stages.push(StageMap { stage: Stage::Disqualified, read, write: Vec::new() });
        settings.fields.push((Field::Country, "CountryCode".to_owned()));
        settings.fields.push((Field::Reason, "Lost_Reason__c".to_owned()));
        let maps = Maps::of(&settings);
        assert_eq!(maps.given_back(), Some("Unqualified"));
        assert!(maps.properties(Kind::Contact).contains(&"CountryCode"));
        assert!(
            maps.properties(Kind::Lead).contains(&"Lost_Reason__c")
                && !maps.properties(Kind::Contact).contains(&"Lost_Reason__c")
        );
        assert!(!maps.properties(Kind::Lead).contains(&STAGE));
    }
}
