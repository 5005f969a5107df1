//! How a lead returns to marketing: where to, for how long, and how often.

use crate::domain::counted::many;
use jiff::{SignedDuration, Timestamp};

use super::agreement::{Agreement, Destination};
use super::finding::FindingKind;
use super::id::Name;

/// How long a lead rests if the reason of its return is not in the agreement and no other return rests longer.
pub const REST_DEFAULT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A lead's way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Return {
    /// Where it goes.
    pub home: Home,
    /// The nurture track, if the agreement names one.
    pub track: Option<Name>,
    /// No new hand-off before this; `now` if it does not rest.
    pub rests_until: Timestamp,
    /// How often the lead has returned by now, this time included. Only returns to nurture count.
    pub cycle: u32,
    /// Has it returned too often, so that `[recycle] then` decided and not the reason?
    pub is_last: bool,
    /// What a person should know: the kind, and what to do.
    pub finding: Option<(FindingKind, String)>,
}

/// Where a returned lead lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Home {
    /// With marketing.
    Nurture,
    /// With nobody.
    Disqualified,
    /// With a person who looks whether it is another record of somebody known.
    MergeReview,
}

/// What follows when sales gives a lead back, or Baton takes it back, for `reason`.
///
/// `cycles` = returns so far, `genuine_touches` = sales' touches in this hand-off. A reason that the agreement does not
/// have is never the end of a lead: it goes to nurture without a track, rests as long as the longest return, and a
/// finding asks for the reason to be mapped.
#[must_use]
pub fn after_rejection(
    now: Timestamp,
    reason: Option<&Name>,
    cycles: u32,
    genuine_touches: u32,
    agreement: &Agreement,
) -> Return {
    let Some((reason, rejection)) = reason.and_then(|name| agreement.handoff.rejections.get_key_value(name)) else {
        return unmapped(now, reason, cycles, agreement);
    };
    let finding = (genuine_touches < rejection.needs_touches).then(|| {
        let text = format!(
            "given back as {reason} after {}; the agreement asks for {}: talk to the \
             owner, or lower `needs_touches`",
            many(genuine_touches, "genuine touch", "genuine touches"),
            rejection.needs_touches
        );
        (FindingKind::FewTouches, text)
    });
    let returned = go(now, &rejection.to, rejection.cool_off, cycles);
    Return { finding, ..limited(now, returned, rejection.cool_off, cycles, agreement) }
}

fn unmapped(now: Timestamp, reason: Option<&Name>, cycles: u32, agreement: &Agreement) -> Return {
    let rest =
        agreement.handoff.rejections.values().map(|known| known.cool_off).fold(REST_DEFAULT, SignedDuration::max);
    let text = match reason {
        Some(reason) => format!(
            "given back for {reason:?}, which the agreement does not know: add it to [handoff.rejections], or map the \
             CRM's value to a reason that is there",
            reason = reason.as_str()
        ),
        None => {
            "given back without a reason that the maps know: map the CRM's value under [connections.<name>.reasons]"
                .to_owned()
        }
    };
    let returned = Return {
        home: Home::Nurture,
        track: None,
        rests_until: later(now, rest),
        cycle: cycles.saturating_add(1),
        is_last: false,
        finding: None,
    };
    Return { finding: Some((FindingKind::Unmapped, text)), ..limited(now, returned, rest, cycles, agreement) }
}

/// Ends a lead that has returned too often.
fn limited(now: Timestamp, returned: Return, rest: SignedDuration, cycles: u32, agreement: &Agreement) -> Return {
    if returned.home != Home::Nurture || returned.cycle <= agreement.recycle.cycles_max {
        return returned;
    }
    Return { is_last: true, cycle: returned.cycle, ..go(now, &agreement.recycle.then, rest, cycles) }
}

fn go(now: Timestamp, to: &Destination, rest: SignedDuration, cycles: u32) -> Return {
    let (home, track, cycle) = match to {
        Destination::Nurture(track) => (Home::Nurture, Some(track.clone()), cycles.saturating_add(1)),
        Destination::Disqualified => (Home::Disqualified, None, cycles),
        Destination::MergeReview => (Home::MergeReview, None, cycles),
    };
    Return { home, track, rests_until: later(now, rest), cycle, is_last: false, finding: None }
}

fn later(now: Timestamp, rest: SignedDuration) -> Timestamp {
    now.checked_add(rest.max(SignedDuration::ZERO)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::agreement::{HandoffPolicy, Icp, RecyclePolicy, Rejection, ScoreModel};
    use super::super::field::FieldSet;
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;
    const DAY: SignedDuration = SignedDuration::from_hours(24);

    fn agreement(then: Destination) -> Agreement {
        let rejection = |to, days: i32, needs_touches| Rejection { to, cool_off: DAY * days, needs_touches };
        Agreement {
            version: Name::from("1"),
            effective: NOW,
            review_by: None,
            signed: Vec::new(),
            icp: Icp { fits: None, never: None },
            score: ScoreModel::default(),
            stages: Vec::new(),
            handoff: HandoffPolicy {
                to: None,
                skip: Vec::new(),
                requires: Vec::new(),
                incomplete: None,
                commitments: Vec::new(),
                rejections: BTreeMap::from([
                    (Name::from("bad_timing"), rejection(Destination::Nurture(Name::from("next-quarter")), 60, 0)),
                    (Name::from("no_response"), rejection(Destination::Nurture(Name::from("re-engage")), 30, 3)),
                    (Name::from("bad_fit"), rejection(Destination::Disqualified, 0, 0)),
                    (Name::from("duplicate"), rejection(Destination::MergeReview, 0, 0)),
                ]),
                turns_max: 3,
            },
            recycle: RecyclePolicy { cycles_max: 3, then },
            routing: Vec::new(),
            committee: None,
            uses: FieldSet::default(),
        }
    }

    #[test]
    fn every_reason_says_where_the_lead_goes() {
        let agreement = agreement(Destination::Disqualified);
        let check = |reason: Option<&str>, cycles, touches, home, track: Option<&str>, days: i32, cycle, finding| {
            let found = after_rejection(NOW, reason.map(Name::from).as_ref(), cycles, touches, &agreement);
            assert_eq!(
                (found.home, found.track.as_ref().map(Name::as_str), found.rests_until, found.cycle),
                (home, track, NOW + DAY * days, cycle),
                "{reason:?} after {cycles} returns"
            );
            assert_eq!(found.finding.map(|(kind, _)| kind), finding, "{reason:?} after {touches} touches");
        };
        let few = Some(FindingKind::FewTouches);
        let unmapped = Some(FindingKind::Unmapped);
        check(Some("bad_timing"), 0, 0, Home::Nurture, Some("next-quarter"), 60, 1, None);
        check(Some("no_response"), 1, 3, Home::Nurture, Some("re-engage"), 30, 2, None);
        check(Some("no_response"), 1, 2, Home::Nurture, Some("re-engage"), 30, 2, few);
        check(Some("bad_fit"), 1, 0, Home::Disqualified, None, 0, 1, None);
        check(Some("duplicate"), 1, 0, Home::MergeReview, None, 0, 1, None);
        check(Some("bad_timing"), 2, 0, Home::Nurture, Some("next-quarter"), 60, 3, None);
        check(Some("bad_timing"), 3, 0, Home::Disqualified, None, 60, 4, None);
        check(Some("no_response"), 3, 0, Home::Disqualified, None, 30, 4, few);
        check(Some("moon phase"), 0, 0, Home::Nurture, None, 60, 1, unmapped);
        check(None, 0, 0, Home::Nurture, None, 60, 1, unmapped);
        check(None, 3, 0, Home::Disqualified, None, 60, 4, unmapped);
    }

    proptest! {
        #[test]
        fn no_lead_goes_round_for_ever(reasons in prop::collection::vec(0..5usize, 1..30)) {
            let agreement = agreement(Destination::Disqualified);
            let names = ["bad_timing", "no_response", "duplicate", "bad_fit", "unheard of"];
            let mut cycles = 0;
            let mut returns = 0;
            for reason in reasons {
                let found = after_rejection(NOW, Some(&Name::from(names[reason])), cycles, 5, &agreement);
                prop_assert!(found.rests_until >= NOW);
                if found.home == Home::Nurture {
                    returns += 1;
                }
                cycles = found.cycle;
            }
            prop_assert!(returns <= agreement.recycle.cycles_max);
        }
    }
}
