//! Background jobs: files that are read and written, programs that answer.

use trainyard_plan::DeviceList;

use crate::effect::Effect;
use crate::event::Question;
use crate::message::{JobsMessage, Message};
use crate::under_way::{Inquiry, Inspection, Reading, Writing};

/// Background jobs, one of each kind at a time.
#[derive(Default)]
pub struct Jobs {
    reading: Option<Reading>,
    inspection: Option<Inspection>,
    /// One of each sort of question.
    inquiries: Vec<Inquiry>,
    writing: Option<Writing>,
    devices: Option<DeviceList>,
}

impl Jobs {
    /// Takes a message.
    pub fn update(&mut self, message: JobsMessage) -> Vec<Effect> {
        match message {
            JobsMessage::Reading(reading) => self.reading = Some(reading),
            JobsMessage::Inspecting(inspection) => self.inspection = Some(inspection),
            JobsMessage::Asked(inquiry) => {
                self.inquiries.retain(|it| !it.question.is_like(&inquiry.question));
                self.inquiries.push(inquiry);
            }
            JobsMessage::Writing(writing) => self.writing = Some(writing),
            JobsMessage::Cancel => {
                (self.reading, self.inspection, self.writing) = (None, None, None);
                self.inquiries.iter_mut().for_each(|inquiry| inquiry.task.cancel());
            }
            JobsMessage::Devices(devices) => self.devices = Some(*devices),
            JobsMessage::ForgetDevices => {
                self.inquiries.retain(|inquiry| inquiry.question != Question::Devices);
            }
        }
        Vec::new()
    }

    /// Outcomes of finished jobs.
    pub fn poll(&mut self) -> Vec<Message> {
        let mut events = Vec::new();
        if let Some(event) = self.reading.as_ref().and_then(Reading::poll) {
            self.reading = None;
            events.push(event);
        }
        if let Some(event) = self.inspection.as_ref().and_then(Inspection::poll) {
            self.inspection = None;
            events.push(event);
        }
        self.inquiries.retain_mut(|inquiry| {
            let answer = inquiry.poll();
            let goes_on = answer.is_none();
            events.extend(answer);
            goes_on
        });
        if let Some(event) = self.writing.as_ref().and_then(Writing::poll) {
            self.writing = None;
            events.push(event);
        }
        events.into_iter().map(Message::from).collect()
    }

    /// The jobs under way, in words.
    #[must_use]
    pub fn under_way(&self) -> Vec<String> {
        let all = [
            self.reading.as_ref().map(|it| it.job.what()),
            self.inspection.as_ref().map(|it| it.job.what()),
            self.writing.as_ref().map(|it| it.job.what()),
        ];
        let asked = self.inquiries.iter().map(|it| it.task.what());
        all.into_iter().flatten().chain(asked).map(str::to_owned).collect()
    }

    /// Whether anything is under way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        let reads = self.reading.is_some() || self.inspection.is_some();
        reads || self.writing.is_some() || !self.inquiries.is_empty()
    }

    /// Whether a program is being asked or is about to be.
    #[must_use]
    pub fn asks_program(&self) -> bool {
        !self.inquiries.is_empty() || self.inspection.is_some()
    }

    /// Whether the machine's devices are being looked for.
    #[must_use]
    pub fn looks_for_devices(&self) -> bool {
        self.inquiries.iter().any(|inquiry| inquiry.question == Question::Devices)
    }

    /// The devices of this machine, as listed last.
    #[must_use]
    pub fn devices(&self) -> Option<&DeviceList> {
        self.devices.as_ref()
    }
}
