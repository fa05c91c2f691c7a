//! The same batch cut into another number of micro-batches, or its sequences into slices.
//!
//! A layer's time is taken as `fixed + rows × rate`, and its activations as proportional to the
//! rows; `rows` and every device's `fixed_us` say so. Temporary tensors may be as large as the layer's
//! weights whatever the rows are, so of fewer rows that much of them stays. A profile without them cannot tell, and then
//! only the number of micro-batches changes: each costs what it did, and the step trains more or
//! fewer rows.
//!
//! A slice of a context costs its share of all, as rows do, and what it has of the slices before comes on top
//! (`carried_bytes`). Attention takes longer the more a slice looks back at: each slice counts as the mean of
//! them all.

use std::borrow::Cow;

use crate::{
    DeviceProfile, FixedTimes, LayerProfile, ModelProfile, Plan, PlanError, Profile, Tensors,
    validate,
};

/// The most micro-batches a step may have.
const MOST: usize = 1 << 20;

/// From the rows of a micro-batch to those of another.
#[derive(Clone, Copy)]
struct Ratio {
    from: usize,
    to: usize,
}

impl Ratio {
    /// Rounded up.
    fn bytes(self, bytes: u64) -> u64 {
        let scaled = (u128::from(bytes) * self.to as u128).div_ceil(self.from as u128);
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }

    /// Temporary bytes, of which up to `weights` may be there for any rows: never too few.
    fn workspace(self, bytes: u64, weights: u64) -> u64 {
        let stays = if self.to < self.from { bytes.min(weights) } else { 0 };
        self.bytes(bytes - stays).saturating_add(stays)
    }

    fn times(self, times: &[f64], fixed: &[f64]) -> Vec<f64> {
        let factor = self.to as f64 / self.from as f64;
        let scale = |(time, fixed): (&f64, &f64)| {
            let fixed = fixed.min(*time);
            fixed + (time - fixed) * factor
        };
        times.iter().zip(fixed).map(scale).collect()
    }
}

impl ModelProfile {
    /// The same model for micro-batches of `to` rows, where this is for `from`: all sizes but those
    /// of weights are taken as proportional. Unchanged for `from` = 0.
    #[must_use]
    pub fn with_rows(&self, from: usize, to: usize) -> Self {
        let mut scaled = self.clone();
        if from > 0 && from != to {
            scale_layers(&mut scaled, Ratio { from, to });
        }
        scaled
    }
}

impl Profile {
    /// True where it states how costs depend on the size of a micro-batch.
    #[must_use]
    pub fn can_rescale(&self) -> bool {
        self.rows.is_some_and(|rows| rows > 0)
            && self.devices.iter().all(|device| device.fixed_us.is_some())
    }

    /// The numbers of micro-batches into which the step's rows can be cut evenly, ascending; none
    /// where the profile [does not say](Self::can_rescale) what they would cost.
    #[must_use]
    pub fn micro_batch_choices(&self) -> Vec<usize> {
        let Some(rows) = self.rows.filter(|_| self.can_rescale()) else { return Vec::new() };
        let Some(total) = rows.checked_mul(self.micro_batches) else { return Vec::new() };
        let all = (1..=total.min(MOST)).filter(|count| total % count == 0);
        // Of slices there are those of whole rows.
        all.filter(|count| count % self.slices == 0).collect()
    }

    /// The profile of the same step in `count` micro-batches. Where it
    /// [can be rescaled](Self::can_rescale), the step's rows are spread over them and costs follow;
    /// elsewhere a micro-batch costs what it did, and the step trains more or fewer rows.
    ///
    /// # Errors
    /// [`PlanError::BadNumber`] for a count of 0, above 2²⁰, or by which the rows of the step
    /// cannot be divided; for one that is not as many times the profile's slices.
    pub fn with_micro_batches(&self, count: usize) -> Result<Self, PlanError> {
        let bad = |must: String| PlanError::BadNumber {
            what: "micro_batches".into(),
            value: count.to_string(),
            must,
        };
        if count == 0 || count > MOST {
            return Err(bad(format!("from 1 to {MOST}")));
        }
        validate::whole_rows(count, self.slices)?;
        if count == self.micro_batches {
            return Ok(self.clone());
        }
        let scaled = Self { micro_batches: count, ..self.clone() };
        let Some(from) = self.rows.filter(|_| self.can_rescale()) else { return Ok(scaled) };
        let total = from.checked_mul(self.micro_batches).filter(|total| total % count == 0);
        let total = total.ok_or_else(|| {
            let step = format!("{from} × {} rows of a step", self.micro_batches);
            bad(format!("a divisor of the {step}"))
        })?;
        let ratio = Ratio { from, to: total / count };
        let mut scaled = Self { rows: Some(ratio.to), ..scaled };
        scale_layers(&mut scaled.model, ratio);
        for device in &mut scaled.devices {
            scale_device(device, &scaled.model.layers, ratio);
        }
        Ok(scaled)
    }
}

impl Profile {
    /// The profile for the micro-batches of a plan, before their rows are cut into its slices.
    ///
    /// # Errors
    /// As [`Self::with_micro_batches`].
    pub fn with_rows_of(&self, plan: &Plan) -> Result<Self, PlanError> {
        let slices = if self.slices == 1 { plan.schedule.slices.max(1) } else { 1 };
        self.with_micro_batches(plan.micro_batches / slices)
    }

    /// The profile with the rows of its micro-batches cut along their context into `slices`, as equal as
    /// possible: the largest counts. There are as many times the micro-batches.
    ///
    /// # Errors
    /// [`PlanError::BadNumber`] for 0, more than there are positions, or another number than that of a
    /// profile that is one of slices already; [`PlanError::BadPlan`] for a model with a layer that cannot be
    /// cut so.
    pub fn in_slices(&self, slices: usize) -> Result<Cow<'_, Self>, PlanError> {
        if slices == self.slices {
            return Ok(Cow::Borrowed(self));
        }
        let bad = |must: String| PlanError::BadNumber {
            what: "slices".into(),
            value: slices.to_string(),
            must,
        };
        if self.slices != 1 {
            return Err(bad(format!("{}, for which the profile is", self.slices)));
        }
        let context = self.model.context().map_err(|layer| PlanError::BadPlan {
            reason: format!(
                "its sequences cannot be cut into {slices} slices: the layer '{layer}' does not say that it \
                 computes a slice from what it is given and what earlier slices hand on; leave slices at 1"
            ),
        })?;
        if slices == 0 || slices > context {
            return Err(bad(format!("from 1 to {context}, the positions of a sequence")));
        }
        let micro_batches = self.micro_batches.checked_mul(slices).filter(|count| *count <= MOST);
        let micro_batches = micro_batches.ok_or_else(|| {
            bad(format!("so few that there are at most {MOST} with those of all micro-batches"))
        })?;
        let ratio = Ratio { from: context, to: context.div_ceil(slices) };
        let carried: Vec<u64> = self.model.layers.iter().map(|layer| layer.carried_bytes).collect();
        let mut sliced = Self { micro_batches, slices, ..self.clone() };
        scale_layers(&mut sliced.model, ratio);
        for (layer, carried) in sliced.model.layers.iter_mut().zip(carried) {
            layer.carried_bytes = carried;
            layer.largest_tensor_bytes = layer.largest_tensor_bytes.max(carried);
        }
        for device in &mut sliced.devices {
            scale_device(device, &sliced.model.layers, ratio);
        }
        Ok(Cow::Owned(sliced))
    }
}

/// Scales the layers' sizes. What a layer takes and gives stays the sum of its named tensors and the
/// rest, though each is rounded up.
fn scale_layers(model: &mut ModelProfile, ratio: Ratio) {
    let unnamed: Vec<u64> = {
        let named = Tensors::of(model);
        (0..model.layers.len()).map(|layer| named.unnamed_input(model, layer)).collect()
    };
    model.layers.iter_mut().for_each(|layer| scale_layer(layer, ratio));
    let named = Tensors::of(model);
    for (index, (layer, unnamed)) in model.layers.iter_mut().zip(unnamed).enumerate() {
        layer.input_bytes = named.named_input(index).saturating_add(ratio.bytes(unnamed));
        if !layer.gives.is_empty() {
            let sizes = layer.gives.iter().map(|tensor| tensor.bytes);
            layer.output_bytes = sizes.fold(0, u64::saturating_add);
        }
    }
}

fn scale_layer(layer: &mut LayerProfile, ratio: Ratio) {
    let sizes = [
        &mut layer.input_bytes,
        &mut layer.output_bytes,
        &mut layer.saved_bytes,
        &mut layer.output_saved_bytes,
        &mut layer.input_saved_bytes,
        &mut layer.largest_tensor_bytes,
        &mut layer.forward_flops,
        &mut layer.carried_bytes,
    ];
    let given = layer.gives.iter_mut().flat_map(|t| [&mut t.bytes, &mut t.gradient_bytes]);
    let of_batch = layer.batch.iter_mut().map(|tensor| &mut tensor.bytes);
    let sizes = sizes.into_iter().chain(&mut layer.weight_saved_bytes).chain(given);
    for size in sizes.chain(of_batch) {
        *size = ratio.bytes(*size);
    }
    let weights = layer.weight_bytes();
    for size in [
        &mut layer.workspace_bytes,
        &mut layer.split_workspace_bytes,
        &mut layer.weight_workspace_bytes,
    ] {
        *size = ratio.workspace(*size, weights);
    }
}

fn scale_device(device: &mut DeviceProfile, layers: &[LayerProfile], ratio: Ratio) {
    for size in device.saved_bytes.iter_mut().flatten() {
        *size = ratio.bytes(*size);
    }
    for (size, layer) in device.workspace_bytes.iter_mut().flatten().zip(layers) {
        *size = ratio.workspace(*size, layer.weight_bytes());
    }
    // Nothing of an estimate is fixed.
    let none = || vec![0.0; layers.len()];
    let fixed = device.fixed_us.clone().unwrap_or_else(|| FixedTimes {
        forward: none(),
        input_grad: none(),
        weight_grad: none(),
    });
    device.forward_us = ratio.times(&device.forward_us, &fixed.forward);
    device.input_grad_us = ratio.times(&device.input_grad_us, &fixed.input_grad);
    device.weight_grad_us = ratio.times(&device.weight_grad_us, &fixed.weight_grad);
}
