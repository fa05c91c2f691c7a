//! A program that is still running: watched, interrupted, killed.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Nothing here takes as long; whoever waits longer waits for something that will not come.
const PATIENCE: Duration = Duration::from_mins(3);

/// A running program, killed when the value is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Running {
    /// Starts a program whose messages go into a file.
    pub fn start(command: &mut Command, messages: &Path) -> Self {
        let file = std::fs::File::create(messages).expect("a file for the messages");
        let spawned = command.stdout(Stdio::null()).stderr(file).spawn();
        Self { child: spawned.unwrap_or_else(|error| panic!("cannot run {command:?}: {error}")) }
    }

    /// Waits until a file contains a text, as long as the program runs.
    pub fn wait_for(&mut self, path: &Path, text: &str) {
        let started = Instant::now();
        loop {
            let found = std::fs::read(path).unwrap_or_default();
            if String::from_utf8_lossy(&found).contains(text) {
                return;
            }
            let ended = self.child.try_wait().expect("a child can be asked");
            assert!(
                ended.is_none() && started.elapsed() < PATIENCE,
                "{text:?} never came into {} ({ended:?}); it says: {}",
                path.display(),
                String::from_utf8_lossy(&found)
            );
            sleep(Duration::from_millis(5));
        }
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `INT`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(status.is_ok_and(|status| status.success()), "cannot send SIG{name} to {pid}");
    }

    /// Waits for its end, and gives the exit code; none for a program that was killed.
    pub fn end(mut self) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be asked") {
                return status.code();
            }
            assert!(started.elapsed() < PATIENCE, "the program does not end");
            sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill().and_then(|()| self.child.wait()).is_ok();
    }
}
