//! The cast: who works in the company, and who may come to its website.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::desk::Place;
use crate::sandbox::hubspot::OwnerIds;

/// How a salesperson treats a new lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Habit {
    /// Calls within minutes.
    Caller,
    /// Writes an e-mail within the half hour.
    Writer,
    /// Reacts, but often late.
    Slow,
    /// Does nothing at all.
    Silent,
    /// Calls, and gives every third lead to a colleague by changing the owner.
    Swapper,
    /// Calls after a while, and gives up quickly.
    Doubter,
}

impl Habit {
    /// The shortest and longest working time until the first reaction; `None` = never.
    pub(super) fn reaction(self) -> Option<(SignedDuration, SignedDuration)> {
        let minutes = |from, to| Some((SignedDuration::from_mins(from), SignedDuration::from_mins(to)));
        match self {
            Self::Caller => minutes(5, 14),
            Self::Writer => minutes(12, 24),
            Self::Slow => minutes(36, 230),
            Self::Silent => None,
            Self::Swapper => minutes(9, 20),
            Self::Doubter => minutes(15, 27),
        }
    }
}

/// Somebody who works in the company.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Colleague {
    /// The address, the same in every CRM.
    pub email: String,
    /// The full name.
    pub name: String,
    /// The login in Odoo.
    pub login: String,
    /// The user id in each CRM in which sales works.
    pub accounts: BTreeMap<Place, String>,
    /// Where they work; nobody who does not sell works anywhere.
    pub desk: Option<Place>,
    /// The ids in HubSpot.
    pub hubspot: OwnerIds,
    /// How they sell; `None` = not a salesperson.
    pub habit: Option<Habit>,
}

impl Colleague {
    /// Their user id in the CRM; empty in one that they have no account in, which no CRM knows.
    #[must_use]
    pub fn at(&self, place: Place) -> &str {
        self.accounts.get(&place).map_or("", String::as_str)
    }
}

/// First name, last name, and of who sells the habit and the desk.
type Hired = (&'static str, &'static str, Option<(Habit, Place)>);

/// Everybody: six in Salesforce, partners' people in Pipedrive, those for the
/// Alps in Odoo.
pub(super) const COLLEAGUES: [Hired; 12] = [
    ("Anna", "Lang", Some((Habit::Caller, Place::Salesforce))),
    ("Ben", "May", Some((Habit::Writer, Place::Salesforce))),
    ("Clara", "Voss", Some((Habit::Slow, Place::Salesforce))),
    ("Dirk", "Holm", Some((Habit::Silent, Place::Salesforce))),
    ("Eva", "Kern", Some((Habit::Swapper, Place::Salesforce))),
    ("Finn", "Roth", Some((Habit::Doubter, Place::Salesforce))),
    ("Maria", "Huber", None),
    ("Olaf", "Stein", None),
    ("Gina", "Ley", Some((Habit::Caller, Place::Pipedrive))),
    ("Hugo", "Arn", Some((Habit::Slow, Place::Pipedrive))),
    ("Ines", "Wyss", Some((Habit::Writer, Place::Odoo))),
    ("Jan", "Egli", Some((Habit::Caller, Place::Odoo))),
];

/// The one who manages sales, and the one who runs marketing's operations; positions in [`COLLEAGUES`].
pub(super) const MANAGER: usize = 6;
pub(super) const MARKETING: usize = 7;

/// A firm that people of the cast may work for.
pub(super) struct Firm {
    pub(super) name: &'static str,
    pub(super) domain: &'static str,
    pub(super) employees: u32,
    pub(super) country: &'static str,
    pub(super) industry: &'static str,
}

const fn firm(
    name: &'static str,
    domain: &'static str,
    employees: u32,
    country: &'static str,
    industry: &'static str,
) -> Firm {
    Firm { name, domain, employees, country, industry }
}

/// Firms that fit an ideal customer of the region.
pub(super) const FITTING: [Firm; 10] = [
    firm("Adler Maschinenbau GmbH", "adler-maschinen.example", 420, "Germany", "MACHINERY"),
    firm("Brenner Chemie AG", "brenner-chemie.example", 1800, "Germany", "CHEMICALS"),
    firm("Cassel Logistik GmbH", "cassel-logistik.example", 310, "Germany", "LOGISTICS_AND_SUPPLY_CHAIN"),
    firm("Donau Werke GmbH", "donau-werke.example", 650, "Austria", "MACHINERY"),
    firm("Eiger Präzision AG", "eiger-praezision.example", 240, "Switzerland", "MACHINERY"),
    firm("Falke Automotive SE", "falke-automotive.example", 5200, "Germany", "AUTOMOTIVE"),
    firm("Gletscher Software AG", "gletscher-software.example", 260, "Switzerland", "COMPUTER_SOFTWARE"),
    firm("Hanse Klinikgruppe", "hanse-kliniken.example", 2900, "Germany", "HOSPITAL_HEALTH_CARE"),
    firm("Inntal Handels GmbH", "inntal-handel.example", 205, "Austria", "RETAIL"),
    firm("Jura Finanz AG", "jura-finanz.example", 780, "Switzerland", "FINANCIAL_SERVICES"),
];

/// Firms that do not: too small, too far, or a rival.
pub(super) const OTHERS: [Firm; 6] = [
    firm("Kleinwerk GbR", "kleinwerk.example", 4, "Germany", "MACHINERY"),
    firm("Lumiere SARL", "lumiere.example", 900, "France", "RETAIL"),
    firm("Mini Studio e.K.", "mini-studio.example", 2, "Germany", "COMPUTER_SOFTWARE"),
    firm("Northwind Inc.", "northwind.example", 12_000, "United States", "COMPUTER_SOFTWARE"),
    firm("Rival Systems GmbH", "rival.example", 300, "Germany", "COMPUTER_SOFTWARE"),
    firm("Universität Musterstadt", "uni-musterstadt.example", 6000, "Germany", "HOSPITAL_HEALTH_CARE"),
];

pub(super) const FIRST_NAMES: [&str; 20] = [
    "Lena", "Paul", "Mia", "Jonas", "Sofia", "Lukas", "Emma", "Felix", "Hanna", "Max", "Marie", "Noah", "Clara",
    "Elias", "Ida", "Theo", "Nora", "Emil", "Greta", "Anton",
];
pub(super) const LAST_NAMES: [&str; 20] = [
    "Bauer", "Wolf", "Krause", "Vogel", "Keller", "Frank", "Berger", "Winter", "Sommer", "Haas", "Graf", "Lorenz",
    "Busch", "Ernst", "Pohl", "Sauer", "Arnold", "Otto", "Jung", "Hahn",
];
pub(super) const TITLES: [&str; 9] = [
    "CFO",
    "Head of Operations",
    "Plant Manager",
    "Head of Purchasing",
    "CTO",
    "Marketing Manager",
    "Controller",
    "IT Manager",
    "Managing Director",
];
pub(super) const UNLIKELY_TITLES: [&str; 3] = ["Student", "Intern", "Working Student"];
pub(super) const SOURCES: [&str; 5] = ["ORGANIC_SEARCH", "PAID_SEARCH", "REFERRALS", "SOCIAL_MEDIA", "DIRECT_TRAFFIC"];

/// The names of forms as a portal reports them, "page title: form name".
pub(super) const DEMO_FORM: &str = "Request a demo: Demo form";
pub(super) const PAPER_FORM: &str = "Library: White paper download";
pub(super) const WEBSITE: &str = "https://www.example.com";
