//! SHA-256 over rows and texts, in hexadecimal.

use ring::digest::{Context, SHA256};

use super::sqlite::Bound;

/// The digest of a text.
#[must_use]
pub fn digest(text: &str) -> String {
    hex(ring::digest::digest(&SHA256, text.as_bytes()).as_ref())
}

/// The digest of a row's values. Each carries its kind and length, so that no two rows read alike.
pub(super) fn of_row(row: &[Bound]) -> String {
    let mut context = Context::new(&SHA256);
    for value in row {
        match value {
            Bound::Null => context.update(&[0]),
            Bound::Int(number) => {
                context.update(&[1]);
                context.update(&number.to_le_bytes());
            }
            Bound::Text(text) => words(&mut context, text),
            Bound::Shared(text) => words(&mut context, text),
        }
    }
    hex(context.finish().as_ref())
}

fn words(context: &mut Context, text: &str) {
    context.update(&[2]);
    context.update(&(text.len() as u64).to_le_bytes());
    context.update(text.as_bytes());
}

/// The digest of many rows, by their digests in order.
pub(super) fn of_rows<'a>(digests: impl IntoIterator<Item = &'a str>) -> String {
    let mut context = Context::new(&SHA256);
    digests.into_iter().for_each(|digest| context.update(digest.as_bytes()));
    hex(context.finish().as_ref())
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_sha_256_in_hexadecimal() {
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest("abc"), known, "FIPS 180-4, example of one block");
    }

    #[test]
    fn rows_that_differ_only_in_where_values_end_digest_apart() {
        let row = |values: &[&str]| of_row(&values.iter().map(|value| Bound::from(*value)).collect::<Vec<_>>());
        assert_ne!(row(&["ab", "c"]), row(&["a", "bc"]));
        assert_ne!(of_row(&[Bound::Null]), of_row(&[Bound::from("")]));
        assert_ne!(of_row(&[Bound::Int(1)]), of_row(&[Bound::from("1")]));
    }
}
