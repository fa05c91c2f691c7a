//! The plans of the grid: models × schedules × splits × numbers of micro-batches.

use trainyard_plan::{
    DeviceInfo, DeviceKind, Plan, PlanError, Profile, Recompute, Schedule, Stage,
};

use super::super::split::split;

/// The schedules of the grid.
const SCHEDULES: [&str; 5] = ["1f1b", "gpipe", "zb-h1", "interleaved", "zb-v"];
/// The numbers of micro-batches of the grid.
const MICRO_BATCHES: [usize; 2] = [4, 8];
/// As many micro-batches the step has that costs are measured and calibrated with: no plan of the grid
/// has it, so that none is calibrated itself.
pub(super) const CALIBRATED_MICRO_BATCHES: usize = 6;

/// A model of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Model {
    /// Attention, norms and an embedding.
    Gpt,
    /// Linear layers alone.
    Mlp,
}

impl Model {
    pub(super) const ALL: [Self; 2] = [Self::Gpt, Self::Mlp];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gpt => "gpt",
            Self::Mlp => "mlp",
        }
    }

    /// A run file without devices.
    pub(super) fn run_file(self, size: Size, micro_batches: usize) -> String {
        let width = size.width(self);
        let (model, data, rows) = match self {
            Self::Gpt => ("layers = 4\nheads = 4\ncontext = 64\n", "yard", 4),
            Self::Mlp => ("layers = 8\n", "waves", 64),
        };
        let widths = match self {
            Self::Gpt => format!("width = {width}"),
            Self::Mlp => format!("inputs = {width}\nhidden = {width}\noutputs = {width}"),
        };
        format!(
            "[model]\nkind = \"{}\"\n{model}{widths}\n[data]\nbuiltin = \"{data}\"\n[train]\nbatch = {}\n\
             micro_batches = {micro_batches}\nlearning_rate = 1e-3\nvalidate_every = 0\n",
            self.name(),
            rows * micro_batches,
        )
    }
}

/// How large the models are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// For software adapters.
    Small,
    /// For cores.
    Medium,
    /// For graphics cards.
    Large,
}

impl Size {
    /// The size that suits the slowest of some devices.
    pub(super) fn for_devices(hardware: &[DeviceInfo]) -> Self {
        let any = |kind| hardware.iter().any(|device| device.kind == kind);
        match (any(DeviceKind::Software), any(DeviceKind::Cpu)) {
            (true, _) => Self::Small,
            (false, true) => Self::Medium,
            (false, false) => Self::Large,
        }
    }

    fn width(self, model: Model) -> usize {
        match (self, model) {
            (Self::Small, Model::Gpt) => 64,
            (Self::Small, Model::Mlp) | (Self::Medium, Model::Gpt) => 128,
            (Self::Medium, Model::Mlp) | (Self::Large, Model::Gpt) => 512,
            (Self::Large, Model::Mlp) => 4096,
        }
    }
}

/// One plan of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) model: Model,
    pub(super) schedule: &'static str,
    /// Twice as many layers on the first of two neighbouring stages as on the second, or equally many.
    pub(super) uneven: bool,
    pub(super) micro_batches: usize,
}

impl Case {
    /// The most plans there are.
    pub(super) const MOST: usize = Model::ALL.len() * SCHEDULES.len() * 2 * MICRO_BATCHES.len();

    /// So many plans of the grid, at most all of them: of its two halves, in each of which all pairs of
    /// two properties are met equally often, the first one first.
    pub(super) fn some(count: usize) -> Vec<Self> {
        let (mut halves, mut place) = ([Vec::new(), Vec::new()], 0);
        for (at_model, model) in Model::ALL.into_iter().enumerate() {
            for (at_schedule, schedule) in SCHEDULES.into_iter().enumerate() {
                for uneven in [false, true] {
                    for (at_count, micro_batches) in MICRO_BATCHES.into_iter().enumerate() {
                        let parity = at_model + at_schedule + usize::from(uneven) + at_count;
                        let case = Self { model, schedule, uneven, micro_batches };
                        halves[parity % 2].push((place, case));
                        place += 1;
                    }
                }
            }
        }
        let half = halves[0].len();
        let mut cases: Vec<(usize, Self)> = if count < half {
            (0..count).filter_map(|at| halves[0].get(at * half / count).copied()).collect()
        } else {
            halves.into_iter().flatten().take(count).collect()
        };
        // A model's one after the other: its costs are measured once.
        cases.sort_by_key(|(place, _)| *place);
        cases.into_iter().map(|(_, case)| case).collect()
    }

    /// How it is split, in words.
    pub(super) fn split(self) -> &'static str {
        if self.uneven { "2:1" } else { "even" }
    }

    /// The plan over all devices of a profile for its number of micro-batches, with its prediction.
    ///
    /// # Errors
    /// When it does not fit the devices.
    pub(super) fn plan(self, costs: &Profile) -> Result<Plan, PlanError> {
        let schedule = Schedule::named(self.schedule, costs.devices.len(), self.micro_batches)?;
        let owners = schedule.owners();
        let share = |stage| if self.uneven && stage % 2 == 0 { 2.0 } else { 1.0 };
        let shares: Vec<f64> = (0..owners.len()).map(share).collect();
        let (layers, stages) = (costs.model.layers.len(), owners.len());
        let ranges = split(layers, &shares).ok_or_else(|| PlanError::BadPlan {
            reason: format!("{} has {stages} stages, the model {layers} layers", self.schedule),
        })?;
        let stage = |(rank, layers): (usize, (usize, usize))| Stage {
            device: costs.devices[rank].id.clone(),
            layers,
            recompute: Recompute::None,
        };
        let stages = owners.into_iter().zip(ranges).map(stage).collect();
        Plan::new(&costs.model.name, stages, schedule, self.micro_batches).predicted(costs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_plans_meet_every_pair_of_properties_equally_often() {
        let cases = Case::some(20);
        assert_eq!(cases.len(), 20);
        for schedule in SCHEDULES {
            for other in [
                |case: &Case| case.model == Model::Gpt,
                |case: &Case| case.uneven,
                |case: &Case| case.micro_batches == MICRO_BATCHES[0],
            ] {
                let of_both = |case: &&Case| case.schedule == schedule && other(case);
                assert_eq!(cases.iter().filter(of_both).count(), 2, "{schedule}");
            }
        }
    }

    #[test]
    fn any_number_of_plans_can_be_asked_for() {
        for count in 1..=Case::MOST {
            let cases = Case::some(count);
            assert_eq!(cases.len(), count);
            let again =
                cases.iter().filter(|case| cases.iter().filter(|it| it == case).count() > 1);
            assert_eq!(again.count(), 0, "of {count}");
        }
        assert_eq!(Case::some(Case::MOST + 1).len(), Case::MOST);
        assert!(!MICRO_BATCHES.contains(&CALIBRATED_MICRO_BATCHES));
    }
}
