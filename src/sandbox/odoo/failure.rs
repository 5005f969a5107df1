//! How Odoo says no: `{name, message, arguments, context, debug}`, wordings as a running server gave them.
//!
//! `debug` is a server traceback with file paths, as in Odoo: a caller that logs or stores it whole is wrong, and should be
//! caught at it. Source: apis/odoo.md, "Errors seen".

use serde_json::{Value, json};

/// A refusal by the sandbox, with the status it has over HTTP.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct Failure {
    /// The HTTP status.
    pub status: u16,
    /// The Python exception, `odoo.exceptions.MissingError`.
    pub name: &'static str,
    /// What the server says; may hold values that were sent.
    pub message: String,
}

impl Failure {
    fn new(status: u16, name: &'static str, message: impl Into<String>) -> Self {
        Self { status, name, message: message.into() }
    }

    /// 500: an unknown field, a bad date, a value that is not a choice. Permanent, although its status says outage.
    pub(super) fn value(message: impl Into<String>) -> Self {
        Self::new(500, "builtins.ValueError", message)
    }

    pub(super) fn missing(model: &str, id: i64, user: i64) -> Self {
        let message = format!("Record does not exist or has been deleted.\n(Record: {model}({id},), User: {user})");
        Self::new(404, "odoo.exceptions.MissingError", message)
    }

    pub(super) fn no_model(model: &str) -> Self {
        Self::new(404, "werkzeug.exceptions.NotFound", format!("the model '{model}' does not exist"))
    }

    pub(super) fn no_method(model: &str, method: &str) -> Self {
        Self::new(404, "werkzeug.exceptions.NotFound", format!("The method '{model}.{method}' does not exist"))
    }

    pub(super) fn no_route() -> Self {
        Self::new(404, "werkzeug.exceptions.NotFound", "Did you mean POST /json/2/<model>/<method>?")
    }

    pub(super) fn private(model: &str, method: &str) -> Self {
        let message = format!("Private methods (such as '{model}.{method}') cannot be called remotely.");
        Self::new(403, "odoo.exceptions.AccessError", message)
    }

    pub(super) fn access(message: impl Into<String>) -> Self {
        Self::new(403, "odoo.exceptions.AccessError", message)
    }

    pub(super) fn hidden_record(user: &str, user_id: i64, operation: &str, label: &str, model: &str) -> Self {
        Self::access(format!(
            "Uh-oh! Looks like you have stumbled upon some top-secret records.\n\nSorry, {user} (id={user_id}) doesn't have \
             '{operation}' access to:\n- {label} ({model})\n\nIf you really, really need access, perhaps you can win over \
             your friendly administrator with a batch of freshly baked cookies."
        ))
    }

    pub(super) fn closed_model(verb: &str, label: &str, model: &str, group: &str) -> Self {
        Self::access(format!(
            "You are not allowed to {verb} '{label}' ({model}) records.\n\nThis operation is allowed for the following \
             groups:\n\t- {group}\n\nContact your administrator to request access if necessary."
        ))
    }

    pub(super) fn unauthorized(message: &str) -> Self {
        Self::new(401, "werkzeug.exceptions.Unauthorized", message)
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "werkzeug.exceptions.BadRequest", message)
    }

    /// 422: an argument left out or not known.
    pub(super) fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(422, "werkzeug.exceptions.UnprocessableEntity", message)
    }

    pub(super) fn user(message: impl Into<String>) -> Self {
        Self::new(422, "odoo.exceptions.UserError", message)
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new(422, "odoo.exceptions.ValidationError", message)
    }

    pub(super) fn required(model: &str, label: &str, field: &str, field_label: &str) -> Self {
        Self::validation(format!(
            "The operation cannot be completed: Missing required value for the field '{field_label}' ({field}).\nModel: \
             '{label}' ({model})\n- create/update: a mandatory field is not set\n- delete: another model requires the \
             record being deleted, you can archive it instead\n"
        ))
    }

    pub(super) fn dangling(model: &str, label: &str, field: &str, field_label: &str) -> Self {
        Self::validation(format!(
            "The operation cannot be completed: Another model is using the record you are trying to delete.\n\nThe \
             troublemaker is: '{label}' ({model})\nThanks to the following constraint: '{field_label}' ({field})\nHow about \
             archiving the record instead?"
        ))
    }

    pub(super) fn sql(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(500, name, message)
    }

    /// The status of an injected fault that speaks as Odoo would.
    pub(super) fn injected(status: u16) -> Self {
        let (name, message) = match status {
            401 => ("werkzeug.exceptions.Unauthorized", "Invalid apikey"),
            403 => ("odoo.exceptions.AccessError", "You are not allowed to do this."),
            409 => ("odoo.exceptions.LockError", "Cannot grab a lock on records."),
            422 => ("odoo.exceptions.ValidationError", "The operation cannot be completed."),
            429 => (
                "werkzeug.exceptions.TooManyRequests",
                "This user has exceeded an allotted request count. Try again later.",
            ),
            503 => {
                ("werkzeug.exceptions.ServiceUnavailable", "The server is temporarily unable to service your request.")
            }
            _ => ("psycopg2.errors.SerializationFailure", "could not serialize access due to concurrent update\n"),
        };
        Self::new(status, name, message)
    }

    /// The body as Odoo sends it.
    pub(super) fn body(&self) -> Value {
        let is_http = self.name.starts_with("werkzeug.");
        let arguments = if is_http { json!([self.message, self.status]) } else { json!([self.message]) };
        let raised = self.name.strip_prefix("builtins.").unwrap_or(self.name);
        let debug = format!(
            "Traceback (most recent call last):\n  File \"/usr/lib/python3/dist-packages/odoo/http.py\", line 2273, in \
             _serve_db\n    return service_model.retrying(serve_func, env=self.env)\n  File \
             \"/usr/lib/python3/dist-packages/odoo/service/model.py\", line 184, in retrying\n    result = \
             func()\n{raised}: {}\n",
            self.message
        );
        json!({"name": self.name, "message": self.message, "arguments": arguments, "context": {}, "debug": debug})
    }
}
