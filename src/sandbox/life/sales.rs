//! Salespeople at work, in Odoo.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::cast::Habit;
use super::{Company, Deed, Happening, Life, hours};
use crate::sandbox::odoo::{Failure, Person};

impl Company {
    /// Whether the lead is still open and still theirs.
    pub(super) fn holds(&self, life: &Life, lead: i64, rep: usize) -> bool {
        self.odoo.owner(lead) == Some(life.colleagues[rep].odoo)
    }

    pub(super) fn react(&self, life: &mut Life, at: Timestamp, lead: i64, rep: usize) -> Result<(), Failure> {
        if !self.holds(life, lead, rep) {
            return Ok(());
        }
        let person = self.odoo.as_user(life.colleagues[rep].odoo);
        let writes = life.colleagues[rep].habit == Some(Habit::Writer) || life.dice.u32(0..5) == 0;
        if writes {
            person.send_email(lead, "Your request", "Thank you for your interest. When may I call you?")?;
            self.note(life, Deed::Wrote, &lead.to_string(), Some(rep));
            if life.dice.bool() {
                let lead_now = self.odoo.get_lead(lead).unwrap_or_default();
                let from = lead_now.get("email_from").and_then(|from| from.as_str()).unwrap_or_default().to_owned();
                self.odoo.as_admin().receive_email(lead, &from, "Any time tomorrow.")?;
                self.note(life, Deed::Answered, &lead.to_string(), None);
            }
        } else {
            let outcome =
                if life.dice.u32(0..4) == 0 { "Nobody answered, left a message" } else { "Spoke for ten minutes" };
            person.log_call(lead, outcome)?;
            self.note(life, Deed::Called, &lead.to_string(), Some(rep));
        }
        let is_first = life.reached.insert(lead);
        let minutes = if is_first && life.reached.len() <= 2 { 12 } else { life.dice.i64(25..90) };
        life.plan(hours::after(at, SignedDuration::from_mins(minutes)), Happening::Conclude { lead, rep });
        Ok(())
    }

    /// Gives the lead to another salesperson by hand, to one who works.
    pub(super) fn hand_over(&self, life: &mut Life, lead: i64, rep: usize) -> Result<(), Failure> {
        if !self.holds(life, lead, rep) {
            return Ok(());
        }
        let heir =
            life.colleagues.iter().find(|colleague| colleague.habit == Some(Habit::Caller)).map(|heir| heir.odoo);
        self.odoo.as_user(life.colleagues[rep].odoo).write_lead(lead, json!({"user_id": heir}))?;
        self.note(life, Deed::HandedOver, &lead.to_string(), Some(rep));
        Ok(())
    }

    /// What comes of the first contact. The first person of the story says "not now", the second is interested.
    pub(super) fn conclude(&self, life: &mut Life, at: Timestamp, lead: i64, rep: usize) -> Result<(), Failure> {
        if !self.holds(life, lead, rep) {
            return Ok(());
        }
        let person = self.odoo.as_user(life.colleagues[rep].odoo);
        life.concluded += 1;
        let doubts = if life.colleagues[rep].habit == Some(Habit::Doubter) { 20 } else { 0 };
        let fate = match life.concluded {
            1 => 0,
            2 => 99,
            _ => life.dice.u32(doubts..100).saturating_sub(2 * doubts),
        };
        match fate {
            0..20 => self.lose(life, &person, lead, rep, "Bad timing")?,
            20..28 => self.lose(life, &person, lead, rep, "Bad fit")?,
            28..31 => self.lose(life, &person, lead, rep, "Duplicate")?,
            31..50 => {
                person.log_note(lead, "Wants to think about it")?;
                life.plan(hours::after(at, SignedDuration::from_hours(3)), Happening::Conclude { lead, rep });
            }
            _ => {
                person.write_lead(lead, json!({"stage_id": 2}))?;
                self.note(life, Deed::MovedOn, &lead.to_string(), Some(rep));
                let hours = life.dice.i64(3..7);
                life.plan(hours::after(at, SignedDuration::from_hours(hours)), Happening::MoveOn { lead, rep });
            }
        }
        Ok(())
    }

    pub(super) fn lose(
        &self,
        life: &mut Life,
        person: &Person,
        lead: i64,
        rep: usize,
        reason: &str,
    ) -> Result<(), Failure> {
        person.mark_lost(lead, reason)?;
        self.note(life, Deed::Lost, &lead.to_string(), Some(rep));
        Ok(())
    }

    pub(super) fn move_on(&self, life: &mut Life, at: Timestamp, lead: i64, rep: usize) -> Result<(), Failure> {
        if !self.holds(life, lead, rep) {
            return Ok(());
        }
        self.odoo
            .as_user(life.colleagues[rep].odoo)
            .write_lead(lead, json!({"stage_id": 3, "expected_revenue": 24_000}))?;
        self.note(life, Deed::MovedOn, &lead.to_string(), Some(rep));
        life.plan(hours::next_open(hours::tomorrow(at)), Happening::Close { lead, rep });
        Ok(())
    }

    pub(super) fn close(&self, life: &mut Life, lead: i64, rep: usize) -> Result<(), Failure> {
        if !self.holds(life, lead, rep) {
            return Ok(());
        }
        let person = self.odoo.as_user(life.colleagues[rep].odoo);
        if life.dice.u32(0..3) == 0 {
            return self.lose(life, &person, lead, rep, "Bad timing");
        }
        person.mark_won(lead)?;
        self.note(life, Deed::Won, &lead.to_string(), Some(rep));
        Ok(())
    }
}
