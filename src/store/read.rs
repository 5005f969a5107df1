//! Reading in bulk: what reconcile and decide need, in a handful of statements for a whole page.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;

use crate::domain::company::CompanyRecord;
use crate::domain::id::{ConnectionId, LeadId, Name, Object, PersonId, RecordRef};
use crate::domain::lead::LeadState;
use crate::domain::observation::UserSeen;
use crate::domain::record::{Key, PersonRecord};
use crate::domain::routing::TeamState;
use crate::domain::stage::Stage;
use crate::domain::touch::Touch;

use super::row::{Body, LeadBody, decode};
use super::sqlite::{Bound, Store, int, maybe_int, maybe_text, text};
use super::{StoreError, StreamState, sql};

impl Store {
    /// The records of people with these references; those that are not stored are left out.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn people(&self, refs: &[RecordRef]) -> Result<Vec<PersonRecord>, StoreError> {
        self.bodies("person", sql::PEOPLE, refs).await
    }

    /// The records of people that belong to these leads.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn people_of(&self, leads: &[LeadId]) -> Result<Vec<PersonRecord>, StoreError> {
        let list = leads.iter().map(|lead| Bound::Int(lead.0)).collect();
        bodies("person", &self.rows_in(sql::PEOPLE_OF_LEADS, &[self.ws()], list).await?)
    }

    /// The companies with these references; those that are not stored are left out.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn companies(&self, refs: &[RecordRef]) -> Result<Vec<CompanyRecord>, StoreError> {
        self.bodies("company", sql::COMPANIES, refs).await
    }

    /// The touches of these calls, e-mails and meetings.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn touches(&self, refs: &[RecordRef]) -> Result<Vec<Touch>, StoreError> {
        let mut touches = Vec::new();
        for ((connection, object), ids) in by_kind(refs) {
            let bound = [self.ws(), Bound::from(&connection), Bound::from(object.as_str())];
            touches.extend(bodies::<Touch>("touch", &self.rows_in(sql::TOUCHES_OF, &bound, ids).await?)?);
        }
        Ok(touches)
    }

    pub(super) async fn bodies<T: Body>(
        &self,
        table: &'static str,
        statement: &'static str,
        refs: &[RecordRef],
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        for (connection, ids) in by_connection(refs) {
            let bound = [self.ws(), Bound::from(&connection)];
            found.extend(bodies::<T>(table, &self.rows_in(statement, &bound, ids).await?)?);
        }
        Ok(found)
    }

    /// The leads of these people's records.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn leads_of_people(&self, refs: &[RecordRef]) -> Result<Vec<(RecordRef, LeadId)>, StoreError> {
        let mut found = Vec::new();
        for (connection, ids) in by_connection(refs) {
            let bound = [self.ws(), Bound::from(&connection)];
            for row in self.rows_in(sql::LEADS_OF_PEOPLE, &bound, ids).await? {
                let of = RecordRef::new(&connection, Object::Person, text(&row, 0)?);
                found.push((of, LeadId(int(&row, 1)?)));
            }
        }
        Ok(found)
    }

    /// The leads that are known by any of these keys.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn leads_by_keys(&self, keys: &[Key]) -> Result<Vec<(Key, LeadId)>, StoreError> {
        let mut kinds: BTreeMap<_, Vec<Bound>> = BTreeMap::new();
        for key in keys {
            kinds.entry(key.kind).or_default().push(Bound::from(key.value.as_str()));
        }
        let mut found = Vec::new();
        for (kind, values) in kinds {
            let bound = [self.ws(), Bound::from(kind.as_str())];
            for row in self.rows_in(sql::LEADS_BY_KEY, &bound, values).await? {
                found.push((Key { kind, value: Name::from(text(&row, 0)?) }, LeadId(int(&row, 1)?)));
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Leads whose time has come: the next look by `now`, or evidence that waited until the streams passed it
    /// (`covered`). The longest due first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn leads_due(&self, now: Timestamp, covered: Timestamp, limit: usize) -> Result<Vec<LeadId>, StoreError> {
        let bound = vec![self.ws(), ms(now), ms(covered), Bound::Int(count(limit))];
        leads(&self.rows(sql::LEADS_DUE, bound).await?)
    }

    /// The next leads in order of their numbers, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn leads_after(&self, after: LeadId, limit: usize) -> Result<Vec<LeadId>, StoreError> {
        let bound = vec![self.ws(), Bound::Int(after.0), Bound::Int(count(limit))];
        let rows = self.rows(sql::LEADS_AFTER, bound).await?;
        let all = rows.first().map(|row| maybe_text(row, 0)).transpose()?.flatten().unwrap_or_default();
        let number =
            |text: &str| text.parse().map(LeadId).map_err(|_| corrupt("person", text, "the lead is no number"));
        let mut leads: Vec<LeadId> = all.split_whitespace().map(number).collect::<Result<_, _>>()?;
        leads.sort_unstable();
        Ok(leads)
    }

    /// The number that the next new lead gets.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn next_lead_number(&self) -> Result<i64, StoreError> {
        let rows = self.rows(sql::LAST_LEAD, vec![self.ws()]).await?;
        Ok(rows.first().map(|row| maybe_int(row, 0)).transpose()?.flatten().unwrap_or(0) + 1)
    }

    /// Where every stream stands.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn streams(&self) -> Result<Vec<StreamState>, StoreError> {
        let rows = self.rows(sql::STREAMS, vec![self.ws()]).await?;
        rows.iter()
            .map(|row| {
                Ok(StreamState {
                    connection: ConnectionId::from(text(row, 0)?),
                    stream: Name::from(text(row, 1)?),
                    cursor: text(row, 2)?,
                    covered_until: instant(maybe_int(row, 3)?)?,
                    read_at: instant(maybe_int(row, 4)?)?,
                    error: maybe_text(row, 5)?,
                })
            })
            .collect()
    }

    /// Every user of every connection.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn users(&self) -> Result<Vec<(RecordRef, UserSeen)>, StoreError> {
        let rows = self.rows(sql::USERS, vec![self.ws()]).await?;
        rows.iter()
            .map(|row| {
                let of = RecordRef::new(&ConnectionId::from(text(row, 0)?), Object::User, text(row, 1)?);
                Ok((of, body("crm_user", row, 2)?))
            })
            .collect()
    }

    /// What every team's fair order depends on.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn teams(&self) -> Result<Vec<TeamState>, StoreError> {
        let rows = self.rows(sql::TEAMS, vec![self.ws()]).await?;
        rows.iter().map(|row| body("team", row, 0)).collect()
    }

    /// How many hand-offs each person has open; shadows do not count.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn open_loads(&self) -> Result<Vec<(PersonId, u32)>, StoreError> {
        let rows = self.rows(sql::OPEN_LOADS, vec![self.ws()]).await?;
        rows.iter()
            .map(|row| Ok((PersonId::from(text(row, 0)?), u32::try_from(int(row, 1)?).unwrap_or(u32::MAX))))
            .collect()
    }

    /// The records of `leads` on `connection` that writes go to: of each lead the newest that is live.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn journey_records(
        &self,
        connection: &ConnectionId,
        leads: &[LeadId],
    ) -> Result<HashMap<LeadId, RecordRef>, StoreError> {
        let bound = [self.ws(), Bound::from(connection)];
        let list = leads.iter().map(|lead| Bound::Int(lead.0)).collect();
        let mut newest: HashMap<LeadId, PersonRecord> = HashMap::new();
        for record in bodies::<PersonRecord>("person", &self.rows_in(sql::JOURNEY, &bound, list).await?)? {
            let order = |record: &PersonRecord| (!record.came_along(), record.created);
            let is_newer = newest.get(&record.link.lead).is_none_or(|known| order(known) <= order(&record));
            if record.is_live() && is_newer {
                newest.insert(record.link.lead, record);
            }
        }
        Ok(newest.into_iter().map(|(lead, record)| (lead, record.of)).collect())
    }

    /// Records on `connection` of open hand-offs that are due by `until`, the nearest first.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn people_due(
        &self,
        connection: &ConnectionId,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<RecordRef>, StoreError> {
        let bound = vec![self.ws(), ms(until), Bound::from(connection), Bound::Int(count(limit))];
        refs(&self.rows(sql::DUE_SOON, bound).await?)
    }

    /// Records on `connection` of open hand-offs, in order of their leads after `after`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn people_open(
        &self,
        connection: &ConnectionId,
        after: LeadId,
        limit: usize,
    ) -> Result<Vec<PersonRecord>, StoreError> {
        let bound = vec![self.ws(), Bound::from(connection), Bound::Int(after.0), Bound::Int(count(limit))];
        let rows = self.rows(sql::ALL_OPEN_PEOPLE, bound).await?;
        rows.iter().map(|row| body("person", row, 0)).collect()
    }

    /// The version of the agreement under which every lead was decided about last.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn decided_under(&self) -> Result<Option<Name>, StoreError> {
        Ok(self.meta("decided_under").await?.map(Name::from))
    }

    /// A fact about the store itself.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub async fn meta(&self, name: &str) -> Result<Option<String>, StoreError> {
        let rows = self.rows(sql::META_VALUE, vec![self.ws(), Bound::from(name)]).await?;
        rows.first().map(|row| text(row, 0)).transpose()
    }
}

fn refs(rows: &[SqliteRow]) -> Result<Vec<RecordRef>, StoreError> {
    rows.iter().map(|row| body::<PersonRecord>("person", row, 0).map(|record| record.of)).collect()
}

pub(super) fn leads(rows: &[SqliteRow]) -> Result<Vec<LeadId>, StoreError> {
    rows.iter().map(|row| int(row, 0).map(LeadId)).collect()
}

pub(super) fn lead(row: &SqliteRow) -> Result<LeadState, StoreError> {
    let id = LeadId(int(row, 0)?);
    let LeadBody(mut lead) = body("lead", row, 9)?;
    let stage = text(row, 2)?;
    lead.id = id;
    lead.version = int(row, 1)?;
    lead.stage = Stage::parse(&stage).ok_or_else(|| corrupt("lead", &id.to_string(), "the stage is unknown"))?;
    lead.stage_since = instant(Some(int(row, 3)?))?.unwrap_or(Timestamp::UNIX_EPOCH);
    lead.name = maybe_text(row, 4)?.map(Into::into);
    lead.email = maybe_text(row, 5)?.map(Into::into);
    lead.owner = maybe_text(row, 6)?.map(PersonId::from);
    lead.look_again_at = instant(maybe_int(row, 7)?)?;
    lead.evidence_at = instant(maybe_int(row, 8)?)?;
    Ok(lead)
}

/// The bodies of rows that each hold many of them, see [`sql::BETWEEN_BODIES`].
pub(super) fn bodies<T: Body>(table: &'static str, rows: &[SqliteRow]) -> Result<Vec<T>, StoreError> {
    let mut found = Vec::new();
    for row in rows {
        let Some(all) = maybe_text(row, 0)? else { continue };
        for text in all.split(sql::BETWEEN_BODIES) {
            found.push(read_body(table, text)?);
        }
    }
    Ok(found)
}

fn read_body<T: Body>(table: &'static str, text: &str) -> Result<T, StoreError> {
    decode(text).map_err(|error| corrupt(table, &named(text), &error.to_string()))
}

pub(super) fn body<T: Body>(table: &'static str, row: &SqliteRow, at: usize) -> Result<T, StoreError> {
    read_body(table, &text(row, at)?)
}

/// Which row a body is, as far as it says so itself. Never more of it: the rest is about people.
fn named(body: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let name = ["of", "id", "op", "team"].iter().find_map(|key| json.get(key));
    name.map_or_else(|| "unknown".to_owned(), ToString::to_string)
}

pub(super) fn corrupt(table: &'static str, key: &str, problem: &str) -> StoreError {
    StoreError::Corrupt { table, key: key.to_owned(), problem: problem.to_owned() }
}

pub(super) fn ms(at: Timestamp) -> Bound {
    Bound::Int(at.as_millisecond())
}

pub(super) fn instant(ms: Option<i64>) -> Result<Option<Timestamp>, StoreError> {
    ms.map(|ms| Timestamp::from_millisecond(ms).map_err(|_| corrupt("?", &ms.to_string(), "no instant"))).transpose()
}

pub(super) fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(super) fn by_connection(refs: &[RecordRef]) -> BTreeMap<ConnectionId, Vec<Bound>> {
    let mut groups: BTreeMap<ConnectionId, Vec<Bound>> = BTreeMap::new();
    for alike in refs.chunk_by(|one, other| one.connection == other.connection) {
        let group = groups.entry(alike[0].connection.clone()).or_default();
        group.extend(alike.iter().map(|of| Bound::from(&of.id)));
    }
    groups
}

pub(super) fn by_kind(refs: &[RecordRef]) -> BTreeMap<(ConnectionId, Object), Vec<Bound>> {
    let mut groups: BTreeMap<(ConnectionId, Object), Vec<Bound>> = BTreeMap::new();
    for of in refs {
        groups.entry((of.connection.clone(), of.object)).or_default().push(Bound::from(&of.id));
    }
    groups
}
