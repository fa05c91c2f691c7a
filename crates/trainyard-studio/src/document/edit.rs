//! What a person can do to an arrangement.

use trainyard_plan::memory::human_bytes;
use trainyard_plan::{Profile, Recompute, Schedule};

use super::moving::{self, How};
use super::refusal::Refusal;
use super::{Arrangement, ScheduleChoice, labels};

/// A change of an arrangement. Layers, stages and devices are indices.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Layers go to a device: runs of them, as half-open pairs.
    Move {
        /// Which.
        layers: Vec<(usize, usize)>,
        /// The file.
        device: usize,
        /// What becomes of the layers around.
        how: How,
    },
    /// The cut after a stage goes to before another layer.
    Boundary {
        /// The stage before the cut.
        stage: usize,
        /// The first layer after the cut.
        layer: usize,
    },
    /// A stage falls into two before a layer. Both stay on its device.
    Cut {
        /// The first layer of the second.
        layer: usize,
    },
    /// A stage and the next one, which lies on the same device, become one.
    Join {
        /// The first of them.
        stage: usize,
    },
    /// All layers of one device go to another and the other way round.
    Swap {
        /// One.
        a: usize,
        /// The other.
        b: usize,
    },
    /// A stage keeps or recomputes its activations.
    Recompute {
        /// Which.
        stage: usize,
        /// What.
        recompute: Recompute,
    },
    /// A device has so much memory, bytes.
    Memory {
        /// Which.
        device: usize,
        /// How much.
        bytes: u64,
    },
    /// Layers must stay where they are, or need no longer.
    Lock {
        /// Which.
        layers: Vec<(usize, usize)>,
        /// Whether they must.
        locked: bool,
    },
    /// A device is switched off, or on again. What lies on it goes to its neighbours, or where that
    /// does not fit, where the planner finds room: see [`Document::preview`](super::Document::preview).
    Exclude {
        /// Which.
        device: usize,
        /// Whether it is off.
        excluded: bool,
    },
    /// Another schedule is wished.
    Schedule(ScheduleChoice),
    /// Another number of micro-batches a step.
    MicroBatches(usize),
    /// Another number of slices of each micro-batch's rows.
    Slices(usize),
    /// Backwards may be split, or not.
    SplitBackward(bool),
    /// A whole arrangement, such as the planner's.
    Take {
        /// What it is, in words: "the planner's best".
        what: String,
        /// It.
        arrangement: Box<Arrangement>,
    },
}

impl Edit {
    /// What the edit makes of an arrangement.
    ///
    /// # Errors
    /// [`Refusal`] in words.
    pub fn apply(&self, to: &Arrangement, profile: &Profile) -> Result<Arrangement, Refusal> {
        let mut next = to.clone();
        match self {
            Self::Move { layers, device, how } => {
                for run in layers {
                    next = moving::to_device(&next, profile, *run, *device, *how)?;
                }
            }
            Self::Boundary { stage, layer } => {
                next = moving::boundary(&next, profile, *stage, *layer)?;
            }
            Self::Cut { layer } => next = moving::cut(&next, *layer)?,
            Self::Join { stage } => next = moving::join_next(&next, *stage)?,
            Self::Swap { a, b } => next = moving::swap(&next, profile, *a, *b)?,
            Self::Recompute { stage, recompute } => {
                let stage = next.stages.get_mut(*stage);
                stage.ok_or_else(|| Refusal("there is no such stage".into()))?.recompute =
                    *recompute;
            }
            Self::Memory { device, bytes } => {
                let memory = next.memory_bytes.get_mut(*device);
                *memory.ok_or_else(|| Refusal("there is no such device".into()))? = *bytes;
            }
            Self::Lock { layers, locked } => {
                for layer in layers.iter().flat_map(|(first, end)| *first..*end) {
                    match next.device_of(layer).filter(|_| *locked) {
                        Some(device) => next.locks.insert(layer, device),
                        None => next.locks.remove(&layer),
                    };
                }
            }
            Self::Exclude { device, excluded: true } => {
                next = moving::clear(&next, profile, *device)?;
                next.excluded.insert(*device);
            }
            Self::Exclude { device, excluded: false } => {
                next.excluded.remove(device);
            }
            Self::Schedule(choice) => next.schedule = choice.clone(),
            Self::MicroBatches(0) => {
                return Err(Refusal("a step has at least one micro-batch".into()));
            }
            Self::MicroBatches(count) => next.micro_batches = *count,
            Self::Slices(count) => next.slices = *count,
            Self::SplitBackward(split) => next.split_backward = *split,
            Self::Take { arrangement, .. } => return Ok(arrangement.as_ref().clone()),
        }
        if self.needs_another_schedule() && next != *to {
            next.made = None;
        }
        Ok(next)
    }

    /// Whether a schedule that was made for the arrangement before is of no use after it.
    fn needs_another_schedule(&self) -> bool {
        !matches!(self, Self::Lock { .. } | Self::Memory { .. })
    }

    /// Whether it may overfill a device, and is refused then.
    #[must_use]
    pub fn moves_layers(&self) -> bool {
        matches!(
            self,
            Self::Move { .. }
                | Self::Boundary { .. }
                | Self::Cut { .. }
                | Self::Join { .. }
                | Self::Swap { .. }
                | Self::Exclude { excluded: true, .. }
        )
    }

    /// Edits in a row with the same key are one to a person.
    pub(super) fn coalesces(&self) -> Option<String> {
        match self {
            Self::Memory { device, .. } => Some(format!("memory {device}")),
            Self::MicroBatches(_) => Some("micro-batches".to_owned()),
            Self::Slices(_) => Some("slices".to_owned()),
            _ => None,
        }
    }

    /// What it does, in words: "move block3–block5 to igpu".
    #[must_use]
    pub fn words(&self, profile: &Profile) -> String {
        let device = |index: usize| labels::device(profile, index);
        let runs = |runs: &[(usize, usize)]| labels::runs(profile, runs);
        match self {
            Self::Move { layers, device: to, .. } => {
                format!("move {} to {}", runs(layers), device(*to))
            }
            Self::Boundary { layer, .. } => {
                format!("cut before {}", labels::layer(profile, *layer))
            }
            Self::Cut { layer } => {
                format!("cut a stage before {}", labels::layer(profile, *layer))
            }
            Self::Join { stage } => format!("join stages {stage} and {}", stage + 1),
            Self::Swap { a, b } => format!("swap {} and {}", device(*a), device(*b)),
            Self::Recompute { stage, recompute: Recompute::Full } => {
                format!("recompute stage {stage}")
            }
            Self::Recompute { stage, .. } => format!("keep the activations of stage {stage}"),
            // As a person gives it: without what stays free.
            Self::Memory { device: of, bytes } => {
                let reserve = profile.devices.get(*of).map_or(0, |device| device.reserve_bytes);
                format!("give {} {}", device(*of), human_bytes(bytes.saturating_sub(reserve)))
            }
            Self::Lock { layers, locked: true } => format!("lock {}", runs(layers)),
            Self::Lock { layers, .. } => format!("unlock {}", runs(layers)),
            Self::Exclude { device: of, excluded: true } => format!("switch {} off", device(*of)),
            Self::Exclude { device: of, .. } => format!("switch {} on", device(*of)),
            Self::Schedule(choice) => format!("schedule {}", choice.name()),
            Self::MicroBatches(count) => format!("{count} micro-batches"),
            Self::Slices(1) => "whole rows".to_owned(),
            Self::Slices(count) => format!("{count} slices of each row"),
            Self::SplitBackward(true) => "split backwards".to_owned(),
            Self::SplitBackward(false) => "whole backwards".to_owned(),
            Self::Take { what, .. } => format!("take {what}"),
        }
    }

    /// Every schedule that can be wished.
    pub fn schedule_choices() -> impl Iterator<Item = ScheduleChoice> {
        let named = Schedule::names().map(|name| ScheduleChoice::Named(name.to_owned()));
        std::iter::once(ScheduleChoice::Auto).chain(named)
    }
}
