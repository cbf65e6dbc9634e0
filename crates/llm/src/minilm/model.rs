//! The embedder itself: loading, naming, and sharing texts among threads.

use std::fmt::Write as _;
use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::forward::{Network, Pooling};
use super::kernel::Processor;
use super::tokenizer::Tokenizer;
use super::weights::{Config, Weights};
use crate::{Embed, Error};

pub(super) static WEIGHTS: &[u8] = include_bytes!("../../assets/minilm-int8.bin");
static VOCABULARY: &str = include_str!("../../assets/vocab.txt");
static CONFIG: &str = include_str!("../../assets/config.json");

/// SHA-256 of the built-in weights, `assets/minilm-int8.bin`.
pub const DIGEST: &str = "ca8207253287c4842840f76a35f4b8f6ccce2ac6837882f23e67fe781abccbd6";

/// Counts changes to the arithmetic that change vectors in their last digits.
const REVISION: u32 = 1;

/// The window sentence-transformers publishes with the built-in model.
const WINDOW: usize = 256;

/// How many tokens go through the layers together on one thread: enough to
/// make use of weights once they are near, few enough to stay near themselves.
const TOKENS_TOGETHER: usize = 192;

/// A small BERT that turns sentences into vectors, running in this process.
///
/// Vectors are the same to the last bit on every machine, in every batch and
/// with any number of threads. A text without words, such as the empty one,
/// has a vector too: that of the model's start and end tokens.
#[derive(Debug)]
pub struct MiniLm {
    pub(super) network: Network,
    tokenizer: Tokenizer,
    model: String,
    name: String,
    own_window: usize,
    window: usize,
}

impl MiniLm {
    /// The model that is part of the program: all-MiniLM-L6-v2 in bytes, 384
    /// dimensions, the first 256 tokens of a text.
    pub fn bundled() -> Result<Self, Error> {
        let config = Config::parse(CONFIG)?;
        let weights = Weights::of_static(WEIGHTS, &config)?;
        let model = name("all-MiniLM-L6-v2", DIGEST);
        Self::assemble(config, weights, Tokenizer::parse(VOCABULARY)?, Pooling::Mean, model, WINDOW)
    }

    /// Loads a sentence model from a local folder and quantizes it.
    ///
    /// The folder has the published files `model.safetensors`, `vocab.txt` and
    /// `config.json`, and perhaps `1_Pooling/config.json`,
    /// `sentence_bert_config.json` and `tokenizer_config.json`. It must be an
    /// uncased BERT encoder with a mean or first-token summary; anything else
    /// is refused rather than computed wrongly. Its name in reports is the
    /// folder's own name and a digest of the files.
    pub fn from_folder(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let weights = fs_err::read(path.join("model.safetensors"))?;
        let vocabulary = fs_err::read_to_string(path.join("vocab.txt"))?;
        let config = fs_err::read_to_string(path.join("config.json"))?;
        let options = Options::read(path)?;

        let mut digest = Sha256::new();
        for part in [weights.as_slice(), vocabulary.as_bytes(), config.as_bytes()] {
            digest.update(part);
        }
        digest.update(format!("{options:?}"));
        let folder = path.file_name().map_or("model".into(), |name| name.to_string_lossy());
        let model = name(&folder, &hex(&digest.finalize()));

        let config = Config::parse(&config)?;
        let weights = Weights::of(&weights, &config)?;
        let Options { pooling, window } = options;
        Self::assemble(config, weights, Tokenizer::parse(&vocabulary)?, pooling, model, window)
    }

    /// Reads at most this many tokens of each text, of which two are the
    /// model's own; never fewer than three or more than it has positions.
    ///
    /// A window other than the model's own becomes part of its name.
    #[must_use]
    pub fn with_window(mut self, tokens: usize) -> Self {
        let window = tokens.clamp(3, self.network.weights.positions.len().max(3));
        self.window = window;
        self.name =
            if window == self.own_window { self.model.clone() } else { format!("{}/{window}", self.model) };
        self
    }

    fn assemble(
        config: Config,
        weights: Weights,
        tokenizer: Tokenizer,
        pooling: Pooling,
        model: String,
        window: usize,
    ) -> Result<Self, Error> {
        if tokenizer.size() > weights.words.len() {
            return Err(Error::unsupported("its vocabulary has more words than its weights"));
        }
        if weights.positions.len() < 3 {
            return Err(Error::unsupported("it has fewer than three positions"));
        }
        let window = window.clamp(3, weights.positions.len());
        let network = Network { config, weights, pooling, processor: Processor::fastest() };
        Ok(Self { network, tokenizer, name: model.clone(), model, own_window: window, window })
    }

    /// Groups texts of similar length for one thread each.
    ///
    /// The groups are a matter of speed alone: no vector depends on them.
    fn groups(lengths: impl Iterator<Item = usize>) -> Vec<Vec<usize>> {
        let mut order: Vec<(usize, usize)> =
            lengths.enumerate().map(|(text, length)| (length, text)).collect();
        // Long texts first, so that the last group to finish is a short one.
        order.sort_unstable_by(|a, b| b.cmp(a));
        let tokens: usize = order.iter().map(|(length, _)| length).sum();
        let share = tokens.div_ceil(rayon::current_num_threads());
        let most = share.min(TOKENS_TOGETHER);

        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut room = 0;
        for (length, text) in order {
            match groups.last_mut() {
                Some(group) if room >= length => group.push(text),
                _ => {
                    groups.push(vec![text]);
                    room = most.max(length);
                }
            }
            room -= length;
        }
        groups
    }
}

impl Embed for MiniLm {
    fn name(&self) -> &str {
        &self.name
    }

    fn dimensions(&self) -> usize {
        self.network.config.hidden_size
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        let ids: Vec<Vec<u32>> =
            texts.par_iter().map(|text| self.tokenizer.encode(text, self.window)).collect();
        let groups = Self::groups(ids.iter().map(Vec::len));
        let computed: Vec<Vec<Vec<f32>>> = groups
            .par_iter()
            .with_max_len(1)
            .map(|group| {
                let group: Vec<&[u32]> = group.iter().map(|&text| ids[text].as_slice()).collect();
                self.network.vectors(&group)
            })
            .collect();

        let mut vectors = vec![Vec::new(); texts.len()];
        for (text, vector) in groups.into_iter().flatten().zip(computed.into_iter().flatten()) {
            if !vector.iter().all(|x| x.is_finite()) {
                return Err(Error::corrupt("its weights give vectors that are not finite"));
            }
            vectors[text] = vector;
        }
        Ok(vectors)
    }
}

/// What a sentence model's optional files say.
#[derive(Debug)]
struct Options {
    pooling: Pooling,
    window: usize,
}

impl Options {
    fn read(folder: &Path) -> Result<Self, Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Summary {
            pooling_mode_cls_token: bool,
            pooling_mode_mean_tokens: Option<bool>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Sentence {
            max_seq_length: Option<usize>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Words {
            do_lower_case: Option<bool>,
        }

        let summary: Summary = optional(&folder.join("1_Pooling").join("config.json"))?;
        let sentence: Sentence = optional(&folder.join("sentence_bert_config.json"))?;
        let words: Words = optional(&folder.join("tokenizer_config.json"))?;
        if words.do_lower_case == Some(false) {
            return Err(Error::unsupported("its vocabulary tells upper from lower case"));
        }
        let pooling = match (summary.pooling_mode_mean_tokens, summary.pooling_mode_cls_token) {
            (Some(true) | None, false) => Pooling::Mean,
            (Some(false) | None, true) => Pooling::FirstToken,
            _ => return Err(Error::unsupported("it takes neither the mean nor the first token")),
        };
        Ok(Self { pooling, window: sentence.max_seq_length.unwrap_or(WINDOW) })
    }
}

/// Reads a JSON file, or the default where there is none.
fn optional<T: Default + for<'a> Deserialize<'a>>(path: &Path) -> Result<T, Error> {
    if !path.exists() {
        return Ok(T::default());
    }
    let file = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    serde_json::from_str(&fs_err::read_to_string(path)?)
        .map_err(|error| Error::unsupported(format!("{file}: {error}")))
}

fn name(model: &str, digest: &str) -> String {
    format!("{model}-int8.{REVISION}@{}", &digest[..12])
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}
