//! Rows of numbers with the numbers to be learned from them: small tasks for `mlp`, made by the
//! program itself.

use std::f64::consts::PI;

use rand_chacha::ChaCha8Rng;

use super::{below, random_for};
use crate::error::RunError;

/// A task that makes as many rows as anybody asks for.
#[derive(Clone, Debug)]
pub struct RowTask {
    task: Task,
    inputs: usize,
    outputs: usize,
}

#[derive(Clone, Copy, Debug)]
enum Task {
    /// Which of two arms a point of the plane lies on.
    Spiral,
    /// A smooth function of all inputs.
    Waves,
}

/// Rows, on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct RowBatch {
    /// `[rows, inputs]`
    pub inputs: Vec<f32>,
    /// `[rows, outputs]`
    pub targets: Vec<f32>,
}

impl RowTask {
    /// The task of a name: `spiral` (two inputs, two outputs) or `waves` (any size).
    ///
    /// # Errors
    /// [`RunError::UnknownBuiltin`] or [`RunError::BadValue`].
    pub fn named(name: &str, inputs: usize, outputs: usize) -> Result<Self, RunError> {
        let task = match name {
            "spiral" => Task::Spiral,
            "waves" => Task::Waves,
            _ => {
                return Err(RunError::UnknownBuiltin {
                    name: name.to_owned(),
                    known: "spiral, waves (for an mlp)".to_owned(),
                });
            }
        };
        if matches!(task, Task::Spiral) && (inputs, outputs) != (2, 2) {
            return Err(RunError::BadValue {
                key: "model.inputs and model.outputs".to_owned(),
                value: format!("{inputs} and {outputs}"),
                must: "2 and 2 for the task 'spiral'".to_owned(),
            });
        }
        Ok(Self { task, inputs, outputs })
    }

    /// The rows of a step; the same seed and step give the same rows.
    pub fn batch(&self, seed: u64, step: u64, rows: usize) -> RowBatch {
        let mut random = random_for(seed, step);
        let mut batch = RowBatch { inputs: Vec::new(), targets: Vec::new() };
        for _ in 0..rows {
            match self.task {
                Task::Spiral => spiral(&mut random, &mut batch),
                Task::Waves => self.waves(&mut random, &mut batch),
            }
        }
        batch
    }

    fn waves(&self, random: &mut ChaCha8Rng, batch: &mut RowBatch) {
        let row: Vec<f64> = (0..self.inputs).map(|_| 2.0 * unit(random) - 1.0).collect();
        for output in 0..self.outputs {
            let phase = |i: usize| ((output * 7 + i * 3) % 11) as f64 / 11.0;
            let sum: f64 = row.iter().enumerate().map(|(i, x)| (PI * (x + phase(i))).sin()).sum();
            batch.targets.push((sum / (self.inputs as f64).sqrt()) as f32);
        }
        batch.inputs.extend(row.iter().map(|&x| x as f32));
    }
}

fn spiral(random: &mut ChaCha8Rng, batch: &mut RowBatch) {
    let arm = below(random, 2);
    let radius = unit(random);
    let angle = 3.0 * PI * radius + PI * arm as f64;
    batch.inputs.extend([radius * angle.cos(), radius * angle.sin()].map(|x| x as f32));
    batch.targets.extend(if arm == 0 { [1.0, 0.0] } else { [0.0, 1.0] });
}

fn unit(random: &mut ChaCha8Rng) -> f64 {
    below(random, 1 << 53) as f64 / (1_u64 << 53) as f64
}
