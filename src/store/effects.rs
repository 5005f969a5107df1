//! Effects as they enter the outbox, each once.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use sqlx::SqliteConnection;

use crate::domain::id::{LeadId, OperationId};
use crate::domain::plan::Hold;

use super::audit::Lines;
use super::digest::of_row;
use super::read::ms;
use super::row::encode;
use super::sqlite::{Bound, Store, fetch_in, insert, int};
use super::{Batch, StoreError, sql};

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
    /// Inserts effects, and chains those that were not there before.
    pub(super) async fn apply_effects(
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

    /// Each effect with its number and digest.
    pub(super) fn outbox_rows(&self, batch: &Batch, now: Timestamp) -> Vec<(i64, String, Vec<Bound>)> {
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
}
