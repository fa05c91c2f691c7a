//! `gpt`: the nanoGPT shape. Token and position embedding, pre-norm causal blocks with GELU, final
//! norm and head (Radford et al. 2019; Karpathy's nanoGPT for sizes and initial weights).

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};
use trainyard_engine::{
    Activation, EngineError, ForwardContext, Layer, Model, PlacedLayer, Tie, place, weight,
};
use trainyard_plan::{LayerProfile, ModelProfile};

use crate::attention::{CausalAttention, LayerNorm, Linear, drop_out};
use crate::fused::{self, cross_entropy, gelu};
use crate::registry::{ModelError, must};
use crate::weight_init::WeightInit;

/// What a run file's `[model]` may say for `kind = "gpt"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GptOptions {
    /// Blocks.
    pub layers: usize,
    /// Attention heads of a block.
    pub heads: usize,
    /// Numbers a position is described by.
    pub width: usize,
    /// Positions the model sees at once.
    pub context: usize,
    /// Different tokens; from the data when absent.
    pub vocabulary: Option<usize>,
    /// Share of activations dropped in training.
    pub dropout: f64,
    /// Whether linear layers and norms have biases.
    pub bias: bool,
    /// Whether the head shares the embedding's weights.
    pub tied: bool,
}

impl Default for GptOptions {
    fn default() -> Self {
        Self {
            layers: 4,
            heads: 4,
            width: 128,
            context: 64,
            vocabulary: None,
            dropout: 0.0,
            bias: false,
            tied: true,
        }
    }
}

/// A GPT as an ordered list of layers: `embed`, `block0` …, `head`.
#[derive(Clone, Debug)]
pub struct Gpt {
    options: GptOptions,
    vocabulary: usize,
}

impl Gpt {
    /// Checks the sizes.
    ///
    /// # Errors
    /// [`ModelError`] naming the option that makes no sense.
    pub fn new(options: GptOptions, data_vocabulary: Option<usize>) -> Result<Self, ModelError> {
        let sizes = [
            ("layers", options.layers, 10_000),
            ("heads", options.heads, 10_000),
            ("width", options.width, 1_000_000),
            ("context", options.context, 1_000_000),
        ];
        for (name, value, most) in sizes {
            must((1..=most).contains(&value), name, &value, &format!("from 1 to {most}"))?;
        }
        let divides = options.width.is_multiple_of(options.heads);
        must(
            divides,
            "width",
            &options.width,
            &format!("a multiple of heads = {}", options.heads),
        )?;
        let share = options.dropout;
        must((0.0..1.0).contains(&share), "dropout", &share, "at least 0 and below 1")?;
        let vocabulary = options.vocabulary.or(data_vocabulary).unwrap_or(256);
        must(
            (1..=10_000_000).contains(&vocabulary),
            "vocabulary",
            &vocabulary,
            "from 1 to 10000000",
        )?;
        let needed = data_vocabulary.unwrap_or(0);
        let what = format!("at least {needed}, as many as the text has different characters");
        must(vocabulary >= needed, "vocabulary", &vocabulary, &what)?;
        Ok(Self { options, vocabulary })
    }

    /// Positions the model sees at once.
    pub fn context(&self) -> usize {
        self.options.context
    }

    /// Different tokens.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// nanoGPT's initial deviations: 0.02, and less for what adds to the residual stream.
    fn deviations(&self) -> [f32; 2] {
        [0.02, 0.02 / (2.0 * self.options.layers as f32).sqrt()]
    }

    fn token_weights(&self, seed: u64) -> (Vec<f32>, WeightInit) {
        let mut initial = WeightInit::new(seed, 0);
        (initial.normal(self.vocabulary * self.options.width, 0.02), initial)
    }
}

impl Model for Gpt {
    fn profile(&self, rows: usize) -> ModelProfile {
        let GptOptions { layers, heads, width, context, bias, tied, .. } = self.options;
        let costs = Costs { rows, context, width, heads, vocabulary: self.vocabulary, bias };
        let mut profiles = vec![costs.embed()];
        profiles.extend((0..layers).map(|block| costs.block(block)));
        profiles.push(costs.head(tied));
        ModelProfile {
            name: "gpt".to_owned(),
            optimizer_bytes_per_param_byte: 2,
            fresh_bytes_per_param_byte: 1,
            layers: profiles,
        }
    }

    fn build(&self, layer: usize, seed: u64, device: &Device) -> Result<PlacedLayer, EngineError> {
        let GptOptions { layers, width, context, dropout, bias, tied, .. } = self.options;
        if layer == 0 {
            let (tokens, mut initial) = self.token_weights(seed);
            return Ok(place(Embed {
                tokens: weight(tokens, [self.vocabulary, width], device),
                positions: weight(initial.normal(context * width, 0.02), [context, width], device),
                dropout,
            }));
        }
        if layer <= layers {
            let initial = &mut WeightInit::new(seed, layer);
            return Ok(place(Block::new(&self.options, self.deviations(), layer, initial, device)));
        }
        if layer == layers + 1 {
            let values = if tied {
                self.token_weights(seed).0
            } else {
                WeightInit::new(seed, layer).normal(self.vocabulary * width, 0.02)
            };
            return Ok(place(Head {
                norm: LayerNorm::new(width, bias, device),
                weight: weight(values, [self.vocabulary, width], device),
            }));
        }
        Err(EngineError::Layer {
            layer: layer.to_string(),
            reason: format!("this gpt has {} layers", layers + 2),
        })
    }

    /// Cross-entropy, the mean over all positions; output `[batch, context, vocabulary]`, targets
    /// `[batch, context]`.
    fn loss(&self, output: Activation, targets: Activation) -> Result<Tensor<1>, EngineError> {
        let logits: Tensor<3> = output.single()?;
        let targets: Tensor<2, Int> = targets.single()?;
        let [batch, context, vocabulary] = logits.dims();
        let rows = batch * context;
        Ok(cross_entropy(logits.reshape([rows, vocabulary]), targets.reshape([rows])))
    }

    fn ties(&self) -> Vec<Tie> {
        if !self.options.tied {
            return Vec::new();
        }
        let follower_layer = self.options.layers + 1;
        // In the head the norm's weights come first.
        let follower_weight = if self.options.bias { 2 } else { 1 };
        let elements = self.vocabulary * self.options.width;
        vec![Tie { owner_layer: 0, owner_weight: 0, follower_layer, follower_weight, elements }]
    }
}

/// Token and position embedding: `[batch, context]` to `[batch, context, width]`.
#[derive(Module, Debug)]
struct Embed {
    /// `[vocabulary, width]`
    tokens: Param<Tensor<2>>,
    /// `[context, width]`
    positions: Param<Tensor<2>>,
    dropout: f64,
}

impl Layer for Embed {
    fn forward(&self, input: Activation, pass: &ForwardContext) -> Result<Activation, EngineError> {
        let tokens: Tensor<2, Int> = input.single()?;
        let [_, context] = tokens.dims();
        let embedded = burn::tensor::module::embedding(self.tokens.val(), tokens);
        let positions = self.positions.val().narrow(0, 0, context).unsqueeze();
        Ok(drop_out(embedded + positions, self.dropout, pass, 0).into())
    }
}

/// Attention and a two-layer perceptron, each behind a norm and added to what came in.
#[derive(Module, Debug)]
struct Block {
    attention_norm: LayerNorm,
    attention: CausalAttention,
    perceptron_norm: LayerNorm,
    widen: Linear,
    narrow: Linear,
    dropout: f64,
    index: usize,
}

impl Block {
    fn new(
        options: &GptOptions,
        deviations: [f32; 2],
        index: usize,
        initial: &mut WeightInit,
        device: &Device,
    ) -> Self {
        let GptOptions { heads, width, dropout, bias, .. } = *options;
        let [deviation, deviation_out] = deviations;
        Self {
            attention_norm: LayerNorm::new(width, bias, device),
            attention: CausalAttention::new(
                width, heads, bias, dropout, deviations, initial, device,
            ),
            perceptron_norm: LayerNorm::new(width, bias, device),
            widen: Linear::new([width, 4 * width], bias, deviation, initial, device),
            narrow: Linear::new([4 * width, width], bias, deviation_out, initial, device),
            dropout,
            index,
        }
    }
}

impl Layer for Block {
    fn forward(&self, input: Activation, pass: &ForwardContext) -> Result<Activation, EngineError> {
        let x: Tensor<3> = input.single()?;
        // Three places of dropout a block, each with random numbers of its own.
        let site = |place: u64| self.index as u64 * 8 + place;
        let attended =
            self.attention.forward(self.attention_norm.forward(x.clone()), pass, site(0));
        let x = x + drop_out(attended, self.dropout, pass, site(1));
        let wide = gelu(self.widen.forward(self.perceptron_norm.forward(x.clone())));
        let x = x + drop_out(self.narrow.forward(wide), self.dropout, pass, site(2));
        Ok(x.into())
    }
}

/// Final norm and head: `[batch, context, width]` to `[batch, context, vocabulary]`.
#[derive(Module, Debug)]
struct Head {
    norm: LayerNorm,
    /// `[vocabulary, width]`, the embedding's own shape so that the two can be tied.
    weight: Param<Tensor<2>>,
}

impl Layer for Head {
    fn forward(
        &self,
        input: Activation,
        _pass: &ForwardContext,
    ) -> Result<Activation, EngineError> {
        let x: Tensor<3> = input.single()?;
        let x = self.norm.forward(x);
        Ok(fused::linear(x, self.weight.val().transpose(), None).into())
    }
}

/// Sizes from which the layers' costs follow. Bytes are for 32-bit floats.
struct Costs {
    rows: usize,
    context: usize,
    width: usize,
    heads: usize,
    vocabulary: usize,
    bias: bool,
}

impl Costs {
    fn tokens(&self) -> u64 {
        (self.rows * self.context) as u64
    }

    /// One activation `[rows, context, width]`.
    fn stream_bytes(&self) -> u64 {
        4 * self.tokens() * self.width as u64
    }

    fn embed(&self) -> LayerProfile {
        let width = self.width as u64;
        let param_bytes = 4 * (self.vocabulary + self.context) as u64 * width;
        LayerProfile {
            name: "embed".into(),
            kind: "embedding".into(),
            param_bytes,
            input_bytes: 4 * self.tokens(),
            output_bytes: self.stream_bytes(),
            saved_bytes: 8 * self.tokens(),
            // The gradient of the table is made as zeros first.
            workspace_bytes: 2 * self.stream_bytes() + 2 * param_bytes,
            forward_flops: self.tokens() * width,
            ..LayerProfile::default()
        }
    }

    fn block(&self, index: usize) -> LayerProfile {
        let width = self.width as u64;
        let biases = if self.bias { 11 * width } else { 0 };
        let scores = 4 * self.tokens() * (self.heads * self.context) as u64;
        let products = 2 * 12 * width * width + 4 * self.context as u64 * width;
        LayerProfile {
            name: format!("block{index}"),
            kind: "block".into(),
            param_bytes: 4 * (12 * width * width + 2 * width + biases),
            input_bytes: self.stream_bytes(),
            output_bytes: self.stream_bytes(),
            saved_bytes: BLOCK_SAVED_STREAMS * self.stream_bytes() + BLOCK_SAVED_SCORES * scores,
            workspace_bytes: 8 * self.stream_bytes() + 2 * scores,
            forward_flops: self.tokens() * products,
            ..LayerProfile::default()
        }
    }

    fn head(&self, tied: bool) -> LayerProfile {
        let (width, vocabulary) = (self.width as u64, self.vocabulary as u64);
        let logits = 4 * self.tokens() * vocabulary;
        let norm = if self.bias { 2 * width } else { width };
        LayerProfile {
            name: "head".into(),
            kind: "head".into(),
            param_bytes: 4 * (vocabulary * width + norm),
            input_bytes: self.stream_bytes(),
            output_bytes: logits,
            saved_bytes: 4 * self.stream_bytes() + HEAD_SAVED_LOGITS * logits,
            workspace_bytes: 3 * logits + 2 * self.stream_bytes(),
            forward_flops: 2 * self.tokens() * width * vocabulary,
            tied_to: tied.then(|| "embed".to_owned()),
            ..LayerProfile::default()
        }
    }
}

/// Activations `[rows, context, width]` that a block keeps where each operation is a kernel of its
/// own, as on a GPU. The fused operations of CPU devices keep fewer, so there this is an upper
/// bound (`tests/memory.rs`).
const BLOCK_SAVED_STREAMS: u64 = 22;
/// Attention matrices that a block keeps.
const BLOCK_SAVED_SCORES: u64 = 3;
/// Tensors of the logits' size that the head and the loss keep.
const HEAD_SAVED_LOGITS: u64 = 2;
