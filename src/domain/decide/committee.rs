//! Where the lead sits among the people of its company, and which roles are not known there.

use crate::domain::committee::{self, Gap, Headcount, reached};
use crate::domain::counted::many;
use crate::domain::finding::FindingKind;
use crate::domain::stage::Stage;

use super::{Draft, facts};

impl Draft<'_> {
    /// Notes where the lead sits, and looks again when it is not engaged any more.
    pub(super) fn sit_down(&mut self) {
        self.lead.committee = committee::membership(self.now, self.case, &self.facts, &self.policy.agreement);
        let Some(policy) = &self.policy.agreement.committee else { return };
        let until = self.lead.committee.as_ref().and_then(|seat| seat.engaged.as_ref());
        if let Some(until) = until.map(|engaged| engaged.at + policy.engaged_within()) {
            self.look_again(until);
        }
    }

    /// Tells of roles that the stage of the lead, or its open deal, needs and that nobody of its company has.
    pub(super) fn watch_committee(&mut self) {
        let Some((gap, headcount)) = self.gap() else { return };
        let alone = if headcount.is_single_threaded() { "; there is only this one contact" } else { "" };
        let text = format!(
            "{} needs {} known in the company, {} known{alone}: find {}, and add them to the company in the CRM; if they are there, \
             their titles match no rule of `[committee]`",
            gap.stage,
            roles(gap.wanted),
            match gap.known {
                0 => "none is".to_owned(),
                1 => "1 is".to_owned(),
                known => format!("{known} are"),
            },
            gap.words()
        );
        self.find(FindingKind::MissingRoles, text);
    }

    /// What the lead's committee lacks at its stage.
    fn gap(&self) -> Option<(Gap, Headcount)> {
        let policy = self.policy.agreement.committee.as_ref()?;
        let headcount = self.headcount()?;
        let stage: Stage = reached(self.lead.stage, self.case.open_deals > 0)?;
        Some((policy.gap(stage, &headcount)?, headcount))
    }

    /// The lead's committee, itself among them.
    pub(super) fn headcount(&self) -> Option<Headcount> {
        facts::headcount(self.case, self.lead.committee.as_ref())
    }

    /// The committee in a few words, for whoever gets the lead: `4 people known there, 2 engaged; not known: champion`.
    pub(super) fn words_of_committee(&self) -> Option<String> {
        let policy = self.policy.agreement.committee.as_ref()?;
        let headcount = self.headcount()?;
        let people = match headcount.people {
            1 => "the only contact there".to_owned(),
            people => format!("one of {people} people known there"),
        };
        let unknown = policy.roles.iter().filter(|role| !headcount.knows(&role.name));
        let unknown: Vec<&str> = unknown.map(|role| role.name.as_str()).collect();
        let unknown =
            if unknown.is_empty() { String::new() } else { format!("; nobody known as {}", unknown.join(", ")) };
        Some(format!("{people}, {} engaged{unknown}", headcount.engaged))
    }

    /// The same a line each, for the hand-off package.
    pub(super) fn lines_of_committee(&self) -> Vec<String> {
        let (Some(policy), Some(headcount)) = (&self.policy.agreement.committee, self.headcount()) else {
            return Vec::new();
        };
        let mut lines = vec![format!("people known, with this one: {}", headcount.people)];
        if headcount.is_single_threaded() {
            lines.push("this is the only contact there".to_owned());
        }
        lines.push(format!("engaged: {}", headcount.engaged));
        for role in &policy.roles {
            let known = headcount.roles.iter().find(|(name, _)| *name == role.name).map_or(0, |(_, count)| *count);
            let own = self.lead.committee.as_ref().is_some_and(|seat| seat.roles.contains(&role.name));
            let who = match (known, own) {
                (0, _) => "nobody known".to_owned(),
                (1, true) => "this one".to_owned(),
                (known, true) => format!("{known}, this one among them"),
                (known, false) => known.to_string(),
            };
            lines.push(format!("{}: {who}", role.name));
        }
        lines
    }
}

fn roles(count: u32) -> String {
    many(count, "role", "roles")
}
