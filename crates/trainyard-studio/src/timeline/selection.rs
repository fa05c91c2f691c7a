//! What is selected: an action, in words that survive a new plan or a growing trace, or a span.

use trainyard_plan::{Action, Lane, TraceEvent};

use super::layout::{Scenes, Side};

/// What is selected or pointed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// An action of a device.
    Action(Selected),
    /// A span of another program, as its index. That trace stays as it is.
    Span(u32),
}

impl Selection {
    /// What is at an index in the scene of a side.
    #[must_use]
    pub fn new(scenes: &Scenes, side: Side, index: u32) -> Option<Self> {
        match side {
            Side::Foreign => scenes.foreign?.span(index).map(|_| Self::Span(index)),
            _ => Selected::new(scenes, side, index).map(Self::Action),
        }
    }

    /// Where it is, as the scenes are now.
    #[must_use]
    pub fn place(&self, scenes: &Scenes) -> Option<(Side, u32)> {
        match self {
            Self::Action(selected) => selected.event(scenes).map(|(side, index, _)| (side, index)),
            Self::Span(index) => Some((Side::Foreign, *index)),
        }
    }

    /// It, if it is an action.
    #[must_use]
    pub fn action(&self) -> Option<&Selected> {
        match self {
            Self::Action(selected) => Some(selected),
            Self::Span(_) => None,
        }
    }
}

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
            Side::Measured | Side::Foreign => Side::Measured,
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
