//! A device: an id, a memory capacity, and what has been put on it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use burn::tensor::{Device as BurnDevice, Tensor};
use cpu_time::ThreadTime;
use trainyard_config::WireFormat;
use trainyard_plan::{Api, DeviceInfo, DeviceKind, MemoryUse, Precision};

use crate::compute_thread::ComputeThread;
use crate::fault::on_a_thread_of_its_own;
use crate::gpu::{Clock, Gpu, is_faithful};
use crate::kernels::{DeviceKernels, KernelSet};
use crate::memory::{MemoryCounter, Usage};
use crate::queue::{Queue, WgpuQueue};
use crate::{EngineError, open};

#[cfg(test)]
mod fake;
mod kernels;

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
    /// 0 on a device of a test, whose threads have no pools.
    threads: usize,
    hardware: DeviceInfo,
    counter: MemoryCounter,
    throttle: f64,
    /// Whether its own clock, if it has one, is left alone.
    notices: bool,
    opened: BurnDevice,
    gpu: Option<Gpu>,
    imports_memory: bool,
    wire: WireFormat,
    /// Other formats, by the id of the device that receives.
    wires: BTreeMap<String, WireFormat>,
    precision: Precision,
    /// Of a device that computes beside the host.
    queue: Option<Arc<dyn Queue>>,
    /// Whether links may copy through memory that they keep; found out when the first asks.
    can_stage: OnceLock<bool>,
    /// How often the host has waited for it.
    waits: AtomicU64,
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
        let queue = gpu.clone().map(|gpu| WgpuQueue { gpu, burn: opened.clone() });
        Ok(Self {
            id: id.into(),
            capacity_bytes,
            parts: Vec::new(),
            threads: threads.max(1),
            opened,
            gpu,
            queue: queue.map(|queue| Arc::new(queue) as _),
            hardware: hardware.clone(),
            counter: MemoryCounter::open(),
            throttle: 1.0,
            imports_memory: hardware.kind == DeviceKind::Software && hardware.api == Api::Vulkan,
            wire: WireFormat::F32,
            wires: BTreeMap::new(),
            precision: Precision::F32,
            notices: false,
            can_stage: OnceLock::new(),
            waits: AtomicU64::new(0),
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

    /// Lets its links to another such device go over host memory that both have as their own
    /// (`VK_EXT_external_memory_host` and its like), or forbids it. Not asked, only software adapters over
    /// Vulkan do so: on other hardware it was never tried.
    #[must_use]
    pub fn with_imported_memory(self, imports_memory: Option<bool>) -> Self {
        let imports_memory = imports_memory.unwrap_or(self.imports_memory);
        Self { imports_memory, ..self }
    }

    /// Whether [`Self::with_imported_memory`] holds.
    pub(crate) fn imports_memory(&self) -> bool {
        self.imports_memory
    }

    /// Lets the floats that it sends travel in a format, to some devices, by id, in others.
    #[must_use]
    pub fn with_wires(self, wire: WireFormat, wires: BTreeMap<String, WireFormat>) -> Self {
        Self { wire, wires, ..self }
    }

    /// The format in which floats travel to another device.
    pub(crate) fn wire_to(&self, other: &Self) -> WireFormat {
        let wire = self.wires.get(&other.id).copied().unwrap_or(self.wire);
        wire.between([self.precision, other.precision])
    }

    /// Lets it compute products in other numbers, which it [can](crate::computes_in). A CPU device rounds to
    /// them, and is no faster.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// The numbers in which it computes products.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Has the host notice the times of a wgpu device, as it does of one whose queue tells none
    /// ([`DeviceClock::Noticed`](crate::DeviceClock)). For trying it on a machine that has no such device.
    #[must_use]
    pub fn with_noticed_times(self) -> Self {
        Self { notices: true, ..self }
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

    /// Its queue, where it computes beside the host.
    pub(crate) fn queue(&self) -> Option<Arc<dyn Queue>> {
        self.queue.clone()
    }

    /// Wgpu's side of a device whose links may copy through memory that they keep: one where a pattern
    /// came through unchanged. Others go Burn's own way.
    pub(crate) fn staging_gpu(&self) -> Option<&Gpu> {
        let gpu = self.gpu()?;
        let try_it = || {
            let tried = on_a_thread_of_its_own("staging", || is_faithful(gpu, &self.opened));
            tracing::debug!("'{}': patterns through memory that links keep: {tried:?}", self.id);
            let is_faithful = tried.unwrap_or(false);
            if !is_faithful {
                // What failed there is not used.
                gpu.forget_errors();
            }
            is_faithful
        };
        self.can_stage.get_or_init(try_it).then_some(gpu)
    }

    /// What tells the times of a device that computes beside the host, unless it is waited for to be
    /// slowed down.
    ///
    /// # Errors
    /// [`EngineError::Driver`] where it should tell them and does not; [`EngineError::NoThread`].
    pub(crate) fn clock(&self, origin: Instant) -> Result<Option<Clock>, EngineError> {
        match &self.gpu {
            Some(_) if self.throttle > 1.0 => Ok(None),
            Some(gpu) => Clock::open(gpu, &self.opened, origin, !self.notices).map(Some),
            None => Ok(None),
        }
    }

    /// The count of what it holds, where it is a CPU device.
    pub(crate) fn counter(&self) -> MemoryCounter {
        self.counter
    }

    /// What makes a thread the one that computes for this device.
    pub(crate) fn compute_thread(&self) -> ComputeThread {
        let has_own = self.is_cpu() && self.threads > 0;
        let kernels = DeviceKernels { used: self.kernels(), fit: self.fit() };
        let threads = has_own.then_some(self.threads);
        ComputeThread::new(threads, self.counter, kernels, self.precision)
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
        self.queue.as_ref().map_or(Ok(()), |queue| queue.flush())
    }

    /// Waits until everything that was asked of the device is done; on a CPU device it is.
    pub(crate) fn wait(&self) -> Result<(), EngineError> {
        let Some(queue) = &self.queue else { return Ok(()) };
        self.waits.fetch_add(1, Ordering::Relaxed);
        queue.drain()?;
        self.check_driver()
    }

    /// Whether the driver has reported nothing: no call that it refused, no lack of memory, no loss.
    ///
    /// # Errors
    /// [`EngineError::Driver`] with the first report.
    pub(crate) fn check_driver(&self) -> Result<(), EngineError> {
        self.gpu.as_ref().map_or(Ok(()), Gpu::check)
    }

    /// Forgets what the driver has reported, unless the device is lost.
    pub(crate) fn forget_driver_errors(&self) {
        if let Some(gpu) = &self.gpu {
            gpu.forget_errors();
        }
    }

    /// Reads some numbers, `[1]` each, in one copy behind all that the device was asked for.
    pub(crate) fn read(&self, numbers: Vec<Tensor<1>>) -> Result<Vec<f32>, EngineError> {
        // On a CPU device every number is there, and a copy of all is more than each alone.
        if self.is_cpu() {
            let read = |number: Tensor<1>| number.try_into_scalar::<f32>();
            return numbers
                .into_iter()
                .map(read)
                .collect::<Result<_, _>>()
                .map_err(EngineError::driver);
        }
        if numbers.is_empty() {
            return self.wait().map(|()| Vec::new());
        }
        self.waits.fetch_add(1, Ordering::Relaxed);
        Tensor::cat(numbers, 0).try_into_vec_as::<f32>().map_err(EngineError::driver)
    }

    /// How often the host has waited for it since this was asked last.
    pub(crate) fn take_waits(&self) -> u64 {
        self.waits.swap(0, Ordering::Relaxed)
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
