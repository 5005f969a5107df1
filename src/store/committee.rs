//! Committees: how many people each has, in which roles, and who they are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::sqlite::SqliteRow;

use crate::domain::committee::{self, Headcount, Membership};
use crate::domain::deal::DealRecord;
use crate::domain::decide::gather;
use crate::domain::id::{CommitteeId, LeadId, Name, RecordRef};
use crate::domain::lead::Projection;
use crate::domain::plan::Case;
use crate::domain::stage::Stage;

use super::read::{body, corrupt, count, leads};
use super::sqlite::{Bound, Store, int, text};
use super::{StoreError, sql};

/// What separates the roles of one person: no name of the agreement has a line break.
const BETWEEN_ROLES: char = '\n';

/// A committee of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitteeRow {
    /// Which.
    pub id: CommitteeId,
    /// One of its people, whose company is its company.
    pub someone: LeadId,
    /// How many they are, and in which roles.
    pub headcount: Headcount,
    /// The stages its people are at.
    pub stages: Vec<Stage>,
}

/// The roles of one person as the column holds them.
pub(super) fn roles_of(seat: &Membership) -> String {
    let mut names: Vec<&str> = seat.roles.iter().map(Name::as_str).collect();
    names.sort_unstable();
    names.join(&BETWEEN_ROLES.to_string())
}

impl Store {
    /// How many people sit in each of these committees, by what their last decisions saw; those without people are left out.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn headcounts(&self, ids: &[CommitteeId]) -> Result<HashMap<CommitteeId, Headcount>, StoreError> {
        let list = ids.iter().map(|id| Bound::from(id.as_str())).collect();
        let rows = self.rows_in(sql::HEADCOUNTS, &[self.ws()], list).await?;
        Ok(counted(&rows)?.into_iter().map(|(id, (headcount, _))| (id, headcount)).collect())
    }

    /// Counts for each case the others who sit in the committee of its lead. The lead itself is left out, as its last decision
    /// counted it.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn count_colleagues(&self, cases: &mut [Case]) -> Result<(), StoreError> {
        let ids: Vec<Option<CommitteeId>> = cases.iter().map(committee_of).collect();
        let asked: Vec<CommitteeId> = ids.iter().flatten().cloned().collect();
        let headcounts = self.headcounts(&asked).await?;
        for (case, id) in cases.iter_mut().zip(ids) {
            let Some(id) = id else { continue };
            let own = case.lead.committee.as_ref().filter(|own| own.committee == id && case.lead.version > 0);
            // Nobody sits where nobody was counted.
            let all = headcounts.get(&id).cloned().unwrap_or_default();
            case.colleagues = Some(match own {
                Some(own) => all.without(own),
                None => all,
            });
        }
        Ok(())
    }

    /// Committees in the order in which most people are engaged, `skip` of them passed over, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn committees(&self, skip: usize, limit: usize) -> Result<Vec<CommitteeRow>, StoreError> {
        let bound = vec![self.ws(), Bound::Int(count(limit)), Bound::Int(count(skip))];
        let rows = self.glance(sql::COMMITTEES, bound).await?;
        let named: Vec<(CommitteeId, LeadId)> = rows
            .iter()
            .map(|row| Ok((CommitteeId::from(text(row, 0)?), LeadId(int(row, 3)?))))
            .collect::<Result<_, StoreError>>()?;
        let list = named.iter().map(|(id, _)| Bound::from(id.as_str())).collect();
        let mut counted = counted(&self.rows_in(sql::HEADCOUNTS, &[self.ws()], list).await?)?;
        let rows = named.into_iter().filter_map(|(id, someone)| {
            // Its people may have gone meanwhile.
            let (headcount, stages) = counted.remove(&id)?;
            Some(CommitteeRow { id, someone, headcount, stages })
        });
        Ok(rows.collect())
    }

    /// One committee; `None` if nobody sits there.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn committee(&self, id: &CommitteeId) -> Result<Option<CommitteeRow>, StoreError> {
        let rows = self.rows_in(sql::HEADCOUNTS, &[self.ws()], vec![id.as_str().into()]).await?;
        let someone = self.people_of_committee(id, 1).await?.pop();
        let counted = counted(&rows)?.remove(id).zip(someone);
        Ok(counted.map(|((headcount, stages), someone)| CommitteeRow { id: id.clone(), someone, headcount, stages }))
    }

    /// Which of these committees have an open deal with one of their people.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn open_deals_of_committees(&self, ids: &[CommitteeId]) -> Result<BTreeSet<CommitteeId>, StoreError> {
        let list = ids.iter().map(|id| Bound::from(id.as_str())).collect();
        let rows = self.rows_in(sql::COMMITTEES_IN_DEALS, &[self.ws()], list).await?;
        rows.iter().map(|row| text(row, 0).map(CommitteeId::from)).collect()
    }

    /// Open deals with people of a committee, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn open_deals_with(&self, id: &CommitteeId, limit: usize) -> Result<Vec<DealRecord>, StoreError> {
        let bound = vec![self.ws(), id.as_str().into(), Bound::Int(count(limit))];
        let rows = self.glance(sql::OPEN_DEALS_OF_COMMITTEE, bound).await?;
        rows.iter().map(|row| body("deal", row, 2)).collect()
    }

    /// How many committees there are.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn committees_count(&self) -> Result<i64, StoreError> {
        self.glance(sql::COMMITTEES_COUNT, vec![self.ws()]).await?.first().map_or(Ok(0), |row| int(row, 0))
    }

    /// The people of a committee, those who were engaged last first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn people_of_committee(&self, id: &CommitteeId, limit: usize) -> Result<Vec<LeadId>, StoreError> {
        let bound = vec![self.ws(), id.as_str().into(), Bound::Int(count(limit))];
        leads(&self.glance(sql::COMMITTEE_PEOPLE, bound).await?)
    }

    /// Open deals that name `company`, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn open_deals_at(&self, company: &RecordRef, limit: usize) -> Result<Vec<DealRecord>, StoreError> {
        let (connection, id) = (company.connection.as_str().into(), company.id.as_str().into());
        let bound = vec![self.ws(), connection, id, Bound::Int(count(limit))];
        let rows = self.glance(sql::DEALS_OF_COMPANY, bound).await?;
        rows.iter().map(|row| body("deal", row, 0)).collect()
    }
}

/// The committee that the lead of `case` sits in.
fn committee_of(case: &Case) -> Option<CommitteeId> {
    let facts = gather(case, &Projection::of(&case.records));
    committee::id_of(case.company.as_ref().map(|company| &company.record), &facts)
}

/// The headcount of each committee, and the stages of its people.
fn counted(rows: &[SqliteRow]) -> Result<BTreeMap<CommitteeId, (Headcount, Vec<Stage>)>, StoreError> {
    let mut found: BTreeMap<CommitteeId, (Headcount, Vec<Stage>)> = BTreeMap::new();
    let number = |row, at| Ok::<_, StoreError>(u32::try_from(int(row, at)?).unwrap_or(u32::MAX));
    for row in rows {
        let id = text(row, 0)?;
        let (names, stage) = (text(row, 1)?, text(row, 2)?);
        let roles: Vec<Name> = names.split(BETWEEN_ROLES).filter(|name| !name.is_empty()).map(Name::from).collect();
        let stage = Stage::parse(&stage).ok_or_else(|| corrupt("lead", &id, "the stage is unknown"))?;
        let (headcount, stages) = found.entry(CommitteeId::from(id)).or_default();
        headcount.add(&roles, number(row, 3)?, number(row, 4)?);
        if !stages.contains(&stage) {
            stages.push(stage);
        }
    }
    Ok(found)
}
