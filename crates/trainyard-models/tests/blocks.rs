//! Matrices in blocks of few bits, of every kind that files have: products with them and rows of them are those of the
//! numbers that they hold, on the CPU and on every adapter.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod common;

use burn::tensor::{Device as BurnDevice, Int, Tensor, TensorData};
use trainyard_config::BlockFormat;
use trainyard_engine::kernels::{KernelSet, with_kernels};
use trainyard_engine::memory::CountingAllocator;
use trainyard_engine::{Device, discover, mix};
use trainyard_models::nn::PackedWeight;
use trainyard_plan::Recompute;
use trainyard_pretrained::{Element, decode};

use common::adapted::{Adapted, adapted};
use common::partitions::{
    Subject, assert_close, cpus, of_kind, plan, showing_gradients, tensors, whole, with_all_kernels,
};
use common::{LAYERS, VOCABULARY, adapter, of_tokens};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const ELEMENTS: [Element; 8] = [
    Element::Q8_0,
    Element::Q4_0,
    Element::Q4_1,
    Element::Q5_0,
    Element::Q5_1,
    Element::Q4_K,
    Element::Q5_K,
    Element::Q6_K,
];

/// Blocks of any bytes but for their scales, which are small.
fn blocks(element: Element, [rows, columns]: [usize; 2]) -> Vec<u8> {
    let count = element.bytes_of(&[rows as u64, columns as u64]).unwrap();
    let mut bytes: Vec<u8> = (0..count).map(|at| (mix(&[count, at]) >> 40) as u8).collect();
    let scales: &[usize] = match element {
        Element::Q6_K => &[208],
        Element::Q8_0 | Element::Q4_0 | Element::Q5_0 => &[0],
        _ => &[0, 2],
    };
    for (number, block) in bytes.chunks_exact_mut(element.block_bytes() as usize).enumerate() {
        for at in scales {
            // From 2⁻⁹ on, below 2⁻⁷, and of either sign.
            let of_block = mix(&[number as u64, *at as u64]);
            let [low, high] = (0x1800 + (of_block >> 32) as u16 % 0x800).to_le_bytes();
            block[*at] = low;
            block[at + 1] = high | (of_block as u8 & 0x80);
        }
    }
    bytes
}

fn numbers(element: Element, bytes: &[u8], count: usize) -> Vec<f32> {
    let mut numbers = vec![0.0; count];
    assert!(decode(element, bytes, &mut numbers));
    numbers
}

fn some(count: usize, seed: u64) -> Vec<f32> {
    let number = |i| (mix(&[seed, i]) >> 40) as f32 / (1_u64 << 23) as f32 - 1.0;
    (0..count as u64).map(number).collect()
}

fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

/// A product and the gradient of what goes in, from one of what comes out that differs from number to number.
fn product(packed: &PackedWeight, sizes: [usize; 3], device: &BurnDevice) -> [Vec<f32>; 2] {
    let [rows, outputs, inputs] = sizes;
    let x = TensorData::new(some(rows * inputs, 2), [1, rows, inputs]);
    let x = Tensor::<3>::from_data(x, device).autodiff().require_grad();
    let gradient = TensorData::new(some(rows * outputs, 3), [1, rows, outputs]);
    let y = packed.linear(x.clone());
    let weighted = y.clone() * Tensor::from_data(gradient, device).autodiff();
    let mut gradients = weighted.sum().backward();
    [read(y.inner()), read(x.grad_remove(&mut gradients).unwrap())]
}

/// The same of numbers, in 64 bits.
fn expected(numbers: &[f32], [rows, outputs, inputs]: [usize; 3]) -> [Vec<f32>; 2] {
    let (x, gradient) = (some(rows * inputs, 2), some(rows * outputs, 3));
    let at = |row: usize, column: usize| f64::from(numbers[row * inputs + column]);
    let y = |row: usize, output: usize| -> f64 {
        (0..inputs).map(|i| f64::from(x[row * inputs + i]) * at(output, i)).sum()
    };
    let of_x = |row: usize, input: usize| -> f64 {
        (0..outputs).map(|i| f64::from(gradient[row * outputs + i]) * at(i, input)).sum()
    };
    let all = |columns: usize, of: &dyn Fn(usize, usize) -> f64| {
        (0..rows * columns).map(|at| of(at / columns, at % columns) as f32).collect()
    };
    [all(outputs, &y), all(inputs, &of_x)]
}

fn assert_near(what: &str, found: &[f32], expected: &[f32], part: f32) {
    let largest = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    assert!(largest > 0.0, "{what}: nothing is expected");
    assert_close(what, found, expected, 0.0, part * largest);
}

fn products_are_those_of_numbers(what: &str, device: &BurnDevice) {
    for element in ELEMENTS {
        // Two tiles and a part, and rows that begin in the middle of four bytes.
        let columns = 3 * element.block_numbers() as usize;
        for [rows, outputs] in [[5, 300], [1, 1]] {
            let bytes = blocks(element, [outputs, columns]);
            let device = device.clone().autodiff();
            let packed = PackedWeight::of_blocks(element, [outputs, columns], &bytes, &device);
            let sizes = [rows, outputs, columns];
            let found = product(&packed.unwrap(), sizes, &device);
            let expected = expected(&numbers(element, &bytes, outputs * columns), sizes);
            for (what_of, (found, expected)) in ["y", "∂x"].iter().zip(found.iter().zip(&expected))
            {
                let place = format!("{what}, {} {sizes:?}, {what_of}", element.name());
                assert_near(&place, found, expected, 2e-5);
            }
        }
    }
}

fn rows_are_those_of_numbers(what: &str, device: &BurnDevice) {
    for element in ELEMENTS {
        let (rows, columns) = (37, 2 * element.block_numbers() as usize);
        let bytes = blocks(element, [rows, columns]);
        let packed = PackedWeight::of_blocks(element, [rows, columns], &bytes, device).unwrap();
        let wanted = [[3, 36, 3, 0], [-1, 7, 37, 1]];
        let found = packed.rows(Tensor::<2, Int>::from_data(TensorData::from(wanted), device));
        assert_eq!(found.dims(), [2, 4, columns]);
        let (found, all) = (read(found), numbers(element, &bytes, rows * columns));
        for (row, found) in wanted.as_flattened().iter().zip(found.chunks(columns)) {
            let place = format!("{what}, {}, {row}", element.name());
            match usize::try_from(*row).ok().filter(|row| *row < rows) {
                // A multiplication and an addition may be one.
                Some(row) => assert_near(&place, found, &all[row * columns..][..columns], 1e-6),
                None => assert!(found.iter().all(|number| number.is_nan()), "{place}"),
            }
        }
    }
}

#[test]
fn products_with_blocks_are_those_of_their_numbers() {
    products_are_those_of_numbers("the CPU", &BurnDevice::flex());
}

#[test]
fn rows_of_blocks_are_those_of_their_numbers() {
    rows_are_those_of_numbers("the CPU", &BurnDevice::flex());
}

#[test]
fn products_and_rows_of_blocks_on_every_adapter_are_those_of_their_numbers() {
    for (words, info) in adapter::known() {
        let device = Device::open(words, &info, 1 << 30, 1).unwrap();
        for kernels in [KernelSet::default(), KernelSet::all()] {
            let what = format!("{words}, {:?}", kernels.names());
            with_kernels(&device, kernels, || products_are_those_of_numbers(&what, device.burn()));
        }
        rows_are_those_of_numbers(words, device.burn());
    }
}

/// More than are numbers at a time.
#[test]
fn a_product_part_by_part_on_an_adapter_is_the_cpus() {
    let Some(info) = adapter::llvmpipe() else { return };
    let device = Device::open("d", &info, 1 << 30, 1).unwrap();
    let shape = [(1 << 15) + 3, 512];
    let bytes = blocks(Element::Q4_0, shape);
    let [found, expected] = [device.burn(), &BurnDevice::flex()].map(|device| {
        let device = device.clone().autodiff();
        let packed = PackedWeight::of_blocks(Element::Q4_0, shape, &bytes, &device).unwrap();
        product(&packed, [2, shape[0], shape[1]], &device)
    });
    for (found, expected) in found.iter().zip(&expected) {
        assert_near("a product", found, expected, 2e-5);
    }
}

#[test]
fn what_is_no_blocks_is_refused() {
    let device = BurnDevice::flex();
    let of = |element, shape, bytes: usize| {
        PackedWeight::of_blocks(element, shape, &vec![0; bytes], &device).is_some()
    };
    assert!(of(Element::Q4_K, [2, 256], 288) && of(Element::Q5_0, [1, 64], 44));
    assert!(!of(Element::Q4_K, [2, 256], 287) && !of(Element::Q4_K, [2, 128], 144));
    assert!(!of(Element::F32, [2, 32], 256) && !of(Element::F16, [2, 32], 128));
}

/// A decoder whose products are in blocks, and its vectors of tokens and head too.
fn decoder(packing: BlockFormat) -> Subject {
    let sizes = Adapted {
        width: 32,
        blocks: LAYERS - 2,
        vocabulary: VOCABULARY,
        rank: 3,
        dropout: 0.0,
        first: 0,
        packing: Some(packing),
        packs_ends: true,
    };
    of_tokens(adapted(sizes))
}

#[test]
fn a_packed_decoder_over_any_split_equals_one_device() {
    decoder(BlockFormat::Q8_0).equals_one_device(2);
}

#[test]
fn a_packed_decoder_on_the_cpu_and_every_adapter_equals_the_cpu() {
    let subject = decoder(BlockFormat::Q4_1);
    let mut one = subject.distribute(&whole(LAYERS, 2), cpus(1), showing_gradients());
    // B begins at 0, where A has no gradient.
    let expected_steps = subject.train(&mut one, 1..=2);
    let expected = of_kind(&tensors(&mut one), "first");
    for (words, info) in adapter::known() {
        for infos in [[&discover::cpu(), &info], [&info, &info]] {
            let split = plan(&[2, LAYERS], "1f1b", 2, Recompute::None);
            let mut pipeline =
                subject.distribute(&split, with_all_kernels(&infos), showing_gradients());
            let steps = subject.train(&mut pipeline, 1..=2);
            for ([found, _], [expected, _]) in steps.iter().zip(&expected_steps) {
                assert!((found - expected).abs() < 1e-4 * expected, "{words}: {found} {expected}");
            }
            let found = of_kind(&tensors(&mut pipeline), "first");
            assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
            for (weight, (_, expected)) in &expected {
                assert_close(&format!("{words}: {weight}"), &found[weight].1, expected, 1e-4, 1e-5);
            }
        }
    }
}
