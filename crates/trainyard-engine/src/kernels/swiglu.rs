//! `SwiGLU`, element by element.

use burn::backend::TensorMetadata;

use super::GpuTensor;
use super::launch::{LANES, Program, by_fours, groups, place, room, u32_of};

const TEXT: &str = concat!(
    include_str!("../../../../shaders/each.wgsl"),
    include_str!("../../../../shaders/swiglu.wgsl")
);

/// `silu(gate)·up`, of two tensors of one shape.
pub fn swiglu(gate: &GpuTensor, up: &GpuTensor) -> GpuTensor {
    let output = room(gate, gate.shape());
    let (program, count) = program(gate, false);
    let tensors = [gate, up, &output].map(place);
    program.launch(groups(count, LANES), tensors.each_ref(), &[u32_of(count)]);
    output
}

/// The gradients of both, from that of the output.
pub fn swiglu_backward(gate: &GpuTensor, up: &GpuTensor, gradient: &GpuTensor) -> [GpuTensor; 2] {
    let outputs = [gate, up].map(|like| room(like, like.shape()));
    let (program, count) = program(gate, true);
    let [of_gate, of_up] = outputs.each_ref();
    let tensors = [gate, up, gradient, of_gate, of_up].map(place);
    program.launch(groups(count, LANES), tensors.each_ref(), &[u32_of(count)]);
    outputs
}

/// The shader for tensors like one, and how many elements, or fours of them, it takes.
fn program(like: &GpuTensor, backward: bool) -> (Program, usize) {
    let (element, count) = by_fours(like.shape().num_elements());
    let constants =
        [("ELEMENT", element.into()), ("LANES", LANES.into()), ("BACKWARD", backward.into())];
    (Program::new(TEXT, LANES, constants), count)
}
