//! The website and marketing, in HubSpot.

use jiff::{SignedDuration, Timestamp};

use super::cast::{self, Firm};
use super::{Company, Deed, Happening, Life, hours};
use crate::sandbox::hubspot::{Author, Kind};

impl Company {
    /// A new contact from a form; `None` if the address was there already.
    pub(super) fn sign_up(
        &self,
        life: &mut Life,
        firm: &'static Firm,
        form: &str,
        is_complete: bool,
    ) -> Option<String> {
        life.people += 1;
        let (first, last) = (life.pick(&cast::FIRST_NAMES), life.pick(&cast::LAST_NAMES));
        let email = format!("{}.{}{}@{}", first.to_lowercase(), last.to_lowercase(), life.people, firm.domain);
        let is_unlikely = firm.domain.starts_with("uni-") || life.dice.u32(0..12) == 0;
        let title = if is_unlikely { life.pick(&cast::UNLIKELY_TITLES) } else { life.pick(&cast::TITLES) };
        let phone = format!("+49 30 {}", 1_000_000 + life.people * 7919 % 8_999_999);
        let source = life.pick(&cast::SOURCES);
        let (now, employees) = (self.clock.now().to_string(), firm.employees.to_string());
        let company = life.companies.get(firm.name).cloned().unwrap_or_else(|| {
            let values = [
                ("name", firm.name),
                ("domain", firm.domain),
                ("numberofemployees", employees.as_str()),
                ("country", firm.country),
                ("industry", firm.industry),
            ];
            self.hubspot.create(Kind::Company, Author::Import, &values)
        });
        life.companies.insert(firm.name, company.clone());
        let mut values = vec![
            ("email", email.as_str()),
            ("firstname", first),
            ("lastname", last),
            ("jobtitle", title),
            ("company", firm.name),
            ("country", firm.country),
            ("lifecyclestage", "lead"),
            ("hs_analytics_source", source),
            ("hs_latest_source", source),
            ("hs_latest_source_timestamp", now.as_str()),
            ("first_conversion_event_name", form),
            ("first_conversion_date", now.as_str()),
            ("recent_conversion_event_name", form),
            ("recent_conversion_date", now.as_str()),
            ("num_conversion_events", "1"),
        ];
        if is_complete {
            values.push(("phone", phone.as_str()));
        }
        if life.dice.u32(0..15) == 0 {
            values.push(("hs_email_optout", "true"));
        }
        let contact = self.hubspot.create_contact(Author::Form, &values);
        self.hubspot.associate((Kind::Contact, &contact), (Kind::Company, &company), true);
        Some(contact)
    }

    pub(super) fn visit(&self, life: &mut Life, at: Timestamp) {
        let firm = life.some_firm();
        let is_complete = life.dice.u32(0..8) != 0;
        if let Some(contact) = self.sign_up(life, firm, cast::PAPER_FORM, is_complete) {
            self.note(life, Deed::Signed, &contact, None);
            let in_minutes = |minutes| at + SignedDuration::from_mins(minutes);
            match life.dice.u32(0..10) {
                0..4 => {
                    let (looks, asks) = (life.dice.i64(2..8), life.dice.i64(9..20));
                    life.plan(in_minutes(looks), Happening::Prices(contact.clone()));
                    life.plan(in_minutes(asks), Happening::Demo(contact.clone()));
                }
                4..6 => life.plan(in_minutes(5), Happening::Prices(contact.clone())),
                6 => life.plan(hours::next_open(in_minutes(15)), Happening::ByHand(contact.clone())),
                _ => {}
            }
            if !is_complete {
                life.plan(hours::after(at, SignedDuration::from_mins(50)), Happening::Complete(contact));
            }
        }
        let pause = if hours::is_open(at) { life.dice.i64(9..22) } else { life.dice.i64(50..140) };
        life.plan(at + SignedDuration::from_mins(pause), Happening::Visitor);
    }

    /// One of the first morning's people: a firm that fits, prices seen twice, then the demo form. The last of them is
    /// qualified by marketing's own hand instead.
    pub(super) fn hot_lead(&self, life: &mut Life, at: Timestamp, number: usize) {
        let firm = &cast::FITTING[number % cast::FITTING.len()];
        let Some(contact) = self.sign_up(life, firm, cast::PAPER_FORM, true) else { return };
        // The second of them comes by a partner.
        let source = if number == 1 { "REFERRALS" } else { "ORGANIC_SEARCH" };
        self.hubspot.update(
            Kind::Contact,
            &contact,
            Author::Form,
            &[("jobtitle", cast::TITLES[number]), ("hs_email_optout", "false"), ("hs_analytics_source", source)],
        );
        self.note(life, Deed::Signed, &contact, None);
        let in_seconds = |seconds| at + SignedDuration::from_secs(seconds);
        life.plan(in_seconds(30), Happening::Prices(contact.clone()));
        life.plan(in_seconds(60), Happening::Prices(contact.clone()));
        life.plan(in_seconds(90), Happening::Demo(contact));
        if number == 2 {
            let firm = &cast::FITTING[8];
            if let Some(contact) = self.sign_up(life, firm, cast::PAPER_FORM, true) {
                life.plan(in_seconds(120), Happening::ByHand(contact));
            }
        }
    }

    pub(super) fn view_prices(&self, life: &mut Life, contact: &str) {
        let Some(known) = self.hubspot.get(Kind::Contact, contact) else { return };
        let views = known.get("hs_analytics_num_page_views").and_then(|views| views.parse::<u32>().ok()).unwrap_or(0);
        let (views, now) = ((views + 1).to_string(), self.clock.now().to_string());
        // Another address each time: HubSpot's history leaves out a value that did not change.
        let url = format!("{}/pricing?view={views}", cast::WEBSITE);
        let values = [
            ("hs_analytics_num_page_views", views.as_str()),
            ("hs_analytics_last_url", url.as_str()),
            ("hs_analytics_last_visit_timestamp", now.as_str()),
            ("hs_latest_source_timestamp", now.as_str()),
        ];
        self.hubspot.update(Kind::Contact, contact, Author::Calculated, &values);
        self.note(life, Deed::ViewedPrices, contact, None);
    }

    pub(super) fn convert(&self, life: &mut Life, contact: &str, form: &str, deed: Deed) {
        let Some(known) = self.hubspot.get(Kind::Contact, contact) else { return };
        let count = known.get("num_conversion_events").and_then(|count| count.parse::<u32>().ok()).unwrap_or(0);
        let (count, now) = ((count + 1).to_string(), self.clock.now().to_string());
        let values = [
            ("recent_conversion_event_name", form),
            ("recent_conversion_date", now.as_str()),
            ("num_conversion_events", count.as_str()),
        ];
        self.hubspot.update(Kind::Contact, contact, Author::Form, &values);
        self.note(life, deed, contact, None);
    }

    pub(super) fn qualify_by_hand(&self, life: &mut Life, contact: &str) {
        let marketing = Author::User(life.colleagues[cast::MARKETING].hubspot.user_id);
        if self.hubspot.update(Kind::Contact, contact, marketing, &[("lifecyclestage", "marketingqualifiedlead")]) {
            self.note(life, Deed::QualifiedByHand, contact, Some(cast::MARKETING));
        }
    }

    pub(super) fn complete(&self, life: &mut Life, contact: &str) {
        let marketing = Author::User(life.colleagues[cast::MARKETING].hubspot.user_id);
        if self.hubspot.update(Kind::Contact, contact, marketing, &[("phone", "+49 30 5550100")]) {
            self.note(life, Deed::Completed, contact, Some(cast::MARKETING));
        }
    }
}
