//! The result of planning.

use super::ranked_plan::RankedPlan;
use super::validated::ValidatedRequest;
use crate::Profile;

/// The result of planning.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Plans that fit, best first. No two have the same stages.
    pub candidates: Vec<RankedPlan>,
    /// The profile they are for: rescaled where another number of micro-batches was asked for.
    pub profile: Profile,
    /// Whether the search for the closed form left nothing out.
    pub exact: bool,
    /// The request, to plan again with a change.
    pub(super) request: ValidatedRequest,
}
