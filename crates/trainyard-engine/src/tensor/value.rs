//! One tensor whose kind and rank are known at run time only.

use burn::backend::ops::{BoolTensorOps, FloatTensorOps, IntTensorOps};
use burn::backend::{Dispatch, DispatchTensor, TensorMetadata};
use burn::tensor::{Bool, DType, Device, Gradients, Int, Shape, Tensor, TensorData};

use super::HostRead;
use crate::EngineError;

/// A tensor of any rank: floating-point, integer or boolean.
///
/// Burn keeps a tensor's rank in its type. Nothing but constructors and shape arguments looks at
/// it, so the operations below use rank 1 for every tensor, and the conversions back to a typed
/// tensor check it.
#[derive(Clone, Debug)]
pub enum Value {
    /// Floating-point numbers; the only kind that has gradients.
    Float(DispatchTensor),
    /// Integers, such as token numbers.
    Int(DispatchTensor),
    /// Booleans, such as masks.
    Bool(DispatchTensor),
}

macro_rules! conversions {
    ($($variant:ident: $kind:ty),*) => {$(
        impl<const D: usize> From<Tensor<D, $kind>> for Value {
            fn from(tensor: Tensor<D, $kind>) -> Self {
                Self::$variant(tensor.into_dispatch())
            }
        }

        impl<const D: usize> TryFrom<Value> for Tensor<D, $kind> {
            type Error = EngineError;

            fn try_from(value: Value) -> Result<Self, EngineError> {
                match value {
                    Value::$variant(tensor) if tensor.shape().num_dims() == D => {
                        Ok(Tensor::from_dispatch(tensor))
                    }
                    other => Err(EngineError::WrongTensor {
                        expected: format!("{} of rank {D}", stringify!($variant)),
                        found: other.describe(),
                    }),
                }
            }
        }
    )*};
}

conversions!(Float: burn::tensor::Float, Int: Int, Bool: Bool);

/// A floating-point tensor of any rank as if it had rank 1.
fn erased(tensor: DispatchTensor) -> Tensor<1> {
    Tensor::from_dispatch(tensor)
}

impl Value {
    /// Puts host data on a device.
    ///
    /// # Errors
    /// [`EngineError::WrongTensor`] for a scalar without dimensions, or a number type that is
    /// neither floating-point, integer nor boolean.
    pub fn from_data(data: TensorData, device: &Device) -> Result<Self, EngineError> {
        let (dtype, shape) = (data.dtype(), data.shape().clone());
        if shape.num_dims() == 0 {
            return Err(EngineError::WrongTensor {
                expected: "rank 1 or more".to_owned(),
                found: format!("{dtype:?} without dimensions"),
            });
        }
        let flat = [shape.num_elements()];
        let data = TensorData::from_bytes(data.into_bytes(), flat, dtype);
        Ok(if dtype.is_float() {
            let tensor = Tensor::<1>::from_data(data, device).into_dispatch();
            Self::Float(Dispatch::float_reshape(tensor, shape))
        } else if dtype.is_int() || dtype.is_uint() {
            let tensor = Tensor::<1, Int>::from_data(data, device).into_dispatch();
            Self::Int(Dispatch::int_reshape(tensor, shape))
        } else if dtype.is_bool() {
            let tensor = Tensor::<1, Bool>::from_data(data, device).into_dispatch();
            Self::Bool(Dispatch::bool_reshape(tensor, shape))
        } else {
            return Err(EngineError::WrongTensor {
                expected: "floating-point, integer or boolean numbers".to_owned(),
                found: format!("{dtype:?} {shape:?}"),
            });
        })
    }

    /// Room on a device for a tensor that [goes as it is](goes_as_it_is), of a shape with one dimension or
    /// more. Its elements are whatever lay there.
    ///
    /// # Errors
    /// [`EngineError::WrongTensor`] for another number type.
    pub(crate) fn room(shape: Shape, dtype: DType, device: &Device) -> Result<Self, EngineError> {
        let flat = [shape.num_elements()];
        match dtype {
            DType::F32 => {
                let tensor = Tensor::<1>::empty(flat, (device, dtype)).into_dispatch();
                Ok(Self::Float(Dispatch::float_reshape(tensor, shape)))
            }
            DType::I32 => {
                let tensor = Tensor::<1, Int>::empty(flat, (device, dtype)).into_dispatch();
                Ok(Self::Int(Dispatch::int_reshape(tensor, shape)))
            }
            _ => Err(EngineError::WrongTensor {
                expected: "32-bit numbers".to_owned(),
                found: format!("{dtype:?} {shape:?}"),
            }),
        }
    }

    pub(crate) fn tensor(&self) -> &DispatchTensor {
        match self {
            Self::Float(tensor) | Self::Int(tensor) | Self::Bool(tensor) => tensor,
        }
    }

    /// Brings the tensor to the host. Blocks until the device has computed it.
    ///
    /// # Errors
    /// What the driver said, as [`EngineError::Driver`].
    pub fn into_data(self) -> Result<TensorData, EngineError> {
        HostRead::begin(self).finish()
    }

    /// Its dimensions.
    pub fn shape(&self) -> Shape {
        self.tensor().shape()
    }

    /// Its number type.
    pub fn dtype(&self) -> DType {
        self.tensor().dtype()
    }

    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        self.shape().num_elements() as u64 * self.dtype().size() as u64
    }

    /// Kind and shape in words, for messages.
    pub fn describe(&self) -> String {
        format!("{:?} {:?}", self.dtype(), self.shape().as_slice())
    }

    /// Whether it holds floating-point numbers.
    pub fn is_float(&self) -> bool {
        matches!(self, Self::Float(_))
    }

    /// Without its graph, and without autodiff, which what is computed from floats has too.
    #[must_use]
    pub fn detach(self) -> Self {
        match self {
            Self::Float(tensor) => Self::Float(erased(tensor).inner().into_dispatch()),
            Self::Int(tensor) => {
                Self::Int(Tensor::<1, Int>::from_dispatch(tensor).inner().into_dispatch())
            }
            Self::Bool(tensor) => {
                Self::Bool(Tensor::<1, Bool>::from_dispatch(tensor).inner().into_dispatch())
            }
        }
    }

    /// As the start of a new graph, whose gradient the backward leaves for [`Self::gradient`].
    #[must_use]
    pub fn requires_grad(self) -> Self {
        self.map_float(|tensor| tensor.autodiff().require_grad())
    }

    /// With autodiff's kernels, but not part of any graph.
    #[must_use]
    pub(crate) fn untracked(self) -> Self {
        match self {
            Self::Float(tensor) => Self::Float(erased(tensor).autodiff().into_dispatch()),
            // Burn wants all operands of an operation to be with autodiff, or none.
            other => other,
        }
    }

    /// As a node of its own in its graph, where the gradients of all that is made of it are summed
    /// before they go on.
    #[must_use]
    pub(crate) fn node(self) -> Self {
        match self {
            Self::Float(tensor) if erased(tensor.clone()).is_tracked() => {
                let shape = tensor.shape();
                Self::Float(Dispatch::float_reshape(tensor, shape))
            }
            other => other,
        }
    }

    /// The tensor for one that takes it, and for all that take it later.
    ///
    /// In a graph the gradients of the second are summed before that of the first comes on top: from
    /// the last that takes it to the first, wherever graphs are cut. By itself autodiff takes them as
    /// deep as they lie.
    #[must_use]
    pub(crate) fn fork(self) -> (Self, Self) {
        (self.clone().node(), self.node())
    }

    fn map_float(self, function: impl FnOnce(Tensor<1>) -> Tensor<1>) -> Self {
        match self {
            Self::Float(tensor) => Self::Float(function(erased(tensor)).into_dispatch()),
            other => other,
        }
    }

    /// The gradient that a backward left for this start of a graph.
    pub fn gradient(&self, gradients: &mut Gradients) -> Option<Self> {
        match self {
            Self::Float(tensor) => {
                let gradient = erased(tensor.clone()).grad_remove(gradients)?;
                Some(Self::Float(gradient.into_dispatch()))
            }
            _ => None,
        }
    }

    /// Zeros of the same shape on the same device, without graph; None where there are no
    /// gradients.
    #[must_use]
    pub fn zeros(&self) -> Option<Self> {
        match self {
            Self::Float(tensor) => {
                Some(Self::Float(erased(tensor.clone()).inner().zeros_like().into_dispatch()))
            }
            _ => None,
        }
    }

    /// A floating-point tensor as a list of its elements, `[n]`.
    ///
    /// # Errors
    /// [`EngineError::WrongTensor`] for another kind.
    pub fn flatten(self) -> Result<Tensor<1>, EngineError> {
        match self {
            Self::Float(tensor) => {
                let elements = tensor.shape().num_elements();
                Ok(erased(Dispatch::float_reshape(tensor, Shape::from([elements]))))
            }
            other => Err(wrong_kind("floating-point numbers", &other)),
        }
    }

    /// An integer tensor as a list of its elements, `[n]`.
    ///
    /// # Errors
    /// [`EngineError::WrongTensor`] for another kind.
    pub fn flatten_int(self) -> Result<Tensor<1, Int>, EngineError> {
        match self {
            Self::Int(tensor) => {
                let elements = tensor.shape().num_elements();
                let flat = Dispatch::int_reshape(tensor, Shape::from([elements]));
                Ok(Tensor::from_dispatch(flat))
            }
            other => Err(wrong_kind("integers", &other)),
        }
    }

    /// A floating-point tensor `[…, n]` as a matrix of its last dimension, `[rows, n]`.
    ///
    /// # Errors
    /// [`EngineError::WrongTensor`] for another kind.
    pub fn as_matrix(self) -> Result<Tensor<2>, EngineError> {
        match self {
            Self::Float(tensor) => {
                let shape = tensor.shape();
                let last = shape.as_slice().last().copied().unwrap_or(1);
                let rows = shape.num_elements() / last.max(1);
                let matrix = Dispatch::float_reshape(tensor, Shape::from([rows, last]));
                Ok(Tensor::from_dispatch(matrix))
            }
            other => Err(wrong_kind("floating-point numbers", &other)),
        }
    }

    /// Of floating-point numbers `[rows, positions, n]` those of the last position, `[rows, 1, n]`; any other
    /// tensor as it is.
    #[must_use]
    pub(crate) fn last_of(self, positions: usize) -> Self {
        match self {
            Self::Float(tensor)
                if tensor.shape().num_dims() == 3 && tensor.shape()[1] == positions =>
            {
                let all = Tensor::<3>::from_dispatch(tensor);
                Self::Float(all.narrow(1, positions.saturating_sub(1), 1).into_dispatch())
            }
            other => other,
        }
    }

    /// The sum of two tensors of one shape, on the device of the first.
    ///
    /// # Errors
    /// [`EngineError::WrongTensor`] when they differ in shape or are no floats.
    pub(crate) fn add(self, other: Self) -> Result<Self, EngineError> {
        match (self, other) {
            (Self::Float(one), Self::Float(other)) if one.shape() == other.shape() => {
                Ok(Self::Float(Dispatch::float_add(one, other)))
            }
            (one, other) => Err(EngineError::WrongTensor {
                expected: format!("a gradient like {}", one.describe()),
                found: other.describe(),
            }),
        }
    }
}

/// Whether a number's bytes mean the same on every device. Others are what a device makes of them, as
/// booleans are, or what it cannot compute with.
pub(crate) fn goes_as_it_is(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::I32)
}

fn wrong_kind(expected: &str, found: &Value) -> EngineError {
    EngineError::WrongTensor { expected: expected.to_owned(), found: found.describe() }
}
