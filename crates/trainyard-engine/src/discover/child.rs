//! The parent's side of a probe: start a child, wait, and put what became of it into words.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::probe::{MARK, Question, VARIABLE};

/// More than any answer or last words need.
const OUTPUT_LIMIT: u64 = 16 << 20;
/// How often a running child is looked at.
const GLANCE: Duration = Duration::from_millis(10);
/// How long output may take to arrive after a child's end. A grandchild may hold the pipe open.
const LINGER: Duration = Duration::from_secs(2);

/// Why a child gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ChildFailure {
    /// The program knows nothing of probes, or cannot be started: ask in this process instead.
    DoesNotAnswerProbes,
    /// It crashed, gave up or hung. What happened, as the rest of a sentence.
    Died(String),
}

/// Asks a child of `program` a question.
pub(super) fn ask<T: DeserializeOwned>(
    program: &Path,
    question: &Question,
    patience: Duration,
) -> Result<T, ChildFailure> {
    let started = Command::new(program)
        .env(VARIABLE, question.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else { return Err(ChildFailure::DoesNotAnswerProbes) };
    let output = reader("probe-answer", child.stdout.take());
    let errors = reader("probe-errors", child.stderr.take());
    let end = wait(&mut child, patience);

    // A driver may crash in the child's last moments: an answer that is there counts all the same.
    let answer = text(&output);
    let answer = answer.lines().rev().find_map(|line| line.split_once(MARK)).map(|(_, json)| json);
    if let Some(answer) = answer.and_then(|json| serde_json::from_str(json).ok()) {
        return Ok(answer);
    }
    let what = match end {
        End::Exited(status) if status.success() => return Err(ChildFailure::DoesNotAnswerProbes),
        End::Exited(status) => how_it_ended(status),
        End::Killed => format!("it did not answer within {} s", patience.as_secs_f64()),
        End::Lost(error) => format!("its probe could not be waited for ({error})"),
    };
    Err(ChildFailure::Died(match last_line(&text(&errors)) {
        Some(line) => format!("{what}; the last it said: {line}"),
        None => what,
    }))
}

/// How a child ended.
enum End {
    Exited(ExitStatus),
    Killed,
    Lost(std::io::Error),
}

/// Waits for a child, and kills it when patience runs out.
fn wait(child: &mut Child, patience: Duration) -> End {
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return End::Exited(status),
            Ok(None) if start.elapsed() < patience => thread::sleep(GLANCE),
            Ok(None) => {
                // It may have ended just now; then there is nothing to kill, which is as well.
                let _ = child.kill();
                return child.wait().map_or_else(End::Lost, |_| End::Killed);
            }
            Err(error) => {
                let _ = child.kill();
                return End::Lost(error);
            }
        }
    }
}

/// Reads a pipe on a thread of its own, so that a talkative child is never blocked.
fn reader(name: &str, pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (send, receive) = sync_channel(1);
    // Without a thread the channel closes, and the output counts as empty.
    let _ = thread::Builder::new().name(name.to_owned()).spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            let _ = pipe.take(OUTPUT_LIMIT).read_to_end(&mut bytes);
        }
        let _ = send.send(bytes);
    });
    receive
}

/// What a reader read.
fn text(output: &Receiver<Vec<u8>>) -> String {
    String::from_utf8_lossy(&output.recv_timeout(LINGER).unwrap_or_default()).into_owned()
}

/// A child's unhappy end, as the rest of a sentence.
fn how_it_ended(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("its driver crashed (signal {signal})");
    }
    match status.code() {
        // Windows ends a program that crashes with one of its 0xC0000000 codes.
        Some(code) if code as u32 >= 0xC000_0000 => {
            format!("its driver crashed (code 0x{:08X})", code as u32)
        }
        Some(code) => format!("its driver gave up (exit code {code})"),
        None => "its driver gave up".to_owned(),
    }
}

/// The last line worth quoting, cut to a bearable length.
fn last_line(text: &str) -> Option<String> {
    let worth = |line: &&str| !line.is_empty() && !line.starts_with("note: run with");
    let line = text.lines().rev().map(str::trim).find(worth)?;
    Some(line.chars().take(200).collect())
}

/// Does `work` on every job, two at a time, and returns the results in the jobs' order.
///
/// Not all at once: software adapters use every core, and probes that starve each other time out.
pub(super) fn two_at_a_time<T: Sync, R: Send>(jobs: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let worker = || {
        loop {
            let position = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(position) else { return };
            let result = work(job);
            results.lock().unwrap_or_else(PoisonError::into_inner).push((position, result));
        }
    };
    thread::scope(|scope| {
        // If there is no second thread to be had, this one does it all.
        let _ = thread::Builder::new().name("device-probes".to_owned()).spawn_scoped(scope, worker);
        worker();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(position, _)| *position);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_jobs_order() {
        let jobs: Vec<u64> = (0..20).collect();
        let results = two_at_a_time(&jobs, |job| {
            thread::sleep(Duration::from_millis(job % 3));
            job * 2
        });
        assert_eq!(results, jobs.iter().map(|it| it * 2).collect::<Vec<_>>());
        assert!(two_at_a_time(&[] as &[u8], |it| *it).is_empty());
    }

    #[test]
    fn the_last_line_worth_quoting_is_found() {
        assert_eq!(last_line("a\nb: bad\n\n").as_deref(), Some("b: bad"));
        assert_eq!(last_line("bad\nnote: run with `X=1`\n").as_deref(), Some("bad"));
        assert_eq!(last_line(" \n"), None);
    }

    #[test]
    fn a_program_that_is_not_there_answers_no_probes() {
        let question = Question::Enumerate(trainyard_plan::Api::Vulkan);
        let answer = ask::<u8>(Path::new("/nowhere/at/all"), &question, Duration::from_secs(1));
        assert_eq!(answer, Err(ChildFailure::DoesNotAnswerProbes));
    }
}
