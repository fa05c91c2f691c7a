//! A device: an id, a memory capacity, and what has been put on it.

use std::sync::OnceLock;
use std::thread::Builder;
use std::time::{Duration, Instant};

use burn::tensor::Device as BurnDevice;
use cpu_time::ThreadTime;
use trainyard_plan::{Api, DeviceInfo, DeviceKind, MemoryUse};

use crate::compute_thread::ComputeThread;
use crate::fault::{WORKER_THREAD_PREFIX, catch_panic};
use crate::gpu::{Clock, Gpu, is_faithful};
use crate::kernels::{DeviceKernels, Fit, KernelSet, SpeedUps, try_all, winners};
use crate::memory::{MemoryCounter, Usage};
use crate::{EngineError, open};

/// A part of a model, as far as memory is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name, such as `stage 0 (embed … block1)`.
    pub name: String,
    /// What it needs, by category.
    pub memory: MemoryUse,
}

/// When a compute action began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    pub(crate) at: Instant,
    /// On the thread's own clock, which stands still while others have the core: a device that is
    /// slowed down must not be slowed down by its neighbours several times over.
    worked: Option<ThreadTime>,
}

impl Begun {
    /// How long the calling thread has had a core since, where all the work is done on it.
    pub(crate) fn worked(&self) -> Option<Duration> {
        self.worked.map(|worked| worked.elapsed())
    }
}

/// A place that computes and has its own memory.
#[derive(Debug)]
pub struct Device {
    id: String,
    capacity_bytes: u64,
    parts: Vec<Part>,
    threads: usize,
    hardware: DeviceInfo,
    counter: MemoryCounter,
    throttle: f64,
    opened: BurnDevice,
    gpu: Option<Gpu>,
    /// Whether links may copy through memory that they keep; found out when the first asks.
    can_stage: OnceLock<bool>,
    /// The kernels of ours that it uses; found out when they are first asked for.
    kernels: OnceLock<KernelSet>,
}

impl Device {
    /// Opens a device with a budget.
    ///
    /// Each call gives a logical device of its own, also on the same hardware. `threads` is the
    /// number of threads a CPU device may compute with; other devices ignore it.
    ///
    /// # Errors
    /// [`EngineError::CannotOpen`] with what the driver said.
    pub fn open(
        id: impl Into<String>,
        hardware: &DeviceInfo,
        capacity_bytes: u64,
        threads: usize,
    ) -> Result<Self, EngineError> {
        let (opened, gpu) = open::open_with_gpu(hardware)?;
        Ok(Self {
            id: id.into(),
            capacity_bytes,
            parts: Vec::new(),
            threads: threads.max(1),
            opened,
            gpu,
            hardware: hardware.clone(),
            counter: MemoryCounter::open(),
            throttle: 1.0,
            can_stage: OnceLock::new(),
            kernels: OnceLock::new(),
        })
    }

    /// Slows the device down: everything that it computes takes `factor` times as long, by
    /// sleeping. For trying unlike devices on a machine that has only one. `factor` goes from 1,
    /// the device's own speed, to 1000; anything else is taken as the nearer of the two.
    #[must_use]
    pub fn with_throttle(self, factor: f64) -> Self {
        let throttle = if factor.is_nan() { 1.0 } else { factor.clamp(1.0, 1000.0) };
        Self { throttle, ..self }
    }

    /// How many times slower than itself the device was told to be; 1 is its own speed.
    pub fn throttle(&self) -> f64 {
        self.throttle
    }

    /// The id of the run file.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The budget, in bytes.
    pub fn capacity_bytes(&self) -> u64 {
        self.capacity_bytes
    }

    /// The hardware behind it.
    pub fn hardware(&self) -> &DeviceInfo {
        &self.hardware
    }

    /// Threads a CPU device computes with.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Whether it is the CPU itself, whose tensors other CPU devices can read.
    pub fn is_cpu(&self) -> bool {
        self.hardware.api == Api::Cpu
    }

    /// Burn's handle.
    pub fn burn(&self) -> &BurnDevice {
        &self.opened
    }

    /// Wgpu's side of it, where it has one.
    pub(crate) fn gpu(&self) -> Option<&Gpu> {
        self.gpu.as_ref()
    }

    /// Wgpu's side of a device whose links may copy through memory that they keep: one where a pattern
    /// came through unchanged. Others go Burn's own way.
    pub(crate) fn staging_gpu(&self) -> Option<&Gpu> {
        let gpu = self.gpu()?;
        let try_it = || {
            let tried = on_thread_of_its_own("staging", || is_faithful(gpu, &self.opened));
            tracing::debug!("'{}': patterns through memory that links keep: {tried:?}", self.id);
            tried.unwrap_or(false)
        };
        self.can_stage.get_or_init(try_it).then_some(gpu)
    }

    /// The kernels of ours that it computes with: those that were given by [`Self::use_kernels`], else those
    /// that a trial against Burn's found to be faster. CPU devices have none of these.
    pub fn kernels(&self) -> KernelSet {
        if self.is_cpu() {
            return KernelSet::default();
        }
        let try_them = || self.kernel_speed_ups().map(winners).unwrap_or_default();
        *self.kernels.get_or_init(try_them)
    }

    /// What a trial found of each kernel beside Burn's; it is made once for such a device in a process.
    ///
    /// # Errors
    /// [`EngineError::NoThread`]; [`EngineError::Driver`] where its thread panicked.
    pub fn kernel_speed_ups(&self) -> Result<SpeedUps, EngineError> {
        let trial = || Ok(try_all(&self.hardware, &self.opened, self.fit()));
        on_thread_of_its_own("kernels", trial)
    }

    /// Makes it compute with these kernels, such as those of an earlier run; without effect once it has
    /// begun to compute.
    pub fn use_kernels(&self, kernels: KernelSet) {
        // Those that it has begun with stay.
        let _ = self.kernels.set(kernels);
    }

    /// What kernels for it are fitted to.
    pub(crate) fn fit(&self) -> Fit {
        let is_software = self.hardware.kind == DeviceKind::Software;
        Fit { is_software, subgroup: self.gpu().and_then(Gpu::subgroup) }
    }

    /// Its own clock, where it tells its times and need not be waited for to be slowed down.
    ///
    /// # Errors
    /// [`EngineError::Driver`] where it should tell them and does not.
    pub(crate) fn clock(&self, origin: Instant) -> Result<Option<Clock>, EngineError> {
        match &self.gpu {
            Some(gpu) if self.throttle <= 1.0 => Clock::open(gpu, &self.opened, origin),
            _ => Ok(None),
        }
    }

    /// The count of what it holds, where it is a CPU device.
    pub(crate) fn counter(&self) -> MemoryCounter {
        self.counter
    }

    /// What makes a thread the one that computes for this device.
    pub(crate) fn compute_thread(&self) -> ComputeThread {
        let kernels = DeviceKernels { used: self.kernels(), fit: self.fit() };
        ComputeThread::new(self.is_cpu().then_some(self.threads), self.counter, kernels)
    }

    /// A compute action begins.
    pub(crate) fn begin(&self) -> Begun {
        // Only there is all the work done on the calling thread.
        let alone = self.is_cpu() && self.threads == 1;
        Begun { at: Instant::now(), worked: alone.then(ThreadTime::now) }
    }

    /// Ends a compute action: waits for devices that compute beside the
    /// host, so that the action's end is when the work was done and not when it was asked for.
    pub(crate) fn complete(&self, begun: Begun) -> Result<(), EngineError> {
        self.wait()?;
        self.slow_down(begun);
        Ok(())
    }

    /// Lets the device begin with all that it was asked for.
    pub(crate) fn flush(&self) -> Result<(), EngineError> {
        if self.is_cpu() { Ok(()) } else { self.opened.flush().map_err(EngineError::driver) }
    }

    /// Waits until everything that was asked of the device is done; on a CPU device it is.
    pub(crate) fn wait(&self) -> Result<(), EngineError> {
        if self.is_cpu() { Ok(()) } else { self.opened.sync().map_err(EngineError::driver) }
    }

    /// Sleeps for as long as a device slowed down by [`Self::with_throttle`] would still have
    /// worked on an action.
    pub(crate) fn slow_down(&self, begun: Begun) {
        if self.throttle > 1.0 {
            let took = begun.worked().unwrap_or_else(|| begun.at.elapsed());
            std::thread::sleep(took.mul_f64(self.throttle - 1.0));
        }
    }

    /// What the allocated parts need together.
    pub fn allocated(&self) -> MemoryUse {
        self.parts.iter().map(|part| part.memory).sum()
    }

    /// What is left of the budget, in bytes.
    pub fn available_bytes(&self) -> u64 {
        self.capacity_bytes.saturating_sub(self.allocated().total())
    }

    /// Takes a part's memory out of the budget. Nothing is created on the device yet.
    ///
    /// # Errors
    /// [`EngineError::OverBudget`] when it does not fit; the device is as it was.
    pub fn allocate(&mut self, part: Part) -> Result<(), EngineError> {
        let needed_bytes = part.memory.total();
        let available_bytes = self.available_bytes();
        if needed_bytes > available_bytes {
            return Err(EngineError::OverBudget {
                device: self.id.clone(),
                part: part.name,
                needed_bytes,
                available_bytes,
            });
        }
        self.parts.push(part);
        Ok(())
    }

    /// Gives a part's memory back to the budget; false when there is no part of that name. Of
    /// several parts of one name it is the one that came last.
    pub fn release(&mut self, part: &str) -> bool {
        let held = self.parts.iter().rposition(|held| held.name == part);
        held.map(|position| self.parts.remove(position)).is_some()
    }

    /// Bytes in use now and the most so far, as measured: by the driver's pools on a GPU, which know
    /// no moment but this, counted on a CPU device (see [`crate::memory`]). None where nobody measures.
    ///
    /// Call it on the thread that computes: a GPU's pools are kept for each thread. It waits for
    /// the device's queue.
    pub(crate) fn usage(&self) -> Option<Usage> {
        if self.is_cpu() {
            let (in_use, peak) = self.counter.usage()?;
            return Some(Usage { in_use, peak, padding: None, reserved: None });
        }
        let pools = self.opened.memory_pool_usage()?;
        Some(Usage {
            in_use: pools.bytes_in_use,
            peak: pools.bytes_in_use,
            padding: Some(pools.bytes_padding),
            reserved: Some(pools.bytes_reserved),
        })
    }

    /// [`Self::usage`] of a device that tells what it holds only when it is asked; None for one that
    /// counts by itself.
    pub(crate) fn usage_when_asked(&self) -> Option<Usage> {
        if self.is_cpu() { None } else { self.usage() }
    }
}

/// Runs something on a thread that nobody needs afterwards: Burn keeps memory for every thread that
/// asks for some.
fn on_thread_of_its_own<T: Send>(
    name: &str,
    work: impl FnOnce() -> Result<T, EngineError> + Send,
) -> Result<T, EngineError> {
    let thread = Builder::new().name(format!("{WORKER_THREAD_PREFIX}{name}"));
    std::thread::scope(|scope| {
        let thread = thread.spawn_scoped(scope, || catch_panic(work));
        let thread = thread.map_err(EngineError::no_thread)?;
        thread.join().unwrap_or_else(|_| Err(EngineError::driver("its thread panicked")))
    })
}
