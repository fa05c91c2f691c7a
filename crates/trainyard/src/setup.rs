//! From a run file to data, model, devices and plan.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use trainyard_config::Document;
use trainyard_data::DataSource;
use trainyard_engine::{LossScale, Options, Pipeline, Precision};
use trainyard_models::{Job, Recipe};
use trainyard_plan::memory::DeviceNeed;
use trainyard_plan::planner::{self, PlanRequest, Planned};
use trainyard_plan::{ModelProfile, Plan, PlanError, Profile, Schedule, simulate};

use crate::config::{RecomputeChoice, RunConfig, SliceCount};
use crate::error::RunError;
use crate::files::{read_plan, read_schedule};
pub(crate) use devices::machine_for;
pub use devices::{SetupDevice, default_devices};
pub(crate) use estimate::fit_devices;
use profile::DerivedProfile;
pub use training_setup::TrainingSetup;

mod batches;
mod calibration_run;
mod costs;
mod devices;
mod estimate;
mod kernels;
mod noise;
mod optimizers;
mod place;
mod precisions;
mod profile;
pub(crate) mod references;
mod training_setup;
mod wires;

impl TrainingSetup {
    /// Opens the data, makes the model, finds the devices, and finds out what the layers cost.
    /// `progress` is told how many layers have been run for that, and of how many.
    ///
    /// # Errors
    /// Whatever is wrong with one of them, with its place and remedy.
    pub fn load(
        run_file: (RunConfig, Document),
        recipes: &[Arc<dyn Recipe>],
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Self, RunError> {
        let mut setup = Self::without_profile(run_file, recipes, None)?;
        let file = setup.config.pipeline.schedule_file.as_deref();
        let in_slices = |own: Schedule| setup.in_slices(own);
        setup.own_schedule = file.map(read_schedule).transpose()?.map(in_slices).transpose()?;
        let derived = setup.derive(progress).map_err(|error| setup.located(error))?;
        let DerivedProfile { model, of_devices } = derived;
        (setup.profile, setup.of_devices) = (model, of_devices);
        Ok(setup)
    }

    /// The same for a model whose data need not be there, with costs that were found out before:
    /// for writing with a trained model.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn for_inference(
        run_file: (RunConfig, Document),
        recipes: &[Arc<dyn Recipe>],
        vocabulary: usize,
        profile: ModelProfile,
    ) -> Result<Self, RunError> {
        let setup = Self::without_profile(run_file, recipes, Some(vocabulary))?;
        setup.check_profile(&profile)?;
        Ok(Self { profile, ..setup })
    }

    /// The data of a run file alone.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn data_of(
        run_file: (RunConfig, Document),
        recipes: &[Arc<dyn Recipe>],
    ) -> Result<Arc<dyn DataSource>, RunError> {
        let setup = Self::without_profile(run_file, recipes, None)?;
        setup.data().cloned()
    }

    /// The same for a model whose costs are not known, found out from rows that say nothing.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn without_data(
        run_file: (RunConfig, Document),
        recipes: &[Arc<dyn Recipe>],
        vocabulary: usize,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Self, RunError> {
        let mut setup = Self::without_profile(run_file, recipes, Some(vocabulary))?;
        let derived = setup.derive(progress).map_err(|error| setup.located(error))?;
        (setup.profile, setup.of_devices) = (derived.model, derived.of_devices);
        Ok(setup)
    }

    /// What tokens and class numbers of a run's data mean: the text of each token and the name of each
    /// class, in the order of their numbers; nothing where there are none.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn meanings(
        run_file: (RunConfig, Document),
        recipes: &[Arc<dyn Recipe>],
    ) -> Result<(Vec<String>, Vec<String>), RunError> {
        let data = Self::data_of(run_file, recipes)?;
        let info = data.info();
        Ok((info.vocabulary.clone(), info.classes.clone()))
    }

    /// The plan of the run file, or the best one that the planner finds; with what is predicted of
    /// it.
    ///
    /// # Errors
    /// [`trainyard_plan::PlanError::DoesNotFit`] when the devices are too small; whatever is wrong
    /// with a plan file.
    pub fn plan(&self, costs: &Profile) -> Result<Plan, RunError> {
        if let Some(path) = &self.config.pipeline.plan {
            return self.plan_of_file(path, costs);
        }
        best(self.planned(costs)?)
    }

    /// The plan that a model was trained with, to use it, or another where that one does not fit.
    ///
    /// # Errors
    /// As [`Self::plan`].
    pub fn plan_to_use(&self, trained: Option<Plan>, costs: &Profile) -> Result<Plan, RunError> {
        let fits = trained.filter(|plan| simulate::check_memory(costs, plan).is_ok());
        fits.map_or_else(|| self.plan(costs), Ok)
    }

    /// A plan for texts that are written at once, as many as the costs have micro-batches: one stage a device,
    /// so that each device has a text in hand while others have others. The schedule and split of the training
    /// are for its backwards.
    ///
    /// # Errors
    /// As [`Self::plan`].
    pub fn plan_to_write(&self, costs: &Profile) -> Result<Plan, RunError> {
        if let Some(path) = &self.config.pipeline.plan {
            return self.plan_of_file(path, costs);
        }
        let request = self.plan_request(costs)?;
        let request = PlanRequest {
            schedule: "gpipe".parse()?,
            own_schedule: None,
            slices: planner::Slices::Count(1),
            split: request.split.filter(|split| split.len() <= self.devices.len()),
            ..request
        };
        best(self.planned_as(&request)?)
    }

    fn plan_of_file(&self, path: &Path, costs: &Profile) -> Result<Plan, RunError> {
        let unusable = |error| RunError::PlanFile { path: path.to_owned(), error };
        let mut plan = read_plan(path)?;
        plan.check(self.profile.layers.len()).map_err(unusable)?;
        if plan.model != self.profile.name {
            let (made_for, model) = (&plan.model, &self.profile.name);
            let reason =
                format!("it was made for the model '{made_for}', this run trains '{model}'");
            return Err(unusable(PlanError::BadPlan { reason }));
        }
        let planned = plan.micro_batches / plan.schedule.slices;
        if planned != self.config.train.micro_batches {
            return Err(self.located(RunError::BadValue {
                key: "train.micro_batches".to_owned(),
                value: self.config.train.micro_batches.to_string(),
                must: format!("{planned}, as {} says", path.display()),
            }));
        }
        plan.schedule = plan.schedule.compute_only();
        plan.predicted(costs).map_err(unusable)
    }

    /// The plans that the run file's settings allow, the best first.
    ///
    /// # Errors
    /// [`PlanError::DoesNotFit`] when the devices are too small; as [`Self::plan_request`].
    pub fn planned(&self, costs: &Profile) -> Result<Planned, RunError> {
        self.planned_as(&self.plan_request(costs)?)
    }

    fn planned_as(&self, request: &PlanRequest<'_>) -> Result<Planned, RunError> {
        planner::plan(request).map_err(|error| self.located(error.into()))
    }

    /// What the run file asks of the planner.
    ///
    /// # Errors
    /// [`RunError::BadValue`] for layers or devices that do not exist, a split that does not add up,
    /// and another number of micro-batches than a schedule of one's own has.
    pub fn plan_request<'a>(&'a self, costs: &'a Profile) -> Result<PlanRequest<'a>, RunError> {
        let pipeline = &self.config.pipeline;
        let locks =
            pipeline.lock.iter().map(|lock| references::locks(costs, "pipeline.lock", lock));
        let locks = locks.collect::<Result<Vec<_>, _>>().map_err(|error| self.located(error))?;
        let device = |id: &String| references::device_index(costs, "pipeline.exclude", id);
        let excluded = pipeline.exclude.iter().map(device).collect::<Result<_, _>>();
        self.check_own_schedule()?;
        Ok(PlanRequest {
            locks: locks.concat(),
            excluded: excluded.map_err(|error| self.located(error))?,
            split: self.split(costs)?,
            own_schedule: self.own_schedule.as_ref(),
            schedule: pipeline.schedule.parse()?,
            slices: match pipeline.slices {
                SliceCount::Auto => planner::Slices::Auto,
                SliceCount::Number(count) => planner::Slices::Count(count),
            },
            recompute: match self.config.pipeline.recompute {
                RecomputeChoice::Auto => planner::RecomputeChoice::Auto,
                RecomputeChoice::None => planner::RecomputeChoice::None,
                RecomputeChoice::Full => planner::RecomputeChoice::Full,
            },
            ..PlanRequest::new(costs)
        })
    }

    /// The layers of each stage that the run file gives, if it does.
    fn split(&self, costs: &Profile) -> Result<Option<Vec<usize>>, RunError> {
        let split: Vec<usize> =
            self.config.pipeline.split.iter().map(|layers| *layers as usize).collect();
        let (sum, layers) = (split.iter().sum::<usize>(), costs.model.layers.len());
        if !split.is_empty() && sum != layers {
            return Err(self.located(RunError::BadValue {
                key: "pipeline.split".to_owned(),
                value: format!("{split:?}"),
                must: format!(
                    "numbers that add up to {layers}, the layers of the model; these add up to {sum}"
                ),
            }));
        }
        let excluded = &self.config.pipeline.exclude;
        let names = self.devices.iter().map(|device| &device.id);
        let given = names.zip(&split).find(|(id, layers)| **layers > 0 && excluded.contains(id));
        if split.len() == self.devices.len()
            && let Some((id, layers)) = given
        {
            return Err(self.located(RunError::BadValue {
                key: "pipeline.split".to_owned(),
                value: format!("{split:?}"),
                must: format!(
                    "0 for '{id}', which is excluded; it gives it {layers} of the layers (a number a device, \
                     in the order of the run file)"
                ),
            }));
        }
        // To the planner a device that is left out has no place, not even for a 0.
        let split: Vec<usize> = if split.len() == self.devices.len() {
            let with_device = self.devices.iter().zip(split);
            let kept = with_device.filter(|(device, _)| !excluded.contains(&device.id));
            kept.map(|(_, layers)| layers).collect()
        } else {
            split
        };
        Ok((!split.is_empty()).then_some(split))
    }

    /// A schedule of one's own, whose file cannot say how many slices its micro-batches are of.
    fn in_slices(&self, own: Schedule) -> Result<Schedule, RunError> {
        let SliceCount::Number(slices) = self.config.pipeline.slices else {
            return Err(self.located(RunError::BadValue {
                key: "pipeline.slices".to_owned(),
                value: "\"auto\"".to_owned(),
                must: "a number beside pipeline.schedule_file, which cannot say it".to_owned(),
            }));
        };
        Ok(Schedule { slices, ..own })
    }

    /// Whether the run has as many micro-batches as its schedule, if that is one of its own.
    fn check_own_schedule(&self) -> Result<(), RunError> {
        let rows = |own: &Schedule| own.micro_batches() / own.slices;
        let own = self.own_schedule.as_ref().map(rows);
        let (Some(own), Some(path)) = (own, &self.config.pipeline.schedule_file) else {
            return Ok(());
        };
        let count = self.config.train.micro_batches;
        if own == count {
            return Ok(());
        }
        Err(self.located(RunError::BadValue {
            key: "train.micro_batches".to_owned(),
            value: count.to_string(),
            must: format!("{own}, as {} says", path.display()),
        }))
    }

    /// Opens the devices that a plan uses and puts the model on them.
    ///
    /// # Errors
    /// When the plan does not fit, before anything is opened or allocated; when a device fails.
    pub fn start(&self, plan: &Plan, costs: &Profile) -> Result<Pipeline, RunError> {
        self.check_fit(plan, costs)?;
        let used = |device: &SetupDevice| plan.stages.iter().any(|stage| stage.device == device.id);
        let in_f16 = |device: &SetupDevice| device.precision == Precision::F16;
        let scales_loss = self.devices.iter().any(|device| used(device) && in_f16(device));
        let opened = self.open_devices(used)?;
        let train = &self.config.train;
        let options = Options {
            seed: train.seed,
            optimizer: self.optimizer()?,
            clip: (train.clip > 0.0).then_some(train.clip),
            rows: self.config.rows_of_micro_batch(),
        };
        let Job { model, objective, .. } = &self.job;
        let (model, objective) = (Arc::clone(model), Arc::clone(objective));
        let mut pipeline = Pipeline::distribute(model, objective, costs, plan, opened, options)?;
        let minutes = self.config.run.stall_minutes;
        pipeline.stall_after((minutes > 0).then(|| Duration::from_mins(minutes)));
        if scales_loss {
            pipeline.scale_loss(LossScale::new(train.loss_scale));
        }
        self.keep_kernels(&pipeline);
        Ok(pipeline)
    }

    /// What each device of a plan needs, if all stay within their budgets; nothing is opened for the
    /// answer.
    ///
    /// # Errors
    /// [`trainyard_plan::PlanError::DoesNotFit`] with every device's need, budget and deficit.
    pub fn check_fit(&self, plan: &Plan, costs: &Profile) -> Result<Vec<DeviceNeed>, RunError> {
        match (simulate::check_memory(costs, plan), &self.config.pipeline.plan) {
            (Ok(needs), _) => Ok(needs),
            // Somebody's file names devices or layers that are not there.
            (Err(error @ PlanError::BadPlan { .. }), Some(path)) => {
                Err(RunError::PlanFile { path: path.clone(), error })
            }
            (Err(PlanError::DoesNotFit { devices, .. }), Some(path)) => {
                let hint = format!(
                    "the plan is that of {}: without pipeline.plan, or with --replan where a run goes on, \
                     the planner looks for one that fits",
                    path.display()
                );
                Err(PlanError::DoesNotFit { devices, hint }.into())
            }
            (Err(error), _) => Err(error.into()),
        }
    }
}

fn best(planned: Planned) -> Result<Plan, RunError> {
    let best = planned.candidates.into_iter().next();
    Ok(best.ok_or_else(|| RunError::config("the planner found no plan"))?.plan)
}
