//! What is known of the devices of a machine: the types behind `trainyard devices --json`.

use serde::{Deserialize, Serialize};

/// The kind of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// A graphics card with memory of its own.
    Discrete,
    /// A graphics unit that shares the system's memory.
    Integrated,
    /// A graphics card of a virtual machine.
    Virtual,
    /// A graphics API drawn by the CPU (llvmpipe, SwiftShader, WARP).
    Software,
    /// The CPU itself, through Burn's own CPU backend.
    Cpu,
    /// Something the driver does not name.
    Other,
}

/// The interface a device is reached through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// Vulkan.
    Vulkan,
    /// Metal.
    Metal,
    /// Direct3D 12.
    Dx12,
    /// OpenGL or OpenGL ES.
    Gl,
    /// No graphics API: the CPU.
    Cpu,
}

impl Api {
    /// The lower-case name used in run files: `vulkan`, `metal`, `dx12`, `gl`, `cpu`.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Vulkan => "vulkan",
            Self::Metal => "metal",
            Self::Dx12 => "dx12",
            Self::Gl => "gl",
            Self::Cpu => "cpu",
        }
    }
}

impl DeviceKind {
    /// The lower-case name used in run files: `discrete`, `integrated`, ….
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Software => "software",
            Self::Cpu => "cpu",
            Self::Other => "other",
        }
    }
}

/// The source of a memory figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemorySource {
    /// The driver or the operating system said so.
    Reported,
    /// Worked out from something else, such as the system's memory.
    Estimated,
    /// Nobody says.
    Unknown,
}

/// A device's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryInfo {
    /// All of it, in bytes.
    pub total_bytes: Option<u64>,
    /// Free now, in bytes.
    pub free_bytes: Option<u64>,
    /// The source of the figures.
    pub source: MemorySource,
}

/// Result of a small compute kernel that was run on the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum ComputeProbe {
    /// The right answer.
    Works,
    /// No answer, a wrong one, or a crash of the driver.
    Fails {
        /// The fault, in words.
        reason: String,
    },
    /// Nobody tried (`--no-probe`).
    NotProbed,
}

/// One device of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// Position in the list; a run file may say `adapter = "1"`.
    pub index: usize,
    /// The text that selects exactly this device in a run file, for example `vulkan:llvmpipe`.
    pub adapter: String,
    /// The driver's name for it.
    pub name: String,
    /// Its kind.
    pub kind: DeviceKind,
    /// The interface it is reached through.
    pub api: Api,
    /// Other interfaces to the same physical card, folded into this entry.
    pub also: Vec<Api>,
    /// Driver name and version.
    pub driver: String,
    /// Vendor in words, or its PCI number.
    pub vendor: String,
    /// PCI address (`0000:01:00.0`), empty where there is none.
    pub pci_bus_id: String,
    /// Its memory.
    pub memory: MemoryInfo,
    /// The largest single buffer, in bytes.
    pub max_buffer_bytes: u64,
    /// The most of a buffer that a kernel can be given at once, in bytes, where that is limited too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_binding_bytes: Option<u64>,
    /// What a tensor's place in a buffer is a multiple of, in bytes, where there is such a rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffer_alignment_bytes: Option<u64>,
    /// Set where shaders may use 16-bit floats.
    pub f16: bool,
    /// Set where it can time its own work.
    pub timestamps: bool,
    /// The result of the compute probe.
    pub compute: ComputeProbe,
}

impl DeviceInfo {
    /// The largest tensor that it can have, in bytes: one that fits into a buffer with what aligns it, and
    /// that a kernel can be given whole. None where there is no limit but memory, as for the CPU.
    #[must_use]
    pub fn max_tensor_bytes(&self) -> Option<u64> {
        if self.api == Api::Cpu {
            return None;
        }
        let binding = self.max_binding_bytes.unwrap_or(u64::MAX);
        let alignment = self.buffer_alignment_bytes.unwrap_or(1).max(1);
        Some(self.max_buffer_bytes.min(binding) / alignment * alignment)
    }
}

/// The list that `trainyard devices --json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceList {
    /// `trainyard-devices`.
    pub format: String,
    /// 1.
    pub version: u64,
    /// The devices, best first; the CPU is last.
    pub devices: Vec<DeviceInfo>,
    /// The ways between them, where they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<DeviceLink>,
}

/// The way from a device to another, as `trainyard devices --links` finds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceLink {
    /// The adapter that sends.
    pub from: String,
    /// The adapter that receives.
    pub to: String,
    /// How tensors get there, in words.
    pub way: String,
    /// What the smallest transfer takes, ns.
    pub latency_ns: u64,
    /// What a second moves of a large one, bytes.
    pub bytes_per_s: u64,
}

impl DeviceList {
    /// The value of `format`.
    pub const FORMAT: &'static str = "trainyard-devices";
    /// The value of `version`.
    pub const VERSION: u64 = 1;

    /// A list of this version.
    #[must_use]
    pub fn new(devices: Vec<DeviceInfo>) -> Self {
        let format = Self::FORMAT.to_owned();
        Self { format, version: Self::VERSION, devices, links: Vec::new() }
    }
}
