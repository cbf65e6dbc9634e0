//! What is put in the place of values.

use std::collections::HashMap;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::rules::Style;

/// Bytes of the hash that are shown: enough to tell values of one project apart.
const SHOWN: usize = 6;

/// Values met so far by label, each with its number.
#[derive(Debug, Default)]
pub(crate) struct Numbers(HashMap<String, HashMap<String, usize>>);

/// `label` is upper case, `value` what is replaced in its plainest form.
pub(crate) fn of(style: Style, label: &str, value: &str, key: &[u8], numbers: &mut Numbers) -> String {
    match style {
        Style::Plain => format!("[{label}]"),
        Style::Hashed => format!("[{label}:{}]", hash(label, value, key)),
        Style::Numbered => {
            let known = numbers.0.entry(label.to_owned()).or_default();
            let next = known.len() + 1;
            let number = *known.entry(value.to_owned()).or_insert(next);
            format!("[{label}_{number}]")
        }
    }
}

fn hash(label: &str, value: &str, key: &[u8]) -> String {
    // Any key length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(label.as_bytes());
    mac.update(&[0]);
    mac.update(value.as_bytes());
    let digest = mac.finalize().into_bytes();
    digest.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(style: Style, value: &str, key: &str, numbers: &mut Numbers) -> String {
        of(style, "EMAIL", value, key.as_bytes(), numbers)
    }

    #[test]
    fn equal_values_have_equal_placeholders() {
        let numbers = &mut Numbers::default();
        assert_eq!(one(Style::Numbered, "a", "", numbers), "[EMAIL_1]");
        assert_eq!(one(Style::Numbered, "b", "", numbers), "[EMAIL_2]");
        assert_eq!(one(Style::Numbered, "a", "", numbers), "[EMAIL_1]");
        assert_eq!(one(Style::Plain, "a", "", numbers), "[EMAIL]");
        let hashed = one(Style::Hashed, "a", "k", numbers);
        assert_eq!(hashed, one(Style::Hashed, "a", "k", numbers));
        assert_ne!(hashed, one(Style::Hashed, "b", "k", numbers));
        assert_ne!(
            hashed,
            one(Style::Hashed, "a", "other", numbers),
            "without the key nobody can guess and compare"
        );
        assert_eq!(hashed.len(), "[EMAIL:]".len() + 2 * SHOWN);
    }
}
