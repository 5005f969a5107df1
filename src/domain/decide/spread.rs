//! To whom a notice goes by which way: in person where the roster says so, else by a mention in the channel.

use crate::domain::finding::FindingKind;
use crate::domain::id::{Name, OperationId, PersonId};
use crate::domain::plan::{Mode, Notice, NoticeKind};
use crate::domain::reach::Destination;

use super::Draft;

impl Draft<'_> {
    /// Plans a notice, unless nobody is to be told.
    pub(super) fn tell(&mut self, kind: NoticeKind, notice: impl FnOnce(&Self) -> Option<Notice>) {
        // What would not be sent needs no channel.
        if self.policy.notices == Mode::Off || self.handoff.as_ref().is_some_and(|handoff| handoff.is_shadow) {
            return;
        }
        let Some(notice) = notice(self) else { return };
        let (told, lost) = self.spread(&notice);
        if told.is_empty() {
            let text = format!(
                "a notice ({}) has no channel to go to: name one as `tell` of the team, or of [teams.marketing], in the roster",
                kind.as_str()
            );
            self.find(FindingKind::Undeliverable, text);
        } else if let Some(person) = lost.first() {
            let name = self.policy.roster.name_of(person);
            let why = match notice.channel.as_str() {
                "" => "their team has no channel: name one as `tell` of the team, or of the person, in the roster"
                    .to_owned(),
                channel => format!(
                    "{channel} only reaches people by themselves, and knows no way to them: add `slack` to their entry in the \
                     roster"
                ),
            };
            let text = format!("a notice ({}) does not reach {name}: {why}", kind.as_str());
            self.find(FindingKind::Undeliverable, text);
        }
        self.notices.extend(told);
    }

    /// One notice for each way that it takes, and the people whom none reaches.
    fn spread(&self, notice: &Notice) -> (Vec<Notice>, Vec<PersonId>) {
        let (telling, roster) = (&self.policy.telling, &self.policy.roster);
        let is_place = telling.is_place(&notice.channel);
        let mut told = Vec::new();
        let mut rest = Vec::new();
        for (person, slack) in &notice.people {
            let way = telling.in_person(person, roster).or_else(|| telling.through(&notice.channel, person, roster));
            match way {
                Some(channel) => told.push(self.alone(notice, channel, person, slack.clone())),
                None => rest.push((person.clone(), slack.clone())),
            }
        }
        if !is_place {
            return (told, rest.into_iter().map(|(person, _)| person).collect());
        }
        // Whom it is for has it in person: nobody else needs to read it.
        if !rest.is_empty() || told.is_empty() {
            let may_answer = telling.links.is_some_and(|links| links.in_places);
            let ask = notice.ask.clone().filter(|_| may_answer);
            told.push(Notice { people: rest, ask, ..notice.clone() });
        }
        (told, Vec::new())
    }

    /// The notice as `person` alone gets it by `channel`.
    fn alone(&self, notice: &Notice, channel: &Name, person: &PersonId, slack: Option<Name>) -> Notice {
        let to = Destination::new(channel, Some(person));
        let op = |op: OperationId| OperationId::of(&[&op.to_string(), &to.to_string()]);
        let turn = self.handoff.as_ref().and_then(|handoff| handoff.turn());
        let is_owner = turn.is_some_and(|turn| turn.owner == *person);
        Notice {
            op: op(notice.op),
            channel: to.name(),
            people: vec![(person.clone(), slack)],
            withdraws: notice.withdraws.map(op),
            ask: notice.ask.clone().filter(|ask| ask.person == *person),
            package: notice.package.clone().filter(|_| is_owner),
            ..notice.clone()
        }
    }
}
