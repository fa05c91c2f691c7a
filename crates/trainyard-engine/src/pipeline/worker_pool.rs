//! Talking to the workers: handing out work, collecting answers, noticing who failed, and the end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::MicroBatch;
use super::watch::Watch;
use crate::EngineError;
use crate::activity::Activity;
use crate::concurrency::{Instant, JoinHandle, Receiver, RecvTimeoutError, Sender, sleep};
use crate::link::LinkThread;
use crate::wiring::Name;
use crate::worker::{Command, Reply, Report};

/// How long the workers of a pipeline that has failed may take to end.
const GRACE: Duration = Duration::from_secs(5);
/// How long the others may take to notice that one worker has failed: as long as an action does. What
/// they hold can be saved only if they all have.
const NOTICE: Duration = Duration::from_mins(1);

/// How often the pipeline looks, while it waits, for what no report tells.
const LOOK: Duration = Duration::from_millis(200);

/// The worker of one rank, as the pipeline sees it.
pub(super) struct Rank {
    pub(super) device: String,
    /// Whether the device compiles the kernels that it runs.
    pub(super) compiles: bool,
    pub(super) commands: Sender<Command>,
    pub(super) thread: JoinHandle<()>,
    pub(super) activity: Activity,
}

/// All workers, and the way their answers come back.
pub(super) struct WorkerPool {
    pub(super) ranks: Vec<Rank>,
    pub(super) reports: Receiver<Report>,
    /// Threads of the links; they end when the workers do.
    pub(super) link_threads: Vec<LinkThread>,
    pub(super) health: Health,
    /// Set from outside when nobody wants the answer any more.
    pub(super) cancel: Option<Arc<AtomicBool>>,
    pub(super) watch: Watch,
}

/// What the workers can still do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Sound,
    /// The command that some are about to answer changes weights.
    Changing,
    /// One has failed, and all can say what they hold.
    FailedWithWeights,
    Failed,
    /// Somebody did not wait for their answer.
    Cancelled,
}

impl WorkerPool {
    /// A pool without workers yet.
    pub(super) fn new(reports: Receiver<Report>, link_threads: Vec<LinkThread>) -> Self {
        let (ranks, health, watch) = (Vec::new(), Health::Sound, Watch::new());
        Self { ranks, reports, link_threads, health, cancel: None, watch }
    }

    /// Gives every rank a command.
    pub(super) fn ask_all(
        &mut self,
        mut command: impl FnMut() -> Command,
    ) -> Result<(), EngineError> {
        // A worker that is gone answers nothing; `collect` notices.
        for rank in &self.ranks {
            let command = command();
            let can = match self.health {
                Health::Sound | Health::Changing => true,
                Health::FailedWithWeights => command.saves(),
                Health::Failed | Health::Cancelled => false,
            };
            if !can {
                return Err(EngineError::internal(
                    "the pipeline has failed before; make a new one",
                ));
            }
            if self.health == Health::Sound && !command.keeps_weights() {
                self.health = Health::Changing;
            }
            let _gone = rank.commands.send(command).is_err();
        }
        Ok(())
    }

    /// Gives every rank the tensors of the batch that it takes, and everybody the number of rows.
    pub(super) fn hand_out(
        &mut self,
        takes: &[BTreeSet<Name>],
        micro_batches: Vec<MicroBatch>,
        command: impl Fn(Vec<MicroBatch>) -> Command,
    ) -> Result<(), EngineError> {
        let mut shares: Vec<Vec<MicroBatch>> = vec![Vec::new(); self.ranks.len()];
        for MicroBatch { tensors, rows, slice, offset } in micro_batches {
            let mut left: Vec<usize> = Vec::with_capacity(tensors.len());
            for (name, _) in &tensors {
                left.push(takes.iter().filter(|names| names.contains(name)).count());
            }
            let mut tensors: Vec<_> = tensors.into_iter().map(Some).collect();
            for (names, share) in takes.iter().zip(&mut shares) {
                let mut of_rank = Vec::with_capacity(names.len());
                for (slot, left) in tensors.iter_mut().zip(&mut left) {
                    if slot.as_ref().is_some_and(|(name, _)| names.contains(name)) {
                        *left -= 1;
                        // The last that takes a tensor gets it, the others a copy.
                        of_rank.extend(if *left == 0 { slot.take() } else { slot.clone() });
                    }
                }
                share.push(MicroBatch { tensors: of_rank, rows, slice, offset });
            }
        }
        let mut shares = shares.into_iter();
        self.ask_all(|| command(shares.next().unwrap_or_default()))
    }

    /// One reply from every rank, in rank order; or the error that started the trouble, which
    /// ends the pipeline.
    pub(super) fn collect(&mut self) -> Result<Vec<Reply>, EngineError> {
        self.collect_watching(&|_| ())
    }

    /// The same, where `look` is called every so often while there is nothing to do but wait.
    pub(super) fn collect_watching(
        &mut self,
        look: &dyn Fn(&[Rank]),
    ) -> Result<Vec<Reply>, EngineError> {
        let mut replies: Vec<Option<Reply>> = self.ranks.iter().map(|_| None).collect();
        let mut trouble: Option<(EngineError, Instant)> = None;
        let mut answers = 0;
        for _ in 0..self.ranks.len() {
            let report = match &trouble {
                None => self.next_report(look),
                Some((_, since)) => match self.report_until(*since + NOTICE) {
                    Some(report) => report,
                    None => break,
                },
            };
            answers += usize::from(report.is_ok());
            match report {
                Ok((rank, Ok(reply))) => replies[rank] = Some(reply),
                Err(EngineError::Cancelled) => {
                    self.health = Health::Cancelled;
                    return Err(EngineError::Cancelled);
                }
                // Nobody else will answer either.
                Err(error @ EngineError::Stalled { .. }) => {
                    self.health = Health::Failed;
                    return Err(error);
                }
                Ok((_, Err(error))) | Err(error) => {
                    let (known, since) = match trouble.take() {
                        Some((known, since)) => (Some(known), since),
                        None => (None, Instant::now()),
                    };
                    trouble = Some((more_telling(known, error), since));
                }
            }
        }
        let Some((error, _)) = trouble else {
            if self.health == Health::Changing {
                self.health = Health::Sound;
            }
            return Ok(replies.into_iter().flatten().collect());
        };
        let all_answered = answers == self.ranks.len();
        self.health = match self.health {
            Health::Sound | Health::FailedWithWeights if all_answered => Health::FailedWithWeights,
            _ => Health::Failed,
        };
        Err(error)
    }

    /// The next reply of any rank, where not all answer; or the error that started the trouble, which ends
    /// the pipeline.
    pub(super) fn next_reply(&mut self) -> Result<Reply, EngineError> {
        let error = match self.next_report(&|_| ()) {
            Ok((_, Ok(reply))) => return Ok(reply),
            Err(EngineError::Cancelled) => {
                self.health = Health::Cancelled;
                return Err(EngineError::Cancelled);
            }
            Ok((_, Err(error))) | Err(error) => error,
        };
        self.health = Health::Failed;
        let (mut error, since) = (error, Instant::now());
        // Of a failure the others learn by their links, and one of them may have told it first.
        while matches!(error, EngineError::NeighbourStopped) {
            match self.report_until(since + NOTICE) {
                Some(Ok((_, Err(other))) | Err(other)) => error = more_telling(Some(error), other),
                Some(Ok((_, Ok(_)))) => {}
                None => break,
            }
        }
        Err(error)
    }

    /// As [`Self::collect`], where ranks may refuse without harm: the first refusal is the error,
    /// and the pipeline stays usable.
    pub(super) fn collect_unless_refused(&mut self) -> Result<Vec<Reply>, EngineError> {
        let mut granted = Vec::new();
        let mut refusal = None;
        for reply in self.collect()? {
            match reply {
                Reply::Refused(error) => refusal = refusal.or(Some(error)),
                reply => granted.push(reply),
            }
        }
        refusal.map_or(Ok(granted), Err)
    }

    /// A report that comes before a deadline, unless nobody is left to send one.
    fn report_until(&self, deadline: Instant) -> Option<Result<Report, EngineError>> {
        loop {
            if self.is_cancelled() {
                return Some(Err(EngineError::Cancelled));
            }
            match self.reports.recv_timeout(LOOK) {
                Ok(report) => return Some(Ok(report)),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    let all_ended = self.ranks.iter().all(|rank| rank.thread.is_finished());
                    if all_ended && self.reports.is_empty() || Instant::now() >= deadline {
                        return None;
                    }
                }
            }
        }
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.as_ref().is_some_and(|cancel| cancel.load(Ordering::SeqCst))
    }

    /// Waits for a report, and notices when a worker thread has ended without one, nobody wants the
    /// answer any more, or the threads come no further.
    fn next_report(&mut self, look: &dyn Fn(&[Rank])) -> Result<Report, EngineError> {
        self.watch.begin();
        loop {
            if self.is_cancelled() {
                return Err(EngineError::Cancelled);
            }
            match self.reports.recv_timeout(LOOK) {
                Ok(report) => return Ok(report),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(EngineError::driver("all workers have ended"));
                }
                Err(RecvTimeoutError::Timeout) => {
                    look(&self.ranks);
                    let ended = self.ranks.iter().find(|rank| rank.thread.is_finished());
                    // A worker reports before it ends, so an empty channel now is the whole truth.
                    if let (Some(rank), true) = (ended, self.reports.is_empty()) {
                        return Err(EngineError::driver(format!(
                            "the worker of device '{}' has ended",
                            rank.device
                        )));
                    }
                    self.look()?;
                }
            }
        }
    }
}

/// Of two errors the one that is nearer to the cause: that a neighbour stopped is a consequence,
/// and only a worker that names its device says where it happened.
fn more_telling(known: Option<EngineError>, new: EngineError) -> EngineError {
    let tells = |error: &EngineError| match error {
        EngineError::NeighbourStopped => 0,
        EngineError::Driver { .. } => 1,
        _ => 2,
    };
    match known {
        Some(known) if tells(&known) >= tells(&new) => known,
        _ => new,
    }
}

impl Drop for WorkerPool {
    fn drop(&mut self) {
        let threads: Vec<JoinHandle<()>> = self
            .ranks
            .drain(..)
            // Without its commands a worker ends, and without its workers a link.
            .map(|rank| rank.thread)
            .chain(self.link_threads.drain(..).map(|link| link.thread))
            .collect();
        if self.health == Health::Cancelled {
            // They end with what they are at.
            return;
        }
        let failed = self.health != Health::Sound;
        let deadline = Instant::now() + GRACE;
        for thread in threads {
            // After a fault a worker may hang in its driver; it must not take the program with it.
            while failed && !thread.is_finished() && Instant::now() < deadline {
                sleep(Duration::from_millis(2));
            }
            if !failed || thread.is_finished() {
                let _panicked = thread.join().is_err();
            }
        }
    }
}
