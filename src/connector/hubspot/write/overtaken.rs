//! What was written late: by a request that was not answered, after a person had chosen something else meanwhile.
//!
//! An owner is written over the one that the look showed, so that the effect itself says what a person must have chosen since. A
//! stage, a reason and a score are written over anything: there the time of the look before the earlier try (kept with the write, so
//! that a start anew changes nothing) divides what was known then from what a person chose without our knowing.

use jiff::Timestamp;

use super::update::{Back, Update};
use super::wanted::{Wanted, is_same};
use super::{Push, Values, is_done};
use crate::connector::hubspot::HubSpot;
use crate::connector::hubspot::answer::Failure;
use crate::connector::hubspot::map;
use crate::connector::hubspot::settings::{OWNER, Type};
use crate::connector::hubspot::wire;
use crate::connector::{Addressed, Done, Outcome};
use crate::domain::id::RemoteId;
use crate::domain::plan::Effect;
use crate::http::limiter::Lane;

/// Is what stands there already looked at as an owner that may have come late?
pub(super) fn may_be(effect: &Effect) -> bool {
    matches!(effect, Effect::SetOwner { .. })
}

/// What a person set while a request of ours was under way.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// Theirs stands.
    stands: Values,
    /// Ours came after it.
    pub(super) overwritten: Values,
}

/// What of `past` a person chose since `since` instead of `wanted`, and whether ours came after it. A value that somebody else
/// set after the person is neither ours to give back nor theirs.
fn chosen<'a>(past: &'a [map::Past], wanted: &str, since: Timestamp) -> Option<(&'a str, bool)> {
    // Clearing is half of a move backward.
    let is_ours = |past: &&map::Past| !past.by.is_person() && (is_same(&past.value, wanted) || past.value.is_empty());
    let ours = past.iter().rev().take_while(is_ours).count();
    let theirs = past.iter().rev().nth(ours)?;
    let is_choice = theirs.by.is_person() && theirs.at >= since && !is_same(&theirs.value, wanted);
    is_choice.then_some((theirs.value.as_str(), ours > 0))
}

impl Push<'_> {
    /// Settles a stage, a reason or a score over which a person has chosen since our first try: theirs stands, and is put back if
    /// ours came after it.
    pub(super) async fn heed_chosen(&mut self, place: usize, lane: Lane) {
        let (write, hub) = (&self.writes[place], self.hub);
        let Some(of) = &write.record else { return };
        let chosen = match hub.chosen(write, &of.id, lane).await {
            Ok(chosen) => chosen,
            Err(failure) => return self.fail_unsent([place], failure),
        };
        let back = chosen.overwritten;
        if !back.is_empty() {
            let clear = back.iter().filter(|(name, value)| map::is_lifecycle(name) && !value.is_empty());
            let clear = clear.map(|(name, _)| name.clone()).collect();
            let (id, trace) = (of.id.as_str().to_owned(), write.write.op.to_string());
            let update = Update { place, id, trace, values: back.clone() };
            self.move_back(&[Back { update, clear }], lane).await;
            if !is_done(self.outcomes[place].as_ref()) {
                return;
            }
        } else if chosen.stands.is_empty() || hub.doubts.waits(write.write.op).is_some() {
            // Nothing was chosen; or it was, and ours may come over it yet.
            return;
        }
        let all = back.iter().chain(&chosen.stands);
        let all: Vec<String> = all.map(|(name, value)| format!("{name} = {value}")).collect();
        self.settle(place, Outcome::Superseded { found: format!("{}, chosen before a late answer", all.join(", ")) });
    }

    /// Settles an owner that stands there already; a person's, over which it was written, is put back and stands.
    pub(super) async fn heed_overtaken(&mut self, place: usize, lane: Lane) {
        let write = &self.writes[place];
        let Some(of) = &write.record else { return };
        let hub = self.hub;
        let persons = match hub.overtaken(&write.write.effect, &of.id, lane).await {
            Ok(None) => return self.settle(place, Outcome::Done(Done::default())),
            Ok(Some(persons)) => persons,
            Err(failure) => return self.fail_unsent([place], failure),
        };
        let text = persons.as_ref().map_or("", RemoteId::as_str).to_owned();
        let values: Values = vec![(OWNER.to_owned(), text.clone())];
        let sent_at = tokio::time::Instant::now();
        match hub.patch(of.id.as_str(), &values, lane).await {
            Ok(_) => {
                let whose = if text.is_empty() { "nobody".to_owned() } else { format!("owner {text}") };
                self.settle(place, Outcome::Superseded { found: format!("{whose}, chosen before a late answer") });
            }
            Err(failure) => self.fail_sent(&[place], failure, sent_at),
        }
    }
}

impl HubSpot {
    /// What a person set since the look before the earlier try, where this write sets a stage, a reason or a score.
    pub(super) async fn chosen(&self, write: &Addressed, id: &RemoteId, lane: Lane) -> Result<Chosen, Failure> {
        let effect = &write.write.effect;
        let is_value = matches!(effect, Effect::SetStage { .. } | Effect::SetScore(_) | Effect::Reject(_));
        let since = write.earlier.as_ref().and_then(|earlier| earlier.looked_at).filter(|_| is_value);
        let (Some(since), Wanted::Set(values) | Wanted::Back { values, .. }) = (since, self.wanted(effect, None))
        else {
            return Ok(Chosen::default());
        };
        let response = self.batch_read(Type::Contacts, &[id.as_str()], true, lane).await?;
        let decoded = wire::page(&response.body).map_err(Failure::Malformed)?;
        let mut all = Chosen::default();
        let Some(record) = decoded.records.iter().find(|record| record.was(id.as_str())) else { return Ok(all) };
        let (own_app, users) = (self.own_app(), self.users());
        let context = self.context(&users, own_app.as_deref(), self.crm_now());
        for (name, wanted) in &values {
            let past = map::history_of(record, name, &context);
            if let Some((value, is_overwritten)) = chosen(&past, wanted, since) {
                let side = if is_overwritten { &mut all.overwritten } else { &mut all.stands };
                side.push((name.clone(), value.to_owned()));
            }
        }
        Ok(all)
    }

    /// The owner whom a person chose between Baton's look and the late effect of its write, if one did: the history has them
    /// right before ours. `Some(None)` = nobody.
    pub(super) async fn overtaken(
        &self,
        effect: &Effect,
        id: &RemoteId,
        lane: Lane,
    ) -> Result<Option<Option<RemoteId>>, Failure> {
        let Effect::SetOwner { owner, expected } = effect else { return Ok(None) };
        let response = self.batch_read(Type::Contacts, &[id.as_str()], true, lane).await?;
        let decoded = wire::page(&response.body).map_err(Failure::Malformed)?;
        let Some(record) = decoded.records.iter().find(|record| record.was(id.as_str())) else { return Ok(None) };
        let own_app = self.own_app();
        let users = self.users();
        let context = self.context(&users, own_app.as_deref(), self.crm_now());
        let owners = map::owner_history(record, &context);
        let [.., before, ours] = owners.as_slice() else { return Ok(None) };
        let is_ours = ours.owner.as_ref() == Some(owner) && !ours.by.is_person();
        let is_persons = before.by.is_person() && before.owner != *expected && before.owner != ours.owner;
        Ok((is_ours && is_persons).then(|| before.owner.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::Author;

    #[test]
    fn a_persons_choice_since_the_look_is_told_from_what_was_known_then_fault_59() {
        let person = || Author::Person(None);
        let check = |past: &[(&str, i64, Author)], expected: Option<(&str, bool)>| {
            let past: Vec<map::Past> = past
                .iter()
                .map(|(value, at, by)| map::Past {
                    value: (*value).to_owned(),
                    at: Timestamp::from_second(*at).unwrap(),
                    by: by.clone(),
                })
                .collect();
            assert_eq!(chosen(&past, "WORKING", Timestamp::from_second(100).unwrap()), expected, "{past:?}");
        };
        check(&[], None);
        check(&[("NEW", 50, person())], None);
        check(&[("NEW", 50, person()), ("WORKING", 101, Author::Baton)], None);
        check(&[("NEW", 50, person()), ("LOST", 101, person())], Some(("LOST", false)));
        check(&[("LOST", 101, person()), ("WORKING", 102, Author::Baton)], Some(("LOST", true)));
        check(&[("LOST", 101, person()), ("WORKING", 102, Author::Unknown)], Some(("LOST", true)));
        // Put back half way: cleared, and not set yet.
        check(
            &[("LOST", 101, person()), ("WORKING", 102, Author::Baton), ("", 103, Author::Baton)],
            Some(("LOST", true)),
        );
        // They want what we want, or somebody else came after them.
        check(&[("WORKING", 101, person())], None);
        check(&[("LOST", 101, person()), ("OPEN", 102, Author::Automation("Workflow".into()))], None);
    }
}
