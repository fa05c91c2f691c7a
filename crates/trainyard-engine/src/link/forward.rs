//! The link thread: it waits for a device's copies and puts them where the receiver takes them from.

use std::sync::Arc;
use std::time::Instant;

use burn::tensor::{DType, Device as BurnDevice, TensorData};
use crossbeam_channel::{Receiver, Sender};

use super::parcel::{Content, Described, Parcel, read_all};
use super::{Message, Payload, Transfer, elapsed_ns};
use crate::fault::catch_panic;
use crate::gpu::Staging;
use crate::memory::MemoryCounter;
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
) {
    for Parcel { step, action, bytes, content } in inbox {
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
        let sent = Some(Transfer { start_ns, end_ns: elapsed_ns(origin), bytes });
        if onward.send(Message { micro_batch: action.micro_batch, payload, sent }).is_err() {
            return;
        }
    }
}

impl Target {
    fn take(&self, content: Content) -> Result<Payload, EngineError> {
        let (described, download) = match content {
            Content::Staged(described, download) => (described, download),
            Content::Read(reads, points) => return Ok(Payload::Host(read_all(reads, points)?)),
        };
        download.finish(|pieces| match self {
            Self::Gpu(staging) => Ok(Payload::Staged(described, staging.fill(pieces)?)),
            Self::Cpu(device, counter) => counter.during(|| {
                let data = described.into_iter().zip(pieces).map(host_tensor).collect();
                Tensors::from_data(data, device).map(Payload::There)
            }),
            Self::Host => {
                let data = described.into_iter().zip(pieces).map(host_tensor).collect();
                Ok(Payload::Host(data))
            }
        })
    }
}

/// A copy of its own.
fn host_tensor((described, bytes): (Described, &&[u8])) -> (Arc<str>, TensorData) {
    let Described { name, shape, dtype } = described;
    let data = if dtype == DType::F32 {
        // Numbers that lie where numbers may lie: Burn would copy others once more.
        let (words, _) = bytes.as_chunks::<4>();
        let numbers: Vec<f32> = words.iter().map(|word| f32::from_ne_bytes(*word)).collect();
        TensorData::new(numbers, shape)
    } else {
        TensorData::from_bytes_vec(bytes.to_vec(), shape, dtype)
    };
    (name, data)
}
