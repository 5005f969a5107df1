//! What of an answer may stand in a log or an error: shapes that are personal or secret are masked.
//!
//! Mail addresses, telephone numbers and tokens have shapes; names have none, so a prefix stays short, and belongs
//! into a finding for the operator rather than into a metric.

/// The beginning of `body` without mail addresses, long numbers, tokens, queries and control characters, at most
/// `chars_max` characters of the original.
#[must_use]
pub fn safe_prefix(body: &[u8], chars_max: usize) -> String {
    // A character has at most four bytes; a cut word may lose its shape, so the last one is dropped.
    let end = body.len().min(chars_max.saturating_mul(4));
    let text = String::from_utf8_lossy(&body[..end]);
    let mut prefix: String = text.chars().take(chars_max).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if prefix.len() < body.len()
        && let Some(last) = prefix.rfind(is_boundary)
    {
        prefix.truncate(last + prefix[last..].chars().next().map_or(0, char::len_utf8));
        prefix.push('…');
    } else if prefix.len() < body.len() {
        return "…".to_owned();
    }
    mask_numbers(&mask_words(&prefix))
}

fn is_boundary(c: char) -> bool {
    c.is_whitespace() || "\"'`\\,;:<>()[]{}|&".contains(c)
}

fn mask_words(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars() {
        if is_boundary(c) {
            masked.push_str(&mask_word(&word));
            word.clear();
            masked.push(c);
        } else {
            word.push(c);
        }
    }
    masked.push_str(&mask_word(&word));
    masked
}

fn mask_word(word: &str) -> String {
    let lower = word.to_ascii_lowercase();
    if word.contains('@') || lower.contains("%40") {
        return "[mail]".to_owned();
    }
    if let Some((path, _)) = word.split_once('?') {
        return if word.contains('=') { format!("{path}?[query]") } else { word.to_owned() };
    }
    // A correlation id is what the vendor's support asks for.
    if is_uuid(word) {
        return word.to_owned();
    }
    let letters = word.chars().any(|c| c.is_ascii_alphabetic());
    let digits = word.chars().any(|c| c.is_ascii_digit());
    let long = word.chars().count();
    let token =
        (long >= 20 && letters && digits) || long >= 40 || lower.starts_with("pat-") || lower.starts_with("xox");
    if token && !word.contains('/') { "[token]".to_owned() } else { word.to_owned() }
}

fn is_uuid(word: &str) -> bool {
    let lengths = word.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && word.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// Masks runs of seven digits or more, with the separators that telephone numbers have; not inside other words.
fn mask_numbers(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut masked = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        let inside_word = i > 0 && (chars[i - 1].is_ascii_alphanumeric() || chars[i - 1] == '-');
        let starts =
            chars[i].is_ascii_digit() || (chars[i] == '+' && chars.get(i + 1).is_some_and(char::is_ascii_digit));
        if !starts || inside_word {
            masked.push(chars[i]);
            i += 1;
            continue;
        }
        let run = chars[i..].iter().take_while(|c| c.is_ascii_digit() || "+-./() ".contains(**c)).count();
        let digits = chars[i..i + run].iter().filter(|c| c.is_ascii_digit()).count();
        let last_digit = chars[i..i + run].iter().rposition(char::is_ascii_digit).map_or(1, |at| at + 1);
        let next = chars.get(i + last_digit);
        if digits >= 7 && !next.is_some_and(char::is_ascii_alphabetic) {
            masked.push_str("[number]");
        } else {
            masked.extend(&chars[i..i + last_digit]);
        }
        i += last_digit;
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_and_secret_shapes_are_masked() {
        for (text, expected) in [
            (r#"{"email":"a.lang@example.com","code":"X"}"#, r#"{"email":"[mail]","code":"X"}"#),
            (r#"\"a.lang%40example.com\" is taken"#, r#"\"[mail]\" is taken"#),
            ("call +49 (30) 1234-5678 now", "call [number] now"),
            ("id 512 of 30", "id 512 of 30"),
            ("Bearer pat-eu1-0a1b2c3d-0000-4000-8000-0123456789ab!", "Bearer [token]"),
            ("key AbC123xyzAbC123xyzAbC", "key [token]"),
            (
                r#""correlationId":"8a3f6c3a-8296-4002-b0a6-2a06fecf7c0c""#,
                r#""correlationId":"8a3f6c3a-8296-4002-b0a6-2a06fecf7c0c""#,
            ),
            ("see /crm/v3/objects?hapikey=abc", "see /crm/v3/objects?[query]"),
            ("a\r\n\u{1b}[31mb", "a   [31mb"),
            ("<html><body>Maintenance</body></html>", "<html><body>Maintenance</body></html>"),
        ] {
            assert_eq!(safe_prefix(text.as_bytes(), 200), expected);
        }
    }

    #[test]
    fn a_cut_does_not_show_half_of_a_masked_word() {
        let text = r#"{"message":"taken by a.lang@example.com"}"#;
        for length in 0..text.len() {
            let prefix = safe_prefix(text.as_bytes(), length);
            assert!(!prefix.contains("a.lang") && !prefix.contains("example"), "{length}: {prefix}");
        }
        assert!(safe_prefix(&[0xff, 0xfe, b'a'], 10).ends_with('a'));
    }
}
