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
    let (plain, statistics) = norm(Norm::Layer, &x, &gain, None, 1e-5);
    let (biased, _) = norm(Norm::Layer, &x, &gain, Some(&bias), 1e-5);
    let of_x = norm_backward(Norm::Layer, &x, &gain, &statistics, &gradient);
    let (by_rms, of_rms) = norm(Norm::Rms, &x, &gain, None, 1e-5);
    let x_by_rms = norm_backward(Norm::Rms, &x, &gain, &of_rms, &gradient);
    let targets = (0..rows).map(|row| i32::try_from(row * 7 % width).unwrap()).collect::<Vec<_>>();
    let targets = Tensor::<1, Int>::from_data(TensorData::new(targets, [rows]), device.burn());
    let (losses, of_logits) = cross_entropy(&x, &gpu_ints(targets).unwrap());
    let matrices =
        [plain, biased, of_x, statistics, by_rms, x_by_rms, of_rms, of_logits].map(read::<2>);
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

/// Of one column and of several, with more rows than are put in order together, most of them of a few indices
/// and some that are in no table: the rows added one after the other, to the bit.
#[test]
fn an_embeddings_gradient_on_an_adapter_is_the_sum_in_the_order_of_the_rows() {
    for (words, info) in adapter::known() {
        let device = Device::open(words, &info, 64 << 20, 1).unwrap();
        for (rows, table_rows, width) in
            [(1, 1, 1), (3, 2, 33), (65, 7, 4), (300, 1000, 12), (4200, 5, 8), (5000, 3000, 3)]
        {
            let index = |row: usize| (row * row / 3 + row % 5) % (table_rows + 1);
            let indices: Vec<i32> =
                (0..rows).map(|row| i32::try_from(index(row)).unwrap() - 1).collect();
            let gradient = numbers([rows, width], 1, &device);
            let sum = numbers([table_rows * width], 2, &device);
            let mut expected = read::<1>(sum.clone());
            for (&index, row) in indices.iter().zip(read::<2>(gradient.clone()).chunks(width)) {
                let Ok(index) = usize::try_from(index) else { continue };
                for (sum, value) in expected[index * width..].iter_mut().zip(row) {
                    *sum += value;
                }
            }
            let indices = TensorData::new(indices, [rows]);
            let indices = Tensor::<1, Int>::from_data(indices, device.burn());
            let indices = gpu_ints(indices).unwrap();
            for is_software in [true, false] {
                let fit = Fit { is_software, subgroup: None };
                DeviceKernels { used: KernelSet::all(), fit }.enter();
                let found = read::<1>(embedding_backward(&gradient, &indices, sum.clone()));
                let what = format!("{words}, {rows} rows of {table_rows}×{width}, {is_software}");
                assert!(found == expected, "{what}");
            }
        }
    }
}

/// Some that are read by fours and some that are not, more of each than one dispatch takes.
#[test]
fn squared_norms_on_an_adapter_are_the_sums_of_squares() {
    let lengths = [1, 4, 3, 5, 8, 7, 1001, 1024, 33, 9, 65_540, 2, 12, 16, 6, 4096, 30_001];
    for (words, info) in adapter::known() {
        let device = Device::open(words, &info, 64 << 20, 1).unwrap();
        for is_software in [true, false] {
            let fit = Fit { is_software, subgroup: None };
            DeviceKernels { used: KernelSet::all(), fit }.enter();
            let tensors: Vec<GpuTensor> =
                lengths.iter().map(|&length| numbers([length], length, &device)).collect();
            let found = read::<1>(squared_norms(&tensors).unwrap());
            assert_eq!(found.len(), lengths.len());
            for ((tensor, &length), found) in tensors.into_iter().zip(&lengths).zip(found) {
                let values = read::<1>(tensor);
                let expected: f64 = values.iter().map(|&n| f64::from(n) * f64::from(n)).sum();
                let near = (f64::from(found) - expected).abs() <= 1e-5 * expected;
                assert!(near, "{words}, {length}: {found} is not {expected}");
            }
        }
        let none = numbers([0], 1, &device);
        assert!(squared_norms(&[none]).is_none() && squared_norms(&[]).is_none());
    }
}

#[test]
fn an_adapter_tries_what_it_is_asked_for_and_each_kernel_once() {
    let Some((words, info)) = adapter::known().into_iter().next() else { return };
    let device = Device::open(words, &info, 64 << 20, 1).unwrap();
    let tried =
        |names: &[&str]| try_kernels(&info, device.burn(), device.fit(), KernelSet::named(names));
    let one = tried(&["dropout"]);
    assert_eq!(one.iter().map(|(kernel, _)| *kernel).collect::<Vec<_>>(), [Kernel::Dropout]);
    let two = tried(&["dropout", "swiglu"]);
    assert_eq!((two.len(), two[0]), (2, one[0]), "measured once more");
    // A model that asks for one, and a profile that does not say.
    let model = ModelProfile { kernels: Some(vec!["gelu".into()]), ..ModelProfile::default() };
    assert_eq!(KernelSet::wanted(&model).names(), ["gelu"]);
    assert_eq!(KernelSet::wanted(&ModelProfile::default()), KernelSet::all());
}
