//! What a run file lacks, is put into it as the message says.

use std::process::Command;

use trainyard_tests::{Place, assert_says, read, require, run_fails, run_ok, trainyard, write};

use crate::{between, mended, plan, refused};

#[test]
fn what_is_missing_is_written_as_told() {
    let place = Place::new();
    let file = place.path("odd.toml");
    write(&file, "[data]\nbuiltin = \"yard\"\n");
    let stderr = refused(&file, &[]);
    let kind = between(&stderr, "write ", " (or");
    write(&file, format!("[data]\nbuiltin = \"yard\"\n[model]\n{kind}\n"));
    run_ok(&mut plan(&file, &[]));
    // Both of the ways to name data.
    write(&file, format!("[model]\n{kind}\n"));
    let stderr = refused(&file, &[]);
    let ways = between(&stderr, "such as ", "; ").to_owned();
    for way in ways.split(" or ") {
        write(&file, format!("[model]\n{kind}\n[data]\n{way}\n"));
        run_ok(&mut plan(&file, &[]));
    }
    // A spiral has two numbers to learn from, and two classes.
    let mlp =
        |keys: &str| format!("[model]\nkind = \"mlp\"\n{keys}\n[data]\nbuiltin = \"spiral\"\n");
    write(&file, mlp("inputs = 3"));
    assert_says(&refused(&file, &[]), &["must be 2 with 2 outputs"]);
    write(&file, mlp("inputs = 2\noutputs = 2"));
    run_ok(&mut plan(&file, &[]));
}

#[test]
fn a_file_of_another_kind_is_replaced_as_told() {
    let place = Place::new();
    let folder = place.file.with_file_name("folder");
    std::fs::create_dir(&folder).unwrap_or_else(|error| panic!("{error}"));
    assert_says(&refused(&folder, &[]), &["name a file"]);
    assert_says(&refused(&place.path("none.toml"), &[]), &["check the name"]);
    // A pipe, and a file with what it gives.
    let pipe = place.path("pipe.toml");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()));
    let words = "write what it gives into a file, and name that";
    assert_says(&refused(&pipe, &[]), &[words]);
    let written = place.path("written.toml");
    write(&written, read(&place.file));
    run_ok(&mut plan(&written, &[]));
    // Packed, as it may have come.
    let packed = place.path("packed.toml.gz");
    let line = format!("gzip -c '{}' > '{}'", place.file.display(), packed.display());
    run_ok(Command::new("sh").args(["-c", &line]));
    assert_says(&refused(&packed, &[]), &["unpack it first"]);
    run_ok(Command::new("gzip").arg("-d").arg(&packed));
    run_ok(&mut plan(&place.path("packed.toml"), &[]));
    // A TOML file without a model.
    let odd = place.path("odd.toml");
    write(&odd, "[data]\ntext = \"input.txt\"\n");
    assert_says(&refused(&odd, &[]), &["under [model]"]);
}

#[test]
fn a_flag_that_was_meant_is_taken() {
    let place = Place::new();
    let stderr = run_fails(trainyard().arg("plan").arg(&place.file).arg("--objectiv=time"), 2);
    let flag = between(&stderr, "a similar argument exists: '", "'").to_owned();
    run_ok(trainyard().arg("plan").arg(&place.file).args([flag.as_str(), "time"]));
    let stderr = run_fails(trainyard().arg("paln").arg(&place.file), 2);
    let command = between(&stderr, "a similar subcommand exists: '", "'").to_owned();
    run_ok(trainyard().arg(&command).arg(&place.file));
    let wrong = ["--objective", "tiem"];
    let stderr = run_fails(trainyard().arg("plan").arg(&place.file).args(wrong), 2);
    let value = between(&stderr, "a similar value exists: '", "'").to_owned();
    run_ok(trainyard().arg("plan").arg(&place.file).args(["--objective", &value]));
}

#[test]
fn an_adapter_is_named_as_told() {
    let place = Place::new();
    let stderr = refused(&place.file, &["device.left.adapter=cuda:0"]);
    assert_says(&stderr, &["named here by its graphics API"]);
    let known = between(&stderr, "or its number: ", "\n").to_owned();
    let cpu = known.split(", ").find(|name| name.contains("cpu")).unwrap_or_default();
    // By its number, and by its name.
    let (number, name) = cpu.split_once(' ').unwrap_or_else(|| panic!("{known}"));
    for adapter in [number, name.trim_start()] {
        run_ok(&mut plan(&place.file, &[&format!("device.left.adapter={adapter}")]));
    }
}

/// Threads are for CPU devices, and a name that several adapters have is made longer.
#[test]
fn a_graphics_device_is_named_as_told() {
    let list = run_ok(trainyard().args(["devices", "--json", "--no-probe"]));
    if list.matches("llvmpipe").count() < 2 {
        require::skip(
            "this machine has no two adapters of one name; scripts/test.sh installs them",
        );
        return;
    }
    let place = Place::new();
    let wrong = ["device.left.adapter=gl", "device.left.threads=2"];
    let words = "left out: only CPU devices have threads";
    mended(&place.file, &wrong, words, &wrong[..1]);
    // By a number or a name that does not say it is one.
    for adapter in ["#0", "0", "swiftshader"] {
        let wrong = [&*format!("device.left.adapter={adapter}"), "device.left.threads=2"];
        mended(&place.file, &wrong, words, &wrong[..1]);
    }
    let stderr = refused(&place.file, &["device.left.adapter=llvmpipe"]);
    let names = between(&stderr, "matches several adapters: ", "; say which").to_owned();
    for name in names.split(", ").filter(|name| name.contains("gl:")) {
        let by_name = name.split_once(' ').map_or(name, |(_, name)| name);
        run_ok(&mut plan(&place.file, &[&format!("device.left.adapter={by_name}")]));
    }
}
