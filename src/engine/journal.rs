//! Keeps decisions whole: what each saw, by which versions, and the digest of what followed, so that `baton replay` can
//! make it again.
//!
//! Only what changed a hand-off or has effects is kept; all other looks at a lead cost nothing. What is the same for many
//! decisions (agreement, roster, users, settings) is kept once for each version.

use std::collections::HashSet;
use std::sync::PoisonError;

use jiff::Timestamp;

use crate::domain::decide::Granted;
use crate::domain::finding::Finding;
use crate::domain::id::{RecordRef, WorkspaceId};
use crate::domain::observation::UserSeen;
use crate::domain::plan::{Ability, Case, Mode, Paused, Plan, Policy};
use crate::domain::reach::Telling;
use crate::store::{Body, Decision, Input, Json, PolicyPart, StoreError, Unreadable, digest, encode, encode_plan};

use super::Engine;

/// The files that the rules were read from, as they are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    agreement: PolicyPart,
    roster: PolicyPart,
}

impl Texts {
    /// The texts of the agreement, of the roster, and of the holiday files that it names.
    #[must_use]
    pub fn new(agreement: &str, roster: &str, holidays: &[(String, String)]) -> Self {
        Self {
            agreement: PolicyPart::new("agreement", agreement.to_owned()),
            roster: PolicyPart::new("roster", encode(&(roster.to_owned(), holidays.to_vec()))),
        }
    }

    /// The agreement's text.
    #[must_use]
    pub fn agreement(&self) -> &str {
        &self.agreement.body
    }
}

impl Default for Texts {
    /// Rules that were read from no file: what they decide cannot be made again.
    fn default() -> Self {
        Self::new("", "", &[])
    }
}

/// What decisions depend on besides, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Circumstances {
    /// The Baton that decided: another may decide otherwise, and rightly.
    pub(super) baton: String,
    pub(super) workspace: WorkspaceId,
    pub(super) zone: String,
    pub(super) writes: Mode,
    pub(super) notices: Mode,
    pub(super) public_url: String,
    pub(super) connections: Vec<Ability>,
    pub(super) paused: Paused,
    pub(super) telling: Telling,
}

impl Circumstances {
    fn of(policy: &Policy) -> Self {
        Self {
            baton: env!("CARGO_PKG_VERSION").to_owned(),
            workspace: policy.workspace.clone(),
            zone: policy.zone.iana_name().unwrap_or("UTC").to_owned(),
            writes: policy.writes,
            notices: policy.notices,
            public_url: policy.public_url.to_string(),
            connections: policy.connections.clone(),
            paused: policy.paused.clone(),
            telling: policy.telling.as_ref().clone(),
        }
    }
}

const KEYS: [&str; 9] =
    ["baton", "workspace", "zone", "writes", "notices", "public_url", "connections", "paused", "telling"];

impl Body for Circumstances {
    fn write(&self) -> Json<'_> {
        let [baton, workspace, zone, writes, notices, public_url, connections, paused, telling] = KEYS;
        Json::object([
            (baton, self.baton.write()),
            (workspace, Json::from(self.workspace.as_str())),
            (zone, self.zone.write()),
            (writes, self.writes.write()),
            (notices, self.notices.write()),
            (public_url, self.public_url.write()),
            (connections, self.connections.write()),
            (paused, self.paused.write()),
            (telling, self.telling.write()),
        ])
    }
    fn read(json: &Json<'_>) -> Result<Self, Unreadable> {
        json.only(&KEYS)?;
        Ok(Self {
            baton: json.field("baton")?,
            workspace: WorkspaceId::from(json.field::<String>("workspace")?),
            zone: json.field("zone")?,
            writes: json.field("writes")?,
            notices: json.field("notices")?,
            public_url: json.field("public_url")?,
            connections: json.field("connections")?,
            paused: json.field("paused")?,
            telling: json.field("telling")?,
        })
    }
}

/// The users of all connections, in the order of their accounts, as they are kept.
pub(super) fn users_part(users: &[(RecordRef, UserSeen)]) -> PolicyPart {
    PolicyPart::new("users", encode(&users.to_vec()))
}

/// An instant as it is kept: in whole milliseconds. A decision must not see more of the time than the journal holds.
pub(super) fn kept(now: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// How owners were given while a plan was completed.
#[derive(Clone, Debug, Default)]
pub(super) struct Giving {
    pub(super) granted: Vec<Granted>,
    /// What was found where nobody could be given the lead.
    pub(super) nobody: Vec<Finding>,
}

impl Engine {
    /// The digests of the versions that `policy` is made of, which are kept by then.
    pub(super) async fn versions(&self, policy: &Policy, now: Timestamp) -> Result<[String; 4], StoreError> {
        let texts = std::sync::Arc::clone(&self.rules.load().texts);
        let users = self.users.load_full();
        let circumstances = PolicyPart::new("settings", encode(&Circumstances::of(policy)));
        let parts = [&texts.agreement, &texts.roster, &*users, &circumstances];
        let is_known = |known: &HashSet<String>| parts.iter().all(|part| known.contains(&part.digest));
        if !is_known(&self.kept.lock().unwrap_or_else(PoisonError::into_inner)) {
            self.store.keep_policy(now, &parts).await?;
            let mut known = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            known.extend(parts.iter().map(|part| part.digest.clone()));
        }
        Ok(parts.map(|part| part.digest.clone()))
    }
}

/// Is this decision kept whole?
pub(super) fn is_kept(plan: &Plan) -> bool {
    plan.handoff.is_some() || !plan.writes.is_empty() || !plan.notices.is_empty() || plan.cancels.is_some()
}

/// A decision as it is kept.
pub(super) fn decision(
    now: Timestamp,
    case: Case,
    policy: &Policy,
    giving: Giving,
    versions: [String; 4],
    plan: &Plan,
) -> Decision {
    let input = Input {
        now,
        case,
        granted: giving.granted,
        nobody: giving.nobody,
        coverage: policy.coverage.clone(),
        is_time_sure: policy.is_time_sure,
        versions,
    };
    Decision { lead: plan.lead.id, input: encode(&input), result: digest(&encode_plan(plan)) }
}
