//! What the text of a rule shows by itself: its limits, looked at before the parser, and the parser's complaint in our words.

use std::ops::Range;

use super::{RULE_BYTES_MAX, RULE_DEPTH_MAX, RULE_PARTS_MAX};

/// Where, what was found, what to write instead.
pub(super) type Complaint = (Range<usize>, String, String);

/// Looks at brackets and length before the parser does: it must never see what could exhaust it.
pub(super) fn bounded(text: &str) -> Result<(), Complaint> {
    if text.len() > RULE_BYTES_MAX {
        let message = format!("this rule has {} bytes; {RULE_BYTES_MAX} are the most", text.len());
        return Err((0..1, message, "move long lists to `[lists]`, or split the rule".to_owned()));
    }
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for (at, found) in text.char_indices() {
        match (quote, found) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), close) if open == close => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(found),
            (None, '(' | '[' | '{') => {
                depth += 1;
                if depth > RULE_DEPTH_MAX {
                    let message = format!("nested more than {RULE_DEPTH_MAX} deep");
                    return Err((at..at + 1, message, "split the rule".to_owned()));
                }
            }
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, '?') => {
                let help = "write `(a && b) || (!a && c)`, or two rules";
                return Err((at..at + 1, "a rule has no `? :`".to_owned(), help.to_owned()));
            }
            (None, '`' | ';' | '#' | '@' | '$') => {
                return Err((at..at + 1, format!("`{found}` means nothing in a rule"), String::new()));
            }
            (None, _) => {}
        }
    }
    // Chains of these nest as deep as they are long.
    let mut chain = 0_usize;
    let (mut sums, mut words) = (0_usize, 0_usize);
    let (mut quote_open, mut before) = (None, ' ');
    for (at, found) in text.char_indices() {
        match (quote_open, found) {
            (Some(open), close) if open == close => quote_open = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => {
                quote_open = Some(found);
                chain = 0;
            }
            (None, '.' | '!' | '-') => chain += 1,
            (None, '(' | '[' | ',' | '&' | '|' | '<' | '>' | '=') => chain = 0,
            (None, _) => {}
        }
        sums += usize::from(matches!(found, '+' | '-' | '*' | '/' | '%') && quote_open.is_none());
        words += usize::from(found.is_alphanumeric() && !before.is_alphanumeric());
        before = found;
        if chain > RULE_DEPTH_MAX || sums > 2 * RULE_DEPTH_MAX || words > RULE_PARTS_MAX {
            let message = "a rule of too many parts".to_owned();
            return Err((at..at + found.len_utf8(), message, "split the rule".to_owned()));
        }
    }
    match quote {
        Some(open) => {
            let at = text.find(open).unwrap_or(0);
            Err((at..text.len(), format!("a text that is opened with {open} is not closed"), format!("add {open}")))
        }
        None => Ok(()),
    }
}

/// The parser's complaint in our words.
pub(super) fn complaint(text: &str, (line, column): (isize, isize), said: &str) -> Complaint {
    let line_start: usize = text.split_inclusive('\n').take(usize::try_from(line - 1).unwrap_or(0)).map(str::len).sum();
    let rest = text.get(line_start..).unwrap_or("");
    let column = usize::try_from(column - 1).unwrap_or(0);
    let at = line_start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at);
    let found = said.split('\'').nth(1).unwrap_or("").trim();
    let trimmed = text.trim_end().len();
    if found == "<EOF>" || at >= trimmed {
        let help = "something must follow, such as a value or a closing bracket";
        return (trimmed.saturating_sub(1)..trimmed, "the rule ends too early".to_owned(), help.to_owned());
    }
    let end = (at + found.len().max(1)).min(text.len());
    let help = match found {
        "=" => "compare with `==`",
        "and" | "AND" => "write `&&`",
        "or" | "OR" => "write `||`",
        "not" | "NOT" => "write `!`",
        "&" => "write `&&`",
        "|" => "write `||`",
        "<>" => "write `!=`",
        _ if text[..at].trim_end().ends_with('=') => "compare with `==`",
        _ => "a rule reads like `company.employees >= 50 && company.country in ['DE', 'AT']`",
    };
    let shown =
        if found.is_empty() { &text[at..at + text[at..].chars().next().map_or(0, char::len_utf8)] } else { found };
    (at..end, format!("`{shown}` does not fit here"), help.to_owned())
}
