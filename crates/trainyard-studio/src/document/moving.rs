//! Moving layers between devices. Stages stay runs of consecutive layers that cover the model.

use trainyard_plan::{Profile, Recompute};

use super::refusal::Refusal;
use super::{Arrangement, Placed, labels};

/// What becomes of the layers around those that are moved out of the middle of a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum How {
    /// Those between them and the device's own stage go along: the boundary moves. Where the
    /// device has no stage next to theirs, as [`How::Split`].
    #[default]
    Boundary,
    /// They stay, and the stage falls apart: a further stage for its device.
    Split,
}

/// Layers go to a device.
pub(super) fn to_device(
    from: &Arrangement,
    profile: &Profile,
    run: (usize, usize),
    device: usize,
    how: How,
) -> Result<Arrangement, Refusal> {
    let layers = profile.model.layers.len();
    let (mut first, mut end) = (run.0, run.1.min(layers));
    if first >= end {
        return Err(Refusal("there are no such layers".into()));
    }
    may_hold(from, profile, device)?;
    if how == How::Boundary {
        (first, end) = up_to_neighbour(from, first, end, device);
    }
    may_leave(from, profile, (first, end), device)?;
    if (first..end).all(|layer| from.device_of(layer) == Some(device)) {
        return Ok(from.clone());
    }
    // Moved layers do as the stage they join, or else as the one they leave.
    let recompute = from.stage_of(first).and_then(|stage| from.stages.get(stage));
    let recompute = recompute.map_or(Recompute::None, |stage| stage.recompute);
    let mut stages = Vec::with_capacity(from.stages.len() + 2);
    let piece = |stage: &Placed, first: usize, end: usize| Placed { first, end, ..*stage };
    for stage in &from.stages {
        if stage.first < first {
            stages.push(piece(stage, stage.first, stage.end.min(first)));
        }
    }
    stages.push(Placed { device, first, end, recompute });
    for stage in &from.stages {
        if stage.end > end {
            stages.push(piece(stage, stage.first.max(end), stage.end));
        }
    }
    Ok(Arrangement { stages: join(stages, first, end), ..from.clone() })
}

/// The run, longer where only layers of its own stage lie between it and a stage of the device.
fn up_to_neighbour(from: &Arrangement, first: usize, end: usize, device: usize) -> (usize, usize) {
    let Some(at) = from.stage_of(first).filter(|at| from.stage_of(end - 1) == Some(*at)) else {
        return (first, end);
    };
    let Some(stage) = from.stages.get(at) else { return (first, end) };
    if stage.first == first || stage.end == end {
        return (first, end);
    }
    let is_there = |at: Option<usize>| {
        at.and_then(|at| from.stages.get(at)).is_some_and(|stage| stage.device == device)
    };
    let (before, after) = (is_there(at.checked_sub(1)), is_there(at.checked_add(1)));
    let fewer_before = first - stage.first <= stage.end - end;
    match (before, after) {
        (true, false) => (stage.first, end),
        (true, true) if fewer_before => (stage.first, end),
        (_, true) => (first, stage.end),
        (false, false) => (first, end),
    }
}

/// Joins the stage `[first, end)` with neighbours on the same device. Others stay apart: a
/// schedule in the shape of a V has two stages of a rank side by side.
fn join(stages: Vec<Placed>, first: usize, end: usize) -> Vec<Placed> {
    let mut joined: Vec<Placed> = Vec::with_capacity(stages.len());
    for stage in stages {
        let touches = stage.first == end || stage.first == first;
        match joined.last_mut() {
            Some(last) if touches && last.device == stage.device => {
                if stage.first == end {
                    last.recompute = stage.recompute;
                }
                last.end = stage.end;
            }
            _ => joined.push(stage),
        }
    }
    joined
}

/// The cut after a stage goes to before another layer.
pub(super) fn boundary(
    from: &Arrangement,
    profile: &Profile,
    stage: usize,
    layer: usize,
) -> Result<Arrangement, Refusal> {
    let none = || Refusal("there is no such boundary".into());
    let left = *from.stages.get(stage).ok_or_else(none)?;
    let right = *from.stages.get(stage + 1).ok_or_else(none)?;
    if layer <= left.first || right.end <= layer {
        return Err(Refusal("a stage has at least one layer; drag the layers instead".into()));
    }
    if layer < left.end {
        may_leave(from, profile, (layer, left.end), right.device)?;
    } else {
        may_leave(from, profile, (right.first, layer), left.device)?;
    }
    let mut next = from.clone();
    if let Some([left, right]) = next.stages.get_mut(stage..stage + 2) {
        (left.end, right.first) = (layer, layer);
    }
    Ok(next)
}

/// A stage falls into two before a layer.
pub(super) fn cut(from: &Arrangement, layer: usize) -> Result<Arrangement, Refusal> {
    let mut next = from.clone();
    let at = from.stage_of(layer);
    let Some((at, stage)) = at.and_then(|at| Some((at, next.stages.get_mut(at)?))) else {
        return Err(Refusal("there is no such layer".into()));
    };
    if stage.first == layer {
        return Err(Refusal("a stage begins there already".into()));
    }
    let second = Placed { first: layer, ..*stage };
    stage.end = layer;
    next.stages.insert(at + 1, second);
    Ok(next)
}

/// A stage and the next one become one.
pub(super) fn join_next(from: &Arrangement, stage: usize) -> Result<Arrangement, Refusal> {
    let mut next = from.clone();
    let Some([first, second]) = next.stages.get_mut(stage..stage.saturating_add(2)) else {
        return Err(Refusal("there is no stage after it".into()));
    };
    if first.device != second.device {
        return Err(Refusal("the next stage lies on another device".into()));
    }
    first.end = second.end;
    next.stages.remove(stage + 1);
    Ok(next)
}

/// All layers of one device go to another and the other way round.
pub(super) fn swap(
    from: &Arrangement,
    profile: &Profile,
    a: usize,
    b: usize,
) -> Result<Arrangement, Refusal> {
    may_hold(from, profile, a)?;
    may_hold(from, profile, b)?;
    let mut next = from.clone();
    for stage in &mut next.stages {
        let to = match stage.device {
            device if device == a => b,
            device if device == b => a,
            _ => continue,
        };
        may_leave(from, profile, (stage.first, stage.end), to)?;
        stage.device = to;
    }
    Ok(next)
}

/// What lies on a device goes to the stages before and after.
pub(super) fn clear(
    from: &Arrangement,
    profile: &Profile,
    device: usize,
) -> Result<Arrangement, Refusal> {
    if from.excluded.contains(&device) {
        return Ok(from.clone());
    }
    let mut next = from.clone();
    while let Some(at) = next.stages.iter().position(|stage| stage.device == device) {
        let other = |stage: &&Placed| stage.device != device;
        let before = next.stages[..at].iter().rev().find(other);
        let to = before.or_else(|| next.stages[at..].iter().find(other)).map(|stage| stage.device);
        let Some(to) = to else {
            let id = profile.devices.get(device).map_or("it", |device| device.id.as_str());
            return Err(Refusal(format!(
                "{id} is the only device in use; move layers to another first"
            )));
        };
        let run = (next.stages[at].first, next.stages[at].end);
        next = to_device(&next, profile, run, to, How::Split)?;
    }
    Ok(next)
}

/// Refuses a device that is off or not there.
fn may_hold(from: &Arrangement, profile: &Profile, device: usize) -> Result<(), Refusal> {
    let Some(profile) = profile.devices.get(device) else {
        return Err(Refusal("there is no such device".into()));
    };
    if from.excluded.contains(&device) {
        return Err(Refusal(format!("{} is switched off", profile.id)));
    }
    Ok(())
}

/// Refuses to take layers away from the device they are locked to.
fn may_leave(
    from: &Arrangement,
    profile: &Profile,
    (first, end): (usize, usize),
    to: usize,
) -> Result<(), Refusal> {
    for (layer, device) in from.locks.range(first..end) {
        if *device != to {
            let layer = labels::layer(profile, *layer);
            let device = profile.devices.get(*device).map_or("", |device| device.id.as_str());
            return Err(Refusal(format!("{layer} is locked to {device}; unlock it first")));
        }
    }
    Ok(())
}
