//! A look at the org: what does not fit, and what to do about it. Run at start and by `check --online`. Source: sections 1.9, 3 and 4.

use super::api::VERSION;
use super::catalogue::{Catalogue, DealStage, LeadStatus};
use super::failure::Failure;
use super::settings::{Kind, STAGE, STATUS};
use super::soql::Query;
use super::{Findings, Salesforce, map, parts};
use crate::connector::Description;
use crate::domain::finding::{Checked, FindingKind};
use crate::domain::id::RemoteId;
use crate::domain::stage::Stage;

/// Parts of the connection that a look tells of.
const PARTS: [&str; 3] = ["history", "own user", super::deleted::PART];

impl Salesforce {
    pub(super) async fn described(&self) -> Result<Description, Failure> {
        let versions = self.api.versions().await?;
        let catalogue = self.refresh(std::time::Duration::ZERO).await?;
        let organization = Query::of("Organization", &["Id", "Name", "OrganizationType", "IsSandbox"]);
        let organization = self.api.rows(&organization, false).await?;
        let named = organization.first().and_then(|row| row.text("Name")).unwrap_or("an org without a name").to_owned();
        let id = catalogue.organization.as_ref().map_or_else(String::new, |id| format!(" ({id})"));
        let mut findings = self.missing_fields(&catalogue);
        let mut tell = |kind: FindingKind, part: &str, text: String| {
            findings.push(map::finding(&self.maps, kind, part.to_owned(), text));
        };
        if !versions.iter().any(|version| version == self.api.version()) {
            let text = format!(
                "the org does not list API v{}; set api_version to one of its own, Baton was written for {VERSION}",
                self.api.version()
            );
            tell(FindingKind::EndsSoon, "version", text);
        }
        if !catalogue.has_object("LeadHistory") {
            let text = "the user may not read the history of leads: times of statuses and owners are those of first sight, and who changed \
                        them is unknown; give it read access to Lead history";
            tell(FindingKind::Connection, "history", text.to_owned());
        } else if !catalogue.has_history() {
            let fields: Vec<&str> = [("Lead Owner", catalogue.tracks_owner), ("Lead Status", catalogue.tracks_status)]
                .into_iter()
                .filter_map(|(name, is_tracked)| (!is_tracked).then_some(name))
                .collect();
            let text = format!(
                "the history of {} shows nothing yet: times are those of first sight until it does; track them in Setup, Object Manager, \
                 Lead, Fields & Relationships, Set History Tracking",
                fields.join(" and ")
            );
            tell(FindingKind::Connection, "history", text);
        }
        if catalogue.own.is_none() {
            let text = "the login does not say which user Baton is: what it writes itself cannot be told from what others write; use auth = \
                        { jwt = ... }";
            tell(FindingKind::Connection, "own user", text.to_owned());
        }
        if !catalogue.is_key("Task", &self.maps.key) {
            let text = format!(
                "Task has no external id {}: a task whose answer was lost is looked for by its text before it is made again, and can stand \
                 twice if the org carries the first one out later than `late`; add the field: {}",
                self.maps.key,
                super::ensure::key_by_hand(&self.maps.key, "Activity")
            );
            tell(FindingKind::MissingField, "tasks", text);
        }
        findings.extend(self.unmapped(&catalogue.statuses, &catalogue.stages));
        findings.extend(self.unwritable(&catalogue));
        findings.extend(self.unnamed().await?);
        let account = format!("Salesforce org {named}{id}, API v{}", self.api.version());
        let own_user = catalogue.own.as_ref().map(|own| RemoteId::from(own.as_str()));
        let mut checked = parts(FindingKind::Connection, &self.maps.connection, &PARTS);
        checked.push(Checked::part(FindingKind::EndsSoon, &self.maps.connection, "version"));
        checked.push(Checked::parts(FindingKind::MissingField, &self.maps.connection, ""));
        checked.extend(self.chosen());
        Ok(Description { account, own_user, findings, checked })
    }

    /// What a look at statuses and stages ends, where it does not raise it again.
    pub(super) fn chosen(&self) -> Vec<Checked> {
        [STATUS, STAGE]
            .map(|name| Checked::parts(FindingKind::Unmapped, &self.maps.connection, &format!("{name}=")))
            .to_vec()
    }

    /// Statuses and stages that no map knows. The one that leads begin with means nothing on purpose, and what is closed says itself
    /// whether it is won.
    pub(super) fn unmapped(&self, statuses: &[LeadStatus], stages: &[DealStage]) -> Findings {
        let plain = |status: &&LeadStatus| !status.is_default && !status.is_converted;
        let strange = statuses.iter().filter(plain).filter(|status| {
            self.maps.stage(STATUS, &status.name).is_none() && self.maps.reason(&status.name).is_none()
        });
        let open = stages.iter().filter(|stage| !stage.is_closed && !stage.is_won);
        let unknown = open.filter(|stage| self.maps.stage(STAGE, &stage.name).is_none());
        strange
            .map(|status| map::unmapped_status(&self.maps, &status.name))
            .chain(unknown.map(|stage| map::unmapped_stage(&self.maps, &stage.name)))
            .collect()
    }

    /// Mapped fields that the org does not show: hidden by field-level security, or not there, which looks alike. Source: section 1.9.
    pub(super) fn missing_fields(&self, catalogue: &Catalogue) -> Findings {
        let mut findings = Vec::new();
        for kind in [Kind::Lead, Kind::Contact, Kind::Account] {
            let object = kind.as_str();
            if !catalogue.has_object(object) {
                let text = format!("the user does not see {object} at all; give it read access to the object");
                findings.push(map::finding(&self.maps, FindingKind::MissingField, object.to_owned(), text));
                continue;
            }
            let wanted = self.maps.properties(kind);
            // The key is told of by its own words.
            let missing =
                wanted.into_iter().filter(|name| *name != self.maps.key && catalogue.field(object, name).is_none());
            findings.extend(missing.map(|name| {
                let text = format!(
                    "{object} shows no field {name}: it is hidden from Baton's user, or not there; give read access by a permission set, or \
                     map another under [connections.{}]",
                    self.maps.connection
                );
                map::finding(&self.maps, FindingKind::MissingField, format!("{object}.{name}"), text)
            }));
        }
        findings
    }

    /// Values that the settings want to write and this org does not take.
    fn unwritable(&self, catalogue: &Catalogue) -> Findings {
        let mut findings = Vec::new();
        let mut tell = |part: String, text: String| {
            findings.push(map::finding(&self.maps, FindingKind::MissingField, part, text));
        };
        let knows = |status: &str| catalogue.statuses.iter().any(|known| known.name == status && !known.is_converted);
        for (stage, status) in self.maps.stages.iter().filter_map(|map| {
            let written = map.write.iter().find(|(property, _)| property == STATUS)?;
            Some((map.stage, written.1.as_str()))
        }) {
            if !knows(status) {
                let text = format!(
                    "there is no lead status {status:?} that can be written for {stage}: name another in [connections.{}.stages]",
                    self.maps.connection
                );
                tell(format!("stages.{stage}"), text);
            }
        }
        if let Some(status) = self.maps.given_back().filter(|status| !knows(status)) {
            let line = format!("{} = {{ read = {{ {STATUS} = [\"...\"] }} }}", Stage::Disqualified);
            let text = format!(
                "there is no lead status {status:?} for what sales gives back: name it in [connections.{}.stages], in place of the dots: {line}",
                self.maps.connection
            );
            tell("stages.disqualified".to_owned(), text);
        }
        let score = self.maps.score.iter().map(|(_, name)| (name, "the score"));
        let handoff = self.maps.handoff.iter().map(|(_, name)| (name, "the hand-off"));
        for (property, what) in score.chain(handoff) {
            match catalogue.field("Lead", property) {
                Some(field) if field.updateable => {}
                Some(_) => tell(
                    property.clone(),
                    format!("Lead.{property} for {what} cannot be edited by Baton's user; give it edit access"),
                ),
                None => tell(
                    property.clone(),
                    format!("Lead shows no field {property} for {what}; `baton setup` says what to add"),
                ),
            }
        }
        findings
    }
}
