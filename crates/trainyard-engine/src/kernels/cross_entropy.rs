//! Cross-entropy of the softmax of logits.

use burn::backend::TensorMetadata;

use super::launch::{Program, groups, lanes_and_rows, place, place_of_ints, room, u32_of, width};
use super::{GpuIntTensor, GpuTensor};

const TEXT: &str = concat!(
    include_str!("../../../../shaders/each_row.wgsl"),
    include_str!("../../../../shaders/cross_entropy.wgsl")
);

/// `−log softmax(logits)[target]` of every row of logits `[rows, classes]` with targets `[rows]`, and the
/// gradient of its mean with respect to the logits.
pub fn cross_entropy(logits: &GpuTensor, targets: &GpuIntTensor) -> (GpuTensor, GpuTensor) {
    let classes = width(logits);
    let rows = logits.shape().num_elements() / classes.max(1);
    let (losses, gradient) = (room(logits, [rows]), room(logits, logits.shape()));
    let (lanes, of_group) = lanes_and_rows(classes);
    let constants = [
        ("VALUE", "f32".into()),
        ("LANES", lanes.into()),
        ("ROWS", of_group.into()),
        ("SHARED", (lanes > 1).into()),
    ];
    let program = Program::new(TEXT, lanes * of_group, constants);
    let share = (1.0 / rows as f64) as f32;
    let sizes = [u32_of(rows), u32_of(classes), share.to_bits()];
    let tensors = [&place(logits), &place_of_ints(targets), &place(&losses), &place(&gradient)];
    program.launch(groups(rows, of_group), tensors, &sizes);
    (losses, gradient)
}
