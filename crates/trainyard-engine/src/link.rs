//! Links: how activations and gradients get from one stage's device to the next.
//!
//! Between two CPU devices the sender copies a tensor into the receiver's memory, where it waits. From
//! any other device it goes through the host: the sender asks for a copy right behind what computed the
//! tensor, and a link thread waits until the device has come there, and no longer; so neither the
//! sender nor the receiver waits for what the sender does next. The receiver uploads on its own thread,
//! because a device's memory pools belong to the thread that uses them.
//!
//! Between two stages of one device nothing moves: the tensor waits in the link until the other
//! stage's turn.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use burn::tensor::Device as BurnDevice;
use crossbeam_channel::{Receiver, Sender, bounded};
use trainyard_plan::Action;
use wgpu::SubmissionIndex;

use crate::fault::{WORKER_THREAD_PREFIX, catch_panic};
use crate::gpu::Gpu;
use crate::memory::MemoryCounter;
use crate::tensor::{HostRead, copied_data};
use crate::{EngineError, HostTensors, Tensors};

/// Tensors on their way.
enum Payload {
    /// On the receiver's device.
    There(Tensors),
    /// On the host.
    Host(HostTensors),
    /// The device that should have computed them failed.
    Failed(EngineError),
}

struct Message {
    micro_batch: usize,
    payload: Payload,
    /// None when it never leaves the device.
    sent: Option<Transfer>,
}

/// One transfer, as the sender's side saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer {
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    pub(crate) bytes: u64,
}

/// The sending end of a link.
pub(crate) struct Outlet {
    route: Route,
    origin: Instant,
}

enum Route {
    /// Both ends are one device.
    Stay(Sender<Message>),
    /// Both ends are CPU devices.
    Copy { sender: Sender<Message>, counter: MemoryCounter },
    /// From a CPU device to another kind: its tensors are host memory already.
    FromHost(Sender<Message>),
    /// A link thread reads the device.
    Read { to_thread: Sender<Parcel>, source: BurnDevice, gpu: Gpu },
}

/// What a link thread is to read, and for whom.
struct Parcel {
    step: u64,
    action: Action,
    bytes: u64,
    reads: Vec<(Arc<str>, HostRead)>,
    /// Where the tensors are computed, and where the copies are done.
    points: [SubmissionIndex; 2],
}

/// The receiving end of a link.
pub(crate) struct Inlet {
    from: Receiver<Message>,
    /// What came before its turn: the two stages may take the micro-batches in different orders.
    early: Vec<Message>,
    device: BurnDevice,
    to_cpu: bool,
}

/// The devices at the ends of a link.
pub(crate) struct Ends<'a> {
    pub(crate) source: &'a crate::Device,
    pub(crate) target: &'a crate::Device,
}

/// Makes a link that holds at most `capacity` transfers; a link thread, if it needs one, is added
/// to `threads` and ends when either end is dropped.
pub(crate) fn link(
    name: &str,
    ends: &Ends<'_>,
    capacity: usize,
    origin: Instant,
    threads: &mut Vec<JoinHandle<()>>,
) -> Result<(Outlet, Inlet), EngineError> {
    let (sender, from) = bounded(capacity);
    let stays = ends.source.id() == ends.target.id();
    let route = match (ends.source.is_cpu(), ends.target.is_cpu()) {
        (_, _) if stays => Route::Stay(sender),
        (true, true) => Route::Copy { sender, counter: ends.target.counter() },
        (true, false) => Route::FromHost(sender),
        (false, _) => {
            let (to_thread, inbox) = bounded(capacity);
            let device = ends.source.id().to_owned();
            let gpu = ends.source.gpu().cloned().ok_or_else(|| {
                EngineError::internal(format!("no link can read from '{device}'"))
            })?;
            let of_thread = gpu.clone();
            let thread = std::thread::Builder::new()
                .name(format!("{WORKER_THREAD_PREFIX}link-{name}"))
                .spawn(move || read_and_forward(&inbox, &sender, (&device, &of_thread), origin))
                .map_err(EngineError::driver)?;
            threads.push(thread);
            Route::Read { to_thread, source: ends.source.burn().clone(), gpu }
        }
    };
    let (device, to_cpu) = (ends.target.burn().clone(), ends.target.is_cpu());
    Ok((Outlet { route, origin }, Inlet { from, early: Vec::new(), device, to_cpu }))
}

fn read_and_forward(
    inbox: &Receiver<Parcel>,
    onward: &Sender<Message>,
    (device, gpu): (&str, &Gpu),
    origin: Instant,
) {
    for Parcel { step, action, bytes, reads, points: [computed, copied] } in inbox {
        // The transfer begins when there is something to move.
        let ready = gpu.wait(computed);
        let start_ns = elapsed_ns(origin);
        let read = || {
            ready?;
            gpu.wait(copied)?;
            reads.into_iter().map(|(name, read)| Ok((name, read.finish()?))).collect()
        };
        let payload = match catch_panic(read) {
            Ok(data) => Payload::Host(data),
            // Named here: the receiver, who reports it, is another device.
            Err(error) => Payload::Failed(EngineError::Worker {
                device: device.to_owned(),
                stage: action.stage,
                action: action.to_string(),
                step,
                reason: error.to_string(),
            }),
        };
        let sent = Some(Transfer { start_ns, end_ns: elapsed_ns(origin), bytes });
        if onward.send(Message { micro_batch: action.micro_batch, payload, sent }).is_err() {
            return;
        }
    }
}

impl Outlet {
    /// Whether what is sent goes to another device.
    pub(crate) fn crosses(&self) -> bool {
        !matches!(self.route, Route::Stay(_))
    }

    /// Sends; does not wait for the device or for the receiver.
    pub(crate) fn send(
        &self,
        step: u64,
        action: Action,
        tensors: Tensors,
    ) -> Result<(), EngineError> {
        let start_ns = elapsed_ns(self.origin);
        let bytes = tensors.bytes();
        let (sender, payload) = match &self.route {
            Route::Stay(sender) => (sender, Payload::There(tensors)),
            Route::Copy { sender, counter } => {
                (sender, Payload::There(counter.during(|| tensors.copied())?))
            }
            Route::FromHost(sender) => (sender, Payload::Host(tensors.into_data()?)),
            Route::Read { to_thread, source, gpu } => {
                source.flush().map_err(EngineError::driver)?;
                let computed = gpu.point();
                let reads: Vec<_> = tensors
                    .into_iter()
                    .map(|(name, value)| (name, HostRead::begin(value)))
                    .collect();
                let points = [computed, gpu.point()];
                let parcel = Parcel { step, action, bytes, reads, points };
                return to_thread.send(parcel).map_err(|_| EngineError::NeighbourStopped);
            }
        };
        let sent = Transfer { start_ns, end_ns: elapsed_ns(self.origin), bytes };
        let sent = self.crosses().then_some(sent);
        sender
            .send(Message { micro_batch: action.micro_batch, payload, sent })
            .map_err(|_| EngineError::NeighbourStopped)
    }
}

impl Inlet {
    /// Waits for the transfer of a micro-batch and puts it on the receiver's device. Gives the
    /// sender's side of the transfer too, unless nothing had to move.
    ///
    /// # Errors
    /// [`EngineError::NeighbourStopped`] when the sender is gone; the sender's device error when
    /// that is what came.
    pub(crate) fn receive(
        &mut self,
        micro_batch: usize,
    ) -> Result<(Tensors, Option<Transfer>), EngineError> {
        let message = self.next_of(micro_batch)?;
        let tensors = match message.payload {
            Payload::There(tensors) => tensors,
            Payload::Host(data) if self.to_cpu => {
                let own = data.iter().map(|(name, tensor)| (Arc::clone(name), copied_data(tensor)));
                Tensors::from_data(own.collect(), &self.device)?
            }
            Payload::Host(data) => Tensors::from_data(data, &self.device)?,
            Payload::Failed(error) => return Err(error),
        };
        Ok((tensors, message.sent))
    }

    fn next_of(&mut self, micro_batch: usize) -> Result<Message, EngineError> {
        if let Some(at) = self.early.iter().position(|early| early.micro_batch == micro_batch) {
            return Ok(self.early.swap_remove(at));
        }
        loop {
            let message = self.from.recv().map_err(|_| EngineError::NeighbourStopped)?;
            // After a failure the micro-batch that is waited for may never come.
            let failed = matches!(message.payload, Payload::Failed(_));
            if failed || message.micro_batch == micro_batch {
                return Ok(message);
            }
            self.early.push(message);
        }
    }
}

/// Nanoseconds since `origin`.
pub(crate) fn elapsed_ns(origin: Instant) -> u64 {
    ns_between(origin, Instant::now())
}

/// Nanoseconds from `origin` to a later moment.
pub(crate) fn ns_between(origin: Instant, moment: Instant) -> u64 {
    u64::try_from(moment.saturating_duration_since(origin).as_nanos()).unwrap_or(u64::MAX)
}
