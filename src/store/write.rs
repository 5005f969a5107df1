//! Writing: `commit` is the only door to the outbox; `claim` and `settle` (in files of those names) follow each effect to its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use sqlx::SqliteConnection;

use crate::domain::handoff::{Handoff, HandoffState};
use crate::domain::id::{LeadId, Name};
use crate::domain::plan::Plan;

use super::audit::{Lines, Link};
use super::committee::roles_of;
use super::digest::of_row;
use super::read::{by_kind, ms};
use super::row::{LeadBody, encode};
use super::sqlite::{Bound, Store, fetch_in, insert, int, text};
use super::{Batch, Keys, StoreError, sql};

impl Store {
    /// Makes everything in `batch` true in one transaction, or nothing of it.
    ///
    /// # Errors
    /// [`StoreError::Stale`] if a plan's lead, or a team's row, has another version by now; [`StoreError::Database`] if
    /// the database fails.
    pub async fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        let link = self.apply(&mut transaction, batch).await?;
        transaction.commit().await?;
        self.note_link(link);
        Ok(())
    }

    /// Makes `batch` true within a transaction. Answers the link that it added to the chain.
    pub(super) async fn apply(
        &self,
        connection: &mut SqliteConnection,
        batch: &Batch,
    ) -> Result<Option<Link>, StoreError> {
        self.apply_with(connection, batch, Lines::default()).await
    }

    /// Cancels what waits and must not be sent any more once `plan` is true.
    async fn cancel(
        &self,
        connection: &mut SqliteConnection,
        plan: &Plan,
        now: Timestamp,
        lines: &mut Lines,
    ) -> Result<(), StoreError> {
        let Some(number) = number_of(plan) else { return Ok(()) };
        let owners = plan.outdates_owners().then_some((sql::CANCEL_OWNERS, "another turn began"));
        let all = plan.cancels.as_ref().map(|reason| (sql::CANCEL, reason.as_str()));
        for (statement, reason) in owners.into_iter().chain(all) {
            let bound = vec![self.ws(), Bound::Int(plan.lead.id.0), Bound::Int(number), ms(now), reason.into()];
            for row in sqlx::query_with(statement, super::sqlite::arguments(bound)?).fetch_all(&mut *connection).await?
            {
                lines.effect(&text(&row, 0)?, "cancelled", Some(now), Some(reason));
            }
        }
        Ok(())
    }

    /// Makes `batch` true, and chains what it decides together with what `lines` say.
    pub(super) async fn apply_with(
        &self,
        connection: &mut SqliteConnection,
        batch: &Batch,
        mut lines: Lines,
    ) -> Result<Option<Link>, StoreError> {
        let now = batch.now.unwrap_or(Timestamp::UNIX_EPOCH);
        self.check_versions(connection, batch).await?;
        self.apply_records(connection, batch).await?;
        self.apply_touches(connection, batch).await?;
        self.apply_deals(connection, batch).await?;
        self.unname_deals(connection, &batch.erased, now).await?;
        for plan in &batch.plans {
            self.cancel(connection, plan, now, &mut lines).await?;
        }
        insert(connection, sql::LEAD, batch.plans.iter().map(|plan| self.lead_row(plan)).collect()).await?;
        insert(connection, sql::HANDOFF, batch.plans.iter().filter_map(|plan| self.handoff_row(plan)).collect())
            .await?;
        insert(connection, sql::EVENT, self.event_rows(batch, now, &mut lines)).await?;
        self.apply_effects(connection, self.outbox_rows(batch, now), &mut lines).await?;
        self.apply_decisions(connection, &batch.decisions, now, &mut lines).await?;
        self.recheck(connection, batch.rechecks.iter().copied()).await?;
        let departed: Vec<Bound> = batch.departed.iter().map(|person| person.as_str().into()).collect();
        fetch_in(connection, sql::RECHECK_OWNED, &[self.ws(), ms(now)], &departed).await?;
        self.note_colleagues(connection, batch, now).await?;
        self.apply_apart(connection, batch).await?;
        self.apply_feed(connection, batch, now).await?;
        let streams = batch.cursors.iter().map(|state| {
            vec![
                self.ws(),
                state.connection.as_str().into(),
                state.stream.as_str().into(),
                state.cursor.clone().into(),
                state.covered_until.map(Timestamp::as_millisecond).into(),
                state.read_at.map(Timestamp::as_millisecond).into(),
                state.error.as_deref().into(),
            ]
        });
        insert(connection, sql::STREAM, streams.collect()).await?;
        let teams = batch.teams.iter().map(|team| {
            let mut next = team.clone();
            next.version += 1;
            vec![self.ws(), (&team.team).into(), Bound::Int(next.version), encode(&next).into()]
        });
        insert(connection, sql::TEAM, teams.collect()).await?;
        self.apply_findings(connection, batch, now).await?;
        self.chain(connection, now, lines).await
    }

    /// A plan carries the version of the lead it was made from; a stale one is refused and planned again.
    async fn check_versions(&self, connection: &mut SqliteConnection, batch: &Batch) -> Result<(), StoreError> {
        let list: Vec<Bound> = batch.plans.iter().map(|plan| Bound::Int(plan.lead.id.0)).collect();
        let mut stored: BTreeMap<i64, i64> = BTreeMap::new();
        for row in fetch_in(connection, sql::VERSIONS, &[self.ws()], &list).await? {
            stored.insert(int(&row, 0)?, int(&row, 1)?);
        }
        for plan in &batch.plans {
            // The row as it will be: a second plan for the lead in the same batch was made from an older one.
            let version = stored.insert(plan.lead.id.0, plan.lead.version + 1).unwrap_or(0);
            if version != plan.lead.version {
                return Err(StoreError::Stale(plan.lead.id));
            }
        }
        for team in &batch.teams {
            let bound = super::sqlite::arguments(vec![self.ws(), (&team.team).into()])?;
            let row = sqlx::query_with(sql::TEAM_VERSION, bound).fetch_optional(&mut *connection).await?;
            let version = row.map(|row| int(&row, 0)).transpose()?.unwrap_or(0);
            if version != team.version {
                let lead = batch.plans.first().map_or(LeadId(0), |plan| plan.lead.id);
                return Err(StoreError::Stale(lead));
            }
        }
        Ok(())
    }

    async fn apply_records(&self, connection: &mut SqliteConnection, batch: &Batch) -> Result<(), StoreError> {
        let people = batch.people.iter().map(|record| {
            vec![
                self.ws(),
                (&record.of.connection).into(),
                (&record.of.id).into(),
                Bound::Int(record.link.lead.0),
                record.company.as_ref().map_or(Bound::Null, |company| (&company.id).into()),
                encode(record).into(),
            ]
        });
        self.drop_lost_keys(connection, batch).await?;
        insert(connection, sql::PERSON, people.collect()).await?;
        let written = batch.people.iter().filter(|record| batch.keys_of(&record.of) != Keys::Same);
        let mut keys: Vec<_> = written.flat_map(|record| record.keys.iter().map(move |key| (key, record))).collect();
        // Addresses and numbers are spread over their whole table: in its order they touch each page of it once.
        keys.sort_unstable_by(|(one, of), (other, from)| one.cmp(other).then_with(|| of.of.cmp(&from.of)));
        let keys = keys.into_iter().map(|(key, record)| {
            vec![
                self.ws(),
                key.kind.as_str().into(),
                (&key.value).into(),
                (&record.of.connection).into(),
                (&record.of.id).into(),
                Bound::Int(record.link.lead.0),
            ]
        });
        insert(connection, sql::PERSON_KEY, keys.collect()).await?;
        let companies = batch.companies.iter().map(|company| {
            vec![self.ws(), (&company.of.connection).into(), (&company.of.id).into(), encode(company).into()]
        });
        insert(connection, sql::COMPANY, companies.collect()).await?;
        let users = batch
            .users
            .iter()
            .map(|(of, user)| vec![self.ws(), (&of.connection).into(), (&of.id).into(), encode(user).into()]);
        insert(connection, sql::USER, users.collect()).await?;
        Ok(())
    }

    async fn apply_touches(&self, connection: &mut SqliteConnection, batch: &Batch) -> Result<(), StoreError> {
        let refs: Vec<_> = batch.touches.iter().map(|(of, _)| of.clone()).collect();
        for ((of_connection, object), ids) in by_kind(&refs) {
            let bound = [self.ws(), of_connection.as_str().into(), object.as_str().into()];
            fetch_in(connection, sql::DELETE_TOUCHES, &bound, &ids).await?;
        }
        let rows = batch.touches.iter().flat_map(|(_, touches)| touches).map(|touch| {
            vec![
                self.ws(),
                (&touch.of.connection).into(),
                (&touch.person.id).into(),
                touch.of.object.as_str().into(),
                (&touch.of.id).into(),
                ms(touch.at),
                encode(touch).into(),
            ]
        });
        insert(connection, sql::TOUCH, rows.collect()).await?;
        Ok(())
    }

    /// Notes that leads must be decided again, each at its time at the latest.
    pub(super) async fn recheck(
        &self,
        connection: &mut SqliteConnection,
        rechecks: impl Iterator<Item = (LeadId, Timestamp)>,
    ) -> Result<(), StoreError> {
        let mut by_time: BTreeMap<Timestamp, Vec<Bound>> = BTreeMap::new();
        for (lead, at) in rechecks {
            by_time.entry(at).or_default().push(Bound::Int(lead.0));
        }
        for (at, leads) in by_time {
            fetch_in(connection, sql::RECHECK, &[self.ws(), ms(at)], &leads).await?;
        }
        Ok(())
    }

    fn lead_row(&self, plan: &Plan) -> Vec<Bound> {
        let lead = &plan.lead;
        vec![
            self.ws(),
            Bound::Int(lead.id.0),
            Bound::Int(lead.version + 1),
            lead.stage.as_str().into(),
            ms(lead.stage_since),
            shared(lead.name.as_ref()),
            shared(lead.email.as_ref()),
            lead.owner.as_ref().map_or(Bound::Null, Bound::from),
            lead.look_again_at.map(Timestamp::as_millisecond).into(),
            lead.evidence_at.map(Timestamp::as_millisecond).into(),
            encode(&LeadBody(lead.clone())).into(),
            lead.merged_into.map(|into| into.0).into(),
            lead.committee.as_ref().map_or(Bound::Null, |seat| seat.committee.as_str().into()),
            lead.committee.as_ref().map_or(Bound::Null, |seat| roles_of(seat).into()),
            lead.committee
                .as_ref()
                .and_then(|seat| seat.engaged.as_ref())
                .map(|engaged| engaged.at.as_millisecond())
                .into(),
        ]
    }

    fn handoff_row(&self, plan: &Plan) -> Option<Vec<Bound>> {
        let handoff = plan.handoff.as_ref()?;
        let state = match handoff.state {
            HandoffState::Incomplete { .. } => "incomplete",
            HandoffState::Open => "open",
            HandoffState::Closed { .. } => "closed",
        };
        Some(vec![
            self.ws(),
            Bound::Int(handoff.id.lead.0),
            Bound::Int(i64::from(handoff.id.number)),
            state.into(),
            handoff.turn().map_or(Bound::Null, |turn| (&turn.owner).into()),
            handoff.due_at().map(Timestamp::as_millisecond).into(),
            Bound::Int(shadow_of(handoff)),
            encode(handoff).into(),
        ])
    }

    fn event_rows(&self, batch: &Batch, now: Timestamp, lines: &mut Lines) -> Vec<Vec<Bound>> {
        let events = batch.plans.iter().flat_map(|plan| plan.events.iter().map(move |event| (plan.lead.id, event)));
        let mut chained = Vec::new();
        let rows = events.map(|(lead, event)| {
            let seq = self.inner.next_event.fetch_add(1, Ordering::SeqCst);
            let mut row =
                vec![self.ws(), Bound::Int(seq), Bound::Int(lead.0), ms(event.at), ms(now), encode(event).into()];
            let digest = of_row(&row);
            chained.push((seq, digest.clone()));
            row.push(digest.into());
            row
        });
        let rows = rows.collect();
        lines.rows("event", &chained);
        rows
    }

    /// Notes that every lead was decided about under `version`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn set_decided_under(&self, version: &Name) -> Result<(), StoreError> {
        self.set_meta("decided_under", version.as_str()).await
    }

    /// Keeps a fact about the store itself.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn set_meta(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        insert(&mut transaction, sql::META, vec![vec![self.ws(), name.into(), value.into()]]).await?;
        transaction.commit().await?;
        Ok(())
    }
}

fn shared(text: Option<&Arc<str>>) -> Bound {
    text.map_or(Bound::Null, |text| Bound::Shared(Arc::clone(text)))
}

/// 0: none, 1: nobody will ever know of it, 2: it waits for approval, and so is somebody's work in a moment.
fn shadow_of(handoff: &Handoff) -> i64 {
    i64::from(handoff.is_shadow) + i64::from(handoff.is_shadow && handoff.proposed_at.is_some())
}

fn number_of(plan: &Plan) -> Option<i64> {
    plan.handoff.as_ref().map(|handoff| i64::from(handoff.id.number))
}
