//! Writing: `commit` is the only door to the outbox; `claim` and `settle` follow each effect to its end.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::{SignedDuration, Timestamp};
use sqlx::SqliteConnection;

use crate::domain::finding::{Checked, Finding, Subject};
use crate::domain::handoff::{Handoff, HandoffState};
use crate::domain::id::{ConnectionId, LeadId, Name, OperationId};
use crate::domain::plan::{Effect, Hold, Plan};

use super::audit::{Lines, Link};
use super::digest::of_row;
use super::read::{by_kind, corrupt, count, ms};
use super::row::{LeadBody, decode, encode};
use super::sqlite::{Bound, Store, execute, fetch_in, insert, int, returned, text};
use super::{Batch, Claim, Outgoing, Settlement, StoreError, sql};

/// How an effect enters the outbox.
#[derive(Clone, Copy, Debug)]
struct Wait<'a> {
    /// Why it waits for a person first.
    hold: Option<&'a Hold>,
    /// Does it take a record from somebody?
    takes: bool,
    /// Did a person order it?
    approved: bool,
}

impl Store {
    /// Makes everything in `batch` true in one transaction, or nothing of it.
    ///
    /// # Errors
    /// [`StoreError::Stale`] if a plan's lead, or a team's row, has another version by now; [`StoreError::Database`] if
    /// the database fails.
    pub async fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut transaction = self.inner.writer.begin_with("BEGIN IMMEDIATE").await?;
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
        for plan in &batch.plans {
            if let (Some(reason), Some(number)) = (&plan.cancels, number_of(plan)) {
                let bound =
                    vec![self.ws(), Bound::Int(plan.lead.id.0), Bound::Int(number), ms(now), reason.as_str().into()];
                let bound = super::sqlite::arguments(bound)?;
                for row in sqlx::query_with(sql::CANCEL, bound).fetch_all(&mut *connection).await? {
                    lines.effect(&text(&row, 0)?, "cancelled", Some(now), Some(reason.as_str()));
                }
            }
        }
        insert(connection, sql::LEAD, batch.plans.iter().map(|plan| self.lead_row(plan)).collect()).await?;
        insert(connection, sql::HANDOFF, batch.plans.iter().filter_map(|plan| self.handoff_row(plan)).collect())
            .await?;
        insert(connection, sql::EVENT, self.event_rows(batch, now, &mut lines)).await?;
        self.apply_effects(connection, self.outbox_rows(batch, now), &mut lines).await?;
        self.apply_decisions(connection, &batch.decisions, now, &mut lines).await?;
        self.recheck(connection, batch.rechecks.iter().copied()).await?;
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

    /// Inserts effects, and chains those that were not there before.
    async fn apply_effects(
        &self,
        connection: &mut SqliteConnection,
        rows: Vec<(i64, String, Vec<Bound>)>,
        lines: &mut Lines,
    ) -> Result<(), StoreError> {
        let mut chained: Vec<(i64, String)> = Vec::with_capacity(rows.len());
        let mut ops = Vec::with_capacity(rows.len());
        let mut bound = Vec::with_capacity(rows.len());
        for (seq, digest, row) in rows {
            chained.push((seq, digest));
            ops.push(row[1].clone());
            bound.push(row);
        }
        let inserted = insert(connection, sql::OUTBOX, bound).await?;
        if usize::try_from(inserted) != Ok(chained.len()) {
            let mut fresh = BTreeSet::new();
            for row in fetch_in(connection, sql::SEQS_OF_EFFECTS, &[self.ws()], &ops).await? {
                fresh.insert(int(&row, 0)?);
            }
            chained.retain(|(seq, _)| fresh.contains(seq));
        }
        lines.rows("outbox", &chained);
        Ok(())
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
        let mut keys = Vec::new();
        let mut people = Vec::with_capacity(batch.people.len());
        for record in &batch.people {
            for key in &record.keys {
                keys.push(vec![
                    self.ws(),
                    key.kind.as_str().into(),
                    (&key.value).into(),
                    (&record.of.connection).into(),
                    (&record.of.id).into(),
                    Bound::Int(record.link.lead.0),
                ]);
            }
            people.push(vec![
                self.ws(),
                (&record.of.connection).into(),
                (&record.of.id).into(),
                Bound::Int(record.link.lead.0),
                record.company.as_ref().map_or(Bound::Null, |company| (&company.id).into()),
                encode(record).into(),
            ]);
        }
        self.drop_lost_keys(connection, batch).await?;
        insert(connection, sql::PERSON, people).await?;
        insert(connection, sql::PERSON_KEY, keys).await?;
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
            shared(lead.name.as_ref()),
            shared(lead.email.as_ref()),
            lead.owner.as_ref().map_or(Bound::Null, Bound::from),
            lead.look_again_at.map(Timestamp::as_millisecond).into(),
            lead.evidence_at.map(Timestamp::as_millisecond).into(),
            encode(&LeadBody(lead.clone())).into(),
            lead.merged_into.map(|into| into.0).into(),
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

    /// Each effect with its number and digest.
    fn outbox_rows(&self, batch: &Batch, now: Timestamp) -> Vec<(i64, String, Vec<Bound>)> {
        let mut rows = Vec::new();
        for plan in &batch.plans {
            for write in &plan.writes {
                let number = write.handoff.map_or(0, i64::from);
                let head = (write.op, write.lead, number, write.connection.as_str(), "");
                let wait =
                    Wait { hold: plan.hold.as_ref(), takes: write.effect.takes(), approved: write.effect.undoes() };
                rows.push(self.outbox_row(head, write.lane.number(), write.effect.as_str(), now, encode(write), wait));
            }
            for notice in &plan.notices {
                let number = notice.handoff.map_or(0, |handoff| i64::from(handoff.number));
                let head = (notice.op, notice.lead, number, "", notice.channel.as_str());
                // Only a pause holds back what people are told.
                let hold = plan.hold.as_ref().filter(|hold| matches!(hold, Hold::Paused(_)));
                let wait = Wait { hold, takes: false, approved: false };
                rows.push(self.outbox_row(head, 0, notice.kind.as_str(), now, encode(notice), wait));
            }
        }
        for notice in &batch.notices {
            let head = (notice.op, notice.lead, 0, "", notice.channel.as_str());
            let wait = Wait { hold: None, takes: false, approved: false };
            rows.push(self.outbox_row(head, 0, notice.kind.as_str(), now, encode(notice), wait));
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
        wait: Wait<'_>,
    ) -> (i64, String, Vec<Bound>) {
        // What a person ordered waits for nobody.
        let hold = wait.hold.filter(|_| !wait.approved);
        let seq = self.inner.next_effect.fetch_add(1, Ordering::SeqCst);
        // What of the row never changes.
        let digest = of_row(&[
            self.ws(),
            op.to_string().into(),
            Bound::Int(seq),
            Bound::Int(lead.0),
            Bound::Int(handoff),
            connection.into(),
            channel.into(),
            Bound::Int(lane),
            effect.into(),
            ms(now),
            body.as_str().into(),
        ]);
        let row = vec![
            self.ws(),
            op.to_string().into(),
            Bound::Int(seq),
            Bound::Int(lead.0),
            Bound::Int(handoff),
            connection.into(),
            channel.into(),
            Bound::Int(lane),
            effect.into(),
            (if hold.is_some() { "held" } else { "pending" }).into(),
            Bound::Int(0),
            Bound::Int(0),
            Bound::Int(0),
            Bound::Int(0),
            ms(now),
            body.into(),
            digest.as_str().into(),
            hold.map(ToString::to_string).as_deref().into(),
            Bound::Int(i64::from(wait.approved)),
            Bound::Int(i64::from(wait.takes)),
        ];
        (seq, digest, row)
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
        let bound = vec![self.ws(), connection.as_str().into(), ms(now), ms(now + lease), Bound::Int(count(limit))];
        self.claim(sql::CLAIM_WRITES, bound).await
    }

    /// Claims notices for `channel` under a lease, the oldest first. `now` is real time; what is held beyond `present`, by the
    /// engine's clock, is left.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn claim_notices(
        &self,
        channel: &Name,
        now: Timestamp,
        present: Timestamp,
        lease: SignedDuration,
        limit: usize,
    ) -> Result<Vec<Claim>, StoreError> {
        let limit = Bound::Int(count(limit));
        let bound = vec![self.ws(), channel.as_str().into(), ms(now), ms(now + lease), limit, ms(present)];
        self.claim(sql::CLAIM_NOTICES, bound).await
    }

    async fn claim(&self, statement: &'static str, bound: Vec<Bound>) -> Result<Vec<Claim>, StoreError> {
        if !self.may_claim() {
            return Ok(Vec::new());
        }
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

    /// Where notices can be sent to, in order of the names, with how many. `now` is real time; what is held beyond `present`,
    /// by the engine's clock, does not count.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn channels_waiting(&self, now: Timestamp, present: Timestamp) -> Result<Vec<(Name, usize)>, StoreError> {
        let rows = self.rows(sql::CHANNELS_WAITING, vec![self.ws(), ms(now), ms(present)]).await?;
        let waiting = |row| Ok((Name::from(text(row, 0)?), usize::try_from(int(row, 1)?).unwrap_or(usize::MAX)));
        rows.iter().map(waiting).collect()
    }

    /// Settles claims, and makes `batch` true in the same transaction. A settled owner or record asks for a decision
    /// about its lead at once: its clock starts then. Returns the effects whose lease went to somebody else meanwhile:
    /// these stay as they are, and if there are no others, `batch` is left out too.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails; then nothing is settled.
    pub async fn settle(&self, settled: &[(Claim, Settlement)], batch: &Batch) -> Result<Vec<OperationId>, StoreError> {
        let mut transaction = self.inner.writer.begin_with("BEGIN IMMEDIATE").await?;
        let rows = settled.iter().map(|(claim, settlement)| self.settled_row(claim, settlement)).collect();
        let mut ours = HashSet::with_capacity(settled.len());
        for row in returned(&mut transaction, sql::SETTLE, rows).await? {
            ours.insert(text(&row, 0)?);
        }
        let mut lapsed = Vec::new();
        let mut rechecks = Vec::new();
        let mut lines = Lines::default();
        for (claim, settlement) in settled {
            if !ours.contains(&claim.op.to_string()) {
                lapsed.push(claim.op);
                continue;
            }
            let (at, message) = match settlement {
                Settlement::Done { at, .. } => (Some(*at), None),
                Settlement::Told { at, how: message } | Settlement::Dead { at, message } => {
                    (Some(*at), Some(message.as_str()))
                }
                Settlement::Again { message, .. } | Settlement::Unknown { message, .. } => {
                    (None, Some(message.as_str()))
                }
            };
            lines.effect(&claim.op.to_string(), settlement.as_str(), at, message);
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
        let link = self.apply_with(&mut transaction, batch, lines).await?;
        self.recheck(&mut transaction, rechecks.into_iter()).await?;
        transaction.commit().await?;
        self.note_link(link);
        Ok(lapsed)
    }

    fn settled_row(&self, claim: &Claim, settlement: &Settlement) -> Vec<Bound> {
        let (made, was) = match settlement {
            Settlement::Done { made, was, .. } => (made.as_ref().map(encode), (!was.is_empty()).then(|| encode(was))),
            Settlement::Told { .. }
            | Settlement::Again { .. }
            | Settlement::Unknown { .. }
            | Settlement::Dead { .. } => (None, None),
        };
        let (settled_at, not_before, message, uncounted, doubt) = match settlement {
            Settlement::Done { at, .. } => (Some(*at), None, None, 0, 0),
            Settlement::Told { at, how } => (Some(*at), None, Some(how), 0, 0),
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
            made.as_deref().into(),
            was.as_deref().into(),
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
        let mut transaction = self.inner.writer.begin_with("BEGIN IMMEDIATE").await?;
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

/// A finding's subject as text, and its lead if it is about one.
pub(super) fn subject(subject: &Subject) -> (String, Option<i64>) {
    let lead = if let Subject::Lead(lead) = subject { Some(lead.0) } else { None };
    (subject.to_string(), lead)
}
