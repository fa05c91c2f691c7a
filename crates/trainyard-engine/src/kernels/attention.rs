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

impl Attended {
    /// The same with other mixed values, such as the same in fewer bits.
    #[must_use]
    pub fn map_mixed(self, map: impl FnOnce(GpuTensor) -> GpuTensor) -> Self {
        Self { mixed: map(self.mixed), ..self }
    }
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
    let sizes = Sizes::of_whole(projected, heads);
    let (mixed, logarithms) = sizes.room(projected);
    let tensors = [projected, &mixed, &logarithms].map(place);
    sizes.launch(FORWARD, sizes.positions, tensors.each_ref());
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
    let sizes = Sizes::of_whole(projected, heads);
    let Attended { mixed, logarithms } = attended;
    let deltas = room(projected, logarithms.shape());
    let tensors = [projected, mixed, gradient, logarithms, &deltas, &output].map(place);
    sizes.launch(QUERIES, sizes.positions, tensors.each_ref());
    let [projected, _, gradient, logarithms, deltas, to] = tensors.each_ref();
    sizes.launch(KEYS, sizes.positions, [projected, gradient, logarithms, deltas, to]);
    output
}

/// The same for a slice of a context: from the queries of its positions, `[batch, positions, width]`, and
/// the keys and values side by side of these and of all positions before, `[batch, all, 2·width]`.
pub fn continued_attention(queries: &GpuTensor, seen: &GpuTensor, heads: usize) -> Attended {
    let sizes = Sizes::of_slice(queries, seen, heads);
    let (mixed, logarithms) = sizes.room(queries);
    let tensors = [queries, seen, &mixed, &logarithms].map(place);
    sizes.launch(FORWARD, sizes.positions, tensors.each_ref());
    Attended { mixed, logarithms }
}

/// The gradients of `queries` and `seen`, from that of the mixed values.
pub fn continued_attention_backward(
    [queries, seen]: [&GpuTensor; 2],
    attended: &Attended,
    gradient: &GpuTensor,
    heads: usize,
) -> [GpuTensor; 2] {
    let (of_queries, of_seen) = (room(queries, queries.shape()), room(seen, seen.shape()));
    let sizes = Sizes::of_slice(queries, seen, heads);
    let Attended { mixed, logarithms } = attended;
    let deltas = room(queries, logarithms.shape());
    let tensors = [queries, seen, mixed, gradient, logarithms, &deltas, &of_queries].map(place);
    sizes.launch(QUERIES, sizes.positions, tensors.each_ref());
    let [queries, seen, _, gradient, logarithms, deltas, _] = tensors.each_ref();
    let to = place(&of_seen);
    sizes.launch(
        KEYS,
        sizes.before + sizes.positions,
        [queries, seen, gradient, logarithms, deltas, &to],
    );
    [of_queries, of_seen]
}

#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    /// Positions of the queries.
    positions: usize,
    /// Positions before those, of which there are keys and values.
    before: usize,
    heads: usize,
    head_width: usize,
    /// Queries lie apart from keys and values.
    is_slice: bool,
}

impl Sizes {
    fn of_whole(projected: &GpuTensor, heads: usize) -> Self {
        let head_width = dimension(projected, 2) / 3 / heads.max(1);
        let (batch, positions) = (dimension(projected, 0), dimension(projected, 1));
        Self { batch, positions, before: 0, heads, head_width, is_slice: false }
    }

    fn of_slice(queries: &GpuTensor, seen: &GpuTensor, heads: usize) -> Self {
        let head_width = dimension(queries, 2) / heads.max(1);
        let (batch, positions) = (dimension(queries, 0), dimension(queries, 1));
        let before = dimension(seen, 1).saturating_sub(positions);
        Self { batch, positions, before, heads, head_width, is_slice: true }
    }

    /// Room for the mixed values and the logarithms.
    fn room(self, like: &GpuTensor) -> (GpuTensor, GpuTensor) {
        let Self { batch, positions, heads, head_width, .. } = self;
        let mixed = room(like, [batch, positions, heads * head_width]);
        (mixed, room(like, [batch, heads, positions]))
    }

    /// Runs a kernel by `rows` queries or keys.
    fn launch<const N: usize>(self, text: &'static str, rows: usize, tensors: [&CubeTensor; N]) {
        // Two rows a lane have room beside each other in the registers.
        let of_lane: u32 = if self.head_width <= 64 { 2 } else { 1 };
        let lanes = if super::fit().is_software { 8 } else { 32 };
        let [queries, seen] =
            if self.is_slice { ["queries", "seen"] } else { ["projected", "projected"] };
        let constants = [
            ("FOURS", u32_of(self.head_width / 4).into()),
            ("ROWS", of_lane.into()),
            ("KEYS", KEYS_AT_ONCE.into()),
            ("LANES", lanes.into()),
            ("SLICE", self.is_slice.into()),
            ("QUERIES", queries.into()),
            ("SEEN", seen.into()),
        ];
        let groups = [u32_of(rows).div_ceil(lanes * of_lane), u32_of(self.batch * self.heads), 1];
        let scale = (1.0 / (self.head_width as f64).sqrt()) as f32;
        let sizes =
            [u32_of(self.positions), u32_of(self.heads), scale.to_bits(), u32_of(self.before)];
        Program::new(text, lanes, constants).launch(groups, tensors, &sizes);
    }
}

fn dimension(tensor: &GpuTensor, at: usize) -> usize {
    tensor.shape().as_slice().get(at).copied().unwrap_or(1)
}
