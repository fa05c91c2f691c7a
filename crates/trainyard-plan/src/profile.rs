//! The profile: what every layer costs on every device, and what the links cost. `profile.json`.
//!
//! `assets/profile.schema.json` is its JSON Schema. Sizes are bytes, times µs; both are those of
//! one micro-batch. A profile is what the planner and the simulator know of the world.

use serde::{Deserialize, Serialize};

use crate::json::{self, Problem, Step, many_micros, micros, rate};
use crate::{Api, DeviceKind, ModelProfile, PlanError};

/// What a model costs on some devices: `profile.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// `trainyard-profile`.
    pub format: String,
    /// 1.
    pub version: u64,
    /// Whether the times are worked out from FLOPs and rates instead of measured layer by layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
    /// What no device changes.
    pub model: ModelProfile,
    /// The devices.
    pub devices: Vec<DeviceProfile>,
    /// The links that are not like the default one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<LinkProfile>,
    /// What links any pair that is not listed; free where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_link: Option<LinkCost>,
    /// Micro-batches a step.
    pub micro_batches: usize,
    /// Rows of one micro-batch, where the devices' `fixed_us` say how costs depend on them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<usize>,
}

/// What the model's layers cost on one device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceProfile {
    /// The id of the run file's `[[device]]`.
    pub id: String,
    /// Its hardware in words, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What sort of device it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<DeviceKind>,
    /// How it is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    /// Its memory, in bytes.
    pub memory_bytes: u64,
    /// What of it must stay free, in bytes.
    #[serde(default)]
    pub reserve_bytes: u64,
    /// Forward of each layer, one micro-batch, µs.
    #[serde(deserialize_with = "many_micros")]
    pub forward_us: Vec<f64>,
    /// Backward of each layer to its input, one micro-batch, µs.
    #[serde(deserialize_with = "many_micros")]
    pub input_grad_us: Vec<f64>,
    /// Backward of each layer to its weights, one micro-batch, µs.
    #[serde(deserialize_with = "many_micros")]
    pub weight_grad_us: Vec<f64>,
    /// The optimizer step.
    #[serde(default)]
    pub optimizer_us: OptimizerTime,
    /// [`saved_bytes`](crate::LayerProfile::saved_bytes) of each layer as measured on this device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved_bytes: Option<Vec<u64>>,
    /// [`work_bytes`](crate::LayerProfile::work_bytes) of each layer as measured on this device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_bytes: Option<Vec<u64>>,
    /// What of the times does not depend on the size of a micro-batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_us: Option<FixedTimes>,
}

/// The time of a device's optimizer step, µs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a time in µs, or one for each layer")]
pub enum OptimizerTime {
    /// However many layers it holds.
    Device(#[serde(deserialize_with = "micros")] f64),
    /// Layer by layer; a device's step takes the sum over its layers.
    Layers(#[serde(deserialize_with = "many_micros")] Vec<f64>),
}

impl Default for OptimizerTime {
    fn default() -> Self {
        Self::Device(0.0)
    }
}

/// Layer by layer, the part of a time that a micro-batch of no rows would still take, µs. It is
/// fitted through the times of two sizes or more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FixedTimes {
    /// Of `forward_us`.
    #[serde(deserialize_with = "many_micros")]
    pub forward: Vec<f64>,
    /// Of `input_grad_us`.
    #[serde(deserialize_with = "many_micros")]
    pub input_grad: Vec<f64>,
    /// Of `weight_grad_us`.
    #[serde(deserialize_with = "many_micros")]
    pub weight_grad: Vec<f64>,
}

/// What a transfer costs: latency + bytes ÷ rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkCost {
    /// Time of a transfer of nothing, µs.
    #[serde(deserialize_with = "micros")]
    pub latency_us: f64,
    /// Bytes a µs.
    #[serde(deserialize_with = "rate")]
    pub bytes_per_us: f64,
}

/// A link in one direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkProfile {
    /// Id of the sending device.
    pub from: String,
    /// Id of the receiving device.
    pub to: String,
    /// Time of a transfer of nothing, µs.
    #[serde(deserialize_with = "micros")]
    pub latency_us: f64,
    /// Bytes a µs.
    #[serde(deserialize_with = "rate")]
    pub bytes_per_us: f64,
}

impl LinkProfile {
    /// What a transfer costs.
    #[must_use]
    pub fn cost(&self) -> LinkCost {
        LinkCost { latency_us: self.latency_us, bytes_per_us: self.bytes_per_us }
    }
}

impl LinkCost {
    /// A link that takes no time.
    pub const FREE: Self = Self { latency_us: 0.0, bytes_per_us: f64::INFINITY };

    /// How long a transfer takes, µs.
    #[must_use]
    pub fn transfer_us(&self, bytes: u64) -> f64 {
        self.latency_us + bytes as f64 / self.bytes_per_us
    }
}

impl DeviceProfile {
    /// What its stages may take together, in bytes.
    #[must_use]
    pub fn budget_bytes(&self) -> u64 {
        self.memory_bytes.saturating_sub(self.reserve_bytes)
    }
}

impl Profile {
    /// The value of `format`.
    pub const FORMAT: &'static str = "trainyard-profile";
    /// The value of `version`.
    pub const VERSION: u64 = 1;
    /// The most layers that are planned for: tables grow with their square.
    pub const MAX_LAYERS: usize = 10_000;
    /// The most devices that are planned for: the search goes over their subsets.
    pub const MAX_DEVICES: usize = 16;

    /// A profile of this version with nothing but a model, free links and no devices.
    #[must_use]
    pub fn new(model: ModelProfile, micro_batches: usize) -> Self {
        Self {
            format: Self::FORMAT.to_owned(),
            version: Self::VERSION,
            estimated: false,
            model,
            devices: Vec::new(),
            links: Vec::new(),
            default_link: None,
            micro_batches,
            rows: None,
        }
    }

    /// A profile in which every layer takes 1 µs each way on every device: enough to know what
    /// memory a plan needs. Devices are given by id and budget. The sums of gradients are made anew
    /// while the old ones are still there, as engines that do not add in place do.
    pub fn of_budgets<'a>(
        model: ModelProfile,
        devices: impl IntoIterator<Item = (&'a str, u64)>,
        micro_batches: usize,
    ) -> Self {
        let ones = vec![1.0; model.layers.len()];
        let device = |(id, memory_bytes): (&str, u64)| DeviceProfile {
            id: id.to_owned(),
            memory_bytes,
            forward_us: ones.clone(),
            input_grad_us: ones.clone(),
            weight_grad_us: ones.clone(),
            work_bytes: Some(model.work_with_new_sums()),
            ..DeviceProfile::default()
        };
        let devices = devices.into_iter().map(device).collect();
        Self { devices, estimated: true, ..Self::new(model, micro_batches) }
    }

    /// Reads a profile and checks it.
    ///
    /// # Errors
    /// [`PlanError::UnknownVersion`]; [`PlanError::BadFile`] with line and field for the first
    /// thing that cannot be read or makes no sense.
    pub fn from_json(text: &str) -> Result<Self, PlanError> {
        let profile: Self = json::read(Self::FORMAT, Self::VERSION, text)?;
        profile.find_problem().map_or(Ok(profile), |p| Err(p.in_file(Self::FORMAT, text)))
    }

    /// Checks that names are unique and known and that there is a time for every layer.
    ///
    /// # Errors
    /// [`PlanError::BadFile`] with the field, and line 0 as there is no file.
    pub fn check(&self) -> Result<(), PlanError> {
        let bad = |problem: Problem| PlanError::BadFile {
            format: Self::FORMAT.to_owned(),
            line: 0,
            field: problem.field(),
            reason: problem.reason,
        };
        self.find_problem().map_or(Ok(()), |problem| Err(bad(problem)))
    }

    /// The index of a device.
    #[must_use]
    pub fn device_index(&self, id: &str) -> Option<usize> {
        self.devices.iter().position(|device| device.id == id)
    }

    /// What links two devices, by index; a device is linked to itself for free.
    #[must_use]
    pub fn link(&self, from: usize, to: usize) -> LinkCost {
        if from == to {
            return LinkCost::FREE;
        }
        let id = |index: usize| self.devices.get(index).map_or("", |device| device.id.as_str());
        let listed = self.links.iter().find(|link| link.from == id(from) && link.to == id(to));
        listed.map(LinkProfile::cost).or(self.default_link).unwrap_or(LinkCost::FREE)
    }

    /// Kept from the forward of a layer to its backward on a device, in bytes.
    #[must_use]
    pub fn saved_bytes(&self, device: usize, layer: usize) -> u64 {
        let measured = self.devices.get(device).and_then(|device| device.saved_bytes.as_ref());
        measured
            .and_then(|bytes| bytes.get(layer))
            .copied()
            .unwrap_or_else(|| self.model.layers.get(layer).map_or(0, |layer| layer.saved_bytes))
    }

    /// Needed for a moment by a layer on a device, in bytes.
    #[must_use]
    pub fn work_bytes(&self, device: usize, layer: usize) -> u64 {
        let measured = self.devices.get(device).and_then(|device| device.work_bytes.as_ref());
        measured
            .and_then(|bytes| bytes.get(layer))
            .copied()
            .unwrap_or_else(|| self.model.layers.get(layer).map_or(0, |layer| layer.work_bytes))
    }

    fn find_problem(&self) -> Option<Problem> {
        use Step::{Index, Key};
        let layers = self.model.layers.len();
        let count = |path: [Step; 2], what: &str, found: usize, most: usize| {
            let (path, few) = (path.into_iter().filter(|step| *step != Key("")), found == 0);
            let wrong = few || found > most;
            wrong.then(|| {
                Problem::new(path, format!("{found} {what}, but 1 to {most} may be planned"))
            })
        };
        let tensors = |path: Vec<Step>, found: usize| {
            let reason = format!("it has {found} numbers for the model's {layers} layers");
            (found != layers).then(|| Problem::new(path, reason))
        };
        count([Key("model"), Key("layers")], "layers", layers, Self::MAX_LAYERS)
            .or_else(|| {
                count([Key("devices"), Key("")], "devices", self.devices.len(), Self::MAX_DEVICES)
            })
            .or_else(|| {
                count([Key("micro_batches"), Key("")], "micro-batches", self.micro_batches, 1 << 20)
            })
            .or_else(|| self.find_layer_problem())
            .or_else(|| {
                self.devices.iter().enumerate().find_map(|(index, device)| {
                    let at = |key| vec![Key("devices"), Index(index), Key(key)];
                    let twice = self.devices[..index].iter().any(|other| other.id == device.id);
                    let twice = twice.then(|| {
                        let reason =
                            format!("two devices are called '{}'; ids must differ", device.id);
                        Problem::new(at("id"), reason)
                    });
                    let optimizer = match &device.optimizer_us {
                        OptimizerTime::Device(_) => None,
                        OptimizerTime::Layers(times) => tensors(at("optimizer_us"), times.len()),
                    };
                    let bytes = |key, bytes: &Option<Vec<u64>>| {
                        bytes.as_ref().and_then(|bytes| tensors(at(key), bytes.len()))
                    };
                    let fixed = |key, times: fn(&FixedTimes) -> &Vec<f64>| {
                        let path = [at("fixed_us"), vec![Key(key)]].concat();
                        device.fixed_us.as_ref().and_then(|fixed| tensors(path, times(fixed).len()))
                    };
                    twice
                        .or_else(|| tensors(at("forward_us"), device.forward_us.len()))
                        .or_else(|| tensors(at("input_grad_us"), device.input_grad_us.len()))
                        .or_else(|| tensors(at("weight_grad_us"), device.weight_grad_us.len()))
                        .or(optimizer)
                        .or_else(|| bytes("saved_bytes", &device.saved_bytes))
                        .or_else(|| bytes("work_bytes", &device.work_bytes))
                        .or_else(|| fixed("forward", |fixed| &fixed.forward))
                        .or_else(|| fixed("input_grad", |fixed| &fixed.input_grad))
                        .or_else(|| fixed("weight_grad", |fixed| &fixed.weight_grad))
                })
            })
            .or_else(|| {
                self.links.iter().enumerate().find_map(|(index, link)| {
                    let unknown = |key, id: &str| {
                        let reason = format!("there is no device '{id}'");
                        let path = [Key("links"), Index(index), Key(key)];
                        self.device_index(id).is_none().then(|| Problem::new(path, reason))
                    };
                    unknown("from", &link.from).or_else(|| unknown("to", &link.to))
                })
            })
            .or_else(|| {
                let zero = self.rows == Some(0);
                zero.then(|| Problem::new([Key("rows")], "it is 0, but must be at least 1"))
            })
    }

    fn find_layer_problem(&self) -> Option<Problem> {
        use Step::{Index, Key};
        let layers = &self.model.layers;
        let mut index_of = std::collections::BTreeMap::new();
        for (index, layer) in layers.iter().enumerate() {
            let at = |key| [Key("model"), Key("layers"), Index(index), Key(key)];
            if index_of.insert(layer.name.as_str(), index).is_some() {
                let reason = format!("two layers are called '{}'; names must differ", layer.name);
                return Some(Problem::new(at("name"), reason));
            }
        }
        for (index, layer) in layers.iter().enumerate() {
            let at = |key| [Key("model"), Key("layers"), Index(index), Key(key)];
            if let Some(owner) = &layer.tied_to {
                let known = index_of.get(owner.as_str());
                if known.is_none_or(|owner| *owner == index) {
                    let reason = format!("there is no other layer '{owner}'");
                    return Some(Problem::new(at("tied_to"), reason));
                }
            }
            for target in &layer.skips_to {
                let known = index_of.get(target.as_str());
                if known.is_none_or(|target| *target <= index) {
                    let reason = format!("there is no later layer '{target}'");
                    return Some(Problem::new(at("skips_to"), reason));
                }
            }
        }
        None
    }
}
