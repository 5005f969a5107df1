//! How far the lead is: what its records say, what the agreement's entry rules say, and what was so before it acted.

use jiff::Timestamp;

use crate::domain::field::Field;
use crate::domain::fight;
use crate::domain::instant::is_same_cut_second;
use crate::domain::plan::{Effect, Happening, Lane};
use crate::domain::record::Author;
use crate::domain::stage::{Stage, StageEntry};

use super::Draft;

/// A fact that lifts the lead to the bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rise {
    /// When the fact happened: speed to lead counts from here.
    pub(super) qualified_at: Timestamp,
    /// The criteria fail, but a person says so.
    pub(super) below_bar: bool,
}

impl Draft<'_> {
    /// Follows the records' stages, then the agreement's entry rules. Says what lifts the lead to the bar, if anything
    /// newer than the last hand-off does.
    pub(super) fn settle_stage(&mut self) -> Option<Rise> {
        let is_first_sight = self.case.lead.version == 0 && !self.remembers();
        let newest = self.newest_entry(is_first_sight).cloned();
        if let Some(entry) = &newest {
            self.follow(entry, is_first_sight);
        }
        self.watch_stage();
        self.adopt();
        let passes = self.policy.agreement.bar().is_some_and(|bar| self.holds(bar));
        self.enter_by_rule(passes).or_else(|| {
            let entry = newest.filter(|entry| entry.stage == Stage::Mql && self.lead.stage == Stage::Mql)?;
            let is_news = self.lead.qualified_at.is_none_or(|last| entry.at > last) && entry.by != Author::Baton;
            is_news.then_some(Rise { qualified_at: entry.at, below_bar: !passes })
        })
    }

    /// The newest stage entry of the live records. What Baton wrote itself is no news, and must not hide what somebody
    /// did before the write arrived; nor is an automation news that only takes back what Baton wrote. Only a lead that is seen
    /// for the first time is taken as it stands.
    fn newest_entry(&self, is_first_sight: bool) -> Option<&StageEntry> {
        let live = self.case.records.iter().filter(|record| record.is_live());
        let live = live.filter(|record| is_first_sight || fight::set_back_from(record).is_none());
        let told = live.filter_map(|record| record.stage()).filter(|entry| is_first_sight || entry.by != Author::Baton);
        // At one instant the further stage counts: the two properties of one change have one time.
        told.max_by_key(|entry| (entry.at, entry.stage))
    }

    fn follow(&mut self, entry: &StageEntry, is_first_sight: bool) {
        let is_newer = is_first_sight || entry.at > self.lead.stage_since || self.is_news_of_the_second(entry);
        if !is_newer || entry.stage == self.lead.stage {
            if is_first_sight {
                self.lead.stage_since = entry.at;
            }
            return;
        }
        let from = self.lead.stage;
        self.lead.stage = entry.stage;
        self.lead.stage_since = entry.at;
        if !is_first_sight {
            self.happened(entry.at, Happening::StageChanged { from, to: entry.stage, by_baton: false });
        }
    }

    /// Did sales move the lead on in the very second in which Baton set its stage? A cut time alone does not say what
    /// came first; but had sales' own stage been known before, Baton would not have lifted the lead to the bar, nor
    /// taken it back from somebody who had confirmed it.
    fn is_news_of_the_second(&self, entry: &StageEntry) -> bool {
        let could_not_be_known = match self.lead.stage {
            Stage::Mql => entry.stage.is_with_sales(),
            Stage::Nurture | Stage::Disqualified => entry.stage.is_with_sales() && entry.stage != Stage::Sal,
            Stage::Awareness
            | Stage::Engagement
            | Stage::Sal
            | Stage::Sql
            | Stage::Proposal
            | Stage::Negotiation
            | Stage::Won
            | Stage::Lost => false,
        };
        could_not_be_known && entry.by != Author::Baton && is_same_cut_second(entry.at, self.lead.stage_since)
    }

    /// Nothing starts retroactively: who is at or past the bar before the agreement acts is only watched.
    fn adopt(&mut self) {
        let was_there = self.lead.stage.is_past_bar() && self.lead.stage_since <= self.policy.agreement.effective;
        if was_there && !self.lead.adopted && self.handoff.is_none() {
            self.lead.adopted = true;
            self.lead.qualified_at = self.lead.qualified_at.max(Some(self.lead.stage_since));
            self.happened(self.lead.stage_since, Happening::Adopted);
        }
    }

    /// Lifts the lead to the bar if the agreement's rule holds and something new speaks for it.
    fn enter_by_rule(&mut self, passes: bool) -> Option<Rise> {
        let may_rise = match self.lead.stage {
            Stage::Awareness | Stage::Engagement => true,
            // Back with marketing: only when it has rested, and for something done since.
            Stage::Nurture => self.lead.rests_until.is_none_or(|until| until <= self.now),
            Stage::Mql
            | Stage::Sal
            | Stage::Sql
            | Stage::Proposal
            | Stage::Negotiation
            | Stage::Won
            | Stage::Lost
            | Stage::Disqualified => false,
        };
        if self.lead.stage == Stage::Nurture
            && let Some(until) = self.lead.rests_until.filter(|until| *until > self.now)
        {
            self.look_again(until);
        }
        // What somebody made of the stage while sales has the lead holds until the hand-off ends.
        if self.handoff.as_ref().is_some_and(|handoff| !handoff.is_closed()) {
            return None;
        }
        if !passes || !may_rise || self.now < self.policy.agreement.effective {
            if passes && self.now < self.policy.agreement.effective {
                self.look_again(self.policy.agreement.effective);
            }
            return None;
        }
        let qualified_at = self.newest_intent().unwrap_or(self.now).min(self.now);
        let is_news = self.lead.qualified_at.is_none_or(|last| qualified_at > last);
        // What a lead did before the agreement acted opens nothing by itself.
        if !is_news || qualified_at <= self.policy.agreement.effective {
            return None;
        }
        if self.lead.stage == Stage::Nurture && qualified_at <= self.lead.stage_since {
            return None;
        }
        let from = self.lead.stage;
        self.lead.stage = Stage::Mql;
        self.lead.stage_since = self.now;
        self.happened(self.now, Happening::StageChanged { from, to: Stage::Mql, by_baton: true });
        self.write_stage(Stage::Mql, from, Lane::Recycle, "passed the agreed bar");
        Some(Rise { qualified_at, below_bar: false })
    }

    /// The newest signal that any intent rule asks for.
    fn newest_intent(&self) -> Option<Timestamp> {
        let model = &self.policy.agreement.score;
        let rules =
            || model.intent.iter().chain(model.segments.iter().filter_map(|segment| segment.intent.as_ref()).flatten());
        self.case
            .records
            .iter()
            .flat_map(|record| &record.signals)
            .filter(|signal| signal.at <= self.now && rules().any(|rule| rule.signal == signal.name))
            .map(|signal| signal.at)
            .max()
    }

    /// Writes a stage to every connection that has a value for it and knows the lead, but not to sales' own.
    pub(super) fn write_stage(&mut self, stage: Stage, from: Stage, lane: Lane, because: &str) {
        let is_backward = from.is_past_bar() && !stage.is_past_bar();
        for ability in &self.policy.connections {
            let may = ability.stages.contains(&stage) && !self.is_sales(&ability.connection);
            if !may || (is_backward && !ability.stage_back) {
                continue;
            }
            if self.is_contested(&ability.connection, fight::Fought::Stage) {
                continue;
            }
            if let Some(record) = self.journey(&ability.connection) {
                let step = self.lead.stage_since.to_string();
                let op = self.op("stage", 0, &step, &format!("{}:{}", ability.connection, stage));
                let effect = Effect::SetStage { stage, is_backward };
                self.write(op, &ability.connection, Some(&record.of), lane, effect, because);
            }
        }
    }

    /// Must the lead not be handed over, since sales works a deal with the person already? Asked before a hand-off opens;
    /// a deal that appears later is what the hand-off was for. A colleague's deal is for the rules to weigh
    /// (`company.open_deals`): who asks for a demo beside it is somebody to talk to.
    pub(super) fn is_in_a_deal(&self) -> bool {
        let asks = self.policy.agreement.handoff.skip.contains(&crate::domain::agreement::Skip::OpenDeal);
        asks && self.case.open_deals > 0
    }

    /// Does the lead's stage or address say that it must never be handed over?
    pub(super) fn skipped(&self) -> Option<&'static str> {
        use crate::domain::agreement::Skip;
        let email_domain = self.facts.get(Field::EmailDomain).and_then(|value| value.as_text().map(str::to_owned));
        self.policy.agreement.handoff.skip.iter().find_map(|skip| {
            let applies = match skip {
                Skip::Customer => self.lead.stage == Stage::Won,
                Skip::OpenDeal => {
                    matches!(self.lead.stage, Stage::Sql | Stage::Proposal | Stage::Negotiation)
                }
                Skip::OptedOut => self.is_opted_out(),
                Skip::OwnStaff => email_domain
                    .as_ref()
                    .is_some_and(|domain| self.policy.roster.own_domains.iter().any(|own| own.as_str() == domain)),
            };
            applies.then(|| skip.as_str())
        })
    }
}
