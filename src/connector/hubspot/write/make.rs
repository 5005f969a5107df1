//! Makes tasks and notes on contacts: a hundred in one request, each with the mark of its operation. Source: sections 6, 10.3, 10.4.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use super::mark::mark;
use super::{Push, is_final};
use crate::connector::hubspot::HubSpot;
use crate::connector::hubspot::answer::{Failure, row_words};
use crate::connector::hubspot::map;
use crate::connector::hubspot::settings::OWNER;
use crate::connector::hubspot::streams::LIST;
use crate::connector::hubspot::wire::{self, Decoded, Record};
use crate::connector::{Addressed, Done, Outcome};
use crate::domain::id::{Object, OperationId, RecordRef};
use crate::domain::plan::Effect;
use crate::http::Method;
use crate::http::limiter::Lane;

/// Source: section 3, `hs_note_body`; room is left for the mark.
const BODY_CHARS_MAX: usize = 60_000;

/// What is made on a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Task,
    Note,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Task, Self::Note];

    pub(super) fn of(effect: &Effect) -> Option<Self> {
        match effect {
            Effect::AddTask { .. } => Some(Self::Task),
            Effect::AddNote { .. } => Some(Self::Note),
            _ => None,
        }
    }

    /// The name in paths.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Task => "tasks",
            Self::Note => "notes",
        }
    }

    pub(super) fn object(self) -> Object {
        match self {
            Self::Task => Object::Task,
            Self::Note => Object::Note,
        }
    }

    /// The property that carries the mark.
    pub(super) fn body(self) -> &'static str {
        match self {
            Self::Task => "hs_task_body",
            Self::Note => "hs_note_body",
        }
    }

    /// The association type to a contact. Source: section 7.
    fn to_contact(self) -> u32 {
        match self {
            Self::Task => 204,
            Self::Note => 202,
        }
    }
}

/// One input of a batch.
#[derive(Clone, Debug, Serialize)]
struct Input {
    #[serde(skip)]
    place: usize,
    #[serde(skip)]
    op: OperationId,
    /// Without one for every input, one bad row fails them all. Source: section 6.
    #[serde(rename = "objectWriteTraceId")]
    trace: String,
    properties: HashMap<&'static str, String>,
    associations: [Association; 1],
}

#[derive(Clone, Debug, Serialize)]
struct Association {
    to: To,
    types: [AssociationKind; 1],
}

#[derive(Clone, Debug, Serialize)]
struct To {
    id: String,
}

#[derive(Clone, Debug, Serialize)]
struct AssociationKind {
    #[serde(rename = "associationCategory")]
    category: &'static str,
    #[serde(rename = "associationTypeId")]
    id: u32,
}

impl Push<'_> {
    /// Makes what earlier tries have not made.
    pub(super) async fn make(&mut self, places: &[usize], lane: Lane) {
        for kind in Kind::ALL {
            let is_kind = |place: &usize| Kind::of(&self.writes[*place].write.effect) == Some(kind);
            let places: Vec<usize> = places.iter().copied().filter(is_kind).collect();
            let left = self.unmade(kind, places, lane).await;
            if self.keep(&left).await.is_err() {
                continue;
            }
            let inputs: Vec<Input> = left.into_iter().filter_map(|place| self.input(kind, place)).collect();
            self.make_many(kind, &inputs, lane).await;
        }
    }

    /// What of `places` is still to be made: a first try, or one whose earlier tries made nothing and cannot any more.
    async fn unmade(&mut self, kind: Kind, places: Vec<usize>, lane: Lane) -> Vec<usize> {
        let (again, mut left): (Vec<usize>, Vec<usize>) =
            places.into_iter().partition(|place| self.writes[*place].attempt > 1);
        if again.is_empty() {
            return left;
        }
        let writes: Vec<&Addressed> = again.iter().map(|place| &self.writes[*place]).collect();
        let found = match self.hub.marked(kind, &writes, lane).await {
            Ok(found) => found,
            Err(failure) => {
                self.fail_unsent(again, failure);
                return left;
            }
        };
        for place in again {
            let op = self.writes[place].write.op;
            match (found.get(&op), self.hub.doubts.rest(op)) {
                (Some(done), _) => self.settle(place, Outcome::Done(done.clone())),
                (None, None) => left.push(place),
                (None, Some(rest)) => {
                    let message = "an earlier request, not answered, may still make it".to_owned();
                    self.settle(place, Outcome::Again { after: Some(rest), counts: false, message });
                }
            }
        }
        left.sort_unstable();
        left
    }

    fn input(&self, kind: Kind, place: usize) -> Option<Input> {
        let write = &self.writes[place];
        let properties = self.hub.properties_of(write)?;
        let types = [AssociationKind { category: "HUBSPOT_DEFINED", id: kind.to_contact() }];
        let to = To { id: write.record.as_ref()?.id.as_str().to_owned() };
        let op = write.write.op;
        Some(Input { place, op, trace: op.to_string(), properties, associations: [Association { to, types }] })
    }

    /// Batch creates. A batch that is refused as a whole made nothing, and is halved until the row that spoils it stands alone;
    /// a batch that was not answered is never repeated as one: each of its rows is looked for by its mark.
    async fn make_many(&mut self, kind: Kind, inputs: &[Input], lane: Lane) {
        let mut queue: Vec<&[Input]> = inputs.chunks(LIST).rev().collect();
        while let Some(part) = queue.pop() {
            if self.halts(part.iter().map(|input| input.place)) {
                continue;
            }
            let sent_at = Instant::now();
            match self.hub.create_batch(kind, part, lane).await {
                Ok(outcomes) => {
                    for (input, outcome) in part.iter().zip(outcomes) {
                        self.settle(input.place, outcome);
                    }
                }
                // A conflict may stand for a row that was made before, so it is looked at and not repeated.
                Err(Failure::Conflict(_, message)) => {
                    self.settle_all(part.iter().map(|input| input.place), &Outcome::Unknown { message });
                }
                Err(failure) if failure.is_refusal() && part.len() > 1 => {
                    let (first, second) = part.split_at(part.len() / 2);
                    queue.extend([second, first]);
                }
                Err(failure) => {
                    if failure.may_still_come() {
                        self.hub.doubts.note(part.iter().map(|input| input.op), sent_at);
                    }
                    self.fail(part.iter().map(|input| input.place), failure);
                }
            }
        }
    }
}

impl HubSpot {
    fn properties_of(&self, write: &Addressed) -> Option<HashMap<&'static str, String>> {
        let mark = mark(write.write.op);
        match &write.write.effect {
            Effect::AddTask { title, body, due_at, owner } => {
                let mut properties = HashMap::from([
                    ("hs_timestamp", due_at.to_string()),
                    ("hs_task_subject", title.clone()),
                    (Kind::Task.body(), format!("{}\n{mark}", plain(body))),
                    ("hs_task_status", "NOT_STARTED".to_owned()),
                    ("hs_task_priority", "HIGH".to_owned()),
                    ("hs_task_type", "TODO".to_owned()),
                ]);
                properties.extend(owner.as_ref().map(|owner| (OWNER, owner.as_str().to_owned())));
                Some(properties)
            }
            Effect::AddNote { body } => {
                let at = self.api.crm_now().unwrap_or(Timestamp::UNIX_EPOCH);
                Some(HashMap::from([
                    ("hs_timestamp", at.to_string()),
                    (Kind::Note.body(), format!("{}\n{mark}", plain(body))),
                ]))
            }
            _ => None,
        }
    }

    /// One outcome for each of `inputs`, in their order.
    async fn create_batch(&self, kind: Kind, inputs: &[Input], lane: Lane) -> Result<Vec<Outcome>, Failure> {
        #[derive(Serialize)]
        struct Body<'a> {
            inputs: &'a [Input],
        }
        let path = ["crm", "objects", self.api.version(), kind.as_str(), "batch", "create"];
        let request = self.api.request(Method::Post, &path, Some(&Body { inputs }))?;
        let response = self.api.write(lane, request).await?;
        let decoded = wire::page(&response.body).map_err(Failure::Malformed)?;
        let answered = inputs.iter().map(|input| match row(kind, input.op, &decoded) {
            Row::Made(record) => Outcome::Done(self.made(kind.object(), record)),
            Row::Refused(message) => Outcome::Refused { message },
            Row::Open(message) => Outcome::Unknown { message },
        });
        Ok(answered.collect())
    }

    /// The receipt of a record that was made.
    pub(super) fn made(&self, object: Object, record: &Record<'_>) -> Done {
        Done {
            made: Some(RecordRef::new(&self.settings.id, object, record.id.as_str())),
            at: record.created_at.as_ref().and_then(|text| map::instant(text.as_str())).or(self.api.crm_now()),
            was: Vec::new(),
        }
    }
}

/// What a batch's answer says of one of its rows.
#[derive(Debug)]
enum Row<'a> {
    Made(&'a Record<'a>),
    Refused(String),
    Open(String),
}

/// Finds the row of `op`: by its trace, else by the mark in its body, never by its place in the answer.
fn row<'a>(kind: Kind, op: OperationId, answer: &'a Decoded<'a>) -> Row<'a> {
    let (trace, mark) = (op.to_string(), mark(op));
    let is_made = |record: &&Record<'_>| match &record.trace {
        Some(found) => found.as_str() == trace,
        None => record.value(kind.body()).is_some_and(|body| body.contains(&mark)),
    };
    if let Some(record) = answer.records.iter().find(is_made) {
        return Row::Made(record);
    }
    match answer.errors.iter().find(|error| error.names(&trace)) {
        Some(error) if is_final(error) => Row::Refused(row_words(error)),
        Some(error) => Row::Open(row_words(error)),
        None => Row::Open("the batch left the record out".to_owned()),
    }
}

/// Text for a body that HubSpot shows as HTML: values stay values, lines stay lines, and nothing is cut in its middle.
fn plain(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 64);
    let mut length = 0;
    for letter in text.chars() {
        let mut one = [0; 4];
        let shown: &str = match letter {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '\n' => "<br>",
            other => other.encode_utf8(&mut one),
        };
        length += shown.chars().count();
        if length > BODY_CHARS_MAX {
            break;
        }
        html.push_str(shown);
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text_line_by_line_and_is_cut_between_its_signs() {
        assert_eq!(plain("a <b>&\nc"), "a &lt;b&gt;&amp;<br>c");
        let long = plain(&"&".repeat(BODY_CHARS_MAX));
        assert!(long.chars().count() <= BODY_CHARS_MAX && long.ends_with("&amp;"), "{}", long.len());
    }

    #[test]
    fn a_row_is_known_by_its_trace_or_its_mark_and_never_by_its_place_fault_60() {
        let ops: Vec<OperationId> =
            ["traced", "marked", "refused", "busy", "lost"].iter().map(|one| OperationId::of(&[one])).collect();
        let [traced, marked, refused, busy, lost] = ops[..] else { panic!() };
        let body = format!(
            r#"{{"results":[
                {{"id":"9","properties":{{"hs_task_body":"<p>due</p> [baton {marked}]"}}}},
                {{"id":"8","properties":{{"hs_task_subject":"x"}},"objectWriteTraceId":"{traced}"}},
                {{"id":"7","properties":{{"hs_task_subject":"x"}}}}],
              "errors":[
                {{"category":"VALIDATION_ERROR","message":"bad","context":{{"objectWriteTraceId":["{refused}"]}}}},
                {{"category":"INTERNAL_ERROR","message":"busy","context":{{"objectWriteTraceId":"{busy}"}}}}]}}"#
        );
        let answer = wire::page(body.as_bytes()).unwrap();
        let made = |op: OperationId| match row(Kind::Task, op, &answer) {
            Row::Made(record) => record.id.as_str().to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!((made(traced).as_str(), made(marked).as_str()), ("8", "9"));
        assert!(matches!(row(Kind::Task, refused, &answer), Row::Refused(words) if words == "VALIDATION_ERROR: “bad”"));
        assert!(matches!(row(Kind::Task, busy, &answer), Row::Open(_)), "not final, so it is looked for");
        assert!(matches!(row(Kind::Task, lost, &answer), Row::Open(_)), "not named, so it is looked for");
    }
}
