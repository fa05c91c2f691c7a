//! `gpt`: the nanoGPT shape. Token and position embedding, pre-norm causal blocks with GELU, final
//! norm and head (Radford et al. 2019; Karpathy's nanoGPT for sizes and initial weights).

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor};
use trainyard_config::{BadKey, ConfigError, KeyGroup, keys, must};
use trainyard_data::IGNORED;
use trainyard_engine::{
    CrossEntropy, EngineError, ErasedLayer, ForwardContext, Layer, LayerSpec, Model, Tensors,
    erase, no_such_layer, weight,
};

use crate::attention::{CausalAttention, LayerNorm};
use crate::carried::{KEYS_AND_VALUES, asked_for, run_block};
use crate::fused::{self, gelu};
use crate::nn::{self, Dropout, DropoutConfig, Linear};
use crate::recipe::{Job, Recipe, RecipeError, Request, needs_text};
use crate::weight_init::WeightInit;

keys! {
    /// A GPT of nanoGPT's shape, which learns to continue a text.
    pub struct GptOptions in "model", check = check {
        /// Blocks.
        layers: usize = 4, in 1..=10_000;
        /// Attention heads of a block.
        heads: usize = 4, in 1..=10_000;
        /// Numbers a position is described by; a multiple of heads.
        width: usize = 128, in 1..=1_000_000;
        /// Positions the model sees at once.
        context: usize = 64, in 1..=1_000_000;
        /// Different tokens; as many as the data have where it is not given.
        vocabulary: Option<usize>, in 1..=10_000_000;
        /// Share of activations dropped in training.
        dropout: f64 = 0.0, must("at least 0 and below 1", |share| (0.0..1.0).contains(share));
        /// Whether linear layers and norms have biases.
        bias: bool = false;
        /// Whether the head shares the embedding's weights.
        tied: bool = true;
    }
}

fn check(options: &GptOptions) -> Result<(), BadKey> {
    let GptOptions { width, heads, .. } = *options;
    must(width.is_multiple_of(heads), "width", &width, format!("a multiple of heads = {heads}"))
}

/// `kind = "gpt"`: learns from `tokens` and the `targets` that follow them.
pub struct GptRecipe;

impl Recipe for GptRecipe {
    fn group(&self) -> KeyGroup {
        KeyGroup::of::<GptOptions>("gpt")
    }

    fn load(&self, request: &Request<'_>) -> Result<Job, RecipeError> {
        let options: GptOptions = request.options()?;
        let context = i64::try_from(options.context).unwrap_or(i64::MAX);
        let data = request.open_data(None, &[("context", context.into())])?;
        if let Some(data) = &data {
            needs_text(("gpt", "gpt", None), options.context, data.info())?;
        }
        let of_data = data.as_ref().map(|data| data.info().token_count);
        let vocabulary = request.vocabulary.or(of_data);
        let model = Gpt::new(options, vocabulary)?;
        Ok(Job {
            context: Some(model.context()),
            model: Arc::new(model),
            objective: Arc::new(objective()),
            data,
        })
    }
}

/// Cross-entropy over the tokens that are to be learned, in one pass on CPU devices.
pub fn objective() -> CrossEntropy {
    CrossEntropy {
        ignore_index: Some(IGNORED.into()),
        kernel: fused::cross_entropy,
        ..CrossEntropy::tokens()
    }
}

/// A GPT as an ordered list of layers: `embed`, `block0` …, `head`.
#[derive(Clone, Debug)]
pub struct Gpt {
    options: GptOptions,
    vocabulary: usize,
}

impl Gpt {
    /// A model for data of so many different tokens.
    ///
    /// # Errors
    /// [`ConfigError`] for a vocabulary that is smaller than that of the data.
    pub fn new(options: GptOptions, data_vocabulary: Option<usize>) -> Result<Self, ConfigError> {
        let vocabulary = options.vocabulary.or(data_vocabulary).unwrap_or(256);
        let needed = data_vocabulary.unwrap_or(0);
        let what = format!("at least {needed}, as many as the text has different tokens");
        let enough = must(vocabulary >= needed, "vocabulary", &vocabulary, what);
        enough.map_err(|bad| bad.in_section("model"))?;
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
}

impl Model for Gpt {
    fn name(&self) -> &'static str {
        "gpt"
    }

    fn layers(&self) -> Vec<LayerSpec> {
        let embed = LayerSpec::new("embed", "embedding").takes(&["tokens"]);
        let mut layers = vec![embed.in_slices()];
        let block =
            |block| LayerSpec::new(format!("block{block}"), "block").carries(&[KEYS_AND_VALUES]);
        layers.extend((0..self.options.layers).map(block));
        let head = LayerSpec::new("head", "head").gives(&["logits"]).in_slices();
        let tied = self.options.tied;
        layers.push(if tied { head.shares("weight", "embed", "tokens") } else { head });
        layers
    }

    fn build(&self, layer: usize, seed: u64, device: &Device) -> Result<ErasedLayer, EngineError> {
        let GptOptions { layers, width, context, dropout, bias, .. } = self.options;
        let initial = &mut WeightInit::new(seed, layer);
        if layer == 0 {
            let tokens = initial.normal([self.vocabulary, width], 0.02)?;
            return Ok(erase(Embed {
                tokens: weight(tokens, [self.vocabulary, width], device),
                positions: weight(
                    initial.normal([context, width], 0.02)?,
                    [context, width],
                    device,
                ),
                dropout: DropoutConfig::new(dropout).init(),
            }));
        }
        if layer <= layers {
            let block = Block::new(&self.options, self.deviations(), initial, device)?;
            return Ok(erase(block));
        }
        if layer == layers + 1 {
            let values = initial.normal([self.vocabulary, width], 0.02)?;
            return Ok(erase(Head {
                norm: LayerNorm::new(width, bias, device),
                weight: weight(values, [self.vocabulary, width], device),
            }));
        }
        Err(no_such_layer("gpt", layer, layers + 2))
    }
}

/// Token and position embedding: `[batch, context]` to `[batch, context, width]`.
#[derive(Module, Debug)]
struct Embed {
    /// `[vocabulary, width]`
    tokens: Param<Tensor<2>>,
    /// `[context, width]`
    positions: Param<Tensor<2>>,
    dropout: Dropout,
}

impl Layer for Embed {
    fn forward(
        &self,
        mut input: Tensors,
        context: &ForwardContext,
    ) -> Result<Tensors, EngineError> {
        let tokens: Tensor<2, Int> = input.take("tokens")?;
        let [_, length] = tokens.dims();
        let embedded = nn::embedding(self.tokens.val(), tokens, None);
        let positions = self.positions.val().narrow(0, context.offset, length).unsqueeze();
        Ok(Tensors::new().with("x", self.dropout.forward(embedded + positions)))
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
    dropout: Dropout,
}

impl Block {
    fn new(
        options: &GptOptions,
        deviations: [f32; 2],
        initial: &mut WeightInit,
        device: &Device,
    ) -> Result<Self, EngineError> {
        let GptOptions { heads, width, dropout, bias, .. } = *options;
        let [deviation, deviation_out] = deviations;
        Ok(Self {
            attention_norm: LayerNorm::new(width, bias, device),
            attention: CausalAttention::new(
                width, heads, bias, dropout, deviations, initial, device,
            )?,
            perceptron_norm: LayerNorm::new(width, bias, device),
            widen: initial.linear([width, 4 * width], bias, deviation, device)?,
            narrow: initial.linear([4 * width, width], bias, deviation_out, device)?,
            dropout: DropoutConfig::new(dropout).init(),
        })
    }
}

impl Layer for Block {
    fn forward(&self, input: Tensors, context: &ForwardContext) -> Result<Tensors, EngineError> {
        run_block(input, context, |x, seen, _| {
            let normed = self.attention_norm.forward(x.clone());
            let (attended, seen) = self.attention.forward(normed, seen, context);
            let x = x + self.dropout.forward(attended);
            let wide = gelu(self.widen.forward(self.perceptron_norm.forward(x.clone())));
            (x + self.dropout.forward(self.narrow.forward(wide)), seen)
        })
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
        mut input: Tensors,
        context: &ForwardContext,
    ) -> Result<Tensors, EngineError> {
        let x = self.norm.forward(asked_for(input.take("x")?, context));
        let logits = nn::linear_turned(x, self.weight.val(), None);
        Ok(Tensors::new().with("logits", logits))
    }
}
