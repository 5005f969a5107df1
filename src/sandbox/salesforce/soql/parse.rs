//! A query as a tree. What SOQL knows and nobody here sends (TYPEOF, GROUP BY, GEOLOCATION ...) is refused as malformed.

use super::super::failure::Failure;
use super::lex::{Token, tokens};

/// A parsed query.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::sandbox::salesforce) struct Query {
    pub(in crate::sandbox::salesforce) text: String,
    pub(in crate::sandbox::salesforce) select: Vec<Selected>,
    pub(in crate::sandbox::salesforce) from: String,
    pub(in crate::sandbox::salesforce) filter: Option<Filter>,
    pub(in crate::sandbox::salesforce) order: Vec<Order>,
    pub(in crate::sandbox::salesforce) limit: Option<usize>,
    pub(in crate::sandbox::salesforce) offset: usize,
}

/// One part of the SELECT list.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::sandbox::salesforce) enum Selected {
    /// A field with its path.
    Field(Vec<String>),
    /// `COUNT()`.
    Count,
    /// `FIELDS(ALL)`, `FIELDS(STANDARD)`, `FIELDS(CUSTOM)`.
    Fields(String),
    /// `(SELECT ... FROM Tasks)`.
    Children(Box<Query>),
}

/// One part of ORDER BY.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::sandbox::salesforce) struct Order {
    pub(in crate::sandbox::salesforce) path: Vec<String>,
    pub(in crate::sandbox::salesforce) is_descending: bool,
    pub(in crate::sandbox::salesforce) nulls_last: bool,
}

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::sandbox::salesforce) enum Filter {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Compare { path: Vec<String>, sign: &'static str, value: Literal },
    Like { path: Vec<String>, pattern: String },
    In { path: Vec<String>, values: Vec<Literal>, is_not: bool },
    InQuery { path: Vec<String>, query: Box<Query>, is_not: bool },
}

/// A value in a query.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::sandbox::salesforce) enum Literal {
    Text(String),
    /// A number, a date or a time.
    Bare(String),
    Flag(bool),
    Null,
    /// `TODAY`, `LAST_N_DAYS:7`.
    Named(String, i64),
}

pub(in crate::sandbox::salesforce) fn parse(text: &str) -> Result<Query, Failure> {
    if text.trim().is_empty() {
        return Err(Failure::malformed_query("A query string has to be specified"));
    }
    let mut reader = Reader { tokens: tokens(text)?, at: 0 };
    let query = reader.query(text)?;
    match reader.peek() {
        None => Ok(query),
        Some(token) => Err(unexpected(&token.shown())),
    }
}

/// The columns of a query that a bulk job can run; `None` if it cannot. Source: section 6, "Not supported".
pub(in crate::sandbox::salesforce) fn columns(query: &Query) -> Option<Vec<String>> {
    if query.offset > 0 {
        return None;
    }
    let name = |selected: &Selected| match selected {
        Selected::Field(path) => Some(path.join(".")),
        Selected::Count | Selected::Fields(_) | Selected::Children(_) => None,
    };
    query.select.iter().map(name).collect()
}

fn unexpected(token: &str) -> Failure {
    Failure::malformed_query(format!("unexpected token: '{token}'"))
}

/// Words that end an alias-less FROM.
const CLAUSES: [&str; 9] = ["WHERE", "ORDER", "LIMIT", "OFFSET", "GROUP", "HAVING", "FOR", "WITH", "ALL"];

struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Result<Token, Failure> {
        let token = self.peek().cloned().ok_or_else(|| unexpected("<EOF>"))?;
        self.at += 1;
        Ok(token)
    }

    fn is_word(&self, wanted: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted))
    }

    fn take_word(&mut self, wanted: &str) -> bool {
        let is_it = self.is_word(wanted);
        self.at += usize::from(is_it);
        is_it
    }

    fn need_word(&mut self, wanted: &str) -> Result<(), Failure> {
        if self.take_word(wanted) {
            return Ok(());
        }
        Err(unexpected(&self.peek().map_or_else(|| "<EOF>".to_owned(), Token::shown)))
    }

    fn take_sign(&mut self, wanted: &str) -> bool {
        let is_it = matches!(self.peek(), Some(Token::Sign(sign)) if *sign == wanted);
        self.at += usize::from(is_it);
        is_it
    }

    fn need_sign(&mut self, wanted: &str) -> Result<(), Failure> {
        if self.take_sign(wanted) {
            return Ok(());
        }
        Err(unexpected(&self.peek().map_or_else(|| "<EOF>".to_owned(), Token::shown)))
    }

    fn word(&mut self) -> Result<String, Failure> {
        match self.next()? {
            Token::Word(word) => Ok(word),
            other => Err(unexpected(&other.shown())),
        }
    }

    fn path(&mut self) -> Result<Vec<String>, Failure> {
        Ok(self.word()?.split('.').map(str::to_owned).collect())
    }

    fn number(&mut self) -> Result<usize, Failure> {
        match self.next()? {
            Token::Bare(text) => text.parse().map_err(|_| unexpected(&text)),
            other => Err(unexpected(&other.shown())),
        }
    }

    fn query(&mut self, text: &str) -> Result<Query, Failure> {
        self.need_word("SELECT")?;
        let mut select = vec![self.selected(text)?];
        while self.take_sign(",") {
            select.push(self.selected(text)?);
        }
        self.need_word("FROM")?;
        let from = self.word()?;
        let is_clause = |word: &str| CLAUSES.iter().any(|clause| clause.eq_ignore_ascii_case(word));
        let alias = match self.peek() {
            Some(Token::Word(word)) if !is_clause(word) => Some(self.word()?),
            _ => None,
        };
        let filter = if self.take_word("WHERE") { Some(self.filter(text)?) } else { None };
        let mut order = Vec::new();
        if self.take_word("ORDER") {
            self.need_word("BY")?;
            order.push(self.order()?);
            while self.take_sign(",") {
                order.push(self.order()?);
            }
        }
        let limit = if self.take_word("LIMIT") { Some(self.number()?) } else { None };
        let offset = if self.take_word("OFFSET") { self.number()? } else { 0 };
        if offset > 2000 {
            return Err(Failure::new(400, "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000"));
        }
        let mut query = Query { text: text.to_owned(), select, from, filter, order, limit, offset };
        if let Some(alias) = alias {
            query.drop_alias(&alias);
        }
        Ok(query)
    }

    fn selected(&mut self, text: &str) -> Result<Selected, Failure> {
        if self.take_sign("(") {
            let query = self.query(text)?;
            self.need_sign(")")?;
            return Ok(Selected::Children(Box::new(query)));
        }
        let path = self.path()?;
        if !self.take_sign("(") {
            return Ok(Selected::Field(path));
        }
        let name = path.join(".");
        if name.eq_ignore_ascii_case("COUNT") && self.take_sign(")") {
            return Ok(Selected::Count);
        }
        if name.eq_ignore_ascii_case("FIELDS") {
            let which = self.word()?;
            self.need_sign(")")?;
            return Ok(Selected::Fields(which.to_ascii_uppercase()));
        }
        Err(unexpected("("))
    }

    fn order(&mut self) -> Result<Order, Failure> {
        let path = self.path()?;
        let is_descending = self.take_word("DESC");
        if !is_descending {
            self.take_word("ASC");
        }
        let mut nulls_last = is_descending;
        if self.take_word("NULLS") {
            nulls_last = if self.take_word("LAST") { true } else { !self.take_word("FIRST") };
        }
        Ok(Order { path, is_descending, nulls_last })
    }

    /// AND and OR of one level must not be mixed without parentheses.
    fn filter(&mut self, text: &str) -> Result<Filter, Failure> {
        let first = self.condition(text)?;
        let (word, other) = if self.is_word("AND") {
            ("AND", "OR")
        } else if self.is_word("OR") {
            ("OR", "AND")
        } else {
            return Ok(first);
        };
        let mut all = vec![first];
        while self.take_word(word) {
            all.push(self.condition(text)?);
        }
        if self.is_word(other) {
            return Err(unexpected(other));
        }
        Ok(if word == "AND" { Filter::And(all) } else { Filter::Or(all) })
    }

    fn condition(&mut self, text: &str) -> Result<Filter, Failure> {
        if self.take_word("NOT") {
            return Ok(Filter::Not(Box::new(self.condition(text)?)));
        }
        if self.take_sign("(") {
            let inner = self.filter(text)?;
            self.need_sign(")")?;
            return Ok(inner);
        }
        let path = self.path()?;
        if self.take_word("LIKE") {
            return match self.next()? {
                Token::Text(pattern) => Ok(Filter::Like { path, pattern }),
                other => Err(unexpected(&other.shown())),
            };
        }
        let is_not = self.take_word("NOT");
        if self.take_word("IN") {
            return self.list(path, is_not, text);
        }
        match self.next()? {
            Token::Sign(sign @ ("=" | "!=" | "<" | "<=" | ">" | ">=")) if !is_not => {
                Ok(Filter::Compare { path, sign, value: self.literal()? })
            }
            other => Err(unexpected(&other.shown())),
        }
    }

    fn list(&mut self, path: Vec<String>, is_not: bool, text: &str) -> Result<Filter, Failure> {
        self.need_sign("(")?;
        if self.is_word("SELECT") {
            let query = Box::new(self.query(text)?);
            self.need_sign(")")?;
            return Ok(Filter::InQuery { path, query, is_not });
        }
        let mut values = vec![self.literal()?];
        while self.take_sign(",") {
            values.push(self.literal()?);
        }
        self.need_sign(")")?;
        Ok(Filter::In { path, values, is_not })
    }

    fn literal(&mut self) -> Result<Literal, Failure> {
        Ok(match self.next()? {
            Token::Text(text) => Literal::Text(text),
            Token::Bare(text) => Literal::Bare(text),
            Token::Word(word) => match word.to_ascii_uppercase().as_str() {
                "TRUE" => Literal::Flag(true),
                "FALSE" => Literal::Flag(false),
                "NULL" => Literal::Null,
                "TODAY" | "YESTERDAY" | "TOMORROW" => Literal::Named(word.to_ascii_uppercase(), 0),
                "LAST_N_DAYS" | "NEXT_N_DAYS" => {
                    self.need_sign(":")?;
                    let days = i64::try_from(self.number()?).unwrap_or(i64::MAX);
                    Literal::Named(word.to_ascii_uppercase(), days)
                }
                _ => return Err(unexpected(&word)),
            },
            Token::Sign(sign) => return Err(unexpected(sign)),
        })
    }
}

impl Query {
    /// `SELECT l.Id FROM Lead l`: the alias stands for the object.
    fn drop_alias(&mut self, alias: &str) {
        let cut = |path: &mut Vec<String>| {
            if path.len() > 1 && path[0].eq_ignore_ascii_case(alias) {
                path.remove(0);
            }
        };
        for selected in &mut self.select {
            if let Selected::Field(path) = selected {
                cut(path);
            }
        }
        self.order.iter_mut().for_each(|order| cut(&mut order.path));
        if let Some(filter) = &mut self.filter {
            filter.each_path(&cut);
        }
    }
}

impl Filter {
    fn each_path(&mut self, act: &impl Fn(&mut Vec<String>)) {
        match self {
            Self::And(all) | Self::Or(all) => all.iter_mut().for_each(|one| one.each_path(act)),
            Self::Not(inner) => inner.each_path(act),
            Self::Compare { path, .. }
            | Self::Like { path, .. }
            | Self::In { path, .. }
            | Self::InQuery { path, .. } => {
                act(path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_whole_or_refused_with_the_word_that_does_not_fit() {
        let query = parse(
            "SELECT Id, Owner.Name, (SELECT Id FROM Tasks) FROM Lead l WHERE (l.SystemModstamp = 2026-11-20T17:40:19Z AND Id > '00Q') \
             OR SystemModstamp > 2026-11-20T17:40:19Z ORDER BY SystemModstamp, Id DESC NULLS LAST LIMIT 5 OFFSET 2",
        )
        .unwrap();
        assert_eq!((query.select.len(), query.from.as_str(), query.limit, query.offset), (3, "Lead", Some(5), 2));
        assert!(matches!(&query.filter, Some(Filter::Or(all)) if matches!(&all[0], Filter::And(_))), "{query:?}");
        for (text, word) in [
            ("SELECT Id FROM Lead WHERE Status = 'a' AND Status = 'b' OR Status = 'c'", "OR"),
            ("SELECT FROM Lead", "Lead"),
            ("SELECT Id FROM Lead WHERE Name = 'O'Hara'", "not closed"),
            ("SELECT Id FROM Lead WHERE Name = 'a\\x'", "illegal character sequence"),
            ("SELECT Id FROM Lead WHERE Name == 'a'", "="),
            ("SELECT Id, FROM Lead", "Lead"),
            ("SELECT Id FROM Lead GROUP BY Id", "GROUP"),
            ("SELECT Id FROM Lead WHERE Name = a", "a"),
            ("SELECT Id FROM Lead; DELETE", ";"),
            ("", "query string"),
        ] {
            let failure = parse(text).unwrap_err();
            assert!(failure.code == "MALFORMED_QUERY" && failure.message.contains(word), "{text}: {failure}");
        }
        let escaped = parse(r"SELECT Id FROM Lead WHERE Name = 'O\'Hara \\ \u00e9'").unwrap();
        assert!(
            matches!(escaped.filter, Some(Filter::Compare { value: Literal::Text(text), .. }) if text == "O'Hara \\ é")
        );
    }
}
