//! Finds every device of the machine: all adapters of all graphics APIs, and the CPU.
//!
//! [`list`] asks each API of [`wgpu`] for its adapters, folds the entries of one physical card
//! into one, adds the CPU, puts the best first and gives each a name that [`select()`] finds again.
//! Drivers crash, so a program that called [`probe::answer_if_asked`] at its start has both the
//! listing and the trial computation done in child processes: see [`probe`].
//!
//! | file | what |
//! |---|---|
//! | `adapters` | one API's adapters, described |
//! | `dedup` | which entries are one card, their order and their names |
//! | `memory` | how much memory an adapter has: one file an API |
//! | `cpu` | the CPU and the system's memory |
//! | `probe` | the trial computation, and the child's side of it |
//! | `child` | the parent's side: start, time-out, what a dead child says |
//! | `select` | from the words of a run file to a device |

pub(crate) mod adapters;
mod caught;
mod child;
mod cpu;
pub(crate) mod dedup;
#[cfg(test)]
pub(crate) mod fixtures;
mod memory;
pub mod probe;
pub(crate) mod select;

use std::path::PathBuf;
use std::time::Duration;

use trainyard_plan::{Api, ComputeProbe, DeviceInfo};

pub(crate) use caught::caught;
pub(crate) use cpu::system_memory;
pub use select::select;

use adapters::FoundAdapter;
use child::ChildFailure;

/// Where drivers are loaded while devices are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// In children of this program, which must call [`probe::answer_if_asked`] first in its `main`.
    /// A driver that crashes takes the child, not the list.
    Child(PathBuf),
    /// In this process: for libraries and tests, whose program does not answer probes.
    InProcess,
}

impl Isolation {
    /// [`Isolation::Child`] of this very program if its `main` called [`probe::answer_if_asked`],
    /// otherwise [`Isolation::InProcess`].
    #[must_use]
    pub fn automatic() -> Self {
        match (probe::this_program_answers(), std::env::current_exe()) {
            (true, Ok(program)) => Self::Child(program),
            _ => Self::InProcess,
        }
    }
}

/// How to look for devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListOptions {
    /// Whether to try a small computation on every adapter.
    pub probe: bool,
    /// Where drivers are loaded.
    pub isolation: Isolation,
    /// How long a child may take to answer. Software adapters compile their first kernels for
    /// most of a minute when their cache is cold.
    pub patience: Duration,
}

impl ListOptions {
    /// How long a child may take, unless told otherwise.
    pub const PATIENCE: Duration = Duration::from_secs(90);
}

impl Default for ListOptions {
    /// No trial computation, [`Isolation::automatic`], [`ListOptions::PATIENCE`].
    fn default() -> Self {
        Self { probe: false, isolation: Isolation::automatic(), patience: Self::PATIENCE }
    }
}

/// An API whose adapters could not be listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Which API.
    pub api: Api,
    /// What happened, and the way out.
    pub reason: String,
}

/// The devices of a machine, and the APIs that could not be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// The devices, best first; the CPU is last.
    pub devices: Vec<DeviceInfo>,
    /// APIs whose drivers failed while their adapters were listed.
    pub troubles: Vec<Trouble>,
}

/// The CPU alone, without waking any driver.
#[must_use]
pub fn cpu() -> DeviceInfo {
    cpu::describe()
}

/// The devices of this machine, best first; the CPU is last and always there.
///
/// An API whose driver fails is left out, with a warning in the log; [`survey`] says which.
#[must_use]
pub fn list(options: &ListOptions) -> Vec<DeviceInfo> {
    survey(options).devices
}

/// The devices of this machine, and which APIs could not be asked for theirs.
#[must_use]
pub fn survey(options: &ListOptions) -> Survey {
    // A child that does not know that it is one must not start children of its own.
    let isolation = if probe::is_child() { &Isolation::InProcess } else { &options.isolation };
    let apis = adapters::apis();
    let answers = child::two_at_a_time(&apis, |api| enumerate(*api, isolation, options.patience));

    let mut found = Vec::new();
    let mut troubles = Vec::new();
    for (api, answer) in apis.into_iter().zip(answers) {
        match answer {
            Ok(adapters) => found.extend(adapters),
            Err(reason) => {
                tracing::warn!(api = api.text(), reason, "adapters could not be listed");
                troubles.push(Trouble { api, reason });
            }
        }
    }
    let mut found = dedup::fold(found);
    if options.probe {
        let results = match isolation {
            Isolation::Child(_) => {
                child::two_at_a_time(&found, |it| compute(it, isolation, options.patience))
            }
            // Side by side in one process, one probe's crash would spoil the other's message.
            Isolation::InProcess => found.iter().map(probe::compute_in_process).collect(),
        };
        for (adapter, result) in found.iter_mut().zip(results) {
            adapter.info.compute = result;
        }
    }
    let mut devices: Vec<_> = found.into_iter().map(|adapter| adapter.info).collect();
    devices.push(cpu::describe());
    dedup::name(&mut devices);
    Survey { devices, troubles }
}

/// One API's adapters, or why there are none to be had.
fn enumerate(
    api: Api,
    isolation: &Isolation,
    patience: Duration,
) -> Result<Vec<FoundAdapter>, String> {
    let Isolation::Child(program) = isolation else { return adapters::enumerate(api) };
    match child::ask(program, &probe::Question::Enumerate(api), patience) {
        Ok(answer) => answer,
        Err(ChildFailure::DoesNotAnswerProbes) => adapters::enumerate(api),
        Err(ChildFailure::Died(what)) => Err(format!(
            "while its adapters were listed, {what}. They are left out: repair or remove the \
             driver{}",
            if api == Api::Vulkan {
                ", or name the drivers that work in VK_DRIVER_FILES"
            } else {
                ""
            }
        )),
    }
}

/// Whether one adapter computes.
fn compute(adapter: &FoundAdapter, isolation: &Isolation, patience: Duration) -> ComputeProbe {
    let Isolation::Child(program) = isolation else { return probe::compute_in_process(adapter) };
    let question = probe::Question::Compute(adapter.info.api, adapter.position);
    match child::ask(program, &question, patience) {
        Ok(result) => result,
        Err(ChildFailure::DoesNotAnswerProbes) => probe::compute_in_process(adapter),
        Err(ChildFailure::Died(reason)) => ComputeProbe::Fails { reason },
    }
}
