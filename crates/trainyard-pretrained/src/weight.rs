//! Weights as files have them.

use std::path::PathBuf;

use serde::Serialize;

use crate::place::{Part, Role, place};

/// A weight of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Weight {
    /// Its name in the file.
    pub name: String,
    /// Sizes of its dimensions, the slowest first.
    pub shape: Vec<u64>,
    /// How its numbers are stored.
    pub element: Element,
    /// What it takes in the file, bytes.
    pub bytes: u64,
    /// The file; None for what a config alone tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Where in the file it begins, bytes; 0 for what a config alone tells.
    pub offset: u64,
    /// The part of the model.
    pub part: Part,
    /// What it is for.
    pub role: Role,
}

impl Weight {
    /// One that a config tells of, without a file.
    pub(crate) fn expected(name: String, shape: Vec<u64>, element: Element) -> Self {
        let bytes = element.bytes_of(&shape).unwrap_or(u64::MAX);
        let (part, role) = place(&name);
        Self { name, shape, element, bytes, file: None, offset: 0, part, role }
    }

    /// How many numbers it has.
    pub fn numbers(&self) -> u64 {
        self.shape.iter().fold(1, |all, size| all.saturating_mul(*size))
    }
}

/// How numbers are stored: as they are, or in blocks that share a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "&'static str")]
pub struct Element {
    name: &'static str,
    /// Numbers of a block, and its bytes.
    block: (u64, u64),
}

impl Element {
    /// 32-bit floats.
    pub const F32: Self = Self::new("f32", (1, 4));
    /// 16-bit floats of IEEE 754.
    pub const F16: Self = Self::new("f16", (1, 2));
    /// Floats of 8 bits of exponent and 7 of fraction.
    pub const BF16: Self = Self::new("bf16", (1, 2));
    /// Bytes in blocks of 32 that share a scale, llama.cpp's `Q8_0`.
    pub const Q8_0: Self = Self::new("q8_0", (32, 34));
    /// Half bytes in blocks of 32 that share a scale, llama.cpp's `Q4_0`.
    pub const Q4_0: Self = Self::new("q4_0", (32, 18));
    /// The same with a smallest number beside the scale, llama.cpp's `Q4_1`.
    pub const Q4_1: Self = Self::new("q4_1", (32, 20));
    /// Five bits in blocks of 32 that share a scale, llama.cpp's `Q5_0`.
    pub const Q5_0: Self = Self::new("q5_0", (32, 22));
    /// The same with a smallest number beside the scale, llama.cpp's `Q5_1`.
    pub const Q5_1: Self = Self::new("q5_1", (32, 24));
    /// Half bytes in blocks of 256 with eight scales and smallest numbers of six bits, llama.cpp's `Q4_K`.
    pub const Q4_K: Self = Self::new("q4_k", (256, 144));
    /// The same of five bits, llama.cpp's `Q5_K`.
    pub const Q5_K: Self = Self::new("q5_k", (256, 176));
    /// Six bits in blocks of 256 with sixteen scales of eight bits, llama.cpp's `Q6_K`.
    pub const Q6_K: Self = Self::new("q6_k", (256, 210));

    pub(crate) const fn new(name: &'static str, block: (u64, u64)) -> Self {
        Self { name, block }
    }

    /// Its name, as `f16` or `q4_k`.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Numbers of a block; 1 where they are stored as they are.
    pub fn block_numbers(self) -> u64 {
        self.block.0
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> u64 {
        self.block.1
    }

    /// The bytes of a tensor; None where its rows are no whole blocks, or it is larger than can be.
    pub fn bytes_of(self, shape: &[u64]) -> Option<u64> {
        let (numbers, bytes) = self.block;
        let row = shape.last().copied().unwrap_or(1);
        let all = shape.iter().try_fold(1_u64, |all, size| all.checked_mul(*size))?;
        if row.is_multiple_of(numbers) { (all / numbers).checked_mul(bytes) } else { None }
    }

    /// A Hugging Face config's name of it, as `float16` or `torch.bfloat16`.
    pub(crate) fn of_torch(name: &str) -> Option<Self> {
        match name.trim_start_matches("torch.") {
            "float32" | "float" => Some(Self::F32),
            "float16" | "half" => Some(Self::F16),
            "bfloat16" => Some(Self::BF16),
            _ => None,
        }
    }
}

impl From<Element> for &'static str {
    fn from(element: Element) -> Self {
        element.name
    }
}
