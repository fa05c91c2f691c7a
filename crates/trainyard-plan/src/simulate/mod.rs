//! The simulator: time and memory of a plan's step, without running it.
//!
//! Its rules:
//!
//! - **A rank does one action at a time, in order, each as soon as its input is there.**
//! - **Full B = input grad + weight grad (+ forward again under recompute); I and W apart.** I is
//!   the input grad, to which recompute adds the forward; W is the weight grad.
//! - **A send occupies its directed link (first come, first served; latency + bytes ÷ rate) and not
//!   the rank; an action that needs a transfer waits for its arrival.** Between two stages of one
//!   rank nothing has to move. A tensor goes straight to every stage that takes it; between two
//!   stages there is one transfer a micro-batch and direction, which carries all tensors that the
//!   later takes from the earlier. Gradients come back the same way, and nothing comes back where
//!   no tensor has one. A skip (`skips_to`) is a transfer of its own. Where nothing goes between two
//!   neighbouring stages, the one still waits for the other.
//! - **Each device's optimizer step comes after its last action.** Tied weights on two devices
//!   cost two transfers more: the follower's gradient goes to the owner before the owner's
//!   optimizer step, and the weights come back after it.
//! - **Memory a device = weights + gradients + optimizer state + saved activations of micro-batches
//!   in flight** (under recompute: all of the stage's inputs, plus one micro-batch's saved
//!   activations while its B runs; with I and W split what W needs stays until W) **+ transfer
//!   buffers** (one output a pending send, one input an arrived and unused receive); **peak over
//!   time.** A measured profile adds the workspace of an action while it runs, the gradients of a
//!   step's first micro-batch become the sums, and the optimizer step has room for a tied weight's
//!   gradient: [`crate::memory`].
//!   Of slices ([`Schedule::slices`](crate::Schedule::slices)) each has what those before it hand on, and leaves
//!   their gradients when its B ends.
//!   What ends at an instant is gone before what begins then is counted, so a transfer that takes no
//!   time needs no buffer.
//!
//! A step begins at 0 and ends when the last optimizer step and the last transfer have. Idle time
//! is told apart by cause: before a rank's first action it is *warm-up*, after its last *drain*;
//! between, it waits for a *neighbour* until that has computed the input, and from then on for the
//! *link*. bubble fraction = idle ÷ (ranks × step time).

mod caps;
mod critical;
mod fit;
mod most_held;
mod run;
mod simulation;
mod state;
mod step;
mod trace;
mod transfers;

pub use caps::validate_memory;
pub use fit::{check_memory, needs};
pub use most_held::most_held;
pub use simulation::{CriticalAction, SimulatedDevice, SimulatedLink, Simulation};
pub use step::{Score, score, simulate, simulate_traced};

pub use crate::idle::IdleTime;
