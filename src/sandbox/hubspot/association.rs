//! The association types that HubSpot defines, by direction. Source: sheet section 7, both tables.

use super::kind::Kind;
use super::kind::Kind::{Call, Company, Contact, Deal, Email, Lead, Meeting, Note, Task};

/// The types of one association in one direction: at most four, without an allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Types([u16; 4]);

impl Types {
    pub(super) fn of(types: &[u16]) -> Self {
        let mut all = Self::default();
        types.iter().for_each(|each| all.add(*each));
        all
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u16> {
        self.0.into_iter().filter(|each| *each != 0)
    }

    pub(super) fn contains(&self, wanted: u16) -> bool {
        self.0.contains(&wanted)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }

    pub(super) fn add(&mut self, one: u16) {
        if !self.contains(one)
            && let Some(free) = self.0.iter_mut().find(|each| **each == 0)
        {
            *free = one;
        }
        self.0.sort_unstable_by_key(|each| if *each == 0 { u16::MAX } else { *each });
    }

    pub(super) fn remove(&mut self, one: u16) {
        self.0.iter_mut().filter(|each| **each == one).for_each(|each| *each = 0);
        self.0.sort_unstable_by_key(|each| if *each == 0 { u16::MAX } else { *each });
    }

    pub(super) fn extend(&mut self, other: &Self) {
        other.iter().for_each(|each| self.add(each));
    }

    pub(super) fn map(self, change: fn(u16) -> u16) -> Self {
        Self::of(&self.iter().map(change).collect::<Vec<_>>())
    }
}

/// `(from, to, plain type there, plain type back)`.
const PLAIN: &[(Kind, Kind, u16, u16)] = &[
    (Contact, Contact, 449, 449),
    (Company, Company, 450, 450),
    (Deal, Deal, 451, 451),
    (Contact, Company, 279, 280),
    (Contact, Deal, 4, 3),
    (Contact, Lead, 609, 608),
    (Contact, Task, 203, 204),
    (Contact, Note, 201, 202),
    (Contact, Call, 193, 194),
    (Contact, Email, 197, 198),
    (Contact, Meeting, 199, 200),
    (Company, Deal, 342, 341),
    (Company, Lead, 611, 610),
    (Company, Task, 191, 192),
    (Company, Note, 189, 190),
    (Company, Call, 181, 182),
    (Company, Email, 185, 186),
    (Company, Meeting, 187, 188),
    (Deal, Lead, 1038, 1037),
    (Deal, Task, 215, 216),
    (Deal, Note, 213, 214),
    (Deal, Call, 205, 206),
    (Deal, Email, 209, 210),
    (Deal, Meeting, 211, 212),
    (Lead, Task, 646, 647),
    (Lead, Note, 854, 855),
    (Lead, Call, 596, 597),
    (Lead, Meeting, 600, 601),
];

/// `(from, to, primary type there, primary type back or 0 where the sheet lists none)`.
const PRIMARY: &[(Kind, Kind, u16, u16)] = &[
    (Contact, Company, 1, 2),
    (Company, Deal, 6, 5),
    (Lead, Contact, 578, 0),
    (Lead, Company, 580, 0),
    (Lead, Deal, 582, 583),
];

/// The plain type from `from` to `to`.
pub(super) fn plain(from: Kind, to: Kind) -> Option<u16> {
    // A lead's e-mails: 598 towards the e-mail; the way back is not listed.
    if (from, to) == (Lead, Email) {
        return Some(598);
    }
    PLAIN.iter().find_map(|(one, other, there, back)| {
        if (from, to) == (*one, *other) {
            Some(*there)
        } else if (from, to) == (*other, *one) {
            Some(*back)
        } else {
            None
        }
    })
}

/// The primary type from `from` to `to`.
pub(super) fn primary(from: Kind, to: Kind) -> Option<u16> {
    PRIMARY
        .iter()
        .find_map(|(one, other, there, back)| {
            if (from, to) == (*one, *other) {
                Some(*there)
            } else if (from, to) == (*other, *one) {
                Some(*back)
            } else {
                None
            }
        })
        .filter(|each| *each != 0)
}

/// The same association seen from the other end; 0 where there is none.
pub(super) fn inverse(one: u16) -> u16 {
    PLAIN
        .iter()
        .chain(PRIMARY)
        .find_map(|(_, _, there, back)| {
            if one == *there {
                Some(*back)
            } else if one == *back {
                Some(*there)
            } else {
                None
            }
        })
        .unwrap_or(0)
}

/// The label shown with a type: only the primary ones carry one.
pub(super) fn label(one: u16) -> Option<&'static str> {
    PRIMARY.iter().any(|(_, _, there, back)| one == *there || one == *back).then_some("Primary")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_direction_of_the_sheet_reads_as_there() {
        for (from, to, expected) in [
            (Task, Contact, 204),
            (Note, Contact, 202),
            (Contact, Task, 203),
            (Contact, Company, 279),
            (Company, Contact, 280),
            (Call, Contact, 194),
            (Meeting, Lead, 601),
            (Lead, Contact, 608),
            (Deal, Company, 341),
        ] {
            assert_eq!(plain(from, to), Some(expected), "{from:?} to {to:?}");
            assert_eq!(plain(to, from), Some(inverse(expected)));
        }
        assert_eq!(primary(Lead, Contact), Some(578));
        assert_eq!(primary(Contact, Lead), None);
        assert_eq!(plain(Task, Note), None);
    }
}
