//! `roster.toml`: teams, people, calendars, absences.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::document::{Node, Place, Problems, Reader, Source, Value, node, suggest};
use crate::domain::calendar::{Calendar, Closure, Days, Holidays, Hours, Window};
use crate::domain::id::{ConnectionId, Name, PersonId, TeamId};
use crate::domain::plan::NoticeKind;
use crate::domain::quiet::Quiet;
use crate::domain::roster::{CalendarSource, Member, Person, Roster, Team};

use super::holidays;
use super::together::{Mention, Mentioned};

/// A roster as read, with what it expects others to know.
#[derive(Debug)]
pub struct RosterDraft {
    /// The roster. May be used only if no error was noted.
    pub roster: Roster,
    /// Connections and channels that it names.
    pub mentions: Vec<Mention>,
    /// Where each team stands.
    pub team_places: BTreeMap<TeamId, Place>,
    /// Where each person stands: their own table, else the first team that names them.
    pub people_places: BTreeMap<PersonId, Place>,
    /// The file itself.
    pub root: Node,
    /// Where the file begins.
    pub place: Place,
}

impl RosterDraft {
    /// Everybody who is named in it.
    pub fn people(&self) -> impl Iterator<Item = &str> {
        let teams = self.roster.teams.values().flat_map(|team| {
            team.members.iter().map(|member| &member.person).chain(&team.manager).chain(&team.fallback)
        });
        self.roster.people.keys().chain(teams).map(PersonId::as_str)
    }

    /// Is the person named in it?
    #[must_use]
    pub fn knows_person(&self, address: &str) -> bool {
        self.people().any(|known| known == address)
    }
}

/// Reads a roster. `open` gives the text of a holiday file by the path that the roster names, or says why it cannot.
#[must_use]
pub fn read_roster(
    source: &Arc<Source>,
    open: &dyn Fn(&str) -> Result<String, String>,
    problems: &Problems,
) -> RosterDraft {
    let place = Place::Text(Arc::clone(source), 0..0);
    let root_node = node::parse(source, problems);
    let mut draft = RosterDraft {
        roster: Roster::default(),
        mentions: Vec::new(),
        team_places: BTreeMap::new(),
        people_places: BTreeMap::new(),
        root: root_node.clone(),
        place,
    };
    let Some(root) = Reader::of(&root_node, "", problems) else { return draft };
    draft.roster.own_domains = root
        .texts("own_domains")
        .unwrap_or_default()
        .into_iter()
        .map(|(domain, node)| {
            if domain.contains(['@', '/', ' ']) {
                let help = "write the bare domain: `example.com`";
                problems.error(node.place.clone(), "own_domains", format!("`{domain}` is no domain"), help);
            }
            Name::from(domain.to_lowercase())
        })
        .collect();
    // What could not be read is still known by its name, so that one mistake is not told twice.
    let mut calendar_names = Vec::new();
    if let Some(table) = root.table("calendars") {
        for (name, _) in table.entries() {
            calendar_names.push(name.to_owned());
            let Some(reader) = table.table(name) else { continue };
            if let Some(source) = source_of(&reader, &mut draft.mentions) {
                draft.roster.sources.insert(Name::from(name), source);
            }
            if let Some(calendar) = calendar(name, reader, open) {
                draft.roster.calendars.insert(Name::from(name), Arc::new(calendar));
            }
        }
    }
    if let Some(table) = root.table("people") {
        for (address, _) in table.entries() {
            let Some(reader) = table.table(address) else { continue };
            let id = person_id(&table, address, address);
            draft.people_places.insert(id.clone(), reader.place().clone());
            let person = person(reader, &calendar_names, &mut draft.mentions);
            draft.roster.people.insert(id, person);
        }
    }
    if let Some(table) = root.table("teams") {
        for (name, _) in table.entries() {
            let Some(reader) = table.table(name) else { continue };
            draft.team_places.insert(TeamId::from(name), reader.place().clone());
            let team = team(reader, &calendar_names, &mut draft);
            draft.roster.teams.insert(TeamId::from(name), team);
        }
    } else if root.get("teams").is_none() {
        root.missing("teams", "{ ... }`: at least one `[teams.NAME]` with `calendar` and `members`; `");
    }
    root.later("targets", "revenue targets are not reported on", "nothing depends on it");
    root.finish();
    draft
}

fn person_id(reader: &Reader<'_>, key: &str, address: &str) -> PersonId {
    if !address.contains('@') {
        reader.error(key, format!("`{address}` is no e-mail address"), "people are named by their e-mail address");
    }
    PersonId::from(address.trim().to_lowercase())
}

fn calendar_name(reader: &Reader<'_>, calendars: &[String]) -> Option<Name> {
    let (name, _) = reader.text("calendar")?;
    if !calendars.iter().any(|known| known == name) {
        let help = suggest(name, calendars.iter().map(String::as_str), "add `[calendars.NAME]`");
        reader.error("calendar", format!("no calendar is called `{name}`"), help);
    }
    Some(Name::from(name))
}

fn team(reader: Reader<'_>, calendars: &[String], draft: &mut RosterDraft) -> Team {
    let mut someone = |key: &str| {
        let (address, node) = reader.text(key)?;
        let id = person_id(&reader, key, address);
        draft.people_places.entry(id.clone()).or_insert_with(|| node.place.clone());
        Some(id)
    };
    let (manager, fallback) = (someone("manager"), someone("fallback"));
    if reader.get("calendar").is_none() {
        match calendars {
            [_] => {}
            _ => reader.missing("calendar", "\"berlin\""),
        }
    }
    let only = if let [only] = calendars { Some(Name::from(only.as_str())) } else { None };
    let calendar = calendar_name(&reader, calendars).or(only).unwrap_or_else(|| Name::from(""));
    let tell = reader.text("tell").map(|(channel, node)| {
        let (name, place) = (Name::from(channel), node.place.clone());
        draft.mentions.push(Mention { what: Mentioned::Channel, name: name.clone(), place, key: reader.path("tell") });
        name
    });
    let works_in = reader.text("works_in").map(|(connection, node)| {
        let (name, place) = (Name::from(connection), node.place.clone());
        draft.mentions.push(Mention { what: Mentioned::Connection, name, place, key: reader.path("works_in") });
        ConnectionId::from(connection)
    });
    let quiet = quiet(&reader);
    let mut members: Vec<Member> = Vec::new();
    for member in reader.tables("members") {
        let Some((address, node)) = member.needed("person", "\"a.lang@example.com\"") else {
            member.finish();
            continue;
        };
        let id = person_id(&member, "person", address);
        draft.people_places.entry(id.clone()).or_insert_with(|| node.place.clone());
        if members.iter().any(|known| known.person == id) {
            member.error("person", format!("`{id}` is in the team twice"), "name each member once");
        }
        let away = away(&member);
        if !away.is_empty() {
            draft.roster.people.entry(id.clone()).or_default().away.extend(away);
        }
        members.push(Member {
            person: id,
            weight: member.count("weight", 1..=1_000).unwrap_or(1),
            open_max: member.count("open_max", 1..=100_000),
            day_max: member.count("day_max", 1..=100_000),
        });
        member.finish();
    }
    reader.finish();
    Team { manager, fallback, calendar, works_in, tell, quiet, members }
}

fn person(reader: Reader<'_>, calendars: &[String], mentions: &mut Vec<Mention>) -> Person {
    let text = |key: &str| reader.text(key).map(|(text, _)| Name::from(text));
    let mut person = Person {
        name: text("name"),
        accounts: BTreeMap::new(),
        slack: text("slack"),
        tell: text("tell"),
        quiet: quiet(&reader),
        calendar: calendar_name(&reader, calendars),
        away: away(&reader),
    };
    if let (Some(way), Some(node)) = (&person.tell, reader.get("tell")) {
        let (name, place) = (way.clone(), node.place.clone());
        mentions.push(Mention { what: Mentioned::Way, name, place, key: reader.path("tell") });
    }
    if person.tell.as_ref().is_some_and(|way| way.as_str().split('.').next() == Some("slack")) && person.slack.is_none()
    {
        reader.error("tell", "Slack knows people by their member id", "add `slack = \"U024BE7LH\"`");
    }
    // Every other key names a connection; whether there is one of that name is seen where the settings are known.
    for (key, node) in reader.entries() {
        if ["name", "slack", "tell", "quiet", "quiet_except", "calendar", "away"].contains(&key) {
            continue;
        }
        let (name, place) = (Name::from(key), node.key_place.clone());
        mentions.push(Mention { what: Mentioned::Connection, name, place, key: reader.path(key) });
        if let Some((account, _)) = reader.text(key) {
            person.accounts.insert(ConnectionId::from(key), Name::from(account));
        }
    }
    person
}

/// Quiet hours, with the kinds of notice that are told all the same.
fn quiet(reader: &Reader<'_>) -> Option<Quiet> {
    let kinds: Vec<(&str, NoticeKind)> =
        NoticeKind::ALL.iter().filter(|kind| **kind != NoticeKind::Test).map(|kind| (kind.as_str(), *kind)).collect();
    let except = reader.some_of("quiet_except", &kinds);
    let hours = reader.parsed("quiet", |text| match text.parse::<Window>() {
        Ok(hours) if hours.closes_second() - hours.opens_second() < 86_400 => Ok(hours),
        Ok(_) => {
            Err((format!("`{text}` is the whole day: nothing would ever be told"), "write \"19:00-08:00\"".to_owned()))
        }
        Err(error) => {
            let message = error.to_string();
            let what = message.split_once(": ").map_or(message.as_str(), |(what, _)| what).replace("opening", "quiet");
            Err((what, "write \"19:00-08:00\"".to_owned()))
        }
    });
    if hours.is_none() && except.is_some() && reader.get("quiet").is_none() {
        reader.error("quiet_except", "`quiet_except` without quiet hours", "add `quiet = \"19:00-08:00\"`");
    }
    Some(Quiet { hours: hours?, except: except.unwrap_or_default() })
}

fn away(reader: &Reader<'_>) -> Vec<(Date, Date)> {
    let mut absences = Vec::new();
    for (text, node) in reader.texts("away").unwrap_or_default() {
        let (first, last) = text.split_once('/').unwrap_or((text, text));
        match (first.trim().parse::<Date>(), last.trim().parse::<Date>()) {
            (Ok(first), Ok(last)) if first <= last => absences.push((first, last)),
            (Ok(_), Ok(_)) => {
                let help = "write the first day before the last: \"2026-12-24/2027-01-02\"";
                let message = format!("`{text}` ends before it starts");
                reader.problems().error(node.place.clone(), &reader.path("away"), message, help);
            }
            _ => {
                let help = "write first and last day: \"2026-12-24/2027-01-02\"";
                let message = format!("`{text}` is no absence");
                reader.problems().error(node.place.clone(), &reader.path("away"), message, help);
            }
        }
    }
    absences
}

fn calendar(name: &str, reader: Reader<'_>, open: &dyn Fn(&str) -> Result<String, String>) -> Option<Calendar> {
    let zone = reader.needed("zone", "\"Europe/Berlin\"").map(|(text, _)| text);
    let zone = zone.and_then(|zone| {
        let found = TimeZone::get(zone);
        if found.is_err() {
            let help = "zones are named as in the IANA data: \"Europe/Berlin\", \"America/New_York\", \"UTC\"";
            reader.error("zone", format!("no zone is called `{zone}`"), help);
        }
        found.ok()
    });
    let hours = hours(&reader);
    let mut closed = Holidays::none();
    for (path, node) in reader.texts("holidays").unwrap_or_default() {
        match open(path) {
            Ok(text) => {
                let file = holidays::read(&text);
                for problem in &file.problems {
                    let message = format!("holiday file {path}: {problem}");
                    let key = reader.path("holidays");
                    reader.problems().warning(
                        node.place.clone(),
                        &key,
                        message,
                        "mend the file, or leave the event out",
                    );
                }
                closed = closed.and(file.holidays);
            }
            Err(why) => {
                let help = "paths start at the folder of the roster";
                let message = format!("holiday file {path} cannot be read: {why}");
                reader.problems().error(node.place.clone(), &reader.path("holidays"), message, help);
            }
        }
    }
    closed = closed.and(days_off(&reader));
    let place = reader.place().clone();
    let problems = reader.problems();
    let key = format!("calendars.{name}");
    reader.finish();
    match Calendar::new(name, zone?, hours?, closed) {
        Ok(calendar) => Some(calendar),
        Err(error) => {
            problems.error(place, &key, error.to_string(), "mend `open` or `holidays`");
            None
        }
    }
}

/// `closed`: days off by their dates.
fn days_off(reader: &Reader<'_>) -> Holidays {
    let mut closed = Holidays::none();
    for (text, node) in reader.texts("closed").unwrap_or_default() {
        match day_off(text) {
            Some(closure) => closed = closed.with(closure),
            None => {
                let help = "write \"2026-12-25\", \"2026-12-25 Christmas\" or \"2026-12-24 12:00-24:00 Christmas Eve\"";
                let message = format!("`{text}` is no day off");
                reader.problems().error(node.place.clone(), &reader.path("closed"), message, help);
            }
        }
    }
    closed
}

/// `2026-12-24 12:00-24:00 Christmas Eve`: the date, the part of the day if not all of it, and what people call it.
fn day_off(text: &str) -> Option<Closure> {
    let (date, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    let date: Date = date.parse().ok()?;
    let (first, others) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
    let is_part = first.starts_with(|letter: char| letter.is_ascii_digit()) && first.contains(':');
    let (part, name) = if is_part { (Some(first.parse().ok()?), others) } else { (None, rest) };
    let name = if name.trim().is_empty() { "day off" } else { name.trim() };
    Some(Closure { date, part, name: name.to_owned() })
}

/// The hours of a CRM that a calendar was taken from.
fn source_of(reader: &Reader<'_>, mentions: &mut Vec<Mention>) -> Option<CalendarSource> {
    let table = reader.table("source")?;
    let connection = table.needed("connection", "\"salesforce\"").map(|(name, node)| {
        let what = Mentioned::Connection;
        let key = table.path("connection");
        mentions.push(Mention { what, name: Name::from(name), place: node.place.clone(), key });
        ConnectionId::from(name)
    });
    let hours = table.needed("hours", "\"Default\"").map(|(name, _)| Name::from(name));
    let holidays = table.texts("holidays").map(|all| all.into_iter().map(|(name, _)| Name::from(name)).collect());
    table.finish();
    Some(CalendarSource { connection: connection?, hours: hours?, holidays })
}

fn hours(reader: &Reader<'_>) -> Option<Hours> {
    if reader.get("open").is_none() {
        reader.missing("open", "{ mon-fri = [\"09:00-17:00\"] }");
        return None;
    }
    let table = reader.table("open")?;
    let mut hours = Hours::default();
    let mut is_sound = true;
    for (key, node) in table.entries() {
        let days = match key.parse::<Days>() {
            Ok(days) => days.0,
            Err(error) => {
                let help = "write \"mon\", \"mon-fri\" or \"sat,sun\" (in quotes where there is a comma)";
                table.problems().error(node.key_place.clone(), &table.path(key), error.to_string(), help);
                is_sound = false;
                continue;
            }
        };
        let windows = match &node.value {
            Value::Text(_) => table.text(key).into_iter().collect(),
            _ => table.texts(key).unwrap_or_default(),
        };
        for (text, node) in windows {
            match text.parse::<Window>() {
                Ok(window) => hours = hours.open(days.iter().copied(), window),
                Err(error) => {
                    let message = error.to_string();
                    let (message, help) = message.split_once(": ").unwrap_or((&message, ""));
                    table.problems().error(node.place.clone(), &table.path(key), message, help);
                    is_sound = false;
                }
            }
        }
    }
    is_sound.then_some(hours)
}
