//! Calls, e-mails and meetings: which of them are evidence of follow-up. Source: section 3.

use jiff::Timestamp;

use super::instant;
use crate::connector::hubspot::settings::Type;
use crate::connector::hubspot::wire::Record;
use crate::domain::touch::{Channel, Genuine, NotGenuine};
/// Channel, time, and whether it stops a clock. Source: section 3, "Evidence of sales follow-up".
pub(super) fn touch(kind: Type, record: &Record<'_>, now: Timestamp) -> Option<(Channel, Timestamp, Genuine)> {
    let at = record.value("hs_timestamp").and_then(instant);
    match kind {
        Type::Calls => Some((Channel::Call, at?, call(record))),
        Type::Emails => Some((Channel::Email, at?, email(record))),
        Type::Meetings => {
            let start = record.value("hs_meeting_start_time").and_then(instant).or(at)?;
            Some((Channel::Meeting, start, meeting(record, start, now)))
        }
        Type::Contacts | Type::Companies | Type::Tasks | Type::Deals => None,
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
