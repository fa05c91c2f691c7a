//! From the batches of a data source to micro-batches of the engine.

use burn::tensor::TensorData;
use trainyard_data::{Batch, HostTensor};
use trainyard_engine::MicroBatch;

/// All rows of a batch as one micro-batch.
#[must_use]
pub fn micro_batch(batch: Batch) -> MicroBatch {
    let rows = batch.rows;
    let tensors = batch.tensors.into_iter().map(|(name, tensor)| (name.into(), data(tensor)));
    MicroBatch { tensors: tensors.collect(), rows, ..MicroBatch::default() }
}

fn data(tensor: HostTensor) -> TensorData {
    match tensor {
        HostTensor::F32 { shape, values } => TensorData::new(values, shape),
        HostTensor::I32 { shape, values } => TensorData::new(values, shape),
        HostTensor::Bool { shape, values } => TensorData::new(values, shape),
    }
}
