//! Checks of a profile that can be read: counts, names, lists of other lengths, tensors.

mod names;
mod tensors;

use std::collections::{BTreeMap, BTreeSet};

use super::optimizer_time::OptimizerTime;
use super::{DeviceProfile, Profile};
use crate::json::{self, Problem, Step};
use crate::{LayerProfile, PlanError, validate};
use Step::{Index, Key};
use names::unreadable;

/// The most micro-batches that are planned for: more is a mistyped number.
const MAX_MICRO_BATCHES: usize = 1 << 20;

impl Profile {
    /// Reads a profile and checks it.
    ///
    /// # Errors
    /// [`PlanError::UnknownVersion`]; [`PlanError::BadFile`] with line and field for the first
    /// thing that cannot be read or makes no sense.
    pub fn from_json(text: &str) -> Result<Self, PlanError> {
        let profile: Self = json::read(Self::FORMAT, Self::VERSION, text)?;
        find_problem(&profile).map_or(Ok(profile), |p| Err(p.in_file(Self::FORMAT, text)))
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
        find_problem(self).map_or(Ok(()), |problem| Err(bad(problem)))
    }
}

/// The first thing that is wrong.
fn find_problem(profile: &Profile) -> Option<Problem> {
    let Profile { model, devices, micro_batches, .. } = profile;
    let count = |path: Vec<Step>, what: &str, found: usize, most: usize| {
        let reason = format!("{found} {what}, but 1 to {most} may be planned");
        (found == 0 || found > most).then(|| Problem::new(path, reason))
    };
    let layers = vec![Key("model"), Key("layers")];
    count(layers, "layers", model.layers.len(), Profile::MAX_LAYERS)
        .or_else(|| count(vec![Key("devices")], "devices", devices.len(), Profile::MAX_DEVICES))
        .or_else(|| {
            let path = vec![Key("micro_batches")];
            count(path, "micro-batches", *micro_batches, MAX_MICRO_BATCHES)
        })
        .or_else(|| {
            let refuse = |error: PlanError| Problem::new([Key("slices")], error.to_string());
            validate::whole_rows(*micro_batches, profile.slices).err().map(refuse)
        })
        .or_else(|| in_layers(&model.layers))
        .or_else(|| in_devices(devices, model.layers.len()))
        .or_else(|| in_links(profile))
        .or_else(|| {
            let zero = profile.rows == Some(0);
            zero.then(|| Problem::new([Key("rows")], "it is 0, but must be at least 1"))
        })
}

fn in_layers(layers: &[LayerProfile]) -> Option<Problem> {
    let at = |index, key| vec![Key("model"), Key("layers"), Index(index), Key(key)];
    let mut index_of = BTreeMap::new();
    for (index, LayerProfile { name, .. }) in layers.iter().enumerate() {
        if let Some(reason) = unreadable(name) {
            return Some(Problem::new(at(index, "name"), reason));
        }
        if index_of.insert(name.as_str(), index).is_some() {
            let reason = format!("two layers are called '{name}'; names must differ");
            return Some(Problem::new(at(index, "name"), reason));
        }
    }
    for (index, layer) in layers.iter().enumerate() {
        let has_gradient = layer.gives.iter().any(|tensor| tensor.gradient_bytes > 0);
        if layer.forward_only && (layer.param_bytes > 0 || has_gradient) {
            let reason =
                "it is true, but the layer has trained weights or gives a tensor with a gradient";
            return Some(Problem::new(at(index, "forward_only"), reason));
        }
        if let Some(owner) = &layer.tied_to {
            let known = index_of.get(owner.as_str()).filter(|owner| **owner != index);
            let reason = match known {
                None => format!("there is no other layer '{owner}'"),
                Some(&other) if layers[other].tied_to.is_some() => {
                    format!(
                        "'{owner}' is itself tied to another; name the layer that owns the weights"
                    )
                }
                Some(_) => String::new(),
            };
            if !reason.is_empty() {
                return Some(Problem::new(at(index, "tied_to"), reason));
            }
        }
        let mut seen = BTreeSet::new();
        for target in &layer.skips_to {
            let known = index_of.get(target.as_str());
            if known.is_none_or(|target| *target <= index) {
                let reason = format!("there is no later layer '{target}'");
                return Some(Problem::new(at(index, "skips_to"), reason));
            }
            if !seen.insert(target) {
                let reason = format!("'{target}' is there twice");
                return Some(Problem::new(at(index, "skips_to"), reason));
            }
        }
    }
    tensors::in_tensors(layers, &index_of)
}

fn in_devices(devices: &[DeviceProfile], layers: usize) -> Option<Problem> {
    devices.iter().enumerate().find_map(|(index, device)| {
        let at = |key| vec![Key("devices"), Index(index), Key(key)];
        if let Some(reason) = unreadable(&device.id) {
            return Some(Problem::new(at("id"), reason));
        }
        if devices[..index].iter().any(|other| other.id == device.id) {
            let reason = format!("two devices are called '{}'; ids must differ", device.id);
            return Some(Problem::new(at("id"), reason));
        }
        let of_all_layers = |path: Vec<Step>, found: usize| {
            let reason = format!("it has {found} numbers for the model's {layers} layers");
            (found != layers).then(|| Problem::new(path, reason))
        };
        let optimizer = match &device.optimizer_us {
            OptimizerTime::Device(_) => None,
            OptimizerTime::Layers(times) => Some(times.len()),
        };
        let fixed = device.fixed_us.as_ref();
        [
            ("forward_us", Some(device.forward_us.len())),
            ("input_grad_us", Some(device.input_grad_us.len())),
            ("weight_grad_us", Some(device.weight_grad_us.len())),
            ("optimizer_us", optimizer),
            ("saved_bytes", device.saved_bytes.as_ref().map(Vec::len)),
            ("workspace_bytes", device.workspace_bytes.as_ref().map(Vec::len)),
        ]
        .into_iter()
        .map(|(key, found)| (at(key), found))
        .chain([
            ([at("fixed_us"), vec![Key("forward")]].concat(), fixed.map(|f| f.forward.len())),
            ([at("fixed_us"), vec![Key("input_grad")]].concat(), fixed.map(|f| f.input_grad.len())),
            (
                [at("fixed_us"), vec![Key("weight_grad")]].concat(),
                fixed.map(|f| f.weight_grad.len()),
            ),
        ])
        .find_map(|(path, found)| of_all_layers(path, found?))
    })
}

fn in_links(profile: &Profile) -> Option<Problem> {
    let mut seen = BTreeSet::new();
    profile.links.iter().enumerate().find_map(|(index, link)| {
        let problem =
            |key, reason| Some(Problem::new([Key("links"), Index(index), Key(key)], reason));
        for (key, id) in [("from", &link.from), ("to", &link.to)] {
            if profile.device_index(id).is_none() {
                return problem(key, format!("there is no device '{id}'"));
            }
        }
        if !seen.insert((&link.from, &link.to)) {
            let (from, to) = (&link.from, &link.to);
            return problem("from", format!("the link from '{from}' to '{to}' is there twice"));
        }
        None
    })
}
