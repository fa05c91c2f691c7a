//! The board, as a person uses it: by pointer, by keyboard and by menu.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at what it does not expect"
)]

#[path = "../common/mod.rs"]
mod common;
mod drags;
mod heads;
mod keys;
mod looks;
mod roles;
mod support;
