//! A device's own clock, read at marks in its queue.

use std::sync::mpsc::channel;
use std::time::Instant;

use burn::tensor::Device as BurnDevice;
use wgpu::{
    Buffer, BufferDescriptor, BufferUsages, Features, MapMode, QuerySet, QuerySetDescriptor,
    QueryType, SubmissionIndex,
};

use super::super::Gpu;
use crate::EngineError;
use crate::link::elapsed_ns;

/// Marks of one set; wgpu allows no larger one.
const MARKS: usize = wgpu::QUERY_SET_MAX_QUERIES as usize;
/// How often the two clocks are looked at together before the first step.
const LOOKS: usize = 8;

/// The clock of one device.
#[derive(Debug)]
pub(crate) struct OwnClock {
    gpu: Gpu,
    burn: BurnDevice,
    origin: Instant,
    /// Length of a tick, ns.
    period_ns: f64,
    /// Host time = device time + this, ns.
    offset_ns: f64,
    error_ns: u64,
    sets: Vec<Marks>,
    /// When the marks that were not read yet were asked for.
    asked_ns: Vec<u64>,
}

/// Room for some marks, and the way back to the host.
#[derive(Debug)]
struct Marks {
    queries: QuerySet,
    resolved: Buffer,
    read: Buffer,
}

/// Marks on their way to the host.
#[derive(Debug)]
pub(crate) struct Reading {
    point: SubmissionIndex,
    asked_ns: Vec<u64>,
}

impl OwnClock {
    /// Nothing where the device tells no times within its queue.
    ///
    /// # Errors
    /// [`EngineError::Driver`] where it should and does not.
    pub(super) fn open(
        gpu: &Gpu,
        burn: &BurnDevice,
        origin: Instant,
    ) -> Result<Option<Self>, EngineError> {
        let needed = Features::TIMESTAMP_QUERY | Features::TIMESTAMP_QUERY_INSIDE_ENCODERS;
        if !gpu.device.features().contains(needed) {
            return Ok(None);
        }
        let mut clock = Self {
            gpu: gpu.clone(),
            burn: burn.clone(),
            origin,
            period_ns: f64::from(gpu.queue.get_timestamp_period()),
            offset_ns: 0.0,
            error_ns: u64::MAX,
            sets: Vec::new(),
            asked_ns: Vec::new(),
        };
        clock.align()?;
        Ok(Some(clock))
    }

    /// By how much a time may be wrong beside the host's clock, ns.
    pub(super) fn error_ns(&self) -> u64 {
        self.error_ns
    }

    /// Sets the device's clock against the host's: a mark lies between the moment before it was asked
    /// for and the moment after it was done. The narrowest look counts.
    fn align(&mut self) -> Result<(), EngineError> {
        for _ in 0..LOOKS {
            let before = elapsed_ns(self.origin);
            let mark = self.mark()?;
            let reading = self.begin_read();
            self.gpu.wait(&reading.point)?;
            let after = elapsed_ns(self.origin);
            let ticks = self.ticks(&reading)?;
            let error_ns = (after - before) / 2;
            if let Some(tick) = ticks.get(mark)
                && error_ns < self.error_ns
            {
                self.error_ns = error_ns;
                self.offset_ns = (before + error_ns) as f64 - *tick as f64 * self.period_ns;
            }
        }
        Ok(())
    }

    pub(super) fn mark(&mut self) -> Result<usize, EngineError> {
        // Burn collects work and submits it in batches.
        self.burn.flush().map_err(EngineError::driver)?;
        let mark = self.asked_ns.len();
        let (set, index) = (mark / MARKS, mark % MARKS);
        if self.sets.len() <= set {
            self.sets.push(Marks::new(&self.gpu));
        }
        self.asked_ns.push(elapsed_ns(self.origin));
        let mut encoder = self.gpu.encoder();
        encoder.write_timestamp(&self.sets[set].queries, index as u32);
        self.gpu.queue.submit([encoder.finish()]);
        Ok(mark)
    }

    pub(super) fn begin_read(&mut self) -> Reading {
        let asked_ns = std::mem::take(&mut self.asked_ns);
        let mut encoder = self.gpu.encoder();
        for (set, marks) in self.sets.iter().zip(asked_ns.chunks(MARKS)) {
            encoder.resolve_query_set(&set.queries, 0..marks.len() as u32, &set.resolved, 0);
            encoder.copy_buffer_to_buffer(&set.resolved, 0, &set.read, 0, bytes(marks));
        }
        let point = self.gpu.queue.submit([encoder.finish()]);
        Reading { point, asked_ns }
    }

    pub(super) fn finish_read(&mut self, reading: &Reading) -> Result<Vec<u64>, EngineError> {
        self.gpu.wait(&reading.point)?;
        let ticks = self.ticks(reading)?;
        let ns = |tick: u64| tick as f64 * self.period_ns;
        // The clocks may drift: no mark lies before it was asked for, and none after now.
        for (tick, asked_ns) in ticks.iter().zip(&reading.asked_ns) {
            self.offset_ns = self.offset_ns.max(*asked_ns as f64 - ns(*tick));
        }
        if let Some(last) = ticks.last() {
            self.offset_ns = self.offset_ns.min(elapsed_ns(self.origin) as f64 - ns(*last));
        }
        Ok(ticks.into_iter().map(|tick| (ns(tick) + self.offset_ns).max(0.0) as u64).collect())
    }

    fn ticks(&self, reading: &Reading) -> Result<Vec<u64>, EngineError> {
        let mut ticks = Vec::with_capacity(reading.asked_ns.len());
        for (set, marks) in self.sets.iter().zip(reading.asked_ns.chunks(MARKS)) {
            let slice = set.read.slice(..bytes(marks));
            let (sender, mapped) = channel();
            // Nobody is left to be told where the receiver is gone.
            slice.map_async(MapMode::Read, move |result| drop(sender.send(result)));
            // The device has done it: this only calls back.
            self.gpu.wait(&reading.point)?;
            let mapped = mapped.recv().map_err(EngineError::driver)?;
            mapped.map_err(EngineError::driver)?;
            let bytes = slice.get_mapped_range().map_err(EngineError::driver)?;
            let (words, _) = bytes.as_chunks::<8>();
            ticks.extend(words.iter().map(|bytes| u64::from_ne_bytes(*bytes)));
            drop(bytes);
            set.read.unmap();
        }
        Ok(ticks)
    }
}

/// What the ticks of some marks take.
fn bytes(marks: &[u64]) -> u64 {
    size_of_val(marks) as u64
}

impl Marks {
    fn new(gpu: &Gpu) -> Self {
        let buffer = |usage| {
            let size = MARKS as u64 * size_of::<u64>() as u64;
            let about = BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
            gpu.device.create_buffer(&about)
        };
        let about =
            QuerySetDescriptor { label: None, ty: QueryType::Timestamp, count: MARKS as u32 };
        Self {
            queries: gpu.device.create_query_set(&about),
            resolved: buffer(BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC),
            read: buffer(BufferUsages::COPY_DST | BufferUsages::MAP_READ),
        }
    }
}
