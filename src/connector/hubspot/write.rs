//! Writes: looked at before, compared after, never two for one record in one batch (batches have no order, section 6).
//!
//! Set-style writes can be repeated without harm. Tasks and notes carry their operation id in the body and are looked for before
//! they are made again. Unknown outcomes are answered by [`HubSpot::find`], which reads by id and by association, never by search:
//! the index lags.

use std::collections::{HashMap, HashSet};
use std::sync::PoisonError;

use jiff::Timestamp;
use serde::Serialize;

use super::HubSpot;
use super::answer::{self, Failure, row_words};
use super::map;
use super::settings::{OWNER, Type};
use super::streams::{BatchRead, Id, LIST};
use super::wire::{self, AssociatedObjects, ListFound, Membership, Record};
use crate::connector::settings::ScorePart;
use crate::connector::{Addressed, Done, Outcome};
use crate::domain::field::{Field, Value};
use crate::domain::id::{Name, Object, OperationId, RecordRef, RemoteId};
use crate::domain::plan::{self, Effect};
use crate::http::limiter::{Budget, Lane};
use crate::http::{Method, Request};

/// Association types from a task and a note to a contact. Source: section 7.
const TASK_TO_CONTACT: u32 = 204;
const NOTE_TO_CONTACT: u32 = 202;
/// Source: section 3, `hs_note_body`; room is left for the marker.
const BODY_CHARS_MAX: usize = 60_000;

/// Property names and values of one record.
type Values = Vec<(String, String)>;

/// A set of values for one record, as part of a batch.
#[derive(Clone, Debug)]
struct Update {
    place: usize,
    id: String,
    trace: String,
    values: Values,
}

impl HubSpot {
    /// Each write with its outcome. Writes for one record go in order: one that has not come through keeps those behind it back.
    pub(super) async fn push_all(&self, writes: &[Addressed]) -> Vec<(OperationId, Outcome)> {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; writes.len()];
        let mut left: Vec<usize> = (0..writes.len()).collect();
        while !left.is_empty() {
            let mut busy: HashSet<&RemoteId> = HashSet::new();
            let (wave, rest): (Vec<usize>, Vec<usize>) =
                left.iter().partition(|place| writes[**place].record.as_ref().is_none_or(|of| busy.insert(&of.id)));
            self.push_wave(writes, &wave, &mut outcomes).await;
            let stuck: HashSet<&RemoteId> = wave
                .iter()
                .filter(|place| {
                    matches!(outcomes[**place], Some(Outcome::Again { .. } | Outcome::Unknown { .. }) | None)
                })
                .filter_map(|place| writes[*place].record.as_ref().map(|of| &of.id))
                .collect();
            left = rest;
            left.retain(|place| {
                let waits = writes[*place].record.as_ref().is_some_and(|of| stuck.contains(&of.id));
                if waits {
                    let message = "waits for an earlier write to the same record".to_owned();
                    outcomes[*place] = Some(Outcome::Again { after: None, counts: false, message });
                }
                !waits
            });
        }
        let unsent = || Outcome::Again { after: None, counts: false, message: "not sent".to_owned() };
        writes.iter().zip(outcomes).map(|(write, outcome)| (write.write.op, outcome.unwrap_or_else(unsent))).collect()
    }

    /// Writes of which no two are for one record.
    async fn push_wave(&self, writes: &[Addressed], wave: &[usize], outcomes: &mut [Option<Outcome>]) {
        let lane = wave.iter().map(|place| lane(writes[*place].write.lane)).min().unwrap_or(Lane::Score);
        let now = match self.before(writes, wave, lane).await {
            Ok(now) => now,
            Err(failure) => {
                // The look failed, so nothing was written.
                let outcome = match failure.writing() {
                    Outcome::Unknown { message } => Outcome::Again { after: None, counts: true, message },
                    other => other,
                };
                wave.iter().for_each(|place| outcomes[*place] = Some(outcome.clone()));
                return;
            }
        };
        let mut updates: Vec<Update> = Vec::new();
        let mut lists: HashMap<(Name, bool), Vec<usize>> = HashMap::new();
        for place in wave.iter().copied() {
            let write = &writes[place];
            let Some(of) = &write.record else {
                outcomes[place] = Some(self.create(write, lane).await);
                continue;
            };
            let found = now.get(of.id.as_str());
            if found == Some(&Seen::Gone) {
                outcomes[place] = Some(Outcome::Refused { message: "the record is gone".to_owned() });
                continue;
            }
            let found = found.and_then(Seen::values);
            match self.wanted(&write.write.effect, found) {
                Wanted::Nothing => outcomes[place] = Some(Outcome::Done(Done::default())),
                Wanted::Superseded(found) => outcomes[place] = Some(Outcome::Superseded { found }),
                Wanted::Refused(message) => outcomes[place] = Some(Outcome::Refused { message }),
                Wanted::Set(values) => updates.push(Update {
                    place,
                    id: of.id.as_str().to_owned(),
                    trace: write.write.op.to_string(),
                    values,
                }),
                Wanted::Back { values, clear } => {
                    outcomes[place] = Some(self.move_back(of, &values, &clear, lane).await);
                }
                Wanted::Make => outcomes[place] = Some(self.make(write, of, lane).await),
                Wanted::List(track, joins) => lists.entry((track, joins)).or_default().push(place),
            }
        }
        for chunk in updates.chunks(LIST) {
            for (place, outcome) in self.update(chunk, lane).await {
                outcomes[place] = Some(outcome);
            }
        }
        self.learn_own_app(&updates, outcomes).await;
        for ((track, joins), places) in lists {
            for chunk in places.chunks(LIST) {
                let ids: Vec<&str> =
                    chunk.iter().filter_map(|place| Some(writes[*place].record.as_ref()?.id.as_str())).collect();
                let changed = self.members(&track, joins, &ids, lane).await;
                for (place, id) in chunk.iter().zip(&ids) {
                    outcomes[*place] = Some(match &changed {
                        Ok(missing) if missing.iter().any(|gone| gone == id) => {
                            Outcome::Refused { message: "the list knows no such record".to_owned() }
                        }
                        Ok(_) => Outcome::Done(Done { made: None, at: self.api.crm_now() }),
                        Err(failure) => failure.clone().writing(),
                    });
                }
            }
        }
    }

    /// The present values of the records that a look is needed for.
    async fn before(&self, writes: &[Addressed], wave: &[usize], lane: Lane) -> Result<HashMap<String, Seen>, Failure> {
        let ids: Vec<&str> = wave
            .iter()
            .filter(|place| needs_look(&writes[**place].write.effect))
            .filter_map(|place| Some(writes[*place].record.as_ref()?.id.as_str()))
            .collect();
        let mut seen = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(LIST) {
            let response = self.batch_read(Type::Contacts, chunk, false, lane).await?;
            let decoded = wire::page(&response.body).map_err(Failure::Malformed)?;
            for id in chunk {
                if let Some(record) = decoded.records.iter().find(|record| record.was(id)) {
                    seen.insert((*id).to_owned(), Seen::of(record));
                } else if decoded.errors.iter().any(|error| error.names(id)) {
                    seen.insert((*id).to_owned(), Seen::Gone);
                } else {
                    return Err(Failure::Malformed("results: a record is neither there nor missing".to_owned()));
                }
            }
        }
        Ok(seen)
    }

    /// What an effect asks for, given what the record says now.
    fn wanted(&self, effect: &Effect, found: Option<&HashMap<String, String>>) -> Wanted {
        let value = |name: &str| found.and_then(|values| values.get(name)).map_or("", String::as_str);
        match effect {
            Effect::SetOwner { owner, expected } => {
                let present = value(OWNER);
                if present == owner.as_str() {
                    Wanted::Nothing
                } else if present != expected.as_ref().map_or("", RemoteId::as_str) {
                    let whose = if present.is_empty() { "nobody".to_owned() } else { format!("owner {present}") };
                    Wanted::Superseded(whose)
                } else {
                    Wanted::Set(vec![(OWNER.to_owned(), owner.as_str().to_owned())])
                }
            }
            Effect::SetStage { stage, is_backward } => {
                let values = self.maps.entering(*stage).to_vec();
                if values.is_empty() {
                    return Wanted::Refused(format!("no value is mapped to write {stage}"));
                }
                if values.iter().all(|(name, wanted)| value(name) == wanted) {
                    return Wanted::Nothing;
                }
                // The lifecycle goes back only through empty. Source: section 10.2.
                let clear: Vec<String> = values
                    .iter()
                    .filter(|(name, wanted)| {
                        map::is_lifecycle(name) && value(name) != wanted && !value(name).is_empty()
                    })
                    .map(|(name, _)| name.clone())
                    .collect();
                if *is_backward && values.iter().any(|(name, _)| map::is_lifecycle(name)) {
                    Wanted::Back { values, clear }
                } else {
                    Wanted::Set(values)
                }
            }
            Effect::SetScore(points) => {
                let of = |part: ScorePart| match part {
                    ScorePart::Fit => points.fit.to_string(),
                    ScorePart::Intent => points.intent.to_string(),
                    ScorePart::Engagement => points.engagement.to_string(),
                    ScorePart::Grade => points.grade.to_string(),
                };
                let parts = self.settings.score_properties.iter();
                let values: Values = parts.map(|(part, name)| (name.clone(), of(*part))).collect();
                if values.is_empty() {
                    Wanted::Refused("no property is mapped for the score".to_owned())
                } else {
                    Wanted::Set(values)
                }
            }
            Effect::Reject(reason) => {
                let values = self.maps.rejecting(reason);
                if values.iter().all(|(name, wanted)| value(name) == wanted) {
                    Wanted::Nothing
                } else {
                    Wanted::Set(values)
                }
            }
            Effect::JoinTrack(track) => {
                let property = self.maps.person_fields.iter().find(|(field, _)| *field == Field::OptedOut);
                if property.is_some_and(|(_, name)| value(name).eq_ignore_ascii_case("true")) {
                    return Wanted::Refused("the person has unsubscribed from all e-mail: on no list".to_owned());
                }
                Wanted::List(track.clone(), true)
            }
            Effect::LeaveTrack(track) => Wanted::List(track.clone(), false),
            Effect::AddTask { .. } | Effect::AddNote { .. } => Wanted::Make,
            Effect::Create { .. } => Wanted::Refused("a record that exists is not created".to_owned()),
        }
    }

    /// A batch update. A batch that is refused as a whole is halved until the row that spoils it stands alone.
    async fn update(&self, updates: &[Update], lane: Lane) -> Vec<(usize, Outcome)> {
        let mut outcomes = Vec::with_capacity(updates.len());
        let mut queue: Vec<&[Update]> = vec![updates];
        while let Some(part) = queue.pop() {
            match part {
                [] => {}
                [one] => outcomes.push((one.place, self.update_one(one, lane).await)),
                many => match self.update_many(many, lane).await {
                    Ok(settled) => outcomes.extend(settled),
                    Err(Failure::Refused(_) | Failure::Conflict(..) | Failure::NotFound(_)) => {
                        let (first, second) = many.split_at(many.len() / 2);
                        queue.push(second);
                        queue.push(first);
                    }
                    Err(failure) => {
                        let outcome = failure.writing();
                        outcomes.extend(many.iter().map(|update| (update.place, outcome.clone())));
                    }
                },
            }
        }
        // A merged id is left out of a batch without a word, and works alone. Source: section 5.
        for (place, outcome) in &mut outcomes {
            if matches!(outcome, Outcome::Refused { message } if message == LEFT_OUT)
                && let Some(update) = updates.iter().find(|update| update.place == *place)
            {
                *outcome = self.update_one(update, lane).await;
            }
        }
        outcomes
    }

    async fn update_many(&self, updates: &[Update], lane: Lane) -> Result<Vec<(usize, Outcome)>, Failure> {
        #[derive(Serialize)]
        struct Body<'a> {
            inputs: Vec<Input<'a>>,
        }
        #[derive(Serialize)]
        struct Input<'a> {
            id: &'a str,
            #[serde(rename = "objectWriteTraceId")]
            trace: &'a str,
            properties: HashMap<&'a str, &'a str>,
        }
        let inputs = updates
            .iter()
            .map(|update| Input { id: &update.id, trace: &update.trace, properties: as_map(&update.values) })
            .collect();
        let path = ["crm", "objects", self.api.version(), "contacts", "batch", "update"];
        let request = self.api.request(Method::Post, &path, Some(&Body { inputs }))?;
        let response = self.api.write(lane, request).await?;
        let at = answer::date(&response);
        let decoded = wire::page(&response.body).map_err(Failure::Malformed)?;
        Ok(updates
            .iter()
            .map(|update| {
                let row = decoded.records.iter().find(|record| record.id.as_str() == update.id);
                let error = decoded.errors.iter().find(|error| error.names(&update.trace) || error.names(&update.id));
                let outcome = match (row, error) {
                    (_, Some(error)) => Outcome::Refused { message: row_words(error) },
                    (Some(record), None) => compared(record, &update.values, at),
                    (None, None) => Outcome::Refused { message: LEFT_OUT.to_owned() },
                };
                (update.place, outcome)
            })
            .collect())
    }

    async fn update_one(&self, update: &Update, lane: Lane) -> Outcome {
        self.patch(&update.id, &update.values, lane).await
    }

    async fn patch(&self, id: &str, values: &Values, lane: Lane) -> Outcome {
        #[derive(Serialize)]
        struct Body<'a> {
            properties: HashMap<&'a str, &'a str>,
        }
        let path = ["crm", "objects", self.api.version(), "contacts", id];
        let body = Body { properties: as_map(values) };
        let response = match self.api.request(Method::Patch, &path, Some(&body)) {
            Ok(request) => self.api.write(lane, request).await,
            Err(failure) => Err(failure),
        };
        match response {
            Err(failure) => failure.writing(),
            Ok(response) => match wire::whole::<Record<'_>>(&response.body) {
                Ok(record) => compared(&record, values, answer::date(&response)),
                Err(at) => Failure::Malformed(at).writing(),
            },
        }
    }

    /// Clears and sets in two requests. After a crash between them the look finds the value empty, and only the second is left.
    async fn move_back(&self, of: &RecordRef, values: &Values, clear: &[String], lane: Lane) -> Outcome {
        if !clear.is_empty() {
            let empty: Values = clear.iter().map(|name| (name.clone(), String::new())).collect();
            match self.patch(of.id.as_str(), &empty, lane).await {
                Outcome::Done(_) => {}
                other => return other,
            }
        }
        match self.patch(of.id.as_str(), values, lane).await {
            // It was cleared before, so nothing but a repetition may follow.
            Outcome::Superseded { found } => Outcome::Unknown { message: format!("cleared, then found {found}") },
            other => other,
        }
    }

    /// A task or a note on the contact, unless an earlier try made it.
    async fn make(&self, write: &Addressed, of: &RecordRef, lane: Lane) -> Outcome {
        if write.attempt > 1 {
            match self.marked(write, of).await {
                Ok(Some(done)) => return Outcome::Done(done),
                Ok(None) => {}
                Err(failure) => {
                    return match failure.writing() {
                        Outcome::Unknown { message } => Outcome::Again { after: None, counts: true, message },
                        other => other,
                    };
                }
            }
        }
        let (object, request) = match self.making(write, of) {
            Ok(made) => made,
            Err(failure) => return failure.writing(),
        };
        match self.api.write(lane, request).await {
            Err(failure) => failure.writing(),
            Ok(response) => match wire::whole::<Record<'_>>(&response.body) {
                Ok(record) => Outcome::Done(self.made(object, &record)),
                Err(at) => Failure::Malformed(at).writing(),
            },
        }
    }

    fn making(&self, write: &Addressed, of: &RecordRef) -> Result<(Object, Request), Failure> {
        #[derive(Serialize)]
        struct Body<'a> {
            properties: HashMap<&'static str, String>,
            associations: [Association<'a>; 1],
        }
        #[derive(Serialize)]
        struct Association<'a> {
            to: Id<'a>,
            types: [Kind; 1],
        }
        #[derive(Serialize)]
        struct Kind {
            #[serde(rename = "associationCategory")]
            category: &'static str,
            #[serde(rename = "associationTypeId")]
            id: u32,
        }
        let marker = marker(write.write.op);
        let (object, name, type_id, properties) = match &write.write.effect {
            Effect::AddTask { title, body, due_at, owner } => {
                let mut properties = HashMap::from([
                    ("hs_timestamp", due_at.to_string()),
                    ("hs_task_subject", title.clone()),
                    ("hs_task_body", format!("{}\n{marker}", plain(body))),
                    ("hs_task_status", "NOT_STARTED".to_owned()),
                    ("hs_task_priority", "HIGH".to_owned()),
                    ("hs_task_type", "TODO".to_owned()),
                ]);
                properties.extend(owner.as_ref().map(|owner| (OWNER, owner.as_str().to_owned())));
                (Object::Task, "tasks", TASK_TO_CONTACT, properties)
            }
            Effect::AddNote { body } => {
                let at = self.api.crm_now().unwrap_or(Timestamp::UNIX_EPOCH);
                let properties = HashMap::from([
                    ("hs_timestamp", at.to_string()),
                    ("hs_note_body", format!("{}\n{marker}", plain(body))),
                ]);
                (Object::Note, "notes", NOTE_TO_CONTACT, properties)
            }
            other => return Err(Failure::Refused(format!("{} is not made on a record", other.as_str()))),
        };
        let kind = Kind { category: "HUBSPOT_DEFINED", id: type_id };
        let body = Body { properties, associations: [Association { to: Id { id: of.id.as_str() }, types: [kind] }] };
        let path = ["crm", "objects", self.api.version(), name];
        Ok((object, self.api.request(Method::Post, &path, Some(&body))?))
    }

    fn made(&self, object: Object, record: &Record<'_>) -> Done {
        Done {
            made: Some(RecordRef::new(&self.settings.id, object, record.id.as_str())),
            at: record.created_at.as_ref().and_then(|text| map::instant(text.as_str())).or(self.api.crm_now()),
        }
    }

    /// Looks through the contact's tasks or notes for the mark of the operation, newest first.
    async fn marked(&self, write: &Addressed, of: &RecordRef) -> Result<Option<Done>, Failure> {
        let (object, name, property) = match &write.write.effect {
            Effect::AddTask { .. } => (Object::Task, "tasks", "hs_task_body"),
            Effect::AddNote { .. } => (Object::Note, "notes", "hs_note_body"),
            _ => return Ok(None),
        };
        let mut ids: Vec<String> = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let path = ["crm", "objects", self.api.version(), "contacts", of.id.as_str(), "associations", name];
            let mut request = self.api.get(&path).query("limit", "500");
            if let Some(after) = &after {
                request = request.query("after", after);
            }
            let response = self.api.read(Budget::Burst, Lane::Alert, request).await?;
            let found: AssociatedObjects<'_> = wire::whole(&response.body).map_err(Failure::Malformed)?;
            ids.extend(found.results.iter().map(|to| to.to_object_id.as_str().to_owned()));
            let next = found.after();
            if next.is_none() || next == after {
                break;
            }
            after = next;
        }
        ids.sort_by_key(|id| std::cmp::Reverse(id.parse::<u64>().unwrap_or(0)));
        ids.dedup();
        let marker = marker(write.write.op);
        let properties = [property.to_owned()];
        for chunk in ids.chunks(LIST) {
            let body = BatchRead {
                properties: &properties,
                with_history: &[],
                id_property: None,
                inputs: chunk.iter().map(|id| Id { id }).collect(),
            };
            let path = ["crm", "objects", self.api.version(), name, "batch", "read"];
            let request = self.api.request(Method::Post, &path, Some(&body))?;
            let response = self.api.read(Budget::Burst, Lane::Alert, request).await?;
            let decoded = wire::page(&response.body).map_err(Failure::Malformed)?;
            let is_marked = |record: &&Record<'_>| record.value(property).is_some_and(|body| body.contains(&marker));
            if let Some(record) = decoded.records.iter().find(is_marked) {
                return Ok(Some(self.made(object, record)));
            }
        }
        Ok(None)
    }

    /// A contact. Its address is unique in HubSpot, so a second one is refused and the first is taken. Source: section 9 (f).
    async fn create(&self, write: &Addressed, lane: Lane) -> Outcome {
        #[derive(Serialize)]
        struct Body<'a> {
            properties: HashMap<&'a str, String>,
        }
        let Effect::Create { values, owner, .. } = &write.write.effect else {
            return Outcome::Refused { message: "the lead has no record on this connection".to_owned() };
        };
        if !values.iter().any(|(field, _)| *field == Field::Email) {
            return Outcome::Refused { message: "a contact without an e-mail address could be made twice".to_owned() };
        }
        let mut properties: HashMap<&str, String> = HashMap::new();
        for (field, value) in values {
            let property = self.maps.person_fields.iter().find(|(known, _)| known == field);
            if let Some((_, name)) = property.filter(|_| *field != Field::OptedOut && *field != Field::Source) {
                properties.insert(name, text_of(value));
            }
        }
        if let Some(name) = &self.maps.key_property {
            properties.insert(name, write.write.lead.to_string());
        }
        if let Some(owner) = owner {
            properties.insert(OWNER, owner.as_str().to_owned());
        }
        let path = ["crm", "objects", self.api.version(), "contacts"];
        let response = match self.api.request(Method::Post, &path, Some(&Body { properties })) {
            Ok(request) => self.api.write(lane, request).await,
            Err(failure) => Err(failure),
        };
        match response {
            Ok(response) => match wire::whole::<Record<'_>>(&response.body) {
                Ok(record) => Outcome::Done(self.made(Object::Person, &record)),
                Err(at) => Failure::Malformed(at).writing(),
            },
            Err(Failure::Conflict(Some(id), _)) => {
                let made = Some(RecordRef::new(&self.settings.id, Object::Person, id.as_str()));
                let at = self.api.crm_now();
                let Some(owner) = owner else { return Outcome::Done(Done { made, at }) };
                match self.patch(&id, &vec![(OWNER.to_owned(), owner.as_str().to_owned())], lane).await {
                    Outcome::Done(_) => Outcome::Done(Done { made, at }),
                    other => other,
                }
            }
            Err(failure) => failure.writing(),
        }
    }

    /// Adds to or removes from a track's list; answers with the ids that it does not know. Repeating it changes nothing.
    async fn members(&self, track: &Name, joins: bool, ids: &[&str], lane: Lane) -> Result<Vec<String>, Failure> {
        let list = self.list(track, lane).await?;
        let verb = if joins { "add" } else { "remove" };
        let path = ["crm", "lists", self.api.version(), list.as_str(), "memberships", verb];
        let request = self.api.request(Method::Put, &path, Some(ids))?;
        let response = match self.api.write(lane, request).await {
            Err(Failure::NotFound(message)) => {
                // Deleted, and perhaps made anew under its name: look for it the next time.
                self.lists.lock().unwrap_or_else(PoisonError::into_inner).remove(track.as_str());
                return Err(Failure::Refused(message));
            }
            other => other?,
        };
        if response.body.is_empty() {
            return Ok(Vec::new());
        }
        let changed: Membership<'_> = wire::whole(&response.body).map_err(Failure::Malformed)?;
        Ok(changed.record_ids_missing.into_iter().map(|id| id.0.into_owned()).collect())
    }

    async fn list(&self, track: &Name, lane: Lane) -> Result<String, Failure> {
        let known = self.lists.lock().unwrap_or_else(PoisonError::into_inner).get(track.as_str()).cloned();
        if let Some(id) = known {
            return Ok(id);
        }
        let name = self.settings.tracks.iter().find(|(known, _)| known == track).map(|(_, list)| list.as_str());
        let Some(name) = name else {
            return Err(Failure::Refused(format!(
                "track {track} has no list; add {track} = {{ list = \"...\" }} in [connections.{}.tracks]",
                self.settings.id
            )));
        };
        let id = self.list_by_name(name, lane).await?;
        self.lists.lock().unwrap_or_else(PoisonError::into_inner).insert(track.as_str().to_owned(), id.clone());
        Ok(id)
    }

    /// The id of a list that people can be put on by hand. Source: section 10.5.
    pub(super) async fn list_by_name(&self, name: &str, lane: Lane) -> Result<String, Failure> {
        let path = ["crm", "lists", self.api.version(), "object-type-id", "0-1", "name", name];
        let response = match self.api.read(Budget::Burst, lane, self.api.get(&path)).await {
            Err(Failure::NotFound(_)) => {
                return Err(Failure::Refused(format!("there is no contact list named \"{name}\"; make a static one")));
            }
            other => other?,
        };
        let found: ListFound<'_> = wire::whole(&response.body).map_err(Failure::Malformed)?;
        match found.list.processing_type.as_ref().map(wire::Text::as_str) {
            Some("MANUAL" | "SNAPSHOT") | None => Ok(found.list.list_id.0.into_owned()),
            Some(other) => Err(Failure::Refused(format!(
                "list \"{name}\" is {other}: HubSpot fills it itself; name a static list for the track"
            ))),
        }
    }

    /// Did the write take effect? By id and association only.
    pub(super) async fn find(&self, write: &Addressed) -> Result<Option<Done>, Failure> {
        let Some(of) = &write.record else { return self.find_created(write).await };
        match &write.write.effect {
            Effect::AddTask { .. } | Effect::AddNote { .. } => self.marked(write, of).await,
            // Repeating these changes nothing, so they need no proof.
            Effect::JoinTrack(_) | Effect::LeaveTrack(_) => Ok(None),
            Effect::Create { .. } => self.find_created(write).await,
            effect @ (Effect::SetOwner { .. } | Effect::SetStage { .. } | Effect::SetScore(_) | Effect::Reject(_)) => {
                let mut names = self.maps.properties(Type::Contacts).to_vec();
                names.extend(self.settings.score_properties.iter().map(|(_, name)| name.clone()));
                let body = BatchRead {
                    properties: &names,
                    with_history: &[],
                    id_property: None,
                    inputs: vec![Id { id: of.id.as_str() }],
                };
                let path = ["crm", "objects", self.api.version(), "contacts", "batch", "read"];
                let request = self.api.request(Method::Post, &path, Some(&body))?;
                let response = self.api.read(Budget::Burst, Lane::Assign, request).await?;
                let decoded = wire::page(&response.body).map_err(Failure::Malformed)?;
                let Some(record) = decoded.records.iter().find(|record| record.was(of.id.as_str())) else {
                    return Ok(None);
                };
                let seen = Seen::of(record);
                let is_there = match self.wanted(effect, seen.values()) {
                    Wanted::Nothing => true,
                    Wanted::Set(values) => {
                        values.iter().all(|(name, wanted)| record.value(name).unwrap_or("") == wanted)
                    }
                    _ => false,
                };
                Ok(is_there.then(|| Done { made: None, at: map::modified(Type::Contacts, record) }))
            }
        }
    }

    async fn find_created(&self, write: &Addressed) -> Result<Option<Done>, Failure> {
        let Effect::Create { values, .. } = &write.write.effect else { return Ok(None) };
        let Some((_, email)) = values.iter().find(|(field, _)| *field == Field::Email) else { return Ok(None) };
        let email = text_of(email);
        let properties = ["email".to_owned()];
        let inputs = vec![Id { id: &email }];
        let body = BatchRead { properties: &properties, with_history: &[], id_property: Some("email"), inputs };
        let path = ["crm", "objects", self.api.version(), "contacts", "batch", "read"];
        let request = self.api.request(Method::Post, &path, Some(&body))?;
        let response = self.api.read(Budget::Burst, Lane::Assign, request).await?;
        let decoded = wire::page(&response.body).map_err(Failure::Malformed)?;
        Ok(decoded.records.first().map(|record| self.made(Object::Person, record)))
    }

    /// Once: the history of a value that Baton has just written names the app that its credentials belong to. The sheet knows no
    /// call that says it.
    async fn learn_own_app(&self, updates: &[Update], outcomes: &[Option<Outcome>]) {
        if self.own_app().is_some() {
            return;
        }
        let is_done = |update: &&Update| matches!(outcomes[update.place], Some(Outcome::Done(_)));
        let written = updates.iter().filter(is_done).find_map(|update| {
            let known = update.values.iter().find(|(name, _)| self.maps.history.contains(name))?;
            Some((update, known))
        });
        let Some((update, (name, value))) = written else { return };
        let Ok(response) = self.batch_read(Type::Contacts, &[&update.id], true, Lane::Read).await else { return };
        let Ok(decoded) = wire::page(&response.body) else { return };
        let entries = decoded.records.first().and_then(|record| record.properties_with_history.get(name));
        let entries: Vec<_> = entries.into_iter().flatten().collect();
        let at = |entry: &wire::Entry<'_>| map::instant(entry.timestamp.as_str());
        let newest = entries.iter().filter_map(|entry| at(entry)).max();
        let is_app = |text: &Option<wire::Text<'_>>| text.as_ref().is_some_and(|text| text.as_str() == "INTEGRATION");
        let is_ours =
            |entry: &&&wire::Entry<'_>| at(entry) == newest && entry.value() == value && is_app(&entry.source_type);
        let Some(entry) = entries.iter().find(is_ours) else { return };
        if let Some(id) = entry.source_id.as_ref().map(wire::Text::as_str).filter(|id| !id.is_empty()) {
            *self.own_app.write().unwrap_or_else(PoisonError::into_inner) = Some(id.to_owned());
        }
    }
}

/// The row was in neither part of a batch's answer.
const LEFT_OUT: &str = "the batch left the record out";

/// What a look showed.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Gone,
    There(HashMap<String, String>),
}

impl Seen {
    fn of(record: &Record<'_>) -> Self {
        if record.archived == Some(true) {
            return Self::Gone;
        }
        let set = record.properties.0.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        Self::There(set.map(|(name, value)| (name.clone().into_owned(), value.as_str().to_owned())).collect())
    }

    fn values(&self) -> Option<&HashMap<String, String>> {
        match self {
            Self::Gone => None,
            Self::There(values) => Some(values),
        }
    }
}

/// What is to be done for an effect.
enum Wanted {
    Nothing,
    Superseded(String),
    Refused(String),
    Set(Values),
    Back { values: Values, clear: Vec<String> },
    Make,
    List(Name, bool),
}

fn needs_look(effect: &Effect) -> bool {
    match effect {
        Effect::SetOwner { .. } | Effect::SetStage { .. } | Effect::Reject(_) | Effect::JoinTrack(_) => true,
        Effect::SetScore(_)
        | Effect::LeaveTrack(_)
        | Effect::AddTask { .. }
        | Effect::AddNote { .. }
        | Effect::Create { .. } => false,
    }
}

/// A 2xx is no proof: a lifecycle set backward is dropped with one. Source: section 10.2.
fn compared(record: &Record<'_>, values: &Values, at: Option<Timestamp>) -> Outcome {
    let differs = values.iter().find(|(name, wanted)| {
        // An answer that does not show the property says nothing against it.
        record.properties.get(name).is_some() && !is_same(record.value(name).unwrap_or(""), wanted)
    });
    match differs {
        Some((name, _)) => {
            Outcome::Superseded { found: format!("{name} = {}", record.value(name).unwrap_or("nothing")) }
        }
        None => {
            let at = record.updated_at.as_ref().and_then(|text| map::instant(text.as_str())).or(at);
            Outcome::Done(Done { made: None, at })
        }
    }
}

/// Numbers may come back in another form.
fn is_same(found: &str, wanted: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok().map(f64::to_bits);
    found == wanted || (number(found).is_some() && number(found) == number(wanted))
}

fn as_map(values: &Values) -> HashMap<&str, &str> {
    values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn marker(op: OperationId) -> String {
    format!("[baton {op}]")
}

/// Text for a body that HubSpot shows as HTML: values stay values.
fn plain(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    escaped.chars().take(BODY_CHARS_MAX).collect()
}

fn text_of(value: &Value) -> String {
    value.to_string()
}

fn lane(lane: plan::Lane) -> Lane {
    match lane {
        plan::Lane::Alert => Lane::Alert,
        plan::Lane::Assign => Lane::Assign,
        plan::Lane::Recycle => Lane::Recycle,
        plan::Lane::Score => Lane::Score,
    }
}
