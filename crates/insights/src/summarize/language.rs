//! Which language a text is in, by its script and by the small words every sentence needs.
//!
//! Seven languages in Latin script and those that have a script of their own.
//! Silent on short or mixed texts: a wrong language would be counted as a failure.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Small words by ISO 639-1 code. A word may belong to several.
const SMALL_WORDS: [(&str, &str); 7] = [
    (
        "en",
        "the of and to is you that it he was for on are with as i his they be at one have this from or had by not but what all were we when your can said there use an each which she do how their if will up about out many then them these so some her would make like him into time has look more go see no my who am its now than been did get come made may could please want need help just don't i'm i've me where does should any hi hello thanks",
    ),
    (
        "es",
        "de la que el en y a los se del las un por con no una su para es al lo como más pero sus le ya o este sí porque esta entre cuando muy sin sobre también me hasta hay donde quien desde todo nos durante todos uno les ni contra otros ese eso ante ellos esto mí antes algunos qué unos yo otro otras otra él tanto esa estos mucho nada mi tu te cómo estoy está puedo puede quiero necesito tengo hola gracias favor",
    ),
    (
        "de",
        "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor zur bis mehr durch man sein wurde sei ich mein meine mir mich kann können bitte möchte habe bin wir ihr ihre ihnen wenn was hallo danke kein keine",
    ),
    (
        "fr",
        "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont la avec ou son lui nous comme mais on si leur y dont tout cette bien être aux ces même aussi elle fait je mon ma mes vous votre vos ai suis peux pouvez comment merci bonjour voudrais besoin quel quelle c'est j'ai n'est qu'il",
    ),
    (
        "it",
        "di e il la che in un per è una sono non con del si da al come le dei i ha ma nel alla più lo gli anche della mi questo questa o se io ho mio mia puoi posso vorrei come quando dove cosa perché grazie ciao sono essere fare delle ed agli su ci tutto bisogno",
    ),
    (
        "pt",
        "de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele das tem à seu sua ou ser quando muito há nos já está eu também só pelo pela até isso ela entre era depois sem mesmo aos ter seus quem nas me esse eles estão você tinha foram essa num nem meu minha posso preciso quero obrigado olá gostaria",
    ),
    (
        "nl",
        "de van een het en in is dat op te zijn met voor niet aan er die als ook door naar bij om uit dan maar over ik heb heeft was je wat mijn nog wel kan kunt worden of zo had wij ze hij deze dit mij hoe waar wil graag alstublieft hallo bedankt geen moet veel naar",
    ),
];

static LANGUAGES_OF: LazyLock<HashMap<&str, Vec<usize>>> = LazyLock::new(|| {
    let mut of: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, (_, words)) in SMALL_WORDS.iter().enumerate() {
        for word in words.split(' ') {
            let languages = of.entry(word).or_default();
            if !languages.contains(&index) {
                languages.push(index);
            }
        }
    }
    of
});

/// The ISO 639-1 code of the text's language; `None` where the text is too short or too mixed to tell.
#[must_use]
pub fn detect(text: &str) -> Option<&'static str> {
    by_script(text).or_else(|| by_small_words(text))
}

/// Scripts that belong to one language, more or less.
fn by_script(text: &str) -> Option<&'static str> {
    const FEWEST: usize = 8;
    let mut letters = 0;
    let mut counts = [
        ("ja", 0),
        ("zh", 0),
        ("ko", 0),
        ("ru", 0),
        ("uk", 0),
        ("el", 0),
        ("ar", 0),
        ("he", 0),
        ("hi", 0),
        ("th", 0),
    ];
    for c in text.chars().filter(|c| c.is_alphabetic()) {
        letters += 1;
        let index = match c {
            '\u{3040}'..='\u{30ff}' => 0,
            '\u{4e00}'..='\u{9fff}' => 1,
            '\u{ac00}'..='\u{d7af}' => 2,
            'і' | 'ї' | 'є' | 'ґ' => 4,
            '\u{400}'..='\u{4ff}' => 3,
            '\u{370}'..='\u{3ff}' => 5,
            '\u{600}'..='\u{6ff}' => 6,
            '\u{590}'..='\u{5ff}' => 7,
            '\u{900}'..='\u{97f}' => 8,
            '\u{e00}'..='\u{e7f}' => 9,
            _ => continue,
        };
        counts[index].1 += 1;
    }
    // Japanese is written with Chinese characters as well, Ukrainian shares most letters with Russian.
    if counts[0].1 * 5 > counts[1].1 {
        counts[0].1 += counts[1].1;
    }
    if counts[4].1 * 30 > counts[3].1 {
        counts[4].1 += counts[3].1;
    }
    let (code, count) = counts.into_iter().max_by_key(|&(_, count)| count)?;
    (count >= FEWEST && count * 2 > letters).then_some(code)
}

fn by_small_words(text: &str) -> Option<&'static str> {
    const FEWEST_WORDS: usize = 6;
    const FEWEST_HITS: usize = 4;
    let mut hits = [0_usize; SMALL_WORDS.len()];
    let mut words = 0;
    let lower = text.to_lowercase().replace('’', "'");
    for word in lower.split(|c: char| !c.is_alphabetic() && c != '\'').filter(|word| !word.is_empty()) {
        words += 1;
        for &language in LANGUAGES_OF.get(word).into_iter().flatten() {
            hits[language] += 1;
        }
    }
    let (best, &most) =
        hits.iter().enumerate().max_by_key(|&(index, &count)| (count, std::cmp::Reverse(index)))?;
    let second =
        hits.iter().enumerate().filter(|&(index, _)| index != best).map(|(_, &count)| count).max()?;
    let is_clear = most >= FEWEST_HITS && most * 5 >= words && most * 2 >= second * 3;
    (words >= FEWEST_WORDS && is_clear).then(|| SMALL_WORDS[best].0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_have_a_language() {
        for (expected, text) in [
            ("en", "I would like to change the address of my order, can you help me with that?"),
            ("es", "Hola, necesito cambiar la dirección de mi pedido, ¿me puede ayudar con eso por favor?"),
            ("de", "Ich möchte die Adresse meiner Bestellung ändern, können Sie mir bitte dabei helfen?"),
            ("fr", "Bonjour, je voudrais changer l'adresse de ma commande, est-ce que vous pouvez m'aider ?"),
            ("it", "Ciao, vorrei cambiare la data del mio volo, come posso fare per questo?"),
            ("pt", "Olá, eu gostaria de mudar o endereço do meu pedido, você pode me ajudar com isso?"),
            ("nl", "Hallo, ik wil graag het adres van mijn bestelling wijzigen, kunt u mij helpen met dit?"),
            ("ja", "注文の住所を変更したいのですが、手伝っていただけますか"),
            ("zh", "我想更改我的订单地址，你能帮我吗，谢谢"),
            ("ru", "Я хочу изменить адрес моего заказа"),
            ("uk", "Я хочу змінити адресу мого замовлення, будь ласка, допоможіть мені з цією справою"),
            ("ar", "أريد تغيير عنوان طلبي من فضلك"),
        ] {
            assert_eq!(detect(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn short_and_mixed_texts_have_none() {
        for text in [
            "",
            "ok",
            "Paris Berlin Madrid",
            "SELECT * FROM orders",
            "12345",
            "status de la commande in the app",
        ] {
            assert_eq!(detect(text), None, "{text}");
        }
    }
}
