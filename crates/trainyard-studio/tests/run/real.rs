//! With the real program: trained to the end, stopped and resumed, killed, refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trainyard_studio::run::{
    Exit, Phase, Program, Session, SessionError, Task, TaskEnd, Writer, devices,
};

use crate::real_program::program;
use crate::support::Bell;

const RUN_FILE: &str = r#"
[model]
kind = "mlp"
inputs = 2
hidden = 32
outputs = 2
layers = 4

[data]
builtin = "spiral"

[train]
steps = 60
batch = 64
micro_batches = 4
learning_rate = 1e-2

[pipeline]
schedule = "1f1b"

[[device]]
id = "left"
adapter = "cpu"
threads = 1
memory = "16 MiB"

[[device]]
id = "right"
adapter = "cpu"
threads = 1
memory = "16 MiB"
"#;

/// A run file, and where its run shall be.
fn yard() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let (file, run) = (directory.path().join("run.toml"), directory.path().join("a \"run\""));
    fs::write(&file, RUN_FILE).unwrap();
    (directory, file, run)
}

/// Ends what a test that fails would leave running.
struct Ended<'a>(&'a Path);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        if let Writer::Running(Some(id)) = Writer::of(self.0) {
            let id = id.to_string();
            let _ended =
                std::process::Command::new("/bin/sh").args(["-c", "kill -9 $0", &id]).status();
        }
    }
}

/// A training that would go on for a very long time.
fn endless<'a>(program: &Program, file: &Path, run: &'a Path, bell: &Bell) -> (Session, Ended<'a>) {
    let sets = vec!["train.steps=10000000".to_owned(), "train.checkpoint_every=50".to_owned()];
    let mut session = Session::start(program, file, None, run, sets, bell.wake.clone()).unwrap();
    let ended = Ended(run);
    bell.until(&mut session, "a checkpoint", |s| s.state().checkpoints().next().is_some());
    (session, ended)
}

#[test]
fn a_training_is_followed_to_its_end() {
    let Some(program) = program() else { return };
    let (_kept, file, run) = yard();
    let bell = Bell::new();
    let start = || Session::start(&program, &file, None, &run, Vec::new(), bell.wake.clone());
    let mut session = start().unwrap();
    assert!(session.is_running() && session.process().is_some());
    bell.until(&mut session, "its end", |session| !session.is_running());
    bell.read_all(&mut session);
    let status = session.status();
    assert_eq!(status.phase, Phase::Finished, "{status:?}");
    assert!(status.words.starts_with("all 60 steps are done, validation loss 0."), "{status:?}");
    let state = session.state();
    assert_eq!((state.step(), state.steps(), state.loss().points().len()), (60, 60, 60));
    assert!(state.devices().iter().all(|device| device.measured.is_some()));
    assert_eq!(state.trace().events.iter().map(|event| event.step).max(), Some(60));
    let comparison = session.comparison().unwrap();
    assert!(comparison.step_us.measured > 0.0 && comparison.step_us.predicted > 0.0);
    assert!(comparison.devices.iter().all(|device| device.peak_bytes.measured > 0.0));
    assert!(session.files().plan.is_some() && session.files().run_file.is_some());
    assert_eq!(session.remarks(), Vec::<String>::new());

    assert!(matches!(start().err().unwrap(), SessionError::RunExists(_)));
    let mut again = Session::attach(&run, bell.wake.clone()).unwrap();
    bell.until(&mut again, "the same run", |session| session.status().phase == Phase::Finished);
    assert_eq!(again.state().step(), 60);
}

#[test]
fn stopped_it_saves_and_can_be_resumed() {
    let Some(program) = program() else { return };
    let (_kept, file, run) = yard();
    let bell = Bell::new();
    let (mut session, _ended) = endless(&program, &file, &run, &bell);
    session.stop().unwrap();
    assert_eq!(session.status().phase, Phase::Stopping);
    bell.until(&mut session, "its end", |session| !session.is_running());
    bell.read_all(&mut session);
    let status = session.status();
    assert_eq!(status.phase, Phase::Stopped, "{status:?}");
    let stopped = session.state().step();
    assert_eq!(session.state().checkpoints().next_back().unwrap().step, stopped);
    drop(session);

    let sets = vec![format!("train.steps={}", stopped + 20)];
    let mut session = Session::resume(&program, &run, sets, bell.wake.clone()).unwrap();
    bell.until(&mut session, "its end", |session| !session.is_running());
    bell.read_all(&mut session);
    assert_eq!(session.status().phase, Phase::Finished, "{:?}", session.status());
    assert_eq!((session.state().step(), session.state().parts()), (stopped + 20, 2));
}

#[test]
fn a_killed_child_is_told_in_words_and_the_run_can_be_looked_at() {
    let Some(program) = program() else { return };
    let (_kept, file, run) = yard();
    let bell = Bell::new();
    let (mut session, _ended) = endless(&program, &file, &run, &bell);
    // As another program would: the session does not know that somebody asked.
    let id = session.process().unwrap().to_string();
    let killed = std::process::Command::new("/bin/sh").args(["-c", "kill -9 $0", &id]).status();
    assert!(killed.unwrap().success());
    bell.until(&mut session, "its end", |session| !session.is_running());
    let status = session.status();
    assert_eq!(status.phase, Phase::Failed);
    assert!(status.words.starts_with("the program was killed (signal 9); "), "{status:?}");
    assert!(status.words.contains("it can be resumed after step "), "{}", status.words);
    assert!(!status.last_lines.is_empty());
}

#[test]
fn it_outlives_the_session_and_is_watched_and_stopped_by_another() {
    let Some(program) = program() else { return };
    let (_kept, file, run) = yard();
    let bell = Bell::new();
    let (session, _ended) = endless(&program, &file, &run, &bell);
    let id = session.process().unwrap();
    drop(session);
    assert_eq!(Writer::of(&run), Writer::Running(Some(id)));
    let mut other = Session::attach(&run, bell.wake.clone()).unwrap();
    bell.until(&mut other, "its liveness", |session| session.status().phase == Phase::Running);
    assert_eq!((other.process(), other.is_own_child_running()), (Some(id), false));
    let step = other.state().step();
    bell.until(&mut other, "further steps", |session| session.state().step() > step);
    other.stop().unwrap();
    bell.until(&mut other, "its end", |session| session.status().phase == Phase::Stopped);
}

#[test]
fn a_refused_run_file_is_told_with_the_program_s_words() {
    let Some(program) = program() else { return };
    let (_kept, file, run) = yard();
    fs::write(&file, RUN_FILE.replace("hidden = 32", "hidden = -1")).unwrap();
    let bell = Bell::new();
    let start = || Session::start(&program, &file, None, &run, Vec::new(), bell.wake.clone());
    let mut session = start().unwrap();
    bell.until(&mut session, "its end", |session| !session.is_running());
    let status = session.status();
    assert_eq!(status.phase, Phase::Failed);
    assert!(status.words.contains("exit code 2"), "{status:?}");
    assert!(status.last_lines.iter().any(|line| line.contains("hidden")), "{status:?}");
    // The log that stays behind is in nobody's way.
    fs::write(&file, RUN_FILE).unwrap();
    let mut session = start().unwrap();
    bell.until(&mut session, "its end", |session| !session.is_running());
    assert_eq!(session.status().phase, Phase::Finished, "{:?}", session.status());
}

#[test]
fn devices_are_listed_and_a_task_can_be_cancelled() {
    let Some(program) = program() else { return };
    let bell = Bell::new();
    let end = |task: &mut Task| loop {
        if let Some(end) = task.poll() {
            break end;
        }
        bell.wait("the answer");
    };
    let mut task = Task::start(
        &program,
        "Looking for devices",
        ["devices", "--json", "--no-probe"],
        None,
        Arc::clone(&bell.wake),
    )
    .unwrap();
    let TaskEnd::Done(answer) = end(&mut task) else { panic!("no devices") };
    assert!(!devices(&answer).unwrap().devices.is_empty());

    let mut task =
        Task::start(&program, "Nonsense", ["nonsense"], None, Arc::clone(&bell.wake)).unwrap();
    let TaskEnd::Failed(failed) = end(&mut task) else { panic!("that worked") };
    assert_eq!(failed.exit, Exit::Code(2));
    assert!(failed.to_string().contains("nonsense"), "{failed}");

    let mut task = Task::devices(&program, Arc::clone(&bell.wake)).unwrap();
    task.cancel();
    assert_eq!(end(&mut task), TaskEnd::Cancelled);
    let wrong = devices(br#"{"format":"trainyard-devices","version":9,"devices":[]}"#);
    assert!(wrong.unwrap_err().contains("version 9"));
}

/// The window tells this refusal from others by its words.
#[test]
fn a_device_that_is_not_there_is_refused_in_known_words() {
    let Some(program) = program() else { return };
    let (_kept, file, _) = yard();
    let missing = RUN_FILE.replacen("adapter = \"cpu\"", "adapter = \"vulkan:no such card\"", 1);
    fs::write(&file, missing).unwrap();
    let bell = Bell::new();
    let arguments = [std::ffi::OsStr::new("plan"), file.as_os_str()];
    let mut task =
        Task::start(&program, "Planning", arguments, None, Arc::clone(&bell.wake)).unwrap();
    let end = loop {
        match task.poll() {
            Some(TaskEnd::Failed(end)) => break end,
            Some(other) => panic!("{other:?}"),
            None => bell.wait("the refusal"),
        }
    };
    assert_eq!(end.exit, Exit::Code(2));
    assert!(end.reason().unwrap().contains("no adapter matches '"), "{end}");
}
