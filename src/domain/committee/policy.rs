//! What the agreement says of committees: which roles there are, who is engaged, and which roles a stage needs.

use jiff::SignedDuration;

use crate::domain::expr::Rule;
use crate::domain::id::Name;
use crate::domain::stage::Stage;

use super::Headcount;

/// `[committee]`.
#[derive(Clone, Debug)]
pub struct CommitteePolicy {
    /// The roles, in the order of the file. Somebody may have several.
    pub roles: Vec<RoleRule>,
    /// What a stage needs, by ascending stage. A stage that is not named needs what the one before it needs.
    pub required: Vec<(Stage, Required)>,
    /// Who did nothing for so many days is not engaged any more.
    pub engaged_within_days: u32,
}

/// A role, and who has it.
#[derive(Clone, Debug)]
pub struct RoleRule {
    /// `economic buyer`.
    pub name: Name,
    /// Who.
    pub when: Rule,
}

/// Which roles must be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Required {
    /// So many different ones.
    Count(u32),
    /// These.
    Roles(Vec<Name>),
}

/// What a committee lacks at a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The stage that asks for more.
    pub stage: Stage,
    /// How many roles it asks for.
    pub wanted: u32,
    /// How many of those are known.
    pub known: u32,
    /// The roles that nobody has and that would close the gap. If fewer are wanted, any of them do.
    pub missing: Vec<Name>,
}

impl CommitteePolicy {
    /// How long somebody stays engaged.
    #[must_use]
    pub fn engaged_within(&self) -> SignedDuration {
        SignedDuration::from_hours(24 * i64::from(self.engaged_within_days))
    }

    /// What a committee of this headcount lacks at `stage`; `None` if nothing, or if the sale has ended.
    #[must_use]
    pub fn gap(&self, stage: Stage, headcount: &Headcount) -> Option<Gap> {
        if !stage.is_on_the_way() {
            return None;
        }
        let (asks, required) = self.required.iter().rev().find(|(asks, _)| *asks <= stage)?;
        let unknown = |name: &&Name| !headcount.knows(name);
        let (wanted, missing) = match required {
            Required::Count(count) => {
                let names = self.roles.iter().map(|role| &role.name);
                (*count, names.filter(unknown).cloned().collect::<Vec<_>>())
            }
            Required::Roles(names) => {
                let wanted = u32::try_from(names.len()).unwrap_or(u32::MAX);
                (wanted, names.iter().filter(unknown).cloned().collect())
            }
        };
        let known = match required {
            Required::Count(_) => self.roles.iter().filter(|role| headcount.knows(&role.name)).count(),
            Required::Roles(names) => names.len() - missing.len(),
        };
        let known = u32::try_from(known).unwrap_or(u32::MAX);
        (known < wanted).then_some(Gap { stage: *asks, wanted, known, missing })
    }
}

impl Gap {
    /// How many more roles must become known.
    #[must_use]
    pub fn short(&self) -> u32 {
        self.wanted.saturating_sub(self.known)
    }

    /// What is missing, in words: `economic buyer and champion`, or `one more of economic buyer, champion`.
    #[must_use]
    pub fn words(&self) -> String {
        let names: Vec<&str> = self.missing.iter().map(Name::as_str).collect();
        let short = self.short();
        if usize::try_from(short).is_ok_and(|short| short == names.len()) {
            return names.join(" and ");
        }
        format!("{short} more of {}", names.join(", "))
    }
}
