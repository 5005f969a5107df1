//! The data model of the sandbox: models, their fields and default orders.
//!
//! The table stands in `schema.txt`. Source: `fields_get` of a running Odoo 19, whose answers it repeats.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Integer,
    Float,
    Monetary,
    Boolean,
    Char,
    Text,
    Html,
    Date,
    Datetime,
    Selection,
    Json,
    Many2one,
    Many2many,
    One2many,
    /// An id whose model stands in another field of the record.
    Reference,
}

impl Type {
    fn parse(word: &str) -> Self {
        match word {
            "integer" => Self::Integer,
            "float" => Self::Float,
            "monetary" => Self::Monetary,
            "boolean" => Self::Boolean,
            "text" => Self::Text,
            "html" => Self::Html,
            "date" => Self::Date,
            "datetime" => Self::Datetime,
            "selection" => Self::Selection,
            "json" => Self::Json,
            "many2one" => Self::Many2one,
            "many2many" => Self::Many2many,
            "one2many" => Self::One2many,
            "many2one_reference" => Self::Reference,
            _ => Self::Char,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Monetary => "monetary",
            Self::Boolean => "boolean",
            Self::Char => "char",
            Self::Text => "text",
            Self::Html => "html",
            Self::Date => "date",
            Self::Datetime => "datetime",
            Self::Selection => "selection",
            Self::Json => "json",
            Self::Many2one => "many2one",
            Self::Many2many => "many2many",
            Self::One2many => "one2many",
            Self::Reference => "many2one_reference",
        }
    }
}

/// One field of a model.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Type,
    /// The other model of a relation, else empty.
    pub(super) relation: &'static str,
    pub(super) choices: Vec<(&'static str, &'static str)>,
    pub(super) is_required: bool,
    pub(super) is_readonly: bool,
    /// Worked out when read, never stored.
    pub(super) is_computed: bool,
    pub(super) label: &'static str,
}

impl Field {
    /// What the API shows for a field that was never set: `false` rather than null, 0, or an empty list. Source: trap 9.
    pub(super) fn empty(&self) -> Value {
        match self.kind {
            Type::Integer | Type::Reference => json!(0),
            Type::Float | Type::Monetary => json!(0.0),
            Type::Many2many | Type::One2many => json!([]),
            Type::Boolean
            | Type::Char
            | Type::Text
            | Type::Html
            | Type::Date
            | Type::Datetime
            | Type::Selection
            | Type::Json
            | Type::Many2one => Value::Bool(false),
        }
    }

    /// `char`, `many2one` ...
    pub(super) fn kind_word(&self) -> &'static str {
        self.kind.word()
    }

    fn describe(&self) -> Map<String, Value> {
        let mut shown = Map::new();
        shown.insert("name".into(), json!(self.name));
        shown.insert("type".into(), json!(self.kind.word()));
        shown.insert("string".into(), json!(self.label));
        shown.insert("required".into(), json!(self.is_required));
        shown.insert("readonly".into(), json!(self.is_readonly));
        shown.insert("store".into(), json!(!self.is_computed));
        shown.insert("searchable".into(), json!(true));
        shown.insert("sortable".into(), json!(!self.is_computed));
        if !self.relation.is_empty() {
            shown.insert("relation".into(), json!(self.relation));
        }
        if !self.choices.is_empty() {
            shown.insert("selection".into(), json!(self.choices));
        }
        shown
    }
}

/// One model, such as `crm.lead`.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    /// The order of a search that names none.
    pub(super) order: &'static str,
    pub(super) fields: Vec<Field>,
}

impl Model {
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// `fields_get`, cut to the attributes and fields asked for.
    pub(super) fn describe(&self, only: Option<&[String]>, attributes: Option<&[String]>) -> Value {
        let wanted = |list: Option<&[String]>, name: &str| list.is_none_or(|list| list.iter().any(|item| item == name));
        let fields = self.fields.iter().filter(|field| wanted(only, field.name)).map(|field| {
            let mut shown = field.describe();
            shown.retain(|attribute, _| wanted(attributes, attribute));
            (field.name.to_owned(), Value::Object(shown))
        });
        Value::Object(fields.collect())
    }
}

/// All models by name.
pub(super) struct Schema(BTreeMap<&'static str, Model>);

impl Schema {
    pub(super) fn load() -> Self {
        let mut models = Vec::<Model>::new();
        for line in include_str!("schema.txt").lines().filter(|line| !line.starts_with('#')) {
            let mut parts = line.split('|');
            let mut next = || parts.next().unwrap_or_default();
            if let Some(name) = line.strip_prefix('@').map(|_| next().trim_start_matches('@')) {
                models.push(Model { name, label: next(), order: next(), fields: Vec::new() });
                continue;
            }
            let (name, declared, flags, label) = (next(), next(), next(), next());
            let (word, detail) = declared.split_once(':').unwrap_or((declared, ""));
            let kind = Type::parse(word);
            let is_choice = kind == Type::Selection;
            let field = Field {
                name,
                kind,
                relation: if is_choice { "" } else { detail },
                choices: detail.split(',').filter(|_| is_choice).filter_map(|pair| pair.split_once('=')).collect(),
                is_required: flags.contains('r'),
                is_readonly: flags.contains('o'),
                is_computed: flags.contains('c'),
                label,
            };
            if let Some(model) = models.last_mut() {
                model.fields.push(field);
            }
        }
        Self(models.into_iter().map(|model| (model.name, model)).collect())
    }

    pub(super) fn model(&self, name: &str) -> Option<&Model> {
        self.0.get(name)
    }

    pub(super) fn models(&self) -> impl Iterator<Item = &Model> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_relation_leads_to_a_model_of_the_sandbox() {
        let schema = Schema::load();
        for model in schema.models() {
            assert_eq!(model.fields[0].name, "id", "{}", model.name);
            for field in model.fields.iter().filter(|field| !field.relation.is_empty()) {
                assert!(schema.model(field.relation).is_some(), "{}.{}", model.name, field.name);
            }
        }
    }
}
