//! Why a device computed nothing: the simulator's rules, for any trace.
//!
//! Before a device's first action of a step it warms up, after its last one it drains. Between two
//! actions it waits for a neighbour until that has computed what the next action needs, and from then
//! on for the link. (See [`trainyard_plan::simulate`].) A trace does not say when a transfer that a
//! schedule names was asked for; what counts is when its tensor had been computed. A measured
//! optimizer step that no tensor keeps waiting waits for the gradients' norm, thus for its neighbours.

use std::collections::{BTreeMap, HashMap};

use trainyard_plan::{Action, ActionKind, Lane, TraceEvent};

use super::Step;
use super::transfers::Way;
use crate::theme::Idle;

/// An interval in which a device computes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IdleTime {
    /// From when, ns.
    pub(super) start_ns: u64,
    /// Until when, ns.
    pub(super) end_ns: u64,
    /// Why.
    pub(super) cause: Idle,
}

/// When an input came, and when it had been computed, ns. The later of two is the one that counts.
type Ready = (u64, u64);

/// What a step's neighbours leave of a device's time: steps of a running pipeline may overlap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around {
    /// When the step before was over for the device, ns.
    pub(super) free_ns: u64,
    /// When the device began to compute for the step after, ns.
    pub(super) next_ns: u64,
}

/// The idle time of every device in a step, in order. `pairs` are the step's transfers, `around` has
/// a row a device.
pub(super) fn of_step(
    step: &Step,
    all: &[TraceEvent],
    pairs: &[(u32, u32)],
    around: &[Around],
) -> Vec<Vec<IdleTime>> {
    let inputs = Inputs::of(step, all, pairs);
    let mut computing: Vec<Vec<&TraceEvent>> = vec![Vec::new(); around.len()];
    for event in step.events(all).filter(|event| event.lane == Lane::Compute) {
        if let Some(events) = computing.get_mut(event.device) {
            events.push(event);
        }
    }
    let devices = computing.iter().zip(around).enumerate();
    devices
        .map(|(device, (events, around))| of_device(step, device, events, *around, &inputs))
        .collect()
}

fn of_device(
    step: &Step,
    device: usize,
    events: &[&TraceEvent],
    around: Around,
    inputs: &Inputs,
) -> Vec<IdleTime> {
    let mut idle = Vec::with_capacity(events.len() + 1);
    let mut add = |start_ns: u64, end_ns: u64, cause| {
        if end_ns > start_ns {
            idle.push(IdleTime { start_ns, end_ns, cause });
        }
    };
    let mut free_ns = step.start_ns.max(around.free_ns);
    for (index, event) in events.iter().enumerate() {
        let start_ns = event.start_ns.max(free_ns);
        if index == 0 {
            add(free_ns, start_ns, Idle::WarmUp);
        } else {
            let (_, made_ns) = inputs.ready(device, event.action, free_ns, start_ns);
            let made_ns = made_ns.clamp(free_ns, start_ns);
            add(free_ns, made_ns, Idle::Neighbour);
            add(made_ns, start_ns, Idle::Link);
        }
        free_ns = free_ns.max(event.end_ns);
    }
    // Before its last action is known a step does not drain.
    if step.whole {
        add(free_ns, step.end_ns.min(around.next_ns), Idle::Drain);
    }
    idle
}

/// What the actions of a step wait for.
struct Inputs {
    /// By device, stage, micro-batch and way: the input that came last.
    own: HashMap<(usize, usize, usize, Way), Ready>,
    /// By device: everything that came, in order.
    any: BTreeMap<usize, Vec<Ready>>,
}

impl Inputs {
    fn of(step: &Step, all: &[TraceEvent], pairs: &[(u32, u32)]) -> Self {
        let mut ends: HashMap<(usize, Action), u64> = HashMap::new();
        for event in step.events(all).filter(|event| event.lane == Lane::Compute) {
            ends.insert((event.device, event.action), event.end_ns);
        }
        let mut inputs = Self { own: HashMap::new(), any: BTreeMap::new() };
        for &(send, receive) in pairs {
            let pair = (all.get(send as usize), all.get(receive as usize));
            let (Some(send), Some(receive)) = pair else { continue };
            let Some(way) = Way::of(receive.action.kind) else { continue };
            let made = made_by(send, receive, way).iter().find_map(|kind| {
                ends.get(&(send.device, Action { kind: *kind, ..send.action })).copied()
            });
            let ready = (receive.end_ns, made.unwrap_or(send.start_ns));
            let Action { stage, micro_batch, .. } = receive.action;
            let own = inputs.own.entry((receive.device, stage, micro_batch, way)).or_insert(ready);
            *own = ready.max(*own);
            inputs.any.entry(receive.device).or_default().push(ready);
        }
        for came in inputs.any.values_mut() {
            came.sort_unstable();
        }
        inputs
    }

    /// The last that came of what an action needs. Where a schedule has a device wait for what it
    /// does not need yet, and where gradients of tied weights are waited for, it is the last that came
    /// while the device was free.
    fn ready(&self, device: usize, action: Action, free_ns: u64, start_ns: u64) -> Ready {
        let way = match action.kind {
            ActionKind::Forward => Some(Way::Forward),
            ActionKind::Backward | ActionKind::InputGrad => Some(Way::Backward),
            _ => None,
        };
        let key = |way| (device, action.stage, action.micro_batch, way);
        let own = way.and_then(|way| self.own.get(&key(way)).copied());
        let late = own.filter(|(at_ns, _)| *at_ns > free_ns);
        let meanwhile = || {
            let came = self.any.get(&device)?;
            let until = came.partition_point(|(at_ns, _)| *at_ns <= start_ns);
            let last = came.get(until.checked_sub(1)?)?;
            (last.0 > free_ns).then_some(*last)
        };
        let norm = (action.kind == ActionKind::Optimizer).then_some((start_ns, start_ns));
        late.or_else(meanwhile).or(norm).unwrap_or_default()
    }
}

/// The kinds of action that may have made what is sent, the likeliest first. What comes from the
/// stage it is for has to do with tied weights, which are sent after a device's last action.
fn made_by(send: &TraceEvent, receive: &TraceEvent, way: Way) -> &'static [ActionKind] {
    let tied = send.action.stage == receive.action.stage;
    match way {
        Way::Forward if tied => &[ActionKind::Optimizer],
        Way::Forward => &[ActionKind::Forward],
        Way::Backward if tied => {
            &[ActionKind::WeightGrad, ActionKind::Backward, ActionKind::InputGrad]
        }
        Way::Backward => &[ActionKind::Backward, ActionKind::InputGrad],
    }
}
