//! What a corpus teaches about its words: which are misspelt, which are verbs,
//! how they are written, which have a plural.

use std::collections::{BTreeMap, HashMap};

use super::text::{Forms, STOP, lower};
use super::typos;
use super::words::{Class, Language, is_action, is_title};

/// Index into the vocabulary, in alphabetical order: it does not depend on
/// the order of the texts.
pub(super) type WordId = u32;

#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) word: WordId,
    pub(super) class: Class,
}

/// A request, read.
pub(super) struct Reading {
    pub(super) language: Language,
    pub(super) tokens: Vec<Token>,
}

pub(super) struct Vocabulary {
    words: Vec<String>,
    /// As written inside of sentences most of the time.
    shown: Vec<String>,
    /// Texts that say the word.
    texts: Vec<u32>,
    /// By language; equal stems of different languages are different.
    stems: [Vec<u32>; 5],
    stem_language: Vec<Language>,
    verbs: [Vec<bool>; 5],
    uses: Vec<Uses>,
    /// The English verb a stem belongs to, in its base form.
    base: HashMap<u32, WordId>,
}

impl Vocabulary {
    /// Learns from texts. `known` has their languages where they are known, `group` any
    /// rough topic of each: a misspelling is taken for one only among its own kind.
    pub(super) fn learn(
        forms: &Forms<'_>,
        known: &[Option<Language>],
        group: &[usize],
    ) -> (Self, Vec<Reading>) {
        let lowered: Vec<String> = forms.forms.iter().map(|form| lower(form)).collect();
        let mut words = lowered.clone();
        words.sort_unstable();
        words.dedup();
        let index: HashMap<&str, WordId> =
            words.iter().zip(0..).map(|(word, id)| (word.as_str(), id)).collect();
        let word_of: Vec<WordId> = lowered.iter().map(|word| index[word.as_str()]).collect();
        let languages = languages(&words, &word_of, forms, known);
        let meant = typos::corrections(&words, &typos::Usage::count(&word_of, forms, group, words.len()));
        let classes: [Vec<Class>; 5] =
            Language::ALL.map(|language| words.iter().map(|word| language.class(word)).collect());
        let readings: Vec<Reading> = forms
            .texts
            .iter()
            .zip(&languages)
            .map(|(text, &language)| {
                let token = |&form: &u32| {
                    if form == STOP {
                        return Token { word: STOP, class: Class::Stop };
                    }
                    let word = meant[word_of[form as usize] as usize];
                    Token { word, class: classes[language.index()][word as usize] }
                };
                Reading { language, tokens: settled(text.iter().map(token).collect()) }
            })
            .collect();
        drop(index);
        let shown = shown_forms(&words, &word_of, &meant, forms);
        let vocabulary = Self::describe(words, shown, &readings);
        (vocabulary, readings)
    }

    fn describe(words: Vec<String>, shown: Vec<String>, readings: &[Reading]) -> Self {
        let mut texts = vec![0; words.len()];
        for reading in readings {
            let mut said: Vec<WordId> =
                reading.tokens.iter().map(|token| token.word).filter(|&word| word != STOP).collect();
            said.sort_unstable();
            said.dedup();
            said.into_iter().for_each(|word| texts[word as usize] += 1);
        }
        let mut by_stem: BTreeMap<(Language, String), u32> = BTreeMap::new();
        let stemmed: [Vec<String>; 5] =
            Language::ALL.map(|language| words.iter().map(|word| language.stem(word)).collect());
        for language in Language::ALL {
            // Only languages that are spoken here.
            if readings.iter().any(|reading| reading.language == language) {
                let stems = stemmed[language.index()].iter();
                by_stem.extend(stems.map(|stem| ((language, stem.clone()), 0)));
            }
        }
        by_stem.values_mut().zip(0..).for_each(|(id, next)| *id = next);
        let stem_language = by_stem.keys().map(|(language, _)| *language).collect();
        let stems: [Vec<u32>; 5] = Language::ALL.map(|language| {
            let stem_id = |stem: &String| by_stem.get(&(language, stem.clone())).copied().unwrap_or(STOP);
            stemmed[language.index()].iter().map(stem_id).collect()
        });
        let mut verbs: [Vec<bool>; 5] = Language::ALL.map(|language| {
            let is_lower = |word: &str, shown: &str| word == shown;
            words
                .iter()
                .zip(&shown)
                .map(|(word, shown)| language.is_infinitive(word) && is_lower(word, shown))
                .collect()
        });
        let uses = uses(&words, readings);
        verbs[Language::English.index()] = english_verbs(&words, &uses);
        let base = base_forms(&words, &stems[0], &verbs[0], &texts);
        for (id, word) in words.iter().enumerate() {
            let is_thing = uses[id].article * 4 > uses[id].all;
            if word.ends_with("ing") && base.contains_key(&stems[0][id]) && !is_thing {
                verbs[0][id] = true;
            }
        }
        Self { words, shown, texts, stems, stem_language, verbs, uses, base }
    }

    pub(super) fn word(&self, word: WordId) -> &str {
        &self.words[word as usize]
    }

    pub(super) fn shown(&self, word: WordId) -> &str {
        &self.shown[word as usize]
    }

    /// Whether it counts as a word of a phrase, there.
    pub(super) fn is_content(&self, language: Language, word: WordId) -> bool {
        matches!(language.class(self.word(word)), Class::Content | Class::Weak)
    }

    /// How many texts say the word.
    pub(super) fn texts(&self, word: WordId) -> u32 {
        self.texts[word as usize]
    }

    pub(super) fn stem(&self, language: Language, word: WordId) -> u32 {
        self.stems[language.index()][word as usize]
    }

    pub(super) fn language_of_stem(&self, stem: u32) -> Language {
        self.stem_language[stem as usize]
    }

    pub(super) fn is_verb(&self, language: Language, word: WordId) -> bool {
        self.verbs[language.index()][word as usize]
    }

    /// Whether the word can be a thing: "order" is a verb and a noun, "arrive" is none.
    pub(super) fn is_noun(&self, language: Language, word: WordId) -> bool {
        let uses = self.uses[word as usize];
        match language {
            Language::English if self.is_verb(language, word) => uses.noun >= 2 && uses.noun * 3 >= uses.verb,
            Language::English => uses.noun >= 1 && uses.noun * 100 >= uses.all,
            _ => !self.is_verb(language, word),
        }
    }

    /// Whether another word nearly always follows in its phrase: "customer" in "customer support".
    pub(super) fn is_modifier(&self, word: WordId) -> bool {
        let uses = self.uses[word as usize];
        uses.all >= 5 && uses.before_content * 10 >= uses.all * 7
    }

    /// Whether it is a person, or written with a capital inside of sentences but not as an acronym.
    pub(super) fn is_name(&self, word: WordId) -> bool {
        let uses = self.uses[word as usize];
        let mut letters = self.shown(word).chars();
        let is_capital = letters.next().is_some_and(char::is_uppercase) && !letters.any(char::is_uppercase);
        is_capital || (uses.titled >= 2 && uses.titled * 4 >= uses.all)
    }

    /// "cancel" for "cancelling", where the corpus or the list of actions has it.
    pub(super) fn base(&self, word: WordId) -> WordId {
        self.base.get(&self.stems[0][word as usize]).copied().unwrap_or(word)
    }

    /// The plural of an English noun that can be counted.
    pub(super) fn plural(&self, word: WordId) -> Option<String> {
        let singular = self.shown(word);
        let is_mass = matches!(
            singular,
            "service" | "support" | "feedback" | "money" | "insurance" | "weather" | "credit"
        );
        if self.uses[word as usize].one < 2 || singular.ends_with('s') || is_mass {
            return None;
        }
        Some(match singular.strip_suffix('y') {
            Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
            _ if singular.ends_with(['x', 'z']) || singular.ends_with("ch") || singular.ends_with("sh") => {
                format!("{singular}es")
            }
            _ => format!("{singular}s"),
        })
    }
}

/// Weak words are content after content and end a phrase elsewhere.
fn settled(mut tokens: Vec<Token>) -> Vec<Token> {
    let mut before = Class::Stop;
    for token in &mut tokens {
        if token.class == Class::Weak {
            token.class = if before == Class::Content { Class::Content } else { Class::Break };
        }
        before = token.class;
    }
    tokens
}

/// The language of every text: as known, else by its small words among the languages around.
fn languages(
    words: &[String],
    word_of: &[WordId],
    forms: &Forms<'_>,
    known: &[Option<Language>],
) -> Vec<Language> {
    let mut spoken: BTreeMap<Language, usize> = BTreeMap::new();
    known.iter().flatten().for_each(|&language| *spoken.entry(language).or_default() += 1);
    let main =
        Language::ALL.into_iter().rev().max_by_key(|language| spoken.get(language).copied().unwrap_or(0));
    let main = main.filter(|language| spoken.contains_key(language)).unwrap_or(Language::English);
    let small: Vec<[bool; 4]> = words
        .iter()
        .map(|word| {
            let is_word = word.chars().all(|c| c.is_alphabetic() || c == '\'');
            Language::LISTED.map(|language| is_word && language.class(word) != Class::Content)
        })
        .collect();
    let by_small_words = |text: &[u32]| {
        let mut votes = [0_usize; 4];
        for &form in text.iter().filter(|&&form| form != STOP) {
            let says = small[word_of[form as usize] as usize];
            votes.iter_mut().zip(says).for_each(|(votes, says)| *votes += usize::from(says));
        }
        let of = |language: Language| votes.get(language.index()).copied().unwrap_or(0);
        let best = Language::LISTED
            .into_iter()
            .filter(|language| spoken.contains_key(language))
            .max_by_key(|&l| of(l));
        best.filter(|&best| of(best) > of(main)).unwrap_or(main)
    };
    known
        .iter()
        .zip(&forms.texts)
        .map(|(known, text)| known.unwrap_or_else(|| by_small_words(text)))
        .collect()
}

/// How each word is written inside of sentences most of the time.
fn shown_forms(words: &[String], word_of: &[WordId], meant: &[WordId], forms: &Forms<'_>) -> Vec<String> {
    let mut written = vec![0_u32; forms.forms.len()];
    for text in &forms.texts {
        let inside = text.windows(2).filter(|pair| pair[0] != STOP && pair[1] != STOP);
        inside.for_each(|pair| written[pair[1] as usize] += 1);
    }
    let mut best: Vec<Option<(u32, &str)>> = vec![None; words.len()];
    let mut all = vec![0_u32; words.len()];
    for (form, text) in forms.forms.iter().enumerate() {
        let word = word_of[form] as usize;
        all[word] += written[form];
        let is_better = best[word].is_none_or(|(count, known)| (written[form], *text) > (count, known));
        if is_better && meant[word] as usize == word {
            best[word] = Some((written[form], text));
        }
    }
    let form = |(word, lowered): (usize, &String)| match best[word] {
        // A word of two letters or more, the same but for capitals.
        Some((count, form))
            if count >= 2 && count * 10 >= all[word] * 6 && form.to_lowercase() == *lowered =>
        {
            form.to_owned()
        }
        _ => lowered.clone(),
    };
    words.iter().enumerate().map(form).collect()
}

/// How often an English word is used how.
#[derive(Clone, Copy, Default)]
struct Uses {
    all: u32,
    /// After "to", "can you", "please".
    verb: u32,
    /// After "the", "my", "of".
    noun: u32,
    article: u32,
    /// As the last word of a phrase that begins with "a" or "an".
    one: u32,
    before_content: u32,
    /// After "Mr." and the like.
    titled: u32,
}

fn uses(words: &[String], readings: &[Reading]) -> Vec<Uses> {
    let mut counts = vec![Uses::default(); words.len()];
    let word = |token: &Token| words.get(token.word as usize).map_or("", String::as_str);
    for reading in readings.iter().filter(|reading| reading.language == Language::English) {
        for (at, token) in
            reading.tokens.iter().enumerate().filter(|(_, token)| token.class == Class::Content)
        {
            let class = |back: usize| at.checked_sub(back).map_or(Class::Stop, |at| reading.tokens[at].class);
            let is_verb = match class(1) {
                Class::To => !matches!(class(2), Class::Content | Class::Determiner),
                Class::Modal => true,
                Class::Pronoun => class(2) == Class::Modal,
                _ => false,
            };
            let is_noun = matches!(class(1), Class::Determiner | Class::Inner);
            let is_modifier = reading.tokens.get(at + 1).is_some_and(|next| next.class == Class::Content);
            let word_before = |back: usize| at.checked_sub(back).map_or("", |at| word(&reading.tokens[at]));
            // "a", perhaps one word, then this.
            let article = if class(1) == Class::Content { word_before(2) } else { word_before(1) };
            let uses = &mut counts[token.word as usize];
            uses.all += 1;
            uses.verb += u32::from(is_verb);
            uses.noun += u32::from(is_noun);
            uses.article += u32::from(class(1) == Class::Determiner);
            uses.one += u32::from(!is_modifier && matches!(article, "a" | "an"));
            uses.before_content += u32::from(is_modifier);
            uses.titled += u32::from(is_title(word_before(1)));
        }
    }
    counts
}

fn english_verbs(words: &[String], uses: &[Uses]) -> Vec<bool> {
    let is_verb = |(word, uses): (&String, &Uses)| {
        // A verb with a particle needs no proof.
        let listed = is_action(word) || word.contains(' ');
        if listed { uses.verb + 1 > uses.noun } else { uses.verb >= 3 && uses.verb > 2 * uses.noun }
    };
    words.iter().zip(uses).map(is_verb).collect()
}

/// The base form of each verb's stem: the most common verb that carries no ending.
fn base_forms(words: &[String], stems: &[u32], verbs: &[bool], texts: &[u32]) -> HashMap<u32, WordId> {
    let mut base: HashMap<u32, WordId> = HashMap::new();
    for (word, text) in words.iter().enumerate() {
        let has_ending =
            !is_action(text) && (text.ends_with("ing") || text.ends_with("ed") || text.ends_with('s'));
        if !verbs[word] || has_ending || stems[word] == STOP {
            continue;
        }
        let known = base.entry(stems[word]).or_insert(word as WordId);
        if texts[word] > texts[*known as usize] {
            *known = word as WordId;
        }
    }
    base
}
