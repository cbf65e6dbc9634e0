//! The built-in detectors, and which of them a text gives reason to ask.
//!
//! Most texts have nothing to hide. One pass of an automaton over the literals
//! that every secret of a kind contains, and one that counts digits, say which
//! detectors are worth running: see [`Triggers`].

mod email;
mod iban;
mod numbers;
mod secrets;
mod vendors;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::error::Error;

/// Something that can be recognized. The order decides what overlapping finds are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Detector {
    /// PEM blocks, also cut short.
    PrivateKey,
    Jwt,
    /// Keys and tokens that tell by their form who issued them.
    ApiKey,
    /// Passwords and tokens in addresses.
    UrlSecret,
    /// Values after `password=`, `Authorization:` and the like, or under such keys.
    Secret,
    /// Payment cards: issuer, length and check digit.
    Card,
    /// Bank accounts: country, length and check digits.
    Iban,
    /// Social security numbers of the United States, with hyphens.
    Ssn,
    Email,
    /// International numbers, and national ones in their usual forms or after a word such as "phone".
    Phone,
}

impl Detector {
    pub const ALL: [Self; 10] = [
        Self::PrivateKey,
        Self::Jwt,
        Self::ApiKey,
        Self::UrlSecret,
        Self::Secret,
        Self::Card,
        Self::Iban,
        Self::Ssn,
        Self::Email,
        Self::Phone,
    ];
    pub(crate) const PERSONAL: [Self; 5] = [Self::Card, Self::Iban, Self::Ssn, Self::Email, Self::Phone];
    pub(crate) const SECRETS: [Self; 5] =
        [Self::PrivateKey, Self::Jwt, Self::ApiKey, Self::UrlSecret, Self::Secret];

    /// The name in rules and counters; in capitals, that of the placeholder.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PrivateKey => "private_key",
            Self::Jwt => "jwt",
            Self::ApiKey => "api_key",
            Self::UrlSecret => "url_secret",
            Self::Secret => "secret",
            Self::Card => "card",
            Self::Iban => "iban",
            Self::Ssn => "ssn",
            Self::Email => "email",
            Self::Phone => "phone",
        }
    }

    /// The detector of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|detector| detector.as_str() == name)
    }

    /// Without so many digits in a text there is nothing to find; 0 where digits do not matter.
    fn digits(self) -> usize {
        match self {
            Self::Card => 13,
            Self::Iban => 10,
            Self::Ssn => 9,
            Self::Phone => 7,
            _ => 0,
        }
    }

    /// Without any of these literals (in any case) there is nothing to find.
    fn literals(self) -> &'static [&'static str] {
        match self {
            Self::PrivateKey => &["-----begin"],
            Self::Jwt => &["eyJ"],
            Self::UrlSecret => &["://"],
            Self::Secret => secrets::WORDS,
            Self::Email => &["@", "%40"],
            Self::ApiKey | Self::Card | Self::Iban | Self::Ssn | Self::Phone => &[],
        }
    }

    /// Adds what is found in the text. For API keys, `vendors` says whose to look for.
    pub(crate) fn find(self, text: &str, vendors: u128, found: &mut Vec<Find>) {
        let mut add = |start, end| found.push(Find { start, end, by: By::Detector(self) });
        match self {
            Self::PrivateKey => secrets::private_keys(text, &mut add),
            Self::Jwt => secrets::jwts(text, &mut add),
            Self::ApiKey => vendors::find(text, vendors, &mut add),
            Self::UrlSecret => secrets::in_urls(text, &mut add),
            Self::Secret => secrets::assigned(text, &mut add),
            Self::Card => numbers::cards(text, &mut add),
            Self::Iban => iban::find(text, &mut add),
            Self::Ssn => numbers::ssns(text, &mut add),
            Self::Email => email::find(text, &mut add),
            Self::Phone => numbers::phones(text, &mut add),
        }
    }

    /// A value in its plainest form: what makes two spellings equal.
    pub(crate) fn plain(self, value: &str) -> String {
        match self {
            Self::Card | Self::Ssn | Self::Phone => {
                value.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect()
            }
            Self::Iban => {
                value.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
            }
            Self::Email => value.to_lowercase(),
            _ => value.to_owned(),
        }
    }
}

/// Whether a card number hides in a number.
pub(crate) fn is_card(digits: &str) -> bool {
    numbers::is_card(digits)
}

/// Whether values under this key are secrets.
pub(crate) fn is_secret_key(key: &str) -> bool {
    secrets::is_key(key)
}

/// Who found something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum By {
    /// By its place in the rules.
    Pattern(usize),
    Detector(Detector),
}

/// A place in a text, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Find {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) by: By,
}

/// Says at one glance what may be in a text.
pub(crate) struct Triggers {
    literals: Option<AhoCorasick>,
    /// Bits of each literal: of detectors, and of vendors of keys.
    bits: Vec<(u16, u128)>,
    detectors: Vec<Detector>,
    needs_digits: bool,
}

impl Triggers {
    pub(crate) fn new(detectors: Vec<Detector>) -> Result<Self, Error> {
        let mut literals = Vec::new();
        let mut bits = Vec::new();
        for detector in &detectors {
            for literal in detector.literals() {
                literals.push(*literal);
                bits.push((bit(*detector), 0));
            }
            if *detector == Detector::ApiKey {
                for (vendor, literal) in vendors::literals() {
                    literals.push(literal);
                    bits.push((bit(*detector), 1 << vendor));
                }
            }
        }
        let automaton = (!literals.is_empty()).then(|| {
            let mut builder = AhoCorasick::builder();
            builder.ascii_case_insensitive(true).match_kind(MatchKind::Standard);
            // A few hundred kilobytes, and the fastest there is.
            builder.kind(Some(AhoCorasickKind::DFA)).build(&literals)
        });
        let literals = automaton.transpose().map_err(|error| Error::Invalid(error.to_string()))?;
        let needs_digits = detectors.iter().any(|detector| detector.digits() > 0);
        Ok(Self { literals, bits, detectors, needs_digits })
    }

    /// Adds everything the detectors find in a text.
    pub(crate) fn find(&self, text: &str, found: &mut Vec<Find>) {
        let (mut asked, mut vendors) = (0, 0);
        if let Some(literals) = &self.literals {
            for literal in literals.find_overlapping_iter(text) {
                let (detector, vendor) = self.bits[literal.pattern().as_usize()];
                asked |= detector;
                vendors |= vendor;
            }
        }
        let digits = if self.needs_digits { text.bytes().filter(u8::is_ascii_digit).count() } else { 0 };
        for detector in &self.detectors {
            let least = detector.digits();
            if asked & bit(*detector) != 0 || (least > 0 && digits >= least) {
                detector.find(text, vendors, found);
            }
        }
    }
}

fn bit(detector: Detector) -> u16 {
    1 << detector as u16
}

/// Whether a byte belongs to a word.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}
