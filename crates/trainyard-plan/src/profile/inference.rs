//! What a model that only computes forwards needs: nothing that training keeps.

use super::Profile;
use crate::LayerProfile;

impl Profile {
    /// The same model and devices where nothing is trained: no gradients, no optimizer state, and
    /// what a layer would keep for its backward is there only while it computes. Times are as they
    /// were.
    #[must_use]
    pub fn for_inference(&self) -> Self {
        let mut profile = self.clone();
        let workspaces = |device: usize| {
            let of_layer = |layer| {
                self.workspace_bytes(device, layer).saturating_add(self.saved_bytes(device, layer))
            };
            (0..self.model.layers.len()).map(of_layer).collect()
        };
        for (index, device) in profile.devices.iter_mut().enumerate() {
            device.workspace_bytes = Some(workspaces(index));
            device.saved_bytes = None;
        }
        profile.model.fresh_bytes_per_param_byte = 0;
        profile.model.layers.iter_mut().for_each(freeze);
        profile
    }
}

fn freeze(layer: &mut LayerProfile) {
    layer.workspace_bytes = layer.workspace_bytes.saturating_add(layer.saved_bytes);
    layer.frozen_bytes = layer.frozen_bytes.saturating_add(layer.param_bytes);
    layer.param_bytes = 0;
    layer.optimizer_bytes = Some(0);
    layer.saved_bytes = 0;
    layer.weight_saved_bytes = None;
    layer.fresh_bytes = None;
    layer.split_workspace_bytes = 0;
    layer.weight_workspace_bytes = 0;
    layer.output_saved_bytes = 0;
    layer.input_saved_bytes = 0;
    layer.gives.iter_mut().for_each(|tensor| tensor.gradient_bytes = 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryUse;
    use crate::simulate::needs;
    use crate::{ModelProfile, Plan, Recompute, Schedule, Stage};

    #[test]
    fn only_weights_and_the_layer_in_hand_are_there() {
        let layer = |name: &str, workspace_bytes| LayerProfile {
            name: name.to_owned(),
            param_bytes: 1000,
            frozen_bytes: 10,
            buffer_bytes: 1,
            input_bytes: 40,
            output_bytes: 40,
            saved_bytes: 200,
            output_saved_bytes: 40,
            workspace_bytes,
            ..LayerProfile::default()
        };
        let layers = vec![layer("first", 7), layer("second", 30)];
        let model = ModelProfile {
            optimizer_bytes_per_param_byte: 2,
            fresh_bytes_per_param_byte: 1,
            layers,
            ..ModelProfile::default()
        };
        let mut profile = Profile::of_budgets(model, [("one", 1 << 20)], 4);
        profile.devices[0].workspace_bytes = None;
        let stage = Stage { device: "one".into(), layers: (0, 2), recompute: Recompute::None };
        let schedule = Schedule::named("gpipe", 1, 4).unwrap();
        let plan = Plan::new("", vec![stage], schedule, 4);
        let need = |profile: &Profile| needs(profile, &plan).unwrap()[0].peak;
        assert!(need(&profile).total() > 8 * 1000);
        let expected = MemoryUse { weights: 2022, activations: 230, ..MemoryUse::default() };
        assert_eq!(need(&profile.for_inference()), expected);
    }

    #[test]
    fn what_was_measured_on_a_device_counts_there() {
        let layer = LayerProfile { saved_bytes: 5, workspace_bytes: 6, ..LayerProfile::default() };
        let model = ModelProfile { layers: vec![layer], ..ModelProfile::default() };
        let mut profile = Profile::of_budgets(model, [("one", 100), ("other", 100)], 1);
        profile.devices[0].saved_bytes = Some(vec![50]);
        profile.devices[0].workspace_bytes = Some(vec![60]);
        profile.devices[1].workspace_bytes = None;
        let inference = profile.for_inference();
        let of = |device| (inference.saved_bytes(device, 0), inference.workspace_bytes(device, 0));
        assert_eq!([of(0), of(1)], [(0, 110), (0, 11)]);
    }
}
