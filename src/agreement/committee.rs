//! `[committee]`: the roles of a company's people, who of them is engaged, and which roles a stage needs.

use crate::document::{Problems, Reader, Value, choice, suggest};
use crate::domain::committee::{CommitteePolicy, Required, RoleRule};
use crate::domain::id::Name;
use crate::domain::stage::Stage;

use super::rule::{self, Names, Scope};
use super::{days, is_one_line};

/// Who did nothing for so long is not engaged any more, unless `engaged_within` says otherwise.
const ENGAGED_WITHIN_DAYS: u32 = 90;
/// The longest that it may say: every decision reads the touches of so many days.
const ENGAGED_WITHIN_DAYS_MAX: u32 = 365;
/// The most roles.
const ROLES_MAX: usize = 30;

/// Reads the table; `None` if the file has none.
pub(super) fn read(root: &Reader<'_>, names: &Names, problems: &Problems) -> Option<CommitteePolicy> {
    root.get("committee")?;
    let table = root.table("committee")?;
    if table.get("roles").is_none() {
        table.missing("roles", "[{ name = \"economic buyer\", when = \"lead.title.has_word(['cfo'])\" }]");
    }
    let roles = roles(&table, names, problems);
    let required = table.table("roles_required").map(|table| required(&table, &roles)).unwrap_or_default();
    let engaged_within_days = table.parsed("engaged_within", within).unwrap_or(ENGAGED_WITHIN_DAYS);
    table.finish();
    Some(CommitteePolicy { roles, required, engaged_within_days })
}

fn within(text: &str) -> Result<u32, (String, String)> {
    let days = days(text)?;
    if days > ENGAGED_WITHIN_DAYS_MAX {
        let message = format!("`{text}` is longer than {ENGAGED_WITHIN_DAYS_MAX} days");
        return Err((message, format!("write \"{ENGAGED_WITHIN_DAYS_MAX} days\" or less")));
    }
    Ok(days)
}

fn roles(table: &Reader<'_>, names: &Names, problems: &Problems) -> Vec<RoleRule> {
    let mut roles: Vec<RoleRule> = Vec::new();
    let tables = table.tables("roles");
    if tables.is_empty() && table.list("roles").is_some_and(<[_]>::is_empty) {
        table.error("roles", "no role is named", "name at least one, or leave `[committee]` out");
    }
    if tables.len() > ROLES_MAX {
        table.error("roles", format!("more than {ROLES_MAX} roles"), "nobody looks for so many: leave some out");
    }
    for role in tables {
        let name = role.needed("name", "\"economic buyer\"").map(|(text, _)| text.trim());
        let when = role.needed("when", "\"lead.title.has_word(['cfo', 'finance'])\"");
        let when =
            when.and_then(|(text, node)| rule::read(node, text, &role.path("when"), Scope::Committee, names, problems));
        if let Some(name) = name {
            if !is_one_line(name) {
                role.error("name", "a role's name is one line", "leave the line break out");
            }
            if roles.iter().any(|known| known.name.as_str() == name) {
                role.error("name", format!("two roles are called `{name}`"), "join their rules with `||`");
            }
        }
        role.finish();
        if let (Some(name), Some(when)) = (name, when) {
            roles.push(RoleRule { name: Name::from(name), when });
        }
    }
    roles
}

fn required(table: &Reader<'_>, roles: &[RoleRule]) -> Vec<(Stage, Required)> {
    let stages: Vec<&str> = Stage::ALL.into_iter().filter(|stage| stage.is_on_the_way()).map(Stage::as_str).collect();
    let mut required = Vec::new();
    for (name, node) in table.entries() {
        let Some(stage) = Stage::parse(name).filter(|stage| stage.is_on_the_way()) else {
            let message = format!("`{name}` is no stage on the way to a sale");
            table.error(name, message, suggest(name, stages.clone(), &choice(&stages)));
            continue;
        };
        let needs = match &node.value {
            Value::List(_) => named(table, name, roles),
            _ => counted(table, name, roles),
        };
        required.extend(needs.map(|needs| (stage, needs)));
    }
    required.sort_by_key(|(stage, _)| *stage);
    required
}

fn counted(table: &Reader<'_>, key: &str, roles: &[RoleRule]) -> Option<Required> {
    let count = table.count(key, 1..=u32::try_from(ROLES_MAX).unwrap_or(u32::MAX))?;
    let known = u32::try_from(roles.len()).unwrap_or(u32::MAX);
    // Roles that could not be read are told already.
    if count > known && known > 0 {
        let message = format!("`{key}` needs {count} different roles, but only {known} can be read");
        table.error(key, message, "add roles to `roles`, or ask for fewer");
        return None;
    }
    Some(Required::Count(count))
}

fn named(table: &Reader<'_>, key: &str, roles: &[RoleRule]) -> Option<Required> {
    let mut named: Vec<Name> = Vec::new();
    let texts = table.texts(key)?;
    if texts.is_empty() {
        table.error(key, format!("`{key}` needs no role"), "name at least one, or leave the stage out");
        return None;
    }
    for (text, node) in texts {
        let problem = |message: String, help: String| {
            table.problems().error(node.place.clone(), &table.path(key), message, help);
        };
        match roles.iter().find(|role| role.name.as_str() == text.trim()) {
            Some(role) if named.contains(&role.name) => problem(format!("`{text}` twice"), "name it once".to_owned()),
            Some(role) => named.push(role.name.clone()),
            None => {
                let known = roles.iter().map(|role| role.name.as_str());
                problem(format!("no role is called `{text}`"), suggest(text, known, "add it to `roles`"));
            }
        }
    }
    Some(Required::Roles(named))
}
