//! Files that may not be read or written: who may is changed as told.
//!
//! Root may do all, so where that runs the tests, the program runs as another user.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use trainyard_tests::{Place, assert_says, run_fails, run_ok, trainyard, write};

/// `nobody`, on most systems.
const OTHER: u32 = 65534;

/// A place of a user who may not do all.
struct Owned {
    place: Place,
    program: PathBuf,
    is_root: bool,
}

impl Owned {
    fn new() -> Self {
        let place = Place::new();
        let is_root = owner(&place.file) == 0;
        let built = trainyard().get_program().to_owned();
        // Nobody else may look into root's own folders.
        let program = if is_root { place.path("trainyard") } else { built.clone().into() };
        if is_root && std::fs::hard_link(&built, &program).is_err() {
            std::fs::copy(&built, &program).unwrap_or_else(|error| panic!("{error}"));
        }
        let owned = Self { place, program, is_root };
        owned.allow("", 0o755);
        owned.give("");
        for name in ["run.toml", "input.txt"] {
            owned.give(name);
        }
        owned
    }

    /// Says who may read, write and enter what.
    fn allow(&self, name: &str, mode: u32) {
        let set = std::fs::set_permissions(self.place.path(name), PermissionsExt::from_mode(mode));
        set.unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// Makes something the other user's, where there is one.
    fn give(&self, name: &str) {
        if self.is_root {
            let given = chown(self.place.path(name), Some(OTHER), Some(OTHER));
            given.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    fn command(&self, name: &str, at: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.envs(trainyard().get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("TRAINYARD_CACHE", self.place.path("cache")).current_dir(self.place.path(""));
        if self.is_root {
            command.uid(OTHER).gid(OTHER);
        }
        command.arg(name).arg(self.place.path(at));
        command
    }

    /// Something may not be used, a command says so, and it works once it may.
    fn mended(&self, name: &str, right: u32, command: &mut Command, words: &[&str]) {
        self.allow(name, if right == 0o755 { 0o555 } else { 0 });
        assert_says(&run_fails(command, 1), words);
        self.allow(name, right);
        run_ok(command);
    }
}

fn owner(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap_or_else(|error| panic!("{error}")).uid()
}

#[test]
fn who_may_read_and_write_is_changed_as_told() {
    let owned = Owned::new();
    let read = ["Permission denied", "check who may read it"];
    let both = ["Permission denied", "check who may read and write it"];
    let mut plan = owned.command("plan", "run.toml");
    owned.mended("run.toml", 0o644, &mut plan, &["run.toml", both[0], both[1]]);
    owned.mended("input.txt", 0o644, &mut plan, &["input.txt", read[0], read[1]]);
    let mut out = owned.command("plan", "run.toml");
    out.args(["-o", "plan.json"]);
    owned.mended("", 0o755, &mut out, &["plan.json", both[0], both[1]]);
    // A run directory: where it is to be, and what is in it.
    let mut train = owned.command("train", "run.toml");
    train.args(["--set", "run.dir=run"]);
    owned.mended("", 0o755, &mut train, &["run", both[0], both[1]]);
    let mut resume = owned.command("resume", "run");
    resume.args(["--set", "train.steps=6"]);
    owned.mended("run/.lock", 0o644, &mut resume, &[".lock", both[0], both[1]]);
    let mut generate = owned.command("generate", "run");
    generate.args(["--tokens", "2"]);
    let weights = "run/checkpoints/step-000006/manifest.json";
    owned.mended(weights, 0o644, &mut generate, &["manifest.json", both[0], both[1]]);
    let mut compare = owned.command("compare", "run");
    owned.mended("run/journal.jsonl", 0o644, &mut compare, &["journal", both[0], both[1]]);
    let prompt = owned.place.path("prompt.txt");
    write(&prompt, "the train");
    owned.give("prompt.txt");
    generate.arg("--prompt-file").arg(&prompt);
    owned.mended("prompt.txt", 0o644, &mut generate, &["prompt.txt", read[0], read[1]]);
}
