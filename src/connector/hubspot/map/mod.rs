//! HubSpot's records -> observations in the product's words. Pure: no network, no clock; what cannot be turned is a finding
//! that names the line of configuration to add.

mod history;
mod scores;
#[cfg(test)]
mod tests;
mod touches;
mod values;

use std::collections::HashMap;

use jiff::Timestamp;

pub(super) use self::history::Past;
use self::history::{owners, sales, signals};
use self::scores::scores;
use self::touches::touch;
use self::values::values;
use super::settings::{LIFECYCLE, Maps, Meaning, OWNER, Type};
use super::wire::{Owner, Record, Text};
use crate::connector::number;
use crate::connector::phone;
use crate::domain::deal::{DealSeen, DealState};
use crate::domain::finding::{Finding, FindingKind, Subject};
use crate::domain::id::{ConnectionId, Name, Object, RecordRef, RemoteId};
use crate::domain::observation::{CompanySeen, Content, Observation, PersonSeen, TaskSeen, UserSeen};
use crate::domain::record::{Key, KeyKind, OwnerEntry};
use crate::domain::stage::Stage;
use crate::domain::touch::Touch;

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
        Type::Deals => Content::Deal(deal(record, modified, beside, context)),
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

/// A deal; its company is added by whoever read it. Source: section 3, the table of objects.
fn deal(record: &Record<'_>, modified: Timestamp, people: Option<&[RemoteId]>, context: &Context<'_>) -> DealSeen {
    let is = |property: &str| record.value(property) == Some("true");
    let state = match (is("hs_is_closed_won"), is("hs_is_closed")) {
        (true, _) => DealState::Won,
        (false, true) => DealState::Lost,
        (false, false) => DealState::Open,
    };
    let created = record.created_at.as_ref().and_then(|text| instant(text.as_str()));
    let person = |id: &RemoteId| RecordRef::new(context.connection, Object::Person, id.clone());
    DealSeen {
        state,
        stage: record.value("dealstage").map(Name::from),
        title: record.value("dealname").map(Into::into),
        amount: record.value("amount").and_then(number::exact),
        created: created.or_else(|| record.value("createdate").and_then(instant)).unwrap_or(modified),
        // An open deal has a date too: the one that sales hopes for.
        closed: record.value("closedate").and_then(instant).filter(|_| state != DealState::Open),
        owner: record.value(OWNER).map(RemoteId::from),
        company: None,
        people: people.map(|people| people.iter().map(person).collect()),
    }
}

/// Says which company a deal is of: the first of `companies`, if any.
pub(super) fn with_company(mut seen: Observation, companies: &[RemoteId], connection: &ConnectionId) -> Observation {
    if let Content::Deal(deal) = &mut seen.content {
        deal.company = Some(companies.first().map(|id| RecordRef::new(connection, Object::Company, id.clone())));
    }
    seen
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
    let values = values(&context.maps.person_fields, record, modified, context, findings);
    let mut keys = keys(record, context.maps);
    keys.extend(phone::key(&values, context.maps.country.as_ref().map(Name::as_str)));
    PersonSeen {
        created,
        values,
        keys,
        merged,
        company: beside
            .map(|ids| ids.first().map(|id| RecordRef::new(context.connection, Object::Company, id.clone()))),
        stages,
        owners,
        scores: scores(record, modified, has_history, context),
        disposition,
        signals: signals(record, modified, has_history, context.maps),
        has_history,
    }
}

/// Who has owned the person, oldest first, by the history that the record was read with.
pub(super) fn owner_history(record: &Record<'_>, context: &Context<'_>) -> Vec<OwnerEntry> {
    owners(record, modified(Type::Contacts, record).unwrap_or(context.now), true, context)
}

/// What stood in `property`, oldest first, by the history that the record was read with.
pub(super) fn history_of(record: &Record<'_>, property: &str, context: &Context<'_>) -> Vec<Past> {
    history::past(record, property, context)
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
