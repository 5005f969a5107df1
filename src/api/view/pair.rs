//! Pairs of leads that may be one person, with what is known of both side by side.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::alike::Evidence;
use crate::domain::field::{Field, Value};
use crate::domain::id::LeadId;
use crate::domain::plan::Case;
use crate::domain::record::{KeyKind, PersonRecord};
use crate::engine::Rules;
use crate::report::words;
use crate::store::{Pair, Store, StoreError};

use super::Moment;

/// Two leads that may be one person.
#[derive(Clone, Debug, Serialize)]
pub struct PairView {
    /// `L-4`.
    pub lead: String,
    /// Its name or address.
    pub who: String,
    /// `L-9`.
    pub other: String,
    /// Its name or address.
    pub other_who: String,
    /// What speaks for it, in words, the strongest first.
    pub evidence: Vec<&'static str>,
    /// Since when it is known.
    pub since: Moment,
    /// What is known of both, side by side.
    pub facts: Vec<PairFact>,
}

/// One thing that is known of both.
#[derive(Clone, Debug, Serialize)]
pub struct PairFact {
    /// `e-mail`.
    pub fact: &'static str,
    /// What the one's records say.
    pub lead: Vec<String>,
    /// What the other's records say.
    pub other: Vec<String>,
    /// Do both say one thing?
    pub is_same: bool,
}

/// What a person should look at, the oldest first.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub async fn pairs(store: &Store, rules: &Rules, limit: usize) -> Result<Vec<PairView>, StoreError> {
    let pairs = store.pairs(limit).await?;
    let mut leads: Vec<LeadId> = pairs.iter().flat_map(|pair| [pair.lead, pair.other]).collect();
    leads.sort_unstable();
    leads.dedup();
    let cases = store.cases(&leads, Timestamp::MAX).await?;
    let cases: HashMap<LeadId, Case> = cases.into_iter().map(|case| (case.lead.id, case)).collect();
    Ok(pairs.into_iter().map(|pair| view(pair, &cases, rules)).collect())
}

fn view(pair: Pair, cases: &HashMap<LeadId, Case>, rules: &Rules) -> PairView {
    let unknown = || "without a name".to_owned();
    let facts = match (cases.get(&pair.lead), cases.get(&pair.other)) {
        (Some(lead), Some(other)) => side_by_side(lead, other, rules),
        _ => Vec::new(),
    };
    PairView {
        lead: pair.lead.to_string(),
        who: pair.who.unwrap_or_else(unknown),
        other: pair.other.to_string(),
        other_who: pair.other_who.unwrap_or_else(unknown),
        evidence: pair.evidence.iter().copied().map(Evidence::words).collect(),
        since: Moment::new(pair.first_at, &rules.zone),
        facts,
    }
}

/// What a lead says of one fact.
type Said = fn(&Case, &Rules) -> Vec<String>;

fn side_by_side(lead: &Case, other: &Case, rules: &Rules) -> Vec<PairFact> {
    // Its name, whether to say the same speaks for one person, and what is said.
    let known: [(&'static str, bool, Said); 8] = [
        ("Name", true, |case, _| of_records(case, name)),
        ("E-mail", true, |case, _| of_records(case, emails)),
        ("Telephone", true, |case, _| of_records(case, |record| text(record, Field::Phone))),
        ("Title", true, |case, _| of_records(case, |record| text(record, Field::Title))),
        ("Company", true, |case, _| company(case)),
        ("Stage", false, |case, rules| vec![stage(case, rules)]),
        ("With", false, with),
        ("Records", false, |case, rules| case.records.iter().map(|one| record(one, rules)).collect()),
    ];
    known
        .into_iter()
        .map(|(fact, compares, of)| {
            let (lead, other) = (of(lead, rules), of(other, rules));
            let is_same = compares && lead.iter().any(|one| other.iter().any(|theirs| folded(one) == folded(theirs)));
            PairFact { fact, lead, other, is_same }
        })
        .filter(|fact| !fact.lead.is_empty() || !fact.other.is_empty())
        .collect()
}

/// What the live records say, each once.
fn of_records(case: &Case, said: fn(&PersonRecord) -> Vec<String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for one in case.records.iter().filter(|record| record.is_live()).flat_map(said) {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

fn text(record: &PersonRecord, field: Field) -> Vec<String> {
    record.value(field).and_then(Value::as_text).map(str::to_owned).into_iter().collect()
}

fn name(record: &PersonRecord) -> Vec<String> {
    let parts = [text(record, Field::FirstName), text(record, Field::LastName)].concat();
    if parts.is_empty() { Vec::new() } else { vec![parts.join(" ")] }
}

fn emails(record: &PersonRecord) -> Vec<String> {
    let keys = record.keys.iter().filter(|key| key.kind == KeyKind::Email);
    keys.map(|key| key.value.to_string()).collect()
}

fn company(case: &Case) -> Vec<String> {
    let record = case.company.as_ref().map(|company| &company.record);
    let named = record.and_then(|record| record.value(Field::CompanyName)).map(ToString::to_string);
    named
        .into_iter()
        .chain(of_records(case, |record| text(record, Field::CompanyName)).into_iter().take(1))
        .take(1)
        .collect()
}

fn stage(case: &Case, rules: &Rules) -> String {
    format!("{} since {}", case.lead.stage, words::instant(case.lead.stage_since, &rules.zone))
}

/// Who has it, if anybody: what would go on, and with whom.
fn with(case: &Case, rules: &Rules) -> Vec<String> {
    let open = case.handoff.as_ref().filter(|handoff| !handoff.is_closed());
    let turn = open.and_then(|handoff| Some((handoff, handoff.turn()?)));
    let words = turn.map(|(handoff, turn)| format!("{}, hand-off {}", rules.roster.name_of(&turn.owner), handoff.id));
    words.into_iter().collect()
}

fn record(record: &PersonRecord, rules: &Rules) -> String {
    format!("{}, made {}", record.of.spoken(), words::instant(record.created, &rules.zone))
}

fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}
