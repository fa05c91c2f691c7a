//! Traces of other programs: what the threads of any process did when, in the program's own words.
//!
//! A [`Trace`](crate::Trace) is of devices and their actions, which mean something here. A
//! [`ForeignTrace`] is of [`Process`]es and their [`Thread`]s, on which [`Span`]s with names lie
//! inside each other, and of [`Counter`]s. Spans that touch are drawn in lanes below each other.

mod builder;
mod clock;
mod flows;
mod lanes;
mod names;
mod open_spans;

use std::ops::Range;

use crate::json_walk::{Walk, plain_text};
pub(super) use builder::{Builder, RawSpan, ThreadKey};
pub(super) use clock::Clock;
pub(super) use flows::{FlowPoint, Part};
pub(super) use names::Said;
pub(super) use open_spans::Bound;

/// A trace of any program, on a clock of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ForeignTrace {
    /// The file, in which spans find their arguments.
    text: String,
    /// Names and categories, each once.
    words: Vec<String>,
    /// The processes, in the order in which they are shown.
    pub processes: Vec<Process>,
    /// The threads, process by process, in the order in which they are shown.
    pub threads: Vec<Thread>,
    /// The spans, thread by thread, by their starts; what holds others comes before them.
    pub spans: Vec<Span>,
    /// The counters, process by process.
    pub counters: Vec<Counter>,
    /// What leads to what, as pairs of spans, in order.
    pub flows: Vec<(u32, u32)>,
}

/// A process of a [`ForeignTrace`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id in the file.
    pub id: String,
    /// Its name and labels; empty where the file has none.
    pub name: String,
}

/// A thread of a [`ForeignTrace`], or what began and ended on its own beside the threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Index of its process.
    pub process: usize,
    /// Its id in the file, or the category of what began and ended on its own.
    pub id: String,
    /// Its name; empty where the file has none.
    pub name: String,
    /// Its spans, as indices.
    pub spans: Range<usize>,
    /// How many lanes they take.
    pub lanes: usize,
}

/// What a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// It has a beginning and an end.
    Whole,
    /// It has no end in the file: it goes on to the end of the trace.
    Unfinished,
    /// Something that happened at an instant.
    Mark,
}

/// Something that a thread did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Index of its thread.
    pub thread: u32,
    /// Which of its thread's lanes it lies in.
    pub lane: u16,
    /// What it is.
    pub kind: SpanKind,
    /// Start, ns.
    pub start_ns: u64,
    /// End, ns.
    pub end_ns: u64,
    /// Its name, for [`ForeignTrace::word`].
    pub name: u32,
    /// Its category, for [`ForeignTrace::word`].
    pub category: u32,
    /// Where in the file the event stands that begins it, and the one that ends it.
    pub(super) events: (usize, Option<usize>),
}

impl Span {
    /// Duration, ns.
    #[must_use]
    pub fn duration_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }
}

/// A number over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Counter {
    /// Index of its process.
    pub process: usize,
    /// Its name, with the name of its series where it has several.
    pub name: String,
    /// The number from each instant (ns) on, in order.
    pub samples: Vec<(u64, f64)>,
}

impl ForeignTrace {
    /// The same with the text of its file, in which spans find their arguments.
    pub(super) fn with_text(self, text: String) -> Self {
        Self { text, ..self }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty() && self.counters.is_empty()
    }

    /// A name or category.
    #[must_use]
    pub fn word(&self, index: u32) -> &str {
        self.words.get(index as usize).map_or("", String::as_str)
    }

    /// All names and categories; a span names its own by their indices.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Start of the first and end of the last of all that is in it, ns.
    #[must_use]
    pub fn extent_ns(&self) -> (u64, u64) {
        let spans = self.spans.iter().map(|span| (span.start_ns, span.end_ns));
        let samples = self.counters.iter().flat_map(|counter| {
            let ends = [counter.samples.first(), counter.samples.last()];
            ends.into_iter().flatten().map(|(at, _)| (*at, *at))
        });
        let all = spans.chain(samples);
        all.reduce(|(start, end), (s, e)| (start.min(s), end.max(e))).unwrap_or_default()
    }

    /// The arguments of a span, with their names, as the file has them.
    #[must_use]
    pub fn arguments(&self, span: &Span) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for at in [Some(span.events.0), span.events.1].into_iter().flatten() {
            let mut event = Walk::new(self.text.get(at..).unwrap_or_default());
            event.enter(b'{');
            while let Some(key) = event.key() {
                let Some(value) = event.value() else { break };
                if key == "args" {
                    found.extend(fields(value));
                }
            }
        }
        found
    }
}

/// The fields of an object as they read.
fn fields(object: &str) -> Vec<(String, String)> {
    let mut walk = Walk::new(object);
    walk.enter(b'{');
    let field = || {
        let name = walk.key()?;
        Some((plain_text(&format!("\"{name}\"")), plain_text(walk.value()?)))
    };
    std::iter::from_fn(field).collect()
}
