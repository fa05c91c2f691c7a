//! `[run]`: where the run leaves its files, and which program it is for.

use std::path::PathBuf;

crate::keys! {
    /// Where the run leaves its files, and which program it is for.
    pub struct RunSection in "run" {
        /// The run directory, relative to this file; where it is not given, in the folder that the program is
        /// started in.
        dir: PathBuf, derived("the run file's name: runs/NAME", |_| PathBuf::new());
        /// The program that has the run's model, for Trainyard Studio, which asks before it starts
        /// it. trainyard itself never executes it.
        program: Option<PathBuf>;
        /// Whether budgets of devices that share a memory may together be more than it has; also
        /// `--overcommit`.
        overcommit: bool = false;
        /// Whether the journal keeps what each device did and held, and when; without it there is no
        /// timeline, and nothing to compare stage by stage.
        trace: bool = true;
        /// Minutes after which a training ends in which no device comes further; 0 waits for ever. Where
        /// devices have stood still before and gone on, ten times as long as that.
        stall_minutes: u64 = 30, in 0..=1_000_000;
    }
}
