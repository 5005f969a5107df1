//! Stages, owners, sales' word and signals: what a record shows now, and how its history dates it.

use jiff::Timestamp;

use super::values::short;
use super::{Context, Findings, instant};
use crate::connector::hubspot::settings::{LEAD_STATUS, Maps, Meaning, OWNER};
use crate::connector::hubspot::wire::{Entry, Record, Text};
use crate::connector::settings::SignalMap;
use crate::domain::finding::FindingKind;
use crate::domain::id::{Name, RecordRef, RemoteId};
use crate::domain::record::{Author, Disposition, OwnerEntry, Word};
use crate::domain::signal::Signal;
use crate::domain::stage::{Stage, StageEntry};
/// The stages a record shows, and sales' word.
pub(super) fn sales(
    of: &RecordRef,
    record: &Record<'_>,
    modified: Timestamp,
    has_history: bool,
    context: &Context<'_>,
    findings: &mut Findings,
) -> (Vec<StageEntry>, Option<Disposition>) {
    let properties = &context.maps.stage_properties;
    let present: Vec<Meaning> = properties
        .iter()
        .map(|property| {
            let meaning =
                record.value(property).map_or(Meaning::Neutral, |value| context.maps.meaning(property, value));
            if meaning == Meaning::Unknown {
                unmapped(property, record.value(property).unwrap_or(""), context, findings);
            }
            meaning
        })
        .collect();
    let mut ledger = Ledger::new(properties.len());
    if has_history {
        let mut changes: Vec<(Timestamp, usize, &Entry<'_>)> = Vec::new();
        for (place, property) in properties.iter().enumerate() {
            let entries = record.properties_with_history.get(property).into_iter().flatten();
            // The order of entries is not documented; newest first has been seen, so equal times keep the reverse order.
            let entries = entries.rev().filter_map(|entry| Some((instant(entry.timestamp.as_str())?, place, entry)));
            changes.extend(entries);
        }
        changes.sort_by_key(|(at, _, _)| *at);
        for (at, place, entry) in changes {
            let meaning = match entry.value() {
                "" => None,
                value => Some(context.maps.meaning(&properties[place], value)),
            };
            ledger.change(at, place, meaning, author(entry, context));
        }
    }
    // What history does not show (it was not read, or lags) is known since the last change at the latest.
    for (place, meaning) in present.into_iter().enumerate() {
        let is_set = record.value(&properties[place]).is_some();
        if ledger.now[place].as_ref() != Some(&meaning) && (is_set || ledger.now[place].is_some()) {
            ledger.change(modified, place, is_set.then_some(meaning), Author::Unknown);
        }
    }
    let disposition = ledger.word.map(|(word, at, by)| {
        let word = match word {
            Word::Rejected { reason: None, .. } => said(of, record, context, findings),
            given => given,
        };
        Disposition { word, at, by }
    });
    (ledger.entries, disposition)
}

/// The stages in their order as the values of several properties change.
struct Ledger {
    now: Vec<Option<Meaning>>,
    was_cleared: bool,
    entries: Vec<StageEntry>,
    word: Option<(Word, Timestamp, Author)>,
}

impl Ledger {
    fn new(properties: usize) -> Self {
        Self { now: vec![None; properties], was_cleared: false, entries: Vec::new(), word: None }
    }

    fn change(&mut self, at: Timestamp, place: usize, meaning: Option<Meaning>, by: Author) {
        let before = std::mem::replace(&mut self.now[place], meaning);
        match (&before, &self.now[place]) {
            (_, Some(Meaning::Stage(stage))) if stage.is_with_sales() => {
                let is_news = !matches!(&self.word, Some((Word::Accepted, _, _)));
                if is_news {
                    self.word = Some((Word::Accepted, at, by.clone()));
                }
            }
            (_, Some(Meaning::Rejected(reason))) => {
                self.word = Some((Word::Rejected { reason: reason.clone(), said: None }, at, by.clone()));
            }
            // Sales' word is taken back with the value that gave it.
            (Some(Meaning::Rejected(_)), _) => self.word = None,
            (Some(Meaning::Stage(stage)), _) if stage.is_with_sales() && !self.is_with_sales() => {
                if matches!(&self.word, Some((Word::Accepted, _, _))) {
                    self.word = None;
                }
            }
            _ => {}
        }
        // Clearing is half of a move backward: the stage is the last one until the second half. Source: section 10.2.
        if self.now[place].is_none() {
            self.was_cleared |= matches!(before, Some(Meaning::Stage(_)));
            return;
        }
        if let Some(stage) = self.stage() {
            let is_same = self.entries.last().is_some_and(|last| last.stage == stage);
            let re_entered = self.was_cleared && matches!(self.now[place], Some(Meaning::Stage(own)) if own == stage);
            if !is_same || re_entered {
                self.entries.push(StageEntry { stage, at, by });
            }
            if matches!(self.now[place], Some(Meaning::Stage(_))) {
                self.was_cleared = false;
            }
        }
    }

    fn is_with_sales(&self) -> bool {
        self.now.iter().any(|meaning| matches!(meaning, Some(Meaning::Stage(stage)) if stage.is_with_sales()))
    }

    /// The properties together: how far one says, what sales does says the other. A sale that was won stands; an end or a
    /// rest stands over the way; on the way the furthest counts.
    fn stage(&self) -> Option<Stage> {
        let stages = self.now.iter().filter_map(|meaning| match meaning {
            Some(Meaning::Stage(stage)) => Some(*stage),
            _ => None,
        });
        stages.reduce(|one, other| if one == Stage::Won || other == Stage::Won { Stage::Won } else { one.max(other) })
    }
}

fn unmapped(property: &str, value: &str, context: &Context<'_>, findings: &mut Findings) {
    let value = short(value);
    let connection = context.connection;
    findings.say(connection, FindingKind::Unmapped, &format!("{property}={value}"), || {
        let example = if property == LEAD_STATUS { Stage::Sal } else { Stage::Mql };
        let line = context.maps.line_with(example, property, value);
        format!(
            "no stage is mapped to {property} = {value:?}; add it to the stage that it means in \
             [connections.{connection}.stages], if it means {example} as {line}"
        )
    });
}

/// The rejection with the reason that its own property gives.
fn said(of: &RecordRef, record: &Record<'_>, context: &Context<'_>, findings: &mut Findings) -> Word {
    let property = context.maps.reason_property();
    let Some((property, said)) = property.and_then(|property| Some((property, record.value(property)?))) else {
        return Word::Rejected { reason: None, said: None };
    };
    let reason = context.maps.reason(said);
    if reason.is_none() {
        let (value, connection) = (short(said), &of.connection);
        findings.say(connection, FindingKind::Unmapped, &format!("{property}={value}"), || {
            format!("no reason is mapped to {property} = {value:?}; add it to a reason of the agreement in [connections.{connection}.reasons], as bad_fit = [{value:?}]")
        });
    }
    Word::Rejected { reason, said: Some(Name::from(said)) }
}

pub(super) fn owners(
    record: &Record<'_>,
    modified: Timestamp,
    has_history: bool,
    context: &Context<'_>,
) -> Vec<OwnerEntry> {
    let present = record.value(OWNER).map(RemoteId::from);
    let mut entries: Vec<OwnerEntry> = Vec::new();
    if has_history {
        let history = record.properties_with_history.get(OWNER).into_iter().flatten().rev();
        entries.extend(history.filter_map(|entry| {
            let owner = Some(entry.value()).filter(|id| !id.is_empty()).map(RemoteId::from);
            Some(OwnerEntry { owner, at: instant(entry.timestamp.as_str())?, by: author(entry, context) })
        }));
        entries.sort_by_key(|entry| entry.at);
    }
    let last = entries.last().map(|entry| &entry.owner);
    if last.is_some_and(|owner| *owner != present) || (last.is_none() && present.is_some()) {
        entries.push(OwnerEntry { owner: present, at: modified, by: Author::Unknown });
    }
    entries
}

/// What stood in a property.
#[derive(Debug)]
pub(in crate::connector::hubspot) struct Past {
    /// The value; empty if it was cleared.
    pub(in crate::connector::hubspot) value: String,
    /// Since when.
    pub(in crate::connector::hubspot) at: Timestamp,
    /// Who set it.
    pub(in crate::connector::hubspot) by: Author,
}

/// What stood in `property`, oldest first; of equal times the order of the answer, which shows the newest first.
pub(super) fn past(record: &Record<'_>, property: &str, context: &Context<'_>) -> Vec<Past> {
    let entries = record.properties_with_history.get(property).into_iter().flatten().rev();
    let read = |entry: &Entry<'_>| {
        let at = instant(entry.timestamp.as_str())?;
        Some(Past { value: entry.value().to_owned(), at, by: author(entry, context) })
    };
    let mut past: Vec<Past> = entries.filter_map(read).collect();
    past.sort_by_key(|past| past.at);
    past
}

/// Who made a change. Source: section 4, entries of a history.
pub(super) fn author(entry: &Entry<'_>, context: &Context<'_>) -> Author {
    let kind = entry.source_type.as_ref().map_or("", Text::as_str);
    let source = entry.source_id.as_ref().map_or("", Text::as_str);
    if kind == "INTEGRATION" && context.own_app.is_some_and(|own| own == source) {
        return Author::Baton;
    }
    let user = entry.updated_by_user_id.as_ref().map(Text::as_str).filter(|id| !id.is_empty() && *id != "0");
    let user = user.or_else(|| source.strip_prefix("userId:").filter(|_| kind == "CRM_UI"));
    if kind == "CRM_UI" || user.is_some() {
        return Author::Person(user.and_then(|id| context.users.get(id)).cloned());
    }
    match (entry.source_label.as_ref().map(Text::as_str), kind, source) {
        (_, "", _) => Author::Unknown,
        (Some(label), _, _) if !label.is_empty() => Author::Automation(Name::from(label)),
        (_, kind, "") => Author::Automation(Name::from(kind)),
        (_, kind, source) => Author::Automation(Name::from(format!("{kind} {source}"))),
    }
}

/// What the person did: from the present values, and of people with a history every occurrence that it shows.
pub(super) fn signals(record: &Record<'_>, modified: Timestamp, has_history: bool, maps: &Maps) -> Vec<Signal> {
    let mut signals: Vec<Signal> = Vec::new();
    for map in &maps.signals {
        if has_history {
            past_signals(record, map, maps, &mut signals);
        }
        if !record.value(&map.property).is_some_and(|value| map.test.accepts(value)) {
            continue;
        }
        match &map.at {
            Some(at) => signals.extend(
                record.value(at).and_then(|text| maps.time(at, text)).map(|at| Signal { name: map.signal.clone(), at }),
            ),
            None if has_history && signals.iter().any(|signal| signal.name == map.signal) => {}
            None => signals.push(Signal { name: map.signal.clone(), at: modified }),
        }
    }
    signals.sort();
    signals.dedup();
    signals
}

/// The property and its time are written together, but not in one instant.
const TOGETHER_MS: i64 = 5_000;

fn past_signals(record: &Record<'_>, map: &SignalMap, maps: &Maps, signals: &mut Vec<Signal>) {
    let history = |property: &str| record.properties_with_history.get(property).map_or(&[][..], Vec::as_slice);
    let values = history(&map.property);
    let Some(at) = &map.at else {
        let accepted = values.iter().filter(|entry| map.test.accepts(entry.value()));
        signals.extend(
            accepted
                .filter_map(|entry| Some(Signal { name: map.signal.clone(), at: instant(entry.timestamp.as_str())? })),
        );
        return;
    };
    let set_at = |entry: &Entry<'_>| instant(entry.timestamp.as_str()).map(Timestamp::as_millisecond);
    for time in history(at) {
        let (Some(at), Some(written)) = (maps.time(at, time.value()), set_at(time)) else { continue };
        let meant = values
            .iter()
            .filter_map(|entry| Some((set_at(entry)?, entry.value())))
            .filter(|(value_at, _)| *value_at <= written + TOGETHER_MS)
            .max_by_key(|(value_at, _)| *value_at);
        if meant.is_some_and(|(_, value)| map.test.accepts(value)) {
            signals.push(Signal { name: map.signal.clone(), at });
        }
    }
}
