//! What tells the weights of one model's files from those of another's.

use std::fmt::Write;

use crate::open::Pretrained;
use crate::weight::Weight;

/// Bytes that are looked at, at the beginning, in the middle and at the end of each weight.
const LOOKED_AT: usize = 4096;

impl Pretrained {
    /// A short text that is another where weights are others: a hash of their names, shapes and parts of each.
    /// It does not matter where the files lie. Reads a few megabytes, once.
    pub fn fingerprint(&self) -> &str {
        self.fingerprint.get_or_init(|| {
            let mut hash = blake3::Hasher::new();
            self.weights.iter().for_each(|weight| self.add(weight, &mut hash));
            let mut text = String::new();
            for byte in hash.finalize().as_bytes().iter().take(8) {
                let _into_memory = write!(text, "{byte:02x}");
            }
            text
        })
    }

    fn add(&self, weight: &Weight, hash: &mut blake3::Hasher) {
        let Weight { name, shape, element, .. } = weight;
        hash.update(format!("{name} {shape:?} {}\n", element.name()).as_bytes());
        // What cannot be read is an error where it is to be used.
        let Ok(bytes) = self.files.bytes(weight) else { return };
        let last = bytes.len().saturating_sub(LOOKED_AT);
        for start in [0, last / 2, last] {
            hash.update(&bytes[start..bytes.len().min(start + LOOKED_AT)]);
        }
    }
}
