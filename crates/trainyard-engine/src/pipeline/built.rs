//! What the workers say when their layers are made: their clocks, and which weights train.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::worker_pool::WorkerPool;
use crate::wiring::{Tie, Wiring};
use crate::worker::{Command, Reply};
use crate::{DeviceClock, EngineError};

/// What was said.
pub(super) struct Built {
    /// In rank order.
    pub(super) clocks: Vec<DeviceClock>,
    /// By layer and path.
    trained: BTreeSet<(usize, String)>,
}

impl Built {
    /// Waits until every worker has made its layers.
    ///
    /// # Errors
    /// What a device failed with.
    pub(super) fn wait(workers: &mut WorkerPool) -> Result<Self, EngineError> {
        let mut built = Self { clocks: Vec::new(), trained: BTreeSet::new() };
        for reply in workers.collect()? {
            if let Reply::Built { clock, trained } = reply {
                built.clocks.push(clock);
                built.trained.extend(trained);
            }
        }
        Ok(built)
    }

    /// Refuses ties of frozen weights to trained ones.
    ///
    /// # Errors
    /// [`EngineError::Layer`].
    pub(super) fn check_ties(&self, wiring: &Wiring) -> Result<(), EngineError> {
        wiring.ties.iter().try_for_each(|tie| self.check_tie(wiring, tie))
    }

    fn check_tie(&self, wiring: &Wiring, tie: &Tie) -> Result<(), EngineError> {
        let Tie { owner_layer, owner_weight, follower_layer, follower_weight } = tie;
        let trains = |layer: &usize, path: &String| self.trained.contains(&(*layer, path.clone()));
        if trains(owner_layer, owner_weight) == trains(follower_layer, follower_weight) {
            return Ok(());
        }
        let owner = &wiring.layers[*owner_layer].name;
        Err(EngineError::Layer {
            layer: wiring.layers[*follower_layer].name.clone(),
            reason: format!(
                "its weight '{follower_weight}' follows '{owner_weight}' of '{owner}', and one of them \
                 is frozen and the other is not; freeze both or none"
            ),
        })
    }

    /// Has backwards end where nothing before trains.
    ///
    /// # Errors
    /// As any command's.
    pub(super) fn end_backwards(
        &self,
        workers: &mut WorkerPool,
        wiring: &Wiring,
    ) -> Result<(), EngineError> {
        let mut trains = vec![false; wiring.layers.len()];
        for (layer, _) in &self.trained {
            trains[*layer] = true;
        }
        let goes_back: Arc<[bool]> = wiring.goes_back(&trains).into();
        if goes_back.contains(&false) {
            workers.ask_all(|| Command::EndBackward { goes_back: Arc::clone(&goes_back) })?;
            workers.collect()?;
        }
        Ok(())
    }
}
