//! Element types of safetensors files, and what they become in a batch.

use half::{bf16, f16};
use safetensors::Dtype;

use crate::batch::{DType, HostTensor};
use crate::files::arrays;

/// An element type that batches can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    F32,
    F64,
    F16,
    Bf16,
    I32,
    I64,
    U32,
    U8,
    I8,
    I16,
    U16,
    Bool,
}

impl Element {
    /// Names for messages.
    pub(super) const KNOWN: &str = "F32, F16, BF16, F64, I32, I64, U32, I16, U16, I8, U8 or BOOL";

    pub(super) fn of(dtype: Dtype) -> Option<Self> {
        Some(match dtype {
            Dtype::F32 => Self::F32,
            Dtype::F64 => Self::F64,
            Dtype::F16 => Self::F16,
            Dtype::BF16 => Self::Bf16,
            Dtype::I32 => Self::I32,
            Dtype::I64 => Self::I64,
            Dtype::U32 => Self::U32,
            Dtype::U8 => Self::U8,
            Dtype::I8 => Self::I8,
            Dtype::I16 => Self::I16,
            Dtype::U16 => Self::U16,
            Dtype::BOOL => Self::Bool,
            _ => return None,
        })
    }

    /// Type in a batch.
    pub(super) fn dtype(self) -> DType {
        match self {
            Self::F32 | Self::F64 | Self::F16 | Self::Bf16 => DType::F32,
            Self::Bool => DType::Bool,
            _ => DType::I32,
        }
    }

    /// A tensor of little-endian elements.
    ///
    /// # Errors
    /// The value that 32 bits cannot hold, and the way out.
    pub(super) fn tensor(self, shape: Vec<usize>, bytes: &[u8]) -> Result<HostTensor, String> {
        let fits = |value: i64| {
            i32::try_from(value).map_err(|_| {
                format!("has the value {value}, which 32 bits cannot hold; scale or renumber it")
            })
        };
        let values: Result<Vec<i32>, String> = match self {
            Self::F32 => return Ok(floats(shape, arrays(bytes).map(f32::from_le_bytes))),
            Self::F64 => {
                return Ok(floats(shape, arrays(bytes).map(|it| f64::from_le_bytes(it) as f32)));
            }
            Self::F16 => {
                return Ok(floats(shape, arrays(bytes).map(|it| f16::from_le_bytes(it).to_f32())));
            }
            Self::Bf16 => {
                return Ok(floats(shape, arrays(bytes).map(|it| bf16::from_le_bytes(it).to_f32())));
            }
            Self::Bool => {
                let values = bytes.iter().map(|&byte| byte != 0).collect();
                return Ok(HostTensor::Bool { shape, values });
            }
            Self::I32 => Ok(arrays(bytes).map(i32::from_le_bytes).collect()),
            Self::I64 => arrays(bytes).map(|it| fits(i64::from_le_bytes(it))).collect(),
            Self::U32 => arrays(bytes).map(|it| fits(u32::from_le_bytes(it).into())).collect(),
            Self::U8 => Ok(bytes.iter().map(|&byte| byte.into()).collect()),
            Self::I8 => Ok(bytes.iter().map(|&byte| byte.cast_signed().into()).collect()),
            Self::I16 => Ok(arrays(bytes).map(|it| i16::from_le_bytes(it).into()).collect()),
            Self::U16 => Ok(arrays(bytes).map(|it| u16::from_le_bytes(it).into()).collect()),
        };
        Ok(HostTensor::I32 { shape, values: values? })
    }
}

fn floats(shape: Vec<usize>, values: impl Iterator<Item = f32>) -> HostTensor {
    HostTensor::F32 { shape, values: values.collect() }
}
