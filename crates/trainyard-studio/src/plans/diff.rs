//! Differences between two plans.

use trainyard_plan::Plan;

/// Layers that lie elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    /// Which, half-open.
    pub(super) layers: (usize, usize),
    /// Id of the device before.
    pub(super) from: String,
    /// Id of the device after.
    pub(super) to: String,
}

/// Which layers lie on other devices in `after` than in `before`, as runs.
#[must_use]
pub(super) fn moved(before: &Plan, after: &Plan) -> Vec<Moved> {
    let device = |plan: &Plan, layer: usize| {
        let stage = plan.stage_of_layer(layer).and_then(|stage| plan.stages.get(stage));
        stage.map(|stage| stage.device.clone()).unwrap_or_default()
    };
    let layers = after.stages.last().map_or(0, |stage| stage.layers.1);
    let mut moved: Vec<Moved> = Vec::new();
    for layer in 0..layers {
        let (from, to) = (device(before, layer), device(after, layer));
        if from == to {
            continue;
        }
        match moved.last_mut() {
            Some(last) if last.layers.1 == layer && last.from == from && last.to == to => {
                last.layers.1 += 1;
            }
            _ => moved.push(Moved { layers: (layer, layer + 1), from, to }),
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use trainyard_plan::{Recompute, Schedule, Stage};

    use super::*;

    fn plan(stages: &[(&str, usize, usize)]) -> Plan {
        let stage = |(device, first, end): &(&str, usize, usize)| Stage {
            device: (*device).to_owned(),
            layers: (*first, *end),
            recompute: Recompute::None,
        };
        let schedule = Schedule::new("", Vec::new());
        Plan::new("m", stages.iter().map(stage).collect(), schedule, 1)
    }

    #[test]
    fn runs_of_layers_that_moved_the_same_way_are_one() {
        let before = plan(&[("a", 0, 4), ("b", 4, 8)]);
        let after = plan(&[("a", 0, 2), ("b", 2, 6), ("c", 6, 8)]);
        let moved = moved(&before, &after);
        let words: Vec<_> =
            moved.iter().map(|m| (m.layers, m.from.as_str(), m.to.as_str())).collect();
        assert_eq!(words, [((2, 4), "a", "b"), ((6, 8), "b", "c")]);
        assert!(super::moved(&before, &before).is_empty());
    }
}
