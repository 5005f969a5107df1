//! Whole decisions, so that they can be made again: each input packed and sealed under its person's key, with the digest of
//! what followed; and the versions of agreement, roster, users and settings that they were made by.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::sync::atomic::Ordering;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use jiff::Timestamp;
use sqlx::SqliteConnection;

use crate::domain::id::LeadId;

use super::audit::Lines;
use super::cipher::Secret;
use super::digest::{digest, of_row};
use super::read::{count, instant, ms};
use super::sqlite::{Bound, Store, fetch_in, insert, int, maybe_text, text};
use super::{StoreError, sql};

/// Bytes of one input, unpacked. A case that is larger is not kept whole; its events and effects are.
const INPUT_BYTES_MAX: usize = 1 << 20;

/// A decision as it is kept: what it saw, and the digest of what followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// About whom.
    pub lead: LeadId,
    /// What was seen: the case, the versions, what was granted.
    pub input: String,
    /// The digest of the plan.
    pub result: String,
}

/// A decision as it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptDecision {
    /// Its number.
    pub seq: i64,
    /// About whom.
    pub lead: LeadId,
    /// When.
    pub at: Timestamp,
    /// What was seen; `None` if the person was forgotten or the decision is older than what is kept.
    pub input: Option<String>,
    /// The digest of the plan.
    pub result: String,
}

/// A version of something that decisions are made by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyPart {
    /// agreement, roster, users or settings.
    pub kind: &'static str,
    /// Its digest.
    pub digest: String,
    /// Its text.
    pub body: String,
}

impl PolicyPart {
    /// A version with this text.
    #[must_use]
    pub fn new(kind: &'static str, body: String) -> Self {
        Self { kind, digest: digest(&body), body }
    }
}

impl Store {
    /// Inserts whole decisions, with a new key for each person who has none.
    pub(super) async fn apply_decisions(
        &self,
        connection: &mut SqliteConnection,
        decisions: &[Decision],
        now: Timestamp,
        lines: &mut Lines,
    ) -> Result<(), StoreError> {
        if decisions.is_empty() {
            return Ok(());
        }
        let mut secrets: HashMap<LeadId, Secret> = HashMap::new();
        let leads: Vec<Bound> = decisions.iter().map(|decision| Bound::Int(decision.lead.0)).collect();
        for row in fetch_in(connection, sql::SECRETS, &[self.ws()], &leads).await? {
            let lead = LeadId(int(&row, 0)?);
            let secret = Secret::parse(lead, &text(&row, 1)?);
            secrets.insert(
                lead,
                secret.ok_or_else(|| super::read::corrupt("person_secret", &lead.to_string(), "this is no key"))?,
            );
        }
        let mut fresh = Vec::new();
        let mut chained = Vec::new();
        let mut rows = Vec::with_capacity(decisions.len());
        for decision in decisions.iter().filter(|decision| decision.input.len() <= INPUT_BYTES_MAX) {
            let lead = decision.lead;
            let secret = match secrets.entry(lead) {
                std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::hash_map::Entry::Vacant(none) => {
                    let (secret, text) = Secret::new(lead)?;
                    fresh.push(vec![self.ws(), Bound::Int(lead.0), text.into()]);
                    none.insert(secret)
                }
            };
            let sealed = secret.seal(pack(&decision.input))?;
            let seq = self.inner.next_decision.fetch_add(1, Ordering::SeqCst);
            let mut row = vec![
                self.ws(),
                Bound::Int(seq),
                Bound::Int(lead.0),
                ms(now),
                sealed.into(),
                decision.result.as_str().into(),
            ];
            let digest = of_row(&row);
            chained.push((seq, digest.clone()));
            row.push(digest.into());
            rows.push(row);
        }
        insert(connection, sql::SECRET, fresh).await?;
        insert(connection, sql::JOURNAL, rows).await?;
        lines.rows("journal", &chained);
        Ok(())
    }

    /// Decisions after number `after` that were made at or after `since`, of one lead or of all; at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn decisions(
        &self,
        after: i64,
        since: Timestamp,
        lead: Option<LeadId>,
        limit: usize,
    ) -> Result<Vec<KeptDecision>, StoreError> {
        let mut bound = vec![self.ws(), Bound::Int(after), ms(since), Bound::Int(count(limit))];
        let rows = match lead {
            None => self.rows(sql::DECISIONS, bound).await?,
            Some(lead) => {
                bound.push(Bound::Int(lead.0));
                self.rows(sql::DECISIONS_OF, bound).await?
            }
        };
        rows.iter()
            .map(|row| {
                let lead = LeadId(int(row, 1)?);
                let secret = maybe_text(row, 5)?.and_then(|text| Secret::parse(lead, &text));
                let sealed = text(row, 3)?;
                let input = secret.and_then(|secret| secret.open(&sealed)).and_then(|packed| unpack(&packed));
                Ok(KeptDecision {
                    seq: int(row, 0)?,
                    lead,
                    at: instant(Some(int(row, 2)?))?.unwrap_or(Timestamp::UNIX_EPOCH),
                    input,
                    result: text(row, 4)?,
                })
            })
            .collect()
    }

    /// Keeps versions that are not kept yet, and chains them.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn keep_policy(&self, at: Timestamp, parts: &[&PolicyPart]) -> Result<(), StoreError> {
        let mut transaction = self.inner.writer.begin().await?;
        let list: Vec<Bound> = parts.iter().map(|part| part.digest.as_str().into()).collect();
        let mut known = Vec::new();
        for row in fetch_in(&mut transaction, sql::POLICY_KEPT, &[self.ws()], &list).await? {
            known.push(text(&row, 0)?);
        }
        let mut lines = Lines::default();
        let mut rows = Vec::new();
        for part in parts.iter().filter(|part| !known.contains(&part.digest)) {
            let (digest, body) = (part.digest.as_str().into(), part.body.as_str().into());
            rows.push(vec![self.ws(), digest, part.kind.into(), ms(at), body]);
            lines.say(format!("policy {} {}", part.digest, part.kind));
        }
        if rows.is_empty() {
            return Ok(());
        }
        insert(&mut transaction, sql::POLICY, rows).await?;
        self.chain(&mut transaction, at, lines).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Every version that is kept: its digest and its text.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn policies(&self) -> Result<HashMap<String, String>, StoreError> {
        let rows = self.rows(sql::POLICIES, vec![self.ws()]).await?;
        rows.iter().map(|row| Ok((text(row, 0)?, text(row, 2)?))).collect()
    }
}

fn pack(input: &str) -> Vec<u8> {
    let mut packed = DeflateEncoder::new(Vec::with_capacity(input.len() / 3), Compression::fast());
    // Writing to memory cannot fail; were it to, what is kept would not open, and replay says so.
    drop(packed.write_all(input.as_bytes()));
    packed.finish().unwrap_or_default()
}

fn unpack(packed: &[u8]) -> Option<String> {
    let mut input = String::new();
    DeflateDecoder::new(packed).take(INPUT_BYTES_MAX as u64 + 1).read_to_string(&mut input).ok()?;
    (input.len() <= INPUT_BYTES_MAX).then_some(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_as_it_was_and_no_larger_than_the_bound() {
        let input = r#"{"email":"ada@example.com","said":"ümläut"}"#.repeat(200);
        assert_eq!(unpack(&pack(&input)).as_deref(), Some(input.as_str()));
        assert!(pack(&input).len() * 4 < input.len(), "it is packed");
        assert_eq!(unpack(&pack(&"a".repeat(INPUT_BYTES_MAX + 1))), None, "a bomb is not unpacked");
        assert_eq!(unpack(b"\xff\xff\xff"), None);
    }
}
