//! When a device came to points in its queue, without the worker's waiting for it there.

mod noticed;
mod own;

use std::time::Instant;

use burn::tensor::Device as BurnDevice;

use super::Gpu;
use crate::EngineError;
use noticed::NoticedClock;
use own::OwnClock;

/// By which clock the times of a device are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceClock {
    /// The host's: the device computes on it, or is waited for after each action.
    Host,
    /// The device's own.
    Own {
        /// By how much its times may be wrong beside the host's, ns.
        error_ns: u64,
    },
    /// The host's, when a thread noticed that the device had come to a point: late by as long as the
    /// thread takes to be woken.
    Noticed,
}

/// Tells the times of one device, in ns since the pipeline's origin.
#[derive(Debug)]
pub(crate) enum Clock {
    Own(OwnClock),
    Noticed(NoticedClock),
}

/// Marks whose times were asked for.
#[derive(Debug)]
pub(crate) enum Reading {
    Own(own::Reading),
    Noticed(usize),
}

impl Clock {
    /// The device's own, where it may be used, or where its queue tells no times a thread that notices.
    ///
    /// # Errors
    /// [`EngineError::Driver`] where the queue should tell them and does not;
    /// [`EngineError::NoThread`].
    pub(crate) fn open(
        gpu: &Gpu,
        burn: &BurnDevice,
        origin: Instant,
        may_be_own: bool,
    ) -> Result<Self, EngineError> {
        if may_be_own && let Some(own) = OwnClock::open(gpu, burn, origin)? {
            return Ok(Self::Own(own));
        }
        NoticedClock::open(gpu, burn, origin).map(Self::Noticed)
    }

    pub(crate) fn kind(&self) -> DeviceClock {
        match self {
            Self::Own(own) => DeviceClock::Own { error_ns: own.error_ns() },
            Self::Noticed(_) => DeviceClock::Noticed,
        }
    }

    /// Marks the point behind all that the device was asked for so far; gives the mark's number.
    ///
    /// # Errors
    /// [`EngineError::Driver`].
    pub(crate) fn mark(&mut self) -> Result<usize, EngineError> {
        match self {
            Self::Own(own) => own.mark(),
            Self::Noticed(noticed) => noticed.mark(),
        }
    }

    /// Asks for all marks so far, which are then forgotten.
    pub(crate) fn begin_read(&mut self) -> Reading {
        match self {
            Self::Own(own) => Reading::Own(own.begin_read()),
            Self::Noticed(noticed) => Reading::Noticed(noticed.begin_read()),
        }
    }

    /// The times of the marks, in their order. Waits for no more than them.
    ///
    /// # Errors
    /// [`EngineError::Driver`].
    pub(crate) fn finish_read(&mut self, reading: &Reading) -> Result<Vec<u64>, EngineError> {
        match (self, reading) {
            (Self::Own(own), Reading::Own(reading)) => own.finish_read(reading),
            (Self::Noticed(noticed), Reading::Noticed(marks)) => noticed.finish_read(*marks),
            _ => Err(EngineError::internal("marks of another clock")),
        }
    }
}
