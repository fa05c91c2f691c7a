//! Numbers out of the blocks of few bits in which frozen weights lie.

use std::ops::Range;

use burn::backend::TensorMetadata;
use trainyard_plan::memory::UNPACKED_NUMBERS;

use super::launch::{LANES, Program, are_compiled, groups, place, place_of_ints, room, u32_of};
use super::{GpuIntTensor, GpuTensor};

const TEXT: &str = concat!(
    include_str!("../../../../shaders/each.wgsl"),
    include_str!("../../../../shaders/half.wgsl"),
    include_str!("../../../../shaders/blocks.wgsl")
);

/// Blocks of one format of GGUF files. A tensor of blocks is flat: the bytes of a matrix, row by row, four in the
/// bits of each of its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    name: &'static str,
    /// Numbers of a block, and its bytes.
    block: (u32, u32),
}

const KNOWN: [Blocks; 8] = [
    Blocks { name: "Q8_0", block: (32, 34) },
    Blocks { name: "Q4_0", block: (32, 18) },
    Blocks { name: "Q4_1", block: (32, 20) },
    Blocks { name: "Q5_0", block: (32, 22) },
    Blocks { name: "Q5_1", block: (32, 24) },
    Blocks { name: "Q4_K", block: (256, 144) },
    Blocks { name: "Q5_K", block: (256, 176) },
    Blocks { name: "Q6_K", block: (256, 210) },
];

/// Rows of a matrix in blocks, of `width` numbers each, that a device has as numbers at a time.
pub fn unpacked_rows(width: usize) -> usize {
    usize::try_from(UNPACKED_NUMBERS).unwrap_or(usize::MAX).checked_div(width).unwrap_or(1).max(1)
}

impl Blocks {
    /// Those of a format by its name; None for one without a kernel, and where no kernels of ours are compiled.
    pub fn named(name: &str) -> Option<Self> {
        let mut known = KNOWN.into_iter().filter(|_| are_compiled());
        known.find(|known| known.name.eq_ignore_ascii_case(name))
    }

    /// Some rows of a matrix, `[rows, width]`.
    pub fn rows(self, blocks: &GpuTensor, width: usize, rows: Range<usize>) -> GpuTensor {
        let numbers = room(blocks, [rows.len(), width]);
        let fours = width / 4;
        let count = rows.len() * fours;
        let sizes = [count, fours, rows.start].map(u32_of);
        let tensors = [place(blocks), place(&numbers)];
        self.program(false).launch(groups(count, LANES), &tensors, &sizes);
        numbers
    }

    /// The rows of a matrix, `[rows, width]`, at some 32-bit indices, `[indices, width]`; not a number in place of one
    /// that is not there.
    pub fn rows_at(
        self,
        blocks: &GpuTensor,
        [rows, width]: [usize; 2],
        indices: &GpuIntTensor,
    ) -> GpuTensor {
        let wanted = indices.shape().num_elements();
        let numbers = room(blocks, [wanted, width]);
        let count = wanted * (width / 4);
        let [fours, rows] = [width / 4, rows].map(u32_of);
        let tensors = [place(blocks), place_of_ints(indices), place(&numbers)];
        let sizes = [u32_of(count), fours, rows, f32::NAN.to_bits()];
        self.program(true).launch(groups(count, LANES), &tensors, &sizes);
        numbers
    }

    fn program(self, indexed: bool) -> Program {
        let (numbers, bytes) = self.block;
        let constants = [
            ("LANES", LANES.into()),
            ("INDEXED", indexed.into()),
            ("HALVES", matches!(self.name, "Q4_0" | "Q4_1" | "Q5_0" | "Q5_1").into()),
            ("PARTS", matches!(self.name, "Q4_K" | "Q5_K").into()),
            (self.name, true.into()),
            ("NUMBERS", numbers.into()),
            ("BYTES", bytes.into()),
        ];
        Program::new(TEXT, LANES, constants)
    }
}
