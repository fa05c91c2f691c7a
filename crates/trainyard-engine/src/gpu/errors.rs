//! What a driver reports of a device by itself: a call that it refuses, no memory left, the device lost.
//!
//! wgpu reports these apart from the call that failed, on whichever thread made it, which may be one of
//! Burn's. Burn would panic there, log that, and go on with what was in memory before. So the first is kept,
//! and whoever works with the device asks for it when an action is done: a look at one flag.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wgpu::{DeviceLostReason, Error};

use crate::EngineError;
use crate::fault::in_one_line;

/// The first report of a device.
#[derive(Clone, Debug, Default)]
pub(super) struct DriverErrors(Arc<Record>);

#[derive(Debug, Default)]
struct Record {
    /// Set once there is a first.
    is_there: AtomicBool,
    first: Mutex<Option<String>>,
    is_lost: AtomicBool,
}

impl DriverErrors {
    /// Keeps what is reported of a device from now on. Call it once Burn has the device: Burn sets itself
    /// to be told too, and the last one is.
    pub(super) fn watch(device: &wgpu::Device) -> Self {
        let errors = Self::default();
        let (of_calls, of_device) = (errors.clone(), errors.clone());
        device.on_uncaptured_error(Arc::new(move |error| of_calls.note(in_words(&error))));
        device.set_device_lost_callback(move |reason, message| {
            of_device.0.is_lost.store(true, Ordering::Release);
            of_device.note(lost(reason, &message));
        });
        errors
    }

    fn note(&self, words: String) {
        tracing::debug!("a driver reports: {words}");
        self.first().get_or_insert(words);
        self.0.is_there.store(true, Ordering::Release);
    }

    fn first(&self) -> MutexGuard<'_, Option<String>> {
        self.0.first.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing was reported.
    ///
    /// # Errors
    /// [`EngineError::Driver`] with the first report.
    pub(super) fn check(&self) -> Result<(), EngineError> {
        if !self.0.is_there.load(Ordering::Acquire) {
            return Ok(());
        }
        self.first().as_ref().map_or(Ok(()), |first| Err(EngineError::driver(first)))
    }

    /// Forgets a report of a device that goes on to work. One that is lost stays lost.
    pub(super) fn forget(&self) {
        if !self.0.is_lost.load(Ordering::Acquire) {
            let mut first = self.first();
            *first = None;
            self.0.is_there.store(false, Ordering::Release);
        }
    }
}

/// A report with what helps.
fn in_words(error: &Error) -> String {
    match error {
        Error::OutOfMemory { source } => format!(
            "its driver has no memory left ({}); give it a smaller budget (device.….memory), so that less is \
             planned for it, or end other programs that use it",
            chain(source.as_ref())
        ),
        Error::Validation { description, .. } => {
            format!("its driver refuses a call: {}", in_one_line(description))
        }
        Error::Internal { description, .. } => {
            format!("its driver fails: {}", in_one_line(description))
        }
    }
}

fn lost(reason: DeviceLostReason, message: &str) -> String {
    let message = in_one_line(message);
    let why = match (reason, message.as_str()) {
        (DeviceLostReason::Destroyed, _) => "it was closed",
        (DeviceLostReason::Unknown, "") => "its driver does not say why",
        (DeviceLostReason::Unknown, message) => message,
    };
    format!("the device is lost ({why}): its driver was reset or gave up, or it was taken away")
}

/// An error with what caused it.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let all = std::iter::successors(Some(error), |error| error.source());
    let all: Vec<String> = all.map(ToString::to_string).collect();
    in_one_line(&all.join(": "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_say_what_helps() {
        let no_memory = Error::OutOfMemory { source: "In create_buffer".into() };
        assert_eq!(
            in_words(&no_memory),
            "its driver has no memory left (In create_buffer); give it a smaller budget \
             (device.….memory), so that less is planned for it, or end other programs that use it"
        );
        let description = "Validation Error\n\nCaused by:\n  In copy\n    too long\n".to_owned();
        let refused = Error::Validation { source: "".into(), description };
        let words = "its driver refuses a call: Validation Error  Caused by: In copy too long";
        assert_eq!(in_words(&refused), words);
        assert_eq!(
            lost(DeviceLostReason::Unknown, "Parent device is lost"),
            "the device is lost (Parent device is lost): its driver was reset or gave up, or it was \
             taken away"
        );
    }

    #[test]
    fn the_first_report_is_kept_until_it_is_forgotten() {
        let errors = DriverErrors::default();
        assert!(errors.check().is_ok());
        errors.note("one".to_owned());
        errors.note("two".to_owned());
        assert_eq!(errors.check().unwrap_err().to_string(), "one");
        errors.forget();
        assert!(errors.check().is_ok());
        errors.0.is_lost.store(true, Ordering::Release);
        errors.note("lost".to_owned());
        errors.forget();
        assert_eq!(errors.check().unwrap_err().to_string(), "lost");
    }
}
