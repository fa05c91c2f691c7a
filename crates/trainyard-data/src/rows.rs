//! `rows`: endless rows of numbers that the program makes itself, for small models.
//!
//! `spiral` is two classes, the arms of a spiral in the plane; `waves` is a smooth function of all
//! inputs. Each position is a sample of its own, drawn from seed and position.

#[cfg(test)]
pub(crate) mod tests;

use std::f64::consts::PI;

use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use crate::batch::{Batch, DType, HostTensor};
use crate::error::DataError;
use crate::files;
use crate::random::{Use, below, stream, unit};
use crate::registry::{Source, read_options};
use crate::source::{Cursor, DataInfo, DataSource, TensorInfo, Unit};

/// Names of the tasks.
const TASKS: &[&str] = &["spiral", "waves"];

/// Validation batches where no limit is given: there is no end of rows.
const VALIDATION_BATCHES: u64 = 20;

/// The line of the registry.
pub(crate) const SOURCE: Source = Source {
    name: "rows",
    doc: "endless rows of numbers, made by the program itself: spiral, waves",
    builtins: TASKS,
    path_keys: &[],
    open: |options| Ok(Box::new(RowsSource::open(&read_options::<RowsOptions>("rows", options)?)?)),
    #[cfg(test)]
    sample: tests::sample,
};

/// Options of the source `rows`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RowsOptions {
    /// Name of the task: `spiral` or `waves`. Default: `waves`.
    #[serde(alias = "rows")]
    pub builtin: String,
    /// Numbers to learn from, 1 to 65,536; 2 for `spiral`. Default: 2.
    pub inputs: usize,
    /// Numbers to be learned, 1 to 65,536; 2 for `spiral`. Default: 2.
    pub outputs: usize,
}

impl Default for RowsOptions {
    fn default() -> Self {
        Self { builtin: "waves".to_owned(), inputs: 2, outputs: 2 }
    }
}

impl RowsOptions {
    /// Refuses sizes that the task cannot have.
    ///
    /// # Errors
    /// [`DataError::BadValue`].
    pub fn check(&self) -> Result<(), DataError> {
        if !TASKS.contains(&&*self.builtin) {
            let must = format!("one of: {}", TASKS.join(", "));
            return Err(DataError::bad_value("data.builtin", &self.builtin, must));
        }
        if self.builtin == "spiral" && (self.inputs, self.outputs) != (2, 2) {
            let sizes = format!("{} and {}", self.inputs, self.outputs);
            let must = "2 and 2 for the task 'spiral'";
            return Err(DataError::bad_value("data.inputs and data.outputs", &sizes, must));
        }
        for (key, size) in [("data.inputs", self.inputs), ("data.outputs", self.outputs)] {
            if !(1..=65_536).contains(&size) {
                return Err(DataError::bad_value(key, &size, "1 to 65536"));
            }
        }
        Ok(())
    }
}

/// Rows of a task: `features` `[rows, inputs]` f32 in −1 to 1, and `targets` `[rows, outputs]` f32.
pub struct RowsSource {
    options: RowsOptions,
    info: DataInfo,
}

impl RowsSource {
    /// The task that the options name.
    ///
    /// # Errors
    /// As [`RowsOptions::check`].
    pub fn open(options: &RowsOptions) -> Result<Self, DataError> {
        options.check()?;
        let RowsOptions { builtin, inputs, outputs } = options;
        let info = DataInfo {
            name: builtin.clone(),
            fingerprint: files::fingerprint(
                builtin,
                &[("inputs", inputs.to_string()), ("outputs", outputs.to_string())],
            ),
            tensors: vec![
                TensorInfo::new("features", [*inputs], DType::F32),
                TensorInfo::new("targets", [*outputs], DType::F32),
            ],
            classes: Vec::new(),
            vocabulary: Vec::new(),
            samples: None,
            validation_samples: None,
            items_per_row: 1,
            unit: Unit::Rows,
        };
        Ok(Self { options: options.clone(), info })
    }

    fn gather(&self, samples: impl Iterator<Item = ChaCha8Rng>) -> Result<Batch, DataError> {
        let RowsOptions { builtin, inputs, outputs } = &self.options;
        let (mut rows, mut features, mut targets) = (0, Vec::new(), Vec::new());
        for mut random in samples {
            if builtin == "spiral" {
                spiral(&mut random, &mut features, &mut targets);
            } else {
                waves(&mut random, [*inputs, *outputs], &mut features, &mut targets);
            }
            rows += 1;
        }
        let features = HostTensor::F32 { shape: vec![rows, *inputs], values: features };
        let targets = HostTensor::F32 { shape: vec![rows, *outputs], values: targets };
        Batch::new(vec![("features".to_owned(), features), ("targets".to_owned(), targets)], rows)
    }
}

fn waves(
    random: &mut ChaCha8Rng,
    [inputs, outputs]: [usize; 2],
    features: &mut Vec<f32>,
    targets: &mut Vec<f32>,
) {
    let row: Vec<f64> = (0..inputs).map(|_| 2.0 * unit(random) - 1.0).collect();
    for output in 0..outputs {
        let phase = |input: usize| ((output * 7 + input * 3) % 11) as f64 / 11.0;
        let sum: f64 = row.iter().enumerate().map(|(i, x)| (PI * (x + phase(i))).sin()).sum();
        targets.push((sum / (inputs as f64).sqrt()) as f32);
    }
    features.extend(row.iter().map(|&x| x as f32));
}

fn spiral(random: &mut ChaCha8Rng, features: &mut Vec<f32>, targets: &mut Vec<f32>) {
    let arm = below(random, 2);
    let radius = unit(random);
    let angle = 3.0 * PI * radius + PI * arm as f64;
    features.extend([radius * angle.cos(), radius * angle.sin()].map(|x| x as f32));
    targets.extend(if arm == 0 { [1.0, 0.0] } else { [0.0, 1.0] });
}

impl DataSource for RowsSource {
    fn info(&self) -> &DataInfo {
        &self.info
    }

    fn batch(&self, cursor: Cursor, rows: usize) -> Result<Batch, DataError> {
        let Cursor { seed, position } = cursor;
        let end = position.checked_add(rows as u64).ok_or(DataError::BadPosition { position })?;
        self.gather((position..end).map(|position| stream(seed, position, Use::Sample)))
    }

    /// Rows that no seed trains with: `limit` batches, 20 without a limit.
    fn validation(
        &self,
        rows: usize,
        limit: Option<usize>,
    ) -> Box<dyn Iterator<Item = Result<Batch, DataError>> + Send + '_> {
        let rows = rows.max(1) as u64;
        let batches = limit.map_or(VALIDATION_BATCHES, |limit| limit as u64);
        Box::new((0..batches).map(move |batch| {
            let start = batch.saturating_mul(rows);
            let samples = start..start.saturating_add(rows);
            self.gather(samples.map(|sample| stream(0, sample, Use::Validation)))
        }))
    }
}
