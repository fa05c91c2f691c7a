//! The commands, a file each.

pub mod bench;
pub mod demo;
pub mod devices;
pub mod generate;
pub mod plan;
pub mod trace;
pub mod train;
