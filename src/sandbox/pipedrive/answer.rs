//! What the server says: the two envelopes, error bodies in the sheet's words, and times as text.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

/// One answer, before faults and rate limit headers are added.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) content_type: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
}

/// A handler's answer; an error is an answer too.
pub(super) type Reply = Result<Answer, Answer>;

impl Answer {
    pub(super) fn raw(status: u16, body: Vec<u8>) -> Self {
        Self { status, body, content_type: "application/json; charset=utf-8", headers: Vec::new() }
    }

    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::raw(status, body.to_string().into_bytes())
    }

    pub(super) fn html(status: u16, page: &str) -> Self {
        Self { content_type: "text/html; charset=UTF-8", ..Self::raw(status, page.as_bytes().to_vec()) }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// `{"success":true,"data":…}`.
pub(super) fn ok(data: &Value) -> Answer {
    Answer::json(200, &json!({"success": true, "data": data}))
}

/// The same with `additional_data`.
pub(super) fn ok_with(data: &Value, additional: &Value) -> Answer {
    Answer::json(200, &json!({"success": true, "data": data, "additional_data": additional}))
}

/// The envelope of section 7.
pub(super) fn failed(status: u16, error: &str, info: &str) -> Answer {
    Answer::json(
        status,
        &json!({"success": false, "error": error, "error_info": info, "data": null, "additional_data": null}),
    )
}

/// 400. Source: section 7; the words of a validation are undocumented (section 12).
pub(super) fn invalid(error: impl AsRef<str>) -> Answer {
    failed(400, error.as_ref(), "Please check developers.pipedrive.com")
}

/// 404 of v1. Source: section 7.
pub(super) fn lead_not_found() -> Answer {
    failed(404, "requested lead not found", "Object was not found.")
}

/// 404 of v2. Source: section 7.
pub(super) fn entity_not_found() -> Answer {
    failed(404, "Entity was not found", "Object was not found.")
}

/// 401. Source: section 7.
pub(super) fn unauthorized() -> Answer {
    Answer::json(401, &json!({"success": false, "error": "unauthorized access", "errorCode": 401}))
}

/// 403. Source: section 7.
pub(super) fn forbidden() -> Answer {
    failed(403, "You do not have permissions to do this.", "Please check developers.pipedrive.com")
}

/// What hammering on after 429 turns into. Source: sections 1.5 and 6.
pub(super) fn cloudflare() -> Answer {
    Answer::html(
        403,
        "<!DOCTYPE html><html><head><title>Access denied</title></head><body><h1>Error 1015</h1><p>You are being rate limited. \
         This error is produced by Cloudflare.</p></body></html>",
    )
}

pub(super) fn no_such_path() -> Answer {
    Answer::json(404, &json!({"success": false, "error": "Unknown method ."}))
}

pub(super) fn wrong_method() -> Answer {
    Answer::json(405, &json!({"success": false, "error": "Method not allowed"}))
}

fn zoned(millisecond: i64) -> jiff::Zoned {
    Timestamp::from_millisecond(millisecond).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::UTC)
}

/// How v2 writes a time: RFC 3339, here without milliseconds (they may come or not). Source: section 5.
pub(super) fn v2_time(millisecond: i64) -> String {
    zoned(millisecond).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// How leads and labels write one: ISO with milliseconds. Source: section 3.
pub(super) fn lead_time(millisecond: i64) -> String {
    zoned(millisecond).strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// How notes and users write one: UTC without saying so. Source: section 3.
pub(super) fn v1_time(millisecond: i64) -> String {
    zoned(millisecond).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `Tue, 24 Nov 2026 00:12:02 GMT`.
pub(super) fn http_date(millisecond: i64) -> String {
    zoned(millisecond).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// A random id in the form of a version 4 UUID.
pub(super) fn uuid() -> String {
    uuid_from(&mut fastrand::Rng::new())
}

/// The same id for the same number, so that the same steps give the same account.
pub(super) fn uuid_of(number: u64) -> String {
    uuid_from(&mut fastrand::Rng::with_seed(number))
}

fn uuid_from(dice: &mut fastrand::Rng) -> String {
    let hex = format!("{:032x}", dice.u128(..));
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}
