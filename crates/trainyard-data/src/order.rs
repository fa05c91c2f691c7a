//! Order of samples: a permutation that is computed index by index, without a table.
//!
//! [`Permutation`] is a Feistel network over the next power of two, walked along its cycles until it
//! comes out below the length, so it costs well under a microsecond and no memory for ten samples and
//! for ten billion. [`epoch_order`] gives each epoch one of its own, and [`Split`] sets validation
//! samples aside.

#[cfg(test)]
mod tests;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use crate::error::DataError;
use crate::random::{Use, stream};
use crate::source::Cursor;

/// Rounds of the network. Four make a pseudo-random permutation if the round function is one; the
/// mixing here is weaker, and narrow halves need more.
const ROUNDS: usize = 12;

/// Bits of the smallest network: with fewer, only a few permutations could be reached.
const FEWEST_BITS: u32 = 6;

/// A bijection of `0..length` onto itself that looks random.
#[derive(Clone, Debug)]
pub struct Permutation {
    length: u64,
    /// Bits of the low and of the high half.
    halves: [u32; 2],
    keys: [u64; ROUNDS],
}

impl Permutation {
    /// The order of `length` samples in an epoch.
    #[must_use]
    pub fn new(length: u64, seed: u64, epoch: u64) -> Self {
        Self::from_stream(length, stream(seed, epoch, Use::Order))
    }

    fn from_stream(length: u64, mut random: ChaCha8Rng) -> Self {
        let bits = (u64::BITS - length.saturating_sub(1).leading_zeros()).max(FEWEST_BITS);
        let halves = [bits / 2, bits - bits / 2];
        Self { length, halves, keys: std::array::from_fn(|_| random.next_u64()) }
    }

    /// Where an index goes. An index outside `0..length` stays where it is.
    #[must_use]
    pub fn get(&self, index: u64) -> u64 {
        if index >= self.length {
            return index;
        }
        // Each cycle of the network that starts below the length comes back there, and fewer than
        // half of all places (or, of the smallest network, 63 of 64) are outside.
        let mut place = self.encrypt(index);
        while place >= self.length {
            place = self.encrypt(place);
        }
        place
    }

    fn encrypt(&self, place: u64) -> u64 {
        let [low_bits, high_bits] = self.halves;
        let (low_mask, high_mask) = ((1_u64 << low_bits) - 1, (1_u64 << high_bits) - 1);
        let (mut low, mut high) = (place & low_mask, place >> low_bits);
        for keys in self.keys.chunks_exact(2) {
            low ^= mix(high ^ keys[0]) & low_mask;
            high ^= mix(low ^ keys[1]) & high_mask;
        }
        high << low_bits | low
    }
}

/// The finalizer of `SplitMix64`: every bit of the input changes about half of the output's.
fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

/// Epoch and sample of each of the `rows` positions from `cursor` on, where an epoch has `samples`
/// samples: in each epoch every number of `0..samples` once, in an order that follows from seed and
/// epoch.
///
/// # Errors
/// [`DataError::BadPosition`] where positions no longer fit into 64 bits,
/// [`DataError::NoTrainingSamples`], with the name of the data, if `samples` is 0.
pub fn epoch_order(
    cursor: Cursor,
    rows: usize,
    samples: u64,
    name: &str,
) -> Result<impl Iterator<Item = (u64, u64)> + use<>, DataError> {
    if samples == 0 {
        return Err(DataError::NoTrainingSamples { name: name.to_owned() });
    }
    let Cursor { seed, position } = cursor;
    let end = position.checked_add(rows as u64).ok_or(DataError::BadPosition { position })?;
    let mut epoch = position / samples;
    let mut order = Permutation::new(samples, seed, epoch);
    Ok((position..end).map(move |position| {
        if position / samples != epoch {
            epoch = position / samples;
            order = Permutation::new(samples, seed, epoch);
        }
        (epoch, order.get(position % samples))
    }))
}

/// Samples in two parts without overlap: some for validation, chosen once and for all, the others for
/// training.
#[derive(Clone, Debug)]
pub struct Split {
    training: u64,
    validation: u64,
    choice: Permutation,
    name: String,
}

impl Split {
    /// Sets `validation_fraction` of `total` samples aside: 0 none, 1 all. `name` is for messages.
    ///
    /// # Errors
    /// [`DataError::BadValue`] for a fraction outside 0 to 1, [`DataError::TooFew`] where a part of
    /// a fraction strictly between would be empty.
    pub fn new(total: u64, validation_fraction: f64, name: &str) -> Result<Self, DataError> {
        check_fraction(validation_fraction)?;
        let validation = ((total as f64 * validation_fraction).round() as u64).min(total);
        let (wants_training, wants_validation) =
            (validation_fraction < 1.0, validation_fraction > 0.0);
        // A share that rounds to nothing is still one sample.
        let validation = validation.max(u64::from(wants_validation));
        let validation = validation.min(total.saturating_sub(u64::from(wants_training)));
        let training = total - validation;
        if (training == 0 && wants_training) || (validation == 0 && wants_validation) {
            return Err(DataError::TooFew {
                name: name.to_owned(),
                samples: total,
                fraction: validation_fraction,
            });
        }
        let choice = Permutation::from_stream(total, stream(0, 0, Use::Split));
        Ok(Self { training, validation, choice, name: name.to_owned() })
    }

    /// Number of training samples.
    #[must_use]
    pub fn training_samples(&self) -> u64 {
        self.training
    }

    /// Number of validation samples.
    #[must_use]
    pub fn validation_samples(&self) -> u64 {
        self.validation
    }

    /// The samples of a training batch.
    ///
    /// # Errors
    /// As [`epoch_order`].
    pub fn training(
        &self,
        cursor: Cursor,
        rows: usize,
    ) -> Result<impl Iterator<Item = u64> + '_, DataError> {
        let order = epoch_order(cursor, rows, self.training, &self.name)?;
        Ok(order.map(|(_, sample)| self.choice.get(sample)))
    }

    /// The samples of each validation batch: `rows` (at least 1) at a time, at most `limit` batches.
    pub fn validation(
        &self,
        rows: usize,
        limit: Option<usize>,
    ) -> impl Iterator<Item = impl Iterator<Item = u64> + '_> + '_ {
        let rows = rows.max(1) as u64;
        let batches = self.validation.div_ceil(rows);
        let batches = limit.map_or(batches, |limit| batches.min(limit as u64));
        (0..batches).map(move |batch| {
            let start = batch * rows;
            let end = start.saturating_add(rows).min(self.validation);
            (start..end).map(move |sample| self.choice.get(self.training + sample))
        })
    }
}

/// Refuses a `validation_fraction` outside 0 to 1.
pub(crate) fn check_fraction(fraction: f64) -> Result<(), DataError> {
    if (0.0..=1.0).contains(&fraction) {
        return Ok(());
    }
    Err(DataError::bad_value("data.validation_fraction", &fraction, "from 0 to 1"))
}
