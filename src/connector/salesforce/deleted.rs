//! Deletions that no query shows: `queryAll` tells of what lies in the recycle bin, and only `getDeleted` of what was emptied out of it. It is
//! asked once an hour at the end of a scan of leads, and of contacts (48 requests a day), so that such a lead is missed within the hour and not within the patrol's day. Source: the sheet,
//! section 6, "Deletes".

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::failure::Failure;
use super::read::Source;
use super::soql::Id;
use super::streams::Place;
use super::{Salesforce, map, wire};
use crate::domain::finding::{Finding, FindingKind};
use crate::domain::observation::Observation;

/// The part of the connection that findings about it name.
pub(super) const PART: &str = "deletions";
/// How often it is asked.
const EVERY: SignedDuration = SignedDuration::from_hours(1);
/// The log reaches back fifteen days; a little less is asked for, since seconds are ignored.
const REACH: SignedDuration = SignedDuration::from_hours(15 * 24 - 1);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    deleted_records: Vec<Record>,
    earliest_date_available: String,
    latest_date_covered: String,
}

#[derive(Deserialize)]
struct Record {
    id: String,
}

/// What a look at the deletions showed.
#[derive(Debug, Default)]
pub(super) struct Deletions {
    pub(super) observations: Vec<Observation>,
    pub(super) findings: Vec<Finding>,
}

/// What is to be done at the end of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// Nothing before the beginning of this scan is of interest: it has read everything anew.
    Begin,
    NotYet,
    Ask,
    /// The log does not reach back that far any more.
    TooLate,
}

fn due(since: Option<Timestamp>, server: Timestamp) -> Due {
    match since.map(|since| server.duration_since(since)) {
        None => Due::Begin,
        Some(age) if age < EVERY => Due::NotYet,
        Some(age) if age > REACH => Due::TooLate,
        Some(_) => Due::Ask,
    }
}

impl Salesforce {
    /// Asks for deletions at the end of a scan that began at `began`, if it is time to, and says in `place` how far that covers. What passes by itself is asked again at the end of the
    /// next scan.
    pub(super) async fn deletions(
        &self,
        source: Source,
        place: &mut Place,
        began: Timestamp,
        server: Timestamp,
    ) -> Result<Deletions, Failure> {
        if !matches!(source, Source::Leads | Source::Contacts) {
            return Ok(Deletions::default());
        }
        match due(place.deleted_until(), server) {
            Due::NotYet => Ok(Deletions::default()),
            Due::Begin => {
                place.deletions_read(began);
                Ok(Deletions::default())
            }
            Due::TooLate => {
                place.deletions_read(server);
                Ok(self.left_to_the_patrol(source, "was last asked more than 15 days ago"))
            }
            Due::Ask => match self.ask_deleted(source, place.deleted_until().unwrap_or(server), server).await {
                Ok((deletions, until)) => {
                    place.deletions_read(until);
                    Ok(deletions)
                }
                Err(Failure::Refused { code, words }) => {
                    place.deletions_read(server);
                    let why = if code.is_empty() { words } else { code };
                    Ok(self.left_to_the_patrol(source, &format!("was refused: {why}")))
                }
                // The page stands; it is asked again.
                Err(Failure::Unclear(_) | Failure::Pending(_) | Failure::NotSent(_) | Failure::Slow(_)) => {
                    Ok(Deletions::default())
                }
                Err(other) => Err(other),
            },
        }
    }

    async fn ask_deleted(
        &self,
        source: Source,
        since: Timestamp,
        server: Timestamp,
    ) -> Result<(Deletions, Timestamp), Failure> {
        let written = |at: Timestamp| at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string();
        let (start, end) = (written(since), written(server));
        let path = ["sobjects", source.object(), "deleted"];
        let answer = self.api.get(&path, &[("start", &start), ("end", &end)]).await?;
        let told: Answer = wire::whole(&answer.response.body)
            .map_err(|at| Failure::Malformed(format!("deletions of {}: {at}", source.object())))?;
        let time = |text: &str, what: &str| {
            wire::instant(text)
                .ok_or_else(|| Failure::Malformed(format!("deletions of {}: {what} is no time", source.object())))
        };
        let until = time(&told.latest_date_covered, "latestDateCovered")?;
        let earliest = time(&told.earliest_date_available, "earliestDateAvailable")?;
        let ids: Vec<Id> = told.deleted_records.iter().filter_map(|record| Id::parse(&record.id)).collect();
        // What lies in the bin still is shown by its id, merged ones with the record that they live on in.
        let observations = self.by_ids(source, &ids).await?;
        let mut deletions = if earliest > since {
            self.left_to_the_patrol(source, "is kept for less time here")
        } else {
            Deletions::default()
        };
        deletions.observations = observations;
        // A log that covers less than was asked for is asked on from there.
        Ok((deletions, until.min(server).max(since)))
    }

    fn left_to_the_patrol(&self, source: Source, why: &str) -> Deletions {
        let text = format!(
            "the org's log of deleted {} records {why}: those that were deleted for good before are found by the patrol, within its period; \
             nothing needs to be done",
            source.object()
        );
        let finding = map::finding(&self.maps, FindingKind::Connection, PART.to_owned(), text);
        Deletions { observations: Vec::new(), findings: vec![finding] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_asked_once_an_hour_as_far_as_it_reaches_section_6() {
        let now: Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
        let ago = |hours: i64| Some(now - SignedDuration::from_hours(hours));
        assert_eq!(due(None, now), Due::Begin);
        assert_eq!(due(Some(now), now), Due::NotYet);
        assert_eq!(due(ago(1), now), Due::Ask);
        assert_eq!(due(ago(14 * 24), now), Due::Ask);
        assert_eq!(due(ago(15 * 24), now), Due::TooLate);
    }
}
