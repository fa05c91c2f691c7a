//! The links of a stage, as its worker holds them.

use crate::link::{Inlet, Outlet};
use crate::wiring::Name;

/// The links of one stage, each with the stage at its other end.
#[derive(Default)]
pub(crate) struct StageLinks {
    pub(crate) stage: usize,
    pub(crate) inputs: Vec<(usize, Inlet)>,
    pub(crate) outputs: Vec<(usize, Vec<Name>, Outlet)>,
    pub(crate) output_gradients: Vec<(usize, Inlet)>,
    pub(crate) input_gradients: Vec<(usize, Vec<Name>, Outlet)>,
}

impl StageLinks {
    /// Tells them by what gradients are multiplied from now on.
    pub(super) fn scaled_by(&mut self, loss_scale: f64) {
        self.input_gradients.iter_mut().for_each(|(.., outlet)| outlet.scaled_by(loss_scale));
    }

    /// Lets them move nothing from a step on; what comes before it is kept.
    pub(super) fn free_from(&mut self, step: u64) {
        let inlets = self.inputs.iter_mut().chain(&mut self.output_gradients);
        inlets.for_each(|(_, inlet)| inlet.keep());
        let outlets = self.outputs.iter_mut().chain(&mut self.input_gradients);
        outlets.for_each(|(.., outlet)| outlet.free_from(step));
    }
}
