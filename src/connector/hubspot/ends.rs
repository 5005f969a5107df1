//! What of HubSpot ends when, as far as it said so. Pure.

use jiff::ToSpan;
use jiff::civil::Date;
use secrecy::ExposeSecret as _;

use crate::connector::settings::Auth;

/// How long before its end a person is told.
const TOLD_BEFORE_DAYS: i32 = 180;
/// A dated version is supported for so long after it came. Source: section 2 of the sheet, quoting HubSpot's versioning page.
const SUPPORTED_MONTHS: i32 = 18;
/// Support of legacy private apps ends with this month. Source: section 1.
const PRIVATE_APPS_END: (i16, i8) = (2027, 9);
/// What HubSpot's static tokens begin with, those of service keys and those of private apps. Source: section 1.
const STATIC: &str = "pat-";

/// Something that ends, for a person to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// What: a part of the connection.
    pub(super) part: &'static str,
    /// When, and what to do.
    pub(super) text: String,
}

/// What ends within half a year of `today`, or has ended, of what a connection uses.
pub(super) fn soon(version: &str, newest: &str, auth: &Auth, today: Date) -> Vec<End> {
    let is_near = |end: Date| today >= end.saturating_sub(TOLD_BEFORE_DAYS.days());
    let mut ends = Vec::new();
    if let Some(end) = version_end(version).filter(|end| is_near(*end)) {
        let month = end.strftime("%Y-%m");
        let instead =
            if version == newest { "update Baton".to_owned() } else { format!("write api_version = {newest:?}") };
        ends.push(End {
            part: "api_version",
            text: format!("HubSpot supports its API {version} until {month}; {instead}"),
        });
    }
    let (year, month) = PRIVATE_APPS_END;
    let end = Date::new(year, month, 1).ok();
    let is_static = matches!(auth, Auth::Token(token) if token.expose_secret().starts_with(STATIC));
    if is_static && end.is_some_and(is_near) {
        let text = format!(
            "HubSpot ends legacy private apps in {year}-{month:02}, and a token does not say whether it is one of theirs; if it \
             is, make a service key in HubSpot, or an OAuth app and `baton login`"
        );
        ends.push(End { part: "auth", text });
    }
    ends
}

/// The first day of the month in which a dated version ends.
pub(super) fn version_end(version: &str) -> Option<Date> {
    let (year, month) = version.split_once('-')?;
    let came = Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?;
    came.checked_add(SUPPORTED_MONTHS.months()).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use secrecy::SecretString;

    use super::*;

    #[test]
    fn an_end_is_told_half_a_year_before_and_after_section_2() {
        let token = |text: &str| Auth::Token(SecretString::from(text.to_owned()));
        let parts = |version: &str, auth: &Auth, today: Date| -> Vec<&str> {
            soon(version, "2026-09", auth, today).iter().map(|end| end.part).collect()
        };
        assert_eq!(version_end("2026-03"), Some(date(2027, 9, 1)));
        assert_eq!(version_end("2026-09"), Some(date(2028, 3, 1)));
        assert_eq!(version_end("v3"), None);
        let (other, pat) = (token("key"), token("pat-na1-x"));
        assert_eq!(parts("2026-03", &other, date(2026, 11, 29)), [""; 0]);
        assert_eq!(parts("2026-03", &other, date(2027, 3, 4)), [""; 0], "181 days");
        assert_eq!(parts("2026-03", &other, date(2027, 3, 5)), ["api_version"], "180 days");
        assert_eq!(parts("2026-03", &pat, date(2028, 1, 1)), ["api_version", "auth"], "past its end");
        assert_eq!(parts("2026-09", &pat, date(2026, 11, 29)), [""; 0]);
        let told = soon("2026-03", "2026-09", &pat, date(2027, 6, 1));
        assert_eq!(told[0].text, "HubSpot supports its API 2026-03 until 2027-09; write api_version = \"2026-09\"");
        assert!(!told[1].text.contains("pat-na1"), "{told:?}");
    }
}
