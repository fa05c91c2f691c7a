//! The graphics adapters that tests want, and what happens where one is missing.
#![allow(dead_code, reason = "every test binary uses its own part")]

use trainyard_engine::discover;
use trainyard_plan::{Api, DeviceInfo};

/// Software adapters that `scripts/test.sh` installs: in words, by name and by interface.
pub(crate) const KNOWN: [(&str, &str, Api); 3] = [
    ("llvmpipe over Vulkan", "llvmpipe", Api::Vulkan),
    ("llvmpipe over OpenGL", "llvmpipe", Api::Gl),
    ("SwiftShader", "SwiftShader", Api::Vulkan),
];

/// Those of [`KNOWN`] that this machine has, with their words.
///
/// A missing one is left out, and said so; with `TRAINYARD_REQUIRE_ALL` set it fails the test.
pub(crate) fn known() -> Vec<(&'static str, DeviceInfo)> {
    found(&KNOWN)
}

/// llvmpipe over Vulkan, as [`known`].
pub(crate) fn llvmpipe() -> Option<DeviceInfo> {
    found(&KNOWN[..1]).pop().map(|(_, info)| info)
}

fn found(wanted: &[(&'static str, &str, Api)]) -> Vec<(&'static str, DeviceInfo)> {
    let listed = discover::list(&discover::ListOptions::default());
    let mut found = Vec::new();
    for &(words, name, api) in wanted {
        match listed.iter().find(|info| info.api == api && info.name.contains(name)) {
            Some(info) => found.push((words, info.clone())),
            None => missing(words),
        }
    }
    found
}

fn missing(words: &str) {
    let message = format!("this machine has no {words}; scripts/test.sh installs it");
    assert!(std::env::var_os("TRAINYARD_REQUIRE_ALL").is_none(), "{message}");
    eprintln!("SKIPPED: {message}");
}
