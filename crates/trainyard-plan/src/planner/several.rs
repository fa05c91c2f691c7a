//! Pipelines with several stages a device, which the exact search does not know: the devices are
//! taken in an order that was good with one stage each, and cut anew.

use super::chain::{along, near};
use super::contest;
use super::draft::{Draft, Judge, Kind};
use super::explore::{groups, sharpen};
use super::search::{Partition, Placed};
use super::space::{Goal, InFlight, Space};
use crate::Recompute;

/// A draft with several stages a rank, cut so that the stages take about as long.
pub(super) fn several(
    judge: &mut Judge,
    space: &Space,
    ranks: &[usize],
    kind: &Kind,
) -> Option<Draft> {
    let empty = Draft {
        ranks: ranks.to_vec(),
        firsts: Vec::new(),
        recompute: Vec::new(),
        kind: kind.clone(),
    };
    let (_, owners) = judge.schedule(&empty).ok()?;
    let layers = space.layer_count();
    if ranks.len() < 2 && judge.ask.schedule == "auto" || owners.len() > layers {
        return None;
    }
    let seats: Option<Vec<usize>> = owners.iter().map(|rank| space.number(ranks[*rank])).collect();
    let seats = seats?;
    let chunks = owners.len() / ranks.len();
    let ask = judge.ask;
    let mut space = contest::space(judge.profile, ask, space.goal);
    space.in_flight = InFlight::One;
    space.chunks = chunks as u64;
    if let Goal::Time(repeats) = &mut space.goal {
        *repeats *= chunks as f64;
    }
    let Partition { stages, .. } = cut_by_speed(&space, &seats)?;
    let firsts = stages.iter().map(|stage| stage.first).collect();
    let recompute: Vec<Recompute> = stages.iter().map(|stage| stage.recompute).collect();
    Some(Draft { firsts, recompute, ..empty })
}

/// Cuts for given seats: by the devices' speeds at first, then moved to where they are best.
fn cut_by_speed(space: &Space, seats: &[usize]) -> Option<Partition> {
    let layers = space.layer_count();
    let whole = |device| (0..layers).map(|layer| space.layer_time(device, layer)).sum::<f64>();
    let speeds: Vec<f64> = seats.iter().map(|seat| 1.0 / whole(*seat).max(1e-9)).collect();
    let all: f64 = speeds.iter().sum();
    let mut before = 0.0;
    let mut stages: Vec<Placed> = Vec::new();
    for (stage, (device, speed)) in seats.iter().zip(&speeds).enumerate() {
        // Every stage before has a layer, and so has every later one.
        let first = (before / all * layers as f64).round() as usize;
        let least = stages.last().map_or(0, |stage| stage.first + 1);
        let first = first.clamp(least, layers - (seats.len() - stage));
        let (device, recompute) = (*device, Recompute::None);
        stages.push(Placed { device, first, end: layers, recompute });
        before += speed;
    }
    let reach = (2 * layers / seats.len()).clamp(2, 32);
    let near = along(space, seats, &near(&stages, layers, reach));
    let far = || {
        let grid = groups(space, 64);
        let starts = vec![grid[1..grid.len() - 1].to_vec(); seats.len() - 1];
        let starts: Vec<Vec<usize>> = [vec![0]].into_iter().chain(starts).collect();
        along(space, seats, &starts)
    };
    Some(sharpen(space, near.or_else(far)?, reach / 4 + 1))
}
