//! Sequences that go on a few positions at a time, many at once, such as texts that are being written.
//!
//! What a layer hands to itself from one slice of a context to the next, such as keys and values, stays on
//! its device between two calls. Each call is a slice more, so that a position is computed once. While one
//! device has one sequence in hand, the others have others: as many as there are devices keep them all busy.

use std::collections::{BTreeMap, VecDeque};

use trainyard_plan::Slice;

use super::worker_pool::Health;
use super::{MicroBatch, Pipeline};
use crate::worker::{Command, Reply};
use crate::{EngineError, HostTensors};

/// The first slice of a context of which nobody knows how many there will be, and any other.
const FIRST: Slice = Slice { index: 0, of: 2 };
const LATER: Slice = Slice { index: 1, of: 3 };

/// Sequences in flight over the stages of a [`Pipeline`]. All are forgotten when it is dropped.
pub struct Sequences<'a> {
    pipeline: &'a mut Pipeline,
    /// Positions of each that went through, or are on their way.
    positions: BTreeMap<u64, usize>,
    /// Those whose outputs are still to come, in their order.
    in_flight: VecDeque<u64>,
    /// Outputs that came before they were asked for.
    ready: VecDeque<(u64, HostTensors)>,
}

impl Pipeline {
    /// Begins to go on with sequences; nothing else can be done with the pipeline meanwhile.
    pub fn sequences(&mut self) -> Sequences<'_> {
        let (in_flight, ready) = (VecDeque::new(), VecDeque::new());
        Sequences { pipeline: self, positions: BTreeMap::new(), in_flight, ready }
    }
}

impl Sequences<'_> {
    /// Whether positions can follow those that went through before: every layer of the model runs on
    /// [slices](crate::LayerSpec::in_slices). Elsewhere each [`Self::feed`] is a sequence of its own.
    pub fn go_on(&self) -> bool {
        self.pipeline.in_slices
    }

    /// Whether a layer takes a tensor of this name from what is fed.
    pub fn takes(&self, name: &str) -> bool {
        self.pipeline.takes.iter().flatten().any(|taken| **taken == *name)
    }

    /// How many positions of a sequence are kept.
    pub fn positions(&self, sequence: u64) -> usize {
        self.positions.get(&sequence).copied().unwrap_or(0)
    }

    /// Sends the next positions of a sequence through the stages: tensors `[1, positions, …]` by name. Of a
    /// number that is not known, or was forgotten, it is the beginning. Waits only where more are on their way
    /// than the devices can have in hand.
    ///
    /// # Errors
    /// [`EngineError::WrongTensor`] for tensors of unlike positions, or where one is missing; that changes
    /// nothing. Any other error ends the pipeline.
    pub fn feed(&mut self, sequence: u64, tensors: HostTensors) -> Result<(), EngineError> {
        let before = if self.go_on() { self.positions(sequence) } else { 0 };
        let slice = match (self.go_on(), before) {
            (false, _) => Slice::default(),
            (true, 0) => FIRST,
            (true, _) => LATER,
        };
        let micro_batch = MicroBatch { tensors, rows: 1, slice, offset: before };
        let positions = micro_batch.context()?;
        self.pipeline.check_inputs(&micro_batch)?;
        while self.in_flight.len() > self.pipeline.workers.ranks.len() {
            let came = self.receive()?;
            self.ready.extend(came);
        }
        let command = |mut of_rank: Vec<MicroBatch>| {
            let micro_batch = of_rank.pop().unwrap_or_default();
            Command::GoOn { sequence, positions, micro_batch }
        };
        let Pipeline { workers, takes, .. } = &mut *self.pipeline;
        workers.hand_out(takes, vec![micro_batch], command)?;
        self.positions.insert(sequence, before + positions);
        self.in_flight.push_back(sequence);
        Ok(())
    }

    /// Waits for the next output, in the order in which they were asked for: the sequence's number, and what
    /// the model's last layer gives for the last of the positions that were fed, `[1, 1, …]`. None where
    /// nothing is on its way.
    ///
    /// # Errors
    /// When a device fails; that ends the pipeline.
    pub fn next_output(&mut self) -> Result<Option<(u64, HostTensors)>, EngineError> {
        match self.ready.pop_front() {
            Some(ready) => Ok(Some(ready)),
            None => self.receive(),
        }
    }

    /// Frees what is kept of a sequence; one that is not known stays so. Outputs that are on their way come.
    ///
    /// # Errors
    /// When the pipeline has failed.
    pub fn forget(&mut self, sequence: u64) -> Result<(), EngineError> {
        if self.positions.remove(&sequence).is_none() {
            return Ok(());
        }
        self.pipeline.workers.ask_all(|| Command::Forget(Some(sequence)))
    }

    fn receive(&mut self) -> Result<Option<(u64, HostTensors)>, EngineError> {
        let Some(sequence) = self.in_flight.pop_front() else { return Ok(None) };
        match self.pipeline.workers.next_reply()? {
            Reply::Output(output) => Ok(Some((sequence, output))),
            _ => Err(EngineError::internal("a rank answered something else than an output")),
        }
    }
}

impl Drop for Sequences<'_> {
    fn drop(&mut self) {
        // Whoever uses the pipeline next is not to find their outputs. Of one that has failed nothing comes.
        let is_sound = |pipeline: &Pipeline| pipeline.workers.health == Health::Sound;
        while is_sound(self.pipeline) && matches!(self.receive(), Ok(Some(_))) {}
        let _failed = self.pipeline.workers.ask_all(|| Command::Forget(None)).is_err();
    }
}

impl Pipeline {
    /// Refuses inputs without a tensor that a stage takes: of the batch's, all but the targets.
    fn check_inputs(&self, micro_batch: &MicroBatch) -> Result<(), EngineError> {
        let targets = self.objective.targets();
        let taken = self.takes.iter().flatten().filter(|name| !targets.contains(name));
        let names: Vec<_> = taken.cloned().collect();
        micro_batch.tensors_of(&names).map(drop)
    }
}
