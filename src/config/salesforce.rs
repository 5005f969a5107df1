//! What a connection can say of Salesforce alone: campaigns as signals, queues of tracks, whether events were held.

use super::connections::texts;
use crate::connector::settings::{CampaignSignal, Kind};
use crate::document::Reader;
use crate::domain::id::Name;

/// An event that lies in the past proves a booking; whether it was held, no field says. Source: the Salesforce sheet, section 4, Event.
pub(super) fn events(reader: &Reader<'_>, kind: Option<Kind>) -> bool {
    let are_held = reader.one_of("events", &[("booked", false), ("held", true)]);
    if are_held.is_some() && kind.is_some_and(|kind| kind != Kind::Salesforce) {
        let help = "take it out: the other CRMs say of a meeting whether it took place";
        reader.error("events", "only Salesforce leaves open whether an event was held", help);
    }
    are_held.unwrap_or(false)
}

/// A signal that a campaign's members show.
pub(super) fn campaign_signal(name: &str, map: &Reader<'_>, kind: Option<Kind>) -> Option<CampaignSignal> {
    if kind.is_some_and(|kind| kind != Kind::Salesforce) {
        let help = "name the property that shows it: `property = \"...\"`";
        map.error("campaign", "only Salesforce shows signals by its campaigns", help);
    }
    if map.get("property").is_some() {
        let help = "leave one of them out";
        map.error("property", "a signal is told by a campaign or by a property, not both", help);
    }
    let campaign = map.needed("campaign", "\"Webinar March\"").map(|(text, _)| text.to_owned());
    let statuses = map.get("status").map(|node| texts(map, "status", node));
    if statuses.as_ref().is_some_and(Vec::is_empty) {
        let help = "name one, or leave `status` out: then every response counts";
        map.error("status", "a signal that no status shows", help);
    }
    Some(CampaignSignal { signal: Name::from(name), campaign: campaign?, statuses: statuses.unwrap_or_default() })
}

/// The queue that owns who is on a track, whose list is named by `list`.
pub(super) fn queue(track: &Reader<'_>, list: &str, kind: Option<Kind>) -> Option<String> {
    let (queue, _) = track.text("queue")?;
    if kind.is_some_and(|kind| kind != Kind::Salesforce) {
        track.error("queue", "only Salesforce has queues", "take it out");
    } else if list != "campaign" {
        let help = "name the campaign, too: `campaign = \"...\"`";
        track.error("queue", "a queue stands beside a campaign: it owns those who are on it", help);
    }
    Some(queue.to_owned())
}
