//! What people read: a headline, at most five lines, and a link. Worded when it is decided, and frozen from then on.
//!
//! The words are neutral and name the rule before the person. Values of people's fields go out as plain data; each
//! channel escapes them for itself.

use jiff::Timestamp;

use crate::domain::agreement::Audience;
use crate::domain::counted::many;
use crate::domain::field::Field;
use crate::domain::handoff::{CommitmentClock, Turn};
use crate::domain::id::{HandoffId, Name, OperationId, PersonId};
use crate::domain::plan::{Notice, NoticeKind, Story};
use crate::domain::recycle::Home;

use super::clock::step_name;
use super::{Draft, gate, operation};

impl Draft<'_> {
    /// The lead in a few words: its name, else its address, else its number.
    pub(super) fn called(&self) -> String {
        let name = self.lead.name.as_deref().or(self.lead.email.as_deref());
        let name = name.map_or_else(|| self.lead.id.to_string(), str::to_owned);
        match self.facts.get(Field::CompanyName).and_then(|company| company.as_text()) {
            Some(company) => format!("{name} ({company})"),
            None => name,
        }
    }

    /// Tells the new owner of a turn, and, of a reassignment, the manager and the one who had it.
    pub(super) fn turn_notice(&self, kind: NoticeKind) -> Option<Notice> {
        let turn = self.handoff.as_ref()?.turn()?;
        let previous = self.handoff.as_ref()?.turns.iter().rev().find(|known| known.number < turn.number);
        let mut people = vec![turn.owner.clone()];
        let mut audience = vec![Audience::Owner];
        let owner = self.policy.roster.name_of(&turn.owner);
        let headline = match previous {
            Some(previous) => {
                people.push(previous.owner.clone());
                people.extend(self.manager_of(turn));
                audience.push(Audience::Manager);
                format!("{} goes from {} to {owner}", self.called(), self.policy.roster.name_of(&previous.owner))
            }
            None => format!("{} is with {owner}", self.called()),
        };
        let promise = turn.clocks.first().map(|clock| format!("{} within {}", clock.name, clock.time));
        let lines = vec![
            self.line_of_lead(),
            self.line_of_score(),
            format!("Why {owner}: {}", turn.why),
            format!("Agreed: {}", promise.unwrap_or_else(|| "nothing with a time".to_owned())),
            self.line_of_total(),
        ];
        let op = self.op("", turn.number, "assigned", kind.as_str());
        let mut notice = self.notice(op, kind, turn, people, audience, headline, lines);
        notice.about = Some(Name::from(format!("{}, {owner}", kind.as_str())));
        notice.ask = self.ask(turn);
        notice.package = self.package();
        Some(notice)
    }

    /// Tells what a rung of the ladder says.
    pub(super) fn step_notice(
        &self,
        kind: NoticeKind,
        turn: &Turn,
        at: usize,
        index: usize,
        due_at: Timestamp,
    ) -> Option<Notice> {
        let clock = turn.clocks.get(at)?;
        let rung = clock.ladder.get(index)?;
        let mut people = Vec::new();
        for audience in &rung.tell {
            match audience {
                Audience::Owner => people.push(turn.owner.clone()),
                Audience::Manager => people.extend(self.manager_of(turn)),
                Audience::Marketing => people.extend(self.marketing()),
            }
        }
        let owner = self.policy.roster.name_of(&turn.owner);
        let headline = match kind {
            NoticeKind::Warning => format!("{} is due {} for {}", clock.name, self.when(clock.due_at), self.called()),
            NoticeKind::Reassignment => {
                format!("{} was not kept for {}: the lead goes to the next", clock.name, self.called())
            }
            NoticeKind::Recycle => {
                format!("{} was not kept for {}: the lead returns to marketing", clock.name, self.called())
            }
            NoticeKind::Breach
            | NoticeKind::Assigned
            | NoticeKind::Withdrawal
            | NoticeKind::Incomplete
            | NoticeKind::Test
            | NoticeKind::Trouble => {
                format!("{} was due {} for {}", clock.name, self.when(clock.due_at), self.called())
            }
        };
        let since = turn.clock_from.map_or_else(|| "not yet".to_owned(), |from| self.when(Some(from)));
        let kept = clock.met.as_ref().map(|met| format!("; kept late, {}", self.when(Some(met.at))));
        let calendar = self.calendar_of(turn);
        let is_beyond = clock.time.is_business() && clock.due_at.is_some_and(|due| calendar.assumes_no_holidays(due));
        let assumes = is_beyond.then(|| format!("; {}", self.no_holidays(&calendar)));
        let lines = vec![
            self.line_of_lead(),
            self.line_of_score(),
            format!("Owner: {owner}, since {since} (turn {})", turn.number),
            format!(
                "Agreed: {} within {}; this step: {} % ({}){}{}",
                clock.name,
                clock.time,
                rung.at_percent,
                self.when(Some(due_at)),
                kept.unwrap_or_default(),
                assumes.unwrap_or_default()
            ),
            self.line_of_total(),
        ];
        let op = self.step_op(turn, clock, rung.at_percent);
        let mut notice = self.notice(op, kind, turn, people, rung.tell.clone(), headline, lines);
        notice.about = Some(Name::from(format!("{} at {} %, {owner}", clock.name, rung.at_percent)));
        // What ends the turn leaves its owner nothing to answer.
        notice.ask = self.ask(turn).filter(|_| !rung.reassign && rung.recycle.is_none());
        Some(notice)
    }

    /// Takes back the notice of a step that was wrong.
    pub(super) fn withdrawal_notice(&self, turn: usize, at: usize, index: usize, met_at: Timestamp) -> Option<Notice> {
        let turn = self.handoff.as_ref()?.turns.get(turn)?;
        let clock = turn.clocks.get(at)?;
        let rung = clock.ladder.get(index)?;
        let mut people = vec![turn.owner.clone()];
        people.extend(self.manager_of(turn));
        let headline = format!("Withdrawn: {} was kept in time for {}", clock.name, self.called());
        let lines = vec![
            format!(
                "{} reached out {}, before the step at {} %",
                self.policy.roster.name_of(&turn.owner),
                self.when(Some(met_at)),
                rung.at_percent
            ),
            "The CRM showed it only later; statistics are corrected".to_owned(),
        ];
        let step = step_name(&clock.name, rung.at_percent);
        let op = operation(self.policy, &self.handoff_name(), clock.name.as_str(), turn.number, &step, "withdrawal");
        let mut notice = self.notice(op, NoticeKind::Withdrawal, turn, people, rung.tell.clone(), headline, lines);
        let owner = self.policy.roster.name_of(&turn.owner);
        notice.about = Some(Name::from(format!("{} withdrawn, {owner}", clock.name)));
        notice.withdraws = Some(self.step_op(turn, clock, rung.at_percent));
        Some(notice)
    }

    /// Tells marketing that a lead came back.
    pub(super) fn return_notice(&self, reason: &Name, to: Home, rests_until: Timestamp) -> Option<Notice> {
        let turn = self.handoff.as_ref()?.turns.last()?;
        let headline = format!("{} returns to marketing: {reason}", self.called());
        let lines = vec![
            self.line_of_lead(),
            self.line_of_score(),
            format!(
                "Goes to {}, rests until {}; return number {}",
                self.home(to),
                self.when(Some(rests_until)),
                self.lead.cycles
            ),
            format!(
                "Sales made {}; last with {}",
                many(self.touches_made(), "touch", "touches"),
                self.policy.roster.name_of(&turn.owner)
            ),
            self.line_of_total(),
        ];
        let op = self.op("return", 0, "marketing", "notice");
        let channel = self.marketing_channel().or_else(|| self.channel_of(turn)).unwrap_or_else(nowhere);
        let audience = vec![Audience::Marketing];
        let mut notice = self.letter(op, NoticeKind::Recycle, channel, self.marketing(), audience, headline, lines);
        notice.about = Some(Name::from(format!("returned: {reason}")));
        Some(notice)
    }

    /// Asks marketing for what is missing.
    pub(super) fn incomplete_notice(&self, missing: &[Vec<Field>]) -> Option<Notice> {
        let ask = self.policy.agreement.handoff.incomplete.as_ref()?.ask.clone();
        let headline = format!("{} is qualified, but cannot be passed", self.called());
        let due = self.handoff.as_ref().and_then(crate::domain::handoff::Handoff::due_at);
        let lines = vec![
            self.line_of_lead(),
            format!("Missing: {}", gate::words(missing)),
            format!("Agreed: known by {}", self.when(due)),
        ];
        let op = self.op("gate", 0, "incomplete", "notice");
        let first_team = || self.policy.roster.teams.values().find_map(|team| team.tell.clone());
        let channel = self.marketing_channel().or_else(first_team).unwrap_or_else(nowhere);
        let mut notice =
            self.letter(op, NoticeKind::Incomplete, channel, vec![ask], vec![Audience::Marketing], headline, lines);
        notice.about = Some(Name::from("incomplete"));
        Some(notice)
    }

    /// The note on marketing's record of a lead that came back.
    pub(super) fn return_note(&self, reason: &Name) -> String {
        let owner = self.handoff.as_ref().and_then(|handoff| handoff.turns.last()).map(|turn| &turn.owner);
        let owner = owner.map_or("nobody", |owner| self.policy.roster.name_of(owner));
        format!(
            "Returned to marketing: {reason}. Hand-off {}, last with {owner}, {} by sales. {}",
            self.handoff_name(),
            many(self.touches_made(), "touch", "touches"),
            self.line_of_score()
        )
    }

    pub(super) fn task_body(&self, turn: &Turn) -> String {
        let lines = [self.line_of_lead(), self.line_of_score(), format!("Why you: {}", turn.why), self.line_of_total()];
        let warning = if self.is_opted_out() { format!("{}\n", super::DO_NOT_WRITE) } else { String::new() };
        format!("{warning}{}\n{}", lines.join("\n"), self.link())
    }

    fn home(&self, home: Home) -> String {
        match (home, &self.lead.track) {
            (Home::Nurture, Some(track)) => format!("nurture, track {track}"),
            (Home::Nurture, None) => "nurture, on no track".to_owned(),
            (Home::Disqualified, _) => "nobody: disqualified".to_owned(),
            (Home::MergeReview, _) => "a person who compares the records".to_owned(),
        }
    }

    fn line_of_lead(&self) -> String {
        let fact = |field: Field| self.facts.get(field).map(ToString::to_string);
        let title = fact(Field::Title);
        let employees = fact(Field::Employees)
            .map(|count| format!("{count} {}", if count == "1" { "employee" } else { "employees" }));
        let country = fact(Field::CompanyCountry).or_else(|| fact(Field::Country));
        let source = fact(Field::Source).map(|source| format!("from {source}"));
        let known: Vec<String> = [title, employees, country, source].into_iter().flatten().collect();
        let beside = self.words_of_committee().map(|words| format!("; {words}")).unwrap_or_default();
        if known.is_empty() {
            format!("{}{beside}", self.called())
        } else {
            format!("{}: {}{beside}", self.called(), known.join(", "))
        }
    }

    fn line_of_score(&self) -> String {
        let points = self.score.points;
        let mut parts: Vec<_> = self.score.parts.iter().filter(|part| part.points > 0).collect();
        parts.sort_by_key(|part| std::cmp::Reverse(part.points));
        let reasons: Vec<String> =
            parts.iter().take(3).map(|part| format!("{} {:+}", part.because, part.points)).collect();
        let reasons = if reasons.is_empty() { "no points".to_owned() } else { reasons.join(", ") };
        format!("{} (fit {}, intent {}): {reasons}", points.grade, points.fit, points.intent)
    }

    fn line_of_total(&self) -> String {
        let Some(handoff) = &self.handoff else { return String::new() };
        let total = self.now.duration_since(handoff.opened_at);
        format!(
            "Hand-off {} since {} ({} in all)",
            handoff.id,
            self.when(Some(handoff.opened_at)),
            hours(total.as_secs())
        )
    }

    fn step_op(&self, turn: &Turn, clock: &CommitmentClock, at_percent: u32) -> OperationId {
        let step = step_name(&clock.name, at_percent);
        operation(self.policy, &self.handoff_name(), clock.name.as_str(), turn.number, &step, "notice")
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a notice, named once at each of four call sites")]
    fn notice(
        &self,
        op: OperationId,
        kind: NoticeKind,
        turn: &Turn,
        people: Vec<PersonId>,
        audience: Vec<Audience>,
        headline: String,
        lines: Vec<String>,
    ) -> Notice {
        let only_marketing = audience == [Audience::Marketing];
        let channel = if only_marketing { self.marketing_channel() } else { self.channel_of(turn) };
        let channel = channel.or_else(|| self.marketing_channel()).unwrap_or_else(nowhere);
        self.letter(op, kind, channel, people, audience, headline, lines)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a notice, named once at each of three call sites")]
    fn letter(
        &self,
        op: OperationId,
        kind: NoticeKind,
        channel: Name,
        mut people: Vec<PersonId>,
        audience: Vec<Audience>,
        headline: String,
        lines: Vec<String>,
    ) -> Notice {
        let mut seen = Vec::new();
        people.retain(|person| {
            !seen.contains(person) && {
                seen.push(person.clone());
                true
            }
        });
        let handoff: Option<HandoffId> = self.handoff.as_ref().map(|handoff| handoff.id);
        let story = Story { headline, lines, link: self.link() };
        let slack = |person: &PersonId| self.policy.roster.people.get(person).and_then(|known| known.slack.clone());
        let people = people.into_iter().map(|person| (person.clone(), slack(&person))).collect();
        let (lead, at) = (self.lead.id, self.now);
        let (withdraws, about, ask, package) = (None, None, None, None);
        Notice { op, lead, handoff, at, kind, channel, people, audience, story, withdraws, about, ask, package }
    }

    pub(super) fn link(&self) -> String {
        format!("{}/leads/{}", self.policy.public_url, self.lead.id)
    }

    fn manager_of(&self, turn: &Turn) -> Option<PersonId> {
        let team = turn.team.as_ref().and_then(|team| self.policy.roster.teams.get(team))?;
        team.manager.clone()
    }

    fn channel_of(&self, turn: &Turn) -> Option<Name> {
        let team = turn.team.as_ref().and_then(|team| self.policy.roster.teams.get(team))?;
        team.tell.clone()
    }

    fn marketing(&self) -> Vec<PersonId> {
        let team = self.policy.roster.teams.iter().find(|(id, _)| id.as_str() == "marketing").map(|(_, team)| team);
        team.and_then(|team| team.manager.clone()).into_iter().collect()
    }

    fn marketing_channel(&self) -> Option<Name> {
        let team = self.policy.roster.teams.iter().find(|(id, _)| id.as_str() == "marketing").map(|(_, team)| team);
        team.and_then(|team| team.tell.clone())
    }

    /// An instant in the workspace's zone, to the minute: `Tue 24 Nov 09:30`.
    pub(super) fn when(&self, at: Option<Timestamp>) -> String {
        at.map_or_else(
            || "at no set time".to_owned(),
            |at| at.to_zoned(self.policy.zone.clone()).strftime("%a %-d %b %H:%M").to_string(),
        )
    }
}

/// No channel: whoever is told in person has the notice all the same.
fn nowhere() -> Name {
    Name::from("")
}

fn hours(seconds: i64) -> String {
    let minutes = seconds.max(0) / 60;
    match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}
