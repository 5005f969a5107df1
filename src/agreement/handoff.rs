//! `[handoff]` and `[recycle]`: what must be known, what sales does by when, where rejected leads go. The four elements
//! must stand in the file; ladders, caps and the like have defaults.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::document::{Node, Place, Problems, Reader, Value, suggest};
use crate::domain::agreement::{
    Audience, Commitment, Destination, HandoffPolicy, Incomplete, Proof, RecyclePolicy, Rejection, Rung, Skip, Tier,
};
use crate::domain::calendar::Span;
use crate::domain::field::{Field, FieldSource};
use crate::domain::id::{ConnectionId, Name, PersonId};

use super::rule::{Names, Scope};
use super::together::{Mention, Mentioned};
use super::{elapsed, rule, span};

/// Turns before the fallback, unless `turns_max` says otherwise.
const TURNS_MAX: u32 = 3;
/// Returns to marketing, unless `cycles_max` says otherwise.
const CYCLES_MAX: u32 = 3;
/// How long a returned lead rests, unless `cool_off` says otherwise.
const COOL_OFF: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The rejection reason that the default ladder recycles with.
const NO_RESPONSE: &str = "no_response";

pub(super) struct Handing<'a> {
    pub(super) names: &'a Names,
    pub(super) problems: &'a Problems,
    pub(super) mentions: Vec<Mention>,
}

impl Handing<'_> {
    pub(super) fn policy(&mut self, root: &Reader<'_>) -> HandoffPolicy {
        let mut policy = HandoffPolicy {
            to: None,
            skip: Skip::ALL.to_vec(),
            requires: Vec::new(),
            incomplete: None,
            commitments: Vec::new(),
            rejections: BTreeMap::new(),
            turns_max: TURNS_MAX,
        };
        if root.get("handoff").is_none() {
            root.missing("handoff", "{ ... }: what must be known, what sales does by when, where rejected leads go");
            return policy;
        }
        let Some(table) = root.table("handoff") else { return policy };
        if let Some((to, node)) = table.text("to") {
            self.mention(Mentioned::Connection, to, node, table.path("to"));
            policy.to = Some(ConnectionId::from(to));
        }
        policy.skip = table.some_of("skip", &Skip::ALL.map(|skip| (skip.as_str(), skip))).unwrap_or(policy.skip);
        policy.requires = requires(&table);
        policy.incomplete = table.table("incomplete").and_then(incomplete);
        policy.rejections = self.rejections(&table);
        policy.commitments = self.commitments(&table, &policy.rejections);
        policy.turns_max = table.count("turns_max", 1..=20).unwrap_or(TURNS_MAX);
        table.finish();
        policy
    }

    pub(super) fn recycle(&mut self, root: &Reader<'_>) -> RecyclePolicy {
        let mut policy = RecyclePolicy { cycles_max: CYCLES_MAX, then: Destination::Disqualified };
        let Some(table) = root.table("recycle") else { return policy };
        policy.cycles_max = table.count("cycles_max", 0..=100).unwrap_or(CYCLES_MAX);
        policy.then = self.destination(&table, "then").unwrap_or(Destination::Disqualified);
        table.finish();
        policy
    }

    fn mention(&mut self, what: Mentioned, name: &str, node: &Node, key: String) {
        self.mentions.push(Mention { what, name: Name::from(name), place: node.place.clone(), key });
    }

    fn destination(&mut self, table: &Reader<'_>, key: &str) -> Option<Destination> {
        let to = table.one_of(key, &[("nurture", 0), ("disqualified", 1), ("merge_review", 2)]);
        let track = table.text("track");
        if let Some((name, node)) = track {
            self.mention(Mentioned::Track, name, node, table.path("track"));
            if matches!(to, Some(1 | 2)) {
                table.error("track", "only leads that go to nurture have a track", "leave `track` out");
            }
        }
        match (to?, track) {
            (0, Some((name, _))) => Some(Destination::Nurture(Name::from(name))),
            (0, None) => {
                table.missing("track", "\"re-engage\"");
                None
            }
            (1, _) => Some(Destination::Disqualified),
            _ => Some(Destination::MergeReview),
        }
    }

    fn rejections(&mut self, table: &Reader<'_>) -> BTreeMap<Name, Rejection> {
        let mut rejections = BTreeMap::new();
        let Some(reasons) = table.table("rejections") else {
            if table.get("rejections").is_none() {
                element(
                    table,
                    "third",
                    "rejections",
                    "`[handoff.rejections]` with `bad_fit = { to = \"disqualified\" }`",
                );
            }
            return rejections;
        };
        for (name, node) in reasons.entries() {
            let Some(reason) = Reader::of(node, &reasons.path(name), self.problems) else { continue };
            if reason.get("to").is_none() {
                reason.missing("to", "\"nurture\", track = \"re-engage\"");
            }
            let to = self.destination(&reason, "to");
            let is_nurture = !matches!(to, Some(Destination::Disqualified | Destination::MergeReview));
            let cool_off = reason.parsed("cool_off", elapsed);
            if cool_off.is_some() && !is_nurture {
                reason.error(
                    "cool_off",
                    "only leads that go to nurture come back after a rest",
                    "leave `cool_off` out",
                );
            }
            let needs_touches = reason.count("needs_touches", 0..=100).unwrap_or(0);
            reason.finish();
            if let Some(to) = to {
                let cool_off = cool_off.unwrap_or(if is_nurture { COOL_OFF } else { SignedDuration::ZERO });
                rejections.insert(Name::from(name), Rejection { to, cool_off, needs_touches });
            }
        }
        let returns = rejections.values().any(|one| matches!(one.to, Destination::Nurture(_)));
        if !returns && !self.problems.has_errors() {
            let help = "give at least one reason `{ to = \"nurture\", track = \"...\" }`";
            table.error("rejections", "the fourth element, recycling, is missing: no reason brings a lead back", help);
        }
        rejections
    }

    fn commitments(&mut self, table: &Reader<'_>, rejections: &BTreeMap<Name, Rejection>) -> Vec<Commitment> {
        if table.get("commitments").is_none() {
            element(table, "second", "commitments", "a `[[handoff.commitments]]` with `name`, `done_by` and `within`");
        }
        let mut commitments: Vec<Commitment> = Vec::new();
        for one in table.tables("commitments") {
            let name = one.needed("name", "\"first touch\"").map(|(text, _)| Name::from(text));
            if name.as_ref().is_some_and(|name| commitments.iter().any(|known| known.name == *name)) {
                one.error("name", "two commitments have one name", "name them apart");
            }
            if one.get("done_by").is_none() {
                one.missing("done_by", "[\"call\", \"email\", \"meeting\"]");
            }
            let done_by = one.some_of("done_by", &Proof::ALL.map(|proof| (proof.as_str(), proof))).unwrap_or_default();
            if one.list("done_by").is_some_and(<[Node]>::is_empty) {
                one.error(
                    "done_by",
                    "nothing keeps this commitment",
                    "name at least one of call, email, meeting, accepted, rejected",
                );
            }
            let within = self.within(&one);
            let ladder = if one.get("ladder").is_some() {
                self.ladder(&one, rejections)
            } else {
                usual_ladder(&done_by, rejections)
            };
            one.finish();
            if let Some(name) = name {
                commitments.push(Commitment { name, done_by, within, ladder });
            }
        }
        commitments
    }

    fn within(&self, table: &Reader<'_>) -> Vec<Tier> {
        match table.get("within").map(|node| &node.value) {
            None => {
                table.missing("within", "\"4 business hours\"");
                return Vec::new();
            }
            Some(Value::Text(_)) => {
                let time = time(table, "within");
                return time.map(|time| Tier { when: None, time }).into_iter().collect();
            }
            Some(_) => {}
        }
        let tables = table.tables("within");
        let last = tables.len().saturating_sub(1);
        if tables.is_empty() && table.list("within").is_some() {
            table.error("within", "a commitment without a time", "write `within = \"4 business hours\"`");
        }
        let mut tiers = Vec::new();
        for (at, tier) in tables.into_iter().enumerate() {
            let when = tier.text("when").and_then(|(text, node)| {
                rule::read(node, text, &tier.path("when"), Scope::Handoff, self.names, self.problems)
            });
            if tier.get("time").is_none() {
                tier.missing("time", "\"4 business hours\"");
            }
            match tier.get("when") {
                None if at < last => {
                    tier.error(
                        "time",
                        "the tiers after this one are never reached",
                        "put the tier without `when` last",
                    );
                }
                Some(_) if at == last => {
                    let help = "add a last tier without `when`: `{ time = \"4 business hours\" }`";
                    tier.error("when", "the last tier has a condition: other leads would have no time at all", help);
                }
                _ => {}
            }
            if let Some(time) = time(&tier, "time") {
                tiers.push(Tier { when, time });
            }
            tier.finish();
        }
        tiers
    }

    fn ladder(&self, table: &Reader<'_>, rejections: &BTreeMap<Name, Rejection>) -> Vec<Rung> {
        let mut ladder: Vec<Rung> = Vec::new();
        let mut ends: Option<u32> = None;
        for rung in table.tables("ladder") {
            if rung.get("at").is_none() {
                rung.missing("at", "\"80%\"");
            }
            let at_percent = rung.parsed("at", percent);
            let tell = rung.some_of("tell", &Audience::ALL.map(|one| (one.as_str(), one))).unwrap_or_default();
            let task = rung.flag("task").unwrap_or(false);
            let reassign = rung.flag("reassign").unwrap_or(false);
            let recycle = rung.text("recycle").and_then(|(name, node)| {
                let place = node.place.clone();
                reason(name, place, &rung.path("recycle"), rejections, self.problems)
            });
            if !task && !reassign && tell.is_empty() && rung.get("recycle").is_none() {
                rung.error("at", "a step that does nothing", "add `tell`, `task`, `reassign` or `recycle`");
            }
            let Some(at_percent) = at_percent else {
                rung.finish();
                continue;
            };
            if let Some(before) = ladder.last().filter(|before| before.at_percent >= at_percent) {
                let message = format!("{at_percent}% does not come after {}%", before.at_percent);
                rung.error("at", message, "order the steps by time, one step for each instant");
            }
            if at_percent < 100 && (reassign || recycle.is_some()) {
                let key = if reassign { "reassign" } else { "recycle" };
                rung.error(
                    key,
                    format!("at {at_percent}% the time is not over yet"),
                    "take leads away at 100% or later",
                );
            }
            if reassign && recycle.is_some() {
                rung.error("recycle", "a step cannot reassign and recycle", "leave one of them out");
            }
            if let Some(end) = ends {
                rung.warning("at", format!("never reached: the step at {end}% ends the hand-off"), "take it out");
            }
            if recycle.is_some() {
                ends = Some(at_percent);
            }
            rung.finish();
            ladder.push(Rung { at_percent, tell, task, reassign, recycle });
        }
        ladder
    }
}

fn element(table: &Reader<'_>, which: &str, key: &str, help: &str) {
    let message = format!("the {which} of the four elements is missing: `handoff.{key}`");
    table.problems().error(table.place().clone(), &table.path(key), message, format!("add {help}"));
}

/// The time of a commitment; one that runs through nights is told.
fn time(table: &Reader<'_>, key: &str) -> Option<Span> {
    let time = table.parsed(key, span)?;
    if let (Span::Elapsed(_), Some((text, _))) = (time, table.text(key)) {
        let (number, unit) = text.trim().split_once(' ').unwrap_or((text, ""));
        let help = format!("write \"{number} business {unit}\" if only working time is meant");
        table.warning(key, format!("\"{text}\" runs through nights, weekends and holidays"), help);
    }
    Some(time)
}

fn percent(text: &str) -> Result<u32, (String, String)> {
    let number = text.trim().strip_suffix('%').and_then(|number| number.trim_end().parse::<u32>().ok());
    number.filter(|percent| (1..=10_000).contains(percent)).ok_or_else(|| {
        (format!("`{text}` is no share of the time"), "write a whole percentage such as \"80%\" or \"150%\"".to_owned())
    })
}

fn reason(
    name: &str,
    place: Place,
    key: &str,
    rejections: &BTreeMap<Name, Rejection>,
    problems: &Problems,
) -> Option<Name> {
    match rejections.get(&Name::from(name)) {
        Some(Rejection { to: Destination::Nurture(_), .. }) => Some(Name::from(name)),
        Some(_) => {
            let message = format!("`{name}` does not lead to nurture");
            problems.error(place, key, message, "a ladder recycles with a reason that goes to nurture");
            None
        }
        None => {
            let help = suggest(name, rejections.keys().map(Name::as_str), "add it to `[handoff.rejections]`");
            problems.error(place, key, format!("no rejection reason is called `{name}`"), help);
            None
        }
    }
}

/// The ladder of a commitment that names none: warn, tell, reassign, return.
fn usual_ladder(done_by: &[Proof], rejections: &BTreeMap<Name, Rejection>) -> Vec<Rung> {
    let rung = |at_percent, tell: &[Audience]| Rung {
        at_percent,
        tell: tell.to_vec(),
        task: false,
        reassign: false,
        recycle: None,
    };
    let is_touch = done_by.iter().any(|proof| matches!(proof, Proof::Call | Proof::Email | Proof::Meeting));
    if !is_touch {
        return vec![rung(100, &[Audience::Owner, Audience::Manager])];
    }
    let mut ladder = vec![
        rung(80, &[Audience::Owner]),
        Rung { task: true, ..rung(100, &[Audience::Owner, Audience::Manager]) },
        Rung { reassign: true, ..rung(150, &[Audience::Manager]) },
    ];
    let no_response = Name::from(NO_RESPONSE);
    if matches!(rejections.get(&no_response), Some(Rejection { to: Destination::Nurture(_), .. })) {
        ladder.push(Rung { recycle: Some(no_response), ..rung(300, &[Audience::Manager, Audience::Marketing]) });
    }
    ladder
}

fn requires(table: &Reader<'_>) -> Vec<Vec<Field>> {
    let Some(list) = table.list("requires") else {
        if table.get("requires").is_none() {
            element(table, "first", "requires", "`requires = [\"email\", [\"phone\", \"linkedin\"]]`");
        }
        return Vec::new();
    };
    if list.is_empty() {
        table.error("requires", "nothing must be known: that is no hand-off", "require at least `\"email\"`");
    }
    let field = |node: &Node| {
        let (name, node) = table.text_of("requires", node)?;
        let found = Field::parse(name).or_else(|| Field::parse(&format!("lead.{name}")));
        match found.filter(|field| field.source() != FieldSource::Derived && *field != Field::Reason) {
            Some(field) => Some(field),
            None => {
                let fields = Field::ALL.iter().filter(|field| field.source() != FieldSource::Derived);
                let names: Vec<&str> = fields.map(|field| field.name().trim_start_matches("lead.")).collect();
                let help = suggest(name, names, "docs/fields.md lists every field");
                let key = table.path("requires");
                table.problems().error(node.place.clone(), &key, format!("`{name}` is nothing that a CRM holds"), help);
                None
            }
        }
    };
    list.iter()
        .map(|node| match &node.value {
            Value::List(any) => any.iter().filter_map(field).collect::<Vec<_>>(),
            _ => field(node).into_iter().collect(),
        })
        .filter(|any| !any.is_empty())
        .collect()
}

fn incomplete(table: Reader<'_>) -> Option<Incomplete> {
    let ask = table.needed("ask", "\"marketing-ops@example.com\"").map(|(text, _)| PersonId::from(text.to_lowercase()));
    let within = table.parsed("within", span).unwrap_or(Span::BusinessDays(1));
    if ask.as_ref().is_some_and(|ask| !ask.as_str().contains('@')) {
        table.error("ask", "`ask` must be an e-mail address", "write the address of the person or desk to ask");
    }
    table.finish();
    Some(Incomplete { ask: ask?, within })
}
