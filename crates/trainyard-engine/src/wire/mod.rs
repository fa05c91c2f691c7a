//! Formats in which tensors travel between devices: fewer bits than they are computed with.
//!
//! The sender packs floats into words, which go as integers do, and the receiver unpacks them. Other
//! tensors go as they are.

mod format;

use std::sync::Arc;

use burn::tensor::{DType, Device as BurnDevice, Shape, TensorData};
use trainyard_config::WireFormat;
use trainyard_plan::{Action, ActionKind};

use crate::{EngineError, Tensors, Value};

/// Gradients are so small that halves would lose them: they are packed this many times larger.
const GRADIENT_SCALE: f32 = 4096.0;

/// What the receiver has to know of packed tensors.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    format: WireFormat,
    scale: f32,
    /// Of every tensor that was packed, in their order; None for others.
    shapes: Vec<Option<Shape>>,
}

/// Packs the floats among tensors, which are on a device; nothing where they go as they are.
///
/// # Errors
/// What the driver said, as [`EngineError::Driver`].
pub(crate) fn pack(
    format: WireFormat,
    action: Action,
    tensors: Tensors,
    device: &BurnDevice,
) -> Result<(Tensors, Option<Packed>), EngineError> {
    if format == WireFormat::F32 {
        return Ok((tensors, None));
    }
    let scale = if action.kind == ActionKind::SendForward { 1.0 } else { GRADIENT_SCALE };
    let mut shapes = Vec::new();
    let mut packed = Tensors::new();
    for (name, value) in tensors {
        let is_packed = value.is_float() && value.dtype() == DType::F32;
        shapes.push(is_packed.then(|| value.shape()));
        let value = if is_packed { pack_value(format, scale, value, device)? } else { value };
        packed.insert(name, value);
    }
    Ok((packed, Some(Packed { format, scale, shapes })))
}

/// Tensors as they were before they were packed, nearly.
///
/// # Errors
/// As [`pack`].
pub(crate) fn unpack(
    tensors: Tensors,
    packed: Option<Packed>,
    device: &BurnDevice,
) -> Result<Tensors, EngineError> {
    let Some(Packed { format, scale, shapes }) = packed else { return Ok(tensors) };
    let unpacked = |((name, value), shape): ((Arc<str>, Value), Option<Shape>)| {
        let value = match shape {
            Some(shape) => unpack_value(format, scale, value, shape, device)?,
            None => value,
        };
        Ok((name, value))
    };
    tensors.into_iter().zip(shapes).map(unpacked).collect()
}

fn pack_value(
    format: WireFormat,
    scale: f32,
    value: Value,
    device: &BurnDevice,
) -> Result<Value, EngineError> {
    let data = value.into_data()?;
    let numbers =
        data.as_slice::<f32>().map_err(|error| EngineError::driver(format!("{error:?}")))?;
    let shape = [format::words(format, numbers.len())];
    let words = format::pack(format, numbers, scale);
    let words: Vec<i32> = words.into_iter().map(u32::cast_signed).collect();
    Value::from_data(TensorData::new(words, shape), device)
}

fn unpack_value(
    format: WireFormat,
    scale: f32,
    value: Value,
    shape: Shape,
    device: &BurnDevice,
) -> Result<Value, EngineError> {
    let data = value.into_data()?;
    let words =
        data.as_slice::<i32>().map_err(|error| EngineError::driver(format!("{error:?}")))?;
    let words: Vec<u32> = words.iter().copied().map(i32::cast_unsigned).collect();
    let numbers = format::unpack(format, &words, shape.num_elements(), scale);
    Value::from_data(TensorData::new(numbers, shape), device)
}
