//! A committee: the people of one company over all connections, each once, with their roles and whether they are engaged.
//!
//! Every decision says where its own lead sits ([`membership`]); that is stored with the lead, so that a company of
//! thousands is counted without being read ([`Headcount`]). What a screen shows of a committee is put together from its
//! people's cases ([`Committee`]).

mod people;
mod policy;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

use super::agreement::Agreement;
use super::company::CompanyRecord;
use super::expr::{Facts, Verdict};
use super::field::{Field, Value};
use super::id::{CommitteeId, Name, OperationId};
use super::identity::is_free_mail;
use super::plan::Case;
use super::touch::{Channel, Genuine, NotGenuine, Touch};

pub use people::{Committee, Member, furthest, reached};
pub use policy::{CommitteePolicy, Gap, Required, RoleRule};

/// Where a lead sits, as its last decision saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// In which committee.
    pub committee: CommitteeId,
    /// Its roles, in the agreement's order.
    pub roles: Vec<Name>,
    /// What engaged it last, if that is not too long ago.
    pub engaged: Option<Engaged>,
}

/// What showed that somebody is engaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engaged {
    /// When.
    pub at: Timestamp,
    /// What.
    pub by: EngagedBy,
}

/// What showed that somebody is engaged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EngagedBy {
    /// They did something that the agreement scores as intent or engagement.
    Signal(Name),
    /// They answered sales: wrote or called back, or came to a meeting.
    Answer(Channel),
}

/// How many people a committee has, and how many of them in which role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headcount {
    /// All of them.
    pub people: u32,
    /// Those who are engaged.
    pub engaged: u32,
    /// Those in each role that anybody has, by its name.
    pub roles: Vec<(Name, u32)>,
}

impl Headcount {
    /// Counts `count` people alike, `engaged` of whom are engaged.
    pub fn add(&mut self, roles: &[Name], count: u32, engaged: u32) {
        self.people = self.people.saturating_add(count);
        self.engaged = self.engaged.saturating_add(engaged);
        for role in roles {
            match self.roles.binary_search_by(|(name, _)| name.cmp(role)) {
                Ok(at) => self.roles[at].1 = self.roles[at].1.saturating_add(count),
                Err(at) => self.roles.insert(at, (role.clone(), count)),
            }
        }
    }

    /// The same with one more person.
    #[must_use]
    pub fn with(mut self, member: &Membership) -> Self {
        self.add(&member.roles, 1, u32::from(member.engaged.is_some()));
        self
    }

    /// The same without one who was counted.
    #[must_use]
    pub fn without(mut self, member: &Membership) -> Self {
        self.people = self.people.saturating_sub(1);
        self.engaged = self.engaged.saturating_sub(u32::from(member.engaged.is_some()));
        for (name, count) in &mut self.roles {
            if member.roles.contains(name) {
                *count = count.saturating_sub(1);
            }
        }
        self.roles.retain(|(_, count)| *count > 0);
        self
    }

    /// Has sales, or marketing, only one contact there?
    #[must_use]
    pub fn is_single_threaded(&self) -> bool {
        self.people <= 1
    }

    /// Does somebody have this role?
    #[must_use]
    pub fn knows(&self, role: &Name) -> bool {
        self.roles.binary_search_by(|(name, _)| name.cmp(role)).is_ok()
    }
}

/// The committee of a lead that works for `company`, as its facts have it; `None` if nobody knows where it works.
///
/// A company is one over all connections by its web domain. One without a domain is its own record and no more: two firms may
/// well have one name. Where a CRM keeps no companies, the person's record says the domain, or else their business address
/// does; a free-mail address says nothing of an employer.
#[must_use]
pub fn id_of(company: Option<&CompanyRecord>, facts: &Facts) -> Option<CommitteeId> {
    if let Some(record) = company {
        let own = record.value(Field::CompanyDomain).and_then(Value::as_text).and_then(domain);
        return Some(own.map_or_else(|| id("record", &record.of.to_string()), |domain| id("domain", &domain)));
    }
    let said = |field| facts.get(field).and_then(Value::as_text).and_then(domain);
    let domain = said(Field::CompanyDomain).or_else(|| said(Field::EmailDomain))?;
    Some(id("domain", &domain))
}

/// A web domain that one company has for itself.
fn domain(text: &str) -> Option<String> {
    let lower = text.trim().trim_end_matches('.').to_lowercase();
    let bare = lower.strip_prefix("www.").unwrap_or(&lower);
    (bare.contains('.') && !is_free_mail(bare)).then(|| bare.to_owned())
}

/// Opaque, so that an address that names a committee names no company in anybody's log.
fn id(kind: &str, value: &str) -> CommitteeId {
    let hash = OperationId::of(&["committee", kind, value]).to_string();
    CommitteeId::from(&hash[..16])
}

/// Where the lead of `case` sits at `now`; `None` if the agreement knows no committees, or nobody knows where it works.
#[must_use]
pub fn membership(now: Timestamp, case: &Case, facts: &Facts, agreement: &Agreement) -> Option<Membership> {
    let policy = agreement.committee.as_ref()?;
    if !case.records.iter().any(super::record::PersonRecord::is_live) {
        return None;
    }
    let committee = id_of(case.company.as_ref().map(|company| &company.record), facts)?;
    let held = policy.roles.iter().filter(|role| role.when.eval(facts) == Verdict::Yes);
    let roles = held.map(|role| role.name.clone()).collect();
    Some(Membership { committee, roles, engaged: engaged(now, case, agreement, policy.engaged_within()) })
}

/// The newest thing that shows the lead of `case` engaged, if it is not older than `within`.
fn engaged(now: Timestamp, case: &Case, agreement: &Agreement, within: SignedDuration) -> Option<Engaged> {
    let since = now - within;
    let signals = case.records.iter().filter(|record| record.is_live()).flat_map(|record| &record.signals);
    let did = signals
        .filter(|signal| agreement.scores(&signal.name))
        .map(|signal| Engaged { at: signal.at, by: EngagedBy::Signal(signal.name.clone()) });
    let answered = case
        .touches
        .iter()
        .filter(|touch| is_answer(touch))
        .map(|touch| Engaged { at: touch.at, by: EngagedBy::Answer(touch.channel) });
    // A meeting that is still to come shows nothing yet.
    let recent = did.chain(answered).filter(|engaged| engaged.at > since && engaged.at <= now);
    recent.max_by(|one, other| one.at.cmp(&other.at).then_with(|| other.by.cmp(&one.by)))
}

/// Did the person take part? A call or an e-mail of sales alone says nothing of the other side.
fn is_answer(touch: &Touch) -> bool {
    match touch.genuine {
        Genuine::Yes => touch.channel == Channel::Meeting,
        Genuine::No(NotGenuine::Inbound) => true,
        Genuine::No(NotGenuine::NotDone | NotGenuine::Unsaid | NotGenuine::Failed | NotGenuine::Automated) => false,
    }
}
