//! What goes wrong, how often, and how often it did.

use std::collections::BTreeMap;

use fastrand::Rng;

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    // The CRM, reading.
    ReadUnavailable,
    ReadLimited,
    ReadMalformed,
    ReadForbidden,
    TokenRevoked,
    IndexLag,
    LateCommit,
    PageTwice,
    // The CRM, writing.
    WriteLimited,
    WriteUnsent,
    WriteRefused,
    LostBefore,
    LostAfter,
    LateEffect,
    NotNamed,
    DiesAfterEffect,
    // The process.
    Killed,
    PollSkipped,
    SweepSkipped,
    LongSleep,
    // People and other machines.
    Reassigned,
    Overwritten,
    UserLeft,
    Deleted,
    Restored,
    Merged,
    OptedOut,
    LoggedLate,
    AddressChanged,
    StageByHand,
}

impl Fault {
    pub(super) const ALL: [Self; 30] = [
        Self::ReadUnavailable,
        Self::ReadLimited,
        Self::ReadMalformed,
        Self::ReadForbidden,
        Self::TokenRevoked,
        Self::IndexLag,
        Self::LateCommit,
        Self::PageTwice,
        Self::WriteLimited,
        Self::WriteUnsent,
        Self::WriteRefused,
        Self::LostBefore,
        Self::LostAfter,
        Self::LateEffect,
        Self::NotNamed,
        Self::DiesAfterEffect,
        Self::Killed,
        Self::PollSkipped,
        Self::SweepSkipped,
        Self::LongSleep,
        Self::Reassigned,
        Self::Overwritten,
        Self::UserLeft,
        Self::Deleted,
        Self::Restored,
        Self::Merged,
        Self::OptedOut,
        Self::LoggedLate,
        Self::AddressChanged,
        Self::StageByHand,
    ];
}

/// The faults of one run: a seed has only some kinds of them, each with its own chance.
#[derive(Clone, Debug)]
pub(super) struct Faults {
    chances: BTreeMap<Fault, f64>,
    struck: BTreeMap<Fault, u64>,
}

impl Faults {
    pub(super) fn drawn(rng: &mut Rng) -> Self {
        let mut chances = BTreeMap::new();
        for fault in Fault::ALL {
            if rng.f64() < 0.6 {
                chances.insert(fault, most(fault) * rng.f64());
            }
        }
        Self { chances, struck: BTreeMap::new() }
    }

    pub(super) fn strikes(&mut self, rng: &mut Rng, fault: Fault) -> bool {
        let Some(chance) = self.chances.get(&fault) else { return false };
        let strikes = rng.f64() < *chance;
        if strikes {
            *self.struck.entry(fault).or_default() += 1;
        }
        strikes
    }

    pub(super) fn stop(&mut self) {
        self.chances.clear();
    }

    pub(super) fn struck(&self) -> &BTreeMap<Fault, u64> {
        &self.struck
    }
}

/// The highest chance a seed may give a fault, each time it could strike.
fn most(fault: Fault) -> f64 {
    match fault {
        Fault::IndexLag | Fault::LateCommit | Fault::LostAfter | Fault::LostBefore => 0.3,
        Fault::TokenRevoked | Fault::ReadForbidden | Fault::WriteRefused | Fault::DiesAfterEffect => 0.05,
        Fault::Killed | Fault::LongSleep => 0.08,
        Fault::Deleted | Fault::Restored | Fault::UserLeft => 0.06,
        Fault::ReadUnavailable
        | Fault::ReadLimited
        | Fault::ReadMalformed
        | Fault::PageTwice
        | Fault::WriteLimited
        | Fault::WriteUnsent
        | Fault::LateEffect
        | Fault::NotNamed
        | Fault::PollSkipped
        | Fault::SweepSkipped
        | Fault::Reassigned
        | Fault::Overwritten
        | Fault::Merged
        | Fault::OptedOut
        | Fault::LoggedLate
        | Fault::AddressChanged
        | Fault::StageByHand => 0.2,
    }
}
