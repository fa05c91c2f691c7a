//! `trainyard`: see `trainyard --help`.

use std::process::ExitCode;

use trainyard_engine::memory::CountingAllocator;

/// Counts what the CPU devices hold.
#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> ExitCode {
    // A child that tries out drivers answers on its standard output and does nothing else.
    if let Some(code) = trainyard_engine::discover::probe::answer_if_asked() {
        return code;
    }
    trainyard_engine::silence_worker_panics();
    trainyard::cli::main()
}
