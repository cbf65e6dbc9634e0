//! Greetings and farewells: how people are polite says nothing of what they want.

use std::sync::LazyLock;

use regex::Regex;

/// Letters that must be left, else the courtesy was all there is.
const LETTERS_LEFT: usize = 6;

/// The text without greetings at its beginning and farewells at its end.
pub(super) fn without(text: &str) -> &str {
    let mut rest = text;
    // A greeting may come in several sentences: "Hello team, I hope you are well."
    for _ in 0..3 {
        match GREETING.find(rest) {
            Some(found) if found.end() > 0 => rest = &rest[found.end()..],
            _ => break,
        }
    }
    for _ in 0..3 {
        match FAREWELL.find(rest) {
            Some(found) => rest = rest[..found.start()].trim_end(),
            None => break,
        }
    }
    let letters = rest.chars().filter(|letter| letter.is_alphabetic()).take(LETTERS_LEFT).count();
    if letters == LETTERS_LEFT { rest } else { text }
}

/// At the beginning, up to the end of its clause, which must be short.
static GREETING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?ix)^\s*(?:
            (?:hi|hiya|hello|hey|greetings|howdy|dear\s(?:all|sir|madam|team|support)
              |(?:good\s)?(?:morning|afternoon|evening|day)
              |hola|buen[oa]s?\s(?:d[ií]as?|tardes|noches)|estimad[oa]s?
              |hallo|guten\s(?:morgen|tag|abend)|moin|servus|sehr\sgeehrte
              |bonjour|bonsoir|salut|ol[aá]|ciao|buongiorno)\b
            |i\shope\s(?:you|this|all)\b|(?:sorry|apologies)\s(?:to|for)\s(?:bother|the\sbother)
        )[^.!?,;:\n]{0,40}[.!?,;:\n–-]+\s*",
    )
    .expect("a literal pattern compiles")
});

/// At the end, from the word of farewell on, which must not be far from it.
static FAREWELL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?ix)(?:^|[\s.!?,;:])(?:
            (?:(?:kind|best|warm|many)\s)?(?:regards|wishes)|cheers|sincerely|yours\s\w+
            |(?:many\s)?thanks|thank\syou|thx|tia|looking\sforward|have\sa\s(?:nice|good|great)
            |(?:muchas\s)?gracias|(?:un\s)?saludos?|atentamente
            |(?:vielen\s|besten\s|herzlichen\s)?dank(?:e)?|(?:viele|liebe|beste|freundliche[nr]?)\sgr[uü](?:ß|ss)e|mit\sfreundlichen
            |merci|cordialement|bien\s[aà]\svous|d'avance
        )\b[^.!?\n]{0,60}[.!?\s]*$",
    )
    .expect("a literal pattern compiles")
});

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(without(text), expected);
    }

    #[test]
    fn greetings_and_farewells_go_and_the_request_stays() {
        check("Hello team, where is my parcel? Kind regards, Priya", "where is my parcel?");
        check("Good morning! I hope you are well. Cancel my order. Thanks a lot", "Cancel my order.");
        check("Guten Tag, ich möchte umtauschen. Vielen Dank im Voraus", "ich möchte umtauschen.");
        check("Hola, ¿dónde está mi pedido? Muchas gracias de antemano.", "¿dónde está mi pedido?");
    }

    #[test]
    fn words_of_courtesy_inside_a_request_stay() {
        check(
            "how do I say thanks in German to a friend who lives in the village near the sea and sails",
            "how do I say thanks in German to a friend who lives in the village near the sea and sails",
        );
        check("high temperature alert", "high temperature alert");
        check("day rates for rental", "day rates for rental");
    }

    #[test]
    fn a_text_of_courtesy_alone_stays_as_it_is() {
        check("Hello, thank you", "Hello, thank you");
    }
}
