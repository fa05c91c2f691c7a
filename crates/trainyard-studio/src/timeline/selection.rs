//! What is selected, in words that survive a new plan or a growing trace.

use trainyard_plan::{Action, Lane, TraceEvent};

use super::layout::{Scenes, Side};

/// An action that is selected or pointed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// In which scene.
    pub side: Side,
    /// Id of the device.
    pub device: String,
    /// Its row.
    pub lane: Lane,
    /// What is done.
    pub action: Action,
    /// In which step.
    pub step: u64,
    /// Index of the event in the scene, and the scene's revision it was found in.
    found: (u32, u64),
}

impl Selected {
    /// An event of a scene.
    #[must_use]
    pub fn new(scenes: &Scenes, side: Side, event: u32) -> Option<Self> {
        let scene = scenes.scene(side)?;
        let found = scene.event(event)?;
        let device = scene.devices().get(found.device)?;
        Some(Self {
            side,
            device: device.info.id.clone(),
            lane: found.lane,
            action: found.action,
            step: found.step,
            found: (event, scene.revision()),
        })
    }

    /// Its event, as the scenes are now. A prediction that has become another one is looked up anew.
    #[must_use]
    pub fn event<'a>(&self, scenes: &Scenes<'a>) -> Option<(Side, u32, &'a TraceEvent)> {
        let side = match self.side {
            Side::Measured => Side::Measured,
            Side::Predicted | Side::Preview => scenes.prediction(),
        };
        let index = self.index_in(scenes, side, self.step)?;
        Some((side, index, scenes.scene(side)?.event(index)?))
    }

    /// The same action on another side, in a step of it.
    #[must_use]
    pub fn counterpart<'a>(
        &self,
        scenes: &Scenes<'a>,
        side: Side,
        step: u64,
    ) -> Option<&'a TraceEvent> {
        scenes.scene(side)?.event(self.index_in(scenes, side, step)?)
    }

    fn index_in(&self, scenes: &Scenes, side: Side, step: u64) -> Option<u32> {
        let scene = scenes.scene(side)?;
        let (index, revision) = self.found;
        if side == self.side && step == self.step && revision == scene.revision() {
            return Some(index);
        }
        let (device, _) = scene.device(&self.device)?;
        let step = scene.step(step)?;
        step.events.iter().copied().find(|&index| {
            scene.event(index).is_some_and(|event| {
                (event.device, event.lane, event.action) == (device, self.lane, self.action)
            })
        })
    }
}
