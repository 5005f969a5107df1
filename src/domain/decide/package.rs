//! The hand-off package: all that is known of a lead, from every connection, for whoever gets it. A note on sales' record, and
//! a part of the notice.
//!
//! Plain text. Values are cut and brought onto one line, so that none can pass for a heading or drown the rest; a CRM that
//! shows HTML escapes the whole.

use jiff::Timestamp;

use crate::domain::field::{Field, FieldSet};
use crate::domain::handoff::{Handoff, HandoffState, Outcome, Turn};
use crate::domain::plan::{Effect, History, Lane};
use crate::domain::touch::{Channel, Genuine, NotGenuine, Touch};

use super::{DO_NOT_WRITE, Draft};

/// Characters of a package. HubSpot takes 65,536 in a note, and escaping makes more of them.
/// Source: HubSpot, notes API, `hs_note_body`, read 2026-11.
pub const PACKAGE_CHARS_MAX: usize = 20_000;
/// Characters of one value.
const VALUE_CHARS_MAX: usize = 300;
/// Lines of one part.
const LINES_MAX: usize = 40;

impl Draft<'_> {
    /// Writes the package to sales' record, once for each hand-off. Without its history it would not be whole: the engine reads
    /// that whenever a hand-off opens.
    pub(super) fn write_package(&mut self) {
        let Some(body) = self.package() else { return };
        let Some(sales) = self.sales().cloned() else { return };
        let record = self.journey(&sales).map(|record| record.of.clone());
        let op = self.op("package", 0, sales.as_str(), "note");
        self.write(op, &sales, record.as_ref(), Lane::Assign, Effect::AddNote { body }, "hand-off package");
    }

    /// The package for the owner of the running turn.
    pub(super) fn package(&self) -> Option<String> {
        let history = self.case.history.as_ref()?;
        let turn = self.handoff.as_ref()?.turn()?;
        let mut text = Text::default();
        self.put_head(&mut text, turn);
        self.put_reasons(&mut text);
        self.put_signals(&mut text);
        self.put_conversations(&mut text, history);
        self.put_earlier(&mut text, history);
        self.put_facts(&mut text);
        text.part("Records", self.case.records.iter().filter(|one| one.is_live()).map(|one| one.of.to_string()), 0);
        text.line(&format!("More: {}", self.link()));
        Some(text.0)
    }

    fn put_head(&self, text: &mut Text, turn: &Turn) {
        text.line(&format!("Hand-off {}: {}", self.handoff_name(), self.called()));
        text.line(&format!("With {}: {}", self.policy.roster.name_of(&turn.owner), turn.why));
        let promises: Vec<String> =
            turn.clocks.iter().map(|clock| format!("{} within {}", clock.name, clock.time)).collect();
        if !promises.is_empty() {
            text.line(&format!("Agreed: {}", promises.join("; ")));
        }
        if self.handoff.as_ref().is_some_and(|handoff| handoff.below_bar) {
            text.line("Below the agreed bar: a person opened it");
        }
        if self.is_opted_out() {
            text.line(DO_NOT_WRITE);
        }
        let known = |field: Field| self.facts.get(field).map(ToString::to_string);
        let from = [("source", known(Field::Source)), ("campaign", known(Field::Campaign))];
        let from: Vec<String> =
            from.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?))).collect();
        text.line(&format!("Came from: {}", if from.is_empty() { "not known".to_owned() } else { from.join(", ") }));
    }

    fn put_reasons(&self, text: &mut Text) {
        let points = self.score.points;
        let mut parts: Vec<_> = self.score.parts.iter().filter(|part| part.points != 0).collect();
        parts.sort_by_key(|part| std::cmp::Reverse(part.points));
        let reasons = parts.iter().map(|part| format!("{:+} {} ({})", part.points, part.because, part.axis.as_str()));
        let heading = format!(
            "Score {}: fit {}, intent {}, engagement {}",
            points.grade, points.fit, points.intent, points.engagement
        );
        text.part(&heading, reasons, 0);
    }

    fn put_signals(&self, text: &mut Text) {
        let mut signals: Vec<_> = self.case.records.iter().flat_map(|record| &record.signals).collect();
        signals.sort_by(|one, other| other.at.cmp(&one.at).then_with(|| one.name.cmp(&other.name)));
        signals.dedup();
        let more = signals.len().saturating_sub(LINES_MAX);
        let lines = signals.iter().map(|signal| format!("{}  {}", self.day_and_time(signal.at), signal.name));
        text.part("What they did, newest first", lines, more);
    }

    fn put_conversations(&self, text: &mut Text, history: &History) {
        let lines = history.touches.iter().map(|touch| self.conversation(touch));
        let more = history.touches.len().saturating_sub(LINES_MAX) + history.touches_more as usize;
        text.part("Conversations, newest first", lines, more);
    }

    fn conversation(&self, touch: &Touch) -> String {
        let what = match touch.channel {
            Channel::Call => "call",
            Channel::Email => "e-mail",
            Channel::Meeting => "meeting",
        };
        let person = touch.by.as_ref().and_then(|by| self.policy.directory.person(&touch.of.connection, by));
        let by = person.map(|person| format!(" by {}", self.policy.roster.name_of(person))).unwrap_or_default();
        let how = match touch.genuine {
            Genuine::Yes => "",
            Genuine::No(NotGenuine::Inbound) => ", from the lead",
            Genuine::No(NotGenuine::NotDone) => ", did not take place",
            Genuine::No(NotGenuine::Unsaid) => ", booked; nothing says that it was held",
            Genuine::No(NotGenuine::Failed) => ", reached nobody",
            Genuine::No(NotGenuine::Automated) => ", sent by a machine",
        };
        format!("{}  {what}{by}{how} ({})", self.day_and_time(touch.at), touch.of.connection)
    }

    fn put_earlier(&self, text: &mut Text, history: &History) {
        let present = self.handoff.as_ref().map_or(0, |handoff| handoff.id.number);
        let earlier: Vec<&Handoff> = history.handoffs.iter().filter(|handoff| handoff.id.number < present).collect();
        let lines = earlier.iter().rev().map(|handoff| self.earlier(handoff));
        let more = earlier.len().saturating_sub(LINES_MAX);
        text.part("Earlier hand-offs, newest first", lines, more);
    }

    fn earlier(&self, handoff: &Handoff) -> String {
        let owner = handoff.turns.last().map_or("nobody", |turn| self.policy.roster.name_of(&turn.owner));
        let end = match &handoff.state {
            HandoffState::Closed { outcome, at } => format!("{}, {}", ending(outcome), self.day_and_time(*at)),
            HandoffState::Incomplete { .. } => "never complete".to_owned(),
            HandoffState::Open => "open".to_owned(),
        };
        format!("{} of {}: with {owner}; {end}", handoff.id, self.day_and_time(handoff.opened_at))
    }

    fn put_facts(&self, text: &mut Text) {
        let known = self.projection.values.iter().filter(|chosen| chosen.field != Field::OptedOut).map(|chosen| {
            let others = chosen.conflicts.iter().map(|(of, value)| format!("{} says {value}", of.connection));
            let others: Vec<String> = others.collect();
            let but = if others.is_empty() { String::new() } else { format!("; but {}", others.join(", ")) };
            format!("{}: {} ({}{but})", label(chosen.field), chosen.value, chosen.from.connection)
        });
        text.part("What is known of them", known, self.projection.values.len().saturating_sub(LINES_MAX));
        if let Some(company) = &self.case.company {
            let facts = company.record.values.iter().map(|known| format!("{}: {}", label(known.field), known.value));
            let owner = company.owner.as_ref().map(|owner| format!("owner: {}", self.policy.roster.name_of(owner)));
            let open = company.open_deals.map(|count| format!("open deals: {count}"));
            let engaged = company.engaged.map(|count| format!("engaged people: {count}"));
            text.part("Their company", facts.chain(owner).chain(open).chain(engaged), 0);
        }
        text.part("Who else is known there", self.lines_of_committee().into_iter(), 0);
        text.part("Not known", self.unknown().iter().map(label), 0);
    }

    /// What rules asked for and nobody knows.
    fn unknown(&self) -> FieldSet {
        let mut unknown = self.score.parts.iter().fold(FieldSet::default(), |all, part| all.union(part.missing));
        for field in self.policy.agreement.handoff.requires.iter().flatten() {
            if self.facts.get(*field).is_none() {
                unknown.insert(*field);
            }
        }
        unknown
    }

    fn day_and_time(&self, at: Timestamp) -> String {
        at.to_zoned(self.policy.zone.clone()).strftime("%-d %b %Y %H:%M").to_string()
    }
}

/// `company.employees` as people say it.
fn label(field: Field) -> String {
    let name = field.name();
    name.split_once('.').map_or(name, |(_, name)| name).replace('_', " ")
}

fn ending(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Qualified => "confirmed by sales".to_owned(),
        Outcome::Rejected(reason) => format!("given back by sales: {reason}"),
        Outcome::Recycled(reason) => format!("taken back: {reason}"),
        Outcome::Merged(lead) => format!("went on as {lead}"),
        Outcome::Gone => "its record was deleted".to_owned(),
        Outcome::Skipped(why) => format!("ended: {why}"),
    }
}

/// The text as it grows; what would make it too long is left out.
#[derive(Default)]
struct Text(String);

impl Text {
    /// A line of its own: without anything that would begin another.
    fn line(&mut self, text: &str) {
        let flat = text
            .chars()
            .map(|letter| if letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}') { ' ' } else { letter });
        let mut line: String = flat.clone().take(VALUE_CHARS_MAX).collect();
        if flat.count() > VALUE_CHARS_MAX {
            line.push('…');
        }
        // Room is kept for the last line, which says where to read on.
        if self.0.chars().count() + line.chars().count() + 1 < PACKAGE_CHARS_MAX {
            self.0.push_str(&line);
            self.0.push('\n');
        }
    }

    /// A heading with lines below it; nothing if there are none. `more` = lines that were left out before.
    fn part(&mut self, heading: &str, lines: impl Iterator<Item = String>, more: usize) {
        let lines: Vec<String> = lines.take(LINES_MAX).collect();
        if lines.is_empty() {
            return;
        }
        self.line(heading);
        lines.iter().for_each(|line| self.line(&format!("- {line}")));
        if more > 0 {
            self.line(&format!("- and {more} more"));
        }
    }
}
