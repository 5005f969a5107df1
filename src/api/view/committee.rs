//! Companies with the people who may decide there, over all connections.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::committee::{self, Committee, CommitteePolicy, Gap, Headcount, Member};
use crate::domain::deal::DealRecord;
use crate::domain::field::{Field, Value};
use crate::domain::handoff::HandoffState;
use crate::domain::id::{CommitteeId, LeadId, Name, RecordRef};
use crate::domain::identity::{email_domain, is_free_mail};
use crate::domain::lead::Projection;
use crate::domain::plan::Case;
use crate::engine::{Engine, Rules};
use crate::report::committee as words;
use crate::store::{CommitteeRow, Store, StoreError};

use super::Moment;
use super::lead::{DealView, deal};

/// Open deals of one company that are shown.
const DEALS_MAX: usize = 50;

/// A row of the list of companies.
#[derive(Clone, Debug, Serialize)]
pub struct CompanyRow {
    /// The name of its page.
    pub company: String,
    /// What it is called, if known.
    pub name: Option<String>,
    /// Its people over all connections, each once.
    pub people: u32,
    /// Those who are engaged.
    pub engaged: u32,
    /// Is there only one contact?
    pub is_single_threaded: bool,
    /// The roles that somebody has, with how many do.
    pub roles: Vec<RoleCount>,
    /// The stage of the furthest of its people that is on the way.
    pub furthest: Option<&'static str>,
    /// What it lacks at that stage.
    pub missing: Option<MissingView>,
}

/// How many people have a role.
#[derive(Clone, Debug, Serialize)]
pub struct RoleCount {
    /// Its name.
    pub role: String,
    /// How many.
    pub people: u32,
}

/// Roles that a stage asks for and nobody has.
#[derive(Clone, Debug, Serialize)]
pub struct MissingView {
    /// The stage that asks.
    pub stage: &'static str,
    /// How many roles it asks for.
    pub wanted: u32,
    /// How many of those are known.
    pub known: u32,
    /// The roles that nobody has; if fewer are wanted, any of them do.
    pub roles: Vec<String>,
    /// All of it as a sentence.
    pub text: String,
}

/// A company with its people.
#[derive(Clone, Debug, Serialize)]
pub struct CommitteeView {
    /// Its row.
    #[serde(flatten)]
    pub row: CompanyRow,
    /// Its records in the CRMs.
    pub records: Vec<String>,
    /// Its people, those who were engaged last first.
    pub members: Vec<MemberView>,
    /// Roles that nobody has, required or not.
    pub unknown_roles: Vec<String>,
    /// Deals that are open with it or one of its people.
    pub deals: Vec<DealView>,
}

/// One person of a company.
#[derive(Clone, Debug, Serialize)]
pub struct MemberView {
    /// `L-42`.
    pub lead: String,
    /// Name, else address, else number.
    pub who: String,
    /// Job title.
    pub title: Option<String>,
    /// Their roles, each with the rule that says so.
    pub roles: Vec<RoleView>,
    /// What engaged them last; missing if they are not engaged.
    pub engaged_by: Option<String>,
    /// When.
    pub engaged_at: Option<Moment>,
    /// Their stage.
    pub stage: &'static str,
    /// Who owns them, as far as the roster knows.
    pub owner: Option<String>,
    /// Their hand-off that is not ended: `L-42/1`.
    pub handoff: Option<String>,
    /// Have they unsubscribed from all e-mail?
    pub opted_out: bool,
    /// The connections that know them.
    pub known_in: Vec<String>,
}

/// A role, and why somebody has it.
#[derive(Clone, Debug, Serialize)]
pub struct RoleView {
    /// Its name.
    pub role: String,
    /// The rule that holds.
    pub when: String,
}

impl MemberView {
    /// The person on one line.
    #[must_use]
    pub fn line(&self) -> String {
        let title = self.title.as_ref().map(|title| format!(", {title}")).unwrap_or_default();
        let names: Vec<&str> = self.roles.iter().map(|role| role.role.as_str()).collect();
        let roles = if names.is_empty() { "no role".to_owned() } else { names.join(", ") };
        let engaged = match (&self.engaged_by, &self.engaged_at) {
            (Some(by), Some(at)) => format!("engaged: {by} {at}"),
            _ => "not engaged".to_owned(),
        };
        let owner = self.owner.as_ref().map(|owner| format!(", with {owner}")).unwrap_or_default();
        let handoff = self.handoff.as_ref().map(|handoff| format!(", hand-off {handoff}")).unwrap_or_default();
        format!("{} {}{title}: {roles}; {engaged}; {}{owner}{handoff}", self.lead, self.who, self.stage)
    }
}

/// Companies in the order in which most people are engaged.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub async fn companies(engine: &Engine, skip: usize, limit: usize) -> Result<Vec<CompanyRow>, StoreError> {
    let rules = engine.rules();
    let store = engine.store();
    let rows = store.committees(skip, limit).await?;
    let someone: Vec<LeadId> = rows.iter().map(|row| row.someone).collect();
    let in_deal = store.open_deals_of_committees(&rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>()).await?;
    let mut names = HashMap::new();
    for case in store.cases(&someone, Timestamp::MAX).await? {
        names.insert(case.lead.id, called(&[&case]));
    }
    let policy = rules.agreement.committee.as_ref();
    Ok(rows
        .into_iter()
        .map(|found| {
            let name = names.remove(&found.someone).flatten();
            row(&found, &found.headcount, in_deal.contains(&found.id), name, policy)
        })
        .collect())
}

fn row(
    found: &CommitteeRow,
    headcount: &Headcount,
    in_deal: bool,
    name: Option<String>,
    policy: Option<&CommitteePolicy>,
) -> CompanyRow {
    let furthest = committee::furthest(&found.stages, in_deal);
    let gap = policy.zip(furthest).and_then(|(policy, stage)| policy.gap(stage, headcount));
    let known = |role: &&Name| headcount.roles.iter().find(|(name, _)| name == *role).map(|(_, count)| *count);
    let roles = policy.iter().flat_map(|policy| &policy.roles).map(|role| &role.name);
    CompanyRow {
        company: found.id.to_string(),
        name,
        people: headcount.people,
        engaged: headcount.engaged,
        is_single_threaded: headcount.is_single_threaded(),
        roles: roles.filter_map(|role| Some(RoleCount { role: role.to_string(), people: known(&role)? })).collect(),
        furthest: furthest.map(|stage| stage.as_str()),
        missing: gap.as_ref().map(missing),
    }
}

fn missing(gap: &Gap) -> MissingView {
    MissingView {
        stage: gap.stage.as_str(),
        wanted: gap.wanted,
        known: gap.known,
        roles: gap.missing.iter().map(ToString::to_string).collect(),
        text: words::missing(gap),
    }
}

/// The company `id` with at most `limit` of its people; `None` if nobody sits there.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub async fn company(
    store: &Store,
    rules: &Rules,
    now: Timestamp,
    id: &CommitteeId,
    limit: usize,
) -> Result<Option<CommitteeView>, StoreError> {
    let Some(policy) = rules.agreement.committee.as_ref() else { return Ok(None) };
    let Some(found) = store.committee(id).await? else { return Ok(None) };
    let people = store.people_of_committee(id, limit).await?;
    let cases = cases(store, &people, now - policy.engaged_within()).await?;
    let committee = Committee::of(now, id, &cases, &rules.agreement, &rules.zone);
    let members: Vec<(&Member, &Case)> = committee
        .people
        .iter()
        .filter_map(|member| Some((member, cases.iter().find(|case| case.lead.id == member.lead)?)))
        .collect();
    if members.is_empty() {
        return Ok(None);
    }
    // What cannot all be shown is counted as the decisions counted it.
    let all = usize::try_from(found.headcount.people).unwrap_or(usize::MAX);
    let headcount = if all > people.len() { found.headcount.clone() } else { committee.headcount() };
    let theirs: Vec<&Case> = members.iter().map(|(_, case)| *case).collect();
    let records: BTreeSet<&RecordRef> =
        theirs.iter().filter_map(|case| Some(&case.company.as_ref()?.record.of)).collect();
    let mut deals: BTreeMap<RecordRef, DealRecord> = BTreeMap::new();
    for record in &records {
        let known = store.open_deals_at(record, DEALS_MAX).await?;
        deals.extend(known.into_iter().map(|deal| (deal.of.clone(), deal)));
    }
    for deal in store.open_deals_with(id, DEALS_MAX).await? {
        deals.insert(deal.of.clone(), deal);
    }
    let deals: Vec<DealView> = deals.into_values().take(DEALS_MAX).map(|known| deal(known, &rules.zone)).collect();
    let unknown = policy.roles.iter().map(|role| &role.name).filter(|role| !headcount.knows(role));
    Ok(Some(CommitteeView {
        row: row(&found, &headcount, !deals.is_empty(), called(&theirs), Some(policy)),
        records: records.iter().map(ToString::to_string).collect(),
        unknown_roles: unknown.map(ToString::to_string).collect(),
        members: members.iter().map(|(member, case)| view(member, case, rules)).collect(),
        deals,
    }))
}

/// The cases of `people` with the touches since `since`, whether or not a hand-off asks for them.
async fn cases(store: &Store, people: &[LeadId], since: Timestamp) -> Result<Vec<Case>, StoreError> {
    let mut cases = store.cases(people, since).await?;
    let refs: Vec<RecordRef> = cases.iter().flat_map(|case| &case.records).map(|record| record.of.clone()).collect();
    let mut touches = store.touches_on(&refs, since).await?;
    for case in &mut cases {
        case.touches = case.records.iter().flat_map(|record| touches.remove(&record.of).unwrap_or_default()).collect();
    }
    Ok(cases)
}

fn view(member: &Member, case: &Case, rules: &Rules) -> MemberView {
    let projection = Projection::of(&case.records);
    let lead = &case.lead;
    let open = case.handoff.as_ref().filter(|handoff| !matches!(handoff.state, HandoffState::Closed { .. }));
    let known_in: BTreeSet<String> =
        case.records.iter().filter(|record| record.is_live()).map(|record| record.of.connection.to_string()).collect();
    let engaged = member.engaged.as_ref();
    MemberView {
        lead: lead.id.to_string(),
        who: lead.name.as_deref().or(lead.email.as_deref()).map_or_else(|| lead.id.to_string(), str::to_owned),
        title: projection.text(Field::Title).map(str::to_owned),
        roles: member
            .roles
            .iter()
            .map(|(role, when)| RoleView { role: role.to_string(), when: when.clone() })
            .collect(),
        engaged_by: engaged.map(|engaged| words::engaged(&engaged.by)),
        engaged_at: engaged.map(|engaged| Moment::new(engaged.at, &rules.zone)),
        stage: lead.stage.as_str(),
        owner: lead.owner.as_ref().map(|owner| rules.roster.name_of(owner).to_owned()),
        handoff: open.map(|handoff| handoff.id.to_string()),
        opted_out: projection.value(Field::OptedOut).and_then(Value::as_flag) == Some(true),
        known_in: known_in.into_iter().collect(),
    }
}

/// What the company of these people is called: by its record, else by theirs, else by its domain.
fn called(cases: &[&Case]) -> Option<String> {
    let of_record = |case: &&&Case| Some(case.company.as_ref()?.record.value(Field::CompanyName)?.to_string());
    let of_person = |case: &&&Case| Projection::of(&case.records).text(Field::CompanyName).map(str::to_owned);
    let of_domain = |case: &&&Case| {
        let projection = Projection::of(&case.records);
        let said = projection.text(Field::CompanyDomain).map(str::to_owned);
        let firm =
            || email_domain(projection.text(Field::Email)?).filter(|domain| !is_free_mail(domain)).map(str::to_owned);
        said.or_else(firm)
    };
    let cases = || cases.iter();
    cases()
        .find_map(|case| of_record(&case))
        .or_else(|| cases().find_map(|case| of_person(&case)))
        .or_else(|| cases().find_map(|case| of_domain(&case)))
}
