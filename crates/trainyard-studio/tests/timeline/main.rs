//! The timeline: its arithmetic against brute force and the simulator, its pixels against the CPU renderer,
//! its widget as a person uses it.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod foreign;
mod level_of_detail;
mod pixels;
mod questions;
mod rows;
mod samples;
mod simulator;
mod widget;
