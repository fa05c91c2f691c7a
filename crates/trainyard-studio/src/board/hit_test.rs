//! What the pointer is over while something is dragged.

use eframe::egui::{Pos2, Rect};

use super::blocks::{Block, LOWEST};
use super::drag::{Drag, Target};
use super::scene::Places;
use crate::document::Arrangement;

/// Beyond the end of a stage the first points are still its frame.
const SLACK: f32 = 10.0;

/// Where what is dragged is held; `None` where dropping it means nothing.
#[must_use]
pub(super) fn target(
    drag: &Drag,
    pointer: Pos2,
    places: &Places,
    arrangement: &Arrangement,
) -> Option<Target> {
    let (device, _) = places.columns.iter().find(|(_, rect)| rect.contains(pointer))?;
    match drag {
        Drag::Boundary(stage) => {
            cut(*stage, (*device, pointer.y), &places.blocks, arrangement).map(Target::Cut)
        }
        Drag::Layers(_) | Drag::Device(_) => Some(Target::Device(*device)),
    }
}

/// Before which layer the cut after a stage would come to lie: in the block under the pointer, or
/// as many layers beyond the end of the stage as the pointer is.
fn cut(
    stage: usize,
    (device, y): (usize, f32),
    blocks: &[(usize, Block, Rect)],
    arrangement: &Arrangement,
) -> Option<usize> {
    let (left, right) = (arrangement.stages.get(stage)?, arrangement.stages.get(stage + 1)?);
    let (least, most) = (left.first + 1, right.end.checked_sub(1)?);
    let of = |index: usize, device_of: usize| {
        blocks.iter().filter(move |(at, ..)| *at == index && device == device_of)
    };
    let (in_left, in_right) = (|| of(stage, left.device), || of(stage + 1, right.device));
    let inside = in_left().chain(in_right()).find(|(_, _, rect)| rect.y_range().contains(y));
    let layer = if let Some((_, block, rect)) = inside {
        let part = (y - rect.top()) / rect.height().max(1.0);
        block.first + (part * block.count() as f32).round() as usize
    } else {
        let beyond = |distance: f32| (((distance - SLACK) / LOWEST).max(0.0).ceil()) as usize;
        let after_left = in_left().map(|(_, _, rect)| rect.bottom()).reduce(f32::max);
        let before_right = in_right().map(|(_, _, rect)| rect.top()).reduce(f32::min);
        match (after_left, before_right) {
            (Some(bottom), _) if y >= bottom => left.end + beyond(y - bottom),
            // Over the right stage is its header, so more slack.
            (_, Some(top)) if y <= top => right.first.saturating_sub(beyond(top - y - 2.0 * SLACK)),
            (Some(_), _) => least,
            (_, Some(_)) => most,
            (None, None) => return None,
        }
    };
    Some(layer.clamp(least, most.max(least)))
}

#[cfg(test)]
mod tests {
    use eframe::egui::{pos2, vec2};
    use trainyard_plan::{ModelProfile, Profile, Recompute};

    use super::*;
    use crate::document::Placed;

    /// Two stages of three layers, 20 points each, in two columns.
    fn scene() -> (Arrangement, Vec<(usize, Block, Rect)>) {
        let model = ModelProfile {
            name: String::new(),
            optimizer_bytes_per_param_byte: 2,
            fresh_bytes_per_param_byte: 0,
            kernels: None,
            layers: Vec::new(),
        };
        let mut arrangement = Arrangement::by_memory(&Profile::new(model, 1));
        let stage = |device, first, end| Placed { device, first, end, recompute: Recompute::None };
        arrangement.stages = vec![stage(0, 0, 3), stage(1, 3, 6)];
        let blocks = (0..6).map(|layer| {
            let at = pos2((layer / 3 * 100) as f32, 100.0 + (layer % 3 * 20) as f32);
            let rect = Rect::from_min_size(at, vec2(90.0, 20.0));
            (layer / 3, Block { first: layer, end: layer + 1 }, rect)
        });
        (arrangement, blocks.collect())
    }

    #[test]
    fn a_cut_follows_the_pointer_in_both_stages_and_beyond() {
        let (arrangement, blocks) = scene();
        let cut = |device, y| cut(0, (device, y), &blocks, &arrangement);
        // In the left column: its own layers, and further down those of the next stage.
        assert_eq!(cut(0, 121.0), Some(1));
        assert_eq!(cut(0, 138.0), Some(2));
        assert_eq!(cut(0, 0.0), Some(1));
        assert_eq!(cut(0, 165.0), Some(3));
        assert_eq!(cut(0, 180.0), Some(4));
        assert_eq!(cut(0, 900.0), Some(5));
        // In the right one: at its top nothing moves; further up it takes layers.
        assert_eq!(cut(1, 138.0), Some(5));
        assert_eq!(cut(1, 95.0), Some(3));
        assert_eq!(cut(1, 60.0), Some(2));
        assert_eq!(cut(2, 60.0), None);
    }
}
