//! Which layers are one block, and how high it is.

use std::collections::BTreeSet;

/// A block of the board: one layer, or a run of the same kind that is folded into one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Block {
    /// Its first layer.
    pub(super) first: usize,
    /// One more than its last layer.
    pub(super) end: usize,
}

/// No block is lower, in points: its name must be readable and its edge be hit.
pub(super) const LOWEST: f32 = 19.0;
/// No block is higher, in points.
const HIGHEST: f32 = 72.0;
/// A folded block is a little higher for each doubling of its layers, in points.
const FOLDED_MORE: f32 = 4.0;
/// Shorter runs are not worth folding.
const SHORTEST_RUN: usize = 3;
/// Columns with more layers than fit in this many window heights are folded.
pub(super) const SCREENS: f32 = 3.0;

impl Block {
    /// How many layers it is.
    #[must_use]
    pub(super) fn count(&self) -> usize {
        self.end.saturating_sub(self.first)
    }

    /// Its layers as a half-open pair.
    #[must_use]
    pub(super) fn run(&self) -> (usize, usize) {
        (self.first, self.end)
    }
}

/// The blocks of the layers `[first, end)`. With `fold`, runs of one kind are one block, but for
/// those layers that are unfolded.
pub(super) fn blocks<'a>(
    (first, end): (usize, usize),
    kind: impl Fn(usize) -> &'a str,
    fold: bool,
    unfolded: &BTreeSet<usize>,
) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut at = first;
    while at < end {
        let same = |layer: &usize| fold && kind(*layer) == kind(at) && !unfolded.contains(layer);
        let run = (at..end).take_while(same).count();
        if run >= SHORTEST_RUN {
            blocks.push(Block { first: at, end: at + run });
            at += run;
        } else {
            blocks.push(Block { first: at, end: at + 1 });
            at += 1;
        }
    }
    blocks
}

/// Points a unit of the measure so that the fullest column just fits its height: by column, the
/// height there is for blocks and what they weigh. Where that would make all blocks as low as may
/// be, the usual layer is, heavier ones are higher, and the column scrolls.
#[must_use]
pub(super) fn scale(columns: &[(f32, Vec<(Block, f64)>)]) -> f64 {
    let fits = |scale: f64| {
        columns.iter().all(|(room, blocks)| {
            let heights = blocks.iter().map(|(block, weight)| height(*block, *weight, scale));
            heights.sum::<f32>() <= *room
        })
    };
    let blocks = columns.iter().flat_map(|(_, blocks)| blocks);
    let mut layers: Vec<f64> =
        blocks.map(|(block, weight)| weight / block.count().max(1) as f64).collect();
    layers.sort_by(f64::total_cmp);
    let (usual, heaviest) = (layers.get(layers.len() / 2), layers.last());
    let (Some(usual), Some(heaviest)) = (usual, heaviest.filter(|heaviest| **heaviest > 0.0))
    else {
        return 0.0;
    };
    let least = f64::from(LOWEST) / usual.max(heaviest / 4.0);
    let (mut low, mut high) = (least, (f64::from(HIGHEST) / heaviest).max(least));
    for _ in 0..24 {
        let middle = f64::midpoint(low, high);
        if fits(middle) { low = middle } else { high = middle }
    }
    low
}

/// The height of a block, in points.
#[must_use]
pub(super) fn height(block: Block, weight: f64, scale: f64) -> f32 {
    let folded = (block.count().max(1) as f32).log2() * FOLDED_MORE;
    let wished = (weight * scale).min(f64::from(HIGHEST)) as f32;
    wished.max(LOWEST + folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(layer: usize) -> &'static str {
        match layer {
            0 => "embedding",
            9 => "head",
            _ => "block",
        }
    }

    fn runs(blocks: &[Block]) -> Vec<(usize, usize)> {
        blocks.iter().map(Block::run).collect()
    }

    #[test]
    fn runs_of_one_kind_are_folded_but_for_unfolded_layers() {
        let nothing = BTreeSet::new();
        assert_eq!(blocks((0, 10), kind, false, &nothing).len(), 10);
        assert_eq!(runs(&blocks((0, 10), kind, true, &nothing)), [(0, 1), (1, 9), (9, 10)]);
        let unfolded = BTreeSet::from([4]);
        let expected = [(0, 1), (1, 4), (4, 5), (5, 9), (9, 10)];
        assert_eq!(runs(&blocks((0, 10), kind, true, &unfolded)), expected);
        // Two are not worth it.
        assert_eq!(runs(&blocks((7, 10), kind, true, &nothing)), [(7, 8), (8, 9), (9, 10)]);
    }

    #[test]
    fn the_fullest_column_fills_its_height_and_no_block_is_too_low() {
        let block = |first| Block { first, end: first + 1 };
        let full = (100.0, vec![(block(0), 30.0), (block(1), 20.0), (block(2), 1.0)]);
        let light = (200.0, vec![(block(3), 2.0)]);
        let scale = scale(&[full.clone(), light]);
        let heights: Vec<f32> =
            full.1.iter().map(|(block, weight)| height(*block, *weight, scale)).collect();
        assert!(heights.iter().sum::<f32>() <= 100.0);
        assert!(heights[0] > heights[1] && heights[2] >= LOWEST);
        // Where there is no room, a heavy layer is higher all the same.
        let none = [(10.0, vec![(block(0), 30.0), (block(1), 10.0), (block(2), 10.0)])];
        assert!(height(block(0), 30.0, super::scale(&none)) > 2.0 * LOWEST);
        assert!(super::scale(&[(50.0, vec![(block(0), 0.0)])]).abs() < f64::EPSILON);
    }
}
