//! What is made of digits: payment cards, phone numbers, social security numbers.
//!
//! A text is cut into clusters of digits and the separators people put between
//! them; each cluster is looked at by itself, so that long texts without
//! numbers cost little.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// Part of a cluster: digits without anything between them.
type Group = Range<usize>;

/// Calls with the groups of each cluster that has at least so many digits.
fn clusters(text: &str, least: usize, mut visit: impl FnMut(&[Group])) {
    let bytes = text.as_bytes();
    let mut groups: Vec<Group> = Vec::new();
    let mut at = 0;
    while let Some(skipped) = bytes[at..].iter().position(u8::is_ascii_digit) {
        // Between clusters, or right where the separators of this one end.
        at += skipped;
        let start = at;
        while at < bytes.len() && bytes[at].is_ascii_digit() {
            at += 1;
        }
        groups.push(start..at);
        let gap = gap(&bytes[at..]);
        if gap == 0 {
            if groups.iter().map(Range::len).sum::<usize>() >= least {
                visit(&groups);
            }
            groups.clear();
        }
        at += gap;
    }
}

/// Bytes of the one to three separators that digits follow; 0 where none do.
fn gap(bytes: &[u8]) -> usize {
    let mut length = 0;
    for _ in 0..3 {
        length += match &bytes[length..] {
            [b' ' | b'-' | b'.' | b'/' | b'(' | b')' | b'+', ..] => 1,
            // Spaces and hyphens that do not break lines, and the dash.
            [0xc2, 0xa0, ..] => 2,
            [0xe2, 0x80, 0x91 | 0x93 | 0xaf, ..] => 3,
            _ => break,
        };
    }
    if bytes.get(length).is_some_and(u8::is_ascii_digit) { length } else { 0 }
}

/// Whether a number may begin here: not in the middle of a word or of another number.
fn begins(text: &str, at: usize) -> bool {
    let before = &text.as_bytes()[..at];
    match before {
        [.., sign] if super::is_word(*sign) => false,
        [.., digit, b'-' | b'.' | b'/' | b'+' | b'_' | b':'] => !digit.is_ascii_alphanumeric(),
        _ => true,
    }
}

fn ends(text: &str, at: usize) -> bool {
    match &text.as_bytes()[at..] {
        [sign, ..] if super::is_word(*sign) => false,
        [b'-' | b'.' | b'/' | b'_' | b':' | b'%', next, ..] => !next.is_ascii_alphanumeric(),
        [b'%', ..] => false,
        _ => true,
    }
}

pub(super) fn cards(text: &str, add: &mut impl FnMut(usize, usize)) {
    clusters(text, 13, |groups| {
        let mut from = 0;
        while from < groups.len() {
            let to = (from + 1..=groups.len()).find(|to| is_card_in(text, &groups[from..*to]));
            if let Some(to) = to {
                add(groups[from].start, groups[to - 1].end);
            }
            from = to.unwrap_or(from + 1);
        }
    });
}

fn is_card_in(text: &str, groups: &[Group]) -> bool {
    let [first, .., last] = groups else {
        let [only] = groups else { return false };
        return begins_digits(text, only.start)
            && ends_digits(text, only.end)
            && is_card(&text[only.clone()]);
    };
    let length: usize = groups.iter().map(Range::len).sum();
    if !(13..=19).contains(&length) {
        return false;
    }
    let gap = &text[first.end..groups[1].start];
    let is_even = groups.windows(2).all(|pair| text[pair[0].end..pair[1].start] == *gap);
    let lengths: Vec<usize> = groups.iter().map(Range::len).collect();
    let is_usual = matches!(
        lengths.as_slice(),
        [4, 4, 4, 4] | [4, 6, 5] | [4, 6, 4] | [4, 4, 4, 4, 1..=3] | [6, 13] | [4, 4, 4, 1]
    );
    let digits: String = groups.iter().map(|group| &text[group.clone()]).collect();
    matches!(gap, " " | "-" | ".")
        && is_even
        && is_usual
        && begins_digits(text, first.start)
        && ends_digits(text, last.end)
        && is_card(&digits)
}

/// Letters may stand beside a card number (`card4111…`), digits may not.
fn begins_digits(text: &str, at: usize) -> bool {
    !matches!(&text.as_bytes()[..at], [.., b'0'..=b'9'] | [.., b'0'..=b'9', b'.'])
}

fn ends_digits(text: &str, at: usize) -> bool {
    !matches!(&text.as_bytes()[at..], [b'0'..=b'9', ..] | [b'.', b'0'..=b'9', ..])
}

/// Issuer, length and check digit of a payment card.
pub(super) fn is_card(digits: &str) -> bool {
    let starts = |range: std::ops::RangeInclusive<u32>, length: usize| {
        digits
            .get(..length)
            .and_then(|start| start.parse().ok())
            .is_some_and(|start: u32| range.contains(&start))
    };
    let is_issued = match digits.len() {
        14 => starts(300..=305, 3) || starts(36..=36, 2) || starts(38..=39, 2),
        15 => starts(34..=34, 2) || starts(37..=37, 2),
        16 => {
            starts(4..=4, 1)
                || starts(51..=55, 2)
                || starts(2221..=2720, 4)
                || starts(6011..=6011, 4)
                || starts(644..=659, 3)
                || starts(3528..=3589, 4)
                || starts(62..=62, 2)
                || starts(81..=81, 2)
                || starts(2200..=2204, 4)
                || starts(5018..=5018, 4)
                || starts(6759..=6759, 4)
        }
        18 => starts(6759..=6759, 4) || starts(62..=62, 2),
        19 => starts(62..=62, 2) || starts(6759..=6759, 4) || starts(4..=4, 1),
        13 => starts(4..=4, 1),
        _ => false,
    };
    let is_one_digit = digits.bytes().all(|digit| digits.as_bytes().first() == Some(&digit));
    is_issued && !is_one_digit && luhn(digits)
}

fn luhn(digits: &str) -> bool {
    let value = |(place, byte): (usize, u8)| {
        let digit = u32::from(byte.wrapping_sub(b'0'));
        match place % 2 {
            1 if digit > 4 => digit * 2 - 9,
            1 => digit * 2,
            _ => digit,
        }
    };
    digits.bytes().rev().enumerate().map(value).sum::<u32>().is_multiple_of(10)
}

pub(super) fn ssns(text: &str, add: &mut impl FnMut(usize, usize)) {
    clusters(text, 9, |groups| {
        for three in groups.windows(3) {
            let [area, middle, serial] = three else { continue };
            let is_shaped = area.len() == 3 && middle.len() == 2 && serial.len() == 4;
            let hyphens =
                [area, middle, serial].windows(2).all(|pair| &text[pair[0].end..pair[1].start] == "-");
            let is_given = !matches!(&text[area.clone()], "000" | "666")
                && !text[area.clone()].starts_with('9')
                && &text[middle.clone()] != "00"
                && &text[serial.clone()] != "0000";
            if is_shaped && hyphens && is_given && begins(text, area.start) && ends(text, serial.end) {
                add(area.start, serial.end);
            }
        }
    });
}

/// National forms: North America, then with a leading zero.
static NATIONAL: LazyLock<[Regex; 3]> = LazyLock::new(|| {
    [
        r"^(?:1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .-])[2-9]\d{2}[ .-]\d{4}",
        r"^0[1-9](?:(?: \d{2}){4}|(?:\.\d{2}){4}|(?:-\d{2}){4})",
        r"^\(?0[1-9]\d{0,3}\)?[ /-]{1,2}\d{2,8}(?:[ -]\d{2,8}){0,4}",
    ]
    .map(|pattern| Regex::new(pattern).expect("a pattern of the program"))
});

/// What precedes a number that is a phone's, right before it.
static CUE: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?i)\b(?:tele)?(?:phone|fon|tel|mobile|mobil|cell|fax|whatsapp|signal|sms|handy|téléphone|teléfono|telefone|call (?:me|us|him|her|them)|reach (?:me|us|him|her|them)|text me|dial|ring me|my number|phone_number)\b[^\n0-9\[]{0,16}$";
    Regex::new(pattern).expect("a pattern of the program")
});

pub(super) fn phones(text: &str, add: &mut impl FnMut(usize, usize)) {
    clusters(text, 7, |groups| {
        let mut from = 0;
        while from < groups.len() {
            match phone(text, &groups[from..], from == 0) {
                Some((start, end)) => {
                    add(start, end);
                    from += groups[from..].iter().take_while(|group| group.start < end).count();
                }
                None => from += 1,
            }
        }
    });
}

/// The phone number that begins with the first group, if one does.
fn phone(text: &str, groups: &[Group], is_first: bool) -> Option<(usize, usize)> {
    let start = groups.first()?.start;
    // A bracket may stand before the area, or before the whole.
    let bracket = text[..start].ends_with('(').then(|| start - 1);
    let found = international(text, groups)
        .or_else(|| bracket.and_then(|start| national(text, start, groups, is_first)))
        .or_else(|| national(text, start, groups, is_first));
    found.or_else(|| after_cue(text, bracket.unwrap_or(start), groups))
}

fn national(text: &str, start: usize, groups: &[Group], is_first: bool) -> Option<(usize, usize)> {
    if !begins(text, start) || is_date(text, groups) {
        return None;
    }
    let cluster = &text[start..groups.last()?.end];
    // With leading zeros, groups in the middle of a long number look alike.
    let forms = if is_first { &NATIONAL[..] } else { &NATIONAL[..1] };
    forms.iter().find_map(|form| {
        let end = start + form.find(cluster)?.end();
        let is_whole = ends(text, end) && (9..=12).contains(&digits(text, start..end));
        is_whole.then_some((start, end))
    })
}

/// `+49 (0)30 1234567`, `0049 30 1234567`.
fn international(text: &str, groups: &[Group]) -> Option<(usize, usize)> {
    let first = groups.first()?;
    let number = &text[first.clone()];
    let (start, code) = match text[..first.start].ends_with('+') {
        true => (first.start - 1, number),
        false => (first.start, number.strip_prefix("00").filter(|_| groups.len() > 1)?),
    };
    if !begins(text, start) || text[..start].ends_with('+') || !code.starts_with(|c| ('1'..='9').contains(&c))
    {
        return None;
    }
    // North American numbers have ten digits after the 1; elsewhere few have more than thirteen in all.
    let most = if code.starts_with('1') { 11 } else { 13 } + (number.len() - code.len());
    let mut count = 0;
    let mut taken = 0;
    for (index, group) in groups.iter().enumerate() {
        let is_near = index == 0 || {
            let gap = &text[groups[index - 1].end..group.start];
            gap.chars().count() <= 2 && (gap != ") " || count <= 7)
        };
        if !is_near || count + group.len() > most.max(first.len()) {
            break;
        }
        count += group.len();
        taken = index + 1;
    }
    let end = groups.get(taken.checked_sub(1)?)?.end;
    ((8..=15).contains(&count) && ends(text, end)).then_some((start, end))
}

fn after_cue(text: &str, start: usize, groups: &[Group]) -> Option<(usize, usize)> {
    let mut from = start.saturating_sub(40);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    if !begins(text, start) {
        return None;
    }
    let mut count = 0;
    let fits = groups.iter().take_while(|group| {
        count += group.len();
        count <= 13
    });
    let taken = fits.count();
    let end = groups.get(taken.checked_sub(1)?)?.end;
    let enough = (7..=13).contains(&digits(text, start..end));
    (enough && ends(text, end) && CUE.is_match(&text[from..start])).then_some((start, end))
}

fn digits(text: &str, range: Range<usize>) -> usize {
    text[range].bytes().filter(u8::is_ascii_digit).count()
}

/// `01-02-2026`, `01 02 2026`, `2026 01 02`.
fn is_date(text: &str, groups: &[Group]) -> bool {
    let number = |at: usize| groups.get(at).and_then(|group| text[group.clone()].parse::<u32>().ok());
    let (Some(a), Some(b), Some(c)) = (number(0), number(1), number(2)) else { return false };
    let is_day = |day, month| (1..=31).contains(&day) && (1..=12).contains(&month);
    let is_year = |year| (1900..=2100).contains(&year);
    (is_year(c) && (is_day(a, b) || is_day(b, a))) || (is_year(a) && is_day(c, b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(find: fn(&str, &mut dyn FnMut(usize, usize)), text: &str, expected: &[&str]) {
        let mut found = Vec::new();
        find(text, &mut |start, end| found.push(&text[start..end]));
        assert_eq!(found, expected, "{text}");
    }

    fn card(text: &str, expected: &[&str]) {
        check(|text, mut add| cards(text, &mut add), text, expected);
    }

    fn phone(text: &str, expected: &[&str]) {
        check(|text, mut add| phones(text, &mut add), text, expected);
    }

    #[test]
    fn cards_of_all_issuers_are_found() {
        for number in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "3782 822463 10005",
            "6011111111111117",
            "3530111333300000",
            "30569309025904",
            "6200000000000005",
        ] {
            card(number, &[number]);
            card(&format!("pay with {number}, please"), &[number]);
            card(&format!("\"{number}\":1"), &[number]);
        }
        card("4111 1111 1111 1111 5555 5555 5555 4444", &["4111 1111 1111 1111", "5555 5555 5555 4444"]);
        card("on 2026 4111 1111 1111 1111", &["4111 1111 1111 1111"]);
    }

    #[test]
    fn other_long_numbers_are_no_cards() {
        for text in [
            "4111111111111112",
            "1795240766895123",
            "1795240766895123456",
            "9999999999999995",
            "0.4111111111111111",
            "41111111111111111",
            "4111 11111 1111 111",
            "4111 1111-1111 1111",
            "0000000000000000",
        ] {
            card(text, &[]);
        }
    }

    #[test]
    fn phone_numbers_are_found_as_people_write_them() {
        for number in [
            "+49 30 1234567",
            "+49 (0)30 1234567",
            "+1 (415) 555-2671",
            "+14155552671",
            "+44 20 7946 0958",
            "0049 30 1234567",
            "(415) 555-2671",
            "415-555-2671",
            "415.555.2671",
            "1-800-555-0199",
            "06 12 34 56 78",
            "0171/2345678",
            "030 1234567",
            "020 7946 0958",
            "(030) 123 45 67",
            "+33 6 12 34 56 78",
            "+91 98765 43210",
            "+86 138 0013 8000",
        ] {
            phone(number, &[number]);
            phone(&format!("Please call {number}."), &[number]);
        }
        phone("phone: 5552671", &["5552671"]);
        phone("my number is 4155552671", &["4155552671"]);
        phone("{\"phone\": \"4155552671\"}", &["4155552671"]);
    }

    #[test]
    fn other_numbers_are_no_phones() {
        for text in [
            "2026-11-21T10:00:00.123456+01:00",
            "21.11.2026 13:45",
            "01-02-2026 13:45",
            "01/02/2026",
            "order 4155552671",
            "6d6f6e6f-4155-5526-7112-6e6f6e6f6e6f",
            "192.168.100.200",
            "10000000",
            "+0000",
            "a+49301234567",
            "3.14159265",
            "1,234,567.89",
            "ISBN 978-3-16-148410-0",
            "v1.20.300.4000",
            "0.123456789 0.987654321",
            "1795240766895",
            "100-200-3000",
        ] {
            phone(text, &[]);
        }
    }

    #[test]
    fn social_security_numbers_need_their_shape() {
        let ssn = |text, expected: &[&str]| check(|text, mut add| ssns(text, &mut add), text, expected);
        ssn("SSN 123-45-6789.", &["123-45-6789"]);
        for text in [
            "000-12-3456",
            "666-12-3456",
            "912-12-3456",
            "123-00-4567",
            "123-45-0000",
            "123 45 6789",
            "1123-45-6789",
            "123-45-67890",
            "a-123-45-6789",
        ] {
            ssn(text, &[]);
        }
    }
}
