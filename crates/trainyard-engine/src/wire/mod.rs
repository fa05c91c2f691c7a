//! Formats in which tensors travel between devices: fewer bits than they are computed with.
//!
//! The sender packs floats into words, which go as integers do, and the receiver unpacks them, by kernels of
//! ours where it is a wgpu device. Other tensors go as they are.

mod format;

use std::sync::Arc;

use burn::backend::ops::FloatTensorOps;
use burn::backend::{Dispatch, Wgpu};
use burn::tensor::{DType, Device as BurnDevice, Element, Int, Shape, Tensor, TensorData};
use trainyard_config::WireFormat;
use trainyard_plan::{Action, ActionKind};

use crate::kernels::{self, gpu_ints, gpu_tensor};
use crate::{Device, EngineError, Tensors, Value};

/// Gradients are so small that halves would lose them: they are packed this many times larger than they are
/// without the factor of the loss.
const GRADIENT_SCALE: f32 = 4096.0;

/// What the receiver has to know of packed tensors.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    format: WireFormat,
    scale: f32,
    /// Of every tensor that was packed, in their order; None for others.
    shapes: Vec<Option<Shape>>,
}

/// The end of a link that packs or unpacks.
#[derive(Debug)]
pub(crate) struct Packer {
    device: BurnDevice,
    by_kernel: bool,
    /// By what gradients are multiplied.
    gradient_scale: f32,
}

impl Packer {
    /// On a device.
    pub(crate) fn new(device: &Device) -> Self {
        // Native shaders are none of ours.
        let by_kernel = device.gpu().is_some() && !cfg!(feature = "native-shaders");
        Self { device: device.burn().clone(), by_kernel, gradient_scale: GRADIENT_SCALE }
    }

    /// From now on gradients come this many times larger than they are.
    pub(crate) fn scaled_by(&mut self, loss_scale: f64) {
        self.gradient_scale = (f64::from(GRADIENT_SCALE) / loss_scale) as f32;
    }

    /// Packs the floats among tensors, which are on its device; nothing where they go as they are.
    ///
    /// # Errors
    /// What the driver said, as [`EngineError::Driver`].
    pub(crate) fn pack(
        &self,
        format: WireFormat,
        action: Action,
        tensors: Tensors,
    ) -> Result<(Tensors, Option<Packed>), EngineError> {
        if format == WireFormat::F32 {
            return Ok((tensors, None));
        }
        let is_forward = action.kind == ActionKind::SendForward;
        let scale = if is_forward { 1.0 } else { self.gradient_scale };
        let mut shapes = Vec::new();
        let mut packed = Tensors::new();
        for (name, value) in tensors {
            let is_packed = value.is_float() && value.dtype() == DType::F32;
            shapes.push(is_packed.then(|| value.shape()));
            let value = if is_packed { self.pack_value(format, scale, value)? } else { value };
            packed.insert(name, value);
        }
        Ok((packed, Some(Packed { format, scale, shapes })))
    }

    /// Tensors as they were before they were packed, nearly, on its device.
    ///
    /// # Errors
    /// As [`Self::pack`].
    pub(crate) fn unpack(
        &self,
        tensors: Tensors,
        packed: Option<Packed>,
    ) -> Result<Tensors, EngineError> {
        let Some(Packed { format, scale, shapes }) = packed else { return Ok(tensors) };
        let unpacked = |((name, value), shape): ((Arc<str>, Value), Option<Shape>)| {
            let value = match shape {
                Some(shape) => self.unpack_value(format, scale, value, shape)?,
                None => value,
            };
            Ok((name, value))
        };
        tensors.into_iter().zip(shapes).map(unpacked).collect()
    }

    fn pack_value(
        &self,
        format: WireFormat,
        scale: f32,
        value: Value,
    ) -> Result<Value, EngineError> {
        let numbers = value.flatten()?;
        let words = format::words(format, numbers.dims()[0]);
        if self.by_kernel {
            let packed = kernels::wire::pack(format, &gpu_tensor(numbers)?, words, scale);
            return Ok(Tensor::<1, Int>::from_primitive::<Wgpu>(packed).into());
        }
        let data = Value::from(numbers).into_data()?;
        let packed = format::pack(format, elements(&data)?, scale);
        let packed: Vec<i32> = packed.into_iter().map(u32::cast_signed).collect();
        Value::from_data(TensorData::new(packed, [words]), &self.device)
    }

    fn unpack_value(
        &self,
        format: WireFormat,
        scale: f32,
        value: Value,
        shape: Shape,
    ) -> Result<Value, EngineError> {
        let count = shape.num_elements();
        if self.by_kernel {
            let words = gpu_ints(value.flatten_int()?)?;
            let numbers = kernels::wire::unpack(format, &words, [count].into(), scale);
            let numbers = Tensor::<1>::from_primitive::<Wgpu>(numbers).into_dispatch();
            return Ok(Value::Float(Dispatch::float_reshape(numbers, shape)));
        }
        let data = value.into_data()?;
        let words = elements::<i32>(&data)?.iter().map(|word| word.cast_unsigned());
        let numbers = format::unpack(format, &words.collect::<Vec<_>>(), count, scale);
        Value::from_data(TensorData::new(numbers, shape), &self.device)
    }
}

fn elements<E: Element>(data: &TensorData) -> Result<&[E], EngineError> {
    data.as_slice::<E>().map_err(|error| EngineError::driver(format!("{error:?}")))
}

#[cfg(test)]
mod tests;
