//! How customers write: languages, moods, lengths and slips of the keyboard.
//!
//! A first message is put together from an opening, some context, what the
//! customer wants and a closing, in ways that depend on mood and channel and
//! never on the intent, so no habit of writing gives an intent away.

use super::details::Details;
use super::phrases::Phrases;
use super::random::Random;

/// A language a customer writes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Language {
    English,
    Spanish,
    German,
    French,
}

impl Language {
    /// Finds the language with this ISO 639-1 code.
    pub(crate) fn of_code(code: &str) -> Option<Self> {
        [Self::English, Self::Spanish, Self::German, Self::French]
            .into_iter()
            .find(|language| language.code() == code)
    }

    /// The ISO 639-1 code.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Spanish => "es",
            Self::German => "de",
            Self::French => "fr",
        }
    }

    /// A locale of a device set to this language.
    pub(crate) fn locale(self, random: &mut Random) -> &'static str {
        random.pick(match self {
            Self::English => &["en-GB", "en-GB", "en-IE", "en-US"][..],
            Self::Spanish => &["es-ES"],
            Self::German => &["de-DE", "de-DE", "de-AT"],
            Self::French => &["fr-FR"],
        })
    }
}

/// Where a customer writes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    Web,
    App,
    Email,
}

impl Channel {
    /// The channel's name in metadata.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::App => "app",
            Self::Email => "email",
        }
    }
}

/// What a message is made of: the intent's phrases and those all intents share.
#[derive(Clone, Copy)]
pub(crate) struct Writer<'a> {
    pub(crate) own: &'a Phrases,
    pub(crate) shared: &'a Phrases,
    pub(crate) details: &'a Details,
    pub(crate) language: Language,
    pub(crate) channel: Channel,
}

impl<'a> Writer<'a> {
    /// Says a phrase of the intent in the customer's language.
    pub(crate) fn own(&self, section: &'static str, random: &mut Random) -> String {
        self.own.say(section, self.language, self.details, random)
    }

    /// Says a phrase every intent shares, in the customer's language.
    pub(crate) fn shared(&self, section: &'static str, random: &mut Random) -> String {
        self.shared.say(section, self.language, self.details, random)
    }

    /// The same writer saying the same facts in another language.
    pub(crate) fn speaking(mut self, details: &'a Details) -> Self {
        self.details = details;
        self.language = details.language;
        self
    }

    /// Writes the message a conversation begins with.
    pub(crate) fn first_message(&self, random: &mut Random) -> String {
        if self.language != Language::English {
            return self.foreign_message(random);
        }
        let moods: &[usize] =
            if self.channel == Channel::Email { &[2, 20, 35, 35, 8] } else { &[8, 42, 26, 14, 10] };
        let (mut sentences, mood) = (Vec::new(), random.weighted(moods));
        match mood {
            0 => sentences.push(self.own("terse", random)),
            1 => sentences.push(self.wish(random)),
            2 => {
                sentences.push(self.shared("opening", random));
                sentences.push(self.wish(random));
                run_on(&mut sentences, random);
                if random.chance(0.75) {
                    sentences.push(self.shared("closing", random));
                }
            }
            3 => {
                sentences.push(self.shared("opening", random));
                sentences.push(self.wish(random));
                let context = self.own("context", random);
                sentences.insert(random.between(1, 2), context);
                run_on(&mut sentences, random);
                sentences.push(self.shared("closing", random));
            }
            _ => {
                sentences.push(self.wish(random));
                let grumble = self.shared("grumble", random);
                sentences.insert(random.below(2), grumble);
                if random.chance(0.6) {
                    sentences.push(self.shared("press", random));
                }
            }
        }
        let mut text = type_it(sentences.join(" "), if mood == 0 { 0.6 } else { 0.1 }, random);
        if self.channel == Channel::Email && !text.ends_with(self.details.name) {
            text.push_str("\n\n");
            text.push_str(self.details.name);
        }
        text
    }

    /// What the customer wants, often said in two ways.
    fn wish(&self, random: &mut Random) -> String {
        let first = self.own("ask", random);
        let second = self.own("ask", random);
        if random.chance(0.6) && second != first { format!("{first} {second}") } else { first }
    }

    /// Writes a later message, which is shorter and less formal.
    pub(crate) fn later_message(&self, section: &'static str, random: &mut Random) -> String {
        let text = if self.own.lines(section, self.language).is_empty() {
            self.shared(section, random)
        } else {
            self.own(section, random)
        };
        type_it(text, 0.2, random)
    }

    fn foreign_message(&self, random: &mut Random) -> String {
        let mut sentences = vec![self.own("ask", random)];
        if random.chance(0.65) {
            sentences.insert(0, self.shared("opening", random));
        }
        if random.chance(0.55) {
            sentences.push(self.shared("closing", random));
        }
        type_it(sentences.join(" "), 0.06, random)
    }
}

/// After a comma many go on with a small letter, unless the word is a name or "I".
fn run_on(sentences: &mut [String], random: &mut Random) {
    const COMMON: &[&str] = &[
        "Where", "When", "What", "How", "Why", "Can", "Could", "Please", "Is", "Do", "Does", "My", "The",
        "Which", "Was", "Has", "Will", "Are", "It", "There", "You", "We", "Someone", "Only", "Our", "Any",
        "This", "Your",
    ];
    let first_word = sentences[1].split(' ').next().unwrap_or_default();
    if sentences[0].ends_with(',') && COMMON.contains(&first_word) && random.chance(0.6) {
        let rest = sentences[1].split_off(1);
        sentences[1] = sentences[1].to_lowercase() + &rest;
    }
}

/// What fingers make of a text: small letters, lost full stops, typing errors.
fn type_it(mut text: String, careless: f64, random: &mut Random) -> String {
    if random.chance(careless) {
        text = text.to_lowercase();
    }
    if random.chance(0.12) {
        text = text.trim_end_matches(['.', '?', '!']).to_owned();
    } else if random.chance(0.04) {
        text.push_str(random.pick(&["!!", " ...", " :)", " ?!"]));
    }
    if random.chance(0.16) {
        for _ in 0..random.between(1, 3) {
            text = mistype(&text, random);
        }
    }
    text
}

/// Spoils one word. Words with digits are left alone: order numbers are copied, not typed.
fn mistype(text: &str, random: &mut Random) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let chosen = random.below(words.len());
    if words[chosen].len() < 4 || !words[chosen].bytes().all(|letter| letter.is_ascii_alphabetic()) {
        return text.to_owned();
    }
    let mut letters: Vec<char> = words[chosen].chars().collect();
    let at = random.between(1, letters.len() - 2);
    match random.below(3) {
        0 => letters.swap(at, at + 1),
        1 => drop(letters.remove(at)),
        _ => letters.insert(at, letters[at]),
    }
    let spoiled: String = letters.into_iter().collect();
    let mut words = words;
    words[chosen] = &spoiled;
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_numbers_are_never_mistyped() {
        let mut random = Random::of(&[6]);
        for _ in 0..500 {
            let text = type_it("Where does my parcel TR-482913 stay".to_owned(), 0.0, &mut random);
            assert!(text.contains("TR-482913"), "{text}");
        }
    }

    #[test]
    fn typing_errors_happen_but_not_always() {
        let mut random = Random::of(&[7]);
        let clean = "where does that parcel stay";
        let spoiled =
            (0..500).filter(|_| !type_it(clean.to_owned(), 0.0, &mut random).starts_with(clean)).count();
        assert!((20..200).contains(&spoiled), "{spoiled}");
    }
}
