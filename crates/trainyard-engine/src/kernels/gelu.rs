//! GELU, element by element.

use burn::backend::TensorMetadata;

use super::GpuTensor;
use super::launch::{LANES, Program, by_fours, groups, place, room, u32_of};

const TEXT: &str = concat!(
    include_str!("../../../../shaders/each.wgsl"),
    include_str!("../../../../shaders/gelu.wgsl")
);

/// `x·Φ(x)`
pub fn gelu(x: &GpuTensor) -> GpuTensor {
    run(x, None)
}

/// The gradient of x, from that of the output.
pub fn gelu_backward(x: &GpuTensor, gradient: &GpuTensor) -> GpuTensor {
    run(x, Some(gradient))
}

fn run(x: &GpuTensor, gradient: Option<&GpuTensor>) -> GpuTensor {
    let output = room(x, x.shape());
    let (element, count) = by_fours(x.shape().num_elements());
    let constants = [
        ("ELEMENT", element.into()),
        ("LANES", LANES.into()),
        ("BACKWARD", gradient.is_some().into()),
    ];
    let program = Program::new(TEXT, LANES, constants);
    let (x, to) = (place(x), place(&output));
    let (groups, sizes) = (groups(count, LANES), [u32_of(count)]);
    match gradient {
        None => program.launch(groups, [&x, &to], &sizes),
        Some(gradient) => program.launch(groups, [&x, &place(gradient), &to], &sizes),
    }
    output
}
