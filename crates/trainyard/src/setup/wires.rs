//! The formats in which tensors travel, by the device that sends.

use std::collections::BTreeMap;

use crate::config::{DeviceSection, PipelineSection, WireFormat};
use crate::error::RunError;

/// The formats of a run file.
pub(super) struct Wires {
    all: WireFormat,
    /// By the devices that send and receive.
    links: BTreeMap<(String, String), WireFormat>,
}

impl Wires {
    /// Those of `pipeline.wire` and `pipeline.wires`.
    ///
    /// # Errors
    /// [`RunError::BadValue`] for a link of another form, between devices that are not there, or named
    /// twice.
    pub(super) fn of(
        pipeline: &PipelineSection,
        devices: &[DeviceSection],
    ) -> Result<Self, RunError> {
        let mut links = BTreeMap::new();
        for wire in &pipeline.wires {
            let refuse = |must: String| RunError::BadValue {
                key: "pipeline.wires".to_owned(),
                value: format!("'{wire}'"),
                must,
            };
            let parts = wire.split_once('=').and_then(|(ends, format)| {
                let (from, to) = ends.split_once('>')?;
                Some((from.trim().to_owned(), to.trim().to_owned(), format.trim()))
            });
            let form = || refuse("FROM>TO=FORMAT, such as left>right=f16".to_owned());
            let (from, to, format) = parts.ok_or_else(form)?;
            let is_known = |id: &String| devices.iter().any(|device| device.id == *id);
            if !(is_known(&from) && is_known(&to)) || from == to {
                let ids: Vec<_> = devices.iter().map(|device| device.id.as_str()).collect();
                return Err(refuse(format!("between two of the devices {}", ids.join(", "))));
            }
            let format = WireFormat::named(format);
            let format = format.map_err(|known| refuse(format!("of a format: {known}")))?;
            if links.insert((from, to), format).is_some() {
                return Err(refuse("of a link that is named once".to_owned()));
            }
        }
        Ok(Self { all: pipeline.wire, links })
    }

    /// The format of what a device sends, and those to some other devices.
    pub(super) fn of_sender(&self, id: &str) -> (WireFormat, BTreeMap<String, WireFormat>) {
        let sent = self.links.iter().filter(|((from, _), _)| from == id);
        (self.all, sent.map(|((_, to), format)| (to.clone(), *format)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wires(of: &[&str]) -> Result<Wires, RunError> {
        let wires = of.iter().map(ToString::to_string).collect();
        let pipeline = PipelineSection { wire: WireFormat::F16, wires, ..Default::default() };
        let device = |id: &str| DeviceSection { id: id.to_owned(), ..Default::default() };
        Wires::of(&pipeline, &[device("left"), device("right")])
    }

    #[test]
    fn a_link_may_have_a_format_of_its_own() {
        let wires = wires(&["left > right = q8"]).unwrap();
        let to_right = BTreeMap::from([("right".to_owned(), WireFormat::Q8)]);
        assert_eq!(wires.of_sender("left"), (WireFormat::F16, to_right));
        assert_eq!(wires.of_sender("right"), (WireFormat::F16, BTreeMap::new()));
    }

    #[test]
    fn other_links_are_refused_with_what_there_is() {
        for (wire, says) in [
            ("left=q8", "FROM>TO=FORMAT"),
            ("left>right", "FROM>TO=FORMAT"),
            ("left>middle=q8", "between two of the devices left, right"),
            ("left>left=q8", "between two of the devices"),
            ("left>right=int4", "of a format: f32, f16, bf16, q8"),
        ] {
            let error = wires(&[wire]).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(says), "{wire}: {error}");
        }
        assert!(wires(&["left>right=q8", "left>right=f16"]).is_err());
    }
}
