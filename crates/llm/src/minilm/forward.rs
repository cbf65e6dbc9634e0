//! Runs word pieces through the layers.
//!
//! Several texts go through together, one token below the other and without
//! padding: the linear layers do not care which text a row belongs to, and
//! attention looks at one text at a time. Every row is computed alone, so what
//! a text's neighbors are changes nothing about its vector.

use super::kernel::{self, Activations, Finish, Processor};
use super::math::{LANES, Strips, View};
use super::weights::{Config, Layer, Linear, Norm, Weights};

/// How the vectors of a text's tokens become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pooling {
    Mean,
    FirstToken,
}

/// A model ready to run.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) config: Config,
    pub(super) weights: Weights,
    pub(super) pooling: Pooling,
    pub(super) processor: Processor,
}

/// The state of a batch between layers, and room for what is in between.
struct Batch {
    /// Where each text's rows begin and end.
    texts: Vec<std::ops::Range<usize>>,
    /// The tokens' vectors, one row each.
    hidden: Vec<f32>,
    /// Queries, keys and values, later the intermediate vectors.
    wide: Vec<f32>,
    /// What a sublayer adds to the tokens' vectors.
    change: Vec<f32>,
    units: Vec<i16>,
    scales: Vec<f32>,
}

impl Network {
    /// The unit vector of each text, given as ids below the vocabulary's size,
    /// at most as many as the model has positions and at least one.
    pub(super) fn vectors(&self, texts: &[&[u32]]) -> Vec<Vec<f32>> {
        let mut batch = self.embedded(texts);
        for layer in &self.weights.layers {
            self.apply(layer, &mut batch);
        }
        batch.texts.iter().map(|rows| self.pooled(&batch.hidden, rows.clone())).collect()
    }

    /// Looks up each token and its position.
    fn embedded(&self, texts: &[&[u32]]) -> Batch {
        let width = self.config.hidden_size;
        let rows = texts.iter().map(|text| text.len()).sum::<usize>();
        let widest = self.config.intermediate_size.max(3 * width);
        let mut batch = Batch {
            texts: Vec::with_capacity(texts.len()),
            hidden: vec![0.0; rows * width],
            wide: vec![0.0; rows * widest],
            change: vec![0.0; rows * width],
            units: vec![0; rows * widest],
            scales: vec![0.0; rows],
        };
        let mut vectors = batch.hidden.chunks_exact_mut(width);
        let mut start = 0;
        for text in texts {
            batch.texts.push(start..start + text.len());
            start += text.len();
            for (position, (&id, vector)) in text.iter().zip(&mut vectors).enumerate() {
                vector.copy_from_slice(&self.weights.segment);
                self.weights.words.add_to(vector, id as usize);
                self.weights.positions.add_to(vector, position);
            }
        }
        self.normalize(&mut batch.hidden, &self.weights.norm);
        batch
    }

    fn apply(&self, layer: &Layer, batch: &mut Batch) {
        let Batch { texts, hidden, wide, change, units, scales } = batch;
        let width = self.config.hidden_size;
        let rows = scales.len();

        let queries_keys_values = &mut wide[..rows * 3 * width];
        self.linear(&layer.attention, false, hidden, (units, scales), queries_keys_values);
        for text in &*texts {
            let input = &queries_keys_values[text.start * 3 * width..text.end * 3 * width];
            self.attend(input, &mut change[text.start * width..text.end * width]);
        }
        let attended = &mut wide[..rows * width];
        self.linear(&layer.attention_output, false, change, (units, scales), attended);
        kernel::add(self.processor, hidden, attended);
        self.normalize(hidden, &layer.attention_norm);

        let between = &mut wide[..rows * self.config.intermediate_size];
        self.linear(&layer.intermediate, true, hidden, (units, scales), between);
        self.linear(&layer.output, false, between, (units, scales), change);
        kernel::add(self.processor, hidden, change);
        self.normalize(hidden, &layer.output_norm);
    }

    /// Applies a linear layer to rows of its input size.
    fn linear(
        &self,
        linear: &Linear,
        gelu: bool,
        input: &[f32],
        (units, scales): (&mut [i16], &mut [f32]),
        out: &mut [f32],
    ) {
        let units = &mut units[..input.len()];
        kernel::quantize(self.processor, input, linear.weights.inputs(), units, scales);
        let finish = Finish { scales: &linear.scales, biases: &linear.biases, gelu };
        kernel::linear(self.processor, Activations { units, scales }, &linear.weights, finish, out);
    }

    /// Lets the tokens of one text look at each other, head by head.
    fn attend(&self, queries_keys_values: &[f32], out: &mut [f32]) {
        let width = self.config.hidden_size;
        let stride = 3 * width;
        let head_width = width / self.config.num_attention_heads;
        let tokens = queries_keys_values.len() / stride;
        let padded = tokens.next_multiple_of(LANES);
        let factor = 1.0 / (head_width as f32).sqrt();

        // Keys lie on their side: a strip holds sixteen tokens.
        let mut keys = vec![[0.0; LANES]; head_width * padded / LANES];
        let mut values = vec![[0.0; LANES]; head_width / LANES * tokens];
        let mut scores = vec![0.0; tokens * padded];
        for head in (0..width).step_by(head_width) {
            for (token, row) in queries_keys_values.chunks_exact(stride).enumerate() {
                let strip = &mut keys[token / LANES * head_width..][..head_width];
                for (lanes, key) in strip.iter_mut().zip(&row[width + head..]) {
                    lanes[token % LANES] = *key;
                }
                let value = &row[2 * width + head..][..head_width];
                for (strip, lanes) in value.as_chunks::<LANES>().0.iter().enumerate() {
                    values[strip * tokens + token] = *lanes;
                }
            }
            let queries = View { values: &queries_keys_values[head..], stride };
            let keys = Strips { rows: &keys, height: head_width };
            kernel::product(self.processor, queries, keys, tokens, &mut scores, padded);
            kernel::softmax(self.processor, &mut scores, tokens, padded, factor);
            let shares = View { values: &scores, stride: padded };
            let values = Strips { rows: &values, height: tokens };
            kernel::product(self.processor, shares, values, tokens, &mut out[head..], width);
        }
    }

    fn normalize(&self, values: &mut [f32], norm: &Norm) {
        kernel::normalize(self.processor, values, &norm.scale, &norm.shift, self.config.layer_norm_eps);
    }

    /// One vector for the tokens of a text. The mean's divisor falls away when
    /// the vector is scaled to length one.
    fn pooled(&self, hidden: &[f32], rows: std::ops::Range<usize>) -> Vec<f32> {
        let width = self.config.hidden_size;
        let mut vector = hidden[rows.start * width..][..width].to_vec();
        if self.pooling == Pooling::Mean {
            for row in rows.skip(1) {
                kernel::add(self.processor, &mut vector, &hidden[row * width..][..width]);
            }
        }
        kernel::unit_length(self.processor, &mut vector);
        vector
    }
}
