//! What an optimizer keeps of a weight from step to step: tensors with names and shapes, so that a
//! checkpoint can hold the state of any optimizer.

use burn::tensor::{Device, Tensor, TensorData};

use crate::EngineError;

/// Name and shape of one tensor of state; its elements are 32-bit floats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSpec {
    /// Name within the weight's state, such as `first` or `momentum`.
    pub name: &'static str,
    /// Its dimensions.
    pub shape: Vec<usize>,
}

impl StateSpec {
    /// A tensor of state.
    pub fn new(name: &'static str, shape: impl Into<Vec<usize>>) -> Self {
        Self { name, shape: shape.into() }
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// One tensor of state with its values on the host, as checkpoints hold it.
#[derive(Clone, Debug, PartialEq)]
pub struct StateEntry {
    /// Name within the weight's state.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its values, row by row.
    pub values: Vec<f32>,
}

/// The state of one weight. Each tensor of it lies on the host or on the weight's device; an
/// optimizer moves it to where it wants it.
#[derive(Clone, Debug)]
pub struct State {
    tensors: Vec<StateTensor>,
}

#[derive(Clone, Debug)]
struct StateTensor {
    spec: StateSpec,
    values: StateValues,
}

#[expect(clippy::large_enum_variant, reason = "there are one or two for each weight, not more")]
#[derive(Clone, Debug)]
enum StateValues {
    Host(Vec<f32>),
    Device(Tensor<1>),
}

impl StateValues {
    fn host(&mut self) -> Result<&mut Vec<f32>, EngineError> {
        if let Self::Device(tensor) = self {
            *self = Self::Host(read(tensor.clone())?);
        }
        match self {
            Self::Host(values) => Ok(values),
            Self::Device(_) => Err(EngineError::driver("an optimizer's state is not on the host")),
        }
    }

    fn into_tensor(self, device: &Device) -> Tensor<1> {
        match self {
            Self::Host(values) => {
                let length = values.len();
                Tensor::from_data(TensorData::new(values, [length]), device)
            }
            Self::Device(tensor) => tensor,
        }
    }
}

impl State {
    /// Zeros on the host.
    pub(super) fn zeros(specs: Vec<StateSpec>) -> Self {
        let zeros = |spec: StateSpec| StateTensor {
            values: StateValues::Host(vec![0.0; spec.elements()]),
            spec,
        };
        Self { tensors: specs.into_iter().map(zeros).collect() }
    }

    /// Flat tensors on a device, one for each spec.
    pub(super) fn on_device<const N: usize>(
        specs: Vec<StateSpec>,
        tensors: [Tensor<1>; N],
    ) -> Option<Self> {
        let tensor = |(spec, tensor)| StateTensor { spec, values: StateValues::Device(tensor) };
        let tensors: Vec<_> = specs.into_iter().zip(tensors).map(tensor).collect();
        (!tensors.is_empty()).then_some(Self { tensors })
    }

    /// All tensors, in their order, on the host.
    pub(super) fn host_mut<const N: usize>(&mut self) -> Result<[&mut Vec<f32>; N], EngineError> {
        let held = self.tensors.len();
        let tensors = self.tensors.iter_mut().map(|tensor| tensor.values.host());
        let tensors = tensors.collect::<Result<Vec<_>, _>>()?;
        tensors.try_into().map_err(|_| wrong_count(N, held))
    }

    /// Takes all tensors, in their order, onto the weight's device; None before the first update.
    pub(super) fn take<const N: usize>(
        state: &mut Option<Self>,
        device: &Device,
    ) -> Result<Option<[Tensor<1>; N]>, EngineError> {
        let Some(state) = state.take() else { return Ok(None) };
        let held = state.tensors.len();
        let tensors = state.tensors.into_iter().map(|tensor| tensor.values.into_tensor(device));
        let tensors: Vec<_> = tensors.collect();
        tensors.try_into().map(Some).map_err(|_| wrong_count(N, held))
    }

    /// Bytes it takes.
    pub fn bytes(&self) -> u64 {
        let elements = |tensor: &StateTensor| match &tensor.values {
            StateValues::Host(values) => values.len(),
            StateValues::Device(tensor) => tensor.shape().num_elements(),
        };
        4 * self.tensors.iter().map(elements).sum::<usize>() as u64
    }

    /// Gives every tensor to one of two, by where it lies.
    pub(crate) fn visit(
        &self,
        mut on_host: impl FnMut(&[f32]),
        mut on_device: impl FnMut(&Tensor<1>),
    ) {
        for StateTensor { values, .. } in &self.tensors {
            match values {
                StateValues::Host(values) => on_host(values),
                StateValues::Device(tensor) => on_device(tensor),
            }
        }
    }

    /// All of it on the host, for a checkpoint.
    ///
    /// # Errors
    /// What the driver said while a tensor was read, as [`EngineError::Driver`].
    pub fn entries(&self) -> Result<Vec<StateEntry>, EngineError> {
        let entry = |StateTensor { spec, values }: &StateTensor| {
            let values = match values {
                StateValues::Host(values) => values.clone(),
                StateValues::Device(tensor) => read(tensor.clone())?,
            };
            Ok(StateEntry { name: spec.name.to_owned(), shape: spec.shape.clone(), values })
        };
        self.tensors.iter().map(entry).collect()
    }

    /// With every tensor on a device. CPU devices take a state that is on the host as well.
    #[must_use]
    pub fn to_device(self, device: &Device) -> Self {
        let moved = |StateTensor { spec, values }: StateTensor| StateTensor {
            spec,
            values: StateValues::Device(values.into_tensor(device)),
        };
        Self { tensors: self.tensors.into_iter().map(moved).collect() }
    }

    /// The state that a checkpoint holds of a weight, on the host. None where the checkpoint was
    /// saved before the first update, or the optimizer keeps nothing of this weight.
    ///
    /// `specs` is what the run's optimizer keeps of the weight.
    ///
    /// # Errors
    /// In words, where the entries are not exactly those of `specs`: another optimizer or another
    /// model has saved them.
    pub fn from_entries(
        specs: Vec<StateSpec>,
        mut entries: Vec<StateEntry>,
    ) -> Result<Option<Self>, String> {
        if entries.is_empty() {
            return Ok(None);
        }
        let names = |names: Vec<&str>| match names.as_slice() {
            [] => "no optimizer state".to_owned(),
            names => format!("the optimizer state '{}'", names.join("', '")),
        };
        let kept = names(specs.iter().map(|spec| spec.name).collect());
        let held = names(entries.iter().map(|entry| entry.name.as_str()).collect());
        let mut tensors = Vec::with_capacity(specs.len());
        for spec in specs {
            let position = entries.iter().position(|entry| entry.name == spec.name);
            let Some(position) = position else {
                return Err(format!("it holds {held}, this run's optimizer keeps {kept}"));
            };
            let entry = entries.swap_remove(position);
            if entry.shape != spec.shape || entry.values.len() != spec.elements() {
                return Err(format!(
                    "its optimizer state '{}' has {} values of shape {:?}, this run's has shape {:?}",
                    spec.name,
                    entry.values.len(),
                    entry.shape,
                    spec.shape
                ));
            }
            tensors.push(StateTensor { spec, values: StateValues::Host(entry.values) });
        }
        if !entries.is_empty() {
            return Err(format!("it holds {held}, this run's optimizer keeps {kept}"));
        }
        Ok(Some(Self { tensors }))
    }
}

fn wrong_count(wanted: usize, held: usize) -> EngineError {
    EngineError::driver(format!(
        "the optimizer keeps {wanted} tensors of a weight, but {held} are there"
    ))
}

fn read(tensor: Tensor<1>) -> Result<Vec<f32>, EngineError> {
    tensor.try_into_vec_as::<f32>().map_err(EngineError::driver)
}
