//! What can be asked of a plan on the command line: the schedule, and which layers go where.

use std::path::Path;

use clap::Args;
use trainyard_plan::planner::{MicroBatches, PlanRequest};
use trainyard_plan::{Profile, Schedule, ScheduleRequest};

use crate::config::RunConfig;
use crate::error::RunError;
use crate::files::read_schedule;
use crate::setup::references;

/// The schedule, and which layers go where.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Wishes {
    /// A schedule, auto for the best of all, or a CSV file as PyTorch's pipelining writes it
    #[arg(long, value_name = "NAME|auto|FILE.csv")]
    schedule: Option<String>,
    /// Keep layers on a device: by name, number, range (0-5), pattern (block*), or several of these
    /// with commas
    #[arg(long, value_name = "LAYERS=DEVICE")]
    lock: Vec<String>,
    /// Leave a device out
    #[arg(long, value_name = "DEVICE")]
    exclude: Vec<String>,
}

impl Wishes {
    /// Puts them into a run file's settings, so that the run keeps them when it is resumed.
    ///
    /// # Errors
    /// [`RunError::BadValue`] where the settings name a plan; whatever is wrong with the schedule's
    /// name.
    pub(super) fn put_into(&self, config: &mut RunConfig) -> Result<(), RunError> {
        let pipeline = &mut config.pipeline;
        let given = self.schedule.is_some() || !self.lock.is_empty() || !self.exclude.is_empty();
        if let Some(plan) = pipeline.plan.as_ref().filter(|_| given) {
            return Err(RunError::BadValue {
                key: "--schedule, --lock or --exclude".to_owned(),
                value: "given".to_owned(),
                must: format!("left out where a plan is given: {} says it", plan.display()),
            });
        }
        match &self.schedule {
            Some(name) if is_file(name) => {
                let path = std::path::absolute(name).map_err(RunError::io("find", name))?;
                (pipeline.schedule, pipeline.schedule_file) =
                    (Schedule::SEARCHED.to_owned(), Some(path));
            }
            Some(name) => {
                let request: ScheduleRequest = name.parse()?;
                (pipeline.schedule, pipeline.schedule_file) = (request.name().to_owned(), None);
            }
            None => {}
        }
        pipeline.lock.extend(self.lock.iter().cloned());
        pipeline.exclude.extend(self.exclude.iter().cloned());
        Ok(())
    }

    /// Checks the names of layers and devices.
    ///
    /// # Errors
    /// [`RunError::BadValue`] for what does not exist.
    pub(super) fn check(&self, profile: &Profile) -> Result<(), RunError> {
        self.put_on(PlanRequest::new(profile), profile).map(drop)
    }

    /// The schedule of the file that is named, if one is.
    ///
    /// # Errors
    /// As [`read_schedule`].
    pub(super) fn own_schedule(&self) -> Result<Option<Schedule>, RunError> {
        let file = self.schedule.as_ref().filter(|name| is_file(name));
        file.map(|file| read_schedule(Path::new(file))).transpose()
    }

    /// Puts them on a request, but for the [schedule of a file](Self::own_schedule).
    ///
    /// # Errors
    /// As [`Self::check`], and for a schedule that does not exist.
    pub(super) fn put_on<'a>(
        &self,
        mut request: PlanRequest<'a>,
        profile: &Profile,
    ) -> Result<PlanRequest<'a>, RunError> {
        if let Some(name) = self.schedule.as_ref().filter(|name| !is_file(name)) {
            request.schedule = name.parse()?;
        }
        for lock in &self.lock {
            request.locks.extend(references::locks(profile, "--lock", lock)?);
        }
        for id in &self.exclude {
            request.excluded.push(references::device_index(profile, "--exclude", id)?);
        }
        Ok(request)
    }
}

/// A request to run a schedule as it is, with as many micro-batches as it has.
pub(super) fn with_own_schedule<'a>(
    request: PlanRequest<'a>,
    own: Option<&'a Schedule>,
) -> PlanRequest<'a> {
    let micro_batches =
        own.map_or(request.micro_batches, |schedule| MicroBatches::Count(schedule.micro_batches()));
    PlanRequest { own_schedule: own, micro_batches, ..request }
}

/// Whether a schedule is named by its file. A file that is called as a schedule is not meant.
pub(super) fn is_file(name: &str) -> bool {
    let path = Path::new(name);
    let is_csv = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("csv"));
    is_csv || !is_name(name) && path.exists()
}

/// Whether there is a schedule of that name.
pub(super) fn is_name(schedule: &str) -> bool {
    schedule.parse::<ScheduleRequest>().is_ok()
}
