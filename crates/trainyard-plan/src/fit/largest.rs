//! The largest context and micro-batch that fit.

use super::layer_costs::MicroBatchSize;
use super::{FitRequest, finest_cut, fits};
use crate::PlanError;

/// Contexts are multiples of this where they are larger.
const STEP: u64 = 64;
/// No more rows are looked for.
const MOST_ROWS: u64 = 4096;

/// Looks for them.
pub(super) struct Limits<'a> {
    pub(super) request: &'a FitRequest<'a>,
    /// The micro-batches of what was asked for, where it fits.
    pub(super) fitting: Option<u64>,
}

impl Limits<'_> {
    /// The largest context with the batch that was asked for, cut as finely as makes sense; None where not even one
    /// step fits.
    pub(super) fn context(&self) -> Result<Option<u64>, PlanError> {
        let (rows, micro_batches) = finest_cut(self.request.batch);
        let most = self.request.model.context;
        let of_step = |step: u64| step.saturating_mul(STEP).min(most);
        let fits = |step: u64| {
            let context = of_step(step);
            let is_asked = self.fitting.is_some() && context <= self.request.context;
            Ok(is_asked || fits(self.request, MicroBatchSize { rows, context }, micro_batches)?)
        };
        let found = largest(most.div_ceil(STEP), &fits)?.map(of_step);
        Ok(found.max(self.fitting.map(|_| self.request.context)))
    }

    /// The most rows of one micro-batch with the context that was asked for, with as many in flight as fill a
    /// pipeline; None where not even one fits.
    pub(super) fn rows(&self) -> Result<Option<u64>, PlanError> {
        let context = self.request.context;
        let micro_batches = 2 * self.request.devices.len() as u64;
        let fits = |rows: u64| fits(self.request, MicroBatchSize { rows, context }, micro_batches);
        let found = largest(MOST_ROWS, &fits)?;
        Ok(found.max(self.fitting.map(|count| self.request.batch / count.max(1))))
    }
}

/// The largest number from 1 to `most` that fits, of which all below fit too.
fn largest(
    most: u64,
    fits: &dyn Fn(u64) -> Result<bool, PlanError>,
) -> Result<Option<u64>, PlanError> {
    // From small to large: what is far too large takes longest to refuse.
    let (mut fitting, mut next) = (0, 1);
    let mut short = most.saturating_add(1);
    while next < short {
        if !fits(next)? {
            short = next;
            break;
        }
        fitting = next;
        next = next.saturating_mul(2).min(most);
        if fitting == most {
            break;
        }
    }
    while short - fitting > 1 {
        let middle = fitting + (short - fitting) / 2;
        if fits(middle)? { fitting = middle } else { short = middle }
    }
    Ok((fitting > 0).then_some(fitting))
}

#[cfg(test)]
mod tests {
    use super::largest;

    #[test]
    fn every_limit_is_found() {
        for limit in 0..40 {
            for most in 1..40 {
                let found = largest(most, &|number| Ok(number <= limit)).unwrap();
                assert_eq!(found.unwrap_or(0), limit.min(most), "{limit} of {most}");
            }
        }
    }
}
