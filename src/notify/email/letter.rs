//! What a mail says: the same as plain text and as simple HTML, in which every value is text.

use maud::html;

use crate::notify::{BUNDLE_MAX, Letter, count, id, kinds};

/// The text part for one notice.
pub(super) fn story_text(letter: &Letter) -> String {
    let story = &letter.notice.story;
    let mut text = format!("{}\n\n", flat(&story.headline));
    for line in &story.lines {
        text.push_str(&flat(line));
        text.push('\n');
    }
    if let Some(answer) = &letter.answer {
        text.push_str(&format!("\nAccept or give back: {answer}\n"));
    }
    text.push_str(&format!("\nThe whole story: {}\n", story.link));
    if let Some(package) = &letter.notice.package {
        text.push_str(&format!("\n{package}"));
    }
    text.push_str(&format!("\n-- \nBaton, {}\n", id(letter)));
    text
}

/// The text part for several notices, or for very many.
pub(super) fn bundle_text(letters: &[Letter], total: usize, board: &str) -> String {
    let mut text = format!("{} notices\n\n", count(total));
    if letters.len() > BUNDLE_MAX {
        let (kinds, hidden) = kinds(letters);
        for (about, times) in kinds {
            text.push_str(&format!("{} x {}\n", count(times), flat(&about)));
        }
        if hidden > 0 {
            text.push_str(&format!("and {} kinds more\n", count(hidden)));
        }
        text.push('\n');
    }
    for letter in letters.iter().take(BUNDLE_MAX) {
        let story = &letter.notice.story;
        text.push_str(&format!("{}\n  {}\n", flat(&story.headline), story.link));
        if let Some(answer) = &letter.answer {
            text.push_str(&format!("  Accept or give back: {answer}\n"));
        }
        text.push_str(&format!("  {}\n", id(letter)));
    }
    let hidden = total.saturating_sub(letters.len().min(BUNDLE_MAX));
    if hidden > 0 {
        text.push_str(&format!("\nand {} more: {}/\n", count(hidden), board));
    }
    text
}

/// The HTML part of the same.
pub(super) fn bundle_page(letters: &[Letter], total: usize, board: &str) -> String {
    let (kinds, hidden_kinds) = if letters.len() > BUNDLE_MAX { kinds(letters) } else { (Vec::new(), 0) };
    let hidden = total.saturating_sub(letters.len().min(BUNDLE_MAX));
    let page = html! {
        p { b { (count(total)) " notices" } }
        @if !kinds.is_empty() {
            ul { @for (about, times) in &kinds { li { (count(*times)) " × " (about) } } }
            @if hidden_kinds > 0 { p { "and " (count(hidden_kinds)) " kinds more" } }
        }
        @for letter in letters.iter().take(BUNDLE_MAX) {
            p {
                (letter.notice.story.headline) " "
                a href=(letter.notice.story.link) { (letter.notice.lead) } " "
                @if let Some(answer) = &letter.answer { a href=(answer) { "Accept or give back" } " " }
                small { (id(letter)) }
            }
        }
        @if hidden > 0 { p { "and " (count(hidden)) " more: " a href={ (board) "/" } { "the board" } } }
    };
    page.into_string()
}

/// The HTML part for one notice.
pub(super) fn story_page(letter: &Letter) -> String {
    let story = &letter.notice.story;
    let page = html! {
        p { b { (story.headline) } }
        p { @for line in &story.lines { (line) br; } }
        @if let Some(answer) = &letter.answer { p { a href=(answer) { "Accept or give back" } } }
        p { a href=(story.link) { "The whole story of " (letter.notice.lead) } }
        @if let Some(package) = &letter.notice.package { pre { (package) } }
        p { small { "Baton, " (id(letter)) } }
    };
    page.into_string()
}

/// `text` on one line: what could end a header, or a line of the text part, is a space.
pub(super) fn flat(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}') { ' ' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::slack::tests::letter;

    const BOARD: &str = "https://baton.example.com";

    #[test]
    fn values_are_text_in_the_html_part_too() {
        let mut one = letter("<script>alert(1)</script>", "<img src=x onerror=alert(1)>");
        one.notice.package = Some("</pre><script>".to_owned());
        one.answer = Some("https://baton.example.com/answer/x".to_owned());
        let page = story_page(&one);
        assert!(!page.contains("<script") && !page.contains("<img") && page.contains("answer/x"), "{page}");
        let many: Vec<Letter> = (0..4_223).map(|_| one.clone()).collect();
        let page = bundle_page(&many, many.len(), BOARD);
        assert!(!page.contains("<script") && page.contains("and 4,213 more"), "{page}");
        assert!(bundle_text(&many, many.len(), BOARD).contains("and 4,213 more: https://baton.example.com/"));
    }
}
