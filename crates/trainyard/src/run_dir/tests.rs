//! Tests of the run directory.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

struct Place {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs").join("first");
    Place { _folder: folder, path }
}

/// A run with checkpoints after some steps.
fn run_with(place: &Place, steps: &[u64]) -> RunDir {
    let run = RunDir::create(&place.path, true).unwrap();
    run.begin().unwrap();
    fs::write(run.run_file(), "").unwrap();
    fs::write(run.journal(), "").unwrap();
    for step in steps {
        fs::create_dir(run.checkpoint(*step)).unwrap();
        fs::write(run.checkpoint(*step).join("weights"), "w").unwrap();
    }
    run
}

fn steps(run: &RunDir) -> Vec<u64> {
    run.checkpoints().unwrap().into_iter().map(|(step, _)| step).collect()
}

#[test]
fn a_run_has_its_files_in_one_place() {
    let place = place();
    let run = run_with(&place, &[]);
    for (path, name) in [
        (run.run_file(), "run.toml"),
        (run.plan(), "plan.json"),
        (run.journal(), "journal.jsonl"),
        (run.trace(), "trace.json"),
        (run.checkpoint(7), "checkpoints/step-000007"),
        (run.checkpoint(12_345_678), "checkpoints/step-12345678"),
    ] {
        assert_eq!(path, run.path().join(name));
    }
    assert_eq!(RunDir::open(&place.path).unwrap().path(), place.path);
}

#[test]
fn a_new_run_does_not_overwrite_another() {
    let place = place();
    drop(run_with(&place, &[]));
    let error = RunDir::create(&place.path, true).unwrap_err().to_string();
    assert!(error.contains("already holds a run (run.toml)"), "{error}");
    assert!(error.contains(" resume ") && error.contains("run.dir"), "{error}");
    assert!(RunDir::create(&place.path, false).is_ok());
    for name in [RUN_FILE, JOURNAL] {
        fs::remove_file(place.path.join(name)).unwrap();
    }
    fs::create_dir(place.path.join("checkpoints/step-000001")).unwrap();
    let error = RunDir::create(&place.path, true).unwrap_err().to_string();
    assert!(error.contains("step-000001"), "{error}");
    // A start that failed before it wrote anything leaves nothing in the way.
    fs::remove_dir(place.path.join("checkpoints/step-000001")).unwrap();
    fs::write(place.path.join(JOURNAL), "").unwrap();
    assert!(RunDir::create(&place.path, true).is_ok());
    fs::write(place.path.join(JOURNAL), "a line\n").unwrap();
    let error = RunDir::create(&place.path, true).unwrap_err().to_string();
    assert!(error.contains("(journal.jsonl)"), "{error}");
}

#[test]
fn only_a_run_can_be_opened() {
    let place = place();
    let error = RunDir::open(&place.path).unwrap_err().to_string();
    assert!(error.contains("is not a run directory: it has no run.toml"), "{error}");
    fs::create_dir_all(&place.path).unwrap();
    fs::write(place.path.join("run.toml"), "").unwrap();
    for error in [RunDir::open(&place.path), RunDir::create(&place.path, false)] {
        let error = error.unwrap_err();
        assert!(
            matches!(&error, RunError::NotARun { missing, .. } if missing == JOURNAL),
            "{error}"
        );
        assert_eq!(error.exit_code(), 2);
    }
    // Asked for by mistake, nothing was made in it.
    assert_eq!(entries(&place.path).unwrap().len(), 1);
    let file = place.path.join("run.toml");
    assert!(matches!(RunDir::create(&file, true), Err(RunError::Io { .. })));
}

#[test]
fn one_training_at_a_time() {
    let place = place();
    let first = run_with(&place, &[]);
    for fresh in [true, false] {
        let error = RunDir::create(&place.path, fresh).unwrap_err();
        assert!(matches!(error, RunError::RunInUse { .. }), "{error}");
        assert_eq!(error.exit_code(), 1);
    }
    if cfg!(unix) {
        let error = RunDir::create(&place.path, false).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    }
    assert!(RunDir::open(&place.path).is_ok(), "readers are welcome");
    drop(first);
    assert!(RunDir::create(&place.path, false).is_ok());
}

#[test]
fn latest_leads_to_a_checkpoint_or_says_why_not() {
    let place = place();
    let run = run_with(&place, &[5, 10]);
    assert_eq!(run.latest().unwrap(), None);
    run.set_latest(10).unwrap();
    assert_eq!(fs::read_to_string(place.path.join("latest")).unwrap(), "checkpoints/step-000010\n");
    assert_eq!(run.latest().unwrap(), Some((10, run.checkpoint(10))));
    let error = run.set_latest(11).unwrap_err().to_string();
    assert!(error.contains("names 'checkpoints/step-000011', which does not exist"), "{error}");
    for wrong in [
        "",
        "step-000010",
        "../x",
        "/etc",
        "checkpoints/step-10",
        "checkpoints/../checkpoints/step-000010",
        "checkpoints/step-+00010",
    ] {
        fs::write(place.path.join("latest"), wrong).unwrap();
        let error = run.latest().unwrap_err();
        assert!(matches!(error, RunError::BadLatest { .. }), "{wrong}: {error}");
        assert!(run.prune_checkpoints(1, &BTreeSet::new()).is_err());
    }
    fs::write(place.path.join("latest"), b"\xff").unwrap();
    assert!(run.latest().is_err());
    assert_eq!(steps(&run), [5, 10]);
}

#[test]
fn old_checkpoints_go_and_the_latest_stays() {
    let place = place();
    let run = run_with(&place, &[1, 2, 3, 4, 1_000_000]);
    fs::write(place.path.join("checkpoints/notes"), "").unwrap();
    fs::create_dir(place.path.join("checkpoints/step-mine")).unwrap();
    // A later one is of before the run went back.
    run.set_latest(4).unwrap();
    run.prune_checkpoints(9, &BTreeSet::new()).unwrap();
    assert_eq!(steps(&run).len(), 5);
    run.prune_checkpoints(2, &BTreeSet::from([1])).unwrap();
    assert_eq!(steps(&run), [1, 3, 4, 1_000_000]);
    run.prune_checkpoints(2, &BTreeSet::new()).unwrap();
    assert_eq!(steps(&run), [3, 4, 1_000_000]);
    run.prune_checkpoints(0, &BTreeSet::new()).unwrap();
    assert_eq!(steps(&run), [4, 1_000_000]);
    assert!(place.path.join("checkpoints/notes").exists());
    assert!(place.path.join("checkpoints/step-mine").exists());
}

#[test]
fn leftovers_of_a_crash_go_at_the_next_start() {
    let place = place();
    drop(run_with(&place, &[3]));
    fs::create_dir_all(place.path.join("checkpoints/step-000004.tmp/deep")).unwrap();
    fs::write(place.path.join(".plan.json.1-2.tmp"), "half").unwrap();
    let reader = RunDir::open(&place.path).unwrap();
    assert!(place.path.join("checkpoints/step-000004.tmp").exists(), "a reader removes nothing");
    assert_eq!(steps(&reader), [3]);
    let run = RunDir::create(&place.path, false).unwrap();
    assert!(place.path.join("checkpoints/step-000004.tmp").exists(), "nor does a lock alone");
    run.begin().unwrap();
    assert!(!place.path.join("checkpoints/step-000004.tmp").exists());
    assert!(!place.path.join(".plan.json.1-2.tmp").exists());
    assert_eq!(steps(&run), [3]);
}

#[test]
fn a_file_that_cannot_be_written_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.json");
    let error = write_atomic(&folder.path().join("no/plan.json"), b"x").unwrap_err().to_string();
    assert!(error.contains("cannot write") && error.contains("plan.json"), "{error}");
    fs::create_dir(&path).unwrap();
    assert!(write_atomic(&path, b"x").is_err());
    assert!(write_atomic(Path::new("/"), b"x").is_err());
    assert!(write_atomic(Path::new(""), b"x").is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[cfg(unix)]
#[test]
fn links_and_permissions_survive() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&file, &link).unwrap();
    // A file that a person asked for is written through a link, one of our own is not.
    let refused = write_atomic(&link, b"ours").unwrap_err().to_string();
    assert!(refused.contains("is a symbolic link"), "{refused}");
    write_through(&link, b"new").unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
}

#[cfg(unix)]
#[test]
fn a_device_and_a_pipe_are_written_through() {
    use std::os::unix::fs::{FileTypeExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    symlink("/dev/null", &link).unwrap();
    write_through(&link, b"new").unwrap();
    assert!(fs::metadata(&link).unwrap().file_type().is_char_device());
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| fs::read(&pipe).unwrap());
        write_through(&pipe, b"through").unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
    });
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    assert!(write_atomic(&pipe, b"ours").unwrap_err().to_string().contains("is not a file"));
}

#[test]
fn readers_see_one_version_or_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latest");
    let versions = [vec![b'a'; 5000], vec![b'b'; 90_000]];
    write_atomic(&path, &versions[0]).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for round in 0..40 {
                    write_atomic(&path, &versions[round % 2]).unwrap();
                }
            });
        }
        for _ in 0..200 {
            let seen = fs::read(&path).unwrap();
            assert!(versions.contains(&seen), "{} bytes", seen.len());
        }
    });
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

proptest! {
    // Every write waits for the disk.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_written_is_what_is_read(first in any::<Vec<u8>>(), second in any::<Vec<u8>>()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a file");
        for bytes in [first, second] {
            write_atomic(&path, &bytes).unwrap();
            prop_assert_eq!(fs::read(&path).unwrap(), bytes);
        }
    }

    #[test]
    fn no_name_of_a_checkpoint_panics(name in any::<String>()) {
        let place = place();
        let run = run_with(&place, &[1]);
        fs::write(place.path.join("latest"), &name).unwrap();
        prop_assert!(run.latest().is_err() || name.trim() == "checkpoints/step-000001");
    }
}
