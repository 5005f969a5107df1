//! What an untouched HubSpot portal means, and the connection's own maps laid over it. Pure.
//!
//! Property names and values are those of the fact sheet, sections 3 and 10.

use jiff::Timestamp;

use crate::connector::moment::{self, Form};
use crate::connector::settings::{ScorePart, Settings, SignalMap, SignalTest, StageMap};
use crate::domain::agreement::Proof;
use crate::domain::field::{Field, FieldSource};
use crate::domain::id::{Name, Object};
use crate::domain::plan::Ability;
use crate::domain::stage::Stage;

/// The property that says how far a contact is. Source: section 3.
pub(super) const LIFECYCLE: &str = "lifecyclestage";
/// The property that says what sales does. Source: section 3.
pub(super) const LEAD_STATUS: &str = "hs_lead_status";
/// The property that holds the owner's id. Source: section 3.
pub(super) const OWNER: &str = "hubspot_owner_id";
/// The lead status of a contact that sales gave back. Source: section 3.
const UNQUALIFIED: &str = "UNQUALIFIED";
/// The API version in paths if the settings name none. Source: section 2.
pub(super) const VERSION: &str = "2026-09";

/// A HubSpot object type that Baton reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Type {
    Contacts,
    Companies,
    Calls,
    Emails,
    Meetings,
    Tasks,
    Deals,
}

impl Type {
    pub(super) const ALL: [Self; 7] =
        [Self::Contacts, Self::Companies, Self::Calls, Self::Emails, Self::Meetings, Self::Tasks, Self::Deals];

    /// The name in paths.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Contacts => "contacts",
            Self::Companies => "companies",
            Self::Calls => "calls",
            Self::Emails => "emails",
            Self::Meetings => "meetings",
            Self::Tasks => "tasks",
            Self::Deals => "deals",
        }
    }

    pub(super) fn object(self) -> Object {
        match self {
            Self::Contacts => Object::Person,
            Self::Companies => Object::Company,
            Self::Calls => Object::Call,
            Self::Emails => Object::Email,
            Self::Meetings => Object::Meeting,
            Self::Tasks => Object::Task,
            Self::Deals => Object::Deal,
        }
    }

    pub(super) fn objects(self) -> &'static [Object] {
        match self {
            Self::Contacts => &[Object::Person],
            Self::Companies => &[Object::Company],
            Self::Calls => &[Object::Call],
            Self::Emails => &[Object::Email],
            Self::Meetings => &[Object::Meeting],
            Self::Tasks => &[Object::Task],
            Self::Deals => &[Object::Deal],
        }
    }

    pub(super) fn of(object: Object) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.object() == object)
    }

    /// The property that moves with every change: contacts alone have another name, and the wrong one finds nothing,
    /// silently. Source: section 3.
    pub(super) fn modified(self) -> &'static str {
        match self {
            Self::Contacts => "lastmodifieddate",
            Self::Companies | Self::Calls | Self::Emails | Self::Meetings | Self::Tasks | Self::Deals => {
                "hs_lastmodifieddate"
            }
        }
    }

    /// The type whose associations are read with it.
    pub(super) fn beside(self) -> Option<Self> {
        match self {
            Self::Contacts => Some(Self::Companies),
            Self::Companies => None,
            Self::Calls | Self::Emails | Self::Meetings | Self::Tasks | Self::Deals => Some(Self::Contacts),
        }
    }

    /// A second type whose associations are read with it: a deal has people and a company.
    pub(super) fn beside_too(self) -> Option<Self> {
        (self == Self::Deals).then_some(Self::Companies)
    }

    pub(super) fn proves(self) -> Vec<Proof> {
        match self {
            Self::Contacts => vec![Proof::Accepted, Proof::Rejected],
            Self::Calls => vec![Proof::Call],
            Self::Emails => vec![Proof::Email],
            Self::Meetings => vec![Proof::Meeting],
            Self::Companies | Self::Tasks | Self::Deals => Vec::new(),
        }
    }
}

/// What a value of a mapped stage property means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A stage.
    Stage(Stage),
    /// Sales gives the lead back; the reason by its name, or by the property that holds one.
    Rejected(Option<Name>),
    /// Known, and says nothing of the stage.
    Neutral,
    /// No map knows it.
    Unknown,
}

/// The settings in the form that the maps work with.
#[derive(Clone, Debug)]
pub(super) struct Maps {
    pub(super) version: String,
    pub(super) person_fields: Vec<(Field, String)>,
    pub(super) company_fields: Vec<(Field, String)>,
    pub(super) stages: Vec<StageMap>,
    pub(super) signals: Vec<SignalMap>,
    /// Properties that hold a time in a form that their type does not say.
    pub(super) times: Vec<(String, Form)>,
    pub(super) reasons: Vec<(Name, Vec<String>)>,
    pub(super) key_property: Option<String>,
    /// The properties that the score is written to.
    pub(super) scores: Vec<(ScorePart, String)>,
    /// Of numbers that do not say it themselves.
    pub(super) country: Option<Name>,
    /// The properties that a stage map reads, each once: `lifecyclestage` and `hs_lead_status` in an untouched portal.
    pub(super) stage_properties: Vec<String>,
    /// Asked with history for people at or past the bar, and for those who show another value than Baton wrote.
    pub(super) history: Vec<String>,
    properties: Vec<(Type, Vec<String>)>,
}

impl Maps {
    pub(super) fn of(settings: &Settings) -> Self {
        let fields = merged_fields(&settings.fields);
        let (company_fields, person_fields): (Vec<_>, Vec<_>) =
            fields.into_iter().partition(|(field, _)| field.source() == FieldSource::Company);
        let mut stages = default_stages();
        for own in &settings.stages {
            match stages.iter_mut().find(|map| map.stage == own.stage) {
                Some(map) => *map = own.clone(),
                None => stages.push(own.clone()),
            }
        }
        let mut signals = settings.signals.clone();
        signals.extend(
            default_signals().into_iter().filter(|map| !settings.signals.iter().any(|own| own.signal == map.signal)),
        );
        let mut reasons = settings.reasons.clone();
        match reasons.iter_mut().find(|(name, _)| name.as_str() == "bad_timing") {
            Some((_, values)) if values.iter().any(|value| value == "BAD_TIMING") => {}
            Some((_, values)) => values.push("BAD_TIMING".to_owned()),
            None => reasons.push((Name::from("bad_timing"), vec!["BAD_TIMING".to_owned()])),
        }
        let mut stage_properties: Vec<String> = Vec::new();
        for (property, _) in stages.iter().flat_map(|map| &map.read) {
            push_new(&mut stage_properties, property);
        }
        push_new(&mut stage_properties, LEAD_STATUS);
        let mut history = stage_properties.clone();
        push_new(&mut history, OWNER);
        settings.score_properties.iter().for_each(|(_, name)| push_new(&mut history, name));
        for map in &signals {
            push_new(&mut history, &map.property);
            if let Some(at) = &map.at {
                push_new(&mut history, at);
            }
        }
        let mut maps = Self {
            version: settings.api_version.clone().unwrap_or_else(|| VERSION.to_owned()),
            person_fields,
            company_fields,
            stages,
            signals,
            times: settings.times.clone(),
            reasons,
            key_property: settings.key_property.clone(),
            scores: settings.score_properties.clone(),
            country: settings.country.clone(),
            stage_properties,
            history,
            properties: Vec::new(),
        };
        maps.properties = Type::ALL.into_iter().map(|kind| (kind, maps.wanted(kind))).collect();
        maps
    }

    /// The time that a property holds.
    pub(super) fn time(&self, property: &str, text: &str) -> Option<Timestamp> {
        moment::read(text, self.form(property))
    }

    /// The form that the settings declare for a property.
    pub(super) fn form(&self, property: &str) -> Option<Form> {
        self.times.iter().find(|(name, _)| name == property).map(|(_, form)| *form)
    }

    /// The properties that are read of a type.
    pub(super) fn properties(&self, kind: Type) -> &[String] {
        self.properties.iter().find(|(of, _)| *of == kind).map_or(&[], |(_, names)| names)
    }

    fn wanted(&self, kind: Type) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let fixed: &[&str] = match kind {
            Type::Contacts => {
                &["createdate", "lastmodifieddate", "hs_additional_emails", "hs_merged_object_ids", OWNER]
            }
            Type::Companies => &["hs_lastmodifieddate", "hs_merged_object_ids", OWNER],
            Type::Calls => &[
                "hs_timestamp",
                "hs_call_direction",
                "hs_call_status",
                "hs_call_disposition",
                OWNER,
                "hs_lastmodifieddate",
            ],
            Type::Emails => &["hs_timestamp", "hs_email_direction", "hs_email_status", OWNER, "hs_lastmodifieddate"],
            Type::Meetings => {
                &["hs_timestamp", "hs_meeting_start_time", "hs_meeting_outcome", OWNER, "hs_lastmodifieddate"]
            }
            Type::Tasks => &["hs_timestamp", "hs_task_status", OWNER, "hs_lastmodifieddate"],
            // Source: section 3, the table of objects.
            Type::Deals => &[
                "dealname",
                "dealstage",
                "amount",
                "closedate",
                "hs_is_closed",
                "hs_is_closed_won",
                "createdate",
                OWNER,
                "hs_lastmodifieddate",
            ],
        };
        fixed.iter().for_each(|name| push_new(&mut names, name));
        match kind {
            Type::Contacts => {
                self.person_fields.iter().for_each(|(_, name)| push_new(&mut names, name));
                self.history.iter().for_each(|name| push_new(&mut names, name));
                self.key_property.iter().for_each(|name| push_new(&mut names, name));
            }
            Type::Companies => self.company_fields.iter().for_each(|(_, name)| push_new(&mut names, name)),
            Type::Calls | Type::Emails | Type::Meetings | Type::Tasks | Type::Deals => {}
        }
        names
    }

    /// What `value` of a stage property means. Values are compared with case, as HubSpot does. Source: section 3.
    pub(super) fn meaning(&self, property: &str, value: &str) -> Meaning {
        let stage = self.stages.iter().find(|map| {
            map.read.iter().any(|(name, values)| name == property && values.iter().any(|known| known == value))
        });
        if let Some(map) = stage {
            return Meaning::Stage(map.stage);
        }
        if property == LEAD_STATUS {
            if let Some(reason) = self.reason(value) {
                return Meaning::Rejected(Some(reason));
            }
            return match value {
                UNQUALIFIED => Meaning::Rejected(None),
                "NEW" | "OPEN" | "ATTEMPTED_TO_CONTACT" | "IN_PROGRESS" | "CONNECTED" | "OPEN_DEAL" => Meaning::Neutral,
                _ => Meaning::Unknown,
            };
        }
        // HubSpot's own catch-all says nothing of how far a person is. Source: section 3.
        if property == LIFECYCLE && value == "other" { Meaning::Neutral } else { Meaning::Unknown }
    }

    /// The agreement's name of a reason as the CRM has it.
    pub(super) fn reason(&self, said: &str) -> Option<Name> {
        let known = |(_, values): &&(Name, Vec<String>)| values.iter().any(|one| one.eq_ignore_ascii_case(said.trim()));
        self.reasons.iter().find(known).map(|(name, _)| name.clone())
    }

    /// The property that holds the reason of a rejection.
    pub(super) fn reason_property(&self) -> Option<&str> {
        self.person_fields.iter().find(|(field, _)| *field == Field::Reason).map(|(_, property)| property.as_str())
    }

    /// The line that maps `stage` as it is mapped now, with one more value that is read as it: a stage of the settings stands
    /// for the built-in one whole, so a line with the new value alone would lose the others.
    pub(super) fn line_with(&self, stage: Stage, property: &str, value: &str) -> String {
        let mut map = self.stage_map(stage);
        match map.read.iter_mut().find(|(known, _)| known == property) {
            Some((_, values)) => values.push(value.to_owned()),
            None => map.read.push((property.to_owned(), vec![value.to_owned()])),
        }
        map.line()
    }

    fn stage_map(&self, stage: Stage) -> StageMap {
        let known = self.stages.iter().find(|map| map.stage == stage).cloned();
        known.unwrap_or_else(|| StageMap { stage, read: Vec::new(), write: Vec::new() })
    }

    /// What to write to enter a stage; empty if the connection writes none.
    pub(super) fn entering(&self, stage: Stage) -> &[(String, String)] {
        self.stages.iter().find(|map| map.stage == stage).map_or(&[], |map| &map.write)
    }

    /// What to write to give a lead back for `reason`: the lead status that says it, or `UNQUALIFIED` and the reason beside.
    pub(super) fn rejecting(&self, reason: &Name) -> Vec<(String, String)> {
        let values = self.reasons.iter().find(|(name, _)| name == reason).map_or(&[][..], |(_, values)| values);
        let status = values.iter().find(|value| value.as_str() == "BAD_TIMING");
        let mut writes =
            vec![(LEAD_STATUS.to_owned(), status.map_or(UNQUALIFIED, |status| status.as_str()).to_owned())];
        let word = values.iter().find(|value| value.as_str() != "BAD_TIMING");
        if let (Some(property), Some(word)) = (self.reason_property(), word) {
            writes.push((property.to_owned(), word.clone()));
        }
        writes
    }

    pub(super) fn ability(&self, settings: &Settings) -> Ability {
        Ability {
            connection: settings.id.clone(),
            stages: self.stages.iter().filter(|map| !map.write.is_empty()).map(|map| map.stage).collect(),
            score: !settings.score_properties.is_empty(),
            handoff: !settings.handoff_properties.is_empty(),
            tracks: settings.tracks.iter().map(|(track, _)| track.clone()).collect(),
            reasons: self.reasons.iter().map(|(name, _)| name.clone()).collect(),
            rejects: true,
            stage_back: settings.stage_back,
        }
    }
}

fn push_new(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
}

fn merged_fields(own: &[(Field, String)]) -> Vec<(Field, String)> {
    let mut fields: Vec<(Field, String)> = own.to_vec();
    for (field, property) in DEFAULT_FIELDS {
        if !own.iter().any(|(known, _)| known == field) {
            fields.push((*field, (*property).to_owned()));
        }
    }
    fields.sort_by_key(|(field, _)| *field);
    fields
}

/// Source: section 3, the table of objects and "Signals and consent"; the property lists of untouched portals.
const DEFAULT_FIELDS: &[(Field, &str)] = &[
    (Field::Email, "email"),
    (Field::FirstName, "firstname"),
    (Field::LastName, "lastname"),
    (Field::Phone, "phone"),
    (Field::LinkedIn, "hs_linkedin_url"),
    (Field::Title, "jobtitle"),
    (Field::Country, "country"),
    (Field::Language, "hs_language"),
    (Field::Source, "hs_analytics_source"),
    (Field::OptedOut, "hs_email_optout"),
    (Field::CompanyName, "name"),
    (Field::CompanyDomain, "domain"),
    (Field::Employees, "numberofemployees"),
    (Field::Revenue, "annualrevenue"),
    (Field::Industry, "industry"),
    (Field::CompanyCountry, "country"),
];

/// Source: section 3, lifecycle stage and lead status.
fn default_stages() -> Vec<StageMap> {
    let map = |stage, property: &str, read: &[&str], write: &str| StageMap {
        stage,
        read: vec![(property.to_owned(), read.iter().map(|value| (*value).to_owned()).collect())],
        write: vec![(property.to_owned(), write.to_owned())],
    };
    let lifecycle = |stage, value: &str| map(stage, LIFECYCLE, &[value], value);
    vec![
        lifecycle(Stage::Awareness, "subscriber"),
        lifecycle(Stage::Engagement, "lead"),
        lifecycle(Stage::Mql, "marketingqualifiedlead"),
        map(Stage::Sal, LEAD_STATUS, &["IN_PROGRESS", "CONNECTED", "OPEN_DEAL"], "IN_PROGRESS"),
        lifecycle(Stage::Sql, "salesqualifiedlead"),
        lifecycle(Stage::Proposal, "opportunity"),
        // An evangelist is a customer who speaks for the company.
        map(Stage::Won, LIFECYCLE, &["customer", "evangelist"], "customer"),
    ]
}

/// Source: section 3, "Signals and consent as contact properties".
pub(super) fn default_signals() -> Vec<SignalMap> {
    let map = |signal: &str, property: &str, test, at: &str| SignalMap {
        signal: Name::from(signal),
        property: property.to_owned(),
        test,
        at: Some(at.to_owned()),
    };
    vec![
        map(
            "demo_request",
            "recent_conversion_event_name",
            SignalTest::Contains("demo".to_owned()),
            "recent_conversion_date",
        ),
        map(
            "pricing_page",
            "hs_analytics_last_url",
            SignalTest::Contains("pricing".to_owned()),
            "hs_analytics_last_visit_timestamp",
        ),
        map("email_click", "hs_email_last_click_date", SignalTest::Present, "hs_email_last_click_date"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::settings::Kind;

    fn settings() -> Settings {
        Settings::new("hubspot", Kind::HubSpot, "http://127.0.0.1:1".parse().unwrap(), String::from("t").into())
    }

    #[test]
    fn an_untouched_portal_needs_no_map_section_3() {
        let maps = Maps::of(&settings());
        for (property, value, meaning) in [
            (LIFECYCLE, "subscriber", Meaning::Stage(Stage::Awareness)),
            (LIFECYCLE, "lead", Meaning::Stage(Stage::Engagement)),
            (LIFECYCLE, "marketingqualifiedlead", Meaning::Stage(Stage::Mql)),
            (LIFECYCLE, "salesqualifiedlead", Meaning::Stage(Stage::Sql)),
            (LIFECYCLE, "opportunity", Meaning::Stage(Stage::Proposal)),
            (LIFECYCLE, "customer", Meaning::Stage(Stage::Won)),
            (LIFECYCLE, "evangelist", Meaning::Stage(Stage::Won)),
            (LIFECYCLE, "other", Meaning::Neutral),
            (LIFECYCLE, "51439524", Meaning::Unknown),
            (LEAD_STATUS, "IN_PROGRESS", Meaning::Stage(Stage::Sal)),
            (LEAD_STATUS, "CONNECTED", Meaning::Stage(Stage::Sal)),
            (LEAD_STATUS, "OPEN_DEAL", Meaning::Stage(Stage::Sal)),
            (LEAD_STATUS, "NEW", Meaning::Neutral),
            (LEAD_STATUS, "ATTEMPTED_TO_CONTACT", Meaning::Neutral),
            (LEAD_STATUS, "UNQUALIFIED", Meaning::Rejected(None)),
            (LEAD_STATUS, "BAD_TIMING", Meaning::Rejected(Some(Name::from("bad_timing")))),
            (LEAD_STATUS, "in_progress", Meaning::Unknown),
        ] {
            assert_eq!(maps.meaning(property, value), meaning, "{property}={value}");
        }
    }

    #[test]
    fn the_settings_stand_over_the_defaults_stage_by_stage() {
        let mut own = settings();
        own.stages = vec![StageMap {
            stage: Stage::Sal,
            read: vec![(LEAD_STATUS.to_owned(), vec!["WORKING".to_owned()])],
            write: vec![(LEAD_STATUS.to_owned(), "WORKING".to_owned())],
        }];
        let maps = Maps::of(&own);
        assert_eq!(maps.meaning(LEAD_STATUS, "WORKING"), Meaning::Stage(Stage::Sal));
        assert_eq!(maps.meaning(LEAD_STATUS, "IN_PROGRESS"), Meaning::Neutral);
        assert_eq!(maps.meaning(LIFECYCLE, "lead"), Meaning::Stage(Stage::Engagement));
    }

    #[test]
    fn a_rejection_is_written_as_the_portal_says_it() {
        let mut own = settings();
        own.fields = vec![(Field::Reason, "rejection_reason".to_owned())];
        own.reasons = vec![(Name::from("bad_fit"), vec!["Bad fit".to_owned()])];
        let maps = Maps::of(&own);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            maps.rejecting(&Name::from("bad_fit")),
            [pair(LEAD_STATUS, "UNQUALIFIED"), pair("rejection_reason", "Bad fit")]
        );
        assert_eq!(maps.rejecting(&Name::from("bad_timing")), [pair(LEAD_STATUS, "BAD_TIMING")]);
    }
}
