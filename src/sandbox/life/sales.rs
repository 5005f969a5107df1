//! Salespeople at work, each in the CRM of their desk.

use jiff::{SignedDuration, Timestamp};

use super::cast::Habit;
use super::desk::{OnDesk, Refused};
use super::{Company, Deed, Happening, Life, hours};

impl Company {
    /// The salesperson's user id, if the lead is still open and still theirs.
    fn holder(&self, life: &Life, lead: &OnDesk, rep: usize) -> Option<String> {
        let account = life.colleagues[rep].at(lead.place);
        self.desks.owner(lead).filter(|owner| owner == account)
    }

    pub(super) fn react(&self, life: &mut Life, at: Timestamp, lead: OnDesk, rep: usize) -> Result<(), Refused> {
        let Some(by) = self.holder(life, &lead, rep) else { return Ok(()) };
        let writes = life.colleagues[rep].habit == Some(Habit::Writer) || life.dice.u32(0..5) == 0;
        if writes {
            self.desks.mail(&lead, &by, "Your request", "Thank you for your interest. When may I call you?")?;
            self.note(life, Deed::Wrote, &lead.id, Some(rep));
            if life.dice.bool() && self.desks.reply(&lead, "Any time tomorrow.") {
                self.note(life, Deed::Answered, &lead.id, None);
            }
        } else {
            let outcome =
                if life.dice.u32(0..4) == 0 { "Nobody answered, left a message" } else { "Spoke for ten minutes" };
            self.desks.call(&lead, &by, outcome)?;
            self.note(life, Deed::Called, &lead.id, Some(rep));
        }
        let is_first = life.reached.insert(lead.clone());
        let minutes = if is_first && life.reached.len() <= 2 { 12 } else { life.dice.i64(25..90) };
        life.plan(hours::after(at, SignedDuration::from_mins(minutes)), Happening::Conclude { lead, rep });
        Ok(())
    }

    /// Gives the lead to another salesperson of the same desk by hand, to one who works.
    pub(super) fn hand_over(&self, life: &mut Life, lead: &OnDesk, rep: usize) -> Result<(), Refused> {
        let Some(by) = self.holder(life, lead, rep) else { return Ok(()) };
        let works = |colleague: &&super::Colleague| {
            colleague.habit == Some(Habit::Caller) && colleague.desk == Some(lead.place)
        };
        let Some(heir) = life.colleagues.iter().find(works) else { return Ok(()) };
        self.desks.give(lead, &by, heir.at(lead.place))?;
        self.note(life, Deed::HandedOver, &lead.id, Some(rep));
        Ok(())
    }

    /// What comes of the first contact. The first person of the story says "not now", the second is interested.
    pub(super) fn conclude(&self, life: &mut Life, at: Timestamp, lead: OnDesk, rep: usize) -> Result<(), Refused> {
        let Some(by) = self.holder(life, &lead, rep) else { return Ok(()) };
        life.concluded += 1;
        let doubts = if life.colleagues[rep].habit == Some(Habit::Doubter) { 20 } else { 0 };
        let fate = match life.concluded {
            1 => 0,
            2 => 99,
            _ => life.dice.u32(doubts..100).saturating_sub(2 * doubts),
        };
        match fate {
            0..20 => self.lose(life, &by, &lead, rep, "Bad timing")?,
            20..28 => self.lose(life, &by, &lead, rep, "Bad fit")?,
            28..31 => self.lose(life, &by, &lead, rep, "Duplicate")?,
            // They want to think about it.
            31..50 => life.plan(hours::after(at, SignedDuration::from_hours(3)), Happening::Conclude { lead, rep }),
            _ => {
                self.desks.take_up(&lead, &by)?;
                self.note(life, Deed::MovedOn, &lead.id, Some(rep));
                let hours = life.dice.i64(3..7);
                life.plan(hours::after(at, SignedDuration::from_hours(hours)), Happening::MoveOn { lead, rep });
            }
        }
        Ok(())
    }

    fn lose(&self, life: &mut Life, by: &str, lead: &OnDesk, rep: usize, reason: &str) -> Result<(), Refused> {
        self.desks.lose(lead, by, reason)?;
        self.note(life, Deed::Lost, &lead.id, Some(rep));
        Ok(())
    }

    pub(super) fn move_on(&self, life: &mut Life, at: Timestamp, lead: OnDesk, rep: usize) -> Result<(), Refused> {
        let Some(by) = self.holder(life, &lead, rep) else { return Ok(()) };
        self.desks.offer(&lead, &by)?;
        self.note(life, Deed::MovedOn, &lead.id, Some(rep));
        life.plan(hours::next_open(hours::tomorrow(at)), Happening::Close { lead, rep });
        Ok(())
    }

    pub(super) fn close(&self, life: &mut Life, lead: &OnDesk, rep: usize) -> Result<(), Refused> {
        let Some(by) = self.holder(life, lead, rep) else { return Ok(()) };
        if life.dice.u32(0..3) == 0 {
            return self.lose(life, &by, lead, rep, "Bad timing");
        }
        self.desks.win(lead, &by)?;
        self.note(life, Deed::Won, &lead.id, Some(rep));
        Ok(())
    }
}
