//! Two agreements held against each other over the leads that are stored: for whom it would make a difference, before anybody
//! signs it (fault 115).

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::agreement::Agreement;
use crate::domain::counted::many;
use crate::domain::decide::{appraise, gather};
use crate::domain::id::LeadId;
use crate::domain::lead::Projection;
use crate::domain::plan::Case;
use crate::domain::roster::Roster;
use crate::domain::routing::route;

/// Leads that are named for each difference; the others are counted.
const NAMED_MAX: usize = 10;

/// Leads that one thing is different for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub leads: Vec<LeadId>,
}

impl Touched {
    fn add(&mut self, lead: LeadId) {
        self.count += 1;
        if self.leads.len() < NAMED_MAX {
            self.leads.push(lead);
        }
    }
}

/// What the other agreement makes of the leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Leads that were looked at.
    pub leads: u64,
    /// Leads for which anything is different.
    pub different: u64,
    /// Not past the bar yet, and past it by the other agreement.
    pub gained: Touched,
    /// Past the bar of the present one alone. Who was handed over already stays so: a stage is never taken back.
    pub lost: Touched,
    /// Another grade.
    pub regraded: Touched,
    /// Another routing rule claims them.
    pub rerouted: Touched,
}

/// One lead by one agreement.
#[derive(PartialEq, Eq)]
struct Outcome {
    passes: bool,
    grade: String,
    route: String,
}

fn outcome(now: Timestamp, case: &Case, agreement: &Agreement, roster: &Roster, zone: &TimeZone) -> Outcome {
    let projection = Projection::of(&case.records);
    let mut facts = gather(case, &projection);
    let score = appraise(now, case, agreement, zone, &mut facts);
    let owner = case.company.as_ref().and_then(|company| company.owner.as_ref());
    let wanted = route(now, &facts, owner, &agreement.routing, roster, &[]);
    Outcome {
        passes: agreement.bar().is_some_and(|bar| bar.eval(&facts).is_yes()),
        grade: score.points.grade.to_string(),
        route: wanted.rule.to_string(),
    }
}

impl Comparison {
    /// Looks at one more lead.
    pub fn add(&mut self, now: Timestamp, case: &Case, both: [&Agreement; 2], roster: &Roster, zone: &TimeZone) {
        let lead = case.lead.id;
        let [present, other] = both.map(|agreement| outcome(now, case, agreement, roster, zone));
        self.leads += 1;
        self.different += u64::from(present != other);
        match (present.passes, other.passes) {
            (false, true) if !case.lead.stage.is_past_bar() => self.gained.add(lead),
            (true, false) => self.lost.add(lead),
            _ => {}
        }
        if present.grade != other.grade {
            self.regraded.add(lead);
        }
        // Where somebody goes matters for those who go.
        if present.route != other.route && (present.passes || other.passes) {
            self.rerouted.add(lead);
        }
    }

    /// What a person should think about before signing, if there is anything.
    #[must_use]
    pub fn doubt(&self) -> Option<String> {
        if self.leads == 0 {
            return Some("no lead is stored to try it on".to_owned());
        }
        if self.different == 0 {
            return Some("it changes nothing for any lead: is it the file that was meant?".to_owned());
        }
        if self.different * 2 > self.leads {
            return Some(format!(
                "it changes something for {} of {}",
                self.different,
                many(self.leads, "lead", "leads")
            ));
        }
        None
    }
}

/// Lines of two texts that differ, in order: `-` for the present one's, `+` for the other's. Blank lines and comments of their
/// own line do not count.
#[must_use]
pub fn lines_changed(present: &str, other: &str) -> Vec<String> {
    fn said(text: &str) -> Vec<&str> {
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
    }
    let (a, b) = (said(present), said(other));
    // The longest common subsequence: files of a few hundred lines.
    let mut common = vec![vec![0_u32; b.len() + 1]; a.len() + 1];
    for (i, left) in a.iter().enumerate().rev() {
        for (j, right) in b.iter().enumerate().rev() {
            common[i][j] =
                if left == right { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut changed) = (0, 0, Vec::new());
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && common[i + 1][j] >= common[i][j + 1]) {
            changed.push(format!("- {}", a[i]));
            i += 1;
        } else {
            changed.push(format!("+ {}", b[j]));
            j += 1;
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_differ_are_shown_once_in_their_order() {
        let present = "version = \"1\"\n# why\n\nmql = \"a\"\nx = 1\n";
        let other = "version = \"2\"\nmql = \"a\"\n  x = 1\ny = 2\n# new\n";
        assert_eq!(lines_changed(present, other), ["- version = \"1\"", "+ version = \"2\"", "+ y = 2"]);
        assert_eq!(lines_changed(present, present), Vec::<String>::new());
        assert_eq!(lines_changed("", "a\n"), ["+ a"]);
    }

    #[test]
    fn an_agreement_that_changes_nothing_or_most_of_it_is_doubted_fault_115() {
        let check = |leads, different, expected: Option<&str>| {
            let doubt = Comparison { leads, different, ..Comparison::default() }.doubt();
            match expected {
                None => assert_eq!(doubt, None, "{different} of {leads}"),
                Some(part) => assert!(doubt.as_ref().is_some_and(|doubt| doubt.contains(part)), "{doubt:?}"),
            }
        };
        check(0, 0, Some("no lead is stored"));
        check(100, 0, Some("changes nothing"));
        check(100, 1, None);
        check(100, 50, None);
        check(100, 51, Some("51 of 100"));
    }
}
