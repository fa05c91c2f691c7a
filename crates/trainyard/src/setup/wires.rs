//! The formats in which tensors travel, by the device that sends.

use std::collections::BTreeMap;

use trainyard_engine::Precision;

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

    /// The format of what a device sends, and those to other devices where they differ. Each device is given
    /// with the numbers in which it computes.
    pub(super) fn of_sender<'a>(
        &self,
        (id, precision): (&str, Precision),
        others: impl Iterator<Item = (&'a String, &'a Precision)>,
    ) -> (WireFormat, BTreeMap<String, WireFormat>) {
        let to_other = |(to, of_other): (&String, &Precision)| {
            let asked = self.links.get(&(id.to_owned(), to.clone())).copied().unwrap_or(self.all);
            let format = asked.between([precision, *of_other]);
            (to != id && format != self.all).then(|| (to.clone(), format))
        };
        (self.all, others.filter_map(to_other).collect())
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

    /// What a device sends that computes in a precision, and to whom; the other computes in f32.
    fn sent(
        wires: &Wires,
        id: &str,
        precision: Precision,
    ) -> (WireFormat, BTreeMap<String, WireFormat>) {
        let ids = ["left".to_owned(), "right".to_owned()];
        let precisions = [Precision::F32; 2];
        wires.of_sender((id, precision), ids.iter().zip(&precisions))
    }

    #[test]
    fn a_link_may_have_a_format_of_its_own() {
        let wires = wires(&["left > right = q8"]).unwrap();
        let to_right = BTreeMap::from([("right".to_owned(), WireFormat::Q8)]);
        assert_eq!(sent(&wires, "left", Precision::F32), (WireFormat::F16, to_right));
        assert_eq!(sent(&wires, "right", Precision::F32), (WireFormat::F16, BTreeMap::new()));
    }

    #[test]
    fn tensors_travel_in_no_more_bits_than_the_narrower_end_computes_in() {
        let none = Wires { all: WireFormat::F32, links: BTreeMap::new() };
        let to = |id: &str, format| BTreeMap::from([(id.to_owned(), format)]);
        let f16 = (WireFormat::F32, to("left", WireFormat::F16));
        assert_eq!(sent(&none, "right", Precision::F16), f16);
        let bf16 = (WireFormat::F32, to("right", WireFormat::Bf16));
        assert_eq!(sent(&none, "left", Precision::Bf16), bf16);
        assert_eq!(sent(&none, "left", Precision::F32), (WireFormat::F32, BTreeMap::new()));
        // Fewer still, or as few, are as they were asked for.
        let asked = wires(&["left > right = q8", "right > left = bf16"]).unwrap();
        assert_eq!(sent(&asked, "left", Precision::F16).1, to("right", WireFormat::Q8));
        assert_eq!(sent(&asked, "right", Precision::F16).1, to("left", WireFormat::Bf16));
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
