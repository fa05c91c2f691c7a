//! What a run directory holds before the first step: who trains what, how, on what.

use std::time::{SystemTime, UNIX_EPOCH};

use trainyard_engine::Pipeline;
use trainyard_plan::journal::{Header, HeaderDevice};
use trainyard_plan::{Plan, Profile, chrome, simulate};

use crate::config::SliceCount;
use crate::error::RunError;
use crate::files::read_profile;
use crate::run_dir::{RunDir, write_atomic};
use crate::setup::TrainingSetup;

/// The run file as resolved, the plan, and what is predicted of it. Together they are the run: a
/// plan or a schedule that came from elsewhere is from now on the one in the run directory.
pub(super) fn write_settings(
    setup: &TrainingSetup,
    plan: &Plan,
    costs: &Profile,
    directory: &RunDir,
) -> Result<(), RunError> {
    let mut config = setup.config.clone();
    if config.pipeline.plan.is_some() || config.pipeline.schedule_file.is_some() {
        let plan = std::path::absolute(directory.plan());
        config.pipeline.plan = Some(plan.map_err(RunError::io("find", directory.plan()))?);
        // The plan says them.
        (config.pipeline.schedule_file, config.pipeline.split) = (None, Vec::new());
        config.pipeline.slices = SliceCount::default();
    }
    let text = serde_json::to_string_pretty(plan).map_err(|e| RunError::config(e.to_string()))?;
    write_atomic(&directory.plan(), text.as_bytes())?;
    let text = serde_json::to_string_pretty(costs).map_err(|e| RunError::config(e.to_string()))?;
    write_atomic(&directory.profile(), text.as_bytes())?;
    let (_, trace) = simulate::simulate_traced(costs, plan)?;
    write_atomic(&directory.predicted_trace(), chrome::to_string(&trace).as_bytes())?;
    write_atomic(&directory.run_file(), config.to_toml()?.as_bytes())
}

/// The costs with the kernels that the run has computed with so far: a run that goes on adds in the same
/// order as before.
pub(super) fn with_kernels_before(costs: &Profile, directory: &RunDir) -> Profile {
    let mut costs = costs.clone();
    // A run directory of before has none, or another number of devices by now.
    if let Ok(before) = read_profile(&directory.profile()) {
        for device in &mut costs.devices {
            let same = before.devices.iter().find(|same| same.id == device.id);
            if let Some(kernels) = same.and_then(|same| same.kernels.clone()) {
                device.kernels = Some(kernels);
            }
        }
    }
    costs
}

/// The costs with the kernels that a pipeline computes with.
pub(super) fn with_kernels(mut costs: Profile, pipeline: &Pipeline) -> Profile {
    for (id, kernels) in pipeline.kernels() {
        if let Some(device) = costs.devices.iter_mut().find(|device| device.id == *id) {
            device.kernels = Some(kernels.names());
        }
    }
    costs
}

/// The first record of a part of the journal.
///
/// # Errors
/// As [`TrainingSetup::data`].
pub(super) fn header(
    setup: &TrainingSetup,
    plan: &Plan,
    first_step: u64,
) -> Result<Header, RunError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let of_rank = |actions: &Vec<trainyard_plan::Action>| {
        let id = actions.first().and_then(|a| plan.stages.get(a.stage)).map(|s| s.device.as_str());
        let device = setup.devices.iter().find(|device| Some(device.id.as_str()) == id);
        device.map(|device| HeaderDevice {
            id: device.id.clone(),
            name: device.hardware.name.clone(),
            budget_bytes: device.budget_bytes,
            precision: device.precision,
            clock_error_ns: None,
            times_noticed: false,
        })
    };
    Ok(Header {
        format: Header::FORMAT.to_owned(),
        version: Header::VERSION,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        started_unix_ms: u64::try_from(now.as_millis()).unwrap_or(0),
        first_step,
        steps: setup.config.train.steps,
        model: plan.model.clone(),
        parameters: setup.parameters(),
        segment: 0,
        unit: setup.data()?.info().unit.name().to_owned(),
        devices: plan.schedule.ranks.iter().filter_map(of_rank).collect(),
    })
}
