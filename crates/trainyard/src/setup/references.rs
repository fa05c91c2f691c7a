//! Layers and devices as people name them.

use trainyard_plan::Profile;

use crate::error::RunError;

/// `LAYER=DEVICE` as indices in a profile.
///
/// # Errors
/// [`RunError::BadValue`] under `key` for another form, and for what does not exist.
pub(crate) fn lock(profile: &Profile, key: &str, lock: &str) -> Result<(usize, usize), RunError> {
    let (layer, id) = lock.rsplit_once('=').ok_or_else(|| RunError::BadValue {
        key: key.to_owned(),
        value: format!("'{lock}'"),
        must: "LAYER=DEVICE, such as embed=dgpu".to_owned(),
    })?;
    Ok((layer_index(profile, key, layer)?, device_index(profile, key, id)?))
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

fn layer_index(profile: &Profile, key: &str, layer: &str) -> Result<usize, RunError> {
    let layers = &profile.model.layers;
    let named = layers.iter().position(|known| known.name == layer);
    let numbered = || layer.parse().ok().filter(|index| *index < layers.len());
    named.or_else(numbered).ok_or_else(|| {
        let [first, last] = [layers.first(), layers.last()]
            .map(|layer| layer.map_or_else(String::new, |layer| layer.name.clone()));
        RunError::BadValue {
            key: key.to_owned(),
            value: format!("'{layer}'"),
            must: format!("a layer: {first} … {last}, or its number from 0"),
        }
    })
}
