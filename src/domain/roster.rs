//! The people, teams, calendars and absences: changed daily, without a signature.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;

use super::agreement::{Agreement, RouteTo};
use super::calendar::Calendar;
use super::finding::{Finding, FindingKind, Subject};
use super::id::{ConnectionId, Name, PersonId, RemoteId, TeamId};
use super::quiet::Quiet;
use super::sales;

/// How many days before a calendar's holiday data ends people are told.
pub const HOLIDAYS_AHEAD_DAYS: i32 = 60;

/// How the subject of a finding about a calendar begins.
pub const CALENDARS: &str = "calendars.";

/// Who there is.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    /// Teams that get leads, and `marketing`.
    pub teams: BTreeMap<TeamId, Team>,
    /// What is known of each person; a member of a team need not stand here.
    pub people: BTreeMap<PersonId, Person>,
    /// Working hours by name.
    pub calendars: BTreeMap<Name, Arc<Calendar>>,
    /// The CRM's hours that a calendar was taken from, for those that say so.
    pub sources: BTreeMap<Name, CalendarSource>,
    /// Domains of our own addresses, for `skip = ["own_staff"]`.
    pub own_domains: Vec<Name>,
}

/// The working hours of a CRM that a calendar of the roster was taken from. Only held against it: what counts is the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarSource {
    /// The CRM.
    pub connection: ConnectionId,
    /// The hours' name there.
    pub hours: Name,
    /// The days off there that belong to them, by name; `None`: all.
    pub holidays: Option<Vec<Name>>,
}

/// A team.
#[derive(Clone, Debug)]
pub struct Team {
    /// Who is told of breaches.
    pub manager: Option<PersonId>,
    /// Who gets a lead if nobody is eligible.
    pub fallback: Option<PersonId>,
    /// Working hours of everybody without their own.
    pub calendar: Name,
    /// The CRM in which it works, if not the agreement's.
    pub works_in: Option<ConnectionId>,
    /// The channel where the team's notices go: `slack.dach`.
    pub tell: Option<Name>,
    /// When its channel, and everybody of it without hours of their own, is not told.
    pub quiet: Option<Quiet>,
    /// Who takes leads, in order.
    pub members: Vec<Member>,
}

/// A member of a team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub person: PersonId,
    /// Share of the leads, against the others' weights.
    pub weight: u32,
    /// No more open hand-offs than this; `None` = no limit.
    pub open_max: Option<u32>,
    /// No more new hand-offs in a day of the team's calendar than this; `None` = no limit.
    pub day_max: Option<u32>,
}

/// A person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Name to show; the address if there is none.
    pub name: Option<Name>,
    /// Their account in each connection: a user id, a login or an e-mail address there.
    pub accounts: BTreeMap<ConnectionId, Name>,
    /// Their Slack member id: `U024BE7LH`.
    pub slack: Option<Name>,
    /// How they are told in person: `email`, `slack`, or one channel, `email.main`. `None`: by a mention in the team's channel.
    pub tell: Option<Name>,
    /// When they are not told, if not the team's hours.
    pub quiet: Option<Quiet>,
    /// Working hours, if not the team's.
    pub calendar: Option<Name>,
    /// Absences: first and last day, both away.
    pub away: Vec<(Date, Date)>,
}

impl Roster {
    /// The team that has `person` as a member, manager or fallback, in that order.
    #[must_use]
    pub fn team_of(&self, person: &PersonId) -> Option<(&TeamId, &Team)> {
        let find = |matches: &dyn Fn(&Team) -> bool| self.teams.iter().find(|(_, team)| matches(team));
        find(&|team| team.members.iter().any(|member| &member.person == person))
            .or_else(|| find(&|team| team.manager.as_ref() == Some(person)))
            .or_else(|| find(&|team| team.fallback.as_ref() == Some(person)))
    }

    /// The working hours of `person`: their own, else those of `team`, else of their team.
    #[must_use]
    pub fn calendar_of(&self, person: &PersonId, team: Option<&TeamId>) -> Option<(&Name, &Arc<Calendar>)> {
        let own = self.people.get(person).and_then(|known| known.calendar.as_ref());
        let name = own
            .or_else(|| team.and_then(|id| self.teams.get(id)).map(|team| &team.calendar))
            .or_else(|| self.team_of(person).map(|(_, team)| &team.calendar))?;
        self.calendars.get_key_value(name)
    }

    /// The calendars whose holiday data ends within [`HOLIDAYS_AHEAD_DAYS`], or has ended: from then on every deadline
    /// assumes that there are no holidays. A calendar that was given none at all is taken at its word.
    #[must_use]
    pub fn holidays_ending(&self, now: Timestamp) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (name, calendar) in &self.calendars {
            let Some(known) = calendar.holidays_known_until() else { continue };
            let days = known.duration_since(calendar.date(now)).as_hours() / 24;
            if days > i64::from(HOLIDAYS_AHEAD_DAYS) {
                continue;
            }
            let when = match days {
                ..0 => "which is over".to_owned(),
                0 => "which is today".to_owned(),
                1 => "which is tomorrow".to_owned(),
                days => format!("in {days} days"),
            };
            findings.push(Finding {
                kind: FindingKind::NoHolidays,
                subject: Subject::Policy(Name::from(format!("{CALENDARS}{name}"))),
                text: format!(
                    "calendar {name} knows holidays until {known}, {when}; deadlines after it assume none: add a holiday \
                     file for the time after to `holidays` of [calendars.{name}] in the roster"
                ),
            });
        }
        findings
    }

    /// Is `person` away on `day`?
    #[must_use]
    pub fn is_away(&self, person: &PersonId, day: Date) -> bool {
        self.people
            .get(person)
            .is_some_and(|known| known.away.iter().any(|(first, last)| *first <= day && day <= *last))
    }

    /// How `person` is called on screens: their name, else their address.
    #[must_use]
    pub fn name_of<'a>(&'a self, person: &'a PersonId) -> &'a str {
        self.people.get(person).and_then(|known| known.name.as_ref()).map_or(person.as_str(), Name::as_str)
    }
}

/// Why somebody who may be given leads cannot own one in a CRM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// Nobody there is known as theirs.
    NoAccount,
    /// Their account there cannot own records any more.
    Deactivated,
}

/// Everybody whom the agreement may give a lead in `connection`, and who could not own it there.
#[must_use]
pub fn lacking(
    roster: &Roster,
    agreement: &Agreement,
    directory: &Directory,
    connection: &ConnectionId,
) -> Vec<(PersonId, Lack)> {
    let mut people: Vec<&PersonId> = Vec::new();
    let is_there = |team: Option<&TeamId>| sales::works_in(agreement, roster, team).is_none_or(|own| own == connection);
    for rule in &agreement.routing {
        match &rule.to {
            RouteTo::Team(team, _) if !is_there(Some(team)) => {}
            RouteTo::Person(person) if !is_there(roster.team_of(person).map(|(team, _)| team)) => {}
            RouteTo::Team(team, _) => {
                let team = roster.teams.get(team);
                people.extend(team.into_iter().flat_map(|team| team.members.iter().map(|member| &member.person)));
                people.extend(team.and_then(|team| team.fallback.as_ref()));
            }
            RouteTo::Person(person) => people.push(person),
            RouteTo::CompanyOwner => {}
        }
    }
    people.sort();
    people.dedup();
    let without = people.into_iter().filter(|person| directory.account(connection, person).is_none());
    without
        .map(|person| {
            let was_known = directory.people.iter().any(|((of, _), known)| of == connection && known == person);
            (person.clone(), if was_known { Lack::Deactivated } else { Lack::NoAccount })
        })
        .collect()
}

/// Which account of which CRM is whose, worked out from the roster and the CRMs' own lists of users.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    people: BTreeMap<(ConnectionId, RemoteId), PersonId>,
    accounts: BTreeMap<(ConnectionId, PersonId), RemoteId>,
}

impl Directory {
    /// Notes that `remote` on `connection` is `person`.
    pub fn insert(&mut self, connection: ConnectionId, remote: RemoteId, person: PersonId) {
        self.accounts.insert((connection.clone(), person.clone()), remote.clone());
        self.people.insert((connection, remote), person);
    }

    /// Notes that `remote` on `connection` was `person`'s, who cannot own records there any more.
    pub fn insert_departed(&mut self, connection: ConnectionId, remote: RemoteId, person: PersonId) {
        self.people.insert((connection, remote), person);
    }

    /// Whose account `remote` is.
    #[must_use]
    pub fn person(&self, connection: &ConnectionId, remote: &RemoteId) -> Option<&PersonId> {
        self.people.get(&(connection.clone(), remote.clone()))
    }

    /// The account of `person`.
    #[must_use]
    pub fn account(&self, connection: &ConnectionId, person: &PersonId) -> Option<&RemoteId> {
        self.accounts.get(&(connection.clone(), person.clone()))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::domain::calendar::{Days, Holidays, Hours};

    #[test]
    fn holiday_data_that_ends_is_told_of_sixty_days_ahead_fault_78() {
        let check = |known: Option<Date>, now: &str, expected: Option<&str>| {
            let zone = TimeZone::get("Europe/Berlin").unwrap();
            let days = "mon-fri".parse::<Days>().unwrap().0;
            let hours = Hours::default().open(days.iter().copied(), "09:00-17:00".parse().unwrap());
            let closed = Holidays::none().close(date(2026, 12, 25), "Christmas");
            let closed = known.map_or(closed.clone(), |known| closed.until(known));
            let mut roster = Roster::default();
            let calendar = Calendar::new("berlin", zone, hours, closed).unwrap();
            roster.calendars.insert(Name::from("berlin"), Arc::new(calendar));
            roster.calendars.insert(Name::from("always"), Arc::new(Calendar::always_open()));
            let findings = roster.holidays_ending(now.parse().unwrap());
            let texts: Vec<&str> = findings.iter().map(|finding| finding.text.as_str()).collect();
            match expected {
                None => assert_eq!(texts, Vec::<&str>::new(), "{known:?} at {now}"),
                Some(part) => {
                    assert_eq!(texts.len(), 1, "{known:?} at {now}");
                    for part in [part, "calendar berlin knows holidays until 2026-12-31", "[calendars.berlin]"] {
                        assert!(texts[0].contains(part), "{part} is missing in {}", texts[0]);
                    }
                    assert_eq!(findings[0].subject, Subject::Policy(Name::from("calendars.berlin")));
                }
            }
        };
        let year = Some(date(2026, 12, 31));
        check(None, "2026-12-30T12:00:00Z", None);
        check(year, "2026-10-31T22:59:59Z", None);
        // Midnight in Berlin: 1 November, 60 days before.
        check(year, "2026-10-31T23:00:00Z", Some("in 60 days"));
        check(year, "2026-12-30T12:00:00Z", Some("which is tomorrow"));
        check(year, "2026-12-31T12:00:00Z", Some("which is today"));
        check(year, "2027-02-01T12:00:00Z", Some("which is over"));
    }
}
