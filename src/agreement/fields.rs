//! The one table of fields, for people who write rules: `docs/fields.md`.

use std::fmt::Write as _;

use crate::domain::field::{Field, FieldSource, FieldType};

/// The table as Markdown.
#[must_use]
pub fn table() -> String {
    let mut text = String::from(
        "# Fields\n\n\
         What rules may ask for. Text is compared without regard to case. A field that nobody knows is missing, which is\n\
         neither true nor false: ask with `has(...)`. Signals are counted as `signals.NAME`, which is 0 if there was none.\n\
         `requires` and the maps of a connection name the fields that come from a CRM.\n\n\
         | field | type | from | what it says |\n| --- | --- | --- | --- |\n",
    );
    for field in Field::ALL {
        let kind = match field.kind() {
            FieldType::Text => "text",
            FieldType::Number => "number",
            FieldType::Flag => "true or false",
        };
        let from = match field.source() {
            FieldSource::Person => "the person in the CRM",
            FieldSource::Company => "the company in the CRM",
            FieldSource::Derived => "Baton",
        };
        // Writing to a text cannot fail.
        let _written = writeln!(text, "| `{field}` | {kind} | {from} | {} |", field.about());
    }
    text
}
