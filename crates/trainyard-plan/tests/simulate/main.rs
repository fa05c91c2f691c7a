//! The simulator against what it should say: an independent reimplementation, cases worked out by
//! hand, closed forms, invariants, and numbers nobody would write.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::float_cmp, reason = "whole numbers of µs are exact")]

mod by_hand;
mod caps;
mod closed_forms;
mod edges;
mod invariants;
mod memory_oracle;
mod oracle;
mod random;
mod tensors;
mod transfers;
