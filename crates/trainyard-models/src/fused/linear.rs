//! A linear layer, `x·W (+ b)` on the last dimension.

use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;

use super::product::{Matrix, product};
use super::{Fused, Input, apply, shape, tensor, values};

/// `[…, inputs]` to `[…, outputs]`, with a weight `[inputs, outputs]`.
pub(crate) fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    let fused = match &bias {
        None => apply(Linear, [Input::of(&x), Input::of(&weight)]),
        Some(bias) => apply(Linear, [Input::of(&x), Input::of(&weight), Input::of(bias)]),
    };
    fused.unwrap_or_else(|| burn::tensor::module::linear(x, weight, bias))
}

#[derive(Clone, Debug)]
struct Linear;

/// Input and weight.
type Saved = (FlexTensor, FlexTensor);

fn run(x: FlexTensor, weight: FlexTensor, bias: Option<&FlexTensor>) -> (FlexTensor, Saved) {
    let [inputs, outputs] = sizes(&weight);
    let left = Matrix::new(values(&x), inputs);
    let mut output = product(left, Matrix::new(values(&weight), outputs));
    if let Some(bias) = bias.map(values) {
        for row in output.chunks_exact_mut(outputs) {
            for (output, bias) in row.iter_mut().zip(bias) {
                *output += bias;
            }
        }
    }
    let mut of_output = shape(&x);
    if let Some(last) = of_output.last_mut() {
        *last = outputs;
    }
    (tensor(output, of_output), (x, weight))
}

/// `∂x = ∂·Wᵀ`, `∂W = xᵀ·∂` and, summed over the rows in their order, `∂b = Σ ∂`.
fn reverse((x, weight): &Saved, gradient: &FlexTensor, wanted: [bool; 3]) -> [FlexTensor; 3] {
    let [inputs, outputs] = sizes(weight);
    let rows = Matrix::new(values(gradient), outputs);
    let nothing = || tensor(Vec::new(), [0]);
    let of_x = if wanted[0] {
        let weight = Matrix::new(values(weight), outputs).turned();
        tensor(product(rows, weight), shape(x))
    } else {
        nothing()
    };
    let of_weight = if wanted[1] {
        let x = Matrix::new(values(x), inputs).turned();
        tensor(product(x, rows), [inputs, outputs])
    } else {
        nothing()
    };
    let of_bias = if wanted[2] {
        let mut sums = vec![0.0; outputs];
        for row in values(gradient).chunks_exact(outputs) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
        tensor(sums, [outputs])
    } else {
        nothing()
    };
    [of_x, of_weight, of_bias]
}

fn sizes(weight: &FlexTensor) -> [usize; 2] {
    let shape = weight.layout().shape();
    [shape[0], shape[1]]
}

impl Fused<2> for Linear {
    type Saved = Saved;

    fn forward(&self, [x, weight]: [FlexTensor; 2]) -> (FlexTensor, Saved) {
        run(x, weight, None)
    }

    fn backward(&self, saved: Saved, gradient: FlexTensor, wanted: [bool; 2]) -> [FlexTensor; 2] {
        let [x, weight, _] = reverse(&saved, &gradient, [wanted[0], wanted[1], false]);
        [x, weight]
    }
}

impl Fused<3> for Linear {
    type Saved = Saved;

    fn forward(&self, [x, weight, bias]: [FlexTensor; 3]) -> (FlexTensor, Saved) {
        run(x, weight, Some(&bias))
    }

    fn backward(&self, saved: Saved, gradient: FlexTensor, wanted: [bool; 3]) -> [FlexTensor; 3] {
        reverse(&saved, &gradient, wanted)
    }
}
