//! What goes wrong, how often, and how often it did; and what lives must meet to be worth anything.

use std::collections::BTreeMap;

use fastrand::Rng;

/// Declares an enum of kinds with a list of all of them: one that is added stands in the list.
macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident { $($kind:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum $name { $($kind),* }

        impl $name {
            pub(super) const ALL: &[Self] = &[$(Self::$kind),*];
        }
    };
}

kinds! {
    /// A kind of trouble that strikes by chance.
    Fault {
        // The CRM, reading.
        ReadUnavailable, ReadLimited, ReadMalformed, ReadForbidden, TokenRevoked, IndexLag, LateCommit, PageTwice, PageDrifts,
        StaleRead, FeedLoses, DiesReading,
        // The CRM, writing.
        WriteLimited, WriteUnsent, WriteRefused, LostBefore, LostAfter, LateEffect, NotNamed, DiesAfterEffect,
        // Webhooks.
        HookLost, HookTwice, HookLate,
        // The process.
        Killed, KilledBeforeSending, PollSkipped, SweepSkipped, LongSleep, ClockSteps,
        // People and other machines.
        Reassigned, Overwritten, OwnerFought, StageFought, UserLeft, Deleted, Restored, Merged, OptedOut, OptedOutInSales,
        LoggedLate, AddressChanged, StageByHand,
    }
}

kinds! {
    /// What follows from trouble, or comes about by itself.
    Met {
        // What the CRMs saw.
        PageBetweenEqualTimes, EffectLookedFor, EffectFoundByLook, EffectNotThereByLook, OwnerOfSomebodyElse, CreateFoundRecord,
        // What the daemon did.
        HandedOver, PutOnList, NotPutOnList, StepFired, Accused, AccusationWithdrawn, TakenOverByPerson,
        ReassignedByClock, OwnerGone, FellBack, FieldContested, LeadsJoined, RecordGone, Recycled, RejectedBySales,
        QualifiedBySales, DeadEffect, HintFollowed, PatrolRepaired, DecidedOnUnsureTime, WritesOff, WritesPlanned,
    }
}

/// How often what was met, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(BTreeMap<String, u64>);

impl Tally {
    pub(super) fn add(&mut self, kind: impl std::fmt::Debug, count: u64) {
        *self.0.entry(format!("{kind:?}")).or_default() += count;
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (kind, count) in other.0 {
            *self.0.entry(kind).or_default() += count;
        }
    }

    /// Kinds that never came.
    pub(super) fn missing(&self) -> Vec<String> {
        let faults = Fault::ALL.iter().map(|fault| format!("{fault:?}"));
        let all = faults.chain(Met::ALL.iter().map(|met| format!("{met:?}")));
        all.filter(|kind| !self.0.contains_key(kind)).collect()
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all: Vec<String> = self.0.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        f.write_str(&all.join(", "))
    }
}

/// The faults of one run: a seed has only some kinds of them, each with its own chance.
#[derive(Clone, Debug)]
pub(super) struct Faults {
    chances: BTreeMap<Fault, f64>,
    pub(super) tally: Tally,
}

impl Faults {
    pub(super) fn drawn(rng: &mut Rng) -> Self {
        let mut chances = BTreeMap::new();
        for fault in Fault::ALL {
            if rng.f64() < 0.6 {
                chances.insert(*fault, most(*fault) * rng.f64());
            }
        }
        Self { chances, tally: Tally::default() }
    }

    pub(super) fn strikes(&mut self, rng: &mut Rng, fault: Fault) -> bool {
        let Some(chance) = self.chances.get(&fault) else { return false };
        let strikes = rng.f64() < *chance;
        if strikes {
            self.tally.add(fault, 1);
        }
        strikes
    }

    pub(super) fn met(&mut self, met: Met) {
        self.tally.add(met, 1);
    }

    pub(super) fn stop(&mut self) {
        self.chances.clear();
    }
}

/// The highest chance a seed may give a fault, each time it could strike.
fn most(fault: Fault) -> f64 {
    match fault {
        // A workflow fights whenever it is there.
        Fault::OwnerFought | Fault::StageFought => 1.5,
        Fault::IndexLag | Fault::LateCommit | Fault::LostAfter | Fault::LostBefore | Fault::PageDrifts => 0.3,
        Fault::HookLost | Fault::HookTwice | Fault::HookLate => 0.3,
        Fault::TokenRevoked
        | Fault::ReadForbidden
        | Fault::WriteRefused
        | Fault::DiesAfterEffect
        | Fault::DiesReading
        | Fault::FeedLoses
        | Fault::ClockSteps => 0.05,
        Fault::Killed | Fault::KilledBeforeSending | Fault::LongSleep => 0.08,
        Fault::Deleted | Fault::Restored | Fault::UserLeft => 0.06,
        Fault::ReadUnavailable
        | Fault::ReadLimited
        | Fault::ReadMalformed
        | Fault::PageTwice
        | Fault::StaleRead
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
        | Fault::OptedOutInSales
        | Fault::LoggedLate
        | Fault::AddressChanged
        | Fault::StageByHand => 0.2,
    }
}
