//! Tensors whose rank is known at run time only, so that any layer can hand any tensor to the next.

use burn::tensor::{DType, Device, Gradients, Int, Tensor, TensorData};

use crate::EngineError;

/// A tensor of any rank, floating-point or integer.
#[derive(Clone, Debug)]
pub enum Value {
    /// `[n]`
    Float1(Tensor<1>),
    /// `[n, m]`
    Float2(Tensor<2>),
    /// For example `[batch, context, width]`.
    Float3(Tensor<3>),
    /// For example `[batch, channels, height, width]`.
    Float4(Tensor<4>),
    /// Rank five.
    Float5(Tensor<5>),
    /// `[n]`
    Int1(Tensor<1, Int>),
    /// For example token numbers `[batch, context]`.
    Int2(Tensor<2, Int>),
    /// Rank three.
    Int3(Tensor<3, Int>),
}

/// Runs one expression for whichever tensor is inside.
macro_rules! with_tensor {
    ($value:expr, $tensor:ident => $body:expr) => {
        match $value {
            Value::Float1($tensor) => $body,
            Value::Float2($tensor) => $body,
            Value::Float3($tensor) => $body,
            Value::Float4($tensor) => $body,
            Value::Float5($tensor) => $body,
            Value::Int1($tensor) => $body,
            Value::Int2($tensor) => $body,
            Value::Int3($tensor) => $body,
        }
    };
}

/// The same for floating-point tensors, with another expression for integers.
macro_rules! with_float {
    ($value:expr, $tensor:ident => $body:expr, else $other:expr) => {
        match $value {
            Value::Float1($tensor) => $body,
            Value::Float2($tensor) => $body,
            Value::Float3($tensor) => $body,
            Value::Float4($tensor) => $body,
            Value::Float5($tensor) => $body,
            Value::Int1(_) | Value::Int2(_) | Value::Int3(_) => $other,
        }
    };
}

macro_rules! conversions {
    ($($variant:ident: $tensor:ty),*) => {$(
        impl From<$tensor> for Value {
            fn from(tensor: $tensor) -> Self {
                Self::$variant(tensor)
            }
        }

        impl TryFrom<Value> for $tensor {
            type Error = EngineError;

            fn try_from(value: Value) -> Result<Self, EngineError> {
                match value {
                    Value::$variant(tensor) => Ok(tensor),
                    other => Err(EngineError::WrongTensor {
                        expected: stringify!($variant).to_owned(),
                        found: other.describe(),
                    }),
                }
            }
        }
    )*};
}

conversions!(
    Float1: Tensor<1>, Float2: Tensor<2>, Float3: Tensor<3>, Float4: Tensor<4>, Float5: Tensor<5>,
    Int1: Tensor<1, Int>, Int2: Tensor<2, Int>, Int3: Tensor<3, Int>
);

impl Value {
    /// Puts host data on a device.
    ///
    /// # Errors
    /// [`EngineError::WrongTensor`] for ranks that no layer can use.
    pub fn from_data(data: TensorData, device: &Device) -> Result<Self, EngineError> {
        let float = data.dtype().is_float();
        Ok(match (data.shape().num_dims(), float) {
            (1, true) => Self::Float1(Tensor::from_data(data, device)),
            (2, true) => Self::Float2(Tensor::from_data(data, device)),
            (3, true) => Self::Float3(Tensor::from_data(data, device)),
            (4, true) => Self::Float4(Tensor::from_data(data, device)),
            (5, true) => Self::Float5(Tensor::from_data(data, device)),
            (1, false) => Self::Int1(Tensor::from_data(data, device)),
            (2, false) => Self::Int2(Tensor::from_data(data, device)),
            (3, false) => Self::Int3(Tensor::from_data(data, device)),
            _ => {
                return Err(EngineError::WrongTensor {
                    expected: "rank 1 to 5 (integers: 1 to 3)".to_owned(),
                    found: format!("{:?} {:?}", data.dtype(), data.shape()),
                });
            }
        })
    }

    /// Brings the tensor to the host. Blocks until the device has computed it.
    ///
    /// # Errors
    /// What the driver said, as [`EngineError::Driver`].
    pub fn into_data(self) -> Result<TensorData, EngineError> {
        with_tensor!(self, tensor => tensor.try_into_data()).map_err(EngineError::driver)
    }

    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        let (elements, dtype): (usize, DType) =
            with_tensor!(self, tensor => (tensor.shape().num_elements(), tensor.dtype()));
        elements as u64 * dtype.size() as u64
    }

    /// Kind and shape in words, for messages.
    pub fn describe(&self) -> String {
        with_tensor!(self, tensor => format!("{:?} {:?}", tensor.dtype(), tensor.dims()))
    }

    /// Without its graph.
    #[must_use]
    pub fn plain(self) -> Self {
        with_float!(self, tensor => tensor.inner().into(), else self)
    }

    /// As the start of a new graph, whose gradient the backward will leave for [`Self::gradient`].
    #[must_use]
    pub fn leaf(self) -> Self {
        with_float!(self, tensor => tensor.autodiff().require_grad().into(), else self)
    }

    /// With autodiff's kernels, but not part of any graph.
    #[must_use]
    pub(crate) fn frozen(self) -> Self {
        with_float!(self, tensor => tensor.autodiff().into(), else self)
    }

    /// The gradient that a backward left for this leaf.
    pub fn gradient(&self, gradients: &mut Gradients) -> Option<Self> {
        with_float!(self, tensor => tensor.grad_remove(gradients).map(Self::from), else None)
    }

    /// Zeros of the same shape on the same device, without graph; None for integers.
    #[must_use]
    pub fn zeros(&self) -> Option<Self> {
        with_float!(self, tensor => Some(tensor.clone().inner().zeros_like().into()), else None)
    }

    /// `Σ self · gradient`, whose backward starts from exactly `gradient`.
    ///
    /// Burn seeds every backward with ones; the product makes the seed what we want.
    /// None for integers, which have no gradient.
    ///
    /// # Errors
    /// [`EngineError::WrongTensor`] when the two do not have the same rank.
    pub fn seeded(self, gradient: Self) -> Result<Option<Tensor<1>>, EngineError> {
        with_float!(self, tensor => {
            let gradient = same_rank(&tensor, gradient)?;
            Ok(Some((tensor * gradient).sum()))
        }, else Ok(None))
    }

    /// Whether it holds a floating-point tensor.
    pub fn is_float(&self) -> bool {
        with_float!(self, _tensor => true, else false)
    }
}

/// A value as a tensor of the same rank as another.
fn same_rank<const D: usize>(_like: &Tensor<D>, value: Value) -> Result<Tensor<D>, EngineError>
where
    Value: TryInto<Tensor<D>, Error = EngineError>,
{
    value.try_into()
}

/// What crosses from one layer to the next: one tensor or several.
#[derive(Clone, Debug, Default)]
pub struct Activation {
    /// The tensors, in an order that the two layers agree on.
    pub values: Vec<Value>,
}

impl<V: Into<Value>> From<V> for Activation {
    fn from(value: V) -> Self {
        Self { values: vec![value.into()] }
    }
}

impl Activation {
    /// The one tensor of an activation that has just one.
    ///
    /// # Errors
    /// [`EngineError::WrongTensor`] when there are more or none, or it has another rank or kind.
    pub fn single<T: TryFrom<Value, Error = EngineError>>(mut self) -> Result<T, EngineError> {
        match (self.values.pop(), self.values.is_empty()) {
            (Some(value), true) => value.try_into(),
            (_, _) => Err(EngineError::WrongTensor {
                expected: "one tensor".to_owned(),
                found: "none or several".to_owned(),
            }),
        }
    }

    /// Puts host data on a device, tensor by tensor.
    ///
    /// # Errors
    /// As [`Value::from_data`].
    pub fn from_data(data: Vec<TensorData>, device: &Device) -> Result<Self, EngineError> {
        let values = data.into_iter().map(|data| Value::from_data(data, device));
        Ok(Self { values: values.collect::<Result<_, _>>()? })
    }

    /// Brings all tensors to the host.
    ///
    /// # Errors
    /// As [`Value::into_data`].
    pub fn into_data(self) -> Result<Vec<TensorData>, EngineError> {
        self.values.into_iter().map(Value::into_data).collect()
    }

    /// Applies a function to every tensor.
    #[must_use]
    pub fn map(self, function: impl FnMut(Value) -> Value) -> Self {
        Self { values: self.values.into_iter().map(function).collect() }
    }

    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        self.values.iter().map(Value::bytes).sum()
    }
}
