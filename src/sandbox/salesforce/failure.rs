//! How Salesforce says no. Source: section 9; OAuth: section 2.

use serde_json::{Value, json};

/// A refusal by the sandbox, with the status it has over HTTP.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Failure {
    /// The HTTP status.
    pub status: u16,
    /// `errorCode`, in rows of collections `statusCode`.
    pub code: &'static str,
    /// What the org says; may hold values that were sent.
    pub message: String,
    /// The fields that it is about.
    pub fields: Vec<String>,
    /// What comes with `DUPLICATES_DETECTED`.
    pub extra: Option<Value>,
}

impl Failure {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), fields: Vec::new(), extra: None }
    }

    pub(super) fn with_fields(mut self, fields: &[&str]) -> Self {
        self.fields = fields.iter().map(|field| (*field).to_owned()).collect();
        self
    }

    pub(super) fn malformed_query(message: impl Into<String>) -> Self {
        Self::new(400, "MALFORMED_QUERY", message)
    }

    /// The message points into the query, as the composed example of section 9 does.
    pub(super) fn no_column(query: &str, name: &str, entity: &str) -> Self {
        let line: String = query.chars().take(200).collect();
        let at = query.to_ascii_lowercase().find(&name.to_ascii_lowercase()).unwrap_or(0);
        let message = format!(
            "\n{line}\n{}^\nERROR at Row:1:Column:{}\nNo such column '{name}' on entity '{entity}'. If you are attempting to use a \
             custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe \
             call for the appropriate names.",
            " ".repeat(at.min(190)),
            at + 1
        );
        Self::new(400, "INVALID_FIELD", message)
    }

    pub(super) fn no_type(name: &str) -> Self {
        Self::new(
            400,
            "INVALID_TYPE",
            format!(
                "sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names."
            ),
        )
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, "NOT_FOUND", "The requested resource does not exist")
    }

    pub(super) fn deleted() -> Self {
        Self::new(404, "ENTITY_IS_DELETED", "entity is deleted")
    }

    pub(super) fn bad_json(message: impl Into<String>) -> Self {
        Self::new(400, "JSON_PARSER_ERROR", message)
    }

    pub(super) fn session() -> Self {
        Self::new(401, "INVALID_SESSION_ID", "Session expired or invalid")
    }

    pub(super) fn daily_limit() -> Self {
        Self::new(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    }

    pub(super) fn locked() -> Self {
        Self::new(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record or 1 records")
    }

    /// The failure of an injected status or code.
    pub(super) fn injected(status: u16, code: Option<&str>) -> Self {
        const CODES: [(&str, &str); 15] = [
            (
                "PRECONDITION_FAILED",
                "One or more conditions given in the request header evaluated to false when tested on the server",
            ),
            ("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record"),
            ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Please give a reason before you change this lead"),
            ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
            ("QUERY_TIMEOUT", "Your query request was running for too long."),
            ("SERVER_UNAVAILABLE", "The server is busy. Please wait a moment and try again."),
            ("UNKNOWN_EXCEPTION", "An unexpected error occurred."),
            ("API_DISABLED_FOR_ORG", "API is not enabled for this Organization or Partner"),
            ("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id"),
            ("INVALID_SESSION_ID", "Session expired or invalid"),
            ("INVALID_QUERY_LOCATOR", "invalid query locator"),
            ("STORAGE_LIMIT_EXCEEDED", "storage limit exceeded"),
            ("EXCEEDED_ID_LIMIT", "too many ids"),
            ("INVALID_TYPE", "sObject type is not supported."),
            ("TXN_SECURITY_METERING_ERROR", "Your request was not processed."),
        ];
        let known = code.and_then(|code| CODES.iter().find(|(known, _)| *known == code));
        let (code, message) = known.copied().unwrap_or(match status {
            401 => ("INVALID_SESSION_ID", "Session expired or invalid"),
            403 => ("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id"),
            404 => ("NOT_FOUND", "The requested resource does not exist"),
            _ => ("SERVER_UNAVAILABLE", "The server is busy. Please wait a moment and try again."),
        });
        Self::new(status, code, message)
    }

    fn one(&self, key: &str) -> Value {
        let mut one = json!({"message": self.message, key: self.code});
        if !self.fields.is_empty() || key == "statusCode" {
            one["fields"] = json!(self.fields);
        }
        if let (Some(extra), Some(one)) = (&self.extra, one.as_object_mut()) {
            one.insert("duplicateResult".to_owned(), extra.clone());
        }
        one
    }

    /// The body at the top level and in Composite: an array, with `errorCode`. Source: section 1.2.
    pub(super) fn body(&self) -> Value {
        json!([self.one("errorCode")])
    }

    /// The row in a collection, with `statusCode`. Source: section 1.2.
    pub(super) fn row(&self) -> Value {
        json!({"success": false, "errors": [self.one("statusCode")]})
    }
}
