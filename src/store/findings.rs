//! Findings as they are stored: one that is seen again stands since it was first seen, and what was looked at and is not
//! raised again is over.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::SqliteConnection;

use crate::domain::finding::{Checked, Finding, FindingKind, Subject};

use super::read::ms;
use super::sqlite::{Bound, Store, execute, fetch_in, insert};
use super::{Batch, StoreError, sql};

impl Store {
    pub(super) async fn apply_findings(
        &self,
        connection: &mut SqliteConnection,
        batch: &Batch,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let all: Vec<&Finding> =
            batch.findings.iter().chain(batch.plans.iter().flat_map(|plan| &plan.findings)).collect();
        let mut rows: BTreeMap<(&'static str, String), Vec<Bound>> = BTreeMap::new();
        for finding in all {
            let (subject, lead) = subject(&finding.subject);
            let row = vec![
                self.ws(),
                finding.kind.as_str().into(),
                subject.clone().into(),
                lead.into(),
                finding.text.clone().into(),
                ms(now),
                ms(now),
            ];
            rows.insert((finding.kind.as_str(), subject), row);
        }
        insert(connection, sql::FINDING, rows.into_values().collect()).await?;
        // A decision says all that is to be said of its lead: what it does not say any more has been resolved.
        let decided = batch.plans.iter().filter(|plan| plan.lead.version > 0 && plan.handoff.is_some());
        let decided: Vec<Bound> = decided.map(|plan| Bound::Int(plan.lead.id.0)).collect();
        fetch_in(connection, sql::RESOLVE, &[self.ws(), ms(now)], &decided).await?;
        // Roles that are missing are looked at by every decision, whether or not it changes a hand-off.
        let looked = batch.plans.iter().filter(|plan| plan.lead.version > 0);
        let looked = looked.map(|plan| Checked::One(FindingKind::MissingRoles, Subject::Lead(plan.lead.id)));
        let checked: Vec<Checked> = looked.chain(batch.checked.iter().cloned()).collect();
        self.apply_checked(connection, &checked, now).await
    }

    /// Ends the findings about what was looked at, less those that were raised again at `now`.
    async fn apply_checked(
        &self,
        connection: &mut SqliteConnection,
        checked: &[Checked],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut singles: BTreeMap<&'static str, Vec<Bound>> = BTreeMap::new();
        for one in checked {
            match one {
                Checked::One(kind, about) => singles.entry(kind.as_str()).or_default().push(subject(about).0.into()),
                Checked::Parts(kind, start) => {
                    let bound = vec![self.ws(), ms(now), kind.as_str().into(), subject(start).0.into()];
                    execute(connection, sql::RESOLVE_PARTS, bound).await?;
                }
            }
        }
        for (kind, subjects) in singles {
            fetch_in(connection, sql::RESOLVE_SUBJECTS, &[self.ws(), ms(now), kind.into()], &subjects).await?;
        }
        Ok(())
    }

    /// Ends findings about values of records that were not seen since `before`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn end_unseen(&self, now: Timestamp, before: Timestamp) -> Result<(), StoreError> {
        let bound = super::sqlite::arguments(vec![self.ws(), ms(now), ms(before)])?;
        sqlx::query_with(sql::RESOLVE_UNSEEN, bound).execute(&mut *self.inner.writer.acquire().await?).await?;
        Ok(())
    }
}

/// A finding's subject as text, and its lead if it is about one.
pub(super) fn subject(subject: &Subject) -> (String, Option<i64>) {
    let lead = if let Subject::Lead(lead) = subject { Some(lead.0) } else { None };
    (subject.to_string(), lead)
}
