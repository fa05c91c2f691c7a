//! The planner's request, and its search on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Builder;

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use trainyard_plan::planner::{self, Explanation, MicroBatches, Objective, PlanRequest, Planned};
use trainyard_plan::{PlanError, Profile};

use crate::document::{Arrangement, Assessment, Document, assess};
use crate::run::Wake;

/// The name of the planner's best as a reference.
pub(crate) const BEST: &str = "the planner's best";

/// Number of plans asked for.
const TOP: usize = 8;

/// A request to the planner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The objective.
    pub objective: Objective,
    /// `auto` or a name.
    pub schedule: String,
    /// Whether the planner chooses the number of micro-batches.
    pub micro_batches: bool,
}

impl Default for Ask {
    fn default() -> Self {
        Self { objective: Objective::Time, schedule: "auto".into(), micro_batches: false }
    }
}

/// Terms of a search. Its answer is out of date when they change.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    profile: Arc<Profile>,
    arrangement: Arrangement,
}

/// A plan that was found.
#[derive(Clone, Debug)]
pub struct Alternative {
    /// Its arrangement.
    pub arrangement: Arrangement,
    /// Its assessment.
    pub assessment: Arc<Assessment>,
}

/// A job has at most so much to say, so that it never waits to be heard.
const NEWS: usize = 2;

/// News of a search.
enum News {
    Found(Result<Vec<Alternative>, String>),
    Explained(Box<Explanation>),
}

/// Results of a search so far.
#[derive(Debug, Default)]
pub struct Answer {
    /// Best first; or why there are none.
    pub(crate) found: Option<Result<Vec<Alternative>, String>>,
    /// Why the best is as it is.
    pub(crate) explanation: Option<Box<Explanation>>,
}

/// A search that goes on.
#[derive(Debug)]
pub struct Search {
    news: Receiver<News>,
    cancelled: Arc<AtomicBool>,
}

impl Terms {
    /// The terms of a document.
    #[must_use]
    pub fn of(document: &Document) -> Self {
        Self {
            profile: Arc::clone(document.profile()),
            arrangement: document.arrangement().clone(),
        }
    }

    /// Whether a search under these terms is still one under the document's.
    pub(crate) fn hold(&self, document: &Document) -> bool {
        let (then, now) = (&self.arrangement, document.arrangement());
        Arc::ptr_eq(&self.profile, document.profile())
            && then.memory_bytes == now.memory_bytes
            && then.locks == now.locks
            && then.excluded == now.excluded
            && then.split_backward == now.split_backward
    }

    fn plan(&self, ask: &Ask) -> Result<Planned, String> {
        let profile = self.arrangement.budgeted(self.profile.as_ref().clone());
        let mut request = PlanRequest {
            schedule: ask.schedule.parse().map_err(|error: PlanError| error.to_string())?,
            objective: ask.objective,
            top: TOP,
            ..self.arrangement.request(&profile)
        };
        if ask.micro_batches {
            request.micro_batches = MicroBatches::Auto;
        }
        planner::plan(&request).map_err(|error| error.to_string())
    }

    fn alternatives(&self, planned: &Planned) -> Result<Vec<Alternative>, String> {
        let alternative = |candidate: &planner::RankedPlan| {
            let arrangement = self.arrangement.taking(&self.profile, &candidate.plan)?;
            let assessment = Arc::new(assess(&self.profile, &arrangement)?);
            Ok(Alternative { arrangement, assessment })
        };
        let found: Result<_, PlanError> = planned.candidates.iter().map(alternative).collect();
        found.map_err(|error| error.to_string())
    }
}

impl Answer {
    fn take(&mut self, news: News) {
        match news {
            News::Found(found) => self.found = Some(found),
            News::Explained(explanation) => self.explanation = Some(explanation),
        }
    }

    /// No more news come.
    fn close(&mut self) {
        self.found
            .get_or_insert_with(|| Err("the planner stopped without an answer; plan again".into()));
    }
}

impl Search {
    /// Begins a search.
    ///
    /// # Errors
    /// In words, where there is no thread to plan on.
    pub fn start(terms: Terms, ask: Ask, wake: Wake) -> Result<Self, String> {
        let (send, news) = bounded(NEWS);
        let cancelled = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&cancelled);
        let search = move || {
            work(&terms, &ask, &send, &stop, &wake);
            // The end of the news is news too.
            drop(send);
            wake();
        };
        let thread = Builder::new().name("planner".into()).spawn(search);
        thread.map_err(|error| format!("no thread for the planner: {error}"))?;
        Ok(Self { news, cancelled })
    }

    /// Takes what there is to say. Whether more may come.
    pub(crate) fn poll(&self, answer: &mut Answer) -> bool {
        loop {
            match self.news.try_recv() {
                Ok(news) => answer.take(news),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => {
                    answer.close();
                    return false;
                }
            }
        }
    }

    /// What it says from now on is not heard. The search itself cannot be interrupted and runs to
    /// its end.
    pub(crate) fn cancel(self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Waits for its end. Never called while drawing.
    pub(crate) fn wait(self, answer: &mut Answer) {
        self.news.iter().for_each(|news| answer.take(news));
        answer.close();
    }
}

fn work(terms: &Terms, ask: &Ask, send: &Sender<News>, stop: &AtomicBool, wake: &Wake) {
    // The receiver may be gone; then the news is dropped.
    let send_news = |news| {
        let _ = send.send(news);
        wake();
    };
    let planned = match terms.plan(ask) {
        Ok(planned) => planned,
        Err(reason) => return send_news(News::Found(Err(reason))),
    };
    send_news(News::Found(terms.alternatives(&planned)));
    if !stop.load(Ordering::Relaxed) {
        send_news(News::Explained(Box::new(planner::explain(&planned))));
    }
}
