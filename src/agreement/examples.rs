//! `[[examples]]`: the agreement's own tests, in business words.

use jiff::civil::date;
use jiff::tz::TimeZone;

use crate::document::{Node, Problems, Reader, Value, suggest};
use crate::domain::agreement::Agreement;
use crate::domain::expr::{Facts, Verdict};
use crate::domain::field::{Field, FieldType, Value as Fact};
use crate::domain::id::Name;
use crate::domain::score::score;
use crate::domain::signal::Signal;
use crate::domain::stage::Stage;

/// A made-up lead and what the agreement makes of it today, everything having happened today.
struct Lead {
    fit: i32,
    intent: i32,
    engagement: i32,
    grade: String,
    bar: Verdict,
    stage: Stage,
}

impl Lead {
    /// Who goes first: those past the bar, then by fit and intent, then by engagement.
    fn rank(&self) -> (bool, i32, i32) {
        (self.bar.is_yes(), self.fit + self.intent, self.engagement)
    }

    fn story(&self) -> String {
        let stage = self.stage;
        format!("{} (fit {}, intent {}, engagement {}; {stage})", self.grade, self.fit, self.intent, self.engagement)
    }
}

pub(super) fn run(agreement: &Agreement, examples: Vec<Reader<'_>>, problems: &Problems) {
    let is_sound = !problems.has_errors();
    for example in examples {
        let that = example.needed("that", "\"a booked demo outranks three white papers\"").map(|(text, _)| text);
        if example.get("lead").is_none() {
            example.missing("lead", "{ company = { employees = 300 }, signals = { demo_request = 1 } }");
        }
        let lead = example.table("lead").map(|table| read(agreement, table));
        let beats = example.table("beats").map(|table| read(agreement, table));
        let stages = Stage::ALL.map(|stage| (stage.as_str(), stage));
        let is = example.one_of("is", &stages);
        let is_not = example.one_of("is_not", &stages);
        if ["beats", "is", "is_not"].iter().all(|key| example.get(key).is_none()) {
            example.error(
                "that",
                "an example that claims nothing",
                "add `beats = { ... }`, `is = \"mql\"` or `is_not = \"mql\"`",
            );
        }
        // On an agreement with mistakes examples would fail for reasons that are told already.
        if let (true, Some(that), Some(lead)) = (is_sound, that, &lead) {
            if let Some(other) = &beats
                && lead.rank() <= other.rank()
            {
                let message = format!("this example does not hold: {that}");
                let help = format!("the lead is {}, the other {}", lead.story(), other.story());
                example.error("that", message, help);
            }
            let wrong = is.filter(|stage| lead.stage != *stage).or(is_not.filter(|stage| lead.stage == *stage));
            if wrong.is_some() {
                let missing: Vec<&str> = lead.bar.missing().iter().map(Field::name).collect();
                let missing =
                    if missing.is_empty() { String::new() } else { format!("; not given: {}", missing.join(", ")) };
                let message = format!("this example does not hold: {that}");
                example.error("that", message, format!("the lead is {}{missing}", lead.story()));
            }
        }
        example.finish();
    }
}

fn read(agreement: &Agreement, table: Reader<'_>) -> Lead {
    let mut facts = Facts::default();
    let mut signals: Vec<Signal> = Vec::new();
    let zone = TimeZone::UTC;
    let today = date(2026, 1, 15);
    let noon = today.at(12, 0, 0, 0).to_zoned(zone.clone()).map(|noon| noon.timestamp()).unwrap_or_default();
    for (key, node) in table.entries() {
        match key {
            "company" => {
                let Some(company) = table.table("company") else { continue };
                for (key, node) in company.entries() {
                    set(&company, &mut facts, &format!("company.{key}"), key, node);
                }
            }
            "signals" => {
                let Some(named) = table.table("signals") else { continue };
                let known = agreement.signals();
                for (key, _) in named.entries() {
                    if !known.iter().any(|name| name.as_str() == key) {
                        let help = suggest(key, known.iter().map(Name::as_str), "score it, or take it out");
                        named.error(key, format!("no rule asks for a signal `{key}`"), help);
                    }
                    let count = named.count(key, 0..=1_000).unwrap_or(0);
                    signals.extend((0..count).map(|_| Signal { name: Name::from(key), at: noon }));
                }
            }
            _ => set(&table, &mut facts, &format!("lead.{key}"), key, node),
        }
    }
    let domain = facts.get(Field::Email).and_then(Fact::as_text).and_then(|email| email.split_once('@'));
    if let Some(domain) = domain.and_then(|(_, domain)| Fact::text(domain)) {
        facts.set(Field::EmailDomain, Some(domain));
    }
    let signals: Vec<&Signal> = signals.iter().collect();
    let points = score(today, &signals, &zone, &mut facts, agreement).points;
    let bar = agreement.bar().map_or(Verdict::No, |bar| bar.eval(&facts));
    let entered = agreement.stages.iter().rev().find(|rule| rule.when.eval(&facts).is_yes());
    Lead {
        fit: points.fit,
        intent: points.intent,
        engagement: points.engagement,
        grade: points.grade.to_string(),
        bar,
        stage: entered.map_or(Stage::Awareness, |rule| rule.stage),
    }
}

fn set(table: &Reader<'_>, facts: &mut Facts, name: &str, key: &str, node: &Node) {
    let Some(field) = Field::parse(name) else {
        let prefix = name.trim_end_matches(key);
        let known = Field::ALL.iter().filter_map(|field| field.name().strip_prefix(prefix));
        let help = suggest(key, known, "a lead has fields of `lead.`, a table `company` and a table `signals`");
        table.error(key, format!("no field is called `{name}`"), help);
        return;
    };
    let value = match (&node.value, field.kind()) {
        (Value::Text(text), FieldType::Text) => Fact::text(text),
        #[expect(clippy::cast_precision_loss, reason = "an example's numbers are far below 2^52")]
        (Value::Integer(number), FieldType::Number) => Some(Fact::Number(*number as f64)),
        (Value::Float(number), FieldType::Number) => Some(Fact::Number(*number)),
        (Value::Flag(flag), FieldType::Flag) => Some(Fact::Flag(*flag)),
        (other, wanted) => {
            let wanted = match wanted {
                FieldType::Text => "text",
                FieldType::Number => "a number",
                FieldType::Flag => "true or false",
            };
            table.error(key, format!("`{field}` is {wanted}, not {}", other.kind()), "docs/fields.md has every type");
            None
        }
    };
    facts.set(field, value);
}
