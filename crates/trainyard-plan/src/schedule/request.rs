//! The schedule that is asked for: one of the named kinds, or the best that a search finds.

use std::fmt;
use std::str::FromStr;

use super::kind::ScheduleKind;
use super::registry::find;
use super::table::Schedule;
use crate::PlanError;

/// The schedule that a plan is to have. Parsed from its name: `auto`, or that of a registered kind.
#[derive(Clone, Copy, Debug, Default)]
pub enum ScheduleRequest {
    /// The best of all kinds and of those that are [searched for](crate::schedule_search).
    #[default]
    Search,
    /// This kind.
    Named(&'static dyn ScheduleKind),
}

impl ScheduleRequest {
    /// Name in run files and on the command line.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Search => Schedule::SEARCHED,
            Self::Named(kind) => kind.name(),
        }
    }
}

impl PartialEq for ScheduleRequest {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for ScheduleRequest {}

impl fmt::Display for ScheduleRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ScheduleRequest {
    type Err = PlanError;

    /// # Errors
    /// [`PlanError::UnknownSchedule`] with the names there are.
    fn from_str(name: &str) -> Result<Self, PlanError> {
        if name == Schedule::SEARCHED { Ok(Self::Search) } else { find(name).map(Self::Named) }
    }
}
