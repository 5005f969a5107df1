//! The whole agreement: its head, `[icp]`, `[stages]`, `[[routing]]`, and the parts that have files of their own.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{Timestamp, tz::TimeZone};

use crate::document::{Place, Problems, Reader, Source, node, suggest};
use crate::domain::agreement::{Agreement, Fairness, Icp, RouteTo, RoutingRule, Signature, StageRule};
use crate::domain::expr::Rule;
use crate::domain::field::{Field, FieldSet};
use crate::domain::id::{Name, PersonId, TeamId};
use crate::domain::stage::Stage;

use super::handoff::Handing;
use super::rule::{Names, Scope};
use super::scoring::Scoring;
use super::together::{Mention, Mentioned};
use super::{committee, date, examples, instant, is_identifier, lints, rule};

/// The longest list, in entries.
const LIST_MAX: usize = 10_000;

/// An agreement as read, with what it expects others to know.
#[derive(Debug)]
pub struct Draft {
    /// The agreement. May be used only if no error was noted.
    pub agreement: Agreement,
    /// What it names and others must know.
    pub mentions: Vec<Mention>,
    /// Does the file itself say `own_staff`, rather than by default?
    pub names_own_staff: bool,
    /// Where the file begins.
    pub place: Place,
}

/// Reads an agreement. Dates without a time begin at midnight in `zone`, the workspace's.
#[must_use]
pub fn read(source: &Arc<Source>, zone: &TimeZone, problems: &Problems) -> Draft {
    let root_node = node::parse(source, problems);
    let place = Place::Text(Arc::clone(source), 0..0);
    let mut draft = Draft {
        agreement: Agreement {
            version: Name::from("unread"),
            effective: Timestamp::MAX,
            review_by: None,
            signed: Vec::new(),
            icp: Icp { fits: None, never: None },
            score: Default::default(),
            stages: Vec::new(),
            handoff: crate::domain::agreement::HandoffPolicy {
                to: None,
                skip: Vec::new(),
                requires: Vec::new(),
                incomplete: None,
                commitments: Vec::new(),
                rejections: BTreeMap::new(),
                turns_max: 1,
            },
            recycle: crate::domain::agreement::RecyclePolicy {
                cycles_max: 0,
                then: crate::domain::agreement::Destination::Disqualified,
            },
            routing: Vec::new(),
            committee: None,
            uses: FieldSet::default(),
        },
        mentions: Vec::new(),
        names_own_staff: false,
        place,
    };
    let Some(root) = Reader::of(&root_node, "", problems) else { return draft };
    let agreement = &mut draft.agreement;
    if let Some((version, _)) = root.needed("version", "\"2026.1\"") {
        agreement.version = Name::from(version);
    }
    if root.get("effective").is_none() {
        root.missing("effective", "2026-12-01 # the day it begins to act; nothing before starts a clock");
    }
    agreement.effective = instant(&root, "effective", zone).unwrap_or(Timestamp::MAX);
    agreement.review_by = date(&root, "review_by");
    agreement.signed = root.tables("signed").into_iter().filter_map(signature).collect();

    let names = Names { lists: lists(&root), ..Names::default() };
    agreement.icp = root.table("icp").map_or(Icp { fits: None, never: None }, |table| {
        let icp = Icp {
            fits: condition(&table, "fits", Scope::Icp, &names),
            never: condition(&table, "never", Scope::Icp, &names),
        };
        table.finish();
        icp
    });
    let mut scoring = Scoring { names: &names, problems, mentions: Vec::new() };
    if let Some(table) = root.table("score") {
        agreement.score = scoring.model(&table);
        table.finish();
    }
    draft.mentions.append(&mut scoring.mentions);
    agreement.stages = stages(&root, &names);
    let mut handing = Handing { names: &names, problems, mentions: Vec::new() };
    agreement.handoff = handing.policy(&root);
    agreement.recycle = handing.recycle(&root);
    draft.mentions.append(&mut handing.mentions);
    agreement.routing = routing(&root, &names, &mut draft.mentions);
    draft.names_own_staff = root
        .table("handoff")
        .and_then(|table| table.texts("skip"))
        .is_some_and(|skip| skip.iter().any(|(name, _)| *name == "own_staff"));
    root.later(
        "marketing",
        "marketing's own commitments are not counted",
        "findings name each hand-off that lacks facts",
    );
    agreement.committee = committee::read(&root, &names, problems);
    root.later("hygiene", "idle deals are not looked for", "nothing depends on it");
    let examples = root.tables("examples");

    agreement.uses = agreement.rules().fold(FieldSet::default(), |uses, rule| uses.union(rule.uses));
    for field in agreement.handoff.requires.iter().flatten() {
        agreement.uses.insert(*field);
    }
    if agreement.committee.is_some() {
        // Companies are one by their domain: another one is another committee.
        agreement.uses.insert(Field::CompanyDomain);
    }
    for (name, place) in names.signals_used.borrow().iter() {
        let key = format!("signals.{name}");
        draft.mentions.push(Mention { what: Mentioned::Signal, name: name.clone(), place: place.clone(), key });
    }
    lints::check(&draft.agreement, &root, &names, problems);
    examples::run(&draft.agreement, examples, problems);
    root.finish();
    draft
}

fn condition(table: &Reader<'_>, key: &str, scope: Scope, names: &Names) -> Option<Rule> {
    let (text, node) = table.text(key)?;
    rule::read(node, text, &table.path(key), scope, names, table.problems())
}

fn signature(table: Reader<'_>) -> Option<Signature> {
    let team = table.one_of("team", &[("marketing", "marketing"), ("sales", "sales")]);
    let by = table.needed("by", "\"J. Doe\"").map(|(text, _)| Name::from(text));
    if table.get("team").is_none() {
        table.missing("team", "\"sales\"");
    }
    if table.get("on").is_none() {
        table.missing("on", "2026-11-20");
    }
    let on = date(&table, "on");
    table.finish();
    Some(Signature { team: Name::from(team?), by: by?, on: on? })
}

fn lists(root: &Reader<'_>) -> BTreeMap<String, Vec<String>> {
    let Some(table) = root.table("lists") else { return BTreeMap::new() };
    let mut lists = BTreeMap::new();
    for (name, _) in table.entries() {
        let members = table.texts(name).unwrap_or_default();
        if !is_identifier(name) {
            let help = "name it with letters, digits and `_`, so that rules can say `lists.competitors`";
            table.error(name, format!("`{name}` cannot name a list"), help);
        }
        if members.len() > LIST_MAX {
            table.error(name, format!("more than {LIST_MAX} entries"), "split the list");
        }
        lists.insert(name.to_owned(), members.into_iter().map(|(text, _)| text.to_owned()).collect());
    }
    lists
}

fn stages(root: &Reader<'_>, names: &Names) -> Vec<StageRule> {
    let Some(table) = root.table("stages") else { return Vec::new() };
    let mut rules = Vec::new();
    for (name, _) in table.entries() {
        match Stage::parse(name) {
            Some(stage @ (Stage::Engagement | Stage::Mql)) => {
                if let Some(when) = condition(&table, name, Scope::Stages, names) {
                    rules.push(StageRule { stage, when });
                }
            }
            Some(_) => {
                let help = "rules enter `engagement` and `mql`; later stages are the word of sales";
                table.error(name, format!("no rule enters `{name}`"), help);
            }
            None => {
                let help = suggest(name, ["engagement", "mql"], "");
                table.error(name, format!("no stage is called `{name}`"), help);
            }
        }
    }
    rules.sort_by_key(|rule| rule.stage);
    rules
}

fn routing(root: &Reader<'_>, names: &Names, mentions: &mut Vec<Mention>) -> Vec<RoutingRule> {
    if root.get("routing").is_none() {
        let help = "add `[[routing]]` with `name = \"everyone\"` and `team = \"...\"`";
        root.problems().error(root.place().clone(), "routing", "nobody gets the leads: `[[routing]]` is missing", help);
    }
    let tables = root.tables("routing");
    let last = tables.len().saturating_sub(1);
    let mut rules: Vec<RoutingRule> = Vec::new();
    let seen = RefCell::new(Vec::new());
    for (at, table) in tables.into_iter().enumerate() {
        let name = table.needed("name", "\"everyone else\"").map(|(text, _)| text);
        if let Some(name) = name {
            if seen.borrow().contains(&name) {
                table.error("name", "two rules have one name", "name them apart");
            }
            seen.borrow_mut().push(name);
        }
        let has_condition = table.get("when").is_some();
        let when = condition(&table, "when", Scope::Handoff, names);
        let to = route(&table, mentions);
        match (has_condition, &to) {
            (false, _) if at < last => {
                table.error("name", "the rules after this one are never reached", "put the rule without `when` last");
            }
            (true, _) | (false, Some(RouteTo::CompanyOwner)) if at == last => {
                let help = "add a last `[[routing]]` without `when` that names a team";
                table.error("name", "a lead may be left without an owner: no rule takes everyone else", help);
            }
            _ => {}
        }
        table.finish();
        if let (Some(name), Some(to)) = (name, to) {
            rules.push(RoutingRule { name: Name::from(name), when, to });
        }
    }
    rules
}

fn route(table: &Reader<'_>, mentions: &mut Vec<Mention>) -> Option<RouteTo> {
    let by = table.one_of("by", &Fairness::ALL.map(|fairness| (fairness.as_str(), fairness)));
    let team = table.text("team");
    let owner = table.text("owner");
    match (team, owner) {
        (Some((team, node)), None) => {
            let (name, place) = (Name::from(team), node.place.clone());
            mentions.push(Mention { what: Mentioned::Team, name, place, key: table.path("team") });
            Some(RouteTo::Team(TeamId::from(team), by.unwrap_or(Fairness::LeastLoaded)))
        }
        (None, Some((owner, node))) => {
            if by.is_some() {
                table.error("by", "`by` says how a team shares", "leave it out beside `owner`");
            }
            if owner == "company.owner" {
                return Some(RouteTo::CompanyOwner);
            }
            if !owner.contains('@') {
                let help = "write `owner = \"company.owner\"` or a person's e-mail address";
                table.error("owner", format!("`{owner}` is nobody"), help);
                return None;
            }
            let person = owner.to_lowercase();
            let (name, place) = (Name::from(person.as_str()), node.place.clone());
            mentions.push(Mention { what: Mentioned::Person, name, place, key: table.path("owner") });
            Some(RouteTo::Person(PersonId::from(person)))
        }
        (Some(_), Some(_)) => {
            table.error("owner", "a rule has a team or an owner, not both", "leave one of them out");
            None
        }
        (None, None) => {
            if table.get("team").is_none() && table.get("owner").is_none() {
                table.missing("team", "\"...\"`, or `owner = \"company.owner\"");
            }
            None
        }
    }
}
