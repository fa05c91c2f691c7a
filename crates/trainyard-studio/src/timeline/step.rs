//! One optimizer step of a scene: which events belong to it, and when it was.

use trainyard_plan::{Action, ActionKind, Lane, TraceEvent};

/// A step of a scene.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number, from 1.
    pub number: u64,
    /// Start of its first event, ns.
    pub start_ns: u64,
    /// End of its last event, ns.
    pub end_ns: u64,
    /// Indices of its events in the scene, by start.
    pub events: Vec<u32>,
    /// The same by action, then by start: how an action is found.
    by_action: Vec<u32>,
    /// Whether all of it is there: every device that computed has stepped its optimizer.
    pub whole: bool,
}

impl Step {
    /// From start to end, ns.
    #[must_use]
    pub fn duration_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }

    pub(super) fn empty(number: u64) -> Self {
        let (events, by_action) = (Vec::new(), Vec::new());
        Self { number, start_ns: u64::MAX, end_ns: 0, events, by_action, whole: false }
    }

    pub(super) fn add(&mut self, index: u32, event: &TraceEvent) {
        self.start_ns = self.start_ns.min(event.start_ns);
        self.end_ns = self.end_ns.max(event.end_ns);
        self.events.push(index);
    }

    /// Sorts the events and sees whether the step is whole.
    pub(super) fn close(&mut self, all: &[TraceEvent], devices: usize) {
        let start = |index: &u32| all.get(*index as usize).map(|event| event.start_ns);
        self.events.sort_by_key(|index| (start(index), *index));
        self.by_action.clone_from(&self.events);
        self.by_action.sort_by_key(|index| all.get(*index as usize).map(|event| event.action));
        let mut computed = vec![false; devices];
        let mut stepped = vec![false; devices];
        for event in self.events(all).filter(|event| event.lane == Lane::Compute) {
            let row = match event.action.kind {
                ActionKind::Optimizer => &mut stepped,
                _ => &mut computed,
            };
            if let Some(done) = row.get_mut(event.device) {
                *done = true;
            }
        }
        self.whole =
            stepped.contains(&true) && computed.iter().zip(&stepped).all(|(c, s)| !c || *s);
    }

    /// The first event that does this.
    #[must_use]
    pub fn find(&self, all: &[TraceEvent], action: Action) -> Option<u32> {
        let action_of = |index: &u32| all.get(*index as usize).map(|event| event.action);
        let at = self.by_action.partition_point(|index| action_of(index) < Some(action));
        self.by_action.get(at).copied().filter(|index| action_of(index) == Some(action))
    }

    /// Its events, by start.
    pub fn events<'a>(&'a self, all: &'a [TraceEvent]) -> impl Iterator<Item = &'a TraceEvent> {
        self.events.iter().filter_map(|index| all.get(*index as usize))
    }
}
