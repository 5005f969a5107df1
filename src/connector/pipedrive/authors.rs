//! Who changed the owner of a deal: its changelog says. Asked only of people whose owner is not the one that Baton wrote, since
//! it costs 20 tokens for each (section 3). Leads have no such thing: who changed theirs stays unknown.
//!
//! Source: `GET /v1/deals/{id}/changelog` of the v1 specification, read 2026-11: `field_key`, `old_value`, `new_value`,
//! `actor_user_id`, `time`, `change_source` (`app`, `mobile`, `api`, ...), pages by `next_cursor`. It does not say what the owner's
//! field is called there (v1 calls it `user_id`, v2 `owner_id`): either is taken. With a login it needs the scope `recents:read`.

use jiff::Timestamp;

use super::Pipedrive;
use super::answer::Failure;
use super::book::JourneyId;
use super::wire::{self, Row};
use crate::domain::id::{Name, RecordRef, RemoteId};
use crate::domain::observation::{Content, Observation};
use crate::domain::record::{Author, OwnerEntry};

/// Pages of one changelog: of a longer one the owner's changes are not all known, and nothing is said of them.
const PAGES_MAX: usize = 5;
/// Changes of one page.
const CHANGES: &str = "500";

impl Pipedrive {
    /// These people as they are now, with who changed the owner of the deal that carries their journey.
    pub(super) async fn read_with_authors(&self, people: &[RecordRef]) -> Result<Vec<Observation>, Failure> {
        let catalogue = self.ready().await?;
        let mut observations = self.read_all(people).await?;
        for seen in &mut observations {
            let Content::Person(person) = &mut seen.content else { continue };
            let Ok(number) = seen.of.id.as_str().parse::<i64>() else { continue };
            let Some((deal, added)) = self.deal_of(number) else { continue };
            let Some(changes) = self.changes_of(deal).await? else { continue };
            let present = person.owners.last().and_then(|entry| entry.owner.clone());
            // What does not lead to the owner that the deal shows now is old, or not understood: then nobody is named.
            if let Some(owners) =
                owners(&changes, added, catalogue.own).filter(|all| all.last().map(|one| &one.owner) == Some(&present))
            {
                person.owners = owners;
                person.has_history = true;
            }
        }
        Ok(observations)
    }

    /// The deal that carries a person's journey, and since when it is there.
    fn deal_of(&self, person: i64) -> Option<(i64, Timestamp)> {
        let book = self.book();
        let journey = book.current(person)?;
        match journey.id {
            JourneyId::Deal(id) => Some((id, journey.added)),
            JourneyId::Lead(_) => None,
        }
    }

    /// Every change of a deal; `None` if there are more than are read.
    async fn changes_of(&self, deal: i64) -> Result<Option<Vec<Row>>, Failure> {
        let deal = deal.to_string();
        let (mut changes, mut cursor): (Vec<Row>, Option<String>) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let mut query = vec![("limit", CHANGES)];
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let answer = self.api.ask(&["v1", "deals", &deal, "changelog"], &query).await?;
            let (rows, next) =
                wire::changes(&answer.body).map_err(|at| Failure::Malformed(format!("changelog: {at}")))?;
            changes.extend(rows);
            cursor = next;
            if cursor.is_none() {
                return Ok(Some(changes));
            }
        }
        Ok(None)
    }
}

/// The ledger of the owner, oldest first; `None` if it never changed, or a change cannot be read.
fn owners(changes: &[Row], added: Timestamp, own: i64) -> Option<Vec<OwnerEntry>> {
    let mut entries: Vec<(Option<RemoteId>, OwnerEntry)> = Vec::new();
    for change in changes.iter().filter(|change| matches!(change.text("field_key"), Some("owner_id" | "user_id"))) {
        let user = |name: &str| change.text(name).map(RemoteId::from);
        entries.push((
            user("old_value"),
            OwnerEntry { owner: user("new_value"), at: change.time("time")?, by: author(change, own) },
        ));
    }
    // In which order they are listed is in no document; those of one second keep it.
    entries.sort_by_key(|(_, entry)| entry.at);
    let first = entries.first().map(|(before, entry)| OwnerEntry {
        owner: before.clone(),
        at: added.min(entry.at),
        by: Author::Unknown,
    })?;
    let mut ledger: Vec<OwnerEntry> =
        std::iter::once(first).chain(entries.into_iter().map(|(_, entry)| entry)).collect();
    // Whoever asks does so because the owner is not the one that Baton wrote: another program that has Baton's own user.
    if let Some(last) = ledger.last_mut().filter(|last| last.by == Author::Baton) {
        last.by = Author::Automation(Name::from("another program with Baton's own user"));
    }
    Some(ledger)
}

/// Whoever made a change: a person in the app; Baton, by its own user through the API; else a program.
fn author(change: &Row, own: i64) -> Author {
    let actor = change.integer("actor_user_id");
    match (change.text("change_source"), actor) {
        (Some("app" | "mobile"), actor) => Author::Person(actor.map(|id| RemoteId::from(id.to_string()))),
        (Some("api"), Some(actor)) if actor == own => Author::Baton,
        (Some(source), Some(actor)) => Author::Automation(Name::from(format!("{source}, user {actor}"))),
        (Some(source), None) => Author::Automation(Name::from(source)),
        (None, _) => Author::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn change(key: &str, from: &str, to: &str, minute: u8, source: Value, actor: i64) -> Row {
        let time = format!("2026-11-24 08:{minute:02}:00");
        let row = json!({"field_key": key, "old_value": from, "new_value": to, "actor_user_id": actor, "time": time,
            "change_source": source, "change_source_user_agent": null, "is_bulk_update_flag": false});
        let Value::Object(row) = row else { unreachable!("an object") };
        Row(row)
    }

    fn told(changes: &[Row]) -> Option<Vec<(String, String)>> {
        let added = "2026-11-24T07:00:00Z".parse().unwrap();
        let ledger = owners(changes, added, 1)?;
        let name = |entry: &OwnerEntry| entry.owner.as_ref().map_or_else(String::new, ToString::to_string);
        let by = |entry: &OwnerEntry| match &entry.by {
            Author::Person(user) => format!("person {}", user.as_ref().map_or("", RemoteId::as_str)),
            Author::Automation(name) => name.to_string(),
            Author::Baton => "baton".to_owned(),
            Author::Unknown => "unknown".to_owned(),
        };
        Some(ledger.iter().map(|entry| (name(entry), by(entry))).collect())
    }

    #[test]
    fn a_person_is_told_from_a_program_and_both_from_baton_section_3() {
        let check = |changes: &[Row], expected: &[(&str, &str)]| {
            let expected: Vec<(String, String)> =
                expected.iter().map(|(owner, by)| ((*owner).to_owned(), (*by).to_owned())).collect();
            assert_eq!(told(changes), Some(expected));
        };
        let ours = || change("user_id", "5", "2", 1, json!("api"), 1);
        check(
            &[change("owner_id", "2", "3", 2, json!("app"), 7), ours()],
            &[("5", "unknown"), ("2", "baton"), ("3", "person 7")],
        );
        check(
            &[ours(), change("user_id", "2", "3", 2, json!("automation"), 7)],
            &[("5", "unknown"), ("2", "baton"), ("3", "automation, user 7")],
        );
        check(
            &[ours(), change("user_id", "2", "3", 2, json!("api"), 7)],
            &[("5", "unknown"), ("2", "baton"), ("3", "api, user 7")],
        );
        check(
            &[ours(), change("user_id", "2", "3", 2, json!("api"), 1)],
            &[("5", "unknown"), ("2", "baton"), ("3", "another program with Baton's own user")],
        );
        check(
            &[ours(), change("user_id", "2", "3", 2, Value::Null, 7)],
            &[("5", "unknown"), ("2", "baton"), ("3", "unknown")],
        );
        assert_eq!(told(&[change("title", "a", "b", 1, json!("app"), 7)]), None);
        let mut undated = ours();
        undated.0.remove("time");
        assert_eq!(told(&[undated]), None, "what cannot be read names nobody");
    }
}
