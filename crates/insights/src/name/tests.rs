use assay_domain::report::{AttributeValue, CategoryKind};

use super::*;
use crate::grouping::{Member, Node};

/// Every word has a direction of its own: texts are as alike as the words they share.
struct Words;

impl Embed for Words {
    fn name(&self) -> &str {
        "words"
    }

    fn dimensions(&self) -> usize {
        64
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, assay_llm::Error> {
        Ok(texts.iter().map(|text| vector_of(text)).collect())
    }
}

fn vector_of(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0_f32; 64];
    for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let hash = word.bytes().fold(7_usize, |hash, byte| (hash * 31 + usize::from(byte)) % 64);
        vector[hash] += 1.0;
    }
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-6);
    vector.iter_mut().for_each(|x| *x /= length);
    vector
}

fn thread(id: usize, text: &str, language: &str) -> ReadThread {
    let mut thread = ReadThread::asking(&format!("t{id:04}"), text);
    thread.summary.attributes.insert("language".into(), AttributeValue::Text(language.into()));
    thread
}

fn node(parent: Option<usize>, name: Option<&str>) -> Node {
    Node { parent, kind: CategoryKind::Discovered, name: name.map(str::to_owned), description: None }
}

/// Names of nodes with these parents; texts go to the leaf they are given with.
fn named(parents: &[Option<usize>], texts: &[(usize, &str, &str)]) -> Vec<Named> {
    let nodes = parents.iter().map(|&parent| node(parent, None)).collect();
    name_all(nodes, texts)
}

fn name_all(nodes: Vec<Node>, texts: &[(usize, &str, &str)]) -> Vec<Named> {
    let threads: Vec<ReadThread> =
        texts.iter().enumerate().map(|(id, (_, text, language))| thread(id, text, language)).collect();
    let members = texts.iter().map(|&(leaf, ..)| Member { leaf, confidence: 1.0, reason: None }).collect();
    let grouping = Grouping { nodes, members, ..Grouping::default() };
    let vectors: Vec<Vec<f32>> = texts.iter().map(|(_, text, _)| vector_of(text)).collect();
    each(&threads, &grouping, &|thread| Some(vectors[thread].as_slice()), &Words).unwrap()
}

fn names(named: &[Named]) -> Vec<&str> {
    named.iter().map(|named| named.name.as_str()).collect()
}

/// Two tops, "orders" with two leaves and "refunds" with two.
const SHOP: &[(usize, &str, &str)] = &[
    (1, "I want to cancel my order", "en"),
    (1, "please cancel the order I made", "en"),
    (1, "can you cancel an order for me?", "en"),
    (1, "help me cancel my order #12345", "en"),
    (1, "how do I go about cancelling orders", "en"),
    (2, "I want to track my order", "en"),
    (2, "please track the order", "en"),
    (2, "can you track an order for me", "en"),
    (2, "track order 4711", "en"),
    (4, "I want to request a refund", "en"),
    (4, "can I request a refund of my money", "en"),
    (4, "please request the refund", "en"),
    (4, "how to request a refund", "en"),
    (5, "what is the status of my refund payment", "en"),
    (5, "I need the refund status", "en"),
    (5, "show me the refund status", "en"),
    (5, "any news on a refund status?", "en"),
];

#[test]
fn leaves_are_verb_and_object_and_tops_are_plural_nouns() {
    let named = named(&[None, Some(0), Some(0), None, Some(3), Some(3)], SHOP);
    let names = names(&named);
    assert_eq!(names[0], "Orders");
    assert_eq!(names[1], "Cancel order");
    assert_eq!(names[2], "Track order");
    assert_eq!(names[3], "Refunds");
    assert_eq!(names[4], "Request refund");
    assert!(names[5].contains("efund status"), "{names:?}");
}

#[test]
fn names_do_not_depend_on_the_order_of_threads() {
    let parents = [None, Some(0), Some(0), None, Some(3), Some(3)];
    let mut turned = SHOP.to_vec();
    turned.reverse();
    assert_eq!(names(&named(&parents, SHOP)), names(&named(&parents, &turned)));
}

#[test]
fn a_name_is_in_the_language_of_most_members() {
    let texts = [
        (0, "Quiero cancelar mi pedido", "es"),
        (0, "necesito cancelar el pedido por favor", "es"),
        (0, "¿puedo cancelar un pedido?", "es"),
        (0, "I want to cancel my order", "en"),
        (1, "Ich möchte meine Rechnung bezahlen", "de"),
        (1, "Wie kann ich die Rechnung bezahlen?", "de"),
        (1, "Bitte die offene Rechnung bezahlen", "de"),
        (2, "I want to change my address", "en"),
        (2, "please change the address", "en"),
        (2, "can you change an address", "en"),
    ];
    let named = named(&[None, None, None], &texts);
    assert_eq!(names(&named), ["Cancelar pedido (Spanish)", "Rechnung bezahlen (German)", "Change address"]);
}

#[test]
fn no_two_leaves_have_the_same_name() {
    let texts: Vec<(usize, &str, &str)> =
        (0..12).map(|index| (1 + index % 2 + 2 * (index / 6), "I want to cancel my order", "en")).collect();
    let texts: Vec<_> =
        texts.into_iter().map(|(leaf, a, b)| (if leaf > 2 { leaf + 1 } else { leaf }, a, b)).collect();
    let named = named(&[None, Some(0), Some(0), None, Some(3), Some(3)], &texts);
    let leaves = [1, 2, 4, 5].map(|leaf: usize| named[leaf].name.to_lowercase());
    assert_eq!(BTreeSet::from(leaves).len(), 4, "{:?}", names(&named));
    assert_ne!(named[0].name, named[3].name);
}

#[test]
fn given_names_and_descriptions_stay() {
    let mut given = node(None, Some("Orders"));
    given.description = Some("Everything about orders".into());
    let named = name_all(
        vec![given, node(None, None)],
        &[
            (0, "cancel my order", "en"),
            (1, "reset my password", "en"),
            (1, "please reset the password", "en"),
        ],
    );
    assert_eq!(named[0].name, "Orders");
    assert_eq!(named[0].description, "Everything about orders");
    assert_eq!(named[1].name, "Reset password");
}

#[test]
fn what_has_no_words_is_named_by_a_request_or_by_nothing() {
    let named =
        named(&[None, None, None], &[(0, "注文の住所を変更したい", "ja"), (1, "", "en"), (2, "12345", "en")]);
    assert_eq!(names(&named), ["注文の住所を変更したい", "Threads without words", "12345"]);
}

#[test]
fn names_are_short_and_hold_no_numbers_or_addresses() {
    let texts = [
        (0, "send the invoice to jane.doe@example.com", "en"),
        (0, "send the invoice to jane.doe@example.com please", "en"),
        (0, "send the invoice A4711 to jane.doe@example.com", "en"),
        (1, "where is TR-4711 now", "en"),
        (1, "where is the parcel TR-4712", "en"),
        (1, "the parcel TR-4713 is late", "en"),
    ];
    for named in named(&[None, None], &texts) {
        assert!(named.name.chars().count() <= LONGEST_NAME);
        assert!(!named.name.contains(|c: char| c.is_ascii_digit() || c == '@'), "{}", named.name);
        assert!(!named.name.contains("TR") && !named.name.to_lowercase().contains("jane"), "{}", named.name);
    }
}

#[test]
fn examples_differ_from_each_other() {
    let texts = [
        (0, "cancel my order please now", "en"),
        (0, "cancel my order please", "en"),
        (0, "I no longer want what I bought yesterday", "en"),
    ];
    let named = named(&[None], &texts);
    assert_eq!(named[0].examples.len(), 2, "{:?}", named[0].examples);
}

#[test]
fn what_one_bare_word_leaves_open_the_members_own_wording_says() {
    let mut texts = Vec::new();
    for _ in 0..6 {
        texts.push((1, "when will my package arrive", "en"));
        texts.push((1, "i wonder when will my package arrive", "en"));
        texts.push((2, "cancel my order now", "en"));
        texts.push((2, "please cancel the order", "en"));
    }
    texts.push((1, "arrive", "en"));
    let found = named(&[None, Some(0), Some(0)], &texts);
    assert_eq!(names(&found)[2], "Cancel order");
    assert!(names(&found)[1].split(' ').count() > 1, "{:?}", names(&found));
}
