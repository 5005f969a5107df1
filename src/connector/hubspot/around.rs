//! What hangs on people, by associations, which change without changing the person; and the owners, who have no search. Source:
//! section 4.

use jiff::{SignedDuration, Timestamp};

use super::HubSpot;
use super::answer::{self, Failure};
use super::map;
use super::settings::Type;
use super::streams::{Place, Read, page};
use super::wire::{self, Owners};
use crate::connector::{Around, ConnectorError, Cursor, Page};
use crate::domain::id::{Name, Object, RecordRef, RemoteId};
use crate::domain::observation::{Content, Observation};
use crate::http::limiter::{Budget, Lane};

/// The newest touches of one person are enough to see whether a promise was kept; ids grow.
const TOUCHES_MAX: usize = 100;

impl HubSpot {
    /// The owners: a whole list each time, shown only when it changed. An idle poll is one request for each hundred.
    pub(super) async fn pull_owners(&self, after: &Cursor, now: Timestamp) -> Result<Page, Failure> {
        let (before, count) = match Place::of(after)? {
            Place::Owners { digest, page } => (Some(digest), page),
            Place::List { .. } => (None, 0),
            Place::Window { .. } => return Err(Failure::Malformed("the stored cursor".to_owned())),
        };
        let mut digest = 0xcbf2_9ce4_8422_2325;
        let mut observations = self.owners(false, &mut digest, now).await?;
        if before == Some(digest) {
            observations.clear();
        } else {
            // Archived owners still own records, and their users have made changes.
            let mut unused = 0;
            observations.extend(self.owners(true, &mut unused, now).await?);
        }
        let settle = SignedDuration::try_from(self.settings.settle).unwrap_or(SignedDuration::ZERO);
        let covered = self.api.crm_now().unwrap_or(now).min(now) - settle;
        let read = Read { observations, ..Read::new(Lane::Read) };
        Ok(page(read, &Place::Owners { digest, page: count + 1 }, false, Some(covered)))
    }

    async fn owners(&self, archived: bool, digest: &mut u64, now: Timestamp) -> Result<Vec<Observation>, Failure> {
        let mut observations = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut request = self.api.get(&["crm", "owners", self.api.version()]);
            request = request.query("limit", "100").query("archived", if archived { "true" } else { "false" });
            if let Some(after) = &after {
                request = request.query("after", after);
            }
            let response = self.api.read(Budget::Burst, Lane::Read, request).await?;
            let owners: Owners<'_> = wire::whole(&response.body).map_err(Failure::Malformed)?;
            let crm_now = answer::date(&response).unwrap_or(now);
            for owner in &owners.results {
                let mut owner = owner.clone();
                owner.archived = Some(archived || owner.archived == Some(true));
                if let Some(user) = map::user_id(&owner) {
                    self.learn_user(user, owner.id.as_str());
                }
                let texts =
                    [Some(&owner.id), owner.email.as_ref(), owner.first_name.as_ref(), owner.last_name.as_ref()];
                for byte in texts.into_iter().flatten().flat_map(|text| text.as_str().bytes().chain([0])) {
                    *digest = (*digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
                }
                observations.push(map::user(&owner, &self.settings.id, crm_now));
            }
            let next = owners.after();
            if next.is_none() || next == after {
                return Ok(observations);
            }
            after = next;
        }
    }

    /// The touches and companies of people, through associations: they change without changing the person. Source: section 4.
    pub(super) async fn around(&self, people: &[&str], now: Timestamp) -> Result<Around, ConnectorError> {
        let mut around = Around::default();
        // Nobody is accused of a contact that is not there any more, and no stream shows that one was archived.
        let vanished = self.vanished(people, self.api.crm_now().unwrap_or(now)).await;
        around.add(&Name::from(Type::Contacts.as_str()), vanished.map_err(self.failed("contacts that are due")))?;
        for kind in [Type::Companies, Type::Calls, Type::Emails, Type::Meetings] {
            let read = if kind == Type::Companies {
                self.companies_around(people, now).await
            } else {
                self.touches_around(kind, people, now).await
            };
            let stream = Name::from(kind.as_str());
            around.add(&stream, read.map_err(self.failed(&format!("{stream} of contacts"))))?;
        }
        Ok(around)
    }

    async fn companies_around(&self, people: &[&str], now: Timestamp) -> Result<Vec<Observation>, Failure> {
        let companies = self.associated(Type::Contacts, Type::Companies, people, Lane::Read).await?;
        let now = self.api.crm_now().unwrap_or(now);
        let company = |person: &&str| Observation {
            of: RecordRef::new(&self.settings.id, Object::Person, *person),
            modified: now,
            content: Content::CompanyOf(
                companies
                    .get(*person)
                    .and_then(|ids| ids.first())
                    .map(|id| RecordRef::new(&self.settings.id, Object::Company, id.clone())),
            ),
            findings: Vec::new(),
        };
        Ok(people.iter().map(company).collect())
    }

    async fn touches_around(&self, kind: Type, people: &[&str], now: Timestamp) -> Result<Vec<Observation>, Failure> {
        let mut read = Read::new(Lane::Read);
        let touches = self.associated(Type::Contacts, kind, people, Lane::Read).await?;
        let mut ids: Vec<&str> = touches.values().flat_map(|ids| newest(ids)).collect();
        ids.sort_unstable();
        ids.dedup();
        self.hydrate(kind, &ids, self.api.crm_now().unwrap_or(now), &mut read).await?;
        Ok(read.observations)
    }
}

fn newest(ids: &[RemoteId]) -> Vec<&str> {
    let mut ids: Vec<&str> = ids.iter().map(RemoteId::as_str).collect();
    ids.sort_by_key(|id| std::cmp::Reverse(id.parse::<u64>().unwrap_or(0)));
    ids.truncate(TOUCHES_MAX);
    ids
}
