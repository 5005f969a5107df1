//! Writing: `commit` is the only door to the outbox; `claim` and `settle` follow each effect to its end.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use jiff::{SignedDuration, Timestamp};
use sqlx::SqliteConnection;

use crate::domain::finding::{Checked, Finding, Subject};
use crate::domain::handoff::HandoffState;
use crate::domain::id::{ConnectionId, LeadId, Name, OperationId, PersonId};
use crate::domain::plan::{Effect, Plan};

use super::read::{by_kind, corrupt, count, ms};
use super::row::{LeadBody, decode, encode};
use super::sqlite::{Bound, Store, execute, fetch_in, insert, int, text};
use super::{Batch, Claim, Outgoing, Settlement, StoreError, sql};

impl Store {
    /// Makes everything in `batch` true in one transaction, or nothing of it.
    ///
    /// # Errors
    /// [`StoreError::Stale`] if a plan's lead, or a team's row, has another version by now; [`StoreError::Database`] if
    /// the database fails.
    pub async fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut transaction = self.inner.writer.begin_with("BEGIN IMMEDIATE").await?;
        self.apply(&mut transaction, batch).await?;
        transaction.commit().await?;
        Ok(())
    }

    pub(super) async fn apply(&self, connection: &mut SqliteConnection, batch: &Batch) -> Result<(), StoreError> {
        let now = batch.now.unwrap_or(Timestamp::UNIX_EPOCH);
        self.check_versions(connection, batch).await?;
        self.apply_records(connection, batch).await?;
        self.apply_touches(connection, batch).await?;
        for plan in &batch.plans {
            if let (Some(reason), Some(number)) = (&plan.cancels, number_of(plan)) {
                let bound =
                    vec![self.ws(), Bound::Int(plan.lead.id.0), Bound::Int(number), ms(now), reason.as_str().into()];
                execute(connection, sql::CANCEL, bound).await?;
            }
        }
        insert(connection, sql::LEAD, batch.plans.iter().map(|plan| self.lead_row(plan)).collect()).await?;
        insert(connection, sql::HANDOFF, batch.plans.iter().filter_map(|plan| self.handoff_row(plan)).collect())
            .await?;
        insert(connection, sql::EVENT, self.event_rows(batch, now)).await?;
        insert(connection, sql::OUTBOX, self.outbox_rows(batch, now)).await?;
        self.recheck(connection, batch.rechecks.iter().copied()).await?;
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
            vec![self.ws(), team.team.as_str().into(), Bound::Int(next.version), encode(&next).into()]
        });
        insert(connection, sql::TEAM, teams.collect()).await?;
        self.apply_findings(connection, batch, now).await
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
            let bound = super::sqlite::arguments(vec![self.ws(), team.team.as_str().into()])?;
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
        let mut keys = Vec::new();
        let mut people = Vec::with_capacity(batch.people.len());
        for record in &batch.people {
            for key in &record.keys {
                keys.push(vec![
                    self.ws(),
                    key.kind.as_str().into(),
                    key.value.as_str().into(),
                    record.of.connection.as_str().into(),
                    record.of.id.as_str().into(),
                    Bound::Int(record.link.lead.0),
                ]);
            }
            people.push(vec![
                self.ws(),
                record.of.connection.as_str().into(),
                record.of.id.as_str().into(),
                Bound::Int(record.link.lead.0),
                record.company.as_ref().map(|company| company.id.as_str()).into(),
                encode(record).into(),
            ]);
        }
        self.drop_lost_keys(connection, &batch.people).await?;
        insert(connection, sql::PERSON, people).await?;
        insert(connection, sql::PERSON_KEY, keys).await?;
        let companies = batch.companies.iter().map(|company| {
            vec![
                self.ws(),
                company.of.connection.as_str().into(),
                company.of.id.as_str().into(),
                encode(company).into(),
            ]
        });
        insert(connection, sql::COMPANY, companies.collect()).await?;
        let users = batch.users.iter().map(|(of, user)| {
            vec![self.ws(), of.connection.as_str().into(), of.id.as_str().into(), encode(user).into()]
        });
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
                touch.of.connection.as_str().into(),
                touch.person.id.as_str().into(),
                touch.of.object.as_str().into(),
                touch.of.id.as_str().into(),
                ms(touch.at),
                encode(touch).into(),
            ]
        });
        insert(connection, sql::TOUCH, rows.collect()).await?;
        Ok(())
    }

    async fn apply_findings(
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
        self.apply_checked(connection, &batch.checked, now).await
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
        sqlx::query_with(sql::RESOLVE_UNSEEN, bound).execute(&self.inner.writer).await?;
        Ok(())
    }

    /// Notes that leads must be decided again, each at its time at the latest.
    async fn recheck(
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
            lead.name.as_deref().into(),
            lead.email.as_deref().into(),
            lead.owner.as_ref().map(PersonId::as_str).into(),
            lead.look_again_at.map(Timestamp::as_millisecond).into(),
            lead.evidence_at.map(Timestamp::as_millisecond).into(),
            encode(&LeadBody(lead.clone())).into(),
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
            handoff.turn().map(|turn| turn.owner.as_str()).into(),
            handoff.due_at().map(Timestamp::as_millisecond).into(),
            Bound::Int(i64::from(handoff.is_shadow)),
            encode(handoff).into(),
        ])
    }

    fn event_rows(&self, batch: &Batch, now: Timestamp) -> Vec<Vec<Bound>> {
        let events = batch.plans.iter().flat_map(|plan| plan.events.iter().map(move |event| (plan.lead.id, event)));
        events
            .map(|(lead, event)| {
                let seq = self.inner.next_event.fetch_add(1, Ordering::SeqCst);
                vec![self.ws(), Bound::Int(seq), Bound::Int(lead.0), ms(event.at), ms(now), encode(event).into()]
            })
            .collect()
    }

    fn outbox_rows(&self, batch: &Batch, now: Timestamp) -> Vec<Vec<Bound>> {
        let mut rows = Vec::new();
        for plan in &batch.plans {
            for write in &plan.writes {
                let number = write.handoff.map_or(0, i64::from);
                let head = (write.op, write.lead, number, write.connection.as_str(), "");
                rows.push(self.outbox_row(head, write.lane.number(), write.effect.as_str(), now, encode(write)));
            }
            for notice in &plan.notices {
                let number = notice.handoff.map_or(0, |handoff| i64::from(handoff.number));
                let head = (notice.op, notice.lead, number, "", notice.channel.as_str());
                rows.push(self.outbox_row(head, 0, notice.kind.as_str(), now, encode(notice)));
            }
        }
        rows
    }

    fn outbox_row(
        &self,
        (op, lead, handoff, connection, channel): (OperationId, LeadId, i64, &str, &str),
        lane: i64,
        effect: &str,
        now: Timestamp,
        body: String,
    ) -> Vec<Bound> {
        let seq = self.inner.next_effect.fetch_add(1, Ordering::SeqCst);
        vec![
            self.ws(),
            op.to_string().into(),
            Bound::Int(seq),
            Bound::Int(lead.0),
            Bound::Int(handoff),
            connection.into(),
            channel.into(),
            Bound::Int(lane),
            effect.into(),
            "pending".into(),
            Bound::Int(0),
            Bound::Int(0),
            Bound::Int(0),
            Bound::Int(0),
            ms(now),
            body.into(),
        ]
    }

    /// Claims writes for `connection` under a lease: the most urgent lane first, then the oldest. A lead's writes of one lane
    /// go out in order, and none before an earlier one that is as urgent: an owner before the task for them. A more urgent one
    /// overtakes, for what it sets is another value; but the making of a record goes before all that follows it, and after
    /// all that was meant for the record before. `now` is real time.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn claim_writes(
        &self,
        connection: &ConnectionId,
        now: Timestamp,
        lease: SignedDuration,
        limit: usize,
    ) -> Result<Vec<Claim>, StoreError> {
        self.claim(sql::CLAIM_WRITES, connection.as_str(), now, lease, limit).await
    }

    /// Claims notices for `channel` under a lease, the oldest first. `now` is real time.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn claim_notices(
        &self,
        channel: &Name,
        now: Timestamp,
        lease: SignedDuration,
        limit: usize,
    ) -> Result<Vec<Claim>, StoreError> {
        self.claim(sql::CLAIM_NOTICES, channel.as_str(), now, lease, limit).await
    }

    async fn claim(
        &self,
        statement: &'static str,
        scope: &str,
        now: Timestamp,
        lease: SignedDuration,
        limit: usize,
    ) -> Result<Vec<Claim>, StoreError> {
        let bound = vec![self.ws(), scope.into(), ms(now), ms(now + lease), Bound::Int(count(limit))];
        let bound = super::sqlite::arguments(bound)?;
        let rows = sqlx::query_with(statement, bound).fetch_all(&self.inner.writer).await?;
        let mut claims = Vec::with_capacity(rows.len());
        for row in &rows {
            let op = text(row, 0)?;
            let body = text(row, 3)?;
            let what = if statement == sql::CLAIM_WRITES {
                decode(&body).map(Outgoing::Write)
            } else {
                decode(&body).map(Outgoing::Notice)
            };
            let what = what.map_err(|error| corrupt("outbox", &op, &error.to_string()))?;
            let parsed = OperationId::parse(&op);
            claims.push((
                int(row, 4)?,
                Claim {
                    op: parsed.ok_or_else(|| corrupt("outbox", &op, "the operation id is no hexadecimal number"))?,
                    attempt: u32::try_from(int(row, 1)?).unwrap_or(u32::MAX),
                    tries: u32::try_from(int(row, 5)?).unwrap_or(u32::MAX),
                    is_unknown: int(row, 2)? != 0,
                    doubts: u32::try_from(int(row, 2)?).unwrap_or(u32::MAX),
                    what,
                },
            ));
        }
        // RETURNING gives no order.
        claims.sort_by_key(|(seq, claim)| (claim.write().map(|write| write.lane), *seq));
        Ok(claims.into_iter().map(|(_, claim)| claim).collect())
    }

    /// Channels with notices that can be sent, in order of their names. `now` is real time.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn channels_waiting(&self, now: Timestamp) -> Result<Vec<Name>, StoreError> {
        let rows = self.rows(sql::CHANNELS_WAITING, vec![self.ws(), ms(now)]).await?;
        rows.iter().map(|row| Ok(Name::from(text(row, 0)?))).collect()
    }

    /// How many notices wait for `channel` besides those that are claimed.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn notices_waiting(&self, channel: &Name, now: Timestamp) -> Result<usize, StoreError> {
        for row in self.rows(sql::CHANNELS_WAITING, vec![self.ws(), ms(now)]).await? {
            if text(&row, 0)? == channel.as_str() {
                return Ok(usize::try_from(int(&row, 1)?).unwrap_or(usize::MAX));
            }
        }
        Ok(0)
    }

    /// Settles claims, and makes `batch` true in the same transaction. A settled owner or record asks for a decision
    /// about its lead at once: its clock starts then. Returns the effects whose lease went to somebody else meanwhile:
    /// these stay as they are, and if there are no others, `batch` is left out too.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails; then nothing is settled.
    pub async fn settle(&self, settled: &[(Claim, Settlement)], batch: &Batch) -> Result<Vec<OperationId>, StoreError> {
        let mut transaction = self.inner.writer.begin_with("BEGIN IMMEDIATE").await?;
        let mut lapsed = Vec::new();
        let mut rechecks = Vec::new();
        for (claim, settlement) in settled {
            if execute(&mut transaction, sql::SETTLE, self.settled_row(claim, settlement)).await? == 0 {
                lapsed.push(claim.op);
                continue;
            }
            if let (Outgoing::Write(write), Settlement::Done { at, .. } | Settlement::Dead { at, .. }) =
                (&claim.what, settlement)
                && matches!(write.effect, Effect::Create { .. } | Effect::SetOwner { .. })
            {
                rechecks.push((write.lead, *at));
            }
        }
        if lapsed.len() == settled.len() {
            return Ok(lapsed);
        }
        self.apply(&mut transaction, batch).await?;
        self.recheck(&mut transaction, rechecks.into_iter()).await?;
        transaction.commit().await?;
        Ok(lapsed)
    }

    fn settled_row(&self, claim: &Claim, settlement: &Settlement) -> Vec<Bound> {
        let (settled_at, not_before, message, uncounted, doubt) = match settlement {
            Settlement::Done { at, .. } => (Some(*at), None, None, 0, 0),
            Settlement::Dead { at, message } => (Some(*at), None, Some(message), 0, 0),
            Settlement::Again { not_before, counts, message } => {
                (None, Some(*not_before), Some(message), i64::from(!counts), 0)
            }
            Settlement::Unknown { not_before, message } => (None, Some(*not_before), Some(message), 0, 1),
        };
        // Nobody can look whether a notice arrived, so what is in doubt of it stays so, and is counted.
        let doubt = match &claim.what {
            Outgoing::Notice(_) => i64::from(claim.doubts) + doubt,
            Outgoing::Write(_) => doubt,
        };
        vec![
            self.ws(),
            claim.op.to_string().into(),
            Bound::Int(i64::from(claim.attempt)),
            settlement.as_str().into(),
            settled_at.map(Timestamp::as_millisecond).into(),
            Bound::Int(not_before.map_or(0, Timestamp::as_millisecond)),
            message.map(String::as_str).into(),
            Bound::Int(uncounted),
            Bound::Int(doubt),
        ]
    }

    /// Lets everything that waits to be sent again be sent now.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn hurry(&self) -> Result<(), StoreError> {
        let bound = super::sqlite::arguments(vec![self.ws()])?;
        sqlx::query_with(sql::HURRY, bound).execute(&self.inner.writer).await?;
        Ok(())
    }

    /// Empties the bodies of effects that were settled before `before`, a bounded number of them.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn prune(&self, before: Timestamp) -> Result<u64, StoreError> {
        let bound = super::sqlite::arguments(vec![self.ws(), ms(before)])?;
        Ok(sqlx::query_with(sql::PRUNE, bound).execute(&self.inner.writer).await?.rows_affected())
    }

    /// Notes that every lead was decided about under `version`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn set_decided_under(&self, version: &Name) -> Result<(), StoreError> {
        let mut transaction = self.inner.writer.begin_with("BEGIN IMMEDIATE").await?;
        let row = vec![self.ws(), "decided_under".into(), version.as_str().into()];
        insert(&mut transaction, sql::META, vec![row]).await?;
        transaction.commit().await?;
        Ok(())
    }
}

fn number_of(plan: &Plan) -> Option<i64> {
    plan.handoff.as_ref().map(|handoff| i64::from(handoff.id.number))
}

/// A finding's subject as text, and its lead if it is about one.
pub(super) fn subject(subject: &Subject) -> (String, Option<i64>) {
    match subject {
        Subject::Lead(lead) => (lead.to_string(), Some(lead.0)),
        Subject::Connection(connection, part) => (format!("{connection}: {part}"), None),
        Subject::Policy(part) => (part.to_string(), None),
    }
}
