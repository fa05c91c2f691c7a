//! Dynamic programme over cuts where the device of every stage is given.
//!
//! This is the exact search along one path of sets. It refines partitions that were found on a coarse
//! grid, and cuts pipelines with several stages a device, which the exact search does not know.

use super::pareto::{Label, ParetoFront};
use super::partition::{Partition, PlacedStage};
use super::space::Space;
use super::stage_cells::Cell;
use crate::Recompute;

/// Labels that a state keeps, those of least cost so far: the exact search keeps all of a front, whose
/// best end is nearly always among the first.
const WIDTH: usize = 6;

/// Stages by device, micro-batches held, end and descending starts, as [`Space::row`] has them.
pub(super) type Rows<'a> = dyn FnMut(usize, usize, usize, &[usize]) -> Vec<Cell> + 'a;

/// The best partition with one stage for each of `stage_devices`, in their order. `starts` has the
/// layers with which each stage may begin, ascending; those of the first stage are 0 alone.
pub(super) fn best_cuts(
    space: &Space,
    stage_devices: &[usize],
    starts: &[Vec<usize>],
) -> Option<Partition> {
    best_cuts_of_rows(space, stage_devices, starts, &mut |device, held, end, starts| {
        space.row(device, held, end, starts, f64::INFINITY)
    })
}

/// [`best_cuts`] with rows from elsewhere.
pub(super) fn best_cuts_of_rows(
    space: &Space,
    stage_devices: &[usize],
    starts: &[Vec<usize>],
    row: &mut Rows,
) -> Option<Partition> {
    let (alpha, beta) = space.goal.weights();
    let layers = space.layer_count();
    let mut nodes: Vec<(Label, usize)> = Vec::new();
    let empty =
        Label { sum: 0.0, max: 0.0, parent: u32::MAX, device: 0, recompute: Recompute::None };
    // Suffixes by their first layer.
    let mut suffixes = vec![(layers, vec![(empty, u32::MAX)])];
    for (after, (device, starts)) in stage_devices.iter().zip(starts).rev().enumerate() {
        let mut fronts = vec![ParetoFront::default(); starts.len()];
        let held = space.held(after);
        for (end, labels) in &suffixes {
            let before = starts.partition_point(|start| start < end);
            let descending: Vec<usize> = starts[..before].iter().rev().copied().collect();
            let row = row(*device, held, *end, &descending);
            for (label, node) in labels {
                let (cut_sum, cut_max) = if after == 0 {
                    (0.0, 0.0)
                } else {
                    space.cut(*device, usize::from(label.device), *end)
                };
                let cells = row.iter().zip((0..before).rev()).filter(|(c, _)| c.max.is_finite());
                for (cell, start) in cells {
                    let sum = label.sum + cut_sum + cell.sum;
                    let max = label.max.max(cut_max).max(cell.max);
                    let (parent, device) = (*node, *device as u8);
                    let label = Label { sum, max, parent, device, recompute: cell.recompute };
                    fronts[start].insert(label, space.goal);
                }
            }
        }
        suffixes.clear();
        for (start, front) in starts.iter().zip(&fronts) {
            let mut labels: Vec<Label> = front.labels().to_vec();
            labels.sort_by(|a, b| {
                (alpha * a.sum + beta * a.max).total_cmp(&(alpha * b.sum + beta * b.max))
            });
            labels.truncate(WIDTH);
            let keep = |label: Label| {
                nodes.push((label, *start));
                (label, (nodes.len() - 1) as u32)
            };
            suffixes.push((*start, labels.into_iter().map(keep).collect()));
        }
    }
    let (_, labels) = suffixes.iter().find(|(start, _)| *start == 0)?;
    let (best, node) = labels.first()?;
    let mut stages: Vec<PlacedStage> = Vec::new();
    let mut next = *node;
    while let Some((label, first)) = nodes.get(next as usize) {
        if let Some(before) = stages.last_mut() {
            before.end = *first;
        }
        let device = usize::from(label.device);
        stages.push(PlacedStage { device, first: *first, end: layers, recompute: label.recompute });
        next = label.parent;
    }
    Some(Partition { cost: alpha * best.sum + beta * best.max, stages })
}

/// Starts within `reach` layers of those of a partition.
pub(super) fn starts_near(stages: &[PlacedStage], layers: usize, reach: usize) -> Vec<Vec<usize>> {
    let around = |stage: &PlacedStage| match stage.first {
        0 => vec![0],
        first => (first.saturating_sub(reach).max(1)..(first + reach + 1).min(layers)).collect(),
    };
    stages.iter().map(around).collect()
}
