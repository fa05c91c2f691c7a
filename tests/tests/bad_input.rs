//! Everything a person can get wrong: each is met with the thing, the place and the way out, the
//! right exit code, and nothing half-made. [`run_fails`] looks for panics.
#![allow(clippy::panic, reason = "a test that cannot go on fails at once and says why")]

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use trainyard_tests::{
    assert_says, copy_dir, read, require, run_fails, run_ok, set, temp_dir, train, train_command,
    trainyard, write, write_run_file,
};

/// What is damaged, how, and the words that must be said.
type Damage<'a> = (&'a str, &'a dyn Fn(&Path), &'a [&'a str]);

/// A run file that works, in a directory of its own.
fn working() -> (TempDir, PathBuf) {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    (dir, file)
}

/// Trains with some changes, which must fail and leave no run directory.
fn refused(file: &Path, sets: &[&str], code: i32, words: &[&str]) {
    let run = file.with_file_name("refused");
    let stderr = run_fails(set(&mut train_command(file, &run), sets), code);
    assert_says(&stderr, words);
    assert!(!run.exists(), "{sets:?} left a run directory");
}

#[test]
fn settings_that_make_no_sense() {
    let (_dir, file) = working();
    let cases: &[(&str, &[&str])] = &[
        ("train.stpes=3", &["unknown key 'stpes' in [train]", "did you mean 'steps'?"]),
        ("trian.steps=3", &["unknown section 'trian'", "did you mean [train]?"]),
        ("model.widht=3", &["unknown key 'widht' in [model]", "did you mean 'width'?"]),
        ("model.zzz=3", &["'zzz' in [model]", "'gpt' takes: layers, heads, width"]),
        ("device.left.memroy=3", &["'memroy' in [[device]]", "did you mean 'memory'?"]),
        ("device.left.more.memory=3", &["'more' in [[device]]", "id, adapter, memory"]),
        ("train.steps.x=3", &["train.steps"]),
        ("device.middle.memory=3", &["no [[device]] 'middle'", "left, right"]),
        ("nonsense", &["'--set nonsense' has no '='"]),
        ("train.steps=many", &["train.steps is the text \"many\"", "a whole number"]),
        ("train.steps=1.5", &["train.steps is the number 1.5", "a whole number"]),
        ("train.steps=-3", &["train.steps is -3", "a whole number"]),
        ("train.steps=0", &["train.steps is 0", "1 to"]),
        ("train.batch=0", &["train.batch is 0", "1 to"]),
        ("train.batch=1000000000000", &["train.batch is 1000000000000", "1 to"]),
        ("train.micro_batches=0", &["train.micro_batches is 0", "1 to"]),
        ("train.micro_batches=3", &["batch = 8", "into 3 equal", "1, 2, 4, 8 can"]),
        ("train.learning_rate=-1", &["train.learning_rate is -1", "above 0"]),
        ("train.learning_rate=nan", &["train.learning_rate is NaN", "above 0"]),
        ("train.warmup=x", &["train.warmup", "a whole number"]),
        ("train.keep_checkpoints=0", &["train.keep_checkpoints is 0", "at least 1"]),
        ("train.schedule=cosin", &["train.schedule", "did you mean \"cosine\"?"]),
        ("model.width=wide", &["model.width is the text \"wide\"", "a whole number"]),
        ("train.method=qlore", &["train.method", "did you mean \"qlora\"?"]),
        (
            "train.method=lora",
            &["train.method is \"lora\"", "must be \"full\" for the model 'gpt'"],
        ),
        ("lora.rank=0", &["lora.rank is 0", "1 to"]),
        ("lora.alpha=0", &["lora.alpha is 0", "above 0"]),
        ("lora.targets=[]", &["lora.targets", "\"attention\""]),
        ("train.schedule=wsdd", &["train.schedule", "did you mean \"wsd\"?"]),
        ("train.decay_share=0", &["train.decay_share is 0", "above 0"]),
        ("optimizer.kind=adam", &["no optimizer 'adam'", "adamw", "did you mean \"adamw\"?"]),
        ("optimizer.beta3=0.9", &["'beta3' in [optimizer]", "did you mean 'beta1'?"]),
        ("train.beta1=1", &["train.beta1 is 1", "below 1"]),
        ("data.kind=texts", &["no data source 'texts'", "did you mean \"text\"?"]),
        ("model.width=0", &["model.width is 0", "from 1 to"]),
        ("model.width=-4", &["model.width is -4", "a whole number"]),
        ("model.width=1000000000", &["model.width is 1000000000", "from 1 to 1000000"]),
        ("model.width=33", &["model.width is 33", "a multiple of heads = 2"]),
        ("model.heads=3", &["model.width is 32", "a multiple of heads = 3"]),
        ("model.layers=0", &["model.layers is 0", "from 1 to"]),
        ("model.layers=99999999", &["model.layers is 99999999", "from 1 to"]),
        ("model.context=0", &["model.context is 0", "from 1 to"]),
        ("model.dropout=1", &["model.dropout is 1", "below 1"]),
        ("model.bias=1", &["model.bias is 1", "true or false"]),
        ("model.vocabulary=3", &["model.vocabulary is 3", "as many as the text has"]),
        ("model.kind=gtp", &["no model 'gtp'", "gpt, hf, mlp", "did you mean \"gpt\"?"]),
        ("model.kind=3", &["no model '3'"]),
        ("pipeline.schedule=1f1x", &["\"1f1x\"", "auto, gpipe, 1f1b", "did you mean \"1f1b\"?"]),
        ("pipeline.recompute=maybe", &["pipeline.recompute", "\"full\""]),
        ("pipeline.plan=nowhere.json", &["cannot read", "nowhere.json", "check the name"]),
        ("data.builtin=yrad", &["data.builtin is 'yrad'", "did you mean \"yard\"?"]),
        ("data.text=nowhere.txt", &["cannot read", "nowhere.txt", "check the name"]),
        ("data.validation_fraction=1", &["data.validation_fraction is 1", "from 0 to 0.9"]),
        ("device.left.adapter=vulkan:Voodoo2", &["'vulkan:Voodoo2'", "this machine has", "cpu"]),
        ("device.left.adapter=", &["device.left.adapter is empty", "trainyard devices"]),
        ("device.right.id=left", &["'left'", "a name of its own", "device.0.id is the same"]),
        ("device.left.id=a b", &["\"a b\"", "letters, digits"]),
        ("device.left.memory=lots", &["\"lots\"", "a size such as \"6 GiB\"", "KiB, MiB, GiB"]),
        ("device.left.memory=64", &["device.left.memory is 64", "\"64 MiB\" or \"64 GiB\""]),
        ("device.left.memory=-1", &["device.left.memory is -1", "a size such as"]),
        ("device.left.memory=0", &["device.left.memory is 0", "above 0"]),
        ("device.left.memory=9000 TiB", &["device.left.memory", "9000 TiB", "at most", "all that"]),
        ("device.left.threads=0", &["device.left.threads is 0", "from 1 to 1024"]),
        ("device.left.speed=0", &["device.left.speed is 0", "above 0"]),
    ];
    for (change, words) in cases {
        let place: &[&str] = if named(change) { &[*change] } else { &[] };
        refused(&file, &[change], 2, &[place, words].concat());
    }
}

/// Whether the message repeats the `--set`: it does where the place is that setting. A plan that is
/// not there or an adapter is named instead, and for another key of the model that key.
fn named(change: &str) -> bool {
    let elsewhere = ["nowhere.json", "Voodoo2", "heads=3"];
    !elsewhere.iter().any(|part| change.contains(part))
}

#[test]
fn sizes_beyond_every_budget() {
    let (_dir, file) = working();
    let words = ["it does not fit", "needs", "budget", "short by", "left", "right", "64.0 MiB"];
    for change in ["model.width=1000000", "model.layers=5000", "train.batch=1000000"] {
        refused(&file, &[change], 3, &words);
    }
}

#[test]
fn run_files_that_are_none() {
    let (dir, file) = working();
    let good = read(&file);
    let cases: &[(&str, &[&str])] = &[
        ("", &["is an empty file"]),
        ("[train]", &["does not say which model to train", "kind = \"gpt\""]),
        ("[model\nkind = 3", &["odd.toml:1:7", "not TOML"]),
        ("{\"model\": \"gpt\"}", &["odd.toml:1:", "not TOML"]),
        (&good.replace("width", "widht"), &["odd.toml:6:1", "unknown key 'widht'", "'width'"]),
        (&good.replace("= 32", "= \"32\""), &["odd.toml:6:9", "model.width is the text", "whole"]),
        (&good.replace("= 32", "= 31"), &["odd.toml:6:9", "model.width is 31", "a multiple of"]),
        (&good.replace("steps = 4", "steps = 0"), &["odd.toml:13:9", "train.steps is 0"]),
        (&good.replace("[[device]]", "[device]"), &["odd.toml:"]),
        (&good.replace("\"right\"", "\"left\""), &["odd.toml:29:6", "device.0.id is the same"]),
        (&good.replace("\ntext = ", "\nbuiltin = \"yard\"\ntext = "), &["odd.toml", "not both"]),
        (&good.replace("text = \"input.txt\"", ""), &["[data]", "builtin = \"yard\""]),
        (
            "[model]\nkind = \"mlp\"\ninputs = 3\n[data]\nbuiltin = \"spiral\"",
            &["odd.toml:3:10: model.inputs is 3", "2 outputs"],
        ),
    ];
    let odd = dir.path().join("odd.toml");
    for (text, words) in cases {
        write(&odd, text);
        refused(&odd, &[], 2, words);
    }
    write(&odd, b"[model]\nkind = \"gpt\xff\"\n");
    refused(&odd, &[], 2, &["odd.toml is not UTF-8", "line 2"]);
    refused(&dir.path().join("none.toml"), &[], 2, &["cannot read the run file", "none.toml"]);
    let folder = dir.path().join("folder");
    fs::create_dir(&folder).unwrap_or_else(|error| panic!("{error}"));
    refused(&folder, &[], 2, &["cannot read the run file", "folder", "name a file"]);
}

#[test]
fn files_of_another_kind_are_named_for_what_they_are() {
    let (dir, _) = working();
    let cases: [(&[u8], &str); 5] = [
        (b"\x89PNG\r\n\x1a\n\0\0", "a PNG picture"),
        (b"<!DOCTYPE html>\n<html><body>Not found", "an HTML page"),
        (b"{\"architectures\": [\"X\"], \"model_type\": \"gpt2\"}", "config.json"),
        (b"PK\x03\x04\x14\0\0\0", "a ZIP archive"),
        (b"{\"traceEvents\": []}", "a trace"),
    ];
    let odd = dir.path().join("odd.json");
    for (bytes, name) in cases {
        write(&odd, bytes);
        refused(&odd, &[], 2, &["odd.json", name, "not a run file"]);
        let stderr = run_fails(trainyard().args(["simulate", "--profile"]).arg(&odd), 2);
        assert_says(&stderr, &["odd.json", name]);
    }
}

/// What only a model or its data can refuse has the line and the text of the run file all the same.
#[test]
fn what_a_recipe_refuses_has_its_place_in_the_run_file() {
    let (dir, file) = working();
    let good = read(&file);
    let data = |data: &str| good.replace("text = \"input.txt\"", data);
    let mlp = good.replace(
        "kind = \"gpt\"\nlayers = 2\nheads = 2\nwidth = 32\ncontext = 16",
        "kind = \"mlp\"",
    );
    let table = |data: &str| mlp.replace("text = \"input.txt\"", data);
    write(&dir.path().join("t.csv"), "x,y\n1,a\n,b\n");
    let cases: [(String, &str, &[&str]); 12] = [
        (
            good.replace("context = 16", "context = 16\nvocabulary = 3"),
            "8:14: model.vocabulary is 3, but must be at least",
            &["vocabulary = 3"],
        ),
        (data("text = \"nowhere.txt\""), "10:8: cannot read", &["text = \"nowhere.txt\""]),
        (data("text = [\"input.txt\", \"*.md\"]"), "10:8: ", &["*.md matches no text file"]),
        (data("text = \"a[\""), "10:8: the pattern is ", &["must be a pattern that can be read"]),
        // What the data have from the model stands there.
        (
            "[model]\nkind = \"mlp\"\ninputs = 70000".to_owned(),
            "3:10: model.inputs is 70000, but must be from 1 to 65536",
            &["inputs = 70000"],
        ),
        (table("table = \"t.csv\""), "5:1: data.target is missing", &["column to be learned"]),
        (table("table = \"t.csv\"\ntarget = \"z\""), "7:10: ", &["has no column 'z'"]),
        (table("table = \"t.csv\"\ntarget = \"y\""), "6:9: ", &["line 3, column 'x'"]),
        (
            mlp.clone(),
            "5:1: the model 'mlp' learns from rows",
            &["input.txt gives tokens, targets"],
        ),
        (good.replace("context = 16", "context = 4000"), "10:8: ", &["context of 4000 needs"]),
        (
            good.replacen("adapter = \"cpu\"", "adapter = \"nowhere\"", 1),
            "25:11: no adapter matches 'nowhere'",
            &["name one that this machine has", "cpu"],
        ),
        (
            good.replace("[\"embed=left\"", "[\"embed=middle\""),
            "21:8: pipeline.lock is 'middle', but must be a device: left, right",
            &["lock = [\"embed=middle\""],
        ),
    ];
    let odd = dir.path().join("odd.toml");
    for (text, place, words) in &cases {
        write(&odd, text);
        refused(&odd, &[], 2, &[&[format!("odd.toml:{place}").as_str()], *words].concat());
    }
    // What the run file does not say has no place in it.
    let mut evaluate = trainyard();
    evaluate.arg("evaluate").arg(&file).args(["--data", "nowhere.txt"]);
    let stderr = run_fails(&mut evaluate, 2);
    assert!(stderr.contains("nowhere.txt") && !stderr.contains("run.toml"), "{stderr}");
    write(&odd, "[model]\nkind = \"mlp\"\n");
    evaluate = trainyard();
    evaluate.arg("evaluate").arg(&odd).args(["--data", "nowhere.txt"]);
    let stderr = run_fails(&mut evaluate, 2);
    assert!(stderr.contains("names no data") && stderr.contains("leave --data out"), "{stderr}");
}

#[test]
fn texts_that_are_none() {
    let (dir, file) = working();
    let text = dir.path().join("odd.txt");
    let cases: &[(&[u8], &[&str])] = &[
        (b"", &["odd.txt is empty", "give a text"]),
        (
            b"plain\nand th\xe9n",
            &[
                "odd.txt is not UTF-8",
                "offset 12",
                "line 2",
                "it reads as windows-1252",
                "iconv -f",
            ],
        ),
        (b"\x89PNG\r\n\x1a\n\0\0", &["odd.txt: it is a PNG picture, no text", "data.images"]),
        (b"too short", &["odd.txt has 9 characters", "a context of 16", "at least 17"]),
        (
            &[b'x'; 100],
            &["odd.txt has 100 characters, 10 of them for validation", "a smaller context"],
        ),
    ];
    let change = format!("data.text={}", text.display());
    for (bytes, words) in cases {
        write(&text, bytes);
        refused(&file, &[&change], 2, words);
    }
    let folder = temp_dir();
    let change = format!("data.text={}", folder.path().display());
    refused(&file, &[&change], 2, &["matches no text file", "the folder holds none"]);
    if cfg!(unix) {
        refused(&file, &["data.text=/dev/null"], 2, &["/dev/null", "not a regular file"]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_adapter_that_could_be_several() {
    let list = run_ok(trainyard().args(["devices", "--json", "--no-probe"]));
    if list.matches("llvmpipe").count() < 2 {
        require::skip(
            "this machine has no two adapters of one name; scripts/test.sh installs them",
        );
        return;
    }
    let (_dir, file) = working();
    let words =
        ["'llvmpipe' matches several adapters", "vulkan:llvmpipe", "gl:llvmpipe", "say which"];
    refused(&file, &["device.left.adapter=llvmpipe"], 2, &words);
}

#[test]
fn directories_that_are_no_runs() {
    let (dir, file) = working();
    for command in ["resume", "generate", "trace"] {
        for (path, missing) in [(dir.path(), "run directory"), (Path::new("/nowhere"), "/nowhere")]
        {
            let stderr = run_fails(trainyard().arg(command).arg(path), 2);
            assert_says(&stderr, &["is not a run directory", missing, "trainyard train"]);
        }
        let stderr = run_fails(trainyard().arg(command).arg(&file), 2);
        assert_says(&stderr, &["run.toml: it is a run file, not a run directory", "train it"]);
    }
    // A file lies where the directory should be.
    let stderr = run_fails(&mut train_command(&file, &file), 2);
    assert_says(&stderr, &["cannot make the run directory", "run.toml", "name another place"]);
}

/// Damages copies of a run with two checkpoints, and tries to go on.
#[test]
fn checkpoints_that_are_damaged() {
    let (dir, file) = working();
    let run = train(&file, "run", &["train.checkpoint_every=2"]);
    let newest = "checkpoints/step-000004";
    let layer = format!("{newest}/001-block0.safetensors");
    let manifest = format!("{newest}/manifest.json");
    let older = "--checkpoint 2";
    let cut = |path: &Path| write(path, &fs::read(path).unwrap_or_default()[..1000]);
    let flip = |path: &Path| {
        let mut bytes = fs::read(path).unwrap_or_default();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        write(path, bytes);
    };
    let empty = |path: &Path| write(path, "");
    let gone = |path: &Path| fs::remove_file(path).unwrap_or_else(|error| panic!("{error}"));
    let changed = |path: &Path| {
        write(path, read(path).replacen("\"version\": 2", "\"version\": 8", 1));
    };
    let cases: [Damage<'_>; 9] = [
        (&layer, &cut, &["001-block0.safetensors", "cut short", "1000 bytes", older]),
        (&layer, &flip, &["001-block0.safetensors", "damaged", older]),
        (&layer, &empty, &["001-block0.safetensors", "0 bytes", older]),
        (&layer, &gone, &["001-block0.safetensors", "cannot be read", older]),
        (&manifest, &cut, &["manifest.json", "damaged", older]),
        (&manifest, &empty, &["manifest.json", "damaged", older]),
        (&manifest, &gone, &["step-000004", "not a whole checkpoint", older]),
        (&manifest, &changed, &["manifest.json", "damaged", older]),
        ("run.toml", &gone, &["is not a run directory", "run.toml"]),
    ];
    for (index, (path, damage, words)) in cases.into_iter().enumerate() {
        let copy = dir.path().join(format!("copy-{index}"));
        copy_dir(&run, &copy);
        damage(&copy.join(path));
        let mut resume = trainyard();
        set(resume.arg("resume").arg(&copy), &["train.steps=6"]);
        assert_says(&run_fails(&mut resume, 2), words);
        let stderr = run_fails(trainyard().arg("generate").arg(&copy), 2);
        assert_says(&stderr, &words[..1]);
    }
    // And the way out that they name is one.
    let copy = dir.path().join("copy-0");
    let mut resume = trainyard();
    resume.arg("resume").arg(&copy).args(["--checkpoint", "2"]);
    run_ok(set(&mut resume, &["train.steps=6"]));
    assert_eq!(trainyard_tests::losses(&copy).len(), 6);
}

#[test]
fn a_loss_that_is_no_number_stops_before_the_update() {
    let (dir, file) = working();
    let run = dir.path().join("run");
    let wild =
        ["train.learning_rate=1000", "train.clip=0", "train.steps=400", "train.weight_decay=1000"];
    let output = set(&mut train_command(&file, &run), &wild).output();
    let output = output.unwrap_or_else(|error| panic!("{error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_says(&stderr, &["is not finite", "stage", "device '", "smaller learning rate"]);
    let state = trainyard_tests::journal_of(&run, "state").pop().unwrap_or_default();
    assert_eq!(state["state"], "failed");
    assert!(state["message"].as_str().is_some_and(|it| it.contains("is not finite")), "{state}");
}

/// Needs to be root, and says so where it is not.
#[cfg(target_os = "linux")]
mod full_disk {
    use std::process::Command;

    use super::*;

    /// A file system of so many KiB, taken away when the value is dropped.
    struct Disk(PathBuf);

    impl Disk {
        fn mount(path: PathBuf, kib: u32, options: &str) -> Option<Self> {
            fs::create_dir(&path).unwrap_or_else(|error| panic!("{error}"));
            let options = format!("size={kib}k{options}");
            let mut mount = Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", &options, "trainyard-test"]).arg(&path);
            if mount.output().is_ok_and(|output| output.status.success()) {
                return Some(Self(path));
            }
            require::skip("only root can mount a small disk");
            None
        }
    }

    impl Drop for Disk {
        fn drop(&mut self) {
            // What is still mounted does not hurt a test.
            let _unmounted = Command::new("umount").arg(&self.0).output().is_ok();
        }
    }

    #[test]
    fn a_disk_that_fills_up_keeps_the_last_checkpoint() {
        let (dir, file) = working();
        // Room for one checkpoint of some 320 KiB, and not for two.
        let Some(disk) = Disk::mount(dir.path().join("disk"), 500, "") else { return };
        let run = disk.0.join("run");
        let mut command = train_command(&file, &run);
        let stderr = run_fails(set(&mut command, &["train.checkpoint_every=2"]), 1);
        assert_says(&stderr, &["No space left", "step-000004", "free some space"]);
        assert_says(&stderr, &["step 4/4", "the newest checkpoint is that after step 2"]);
        assert_eq!(read(&run.join("latest")), "checkpoints/step-000002\n");
        // What was half-written is gone, and with more room it goes on.
        assert!(!run.join("checkpoints/step-000004.tmp").exists());
        let roomy = dir.path().join("roomy");
        copy_dir(&run, &roomy);
        run_ok(trainyard().arg("resume").arg(&roomy));
        assert_eq!(trainyard_tests::losses(&roomy).len(), 4);
    }

    #[test]
    fn a_small_disk_takes_fewer_checkpoints_as_told() {
        let (dir, file) = working();
        // Room for three checkpoints of some 320 KiB; three that are kept need a fourth meanwhile.
        let Some(disk) = Disk::mount(dir.path().join("disk"), 1200, "") else { return };
        let said = |name: &str, sets: &[&str]| {
            let mut command = train_command(&file, &disk.0.join(name));
            let output = set(&mut command, sets).output().unwrap_or_else(|error| panic!("{error}"));
            fs::remove_dir_all(disk.0.join(name)).unwrap_or_else(|error| panic!("{error}"));
            String::from_utf8_lossy(&output.stderr).into_owned()
        };
        let note = "a smaller train.keep_checkpoints needs less";
        assert_says(&said("three", &[]), &[note]);
        assert!(!said("one", &["train.keep_checkpoints=1"]).contains(note));
    }

    #[test]
    fn a_disk_that_is_full_from_the_start_leaves_no_dead_end() {
        let (dir, file) = working();
        let Some(disk) = Disk::mount(dir.path().join("disk"), 8, "") else { return };
        let run = disk.0.join("run");
        // Of two pages one is taken by this file, the other by the lock.
        write(&disk.0.join("filler"), "full");
        let stderr = run_fails(&mut train_command(&file, &run), 1);
        assert_says(&stderr, &["KiB free, and a checkpoint of", "free some space"]);
        assert!(!run.exists(), "something is left");
        // The remedy works: with room, the same command trains.
        let remount = Command::new("mount").args(["-o", "remount,size=4m"]).arg(&disk.0).output();
        assert!(remount.is_ok_and(|output| output.status.success()));
        run_ok(&mut train_command(&file, &run));
    }

    #[test]
    fn a_place_that_cannot_be_written_to() {
        let (dir, file) = working();
        let Some(disk) = Disk::mount(dir.path().join("disk"), 64, ",ro") else { return };
        let stderr = run_fails(&mut train_command(&file, &disk.0.join("run")), 1);
        assert_says(&stderr, &["cannot make the run directory", "Read-only", "written to"]);
        let mut plan = trainyard();
        plan.arg("plan").arg(&file).arg("-o").arg(disk.0.join("plan.json"));
        let stderr = run_fails(&mut plan, 1);
        assert_says(&stderr, &["cannot write", "plan.json", "Read-only", "written to"]);
    }
}
