//! Odoo's rows -> Baton's words. Pure.
//!
//! One `crm.lead` carries one journey of one person. Its history comes from `mail.tracking.value`, which is committed
//! together with the record's own change; which is why `leads` brings both and tracking is no stream of its own.
//!
//! **Which row is evidence of a touch.** A done activity leaves two traces: the archived `mail.activity`, which knows only
//! the day and moves when edited, and a message with the activity's type, the person who did it and the second. The
//! message is the evidence; the activity only answers "has the task been done". So nothing counts twice.

use std::collections::HashMap;

use jiff::Timestamp;

use super::catalogue::{Catalogue, Named, ODOOBOT};
use super::settings::{Maps, STAGE, TYPE, WON_STATUS};
use super::wire::Row;
use crate::connector::settings::SignalTest;
use crate::domain::field::{Field, FieldType, Known, Value};
use crate::domain::finding::{Finding, FindingKind, Subject};
use crate::domain::id::{ConnectionId, LeadId, Name, Object, RecordRef, RemoteId};
use crate::domain::observation::{Content, Observation, PersonSeen, TaskSeen, UserSeen};
use crate::domain::record::{Author, Disposition, Key, KeyKind, OwnerEntry, Word};
use crate::domain::signal::Signal;
use crate::domain::stage::{Stage, StageEntry};
use crate::domain::touch::{Channel, Genuine, NotGenuine, Touch};

/// One tracked change of a lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// The lead.
    pub(super) lead: i64,
    /// Its place among the changes: later ones are greater.
    pub(super) id: i64,
    /// The message it came with: changes of one transaction share it.
    pub(super) message: i64,
    /// The field.
    pub(super) field: String,
    /// The number before; 0 for none.
    pub(super) old: Named,
    /// The number after; 0 for none.
    pub(super) new: Named,
    /// When the transaction began.
    pub(super) at: Timestamp,
    /// The user.
    pub(super) by: i64,
}

/// A notification of a message to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) message: i64,
    /// The partner it went to, if not a bare address.
    pub(super) partner: Option<i64>,
    pub(super) status: String,
}

/// What a page of leads is read with.
#[derive(Clone, Debug, Default)]
pub(super) struct Beside {
    /// Changes by lead, oldest first.
    pub(super) changes: HashMap<i64, Vec<Change>>,
    /// Names of Baton's external ids by lead.
    pub(super) keys: HashMap<i64, Vec<String>>,
}

/// Reads a tracking value; `lead_of` knows the messages.
pub(super) fn change(row: &Row, catalogue: &Catalogue, lead_of: &HashMap<i64, i64>) -> Option<Change> {
    let side = |number: &str, name: &str| Named {
        id: row.integer(number).unwrap_or_default(),
        name: row.text(name).unwrap_or_default().to_owned(),
    };
    let message = row.link_id("mail_message_id")?;
    Some(Change {
        lead: *lead_of.get(&message)?,
        id: row.id()?,
        message,
        field: catalogue.tracked.as_ref()?.get(&row.link_id("field_id")?)?.clone(),
        old: side("old_value_integer", "old_value_char"),
        new: side("new_value_integer", "new_value_char"),
        at: row.time("create_date")?,
        by: row.link_id("create_uid")?,
    })
}

/// A member of staff.
pub(super) fn user(row: &Row, connection: &ConnectionId) -> Option<Observation> {
    let name = |field: &str| row.text(field).map(Name::from);
    let content = Content::User(UserSeen {
        email: row.text("email").map(|email| Name::from(email.to_lowercase())),
        login: name("login"),
        name: name("name").or_else(|| name("login"))?,
        is_active: row.flag("active"),
    });
    Some(observation(connection, Object::User, row, content, Vec::new()))
}

/// A lead with its history.
pub(super) fn lead(row: &Row, beside: &Beside, maps: &Maps, catalogue: &Catalogue) -> Option<Observation> {
    let id = row.id()?;
    let modified = row.time("write_date")?;
    // Changes newer than the row belong to a write that came between the two reads; the next pass brings them.
    let all = beside.changes.get(&id).map_or(&[][..], Vec::as_slice);
    let changes: Vec<&Change> = all.iter().filter(|change| change.at <= modified).collect();
    let mut findings = Vec::new();
    if !row.flag("active") && row.text(WON_STATUS) == Some("pending") {
        // Archived without being lost: out of sight for everybody, as good as deleted.
        return Some(observation(&maps.connection, Object::Person, row, Content::Gone, findings));
    }
    let stages = stages(row, &changes, maps, catalogue, &mut findings);
    let disposition = disposition(row, &changes, &stages, maps, catalogue, &mut findings);
    let mut ledger: Vec<StageEntry> = stages.clone();
    if let Some(lost) = lost_deal(&stages, disposition.as_ref()) {
        ledger.push(lost);
    }
    let seen = PersonSeen {
        created: row.time("create_date").unwrap_or(modified),
        values: values(row, modified, maps, catalogue, &mut findings),
        keys: keys(row, beside.keys.get(&id).map_or(&[], Vec::as_slice), maps),
        merged: Vec::new(),
        company: None,
        stages: ledger,
        owners: owners(row, &changes, catalogue),
        disposition,
        signals: signals(row, modified, maps),
        has_history: catalogue.tracked.is_some(),
    };
    Some(observation(&maps.connection, Object::Person, row, Content::Person(Box::new(seen)), findings))
}

/// A task.
pub(super) fn activity(row: &Row, connection: &ConnectionId) -> Option<Observation> {
    row.id()?;
    let lead = row.integer("res_id").map(|id| person(connection, id));
    let content = Content::Task(TaskSeen { person: lead, is_done: !row.flag("active") });
    Some(observation(connection, Object::Task, row, content, Vec::new()))
}

/// A message, if it is a way to reach a lead or to be reached by one; notes, logs and tracking are none.
pub(super) fn message(
    row: &Row,
    sent: &[Sent],
    catalogue: &Catalogue,
    connection: &ConnectionId,
) -> Option<Observation> {
    let (channel, genuine) = judge_message(row, sent, catalogue)?;
    let object = match channel {
        Channel::Call => Object::Call,
        Channel::Email => Object::Email,
        Channel::Meeting => Object::Meeting,
    };
    let of = RecordRef::new(connection, object, row.id()?.to_string());
    let touch = Touch {
        of: of.clone(),
        person: person(connection, row.integer("res_id")?),
        channel,
        at: row.time("date")?,
        by: author_of(row, catalogue).map(|user| RemoteId::from(user.to_string())),
        genuine,
    };
    Some(observation(connection, object, row, Content::Touch(vec![touch]), Vec::new()))
}

/// Could this message be an e-mail to the lead? Then its notifications say to whom it went and what became of it.
pub(super) fn wants_recipients(row: &Row, catalogue: &Catalogue) -> bool {
    row.link("mail_activity_type_id").is_none()
        && matches!(row.text("message_type"), Some("comment" | "email"))
        && !is_inside(row, catalogue)
}

fn judge_message(row: &Row, sent: &[Sent], catalogue: &Catalogue) -> Option<(Channel, Genuine)> {
    let user = author_of(row, catalogue);
    let is_machine = user.is_none_or(|user| user == ODOOBOT || user == catalogue.own);
    let by_hand = if is_machine { Genuine::No(NotGenuine::Automated) } else { Genuine::Yes };
    if let Some(kind) = row.link_id("mail_activity_type_id") {
        return catalogue.channels.get(&kind).map(|channel| (*channel, by_hand));
    }
    let genuine = match row.text("message_type")? {
        "email_outgoing" | "auto_comment" => Genuine::No(NotGenuine::Automated),
        "email" | "out_of_office" if user.is_none() => Genuine::No(NotGenuine::Inbound),
        "out_of_office" => Genuine::No(NotGenuine::Automated),
        "email" | "comment" if is_inside(row, catalogue) => return None,
        "email" | "comment" => {
            let is_out = |one: &&Sent| one.partner.is_none_or(|partner| !catalogue.staff.contains_key(&partner));
            let mut outward = sent.iter().filter(is_out).peekable();
            // Nobody outside was told: a conversation among colleagues.
            outward.peek()?;
            let failed = |one: &Sent| matches!(one.status.as_str(), "bounce" | "exception" | "canceled");
            if outward.all(failed) { Genuine::No(NotGenuine::Failed) } else { by_hand }
        }
        _ => return None,
    };
    Some((Channel::Email, genuine))
}

fn is_inside(row: &Row, catalogue: &Catalogue) -> bool {
    row.flag("is_internal") || row.link_id("subtype_id").is_none_or(|subtype| catalogue.internal.contains(&subtype))
}

/// The member of staff who wrote a message. The partner goes before the user: the mail gateway acts as OdooBot for a rep who
/// answers from a mail program, and for the lead who does.
fn author_of(row: &Row, catalogue: &Catalogue) -> Option<i64> {
    match row.link_id("author_id") {
        Some(partner) => catalogue.staff.get(&partner).copied(),
        None if row.text("message_type") == Some("email") => None,
        None => row.link_id("create_uid"),
    }
}

/// The stage ledger: the one it began with, then each tracked change, then the present one if the history lacks it.
fn stages(
    row: &Row,
    changes: &[&Change],
    maps: &Maps,
    catalogue: &Catalogue,
    findings: &mut Vec<Finding>,
) -> Vec<StageEntry> {
    let modified = row.time("write_date").unwrap_or_default();
    let created = row.time("create_date").unwrap_or(modified);
    let mut entries: Vec<(i64, StageEntry)> = Vec::new();
    for property in [STAGE, TYPE] {
        let own: Vec<&&Change> = changes.iter().filter(|change| change.field == property).collect();
        let present = present(row, property);
        let mut add = |order: i64, value: &Named, at: Timestamp, by: Author| {
            let id = (property == STAGE).then_some(value.id);
            if let Some(stage) = maps.stage(property, id, &value.name) {
                entries.push((order, StageEntry { stage, at, by }));
            }
        };
        let Some(present) = present else { continue };
        if catalogue.tracked.is_none() {
            let at = row.time("date_last_stage_update").filter(|at| property == STAGE && *at <= modified);
            add(0, &present, at.unwrap_or(modified), Author::Unknown);
            continue;
        }
        let first = own.first().map_or(&present, |change| &change.old);
        add(0, first, created, author(row.link_id("create_uid"), catalogue));
        for change in &own {
            add(change.id, &change.new, change.at, author(Some(change.by), catalogue));
        }
        if let Some(last) = own.last().filter(|last| !same(property, &last.new, &present)) {
            let at = row.time("date_last_stage_update").unwrap_or(modified).max(last.at);
            add(i64::MAX, &present, at, Author::Unknown);
        }
    }
    entries.sort_by_key(|(order, entry)| (entry.at, *order));
    if let Some(link) = row.link(STAGE) {
        let is_first = catalogue.first_stage().is_some_and(|first| first.id == link.id);
        if !is_first && maps.stage(STAGE, Some(link.id), link.name).is_none() {
            findings.push(unmapped_stage(maps, link.name));
        }
    }
    entries.into_iter().map(|(_, entry)| entry).collect()
}

fn present(row: &Row, property: &str) -> Option<Named> {
    if property == STAGE {
        return row.link(STAGE).map(Named::from);
    }
    row.text(property).map(|text| Named { id: 0, name: text.to_owned() })
}

/// Selections are tracked by their label, in the language of whoever changed them.
fn same(property: &str, one: &Named, other: &Named) -> bool {
    if property == STAGE { one.id == other.id } else { one.name.eq_ignore_ascii_case(&other.name) }
}

/// The finding of a stage that no map knows, with the line that maps it.
pub(super) fn unmapped_stage(maps: &Maps, name: &str) -> Finding {
    let connection = &maps.connection;
    finding(
        maps,
        FindingKind::Unmapped,
        format!("{STAGE}={name}"),
        format!(
            "stage {name:?} means nothing to Baton; if it should, add to [connections.{connection}.stages]: \
             negotiation = {{ read = {{ {STAGE} = [{name:?}] }}, write = {{ {STAGE} = {name:?} }} }}"
        ),
    )
}

/// The name that a reason of the agreement would have: "Bad timing" reads as `bad_timing`.
fn reason_like(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let like = words.collect::<Vec<_>>().join("_").to_ascii_lowercase();
    if like.is_empty() { "bad_timing".to_owned() } else { like }
}

/// The finding of a lost reason that no map knows, with the line that maps it.
pub(super) fn unmapped_reason(maps: &Maps, name: &str) -> Finding {
    let connection = &maps.connection;
    finding(
        maps,
        FindingKind::Unmapped,
        format!("lost_reason_id={name}"),
        format!(
            "lost reason {name:?} is not mapped, so a lead lost with it is rejected without a reason of the agreement; \
             add to [connections.{connection}.reasons] the reason it means: {} = [{name:?}]",
            reason_like(name)
        ),
    )
}

/// Any finding about a part of the connection.
pub(super) fn finding(maps: &Maps, kind: FindingKind, part: String, text: String) -> Finding {
    Finding { kind, subject: Subject::Connection(maps.connection.clone(), Name::from(part)), text }
}

fn owners(row: &Row, changes: &[&Change], catalogue: &Catalogue) -> Vec<OwnerEntry> {
    let modified = row.time("write_date").unwrap_or_default();
    let created = row.time("create_date").unwrap_or(modified);
    let user = |id: i64| (id > 0).then(|| RemoteId::from(id.to_string()));
    let present = row.link_id("user_id").unwrap_or_default();
    if catalogue.tracked.is_none() {
        let at = row.time("date_open").filter(|at| *at <= modified && present > 0).unwrap_or(modified);
        return vec![OwnerEntry { owner: user(present), at, by: Author::Unknown }];
    }
    let own: Vec<&&Change> = changes.iter().filter(|change| change.field == "user_id").collect();
    let first = own.first().map_or(present, |change| change.old.id);
    let mut owners =
        vec![OwnerEntry { owner: user(first), at: created, by: author(row.link_id("create_uid"), catalogue) }];
    owners.extend(own.iter().map(|change| OwnerEntry {
        owner: user(change.new.id),
        at: change.at,
        by: author(Some(change.by), catalogue),
    }));
    if let Some(last) = own.last().filter(|last| last.new.id != present) {
        let at = row.time("date_open").unwrap_or(modified).max(last.at);
        owners.push(OwnerEntry { owner: user(present), at, by: Author::Unknown });
    }
    owners
}

/// Sales' newest word. Lost is "rejected" with the lost reason as it is now; entering a stage that is sales' own work is
/// "accepted", unless Baton wrote it or the record was made there.
fn disposition(
    row: &Row,
    changes: &[&Change],
    stages: &[StageEntry],
    maps: &Maps,
    catalogue: &Catalogue,
    findings: &mut Vec<Finding>,
) -> Option<Disposition> {
    let modified = row.time("write_date").unwrap_or_default();
    if row.text(WON_STATUS) == Some("lost") {
        let said = row.link("lost_reason_id").map(|link| link.name.to_owned()).filter(|name| !name.is_empty());
        let reason = said.as_deref().and_then(|said| maps.reason(said)).cloned();
        if let (Some(said), None) = (&said, &reason) {
            findings.push(unmapped_reason(maps, said));
        }
        // The lead was lost with the change that archived it, or when its reason was given or changed afterwards.
        let tells = |change: &&&Change| matches!(change.field.as_str(), "active" | "lost_reason_id" | WON_STATUS);
        let told = changes.iter().rev().find(tells);
        let (at, by) = match told {
            Some(change) => (change.at, author(Some(change.by), catalogue)),
            None => (row.time("date_closed").unwrap_or(modified), Author::Unknown),
        };
        return Some(Disposition { word: Word::Rejected { reason, said: said.map(Name::from) }, at, by });
    }
    let taken = stages.iter().rev().take_while(|entry| entry.stage.is_with_sales()).last()?;
    let is_word = match taken.by {
        Author::Person(_) | Author::Unknown => true,
        Author::Automation(_) | Author::Baton => false,
    };
    is_word.then(|| Disposition { word: Word::Accepted, at: taken.at, by: taken.by.clone() })
}

/// A lead that was lost past `sql` is a lost deal too, not only one that was given back.
fn lost_deal(stages: &[StageEntry], disposition: Option<&Disposition>) -> Option<StageEntry> {
    let lost = disposition.filter(|said| matches!(said.word, Word::Rejected { .. }))?;
    let last = stages.iter().rev().find(|entry| entry.at <= lost.at)?;
    let is_deal = matches!(last.stage, Stage::Sql | Stage::Proposal | Stage::Negotiation | Stage::Won);
    is_deal.then(|| StageEntry { stage: Stage::Lost, at: lost.at, by: lost.by.clone() })
}

fn author(user: Option<i64>, catalogue: &Catalogue) -> Author {
    match user {
        None => Author::Unknown,
        Some(id) if id == catalogue.own => Author::Baton,
        Some(ODOOBOT) => Author::Automation(Name::from("OdooBot")),
        Some(id) => Author::Person(Some(RemoteId::from(id.to_string()))),
    }
}

fn values(
    row: &Row,
    modified: Timestamp,
    maps: &Maps,
    catalogue: &Catalogue,
    findings: &mut Vec<Finding>,
) -> Vec<Known> {
    let mut known = Vec::new();
    for (field, property) in &maps.fields {
        let value = match value(row, *field, property, catalogue) {
            Ok(value) => value,
            Err(found) => {
                let part = format!("{property}={found}");
                let text = format!("{property} holds {found:?}, which is no {field}: {}", field.about());
                findings.push(finding(maps, FindingKind::Unmapped, part, text));
                None
            }
        };
        known.extend(value.map(|value| Known { field: *field, value, at: modified }));
    }
    known
}

/// The value of a field in normal form; the error is what was found instead.
fn value(row: &Row, field: Field, property: &str, catalogue: &Catalogue) -> Result<Option<Value>, String> {
    match field.kind() {
        // Odoo's flags are never empty; any other value of a flag is its presence.
        FieldType::Flag => Ok(row.0.get(property).map(|found| Value::Flag(*found != serde_json::Value::Bool(false)))),
        // Odoo's numbers are never empty either: nothing entered is 0, which is why 0 says nothing.
        FieldType::Number => match row.plain(property) {
            None => Ok(None),
            Some(text) => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok((number != 0.0).then_some(Value::Number(number))),
                _ => Err(text),
            },
        },
        FieldType::Text => Ok(match row.plain(property) {
            None if field == Field::Email && property == "email_normalized" => row.text("email_from").and_then(address),
            None => None,
            Some(text) => text_value(row, field, property, &text, catalogue)?,
        }),
    }
}

fn text_value(
    row: &Row,
    field: Field,
    property: &str,
    text: &str,
    catalogue: &Catalogue,
) -> Result<Option<Value>, String> {
    Ok(match field {
        Field::Email => address(text),
        Field::FirstName if property == "contact_name" => Value::text(split_name(text).0),
        Field::LastName if property == "contact_name" => Value::text(split_name(text).1),
        Field::Country | Field::CompanyCountry => {
            let code = row.link_id(property).and_then(|id| catalogue.countries.get(&id));
            match code {
                Some(code) => Value::text(&code.to_ascii_uppercase()),
                None if text.len() == 2 => Value::text(&text.to_ascii_uppercase()),
                None => return Err(text.to_owned()),
            }
        }
        // `de_CH` -> `de`.
        Field::Language => Value::text(&text.split(['_', '-', '@']).next().unwrap_or_default().to_lowercase()),
        Field::CompanyDomain => domain(text).and_then(|host| Value::text(&host)),
        Field::Industry => Value::text(&text.to_lowercase().replace('_', " ")),
        _ => Value::text(text),
    })
}

/// The first address of `Jane Doe <Jane@X.example>, ...` in lower case.
fn address(text: &str) -> Option<Value> {
    let inner = text.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(text, |(inner, _)| inner);
    let first = inner.split([',', ';']).next()?.trim().to_lowercase();
    let (local, host) = first.rsplit_once('@')?;
    (!local.is_empty() && host.contains('.') && !first.contains(char::is_whitespace)).then(|| Value::text(&first))?
}

/// `Dr. Jane van Doe` -> first name and the rest: a guess that only greets, never matches.
fn split_name(name: &str) -> (&str, &str) {
    let name = name.trim();
    match name.split_once(',') {
        Some((last, first)) => (first.trim(), last.trim()),
        None => name.split_once(char::is_whitespace).map_or((name, ""), |(first, last)| (first, last.trim())),
    }
}

/// The host of a web address, in lower case, without `www.`.
fn domain(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let rest = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
    let host = rest.split(['/', '?', '#', ':']).next()?.trim_start_matches("www.");
    (host.contains('.') && !host.contains(char::is_whitespace)).then(|| host.to_owned())
}

/// What the record can be recognised by: Baton's own key and the e-mail address.
fn keys(row: &Row, external: &[String], maps: &Maps) -> Vec<Key> {
    let mut keys: Vec<Key> = external.iter().filter_map(|name| lead_of_key(name)).map(own_key).collect();
    let property = maps.key_property.as_deref().and_then(|property| row.text(property));
    keys.extend(property.and_then(|text| text.parse::<LeadId>().ok()).map(own_key));
    let email = row.text("email_normalized").or_else(|| row.text("email_from")).and_then(address);
    keys.extend(email.map(|email| Key { kind: KeyKind::Email, value: Name::from(email.to_string()) }));
    keys.sort();
    keys.dedup();
    keys
}

fn own_key(lead: LeadId) -> Key {
    Key { kind: KeyKind::Own, value: Name::from(lead.to_string()) }
}

/// The lead that an external id of Baton's names: `lead_42_<operation>` -> 42.
fn lead_of_key(name: &str) -> Option<LeadId> {
    name.strip_prefix("lead_")?.split('_').next()?.parse().ok().map(LeadId)
}

fn signals(row: &Row, modified: Timestamp, maps: &Maps) -> Vec<Signal> {
    let mut found = Vec::new();
    for map in &maps.signals {
        let value = row.plain(&map.property);
        let holds = match (&value, &map.test) {
            (None, SignalTest::Present | SignalTest::Is(_) | SignalTest::Contains(_)) => false,
            (Some(value), test) => test.accepts(value),
        };
        let at = map.at.as_deref().map_or(Some(modified), |at| row.time(at));
        if let (true, Some(at)) = (holds, at) {
            found.push(Signal { name: map.signal.clone(), at });
        }
    }
    found
}

/// The record of a lead.
pub(super) fn person(connection: &ConnectionId, id: i64) -> RecordRef {
    RecordRef::new(connection, Object::Person, id.to_string())
}

fn observation(
    connection: &ConnectionId,
    object: Object,
    row: &Row,
    content: Content,
    findings: Vec<Finding>,
) -> Observation {
    let id = row.id().unwrap_or_default().to_string();
    let modified = row.time("write_date").unwrap_or_default();
    Observation { of: RecordRef::new(connection, object, id), modified, content, findings }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Instant;

    use super::super::wire::{self, rows};
    use super::*;
    use crate::connector::settings::{Kind, Settings};

    // Recorded from Odoo 19.0: made as a lead, qualified, lost, called, noted, written to, answered.
    const LEAD: &str = include_str!("../../../tests/fixtures/odoo/lead_lost.json");
    const TRACKING: &str = include_str!("../../../tests/fixtures/odoo/tracking.json");
    const MESSAGES: &str = include_str!("../../../tests/fixtures/odoo/messages.json");
    const NOTIFICATIONS: &str = include_str!("../../../tests/fixtures/odoo/notifications.json");

    fn maps() -> Maps {
        let mut settings =
            Settings::new("odoo", Kind::Odoo, "http://127.0.0.1:8069".parse().unwrap(), "k".to_owned().into());
        settings.reasons = vec![(Name::from("too_dear"), vec!["too expensive".to_owned()])];
        Maps::of(&settings)
    }

    fn catalogue(has_history: bool) -> Catalogue {
        let named = |id: i64, name: &str| Named { id, name: name.to_owned() };
        let tracked = [
            (3930, "user_id"),
            (3937, "active"),
            (3938, "type"),
            (3940, "stage_id"),
            (3984, "won_status"),
            (3985, "lost_reason_id"),
        ];
        let tracked = tracked.into_iter().map(|(id, name)| (id, name.to_owned())).collect();
        Catalogue {
            read_at: Instant::now(),
            own: 2,
            stages: vec![named(1, "New"), named(2, "Qualified")],
            reasons: vec![named(1, "Too expensive")],
            teams: 1,
            staff: HashMap::from([(2, 1), (3, 2), (42, 7)]),
            zones: HashMap::new(),
            countries: HashMap::from([(57, "DE".to_owned())]),
            channels: HashMap::from([(2, Channel::Call)]),
            activity_types: HashSet::from([2, 4]),
            internal: HashSet::from([2, 3]),
            fields: HashMap::new(),
            tracked: has_history.then_some(tracked),
            reads_keys: true,
            sees_all: true,
        }
    }

    fn row(edit: &[(&str, serde_json::Value)]) -> Row {
        let mut row = rows(LEAD.as_bytes()).unwrap().remove(0);
        row.0.extend(edit.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        row
    }

    fn beside(catalogue: &Catalogue) -> Beside {
        let lead = row(&[]).id().unwrap();
        let lead_of = HashMap::from([(3634, lead), (3635, lead)]);
        let changes = rows(TRACKING.as_bytes()).unwrap();
        let changes = changes.iter().filter_map(|row| change(row, catalogue, &lead_of)).collect();
        let keys = vec!["lead_42_00ff".to_owned(), "something_else".to_owned()];
        Beside { changes: HashMap::from([(lead, changes)]), keys: HashMap::from([(lead, keys)]) }
    }

    fn seen(row: &Row, catalogue: &Catalogue) -> (PersonSeen, Vec<Finding>) {
        let beside = if catalogue.tracked.is_some() { beside(catalogue) } else { Beside::default() };
        let observation = lead(row, &beside, &maps(), catalogue).unwrap();
        match observation.content {
            Content::Person(person) => (*person, observation.findings),
            other => panic!("{other:?}"),
        }
    }

    fn at(text: &str) -> Timestamp {
        wire::instant(text).unwrap()
    }

    #[test]
    fn a_lost_lead_tells_its_whole_history_with_authors() {
        let (person, findings) = seen(&row(&[]), &catalogue(true));
        let rita = Author::Person(Some(RemoteId::from("7")));
        let (moved, lost) = (at("2026-11-24 02:27:28"), at("2026-11-24 02:27:29"));
        assert_eq!(
            person.stages,
            [
                StageEntry { stage: Stage::Sql, at: moved, by: rita.clone() },
                StageEntry { stage: Stage::Lost, at: lost, by: rita.clone() },
            ]
        );
        let owner = OwnerEntry { owner: Some("7".into()), at: at("2026-11-24 02:27:26"), by: Author::Baton };
        assert_eq!(person.owners, [owner]);
        let word = Word::Rejected { reason: Some("too_dear".into()), said: Some("Too expensive".into()) };
        assert_eq!(person.disposition, Some(Disposition { word, at: lost, by: rita }));
        assert!(person.has_history && findings.is_empty(), "{findings:?}");
    }

    #[test]
    fn fields_come_in_normal_form() {
        let (person, _) = seen(&row(&[]), &catalogue(true));
        let found: Vec<String> = person.values.iter().map(|known| format!("{}={}", known.field, known.value)).collect();
        assert_eq!(
            found,
            [
                "lead.email=jane@exa.example",
                "lead.first_name=Jane",
                "lead.last_name=van Doe",
                "lead.phone=+49 30 123456",
                "lead.title=Head of Finance",
                "lead.country=DE",
                "lead.source=Search engine",
                "lead.opted_out=false",
                "handoff.reason=Too expensive",
                "company.name=Exa GmbH",
                "company.domain=exa.example",
                "company.country=DE",
            ]
        );
        let keys: Vec<(KeyKind, &str)> = person.keys.iter().map(|key| (key.kind, key.value.as_str())).collect();
        assert_eq!(keys, [(KeyKind::Own, "L-42"), (KeyKind::Email, "jane@exa.example")]);
    }

    #[test]
    fn without_history_only_the_present_is_known() {
        let (person, _) = seen(&row(&[]), &catalogue(false));
        assert_eq!(person.owners.len(), 1);
        assert_eq!(person.stages[0].by, Author::Unknown);
        assert_eq!(person.disposition.unwrap().by, Author::Unknown);
        assert!(!person.has_history);
    }

    #[test]
    fn a_restored_lead_is_not_rejected_and_an_archived_one_is_gone() {
        let open = [("active", true.into()), ("won_status", "pending".into()), ("lost_reason_id", false.into())];
        let (person, _) = seen(&row(&open), &catalogue(true));
        assert_eq!(person.disposition.unwrap().word, Word::Accepted);
        let archived = row(&[("won_status", "pending".into())]);
        let observation = lead(&archived, &Beside::default(), &maps(), &catalogue(true)).unwrap();
        assert_eq!(observation.content, Content::Gone);
    }

    #[test]
    fn unknown_values_are_findings_with_the_line_that_maps_them() {
        let strange = [
            ("stage_id", serde_json::json!([9, "On hold"])),
            ("lost_reason_id", serde_json::json!([8, "Ghosted"])),
            ("country_id", serde_json::json!([999, "Atlantis"])),
        ];
        let (person, findings) = seen(&row(&strange), &catalogue(true));
        let texts: Vec<&str> = findings.iter().map(|finding| finding.text.as_str()).collect();
        for wanted in ["stage_id = [\"On hold\"]", "[\"Ghosted\"]", "Atlantis"] {
            assert!(texts.iter().any(|text| text.contains(wanted)), "{wanted}: {texts:?}");
        }
        assert!(matches!(person.disposition.unwrap().word, Word::Rejected { reason: None, said: Some(_) }));
        let (_, findings) = seen(&row(&[("stage_id", serde_json::json!([1, "New"]))]), &catalogue(true));
        assert!(findings.is_empty(), "`New` is no stage, and that is right: {findings:?}");
    }

    #[test]
    fn changes_newer_than_the_row_wait_for_the_next_pass() {
        let early = [
            ("write_date", "2026-11-24 02:27:27".into()),
            ("active", true.into()),
            ("won_status", "pending".into()),
            ("stage_id", serde_json::json!([1, "New"])),
        ];
        let (person, _) = seen(&row(&early), &catalogue(true));
        assert!(person.stages.is_empty() && person.disposition.is_none(), "{person:?}");
    }

    #[test]
    fn messages_that_reach_a_lead_are_touches_and_logs_are_none() {
        let sent: Vec<Sent> = rows(NOTIFICATIONS.as_bytes())
            .unwrap()
            .iter()
            .map(|row| Sent {
                message: row.link_id("mail_message_id").unwrap(),
                partner: row.link_id("res_partner_id"),
                status: row.text("notification_status").unwrap().to_owned(),
            })
            .collect();
        let judged = |status: Option<&str>| -> Vec<(Channel, Genuine)> {
            let messages = rows(MESSAGES.as_bytes()).unwrap();
            let touch = |row: &Row| {
                let mut own: Vec<Sent> = sent.iter().filter(|one| Some(one.message) == row.id()).cloned().collect();
                own.iter_mut().for_each(|one| one.status = status.unwrap_or(&one.status).to_owned());
                judge_message(row, &own, &catalogue(true))
            };
            messages.iter().filter_map(touch).collect()
        };
        let inbound = (Channel::Email, Genuine::No(NotGenuine::Inbound));
        let call = (Channel::Call, Genuine::Yes);
        assert_eq!(judged(None), [call, (Channel::Email, Genuine::No(NotGenuine::Failed)), inbound]);
        assert_eq!(judged(Some("sent")), [call, (Channel::Email, Genuine::Yes), inbound]);
    }

    #[test]
    fn addresses_and_hosts_are_read_as_people_write_them() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(address(text).map(|value| value.to_string()).as_deref(), expected, "{text}");
        };
        check("Jane <Jane@X.example>, other@x.example", Some("jane@x.example"));
        check("jane@x.example; b@x.example", Some("jane@x.example"));
        check("jane at x", None);
        check("@x.example", None);
        assert_eq!(domain("https://www.X.example:8080/a?b"), Some("x.example".to_owned()));
        assert_eq!(domain("not a site"), None);
        assert_eq!(split_name("Doe, Jane"), ("Jane", "Doe"));
        assert_eq!(split_name("Jane"), ("Jane", ""));
    }
}
