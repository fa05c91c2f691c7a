//! How much of a transfer hides behind what the receiver computes meanwhile.

use std::sync::mpsc;
use std::time::Instant;

use burn::tensor::{Tensor, TensorData};
use trainyard_plan::Action;
use trainyard_plan::compare::median;

use super::links::leave;
use super::over_link::over_link;
use crate::activity::Activity;
use crate::link::{Inlet, Outlet};
use crate::{Device, EngineError, Tensors, Value};

/// Side of the square matrices that the receiver multiplies.
const SIDE: usize = 256;
/// Times that each is measured; the first does not count.
const ROUNDS: usize = 8;

/// The share of a transfer of some bytes that the receiver does not notice while it computes for about
/// as long: 1 where both together take as long as computing alone, 0 where they take as long as one
/// after the other.
///
/// # Errors
/// [`EngineError::Measure`] when a device fails.
pub fn hidden_share(from: &Device, to: &Device, bytes: usize) -> Result<f64, EngineError> {
    let (ask, asked) = mpsc::channel();
    over_link(
        (from, to),
        Instant::now(),
        move |outlet| send_all(from, bytes, &outlet, &asked),
        move |mut inlet| receive_all(to, &mut inlet, &ask),
    )
}

/// Sends whenever it is asked to.
fn send_all(
    device: &Device,
    bytes: usize,
    outlet: &Outlet,
    asked: &mpsc::Receiver<usize>,
) -> Result<(), EngineError> {
    let elements = bytes / 4;
    let data = TensorData::new(vec![1.0_f32; elements], [elements]);
    let tensor = Tensors::new().with("x", Value::from_data(data, device.burn())?);
    device.wait()?;
    for round in asked {
        outlet.send(0, Action::forward(0, round), tensor.clone())?;
    }
    leave(device);
    Ok(())
}

fn receive_all(
    device: &Device,
    inlet: &mut Inlet,
    ask: &mpsc::Sender<usize>,
) -> Result<f64, EngineError> {
    let values = TensorData::new(vec![0.5_f32 / SIDE as f32; SIDE * SIDE], [SIDE, SIDE]);
    let matrix = Tensor::<2>::from_data(values, device.burn());
    let (mut next, activity) = (0.., Activity::default());
    let mut begin = || {
        let round = next.next().unwrap_or_default();
        ask.send(round).map(|()| round).map_err(|_| EngineError::NeighbourStopped)
    };
    let compute = |products: usize| {
        let product = (0..products).fold(matrix.clone(), |x, _| x.matmul(matrix.clone()));
        device.flush().map(|()| product)
    };
    let transfer_us = median_us(|| {
        let round = begin()?;
        let arrived = inlet.receive(round, &activity)?;
        device.wait()?;
        drop(arrived);
        Ok(())
    })?;
    let products_us = |products| {
        median_us(|| {
            let product = compute(products)?;
            device.wait()?;
            drop(product);
            Ok(())
        })
    };
    let products = (transfer_us / products_us(1)?.max(1.0)).ceil().clamp(1.0, 1e4) as usize;
    let computing_us = products_us(products)?;
    let both_us = median_us(|| {
        let round = begin()?;
        let product = compute(products)?;
        let arrived = inlet.receive(round, &activity)?;
        device.wait()?;
        drop((product, arrived));
        Ok(())
    })?;
    leave(device);
    Ok(((computing_us + transfer_us - both_us) / transfer_us.max(1.0)).clamp(0.0, 1.0))
}

fn median_us(mut once: impl FnMut() -> Result<(), EngineError>) -> Result<f64, EngineError> {
    let mut times = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let started = Instant::now();
        once()?;
        if round > 0 {
            times.push(started.elapsed().as_nanos() as f64 / 1e3);
        }
    }
    Ok(median(times))
}
