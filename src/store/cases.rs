//! What decisions look at: everything about a batch of leads, in a handful of statements.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::domain::company::{CompanyRecord, employers};
use crate::domain::handoff::Handoff;
use crate::domain::id::{LeadId, OperationId, RecordRef};
use crate::domain::lead::LeadState;
use crate::domain::plan::{Case, CompanySummary, Fate, History, Receipt, TOUCHES_TOLD_MAX};
use crate::domain::record::PersonRecord;
use crate::domain::touch::Touch;

use super::read::{bodies, by_connection, corrupt, instant, lead, ms};
use super::sqlite::{Bound, Store, int, maybe_int, text};
use super::{StoreError, sql};

impl Store {
    /// Everything that decisions about `ids` may look at, in the order of `ids`. A lead that was never decided about
    /// comes with a fresh state; touches before `touches_since` are left out.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn cases(&self, ids: &[LeadId], touches_since: Timestamp) -> Result<Vec<Case>, StoreError> {
        let list = || ids.iter().map(|lead| Bound::Int(lead.0)).collect::<Vec<_>>();
        let mut states: HashMap<LeadId, LeadState> = HashMap::new();
        for row in self.rows_in(sql::LEADS, &[self.ws()], list()).await? {
            let state = lead(&row)?;
            states.insert(state.id, state);
        }
        let mut people: HashMap<LeadId, Vec<PersonRecord>> = HashMap::new();
        for record in
            bodies::<PersonRecord>("person", &self.rows_in(sql::PEOPLE_OF_LEADS, &[self.ws()], list()).await?)?
        {
            people.entry(record.link.lead).or_default().push(record);
        }
        let mut handoffs: HashMap<LeadId, Handoff> = HashMap::new();
        for handoff in bodies::<Handoff>("handoff", &self.rows_in(sql::HANDOFFS, &[self.ws()], list()).await?)? {
            // Ordered by number: the newest stays.
            handoffs.insert(handoff.id.lead, handoff);
        }
        let companies = self.companies_of(&people).await?;
        let with_handoff: Vec<LeadId> = handoffs.keys().copied().collect();
        let mut receipts = self.receipts(&with_handoff, &handoffs).await?;
        let mut apart = self.apart_of_leads(ids).await?;
        let touched = judged_by_touches(&people, &handoffs);
        let mut touches = self.touches_on(&touched, touches_since).await?;
        Ok(ids
            .iter()
            .map(|id| {
                let records = people.remove(id).unwrap_or_default();
                let since = records.iter().map(|record| record.created).min().unwrap_or(touches_since);
                let company = employers(&records).into_iter().find_map(|of| companies.get(of));
                let company = company.filter(|company| !company.is_gone);
                Case {
                    lead: states.remove(id).unwrap_or_else(|| LeadState::new(*id, since)),
                    touches: records.iter().flat_map(|record| touches.remove(&record.of).unwrap_or_default()).collect(),
                    company: company.map(|record| CompanySummary {
                        record: record.clone(),
                        owner: None,
                        open_deals: None,
                        engaged: None,
                    }),
                    colleagues: None,
                    handoff: handoffs.remove(id),
                    receipts: receipts.remove(id).unwrap_or_default(),
                    open_deals: 0,
                    apart: apart.remove(id).unwrap_or_default(),
                    told: Vec::new(),
                    history: None,
                    answer: None,
                    records,
                }
            })
            .collect())
    }

    /// What came before for each of `cases`: earlier hand-offs, and conversations on all of its records.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn histories(&self, cases: &[&Case]) -> Result<HashMap<LeadId, History>, StoreError> {
        if cases.is_empty() {
            return Ok(HashMap::new());
        }
        let mut found: HashMap<LeadId, History> = cases.iter().map(|case| (case.lead.id, History::default())).collect();
        let list = cases.iter().map(|case| Bound::Int(case.lead.id.0)).collect();
        for handoff in bodies::<Handoff>("handoff", &self.rows_in(sql::HANDOFFS, &[self.ws()], list).await?)? {
            found.entry(handoff.id.lead).or_default().handoffs.push(handoff);
        }
        let records: Vec<RecordRef> =
            cases.iter().flat_map(|case| &case.records).map(|record| record.of.clone()).collect();
        let mut touches = self.touches_on(&records, Timestamp::MIN).await?;
        for case in cases {
            let of_case = case.records.iter().flat_map(|record| touches.remove(&record.of).unwrap_or_default());
            let mut all: Vec<Touch> = of_case.collect();
            all.sort_by(|one, other| other.at.cmp(&one.at).then_with(|| one.of.cmp(&other.of)));
            let history = found.entry(case.lead.id).or_default();
            history.touches_more = u32::try_from(all.len().saturating_sub(TOUCHES_TOLD_MAX)).unwrap_or(u32::MAX);
            all.truncate(TOUCHES_TOLD_MAX);
            history.touches = all;
        }
        Ok(found)
    }

    async fn companies_of(
        &self,
        people: &HashMap<LeadId, Vec<PersonRecord>>,
    ) -> Result<HashMap<RecordRef, CompanyRecord>, StoreError> {
        let refs: Vec<RecordRef> = people.values().flatten().filter_map(|record| record.company.clone()).collect();
        let found = self.companies(&refs).await?;
        Ok(found.into_iter().map(|company| (company.of.clone(), company)).collect())
    }

    /// The touches on these people's records since an instant, by record.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row cannot be read back.
    pub async fn touches_on(
        &self,
        people: &[RecordRef],
        since: Timestamp,
    ) -> Result<HashMap<RecordRef, Vec<Touch>>, StoreError> {
        let mut found: HashMap<RecordRef, Vec<Touch>> = HashMap::new();
        for (connection, ids) in by_connection(people) {
            let bound = [self.ws(), Bound::from(&connection), ms(since)];
            for touch in bodies::<Touch>("touch", &self.rows_in(sql::TOUCHES_ON, &bound, ids).await?)? {
                found.entry(touch.person.clone()).or_default().push(touch);
            }
        }
        Ok(found)
    }

    async fn receipts(
        &self,
        leads: &[LeadId],
        handoffs: &HashMap<LeadId, Handoff>,
    ) -> Result<HashMap<LeadId, Vec<Receipt>>, StoreError> {
        let mut found: HashMap<LeadId, Vec<Receipt>> = HashMap::new();
        let list = leads.iter().map(|lead| Bound::Int(lead.0)).collect();
        for row in self.rows_in(sql::RECEIPTS, &[self.ws()], list).await? {
            let lead = LeadId(int(&row, 0)?);
            let number = int(&row, 1)?;
            if handoffs.get(&lead).is_none_or(|handoff| i64::from(handoff.id.number) != number) {
                continue;
            }
            let op = text(&row, 2)?;
            let fate = match text(&row, 3)?.as_str() {
                "done" => Fate::Done,
                "dead" | "cancelled" => Fate::Dead,
                "held" => Fate::Held,
                "superseded" => Fate::Superseded,
                _ => Fate::Pending,
            };
            let at = instant(maybe_int(&row, 4)?)?.unwrap_or(Timestamp::UNIX_EPOCH);
            let parsed = OperationId::parse(&op);
            let op = parsed.ok_or_else(|| corrupt("outbox", &op, "the operation id is no hexadecimal number"))?;
            found.entry(lead).or_default().push(Receipt { op, fate, at });
        }
        Ok(found)
    }
}

/// The records whose touches matter: those of leads with a hand-off, and those of leads at the bar, where one may open now
/// that has been answered already.
fn judged_by_touches(
    people: &HashMap<LeadId, Vec<PersonRecord>>,
    handoffs: &HashMap<LeadId, Handoff>,
) -> Vec<RecordRef> {
    let mut refs = Vec::new();
    for (lead, records) in people {
        let is_past_bar = |record: &PersonRecord| record.stages.iter().any(|entry| entry.stage.is_past_bar());
        if handoffs.contains_key(lead) || records.iter().any(is_past_bar) {
            refs.extend(records.iter().map(|record| record.of.clone()));
        }
    }
    refs
}
