//! Who gets a lead: rules choose among whom, fair shares choose who.
//!
//! [`route`] is pure policy and can be asked again at any time; [`assign`] uses up a turn of the team and is called in commit
//! order, under the version of the team's row. Both give their reasons in words that `explain` shows.

use crate::domain::counted::many;
use std::cmp::Reverse;
use std::fmt;

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::agreement::{Fairness, RouteTo, RoutingRule};
use super::expr::{Facts, Verdict};
use super::handoff::TurnBy;
use super::id::{Name, PersonId, TeamId};
use super::plan::{Among, Wanted};
use super::roster::{Member, Roster, Team};

/// One lead, in the unit of [`Share::credit`].
pub const CREDIT: i64 = 1_000_000;

/// What a team's fair order depends on: read, used and written in commit order, under its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamState {
    /// Which team.
    pub team: TeamId,
    /// Counts the commits.
    pub version: i64,
    /// How much each member was given; a member without a line was given nothing.
    pub shares: Vec<Share>,
}

/// How much one member was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Who.
    pub person: PersonId,
    /// Leads given, ever.
    pub given: i64,
    /// When the last one.
    pub given_at: Option<Timestamp>,
    /// Leads given on `day`.
    pub given_today: u32,
    /// Which day of the team's calendar `given_today` counts.
    pub day: Option<Date>,
    /// What the member is owed by the turns so far, in millionths of a lead; negative if they are ahead. The credits of
    /// a team sum to 0. A member who could not be chosen neither gains nor loses: nobody is flooded on their return.
    pub credit: i64,
}

/// What a routing rule said of a lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The rule.
    pub rule: Name,
    /// What came of it, for a person to read.
    pub outcome: String,
}

/// Among whom an owner is chosen: the first rule that holds and can be followed.
///
/// A person who is away, unknown to the roster or had the lead before is not chosen; the next rule is asked. If no rule
/// can be followed, the fallback of the last team that a rule names has it, so that no lead is without owner. `clocks` of
/// the answer is left empty for the caller.
#[must_use]
pub fn route(
    now: Timestamp,
    facts: &Facts,
    company_owner: Option<&PersonId>,
    rules: &[RoutingRule],
    roster: &Roster,
    not: &[PersonId],
) -> Wanted {
    explain_route(now, facts, company_owner, rules, roster, not).0
}

/// As [`route`], with what each rule said up to the one that was followed.
#[must_use]
pub fn explain_route(
    now: Timestamp,
    facts: &Facts,
    company_owner: Option<&PersonId>,
    rules: &[RoutingRule],
    roster: &Roster,
    not: &[PersonId],
) -> (Wanted, Vec<Tried>) {
    let mut tried = Vec::new();
    for rule in rules {
        let followed = condition(rule, facts).and_then(|()| follow(now, rule, company_owner, roster, not));
        let outcome = match &followed {
            Ok((_, why)) => why.clone(),
            Err(why_not) => why_not.clone(),
        };
        tried.push(Tried { rule: rule.name.clone(), outcome });
        if let Ok((among, why)) = followed {
            let wanted = Wanted { rule: rule.name.clone(), among, not: not.to_vec(), why, clocks: Vec::new() };
            return (wanted, tried);
        }
    }
    let named = rules.iter().rev().find_map(|rule| match &rule.to {
        RouteTo::Team(team, _) => Some(team),
        RouteTo::CompanyOwner | RouteTo::Person(_) => None,
    });
    let team = named.filter(|team| roster.teams.contains_key(team)).or_else(|| roster.teams.keys().next());
    let wanted = Wanted {
        rule: Name::from("no rule"),
        among: Among::Fallback(team.cloned().unwrap_or_else(|| TeamId::from("none"))),
        not: not.to_vec(),
        why: "no routing rule could be followed".to_owned(),
        clocks: Vec::new(),
    };
    (wanted, tried)
}

fn condition(rule: &RoutingRule, facts: &Facts) -> Result<(), String> {
    match rule.when.as_ref().map_or(Verdict::Yes, |when| when.eval(facts)) {
        Verdict::Yes => Ok(()),
        Verdict::No => Err("its condition does not hold".to_owned()),
        Verdict::Unknown(missing) => {
            let names: Vec<&str> = missing.iter().map(super::field::Field::name).collect();
            Err(format!("its condition needs {}, which nobody knows", names.join(", ")))
        }
    }
}

fn follow(
    now: Timestamp,
    rule: &RoutingRule,
    company_owner: Option<&PersonId>,
    roster: &Roster,
    not: &[PersonId],
) -> Result<(Among, String), String> {
    let available = |person: &PersonId| match unavailable(now, person, roster, not) {
        None => Ok(Among::Person(person.clone())),
        Some(why) => Err(why),
    };
    match &rule.to {
        RouteTo::CompanyOwner => {
            let owner = company_owner.ok_or_else(|| "the company has no owner whom the roster knows".to_owned())?;
            let among = available(owner).map_err(|why| format!("{owner} owns the company, but {why}"))?;
            Ok((among, format!("{owner} owns the company")))
        }
        RouteTo::Person(person) => {
            let among = available(person).map_err(|why| format!("it names {person}, but {why}"))?;
            Ok((among, format!("it names {person}")))
        }
        RouteTo::Team(team, by) if roster.teams.contains_key(team) => {
            Ok((Among::Team(team.clone(), *by), format!("it names team {team}")))
        }
        RouteTo::Team(team, _) => Err(format!("the roster has no team {team}")),
    }
}

fn unavailable(now: Timestamp, person: &PersonId, roster: &Roster, not: &[PersonId]) -> Option<String> {
    if roster.team_of(person).is_none() && !roster.people.contains_key(person) {
        return Some("is not in the roster".to_owned());
    }
    if not.contains(person) {
        return Some(Ineligible::HadIt.to_string());
    }
    let team = roster.team_of(person).map(|(id, _)| id);
    roster.is_away(person, day_of(now, person, team, roster)).then(|| Ineligible::Away.to_string())
}

/// Why somebody does not get a lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ineligible {
    /// Had it in an earlier turn.
    HadIt,
    /// Is away today, by the day of their own calendar.
    Away,
    /// Has no account in the CRM where the owner is written.
    NoAccount,
    /// Takes no leads: weight 0.
    NoWeight,
    /// Has as many open hand-offs as they may have.
    OpenMax(u32),
    /// Was given as many leads today as they may get in a day.
    DayMax(u32),
}

impl fmt::Display for Ineligible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HadIt => f.write_str("had the lead before"),
            Self::Away => f.write_str("is away"),
            Self::NoAccount => f.write_str("has no account in the CRM that sales works in"),
            Self::NoWeight => f.write_str("takes no leads (weight 0)"),
            Self::OpenMax(max) => write!(f, "has {}, which is the most", many(*max, "open hand-off", "open hand-offs")),
            Self::DayMax(max) => write!(f, "was given {} today, which is the most", many(*max, "lead", "leads")),
        }
    }
}

/// Who gets the lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// The person; `None` only if the roster names nobody at all who could have it.
    pub person: Option<PersonId>,
    /// Of which team.
    pub team: Option<TeamId>,
    /// Chosen, or the fallback.
    pub by: TurnBy,
    /// Why them, for a person to read.
    pub why: String,
    /// Who was passed over, and why, in the team's order.
    pub skipped: Vec<(PersonId, Ineligible)>,
    /// The team's row afterwards, to be stored under the version that was read; `None` if it is as it was.
    pub shares: Option<TeamState>,
    /// What a person should know: nobody was eligible.
    pub finding: Option<String>,
}

/// Chooses the owner whom a hand-off wants.
///
/// `states` are the teams' rows, `open` the open hand-offs of each person, `account_exists` says who has an account in the
/// CRM where the owner is written. Working hours exclude nobody: the clock runs in business time anyway.
///
/// - `round_robin` and `weighted`: each lead gives every eligible member a credit of their share of it; who can wait least
///   gets the lead and pays for it. Shares stay within one lead of the weights at every moment.
/// - `least_loaded`: the fewest open hand-offs for their weight; of equals who was given one least recently.
/// - Nobody eligible: the team's fallback, else its manager, with a finding.
#[must_use]
pub fn assign(
    now: Timestamp,
    wanted: &Wanted,
    roster: &Roster,
    states: &[TeamState],
    open: &[(PersonId, u32)],
    account_exists: impl Fn(&PersonId) -> bool,
) -> Assigned {
    match &wanted.among {
        Among::Person(person) if account_exists(person) => {
            let team = roster.team_of(person).map(|(id, _)| id.clone());
            let shares = team.as_ref().map(|team| {
                let mut state = state_of(team, states);
                note(now, person, team, roster, &mut state);
                state
            });
            let (person, why) = (Some(person.clone()), wanted.why.clone());
            Assigned { person, team, by: TurnBy::Routing, why, skipped: Vec::new(), shares, finding: None }
        }
        Among::Person(person) => {
            let skipped = vec![(person.clone(), Ineligible::NoAccount)];
            let team = roster.team_of(person).map(|(id, _)| id).or_else(|| roster.teams.keys().next());
            let why = format!("{person} {}", Ineligible::NoAccount);
            fall_back(now, team, roster, states, skipped, &why, account_exists)
        }
        Among::Fallback(team) => {
            let assigned = fall_back(now, Some(team), roster, states, Vec::new(), &wanted.why, account_exists);
            // That all turns are used is no finding: the fallback is what was promised. Nobody at all is.
            Assigned { finding: assigned.finding.filter(|_| assigned.person.is_none()), ..assigned }
        }
        Among::Team(team, by) => {
            let Some(members) = roster.teams.get(team).map(|known| known.members.as_slice()) else {
                let why = format!("the roster has no team {team}");
                return fall_back(now, Some(team), roster, states, Vec::new(), &why, account_exists);
            };
            let mut state = state_of(team, states);
            let today = |person: &PersonId| day_of(now, person, Some(team), roster);
            let team_day = team_day(now, team, roster);
            let mut skipped = Vec::new();
            let mut eligible = Vec::new();
            for member in members {
                let seat = Seat::of(member, &state, open, team_day);
                let is_away = roster.is_away(&member.person, today(&member.person));
                match seat.ineligible(&wanted.not, is_away, account_exists(&member.person)) {
                    Some(why) => skipped.push((member.person.clone(), why)),
                    None => eligible.push(seat),
                }
            }
            let Some((person, why)) = choose(*by, &eligible, &mut state) else {
                let why = format!("nobody of team {team} can take a lead now");
                return fall_back(now, Some(team), roster, states, skipped, &why, account_exists);
            };
            note(now, &person, team, roster, &mut state);
            let why = format!("{} {why} in team {team}", roster.name_of(&person));
            Assigned {
                person: Some(person),
                team: Some(team.clone()),
                by: TurnBy::Routing,
                why,
                skipped,
                shares: Some(state),
                finding: None,
            }
        }
    }
}

/// A member at the moment of the choice.
#[derive(Clone, Copy)]
struct Seat<'a> {
    member: &'a Member,
    open: u32,
    given_today: u32,
    given_at: Option<Timestamp>,
}

impl<'a> Seat<'a> {
    fn of(member: &'a Member, state: &TeamState, open: &[(PersonId, u32)], day: Date) -> Self {
        let share = state.shares.iter().find(|share| share.person == member.person);
        Self {
            member,
            open: open.iter().filter(|(person, _)| *person == member.person).map(|(_, count)| *count).sum(),
            given_today: share.filter(|share| share.day == Some(day)).map_or(0, |share| share.given_today),
            given_at: share.and_then(|share| share.given_at),
        }
    }

    fn ineligible(&self, not: &[PersonId], is_away: bool, has_account: bool) -> Option<Ineligible> {
        let full = |max: Option<u32>, used: u32| max.filter(|max| used >= *max);
        if not.contains(&self.member.person) {
            Some(Ineligible::HadIt)
        } else if self.member.weight == 0 {
            Some(Ineligible::NoWeight)
        } else if is_away {
            Some(Ineligible::Away)
        } else if !has_account {
            Some(Ineligible::NoAccount)
        } else if let Some(max) = full(self.member.open_max, self.open) {
            Some(Ineligible::OpenMax(max))
        } else {
            full(self.member.day_max, self.given_today).map(Ineligible::DayMax)
        }
    }
}

fn choose(by: Fairness, eligible: &[Seat<'_>], state: &mut TeamState) -> Option<(PersonId, String)> {
    let (person, why) = match by {
        Fairness::RoundRobin => (in_turn(eligible, |_| 1, state)?, "is next in turn".to_owned()),
        Fairness::Weighted => {
            let person = in_turn(eligible, |member| i64::from(member.weight), state)?;
            (person, "is next in turn by weight".to_owned())
        }
        Fairness::LeastLoaded => {
            let seat = eligible.iter().min_by(|one, other| {
                let load =
                    |seat: &Seat<'_>, against: &Seat<'_>| u64::from(seat.open) * u64::from(against.member.weight);
                load(one, other).cmp(&load(other, one)).then(one.given_at.cmp(&other.given_at))
            })?;
            let open = many(seat.open, "open hand-off", "open hand-offs");
            let why = format!("has the fewest open hand-offs for their weight ({open})");
            (seat.member.person.clone(), why)
        }
    };
    Some((person, why))
}

/// Gives every eligible member their share of one lead as credit and takes the lead from whoever can wait least.
///
/// That is who would be the first to fall a whole lead behind their share if passed over, among those who are not ahead
/// by it already (Tijdeman's rule for fair chairmen, 1980): shares stay within one lead at every moment. The simpler rule,
/// the most credit first, does not keep to that in teams with very uneven weights.
fn in_turn(eligible: &[Seat<'_>], weight: impl Fn(&Member) -> i64, state: &mut TeamState) -> Option<PersonId> {
    let total: i64 = eligible.iter().map(|seat| weight(seat.member)).sum();
    let mut paid = 0;
    let mut candidates = Vec::with_capacity(eligible.len());
    for (order, seat) in eligible.iter().enumerate() {
        let due = CREDIT * weight(seat.member) / total.max(1);
        let share = share_of(&seat.member.person, state);
        share.credit += due;
        paid += due;
        candidates.push((order, share.credit, weight(seat.member), seat.given_at));
    }
    // How many leads more until the credit passes one whole lead, in thousandths; rounded up.
    let patience =
        |credit: i64, weight: i64| ((CREDIT - credit) * 1_000).saturating_mul(total) / (weight.max(1) * CREDIT);
    let count = i64::try_from(candidates.len()).unwrap_or(i64::MAX);
    let enough = if count > 1 { CREDIT / (2 * count - 2) } else { i64::MIN };
    let best = candidates
        .iter()
        .filter(|(_, credit, _, _)| *credit >= enough)
        .min_by_key(|(order, credit, weight, given_at)| (patience(*credit, *weight), *given_at, *order))
        .or_else(|| candidates.iter().max_by_key(|(order, credit, ..)| (*credit, Reverse(*order))))?;
    let person = eligible[best.0].member.person.clone();
    share_of(&person, state).credit -= paid;
    Some(person)
}

fn fall_back(
    now: Timestamp,
    team: Option<&TeamId>,
    roster: &Roster,
    states: &[TeamState],
    skipped: Vec<(PersonId, Ineligible)>,
    why: &str,
    account_exists: impl Fn(&PersonId) -> bool,
) -> Assigned {
    let known = team.and_then(|id| roster.teams.get(id));
    let first = || known.map(stand_ins).unwrap_or_default().first().copied();
    let person = stand_in(team, roster, account_exists).or_else(first).cloned();
    let shares = team.filter(|_| known.is_some()).zip(person.as_ref()).map(|(team, person)| {
        let mut state = state_of(team, states);
        note(now, person, team, roster, &mut state);
        state
    });
    let told = match &person {
        Some(person) => format!("{why}: {} stands in as the fallback", roster.name_of(person)),
        None => format!("{why}, and the roster names no fallback or manager: add `fallback` to the team"),
    };
    let finding = Some(match skipped.as_slice() {
        [] => told.clone(),
        some => {
            let list: Vec<String> = some.iter().map(|(person, why)| format!("{person} {why}")).collect();
            format!("{told} ({})", list.join("; "))
        }
    });
    Assigned { person, team: team.cloned(), by: TurnBy::Fallback, why: told, skipped, shares, finding }
}

/// Who can have the leads of `team` if no member can: its fallback, its manager, or another team's.
#[must_use]
pub fn stand_in<'a>(
    team: Option<&TeamId>,
    roster: &'a Roster,
    account_exists: impl Fn(&PersonId) -> bool,
) -> Option<&'a PersonId> {
    let own = team.and_then(|id| roster.teams.get(id)).map(stand_ins).unwrap_or_default();
    let any = roster.teams.values().flat_map(stand_ins);
    own.into_iter().chain(any).find(|person| account_exists(person))
}

/// Who has a team's leads if no member can: the fallback, then the manager.
fn stand_ins(team: &Team) -> Vec<&PersonId> {
    team.fallback.iter().chain(&team.manager).collect()
}

fn state_of(team: &TeamId, states: &[TeamState]) -> TeamState {
    let known = states.iter().find(|state| state.team == *team).cloned();
    known.unwrap_or_else(|| TeamState { team: team.clone(), version: 0, shares: Vec::new() })
}

fn share_of<'a>(person: &PersonId, state: &'a mut TeamState) -> &'a mut Share {
    let at = state.shares.iter().position(|share| share.person == *person).unwrap_or_else(|| {
        state.shares.push(Share {
            person: person.clone(),
            given: 0,
            given_at: None,
            given_today: 0,
            day: None,
            credit: 0,
        });
        state.shares.len() - 1
    });
    &mut state.shares[at]
}

/// Writes down that `person` was given a lead.
fn note(now: Timestamp, person: &PersonId, team: &TeamId, roster: &Roster, state: &mut TeamState) {
    let day = team_day(now, team, roster);
    let share = share_of(person, state);
    share.given_today = if share.day == Some(day) { share.given_today.saturating_add(1) } else { 1 };
    share.day = Some(day);
    share.given = share.given.saturating_add(1);
    share.given_at = Some(now);
}

/// The day of the team's calendar.
fn team_day(now: Timestamp, team: &TeamId, roster: &Roster) -> Date {
    let calendar = roster.teams.get(team).and_then(|known| roster.calendars.get(&known.calendar));
    calendar.map_or_else(|| TimeZone::UTC.to_datetime(now).date(), |calendar| calendar.date(now))
}

/// The day of the person's own calendar, else of the team's.
fn day_of(now: Timestamp, person: &PersonId, team: Option<&TeamId>, roster: &Roster) -> Date {
    let calendar = roster.calendar_of(person, team).map(|(_, calendar)| calendar);
    calendar.map_or_else(|| TimeZone::UTC.to_datetime(now).date(), |calendar| calendar.date(now))
}

#[cfg(test)]
mod tests;
