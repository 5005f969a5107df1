//! The catalogue of facts that rules may ask for: each with its name, type and unit. Closed on purpose: a name that is
//! not here is refused when the agreement is read, not ignored when a lead is judged.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

/// What kind of value a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldType {
    /// Text; compared without regard to case.
    Text,
    /// A number; its unit stands in the catalogue.
    Number,
    /// True or false.
    Flag,
}

/// A value of a fact.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text, trimmed and never empty.
    Text(Arc<str>),
    /// A finite number.
    Number(f64),
    /// True or false.
    Flag(bool),
}

impl Value {
    /// A text value; `None` if nothing is left after trimming. U+0000 is dropped: PostgreSQL refuses it in text.
    #[must_use]
    pub fn text(text: &str) -> Option<Self> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            None
        } else if trimmed.contains('\0') {
            Self::text(&trimmed.replace('\0', ""))
        } else {
            Some(Self::Text(Arc::from(trimmed)))
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The number, if it is one.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    /// The flag, if it is one.
    #[must_use]
    pub fn as_flag(&self) -> Option<bool> {
        if let Self::Flag(flag) = self { Some(*flag) } else { None }
    }

    /// The type of this value.
    #[must_use]
    pub fn kind(&self) -> FieldType {
        match self {
            Self::Text(_) => FieldType::Text,
            Self::Number(_) => FieldType::Number,
            Self::Flag(_) => FieldType::Flag,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
        }
    }
}

macro_rules! fields {
    ($($variant:ident = $name:literal, $kind:ident, $source:ident, $about:literal;)*) => {
        /// A fact that a rule may ask for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Field {
            $(#[doc = $about] $variant,)*
        }

        impl Field {
            /// Every field, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in rules: `company.employees`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The type of its values.
            #[must_use]
            pub fn kind(self) -> FieldType {
                match self { $(Self::$variant => FieldType::$kind,)* }
            }

            /// Where its value comes from.
            #[must_use]
            pub fn source(self) -> FieldSource {
                match self { $(Self::$variant => FieldSource::$source,)* }
            }

            /// What it says, with unit and normal form.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }
        }
    };
}

/// Where a field's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldSource {
    /// A property of the person's records, as mapped by the connection.
    Person,
    /// A property of the company's record.
    Company,
    /// Worked out by Baton.
    Derived,
}

fields! {
    Email = "lead.email", Text, Person, "E-mail address, in lower case";
    EmailDomain = "lead.email_domain", Text, Derived, "The part of the e-mail address after the @, in lower case";
    FirstName = "lead.first_name", Text, Person, "First name";
    LastName = "lead.last_name", Text, Person, "Last name";
    Phone = "lead.phone", Text, Person, "Telephone number, as the CRM has it";
    LinkedIn = "lead.linkedin", Text, Person, "Address of the LinkedIn profile";
    Title = "lead.title", Text, Person, "Job title; `has_word` compares whole words";
    Seniority = "lead.seniority", Text, Person, "Seniority as the CRM has it";
    Country = "lead.country", Text, Person, "Country as ISO 3166-1 alpha-2: `DE`";
    Language = "lead.language", Text, Person, "Language as ISO 639-1: `de`";
    Source = "lead.source", Text, Person, "Where the person came from first; never overwritten by a later source";
    Campaign = "lead.campaign", Text, Person, "Campaign that brought the person";
    Budget = "lead.budget", Number, Person, "Budget in the currency of the CRM";
    Timeline = "lead.timeline_days", Number, Person, "Days until the person means to buy";
    Product = "lead.product", Text, Person, "Product line the person asked for";
    OptedOut = "lead.opted_out", Flag, Person, "Has the person unsubscribed from all e-mail?";
    Reason = "handoff.reason", Text, Person, "The reason sales gave for a rejection, as the CRM has it";
    Stage = "lead.stage", Text, Derived, "Stage of the lead in the one stage model: `mql`";
    CompanyName = "company.name", Text, Company, "Name of the employer";
    CompanyDomain = "company.domain", Text, Company, "Web domain of the employer, in lower case";
    Employees = "company.employees", Number, Company, "Number of employees";
    Revenue = "company.revenue", Number, Company, "Yearly revenue in the currency of the CRM";
    Industry = "company.industry", Text, Company, "Industry in lower case with spaces: `computer software`";
    CompanyCountry = "company.country", Text, Company, "Country as ISO 3166-1 alpha-2: `DE`";
    CompanyOwner = "company.owner", Text, Derived, "E-mail address of the roster's person who owns the company";
    CompanyOpenDeals = "company.open_deals", Number, Derived, "Open deals of the company";
    CompanyEngaged = "company.engaged", Number, Derived, "People of the company who are engaged, as `[committee]` says; without it, its leads at `engagement` or past it";
    Fit = "score.fit", Number, Derived, "Fit in whole points";
    Intent = "score.intent", Number, Derived, "Intent in whole points";
    Engagement = "score.engagement", Number, Derived, "Engagement in whole points; can never carry a lead past the bar alone";
    Grade = "score.grade", Text, Derived, "Fit as letter and intent as digit: `A1` best, `D4` worst";
    IcpFits = "icp.fits", Flag, Derived, "Does the person's company match the ideal customer?";
    IcpNever = "icp.never", Flag, Derived, "Is the person one that is never passed on?";
    HandoffNumber = "handoff.number", Number, Derived, "Which hand-off of the lead this is; 1 for the first";
    HandoffBelowBar = "handoff.below_bar", Flag, Derived, "Was the hand-off opened by a person although the criteria fail?";
    CompanyPeople = "company.people", Number, Derived, "People of the company over all connections, each once; only with `[committee]`";
    CompanyRoles = "company.roles", Number, Derived, "Roles of `[committee]` that somebody of the company has";
}

impl Field {
    /// How many fields there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The field with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.name() == name)
    }

    /// The field's place in the catalogue, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What one record says of one field, and since when as far as known.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// What it is.
    pub field: Field,
    /// The value.
    pub value: Value,
    /// Since when the record has had it, at the latest: the CRM's time of the change in which it was first seen.
    pub at: Timestamp,
}

/// A set of fields, for "which facts did this decision use".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FieldSet(u64);

impl FieldSet {
    /// Adds `field`.
    pub fn insert(&mut self, field: Field) {
        self.0 |= 1 << field.index();
    }

    /// Is `field` in the set?
    #[must_use]
    pub fn contains(self, field: Field) -> bool {
        self.0 & (1 << field.index()) != 0
    }

    /// Both sets together.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The fields of the set, in the order of the catalogue.
    pub fn iter(self) -> impl Iterator<Item = Field> {
        Field::ALL.iter().copied().filter(move |field| self.contains(*field))
    }

    /// Does the set have no field?
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

const _: () = assert!(Field::COUNT <= 64, "FieldSet is 64 bits wide");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_by_its_name() {
        for field in Field::ALL {
            assert_eq!(Field::parse(field.name()), Some(*field));
        }
    }

    #[test]
    fn text_is_trimmed_and_never_empty() {
        assert_eq!(Value::text("  "), None);
        assert_eq!(Value::text("\0"), None);
        assert_eq!(Value::text(" a\0b "), Value::text("ab"));
    }
}
