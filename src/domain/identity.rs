//! Who is the same person, and why: keys in normal form, and the choice of a lead for a record.
//!
//! Knows nothing of where keys are stored: the caller looks up what is known of a record's keys and passes it in. A
//! stored "not the same person" outranks every rule here: the caller leaves such leads out of what it passes.

use crate::domain::counted::many;
use std::cmp::Reverse;

use super::finding::{Finding, FindingKind, Subject};
use super::id::{ConnectionId, LeadId, Name, RecordRef, RemoteId};
use super::name;
use super::record::{Key, KeyKind, LinkRule};

/// Where a record belongs, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// The lead; `None` = the record is the first of a person nobody knows yet.
    pub lead: Option<LeadId>,
    /// Why: the rule with its evidence.
    pub rule: LinkRule,
    /// What speaks for other leads, strongest first. They are not merged by themselves: a person looks.
    pub conflicts: Vec<(LinkRule, LeadId)>,
}

impl Resolution {
    /// What a person should know of the conflicts of the record `of`; names leads and kinds of key, no values.
    #[must_use]
    pub fn finding(&self, of: &RecordRef) -> Option<Finding> {
        let lead = self.lead?;
        let (rule, other) = self.conflicts.first()?;
        let more = match self.conflicts.len() {
            1 => String::new(),
            count => format!(" (and {})", many(count - 1, "more sign", "more signs")),
        };
        Some(Finding {
            kind: FindingKind::SamePerson,
            subject: Subject::Lead(lead),
            text: format!(
                "the record {of} belongs to {lead} by {}, but also fits {other} by {}{more}: look whether they are one \
                 person, and merge their records in the CRM if so",
                evidence(&self.rule),
                evidence(rule)
            ),
        })
    }
}

/// Finds the lead of a record that was not seen before.
///
/// `seen` are the record's keys. `known` are the leads that have any of these keys already; for an own key, the lead it
/// names if there is such a lead ([`lead_of_own_key`]). `merged` are the leads of the records that its CRM merged into
/// this one. The strongest evidence wins: own key, merge, external id, e-mail address, telephone number with name; of equals the oldest lead. All
/// other leads found are conflicts.
///
/// The order of `known` and `merged` does not matter.
#[must_use]
pub fn resolve(seen: &[Key], known: &[(Key, LeadId)], merged: &[(RemoteId, LeadId)]) -> Resolution {
    let by_key = known.iter().filter(|(key, _)| seen.contains(key)).map(|(key, lead)| {
        let strength = match key.kind {
            KeyKind::Own => 4,
            KeyKind::External => 2,
            KeyKind::Email => 1,
            KeyKind::Phone => 0,
        };
        (strength, LinkRule::Key(key.clone()), *lead)
    });
    let by_merge = merged.iter().map(|(loser, lead)| (3, LinkRule::Merged(loser.clone()), *lead));
    let mut found: Vec<(u8, LinkRule, LeadId)> = by_key.chain(by_merge).collect();
    found.sort_by(|one, other| {
        let order = |(strength, rule, lead): &(u8, LinkRule, LeadId)| (Reverse(*strength), *lead, evidence_value(rule));
        order(one).cmp(&order(other))
    });
    found.dedup();
    let mut found = found.into_iter();
    let Some((_, rule, lead)) = found.next() else {
        return Resolution { lead: None, rule: LinkRule::First, conflicts: Vec::new() };
    };
    let mut conflicts: Vec<(LinkRule, LeadId)> = Vec::new();
    for (_, rule, other) in found {
        if other != lead && conflicts.iter().all(|(_, known)| *known != other) {
            conflicts.push((rule, other));
        }
    }
    Resolution { lead: Some(lead), rule, conflicts }
}

fn evidence_value(rule: &LinkRule) -> Option<Name> {
    match rule {
        LinkRule::Key(key) => Some(key.value.clone()),
        LinkRule::Merged(loser) => Some(Name::new(loser.as_str())),
        LinkRule::First | LinkRule::Made | LinkRule::Joined { .. } | LinkRule::Parted { .. } => None,
    }
}

fn evidence(rule: &LinkRule) -> &'static str {
    match rule {
        LinkRule::First => "first sight",
        LinkRule::Key(Key { kind: KeyKind::Own, .. }) => "Baton's own key",
        LinkRule::Key(Key { kind: KeyKind::External, .. }) => "its id in another CRM",
        LinkRule::Key(Key { kind: KeyKind::Email, .. }) => "its e-mail address",
        LinkRule::Key(Key { kind: KeyKind::Phone, .. }) => "its telephone number and name",
        LinkRule::Made => "Baton having made it",
        LinkRule::Merged(_) => "a merge in the CRM",
        LinkRule::Joined { .. } | LinkRule::Parted { .. } => "the word of a person",
    }
}

/// The key that Baton writes into records of `lead`: its number, `L-42`.
#[must_use]
pub fn own_key(lead: LeadId) -> Key {
    Key { kind: KeyKind::Own, value: Name::from(lead.to_string()) }
}

/// The key of text that was read from the field of Baton's own key; `None` if it names no lead.
#[must_use]
pub fn read_own_key(text: &str) -> Option<Key> {
    text.trim().parse().ok().filter(|lead: &LeadId| lead.0 > 0).map(own_key)
}

/// The lead that an own key names; whether there is such a lead is for the caller to look up.
#[must_use]
pub fn lead_of_own_key(key: &Key) -> Option<LeadId> {
    match key.kind {
        KeyKind::Own => key.value.as_str().parse().ok(),
        KeyKind::External | KeyKind::Email | KeyKind::Phone => None,
    }
}

/// The key of a person's id in another connection: `hubspot:33451`.
#[must_use]
pub fn external_key(connection: &ConnectionId, id: &RemoteId) -> Key {
    Key { kind: KeyKind::External, value: Name::from(format!("{connection}:{}", id.as_str().trim())) }
}

/// The key of a telephone number in E.164 and the whole name of who has it; `None` without a first and a last name.
///
/// A number alone names no one: colleagues share a switchboard, families a line, and records of different people carry
/// the number of one assistant. Number and whole name together are as good as an address.
#[must_use]
pub fn phone_key(e164: &str, first: &str, last: &str) -> Option<Key> {
    let (first, last) = (name::folded(&[first]), name::folded(&[last]));
    if first.is_empty() || last.is_empty() {
        return None;
    }
    let value = Name::from(format!("{e164} {}", name::together(&first, &last)));
    Some(Key { kind: KeyKind::Phone, value })
}

/// Do the addresses of two people speak against one person?
///
/// They do if the two have different ones at the same firm: a firm gives nobody two, and one switchboard may well have two
/// people of one name. Two private addresses, or one of each, say nothing.
#[must_use]
pub fn addresses_contradict(ours: &[Key], theirs: &[Key]) -> bool {
    let emails = |keys: &'_ [Key]| -> Vec<Name> {
        keys.iter().filter(|key| key.kind == KeyKind::Email).map(|key| key.value.clone()).collect()
    };
    let (ours, theirs) = (emails(ours), emails(theirs));
    let firm = |email: &Name| email_domain(email.as_str()).filter(|domain| !is_free_mail(domain)).map(str::to_owned);
    let has_common = ours.iter().any(|email| theirs.contains(email));
    !has_common
        && ours.iter().filter_map(firm).any(|domain| theirs.iter().filter_map(firm).any(|other| other == domain))
}

/// Domains at which anybody may have an address: they say nothing of an employer.
const FREE_MAIL: &[&str] = &[
    "aol.com",
    "arcor.de",
    "bluewin.ch",
    "bol.com.br",
    "btinternet.com",
    "comcast.net",
    "email.com",
    "fastmail.com",
    "free.fr",
    "freenet.de",
    "gmail.com",
    "gmx.at",
    "gmx.ch",
    "gmx.com",
    "gmx.de",
    "gmx.net",
    "googlemail.com",
    "hey.com",
    "hotmail.co.uk",
    "hotmail.com",
    "hotmail.de",
    "hotmail.fr",
    "hotmail.it",
    "icloud.com",
    "inbox.lv",
    "interia.pl",
    "laposte.net",
    "libero.it",
    "live.com",
    "live.de",
    "mac.com",
    "mail.com",
    "mail.de",
    "mail.ru",
    "mailbox.org",
    "me.com",
    "msn.com",
    "naver.com",
    "o2.pl",
    "onet.pl",
    "orange.fr",
    "outlook.com",
    "outlook.de",
    "posteo.de",
    "proton.me",
    "protonmail.com",
    "qq.com",
    "rocketmail.com",
    "seznam.cz",
    "sfr.fr",
    "t-online.de",
    "tiscali.it",
    "tutanota.com",
    "uol.com.br",
    "virgilio.it",
    "wanadoo.fr",
    "web.de",
    "wp.pl",
    "yahoo.co.jp",
    "yahoo.co.uk",
    "yahoo.com",
    "yahoo.de",
    "yahoo.es",
    "yahoo.fr",
    "yahoo.it",
    "yandex.com",
    "yandex.ru",
    "ymail.com",
    "zoho.com",
    "126.com",
    "163.com",
];

/// May anybody have an address at this domain (in lower case)?
#[must_use]
pub fn is_free_mail(domain: &str) -> bool {
    FREE_MAIL.contains(&domain)
}

/// The key of an e-mail address; `None` if the text is none.
#[must_use]
pub fn email_key(text: &str) -> Option<Key> {
    normal_email(text).map(|value| Key { kind: KeyKind::Email, value })
}

/// An e-mail address in normal form: lower case, without name, angle brackets or `mailto:`. Of several, separated by
/// comma or semicolon, the first. `None` if it is none.
///
/// Tags (`jane+news@`) and dots stay: only some providers ignore them, and two records of one person show soon, while
/// two people in one record are hard to tell apart again.
#[must_use]
pub fn normal_email(text: &str) -> Option<Name> {
    text.split([',', ';']).find_map(one_email)
}

fn one_email(text: &str) -> Option<Name> {
    let inner = text.rsplit_once('<').map_or(text, |(_, rest)| rest.split('>').next().unwrap_or(rest));
    let lower = inner.trim().to_lowercase();
    let address = lower.strip_prefix("mailto:").unwrap_or(&lower);
    let (local, domain) = address.rsplit_once('@')?;
    let domain = domain.trim_end_matches('.');
    let is_bad = |c: char| c.is_whitespace() || c.is_control() || c == '@';
    let fits = !local.is_empty()
        && local.len() <= 64
        && domain.len() <= 255
        && domain.contains('.')
        && domain.split('.').all(|label| !label.is_empty())
        && !local.contains(is_bad)
        && !domain.contains(is_bad);
    fits.then(|| Name::from(format!("{local}@{domain}")))
}

/// The domain of an address in normal form.
#[must_use]
pub fn email_domain(email: &str) -> Option<&str> {
    email.rsplit_once('@').map(|(_, domain)| domain).filter(|domain| !domain.is_empty())
}

/// A web domain in normal form: `www.Example.com/` and `https://example.com/about` are `example.com`. `None` if it is none.
#[must_use]
pub fn normal_domain(text: &str) -> Option<Name> {
    let lower = text.trim().to_lowercase();
    let rest = lower.split_once("://").map_or(lower.as_str(), |(_, rest)| rest);
    let host = rest.split(['/', '?', '#', ':']).next().unwrap_or(rest);
    let host = host.strip_prefix("www.").unwrap_or(host).trim_end_matches('.');
    let fits = host.contains('.')
        && host.len() <= 255
        && host.split('.').all(|label| !label.is_empty())
        && !host.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@');
    fits.then(|| Name::new(host))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::id::Object;
    use super::*;

    fn key(kind: KeyKind, value: &str) -> Key {
        Key { kind, value: Name::from(value) }
    }

    fn company(id: &str) -> RecordRef {
        RecordRef::new(&ConnectionId::from("crm"), Object::Company, id)
    }

    #[test]
    fn addresses_have_one_normal_form() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(normal_email(text).as_ref().map(Name::as_str), expected, "{text:?}");
        };
        check(" Jane.Doe@Example.COM ", Some("jane.doe@example.com"));
        check("\"Doe, Jane\" <Jane@example.com>", Some("jane@example.com"));
        check("mailto:jane@example.com", Some("jane@example.com"));
        check("jane+news@example.com.", Some("jane+news@example.com"));
        check("jane@example.com; joe@example.com", Some("jane@example.com"));
        check("JÖRG@müller.example", Some("jörg@müller.example"));
        for none in
            ["", "jane", "@example.com", "jane@", "jane@localhost", "jane doe@example.com", "a@b@c.example", "a@b..c"]
        {
            check(none, None);
        }
    }

    #[test]
    fn domains_have_one_normal_form() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(normal_domain(text).as_ref().map(Name::as_str), expected, "{text:?}");
        };
        check("https://WWW.Example.com/about?x=1", Some("example.com"));
        check("example.com:8080", Some("example.com"));
        check("www.example.com.", Some("example.com"));
        check("example", None);
        check("two words.example", None);
    }

    #[test]
    fn own_keys_read_back_however_they_were_written() {
        assert_eq!(read_own_key(" 42 "), Some(own_key(LeadId(42))));
        assert_eq!(read_own_key("l-42"), Some(own_key(LeadId(42))));
        assert_eq!(lead_of_own_key(&own_key(LeadId(42))), Some(LeadId(42)));
        assert_eq!(read_own_key("L-0"), None);
        assert_eq!(read_own_key("jane"), None);
    }

    #[test]
    fn strongest_key_wins_and_the_others_are_told() {
        let own = own_key(LeadId(7));
        let external = key(KeyKind::External, "hubspot:1");
        let email = key(KeyKind::Email, "jane@example.com");
        let seen = [email.clone(), own.clone(), external.clone()];
        let known = [(email.clone(), LeadId(1)), (external.clone(), LeadId(2)), (own.clone(), LeadId(7))];

        let found = resolve(&seen, &known, &[]);
        assert_eq!(found.lead, Some(LeadId(7)));
        assert_eq!(found.rule, LinkRule::Key(own));
        assert_eq!(
            found.conflicts,
            [(LinkRule::Key(external.clone()), LeadId(2)), (LinkRule::Key(email.clone()), LeadId(1))]
        );
        let finding = found.finding(&company("9")).unwrap();
        assert_eq!(finding.subject, Subject::Lead(LeadId(7)));
        assert!(!finding.text.contains("jane"), "a finding carries no address: {}", finding.text);

        let by_merge = resolve(&seen[..1], &known[..1], &[(RemoteId::from("12"), LeadId(4))]);
        assert_eq!(by_merge.lead, Some(LeadId(4)), "the CRM's own merge outranks an address");
        assert_eq!(by_merge.conflicts, [(LinkRule::Key(email), LeadId(1))]);
    }

    #[test]
    fn a_number_counts_with_the_whole_name_alone() {
        let value = |first: &str, last: &str| phone_key("+49301234567", first, last).map(|key| key.value.to_string());
        assert_eq!(value("Dr. Jürgen", "Müller").as_deref(), Some("+49301234567 juergen mueller"));
        assert_eq!(value("Mueller", "Jürgen"), value("Juergen", "Mueller"));
        assert_eq!(value("Jürgen", ""), None);
        assert_ne!(value("Jane", "Roe"), value("John", "Roe"), "a switchboard joins nobody");
    }

    #[test]
    fn two_addresses_at_one_firm_are_two_people() {
        let emails = |list: &[&str]| list.iter().map(|text| key(KeyKind::Email, text)).collect::<Vec<_>>();
        for (ours, theirs, expected) in [
            (&["jane.roe1@acme.example"][..], &["jane.roe2@acme.example"][..], true),
            (&["jane@acme.example"], &["jane@acme.example", "jr@acme.example"], false),
            (&["jane@acme.example"], &["jane@gmail.com"], false),
            (&["jane1@gmail.com"], &["jane2@gmail.com"], false),
            (&["jane@acme.example"], &["jane@other.example"], false),
            (&["jane@acme.example"], &[], false),
        ] {
            assert_eq!(addresses_contradict(&emails(ours), &emails(theirs)), expected, "{ours:?} {theirs:?}");
        }
    }

    #[test]
    fn keys_of_somebody_else_say_nothing() {
        let found = resolve(
            &[key(KeyKind::Email, "jane@example.com")],
            &[
                (key(KeyKind::Email, "joe@example.com"), LeadId(1)),
                (key(KeyKind::External, "jane@example.com"), LeadId(2)),
            ],
            &[],
        );
        assert_eq!(found, Resolution { lead: None, rule: LinkRule::First, conflicts: Vec::new() });
        assert_eq!(found.finding(&company("9")), None);
    }

    fn any_key() -> impl Strategy<Value = Key> {
        (0..3usize, 0..3).prop_map(|(kind, value)| {
            let kind = [KeyKind::Own, KeyKind::External, KeyKind::Email][kind];
            key(kind, &format!("L-{value}"))
        })
    }

    proptest! {
        #[test]
        fn order_of_what_is_known_does_not_matter(
            seen in prop::collection::vec(any_key(), 0..4),
            known in prop::collection::vec((any_key(), (1i64..6).prop_map(LeadId)), 0..8)
                .prop_flat_map(|known| (Just(known.clone()), Just(known).prop_shuffle())),
        ) {
            let found = resolve(&seen, &known.0, &[]);
            prop_assert_eq!(&found, &resolve(&seen, &known.1, &[]));
            if let Some(lead) = found.lead {
                prop_assert!(found.conflicts.iter().all(|(_, other)| *other != lead));
            } else {
                prop_assert!(known.0.iter().all(|(key, _)| !seen.contains(key)));
            }
        }

        #[test]
        fn a_normal_address_is_its_own_normal_form(text in ".{0,20}@[a-zA-Z.]{0,12}") {
            if let Some(email) = normal_email(&text) {
                prop_assert_eq!(normal_email(email.as_str()), Some(email));
            }
        }
    }
}
