//! A look at the portal: does it have what the settings ask for? Each finding names the line of configuration to add.

use jiff::tz::TimeZone;

use super::HubSpot;
use super::answer::Failure;
use super::map::Findings;
use super::settings::{LEAD_STATUS, Maps, Meaning, Type, VERSION};
use super::wire::{self, Property, PropertyList, Text};
use super::{SCOPES, ends, oauth};
use crate::connector::Description;
use crate::connector::moment::Form;
use crate::domain::field::{Field, FieldType};
use crate::domain::finding::{Checked, FindingKind};
use crate::domain::id::{ConnectionId, RemoteId};
use crate::domain::stage::Stage;
use crate::http::limiter::{Budget, Lane};

/// The longest list of properties in a list's address; beyond about 8 kB the answer is 414. Source: section 9.
const PROPERTIES_BYTES_MAX: usize = 6_000;

/// The part that a missing permission to read lists names.
const LISTS: &str = "lists";

impl HubSpot {
    /// Account, permission, properties, choices and lists.
    pub(super) async fn look(&self) -> Result<Description, Failure> {
        let portal = self.api.portal().await?;
        let account = format!("HubSpot portal {} ({}, {})", portal.id, portal.zone_name, portal.kind);
        let mut findings = Findings::default();
        let mut checked = vec![self.checked(FindingKind::Connection, "fields")];
        let mut sees_all = true;
        for kind in [Type::Contacts, Type::Companies] {
            let about = format!("properties of {}", kind.as_str());
            checked.push(self.checked(FindingKind::Connection, &about));
            let path = ["crm", "properties", self.api.version(), kind.as_str()];
            match self.api.read(Budget::Burst, Lane::Read, self.api.get(&path)).await {
                Ok(response) => {
                    let list: PropertyList<'_> = wire::whole(&response.body).map_err(Failure::Malformed)?;
                    self.compare(kind, &list.results, &mut findings);
                    let judged = self.maps.stage_properties.iter().filter(|name| find(&list.results, name).is_some());
                    checked.extend(
                        judged
                            .map(|name| Checked::parts(FindingKind::Unmapped, &self.settings.id, &format!("{name}="))),
                    );
                }
                Err(failure) => {
                    sees_all = false;
                    self.forbidden(&about, failure, &mut findings)?;
                }
            }
        }
        for kind in Type::ALL {
            let path = ["crm", "objects", self.api.version(), kind.as_str()];
            let request = self.api.get(&path).query("limit", "1");
            if let Err(failure) = self.api.read(Budget::Burst, Lane::Read, request).await {
                self.forbidden(kind.as_str(), failure, &mut findings)?;
            }
        }
        let request = self.api.get(&["crm", "owners", self.api.version()]).query("limit", "1");
        if let Err(failure) = self.api.read(Budget::Burst, Lane::Read, request).await {
            self.forbidden("owners", failure, &mut findings)?;
        }
        checked.push(self.checked(FindingKind::Connection, LISTS));
        for (track, list) in &self.settings.tracks {
            if let Err(failure) = self.list_by_name(list, Lane::Read).await {
                match failure {
                    Failure::Refused(message) => {
                        let connection = &self.settings.id;
                        findings.say(connection, FindingKind::MissingField, &format!("tracks.{track}"), || {
                            format!("{message}; or name another one: {track} = {{ list = \"...\" }} in [connections.{connection}.tracks]")
                        });
                    }
                    failure => {
                        sees_all = false;
                        self.forbidden(LISTS, failure, &mut findings)?;
                    }
                }
            }
        }
        // Who may not see everything cannot say that nothing is missing any more.
        if sees_all {
            checked.push(Checked::parts(FindingKind::MissingField, &self.settings.id, ""));
        }
        self.look_ahead(&mut findings, &mut checked).await;
        let own_user = self.own_app().map(RemoteId::from);
        Ok(Description { account, own_user, findings: findings.0, checked })
    }

    fn checked(&self, kind: FindingKind, part: &str) -> Checked {
        Checked::part(kind, &self.settings.id, part)
    }

    /// The choices of the properties that say a stage, against the maps: one request.
    pub(super) async fn look_at_choices(&self) -> Result<Description, Failure> {
        let path = ["crm", "properties", self.api.version(), Type::Contacts.as_str()];
        let response = self.api.read(Budget::Burst, Lane::Read, self.api.get(&path)).await?;
        let list: PropertyList<'_> = wire::whole(&response.body).map_err(Failure::Malformed)?;
        let mut findings = Findings::default();
        let mut checked = Vec::new();
        for property in self.maps.stage_properties.iter().filter_map(|name| find(&list.results, name)) {
            compare_choices(&self.settings.id, &self.maps, property, &mut findings);
            let values = format!("{}=", property.name.as_str());
            checked.push(Checked::parts(FindingKind::Unmapped, &self.settings.id, &values));
        }
        Ok(Description { findings: findings.0, checked, ..Description::default() })
    }

    /// What ends soon, and what a login was not permitted.
    async fn look_ahead(&self, findings: &mut Findings, checked: &mut Vec<Checked>) {
        let connection = &self.settings.id;
        checked.push(Checked::parts(FindingKind::EndsSoon, connection, ""));
        checked.extend(SCOPES.iter().map(|scope| self.checked(FindingKind::Connection, scope.name)));
        let today = self.crm_now().to_zoned(TimeZone::UTC).date();
        for end in ends::soon(self.api.version(), VERSION, &self.settings.auth, today) {
            findings.say(connection, FindingKind::EndsSoon, end.part, || end.text);
        }
        let Some((login, _)) = self.api.login() else { return };
        let Some(tokens) = login.tokens().await else { return };
        for scope in oauth::missing(&tokens.scopes) {
            findings.say(connection, FindingKind::Connection, scope.name, || {
                format!(
                    "the login has no permission {}: {}; add it to the app in HubSpot, then `baton login {connection}`",
                    scope.name, scope.without
                )
            });
        }
    }

    /// A missing permission is a finding; every other failure ends the look.
    fn forbidden(&self, what: &str, failure: Failure, findings: &mut Findings) -> Result<(), Failure> {
        match failure {
            Failure::Forbidden(message) => {
                findings.say(&self.settings.id, FindingKind::Connection, what, || format!("{what}: {message}"));
                Ok(())
            }
            other => Err(other),
        }
    }

    fn compare(&self, kind: Type, found: &[Property<'_>], findings: &mut Findings) {
        let connection = &self.settings.id;
        let fields = if kind == Type::Contacts { &self.maps.person_fields } else { &self.maps.company_fields };
        for (field, name) in fields {
            compare_field(connection, kind, *field, name, found, findings);
        }
        if kind != Type::Contacts {
            return;
        }
        let wanted = self.maps.history.iter().map(|name| (name, false));
        let keys = self.maps.key_property.iter().map(|name| (name, true));
        let scores = self.settings.score_properties.iter().map(|(_, name)| (name, true));
        let handoff = self.settings.handoff_properties.iter().map(|(_, name)| (name, true));
        for (name, is_written) in wanted.chain(keys).chain(scores).chain(handoff) {
            match find(found, name) {
                None => findings.say(connection, FindingKind::MissingField, name, || {
                    format!("contacts have no property {name}; make it in HubSpot, or take it out of [connections.{connection}]")
                }),
                Some(property) if is_written && is_read_only(property) => {
                    findings.say(connection, FindingKind::MissingField, name, || {
                        format!("{name} cannot be written; name a property of your own in [connections.{connection}]")
                    });
                }
                Some(_) => {}
            }
        }
        for at in self.maps.signals.iter().filter_map(|map| map.at.as_deref()) {
            if let Some(property) = find(found, at) {
                compare_time(connection, &self.maps, property, findings);
            }
        }
        for name in &self.maps.stage_properties {
            if let Some(property) = find(found, name) {
                compare_choices(connection, &self.maps, property, findings);
            }
        }
        let length: usize = self.maps.properties(kind).iter().map(|name| name.len() + 3).sum();
        if length > PROPERTIES_BYTES_MAX {
            findings.say(connection, FindingKind::Connection, "fields", || {
                format!("{length} bytes of property names are mapped; HubSpot refuses addresses of about 8,000 (414): map fewer")
            });
        }
    }
}

fn find<'a, 'b>(found: &'a [Property<'b>], name: &str) -> Option<&'a Property<'b>> {
    found.iter().find(|property| property.name.as_str() == name && property.archived != Some(true))
}

fn is_read_only(property: &Property<'_>) -> bool {
    property.modification_metadata.as_ref().is_some_and(|may| may.read_only_value)
}

fn compare_field(
    connection: &ConnectionId,
    kind: Type,
    field: Field,
    name: &str,
    found: &[Property<'_>],
    findings: &mut Findings,
) {
    let subject = format!("{}.{name}", kind.as_str());
    let Some(property) = find(found, name) else {
        findings.say(connection, FindingKind::MissingField, &subject, || {
            format!(
                "{} have no property {name}, so {field} stays unknown; name the one that holds it: \"{field}\" = \"...\" in [connections.{connection}.fields]",
                kind.as_str()
            )
        });
        return;
    };
    let is = property.kind.as_ref().map_or("", Text::as_str);
    let fits = match field.kind() {
        FieldType::Number => matches!(is, "number" | "string" | ""),
        FieldType::Flag => matches!(is, "bool" | "enumeration" | "string" | ""),
        FieldType::Text => !matches!(is, "bool" | "object_coordinates" | "json"),
    };
    if !fits {
        findings.say(connection, FindingKind::MissingField, &subject, || {
            format!("{name} of {} is a {is}, which {field} cannot be; map another one: \"{field}\" = \"...\" in [connections.{connection}.fields]", kind.as_str())
        });
    }
}

/// A property that is to hold a time must say in which form: by its type, or by the settings. Nothing is guessed.
fn compare_time(connection: &ConnectionId, maps: &Maps, property: &Property<'_>, findings: &mut Findings) {
    let (name, kind) = (property.name.as_str(), property.kind.as_ref().map_or("", Text::as_str));
    if matches!(kind, "date" | "datetime" | "") || maps.form(name).is_some() {
        return;
    }
    findings.say(connection, FindingKind::MissingField, &format!("times.{name}"), || {
        let forms = Form::ALL.map(Form::as_str).join(", ");
        format!(
            "{name} is to hold the time of a signal, but is a {kind}, which does not say in which form; declare it:              {name} = \"...\" in [connections.{connection}.times], one of {forms}"
        )
    });
}

fn compare_choices(connection: &ConnectionId, maps: &Maps, property: &Property<'_>, findings: &mut Findings) {
    let name = property.name.as_str();
    let choices = property.options.as_deref().unwrap_or_default();
    for choice in choices {
        let value = choice.value.as_str();
        if maps.meaning(name, value) != Meaning::Unknown {
            continue;
        }
        let label = choice.label.as_ref().map_or(value, Text::as_str);
        let example = if name == LEAD_STATUS { Stage::Sal } else { Stage::Mql };
        findings.say(connection, FindingKind::Unmapped, &format!("{name}={value}"), || {
            let line = maps.line_with(example, name, value);
            format!(
                "no stage is mapped to {name} = {value:?} (\"{label}\"); add it to the stage that it means in \
                 [connections.{connection}.stages], if it means {example} as {line}"
            )
        });
    }
    for map in &maps.stages {
        for (_, value) in map.write.iter().filter(|(known, _)| known == name) {
            if !choices.is_empty() && !choices.iter().any(|choice| choice.value.as_str() == value) {
                let stage = map.stage;
                findings.say(connection, FindingKind::MissingField, &format!("{name}={value}"), || {
                    // Whole, for a stage of the settings stands for the built-in one whole.
                    let line = map.clone().writing(name, "...").line();
                    format!("{name} has no choice {value:?}, so {stage} cannot be written; name one in [connections.{connection}.stages], in place of the dots: {line}")
                });
            }
        }
    }
}
