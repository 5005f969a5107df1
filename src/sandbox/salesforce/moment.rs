//! Times as Salesforce shows them, `2026-11-20T17:50:19.000+0000`, and as SOQL writes them, `2026-11-20T17:50:19Z`. Source:
//! section 5. Stamps are whole seconds.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// As it is shown.
pub(super) fn shown(millisecond: i64) -> String {
    Timestamp::from_millisecond(millisecond - millisecond.rem_euclid(1000))
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .strftime("%Y-%m-%dT%H:%M:%S.000+0000")
        .to_string()
}

/// The day of a time that is shown.
pub(super) fn day(shown: &str) -> &str {
    shown.get(..10).unwrap_or(shown)
}

/// A time that a caller wrote, in JSON or in SOQL, as it is shown.
pub(super) fn read(text: &str) -> Option<String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(shown(at.as_millisecond()));
    }
    // `+0000` without the colon, as it is shown itself.
    if let Some((civil, sign, offset)) = text.len().checked_sub(5).and_then(|at| {
        let (civil, offset) = text.split_at_checked(at)?;
        let sign = match offset.as_bytes().first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        Some((civil, sign, &offset[1..]))
    }) {
        let civil: DateTime = civil.parse().ok()?;
        let (hours, minutes) = (offset.get(..2)?.parse::<i64>().ok()?, offset.get(2..)?.parse::<i64>().ok()?);
        let utc = civil.to_zoned(TimeZone::UTC).ok()?.timestamp();
        let at = utc.checked_sub(SignedDuration::from_mins(sign * (hours * 60 + minutes))).ok()?;
        return Some(shown(at.as_millisecond()));
    }
    // A day stands for its midnight.
    text.parse::<Date>().ok().filter(|_| text.len() == 10).map(|_| format!("{text}T00:00:00.000+0000"))
}

/// A day that a caller wrote; what stands behind it is ignored. Source: section 4, `ActivityDate`.
pub(super) fn read_day(text: &str) -> Option<String> {
    let day = text.get(..10)?;
    day.parse::<Date>().ok().map(|_| day.to_owned())
}

/// The milliseconds of a time that is shown.
pub(super) fn millisecond(shown: &str) -> Option<i64> {
    let civil: DateTime = shown.get(..19)?.parse().ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_every_form_that_is_written() {
        for text in [
            "2026-11-20T17:50:19.000+0000",
            "2026-11-20T17:50:19Z",
            "2026-11-20T18:50:19+01:00",
            "2026-11-20T18:50:19.000+0100",
        ] {
            assert_eq!(read(text).as_deref(), Some("2026-11-20T17:50:19.000+0000"), "{text}");
        }
        assert_eq!(read("2026-11-20").as_deref(), Some("2026-11-20T00:00:00.000+0000"));
        for bad in ["", "soon", "2026-11-20T17:50:19", "2026-13-01"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(
            millisecond("2026-11-20T17:50:19.000+0000").map(shown).as_deref(),
            Some("2026-11-20T17:50:19.000+0000")
        );
        assert_eq!(read_day("2026-11-23T10:00:00Z").as_deref(), Some("2026-11-23"));
    }
}
