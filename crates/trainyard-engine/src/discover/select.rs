//! From the words of a run file (`adapter = "vulkan:NVIDIA"`) to one device.

use trainyard_plan::{Api, ComputeProbe, DeviceInfo, DeviceKind};

use crate::EngineError;

/// The device that `wanted` names. Case does not matter; positions count from 0.
///
/// | form | what it names |
/// |---|---|
/// | `cpu` | the CPU |
/// | `1` or `#1` | the device at that position of the list |
/// | `vulkan`, `metal`, `dx12`, `gl` | the device of that API |
/// | `discrete`, `integrated`, `virtual`, `software`, `other` | the device of that kind |
/// | `gl:llvmpipe`, `discrete:RTX` | the device of that API or kind with that in its name |
/// | `vulkan:1`, `vulkan:#1`, `vulkan:RTX 3060 #1` | the second of those |
/// | `RTX 3060` | the device with that in its name; the whole name wins over a part |
///
/// An API also names a card that is listed under another one but can be reached through it
/// (`also`). What comes back then says the API that was asked for; its memory and limits are still
/// those the better API reported.
///
/// # Errors
///
/// [`EngineError::NoSuchAdapter`] lists what there is; [`EngineError::AmbiguousAdapter`] lists what
/// matches if several devices do.
pub fn select(devices: &[DeviceInfo], wanted: &str) -> Result<DeviceInfo, EngineError> {
    let text = wanted.trim().to_lowercase();
    let matches = matching(devices, &text);
    match matches.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(EngineError::NoSuchAdapter {
            wanted: wanted.to_owned(),
            meant: meant_by_others(&text),
            available: names(devices),
        }),
        several => Err(EngineError::AmbiguousAdapter {
            wanted: wanted.to_owned(),
            matches: names(several),
        }),
    }
}

/// What other tools mean by a lower-case name that they use.
fn meant_by_others(text: &str) -> &'static str {
    let name = text.split(':').next().unwrap_or_default().trim();
    match name {
        "cuda" | "nvidia" | "coda" => {
            ": that is CUDA's name of an NVIDIA card, which is named here by its graphics API and its \
             own name, such as vulkan:RTX"
        }
        "rocm" | "hip" | "xpu" => {
            ": cards are named here by their graphics API and their own names, such as vulkan:Radeon"
        }
        "mps" => ": that is PyTorch's name of Apple's graphics, which are metal here",
        "gpu" => ": that says neither which card nor by which graphics API",
        "d3d12" | "directx" | "dx" => ": that is dx12 here",
        "opengl" | "gles" => ": that is gl here",
        "vulkan" | "metal" | "dx12" | "gl" if text.contains(':') => {
            ": no card of that graphics API has that name or number"
        }
        "vulkan" | "metal" | "dx12" | "gl" => ": this machine has no card for that graphics API",
        _ => "",
    }
}

/// Every device that a lower-case text may mean.
fn matching(devices: &[DeviceInfo], text: &str) -> Vec<DeviceInfo> {
    if text.is_empty() {
        return Vec::new();
    }
    if let Some(position) = position(text) {
        return devices.iter().filter(|device| device.index == position).cloned().collect();
    }
    if let Some(group) = group(devices, text) {
        return group;
    }
    if let Some((prefix, rest)) = text.split_once(':')
        && let Some(group) = group(devices, prefix.trim_end())
    {
        let rest = rest.trim();
        return match position(rest) {
            Some(position) => group.into_iter().nth(position).into_iter().collect(),
            None => named(&group, rest),
        };
    }
    named(devices, text)
}

/// The position that a text gives. A longer number without a mark is a part of a name, such as 3060; a
/// shorter one would be found in many names that are not meant.
fn position(text: &str) -> Option<usize> {
    let digits = text.strip_prefix('#').or_else(|| (text.len() <= 2).then_some(text))?;
    digits.parse().ok()
}

/// The devices of an API or a kind; nothing if the text is neither.
fn group(devices: &[DeviceInfo], text: &str) -> Option<Vec<DeviceInfo>> {
    if let Some(api) = api(text) {
        return Some(devices.iter().filter_map(|device| through(device, api)).collect());
    }
    let kind = kind(text)?;
    Some(devices.iter().filter(|device| device.kind == kind).cloned().collect())
}

/// The devices of a group with a lower-case text in their name, or the k-th of them.
fn named(group: &[DeviceInfo], text: &str) -> Vec<DeviceInfo> {
    let with = |part: &str| {
        let exact: Vec<_> =
            group.iter().filter(|it| it.name.to_lowercase().trim() == part).cloned().collect();
        if !exact.is_empty() {
            return exact;
        }
        group.iter().filter(|it| it.name.to_lowercase().contains(part)).cloned().collect()
    };
    let matches = with(text);
    if !matches.is_empty() {
        return matches;
    }
    match split_ordinal(text) {
        Some((part, ordinal)) => with(part).into_iter().nth(ordinal).into_iter().collect(),
        None => Vec::new(),
    }
}

/// The k of a name that ends in ` #k`, and the name before it.
pub(crate) fn split_ordinal(text: &str) -> Option<(&str, usize)> {
    let (name, ordinal) = text.rsplit_once('#')?;
    Some((name.trim_end(), ordinal.parse().ok()?))
}

/// The device as reached through an API, if it can be.
fn through(device: &DeviceInfo, api: Api) -> Option<DeviceInfo> {
    if device.api == api {
        return Some(device.clone());
    }
    if !device.also.contains(&api) {
        return None;
    }
    let mut device = device.clone();
    device.also.retain(|it| *it != api);
    device.also.push(device.api);
    let name = device.adapter.split_once(':').map_or(device.name.as_str(), |(_, name)| name);
    device.adapter = format!("{}:{name}", api.text());
    device.api = api;
    device.compute = ComputeProbe::NotProbed;
    Some(device)
}

/// The API a lower-case text names.
fn api(text: &str) -> Option<Api> {
    match text {
        "vulkan" => Some(Api::Vulkan),
        "metal" => Some(Api::Metal),
        "dx12" | "d3d12" => Some(Api::Dx12),
        "gl" | "opengl" => Some(Api::Gl),
        "cpu" => Some(Api::Cpu),
        _ => None,
    }
}

/// The kind a lower-case text names. (`cpu` names an API of the same one device.)
fn kind(text: &str) -> Option<DeviceKind> {
    match text {
        "discrete" => Some(DeviceKind::Discrete),
        "integrated" => Some(DeviceKind::Integrated),
        "virtual" => Some(DeviceKind::Virtual),
        "software" => Some(DeviceKind::Software),
        "other" => Some(DeviceKind::Other),
        _ => None,
    }
}

/// The devices as an error message lists them.
fn names(devices: &[DeviceInfo]) -> String {
    if devices.is_empty() {
        return "no devices".to_owned();
    }
    let names: Vec<_> = devices.iter().map(|it| format!("#{} {}", it.index, it.adapter)).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
