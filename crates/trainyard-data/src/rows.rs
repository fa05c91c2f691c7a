//! `rows`: endless rows of numbers that the program makes itself, for small models.
//!
//! `spiral` is two classes, the arms of a spiral in the plane; `waves` is a smooth function of all
//! inputs. Each position is a sample of its own, drawn from seed and position.

#[cfg(test)]
pub(crate) mod tests;

use std::f64::consts::PI;

use rand_chacha::ChaCha8Rng;
use trainyard_config::{BadKey, KeyGroup, keys, must};

use crate::batch::{Batch, DType, HostTensor};
use crate::error::DataError;
use crate::files;
use crate::kind::{self, Source};
use crate::random::{Use, below, stream, unit};
use crate::source::{Cursor, DataInfo, DataSource, TensorInfo, Unit};

/// Names of the tasks.
const TASKS: &[&str] = &["spiral", "waves"];

/// Validation batches where no limit is given: there is no end of rows.
const VALIDATION_BATCHES: u64 = 20;

/// The line of the registry.
pub(crate) const SOURCE: Source = Source {
    group: KeyGroup::of::<RowsOptions>("rows").builtins(TASKS),
    // There is no end of rows, so none are set apart.
    open: |section| Ok(Box::new(RowsSource::open(&kind::options(section)?)?)),
    #[cfg(test)]
    sample: tests::sample,
};

keys! {
    /// Endless rows of numbers, made by the program itself.
    pub struct RowsOptions in "data", check = check {
        /// Which task: two arms of a spiral to tell apart, or a smooth function of all inputs.
        builtin: String = "waves".into(), one_of(tasks);
        /// Numbers to learn from; a model may say its own.
        inputs: usize = 2, in 1..=65_536;
        /// Numbers to be learned; a model may say its own.
        outputs: usize = 2, in 1..=65_536;
    }
}

fn tasks() -> Vec<String> {
    TASKS.iter().map(ToString::to_string).collect()
}

fn check(options: &RowsOptions) -> Result<(), BadKey> {
    let RowsOptions { builtin, inputs, outputs } = options;
    let fits = builtin != "spiral" || (*inputs, *outputs) == (2, 2);
    let given = format!("{inputs} with {outputs} outputs");
    must(fits, "inputs", &given, "2 with 2 outputs for the task 'spiral'")
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
    /// [`DataError::BadValue`] for options that make no sense.
    pub fn open(options: &RowsOptions) -> Result<Self, DataError> {
        kind::check(options)?;
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
            token_count: 0,
            samples: None,
            validation_samples: None,
            items_per_row: 1,
            unit: Unit::Rows,
            remarks: Vec::new(),
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
