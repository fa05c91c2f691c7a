//! Attention by kernels of ours is attention by Burn's operations, whole and in slices, and samples of one row give
//! what they give alone.

use std::path::Path;

use burn::tensor::{Device, Int, Tensor, TensorData};
use trainyard_engine::{ForwardContext, Slice, mix, with_portable_kernels};
use trainyard_pretrained::{ModelConfig, Pretrained};

use super::heads::Heads;
use super::rope::Rope;
use crate::fused::GroupedHeads;

/// A config with heads of some sizes.
fn config(heads: u64, key_value_heads: u64, head_width: u64, share: f64) -> ModelConfig {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hf/llama");
    let mut config = Pretrained::open(&folder).unwrap().config;
    if let Some(rope) = &mut config.rope {
        rope.share = share;
    }
    ModelConfig { heads, key_value_heads, head_width, attention_scale: 0.4, ..config }
}

fn leaf(shape: [usize; 3], seed: u64) -> Tensor<3> {
    let number = |i| (mix(&[seed, i]) >> 40) as f32 / (1_u64 << 23) as f32 - 1.0;
    let values: Vec<f32> = (0..shape.iter().product::<usize>() as u64).map(number).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex().autodiff()).require_grad()
}

fn read(tensor: Tensor<3>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

/// Segments of rows that all have the same ones.
fn segments(batch: usize, numbers: &[i32]) -> Tensor<2, Int> {
    let rows = TensorData::new(numbers.repeat(batch), [batch, numbers.len()]);
    Tensor::from_data(rows, &Device::flex())
}

/// Queries, keys and values.
fn inputs(heads: &Heads, batch: usize, positions: usize) -> [Tensor<3>; 3] {
    let sizes = heads.sizes;
    [(1, sizes.width()), (2, sizes.key_width()), (3, sizes.key_width())]
        .map(|(seed, width)| leaf([batch, positions, width], seed))
}

/// Mixed values, and gradients of queries, keys and values, of a context in slices of some lengths.
fn attend(
    heads: &Heads,
    batch: usize,
    lengths: &[usize],
    numbers: Option<&[i32]>,
) -> Vec<Vec<f32>> {
    let inputs = inputs(heads, batch, lengths.iter().sum());
    let (mut seen, mut offset, mut mixed) = (None, 0, Vec::new());
    for (index, &length) in lengths.iter().enumerate() {
        let parts = inputs.each_ref().map(|input| input.clone().narrow(1, offset, length));
        let slice = Slice { index, of: lengths.len() };
        let context = ForwardContext { slice, offset, ..ForwardContext::default() };
        let segments = numbers.map(|numbers| segments(batch, &numbers[..offset + length]));
        let (part, carried) = heads.attend(parts, seen, &context, segments);
        mixed.push(part);
        (seen, offset) = (carried, offset + length);
    }
    gradients(Tensor::cat(mixed, 1), inputs)
}

fn gradients(mixed: Tensor<3>, inputs: [Tensor<3>; 3]) -> Vec<Vec<f32>> {
    let weights = leaf(mixed.dims(), 9).inner();
    let mut gradients = (mixed.clone() * weights).sum().backward();
    let of = inputs.map(|input| read(input.grad_remove(&mut gradients).unwrap()));
    [read(mixed.inner())].into_iter().chain(of).collect()
}

fn assert_close(found: &[Vec<f32>], expected: &[Vec<f32>], place: &str) {
    for (number, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            let apart = (found - expected).abs();
            assert!(apart <= 1e-5, "{place}, {number}: {found} is not {expected}");
        }
    }
}

/// Heads and key heads, numbers of a head, window, share that turns.
const SIZES: [(u64, u64, u64, Option<u64>, f64); 5] = [
    (1, 1, 2, None, 1.0),
    (3, 1, 10, None, 1.0),
    (6, 2, 4, Some(5), 1.0),
    (4, 4, 12, Some(1), 0.5),
    (9, 3, 8, Some(100), 0.25),
];

fn heads(
    (heads, key_heads, head_width, window, share): (u64, u64, u64, Option<u64>, f64),
) -> Heads {
    let config = config(heads, key_heads, head_width, share);
    // Shorter than what comes, so that positions beyond it are looked up too.
    Heads::new(&config, window, Rope::new(&config, window.is_some(), 7))
}

/// One, several of unlike lengths, one position each, and numbers that come again behind others.
const SEGMENTS: [Option<[i32; 13]>; 5] = [
    None,
    Some([1; 13]),
    Some([1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 4, 4, 0]),
    Some([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]),
    Some([1, 1, 2, 1, 3, 3, 1, 2, 2, 5, 0, 5, 0]),
];

#[test]
fn attention_by_kernels_is_attention_by_operations() {
    for sizes in SIZES {
        let heads = heads(sizes);
        for numbers in &SEGMENTS {
            let numbers = numbers.as_ref().map(|numbers| &numbers[..]);
            let expected = with_portable_kernels(|| attend(&heads, 2, &[13], numbers));
            for lengths in [&[13][..], &[1; 13], &[4, 8, 1]] {
                let place = format!("{:?} {lengths:?} {numbers:?}", heads.sizes);
                assert_close(&attend(&heads, 2, lengths, numbers), &expected, &place);
                if numbers.is_some() {
                    let composed = || attend(&heads, 2, lengths, numbers);
                    assert_close(&with_portable_kernels(composed), &expected, &place);
                }
            }
        }
    }
}

#[test]
fn attention_to_both_sides_by_kernels_is_that_by_operations() {
    for sizes in SIZES {
        let mut heads = heads(sizes);
        heads.sizes.is_causal = false;
        for numbers in &SEGMENTS {
            let numbers = numbers.as_ref().map(|numbers| &numbers[..]);
            let expected = with_portable_kernels(|| attend(&heads, 2, &[13], numbers));
            let place = format!("{:?} {numbers:?}", heads.sizes);
            assert_close(&attend(&heads, 2, &[13], numbers), &expected, &place);
        }
        // Of positions that all see all, the last is seen by the first.
        let found = attend(&heads, 1, &[13], None);
        let width = heads.sizes.key_width();
        let of_last_value = &found[3][12 * width..];
        let reach = heads.sizes.window.min(13);
        let causal = { Heads { sizes: GroupedHeads { is_causal: true, ..heads.sizes }, ..heads } };
        let is_same = attend(&causal, 1, &[13], None)[3][12 * width..] == *of_last_value;
        assert_eq!(is_same, reach == 1);
    }
}

/// By kernels and by operations, to one side and to both, with a bound of products and without.
#[test]
fn samples_of_one_row_are_mixed_as_alone() {
    let lengths = [3, 1, 6, 2];
    let numbers: Vec<i32> =
        lengths.iter().zip(1..).flat_map(|(length, number)| vec![number; *length]).collect();
    for sizes in SIZES {
        for (is_causal, cap) in [(true, None), (false, None), (true, Some(1.5)), (false, Some(1.5))]
        {
            let mut heads = heads(sizes);
            (heads.sizes.is_causal, heads.cap) = (is_causal, cap);
            let alone = |heads: &Heads| {
                let (inputs, mut at) = (inputs(heads, 2, 12), 0);
                let of_one = |length: &usize| {
                    let parts = inputs.each_ref().map(|it| it.clone().narrow(1, at, *length));
                    at += length;
                    heads.attend(parts, None, &ForwardContext::default(), None).0
                };
                let mixed = Tensor::cat(lengths.iter().map(of_one).collect(), 1);
                gradients(mixed, inputs)
            };
            let packed = || attend(&heads, 2, &[12], Some(&numbers));
            let expected = with_portable_kernels(|| alone(&heads));
            let place = format!("{:?} {cap:?}", heads.sizes);
            assert_close(&packed(), &expected, &place);
            assert_close(&with_portable_kernels(packed), &expected, &place);
        }
    }
}
