//! Which column stands where.

use crate::document::Arrangement;

/// A device's column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// The device.
    pub(super) device: usize,
    /// What it does.
    pub(super) place: Place,
    /// Its stages.
    pub(super) stages: Vec<usize>,
}

/// What a device does in the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It has this rank.
    Rank(usize),
    /// It could hold layers and holds none.
    Idle,
    /// It is switched off.
    Off,
}

/// The columns: devices in the order of the pipeline, then those that are idle, then those that
/// are off.
#[must_use]
pub(super) fn columns(arrangement: &Arrangement, devices: usize) -> Vec<Column> {
    let ranks = arrangement.ranks();
    let stages_of = |device: usize| {
        let stages = arrangement.stages.iter().enumerate();
        stages.filter(|(_, stage)| stage.device == device).map(|(index, _)| index).collect()
    };
    let mut columns: Vec<Column> = ranks
        .iter()
        .enumerate()
        .map(|(rank, &device)| Column {
            device,
            place: Place::Rank(rank),
            stages: stages_of(device),
        })
        .collect();
    for (place, off) in [(Place::Idle, false), (Place::Off, true)] {
        let others = (0..devices)
            .filter(|device| !ranks.contains(device))
            .filter(|device| arrangement.excluded.contains(device) == off);
        columns.extend(others.map(|device| Column { device, place, stages: Vec::new() }));
    }
    columns
}

/// The device beside another, `right` of it or left, that could hold layers.
#[must_use]
pub(super) fn beside(columns: &[Column], device: usize, right: bool) -> Option<usize> {
    let at = columns.iter().position(|column| column.device == device)?;
    let next = if right { at.checked_add(1)? } else { at.checked_sub(1)? };
    columns.get(next).filter(|column| column.place != Place::Off).map(|column| column.device)
}
