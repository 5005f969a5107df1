//! Whether a query asks for what there is, with literals of the right kind: nothing is guessed.

use super::super::failure::Failure;
use super::super::id;
use super::super::moment;
use super::super::schema::{Field, Type};
use super::eval::Eval;
use super::parse::{Filter, Literal, Selected};

impl Eval<'_> {
    pub(super) fn check(&self) -> Result<(), Failure> {
        for selected in &self.query.select {
            match selected {
                Selected::Field(path) => drop(self.reach(path)?),
                Selected::Fields(which) if which != "STANDARD" && self.query.limit.is_none_or(|limit| limit > 200) => {
                    let words = "The SOQL FIELDS function must have a LIMIT of at most 200";
                    return Err(Failure::malformed_query(words));
                }
                Selected::Fields(_) | Selected::Count | Selected::Children(_) => {}
            }
        }
        self.query.order.iter().try_for_each(|order| self.reach(&order.path).map(drop))?;
        self.query.filter.as_ref().map_or(Ok(()), |filter| self.check_filter(filter))
    }

    pub(super) fn check_filter(&self, filter: &Filter) -> Result<(), Failure> {
        let path = match filter {
            Filter::And(all) | Filter::Or(all) => return all.iter().try_for_each(|one| self.check_filter(one)),
            Filter::Not(inner) => return self.check_filter(inner),
            Filter::Compare { path, .. }
            | Filter::Like { path, .. }
            | Filter::In { path, .. }
            | Filter::InQuery { path, .. } => path,
        };
        let reached = self.reach(path)?;
        let Some(field) = reached.last else { return Ok(()) };
        if !field.filterable {
            let text = format!("\n{}\nfield '{}' can not be filtered in a query call", self.query.text, field.name);
            return Err(Failure::new(400, "INVALID_FIELD", text));
        }
        let literals: &[Literal] = match filter {
            Filter::Compare { value, .. } => std::slice::from_ref(value),
            Filter::In { values, .. } => values,
            _ => &[],
        };
        literals.iter().try_for_each(|literal| self.check_literal(field, literal))
    }

    /// A quoted time, or an unquoted text, is refused: nothing is guessed.
    pub(super) fn check_literal(&self, field: &Field, literal: &Literal) -> Result<(), Failure> {
        let fits = match (field.kind, literal) {
            (_, Literal::Null) => true,
            (Type::Datetime, Literal::Bare(text)) => text.len() > 10 && moment::read(text).is_some(),
            (Type::Date, Literal::Bare(text)) => text.len() == 10 && moment::read_day(text).is_some(),
            (Type::Datetime | Type::Date, Literal::Named(..)) => true,
            (Type::Boolean, Literal::Flag(_)) => true,
            (kind, Literal::Bare(text)) if kind.is_number() => text.parse::<f64>().is_ok(),
            (kind, Literal::Text(text)) if kind.is_id() => {
                if id::full(text).is_none() {
                    let words = format!("\n{}\ninvalid ID field: {text}", self.query.text);
                    return Err(Failure::new(400, "INVALID_QUERY_FILTER_OPERATOR", words));
                }
                true
            }
            (Type::Datetime | Type::Date | Type::Boolean | Type::Any, _) => false,
            (kind, Literal::Text(_)) => !kind.is_number(),
            (_, Literal::Bare(_) | Literal::Flag(_) | Literal::Named(..)) => false,
        };
        if fits {
            return Ok(());
        }
        let words = format!(
            "\n{}\nvalue of filter criterion for field '{}' must be of type {} and should {}be enclosed in quotes",
            self.query.text,
            field.name,
            if field.kind == Type::Datetime { "dateTime" } else { "the field" },
            if matches!(field.kind, Type::Datetime | Type::Date | Type::Boolean) || field.kind.is_number() {
                "not "
            } else {
                ""
            },
        );
        Err(Failure::new(400, "INVALID_FIELD", words))
    }
}
