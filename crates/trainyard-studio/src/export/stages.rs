//! A plan as a table: a row a stage, with what it takes.

use std::io::{self, Write};

use trainyard_plan::costs::PipelineCosts;
use trainyard_plan::{ActionKind, Plan, PlanError, Profile, Recompute};

use super::csv;

/// A stage of a plan, with what it takes on its device.
#[derive(Clone, Debug, PartialEq)]
pub struct StageRow {
    /// Its index.
    pub stage: usize,
    /// The device's id.
    pub device: String,
    /// The device's position in the pipeline.
    pub rank: usize,
    /// Index of its first layer.
    pub first: usize,
    /// Index of its last layer.
    pub last: usize,
    /// Its layers' names.
    pub layers: Vec<String>,
    /// Keep or recompute activations.
    pub recompute: Recompute,
    /// Forward of one micro-batch, µs.
    pub forward_us: f64,
    /// Backward of one micro-batch, µs; the forward once more under recompute.
    pub backward_us: f64,
    /// Forwards and backwards of a step, µs.
    pub step_us: f64,
    /// The most micro-batches between their forward and their backward.
    pub in_flight: usize,
    /// Weights.
    pub weights_bytes: u64,
    /// Sums of gradients.
    pub gradients_bytes: u64,
    /// Optimizer state.
    pub optimizer_bytes: u64,
    /// What the micro-batches in flight keep, and working memory.
    pub activations_bytes: u64,
    /// What comes in, for one micro-batch.
    pub input_bytes: u64,
    /// What goes out, for one micro-batch.
    pub output_bytes: u64,
}

const HEAD: &[u8] =
    b"stage,device,rank,first,last,layers,recompute,forward_us,backward_us,step_us,\
    in_flight,weights_bytes,gradients_bytes,optimizer_bytes,activations_bytes,input_bytes,\
    output_bytes\n";

impl StageRow {
    /// The rows of a plan.
    ///
    /// # Errors
    /// [`PlanError::BadPlan`] when the plan does not go with the profile.
    pub fn of(profile: &Profile, plan: &Plan) -> Result<Vec<Self>, PlanError> {
        let owners = plan.schedule.owners();
        let profile = &*profile.in_slices(plan.schedule.slices)?;
        let costs = PipelineCosts::of(profile, &plan.stages, &owners)?;
        let row = |(stage, (planned, cost)): (usize, (&trainyard_plan::Stage, &_))| {
            let cost: &trainyard_plan::costs::StageCosts = cost;
            let (first, end) = planned.layers;
            let layers = profile.model.layers.get(first..end).unwrap_or_default();
            let in_flight = in_flight(plan, stage);
            let peak = cost.memory.peak(planned.recompute, in_flight, plan.micro_batches);
            Self {
                stage,
                device: planned.device.clone(),
                rank: cost.rank,
                first,
                last: end.saturating_sub(1),
                layers: layers.iter().map(|layer| layer.name.clone()).collect(),
                recompute: planned.recompute,
                forward_us: cost.forward_us,
                backward_us: cost.backward_us(),
                step_us: (cost.forward_us + cost.backward_us()) * plan.micro_batches as f64,
                in_flight,
                weights_bytes: peak.weights,
                gradients_bytes: peak.gradients,
                optimizer_bytes: peak.optimizer,
                activations_bytes: peak.activations,
                input_bytes: cost.memory.input,
                output_bytes: cost.memory.output,
            }
        };
        Ok(plan.stages.iter().zip(&costs.stages).enumerate().map(row).collect())
    }
}

/// The most micro-batches of a stage between F and the end of the backward.
fn in_flight(plan: &Plan, stage: usize) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    for action in plan.schedule.ranks.iter().flatten().filter(|action| action.stage == stage) {
        match action.kind {
            ActionKind::Forward => now += 1,
            ActionKind::Backward | ActionKind::InputGrad => now = now.saturating_sub(1),
            _ => {}
        }
        most = most.max(now);
    }
    most
}

/// Writes the rows as a table; the names of layers are joined with `; `.
///
/// # Errors
/// Whatever `out` fails with.
pub fn csv(rows: &[StageRow], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(HEAD)?;
    for row in rows {
        let recompute = match row.recompute {
            Recompute::None => "none",
            Recompute::Full => "full",
        };
        let layers = row.layers.join("; ");
        let us = |us: f64| format!("{us:.3}");
        csv::row(
            out,
            &[
                &row.stage,
                &row.device,
                &row.rank,
                &row.first,
                &row.last,
                &layers,
                &recompute,
                &us(row.forward_us),
                &us(row.backward_us),
                &us(row.step_us),
                &row.in_flight,
                &row.weights_bytes,
                &row.gradients_bytes,
                &row.optimizer_bytes,
                &row.activations_bytes,
                &row.input_bytes,
                &row.output_bytes,
            ],
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    fn rows() -> (Document, Vec<StageRow>) {
        let document = Document::example().unwrap();
        let present = document.present();
        let rows = StageRow::of(&present.profile, &present.plan).unwrap();
        (document, rows)
    }

    #[test]
    fn the_rows_cover_the_model_and_agree_with_the_simulation() {
        let (document, rows) = rows();
        let present = document.present();
        let names: Vec<_> = rows.iter().flat_map(|row| &row.layers).collect();
        assert!(names.iter().copied().eq(present.profile.model.layers.iter().map(|l| &l.name)));
        for (rank, device) in present.simulation.devices.iter().enumerate() {
            let own: Vec<_> = rows.iter().filter(|row| row.rank == rank).collect();
            let time: f64 = own.iter().map(|row| row.step_us).sum();
            assert!((time - device.busy_us).abs() < 1e-6 * device.busy_us.max(1.0));
            let weights: u64 = own.iter().map(|row| row.weights_bytes).sum();
            assert_eq!(weights, device.peak_bytes.weights);
        }
    }

    #[test]
    fn the_table_has_a_line_a_stage_and_quotes_what_must_be() {
        let (_, mut rows) = rows();
        rows[0].layers[0] = "a, \"b\"\nc".into();
        let mut table = Vec::new();
        csv(&rows, &mut table).unwrap();
        let table = csv::parse(&String::from_utf8(table).unwrap());
        assert_eq!(table.len(), rows.len() + 1);
        assert_eq!(table[0][14], "activations_bytes");
        for (line, row) in table[1..].iter().zip(&rows) {
            assert_eq!(line.len(), table[0].len());
            assert_eq!(row.activations_bytes.to_string(), line[14]);
        }
        assert!(table[1][5].starts_with("a, \"b\"\nc"));
    }
}
