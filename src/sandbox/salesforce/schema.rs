//! Objects and fields: what exists, what an API user may do with it, and how `describe` tells it. Source: section 4.

use std::collections::BTreeSet;

use serde_json::{Value, json};

const TEXT: &str = include_str!("schema.txt");

/// The type of a field, by the name that `describe` gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Id,
    Reference,
    Text,
    TextArea,
    Picklist,
    Email,
    Phone,
    Url,
    Boolean,
    Datetime,
    Date,
    Time,
    Int,
    Double,
    Currency,
    Percent,
    Any,
}

impl Type {
    pub(super) fn parse(text: &str) -> Self {
        match text {
            "id" => Self::Id,
            "reference" => Self::Reference,
            "textarea" => Self::TextArea,
            "picklist" => Self::Picklist,
            "email" => Self::Email,
            "phone" => Self::Phone,
            "url" => Self::Url,
            "boolean" => Self::Boolean,
            "datetime" => Self::Datetime,
            "date" => Self::Date,
            "time" => Self::Time,
            "int" => Self::Int,
            "double" => Self::Double,
            "currency" => Self::Currency,
            "percent" => Self::Percent,
            "anyType" => Self::Any,
            _ => Self::Text,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Reference => "reference",
            Self::Text => "string",
            Self::TextArea => "textarea",
            Self::Picklist => "picklist",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Url => "url",
            Self::Boolean => "boolean",
            Self::Datetime => "datetime",
            Self::Date => "date",
            Self::Time => "time",
            Self::Int => "int",
            Self::Double => "double",
            Self::Currency => "currency",
            Self::Percent => "percent",
            Self::Any => "anyType",
        }
    }

    pub(super) fn is_id(self) -> bool {
        matches!(self, Self::Id | Self::Reference)
    }

    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Double | Self::Currency | Self::Percent)
    }
}

/// One field.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) kind: Type,
    pub(super) length: usize,
    pub(super) createable: bool,
    pub(super) updateable: bool,
    pub(super) required: bool,
    pub(super) defaulted: bool,
    pub(super) filterable: bool,
    pub(super) targets: Vec<String>,
    pub(super) relationship: Option<String>,
    pub(super) external_id: bool,
}

/// One object type.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) name: String,
    pub(super) prefix: String,
    label: String,
    pub(super) fields: Vec<Field>,
}

impl Object {
    /// A field by its name, without regard to case.
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// The field that a relationship stands for: `Owner` -> `OwnerId`.
    pub(super) fn related(&self, relationship: &str) -> Option<&Field> {
        let fits =
            |field: &&Field| field.relationship.as_deref().is_some_and(|one| one.eq_ignore_ascii_case(relationship));
        self.fields.iter().find(fits)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.field(name).is_some()
    }
}

/// All objects of the org, and what field-level security hides of them.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    pub(super) objects: Vec<Object>,
    pub(super) hidden: BTreeSet<(String, String)>,
    pub(super) hidden_objects: BTreeSet<String>,
}

impl Schema {
    pub(super) fn load() -> Self {
        let mut objects: Vec<Object> = Vec::new();
        for line in TEXT.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let ["object", name, prefix, label @ ..] = words.as_slice() {
                objects.push(object(name, prefix, &label.join(" ")));
                continue;
            }
            if let (Some(object), Some(field)) = (objects.last_mut(), field(&words)) {
                object.fields.push(field);
            }
        }
        for object in &mut objects {
            add_system_fields(object);
        }
        Self { objects, hidden: BTreeSet::new(), hidden_objects: BTreeSet::new() }
    }

    /// An object that the API user sees, without regard to case.
    pub(super) fn object(&self, name: &str) -> Option<&Object> {
        let found = self.objects.iter().find(|object| object.name.eq_ignore_ascii_case(name))?;
        (!self.hidden_objects.contains(&found.name)).then_some(found)
    }

    /// The object of an id.
    pub(super) fn of_id(&self, id: &str) -> Option<&Object> {
        let prefix = id.get(..3)?;
        self.objects.iter().find(|object| object.prefix == prefix)
    }

    /// A field that the API user sees: one hidden by field-level security looks like one that does not exist. Source: section 1.9.
    pub(super) fn visible<'a>(&self, object: &'a Object, name: &str) -> Option<&'a Field> {
        let field = object.field(name)?;
        (!self.hidden.contains(&(object.name.clone(), field.name.clone()))).then_some(field)
    }

    /// Adds a custom field.
    pub(super) fn add(&mut self, object: &str, name: &str, kind: &str, external_id: bool) -> bool {
        let Some(object) = self.objects.iter_mut().find(|known| known.name == object) else { return false };
        if object.has(name) {
            return false;
        }
        object.fields.push(Field {
            name: name.to_owned(),
            kind: Type::parse(kind),
            length: 255,
            createable: true,
            updateable: true,
            required: false,
            defaulted: false,
            filterable: true,
            targets: Vec::new(),
            relationship: None,
            external_id,
        });
        true
    }

    /// The answer of `describe`.
    pub(super) fn describe(&self, object: &Object, picklist: impl Fn(&Field) -> Vec<String>) -> Value {
        let fields = object.fields.iter().filter(|field| self.visible(object, &field.name).is_some());
        let fields: Vec<Value> = fields
            .map(|field| {
                let values: Vec<Value> = picklist(field)
                    .into_iter()
                    .map(|value| json!({"active": true, "defaultValue": false, "label": value, "validFor": null, "value": value}))
                    .collect();
                json!({
                    "name": field.name, "label": field.name, "type": field.kind.as_str(), "length": field.length,
                    "nillable": !field.required, "createable": field.createable, "updateable": field.updateable,
                    "defaultedOnCreate": field.defaulted, "filterable": field.filterable, "custom": field.name.ends_with("__c"),
                    "externalId": field.external_id, "idLookup": field.external_id || field.kind == Type::Id,
                    "unique": field.external_id, "picklistValues": values, "restrictedPicklist": false,
                    "referenceTo": field.targets, "relationshipName": field.relationship,
                })
            })
            .collect();
        json!({
            "name": object.name, "label": object.label, "labelPlural": format!("{}s", object.label), "keyPrefix": object.prefix,
            "custom": false, "queryable": true, "retrieveable": true, "searchable": true, "replicateable": true,
            "createable": fields.iter().any(|field| field["createable"] == true),
            "updateable": fields.iter().any(|field| field["updateable"] == true),
            "deletable": object.has("IsDeleted"), "undeletable": object.has("IsDeleted"), "mergeable": object.has("MasterRecordId"),
            "fields": fields, "childRelationships": [], "recordTypeInfos": [],
        })
    }

    /// One object in the list of all.
    pub(super) fn summary(&self, object: &Object, base: &str) -> Value {
        json!({
            "name": object.name, "label": object.label, "keyPrefix": object.prefix, "custom": false, "queryable": true,
            "urls": {"sobject": format!("{base}/sobjects/{}", object.name),
                     "describe": format!("{base}/sobjects/{}/describe", object.name),
                     "rowTemplate": format!("{base}/sobjects/{}/{{ID}}", object.name)},
        })
    }
}

fn object(name: &str, prefix: &str, label: &str) -> Object {
    let mut object =
        Object { name: name.to_owned(), prefix: prefix.to_owned(), label: label.to_owned(), fields: Vec::new() };
    object.fields.extend(field(&["Id", "id", "-"]));
    object
}

/// What every row has; history rows have only who and when, setup objects cannot be deleted. Source: section 4.
fn add_system_fields(object: &mut Object) {
    let lines: &[&[&str]] = &[
        &["CreatedDate", "datetime", "-"],
        &["CreatedById", "reference", "-", "->User", "CreatedBy"],
        &["LastModifiedDate", "datetime", "-"],
        &["LastModifiedById", "reference", "-", "->User", "LastModifiedBy"],
        &["SystemModstamp", "datetime", "-"],
    ];
    let count = if object.name == "LeadHistory" { 2 } else { lines.len() };
    object.fields.extend(lines[..count].iter().filter_map(|line| field(line)));
}

fn field(words: &[&str]) -> Option<Field> {
    let [name, kind, flags, rest @ ..] = words else { return None };
    let (kind, length) = kind.split_once(':').unwrap_or((kind, "0"));
    let targets = rest.first().and_then(|text| text.strip_prefix("->")).map(|text| text.split('|').map(str::to_owned));
    Some(Field {
        name: (*name).to_owned(),
        kind: Type::parse(kind),
        length: length.parse().unwrap_or(0),
        createable: flags.contains('c'),
        updateable: flags.contains('u'),
        required: flags.contains('r'),
        defaulted: flags.contains('d'),
        filterable: !flags.contains('x'),
        targets: targets.map(Iterator::collect).unwrap_or_default(),
        relationship: rest.get(1).map(|text| (*text).to_owned()),
        external_id: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_objects_of_section_4_are_there_with_their_prefixes() {
        let schema = Schema::load();
        for (name, prefix) in [
            ("Lead", "00Q"),
            ("Contact", "003"),
            ("Account", "001"),
            ("Opportunity", "006"),
            ("Task", "00T"),
            ("Event", "00U"),
            ("User", "005"),
            ("Group", "00G"),
            ("Campaign", "701"),
            ("CampaignMember", "00v"),
        ] {
            assert_eq!(schema.object(name).unwrap().prefix, prefix, "{name}");
        }
        let lead = schema.object("lead").unwrap();
        assert_eq!(lead.related("owner").unwrap().targets, ["User", "Group"]);
        assert!(!lead.field("IsConverted").unwrap().updateable && lead.has("SystemModstamp"));
        let history = schema.object("LeadHistory").unwrap();
        assert!(history.has("CreatedDate") && !history.has("SystemModstamp"));
        assert!(!history.field("OldValue").unwrap().filterable);
    }
}
