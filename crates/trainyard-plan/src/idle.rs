//! Time in which a device waits.

use serde::{Deserialize, Serialize};

/// Idle time of a device in one step by cause, µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IdleTime {
    /// Before its first action.
    pub warm_up_us: f64,
    /// After its last.
    pub drain_us: f64,
    /// Another rank had not yet computed its input.
    pub neighbour_us: f64,
    /// Its input was computed, and waited for its link or was on it.
    pub link_us: f64,
}

impl IdleTime {
    /// All of it, µs.
    #[must_use]
    pub fn total_us(&self) -> f64 {
        self.warm_up_us + self.drain_us + self.neighbour_us + self.link_us
    }
}
