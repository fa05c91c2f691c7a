//! Optimizers: the numbers they give against Burn's own, against formulas and against the host's;
//! what they keep from step to step; and that all registered ones keep the rules.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

#[path = "../adapter/mod.rs"]
mod adapter;
mod common;

mod against_burn;
mod against_formulas;
mod every;
mod state;
