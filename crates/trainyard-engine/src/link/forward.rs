//! The link thread: it waits for a device's copies and puts them where the receiver takes them from.

use std::sync::Arc;
use std::time::Instant;

use burn::tensor::{Device as BurnDevice, TensorData};

use super::parcel::{Content, Described, Parcel, may_stage, read_all};
use super::{Message, Payload, Transfer, elapsed_ns};
use crate::activity::Activity;
use crate::concurrency::{Receiver, Sender};
use crate::fault::catch_panic;
use crate::gpu::Staging;
use crate::memory::MemoryCounter;
use crate::tensor::data_of;
use crate::wiring::Name;
use crate::{EngineError, Tensors};

/// Where a link ends.
pub(super) enum Target {
    /// In the memory of a CPU device, which is told what it holds.
    Cpu(BurnDevice, MemoryCounter),
    /// In memory that a wgpu device copies from.
    Gpu(Arc<Staging>),
    /// In host memory of nobody's.
    Host,
}

/// The thread's whole life: ends when either end of the link is dropped.
pub(super) fn forward_all(
    inbox: &Receiver<Parcel>,
    onward: &Sender<Message>,
    (device, target): (&str, &Target),
    origin: Instant,
    activity: &Activity,
) {
    for Parcel { step, action, bytes, packed, content } in inbox {
        activity.begin(step, action);
        // The transfer begins when there is something to move.
        let ready = content.wait_until_computed();
        let start_ns = elapsed_ns(origin);
        let payload = match catch_panic(|| ready.and_then(|()| target.take(content))) {
            Ok(payload) => payload,
            // Named here: the receiver, who reports it, is another device.
            Err(error) => Payload::Failed(EngineError::Worker {
                device: device.to_owned(),
                stage: action.stage,
                action: action.to_string(),
                step,
                reason: error.to_string(),
            }),
        };
        activity.end();
        let sent = Some(Transfer { start_ns, end_ns: elapsed_ns(origin), bytes });
        if onward.send(Message { micro_batch: action.micro_batch, payload, packed, sent }).is_err()
        {
            return;
        }
    }
}

impl Target {
    fn take(&self, content: Content) -> Result<Payload, EngineError> {
        let (described, download) = match content {
            Content::Staged(described, download) => (described, download),
            Content::Shared(described, transfer) => {
                transfer.wait_until_copied()?;
                return Ok(Payload::Shared(described, transfer));
            }
            Content::Read(reads, points) => return Ok(Payload::Host(read_all(reads, &points)?)),
            Content::Stay(_) => return Ok(Payload::Kept),
        };
        download.finish(|pieces| {
            if let Self::Gpu(staging) = self
                && may_stage(staging, &described)
            {
                return Ok(Payload::Staged(described, staging.fill(pieces)?));
            }
            let copies = || described.into_iter().zip(pieces).map(host_tensor).collect();
            match self {
                Self::Cpu(device, counter) => {
                    counter.during(|| Tensors::from_data(copies(), device)).map(Payload::There)
                }
                Self::Gpu(_) | Self::Host => Ok(Payload::Host(copies())),
            }
        })
    }
}

/// A copy of its own.
fn host_tensor((described, bytes): (Described, &&[u8])) -> (Name, TensorData) {
    let Described { name, shape, dtype } = described;
    (name, data_of(bytes, shape, dtype))
}
