//! What Baton needs a CRM to have beside what every account has: places to write to.

use crate::domain::id::Name;

use super::settings::ScorePart;

/// One thing that a CRM should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// A field for a part of the score.
    Score(ScorePart),
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

impl ScorePart {
    /// Every part.
    pub const ALL: [Self; 4] = [Self::Fit, Self::Intent, Self::Engagement, Self::Grade];

    /// The part's key in the settings.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Fit => "fit",
            Self::Intent => "intent",
            Self::Engagement => "engagement",
            Self::Grade => "grade",
        }
    }

    /// What people read above it in the CRM.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Fit => "Baton: fit",
            Self::Intent => "Baton: intent",
            Self::Engagement => "Baton: engagement",
            Self::Grade => "Baton: grade",
        }
    }

    /// Is it a number, or a word?
    #[must_use]
    pub fn is_number(self) -> bool {
        !matches!(self, Self::Grade)
    }
}

/// What a reason of the agreement is called where a CRM has no word for it yet: `bad_timing` reads "Bad timing".
#[must_use]
pub fn words_of(reason: &Name) -> String {
    let spaced = reason.as_str().replace(['_', '-'], " ");
    let mut letters = spaced.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
