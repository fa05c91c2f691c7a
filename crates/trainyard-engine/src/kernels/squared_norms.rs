//! Squared norms of many tensors at once.

use burn::backend::ops::FloatTensorOps;
use burn::backend::{TensorMetadata, Wgpu};
use burn::tensor::Shape;
use burn_cubecl::tensor::CubeTensor;

use super::launch::{Program, by_fours, place, room, u32_of};
use super::{GpuTensor, fit};

const TEXT: &str = include_str!("../../../../shaders/squared_norms.wgsl");

/// Tensors that one dispatch takes: with output and sizes there are as many bindings as every device has.
const AT_ONCE: usize = 6;

/// The squared norms of some tensors, `[tensors]`; None where there are none, or one has no elements.
pub(crate) fn squared_norms(tensors: &[GpuTensor]) -> Option<GpuTensor> {
    let elements = |tensor: &GpuTensor| tensor.shape().num_elements();
    if tensors.iter().any(|tensor| elements(tensor) == 0) {
        return None;
    }
    let (groups, lanes) = if fit().is_software { (4, 8) } else { (128, 64) };
    let parts = (groups * lanes) as usize;
    let output = room(tensors.first()?, [tensors.len(), parts]);
    let to = place(&output);
    for is_wide in [true, false] {
        let numbered = tensors.iter().enumerate();
        let alike = numbered.filter(|(_, tensor)| elements(tensor).is_multiple_of(4) == is_wide);
        let alike: Vec<_> = alike.collect();
        for some in alike.chunks(AT_ONCE) {
            let places: Vec<CubeTensor> = some.iter().map(|(_, tensor)| place(tensor)).collect();
            let sizes = some
                .iter()
                .flat_map(|(line, tensor)| [u32_of(*line), u32_of(by_fours(elements(tensor)).1)]);
            let constants = [
                ("ELEMENT", if is_wide { "vec4<f32>" } else { "f32" }.into()),
                ("WIDE", is_wide.into()),
                ("TENSORS", u32_of(some.len()).into()),
                ("GROUPS", groups.into()),
                ("LANES", lanes.into()),
            ];
            let program = Program::new(TEXT, lanes, constants);
            let bindings = places.iter().chain([&to]);
            program.launch([groups, u32_of(some.len()), 1], bindings, &sizes.collect::<Vec<_>>());
        }
    }
    let sums = Wgpu::float_sum_dim(output, 1);
    Some(Wgpu::float_reshape(sums, Shape::from([tensors.len()])))
}
