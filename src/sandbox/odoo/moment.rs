//! Times as Odoo keeps and shows them: UTC without a zone, microseconds kept, whole seconds shown. Source: traps 2 and 9.

use jiff::Timestamp;

use super::failure::Failure;

/// The text kept in a record, `2026-11-24 09:00:00.140003`.
pub(super) fn kept(microsecond: i64) -> String {
    Timestamp::from_microsecond(microsecond)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .strftime("%Y-%m-%d %H:%M:%S%.6f")
        .to_string()
}

/// The text shown, `2026-11-24 09:00:00`; also what a time is compared by.
pub(super) fn shown(kept: &str) -> &str {
    kept.get(..19).unwrap_or(kept)
}

/// The day of a kept time.
pub(super) fn day(kept: &str) -> &str {
    kept.get(..10).unwrap_or(kept)
}

fn is_pattern(text: &str, pattern: &str) -> bool {
    text.len() == pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(found, wanted)| match wanted {
            b'9' => found.is_ascii_digit(),
            _ => found == wanted,
        })
}

/// A time written by a caller: a day, or a day and a time; fractions are dropped.
pub(super) fn datetime(text: &str) -> Result<String, Failure> {
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    let full = match whole.len() {
        10 => format!("{whole} 00:00:00"),
        16 => format!("{whole}:00"),
        _ => whole.to_owned(),
    };
    let is_real =
        is_pattern(&full, "9999-99-99 99:99:99") && full.replace(' ', "T").parse::<jiff::civil::DateTime>().is_ok();
    if !is_real {
        return Err(Failure::value(format!("time data '{text}' does not match format '%Y-%m-%d %H:%M:%S'")));
    }
    Ok(format!("{full}.000000"))
}

/// As [`datetime`], with the wording of a search.
pub(super) fn compared_datetime(text: &str) -> Result<String, Failure> {
    if text.ends_with('Z') || text.get(19..).is_some_and(|rest| rest.contains('+')) {
        return Err(Failure::value(format!("expecting only datetimes with no timezone: '{text}'")));
    }
    let kept = datetime(&text.replacen('T', " ", 1));
    kept.map(|kept| shown(&kept).to_owned()).map_err(|_| {
        let term = text.split_whitespace().next().unwrap_or_default();
        Failure::value(format!("Invalid term '{term}' in expression date: '{text}'"))
    })
}

/// A day written by a caller; a time of day behind it is dropped.
pub(super) fn date(text: &str) -> Result<String, Failure> {
    let day = day(text);
    if is_pattern(day, "9999-99-99") && day.parse::<jiff::civil::Date>().is_ok() {
        return Ok(day.to_owned());
    }
    Err(Failure::value(format!("time data '{day}' does not match format '%Y-%m-%d'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_a_zone_are_value_errors() {
        assert_eq!(datetime("2026-11-26").unwrap(), "2026-11-26 00:00:00.000000");
        assert_eq!(datetime("2026-11-26 10:00:01.5").unwrap(), "2026-11-26 10:00:01.000000");
        for bad in ["2026-11-26T10:00:00Z", "x", "2026-13-01 00:00:00", ""] {
            assert_eq!(datetime(bad).unwrap_err().status, 500, "{bad}");
        }
        assert!(compared_datetime("2026-11-22T00:00:00Z").unwrap_err().message.contains("no timezone"));
        assert!(compared_datetime("garbage").unwrap_err().message.starts_with("Invalid term"));
        assert_eq!(kept(1_500_000), "1970-01-01 00:00:01.500000");
    }
}
