//! A table of vectors.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{
    Autodiff, Backend, DispatchKindConversion, DispatchTensor, Flex, TensorMetadata, Wgpu,
};
use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Int, Tensor};

use crate::fused::{AddRows, table_gradient};
use crate::recorded::{Input, record};
use crate::weighted::give_weight_gradient;

/// [`burn::nn::EmbeddingConfig`].
#[derive(Config, Debug)]
pub struct EmbeddingConfig {
    /// Vectors.
    pub n_embedding: usize,
    /// Numbers of a vector.
    pub d_model: usize,
    /// How the weights begin.
    #[config(default = "Initializer::Normal { mean: 0.0, std: 1.0 }")]
    pub initializer: Initializer,
}

impl EmbeddingConfig {
    /// Makes the layer.
    pub fn init(&self, device: &Device) -> Embedding {
        let burns = burn::nn::EmbeddingConfig::new(self.n_embedding, self.d_model)
            .with_initializer(self.initializer.clone())
            .init(device);
        Embedding { weight: burns.weight }
    }
}

/// [`burn::nn::Embedding`], with a weight gradient that can wait.
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[n_embedding, d_model]`
    pub weight: Param<Tensor<2>>,
}

impl Embedding {
    /// `[batch, length]` to `[batch, length, d_model]`
    pub fn forward(&self, input: Tensor<2, Int>) -> Tensor<3> {
        embedding(self.weight.val(), input, None)
    }
}

/// Looks up rows of `weight`: `[batch, length]` to `[batch, length, width]`. The row `left_out` gets no gradient.
pub(crate) fn embedding(
    weight: Tensor<2>,
    rows: Tensor<2, Int>,
    left_out: Option<u64>,
) -> Tensor<3> {
    run::<Flex>(&weight, &rows, left_out)
        .or_else(|| run::<Wgpu>(&weight, &rows, left_out))
        .unwrap_or_else(|| burn::tensor::module::embedding(weight, rows))
}

/// None where the weight is not in a graph of this backend.
fn run<B: AddRows>(
    weight: &Tensor<2>,
    rows: &Tensor<2, Int>,
    left_out: Option<u64>,
) -> Option<Tensor<3>>
where
    DispatchTensor: DispatchKindConversion<B> + DispatchKindConversion<Autodiff<B>>,
{
    let weight = weight.clone().try_into_primitive::<Autodiff<B>>().ok()?;
    // Not where nothing learns, as when a model writes.
    let learns = match left_out {
        Some(row) => {
            let learns = rows.clone().not_equal_elem(row.cast_signed()).float();
            Some(Input::<B>::of::<3>(&learns.unsqueeze_dim(2))?.into_values())
        }
        None => None,
    };
    let rows = match rows.clone().try_into_primitive::<Autodiff<B>>() {
        Ok(rows) => rows,
        Err(_) => rows.clone().try_into_primitive::<B>().ok()?,
    };
    let (weight, parent) = weight.into_parts();
    let output = B::embedding(weight.clone(), rows.clone());
    let saved = Saved::<B> { weight, rows, learns };
    let output = record(Lookup, [parent], saved, output);
    Some(Tensor::from_primitive::<Autodiff<B>>(output))
}

#[derive(Debug)]
struct Lookup;

#[derive(Clone, Debug)]
struct Saved<B: Backend> {
    weight: FloatTensor<B>,
    rows: IntTensor<B>,
    /// `[batch, length, 1]`: 0 where the row that was looked up gets no gradient, else 1.
    learns: Option<FloatTensor<B>>,
}

impl<B: AddRows> Backward<B, 1> for Lookup
where
    DispatchTensor: DispatchKindConversion<B>,
{
    type State = Saved<B>;

    fn backward(self, ops: Ops<Saved<B>, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let Saved { weight, rows, learns } = ops.state;
        let [parent] = ops.parents;
        let Some(parent) = parent else { return };
        let shape = weight.shape();
        give_weight_gradient::<B>(grads, parent.id, shape, move |sum| {
            let gradient = match learns {
                Some(learns) => B::float_mul(gradient, learns),
                None => gradient,
            };
            table_gradient::<B>(weight, gradient, rows, sum)
        });
    }
}
