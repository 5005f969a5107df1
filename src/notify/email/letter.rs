//! What a mail says: the same as plain text and as simple HTML, in which every value is text.

use maud::{DOCTYPE, Markup, html};

use crate::domain::counted::noun;
use crate::notify::{BUNDLE_MAX, Letter, count, id, kinds};

/// How the HTML part looks. Mail programs read no style sheets; colours are few, so that a dark one can turn them.
const BODY: &str = "margin:0;padding:16px";
const SHEET: &str = "max-width:640px;margin:0 auto;font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;overflow-wrap:anywhere";
const HEADLINE: &str = "font-size:19px;line-height:1.3;margin:0 0 12px";
const BUTTON: &str = "display:inline-block;padding:10px 18px;border-radius:6px;background:#1b7f4b;color:#ffffff;text-decoration:none;font-weight:600";
const PACKAGE: &str = "white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.5 ui-monospace,Menlo,Consolas,monospace;border-top:1px solid #c9ced8;padding-top:12px";

/// The text part for one notice; `is_alone`: nobody else reads it, so that it may hold all that is known of the lead.
pub(super) fn story_text(letter: &Letter, is_alone: bool) -> String {
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
    if let Some(package) = letter.notice.package.as_ref().filter(|_| is_alone) {
        text.push_str(&format!("\n{package}"));
    }
    text.push_str(&format!("\n-- \nBaton, {}\n", id(letter)));
    text
}

/// The text part for several notices, or for very many.
pub(super) fn bundle_text(letters: &[Letter], total: usize, board: &str) -> String {
    let mut text = format!("{} {}\n\n", count(total), noun(total, "notice", "notices"));
    if letters.len() > BUNDLE_MAX {
        let (kinds, hidden) = kinds(letters);
        for (about, times) in kinds {
            text.push_str(&format!("{} x {}\n", count(times), flat(&about)));
        }
        if hidden > 0 {
            text.push_str(&format!("and {} {} more\n", count(hidden), noun(hidden, "kind", "kinds")));
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
        h1 style=(HEADLINE) { (count(total)) " " (noun(total, "notice", "notices")) }
        @if !kinds.is_empty() {
            ul { @for (about, times) in &kinds { li { (count(*times)) " × " bdi { (about) } } } }
            @if hidden_kinds > 0 { p { "and " (count(hidden_kinds)) " " (noun(hidden_kinds, "kind", "kinds")) " more" } }
        }
        @for letter in letters.iter().take(BUNDLE_MAX) {
            p {
                b { bdi { (letter.notice.story.headline) } } br;
                a href=(letter.notice.story.link) { (letter.notice.lead) } " "
                @if let Some(answer) = &letter.answer { "· " a href=(answer) { "Accept or give back" } " " }
                small { "· " (id(letter)) }
            }
        }
        @if hidden > 0 { p { "and " (count(hidden)) " more: " a href={ (board) "/" } { "the board" } } }
    };
    sheet(&page)
}

/// The HTML part for one notice.
pub(super) fn story_page(letter: &Letter, is_alone: bool) -> String {
    let story = &letter.notice.story;
    let page = html! {
        h1 style=(HEADLINE) { bdi { (story.headline) } }
        @for line in &story.lines { p style="margin:0 0 4px" { bdi { (line) } } }
        @if let Some(answer) = &letter.answer { p style="margin:18px 0" { a style=(BUTTON) href=(answer) { "Accept or give back" } } }
        p { a href=(story.link) { "The whole story of " (letter.notice.lead) } }
        @if let Some(package) = letter.notice.package.as_ref().filter(|_| is_alone) { pre style=(PACKAGE) { bdi { (package) } } }
        p { small { "Baton, " (id(letter)) } }
    };
    sheet(&page)
}

fn sheet(page: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
            }
            body style=(BODY) { div style=(SHEET) { (page) } }
        }
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
        let page = story_page(&one, true);
        assert!(!page.contains("<script") && !page.contains("<img") && page.contains("answer/x"), "{page}");
        let many: Vec<Letter> = (0..4_223).map(|_| one.clone()).collect();
        let page = bundle_page(&many, many.len(), BOARD);
        assert!(!page.contains("<script") && page.contains("and 4,213 more"), "{page}");
        assert!(bundle_text(&many, many.len(), BOARD).contains("and 4,213 more: https://baton.example.com/"));
    }
    #[test]
    fn what_others_read_too_holds_five_lines_and_nothing_of_the_package() {
        let mut one = letter("Jane Roe is with Anna Lang", "Agreed: first touch within 4 business hours");
        one.notice.package = Some("What is known of them\n- phone: +49 30 1234\n".to_owned());
        for (is_alone, expected) in [(true, true), (false, false)] {
            assert_eq!(story_text(&one, is_alone).contains("+49 30 1234"), expected, "text");
            assert_eq!(story_page(&one, is_alone).contains("+49 30 1234"), expected, "HTML");
        }
    }
}
