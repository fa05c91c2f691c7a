//! Links: how activations and gradients get from one stage's device to the next.
//!
//! Between two CPU devices the sender copies a tensor into the receiver's memory, where it waits. From
//! any other device it goes through the host: the sender asks for a copy right behind what computed the
//! tensor, and a link thread waits until the device has come there, and no longer; so neither the
//! sender nor the receiver waits for what the sender does next. The link thread puts it where the
//! receiver's device can copy it from, which the receiver asks for on its own thread, because a device's
//! memory pools belong to the thread that uses them.
//!
//! Between two stages of one device nothing moves: the tensor waits in the link until the other
//! stage's turn.

mod forward;
mod parcel;
mod way;

use std::sync::Arc;
use std::time::Instant;

use burn::backend::DispatchTensor;
use burn::tensor::Device as BurnDevice;
use trainyard_config::WireFormat;
use trainyard_plan::Action;

use crate::activity::Activity;
use crate::concurrency::{Builder, JoinHandle, Receiver, Sender, bounded};
use crate::fault::WORKER_THREAD_PREFIX;
use crate::gpu::{SharedMemory, SharedTransfer, Staging, Upload};
use crate::memory::MemoryCounter;
use crate::tensor::copied_data;
use crate::wire::{Packed, Packer};
use crate::{EngineError, HostTensors, Tensors, Value};
use forward::{Target, forward_all};
use parcel::{Described, Parcel, Reader, may_stage};
pub use way::LinkWay;

/// Tensors on their way.
enum Payload {
    /// On the receiver's device.
    There(Tensors),
    /// On the host.
    Host(HostTensors),
    /// Where the receiver's device can copy them from.
    Staged(Vec<Described>, Upload),
    /// In memory that both devices have.
    Shared(Vec<Described>, SharedTransfer),
    /// What the receiver has kept; see [`Outlet::free_from`].
    Kept,
    /// The device that should have computed them failed.
    Failed(EngineError),
}

struct Message {
    micro_batch: usize,
    payload: Payload,
    /// How floats in it are packed.
    packed: Option<Packed>,
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
    packer: Packer,
    wire: WireFormat,
    origin: Instant,
    /// From this step on nothing moves, and the receiver takes what it has kept of the step before.
    free_from: Option<u64>,
}

enum Route {
    /// Both ends are one device.
    Stay(Sender<Message>),
    /// Both ends are CPU devices.
    Copy { sender: Sender<Message>, counter: MemoryCounter },
    /// From a CPU device to another kind: its tensors are host memory already.
    FromHost(Sender<Message>),
    /// A link thread waits for the device's copies.
    Read { to_thread: Sender<Parcel>, reader: Reader },
}

/// The receiving end of a link.
pub(crate) struct Inlet {
    from: Receiver<Message>,
    /// What came before its turn: the two stages may take the micro-batches in different orders.
    early: Vec<Message>,
    /// What came last, where it is to be kept.
    kept: Option<Tensors>,
    keeps: bool,
    packer: Packer,
    device: BurnDevice,
    to_cpu: bool,
    /// Of a wgpu device.
    staging: Option<Arc<Staging>>,
}

/// A thread that serves a link, for the device that sends.
pub(crate) struct LinkThread {
    pub(crate) device: String,
    pub(crate) thread: JoinHandle<()>,
    pub(crate) activity: Activity,
}

/// The devices at the ends of a link, and the way between them.
pub(crate) struct Ends<'a> {
    pub(crate) source: &'a crate::Device,
    pub(crate) target: &'a crate::Device,
    pub(crate) way: LinkWay,
}

/// Makes a link that holds at most `capacity` transfers; a link thread, if it needs one, is added
/// to `threads` and ends when either end is dropped.
pub(crate) fn link(
    name: &str,
    ends: &Ends<'_>,
    capacity: usize,
    origin: Instant,
    threads: &mut Vec<LinkThread>,
) -> Result<(Outlet, Inlet), EngineError> {
    let (sender, from) = bounded(capacity);
    let (source, target) = (ends.source, ends.target);
    let stays = source.id() == target.id();
    let (device, to_cpu) = (target.burn().clone(), target.is_cpu());
    let staging = if stays { None } else { target.staging_gpu() };
    let staging = staging.map(Staging::to_device);
    let route = match (source.is_cpu(), to_cpu) {
        (_, _) if stays => Route::Stay(sender),
        (true, true) => Route::Copy { sender, counter: target.counter() },
        (true, false) => Route::FromHost(sender),
        (false, _) => {
            let (to_thread, inbox) = bounded(capacity);
            let id = source.id().to_owned();
            let queue = source
                .queue()
                .ok_or_else(|| EngineError::internal(format!("no link can read from '{id}'")))?;
            let target = match &staging {
                Some(staging) => Target::Gpu(Arc::clone(staging)),
                None if to_cpu => Target::Cpu(device.clone(), target.counter()),
                None => Target::Host,
            };
            let activity = Activity::default();
            let (of_thread, of_device) = (activity.clone(), id.clone());
            let thread = Builder::new()
                .name(format!("{WORKER_THREAD_PREFIX}link-{name}"))
                .spawn(move || forward_all(&inbox, &sender, (&id, &target), origin, &of_thread))
                .map_err(EngineError::no_thread)?;
            threads.push(LinkThread { device: of_device, thread, activity });
            let shares = ends.way == LinkWay::Shared;
            let gpus = source.gpu().zip(ends.target.gpu()).filter(|_| shares);
            let shared = gpus.and_then(|(source, target)| SharedMemory::between(source, target));
            let staging = source.staging_gpu().map(Staging::to_host);
            Route::Read { to_thread, reader: Reader { queue, shared, staging } }
        }
    };
    let (packer, wire) = (Packer::new(source), source.wire_to(target));
    let outlet = Outlet { route, packer, wire, origin, free_from: None };
    let (early, packer, kept, keeps) = (Vec::new(), Packer::new(target), None, false);
    Ok((outlet, Inlet { from, early, kept, keeps, packer, device, to_cpu, staging }))
}

impl Outlet {
    /// Whether what is sent goes to another device.
    pub(crate) fn crosses(&self) -> bool {
        !matches!(self.route, Route::Stay(_))
    }

    /// For benchmarks: from this step on only word is sent that the tensors are there, as soon as they
    /// are computed. Between two stages of one device nothing moves anyway.
    pub(crate) fn free_from(&mut self, step: u64) {
        self.free_from = self.crosses().then_some(step);
    }

    /// From now on gradients come this many times larger than they are.
    pub(crate) fn scaled_by(&mut self, loss_scale: f64) {
        self.packer.scaled_by(loss_scale);
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
        let is_free = self.free_from.is_some_and(|from| step >= from);
        let wire = if self.crosses() && !is_free { self.wire } else { WireFormat::F32 };
        let (tensors, packed) = self.packer.pack(wire, action, tensors)?;
        let (sender, payload) = match &self.route {
            Route::Copy { sender, .. } | Route::FromHost(sender) if is_free => {
                (sender, Payload::Kept)
            }
            Route::Stay(sender) => (sender, Payload::There(tensors)),
            Route::Copy { sender, counter } => {
                (sender, Payload::There(counter.during(|| tensors.copied())?))
            }
            Route::FromHost(sender) => (sender, Payload::Host(tensors.into_data()?)),
            Route::Read { to_thread, reader } => {
                let content = if is_free { reader.computed()? } else { reader.begin(tensors)? };
                let parcel = Parcel { step, action, bytes, packed, content };
                return to_thread.send(parcel).map_err(|_| EngineError::NeighbourStopped);
            }
        };
        let sent = Transfer { start_ns, end_ns: elapsed_ns(self.origin), bytes };
        let sent = self.crosses().then_some(sent);
        sender
            .send(Message { micro_batch: action.micro_batch, payload, packed, sent })
            .map_err(|_| EngineError::NeighbourStopped)
    }
}

impl Inlet {
    /// For benchmarks: keeps what comes, for when nothing moves any more.
    pub(crate) fn keep(&mut self) {
        self.keeps = true;
    }

    /// Waits for the transfer of a micro-batch and puts it on the receiver's device. Gives the
    /// sender's side of the transfer too, unless nothing had to move.
    ///
    /// # Errors
    /// [`EngineError::NeighbourStopped`] when the sender is gone; the sender's device error when
    /// that is what came.
    pub(crate) fn receive(
        &mut self,
        micro_batch: usize,
        activity: &Activity,
    ) -> Result<(Tensors, Option<Transfer>), EngineError> {
        let message = activity.waiting(|| self.next_of(micro_batch))?;
        let tensors = match message.payload {
            Payload::There(tensors) => tensors,
            Payload::Host(data) if self.to_cpu => {
                let own = data.iter().map(|(name, tensor)| (Arc::clone(name), copied_data(tensor)));
                Tensors::from_data(own.collect(), &self.device)?
            }
            Payload::Host(data) => {
                let described: Vec<_> = data.iter().map(Described::of_data).collect();
                let staging = self.staging.as_ref();
                match staging.filter(|staging| may_stage(staging, &described)) {
                    Some(staging) => {
                        let bytes: Vec<_> = data.iter().map(|(_, data)| data.as_bytes()).collect();
                        let upload = staging.fill(&bytes)?;
                        self.filled(described, |rooms| upload.finish(rooms))?
                    }
                    None => Tensors::from_data(data, &self.device)?,
                }
            }
            Payload::Staged(described, upload) => {
                self.filled(described, |rooms| upload.finish(rooms))?
            }
            Payload::Shared(described, transfer) => {
                self.filled(described, |rooms| transfer.finish(rooms))?
            }
            Payload::Kept => {
                let kept = self.kept.clone();
                kept.ok_or_else(|| EngineError::internal("a free link needs a step before it"))?
            }
            Payload::Failed(error) => return Err(error),
        };
        let tensors = self.packer.unpack(tensors, message.packed)?;
        if self.keeps {
            self.kept = Some(tensors.clone());
        }
        Ok((tensors, message.sent))
    }

    /// New tensors with what `fill` has the receiver's device copy into them.
    fn filled(
        &self,
        described: Vec<Described>,
        fill: impl FnOnce(Vec<DispatchTensor>) -> Result<(), EngineError>,
    ) -> Result<Tensors, EngineError> {
        let room =
            |Described { name, shape, dtype }| Ok((name, Value::room(shape, dtype, &self.device)?));
        let tensors = described.into_iter().map(room).collect::<Result<Tensors, EngineError>>()?;
        fill(tensors.iter().map(|(_, value)| value.tensor().clone()).collect())?;
        Ok(tensors)
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
