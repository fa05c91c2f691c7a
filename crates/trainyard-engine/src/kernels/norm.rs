//! Normalization over the last dimension: layer normalization, and by the root mean square.

use burn::backend::ops::FloatTensorOps;
use burn::backend::{TensorMetadata, Wgpu};
use burn::tensor::Shape;

use super::GpuTensor;
use super::launch::{LANES, Program, by_fours, groups, lanes_and_rows, place, room, u32_of, width};
use super::template::Constant;

const FORWARD: &str = concat!(
    include_str!("../../../../shaders/each_row.wgsl"),
    include_str!("../../../../shaders/norm.wgsl")
);
const BACKWARD: &str = concat!(
    include_str!("../../../../shaders/each_row.wgsl"),
    include_str!("../../../../shaders/norm_backward.wgsl")
);
const WEIGHTS: &str = include_str!("../../../../shaders/norm_weights.wgsl");

/// Rows whose part in the weights' gradients one lane adds up.
const CHUNK: u32 = 64;

/// Which normalization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// `(x − mean)/√(variance + ε)`
    Layer,
    /// `x/√(mean(x²) + ε)`
    Rms,
}

/// Every row normalized, times `gain` (plus `bias`), and what the backward needs: every row's mean, 0 where
/// none is taken off, and the inverse of its deviation, `[rows, 2]`.
pub fn norm(
    kind: Norm,
    x: &GpuTensor,
    gain: &GpuTensor,
    bias: Option<&GpuTensor>,
    epsilon: f32,
) -> (GpuTensor, GpuTensor) {
    let rows = rows(x);
    let (output, statistics) = (room(x, x.shape()), room(x, [rows, 2]));
    let by_row = ByRow::new(kind, x);
    let program = by_row.program(FORWARD, "f32", bias.is_some());
    let sizes = [u32_of(rows), by_row.count, epsilon.to_bits()];
    let (x, gain, to, kept) = (place(x), place(gain), place(&output), place(&statistics));
    match bias {
        None => program.launch(by_row.groups, [&x, &gain, &to, &kept], &sizes),
        Some(bias) => program.launch(by_row.groups, [&x, &gain, &place(bias), &to, &kept], &sizes),
    }
    (output, statistics)
}

/// The gradient of the input, from that of the output and what the forward has kept.
pub fn norm_backward(
    kind: Norm,
    x: &GpuTensor,
    gain: &GpuTensor,
    statistics: &GpuTensor,
    gradient: &GpuTensor,
) -> GpuTensor {
    let output = room(x, x.shape());
    let by_row = ByRow::new(kind, x);
    let program = by_row.program(BACKWARD, "vec2<f32>", false);
    let sizes = [u32_of(rows(x)), by_row.count];
    let tensors = [x, gain, statistics, gradient, &output].map(place);
    program.launch(by_row.groups, tensors.each_ref(), &sizes);
    output
}

/// The gradient of the gain, and where two are asked for that of the bias.
pub fn norm_weights<const N: usize>(
    x: &GpuTensor,
    statistics: &GpuTensor,
    gradient: &GpuTensor,
) -> [GpuTensor; N] {
    let (rows, columns) = (u32_of(rows(x)), width(x));
    let parts = rows.div_ceil(CHUNK);
    let output = room(x, [N, parts as usize, columns]);
    let (element, count) = by_fours(columns);
    // Few columns are spread over more workgroups.
    let lanes = if count < LANES as usize * 4 { 8 } else { LANES };
    let constants = [
        ("ELEMENT", element.into()),
        ("LANES", lanes.into()),
        ("CHUNK", CHUNK.into()),
        ("BIAS", (N > 1).into()),
    ];
    let program = Program::new(WEIGHTS, lanes, constants);
    let tensors = [x, statistics, gradient, &output].map(place);
    let groups = [u32_of(count).div_ceil(lanes), parts, 1];
    program.launch(groups, tensors.each_ref(), &[rows, u32_of(count), parts]);
    let sums = if parts == 1 { output } else { Wgpu::float_sum_dim(output, 1) };
    let sums = Wgpu::float_reshape(sums, Shape::from([N, columns]));
    std::array::from_fn(|weight| {
        let part = &[(weight..weight + 1).into(), (0..columns).into()];
        let part = Wgpu::float_slice(sums.clone(), part);
        Wgpu::float_reshape(part, Shape::from([columns]))
    })
}

fn rows(x: &GpuTensor) -> usize {
    x.shape().num_elements() / width(x).max(1)
}

/// How a kernel goes over the rows of a tensor.
struct ByRow {
    kind: Norm,
    element: &'static str,
    /// Elements of a row.
    count: u32,
    lanes: u32,
    rows: u32,
    groups: [u32; 3],
}

impl ByRow {
    fn new(kind: Norm, x: &GpuTensor) -> Self {
        let (element, count) = by_fours(width(x));
        let (lanes, of_group) = lanes_and_rows(count);
        let groups = groups(rows(x), of_group);
        Self { kind, element, count: u32_of(count), lanes, rows: of_group, groups }
    }

    /// `value` is the type of what is summed over the lanes of a row.
    fn program(&self, text: &'static str, value: &'static str, has_bias: bool) -> Program {
        let is_wide = self.element != "f32";
        let elements: Constant = if is_wide { 4 } else { 1 }.into();
        let constants = [
            ("ELEMENT", self.element.into()),
            ("ELEMENTS", elements),
            ("WIDE", is_wide.into()),
            ("VALUE", value.into()),
            ("BIAS", has_bias.into()),
            ("CENTRED", (self.kind == Norm::Layer).into()),
            ("LANES", self.lanes.into()),
            ("ROWS", self.rows.into()),
            ("SHARED", (self.lanes > 1).into()),
        ];
        Program::new(text, self.lanes * self.rows, constants)
    }
}
