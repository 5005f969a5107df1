//! What the server says: bodies, error envelopes with the sheet's words, and times as text.

use serde_json::{Value, json};

/// One answer, before faults and rate limit headers are added.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) content_type: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Answer {
    pub(super) fn raw(status: u16, body: Vec<u8>) -> Self {
        Self { status, body, content_type: "application/json;charset=utf-8", headers: Vec::new() }
    }

    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::raw(status, body.to_string().into_bytes())
    }

    pub(super) fn empty() -> Self {
        Self::raw(204, Vec::new())
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A handler's answer; an error is an answer too.
pub(super) type Reply = Result<Answer, Answer>;

/// The envelope of section 9: status, message, correlation id and category.
pub(super) fn problem(status: u16, category: &str, message: impl Into<String>) -> Answer {
    problem_with(status, category, message, &json!({}))
}

/// As [`problem`], with further members (`context`, `errors`, `links`).
pub(super) fn problem_with(status: u16, category: &str, message: impl Into<String>, more: &Value) -> Answer {
    let mut body = json!({"status": "error", "message": message.into(), "correlationId": uuid()});
    if !category.is_empty() {
        body["category"] = category.into();
    }
    if let Some(more) = more.as_object() {
        for (name, value) in more {
            body[name.as_str()] = value.clone();
        }
    }
    Answer::json(status, &body)
}

/// A 400 `VALIDATION_ERROR`.
pub(super) fn invalid(message: impl Into<String>) -> Answer {
    problem(400, "VALIDATION_ERROR", message)
}

/// Source: sheet section 9 (e).
pub(super) fn not_found(id: &str) -> Answer {
    problem_with(
        404,
        "OBJECT_NOT_FOUND",
        "Object not found.  objectId are usually numeric.",
        &json!({"context": {"id": [id]}}),
    )
}

/// A path that no version has.
pub(super) fn no_such_path() -> Answer {
    problem(404, "", "resource not found")
}

pub(super) fn wrong_method() -> Answer {
    problem(405, "", "Method not allowed")
}

/// A random id in the form of a version 4 UUID.
pub(super) fn uuid() -> String {
    let bits = fastrand::u128(..);
    let hex = format!("{bits:032x}");
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

/// Writes `2026-09-21T13:27:39.356Z`, always with three decimals, as the CRM does.
pub(super) fn write_time(out: &mut Vec<u8>, millisecond: i64) {
    let days = millisecond.div_euclid(86_400_000);
    let of_day = millisecond.rem_euclid(86_400_000);
    let (year, month, day) = civil(days);
    let second = of_day / 1000;
    digits(out, year, 4);
    out.push(b'-');
    digits(out, month, 2);
    out.push(b'-');
    digits(out, day, 2);
    out.push(b'T');
    digits(out, second / 3600, 2);
    out.push(b':');
    digits(out, second / 60 % 60, 2);
    out.push(b':');
    digits(out, second % 60, 2);
    out.push(b'.');
    digits(out, of_day % 1000, 3);
    out.push(b'Z');
}

/// As [`write_time`], as a string.
pub(super) fn time_text(millisecond: i64) -> String {
    let mut out = Vec::with_capacity(24);
    write_time(&mut out, millisecond);
    String::from_utf8(out).unwrap_or_default()
}

fn digits(out: &mut Vec<u8>, value: i64, width: u32) {
    for place in (0..width).rev() {
        let digit = value / 10_i64.pow(place) % 10;
        out.push(b"0123456789"[usize::try_from(digit).unwrap_or(0)]);
    }
}

/// Days since 1970 to year, month, day in the proleptic Gregorian calendar: eras of 400 years, years from March.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Writes a JSON string.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    if serde_json::to_writer(&mut *out, text).is_err() {
        out.extend_from_slice(b"\"\"");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_reads_back_as_the_same_instant() {
        for millisecond in [0, -1, 951_782_400_000, 1_790_000_000_123, 4_102_444_799_999] {
            let text = time_text(millisecond);
            let back: jiff::Timestamp = text.parse().unwrap();
            assert_eq!(back.as_millisecond(), millisecond, "{text}");
            assert_eq!(text.len(), 24);
        }
    }
}
