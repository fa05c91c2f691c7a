//! stub
use super::{Ask, PlanRequest};
use crate::PlanError;

pub(super) fn error(request: &PlanRequest, ask: &Ask, refusal: Option<PlanError>) -> PlanError {
    let _ = (request, ask);
    refusal.unwrap_or(PlanError::DoesNotFit { devices: vec![], hint: String::new() })
}
