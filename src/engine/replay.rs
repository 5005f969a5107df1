//! Makes kept decisions again, from what they saw and by the versions they were made by, and holds the digests of what
//! follows against each other: the proof that decisions depend on nothing else.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::agreement;
use crate::document::{Problems, Source};
use crate::domain::coverage::Coverage;
use crate::domain::decide::{decide, grant};
use crate::domain::id::{LeadId, RecordRef};
use crate::domain::observation::UserSeen;
use crate::domain::plan::Policy;
use crate::store::{Input, KeptDecision, Store, StoreError, decode, digest, encode_plan};

use super::directory::directory;
use super::journal::Circumstances;

/// Decisions that are read at once.
const AT_ONCE: usize = 500;
/// Differences that are told one by one.
const TOLD_MAX: usize = 50;

/// What came of making decisions again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Those with the same result, to the byte.
    pub same: u64,
    /// Those with another result.
    pub different: u64,
    /// The first of them, and those that could not be made again though they were kept whole.
    pub told: Vec<Different>,
    /// Those whose input is gone: the person was forgotten, or the retention is over.
    pub sealed: u64,
    /// Those that were kept whole and could not be made again.
    pub unreadable: u64,
}

/// A decision that came out otherwise, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Different {
    /// The decision's number.
    pub seq: i64,
    /// About whom.
    pub lead: LeadId,
    /// When it was made.
    pub at: Timestamp,
    /// What is the matter, without a value of the person.
    pub why: String,
}

/// Makes every kept decision since `since` again, of one lead or of all.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub async fn replay(store: &Store, lead: Option<LeadId>, since: Timestamp) -> Result<Replayed, StoreError> {
    let texts = store.policies().await?;
    let mut policies: HashMap<[String; 4], Result<Arc<Policy>, String>> = HashMap::new();
    let mut replayed = Replayed::default();
    let mut after = 0;
    loop {
        let kept = store.decisions(after, since, lead, AT_ONCE).await?;
        let Some(last) = kept.last() else { return Ok(replayed) };
        after = last.seq;
        for decision in &kept {
            let Some(input) = &decision.input else {
                replayed.sealed += 1;
                continue;
            };
            match again(input, &texts, &mut policies) {
                Ok((result, _)) if result == decision.result => replayed.same += 1,
                Ok((_, baton)) => {
                    replayed.different += 1;
                    let by = if baton == env!("CARGO_PKG_VERSION") {
                        "it comes out otherwise".to_owned()
                    } else {
                        format!("it comes out otherwise, and was decided by Baton {baton}")
                    };
                    replayed.tell(decision, by);
                }
                Err(why) => {
                    replayed.unreadable += 1;
                    replayed.tell(decision, why);
                }
            }
        }
    }
}

impl Replayed {
    fn tell(&mut self, decision: &KeptDecision, why: String) {
        if self.told.len() < TOLD_MAX {
            self.told.push(Different { seq: decision.seq, lead: decision.lead, at: decision.at, why });
        }
    }
}

/// The digest of what follows now, and the Baton that decided then.
fn again(
    input: &str,
    texts: &HashMap<String, String>,
    policies: &mut HashMap<[String; 4], Result<Arc<Policy>, String>>,
) -> Result<(String, String), String> {
    let input: Input = decode(input).map_err(|error| format!("what it saw cannot be read: {error}"))?;
    let made = policies.entry(input.versions.clone()).or_insert_with(|| policy(texts, &input.versions).map(Arc::new));
    let mut policy = Policy::clone(made.as_deref().map_err(Clone::clone)?);
    policy.coverage = input.coverage;
    policy.is_time_sure = input.is_time_sure;
    let mut plan = decide(input.now, &input.case, &policy);
    for granted in &input.granted {
        plan = grant(input.now, plan, &input.case, &policy, granted);
    }
    plan.findings.extend(input.nobody);
    let baton = circumstances(texts, &input.versions[3])?.baton;
    Ok((digest(&encode_plan(&plan)), baton))
}

fn text<'t>(texts: &'t HashMap<String, String>, what: &str, version: &str) -> Result<&'t str, String> {
    texts.get(version).map(String::as_str).ok_or_else(|| format!("the {what} it was made by is not kept"))
}

fn circumstances(texts: &HashMap<String, String>, version: &str) -> Result<Circumstances, String> {
    decode(text(texts, "settings", version)?).map_err(|error| format!("its settings cannot be read: {error}"))
}

/// What decisions were made by, from its kept texts.
fn policy(texts: &HashMap<String, String>, versions: &[String; 4]) -> Result<Policy, String> {
    let [of_agreement, of_roster, of_users, of_settings] = versions;
    let circumstances = circumstances(texts, of_settings)?;
    let zone = TimeZone::get(&circumstances.zone).map_err(|_| "its zone is not known any more".to_owned())?;
    let problems = Problems::new();
    let source = Source::new("the kept agreement", text(texts, "agreement", of_agreement)?);
    let draft = agreement::read(&source, &zone, &problems);
    let (roster, holidays): (String, Vec<(String, String)>) =
        decode(text(texts, "roster", of_roster)?).map_err(|error| format!("its roster cannot be read: {error}"))?;
    let open = |path: &str| {
        let file = holidays.iter().find(|(known, _)| known == path);
        file.map(|(_, text)| text.clone()).ok_or_else(|| "it is not kept".to_owned())
    };
    let roster = agreement::read_roster(&Source::new("the kept roster", roster), &open, &problems);
    if problems.has_errors() {
        return Err("this Baton does not read the agreement or the roster that it was made by".to_owned());
    }
    let users: Vec<(RecordRef, UserSeen)> =
        decode(text(texts, "users", of_users)?).map_err(|error| format!("its users cannot be read: {error}"))?;
    Ok(Policy {
        workspace: circumstances.workspace,
        agreement: Arc::new(draft.agreement),
        directory: Arc::new(directory(&roster.roster, &users)),
        roster: Arc::new(roster.roster),
        coverage: Coverage::default(),
        is_time_sure: true,
        connections: circumstances.connections,
        zone,
        writes: circumstances.writes,
        notices: circumstances.notices,
        public_url: Arc::from(circumstances.public_url),
        paused: circumstances.paused,
        telling: Arc::new(circumstances.telling),
    })
}
