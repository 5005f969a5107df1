//! Messages that reach a lead, or are its answer: what counts as a touch, and what only looks like one.
//!
//! A done activity leaves two traces: the archived `mail.activity`, which knows only the day and moves when edited, and a
//! message with the activity's type, the person who did it and the second. The message is the evidence; the activity only
//! answers "has the task been done". So nothing counts twice.

use super::super::catalogue::{Catalogue, ODOOBOT};
use super::super::wire::Row;
use super::{Sent, observation, person};
use crate::domain::id::{ConnectionId, Name, Object, RecordRef, RemoteId};
use crate::domain::observation::{Content, Observation};
use crate::domain::touch::{Channel, Genuine, NotGenuine, Touch};

/// A message, if it is a way to reach a lead or to be reached by one; notes, logs and tracking are none.
pub(in crate::connector::odoo) fn message(
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
    let person = person(connection, row.integer("res_id")?);
    let Some(at) = row.time("date") else {
        let why = Content::Undecodable(Name::from("date is no datetime"));
        return Some(observation(connection, object, row, why, Vec::new()));
    };
    let touch = Touch {
        of: of.clone(),
        person,
        channel,
        at,
        by: author_of(row, catalogue).map(|user| RemoteId::from(user.to_string())),
        genuine,
    };
    Some(observation(connection, object, row, Content::Touch(vec![touch]), Vec::new()))
}

/// Could this message be an e-mail to the lead? Then its notifications say to whom it went and what became of it.
pub(in crate::connector::odoo) fn wants_recipients(row: &Row, catalogue: &Catalogue) -> bool {
    row.link("mail_activity_type_id").is_none()
        && matches!(row.text("message_type"), Some("comment" | "email"))
        && !is_inside(row, catalogue)
}

pub(super) fn judge_message(row: &Row, sent: &[Sent], catalogue: &Catalogue) -> Option<(Channel, Genuine)> {
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
