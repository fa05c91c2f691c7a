//! Layers and devices as people name them.

use trainyard_plan::Profile;

use crate::error::RunError;

/// `LAYERS=DEVICE` as indices in a profile: each layer with the device.
///
/// # Errors
/// [`RunError::BadValue`] under `key` for another form, and for what does not exist.
pub(crate) fn locks(
    profile: &Profile,
    key: &str,
    lock: &str,
) -> Result<Vec<(usize, usize)>, RunError> {
    let (layers, id) = lock.rsplit_once('=').ok_or_else(|| RunError::BadValue {
        key: key.to_owned(),
        value: format!("'{lock}'"),
        must: "LAYERS=DEVICE, such as embed=dgpu, 0-5=dgpu or block*=dgpu".to_owned(),
    })?;
    let layers = profile.layers_named(layers.trim());
    let layers = layers.map_err(|part| no_layer(profile, key, part))?;
    let device = device_index(profile, key, id.trim())?;
    Ok(layers.into_iter().map(|layer| (layer, device)).collect())
}

/// A device's index in a profile.
///
/// # Errors
/// [`RunError::BadValue`] under `key` for one that does not exist.
pub(crate) fn device_index(profile: &Profile, key: &str, id: &str) -> Result<usize, RunError> {
    profile.device_index(id).ok_or_else(|| {
        let known: Vec<_> = profile.devices.iter().map(|device| device.id.as_str()).collect();
        RunError::BadValue {
            key: key.to_owned(),
            value: format!("'{id}'"),
            must: format!("a device: {}", known.join(", ")),
        }
    })
}

fn no_layer(profile: &Profile, key: &str, part: &str) -> RunError {
    let layers = &profile.model.layers;
    let [first, last] = [layers.first(), layers.last()]
        .map(|layer| layer.map_or_else(String::new, |layer| layer.name.clone()));
    RunError::BadValue {
        key: key.to_owned(),
        value: format!("'{part}'"),
        must: format!(
            "a layer: {first} … {last}, its number from 0 to {}, a range such as 0-1, or a pattern \
             such as {}*",
            layers.len().saturating_sub(1),
            first.chars().next().unwrap_or_default()
        ),
    }
}
