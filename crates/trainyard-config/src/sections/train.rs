//! `[train]`: how long, how much at once, and how the learning rate goes.

use trainyard_plan::Precision;
use trainyard_plan::fit::usual_micro_batches;

use super::TrainMethod;
use crate::error::{BadKey, must};

crate::choices! {
    /// How the learning rate goes after the warm-up.
    pub enum LearningRateSchedule {
        /// Half a cosine, down to `min_learning_rate` at `decay_steps`.
        Cosine = "cosine",
        /// It stays.
        Constant = "constant",
        /// A straight line, down to `min_learning_rate` at `decay_steps`.
        Linear = "linear",
        /// Warm-up, stable, decay: it stays, and falls in a straight line to `min_learning_rate` in
        /// the last `decay_share` of the steps up to `decay_steps`.
        Wsd = "wsd",
    }
}

crate::keys! {
    /// How long, how much at once, and how fast.
    pub struct TrainSection in "train", resolve = shorten_warmup, check = check_train {
        /// Which weights are trained: all, or adapters beside those of a pretrained model.
        method: TrainMethod = TrainMethod::Full;
        /// The numbers in which devices compute products, where that is faster for them: GPUs that can. CPU
        /// devices take f32, as do others that cannot, which is said. Weights stay 32-bit floats.
        precision: Precision = Precision::F32;
        /// Factor of the loss in f16 at the beginning, a power of two: it keeps small gradients from
        /// vanishing. A step with a gradient that is not finite is skipped and halves it, 2000 others double
        /// it.
        loss_scale: f64 = 65536.0,
            must("a power of two from 1 to 2^40", |scale| is_power_of_two(*scale));
        /// Optimizer steps the run is to have at its end.
        steps: u64 = 500, in 1..=1_000_000_000_000;
        /// Rows a step: windows of a text, rows of a table, images.
        batch: usize = 12, in 1..=1_000_000;
        /// Equal slices the batch is cut into; divides `batch`.
        micro_batches: usize,
            derived("batch: the most up to 4 that divide it", |train| usual_micro_batches(train.batch as u64) as usize),
            in 1..=1_000_000;
        /// Highest learning rate.
        learning_rate: f64 = 1e-3,
            must("above 0 and at most 1000", |rate| *rate > 0.0 && *rate <= 1000.0);
        /// Learning rate at the end of a schedule that decays.
        min_learning_rate: f64, derived("learning_rate: a tenth", |train| train.learning_rate / 10.0);
        /// Steps in which the learning rate climbs to its highest; cut to fewer than `steps`.
        warmup: u64 = 100;
        /// What the learning rate does after that.
        schedule: LearningRateSchedule = LearningRateSchedule::Cosine;
        /// Steps after which the learning rate has fallen to `min_learning_rate`.
        decay_steps: u64, derived("steps", |train| train.steps);
        /// Share of the steps from warm-up to `decay_steps` in which `wsd` decays.
        decay_share: f64 = 0.2, must("above 0 and at most 1", |share| *share > 0.0 && *share <= 1.0);
        /// Largest global norm of the gradients; 0 switches clipping off.
        clip: f64 = 1.0, must("0 (no clipping) or more", |clip| clip.is_finite() && *clip >= 0.0);
        /// Seed of the weights and of the order of the data.
        seed: u64 = 1337;
        /// Steps between validations; 0 for one at the end alone.
        validate_every: u64 = 250;
        /// Batches a validation looks at, at most: no more than a quarter of those that were trained on
        /// since the one before, so that it takes less than a tenth of the time. 0 for all validation
        /// data, however long that takes.
        validate_batches: usize = 20;
        /// Whether the last validation looks at all validation data. Where it is not given, at up to a
        /// quarter as many batches as the run has steps.
        validate_whole_at_end: Option<bool>;
        /// Validations without a new lowest loss after which the training ends; 0 for never.
        early_stop: usize = 0;
        /// Tokens that a language model writes after each validation; 0 for none.
        sample_tokens: usize = 100;
        /// Beginnings that it goes on with instead of one of its own, each with the likeliest token each time
        /// and no further than the text's end; where the data are chats, what a user says to it.
        sample_prompts: Vec<String>;
        /// Steps between checkpoints; 0 for one at the end and on Ctrl-C alone. Where it is not given
        /// they come by themselves: soon, then every three minutes and every tenth of the run, or more rarely
        /// where saving would take more than 3.5 % of the time.
        checkpoint_every: Option<u64>;
        /// How many checkpoints stay on disk, the newest.
        keep_checkpoints: usize = 3, in 1..;
        /// How many stay beside these because they were validated best. A validation that is better
        /// then saves one.
        keep_best: usize = 0;
    }
}

/// From 1 to 2^40.
fn is_power_of_two(scale: f64) -> bool {
    (0..=40).any(|power| (scale - f64::from(power).exp2()).abs() < f64::EPSILON)
}

/// A short trial run of a long recipe should not fail over its warm-up.
fn shorten_warmup(train: &mut TrainSection) {
    train.warmup = train.warmup.min(train.steps.saturating_sub(1));
}

fn check_train(train: &TrainSection) -> Result<(), BadKey> {
    let TrainSection { micro_batches, warmup, decay_steps, .. } = *train;
    if let Some(words) = train.cannot_be_cut(micro_batches) {
        return must(false, "micro_batches", &micro_batches, words);
    }
    let words = "0 where train.validate_every is 0, as the training is validated at its end alone";
    let may_stop = train.early_stop == 0 || train.validate_every > 0;
    must(may_stop, "early_stop", &train.early_stop, words)?;
    let (rate, lowest) = (train.learning_rate, train.min_learning_rate);
    let words = format!("0 to train.learning_rate, which is {rate}");
    must((0.0..=rate).contains(&lowest), "min_learning_rate", &lowest, words)?;
    let decays = train.schedule != LearningRateSchedule::Constant;
    let words = format!("more than train.warmup, which is {warmup}");
    must(!decays || decay_steps > warmup, "decay_steps", &decay_steps, words)
}

impl TrainSection {
    /// What a number of micro-batches must be, where the batch cannot be cut into so many equal ones.
    pub fn cannot_be_cut(&self, micro_batches: usize) -> Option<String> {
        let batch = self.batch;
        (micro_batches == 0 || !batch.is_multiple_of(micro_batches)).then(|| {
            let can = divisors_near(batch, micro_batches);
            format!(
                "a divisor of the batch: batch = {batch} cannot be cut into {micro_batches} equal micro-batches; {can} can"
            )
        })
    }
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
