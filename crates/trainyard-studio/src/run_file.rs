//! Run files that the studio makes: a built-in training for devices that a person chose.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use trainyard_plan::DeviceInfo;

use crate::document::Document;
use crate::open::RUN_FILE;

/// How a run file begins that the studio makes.
pub(crate) const HEAD: &str = "# Made by Trainyard Studio. Every key that is not here has a default.\n\
                               #\n#     trainyard train run.toml\n\n";

/// A model that a run file can be made for without asking anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Starter {
    /// A GPT that trains on two cores in a minute.
    Small,
    /// A GPT for a laptop with a graphics card.
    Medium,
    /// A GPT for two graphics cards.
    Large,
}

impl Starter {
    /// All of them, the smallest first.
    pub(crate) const ALL: [Self; 3] = [Self::Small, Self::Medium, Self::Large];

    /// What it is, for a person.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "GPT, 4 layers × 128 (a minute on two cores)",
            Self::Medium => "GPT, 12 layers × 512 (a laptop)",
            Self::Large => "GPT, 24 layers × 1024 (two graphics cards)",
        }
    }

    /// The sections of its run file without the devices.
    fn sections(self) -> &'static str {
        match self {
            Self::Small => {
                "[model]\nkind = \"gpt\"\nlayers = 4\nheads = 4\nwidth = 128\ncontext = 64\n\n\
                 [data]\nbuiltin = \"yard\"      # or: text = \"my.txt\"\n\n\
                 [train]\nsteps = 400\nbatch = 12\nmicro_batches = 4\nlearning_rate = 2e-3\n\
                 warmup = 40\nvalidate_every = 100\nvalidate_batches = 10\n\
                 validate_whole_at_end = false\ncheckpoint_every = 100\n"
            }
            Self::Medium => {
                "[model]\nkind = \"gpt\"\nlayers = 12\nheads = 8\nwidth = 512\ncontext = 128\n\n\
                 [data]\nbuiltin = \"yard\"      # or: text = \"my.txt\"\n\n\
                 [train]\nsteps = 2000\nbatch = 24\nmicro_batches = 6\nlearning_rate = 5e-4\n\
                 checkpoint_every = 250\n"
            }
            Self::Large => {
                "[model]\nkind = \"gpt\"\nlayers = 24\nheads = 16\nwidth = 1024\ncontext = 256\n\n\
                 [data]\nbuiltin = \"yard\"      # or: text = \"my.txt\"\n\n\
                 [train]\nsteps = 5000\nbatch = 32\nmicro_batches = 8\nlearning_rate = 3e-4\n\
                 checkpoint_every = 500\n"
            }
        }
    }
}

/// A `[[device]]` of a run file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Letters, digits, `-` and `_`; unique.
    pub id: String,
    /// As `trainyard devices` prints it.
    pub adapter: String,
    /// Budget, bytes; what the device reports where there is none.
    pub memory_bytes: Option<u64>,
}

/// Entries for devices. A single one gets two entries with half of its memory each: a pipeline to look at has two
/// ranks or more.
#[must_use]
pub(crate) fn entries(devices: &[&DeviceInfo]) -> Vec<Entry> {
    let [device] = devices else { return entry_each(devices) };
    let half = entry_each(devices).first().and_then(|it| it.memory_bytes).map(|bytes| bytes / 2);
    let entry =
        |id: &str| Entry { id: id.to_owned(), adapter: device.adapter.clone(), memory_bytes: half };
    vec![entry("left"), entry("right")]
}

/// An entry for each device.
#[must_use]
pub(crate) fn entry_each(devices: &[&DeviceInfo]) -> Vec<Entry> {
    let is_of_machine =
        |device: &DeviceInfo| matches!(device.kind.text(), "cpu" | "software" | "integrated");
    let sharing = devices.iter().filter(|device| is_of_machine(device)).count() as u64;
    let budget = |device: &DeviceInfo| {
        let known = device.memory.free_bytes.or(device.memory.total_bytes)?;
        // Some is left to the desktop and whatever else runs; what has no memory of its own shares the machine's.
        let shared_by = if is_of_machine(device) { sharing } else { 1 };
        Some(known / 10 * 8 / shared_by.max(1))
    };
    let mut entries: Vec<Entry> = Vec::new();
    for device in devices {
        let kind = match device.kind.text() {
            "discrete" => "dgpu",
            "integrated" => "igpu",
            kind => kind,
        };
        let mut id = kind.to_owned();
        let mut number = 2;
        while entries.iter().any(|entry| entry.id == id) {
            id = format!("{kind}{number}");
            number += 1;
        }
        let adapter = device.adapter.clone();
        entries.push(Entry { id, adapter, memory_bytes: budget(device) });
    }
    entries
}

/// The text of a run file.
#[must_use]
pub(crate) fn text(model: Starter, devices: &[Entry]) -> String {
    let mut text = String::from(HEAD);
    text.push_str(model.sections());
    self::devices(&mut text, devices);
    text
}

/// Adds the devices; without any the program takes what the machine has.
pub(crate) fn devices(text: &mut String, devices: &[Entry]) {
    if devices.is_empty() {
        return;
    }
    text.push_str("\n# The model's layers are split over these.\n");
    for Entry { id, adapter, memory_bytes } in devices {
        // Writing to a String cannot fail.
        let _ = write!(text, "[[device]]\nid = {}\nadapter = {}\n", quoted(id), quoted(adapter));
        if let Some(bytes) = memory_bytes {
            let _ = writeln!(text, "memory = \"{} MiB\"", (bytes >> 20).max(1));
        }
        text.push('\n');
    }
}

/// The built-in training on two halves of the CPU, which every machine has.
#[must_use]
pub(crate) fn on_the_cpu() -> String {
    let half = |id: &str| Entry {
        id: id.to_owned(),
        adapter: "cpu".to_owned(),
        memory_bytes: Some(512 << 20),
    };
    text(Starter::Small, &[half("left"), half("right")])
}

/// The first unused directory of that name in a folder: `my-run`, `my-run-2`, ….
#[must_use]
pub(crate) fn free_directory(folder: &Path, name: &str) -> PathBuf {
    let numbered = |number: u32| match number {
        1 => folder.join(name),
        _ => folder.join(format!("{name}-{number}")),
    };
    (1..10_000).map(numbered).find(|path| !path.exists()).unwrap_or_else(|| numbered(1))
}

/// Whether a folder has a run file.
#[must_use]
pub(crate) fn has_run_file(folder: &Path) -> bool {
    folder.join(RUN_FILE).exists()
}

/// What of the run file the document's arrangement changes, as `--set` takes it.
#[must_use]
pub(crate) fn sets(document: &Document) -> Vec<String> {
    let (profile, arrangement) = (document.profile(), document.arrangement());
    let mut sets = Vec::new();
    if arrangement.micro_batches != profile.micro_batches {
        sets.push(format!("train.micro_batches={}", arrangement.micro_batches));
    }
    for (device, bytes) in profile.devices.iter().zip(&arrangement.memory_bytes) {
        if device.memory_bytes != *bytes {
            sets.push(format!("device.{}.memory={}", device.id, quoted(&format!("{bytes} B"))));
        }
    }
    sets
}

/// A string as TOML writes it.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            control if control.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(control));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Edit;
    use trainyard_plan::FileKind;

    #[test]
    fn edits_that_the_run_file_does_not_have_are_set() {
        let mut document = Document::example().unwrap();
        assert_eq!(sets(&document), Vec::<String>::new());
        let count = document.profile().micro_batches * 2;
        document.edit(&Edit::MicroBatches(count)).unwrap();
        let id = document.profile().devices[0].id.clone();
        document.edit(&Edit::Memory { device: 0, bytes: 1 << 40 }).unwrap();
        let memory = format!("device.{id}.memory=\"1099511627776 B\"");
        assert_eq!(sets(&document), [format!("train.micro_batches={count}"), memory]);
    }

    fn device(adapter: &str, kind: &str, free: u64) -> DeviceInfo {
        serde_json::from_value(serde_json::json!({
            "index": 0, "adapter": adapter, "name": "It", "kind": kind, "api": "vulkan",
            "also": [], "driver": "", "vendor": "", "pci_bus_id": "",
            "memory": {"total_bytes": null, "free_bytes": free, "source": "reported"},
            "max_buffer_bytes": 1, "f16": false, "timestamps": false,
            "compute": {"result": "works"},
        }))
        .unwrap()
    }

    #[test]
    fn devices_of_one_kind_get_names_of_their_own() {
        let devices = [
            device("vulkan:A", "discrete", 10 << 30),
            device("vulkan:B", "discrete", 10 << 30),
            device("cpu", "cpu", 10 << 30),
        ];
        let made = entries(&devices.iter().collect::<Vec<_>>());
        let ids: Vec<&str> = made.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(ids, ["dgpu", "dgpu2", "cpu"]);
        assert_eq!(made[0].memory_bytes, Some((10u64 << 30) / 10 * 8));
        // The machine's memory is there once.
        let shared = [device("vulkan:L", "software", 10 << 30), device("cpu", "cpu", 10 << 30)];
        let shared = entries(&shared.iter().collect::<Vec<_>>());
        let sum: u64 = shared.iter().filter_map(|entry| entry.memory_bytes).sum();
        assert_eq!(sum, (10u64 << 30) / 10 * 8);
    }

    #[test]
    fn a_single_device_is_two() {
        let made = entries(&[&device("cpu", "cpu", 10 << 30)]);
        assert_eq!(made.len(), 2);
        assert_eq!(made[0].memory_bytes, Some((10u64 << 30) / 10 * 4));
        assert_eq!(entry_each(&[&device("vulkan:A", "discrete", 10 << 30)]).len(), 1);
    }

    #[test]
    fn what_is_made_is_known_as_a_run_file() {
        let text = on_the_cpu();
        assert_eq!(FileKind::of(text.as_bytes()), FileKind::RunFile);
        assert!(text.contains("id = \"left\"\nadapter = \"cpu\"\nmemory = \"512 MiB\""), "{text}");
        assert_eq!(quoted("a \"b\" \\ \n"), r#""a \"b\" \\ \u000A""#);
    }
}
