//! The score in the properties that Baton writes it to: what they show, and who set it.

use jiff::Timestamp;

use super::history::author;
use super::{Context, instant};
use crate::connector::hubspot::wire::{Entry, Record};
use crate::domain::id::Name;
use crate::domain::lead::ScorePart;
use crate::domain::record::{Author, ScoreEntry};

/// What the properties show together, from when on; nothing if there are none, or nothing was ever in them.
pub(super) fn scores(
    record: &Record<'_>,
    modified: Timestamp,
    has_history: bool,
    context: &Context<'_>,
) -> Vec<ScoreEntry> {
    let parts = &context.maps.scores;
    let shown = |text: &dyn Fn(&str) -> Name| -> Vec<(ScorePart, Name)> {
        parts.iter().map(|(part, property)| (*part, text(property))).collect()
    };
    let present = shown(&|property| Name::from(record.value(property).unwrap_or("")));
    let mut entries = Vec::new();
    if has_history {
        let mut known = shown(&|_| Name::from(""));
        for (at, place, entry) in changes(record, parts) {
            known[place].1 = Name::from(entry.value());
            let by = author(entry, context);
            match entries.last_mut() {
                // The properties of one request change at one instant.
                Some(ScoreEntry { shown, at: same, by: who }) if *same == at && *who == by => shown.clone_from(&known),
                _ => entries.push(ScoreEntry { shown: known.clone(), at, by }),
            }
        }
    }
    let is_known = entries.last().map_or_else(
        || present.iter().all(|(_, text)| text.as_str().is_empty()),
        |last: &ScoreEntry| last.shown == present,
    );
    if !is_known {
        entries.push(ScoreEntry { shown: present, at: modified, by: Author::Unknown });
    }
    entries
}

/// Every change of every property, in order; newest first has been seen, so equal times keep the reverse order.
fn changes<'r, 'a>(record: &'r Record<'a>, parts: &[(ScorePart, String)]) -> Vec<(Timestamp, usize, &'r Entry<'a>)> {
    let mut changes = Vec::new();
    for (place, (_, property)) in parts.iter().enumerate() {
        let entries = record.properties_with_history.get(property).into_iter().flatten().rev();
        changes.extend(entries.filter_map(|entry| Some((instant(entry.timestamp.as_str())?, place, entry))));
    }
    changes.sort_by_key(|(at, _, _)| *at);
    changes
}
