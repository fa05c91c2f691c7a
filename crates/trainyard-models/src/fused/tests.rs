//! Every fused operation against the composition of Burn operations it stands for.

use burn::module::Param;
use burn::tensor::activation::{gelu, log_softmax, softmax};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

/// Takes one more gradient out of a backward's result.
type TakeGradient<'a> = dyn Fn(&mut burn::tensor::Gradients) -> Vec<f32> + 'a;

/// Values in about −2 … 2 that repeat nowhere soon.
pub(super) fn some(count: usize, seed: u64) -> Vec<f32> {
    (0..count as u64)
        .map(|i| {
            let bits = trainyard_engine::mix(&[seed, i]) >> 40;
            (bits as f32 / (1_u64 << 24) as f32 - 0.5) * 4.0
        })
        .collect()
}

fn leaf<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    let values = some(shape.iter().product(), seed);
    Tensor::from_data(TensorData::new(values, shape), &Device::flex().autodiff()).require_grad()
}

fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec::<f32>().unwrap()
}

fn assert_close(ours: &[f32], reference: &[f32], what: &str) {
    assert_eq!(ours.len(), reference.len(), "{what}");
    // What cancels in a sum is exact to the size of its terms.
    let largest = reference.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    for (i, (ours, reference)) in ours.iter().zip(reference).enumerate() {
        let allowed = 1e-5 * reference.abs() + 1e-6 * largest.max(1.0);
        assert!((ours - reference).abs() <= allowed, "{what}[{i}]: {ours} is not {reference}");
    }
}

/// Checks value and gradient of a function of one tensor, and the value without a graph.
fn check<const D: usize, const E: usize>(
    x: &Tensor<D>,
    others: &[&TakeGradient<'_>],
    ours: impl Fn(Tensor<D>) -> Tensor<E>,
    reference: impl Fn(Tensor<D>) -> Tensor<E>,
) {
    let (ours, reference) = (&ours, &reference);
    let run = |function: &dyn Fn(Tensor<D>) -> Tensor<E>| {
        let output = function(x.clone());
        let seed = Tensor::<E>::from_data(
            TensorData::new(some(output.shape().num_elements(), 99), output.dims()),
            &Device::flex(),
        );
        let mut gradients = (output.clone() * seed).sum().backward();
        let mut found = vec![read(output.inner()), read(x.grad_remove(&mut gradients).unwrap())];
        found.extend(others.iter().map(|gradient| gradient(&mut gradients)));
        found
    };
    let (found, expected) = (run(ours), run(reference));
    for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_close(found, expected, &format!("output, then gradients: number {number}"));
    }
    let plain = ours(x.clone().inner());
    assert_eq!(read(plain), found[0], "the same bits with a graph and without");
}

#[test]
fn gelu_is_burns_gelu() {
    for shape in [[1, 1], [3, 5], [7, 33], [40, 512]] {
        check(&leaf(shape, 1).mul_scalar(1.0).detach().require_grad(), &[], super::gelu, gelu);
    }
    let tails: Vec<f32> = (-1200..=1200).map(|i| i as f32 * 0.01).collect();
    let tails = Tensor::<1>::from_data(TensorData::from(&*tails), &Device::flex().autodiff());
    check(&tails.require_grad(), &[], super::gelu, gelu);
}

#[test]
fn gelu_by_tanh_is_burns() {
    let burns = burn::tensor::activation::gelu_approximate;
    for shape in [[1, 1], [3, 5], [40, 512]] {
        let x = leaf(shape, 1).mul_scalar(3.0).detach().require_grad();
        check(&x, &[], super::gelu_tanh, burns);
    }
}

#[test]
fn layer_norm_is_burns_layer_norm() {
    for (shape, biased) in [
        ([1, 1, 1], false),
        ([2, 3, 5], true),
        ([3, 43, 37], false),
        ([2, 64, 128], true),
        ([5, 13, 130], true),
    ] {
        let (x, gain) = (leaf(shape, 1), leaf([shape[2]], 2));
        let bias = biased.then(|| leaf([shape[2]], 3));
        let of_gain = |g: &mut burn::tensor::Gradients| read(gain.grad_remove(g).unwrap());
        let of_bias = |g: &mut burn::tensor::Gradients| {
            bias.as_ref().map(|bias| read(bias.grad_remove(g).unwrap())).unwrap_or_default()
        };
        // A plain input meets plain weights.
        let weights = |x: &Tensor<3>| {
            if x.device().is_autodiff() {
                (gain.clone(), bias.clone())
            } else {
                (gain.clone().inner(), bias.clone().map(Tensor::inner))
            }
        };
        check(
            &x,
            &[&of_gain, &of_bias],
            |x| {
                let (gain, bias) = weights(&x);
                super::layer_norm(x, gain, bias, 1e-5)
            },
            |x| {
                let (gain, bias) = weights(&x);
                burn::tensor::module::layer_norm(x, gain, bias, 1e-5)
            },
        );
    }
}

fn composed_attention(projected: &Tensor<3>, heads: usize) -> Tensor<3> {
    let [batch, context, width] = projected.dims();
    let (width, device) = (width / 3, Device::flex());
    let [queries, keys, values] = [0, 1, 2].map(|part| {
        let part = projected.clone().narrow(2, part * width, width);
        part.reshape([batch, context, heads, width / heads]).swap_dims(1, 2)
    });
    let scale = 1.0 / ((width / heads) as f64).sqrt();
    let future: Vec<bool> = (0..context * context).map(|i| i % context > i / context).collect();
    let future = TensorData::new(future, [1, 1, context, context]);
    let future = Tensor::<4, Bool>::from_data(future, &device);
    let scores = queries.mul_scalar(scale).matmul(keys.transpose());
    let weights = softmax(scores.mask_fill(future, f32::NEG_INFINITY), 3);
    weights.matmul(values).swap_dims(1, 2).reshape([batch, context, width])
}

#[test]
fn causal_attention_is_the_composed_one() {
    for (batch, context, heads, head_width) in
        [(1, 1, 1, 1), (2, 5, 3, 7), (1, 33, 2, 8), (3, 64, 4, 32), (2, 37, 1, 41)]
    {
        check(
            &leaf([batch, context, 3 * heads * head_width], 1),
            &[],
            |projected| super::causal_attention(&projected, heads).unwrap(),
            |projected| composed_attention(&projected, heads),
        );
    }
}

/// [`super::causal_attention`] of the first positions, and of the others as slices behind them.
fn attention_in_slices(projected: &Tensor<3>, heads: usize, lengths: &[usize]) -> Tensor<3> {
    let width = projected.dims()[2] / 3;
    let mut first = 0;
    let slice = |&length: &usize| {
        let own = projected.clone().narrow(1, first, length);
        let seen = projected.clone().narrow(1, 0, first + length).narrow(2, width, 2 * width);
        let is_first = first == 0;
        first += length;
        if is_first {
            return super::causal_attention(&own, heads).unwrap();
        }
        super::continued_attention(&own.narrow(2, 0, width), &seen, heads).unwrap()
    };
    Tensor::cat(lengths.iter().map(slice).collect(), 1)
}

#[test]
fn attention_in_slices_is_that_of_the_whole() {
    for (batch, heads, head_width, lengths) in [
        (1, 1, 1, &[1, 1][..]),
        (2, 3, 7, &[2, 3]),
        (1, 2, 8, &[3, 5, 1, 24]),
        (3, 4, 32, &[16, 16, 16, 16]),
    ] {
        let context = lengths.iter().sum::<usize>();
        check(
            &leaf([batch, context, 3 * heads * head_width], 1),
            &[],
            |projected| attention_in_slices(&projected, heads, lengths),
            |projected| super::causal_attention(&projected, heads).unwrap(),
        );
    }
}

#[test]
fn cross_entropy_is_the_composed_one() {
    for (rows, classes) in [(1, 1), (3, 5), (130, 65), (64, 257)] {
        let target = |row: usize| i32::try_from(row * 7 % classes).unwrap();
        let targets: Vec<i32> = (0..rows).map(target).collect();
        let targets = TensorData::new(targets, [rows]);
        let targets = Tensor::<1, Int>::from_data(targets, &Device::flex());
        check(
            &leaf([rows, classes], 1),
            &[],
            |logits| super::cross_entropy(logits, targets.clone(), None),
            |logits| {
                log_softmax(logits, 1).gather(1, targets.clone().unsqueeze_dim(1)).mean().neg()
            },
        );
    }
}

/// What is left out counts in neither the mean nor its gradient, whatever number marks it.
#[test]
fn cross_entropy_is_over_the_targets_that_count() {
    for (rows, classes, ignored) in [(3, 5, -100), (130, 65, -100), (64, 257, 3)] {
        let target = |row: usize| match row % 3 {
            1 => ignored,
            _ => i32::try_from(row * 7 % classes).unwrap(),
        };
        let targets: Vec<i32> = (0..rows).map(target).collect();
        let counted: Vec<i32> =
            (0_i32..).zip(&targets).filter(|(_, t)| **t != ignored).map(|(row, _)| row).collect();
        let ints = |values: Vec<i32>| {
            let shape = [values.len()];
            Tensor::<1, Int>::from_data(TensorData::new(values, shape), &Device::flex())
        };
        let classes_of_counted = targets.iter().copied().filter(|&target| target != ignored);
        let (chosen, kept) = (ints(classes_of_counted.collect()), ints(counted));
        check(
            &leaf([rows, classes], 1),
            &[],
            |logits| super::cross_entropy(logits, ints(targets.clone()), Some(ignored.into())),
            |logits| {
                let logits = log_softmax(logits.select(0, kept.clone()), 1);
                logits.gather(1, chosen.clone().unsqueeze_dim(1)).mean().neg()
            },
        );
    }
    let none = Tensor::<1, Int>::from_data(TensorData::new(vec![-1_i32; 4], [4]), &Device::flex());
    let logits = leaf([4, 3], 1);
    let loss = super::cross_entropy(logits.clone(), none, Some(-1));
    let gradient = logits.grad_remove(&mut loss.clone().backward()).unwrap();
    assert_eq!((read(loss.inner()), read(gradient)), (vec![0.0], vec![0.0; 12]));
}

#[test]
fn causal_attentions_gradient_is_the_slope() {
    let (shape, heads, step) = ([1, 6, 3 * 8], 2, 1e-2_f32);
    let start = some(shape.iter().product(), 5);
    let output = |values: &[f32]| -> f64 {
        let x = Tensor::<3>::from_data(TensorData::new(values.to_vec(), shape), &Device::flex());
        let output = read(super::causal_attention(&x, heads).unwrap());
        output.iter().enumerate().map(|(i, &y)| f64::from(y) * (i as f64).cos()).sum()
    };
    let x = leaf(shape, 5);
    let y = super::causal_attention(&x, heads).unwrap();
    let seed: Vec<f32> = (0..6 * 8).map(|i| f64::from(i).cos() as f32).collect();
    let seed = Tensor::<3>::from_data(TensorData::new(seed, [1, 6, 8]), &Device::flex());
    let gradient = read(x.grad_remove(&mut (y * seed).sum().backward()).unwrap());
    for (i, &gradient) in gradient.iter().enumerate() {
        let at = |delta: f32| {
            let mut moved = start.clone();
            moved[i] += delta;
            output(&moved)
        };
        let slope = (at(step) - at(-step)) / f64::from(2.0 * step);
        assert!((slope - f64::from(gradient)).abs() < 1e-3, "{i}: {gradient} is not {slope}");
    }
}

#[test]
fn dropout_has_a_mask_of_its_own_for_every_seed() {
    let x = leaf([43, 501], 1);
    let run = |seed: u64| {
        let y = super::dropout(x.clone(), 0.25, seed);
        let gradient = x.grad_remove(&mut y.clone().sum().backward()).unwrap();
        (read(y.inner()), read(gradient))
    };
    let (values, mask) = run(5);
    let kept = 1.0_f32 / 0.75;
    for ((value, mask), x) in values.iter().zip(&mask).zip(read(x.clone().inner())) {
        assert!((*mask - kept).abs() < 1e-6 || mask.abs() < 1e-6, "{mask}");
        assert!((value - x * mask).abs() < 1e-6, "{x} times {mask} is not {value}");
    }
    assert_eq!(run(5).1, mask, "another mask at the second time");
    assert_ne!(run(6).1, mask);
    let composed = trainyard_engine::with_portable_kernels(|| run(5));
    assert_eq!(composed, (values, mask));
}

fn linear(x: Tensor<3>, weight: Tensor<2>) -> Tensor<3> {
    crate::nn::Linear { weight: Param::from_tensor(weight), bias: None }.forward(x)
}

#[test]
fn more_threads_give_the_same_bits() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (x, gain) = (leaf([8, 50, 96], 1), leaf([96], 2));
            let y = super::layer_norm(x.clone(), gain.clone(), None, 1e-5);
            let y = linear(y, leaf([96, 768], 3));
            let y = linear(y, leaf([768, 96], 4));
            let y = super::gelu(super::causal_attention(&y, 4).unwrap());
            let mut gradients = y.sum().backward();
            (
                read(x.grad_remove(&mut gradients).unwrap()),
                read(gain.grad_remove(&mut gradients).unwrap()),
            )
        })
    };
    assert_eq!(run(1), run(3));
}
