//! What visitors, sellers, marketers and other machines do in one life.

use baton::domain::field::{Field, Value};
use baton::domain::id::{Name, RemoteId};
use baton::domain::record::{Author, Disposition, OwnerEntry, Word};
use baton::domain::signal::Signal;
use baton::domain::stage::{Stage, StageEntry};
use baton::domain::touch::{Channel, Genuine, NotGenuine, Touch};
use jiff::SignedDuration;

use super::faults::Fault;
use super::run::Run;

impl Run {
    pub(super) fn somebody_acts(&mut self) {
        match self.rng.u8(..10) {
            0..=2 => self.visitor_comes(),
            3 | 4 => self.visitor_asks(),
            5 | 6 => self.seller_calls(),
            7 => self.seller_speaks(),
            _ => self.trouble_comes(),
        }
    }

    fn visitor_comes(&mut self) {
        self.leads_made += 1;
        let company = self.marketing.add_company(if self.rng.u8(..5) == 0 { 5.0 } else { 300.0 });
        let email = format!("lead{}@firm{}.example", self.leads_made, self.leads_made);
        let contact = self.marketing.add_person(&email, Some(&company));
        self.marketing.edit(&contact, |person, now| {
            let title = Value::text("Head of IT").expect("a text");
            person.values.insert(Field::Title, (title, now));
        });
        if self.rng.bool() {
            self.asks(&contact);
        }
        // Sales may know them already, from a fair perhaps.
        if self.rng.u8(..6) == 0 {
            self.sales.add_person(&email, None);
        }
    }

    fn asks(&mut self, contact: &RemoteId) {
        self.marketing.edit(contact, |person, now| {
            person.signals.push(Signal { name: Name::from("demo_request"), at: now });
        });
    }

    fn visitor_asks(&mut self) {
        if let Some(contact) = self.any(false) {
            self.asks(&contact);
        }
    }

    fn seller_calls(&mut self) {
        let Some(lead) = self.any(true) else { return };
        let late = if self.strikes(Fault::LoggedLate) { self.rng.i64(1..90) } else { 0 };
        let at = self.clock.now() - SignedDuration::from_mins(late);
        let channel = Channel::ALL[self.rng.usize(..3)];
        let genuine = match self.rng.u8(..5) {
            0 => Genuine::No(NotGenuine::Inbound),
            1 => Genuine::No(NotGenuine::Failed),
            _ => Genuine::Yes,
        };
        let seller = self.seller();
        self.sales.log(&lead, &seller, |of, person| Touch { of, person, channel, at, by: None, genuine });
    }

    fn seller_speaks(&mut self) {
        let Some(lead) = self.any(true) else { return };
        let by = Author::Person(Some(self.seller()));
        let stage = match self.rng.u8(..4) {
            0 => Some(Stage::Sal),
            1 => Some(Stage::Sql),
            _ => None,
        };
        let reason = ["bad_timing", "bad_fit", "no_reason_of_ours"][self.rng.usize(..3)];
        self.sales.edit(&lead, |person, now| match stage {
            Some(stage) => person.stages.push(StageEntry { stage, at: now, by }),
            None => {
                let said = Some(Name::from(reason));
                let reason = said.clone().filter(|reason| reason.as_str() != "no_reason_of_ours");
                person.disposition = Some(Disposition { word: Word::Rejected { reason, said }, at: now, by });
            }
        });
    }

    /// People and machines who do what nobody asked them for.
    fn trouble_comes(&mut self) {
        let seller = self.seller();
        if self.strikes(Fault::Reassigned)
            && let Some(lead) = self.any(true)
        {
            let by = Author::Person(Some(seller.clone()));
            let owner = self.seller();
            self.sales.edit(&lead, |person, now| person.own_by(OwnerEntry { owner: Some(owner), at: now, by }));
        }
        if self.strikes(Fault::Overwritten)
            && let Some(lead) = self.any(true)
        {
            let by = Author::Automation(Name::from("assignment rule"));
            let owner = Some(seller.clone());
            self.sales.edit(&lead, |person, now| person.own_by(OwnerEntry { owner, at: now, by }));
        }
        if self.strikes(Fault::UserLeft) {
            let is_active = self.rng.u8(..3) == 0;
            self.sales.set_active(&seller, is_active);
        }
        if self.strikes(Fault::Deleted) {
            let of_sales = self.rng.bool();
            if let Some(id) = self.any(of_sales) {
                self.model(of_sales).delete(&id);
            }
        }
        if self.strikes(Fault::Restored) {
            let of_sales = self.rng.bool();
            let gone =
                self.model(of_sales).lock().people.iter().find(|(_, person)| person.is_gone).map(|(id, _)| id.clone());
            if let Some(id) = gone {
                self.model(of_sales).restore(&id);
            }
        }
        if self.strikes(Fault::Merged)
            && let (Some(one), Some(other)) = (self.any(false), self.any(false))
            && one != other
        {
            self.marketing.merge(&one, &other);
        }
        for (fault, of_sales) in [(Fault::OptedOut, false), (Fault::OptedOutInSales, true)] {
            if self.strikes(fault)
                && let Some(id) = self.any(of_sales)
            {
                self.model(of_sales).edit(&id, |person, now| {
                    person.values.insert(Field::OptedOut, (Value::Flag(true), now));
                });
            }
        }
        if self.strikes(Fault::AddressChanged)
            && let Some(contact) = self.any(false)
        {
            let address = format!("new{}@other.example", self.rng.u16(..));
            self.marketing.edit(&contact, |person, now| {
                person.values.insert(Field::Email, (Value::text(&address).expect("a text"), now));
            });
        }
        if self.strikes(Fault::StageByHand)
            && let Some(contact) = self.any(false)
        {
            let stage = [Stage::Mql, Stage::Engagement, Stage::Awareness][self.rng.usize(..3)];
            let by = Author::Person(None);
            self.marketing.edit(&contact, |person, now| person.stages.push(StageEntry { stage, at: now, by }));
        }
    }

    fn any(&mut self, of_sales: bool) -> Option<RemoteId> {
        let live: Vec<RemoteId> = {
            let state = self.model(of_sales).lock();
            state.people.iter().filter(|(_, person)| !person.is_gone).map(|(id, _)| id.clone()).collect()
        };
        if live.is_empty() { None } else { Some(live[self.rng.usize(..live.len())].clone()) }
    }

    fn seller(&mut self) -> RemoteId {
        self.sellers[self.rng.usize(..self.sellers.len())].clone()
    }
}
