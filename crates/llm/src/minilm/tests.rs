//! The built-in model against the published one, and against itself.

use std::ops::ControlFlow;

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::MiniLm;
use super::kernel::Processor;
use super::model::{DIGEST, WEIGHTS, hex};
use crate::{Embed, Error};

/// Texts, and the first numbers of their vectors as the published model gives
/// them in single precision.
const REFERENCE: [(&str, [f32; 8]); 6] = [
    (
        "how do I reset my password?",
        [0.0069, -0.06302, -0.07204, -0.0325, -0.04271, 0.07043, 0.00907, 0.01541],
    ),
    (
        "The agent called search_flights three times with the same arguments.",
        [0.02881, -0.04817, -0.10793, 0.01631, -0.03656, -0.04731, 0.05237, -0.08993],
    ),
    ("", [-0.11884, 0.0483, -0.00255, -0.01101, 0.05195, 0.01029, 0.11543, 0.0007]),
    (
        "Überweisung fehlgeschlagen 😀 中文",
        [-0.04443, 0.07734, -0.00452, 0.08329, -0.00628, 0.03081, 0.0508, 0.11396],
    ),
    (
        "fn main() { println!(\"{}\", 1 + 1); }",
        [-0.01047, 0.06114, -0.04527, 0.00919, -0.05613, -0.01732, 0.02323, 0.08384],
    ),
    (
        "I lost my credit card and want to order a new one",
        [-0.02851, -0.00907, 0.05291, 0.02653, -0.00821, 0.01758, -0.0683, 0.04867],
    ),
];

fn model() -> MiniLm {
    MiniLm::bundled().unwrap()
}

fn bits(vectors: &[Vec<f32>]) -> Vec<Vec<u32>> {
    vectors.iter().map(|vector| vector.iter().map(|x| x.to_bits()).collect()).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Thirty texts of one to thirty words and different alphabets.
fn varied() -> Vec<String> {
    let words = ["refund", "tool_call", "Straße", "中文", "timeout", "42", "{}", "résumé"];
    (1..=30).map(|n| (0..n).map(|i| words[(i * n + i) % words.len()]).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn vectors_are_those_of_the_published_model() {
    let texts = REFERENCE.map(|(text, _)| text);
    for (vector, (text, expected)) in model().embed(&texts).unwrap().iter().zip(REFERENCE) {
        for (x, expected) in vector.iter().zip(expected) {
            assert!((x - expected).abs() < 0.01, "{text:?}: {x} instead of {expected}");
        }
        assert!((cosine(vector, vector) - 1.0).abs() < 1e-5);
    }
}

#[test]
fn similar_sentences_have_similar_vectors() {
    let texts =
        ["That is a happy person", "That is a happy dog", "Transfer 200 dollars to my savings account"];
    let vectors = model().embed(&texts).unwrap();
    assert!((cosine(&vectors[0], &vectors[1]) - 0.6946).abs() < 0.005);
    assert!(cosine(&vectors[0], &vectors[2]) < 0.2);
}

#[test]
fn a_vector_does_not_depend_on_company_or_order() {
    let (model, texts) = (model(), varied());
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let together = model.embed(&texts).unwrap();
    let reversed: Vec<&str> = texts.iter().rev().copied().collect();
    let mut backwards = model.embed(&reversed).unwrap();
    backwards.reverse();
    assert_eq!(bits(&together), bits(&backwards));
    for (text, vector) in texts.iter().zip(&together) {
        assert_eq!(bits(&model.embed(&[text]).unwrap()), bits(std::slice::from_ref(vector)));
    }
}

#[test]
fn a_vector_does_not_depend_on_the_number_of_threads() {
    let (model, texts) = (model(), varied());
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        bits(&pool.install(|| model.embed(&texts)).unwrap())
    };
    let alone = with(1);
    for threads in [2, 3, 8] {
        assert_eq!(alone, with(threads), "{threads} threads");
    }
}

#[test]
fn a_vector_does_not_depend_on_the_processor() {
    let (mut model, texts) = (model(), varied());
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut with = |processor| {
        model.network.processor = processor;
        bits(&model.embed(&texts).unwrap())
    };
    let mut processors = Processor::available().into_iter();
    let portable = with(processors.next().unwrap());
    for processor in processors {
        assert_eq!(portable, with(processor), "{processor:?}");
    }
}

/// Vectors are part of reproducible reports: whoever changes the arithmetic
/// on purpose counts up `REVISION` and writes the new digest here.
#[test]
fn vectors_have_the_same_bits_as_ever() {
    let texts = varied();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut digest = Sha256::new();
    for x in model().embed(&texts).unwrap().iter().flatten() {
        digest.update(x.to_bits().to_le_bytes());
    }
    assert_eq!(hex(&digest.finalize()), "72653d041a8b0fc249ffa29f9d0eff0e92e5637035faa79821f31669c346dc0a");
}

#[test]
fn texts_without_words_have_the_vector_of_no_words() {
    let vectors = model().embed(&["", " \n\t", "\u{0}\u{7}\u{200b}"]).unwrap();
    assert_eq!(bits(&vectors[..1]), bits(&vectors[1..2]));
    assert_eq!(bits(&vectors[..1]), bits(&vectors[2..]));
}

#[test]
fn no_texts_have_no_vectors() {
    assert!(model().embed(&[]).unwrap().is_empty());
}

#[test]
fn only_the_beginning_of_a_huge_text_counts() {
    let huge = "the agent failed ".repeat(2_000_000 / 17);
    let start: String = huge.chars().take(2_000).collect();
    let vectors = model().embed(&[&huge, &start]).unwrap();
    assert_eq!(bits(&vectors[..1]), bits(&vectors[1..]));
}

#[test]
fn another_window_is_another_name() {
    let (own, short) = (model(), model().with_window(16));
    assert_ne!(own.name(), short.name());
    assert_eq!(own.name(), model().with_window(16).with_window(256).name());
    let text = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen";
    let cut = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen";
    assert_eq!(bits(&short.embed(&[text]).unwrap()), bits(&own.embed(&[cut]).unwrap()));
}

#[test]
fn the_hook_hears_of_progress_and_can_stop_it() {
    let (model, texts) = (model(), vec!["a"; crate::CHUNK + 1]);
    let mut heard = Vec::new();
    let mut listen = |done| {
        heard.push(done);
        ControlFlow::Continue(())
    };
    assert_eq!(model.embed_with(&texts, &mut listen).unwrap().len(), texts.len());
    assert_eq!(heard, [crate::CHUNK, crate::CHUNK + 1]);
    let stopped = model.embed_with(&texts, &mut |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(Error::Cancelled)));
}

#[test]
fn the_weights_are_those_that_were_derived() {
    assert_eq!(hex(&Sha256::digest(WEIGHTS)), DIGEST);
}

#[test]
fn a_folder_without_a_model_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(MiniLm::from_folder(folder.path()), Err(Error::Unreadable(_))));
}

/// A folder with the built-in model in it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let assets = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    for (asset, name) in
        [("minilm-int8.bin", "model.safetensors"), ("vocab.txt", "vocab.txt"), ("config.json", "config.json")]
    {
        fs_err::copy(assets.join(asset), folder.path().join(name)).unwrap();
    }
    folder
}

#[test]
fn a_folder_gives_the_same_vectors_under_its_own_name() {
    let folder = folder();
    let (ours, theirs) = (model(), MiniLm::from_folder(folder.path()).unwrap());
    assert_ne!(ours.name(), theirs.name());
    let texts = ["the agent gave up"];
    assert_eq!(bits(&ours.embed(&texts).unwrap()), bits(&theirs.embed(&texts).unwrap()));
}

#[test]
fn a_folder_is_refused_rather_than_computed_wrongly() {
    let cases = [
        ("config.json", r#"{"model_type": "roberta"}"#),
        ("config.json", "not JSON"),
        ("vocab.txt", "no\ncontrol\ntokens"),
        ("tokenizer_config.json", r#"{"do_lower_case": false}"#),
        ("1_Pooling/config.json", r#"{"pooling_mode_mean_tokens": false}"#),
    ];
    for (file, content) in cases {
        let folder = folder();
        fs_err::create_dir_all(folder.path().join("1_Pooling")).unwrap();
        fs_err::write(folder.path().join(file), content).unwrap();
        let refused = MiniLm::from_folder(folder.path());
        assert!(matches!(refused, Err(Error::Unsupported(_))), "{file} with {content}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_has_a_unit_vector(text in "\\PC{0,80}|[\\x00-\\x{FFFF}]{0,40}") {
        let vectors = MODEL.with(|model| model.embed(&[&text])).unwrap();
        prop_assert!((cosine(&vectors[0], &vectors[0]) - 1.0).abs() < 1e-5);
    }
}

thread_local! {
    static MODEL: MiniLm = model();
}
