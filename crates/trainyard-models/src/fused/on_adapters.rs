//! Every kernel of wgpu devices against its twin of CPU devices, forward and backward, on every adapter
//! of the machine.

#[path = "../../../trainyard-engine/tests/adapter/mod.rs"]
mod adapter;

use burn::tensor::{Device as BurnDevice, Gradients, Int, Tensor, TensorData};
use trainyard_engine::Device;
use trainyard_engine::kernels::{KernelSet, with_kernels};

use super::tests::some;
use crate::nn::{embedding, linear, linear_turned};

/// Numbers of rows: one, less and more than a workgroup has, and no multiple of it.
const ROWS: [usize; 4] = [1, 3, 33, 257];

/// Values and gradients, each flat.
type Numbers = Vec<Vec<f32>>;

/// Runs a function on the CPU, and with every kernel of ours on each adapter. `function` is given a device.
fn equal_on_every_adapter(what: &str, function: &dyn Fn(&BurnDevice) -> Numbers) {
    let expected = function(&BurnDevice::flex());
    for device in adapters() {
        let name = format!("{what} on {}", device.id());
        let found = with_kernels(&device, KernelSet::all(), || function(device.burn()));
        assert_eq!(found.len(), expected.len());
        for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_near(&format!("{name}, number {number}"), found, expected);
        }
    }
}

/// Opened once: Burn keeps a device until the program ends.
fn adapters() -> Vec<Device> {
    let open = |(name, info): (&str, _)| Device::open(name, &info, 1 << 30, 1).unwrap();
    adapter::known().into_iter().map(open).collect()
}

fn assert_near(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let allowed = 2e-5 * largest.max(1.0);
        assert!((found - expected).abs() <= allowed, "{what}[{i}]: {found} is not {expected}");
    }
}

fn leaf<const D: usize>(shape: [usize; D], salt: u64, device: &BurnDevice) -> Tensor<D> {
    plain(shape, salt, device).autodiff().require_grad()
}

fn plain<const D: usize>(shape: [usize; D], salt: u64, device: &BurnDevice) -> Tensor<D> {
    let values = some(shape.iter().product(), salt);
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

/// A backward from a gradient whose elements differ.
fn backward<const D: usize>(output: &Tensor<D>, device: &BurnDevice) -> Gradients {
    weighted_sum(output, device).backward()
}

fn weighted_sum<const D: usize>(output: &Tensor<D>, device: &BurnDevice) -> Tensor<1> {
    (output.clone() * plain(output.dims(), 99, device).autodiff()).sum()
}

fn of<const D: usize>(leaf: &Tensor<D>, gradients: &mut Gradients) -> Vec<f32> {
    read(leaf.grad_remove(gradients).unwrap())
}

#[test]
fn gelu_on_every_adapter_is_the_cpus() {
    for shape in [[1, 1], [1, 3], [33, 1], [3, 257], [257, 64]] {
        equal_on_every_adapter(&format!("gelu {shape:?}"), &|device| {
            let x = leaf(shape, 1, device);
            let output = super::gelu(x.clone());
            let mut all = backward(&output, device);
            vec![read(output.inner()), of(&x, &mut all)]
        });
    }
}

#[test]
fn layer_norm_on_every_adapter_is_the_cpus() {
    for (rows, width) in ROWS.into_iter().zip([4, 33, 260, 257]) {
        for biased in [false, true] {
            equal_on_every_adapter(&format!("norm {rows}×{width}, bias: {biased}"), &|device| {
                let x = leaf([1, rows, width], 1, device);
                let gain = leaf([width], 2, device);
                let bias = biased.then(|| leaf([width], 3, device));
                let output = super::layer_norm(x.clone(), gain.clone(), bias.clone(), 1e-5);
                let mut all = backward(&output, device);
                let mut found = vec![read(output.inner()), of(&x, &mut all), of(&gain, &mut all)];
                found.extend(bias.map(|bias| of(&bias, &mut all)));
                found
            });
        }
    }
}

#[test]
fn rms_norm_on_every_adapter_is_the_cpus() {
    for (rows, width) in ROWS.into_iter().zip([4, 33, 260, 257]) {
        equal_on_every_adapter(&format!("RMS norm {rows}×{width}"), &|device| {
            let x = leaf([1, rows, width], 1, device);
            let gain = leaf([width], 2, device);
            let output = super::rms_norm(&x, &gain, 1e-5).unwrap();
            let mut all = backward(&output, device);
            vec![read(output.inner()), of(&x, &mut all), of(&gain, &mut all)]
        });
    }
}

/// To the bit.
#[test]
fn dropout_on_every_adapter_is_the_cpus() {
    for shape in [[1, 1], [1, 3], [33, 1], [3, 257], [257, 64]] {
        let run = |device: &BurnDevice| {
            let x = leaf(shape, 1, device);
            let output = super::dropout(x.clone(), 0.3, 0xF123_4567_89AB_CDEF);
            let mut all = backward(&output, device);
            [read(output.inner()), of(&x, &mut all)]
        };
        let expected = run(&BurnDevice::flex());
        for device in adapters() {
            for kernels in [KernelSet::all(), KernelSet::default()] {
                let found = with_kernels(&device, kernels, || run(device.burn()));
                assert_eq!(found, expected, "{shape:?} on {}, {:?}", device.id(), kernels.names());
            }
        }
    }
}

#[test]
fn swiglu_on_every_adapter_is_the_cpus() {
    for shape in [[1, 1], [1, 3], [33, 1], [3, 257], [257, 64]] {
        equal_on_every_adapter(&format!("SwiGLU {shape:?}"), &|device| {
            let [gate, up] = [1, 2].map(|salt| leaf(shape, salt, device).mul_scalar(20.0));
            let [gate, up] = [gate, up].map(|it| it.detach().require_grad());
            let output = super::swiglu(gate.clone(), up.clone());
            let mut all = backward(&output, device);
            vec![read(output.inner()), of(&gate, &mut all), of(&up, &mut all)]
        });
    }
}

#[test]
fn attention_on_every_adapter_is_the_cpus() {
    for (batch, context, heads, head_width) in
        [(1, 1, 1, 4), (2, 3, 2, 8), (1, 33, 3, 12), (2, 64, 2, 16), (1, 257, 1, 68)]
    {
        let what = format!("attention {batch}×{context}, {heads} heads of {head_width}");
        equal_on_every_adapter(&what, &|device| {
            let projected = leaf([batch, context, 3 * heads * head_width], 1, device);
            let output = super::causal_attention(&projected, heads).unwrap();
            let mut all = backward(&output, device);
            vec![read(output.inner()), of(&projected, &mut all)]
        });
    }
}

#[test]
fn attention_of_slices_on_every_adapter_is_the_cpus() {
    for (batch, before, positions, heads, head_width) in [
        (1, 1, 1, 1, 4),
        (2, 3, 5, 2, 8),
        (1, 33, 3, 3, 12),
        (2, 9, 40, 2, 16),
        (1, 130, 127, 1, 68),
    ] {
        let what = format!("attention {batch}×{before}+{positions}, {heads} heads of {head_width}");
        equal_on_every_adapter(&what, &|device| {
            let width = heads * head_width;
            let projected = leaf([batch, positions, 3 * width], 1, device);
            let queries = projected.clone().narrow(2, 0, width);
            let earlier = leaf([batch, before, 2 * width], 2, device);
            let own = projected.clone().narrow(2, width, 2 * width);
            let seen = Tensor::cat(vec![earlier.clone(), own], 1);
            let output = super::continued_attention(&queries, &seen, heads).unwrap();
            let mut all = backward(&output, device);
            vec![read(output.inner()), of(&projected, &mut all), of(&earlier, &mut all)]
        });
    }
}

#[test]
fn cross_entropy_on_every_adapter_is_the_cpus() {
    for (rows, classes) in ROWS.into_iter().zip([2, 65, 130, 33]) {
        for ignored in [None, Some(-100)] {
            let what = format!("cross-entropy {rows}×{classes} but {ignored:?}");
            equal_on_every_adapter(&what, &|device| {
                let logits = leaf([rows, classes], 1, device);
                let target = |row: usize| match ignored {
                    Some(_) if row % 3 == 1 => -100,
                    _ => i32::try_from(row * 7 % classes).unwrap(),
                };
                let targets: Vec<i32> = (0..rows).map(target).collect();
                let targets = TensorData::new(targets, [rows]);
                let targets = Tensor::<1, Int>::from_data(targets, device).autodiff();
                let loss = super::cross_entropy(logits.clone(), targets, ignored);
                let mut all = loss.clone().mul_scalar(3.0).backward();
                vec![read(loss.inner()), of(&logits, &mut all)]
            });
        }
    }
}

/// More rows than are put in order together, most of them of one index.
#[test]
fn embeddings_on_every_adapter_are_the_cpus() {
    for (rows, table_rows, width) in
        [(1, 1, 1), (3, 2, 33), (33, 65, 64), (257, 1000, 12), (4200, 7, 5)]
    {
        equal_on_every_adapter(&format!("{rows} rows of {table_rows}×{width}"), &|device| {
            let index = |at: usize| i32::try_from((at * at / 3) % table_rows).unwrap();
            let indices: Vec<i32> = (0..rows).map(index).collect();
            let indices = TensorData::new(indices, [1, rows]);
            let indices = Tensor::<2, Int>::from_data(indices, device).autodiff();
            let table = leaf([table_rows, width], 1, device);
            let output = embedding(table.clone(), indices, None);
            let mut all = backward(&output, device);
            vec![read(output.inner()), of(&table, &mut all)]
        });
    }
}

#[test]
fn linear_layers_on_every_adapter_are_the_cpus() {
    let sizes = [(1, 1, 1), (3, 5, 33), (33, 64, 3), (257, 33, 65), (20, 257, 12), (64, 64, 192)];
    for (rows, inputs, outputs) in sizes {
        for (is_turned, biased) in [(false, false), (false, true), (true, false), (true, true)] {
            let what = format!("{rows}×{inputs}→{outputs}, turned: {is_turned}, bias: {biased}");
            equal_on_every_adapter(&what, &|device| {
                let x = leaf([1, rows, inputs], 1, device);
                let bias = biased.then(|| leaf([outputs], 3, device));
                let weight = if is_turned { [outputs, inputs] } else { [inputs, outputs] };
                let weight = leaf(weight, 2, device);
                let output = if is_turned {
                    linear_turned(x.clone(), weight.clone(), bias.clone())
                } else {
                    linear(x.clone(), weight.clone(), bias.clone())
                };
                let mut all = backward(&output, device);
                let mut found = vec![read(output.inner()), of(&x, &mut all), of(&weight, &mut all)];
                found.extend(bias.map(|bias| of(&bias, &mut all)));
                found
            });
        }
    }
}

/// Tensors that are no block of memory of their own, and weights without a graph.
#[test]
fn views_of_tensors_on_every_adapter_are_what_they_show() {
    equal_on_every_adapter("views", &|device| {
        let x = leaf([5, 3, 12], 1, device);
        let view = x.clone().swap_dims(0, 1);
        let weight = plain([7, 12], 2, device).transpose();
        let output = linear(view.clone(), weight.autodiff(), None);
        let normed = super::layer_norm(view, leaf([12], 3, device), None, 1e-5);
        let mut all = (weighted_sum(&output, device) + weighted_sum(&normed, device)).backward();
        vec![read(output.inner()), read(normed.inner()), of(&x, &mut all)]
    });
}
