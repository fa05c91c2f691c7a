//! The generators of candidates, by name.

/// A source of candidates. Each can be left out of a request, so that a bench can say what it is
/// worth: `cargo bench -p trainyard-plan --bench planner_quality -- ablation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generator {
    /// Partitions with the least of the closed form, under the first schedule.
    ClosedForm,
    /// Every device alone.
    SingleDevice,
    /// The best partitions under the other schedules with one stage a rank.
    OtherSchedules,
    /// The best orders of devices, cut anew for schedules with several stages a rank.
    MultiStage,
    /// Orders of devices that keep locks which only several stages a rank can keep.
    LockedOrders,
    /// Searched schedules for the best partitions.
    SearchedSchedules,
    /// Another round whose search sets memory aside for buffers.
    BufferReserve,
    /// Another round whose search makes the largest share of a budget small.
    SmallestShare,
    /// The same, holding all micro-batches.
    SmallestShareAllHeld,
    /// The same, holding one micro-batch.
    SmallestShareOneHeld,
    /// The partition that takes least memory, where nothing fits.
    MinMemory,
    /// The candidates that need least of one device's memory, where nothing fits.
    LeastMemory,
    /// A search with each schedule of several stages a rank alone, where memory is tight.
    MultiStageAlone,
    /// Restarts with each schedule alone.
    OneSchedule,
    /// Restarts with recompute everywhere and nowhere.
    OneRecompute,
    /// Restarts with both.
    OneScheduleOneRecompute,
    /// Restarts with each device idle.
    IdleDevice,
    /// A last local search of the best of all searches, with more kinds of changes.
    Finish,
}

impl Generator {
    /// All generators.
    pub const ALL: &'static [Self] = &[
        Self::ClosedForm,
        Self::SingleDevice,
        Self::OtherSchedules,
        Self::MultiStage,
        Self::LockedOrders,
        Self::SearchedSchedules,
        Self::BufferReserve,
        Self::SmallestShare,
        Self::SmallestShareAllHeld,
        Self::SmallestShareOneHeld,
        Self::MinMemory,
        Self::LeastMemory,
        Self::MultiStageAlone,
        Self::OneSchedule,
        Self::OneRecompute,
        Self::OneScheduleOneRecompute,
        Self::IdleDevice,
        Self::Finish,
    ];
}
