//! The stages of a space: which are allowed, and what each adds to the goal.

use super::goal::Goal;
use super::space::{Space, UsableDevice};
use crate::Recompute;
use crate::memory::StageMemory;

/// Contribution of one more stage to a partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    /// To the sum.
    pub(super) sum: f64,
    /// For the maximum; infinite for a stage that does not fit.
    pub(super) max: f64,
    pub(super) recompute: Recompute,
}

impl Space<'_> {
    /// Stages on `device` that end before layer `end` and hold `held` micro-batches, one for each of
    /// `starts` (descending). Ends early where no longer stage can be part of a partition that costs
    /// `limit` or less.
    pub(super) fn row(
        &self,
        device: usize,
        held: usize,
        end: usize,
        starts: &[usize],
        limit: f64,
    ) -> Vec<Cell> {
        let UsableDevice { index, budget, locked, .. } = self.devices[device];
        let mut cells = Vec::new();
        if locked.is_some_and(|(_, last)| last >= end) && self.chunks == 1 {
            return cells;
        }
        let mut memory = StageMemory::default();
        let mut layer = end;
        for &start in starts {
            while layer > start {
                layer -= 1;
                let is_elsewhere = self.locked_to[layer].is_some_and(|to| to != device);
                if is_elsewhere || !self.limits.allow(index, layer..layer + 1) {
                    return cells;
                }
                memory.push_front(self.profile, &self.tensors, index, layer);
            }
            if self.is_too_long(device, start..end, &memory, budget, limit) {
                return cells;
            }
            let leaves_lock = locked.is_some_and(|(first, _)| first < start) && self.chunks == 1;
            let mut cell = self.cell(device, start..end, &memory, held);
            if leaves_lock {
                cell.max = f64::INFINITY;
            }
            cells.push(cell);
        }
        cells
    }

    /// Whether this stage and every longer one is beyond the limit.
    fn is_too_long(
        &self,
        device: usize,
        layers: std::ops::Range<usize>,
        memory: &StageMemory,
        budget: u64,
        limit: f64,
    ) -> bool {
        let fixed = memory.fixed.total().saturating_mul(self.chunks);
        match self.goal {
            Goal::Time(repeats) => {
                let time = &self.devices[device].time;
                let time = time[layers.end] - time[layers.start];
                fixed > budget || time * (1.0 + repeats) > limit
            }
            Goal::Share => share(fixed, budget) > limit,
            Goal::Need(free) => free != device && fixed > budget,
        }
    }

    fn cell(
        &self,
        device: usize,
        layers: std::ops::Range<usize>,
        memory: &StageMemory,
        held: usize,
    ) -> Cell {
        let UsableDevice { budget, time, forward, .. } = &self.devices[device];
        let need = |recompute| {
            let buffers = memory.input.saturating_add(memory.output).saturating_mul(self.buffers);
            let peak =
                memory.peak(recompute, held, self.micro_batches).total().saturating_add(buffers);
            peak.saturating_mul(self.chunks)
        };
        let time = time[layers.end] - time[layers.start];
        let again = forward[layers.end] - forward[layers.start];
        let cell = |recompute, max: Option<f64>| {
            let again = if memory.goes_back { again } else { 0.0 };
            let sum = if recompute == Recompute::Full { time + again } else { time };
            let max = max.unwrap_or(sum);
            Cell { sum, max, recompute }
        };
        let frugal = || {
            let needs = self.recompute.iter().map(|mode| (need(*mode), *mode));
            needs.min_by_key(|(need, _)| *need).unwrap_or_default()
        };
        match self.goal {
            Goal::Share => {
                let (least, mode) = frugal();
                cell(mode, Some(share(least, *budget)))
            }
            Goal::Need(free) if free == device => {
                let (least, mode) = frugal();
                cell(mode, Some(least as f64))
            }
            Goal::Time(_) | Goal::Need(_) => {
                let fits = self.recompute.iter().find(|mode| need(**mode) <= *budget);
                let max = matches!(self.goal, Goal::Need(_)).then_some(0.0);
                fits.map_or(cell(Recompute::Full, Some(f64::INFINITY)), |mode| cell(*mode, max))
            }
        }
    }
}

/// A need as a share of a budget.
fn share(need: u64, budget: u64) -> f64 {
    need as f64 / budget.max(1) as f64
}
