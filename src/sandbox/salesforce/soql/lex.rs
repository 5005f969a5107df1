//! The words of a query. Source: section 5, "Literals and escaping".

use super::super::failure::Failure;

/// One word of a query.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A keyword, an object, a field with its path: `Owner.Name`.
    Word(String),
    /// A quoted text, unescaped.
    Text(String),
    /// A number, a date or a time: what stands there without quotes.
    Bare(String),
    /// `(`, `)`, `,`, `=`, `!=`, `<`, `<=`, `>`, `>=`, `:`.
    Sign(&'static str),
}

impl Token {
    /// How a message names it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Word(text) | Self::Bare(text) => text.clone(),
            Self::Text(text) => format!("'{text}'"),
            Self::Sign(sign) => (*sign).to_owned(),
        }
    }
}

const SIGNS: [(&str, &str); 11] = [
    ("<=", "<="),
    (">=", ">="),
    ("!=", "!="),
    ("<>", "!="),
    ("(", "("),
    (")", ")"),
    (",", ","),
    ("=", "="),
    ("<", "<"),
    (">", ">"),
    (":", ":"),
];

pub(super) fn tokens(query: &str) -> Result<Vec<Token>, Failure> {
    let mut found = Vec::new();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
        } else if first == '\'' {
            let (text, after) = quoted(&rest[1..])?;
            found.push(Token::Text(text));
            rest = after;
        } else if let Some((sign, meant)) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
            found.push(Token::Sign(meant));
            rest = &rest[sign.len()..];
        } else if first.is_ascii_alphabetic() {
            let end = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_' || letter == '.'));
            let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
            found.push(Token::Word(word.to_owned()));
            rest = after;
        } else if first.is_ascii_digit() || first == '-' || first == '+' {
            let is_part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '+' | ':' | '.');
            let end = rest.find(|letter: char| !is_part(letter));
            let (bare, after) = rest.split_at(end.unwrap_or(rest.len()));
            found.push(Token::Bare(bare.to_owned()));
            rest = after;
        } else {
            return Err(Failure::malformed_query(format!("unexpected token: '{first}'")));
        }
    }
    Ok(found)
}

/// The text up to the closing quote, and what follows it. Any other backslash than the listed ones is an error.
fn quoted(rest: &str) -> Result<(String, &str), Failure> {
    let mut text = String::new();
    let mut letters = rest.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\'' => return Ok((text, &rest[at + 1..])),
            '\\' => match letters.next().map(|(_, letter)| letter) {
                Some('n' | 'N') => text.push('\n'),
                Some('r' | 'R') => text.push('\r'),
                Some('t' | 'T') => text.push('\t'),
                Some('b' | 'B') => text.push('\u{8}'),
                Some('f' | 'F') => text.push('\u{c}'),
                Some(kept @ ('"' | '\'' | '\\')) => text.push(kept),
                // Kept with the backslash: LIKE reads it.
                Some(kept @ ('_' | '%')) => text.extend(['\\', kept]),
                Some('u') => {
                    let digits: String = letters.by_ref().take(4).map(|(_, digit)| digit).collect();
                    let letter = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                    text.push(letter.ok_or_else(|| illegal(&format!("\\u{digits}")))?);
                }
                Some(other) => return Err(illegal(&format!("\\{other}"))),
                None => return Err(illegal("\\")),
            },
            other => text.push(other),
        }
    }
    Err(Failure::malformed_query("unexpected token: '<EOF>': the string is not closed"))
}

fn illegal(sequence: &str) -> Failure {
    Failure::malformed_query(format!(
        "Invalid string literal: illegal character sequence '{sequence}' in string literal"
    ))
}
