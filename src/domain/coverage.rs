//! How far the streams have been read: nobody is accused on data that does not cover the moment (promise 9).

use jiff::{SignedDuration, Timestamp};

use super::agreement::Proof;
use super::id::{ConnectionId, Name};
use super::skew::Skew;

/// How long evidence is waited for before people are told that Baton is blind.
pub const BLIND_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// How far one stream has been read, and what it can prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamCoverage {
    /// The stream: `hubspot.calls`.
    pub stream: Name,
    /// The commitments that its objects can fulfil.
    pub proves: Vec<Proof>,
    /// Everything up to here has been read; `None` before the first pass ended.
    pub covered_until: Option<Timestamp>,
}

/// How far everything has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// One line for each stream.
    pub streams: Vec<StreamCoverage>,
    /// Connections whose clocks are not ours.
    pub clocks: Vec<Skew>,
}

impl Coverage {
    /// The instant up to which every stream that could prove one of `proofs` has been read. `None` if one of them has
    /// not finished its first pass. [`Timestamp::MAX`] if no stream can prove any: then there is nothing to wait for.
    #[must_use]
    pub fn until(&self, proofs: &[Proof]) -> Option<Timestamp> {
        self.feeding(proofs).try_fold(Timestamp::MAX, |least, stream| Some(least.min(stream.covered_until?)))
    }

    /// The streams that hold `proofs` back at `instant`: what is covered reaches past it.
    pub fn behind(&self, proofs: &[Proof], instant: Timestamp) -> impl Iterator<Item = &StreamCoverage> {
        self.feeding(proofs).filter(move |stream| stream.covered_until.is_none_or(|until| until <= instant))
    }

    /// The first and the last instant by our clock at which what `connection` dates `theirs` may have happened.
    #[must_use]
    pub fn span(&self, connection: &ConnectionId, theirs: Timestamp) -> (Timestamp, Timestamp) {
        let clock = self.clocks.iter().find(|clock| clock.connection == *connection);
        clock.map_or((theirs, theirs), |clock| clock.span(theirs))
    }

    /// Has every stream finished its first pass?
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.streams.iter().all(|stream| stream.covered_until.is_some())
    }

    fn feeding(&self, proofs: &[Proof]) -> impl Iterator<Item = &StreamCoverage> {
        self.streams.iter().filter(move |stream| stream.proves.iter().any(|proof| proofs.contains(proof)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(name: &str, proves: &[Proof], until: Option<i64>) -> StreamCoverage {
        StreamCoverage {
            stream: Name::from(name),
            proves: proves.to_vec(),
            covered_until: until.map(|second| Timestamp::from_second(second).unwrap()),
        }
    }

    #[test]
    fn the_slowest_stream_that_could_prove_it_decides() {
        let coverage = Coverage {
            streams: vec![
                stream("a.calls", &[Proof::Call], Some(100)),
                stream("b.messages", &[Proof::Call, Proof::Email], Some(70)),
                stream("a.companies", &[], Some(10)),
            ],
            ..Coverage::default()
        };
        let until = |proofs: &[Proof]| coverage.until(proofs).map(Timestamp::as_second);
        assert_eq!(until(&[Proof::Call]), Some(70));
        assert_eq!(until(&[Proof::Meeting]), Some(Timestamp::MAX.as_second()));
        let behind: Vec<_> =
            coverage.behind(&[Proof::Call], Timestamp::from_second(90).unwrap()).map(|s| s.stream.as_str()).collect();
        assert_eq!(behind, ["b.messages"]);
        let exactly = coverage.behind(&[Proof::Call], Timestamp::from_second(70).unwrap()).count();
        assert_eq!(exactly, 1, "what is covered up to the instant does not reach past it");
    }

    #[test]
    fn a_stream_in_its_first_pass_proves_nothing_yet() {
        let coverage = Coverage { streams: vec![stream("a.calls", &[Proof::Call], None)], ..Coverage::default() };
        assert_eq!(coverage.until(&[Proof::Call]), None);
        assert!(!coverage.is_live());
    }
}
