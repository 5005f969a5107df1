//! HubSpot's records -> observations in the product's words. Pure: no network, no clock; what cannot be turned is a finding
//! that names the line of configuration to add.

use std::collections::HashMap;

use jiff::Timestamp;

use super::settings::{LEAD_STATUS, LIFECYCLE, Maps, Meaning, OWNER, Type};
use super::wire::{Entry, Owner, Record, Text};
use crate::connector::country;
use crate::connector::settings::SignalMap;
use crate::domain::field::{Field, FieldType, Known, Value};
use crate::domain::finding::{Finding, FindingKind, Subject};
use crate::domain::id::{ConnectionId, Name, Object, RecordRef, RemoteId};
use crate::domain::observation::{CompanySeen, Content, Observation, PersonSeen, TaskSeen, UserSeen};
use crate::domain::record::{Author, Disposition, Key, KeyKind, OwnerEntry, Word};
use crate::domain::signal::Signal;
use crate::domain::stage::{Stage, StageEntry};
use crate::domain::touch::{Channel, Genuine, NotGenuine, Touch};

/// What a map needs to know besides the record.
pub(super) struct Context<'a> {
    pub(super) connection: &'a ConnectionId,
    pub(super) maps: &'a Maps,
    /// Owner ids by user id: histories name users, records name owners. Source: section 3.
    pub(super) users: &'a HashMap<String, RemoteId>,
    /// The app that Baton's own writes come from, once known.
    pub(super) own_app: Option<&'a str>,
    /// The CRM's present, for "has the meeting begun?"
    pub(super) now: Timestamp,
}

/// Findings of one page, each value once.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    /// Adds a finding about `subject`, unless it has been said. `text` is only made if it is new.
    pub(super) fn say(
        &mut self,
        connection: &ConnectionId,
        kind: FindingKind,
        subject: &str,
        text: impl FnOnce() -> String,
    ) {
        let is_known = self
            .0
            .iter()
            .any(|known| matches!(&known.subject, Subject::Connection(_, name) if name.as_str() == subject));
        if !is_known {
            self.0.push(Finding {
                kind,
                subject: Subject::Connection(connection.clone(), Name::from(subject)),
                text: text(),
            });
        }
    }
}

/// An instant as HubSpot writes them: ISO 8601, or milliseconds since 1970. Source: section 4.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    if text.len() <= 14 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Timestamp::from_millisecond(text.parse().ok()?).ok();
    }
    let at: Timestamp = text.parse().ok()?;
    // The store keeps milliseconds, and HubSpot sends no more.
    Timestamp::from_millisecond(at.as_millisecond()).ok()
}

/// When the record last changed: the property that search looks at, else the envelope's time.
pub(super) fn modified(kind: Type, record: &Record<'_>) -> Option<Timestamp> {
    record
        .value(kind.modified())
        .and_then(instant)
        .or_else(|| record.updated_at.as_ref().and_then(|text| instant(text.as_str())))
}

/// One record as an observation; `beside` are the ids of the associated records, if they were read.
pub(super) fn observation(
    kind: Type,
    record: &Record<'_>,
    beside: Option<&[RemoteId]>,
    context: &Context<'_>,
    findings: &mut Findings,
) -> Observation {
    let of = RecordRef::new(context.connection, kind.object(), record.id.as_str());
    let Some(modified) = modified(kind, record) else {
        return undecodable(of, context.now, "it has no time of its last change");
    };
    if record.archived == Some(true) {
        return Observation { of, modified, content: Content::Gone, findings: Vec::new() };
    }
    let content = match kind {
        Type::Contacts => Content::Person(Box::new(person(&of, record, modified, beside, context, findings))),
        Type::Companies => Content::Company(company(record, modified, context, findings)),
        Type::Calls | Type::Emails | Type::Meetings => {
            let Some((channel, at, genuine)) = touch(kind, record, context.now) else {
                return undecodable(of, modified, "it has no time at which it took place");
            };
            let by = record.value(OWNER).map(RemoteId::from);
            let people = beside.unwrap_or_default().iter();
            let touches = people.map(|person| Touch {
                of: of.clone(),
                person: RecordRef::new(context.connection, Object::Person, person.clone()),
                channel,
                at,
                by: by.clone(),
                genuine,
            });
            Content::Touch(touches.collect())
        }
        Type::Tasks => Content::Task(TaskSeen {
            person: beside
                .and_then(<[RemoteId]>::first)
                .map(|id| RecordRef::new(context.connection, Object::Person, id.clone())),
            // The statuses differ between the guide's table and its sample; only this one is done. Source: section 3.
            is_done: record.value("hs_task_status") == Some("COMPLETED"),
        }),
    };
    Observation { of, modified, content, findings: Vec::new() }
}

/// A record that could not be read, kept by id with the reason.
pub(super) fn undecodable(of: RecordRef, modified: Timestamp, why: &str) -> Observation {
    Observation { of, modified, content: Content::Undecodable(Name::from(why)), findings: Vec::new() }
}

/// Must the person's history be read? At or past the bar, given back by sales, or with a signal that only history dates.
pub(super) fn wants_history(record: &Record<'_>, maps: &Maps) -> bool {
    let past_bar = maps.stage_properties.iter().any(|property| {
        record.value(property).is_some_and(|value| match maps.meaning(property, value) {
            Meaning::Stage(stage) => !matches!(stage, Stage::Awareness | Stage::Engagement),
            Meaning::Rejected(_) => true,
            Meaning::Neutral | Meaning::Unknown => false,
        })
    });
    past_bar
        || maps
            .signals
            .iter()
            .any(|map| map.at.is_none() && record.value(&map.property).is_some_and(|value| map.test.accepts(value)))
}

fn person(
    of: &RecordRef,
    record: &Record<'_>,
    modified: Timestamp,
    beside: Option<&[RemoteId]>,
    context: &Context<'_>,
    findings: &mut Findings,
) -> PersonSeen {
    let created = record.created_at.as_ref().and_then(|text| instant(text.as_str()));
    let created = created.or_else(|| record.value("createdate").and_then(instant)).unwrap_or(modified);
    let has_history = !record.properties_with_history.0.is_empty();
    let (stages, disposition) = sales(of, record, modified, has_history, context, findings);
    let owners = owners(record, modified, has_history, context);
    let merged = record.value("hs_merged_object_ids").map_or_else(Vec::new, |ids| {
        ids.split(';').map(str::trim).filter(|id| !id.is_empty()).map(RemoteId::from).collect()
    });
    PersonSeen {
        created,
        values: values(&context.maps.person_fields, record, modified, context, findings),
        keys: keys(record, context.maps),
        merged,
        company: beside
            .map(|ids| ids.first().map(|id| RecordRef::new(context.connection, Object::Company, id.clone()))),
        stages,
        owners,
        disposition,
        signals: signals(record, modified, has_history, context.maps),
        has_history,
    }
}

fn company(record: &Record<'_>, modified: Timestamp, context: &Context<'_>, findings: &mut Findings) -> CompanySeen {
    CompanySeen {
        values: values(&context.maps.company_fields, record, modified, context, findings),
        owner: record.value(OWNER).map(RemoteId::from),
    }
}

fn keys(record: &Record<'_>, maps: &Maps) -> Vec<Key> {
    let mut keys = Vec::with_capacity(2);
    let own = maps.key_property.as_deref().and_then(|property| record.value(property));
    keys.extend(own.map(|value| Key { kind: KeyKind::Own, value: Name::from(value.trim()) }));
    let more = record.value("hs_additional_emails").unwrap_or("").split(';');
    for address in record.value("email").into_iter().chain(more) {
        let address = address.trim().to_lowercase();
        if address.contains('@') {
            let key = Key { kind: KeyKind::Email, value: Name::from(address) };
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    keys
}

fn values(
    fields: &[(Field, String)],
    record: &Record<'_>,
    at: Timestamp,
    context: &Context<'_>,
    findings: &mut Findings,
) -> Vec<Known> {
    let mut known = Vec::with_capacity(fields.len());
    for (field, property) in fields {
        let Some(text) = record.value(property) else { continue };
        match normal(*field, text) {
            Ok(Some(value)) => known.push(Known { field: *field, value, at }),
            Ok(None) => {}
            Err(why) => {
                // A country is said by its value; other values may be a person's own words, so only the property is said.
                let (kind, subject) = if matches!(field, Field::Country | Field::CompanyCountry) {
                    (FindingKind::Unmapped, format!("{property}={}", short(text)))
                } else {
                    (FindingKind::Undecodable, property.clone())
                };
                findings.say(context.connection, kind, &subject, || {
                    format!("{subject}: {why}, so {field} stays unknown; correct the record, or map another property to \"{field}\" in [connections.{}.fields]", context.connection)
                });
            }
        }
    }
    known
}

/// A property's text in the field's normal form.
fn normal(field: Field, text: &str) -> Result<Option<Value>, &'static str> {
    match field.kind() {
        FieldType::Number => {
            let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != ',' && *c != '_').collect();
            match digits.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Some(Value::Number(number))),
                Ok(_) | Err(_) => Err("not a number"),
            }
        }
        FieldType::Flag => match text.trim() {
            yes if yes.eq_ignore_ascii_case("true") || yes.eq_ignore_ascii_case("yes") => Ok(Some(Value::Flag(true))),
            no if no.eq_ignore_ascii_case("false") || no.eq_ignore_ascii_case("no") => Ok(Some(Value::Flag(false))),
            _ => Err("neither true nor false"),
        },
        FieldType::Text => match field {
            Field::Country | Field::CompanyCountry => match country::iso2(text) {
                Some(code) => Ok(Value::text(code)),
                None => Err("no country of ISO 3166-1 by that name"),
            },
            Field::Industry => Ok(Value::text(&industry(text))),
            Field::Email => Ok(Value::text(&text.to_lowercase())),
            Field::CompanyDomain => Ok(Value::text(&domain(text))),
            Field::Language => Ok(Value::text(&text.trim().chars().take(2).collect::<String>().to_lowercase())),
            _ => Ok(Value::text(text)),
        },
    }
}

/// `COMPUTER_SOFTWARE` -> `computer software`.
fn industry(text: &str) -> String {
    text.to_lowercase().split(|c: char| c == '_' || c.is_whitespace()).filter(|word| !word.is_empty()).fold(
        String::with_capacity(text.len()),
        |mut joined, word| {
            if !joined.is_empty() {
                joined.push(' ');
            }
            joined.push_str(word);
            joined
        },
    )
}

/// `https://www.Example.com/de` -> `example.com`.
fn domain(text: &str) -> String {
    let lower = text.trim().to_lowercase();
    let bare = lower.split_once("://").map_or(lower.as_str(), |(_, rest)| rest);
    let host = bare.split(['/', '?', ':']).next().unwrap_or(bare);
    host.strip_prefix("www.").unwrap_or(host).to_owned()
}

fn short(text: &str) -> &str {
    text.char_indices().nth(60).map_or(text, |(at, _)| &text[..at])
}

/// The stages a record shows, and sales' word.
fn sales(
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

fn owners(record: &Record<'_>, modified: Timestamp, has_history: bool, context: &Context<'_>) -> Vec<OwnerEntry> {
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

/// Who made a change. Source: section 4, entries of a history.
fn author(entry: &Entry<'_>, context: &Context<'_>) -> Author {
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
fn signals(record: &Record<'_>, modified: Timestamp, has_history: bool, maps: &Maps) -> Vec<Signal> {
    let mut signals: Vec<Signal> = Vec::new();
    for map in &maps.signals {
        if has_history {
            past_signals(record, map, &mut signals);
        }
        if !record.value(&map.property).is_some_and(|value| map.test.accepts(value)) {
            continue;
        }
        match &map.at {
            Some(at) => {
                signals.extend(record.value(at).and_then(instant).map(|at| Signal { name: map.signal.clone(), at }))
            }
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

fn past_signals(record: &Record<'_>, map: &SignalMap, signals: &mut Vec<Signal>) {
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
        let (Some(at), Some(written)) = (instant(time.value()), set_at(time)) else { continue };
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

/// Channel, time, and whether it stops a clock. Source: section 3, "Evidence of sales follow-up".
fn touch(kind: Type, record: &Record<'_>, now: Timestamp) -> Option<(Channel, Timestamp, Genuine)> {
    let at = record.value("hs_timestamp").and_then(instant);
    match kind {
        Type::Calls => Some((Channel::Call, at?, call(record))),
        Type::Emails => Some((Channel::Email, at?, email(record))),
        Type::Meetings => {
            let start = record.value("hs_meeting_start_time").and_then(instant).or(at)?;
            Some((Channel::Meeting, start, meeting(record, start, now)))
        }
        Type::Contacts | Type::Companies | Type::Tasks => None,
    }
}

/// Outcomes of a call in which nobody was reached: no answer, busy, wrong number. Source: section 3.
const REACHED_NOBODY: [&str; 3] = [
    "73a0d17f-1163-4015-bdd5-ec830791da20",
    "9d9162e7-6cf3-4944-bf63-4dff82258764",
    "17b47fee-58de-441e-a44c-c6300d46f273",
];

/// An outward call that was completed is a touch, with a voicemail left too; one that reached nobody is none. An outcome of the
/// portal's own counts: its name is not known here, and a person ended the call with it.
fn call(record: &Record<'_>) -> Genuine {
    match (record.value("hs_call_direction"), record.value("hs_call_status")) {
        (Some("INBOUND"), _) => Genuine::No(NotGenuine::Inbound),
        (Some("OUTBOUND"), Some("COMPLETED")) => match record.value("hs_call_disposition") {
            Some(outcome) if REACHED_NOBODY.iter().any(|known| known.eq_ignore_ascii_case(outcome)) => {
                Genuine::No(NotGenuine::Failed)
            }
            _ => Genuine::Yes,
        },
        (Some("OUTBOUND"), Some("BUSY" | "FAILED" | "NO_ANSWER")) => Genuine::No(NotGenuine::Failed),
        _ => Genuine::No(NotGenuine::NotDone),
    }
}

fn email(record: &Record<'_>) -> Genuine {
    match (record.value("hs_email_direction"), record.value("hs_email_status")) {
        (Some("EMAIL"), Some("SENT")) => Genuine::Yes,
        (Some("EMAIL"), Some("BOUNCED" | "FAILED")) => Genuine::No(NotGenuine::Failed),
        (Some("INCOMING_EMAIL" | "FORWARDED_EMAIL"), _) => Genuine::No(NotGenuine::Inbound),
        _ => Genuine::No(NotGenuine::NotDone),
    }
}

/// A booked meeting can lie in the future, whatever its outcome says. Source: section 3.
fn meeting(record: &Record<'_>, start: Timestamp, now: Timestamp) -> Genuine {
    let outcome = record.value("hs_meeting_outcome").unwrap_or("").to_ascii_uppercase().replace([' ', '-'], "_");
    match outcome.as_str() {
        _ if start > now => Genuine::No(NotGenuine::NotDone),
        "CANCELED" | "CANCELLED" | "RESCHEDULED" => Genuine::No(NotGenuine::NotDone),
        "NO_SHOW" => Genuine::No(NotGenuine::Failed),
        _ => Genuine::Yes,
    }
}

/// An owner as a member of staff; archived ones own records still. Source: section 3.
pub(super) fn user(owner: &Owner<'_>, connection: &ConnectionId, now: Timestamp) -> Observation {
    let text = |value: &Option<Text<'_>>| value.as_ref().map_or("", Text::as_str).trim().to_owned();
    let email = Some(text(&owner.email).to_lowercase()).filter(|email| !email.is_empty());
    let name = format!("{} {}", text(&owner.first_name), text(&owner.last_name)).trim().to_owned();
    let shown = if name.is_empty() { email.clone().unwrap_or_else(|| owner.id.as_str().to_owned()) } else { name };
    Observation {
        of: RecordRef::new(connection, Object::User, owner.id.as_str()),
        modified: owner.updated_at.as_ref().and_then(|text| instant(text.as_str())).unwrap_or(now),
        content: Content::User(UserSeen {
            email: email.map(Name::from),
            login: None,
            name: Name::from(shown),
            is_active: owner.archived != Some(true),
        }),
        findings: Vec::new(),
    }
}

/// The number that `user` appears under in histories.
pub(super) fn user_id<'a>(owner: &'a Owner<'_>) -> Option<&'a str> {
    owner.user_id.as_ref().or(owner.user_id_including_inactive.as_ref()).map(Text::as_str)
}

/// Does the lifecycle property hold one value of this stage map? Used by writes that may go only one way.
pub(super) fn is_lifecycle(property: &str) -> bool {
    property == LIFECYCLE
}

#[cfg(test)]
mod tests;
