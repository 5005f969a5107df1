//! Agreement and roster held against each other: names in the one that the other does not have.

use crate::document::{Place, Problems, suggest};
use crate::domain::agreement::{Audience, RouteTo, Skip};
use crate::domain::id::Name;

use super::{Draft, RosterDraft};

/// Something that a file names and another one must know.
#[derive(Clone, Debug)]
pub struct Mention {
    /// What kind of thing.
    pub what: Mentioned,
    /// Its name.
    pub name: Name,
    /// Where it is named.
    pub place: Place,
    /// The key.
    pub key: String,
}

/// What kind of thing is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mentioned {
    /// A team of the roster.
    Team,
    /// A person.
    Person,
    /// A connection of the settings.
    Connection,
    /// A nurture track, which a connection maps to a list.
    Track,
    /// A signal, which a connection shows.
    Signal,
    /// A channel of the settings: `slack.dach`.
    Channel,
    /// A way to tell people in person: `email`, `slack`, or a channel.
    Way,
}

/// Notes what the agreement names and the roster lacks, and promises that the roster cannot keep.
pub fn check_together(agreement: &Draft, roster: &RosterDraft, problems: &Problems) {
    let known = &roster.roster;
    for mention in &agreement.mentions {
        let name = mention.name.as_str();
        match mention.what {
            Mentioned::Team if !known.teams.keys().any(|team| team.as_str() == name) => {
                let teams = known.teams.keys().map(|team| team.as_str());
                let help = suggest(name, teams, "add `[teams.NAME]` to the roster");
                problems.error(mention.place.clone(), &mention.key, format!("the roster has no team `{name}`"), help);
            }
            Mentioned::Person if !roster.knows_person(name) => {
                let help = suggest(name, roster.people(), "add `[people.\"...\"]` to the roster");
                problems.error(mention.place.clone(), &mention.key, format!("the roster does not know `{name}`"), help);
            }
            Mentioned::Team
            | Mentioned::Person
            | Mentioned::Connection
            | Mentioned::Track
            | Mentioned::Signal
            | Mentioned::Channel
            | Mentioned::Way => {}
        }
    }
    let agreed = &agreement.agreement;
    for rule in &agreed.routing {
        let RouteTo::Team(id, _) = &rule.to else { continue };
        let Some((team, place)) = known.teams.get(id).zip(roster.team_places.get(id)) else { continue };
        if team.members.is_empty() && team.fallback.is_none() {
            let message = format!("team `{id}` gets leads, but has neither members nor a fallback");
            problems.error(place.clone(), &format!("teams.{id}"), message, "add `members = [{ person = \"...\" }]`");
        } else if team.fallback.is_none() {
            let message = format!("team `{id}` has no fallback: a lead that nobody can take would have no owner");
            problems.error(place.clone(), &format!("teams.{id}"), message, "add `fallback = \"manager@example.com\"`");
        }
        let tells = |audience| {
            agreed.handoff.commitments.iter().flat_map(|one| &one.ladder).any(|rung| rung.tell.contains(&audience))
        };
        if team.manager.is_none() && tells(Audience::Manager) {
            let message = format!("team `{id}` has no manager, whom the agreement's ladders tell");
            problems.error(place.clone(), &format!("teams.{id}"), message, "add `manager = \"...\"`");
        }
    }
    let marketing = known.teams.iter().any(|(id, _)| id.as_str() == "marketing");
    let tells_marketing = agreed
        .handoff
        .commitments
        .iter()
        .flat_map(|one| &one.ladder)
        .any(|rung| rung.tell.contains(&Audience::Marketing));
    if tells_marketing && !marketing {
        let message = "a ladder tells marketing, but the roster has no team `marketing`";
        let help = "add `[teams.marketing]` with `calendar` and `tell`, or those notices go nowhere";
        problems.warning(roster.place.clone(), "teams.marketing", message, help);
    }
    if agreement.names_own_staff && agreed.handoff.skip.contains(&Skip::OwnStaff) && known.own_domains.is_empty() {
        let help = "add `own_domains = [\"example.com\"]` to the roster";
        let message = "the agreement skips `own_staff`, but the roster names no `own_domains`";
        problems.warning(roster.place.clone(), "own_domains", message, help);
    }
}
