//! Which rows there are, and how high each is: pure, in points from the top.

use trainyard_plan::Lane;

use super::{ForeignScene, Scene};
use crate::theme::size;

/// Traces to show beside each other. Devices are matched by id.
#[derive(Clone, Copy, Default)]
pub struct Scenes<'a> {
    /// What the simulator says of the plan.
    pub predicted: Option<&'a Scene>,
    /// What the devices did.
    pub measured: Option<&'a Scene>,
    /// What the simulator says of the plan that a drag on the board would make. It takes the place
    /// of the predicted one, which stays visible, faintly.
    pub preview: Option<&'a Scene>,
    /// What other programs did.
    pub foreign: Option<&'a ForeignScene>,
}

/// Which of the scenes a row shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// What is predicted of the plan.
    Predicted,
    /// What is predicted of the plan as it would be.
    Preview,
    /// What was measured.
    Measured,
    /// What other programs did.
    Foreign,
}

impl Side {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Predicted, Self::Preview, Self::Measured, Self::Foreign];
}

impl<'a> Scenes<'a> {
    /// The scene of a side; of other programs there is no such one.
    #[must_use]
    pub fn scene(&self, side: Side) -> Option<&'a Scene> {
        match side {
            Side::Predicted => self.predicted,
            Side::Preview => self.preview,
            Side::Measured => self.measured,
            Side::Foreign => None,
        }
    }

    /// Start and end of what is at an index in the scene of a side, ns.
    #[must_use]
    pub fn times(&self, side: Side, index: u32) -> Option<(u64, u64)> {
        match side {
            Side::Foreign => self.foreign?.span(index).map(|span| (span.start_ns, span.end_ns)),
            _ => self.scene(side)?.event(index).map(|event| (event.start_ns, event.end_ns)),
        }
    }

    /// Start of the first and end of the last of a side, ns.
    #[must_use]
    pub fn extent_ns(&self, side: Side) -> Option<(u64, u64)> {
        match side {
            Side::Foreign => self.foreign.map(ForeignScene::extent_ns),
            _ => self.scene(side).map(Scene::extent_ns),
        }
    }

    /// Whether there is nothing to show.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.foreign.is_none() && self.sides().all(|(_, scene)| scene.steps().is_empty())
    }

    /// Numbers that no other contents have.
    #[must_use]
    pub fn revisions(&self) -> Vec<u64> {
        let foreign = self.foreign.map(ForeignScene::revision);
        self.sides().map(|(_, scene)| scene.revision()).chain(foreign).collect()
    }

    /// The sides of a pipeline that there are, as they stand above each other.
    pub fn sides(&self) -> impl Iterator<Item = (Side, &'a Scene)> + use<'a> {
        let all = [
            (Side::Predicted, self.predicted),
            (Side::Preview, self.preview),
            (Side::Measured, self.measured),
        ];
        all.into_iter().filter_map(|(side, scene)| Some((side, scene?)))
    }

    /// The side that predictions are read from.
    #[must_use]
    pub fn prediction(&self) -> Side {
        if self.preview.is_some() { Side::Preview } else { Side::Predicted }
    }
}

/// What a row shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// Actions of a lane.
    Lane(Side, Lane),
    /// What the plan computes at present, while another one is tried.
    Faint,
    /// Memory over time.
    Memory,
    /// The name of another program's process.
    Process(usize),
    /// Spans of another program: a lane of a thread.
    Spans {
        /// Index of the thread.
        thread: usize,
        /// Which of its lanes.
        lane: usize,
    },
    /// A counter of another program.
    Counter(usize),
}

/// A row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// What it shows.
    pub kind: RowKind,
    /// From the canvas's top, points.
    pub top: f32,
    /// Points.
    pub height: f32,
}

/// The rows of a device, or of a thread or a counter of another program.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The device's id, or the name of the thread or counter.
    pub id: String,
    /// The device's hardware.
    pub name: String,
    /// What it may hold, bytes.
    pub budget_bytes: u64,
    /// From the canvas's top, points.
    pub top: f32,
    /// All rows together, points.
    pub height: f32,
    /// From top to bottom.
    pub rows: Vec<Row>,
}

/// Heights, points.
const FAINT: f32 = 8.0;
const TRANSFERS: f32 = 8.0;
const MEMORY: f32 = 34.0;
const BETWEEN: f32 = 2.0;
const PROCESS: f32 = 18.0;
const SPAN: f32 = 16.0;
const COUNTER: f32 = 26.0;
/// Above and below a device.
const PADDING: f32 = 6.0;

/// Where there is room, rows grow up to this many times their least height.
const GROWTH: f32 = 1.9;

/// The rows of all devices, and how high they are together, in points. They fill `room` where they
/// are lower.
#[must_use]
pub fn layout(scenes: &Scenes, room: f32) -> (Vec<Group>, f32) {
    let (groups, height) = stretched(scenes, 1.0);
    let growth = (room / height.max(1.0)).clamp(1.0, GROWTH);
    if growth > 1.0 { stretched(scenes, growth) } else { (groups, height) }
}

fn stretched(scenes: &Scenes, growth: f32) -> (Vec<Group>, f32) {
    let mut groups: Vec<Group> = Vec::new();
    let mut top = 0.0;
    for (_, scene) in order(scenes) {
        for device in scene.devices() {
            if groups.iter().any(|group| group.id == device.info.id) {
                continue;
            }
            let (rows, height) = rows(scenes, &device.info.id, top, growth);
            groups.push(Group {
                id: device.info.id.clone(),
                name: device.info.name.clone(),
                budget_bytes: device.info.budget_bytes,
                top,
                height,
                rows,
            });
            top += height;
        }
    }
    let foreign = scenes.foreign.map(foreign_groups).unwrap_or_default();
    for mut group in foreign {
        group.height *= growth;
        for row in &mut group.rows {
            (row.top, row.height) = (top + row.top * growth, row.height * growth);
        }
        group.top = top;
        top += group.height;
        groups.push(group);
    }
    (groups, top)
}

/// The threads and counters of another program, process by process, each from its own top.
fn foreign_groups(scene: &ForeignScene) -> Vec<Group> {
    let trace = scene.trace();
    let mut groups: Vec<Group> = Vec::new();
    let mut add = |id: String, process: Option<usize>, rows: Vec<(RowKind, f32)>| {
        let head = process.map(|process| (RowKind::Process(process), PROCESS));
        let (mut at, mut placed) = (BETWEEN, Vec::with_capacity(rows.len() + 1));
        for (kind, height) in head.into_iter().chain(rows) {
            placed.push(Row { kind, top: at, height });
            at += height + 1.0;
        }
        let (name, budget_bytes, height) = (String::new(), 0, at + BETWEEN);
        groups.push(Group { id, name, budget_bytes, top: 0.0, height, rows: placed });
    };
    let (mut threads, mut counters) =
        (trace.threads.iter().enumerate().peekable(), trace.counters.iter().enumerate().peekable());
    for process in 0..trace.processes.len() {
        let mut head = Some(process);
        while let Some((index, thread)) = threads.next_if(|(_, it)| it.process == process) {
            let row = |lane| (RowKind::Spans { thread: index, lane }, SPAN);
            add(scene.thread_name(index), head.take(), (0..thread.lanes).map(row).collect());
        }
        while let Some((index, counter)) = counters.next_if(|(_, it)| it.process == process) {
            add(counter.name.clone(), head.take(), vec![(RowKind::Counter(index), COUNTER)]);
        }
    }
    groups
}

/// The order of devices is the plan's, as it would be first.
fn order<'a>(scenes: &Scenes<'a>) -> Vec<(Side, &'a Scene)> {
    let mut sides: Vec<_> = scenes.sides().collect();
    sides.sort_by_key(|(side, _)| match side {
        Side::Preview => 0,
        Side::Predicted => 1,
        Side::Measured | Side::Foreign => 2,
    });
    sides
}

fn rows(scenes: &Scenes, id: &str, top: f32, growth: f32) -> (Vec<Row>, f32) {
    let mut rows = Vec::new();
    let mut at = top + PADDING * growth;
    let mut add = |kind, height: f32, gap: f32| {
        rows.push(Row { kind, top: at, height: height * growth });
        at += (height + gap) * growth;
    };
    let has = |side| scenes.scene(side).is_some_and(|scene| scene.device(id).is_some());
    if scenes.preview.is_some() && has(Side::Predicted) {
        add(RowKind::Faint, FAINT, BETWEEN);
    }
    let prediction = scenes.prediction();
    for side in [prediction, Side::Measured].into_iter().filter(|side| has(*side)) {
        add(RowKind::Lane(side, Lane::Compute), size::LANE, BETWEEN);
        add(RowKind::Lane(side, Lane::TransferIn), TRANSFERS, 1.0);
        add(RowKind::Lane(side, Lane::TransferOut), TRANSFERS, BETWEEN * 2.0);
    }
    // Where memory is not counted there is nothing to draw.
    let counted = scenes.sides().any(|(_, scene)| {
        scene.device(id).is_some_and(|(_, device)| !device.memory.samples().is_empty())
    });
    if counted {
        add(RowKind::Memory, MEMORY, PADDING);
    } else {
        at += PADDING * growth;
    }
    (rows, at - top)
}
