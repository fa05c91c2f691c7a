//! Causal attention of all heads, without a matrix of scores.

use burn::backend::TensorMetadata;
use burn_cubecl::tensor::CubeTensor;

use super::GpuTensor;
use super::launch::{Program, place, room, u32_of};

const FORWARD: &str = include_str!("../../../../shaders/attention_forward.wgsl");
const QUERIES: &str = include_str!("../../../../shaders/attention_queries.wgsl");
const KEYS: &str = include_str!("../../../../shaders/attention_keys.wgsl");

/// Keys that a lane takes at once.
const KEYS_AT_ONCE: u32 = 4;
/// The widest head that a lane has in its registers.
const WIDEST_HEAD: usize = 128;

/// What attention gives.
#[derive(Clone, Debug)]
pub struct Attended {
    /// The mixed values, `[batch, context, width]`.
    pub mixed: GpuTensor,
    /// The logarithm of every softmax's denominator, `[batch, heads, context]`.
    pub logarithms: GpuTensor,
}

/// Whether the kernels take queries, keys and values of this shape, with so many heads: heads whose width
/// is a multiple of 4 and at most 128.
pub fn attends([batch, context, width]: [usize; 3], heads: usize) -> bool {
    let head_width = width / 3 / heads.max(1);
    let fits = head_width.is_multiple_of(4) && (4..=WIDEST_HEAD).contains(&head_width);
    // Workgroups in one direction.
    let are_few = u16::try_from(batch * heads).is_ok();
    fits && are_few && batch * context > 0
}

/// From queries, keys and values side by side, `[batch, context, 3·width]`, of a shape that
/// [the kernels take](attends).
pub fn causal_attention(projected: &GpuTensor, heads: usize) -> Attended {
    let sizes = Sizes::of(projected, heads);
    let Sizes { batch, context, head_width, .. } = sizes;
    let mixed = room(projected, [batch, context, heads * head_width]);
    let logarithms = room(projected, [batch, heads, context]);
    let tensors = [projected, &mixed, &logarithms].map(place);
    sizes.launch(FORWARD, tensors.each_ref());
    Attended { mixed, logarithms }
}

/// The gradient of `projected`, from that of the mixed values.
pub fn causal_attention_backward(
    projected: &GpuTensor,
    attended: &Attended,
    gradient: &GpuTensor,
    heads: usize,
) -> GpuTensor {
    let output = room(projected, projected.shape());
    let sizes = Sizes::of(projected, heads);
    let Attended { mixed, logarithms } = attended;
    let deltas = room(projected, logarithms.shape());
    let tensors = [projected, mixed, gradient, logarithms, &deltas, &output].map(place);
    sizes.launch(QUERIES, tensors.each_ref());
    let [projected, _, gradient, logarithms, deltas, to] = tensors.each_ref();
    sizes.launch(KEYS, [projected, gradient, logarithms, deltas, to]);
    output
}

#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    context: usize,
    heads: usize,
    head_width: usize,
}

impl Sizes {
    fn of(projected: &GpuTensor, heads: usize) -> Self {
        let shape = projected.shape();
        let of = |dimension| shape.as_slice().get(dimension).copied().unwrap_or(1);
        Self { batch: of(0), context: of(1), heads, head_width: of(2) / 3 / heads.max(1) }
    }

    fn launch<const N: usize>(self, text: &'static str, tensors: [&CubeTensor; N]) {
        // Two rows a lane have room beside each other in the registers.
        let rows: u32 = if self.head_width <= 64 { 2 } else { 1 };
        let lanes = if super::fit().is_software { 8 } else { 32 };
        let constants = [
            ("FOURS", u32_of(self.head_width / 4).into()),
            ("ROWS", rows.into()),
            ("KEYS", KEYS_AT_ONCE.into()),
            ("LANES", lanes.into()),
        ];
        let groups =
            [u32_of(self.context).div_ceil(lanes * rows), u32_of(self.batch * self.heads), 1];
        let scale = (1.0 / (self.head_width as f64).sqrt()) as f32;
        let sizes = [u32_of(self.context), u32_of(self.heads), scale.to_bits()];
        Program::new(text, lanes, constants).launch(groups, tensors, &sizes);
    }
}
