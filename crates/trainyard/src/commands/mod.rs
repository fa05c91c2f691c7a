//! The commands, a file each.

pub mod bench;
pub mod compare;
pub mod demo;
pub mod devices;
pub mod generate;
pub mod measure;
pub mod plan;
pub mod simulate;
mod table;
pub mod trace;
pub mod train;
