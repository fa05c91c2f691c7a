//! `[[device]]`: a device the model may be placed on.

use trainyard_plan::Precision;

use crate::error::{BadKey, must};
use crate::value::ByteSize;

/// The longest device id: it becomes part of file names.
const LONGEST_ID: usize = 64;

crate::keys! {
    /// A device the model may be placed on; the planner finds the order.
    pub struct DeviceSection in "device", check = check_device {
        /// Its name in plans, journals and messages; letters, digits, - and _, and unique.
        id: String;
        /// The adapter, as trainyard devices prints it: cpu, vulkan:NVIDIA, metal, 1, ….
        adapter: String = "cpu".into(),
            must("an adapter that `trainyard devices` prints, or \"cpu\"", |it| !it.trim().is_empty());
        /// Memory budget; what the device reports where it is not given.
        memory: Option<ByteSize>, must("a size above 0, such as \"6 GiB\"", |bytes| *bytes > 0);
        /// What of the budget a plan must leave free; nothing where it is not given.
        reserve: Option<ByteSize>;
        /// Threads of a CPU device; an equal share of the cores where it is not given.
        threads: Option<usize>, in 1..=1024;
        /// The numbers in which it computes products; as train.precision says where it is not given. A CPU
        /// device computes in f16 and bf16 as a GPU would, no faster than in f32, and keeps less.
        precision: Option<Precision>;
        /// Its speed in a matrix product, GFLOP/s, for plans made from estimates; measured where it is
        /// not given.
        speed: Option<f64>,
            must("a number above 0", |speed| speed.is_finite() && *speed > 0.0);
        /// How many times slower than it is the device shall be: for trying out unlike devices on a
        /// machine that has only one.
        throttle: Option<f64>, in 1.0..=1000.0;
        /// Whether its links to other Vulkan devices go over host memory that both have as their own
        /// (`VK_EXT_external_memory_host`), where patterns come through unchanged. Where it is not given,
        /// software adapters do: on graphics cards it was never tried.
        import_memory: Option<bool>;
    }
}

fn check_device(device: &DeviceSection) -> Result<(), BadKey> {
    // An id becomes part of file names and of dotted keys, so it is kept plain.
    let id = &device.id;
    must(!id.is_empty(), "id", &"empty", "a name, such as \"dgpu\"")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let fine = id.len() <= LONGEST_ID && id.chars().all(plain);
    let words = format!("at most {LONGEST_ID} letters, digits, '-' and '_'");
    must(fine, "id", &format!("{id:?}"), words)
}
