//! A tensor on its way to the host.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use burn::tensor::{Bool, Int, Tensor, TensorData};

use super::Value;
use crate::EngineError;

/// A copy to the host that the device was asked for.
pub(crate) enum HostRead {
    Asked(Asked),
    Done(Result<TensorData, EngineError>),
}

type Asked = Pin<Box<dyn Future<Output = Result<TensorData, EngineError>> + Send>>;

impl HostRead {
    /// Asks for the copy behind all that the device was asked for so far.
    pub(crate) fn begin(value: Value) -> Self {
        let mut asked: Asked = Box::pin(async move {
            match value {
                Value::Float(tensor) => Tensor::<1>::from_dispatch(tensor).into_data_async().await,
                Value::Int(tensor) => {
                    Tensor::<1, Int>::from_dispatch(tensor).into_data_async().await
                }
                Value::Bool(tensor) => {
                    Tensor::<1, Bool>::from_dispatch(tensor).into_data_async().await
                }
            }
            .map_err(EngineError::driver)
        });
        // Burn asks when it is first polled.
        match asked.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => Self::Done(done),
            Poll::Pending => Self::Asked(asked),
        }
    }

    /// The values, once the device has copied them.
    ///
    /// # Errors
    /// What the driver said, as [`EngineError::Driver`].
    pub(crate) fn finish(self) -> Result<TensorData, EngineError> {
        match self {
            Self::Asked(asked) => pollster::block_on(asked),
            Self::Done(done) => done,
        }
    }
}
