//! Attention by kernels of ours is attention by Burn's operations, whole and in slices.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use trainyard_engine::{ForwardContext, Slice, mix, with_portable_kernels};
use trainyard_pretrained::{ModelConfig, Pretrained};

use super::heads::Heads;
use super::rope::Rope;

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

/// Mixed values, and gradients of queries, keys and values, of a context in slices of some lengths.
fn attend(heads: &Heads, batch: usize, lengths: &[usize]) -> Vec<Vec<f32>> {
    let (all, sizes) = (lengths.iter().sum(), heads.sizes);
    let inputs = [(1, sizes.width()), (2, sizes.key_width()), (3, sizes.key_width())]
        .map(|(seed, width)| leaf([batch, all, width], seed));
    let (mut seen, mut offset, mut mixed) = (None, 0, Vec::new());
    for (index, &length) in lengths.iter().enumerate() {
        let parts = inputs.each_ref().map(|input| input.clone().narrow(1, offset, length));
        let slice = Slice { index, of: lengths.len() };
        let context = ForwardContext { slice, offset, ..ForwardContext::default() };
        let (part, carried) = heads.attend(parts, seen, &context);
        mixed.push(part);
        (seen, offset) = (carried, offset + length);
    }
    let mixed = Tensor::cat(mixed, 1);
    let weights = leaf(mixed.dims(), 9).inner();
    let mut gradients = (mixed.clone() * weights).sum().backward();
    let of = inputs.map(|input| read(input.grad_remove(&mut gradients).unwrap()));
    [read(mixed.inner())].into_iter().chain(of).collect()
}

#[test]
fn attention_by_kernels_is_attention_by_operations() {
    for (heads, key_heads, head_width, window, share) in [
        (1, 1, 2, None, 1.0),
        (3, 1, 10, None, 1.0),
        (6, 2, 4, Some(5), 1.0),
        (4, 4, 12, Some(1), 0.5),
        (9, 3, 8, Some(100), 0.25),
    ] {
        let config = config(heads, key_heads, head_width, share);
        // Shorter than what comes, so that positions beyond it are looked up too.
        let heads = Heads::new(&config, window, Rope::new(&config, window.is_some(), 7));
        let expected = with_portable_kernels(|| attend(&heads, 2, &[13]));
        for lengths in [&[13][..], &[1; 13], &[4, 8, 1]] {
            let found = attend(&heads, 2, lengths);
            for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
                for (found, expected) in found.iter().zip(expected) {
                    let apart = (found - expected).abs();
                    let place = format!("{:?} {lengths:?}, {number}", heads.sizes);
                    assert!(apart <= 1e-5, "{place}: {found} is not {expected}");
                }
            }
        }
    }
}
