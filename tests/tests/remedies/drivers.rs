//! Drivers that crash, vanish, lose their device or have no memory left: what the messages say is done.
//!
//! The driver is made for it (`driver.c`), and hands all else to llvmpipe's.

use std::path::{Path, PathBuf};
use std::process::Command;

use trainyard_tests::running::Running;
use trainyard_tests::{
    NO_LOCK, Place, assert_says, read, require, run_fails, run_ok, set, train_command, trainyard,
    write,
};

use crate::{between, paste, plan};

/// The driver that fails as told, and the one that it stands before.
struct Faulty {
    real_manifest: PathBuf,
    real: String,
    manifest: PathBuf,
}

impl Faulty {
    /// None where there is no such driver, or nothing to build one with.
    fn new(place: &Place) -> Option<Self> {
        let folder = Path::new("/usr/share/vulkan/icd.d");
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut manifests = entries.map(|entry| entry.path());
        let real_manifest = manifests.find(|path| path.to_string_lossy().contains("/lvp_icd."))?;
        let text = read(&real_manifest);
        let real = between(between(&text, "\"library_path\"", "\n"), "\"", "\"").to_owned();
        let (source, library) = (place.path("driver.c"), place.path("libfaulty.so"));
        write(&source, include_str!("driver.c"));
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl");
        if !compiler.status().is_ok_and(|status| status.success()) {
            return None;
        }
        let manifest = place.path("faulty.json");
        write(&manifest, text.replace(&real, &library.display().to_string()));
        Some(Self { real_manifest, real, manifest })
    }

    /// A command to which this is the only Vulkan driver.
    fn before(&self, command: &mut Command, fault: &str) {
        drivers(command, &self.manifest);
        command.env("REAL_DRIVER", &self.real).env("DRIVER_FAULT", fault);
    }
}

fn drivers(command: &mut Command, manifest: &Path) {
    command.env("VK_DRIVER_FILES", manifest).env("VK_ICD_FILENAMES", manifest);
}

fn none() {
    require::skip("no llvmpipe over Vulkan, or no C compiler; scripts/test.sh installs the first");
}

const ON_IT: [&str; 2] = ["device.left.adapter=vulkan:llvmpipe", "device.left.memory=\"64 MiB\""];

#[test]
fn an_adapter_whose_driver_crashes_is_left_out_as_told() {
    let place = Place::new();
    let Some(faulty) = Faulty::new(&place) else { return none() };
    let mut devices = trainyard();
    faulty.before(devices.args(["devices", "--no-probe"]), "crashes");
    let output = devices.output().unwrap_or_else(|error| panic!("{error}"));
    let all = [output.stdout, output.stderr].concat();
    let all = String::from_utf8_lossy(&all).into_owned();
    assert_says(&all, &["its driver crashed", "or name the drivers that work in VK_DRIVER_FILES"]);
    let mut other = plan(&place.file, &ON_IT);
    faulty.before(&mut other, "crashes");
    assert_says(&run_fails(&mut other, 2), &["no adapter matches 'vulkan:llvmpipe'"]);
    // The driver that works is named.
    drivers(&mut devices, &faulty.real_manifest);
    assert_says(&run_ok(&mut devices), &["vulkan:llvmpipe"]);
    drivers(&mut other, &faulty.real_manifest);
    run_ok(&mut other);
}

#[test]
fn an_adapter_that_vanishes_is_looked_for_as_told() {
    let place = Place::new();
    let Some(faulty) = Faulty::new(&place) else { return none() };
    let mut command = train_command(&place.file, &place.path("run"));
    faulty.before(set(&mut command, &ON_IT), "vanishes");
    let stderr = run_fails(&mut command, 1);
    assert_says(
        &stderr,
        &["cannot open device", "vulkan does not list it now (it lists: nothing)"],
    );
    let line = between(&stderr, "lists: nothing); `", "`").to_owned();
    paste(&line);
    // What it shows can be trained on.
    let cpu = ["device.left.adapter=cpu", ON_IT[1]];
    run_ok(set(&mut train_command(&place.file, &place.path("run")), &cpu));
}

#[test]
fn a_run_whose_adapter_is_lost_goes_on_as_told() {
    let place = Place::new();
    let Some(faulty) = Faulty::new(&place) else { return none() };
    let (run, lost, messages) = (place.path("run"), place.path("lost"), place.path("messages"));
    let mut command = train_command(&place.file, &run);
    set(&mut command, &ON_IT);
    set(&mut command, &["train.steps=1000000", "train.checkpoint_every=2"]);
    faulty.before(&mut command, &lost.display().to_string());
    let mut running = Running::start(&mut command, &messages);
    running.wait_for(&run.join("journal.jsonl"), r#""type":"checkpoint","#);
    write(&lost, "");
    assert_eq!(running.end(), Some(1));
    let said = read(&messages);
    assert_says(&said, &["device 'left' failed at"]);
    let line = between(&said, "go on with: ", "\n");
    let newest = read(&run.join("latest"));
    let step: u64 = newest.trim().rsplit('-').next().and_then(|it| it.parse().ok()).unwrap_or(0);
    assert!(step >= 2, "{said}");
    paste(&format!("{line} --set train.steps={} --set device.left.adapter=cpu", step + 1));
}

#[test]
fn a_run_whose_adapter_has_no_memory_left_does_with_less_as_told() {
    let place = Place::new();
    let Some(faulty) = Faulty::new(&place) else { return none() };
    // A model whose weights alone take more than the driver gives.
    let large = [ON_IT[0], "device.left.memory=\"4 GiB\"", "pipeline.exclude=[\"right\"]", NO_LOCK];
    let size = [
        "model.width=1024",
        "model.layers=3",
        "train.steps=1",
        "train.batch=2",
        "train.micro_batches=1",
    ];
    let mut command = train_command(&place.file, &place.path("run"));
    set(set(&mut command, &large), &size);
    faulty.before(&mut command, "full");
    let stderr = run_fails(&mut command, 1);
    assert_says(&stderr, &["device 'left' failed at ", "its driver has no memory left"]);
    assert_says(&stderr, &["give it a smaller budget (device.….memory)"]);
    // With a smaller one the plan needs less, or is refused.
    let smaller = [large[0], "device.left.memory=\"200 MiB\"", large[2], large[3]];
    let mut command = train_command(&place.file, &place.path("smaller"));
    set(set(&mut command, &smaller), &size);
    faulty.before(&mut command, "full");
    assert_says(&run_fails(&mut command, 3), &["it does not fit in the devices' memory"]);
}
