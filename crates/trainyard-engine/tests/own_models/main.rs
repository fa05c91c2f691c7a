//! Models of Burn's own modules: tensors by name over every partition, weights, buffers, ties,
//! objectives, and costs derived from the layers.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

#[path = "../adapter/mod.rs"]
mod adapter;
mod batch_norm;
mod cutting;
mod derive;
mod derive_once;
mod dropout;
mod frozen;
mod initialisers;
mod masks;
mod numbers;
mod objectives;
#[path = "../partitions/mod.rs"]
mod partitions;
mod skips;
mod ties;
mod unet;

use trainyard_engine::memory::CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;
