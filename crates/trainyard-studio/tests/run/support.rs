//! Sessions that are waited for, and run directories made by hand.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use trainyard_studio::run::{Session, Wake};

/// Nothing takes as long; a test that waits for something that never comes ends by this.
const TOO_LONG: Duration = Duration::from_mins(1);

/// Waits for what other threads have to say.
pub(crate) struct Bell {
    pub(crate) wake: Wake,
    rung: Receiver<()>,
}

impl Bell {
    pub(crate) fn new() -> Self {
        let (ring, rung) = bounded(1);
        // One that has rung and was not heard yet is enough.
        let wake: Wake = Arc::new(move || {
            let _rung = ring.try_send(());
        });
        Self { wake, rung }
    }

    pub(crate) fn wait(&self, what: &str) {
        let heard = self.rung.recv_timeout(TOO_LONG);
        assert!(heard.is_ok(), "waited for {what} in vain");
    }

    /// Whether it rings within a time.
    pub(crate) fn rings_within(&self, time: Duration) -> bool {
        self.rung.recv_timeout(time).is_ok()
    }

    /// Polls a session until something is so.
    pub(crate) fn until(
        &self,
        session: &mut Session,
        what: &str,
        is_so: impl Fn(&Session) -> bool,
    ) {
        loop {
            session.poll();
            if is_so(session) {
                return;
            }
            self.wait(&format!("{what}; it stands so: {:?}", session.status()));
        }
    }

    /// Polls a session until everything that is in the journal was read.
    pub(crate) fn read_all(&self, session: &mut Session) {
        let length = std::fs::metadata(session.directory().join("journal.jsonl")).unwrap().len();
        self.until(session, "the whole journal", |s| s.progress().read_bytes >= length);
    }
}

pub(crate) const HEADER: &str = r#"{"type":"header","format":"trainyard-journal","version":1,"program":"0.1.0","started_unix_ms":1000,"first_step":0,"steps":500,"model":"gpt","parameters":1234567,"devices":[{"id":"dgpu","name":"NVIDIA GeForce RTX 3050","budget_bytes":4294967296},{"id":"igpu","name":"Intel Iris Xe","budget_bytes":2147483648}]}"#;

/// The lines of a step of a run on two devices.
pub(crate) fn step_lines(step: u64) -> String {
    let mut text = String::new();
    let start = step * 100_000_000;
    for micro_batch in 0..4_u64 {
        for device in 0..2_u64 {
            let at = start + (micro_batch * 2 + device) * 5_000_000;
            let action = format!("{device}F{micro_batch}");
            let end = at + 4_000_000;
            writeln!(
                text,
                r#"{{"type":"action","step":{step},"device":{device},"lane":"compute","action":"{action}","start_ns":{at},"end_ns":{end}}}"#
            )
            .unwrap();
        }
    }
    for device in 0..2_u64 {
        let used = (900 + 100 * (step % 7) + 300 * device) << 20;
        let peak = (1600 + 300 * device) << 20;
        let predicted = (1700 + 200 * device) << 20;
        writeln!(
            text,
            r#"{{"type":"memory","at_ns":{start},"device":{device},"in_use_bytes":{used},"peak_bytes":{peak},"predicted_bytes":{predicted}}}"#
        )
        .unwrap();
    }
    let loss =
        1.2 + 2.8 * (-(step as f64) / 120.0).exp() + 0.08 * ((step * 7919) % 13) as f64 / 13.0;
    let rate = 3e-4 * (step as f64 / 50.0).min(1.0);
    let norm = 0.4 + 0.3 * ((step * 104_729) % 17) as f64 / 17.0;
    let took = 88_000_000 + ((step * 31_337) % 9) * 700_000;
    let tokens = 8192e9 / took as f64;
    writeln!(
        text,
        r#"{{"type":"step","at_ns":{},"step":{step},"loss":{loss},"learning_rate":{rate},"grad_norm":{norm},"step_ns":{took},"tokens_per_s":{tokens}}}"#,
        start + 90_000_000
    )
    .unwrap();
    if step.is_multiple_of(50) {
        let at = start + 95_000_000;
        writeln!(
            text,
            r#"{{"type":"validation","at_ns":{at},"step":{step},"loss":{},"tokens":4096,"whole":false}}"#,
            loss + 0.1
        )
        .unwrap();
        writeln!(
            text,
            r#"{{"type":"checkpoint","at_ns":{at},"step":{step},"path":"checkpoints/step-{step:06}"}}"#
        )
        .unwrap();
    }
    text
}

pub(crate) fn state_line(state: &str, step: u64, message: &str) -> String {
    format!(
        "{{\"type\":\"state\",\"at_ns\":{step},\"state\":\"{state}\",\"step\":{step},\"message\":\"{message}\"}}\n"
    )
}

/// A run of so many steps in a directory.
pub(crate) fn write_run(directory: &Path, steps: u64, end: &str) {
    let mut text = format!("{HEADER}\n{}", state_line("running", 0, ""));
    (1..=steps).for_each(|step| text.push_str(&step_lines(step)));
    text.push_str(end);
    for step in (50..=steps).step_by(50) {
        let checkpoint = directory.join(format!("checkpoints/step-{step:06}"));
        std::fs::create_dir_all(checkpoint).unwrap();
    }
    std::fs::write(directory.join("journal.jsonl"), text).unwrap();
}
