//! What Baton asks to be allowed in a portal, and what it cannot do without. Source: section 1, "Scopes per object".

/// Is a permission asked for always, or left to the person?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Without it a login is refused by HubSpot itself.
    Always,
    /// Asked as `optional_scope`: a portal or a person may leave it out, and Baton does less.
    ForSome,
}

/// One permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// HubSpot's name.
    pub name: &'static str,
    /// Always, or not.
    pub need: Need,
    /// What stops working without it.
    pub without: &'static str,
}

const fn always(name: &'static str, without: &'static str) -> Scope {
    Scope { name, need: Need::Always, without }
}

const fn for_some(name: &'static str, without: &'static str) -> Scope {
    Scope { name, need: Need::ForSome, without }
}

/// Every permission that Baton has a use for.
pub const SCOPES: &[Scope] = &[
    always("oauth", "no login at all"),
    always("crm.objects.contacts.read", "contacts, calls, meetings and tasks are not read: nothing works"),
    always("crm.schemas.contacts.read", "properties and choices are not checked: a new stage shows only on a record"),
    always("crm.objects.owners.read", "owners are not known: nobody's account is found, no hand-off is given"),
    for_some(
        "crm.objects.companies.read",
        "employer, size and company owner stay unknown: rules that ask for them fail",
    ),
    for_some("crm.schemas.companies.read", "properties of companies are not checked"),
    for_some("crm.objects.deals.read", "open deals are not known: `open_deal` and rules that ask for deals see none"),
    for_some("sales-email-read", "e-mails that sales wrote are not seen: they prove no touch"),
    for_some("crm.lists.read", "lists of nurture tracks are not found: nobody is put on them"),
    for_some("crm.objects.contacts.write", "owner, stage, score, tasks and notes are not written"),
    for_some("crm.lists.write", "nobody is put on a nurture list"),
    for_some("crm.schemas.contacts.write", "`baton setup` cannot make properties for score and reason"),
];

/// The permissions that `granted` lacks.
pub(in crate::connector::hubspot) fn missing(granted: &[String]) -> impl Iterator<Item = &'static Scope> {
    SCOPES.iter().filter(|scope| !granted.iter().any(|known| known == scope.name))
}
