//! Committees in plain words: what the agreement asks of them, what engaged somebody, what is missing.

use crate::domain::committee::{CommitteePolicy, EngagedBy, Gap, Required};
use crate::domain::counted::many;
use crate::domain::id::Name;
use crate::domain::touch::Channel;

/// Lines of an agreement that make the people of a company count.
pub const EXAMPLE: &str = "[committee]
roles = [
  { name = \"economic buyer\", when = \"lead.title.has_word(['cfo', 'finance'])\" },
  { name = \"technical buyer\", when = \"lead.title.has_word(['cto', 'engineer'])\" },
]
roles_required = { sql = 1 }
";

/// What `[committee]` says, a line each.
#[must_use]
pub fn asks(policy: &CommitteePolicy) -> Vec<String> {
    let mut lines: Vec<String> =
        policy.roles.iter().map(|role| format!("{} is whoever fulfils: {}", role.name, role.when.text)).collect();
    for (stage, required) in &policy.required {
        lines.push(match required {
            Required::Count(1) => format!("from {stage} on, somebody with a role must be known"),
            Required::Count(count) => format!("from {stage} on, {count} different roles must be known"),
            Required::Roles(names) => {
                let names: Vec<&str> = names.iter().map(Name::as_str).collect();
                format!("from {stage} on, these must be known: {}", names.join(", "))
            }
        });
    }
    lines.push(format!(
        "engaged is whoever showed interest, answered, or came to a meeting within {}",
        many(policy.engaged_within_days, "day", "days")
    ));
    lines
}

/// What showed that somebody is engaged.
#[must_use]
pub fn engaged(by: &EngagedBy) -> String {
    match by {
        EngagedBy::Signal(name) => name.to_string(),
        EngagedBy::Answer(Channel::Call) => "called back".to_owned(),
        EngagedBy::Answer(Channel::Email) => "answered by e-mail".to_owned(),
        EngagedBy::Answer(Channel::Meeting) => "came to a meeting".to_owned(),
    }
}

/// What is missing: `sql needs 2 roles, 1 is known: find one of champion, economic buyer`.
#[must_use]
pub fn missing(gap: &Gap) -> String {
    let roles = many(gap.wanted, "role", "roles");
    format!("{} needs {roles}, {} known: find {}", gap.stage, gap.known, gap.words())
}
