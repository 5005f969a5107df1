//! A look at the company: does it have what the settings ask for? Each finding names the line of configuration to add.

use super::Pipedrive;
use super::answer::Failure;
use super::catalogue::{Catalogue, FieldDef, find};
use super::map;
use super::settings::{LABEL, Of, STAGE, STATUS};
use crate::connector::Description;
use crate::domain::counted::many;
use crate::domain::finding::{Checked, Finding, FindingKind};
use crate::domain::id::RemoteId;

/// What every row has although no list of fields names it so. Source: section 4.
const ALWAYS: [&str; 6] = ["emails", "phones", "first_name", "last_name", "marketing_status", "postal_address"];
/// What every row of an organization has.
const ALWAYS_ORGANIZATION: [&str; 5] = ["website", "employee_count", "annual_revenue", "industry", "address"];

impl Pipedrive {
    pub(super) async fn look(&self) -> Result<Description, Failure> {
        let catalogue = self.refresh(std::time::Duration::ZERO).await?;
        let mut findings = self.missing_fields(&catalogue);
        findings.extend(self.unmapped(&catalogue));
        findings.extend(self.unwritable(&catalogue));
        let connection = self.connection();
        let mut checked = vec![Checked::parts(FindingKind::MissingField, connection, "")];
        checked.extend(self.chosen());
        let Catalogue { company, domain, stages, .. } = &*catalogue;
        let tokens = self.api.spent();
        Ok(Description {
            account: format!(
                "Pipedrive {company} ({domain}), {}; tokens of today: {tokens}",
                many(stages.len(), "stage", "stages")
            ),
            own_user: Some(RemoteId::from(catalogue.own.to_string())),
            findings,
            checked,
        })
    }

    /// Stages as they were at the last look at the catalogue: to ask every minute would cost more tokens than everything else.
    pub(super) async fn look_at_choices(&self) -> Result<Description, Failure> {
        let catalogue = self.catalogue().await?;
        let (findings, checked) = (self.unmapped(&catalogue), self.chosen().to_vec());
        Ok(Description { findings, checked, ..Description::default() })
    }

    /// What a look at stages ends, where it does not raise it again.
    fn chosen(&self) -> [Checked; 1] {
        [Checked::parts(FindingKind::Unmapped, self.connection(), &format!("{STAGE}="))]
    }

    /// Stages of the pipelines that no map knows.
    fn unmapped(&self, catalogue: &Catalogue) -> Vec<Finding> {
        let strange =
            catalogue.stages.iter().filter(|stage| self.maps.stage(STAGE, &[&stage.id, &stage.name]).is_none());
        strange.map(|stage| map::unmapped_stage(&self.maps, &stage.name)).collect()
    }

    /// Properties of the settings that are not there. People read the names that they wrote, never a hash.
    fn missing_fields(&self, catalogue: &Catalogue) -> Vec<Finding> {
        let is_there = |of: Of, name: &str| {
            let always: &[&str] = if of == Of::Organization { &ALWAYS_ORGANIZATION } else { &ALWAYS };
            always.contains(&name) || catalogue.field(of, name).is_some()
        };
        let missing = self.maps.properties().into_iter().filter(|(of, name)| !is_there(*of, name));
        let tell = |(of, name): (Of, &str)| {
            let whose = match of {
                Of::Person => "persons have",
                Of::Organization => "organizations have",
                Of::Deal => "deals and leads have",
            };
            let text = format!("{whose} no field {name:?}; map another under [connections.{}]", self.connection());
            map::finding(&self.maps, FindingKind::MissingField, name.to_owned(), text)
        };
        missing.map(tell).collect()
    }

    /// Values that the settings want to write and this company lacks.
    fn unwritable(&self, catalogue: &Catalogue) -> Vec<Finding> {
        let mut findings = Vec::new();
        let connection = self.connection();
        let mut tell = |part: String, text: String| {
            findings.push(map::finding(&self.maps, FindingKind::MissingField, part, text));
        };
        for map in &self.maps.stages {
            for (name, value) in &map.write {
                let (list, what) = match name.as_str() {
                    STAGE => (&catalogue.stages, "stage"),
                    LABEL => (&catalogue.labels, "label of leads"),
                    STATUS => continue,
                    other => {
                        let text = format!("{other} is no property of a stage; write {STAGE}, {LABEL} or {STATUS}");
                        tell(format!("stages.{}", map.stage), text);
                        continue;
                    }
                };
                if find(list, value).is_none() {
                    let text = format!(
                        "there is no {what} {value:?}; name one in [connections.{connection}.stages] for {}",
                        map.stage
                    );
                    tell(format!("stages.{}", map.stage), text);
                }
            }
        }
        let written =
            self.maps.score.iter().map(|(_, name)| name).chain(self.maps.handoff.iter().map(|(_, name)| name));
        for name in written {
            let is_own = |field: &FieldDef| field.is_custom;
            if catalogue.field(Of::Person, name).is_some_and(|field| !is_own(field)) {
                let text = format!("field {name:?} is none of the company's own; name one that `baton setup` can make");
                tell(name.clone(), text);
            }
        }
        findings
    }
}
