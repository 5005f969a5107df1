//! How a statement of `sql.rs` is made ready to be bound.
//!
//! Statements over many rows come in a few sizes, so that their texts, and with them their prepared forms, are few:
//! what is asked for is cut into chunks of those sizes, and a list that is too short repeats its last value.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

/// Rows of one multi-row statement, largest first. Larger ones cost more to prepare, and to hold prepared, than they save.
pub(super) const ROW_SIZES: [usize; 4] = [100, 20, 5, 1];
/// Values of one `IN` list, smallest first.
pub(super) const LIST_SIZES: [usize; 4] = [1, 10, 100, 500];

/// A bulk insert, or another statement over rows of values: what stands before and after the rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Insert {
    pub(super) head: &'static str,
    pub(super) columns: usize,
    pub(super) tail: &'static str,
}

impl Insert {
    /// The statement for `rows` rows, made once, with SQLite's unnumbered parameters: the driver looks each `$N` up by its name, so a
    /// statement of a thousand of them costs the square of that. PostgreSQL's driver will number them.
    pub(super) fn ready(self, rows: usize) -> Arc<str> {
        let parts = (place(self.head), place(self.tail), rows);
        Arc::clone(&made(parts, || Ready { text: self.text(rows).into(), parameters: Vec::new() }).text)
    }

    fn text(self, rows: usize) -> String {
        let mut text = String::with_capacity(self.head.len() + self.tail.len() + rows * self.columns * 3);
        text.push_str(self.head);
        text.push_str(" VALUES ");
        for row in 0..rows {
            text.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..self.columns {
                text.push_str(if column == 0 { "?" } else { ", ?" });
            }
            text.push(')');
        }
        text.push(' ');
        text.push_str(self.tail);
        text
    }
}

/// A statement with the parameters that SQLite wants, made once.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) text: Arc<str>,
    pub(super) parameters: Vec<Parameter>,
}

/// `text` with a list of `list` values, as [`unnumbered`] makes it.
pub(super) fn ready(text: &'static str, list: usize) -> Arc<Ready> {
    made((place(text), place(""), list), || {
        let (text, parameters) = unnumbered(text, list);
        Ready { text: text.into(), parameters }
    })
}

/// Where a text of the program stands: as good as the text itself, and read without walking it.
type Place = (usize, usize);

fn place(text: &'static str) -> Place {
    (text.as_ptr().addr(), text.len())
}

/// The statement that is made of these parts, from the second time on without making it.
fn made(parts: (Place, Place, usize), make: impl FnOnce() -> Ready) -> Arc<Ready> {
    type Made = HashMap<(Place, Place, usize), Arc<Ready>>;
    static MADE: LazyLock<RwLock<Made>> = LazyLock::new(RwLock::default);
    if let Some(made) = MADE.read().unwrap_or_else(PoisonError::into_inner).get(&parts) {
        return Arc::clone(made);
    }
    let mut all = MADE.write().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(all.entry(parts).or_insert_with(|| Arc::new(make())))
}

/// `text` for SQLite: every `$N` and the `{IN}` become unnumbered parameters, for the reason that [`Insert::text`] gives.
/// The second part says what is bound to each in turn: a value of `bound` by its place, or the next of the list.
fn unnumbered(text: &str, list: usize) -> (String, Vec<Parameter>) {
    let mut out = String::with_capacity(text.len() + 3 * list);
    let mut parameters = Vec::with_capacity(8 + list);
    let mut rest = text;
    while let Some(at) = rest.find(['$', '{']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("{IN}") {
            for place in 0..list {
                out.push_str(if place == 0 { "?" } else { ", ?" });
                parameters.push(Parameter::Listed(place));
            }
            rest = after;
            continue;
        }
        let digits = rest[1..].bytes().take_while(u8::is_ascii_digit).count();
        match rest[1..=digits].parse::<usize>() {
            Ok(number) => {
                out.push('?');
                parameters.push(Parameter::Bound(number - 1));
            }
            Err(_) => out.push_str(&rest[..=digits]),
        }
        rest = &rest[1 + digits..];
    }
    out.push_str(rest);
    (out, parameters)
}

/// What an unnumbered parameter stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameter {
    /// The value that `$N` names, counted from 0.
    Bound(usize),
    /// This value of the list, counted from 0.
    Listed(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bulk_insert_has_a_parameter_for_each_value() {
        let insert = Insert { head: "INSERT INTO t (a, b)", columns: 2, tail: "ON CONFLICT DO NOTHING" };
        assert_eq!(insert.text(2), "INSERT INTO t (a, b) VALUES (?, ?), (?, ?) ON CONFLICT DO NOTHING");
    }

    #[test]
    fn what_was_made_once_is_given_again_and_nothing_else() {
        let (one, other) = ("a IN ({IN}) AND b = $1", "a IN ({IN})");
        assert_eq!(&*ready(one, 1).text, "a IN (?) AND b = ?");
        assert_eq!(&*ready(other, 1).text, "a IN (?)");
        // A beginning of the same text, at the same place.
        assert_eq!(&*ready(&one[..11], 1).text, "a IN (?)");
        assert_eq!(&*ready(one, 10).parameters, &*unnumbered(one, 10).1);
        assert!(Arc::ptr_eq(&ready(one, 10), &ready(one, 10)));
        let insert = Insert { head: "INSERT INTO t (a)", columns: 1, tail: "ON CONFLICT DO NOTHING" };
        let bare = Insert { tail: "", ..insert };
        assert_ne!(insert.ready(2), bare.ready(2));
        assert_ne!(insert.ready(2), insert.ready(5));
    }

    #[test]
    fn parameters_are_bound_in_the_order_in_which_they_stand() {
        use Parameter::{Bound, Listed};
        let (text, parameters) = unnumbered("a = $2 AND b < $2 AND c = '$' AND d IN ({IN}) AND e = $10", 2);
        assert_eq!(text, "a = ? AND b < ? AND c = '$' AND d IN (?, ?) AND e = ?");
        assert_eq!(parameters, [Bound(1), Bound(1), Listed(0), Listed(1), Bound(9)]);
    }
}
