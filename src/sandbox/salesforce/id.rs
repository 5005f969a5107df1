//! Ids: 15 characters that know case, or 18 of which the last three repeat the case of the others. Source: section 4.

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CHECKS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// The id of the `serial`-th row of an object, 18 characters. Ids grow in the order of their characters.
pub(super) fn make(prefix: &str, serial: u64) -> String {
    let mut tail = [b'0'; 9];
    let mut rest = serial;
    for place in tail.iter_mut().rev() {
        *place = DIGITS[usize::try_from(rest % 62).unwrap_or(0)];
        rest /= 62;
    }
    // Three letters of the instance stand between.
    let short = format!("{prefix}5f0{}", String::from_utf8_lossy(&tail));
    full(&short).unwrap_or(short)
}

/// The 18 characters of an id that is given in either form; `None` if it is none.
pub(super) fn full(id: &str) -> Option<String> {
    let is_made_of_letters = id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_made_of_letters || !(id.len() == 15 || id.len() == 18) {
        return None;
    }
    let short = &id[..15];
    let mut whole = short.to_owned();
    for five in short.as_bytes().chunks(5) {
        let bits =
            five.iter().enumerate().map(|(at, byte)| usize::from(byte.is_ascii_uppercase()) << at).sum::<usize>();
        whole.push(char::from(CHECKS[bits]));
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_three_characters_keep_the_case_of_the_others() {
        // Public examples of the developer guides.
        assert_eq!(full("0035f000005bwLF").map(|id| id.len()), Some(18));
        assert_eq!(full("001A0000006Vm9r").as_deref(), Some("001A0000006Vm9rIAC"));
        assert_eq!(full("001A0000006Vm9rIAC").as_deref(), Some("001A0000006Vm9rIAC"));
        for bad in ["", "001", "001A0000006Vm9", "001A0000006Vm9'", "001A0000006Vm9rIA"] {
            assert_eq!(full(bad), None, "{bad}");
        }
        let ids: Vec<String> = [1, 9, 10, 35, 36, 61, 62, 4000].map(|serial| make("00Q", serial)).to_vec();
        assert!(ids.is_sorted() && ids.iter().all(|id| id.len() == 18 && id.starts_with("00Q")), "{ids:?}");
    }
}
