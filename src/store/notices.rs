//! Notices of the outbox: holding them over quiet hours, and whether channels work.

use std::collections::BTreeMap;

use jiff::Timestamp;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::domain::id::{Name, OperationId};
use crate::domain::plan::NoticeKind;
use crate::domain::reach::Destination;

use super::board::{EffectRow, effects};
use super::read::{corrupt, instant, ms};
use super::sqlite::{Bound, Store, fetch_in, insert, int, maybe_int, text};
use super::{StoreError, sql};

/// The name of the key that answer links are signed with.
const ANSWER_KEY: &str = "answer_key";

impl Store {
    /// Holds what waits for `destination` until `until`, by the engine's clock, but for the kinds in `except`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn hold_quiet(
        &self,
        destination: &Name,
        until: Timestamp,
        except: &[NoticeKind],
    ) -> Result<(), StoreError> {
        let mut kinds: Vec<Bound> = except.iter().map(|kind| Bound::from(kind.as_str())).collect();
        // A list is never empty; no notice is of this kind.
        kinds.push(Bound::from(""));
        let mut writer = self.inner.writer.acquire().await?;
        fetch_in(&mut writer, sql::HOLD, &[self.ws(), destination.as_str().into(), ms(until)], &kinds).await?;
        Ok(())
    }

    /// How many notices are held over quiet hours at `now`, by the engine's clock.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn notices_held(&self, now: Timestamp) -> Result<i64, StoreError> {
        let rows = self.rows(sql::QUIET_COUNT, vec![self.ws(), ms(now)]).await?;
        rows.first().map(|row| int(row, 0)).transpose().map(Option::unwrap_or_default)
    }

    /// When the last notice arrived at each channel, and when the last self-test did.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn channels_proved(&self) -> Result<BTreeMap<Name, Proved>, StoreError> {
        let mut proved: BTreeMap<Name, Proved> = BTreeMap::new();
        for row in self.rows(sql::CHANNELS_PROVED, vec![self.ws()]).await? {
            // Nobody's address stands in what comes of this: a channel is one, whomever it reaches.
            let channel = Destination::parse(&text(&row, 0)?).channel;
            let at = instant(maybe_int(&row, 2)?)?;
            let known = proved.entry(channel).or_default();
            known.told_at = known.told_at.max(at);
            if text(&row, 1)? == NoticeKind::Test.as_str() {
                known.tested_at = known.tested_at.max(at);
            }
        }
        Ok(proved)
    }

    /// When each channel was last given a self-test, whatever became of it.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn channels_tried(&self) -> Result<BTreeMap<Name, Timestamp>, StoreError> {
        let mut tried: BTreeMap<Name, Timestamp> = BTreeMap::new();
        for row in self.rows(sql::CHANNELS_TRIED, vec![self.ws(), NoticeKind::Test.as_str().into()]).await? {
            let channel = Destination::parse(&text(&row, 0)?).channel;
            if let Some(at) = instant(maybe_int(&row, 1)?)? {
                let known = tried.entry(channel).or_insert(at);
                *known = at.max(*known);
            }
        }
        Ok(tried)
    }

    /// One effect and its fate.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn effect(&self, op: OperationId) -> Result<Option<EffectRow>, StoreError> {
        Ok(effects(&self.rows(sql::EFFECT, vec![self.ws(), op.to_string().into()]).await?)?.pop())
    }

    /// The key that answer links are signed with: made once, and kept with the data, which only its owner may read.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails, or what is stored is no key.
    pub async fn answer_key(&self) -> Result<Vec<u8>, StoreError> {
        let rows = self.rows(sql::META_VALUE, vec![self.ws(), ANSWER_KEY.into()]).await?;
        if let Some(row) = rows.first() {
            let stored = text(row, 0)?;
            return hex(&stored).ok_or_else(|| corrupt("meta", ANSWER_KEY, "it is no key"));
        }
        let mut key = vec![0; 32];
        let thrown = SystemRandom::new().fill(&mut key);
        thrown.map_err(|_| corrupt("meta", ANSWER_KEY, "the system gives no random bytes"))?;
        let shown: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut writer = self.inner.writer.acquire().await?;
        insert(&mut writer, sql::META, vec![vec![self.ws(), ANSWER_KEY.into(), shown.into()]]).await?;
        Ok(key)
    }
}

/// Whether a channel works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proved {
    /// When the last notice arrived there, a test or not.
    pub told_at: Option<Timestamp>,
    /// When the last self-test arrived there.
    pub tested_at: Option<Timestamp>,
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    (0..32).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()).collect()
}
