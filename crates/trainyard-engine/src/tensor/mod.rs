//! Tensors by name: what layers take and give.

mod copy;
mod host_read;
mod root;
mod value;

use std::sync::Arc;

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

pub(crate) use copy::{copied_data, data_of};
pub(crate) use host_read::HostRead;
pub(crate) use root::Root;
pub use value::Value;
pub(crate) use value::goes_as_it_is;

use crate::EngineError;

/// Tensors by name, in the order in which they were put in.
#[derive(Clone, Debug, Default)]
pub struct Tensors {
    entries: Vec<(Arc<str>, Value)>,
}

/// What parts the name of a tensor from the number of the layer, counted from the first, that gives
/// one of several gradients of it back.
const OF_LAYER: char = '\n';

/// The name under which the gradient of one of several takers of a tensor goes back.
pub(crate) fn numbered(name: &str, taker: usize) -> Arc<str> {
    format!("{name}{OF_LAYER}{taker}").into()
}

/// The tensor whose gradient goes back under a name.
pub(crate) fn without_number(name: &str) -> &str {
    name.split_once(OF_LAYER).map_or(name, |(name, _)| name)
}

/// What begins the name of a tensor that a layer hands to itself in the next slice.
const CARRIED: char = '\r';

/// The name of a tensor that a layer of a stage, counted from the first, hands to itself in the next slice.
pub(crate) fn carried(name: &str, layer: usize) -> Arc<str> {
    format!("{CARRIED}{name}{OF_LAYER}{layer}").into()
}

/// Whether it is the name of such a tensor.
pub(crate) fn is_carried(name: &str) -> bool {
    name.starts_with(CARRIED)
}

/// The layer of a stage, counted from the first, that hands a tensor of such a name to itself.
pub(crate) fn layer_of_carried(name: &str) -> Option<usize> {
    let name = name.strip_prefix(CARRIED)?;
    name.rsplit_once(OF_LAYER).and_then(|(_, layer)| layer.parse().ok())
}

/// Tensors of the host by name.
pub type HostTensors = Vec<(Arc<str>, TensorData)>;

impl Tensors {
    /// No tensors.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One tensor more, in place of another of that name.
    #[must_use]
    pub fn with(mut self, name: impl Into<Arc<str>>, value: impl Into<Value>) -> Self {
        self.insert(name, value);
        self
    }

    /// Puts a tensor in, in place of another of that name.
    pub fn insert(&mut self, name: impl Into<Arc<str>>, value: impl Into<Value>) {
        let (name, value) = (name.into(), value.into());
        match self.entries.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.entries.push((name, value)),
        }
    }

    /// A tensor, if there is one of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.entries.iter().find(|(known, _)| &**known == name).map(|(_, value)| value)
    }

    /// Takes a tensor out.
    ///
    /// # Errors
    /// [`EngineError::WrongTensor`] when there is none of that name, or it has another rank or
    /// kind.
    pub fn take<T>(&mut self, name: &str) -> Result<T, EngineError>
    where
        T: TryFrom<Value>,
        EngineError: From<T::Error>,
    {
        let Some(at) = self.entries.iter().position(|(known, _)| &**known == name) else {
            let names: Vec<&str> = self.names().collect();
            return Err(EngineError::WrongTensor {
                expected: format!("a tensor '{name}'"),
                found: if names.is_empty() { "none".to_owned() } else { names.join(", ") },
            });
        };
        self.entries.remove(at).1.try_into().map_err(|error| match EngineError::from(error) {
            EngineError::WrongTensor { expected, found } => {
                EngineError::WrongTensor { expected: format!("'{name}': {expected}"), found }
            }
            other => other,
        })
    }

    /// The first tensor that was put in.
    ///
    /// # Errors
    /// [`EngineError::WrongTensor`] when there is none, or it has another rank or kind.
    pub fn take_first<T>(&mut self) -> Result<T, EngineError>
    where
        T: TryFrom<Value>,
        EngineError: From<T::Error>,
    {
        let first = self.entries.first().map(|(name, _)| Arc::clone(name));
        self.take(first.as_deref().unwrap_or("x"))
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(name, _)| &**name)
    }

    /// Names and tensors, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Value)> {
        self.entries.iter().map(|(name, value)| (name, value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All of these in addition, in place of others of their names.
    pub(crate) fn extend(&mut self, others: Self) {
        for (name, value) in others {
            self.insert(name, value);
        }
    }

    /// Keeps the tensors for which `keep` is true.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.entries.retain(|(name, _)| keep(name));
    }

    /// Puts host data on a device, tensor by tensor.
    ///
    /// # Errors
    /// As [`Value::from_data`].
    pub fn from_data(data: HostTensors, device: &Device) -> Result<Self, EngineError> {
        let put = |(name, data)| Ok((name, Value::from_data(data, device)?));
        Ok(Self { entries: data.into_iter().map(put).collect::<Result<_, EngineError>>()? })
    }

    /// Brings all tensors to the host.
    ///
    /// # Errors
    /// As [`Value::into_data`].
    pub fn into_data(self) -> Result<HostTensors, EngineError> {
        let read = |(name, value): (Arc<str>, Value)| Ok((name, value.into_data()?));
        self.entries.into_iter().map(read).collect()
    }

    /// Copies, on the same CPU device.
    ///
    /// # Errors
    /// [`EngineError::WrongTensor`] for tensors that are elsewhere.
    pub(crate) fn copied(self) -> Result<Self, EngineError> {
        let copy = |(name, value): (Arc<str>, Value)| Ok((name, value.copied()?));
        Ok(Self {
            entries: self.entries.into_iter().map(copy).collect::<Result<_, EngineError>>()?,
        })
    }

    /// Applies a function to every tensor.
    #[must_use]
    pub fn map(self, mut function: impl FnMut(Value) -> Value) -> Self {
        let apply = |(name, value)| (name, function(value));
        Self { entries: self.entries.into_iter().map(apply).collect() }
    }

    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        self.entries.iter().map(|(_, value)| value.bytes()).sum()
    }
}

impl IntoIterator for Tensors {
    type Item = (Arc<str>, Value);
    type IntoIter = std::vec::IntoIter<(Arc<str>, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl FromIterator<(Arc<str>, Value)> for Tensors {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Value)>>(entries: I) -> Self {
        let mut tensors = Self::new();
        for (name, value) in entries {
            tensors.insert(name, value);
        }
        tensors
    }
}

/// What a layer's function may take: a tensor, or two to four in the order in which the layer names
/// them.
pub trait TakeTensors: Sized {
    /// Takes them out of what the layer was given.
    ///
    /// # Errors
    /// [`EngineError::WrongTensor`] when one is missing, or has another rank or kind.
    fn take_from(tensors: &mut Tensors) -> Result<Self, EngineError>;
}

/// What a layer's function may give: a tensor, or two to four in the order in which the layer names
/// them.
pub trait GiveTensors {
    /// The tensors under the layer's names.
    ///
    /// # Errors
    /// [`EngineError::WrongTensor`] when there are more or fewer than names.
    fn give(self, names: &[Arc<str>]) -> Result<Tensors, EngineError>;
}

fn named(names: &[Arc<str>], values: Vec<Value>) -> Result<Tensors, EngineError> {
    if names.len() != values.len() {
        return Err(EngineError::WrongTensor {
            expected: format!("{} tensors: {}", names.len(), names.join(", ")),
            found: format!("{} tensors", values.len()),
        });
    }
    Ok(names.iter().cloned().zip(values).collect())
}

macro_rules! kinds {
    ($($kind:ty),*) => {$(
        impl<const D: usize> TakeTensors for Tensor<D, $kind> {
            fn take_from(tensors: &mut Tensors) -> Result<Self, EngineError> {
                tensors.take_first()
            }
        }

        impl<const D: usize> GiveTensors for Tensor<D, $kind> {
            fn give(self, names: &[Arc<str>]) -> Result<Tensors, EngineError> {
                named(names, vec![self.into()])
            }
        }
    )*};
}

kinds!(burn::tensor::Float, Int, Bool);

macro_rules! tuples {
    ($($tensor:ident),+) => {
        impl<$($tensor: TakeTensors),+> TakeTensors for ($($tensor,)+) {
            fn take_from(tensors: &mut Tensors) -> Result<Self, EngineError> {
                Ok(($($tensor::take_from(tensors)?,)+))
            }
        }

        impl<$($tensor),+> GiveTensors for ($($tensor,)+)
        where
            $(Value: From<$tensor>),+
        {
            #[expect(non_snake_case, reason = "variables have the names of their types")]
            fn give(self, names: &[Arc<str>]) -> Result<Tensors, EngineError> {
                let ($($tensor,)+) = self;
                named(names, vec![$($tensor.into()),+])
            }
        }
    };
}

tuples!(A, B);
tuples!(A, B, C);
tuples!(A, B, C, D);
