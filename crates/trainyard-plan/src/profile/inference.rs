//! What a model that only computes forwards needs: nothing that training keeps.

use super::Profile;
use crate::LayerProfile;

/// Sequences that are gone on with, a few positions at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequencesKept {
    /// How many at once.
    pub count: usize,
    /// Positions that each may have.
    pub positions: usize,
    /// Rows of the micro-batches that the profile is for.
    pub rows: usize,
}

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

    /// The same with a micro-batch a sequence, and room for what layers keep of sequences that go on, such as
    /// the keys and values of all their positions. One layer at a time may need that of a sequence twice, to make it larger.
    #[must_use]
    pub fn with_sequences(&self, kept: SequencesKept) -> Self {
        let mut profile = Self { micro_batches: kept.count.max(1), ..self.clone() };
        for (index, layer) in profile.model.layers.iter_mut().enumerate() {
            let of_one = kept.bytes_of_one(layer);
            let of_all = of_one.saturating_mul(kept.count as u64);
            layer.buffer_bytes = layer.buffer_bytes.saturating_add(of_all);
            layer.workspace_bytes = layer.workspace_bytes.saturating_add(of_one);
            let workspaces =
                profile.devices.iter_mut().filter_map(|it| it.workspace_bytes.as_mut());
            for workspace in workspaces.filter_map(|bytes| bytes.get_mut(index)) {
                *workspace = workspace.saturating_add(of_one);
            }
        }
        profile
    }
}

impl SequencesKept {
    /// What a layer keeps of one sequence, rounded up.
    fn bytes_of_one(self, layer: &LayerProfile) -> u64 {
        let positions = (self.rows.max(1) as u128) * layer.context.unwrap_or(1).max(1) as u128;
        let bytes = u128::from(layer.carried_bytes) * self.positions as u128;
        u64::try_from(bytes.div_ceil(positions)).unwrap_or(u64::MAX)
    }

    /// What a model's layers keep of all of them together.
    #[must_use]
    pub fn bytes(self, profile: &Profile) -> u64 {
        let of_all = |layer| self.bytes_of_one(layer).saturating_mul(self.count as u64);
        profile.model.layers.iter().map(of_all).fold(0, u64::saturating_add)
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
    fn what_sequences_keep_counts_by_position() {
        // Two rows of eight positions hand on 1600 bytes: 100 a position.
        let block = LayerProfile {
            buffer_bytes: 1,
            carried_bytes: 1600,
            context: Some(8),
            workspace_bytes: 6,
            ..LayerProfile::default()
        };
        let model = ModelProfile {
            layers: vec![LayerProfile::default(), block],
            ..ModelProfile::default()
        };
        let mut profile = Profile::of_budgets(model, [("one", 100), ("other", 100)], 1);
        profile.devices[0].workspace_bytes = Some(vec![70, 80]);
        profile.devices[1].workspace_bytes = None;
        let kept = SequencesKept { count: 3, positions: 5, rows: 2 };
        assert_eq!(kept.bytes(&profile), 1500);
        let with = profile.with_sequences(kept);
        assert_eq!(with.micro_batches, 3);
        let buffers: Vec<u64> = with.model.layers.iter().map(|it| it.buffer_bytes).collect();
        assert_eq!(buffers, [0, 1501]);
        let workspaces = |device| [0, 1].map(|layer| with.workspace_bytes(device, layer));
        assert_eq!([workspaces(0), workspaces(1)], [[70, 580], [0, 506]]);
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
