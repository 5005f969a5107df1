//! Tries whether notices arrive: a marked notice by the real road, from the outbox on.

use crate::domain::id::{LeadId, Name, OperationId, PersonId};
use crate::domain::plan::{Notice, NoticeKind, Story};
use crate::domain::reach::Destination;
use crate::store::Batch;

use super::{Engine, EngineError};

/// A test notice on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tested {
    /// Where it goes.
    pub to: Destination,
    /// What it is known by.
    pub op: OperationId,
}

impl Engine {
    /// Where a test goes that asks for `target`: a channel, a person by the way in which they are told, or both as
    /// `email.main/a.lang@example.com`; `None` = every channel that has a place of its own.
    ///
    /// # Errors
    /// Why there is no such place, and what to write instead.
    pub fn test_targets(&self, target: Option<&str>) -> Result<Vec<Destination>, String> {
        let rules = self.rules.load();
        let telling = &rules.telling;
        let names: Vec<&str> = telling.reach.iter().map(|reach| reach.channel.as_str()).collect();
        let known = if names.is_empty() {
            "there is no channel at all: add `[notify.slack.NAME]` to the settings".to_owned()
        } else {
            format!("name a channel ({}) or a person of the roster", names.join(", "))
        };
        let Some(target) = target else {
            let places = telling.reach.iter().filter(|reach| reach.place);
            let places: Vec<Destination> = places.map(|reach| Destination::new(&reach.channel, None)).collect();
            return if places.is_empty() {
                Err(format!("no channel has a place where everybody reads; {known}"))
            } else {
                Ok(places)
            };
        };
        let of_person = |text: &str| {
            let person = PersonId::from(text.trim().to_lowercase());
            rules.roster.people.contains_key(&person).then_some(person).or_else(|| {
                let person = PersonId::from(text.trim().to_lowercase());
                rules.roster.team_of(&person).is_some().then_some(person)
            })
        };
        if let Some((channel, person)) = target.split_once('/') {
            let person = of_person(person).ok_or_else(|| format!("the roster does not know {person}"))?;
            let channel = Name::from(channel);
            if !telling.reach.iter().any(|reach| reach.channel == channel && reach.people) {
                return Err(format!("{channel} reaches nobody in person; {known}"));
            }
            return Ok(vec![Destination::new(&channel, Some(&person))]);
        }
        if let Some(reach) = telling.reach.iter().find(|reach| reach.channel.as_str() == target) {
            return if reach.place {
                Ok(vec![Destination::new(&reach.channel, None)])
            } else {
                Err(format!("{target} reaches people in person only: name one, `{target}/a.lang@example.com`"))
            };
        }
        let person =
            of_person(target).ok_or_else(|| format!("neither a channel nor a person is called {target}; {known}"))?;
        if let Some(channel) = telling.in_person(&person, &rules.roster) {
            return Ok(vec![Destination::new(channel, Some(&person))]);
        }
        let team = rules.roster.team_of(&person).and_then(|(_, team)| team.tell.clone());
        let team = team.ok_or_else(|| {
            format!("{person} is told nowhere: give them `tell` in the roster, or their team a channel")
        })?;
        let person = (!telling.is_place(&team)).then_some(&person);
        Ok(vec![Destination::new(&team, person)])
    }

    /// Puts a test notice for each of `targets` into the outbox.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails.
    pub async fn test_notices(&self, targets: &[Destination]) -> Result<Vec<Tested>, EngineError> {
        let rules = self.rules.load_full();
        let now = self.clock.now();
        let shown = now.to_zoned(rules.zone.clone()).strftime("%a %-d %b %Y %H:%M:%S").to_string();
        let mut tested = Vec::new();
        let mut notices = Vec::new();
        for target in targets {
            let to = Destination { is_test: true, ..target.clone() };
            // A test is another one each time, even within one instant of the clock.
            let thrown = fastrand::u64(..).to_string();
            let op = OperationId::of(&[rules.workspace.as_str(), "test", &to.to_string(), &now.to_string(), &thrown]);
            let slack = |person: &PersonId| rules.roster.people.get(person).and_then(|known| known.slack.clone());
            notices.push(Notice {
                op,
                lead: LeadId(0),
                handoff: None,
                at: now,
                kind: NoticeKind::Test,
                channel: to.name(),
                people: to.person.iter().map(|person| (person.clone(), slack(person))).collect(),
                audience: Vec::new(),
                story: Story {
                    headline: "This is a test of Baton".to_owned(),
                    lines: vec![
                        format!("Asked for {shown}, for {target}"),
                        "Nothing happened: somebody tries whether notices arrive here".to_owned(),
                    ],
                    link: rules.public_url.to_string(),
                },
                withdraws: None,
                about: None,
                ask: None,
                package: None,
            });
            tested.push(Tested { to, op });
        }
        self.store.commit(&Batch { notices, now: Some(now), ..Batch::default() }).await?;
        Ok(tested)
    }

    /// Tests the channels whose last test, if there was one, is longer ago than they want. To be called once a minute.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails.
    pub async fn test_when_due(&self, every: jiff::SignedDuration) -> Result<(), EngineError> {
        let Ok(targets) = self.test_targets(None) else { return Ok(()) };
        let now = self.clock.now();
        let tried = self.store.channels_tried().await?;
        let is_due = |to: &Destination| tried.get(&to.channel).is_none_or(|at| now.duration_since(*at) >= every);
        let due: Vec<Destination> = targets.into_iter().filter(is_due).collect();
        if !due.is_empty() {
            self.test_notices(&due).await?;
        }
        Ok(())
    }
}
