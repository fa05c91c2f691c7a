//! The gradient of a table whose rows were looked up.

use burn::backend::ops::IntTensorOps;
use burn::backend::{TensorMetadata, Wgpu};
use burn::tensor::IntDType;
use burn_cubecl::tensor::CubeTensor;

use super::launch::{LANES, Program, by_fours, groups, own, place, place_of_ints, u32_of, width};
use super::{GpuIntTensor, GpuTensor, fit};

const ALONG: &str = include_str!("../../../../shaders/embedding_backward.wgsl");
const ORDER: &str = concat!(
    include_str!("../../../../shaders/each.wgsl"),
    include_str!("../../../../shaders/embedding_order.wgsl")
);
const ORDERED: &str = concat!(
    include_str!("../../../../shaders/each.wgsl"),
    include_str!("../../../../shaders/embedding_ordered.wgsl")
);

/// Rows that are put in order together: every one is compared with all others.
const SLICE: usize = 2048;
/// Lanes of a workgroup where each has a column.
const COLUMNS: u32 = 8;

/// Adds the gradients of looked-up rows, `[rows…, width]`, to that of a table, `[table rows · width]`, at the
/// rows' 32-bit indices, `[rows…]`: an index's rows in their order, so that the result is the same each time.
/// In place, where nobody else holds the table's.
pub fn embedding_backward(
    gradient: &GpuTensor,
    indices: &GpuIntTensor,
    table: GpuTensor,
) -> GpuTensor {
    let table = own(table);
    let (element, columns) = by_fours(width(gradient));
    let lookup = Lookup {
        rows: indices.shape().num_elements(),
        table_rows: table.shape().num_elements() / width(gradient).max(1),
        element,
        columns,
    };
    let indices = place_of_ints(indices);
    let (gradient, to) = (place(gradient), place(&table));
    if fit().is_software {
        lookup.add_along(&indices, &gradient, &to);
    } else {
        let ordered = lookup.order(&indices);
        lookup.add_ordered(&ordered, &gradient, &to);
    }
    table
}

#[derive(Clone, Copy)]
struct Lookup {
    rows: usize,
    table_rows: usize,
    element: &'static str,
    /// Elements of a row.
    columns: usize,
}

impl Lookup {
    /// Every column by a lane of its own.
    fn add_along(self, indices: &CubeTensor, gradient: &CubeTensor, to: &CubeTensor) {
        let constants = [("ELEMENT", self.element.into()), ("LANES", COLUMNS.into())];
        let sizes = [self.rows, self.table_rows, self.columns].map(u32_of);
        let program = Program::new(ALONG, COLUMNS, constants);
        let groups = groups(self.columns, COLUMNS);
        program.launch(groups, [indices, gradient, to], &sizes);
    }

    /// Rows and their indices, `[rows, 2]`, slice by slice in the order of the indices.
    fn order(self, indices: &CubeTensor) -> CubeTensor {
        let like = &indices.device;
        let ordered = Wgpu::int_empty([self.rows, 2].into(), like, IntDType::I32);
        let ordered = place_of_ints(&ordered);
        let constants = [("LANES", LANES.into()), ("SLICE", u32_of(SLICE).into())];
        let program = Program::new(ORDER, LANES, constants);
        program.launch(groups(self.rows, LANES), [indices, &ordered], &[u32_of(self.rows)]);
        ordered
    }

    /// Every column of an index by a lane of its own, slice after slice.
    fn add_ordered(self, ordered: &CubeTensor, gradient: &CubeTensor, to: &CubeTensor) {
        for first in (0..self.rows).step_by(SLICE) {
            let last = self.rows.min(first + SLICE);
            let constants = [("ELEMENT", self.element.into()), ("LANES", LANES.into())];
            let sizes = [first, last, self.table_rows, self.columns].map(u32_of);
            let program = Program::new(ORDERED, LANES, constants);
            let groups = groups((last - first) * self.columns, LANES);
            program.launch(groups, [ordered, gradient, to], &sizes);
        }
    }
}
