//! Who is told by which way: in person, where the roster says how, else by a mention in the channel.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::id::{Name, PersonId};
use super::plan::NoticeKind;
use super::roster::Roster;

/// A channel of the settings, by whom it can reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Its name: `slack.dach`, `email.main`.
    pub channel: Name,
    /// Can it reach one person by themselves?
    pub people: bool,
    /// Has it a place of its own, where everybody reads what comes?
    pub place: bool,
}

impl Reach {
    /// The kind of channel: what stands before the dot.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.channel.as_str().split('.').next().unwrap_or_default()
    }
}

/// How people are told: the same for all leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Telling {
    /// Every channel.
    pub reach: Vec<Reach>,
    /// Links by which the owner answers with one click; `None` = there are none.
    pub links: Option<Links>,
}

/// Links by which an owner accepts or rejects with one click.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Links {
    /// How long a link is good for; it ends with its turn at the latest.
    pub last: SignedDuration,
    /// Also where others read along, who could then answer in the owner's name.
    pub in_places: bool,
}

/// A question to the owner of a turn that a link can answer: accepted, or rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Which turn.
    pub turn: u32,
    /// Whose word it will be.
    pub person: PersonId,
    /// No answer is taken after this.
    pub until: Timestamp,
}

/// Where a notice goes: to a channel's place, or by it to one person. Written `slack.dach`, `email.main/a.lang@example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The channel.
    pub channel: Name,
    /// The person, if it goes to them alone.
    pub person: Option<PersonId>,
    /// A self-test: it overtakes what waits, and no quiet hours hold it.
    pub is_test: bool,
}

/// What the destination of a self-test begins with.
const TEST: &str = "test:";

impl Destination {
    /// A place of `channel`, or a `person` by it.
    #[must_use]
    pub fn new(channel: &Name, person: Option<&PersonId>) -> Self {
        Self { channel: channel.clone(), person: person.cloned(), is_test: false }
    }

    /// Reads what [`fmt::Display`] writes; every text is a destination.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (is_test, text) = text.strip_prefix(TEST).map_or((false, text), |rest| (true, rest));
        let (channel, person) = text.split_once('/').map_or((text, None), |(channel, person)| (channel, Some(person)));
        Self { channel: Name::from(channel), person: person.map(PersonId::from), is_test }
    }

    /// Its name in the outbox.
    #[must_use]
    pub fn name(&self) -> Name {
        Name::from(self.to_string())
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let test = if self.is_test { TEST } else { "" };
        match &self.person {
            Some(person) => write!(f, "{test}{}/{person}", self.channel),
            None => write!(f, "{test}{}", self.channel),
        }
    }
}

impl Telling {
    /// The channel by which `person` is told in person, as the roster wants it; `None` if the roster says nothing, or no channel
    /// can.
    #[must_use]
    pub fn in_person(&self, person: &PersonId, roster: &Roster) -> Option<&Name> {
        let wish = roster.people.get(person)?.tell.as_ref()?;
        let fits = |reach: &&Reach| reach.channel == *wish || reach.kind() == wish.as_str();
        self.reach.iter().filter(|reach| reaches(reach, person, roster)).find(fits).map(|reach| &reach.channel)
    }

    /// The channel by which `person` can be told through `channel`, which has no place of its own.
    #[must_use]
    pub fn through(&self, channel: &Name, person: &PersonId, roster: &Roster) -> Option<&Name> {
        let known = self.reach.iter().find(|reach| reach.channel == *channel && !reach.place);
        known.filter(|reach| reaches(reach, person, roster)).map(|reach| &reach.channel)
    }

    /// Has `channel` a place where everybody reads? One that the settings do not know is taken at its word; that nothing
    /// arrives there is seen when it is sent.
    #[must_use]
    pub fn is_place(&self, channel: &Name) -> bool {
        !channel.as_str().is_empty()
            && self.reach.iter().find(|reach| reach.channel == *channel).is_none_or(|one| one.place)
    }
}

/// Slack knows people by their member id, mail by the address that the roster names them with.
fn reaches(reach: &Reach, person: &PersonId, roster: &Roster) -> bool {
    let has_id = || roster.people.get(person).is_some_and(|known| known.slack.is_some());
    reach.people && (reach.kind() != "slack" || has_id())
}

impl Roster {
    /// Until when nobody is told at `to`, and which kinds of notice are told all the same; `None` if people may be told now.
    ///
    /// A person has their own quiet hours, else their team's, by their own calendar's clock. A channel is quiet while every
    /// team that is told there is.
    #[must_use]
    pub fn quiet_at(&self, to: &Destination, now: Timestamp) -> Option<(Timestamp, &[NoticeKind])> {
        if to.is_test {
            return None;
        }
        if let Some(person) = &to.person {
            let own = self.people.get(person).and_then(|known| known.quiet.as_ref());
            let quiet = own.or_else(|| self.team_of(person).and_then(|(_, team)| team.quiet.as_ref()))?;
            let (_, calendar) = self.calendar_of(person, None)?;
            return Some((quiet.until(now, calendar.zone())?, &quiet.except));
        }
        let teams = self.teams.values().filter(|team| team.tell.as_ref() == Some(&to.channel));
        let mut ends: Option<(Timestamp, &[NoticeKind])> = None;
        for team in teams {
            let quiet = team.quiet.as_ref()?;
            let until = quiet.until(now, self.calendars.get(&team.calendar)?.zone())?;
            if ends.is_none_or(|(known, _)| until < known) {
                ends = Some((until, &quiet.except));
            }
        }
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::roster::Person;

    #[test]
    fn a_destination_reads_back() {
        for text in ["slack.dach", "email.main/a.lang@example.com", "test:slack.dach", "test:email.main/a@b.example"] {
            assert_eq!(Destination::parse(text).to_string(), text);
        }
        let to = Destination::parse("email.main/o'neil/x@example.com");
        assert_eq!((to.channel.as_str(), to.person.unwrap().as_str()), ("email.main", "o'neil/x@example.com"));
    }

    #[test]
    fn people_are_told_by_the_way_they_wish_if_it_can_reach_them() {
        let reach = |channel: &str, people, place| Reach { channel: Name::from(channel), people, place };
        let telling = Telling {
            reach: vec![
                reach("slack.dach", false, true),
                reach("slack.bot", true, false),
                reach("email.a", true, false),
                reach("email.b", true, true),
            ],
            links: None,
        };
        let check = |wish: Option<&str>, slack: Option<&str>, expected: Option<&str>| {
            let id = PersonId::from("a@example.com");
            let mut roster = Roster::default();
            let person = Person { tell: wish.map(Name::from), slack: slack.map(Name::from), ..Person::default() };
            roster.people.insert(id.clone(), person);
            assert_eq!(telling.in_person(&id, &roster).map(Name::as_str), expected, "{wish:?} {slack:?}");
        };
        check(None, Some("U1"), None);
        check(Some("email"), None, Some("email.a"));
        check(Some("email.b"), None, Some("email.b"));
        check(Some("slack"), Some("U1"), Some("slack.bot"));
        check(Some("slack"), None, None);
        check(Some("slack.dach"), Some("U1"), None);
        check(Some("pigeon"), Some("U1"), None);
    }
}
