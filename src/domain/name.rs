//! Names of people in a form in which two spellings of one name are equal. For comparing only: nobody is shown it.

/// Titles that some records have and others have not.
const TITLES: &[&str] = &[
    "dr",
    "prof",
    "professor",
    "dipl",
    "ing",
    "mag",
    "mr",
    "mrs",
    "ms",
    "miss",
    "herr",
    "frau",
    "hr",
    "fr",
    "mme",
    "sir",
    "phd",
    "mba",
    "msc",
    "bsc",
    "llm",
];

/// The words of a name: lower case, letters without accents, no titles, in the alphabet's order (some records hold
/// `Roe, Jane`). Empty if nothing is left.
#[must_use]
pub fn folded(parts: &[&str]) -> String {
    let mut words: Vec<String> = parts
        .iter()
        .flat_map(|part| part.split(|letter: char| !letter.is_alphanumeric() && letter != '\''))
        .map(plain)
        .filter(|word| !word.is_empty() && !TITLES.contains(&word.as_str()))
        .collect();
    words.sort();
    words.dedup();
    words.join(" ")
}

/// Two names that are [`folded`] already, as one.
#[must_use]
pub fn together(one: &str, other: &str) -> String {
    let mut words: Vec<&str> = one.split(' ').chain(other.split(' ')).filter(|word| !word.is_empty()).collect();
    words.sort_unstable();
    words.dedup();
    words.join(" ")
}

/// A word in lower case, its letters written as a keyboard without accents would.
fn plain(word: &str) -> String {
    let mut plain = String::with_capacity(word.len());
    if word.is_ascii() {
        let letters = word.chars().filter(|letter| *letter != '\'');
        plain.extend(letters.map(|letter| letter.to_ascii_lowercase()));
        return plain;
    }
    for letter in word.chars().flat_map(char::to_lowercase) {
        match letter {
            'ä' | 'æ' => plain.push_str("ae"),
            'ö' | 'œ' | 'ø' => plain.push_str("oe"),
            'ü' => plain.push_str("ue"),
            'ß' => plain.push_str("ss"),
            'þ' => plain.push_str("th"),
            'à' | 'á' | 'â' | 'ã' | 'å' | 'ą' | 'ă' | 'ā' => plain.push('a'),
            'ç' | 'ć' | 'č' => plain.push('c'),
            'ď' | 'đ' | 'ð' => plain.push('d'),
            'è' | 'é' | 'ê' | 'ë' | 'ę' | 'ě' | 'ė' | 'ē' => plain.push('e'),
            'ğ' => plain.push('g'),
            'ì' | 'í' | 'î' | 'ï' | 'ı' | 'ī' => plain.push('i'),
            'ł' | 'ľ' => plain.push('l'),
            'ñ' | 'ń' | 'ň' => plain.push('n'),
            'ò' | 'ó' | 'ô' | 'õ' | 'ő' => plain.push('o'),
            'ř' => plain.push('r'),
            'ś' | 'š' | 'ş' | 'ș' => plain.push('s'),
            'ť' | 'ţ' | 'ț' => plain.push('t'),
            'ù' | 'ú' | 'û' | 'ű' | 'ů' | 'ū' => plain.push('u'),
            'ý' | 'ÿ' => plain.push('y'),
            'ź' | 'ż' | 'ž' => plain.push('z'),
            // An apostrophe joins (`O'Brien`); what lower case leaves behind of a capital's dot is no letter.
            '\'' | '\u{307}' => {}
            other => plain.push(other),
        }
    }
    plain
}

/// Could these be two spellings of one name, both [`folded`]?
///
/// All words equal, but for first names that are cut to an initial, or left out by one of them; at least one whole word of
/// three letters must be in both.
#[must_use]
pub fn is_similar(one: &str, other: &str) -> bool {
    let (ours, theirs): (Vec<&str>, Vec<&str>) = (one.split(' ').collect(), other.split(' ').collect());
    let has_whole = ours.iter().any(|word| word.len() >= 3 && theirs.contains(word));
    let is_initial = |short: &str, word: &str| short.len() == 1 && word.starts_with(short);
    let agree = |one: &str, other: &str| one == other || is_initial(one, other) || is_initial(other, one);
    let (fewer, more) = if ours.len() <= theirs.len() { (&ours, &theirs) } else { (&theirs, &ours) };
    has_whole && fewer.iter().all(|word| more.iter().any(|other| agree(word, other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_has_one_form() {
        for (parts, expected) in [
            (&["Jane", "Roe"][..], "jane roe"),
            (&["Roe, Jane"], "jane roe"),
            (&["Dr. Jane", "ROE"], "jane roe"),
            (&["Jürgen", "Müller"], "juergen mueller"),
            (&["Juergen", "Mueller"], "juergen mueller"),
            (&["Zoë", "O'Brien"], "obrien zoe"),
            (&["Łukasz", "Żak-Nowak"], "lukasz nowak zak"),
            (&["İpek", "Çelik"], "celik ipek"),
            (&["", " "], ""),
            (&["Prof.", "Dr."], ""),
        ] {
            assert_eq!(folded(parts), expected, "{parts:?}");
        }
    }

    #[test]
    fn two_folded_names_together_are_as_if_they_were_folded_at_once() {
        let names = ["Jane", "Roe, Jane", "Dr. Jürgen", "O'Brien", "", "mueller", "ROE"];
        for (one, other) in names.iter().flat_map(|one| names.map(|other| (*one, other))) {
            let both = together(&folded(&[one]), &folded(&[other]));
            assert_eq!(both, folded(&[one, other]), "{one} and {other}");
        }
    }

    #[test]
    fn similar_names_share_a_whole_word_and_contradict_in_none() {
        for (one, other, expected) in [
            ("jane roe", "jane roe", true),
            ("j roe", "jane roe", true),
            ("roe", "jane roe", true),
            ("jane marie roe", "jane roe", true),
            ("jane roe", "john roe", false),
            ("jane roe", "jane doe", false),
            ("j roe", "john doe", false),
            ("j r", "jane roe", false),
            ("li", "li wei", false),
            ("", "jane roe", false),
        ] {
            assert_eq!(is_similar(one, other), expected, "{one} / {other}");
            assert_eq!(is_similar(other, one), expected, "{other} / {one}");
        }
    }
}
