//! Refuses numbers that make no sense before anything is opened or made.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::iter;
use std::ops::RangeInclusive;

use trainyard_plan::Schedule;

use super::{
    DataSection, DeviceSection, LearningRateSchedule, RunConfig, ScheduleChoice, TrainSection, keys,
};
use crate::error::RunError;

/// TOML's whole numbers end here; so does everything a run file can say.
const LARGEST: u64 = i64::MAX.unsigned_abs();

/// The longest device id: it becomes part of file names.
const LONGEST_ID: usize = 64;

impl RunConfig {
    /// Checks every number and name that can be checked without a model, a device or a file.
    ///
    /// # Errors
    /// [`RunError::BadValue`] naming the first setting that is wrong, its value, and what it must be.
    pub fn validate(&self) -> Result<(), RunError> {
        if self.model.kind.is_empty() {
            return Err(bad("model.kind", "empty", "the name of a model, such as \"gpt\""));
        }
        check_data(&self.data, &self.model.kind)?;
        check_train(&self.train)?;
        check_schedule(&self.pipeline.schedule)?;
        check_devices(&self.devices)
    }
}

fn check_data(data: &DataSection, kind: &str) -> Result<(), RunError> {
    let either = "given either as data.text or as data.builtin, not both";
    match (&data.text, &data.builtin) {
        (Some(_), Some(_)) => return Err(bad("data.text", "given twice", either)),
        (None, None) if kind == "gpt" => {
            return Err(bad(
                "data",
                "missing",
                "text = \"FILE\" or, for a text the program makes itself, builtin = \"yard\"",
            ));
        }
        (None, Some(name)) if name.is_empty() => {
            return Err(bad(
                "data.builtin",
                "empty",
                "the name of a built-in text, such as \"yard\"",
            ));
        }
        _ => {}
    }
    let fraction = data.validation_fraction;
    check(
        "data.validation_fraction",
        fraction,
        fraction > 0.0 && fraction <= 0.9,
        "above 0 and at most 0.9",
    )
}

fn check_train(train: &TrainSection) -> Result<(), RunError> {
    within("train.steps", train.steps, 1..=1_000_000_000_000)?;
    within("train.batch", train.batch as u64, 1..=1_000_000)?;
    within("train.micro_batches", train.micro_batches as u64, 1..=1_000_000)?;
    if !train.batch.is_multiple_of(train.micro_batches) {
        let TrainSection { batch, micro_batches, .. } = *train;
        let can = divisors_near(batch, micro_batches);
        let must = format!(
            "a divisor of the batch: batch = {batch} cannot be cut into {micro_batches} equal micro-batches; {can} can"
        );
        return Err(bad("train.micro_batches", &micro_batches.to_string(), &must));
    }
    let rate = train.learning_rate;
    check("train.learning_rate", rate, rate > 0.0 && rate <= 1000.0, "above 0 and at most 1000")?;
    let lowest = train.min_learning_rate;
    let must = format!("0 to train.learning_rate, which is {rate}");
    check("train.min_learning_rate", lowest, (0.0..=rate).contains(&lowest), &must)?;
    let must = format!("fewer than train.steps, which is {}", train.steps);
    check("train.warmup", train.warmup, train.warmup < train.steps, &must)?;
    if train.schedule == LearningRateSchedule::Cosine {
        let must = format!("more than train.warmup, which is {}", train.warmup);
        check("train.decay_steps", train.decay_steps, train.decay_steps > train.warmup, &must)?;
    }
    let decay = train.weight_decay;
    check("train.weight_decay", decay, (0.0..=1000.0).contains(&decay), "0 to 1000")?;
    for (key, beta) in [("train.beta1", train.beta1), ("train.beta2", train.beta2)] {
        check(key, beta, (0.0..1.0).contains(&beta), "at least 0 and below 1")?;
    }
    // Below this a 32-bit float is zero, and AdamW divides by it.
    let epsilon = train.epsilon;
    let fits = (f64::from(f32::MIN_POSITIVE)..=1.0).contains(&epsilon);
    check("train.epsilon", epsilon, fits, "above 1.2e-38 and at most 1")?;
    let clip = train.clip;
    check("train.clip", clip, clip.is_finite() && clip >= 0.0, "0 (no clipping) or more")?;
    within("train.keep_checkpoints", train.keep_checkpoints as u64, 1..=LARGEST)?;
    within("train.seed", train.seed, 0..=LARGEST)
}

fn check_schedule(schedule: &ScheduleChoice) -> Result<(), RunError> {
    let ScheduleChoice::Named(name) = schedule else { return Ok(()) };
    let known = || iter::once("auto").chain(Schedule::names());
    if Schedule::names().any(|other| other == name) {
        return Ok(());
    }
    let hint = match keys::nearest(name, known()) {
        Some(near) => format!("; did you mean \"{near}\"?"),
        None => String::new(),
    };
    let must = format!("one of {}{hint}", keys::list(known()));
    Err(bad("pipeline.schedule", &format!("{name:?}"), &must))
}

fn check_devices(devices: &[DeviceSection]) -> Result<(), RunError> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, device) in devices.iter().enumerate() {
        let key = |name: &str| format!("device.{index}.{name}");
        check_id(&key("id"), &device.id)?;
        if let Some(first) = seen.insert(&device.id, index) {
            let must = format!("a name of its own: [[device]] number {} has it already", first + 1);
            return Err(bad(&key("id"), &format!("'{}'", device.id), &must));
        }
        if device.adapter.trim().is_empty() {
            return Err(bad(
                &key("adapter"),
                "empty",
                "an adapter that `trainyard devices` prints, or \"cpu\"",
            ));
        }
        if let Some(memory) = device.memory {
            within(&key("memory"), memory, 1..=LARGEST)?;
        }
        if let Some(threads) = device.threads {
            within(&key("threads"), threads as u64, 1..=1024)?;
            if is_graphics(&device.adapter) {
                let must = "left out: only CPU devices have threads";
                return Err(bad(&key("threads"), &threads.to_string(), must));
            }
        }
        if let Some(speed) = device.speed {
            check(&key("speed"), speed, speed.is_finite() && speed > 0.0, "a number above 0")?;
        }
        if let Some(throttle) = device.throttle {
            let fine = (1.0..=1000.0).contains(&throttle);
            check(&key("throttle"), throttle, fine, "from 1 to 1000")?;
        }
    }
    Ok(())
}

/// An id becomes part of file names and of dotted keys, so it is kept plain.
fn check_id(key: &str, id: &str) -> Result<(), RunError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if id.is_empty() {
        return Err(bad(key, "empty", "a name, such as \"dgpu\""));
    }
    if id.len() > LONGEST_ID || !id.chars().all(plain) {
        let must = format!("at most {LONGEST_ID} letters, digits, '-' and '_'");
        return Err(bad(key, &format!("{id:?}"), &must));
    }
    Ok(())
}

/// Whether an adapter names a graphics API outright.
fn is_graphics(adapter: &str) -> bool {
    let api = adapter.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
    ["vulkan", "metal", "dx12", "gl"].contains(&api.as_str())
}

/// The numbers of micro-batches a batch can be cut into; the nearest to `wanted` if there are many.
fn divisors_near(batch: usize, wanted: usize) -> String {
    const MOST: usize = 12;
    let mut divisors: Vec<usize> = (1..=batch).filter(|n| batch.is_multiple_of(*n)).collect();
    divisors.sort_by_key(|divisor| divisor.abs_diff(wanted));
    divisors.truncate(MOST);
    divisors.sort_unstable();
    divisors.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

fn within(key: &str, value: u64, range: RangeInclusive<u64>) -> Result<(), RunError> {
    let must = match *range.end() {
        LARGEST => format!("a whole number of at least {}", range.start()),
        end => format!("{} to {end}", range.start()),
    };
    check(key, value, range.contains(&value), &must)
}

fn check(key: &str, value: impl Display, fine: bool, must: &str) -> Result<(), RunError> {
    if fine { Ok(()) } else { Err(bad(key, &value.to_string(), must)) }
}

fn bad(key: &str, value: &str, must: &str) -> RunError {
    RunError::BadValue { key: key.to_owned(), value: value.to_owned(), must: must.to_owned() }
}
