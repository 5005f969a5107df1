//! What Baton needs a CRM to have beside what every account has: places to write to.

use crate::domain::id::Name;

use super::settings::{HandoffPart, ScorePart};

/// One thing that a CRM should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// A field for a part of the score.
    Score(ScorePart),
    /// A field for a part of what a record shows of its hand-off.
    Handoff(HandoffPart),
    /// The list or label of a nurture track of the agreement.
    Track(Name),
    /// The word for a rejection reason of the agreement.
    Reason(Name),
}

/// Name only what is missing, or make it?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Making {
    /// Only look: nothing but reading operations is sent.
    Show,
    /// Make what is missing.
    Make,
}

/// How a CRM stands towards a requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ensured {
    /// What it is, with its name in the CRM: `property baton_score_fit of contacts`.
    pub what: String,
    /// How it stands now.
    pub state: State,
    /// The line to add to the settings so that it is used: section and line; `None` if they name it already.
    pub line: Option<(String, String)>,
}

/// How something that is required stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It was there before.
    There,
    /// It is missing, and would be made.
    Missing,
    /// It was made now.
    Made,
    /// It is missing, and Baton may not make it: what a person does instead.
    ByHand(String),
}

impl State {
    /// The state's name in answers.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::There => "there",
            Self::Missing => "missing",
            Self::Made => "made",
            Self::ByHand(_) => "by_hand",
        }
    }
}

/// A field that Baton writes to, as people and machines see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldSpec {
    /// The section of the connection's settings that names it: `score`.
    pub section: &'static str,
    /// Its key there.
    pub key: &'static str,
    /// What its name ends with where Baton chooses it: `score_fit`.
    pub suffix: &'static str,
    /// What people read above it in the CRM.
    pub label: &'static str,
    /// What it holds.
    pub shape: FieldShape,
}

/// What a field that Baton writes to holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldShape {
    /// Whole numbers.
    Number,
    /// A line of text.
    Text,
    /// An instant.
    Moment,
}

impl ScorePart {
    /// The field that holds it.
    #[must_use]
    pub fn spec(self) -> FieldSpec {
        let spec = |key, suffix, label, shape| FieldSpec { section: "score", key, suffix, label, shape };
        match self {
            Self::Fit => spec("fit", "score_fit", "Baton: fit", FieldShape::Number),
            Self::Intent => spec("intent", "score_intent", "Baton: intent", FieldShape::Number),
            Self::Engagement => spec("engagement", "score_engagement", "Baton: engagement", FieldShape::Number),
            Self::Grade => spec("grade", "grade", "Baton: grade", FieldShape::Text),
        }
    }
}

impl HandoffPart {
    /// Every part.
    pub const ALL: [Self; 2] = [Self::Reason, Self::OwnerDue];

    /// The field that holds it.
    #[must_use]
    pub fn spec(self) -> FieldSpec {
        let spec = |key, label, shape| FieldSpec { section: "handoff", key, suffix: key, label, shape };
        match self {
            Self::Reason => spec("reason", "Baton: reason", FieldShape::Text),
            Self::OwnerDue => spec("owner_due", "Baton: owner due", FieldShape::Moment),
        }
    }
}

/// The name that the settings give the field of a part.
pub(super) fn named<P: PartialEq>(names: &[(P, String)], part: P) -> Option<&str> {
    names.iter().find(|(of, _)| *of == part).map(|(_, name)| name.as_str())
}

/// What a reason of the agreement is called where a CRM has no word for it yet: `bad_timing` reads "Bad timing".
#[must_use]
pub fn words_of(reason: &Name) -> String {
    let spaced = reason.as_str().replace(['_', '-'], " ");
    let mut letters = spaced.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
