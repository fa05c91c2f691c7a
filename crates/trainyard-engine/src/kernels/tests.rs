//! Kernels by rows, whose lanes share a row on a graphics card and have one each on a software adapter: both
//! ways give the same.

use burn::backend::Wgpu;
use burn::tensor::{Int, Tensor, TensorData};

use super::launch::gpu_ints;
use super::*;
use crate::adapter;

/// Numbers between −1 and 1.
fn numbers<const D: usize>(shape: [usize; D], salt: usize, device: &Device) -> GpuTensor {
    let count = shape.iter().product();
    let number = |at: usize| ((at * 37 + salt * 11) % 101) as f32 / 50.0 - 1.0;
    let data = TensorData::new((0..count).map(number).collect::<Vec<_>>(), shape);
    gpu_tensor(Tensor::<D>::from_data(data, device.burn())).unwrap()
}

fn read<const D: usize>(tensor: GpuTensor) -> Vec<f32> {
    Tensor::<D>::from_primitive::<Wgpu>(tensor).try_into_vec_as::<f32>().unwrap()
}

/// What the kernels give for some rows, with lanes as a software adapter has them, or as a card has.
fn results(device: &Device, [rows, width]: [usize; 2], is_software: bool) -> Vec<Vec<f32>> {
    let fit = Fit { is_software, subgroup: None };
    DeviceKernels { used: KernelSet::all(), fit }.enter();
    let [x, gradient] = [1, 2].map(|salt| numbers([rows, width], salt, device));
    let [gain, bias] = [3, 4].map(|salt| numbers([width], salt, device));
    let (plain, statistics) = layer_norm(&x, &gain, None, 1e-5);
    let (biased, _) = layer_norm(&x, &gain, Some(&bias), 1e-5);
    let of_x = layer_norm_backward(&x, &gain, &statistics, &gradient);
    let targets = (0..rows).map(|row| i32::try_from(row * 7 % width).unwrap()).collect::<Vec<_>>();
    let targets = Tensor::<1, Int>::from_data(TensorData::new(targets, [rows]), device.burn());
    let (losses, of_logits) = cross_entropy(&x, &gpu_ints(targets).unwrap());
    let matrices = [plain, biased, of_x, statistics, of_logits].map(read::<2>);
    matrices.into_iter().chain([read::<1>(losses)]).collect()
}

#[test]
fn rows_on_an_adapter_are_the_same_whether_lanes_share_them_or_not() {
    for (words, info) in adapter::known() {
        let device = Device::open(words, &info, 64 << 20, 1).unwrap();
        for shape in [[1, 1], [3, 33], [5, 128], [65, 130], [2, 260], [1, 1001]] {
            let (alone, shared) = (results(&device, shape, true), results(&device, shape, false));
            for (number, (alone, shared)) in alone.iter().zip(&shared).enumerate() {
                assert_eq!(alone.len(), shared.len());
                let largest = alone.iter().fold(1.0_f32, |most, value| most.max(value.abs()));
                for (at, (one, other)) in alone.iter().zip(shared).enumerate() {
                    let near = (one - other).abs() <= 1e-5 * largest;
                    assert!(near, "{words}, {shape:?}, {number}[{at}]: {one} {other}");
                }
            }
        }
    }
}
