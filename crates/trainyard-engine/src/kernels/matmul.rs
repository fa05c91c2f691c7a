//! Products of matrices.

use burn::backend::TensorMetadata;

use super::GpuTensor;
use super::fit;
use super::launch::{Program, by_fours, place, u32_of, width};

const TEXT: &str = include_str!("../../../../shaders/matmul.wgsl");

/// Rows of a lane's tile.
const ROWS: u32 = 16;
/// Columns of a lane's tile, by fours.
const COLUMNS: u32 = 2;
/// Lanes of a workgroup: of a processor's vectors, since graphics devices are faster with Burn's kernels.
const LANES: u32 = 8;

/// One side of a product: a tensor as a matrix.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    tensor: &'a GpuTensor,
    lines: usize,
    /// Elements of a line.
    width: usize,
    /// Whether the lines are the matrix's columns rather than its rows.
    is_turned: bool,
}

impl<'a> Side<'a> {
    /// A tensor whose last dimension is the matrix's columns.
    pub fn new(tensor: &'a GpuTensor) -> Self {
        let width = width(tensor);
        let lines = tensor.shape().num_elements() / width.max(1);
        Self { tensor, lines, width, is_turned: false }
    }

    /// The transposed matrix; nothing moves.
    #[must_use]
    pub fn turned(self) -> Self {
        Self { is_turned: !self.is_turned, ..self }
    }

    fn rows(&self) -> usize {
        if self.is_turned { self.width } else { self.lines }
    }

    /// Its columns.
    pub fn columns(&self) -> usize {
        if self.is_turned { self.lines } else { self.width }
    }
}

/// What a product is added to.
#[derive(Clone, Copy, Debug)]
pub enum Addend<'a> {
    /// Nothing.
    Nothing,
    /// A number a column.
    Bias(&'a GpuTensor),
    /// What the output holds.
    Output,
}

/// `left · right` into a tensor that has room for it. Nothing happens where a matrix is empty or they do
/// not go together.
pub fn matmul(left: Side<'_>, right: Side<'_>, addend: Addend<'_>, output: &GpuTensor) {
    let (rows, columns, steps) = (left.rows(), right.columns(), left.columns());
    if rows * columns * steps == 0 || steps != right.rows() {
        return;
    }
    let wide = |width: usize| by_fours(width).0;
    let is_wide = |width: usize| width.is_multiple_of(4);
    // Smaller ones read more often than they share: SwiftShader's, of 4, are slower than none.
    let subgroup = fit().subgroup.filter(|&lanes| lanes == LANES);
    let constants = [
        ("LEFT", wide(left.width).into()),
        ("RIGHT", wide(right.width).into()),
        ("OUTPUT", wide(columns).into()),
        ("LEFT_WIDE", is_wide(left.width).into()),
        ("RIGHT_WIDE", is_wide(right.width).into()),
        ("OUTPUT_WIDE", is_wide(columns).into()),
        ("LEFT_TURNED", left.is_turned.into()),
        ("RIGHT_TURNED", right.is_turned.into()),
        ("BIAS", matches!(addend, Addend::Bias(_)).into()),
        ("ADD", matches!(addend, Addend::Output).into()),
        ("SUBGROUP", subgroup.is_some().into()),
        ("PARTS", (ROWS / LANES).into()),
        ("ROWS", ROWS.into()),
        ("FOURS", (ROWS / 4).into()),
        ("COLUMNS", COLUMNS.into()),
        ("LANES", LANES.into()),
    ];
    let program = Program::new(TEXT, LANES, constants);
    let [rows, columns, steps] = [rows, columns, steps].map(u32_of);
    let groups = [columns.div_ceil(LANES * COLUMNS * 4), rows.div_ceil(ROWS), 1];
    let (left, right, to) = (place(left.tensor), place(right.tensor), place(output));
    let sizes = [rows, columns, steps];
    match addend {
        Addend::Bias(bias) => program.launch(groups, [&left, &right, &to, &place(bias)], &sizes),
        _ => program.launch(groups, [&left, &right, &to], &sizes),
    }
}
