//! Kernels that pack and unpack beside their twins on the host.

use burn::tensor::Tensor;

use super::*;
use crate::adapter;

fn adapters() -> impl Iterator<Item = Device> {
    let open = |(words, info): (&str, _)| Device::open(words, &info, 64 << 20, 1).unwrap();
    adapter::known().into_iter().map(open)
}

/// Numbers of all sizes, and some at the edges.
fn numbers(count: usize) -> Vec<f32> {
    let edges = [0.0, -0.0, 1.0, 65_504.0, -65_519.9, 65_520.0, 1e30, 6e-5, 6e-8, 3e-8, -1e-7];
    let other = |at: usize| {
        let mixed = (at as u32).wrapping_mul(0x9E37_79B9);
        let size = ((mixed >> 8) as f32 / (1 << 24) as f32 - 0.5) * 2.0;
        size * 10.0_f32.powi((mixed % 13).cast_signed() - 6)
    };
    (0..count).map(|at| edges.get(at).copied().unwrap_or_else(|| other(at))).collect()
}

#[test]
fn adapters_pack_and_unpack_as_the_host_does() {
    for device in adapters() {
        let packer = Packer::new(&device);
        for format in [WireFormat::F16, WireFormat::Bf16, WireFormat::Q8] {
            for (count, scale) in [(1, 1.0), (33, 4096.0), (64, 1.0), (4099, 0.5)] {
                let numbers = numbers(count);
                let context = format!("{}, {format:?}, {count}", device.id());
                let tensor = Tensor::<1>::from_data(
                    TensorData::new(numbers.clone(), [count]),
                    device.burn(),
                );
                let packed = packer.pack_value(format, scale, tensor.into()).unwrap();
                let words = packed.clone().into_data().unwrap();
                let words = elements::<i32>(&words).unwrap();
                let words: Vec<u32> = words.iter().map(|word| word.cast_unsigned()).collect();
                let expected = format::pack(format, &numbers, scale);
                // A device may round a division otherwise, and with it a multiple of the scale.
                if format != WireFormat::Q8 {
                    assert_eq!(words, expected, "{context}");
                }
                let shape: Shape = [count].into();
                let unpacked = packer.unpack_value(format, scale, packed, shape).unwrap();
                let unpacked = unpacked.into_data().unwrap();
                let unpacked = elements::<f32>(&unpacked).unwrap();
                let own = format::unpack(format, &words, count, scale);
                for (at, (one, other)) in unpacked.iter().zip(&own).enumerate() {
                    let near = (one - other).abs() <= other.abs() * 1e-6 + f32::MIN_POSITIVE;
                    assert!(near, "{context}, {at}: {one} {other}");
                }
                let twin = format::unpack(format, &expected, count, scale);
                for (block, (own, twin)) in own.chunks(32).zip(twin.chunks(32)).enumerate() {
                    let largest = twin.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
                    let near = |(one, other): (&f32, &f32)| (one - other).abs() <= largest / 100.0;
                    assert!(own.iter().zip(twin).all(near), "{context}, block {block}");
                }
            }
        }
    }
}

#[test]
fn adapters_let_what_is_not_finite_be_seen() {
    for device in adapters() {
        let packer = Packer::new(&device);
        for format in [WireFormat::F16, WireFormat::Bf16, WireFormat::Q8] {
            for bad in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
                let data = TensorData::new(vec![1.0, bad, 2.0], [3]);
                let tensor = Tensor::<1>::from_data(data, device.burn());
                let packed = packer.pack_value(format, 1.0, tensor.into()).unwrap();
                let out = packer.unpack_value(format, 1.0, packed, [3].into()).unwrap();
                let out = out.into_data().unwrap();
                let out = elements::<f32>(&out).unwrap();
                assert!(!out[1].is_finite(), "{}, {format:?}, {bad}: {out:?}", device.id());
            }
        }
    }
}
