//! The words every request is built of: what they do in a phrase, by language.
//!
//! Only words without a topic are listed, and verbs that requests to an agent
//! are usually about. The lists are kept short on purpose: what a corpus says
//! everywhere names nothing there, whether it is listed or not.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};

/// What a word does in a phrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// May be part of a name.
    Content,
    /// Left out inside a phrase: "cancel my order" is "cancel order".
    Determiner,
    /// Stands inside a phrase: "refund for order".
    Inner,
    /// The English "to": inner, or before a verb.
    To,
    Pronoun,
    /// Before a verb, perhaps with a pronoun between: "can you cancel".
    Modal,
    /// A verb that says little, but something before a noun: "tell joke".
    Light,
    /// Part of a name after another word only: "customer assistance", but "assistance with".
    Weak,
    /// Ends a phrase.
    Break,
    /// The end of a sentence.
    Stop,
}

/// A language with its own word lists and stemmer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Language {
    English,
    Spanish,
    German,
    French,
    /// Any other with spaces between words: all lists at once.
    Other,
}

impl Language {
    pub(super) const ALL: [Self; 5] = [Self::English, Self::Spanish, Self::German, Self::French, Self::Other];
    /// Those with small words of their own.
    pub(super) const LISTED: [Self; 4] = [Self::English, Self::Spanish, Self::German, Self::French];

    /// In English; `None` of those that are not told apart.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::English => Some("English"),
            Self::Spanish => Some("Spanish"),
            Self::German => Some("German"),
            Self::French => Some("French"),
            Self::Other => None,
        }
    }

    /// By ISO 639-1 code.
    pub(super) fn of_code(code: &str) -> Self {
        match code {
            "en" => Self::English,
            "es" => Self::Spanish,
            "de" => Self::German,
            "fr" => Self::French,
            _ => Self::Other,
        }
    }

    pub(super) fn index(self) -> usize {
        self as usize
    }

    pub(super) fn stem(self, word: &str) -> String {
        static STEMMERS: LazyLock<[Stemmer; 4]> = LazyLock::new(|| {
            [Algorithm::English, Algorithm::Spanish, Algorithm::German, Algorithm::French]
                .map(Stemmer::create)
        });
        match STEMMERS.get(self.index()) {
            Some(stemmer) => stemmer.stem(word).into_owned(),
            None => word.to_owned(),
        }
    }

    /// What a word in lower case does in a phrase.
    pub(super) fn class(self, word: &str) -> Class {
        static TABLES: LazyLock<[HashMap<&str, Class>; 4]> =
            LazyLock::new(|| [table(&ENGLISH), table(&SPANISH), table(&GERMAN), table(&FRENCH)]);
        let known = match TABLES.get(self.index()) {
            Some(table) => table.get(word).copied(),
            None => TABLES.iter().find_map(|table| table.get(word).copied()),
        };
        known.unwrap_or(if is_plain(word) { Class::Content } else { Class::Break })
    }

    /// Whether a word has the form of a verb's infinitive, where form alone tells.
    pub(super) fn is_infinitive(self, word: &str) -> bool {
        let ends = |endings: &[&str]| endings.iter().any(|ending| word.ends_with(ending));
        word.chars().count() >= 5
            && match self {
                Self::Spanish => ends(&["ar", "er", "ir", "arme", "erme", "irme", "arlo", "arla"]),
                // German nouns are told apart by their capital: see `Vocabulary`.
                Self::German => ends(&["en", "ern", "eln"]),
                Self::French => ends(&["er", "ir", "re"]),
                Self::English | Self::Other => false,
            }
    }
}

/// Letters only: no numbers, no placeholders, no single letters, no script without spaces.
fn is_plain(word: &str) -> bool {
    let letters = word.chars().count();
    let belongs = |c: char| (c.is_alphabetic() && !has_no_spaces(c)) || matches!(c, '\'' | '-' | ' ');
    (2..=24).contains(&letters) && word.chars().all(belongs)
}

/// Scripts in which word boundaries are not written.
fn has_no_spaces(c: char) -> bool {
    matches!(c, '\u{0e00}'..='\u{0eff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}')
}

/// Whether an English verb is one that requests to agents are usually about.
pub(super) fn is_action(word: &str) -> bool {
    static SET: LazyLock<HashSet<&str>> = LazyLock::new(|| ACTIONS.split_whitespace().collect());
    SET.contains(word)
}

/// Whether the next word is a person's name.
pub(super) fn is_title(word: &str) -> bool {
    matches!(
        word,
        "mr" | "mrs"
            | "ms"
            | "miss"
            | "dr"
            | "sir"
            | "mister"
            | "prof"
            | "herr"
            | "frau"
            | "señor"
            | "señora"
            | "sr"
            | "sra"
            | "monsieur"
            | "madame"
    )
}

/// English particles that make another verb of the one before: "sign up".
pub(super) fn is_particle(word: &str) -> bool {
    matches!(word, "up" | "off" | "out" | "down" | "back" | "over")
}

type Lists = [(Class, &'static str); 8];

fn table(lists: &Lists) -> HashMap<&'static str, Class> {
    // The first list a word is in counts.
    let mut table = HashMap::new();
    for (class, words) in lists {
        for word in words.split_whitespace() {
            table.entry(word).or_insert(*class);
        }
    }
    table
}

const ENGLISH: Lists = [
    (
        Class::Determiner,
        "the a an my your our their his her its this that these those some any all each every another other \
         own such same just really very so bloody damn damned freaking goddamn goddam fucking darn",
    ),
    (
        Class::Inner,
        "of from for in on with without at by about between into onto via per against under during within",
    ),
    (Class::To, "to"),
    (Class::Pronoun, "i you we me us he she it they them u someone"),
    (
        Class::Modal,
        "can could would will should shall may might must do does did please pls plz help assist let lets \
         let's cannot can't couldn't don't won't wouldn't wanna gonna gotta i'd i'll you'd",
    ),
    (Class::Light, "get make tell give"),
    (
        Class::Weak,
        "assistance issue issues problem problems trouble troubles question questions info information details \
         detail user users hour hours time times day days date dates people person minutes week weeks month \
         months plan plans list status",
    ),
    (
        Class::Break,
        "how where see go have do be put bring refer till appreciate appreciated is are was were been being am has had having done doing got getting gets going goes went gone makes making \
         made giving given gave taken taking took seeing seen said say says saying want wants wanted wanting need needs needed \
         needing like liked likes try trying tried tries looking look looks know knows knowing known think \
         thinks thought ask asks asking asked wish hope hoping love keep seem seems happen happens happened \
         happening wonder wondering work works working worked come comes coming let mean means meant feel \
         and or but if because while until as than then else though although whether since unless not no yes \
         nor never ever always often sometimes usually again once soon sooner now currently later today \
         tonight tomorrow yesterday yet already still even too also only more most less least much many few \
         lot lots bit little quite rather almost enough about approximately around exactly ahead away along latest inside outside anymore \
         up off out down over back under after before above below through across upon toward towards \
         what which who whom whose when why there here it's i'm i've i'll i'd im ive id youre you're we're \
         they're that's there's what's whats where's how's who's doesn't didn't isn't aren't wasn't haven't \
         hasn't hadn't shouldn't dont cant wont doesnt didnt isnt ain't nothing something anything everything \
         anyone everyone everybody somebody anybody nobody himself herself itself myself yourself ourselves \
         themselves mine yours ours theirs both either neither one ones two three four five six seven eight \
         nine ten first second third last next previous following several various able unable possible \
         possibly impossible available sure certain kind kinds sort way ways thing things stuff matter \
         case hi hello hey hiya greetings dear thanks thank thankyou thx regards cheers sincerely kindly ok \
         okay oh well good great nice fine best better bad worse morning afternoon evening day days asap \
         urgent urgently immediately quickly quick fast right maybe perhaps actually basically simply \
         helping helped helps assistance assisting assisted assists question questions query \
         issue issues problem problems trouble troubles difficulty difficulties mr mrs ms miss dr sir madam \
         mister prof jr sr etc eg ie e.g i.e http https www com html vs via ur gonna kinda lemme ya yeah yep \
         nope nah um uh someone's anybody's correctly properly instead especially regarding concerning per \
         assistant agent's user users' people person guys guy folks man please sorry excuse different \
         difference long longer far real really whole entire exact exactly specific specifically particular \
         use using used uses new interested additional further due recently recent \
         hear heard learn idea clue information info details detail example including \
         include includes based according related given therefore however thus non zero hundred thousand \
         million dollars dollar euros euro bucks usd eur times minute minutes hour hours week weeks \
         month months year years monday tuesday wednesday thursday friday saturday sunday january february \
         march april june july august september october november december jan feb mar apr jun jul aug sep \
         oct nov dec",
    ),
];

const SPANISH: Lists = [
    (
        Class::Determiner,
        "el la los las un una unos unas mi mis tu tus su sus este esta estos estas ese esa esos esas muy",
    ),
    (Class::Inner, "de del en para con sin por sobre desde hasta al a"),
    (Class::To, ""),
    (Class::Pronoun, "yo me te se lo le les nos os usted ustedes ella él mí"),
    (
        Class::Modal,
        "quiero quería querría puedo puede puedes pueden podría podrías podemos necesito quisiera cómo como \
         favor deseo debo ayuda ayúdame gustaría",
    ),
    (Class::Light, "hacer tener dar ver saber obtener"),
    (Class::Weak, ""),
    (
        Class::Break,
        "y o u e que qué quien quién cual cuál cuando cuándo donde dónde cuánto cuánta cuántos porque si sí no \
         ni ya pero más menos es son ser está están estoy estaba fue era ha he han hay había tengo tiene hago \
         va voy hola buenas buenos buen días tardes noches gracias saludos ahora hoy ayer mañana todavía aún \
         también solo sólo tan todo toda todos todas nada algo alguien otra otro otros otras me-lo problema \
         urgente soy eres somos quedo espera atentamente cordial saludo hace estimado estimada estimados señor señora sr sra ayudar ayudarme",
    ),
];

const GERMAN: Lists = [
    (
        Class::Determiner,
        "der die das dem den des ein eine einen einem einer eines mein meine meinen meinem meiner meines dein \
         deine ihr ihre ihren ihrem ihrer unser unsere unseren dieser diese dieses diesen diesem",
    ),
    (
        Class::Inner,
        "von vom für mit ohne auf in im ins an am zu zum zur bei beim aus über nach gegen unter um",
    ),
    (Class::To, ""),
    (Class::Pronoun, "ich mich mir du dich dir sie es wir uns man ihnen er ihm ihn"),
    (
        Class::Modal,
        "möchte möchten kann können könnte könnten könnt will wollen wollte würde bitte wie muss müssen soll \
         sollte hilfe helfen",
    ),
    (Class::Light, "haben machen bekommen sehen wissen geben"),
    (Class::Weak, ""),
    (
        Class::Break,
        "und oder aber wenn weil dass ob als was wer wo wann warum wieso welche welcher welches ist sind war \
         waren bin sein wird werden wurde worden habe hat hatte hatten nicht kein keine keinen nein ja noch \
         schon auch nur so sehr mehr jetzt heute gestern morgen hier da dort dann hallo guten gute guter tag \
         abend danke dank vielen liebe grüße freundlichen herr frau problem frage fragen etwas nichts alles \
         mal doch denn bisher seit bis vor immer wieder gern gerne sich gibt sehr geehrte geehrter geehrtes damen herren lieber mfg vielleicht brauche brauchen hätte wäre",
    ),
];

const FRENCH: Lists = [
    (
        Class::Determiner,
        "le la les l un une des mon ma mes ton ta tes son sa ses notre nos votre vos leur leurs ce cet cette ces",
    ),
    (Class::Inner, "de du d à au aux en pour avec sans sur dans par vers chez sous entre"),
    (Class::To, ""),
    (Class::Pronoun, "je j tu il elle on nous vous ils elles me m te t se s lui moi y"),
    (
        Class::Modal,
        "veux voudrais voudrait peux peut pouvez pourriez pourrais souhaite souhaiterais comment svp aide \
         aider aidez dois faut besoin aimerais",
    ),
    (Class::Light, "faire avoir voir savoir obtenir prendre"),
    (Class::Weak, ""),
    (
        Class::Break,
        "et ou mais que qu qui quoi quel quelle quels quelles quand où pourquoi combien si ne n pas plus moins \
         non oui c est es suis sont être était été ai as a ont avez avons avait fait bonjour bonsoir salut \
         merci plaît plait cordialement maintenant hier demain encore toujours déjà aussi très bien tout \
         toute tous toutes rien quelque chose problème question urgent veuillez salutations noté monsieur madame ça cela ceci là",
    ),
];

/// Verbs that requests to an agent are about; corpora teach more.
const ACTIONS: &str = "accept access activate add amend analyze apply arrange assign block book buy calculate call \
    cancel change charge check choose claim clean close close-out compare complain compute configure confirm \
    connect contact convert cook copy correct create debug decline delete deliver deploy deposit describe \
    determine discuss dispute download draft edit enter estimate exchange expect explain export extend extract fetch \
    file fill find fix flip format freeze generate identify implement improve inform increase inspect install \
    interpret invite issue join leave link list listen locate lock lodge lookup measure merge modify monitor move \
    notify open order pause pay place plan play predict prepare print provide purchase raise read rebook receive \
    recommend record recover redeem reduce refactor refill refund register remind remove rename renew rent repair \
    replace report request reschedule reserve reset resolve restore resume retrieve return review rewrite roll \
    run schedule search select sell send set share ship show skip solve speak spell start stop submit subscribe \
    summarize switch sync take talk test track transfer translate troubleshoot turn unlock unsubscribe update upgrade \
    upload verify view visit wait watch withdraw write";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_has_its_class_by_language() {
        assert_eq!(Language::English.class("the"), Class::Determiner);
        assert_eq!(Language::English.class("die"), Class::Content);
        assert_eq!(Language::German.class("die"), Class::Determiner);
        assert_eq!(Language::Spanish.class("pedido"), Class::Content);
        assert_eq!(Language::Other.class("para"), Class::Inner);
    }

    #[test]
    fn what_is_not_a_word_ends_a_phrase() {
        for word in ["a1b2", "x", "user@example", "snake_case", "注", "42"] {
            assert_eq!(Language::English.class(word), Class::Break, "{word}");
        }
    }

    #[test]
    fn stems_join_the_forms_of_a_word() {
        assert_eq!(Language::English.stem("cancelling"), Language::English.stem("cancel"));
        assert_eq!(
            Language::German.stem("Bestellungen".to_lowercase().as_str()),
            Language::German.stem("bestellung")
        );
    }
}
