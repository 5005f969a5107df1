//! Two leads that may be one person: what speaks for it. Nobody is joined by this; a person looks.
//!
//! Leads are only compared within a block: those that share a telephone number, an address but for its dots, digits and
//! tags, or name and firm. So the work grows with the leads, not with their square.

use super::field::{Field, Value};
use super::id::{LeadId, Name};
use super::identity::{email_domain, is_free_mail, normal_domain};
use super::name;
use super::record::{KeyKind, PersonRecord};

/// So many leads of one block are compared. More share a switchboard, a common name at a large firm, or `info@`: it says
/// nothing of any two of them.
pub const BLOCK_MAX: usize = 6;

/// What speaks for two leads being one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Evidence {
    /// Both have the same e-mail address.
    SameEmail,
    /// Their addresses differ only in dots, digits or a tag.
    NearEmail,
    /// Similar names, and the same firm.
    NameAndFirm,
    /// The same telephone number, and similar names.
    PhoneAndName,
    /// The same telephone number under different names.
    Phone,
}

impl Evidence {
    /// Every kind, the strongest first.
    pub const ALL: [Self; 5] = [Self::SameEmail, Self::NearEmail, Self::NameAndFirm, Self::PhoneAndName, Self::Phone];

    /// The kind's name in tables and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SameEmail => "same_email",
            Self::NearEmail => "near_email",
            Self::NameAndFirm => "name_and_firm",
            Self::PhoneAndName => "phone_and_name",
            Self::Phone => "phone",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|evidence| evidence.as_str() == text)
    }

    /// What it says, for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::SameEmail => "the same e-mail address",
            Self::NearEmail => "e-mail addresses that differ only in dots, digits or a tag",
            Self::NameAndFirm => "similar names at the same firm",
            Self::PhoneAndName => "the same telephone number and similar names",
            Self::Phone => "the same telephone number under different names",
        }
    }
}

/// What a lead is compared by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Face {
    /// Whose.
    pub lead: LeadId,
    /// Each record's whole name, [folded](name::folded).
    names: Vec<String>,
    emails: Vec<Name>,
    phones: Vec<String>,
    firms: Vec<Name>,
}

impl Face {
    /// The face of the lead with these records; those that are gone show nothing.
    #[must_use]
    pub fn of(lead: LeadId, records: &[PersonRecord]) -> Self {
        let mut face = Self { lead, names: Vec::new(), emails: Vec::new(), phones: Vec::new(), firms: Vec::new() };
        for record in records.iter().filter(|record| record.is_live()) {
            let text = |field| record.value(field).and_then(Value::as_text).unwrap_or_default();
            let name = name::folded(&[text(Field::FirstName), text(Field::LastName)]);
            // One word is no name: there are many of each first name at every firm.
            face.names.extend(Some(name).filter(|name| name.contains(' ')));
            for key in &record.keys {
                match key.kind {
                    KeyKind::Email => face.emails.push(key.value.clone()),
                    KeyKind::Phone => face.phones.extend(key.value.as_str().split(' ').next().map(str::to_owned)),
                    KeyKind::Own | KeyKind::External => {}
                }
            }
            face.firms.extend(normal_domain(text(Field::CompanyDomain)));
            face.firms.extend(record.company.as_ref().map(|company| Name::from(company.to_string())));
        }
        let firms = face.emails.iter().filter_map(|email| email_domain(email.as_str()));
        let firms: Vec<Name> = firms.filter(|domain| !is_free_mail(domain)).map(Name::new).collect();
        face.firms.extend(firms);
        for list in [&mut face.emails, &mut face.firms] {
            list.sort();
            list.dedup();
        }
        for list in [&mut face.names, &mut face.phones] {
            list.sort();
            list.dedup();
        }
        face
    }

    /// The blocks that it is compared within.
    #[must_use]
    pub fn blocks(&self) -> Vec<String> {
        let emails = self.emails.iter().filter_map(|email| Some(format!("e {}", skeleton(email.as_str())?)));
        let phones = self.phones.iter().map(|phone| format!("p {phone}"));
        // Two spellings of one name have at least one whole word in common.
        let words = self.names.iter().flat_map(|name| name.split(' ')).filter(|word| word.len() >= 3);
        let firms = words.flat_map(|word| self.firms.iter().map(move |firm| format!("n {word} {firm}")));
        let mut blocks: Vec<String> = emails.chain(phones).chain(firms).collect();
        blocks.sort();
        blocks.dedup();
        blocks
    }

    /// What speaks for the two being one person, the strongest first; empty if nothing does.
    #[must_use]
    pub fn likeness(&self, other: &Self) -> Vec<Evidence> {
        let share = |ours: &[Name], theirs: &[Name]| ours.iter().any(|one| theirs.contains(one));
        let bones =
            |face: &Self| -> Vec<String> { face.emails.iter().filter_map(|email| skeleton(email.as_str())).collect() };
        let has_near = || {
            let theirs = bones(other);
            bones(self).iter().any(|one| theirs.contains(one))
        };
        let is_named_alike =
            self.names.iter().any(|one| other.names.iter().any(|theirs| name::is_similar(one, theirs)));
        let has_phone = self.phones.iter().any(|phone| other.phones.contains(phone));
        let mut found = Vec::new();
        if share(&self.emails, &other.emails) {
            found.push(Evidence::SameEmail);
        } else if has_near() {
            found.push(Evidence::NearEmail);
        }
        if is_named_alike && share(&self.firms, &other.firms) {
            found.push(Evidence::NameAndFirm);
        }
        match (has_phone, is_named_alike) {
            (true, true) => found.push(Evidence::PhoneAndName),
            (true, false) => found.push(Evidence::Phone),
            (false, _) => {}
        }
        found
    }
}

/// An address without what people leave out or add: tag, dots and digits of its local part. `None` if nothing is left, as of
/// `007@x.example`.
fn skeleton(email: &str) -> Option<String> {
    let (local, domain) = email.rsplit_once('@')?;
    let local = local.split('+').next().unwrap_or(local);
    let bones: String = local.chars().filter(|letter| letter.is_alphabetic()).collect();
    let domain = if domain == "googlemail.com" { "gmail.com" } else { domain };
    (bones.chars().count() >= 3).then(|| format!("{bones}@{domain}"))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::field::Known;
    use crate::domain::id::{ConnectionId, Object, RecordRef};
    use crate::domain::record::{Key, Link, LinkRule, Presence};

    fn face(lead: i64, first: &str, last: &str, emails: &[&str], phone: Option<&str>) -> Face {
        Face::of(LeadId(lead), &[record(lead, first, last, emails, phone)])
    }

    fn record(lead: i64, first: &str, last: &str, emails: &[&str], phone: Option<&str>) -> PersonRecord {
        let at = Timestamp::UNIX_EPOCH;
        let known = |field, text: &str| Value::text(text).map(|value| Known { field, value, at });
        let mut keys: Vec<Key> =
            emails.iter().map(|email| Key { kind: KeyKind::Email, value: Name::from(*email) }).collect();
        keys.extend(phone.map(|phone| Key { kind: KeyKind::Phone, value: Name::from(format!("{phone} x y")) }));
        PersonRecord {
            of: RecordRef::new(&ConnectionId::from("crm"), Object::Person, lead.to_string()),
            link: Link { lead: LeadId(lead), rule: LinkRule::First, at },
            modified: at,
            created: at,
            presence: Presence::Live,
            values: [known(Field::FirstName, first), known(Field::LastName, last)].into_iter().flatten().collect(),
            keys,
            company: None,
            stages: Vec::new(),
            owners: Vec::new(),
            disposition: None,
            signals: Vec::new(),
            scores: Vec::new(),
            company_since: None,
            has_history: false,
        }
    }

    #[test]
    fn what_speaks_for_one_person_is_named_and_found_within_a_block() {
        use Evidence::{NameAndFirm, NearEmail, Phone, PhoneAndName, SameEmail};
        let jane = face(1, "Jane", "Roe", &["jane.roe@acme.example"], Some("+49301"));
        for (other, expected) in [
            (face(2, "Jane", "Roe", &["jane.roe@acme.example"], None), &[SameEmail, NameAndFirm][..]),
            (face(2, "Janet", "Roe", &["janeroe2+news@acme.example"], None), &[NearEmail]),
            (face(2, "J.", "Roe", &["info@acme.example"], None), &[NameAndFirm]),
            (face(2, "J.", "Roe", &["j@gmail.com"], Some("+49301")), &[PhoneAndName]),
            (face(2, "John", "Doe", &["john@acme.example"], Some("+49301")), &[Phone]),
            (face(2, "Jane", "Roe", &["jane.roe@gmail.com"], None), &[]),
            (face(2, "Jane", "Doe", &["doe@acme.example"], None), &[]),
            (face(2, "Jane", "", &["x@acme.example"], None), &[]),
        ] {
            assert_eq!(jane.likeness(&other), expected, "{other:?}");
            assert_eq!(other.likeness(&jane), expected, "the other way round: {other:?}");
            let shares = jane.blocks().iter().any(|block| other.blocks().contains(block));
            assert!(expected.is_empty() || shares, "found only within a block: {other:?}");
        }
    }

    #[test]
    fn who_has_a_private_address_is_like_a_namesake_of_the_same_company_record() {
        let at_company = |lead: i64, first: &str, email: &str, company: &str| {
            let mut record = record(lead, first, "Roe", &[email], None);
            record.company = Some(RecordRef::new(&ConnectionId::from("crm"), Object::Company, company));
            Face::of(LeadId(lead), &[record])
        };
        let jane = at_company(1, "Jane", "jane.roe@acme.example", "7");
        for (other, expected) in [
            (at_company(2, "Jane", "jr@gmail.com", "7"), &[Evidence::NameAndFirm][..]),
            (at_company(2, "Jane", "jr@gmail.com", "8"), &[]),
            (at_company(2, "Max", "max@gmail.com", "7"), &[]),
        ] {
            assert_eq!(jane.likeness(&other), expected, "{other:?}");
            let shares = jane.blocks().iter().any(|block| other.blocks().contains(block));
            assert!(expected.is_empty() || shares, "{other:?}");
        }
    }

    #[test]
    fn a_private_mail_domain_is_no_firm() {
        let one = face(1, "Jane", "Roe", &["a.b.c@gmail.com"], None);
        let other = face(2, "Jane", "Roe", &["xyz@gmail.com"], None);
        assert!(one.likeness(&other).is_empty());
        assert!(one.blocks().iter().all(|block| !block.starts_with('n')), "{:?}", one.blocks());
    }

    #[test]
    fn addresses_of_few_letters_are_like_no_others() {
        assert_eq!(skeleton("jane.roe+x1@acme.example").as_deref(), Some("janeroe@acme.example"));
        assert_eq!(skeleton("j.r.9@acme.example"), None);
        assert_eq!(skeleton("jroe@googlemail.com").as_deref(), Some("jroe@gmail.com"));
    }
}
