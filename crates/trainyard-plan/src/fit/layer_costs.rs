//! The costs of a transformer's layers from its sizes, where none has run.
//!
//! All numbers but packed weights are 32-bit floats; where a device computes products in sixteen bits, what is kept
//! of these has two bytes a number. For `P` positions, `R` rows of `T`:
//!
//! - **Weights.** Full training trains all of them. `LoRA` (Hu et al., arXiv 2106.09685) freezes them, and trains
//!   `rank × (inputs + outputs)` numbers beside each product of a block. `QLoRA` (Dettmers et al., arXiv 2305.14314)
//!   has the same adapters beside products that stay packed, and unpacks one at a time.
//! - **Kept by a block from forward to backward**, a position: what each norm takes; what attention and the
//!   products beside it take; queries, keys, values and the mixed values; the numbers inside, three times where
//!   they are gated, else twice; and of an adapter, its `rank` numbers. The weights of attention come on top,
//!   `R × heads × T²`: devices with a kernel that makes them anew need less.
//! - **For a moment** there are the gradients of the numbers inside and of two inputs, or the logits, or two
//!   gradients of the embedding, and an unpacked product, or a part of it ([`UNPACKED_NUMBERS`]).
//! - **Operations** are those of products: `2 P` a weight, and `4 R T²` a number of the queries for attention, half
//!   of that where no position sees those after it. A backward does the same again for its input, and for
//!   the weights that train; attention's is twice its forward.

use super::Method;
use super::transformer::{Product, Transformer, TransformerLayer, TransformerPart};
use crate::memory::UNPACKED_NUMBERS;
use crate::{BatchTensor, LayerProfile, ModelProfile, TensorProfile};

/// Bytes of a number.
const FLOAT: u64 = 4;
/// Bytes of one in sixteen bits.
const HALF: u64 = 2;
/// Bytes of a token.
const TOKEN: u64 = 8;

/// What one micro-batch has.
#[derive(Clone, Copy, Debug)]
pub(super) struct MicroBatchSize {
    /// Rows.
    pub(super) rows: u64,
    /// Positions of a row.
    pub(super) context: u64,
}

/// Floating-point operations of a layer for one micro-batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Operations {
    pub(super) forward: f64,
    pub(super) input_gradient: f64,
    pub(super) weight_gradient: f64,
}

impl Transformer {
    /// Costs of its layers for a micro-batch, and their operations.
    pub(super) fn costs(
        &self,
        method: Method,
        size: MicroBatchSize,
    ) -> (ModelProfile, Vec<Operations>) {
        let names = self.layers.iter().map(|layer| layer.name.clone()).skip(1).map(Some);
        let next = names.chain([None]);
        let layers = self.layers.iter().zip(next).map(|(layer, next)| {
            let of_layer = OfLayer { model: self, layer, method, size, of_products: FLOAT };
            (of_layer.profile(next), of_layer.operations())
        });
        let (layers, operations) = layers.unzip();
        let model = ModelProfile {
            name: self.name.clone(),
            // AdamW's two moments.
            optimizer_bytes_per_param_byte: 2,
            layers,
            ..ModelProfile::default()
        };
        (model, operations)
    }

    /// What layers keep where products are in sixteen bits, and what their largest rounded weight takes for a
    /// moment.
    pub(super) fn bytes_in_sixteen_bits(
        &self,
        method: Method,
        size: MicroBatchSize,
    ) -> (Vec<u64>, Vec<u64>) {
        let of_layer = |layer| {
            let of_layer = OfLayer { model: self, layer, method, size, of_products: HALF };
            let saved = if of_layer.is_forward_only() { 0 } else { of_layer.saved_bytes() };
            let rounded = match layer.kind {
                TransformerPart::Embedding => 0,
                TransformerPart::Block => of_layer.largest_product(),
                TransformerPart::Head => self.logits.saturating_mul(self.width),
            };
            (saved, HALF.saturating_mul(rounded))
        };
        self.layers.iter().map(of_layer).unzip()
    }
}

struct OfLayer<'a> {
    model: &'a Transformer,
    layer: &'a TransformerLayer,
    method: Method,
    size: MicroBatchSize,
    /// Bytes of a number that is kept for products and functions by elements.
    of_products: u64,
}

impl OfLayer<'_> {
    fn positions(&self) -> u64 {
        self.size.rows.saturating_mul(self.size.context)
    }

    /// Bytes of so many numbers a position.
    fn of_positions(&self, numbers: u64) -> u64 {
        product(&[FLOAT, self.positions(), numbers])
    }

    fn sum(&self, of: impl Fn(Product) -> u64) -> u64 {
        self.layer.products.iter().map(|it| of(*it)).fold(0, u64::saturating_add)
    }

    /// Numbers of the adapters.
    fn adapters(&self) -> u64 {
        self.sum(|it| it.adapter(self.method.rank().unwrap_or(0)))
    }

    fn numbers(&self) -> u64 {
        self.sum(Product::numbers).saturating_add(self.layer.others)
    }

    fn is_trained(&self) -> bool {
        self.method.rank().is_none() || !self.layer.products.is_empty()
    }

    /// Whether nothing before it trains, nor it.
    fn is_forward_only(&self) -> bool {
        self.layer.kind == TransformerPart::Embedding && !self.is_trained()
    }

    /// Numbers inside that are kept.
    fn inside(&self) -> u64 {
        let times = if self.model.gated { 3 } else { 2 };
        self.model.feed_forward.saturating_mul(times)
    }

    fn saved_bytes(&self) -> u64 {
        let Transformer { width, queries, keys_and_values, norms, .. } = *self.model;
        match self.layer.kind {
            TransformerPart::Embedding => product(&[TOKEN, self.positions()]),
            TransformerPart::Head => {
                let all = self.of_positions(width.saturating_add(self.model.logits));
                all.saturating_add(product(&[self.of_products, self.positions(), width]))
            }
            TransformerPart::Block => {
                let of_heads = queries.saturating_add(keys_and_values / 2);
                let ranks = self.layer.products.len() as u64 * self.method.rank().unwrap_or(0);
                let of_heads = if self.model.norms_heads { of_heads } else { 0 };
                let of_norms = width.saturating_mul(norms).saturating_add(of_heads);
                let (width, queries) = (width.saturating_mul(2), queries.saturating_mul(2));
                let numbers = [width, queries, keys_and_values, self.inside(), ranks];
                let MicroBatchSize { rows, context } = self.size;
                let attention = product(&[FLOAT, rows, self.model.heads, context, context]);
                let numbers = numbers.into_iter().fold(0, u64::saturating_add);
                let of_products = product(&[self.of_products, self.positions(), numbers]);
                of_products.saturating_add(self.of_positions(of_norms)).saturating_add(attention)
            }
        }
    }

    fn workspace_bytes(&self) -> u64 {
        let width = self.model.width;
        let numbers = match self.layer.kind {
            TransformerPart::Embedding => width,
            TransformerPart::Block => self.inside().saturating_add(width.saturating_mul(2)),
            TransformerPart::Head => self.model.logits,
        };
        let weights = match self.method {
            Method::Qlora { .. } => self.unpacked(),
            // The gradient of vectors of tokens is as large as all of them, and there are two.
            Method::Full if self.layer.kind == TransformerPart::Embedding => {
                self.layer.others.saturating_mul(2)
            }
            Method::Full | Method::Lora { .. } => 0,
        };
        self.of_positions(numbers).saturating_add(FLOAT.saturating_mul(weights))
    }

    /// Numbers that are made of blocks at a time; of vectors of tokens no more than those that are looked up.
    fn unpacked(&self) -> u64 {
        let of_head = self.layer.packed.filter(|_| self.layer.kind == TransformerPart::Head);
        let numbers = self.largest_product().max(of_head.map_or(0, Product::numbers));
        numbers.min(UNPACKED_NUMBERS)
    }

    fn largest_product(&self) -> u64 {
        self.layer.products.iter().map(|it| it.numbers()).max().unwrap_or(0)
    }

    /// Trained and frozen weights, in bytes.
    fn weight_bytes(&self) -> (u64, u64) {
        let all = FLOAT.saturating_mul(self.numbers());
        let adapters = FLOAT.saturating_mul(self.adapters());
        match self.method {
            Method::Full => (all, 0),
            Method::Lora { .. } => (adapters, all),
            Method::Qlora { .. } => {
                let packed = self.sum(|it| it.packed_bytes);
                let other = self.layer.packed.unwrap_or_default();
                let numbers = self.layer.others.saturating_sub(other.numbers());
                let others = FLOAT.saturating_mul(numbers).saturating_add(other.packed_bytes);
                (adapters, others.saturating_add(packed))
            }
        }
    }

    fn largest_weight_bytes(&self) -> u64 {
        let product = match self.method {
            Method::Qlora { .. } => {
                self.layer.products.iter().map(|it| it.packed_bytes).max().unwrap_or(0)
            }
            Method::Full | Method::Lora { .. } => FLOAT.saturating_mul(self.largest_product()),
        };
        let other = match (self.method, self.layer.packed) {
            (Method::Qlora { .. }, Some(packed)) => packed.packed_bytes,
            _ => FLOAT.saturating_mul(self.layer.largest_other),
        };
        product.max(other)
    }

    fn profile(&self, next: Option<String>) -> LayerProfile {
        let (param_bytes, frozen_bytes) = self.weight_bytes();
        let vectors = self.of_positions(self.model.width);
        let tokens = product(&[TOKEN, self.positions()]);
        let is_first = self.layer.kind == TransformerPart::Embedding;
        let is_last = next.is_none();
        let gradient_bytes = if self.is_forward_only() { 0 } else { vectors };
        let given = |next: String| TensorProfile {
            name: "x".to_owned(),
            bytes: vectors,
            gradient_bytes,
            to: vec![next],
        };
        let of_batch = |name: &str| BatchTensor { name: name.to_owned(), bytes: tokens };
        let batch = [(is_first, "tokens"), (is_last, "targets")].into_iter();
        let batch: Vec<_> = batch.filter(|(has, _)| *has).map(|(_, name)| of_batch(name)).collect();
        let from_before = if is_first { 0 } else { vectors };
        let inside = self.model.feed_forward.max(self.model.width);
        let widest = match self.layer.kind {
            TransformerPart::Head => self.model.logits.max(self.model.width),
            TransformerPart::Embedding | TransformerPart::Block => inside,
        };
        LayerProfile {
            name: self.layer.name.clone(),
            kind: self.layer.kind.text().to_owned(),
            param_bytes,
            frozen_bytes,
            frozen_as: match self.method {
                Method::Qlora { .. } => self.layer.packed_as.clone(),
                Method::Full | Method::Lora { .. } => Vec::new(),
            },
            // Gains and biases come of a backward at its end; products add to their sums as they go.
            fresh_bytes: Some(match self.method {
                Method::Full if self.layer.kind == TransformerPart::Block => {
                    FLOAT.saturating_mul(self.layer.others)
                }
                _ => 0,
            }),
            input_bytes: from_before.saturating_add(tokens.saturating_mul(batch.len() as u64)),
            output_bytes: if is_last { FLOAT } else { vectors },
            saved_bytes: if self.is_forward_only() { 0 } else { self.saved_bytes() },
            input_saved_bytes: if is_first { 0 } else { vectors },
            workspace_bytes: self.workspace_bytes(),
            largest_weight_bytes: self.largest_weight_bytes(),
            largest_tensor_bytes: self.of_positions(widest),
            forward_flops: self.operations().forward as u64,
            // What is frozen has no gradient that would go to an owner.
            tied_to: self.layer.tied_to.clone().filter(|_| param_bytes > 0),
            gives: next.map(given).into_iter().collect(),
            batch,
            ..LayerProfile::default()
        }
    }

    fn operations(&self) -> Operations {
        let positions = self.positions() as f64;
        let MicroBatchSize { rows, context } = self.size;
        let products = 2.0 * positions * self.sum(Product::numbers) as f64;
        let adapters = 2.0 * positions * self.adapters() as f64;
        let vocabulary = (self.model.logits as f64) * self.model.width as f64;
        let (products, attention) = match self.layer.kind {
            // Rows are looked up.
            TransformerPart::Embedding => (0.0, 0.0),
            TransformerPart::Head => (2.0 * positions * vocabulary, 0.0),
            TransformerPart::Block => {
                let seen = if self.model.causal { 2.0 } else { 4.0 };
                let squares = rows as f64 * (context as f64).powi(2);
                (products, seen * squares * self.model.queries as f64)
            }
        };
        let forward = products + attention + adapters;
        if self.layer.kind == TransformerPart::Embedding {
            return Operations { forward, ..Operations::default() };
        }
        Operations {
            forward,
            input_gradient: products + 2.0 * attention + adapters,
            weight_gradient: if self.method.rank().is_none() { products } else { adapters },
        }
    }
}

fn product(of: &[u64]) -> u64 {
    of.iter().fold(1, |all, size| all.saturating_mul(*size))
}
