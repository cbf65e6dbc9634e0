//! International bank account numbers: ISO 13616, checked by modulus 97.

/// Length by country, as registered.
const LENGTHS: &[(&str, usize)] = &[
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NL", 18),
    ("NO", 15),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("VG", 24),
    ("XK", 20),
];

pub(super) fn find(text: &str, add: &mut impl FnMut(usize, usize)) {
    let bytes = text.as_bytes();
    let mut free = 0;
    for (at, start) in bytes.windows(4).enumerate() {
        // The digits first: they are rare.
        let is_start = start[2].is_ascii_digit()
            && start[3].is_ascii_digit()
            && start[0].is_ascii_alphabetic()
            && start[1].is_ascii_alphabetic()
            && at >= free
            && (at == 0 || !super::is_word(bytes[at - 1]));
        if let Some(length) = is_start.then(|| end(&bytes[at..])).flatten() {
            add(at, at + length);
            free = at + length;
        }
    }
}

/// Bytes of the number that a text begins with, in groups or not.
fn end(bytes: &[u8]) -> Option<usize> {
    let country = std::str::from_utf8(&bytes[..2]).ok()?.to_ascii_uppercase();
    let (_, length) = LENGTHS.iter().find(|(known, _)| *known == country)?;
    let mut number = Vec::with_capacity(*length);
    let mut at = 0;
    while number.len() < *length {
        let byte = *bytes.get(at)?;
        let is_gap = matches!(byte, b' ' | b'-')
            && !number.is_empty()
            && bytes.get(at + 1).is_some_and(u8::is_ascii_alphanumeric);
        if byte.is_ascii_alphanumeric() {
            number.push(byte.to_ascii_uppercase());
        } else if !is_gap {
            return None;
        }
        at += 1;
    }
    let goes_on = bytes.get(at).is_some_and(|byte| super::is_word(*byte));
    (!goes_on && is_valid(&number)).then_some(at)
}

/// ISO 7064: country and check digits go to the end, letters count from 10.
fn is_valid(number: &[u8]) -> bool {
    let digits = number.iter().skip(4).chain(number.iter().take(4));
    let rest = digits.fold(0u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    // Check digits are what is missing to 98.
    rest == 1 && (b"02"..=b"98").contains(&&[number[2], number[3]])
}

#[cfg(test)]
mod tests {
    fn found(text: &str) -> Vec<&str> {
        let mut all = Vec::new();
        super::find(text, &mut |start, end| all.push(&text[start..end]));
        all
    }

    #[test]
    fn numbers_of_many_countries_are_found() {
        for number in [
            "DE89 3704 0044 0532 0130 00",
            "DE89370400440532013000",
            "GB29 NWBK 6016 1331 9268 19",
            "fr1420041010050500013m02606",
            "NO93 8601 1117 947",
            "MT84 MALT 0110 0001 2345 MTLC AST0 01S",
            "CH93-0076-2011-6238-5295-7",
        ] {
            assert_eq!(found(&format!("to {number} and then")), [number]);
            assert_eq!(found(number), [number]);
        }
    }

    #[test]
    fn what_does_not_check_is_none() {
        for text in [
            "DE88370400440532013000",
            "DE8937040044053201300",
            "DE893704004405320130001",
            "XX89370400440532013000",
            "IDE89370400440532013000",
            "DE89",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}
