//! What one frame is drawn from, and what a person did in it.

use std::collections::BTreeMap;

use eframe::egui::{Id, Pos2, Rect};
use trainyard_plan::{MemoryUse, Trace};

use super::blocks::Block;
use super::columns::Column;
use super::drag::{Drag, Target};
use super::measure::{Cost, Measure};
use super::selection::Selection;
use crate::document::{Assessment, Document, Edit};
use crate::human_time::human_us;
use crate::theme::Theme;

/// Input of one frame.
pub(super) struct Scene<'a> {
    pub(super) document: &'a Document,
    pub(super) theme: &'static Theme,
    pub(super) columns: &'a [Column],
    /// By layer.
    pub(super) costs: &'a [Cost],
    /// By stage.
    pub(super) blocks: &'a [Vec<Block>],
    /// Points a unit of the measure.
    pub(super) scale: f64,
    pub(super) measure: Measure,
    pub(super) selection: &'a Selection,
    pub(super) drag: Option<&'a Drag>,
    pub(super) target: Option<Target>,
    pub(super) preview: Option<&'a Assessment>,
    /// By device, while something is dragged.
    pub(super) verdicts: &'a BTreeMap<usize, Verdict>,
    /// By device's id, where the time cursor is somewhere.
    pub(super) at_cursor: Option<&'a AtCursor>,
}

/// Memory at the time cursor.
pub(super) struct AtCursor {
    /// When, in words: "at 12.3 ms".
    pub(super) when: String,
    held: BTreeMap<String, MemoryUse>,
}

/// Whether what is dragged may be dropped on a device.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// It lies there already.
    Here,
    /// It is not worked out yet.
    Unknown,
    /// It fits, and changes the step's time by this share.
    Fits(f64),
    /// It does not, in words.
    Refused(String),
}

/// What a person did in a frame.
#[derive(Clone, Debug)]
pub(super) enum BoardAction {
    Edit(Edit),
    Select((usize, usize)),
    ExtendTo((usize, usize)),
    Toggle((usize, usize)),
    ClearSelection,
    /// The keyboard goes to the block that begins with this layer.
    Focus(usize),
    Drag(Drag),
    Cancel,
    /// The context menu of the selection opens.
    Menu {
        /// Where.
        at: Pos2,
        /// Whether by a key, which then goes on in the menu.
        by_key: bool,
    },
    /// A folded run is unfolded, or an unfolded one folded.
    Fold((usize, usize)),
}

/// Where things were drawn, to find what the pointer is over in the next frame.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    /// By device.
    pub(super) columns: Vec<(usize, Rect)>,
    /// The blocks with their stages.
    pub(super) blocks: Vec<(usize, Block, Rect)>,
}

impl AtCursor {
    /// Memory of every device at an instant of the step, ns, where the trace knows it by category.
    pub(super) fn of(trace: &Trace, ns: f64) -> Self {
        let mut latest: BTreeMap<usize, (u64, MemoryUse)> = BTreeMap::new();
        for sample in trace.memory.iter().filter(|sample| sample.at_ns as f64 <= ns) {
            let Some(held) = sample.by_category else { continue };
            let (at, slot) = latest.entry(sample.device).or_insert((sample.at_ns, held));
            if sample.at_ns >= *at {
                (*at, *slot) = (sample.at_ns, held);
            }
        }
        let id = |index: usize| trace.devices.get(index).map(|device| device.id.clone());
        let held = latest.into_iter().filter_map(|(index, (_, held))| Some((id(index)?, held)));
        Self { when: format!("at {}", human_us(ns / 1000.0)), held: held.collect() }
    }

    /// What a device holds then.
    pub(super) fn held(&self, device: &str) -> MemoryUse {
        self.held.get(device).copied().unwrap_or_default()
    }
}

/// The widget of the block that begins with a layer.
pub(super) fn block_id(first: usize) -> Id {
    Id::unique(("board layer", first))
}
