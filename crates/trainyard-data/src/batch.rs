//! Batches: named tensors in host memory, cut by rows.

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::error::DataError;

/// Element type of a [`HostTensor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// 32-bit floats.
    F32,
    /// 32-bit signed integers: tokens, class numbers.
    I32,
    /// Booleans: masks.
    Bool,
}

impl DType {
    /// Bytes of one element in host memory.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 | Self::I32 => 4,
            Self::Bool => 1,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::I32 => "i32",
            Self::Bool => "bool",
        })
    }
}

/// A tensor in host memory, row-major. Its first dimension counts rows.
#[derive(Clone, Debug, PartialEq)]
pub enum HostTensor {
    /// Floats.
    F32 {
        /// Sizes of the dimensions, rows first.
        shape: Vec<usize>,
        /// As many values as the product of `shape`.
        values: Vec<f32>,
    },
    /// Integers.
    I32 {
        /// Sizes of the dimensions, rows first.
        shape: Vec<usize>,
        /// As many values as the product of `shape`.
        values: Vec<i32>,
    },
    /// Booleans.
    Bool {
        /// Sizes of the dimensions, rows first.
        shape: Vec<usize>,
        /// As many values as the product of `shape`.
        values: Vec<bool>,
    },
}

impl HostTensor {
    /// Sizes of the dimensions, rows first.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::F32 { shape, .. } | Self::I32 { shape, .. } | Self::Bool { shape, .. } => shape,
        }
    }

    /// Element type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        match self {
            Self::F32 { .. } => DType::F32,
            Self::I32 { .. } => DType::I32,
            Self::Bool { .. } => DType::Bool,
        }
    }

    /// Number of values held.
    #[must_use]
    pub fn elements(&self) -> usize {
        match self {
            Self::F32 { values, .. } => values.len(),
            Self::I32 { values, .. } => values.len(),
            Self::Bool { values, .. } => values.len(),
        }
    }

    /// First dimension; 0 for a tensor without dimensions.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.shape().first().copied().unwrap_or(0)
    }

    /// Copy of some rows; the part of `rows` past the end is left out.
    #[must_use]
    pub fn slice_rows(&self, rows: Range<usize>) -> Self {
        let end = rows.end.min(self.rows());
        let start = rows.start.min(end);
        let row_elements = self.elements().checked_div(self.rows()).unwrap_or(0);
        let range = start * row_elements..end * row_elements;
        let mut shape = self.shape().to_vec();
        if let Some(first) = shape.first_mut() {
            *first = end - start;
        }
        match self {
            Self::F32 { values, .. } => Self::F32 { shape, values: values[range].to_vec() },
            Self::I32 { values, .. } => Self::I32 { shape, values: values[range].to_vec() },
            Self::Bool { values, .. } => Self::Bool { shape, values: values[range].to_vec() },
        }
    }

    fn is_sound(&self) -> bool {
        let product = self.shape().iter().try_fold(1_usize, |all, &size| all.checked_mul(size));
        product == Some(self.elements())
    }
}

/// Rows of data: named tensors with one row a sample.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Names and tensors, in the order of [`DataInfo::tensors`](crate::DataInfo::tensors). The first
    /// dimension of each is `rows`.
    pub tensors: Vec<(String, HostTensor)>,
    /// Number of samples.
    pub rows: usize,
}

impl Batch {
    /// Puts tensors together.
    ///
    /// # Errors
    /// [`DataError::BadBatch`] where a tensor's values do not fill its shape, its first dimension
    /// is not `rows`, or two tensors have one name.
    pub fn new(tensors: Vec<(String, HostTensor)>, rows: usize) -> Result<Self, DataError> {
        for (index, (name, tensor)) in tensors.iter().enumerate() {
            let reason = if !tensor.is_sound() {
                let (shape, elements) = (tensor.shape(), tensor.elements());
                format!("its shape is {shape:?}, but it has {elements} values")
            } else if tensor.rows() != rows {
                format!("its shape is {:?}, but the batch has {rows} rows", tensor.shape())
            } else if tensors[..index].iter().any(|(other, _)| other == name) {
                "another tensor of the batch has the same name".to_owned()
            } else {
                continue;
            };
            return Err(DataError::BadBatch { tensor: name.clone(), reason });
        }
        Ok(Self { tensors, rows })
    }

    /// Tensor of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&HostTensor> {
        self.tensors.iter().find(|(known, _)| known == name).map(|(_, tensor)| tensor)
    }

    /// Copy of some rows; the part of `rows` past the end is left out.
    #[must_use]
    pub fn slice_rows(&self, rows: Range<usize>) -> Self {
        let end = rows.end.min(self.rows);
        let start = rows.start.min(end);
        let cut =
            |(name, tensor): &(String, HostTensor)| (name.clone(), tensor.slice_rows(start..end));
        Self { tensors: self.tensors.iter().map(cut).collect(), rows: end - start }
    }

    /// Cuts into micro-batches of `rows` rows (at least 1); the last may have fewer.
    #[must_use]
    pub fn split(&self, rows: usize) -> Vec<Self> {
        let rows = rows.max(1);
        (0..self.rows)
            .step_by(rows)
            .map(|start| self.slice_rows(start..start.saturating_add(rows)))
            .collect()
    }
}
