//! Tracks are labels: on the lead while it can be edited, on its person afterwards.
//!
//! Labels of leads and of persons are two lists. An archived or lost lead keeps its labels and takes no more (section 1.7), so who
//! nurtures looks for the label among persons, too. A label that is not there is made, once.

use serde_json::{Value, json};

use super::super::Pipedrive;
use super::super::answer::Failure;
use super::super::book::Journey;
use super::super::catalogue::find;
use super::super::map::values::read;
use super::super::settings::{Of, property};
use super::{Order, Step, Stop, Target, done, place_of, refused, was};
use crate::connector::Done;
use crate::domain::field::Field;
use crate::domain::id::Name;
use crate::http::Method;

/// The field of persons whose options are their labels. Source: the specification of persons.
const PERSON_LABELS: &str = "label_ids";
/// Of the colours that exist. Source: section 9.
const COLOR: &str = "gray";

impl Pipedrive {
    pub(super) async fn set_track(&self, order: Order<'_>, target: &Target, track: &Name, joins: bool) -> Step<Done> {
        let Some(label) = self.label_of(track) else {
            return Err(refused(&format!("track {track} has no label in [connections.{}.tracks]", self.connection())));
        };
        if joins && self.has_opted_out(order, target) {
            return Err(refused("the person has opted out of e-mail"));
        }
        let lead = target.journey.as_ref().filter(|journey| journey.is_lead() && journey.is_open());
        match (lead, joins) {
            (Some(lead), true) => self.label_lead(order, lead, &label, true).await,
            (None, true) => self.label_person(order, target, &label, true).await,
            (lead, false) => {
                let mut left = self.label_person(order, target, &label, false).await?;
                if let Some(lead) = lead {
                    let more = self.label_lead(order, lead, &label, false).await?;
                    left.was.extend(more.was);
                    left.at = more.at.or(left.at);
                }
                Ok(left)
            }
        }
    }

    pub(in crate::connector::pipedrive) fn label_of(&self, track: &Name) -> Option<String> {
        self.maps.tracks.iter().find(|(known, _)| known == track).map(|(_, label)| label.clone())
    }

    /// Promise 11: an opted-out person is put on no list. Their own record says so, as it was read just now.
    fn has_opted_out(&self, order: Order<'_>, target: &Target) -> bool {
        let mapped = self.maps.fields.iter().find(|(field, _)| *field == Field::OptedOut);
        let said = mapped.and_then(|(_, text)| {
            let (of, name) = property(text, Of::Person);
            (of == Of::Person).then(|| read(&target.row, of, name, order.catalogue))?
        });
        said.is_some_and(|said| {
            matches!(said.to_lowercase().as_str(), "unsubscribed" | "archived" | "true" | "yes" | "1")
        })
    }

    async fn label_lead(&self, order: Order<'_>, lead: &Journey, label: &str, on: bool) -> Step<Done> {
        let id = match find(&order.catalogue.labels, label) {
            Some(known) => known.id.clone(),
            None if !on => return Ok(done(Some(lead.updated))),
            None => self.make_label(order, label).await?,
        };
        if lead.labels.contains(&id) == on {
            return Ok(done(Some(lead.updated)));
        }
        // The whole list is written. Source: section 1.9.
        let mut labels: Vec<String> = lead.labels.iter().filter(|known| **known != id).cloned().collect();
        labels.extend(on.then_some(id));
        let place = format!("{}/label_ids", place_of(&lead.id));
        let kept = order.keep(vec![was(place, Some(&json!(lead.labels)), Some(&json!(labels)))]).await?;
        let row = self.patch(order, &lead.id, &json!({ "label_ids": labels })).await?;
        Ok(Done { was: kept, ..done(row.time("update_time")) })
    }

    async fn make_label(&self, order: Order<'_>, name: &str) -> Step<String> {
        let id = self.new_label(name, order.lane()).await.map_err(Stop::Write)?;
        // The catalogue has it from now on.
        self.refresh(std::time::Duration::ZERO).await.map_err(Stop::Write)?;
        Ok(id)
    }

    /// A new label of leads.
    pub(in crate::connector::pipedrive) async fn new_label(
        &self,
        name: &str,
        lane: crate::http::limiter::Lane,
    ) -> Result<String, Failure> {
        let body = json!({ "name": name, "color": COLOR });
        let row = self.api.write(lane, Method::Post, &["v1", "leadLabels"], &body).await?;
        row.id().ok_or_else(|| Failure::Malformed("leadLabels: no id".to_owned()))
    }

    async fn label_person(&self, order: Order<'_>, target: &Target, label: &str, on: bool) -> Step<Done> {
        let field = order.catalogue.field(Of::Person, PERSON_LABELS);
        let known = field.and_then(|field| field.option(label)).and_then(|option| option.id.parse::<i64>().ok());
        let id = match known {
            Some(id) => id,
            None if !on => return Ok(done(target.row.time("update_time"))),
            None => self.make_person_label(order, label).await?,
        };
        let has: Vec<i64> = target.row.list("label_ids").iter().filter_map(Value::as_i64).collect();
        if has.contains(&id) == on {
            return Ok(done(target.row.time("update_time")));
        }
        let mut labels: Vec<i64> = has.iter().copied().filter(|known| *known != id).collect();
        labels.extend(on.then_some(id));
        let replaced = was("person/label_ids".to_owned(), Some(&json!(has)), Some(&json!(labels)));
        let kept = order.keep(vec![replaced]).await?;
        let path = ["v2", "persons", &target.person.to_string()];
        let body = json!({ "label_ids": labels });
        let row = self.api.write(order.lane(), Method::Patch, &path, &body).await.map_err(Stop::Write)?;
        Ok(Done { was: kept, ..done(row.time("update_time")) })
    }

    async fn make_person_label(&self, order: Order<'_>, name: &str) -> Step<i64> {
        let path = ["v2", "personFields", PERSON_LABELS, "options"];
        let body = json!([{ "label": name }]);
        let made = self.api.write_list(order.lane(), &path, &body).await.map_err(Stop::Write)?;
        self.refresh(std::time::Duration::ZERO).await.map_err(Stop::Write)?;
        let id = made.iter().find(|row| row.text("label").is_some_and(|label| label == name)).or(made.first());
        id.and_then(super::super::wire::Row::number)
            .ok_or_else(|| Stop::Write(Failure::Malformed("options: no id".to_owned())))
    }

    /// Is the person, or their lead, on this track?
    pub(super) fn is_on(&self, target: &Target, label: &str, catalogue: &super::super::catalogue::Catalogue) -> bool {
        let lead = target.journey.as_ref().filter(|journey| journey.is_lead() && journey.is_open());
        let on_lead = find(&catalogue.labels, label)
            .is_some_and(|known| lead.is_some_and(|lead| lead.labels.contains(&known.id)));
        let option = catalogue.field(Of::Person, PERSON_LABELS).and_then(|field| field.option(label));
        let on_person = option
            .and_then(|option| option.id.parse::<i64>().ok())
            .is_some_and(|id| target.row.list("label_ids").iter().any(|known| known.as_i64() == Some(id)));
        on_lead || on_person
    }
}
