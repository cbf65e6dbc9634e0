//! The weights of a model, in the form the layers use.
//!
//! Reads them from a quantized or from a published file; either way the shapes
//! are checked against each other here, so that `forward` need not doubt them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::kernel::{PANEL, Packed};
use super::math::LONGEST_ROW;
use super::quantize::{self, Quantized, SCALE};
use super::safetensors::{self, Kind, Tensor};
use crate::Error;

/// What a model's `config.json` says about its shape.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Config {
    pub(super) hidden_size: usize,
    pub(super) intermediate_size: usize,
    pub(super) num_attention_heads: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) layer_norm_eps: f32,
    model_type: String,
    hidden_act: String,
    #[serde(default = "absolute")]
    position_embedding_type: String,
}

fn absolute() -> String {
    "absolute".to_owned()
}

impl Config {
    pub(super) fn parse(json: &str) -> Result<Self, Error> {
        let config: Self = serde_json::from_str(json)
            .map_err(|error| Error::unsupported(format!("config.json: {error}")))?;
        config.check()?;
        Ok(config)
    }

    /// Refuses what would be computed wrongly, and shapes the kernels lack.
    fn check(&self) -> Result<(), Error> {
        let required = [
            ("model_type", &self.model_type, "bert"),
            ("hidden_act", &self.hidden_act, "gelu"),
            ("position_embedding_type", &self.position_embedding_type, "absolute"),
        ];
        for (key, found, needed) in required {
            if found != needed {
                return Err(Error::unsupported(format!("its {key} is {found:?}, not {needed:?}")));
            }
        }
        let heads = self.num_attention_heads;
        if heads == 0 || self.num_hidden_layers > 1024 || !self.hidden_size.is_multiple_of(heads) {
            return Err(Error::unsupported("its hidden size does not divide into its attention heads"));
        }
        let sizes = [self.hidden_size, self.hidden_size / heads, self.intermediate_size];
        if sizes.iter().any(|&size| size == 0 || !size.is_multiple_of(PANEL) || size > LONGEST_ROW) {
            return Err(Error::unsupported(format!(
                "its sizes {sizes:?} are not all multiples of {PANEL} up to {LONGEST_ROW}"
            )));
        }
        if !(self.layer_norm_eps > 0.0 && self.layer_norm_eps < 1.0) {
            return Err(Error::unsupported("its layer_norm_eps is not a small positive number"));
        }
        Ok(())
    }
}

/// Everything that was learned.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) words: Table,
    pub(super) positions: Table,
    /// Added to every token: all of a text is the first segment.
    pub(super) segment: Vec<f32>,
    pub(super) norm: Norm,
    pub(super) layers: Vec<Layer>,
}

#[derive(Debug)]
pub(super) struct Layer {
    /// Queries, keys and values, one after the other.
    pub(super) attention: Linear,
    pub(super) attention_output: Linear,
    pub(super) attention_norm: Norm,
    pub(super) intermediate: Linear,
    pub(super) output: Linear,
    pub(super) output_norm: Norm,
}

#[derive(Debug)]
pub(super) struct Linear {
    pub(super) weights: Packed,
    pub(super) scales: Vec<f32>,
    pub(super) biases: Vec<f32>,
}

#[derive(Debug)]
pub(super) struct Norm {
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
}

/// A vector for each of many things, as bytes; those of the built-in model are
/// used where they lie.
#[derive(Debug)]
pub(super) struct Table {
    units: Cow<'static, [u8]>,
    scales: Vec<f32>,
    width: usize,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.scales.len()
    }

    /// Adds one of the vectors to `sum`.
    pub(super) fn add_to(&self, sum: &mut [f32], index: usize) {
        let scale = self.scales[index];
        let units = &self.units[index * self.width..][..self.width];
        for (sum, unit) in sum.iter_mut().zip(units) {
            *sum += f32::from(unit.cast_signed()) * scale;
        }
    }
}

impl Weights {
    /// Reads a file that lives as long as the program.
    pub(super) fn of_static(file: &'static [u8], config: &Config) -> Result<Self, Error> {
        Reader { tensors: safetensors::read(file)?, prefix: "", keep: Cow::Borrowed }.weights(config)
    }

    /// Reads a file that may be dropped afterwards.
    pub(super) fn of(file: &[u8], config: &Config) -> Result<Self, Error> {
        let tensors = safetensors::read(file)?;
        let nested = tensors.keys().any(|name| name.starts_with("bert."));
        let prefix = if nested { "bert." } else { "" };
        Reader { tensors, prefix, keep: |bytes| Cow::Owned(bytes.to_vec()) }.weights(config)
    }
}

/// Takes tensors out of a file by their published names.
struct Reader<'a> {
    tensors: BTreeMap<String, Tensor<'a>>,
    prefix: &'static str,
    keep: fn(&'a [u8]) -> Cow<'static, [u8]>,
}

impl<'a> Reader<'a> {
    fn weights(&self, config: &Config) -> Result<Weights, Error> {
        let (hidden, between) = (config.hidden_size, config.intermediate_size);
        let segments = self.table("embeddings.token_type_embeddings.weight", hidden)?;
        let mut segment = vec![0.0; hidden];
        segments.add_to(&mut segment, 0);

        let layer = |number: usize| {
            let name = |part: &str| format!("encoder.layer.{number}.{part}");
            let attention = ["query", "key", "value"].map(|part| name(&format!("attention.self.{part}")));
            Ok(Layer {
                attention: self.linear(&attention, hidden, hidden)?,
                attention_output: self.linear(&[name("attention.output.dense")], hidden, hidden)?,
                attention_norm: self.norm(&name("attention.output.LayerNorm"), hidden)?,
                intermediate: self.linear(&[name("intermediate.dense")], hidden, between)?,
                output: self.linear(&[name("output.dense")], between, hidden)?,
                output_norm: self.norm(&name("output.LayerNorm"), hidden)?,
            })
        };

        Ok(Weights {
            words: self.table("embeddings.word_embeddings.weight", hidden)?,
            positions: self.table("embeddings.position_embeddings.weight", hidden)?,
            segment,
            norm: self.norm("embeddings.LayerNorm", hidden)?,
            layers: (0..config.num_hidden_layers).map(layer).collect::<Result<_, Error>>()?,
        })
    }

    /// Joins layers with the same input into one; each has `outputs`.
    fn linear(&self, names: &[String], inputs: usize, outputs: usize) -> Result<Linear, Error> {
        let (mut units, mut scales, mut biases) = (Vec::new(), Vec::new(), Vec::new());
        for name in names {
            let table = self.table(&format!("{name}.weight"), inputs)?;
            if table.len() != outputs {
                return Err(unexpected_shape(name));
            }
            units.extend(table.units.iter().map(|unit| unit.cast_signed()));
            scales.extend(table.scales);
            biases.extend(self.vector(&format!("{name}.bias"), outputs)?);
        }
        Ok(Linear { weights: Packed::arrange(&units, inputs), scales, biases })
    }

    fn norm(&self, name: &str, width: usize) -> Result<Norm, Error> {
        Ok(Norm {
            scale: self.vector(&format!("{name}.weight"), width)?,
            shift: self.vector(&format!("{name}.bias"), width)?,
        })
    }

    /// A matrix with rows of `width`, quantized if it is not yet.
    fn table(&self, name: &str, width: usize) -> Result<Table, Error> {
        let tensor = self.tensor(name)?;
        let [rows, columns] = tensor.shape[..] else { return Err(unexpected_shape(name)) };
        if rows == 0 || columns != width {
            return Err(unexpected_shape(name));
        }
        if tensor.kind == Kind::I8 {
            let scales = self.vector(&format!("{name}{SCALE}"), rows)?;
            return Ok(Table { units: (self.keep)(tensor.bytes), scales, width });
        }
        let Quantized { units, scales } = quantize::rows(&numbers(name, tensor)?, width);
        let units = units.into_iter().map(i8::cast_unsigned).collect();
        Ok(Table { units: Cow::Owned(units), scales, width })
    }

    fn vector(&self, name: &str, length: usize) -> Result<Vec<f32>, Error> {
        let tensor = self.tensor(name)?;
        if tensor.shape != [length] {
            return Err(unexpected_shape(name));
        }
        numbers(name, tensor)
    }

    fn tensor(&self, name: &str) -> Result<&Tensor<'a>, Error> {
        let found = self.tensors.get(&format!("{}{name}", self.prefix));
        found.ok_or_else(|| Error::unsupported(format!("its weights have no {name}")))
    }
}

fn numbers(name: &str, tensor: &Tensor<'_>) -> Result<Vec<f32>, Error> {
    tensor.to_f32().ok_or_else(|| Error::corrupt(format!("{name} is not finite")))
}

fn unexpected_shape(name: &str) -> Error {
    Error::unsupported(format!("{name} has not the shape config.json implies"))
}
