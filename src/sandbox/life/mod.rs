//! A company that lives in the sandbox CRMs.
//!
//! Visitors become contacts and ask for demos, marketing looks after them in HubSpot, and salespeople of very different habits work
//! their leads: most in Salesforce, a partner's people in Pipedrive, two in Odoo.
//!
//! [`Company::step`] plays what has become due by the sandbox's clock. The same seed and the same steps give the same life.
//! The people react to what stands in the CRMs, whoever wrote it: the company does not know Baton.
//!
//! What a watcher sees who starts at [`Company::first_morning`]: six hot demo requests within the first working hour,
//! so that a fair distribution gives one to each habit, the silent one among them; a contact that marketing qualifies
//! by hand; the first person who is reached says "not now" and is marked lost; the second qualifies.

mod cast;
mod desk;
mod hours;
mod sales;
mod website;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::clock::Clock;
use crate::sandbox::hubspot::{Author, HubSpot, Kind};

pub use cast::{Colleague, Habit};
pub use desk::{Desks, Known, OnDesk, Place, Refused};

use cast::Firm;

/// Why a lead is marked lost; the names of the reasons in each CRM of sales.
pub const LOST_REASONS: [&str; 4] = ["Bad timing", "Bad fit", "No response", "Duplicate"];

/// The static lists that marketing keeps in HubSpot for people who come back.
pub const NURTURE_LISTS: [&str; 2] = ["Nurture: next quarter", "Nurture: re-engage"];

/// Something that somebody did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub deed: Deed,
    /// The id of the contact in HubSpot or of the lead where sales works, whichever the deed is about.
    pub id: String,
    /// Who of the company, by address; empty for visitors.
    pub who: String,
}

/// What can happen in the company.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// A visitor left an address for a white paper.
    Signed,
    /// A contact looked at the prices.
    ViewedPrices,
    /// A contact asked for a demo.
    AskedForDemo,
    /// Marketing qualified a contact by hand.
    QualifiedByHand,
    /// Marketing filled in what was missing.
    Completed,
    /// A salesperson called.
    Called,
    /// A salesperson wrote an e-mail.
    Wrote,
    /// A customer answered.
    Answered,
    /// A salesperson changed the owner by hand.
    HandedOver,
    /// A salesperson moved the lead on.
    MovedOn,
    /// A salesperson marked the lead lost.
    Lost,
    /// A salesperson won the lead.
    Won,
}

/// What is going to happen.
#[derive(Clone, Debug)]
enum Happening {
    /// The next visitor, who brings the one after.
    Visitor,
    /// One of the first morning's hot leads.
    HotLead(usize),
    Prices(String),
    Demo(String),
    ByHand(String),
    Complete(String),
    React {
        lead: OnDesk,
        rep: usize,
    },
    HandOver {
        lead: OnDesk,
        rep: usize,
    },
    Conclude {
        lead: OnDesk,
        rep: usize,
    },
    MoveOn {
        lead: OnDesk,
        rep: usize,
    },
    Close {
        lead: OnDesk,
        rep: usize,
    },
}

struct Life {
    dice: fastrand::Rng,
    due: BTreeMap<(Timestamp, u64), Happening>,
    serial: u64,
    colleagues: Vec<Colleague>,
    companies: BTreeMap<&'static str, String>,
    /// Leads and the owner that has begun to work them.
    seen: BTreeMap<OnDesk, String>,
    reached: BTreeSet<OnDesk>,
    concluded: u32,
    handed_over: u32,
    people: u32,
    diary: Vec<Entry>,
}

/// The company. Cheap to clone; clones are the same company.
#[derive(Clone)]
pub struct Company {
    clock: Clock,
    hubspot: HubSpot,
    desks: Desks,
    life: Arc<Mutex<Life>>,
}

impl Company {
    /// A company of twelve people, ten of them in sales, known to every CRM; nobody has come to the website yet.
    #[must_use]
    pub fn new(clock: Clock, seed: u64, hubspot: HubSpot, desks: Desks) -> Self {
        let colleagues = cast::COLLEAGUES.iter().map(|(first, last, sells)| {
            let login = format!("{}.{}", first[..1].to_lowercase(), last.to_lowercase());
            let email = format!("{login}@example.com");
            let ids = hubspot.add_owner(&email, first, last);
            let name = format!("{first} {last}");
            let accounts = desks.hire(&login, &name, &email);
            let (habit, desk) = sells.unzip();
            Colleague { email, name, login, accounts, desk, hubspot: ids, habit }
        });
        let colleagues = colleagues.collect::<Vec<_>>();
        let sellers = colleagues.iter().filter(|colleague| colleague.habit.is_some());
        let sellers: Vec<String> = sellers.map(|seller| seller.at(Place::Odoo).to_owned()).collect();
        desks.furnish(&sellers, &LOST_REASONS);
        for list in NURTURE_LISTS {
            hubspot.create_list(list);
        }
        let mut life = Life {
            dice: fastrand::Rng::with_seed(seed),
            due: BTreeMap::new(),
            serial: 0,
            colleagues,
            companies: BTreeMap::new(),
            seen: BTreeMap::new(),
            reached: BTreeSet::new(),
            concluded: 0,
            handed_over: 0,
            people: 0,
            diary: Vec::new(),
        };
        let start = clock.now();
        for (number, minute) in [2, 6, 11, 17, 24, 32].into_iter().enumerate() {
            life.plan(start + SignedDuration::from_mins(minute), Happening::HotLead(number));
        }
        life.plan(start + SignedDuration::from_mins(40), Happening::Visitor);
        Self { clock, hubspot, desks, life: Arc::new(Mutex::new(life)) }
    }

    /// The moment the demo begins at: a Tuesday, 09:00 in Berlin.
    #[must_use]
    pub fn first_morning() -> Timestamp {
        hours::tuesday_morning()
    }

    /// What has gathered before the story begins: `contacts` people of all kinds in HubSpot, one in ten of them already
    /// qualified, and a lead in Salesforce for each of those, owned by a salesperson who is through with it.
    pub fn seed_population(&self, contacts: u32) {
        let mut life = self.lock();
        for number in 0..contacts {
            let firm = life.some_firm();
            let contact = self.sign_up(&mut life, firm, cast::PAPER_FORM, true);
            let Some(contact) = contact.filter(|_| number % 10 == 3) else { continue };
            let marketing = Author::User(life.colleagues[cast::MARKETING].hubspot.user_id);
            let rep = life.dice.usize(0..6);
            let owner = life.colleagues[rep].clone();
            let stage = [("lifecyclestage", "marketingqualifiedlead"), ("hubspot_owner_id", owner.hubspot.id.as_str())];
            self.hubspot.update(Kind::Contact, &contact, marketing, &stage);
            let Some(known) = self.hubspot.get(Kind::Contact, &contact) else { continue };
            let value = |name: &str| known.get(name).cloned().unwrap_or_default();
            let known = Known {
                first: value("firstname"),
                last: value("lastname"),
                email: value("email"),
                phone: value("phone"),
                company: value("company"),
            };
            let by = owner.at(Place::Salesforce);
            if let Ok(lead) = self.desks.enter(Place::Salesforce, by, &known) {
                _ = self.desks.call(&lead, by, "Known for years");
                life.seen.insert(lead, by.to_owned());
            }
        }
        life.diary.clear();
    }

    /// Plays everything that is due, and lets people notice new leads. To be called several times a second.
    pub fn step(&self) {
        let mut life = self.lock();
        let now = self.clock.now();
        self.notice(&mut life, now);
        while let Some(next) = life.due.first_entry().filter(|next| next.key().0 <= now) {
            let ((at, _), happening) = next.remove_entry();
            // A refusal means that somebody else was there first (deleted, taken over); the story goes on.
            if let Err(Refused) = self.play(&mut life, at, happening) {
                tracing::debug!("somebody in the sandbox's company was refused");
            }
        }
    }

    /// When something happens next by itself; new leads on the desks are noticed by [`Company::step`] alone.
    #[must_use]
    pub fn next_event(&self) -> Timestamp {
        self.lock().due.first_key_value().map_or(Timestamp::MAX, |((at, _), _)| *at)
    }

    /// The people of the company: six salespeople, the manager, marketing operations, then those of the smaller teams.
    #[must_use]
    pub fn colleagues(&self) -> Vec<Colleague> {
        self.lock().colleagues.clone()
    }

    /// The sales manager.
    #[must_use]
    pub fn manager(&self) -> Colleague {
        self.lock().colleagues[cast::MANAGER].clone()
    }

    /// Everything that happened so far, in order, without what was there before.
    #[must_use]
    pub fn diary(&self) -> Vec<Entry> {
        self.lock().diary.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Salespeople see leads that have become theirs, and plan when they will get to them.
    fn notice(&self, life: &mut Life, now: Timestamp) {
        for (lead, owner) in self.desks.open() {
            if life.seen.get(&lead) == Some(&owner) {
                continue;
            }
            let Some(rep) = life.colleagues.iter().position(|colleague| colleague.at(lead.place) == owner) else {
                continue;
            };
            life.seen.insert(lead.clone(), owner);
            let Some(habit) = life.colleagues[rep].habit else { continue };
            if habit == Habit::Swapper {
                life.handed_over += 1;
                if life.handed_over % 3 == 1 {
                    let at = hours::after(now, SignedDuration::from_mins(6));
                    life.plan(at, Happening::HandOver { lead, rep });
                    continue;
                }
            }
            if let Some((shortest, longest)) = habit.reaction() {
                let minutes = life.dice.i64(shortest.as_mins()..=longest.as_mins());
                let at = hours::after(now, SignedDuration::from_mins(minutes));
                life.plan(at, Happening::React { lead, rep });
            }
        }
    }

    fn play(&self, life: &mut Life, at: Timestamp, happening: Happening) -> Result<(), Refused> {
        match happening {
            Happening::Visitor => self.visit(life, at),
            Happening::HotLead(number) => self.hot_lead(life, at, number),
            Happening::Prices(contact) => self.view_prices(life, &contact),
            Happening::Demo(contact) => self.convert(life, &contact, cast::DEMO_FORM, Deed::AskedForDemo),
            Happening::ByHand(contact) => self.qualify_by_hand(life, &contact),
            Happening::Complete(contact) => self.complete(life, &contact),
            Happening::React { lead, rep } => self.react(life, at, lead, rep)?,
            Happening::HandOver { lead, rep } => self.hand_over(life, &lead, rep)?,
            Happening::Conclude { lead, rep } => self.conclude(life, at, lead, rep)?,
            Happening::MoveOn { lead, rep } => self.move_on(life, at, lead, rep)?,
            Happening::Close { lead, rep } => self.close(life, &lead, rep)?,
        }
        Ok(())
    }

    fn note(&self, life: &mut Life, deed: Deed, id: &str, rep: Option<usize>) {
        let who = rep.map(|rep| life.colleagues[rep].email.clone()).unwrap_or_default();
        life.diary.push(Entry { at: self.clock.now(), deed, id: id.to_owned(), who });
    }
}

impl Life {
    fn plan(&mut self, at: Timestamp, happening: Happening) {
        self.serial += 1;
        self.due.insert((at, self.serial), happening);
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.dice.usize(0..from.len())]
    }

    fn some_firm(&mut self) -> &'static Firm {
        if self.dice.u32(0..10) < 6 {
            &cast::FITTING[self.dice.usize(0..cast::FITTING.len())]
        } else {
            &cast::OTHERS[self.dice.usize(0..cast::OTHERS.len())]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::odoo::Odoo;
    use crate::sandbox::pipedrive::Pipedrive;
    use crate::sandbox::salesforce::Salesforce;
    use crate::sandbox::{hubspot, odoo, pipedrive, salesforce};

    /// A day in the company with somebody in Baton's place: each contact that asked for a demo gets a lead where the next
    /// salesperson in turn works.
    fn day(seed: u64, real_seconds_at_600x: i64) -> (Company, Desks, HubSpot) {
        let clock = Clock::manual(Company::first_morning());
        let hub = HubSpot::new(clock.clone(), hubspot::Settings::default());
        let desks = Desks::new(
            Odoo::new(clock.clone(), odoo::Settings::default()),
            Salesforce::new(clock.clone(), salesforce::Settings::default()),
            Pipedrive::new(clock.clone(), pipedrive::Settings::default()),
        );
        let company = Company::new(clock.clone(), seed, hub.clone(), desks.clone());
        company.seed_population(40);
        let reps: Vec<Colleague> = company.colleagues().into_iter().filter(|one| one.desk.is_some()).collect();
        let mut handed = BTreeMap::new();
        let mut turn = 0;
        for _ in 0..real_seconds_at_600x * 5 {
            clock.advance(SignedDuration::from_secs(120));
            company.step();
            for entry in company.diary().iter().filter(|entry| entry.deed == Deed::AskedForDemo) {
                if handed.contains_key(&entry.id) {
                    continue;
                }
                let contact = hub.get(Kind::Contact, &entry.id).unwrap();
                let owner = &reps[turn % reps.len()];
                turn += 1;
                let value = |name: &str| contact[name].clone();
                let known = Known {
                    first: value("firstname"),
                    last: value("lastname"),
                    email: value("email"),
                    phone: String::new(),
                    company: value("company"),
                };
                let place = owner.desk.unwrap();
                handed.insert(entry.id.clone(), desks.enter(place, owner.at(place), &known).unwrap());
            }
        }
        (company, desks, hub)
    }

    #[test]
    fn the_first_minute_at_600x_shows_the_whole_story() {
        for seed in [1, 2, 3, 7, 42] {
            let (company, desks, _) = day(seed, 60);
            let diary = company.diary();
            let count = |deed| diary.iter().filter(|entry| entry.deed == deed).count();
            let first_hour = Company::first_morning() + SignedDuration::from_mins(40);
            let early = diary.iter().filter(|entry| entry.deed == Deed::AskedForDemo && entry.at < first_hour).count();
            assert_eq!(early, 6, "seed {seed}");
            assert!(count(Deed::Called) >= 3 && count(Deed::Wrote) >= 1, "seed {seed}: {diary:?}");
            assert!(count(Deed::HandedOver) >= 1 && count(Deed::QualifiedByHand) >= 1, "seed {seed}");
            assert!(count(Deed::Lost) >= 1 && count(Deed::MovedOn) >= 1, "seed {seed}");
            let first_lost = diary.iter().find(|entry| entry.deed == Deed::Lost).unwrap();
            let lost_for = |place| desks.lost_for(&OnDesk { place, id: first_lost.id.clone() });
            let places = [Place::Odoo, Place::Salesforce, Place::Pipedrive];
            assert!(places.into_iter().filter_map(lost_for).any(|reason| reason == "Bad timing"), "seed {seed}");
            let silent = company.colleagues()[3].clone();
            let open = desks.open();
            let is_silent = |(lead, owner): &(OnDesk, String)| owner == silent.at(lead.place);
            assert!(open.iter().any(is_silent), "seed {seed}");
            assert!(diary.iter().all(|entry| entry.who != silent.email), "the silent one stays silent");
        }
    }

    #[test]
    fn the_same_seed_lives_the_same_life() {
        let (first, second) = (day(11, 30).0.diary(), day(11, 30).0.diary());
        assert_eq!(first, second);
        assert_ne!(first, day(12, 30).0.diary());
    }

    #[test]
    fn people_rest_at_night() {
        let (company, ..) = day(5, 180);
        let sales = [Deed::Called, Deed::Wrote, Deed::Lost, Deed::Won, Deed::HandedOver];
        let at_night =
            |entry: &&Entry| sales.contains(&entry.deed) && !hours::is_open(entry.at - SignedDuration::from_mins(2));
        assert_eq!(company.diary().iter().find(at_night), None);
        let second_day = hours::tomorrow(Company::first_morning()) + SignedDuration::from_hours(1);
        let works_again = |entry: &Entry| sales.contains(&entry.deed) && entry.at > second_day;
        assert!(company.diary().iter().any(works_again));
    }
}
