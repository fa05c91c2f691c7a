//! A trace of another program made ready to be drawn, once: a track for each lane of each thread,
//! and a curve for each counter.

use trainyard_plan::MemorySample;
use trainyard_plan::foreign::{Counter, ForeignTrace, Span, Thread};

use super::scene::next_revision;
use super::{Curve, Slice, Track};
use crate::theme::Theme;

/// A trace of another program, ready to be drawn.
#[derive(Debug)]
pub struct ForeignScene {
    trace: ForeignTrace,
    /// By thread, then by lane.
    lanes: Vec<Vec<Track>>,
    counters: Vec<CounterCurve>,
    /// The flows of the trace by where they lead to.
    flows_back: Vec<(u32, u32)>,
    extent_ns: (u64, u64),
    revision: u64,
}

/// A counter as a curve between its smallest and its largest number.
#[derive(Debug)]
pub struct CounterCurve {
    /// How high it stands at each sample, in parts of [`CounterCurve::HEIGHT`].
    pub curve: Curve,
    /// The smallest number, or 0.
    pub low: f64,
    /// The largest number, or 0.
    pub high: f64,
}

impl CounterCurve {
    /// How high its largest number stands.
    pub const HEIGHT: u64 = 1 << 20;

    fn new(counter: &Counter) -> Self {
        let numbers = || counter.samples.iter().map(|(_, number)| *number);
        let (low, high) = (numbers().fold(0.0, f64::min), numbers().fold(0.0, f64::max));
        let range = if high > low { high - low } else { 1.0 };
        let height = |number: f64| ((number - low) / range * Self::HEIGHT as f64) as u64;
        let sample = |&(at_ns, number): &(u64, f64)| MemorySample {
            at_ns,
            device: 0,
            in_use_bytes: height(number),
            ..MemorySample::default()
        };
        let samples: Vec<MemorySample> = counter.samples.iter().map(sample).collect();
        let mut curve = Curve::default();
        curve.extend(&samples);
        Self { curve, low, high }
    }
}

impl ForeignScene {
    /// Makes a trace ready.
    #[must_use]
    pub fn new(trace: ForeignTrace) -> Self {
        let colours: Vec<u8> = trace.words().iter().map(|word| colour_of(word)).collect();
        let tracks = |thread: &Thread| {
            let mut lanes: Vec<Vec<Slice>> = vec![Vec::new(); thread.lanes];
            let spans = trace.spans.get(thread.spans.clone()).unwrap_or_default();
            for (index, span) in (thread.spans.start..).zip(spans) {
                let class = colours.get(span.name as usize).copied().unwrap_or(0);
                // More than there are numbers for are not read.
                if let (Some(lane), Ok(index)) =
                    (lanes.get_mut(usize::from(span.lane)), u32::try_from(index))
                {
                    lane.push(Slice::new(span.start_ns, span.end_ns, index, class));
                }
            }
            let track = |slices| {
                let mut track = Track::default();
                track.extend(slices);
                track
            };
            lanes.into_iter().map(track).collect()
        };
        let lanes = trace.threads.iter().map(tracks).collect();
        let counters = trace.counters.iter().map(CounterCurve::new).collect();
        let mut flows_back: Vec<(u32, u32)> =
            trace.flows.iter().map(|&(from, to)| (to, from)).collect();
        flows_back.sort_unstable();
        let extent_ns = trace.extent_ns();
        Self { trace, lanes, counters, flows_back, extent_ns, revision: next_revision() }
    }

    /// The trace.
    #[must_use]
    pub fn trace(&self) -> &ForeignTrace {
        &self.trace
    }

    /// A lane of a thread.
    #[must_use]
    pub fn lane(&self, thread: usize, lane: usize) -> Option<&Track> {
        self.lanes.get(thread)?.get(lane)
    }

    /// A counter's curve.
    #[must_use]
    pub fn counter(&self, index: usize) -> Option<&CounterCurve> {
        self.counters.get(index)
    }

    /// A span.
    #[must_use]
    pub fn span(&self, index: u32) -> Option<&Span> {
        self.trace.spans.get(index as usize)
    }

    /// The name of a span.
    #[must_use]
    pub fn name(&self, span: &Span) -> &str {
        match self.trace.word(span.name) {
            "" => "(no name)",
            name => name,
        }
    }

    /// The name of a process, or its id.
    #[must_use]
    pub fn process_name(&self, process: usize) -> String {
        let Some(process) = self.trace.processes.get(process) else { return String::new() };
        named(&process.name, &process.id, "process")
    }

    /// The name of a thread, or its id.
    #[must_use]
    pub fn thread_name(&self, thread: usize) -> String {
        let Some(thread) = self.trace.threads.get(thread) else { return String::new() };
        named(&thread.name, &thread.id, "thread")
    }

    /// Start of the first and end of the last of all that is in it, ns.
    #[must_use]
    pub fn extent_ns(&self) -> (u64, u64) {
        self.extent_ns
    }

    /// A number that no other content of a scene has.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The flows that a span has to do with, as (from, to).
    pub fn flows(&self, span: u32) -> impl Iterator<Item = (u32, u32)> {
        let back = of_first(&self.flows_back, span).iter().map(|&(to, from)| (from, to));
        of_first(&self.trace.flows, span).iter().copied().chain(back)
    }

    /// What a flow from a span leads to.
    #[must_use]
    pub fn next(&self, span: u32) -> Option<u32> {
        of_first(&self.trace.flows, span).first().map(|(_, to)| *to)
    }

    /// What a flow to a span comes from.
    #[must_use]
    pub fn previous(&self, span: u32) -> Option<u32> {
        of_first(&self.flows_back, span).first().map(|(_, from)| *from)
    }

    /// The span after one in its lane, or the one before it.
    #[must_use]
    pub fn beside(&self, span: u32, by: isize) -> Option<u32> {
        let it = self.span(span)?;
        let slices = self.lane(it.thread as usize, usize::from(it.lane))?.slices();
        let at = slices.binary_search_by_key(&span, |slice| slice.event).ok()?;
        slices.get(at.checked_add_signed(by)?).map(|slice| slice.event)
    }

    /// The spans in whose name, category, thread or process each of the words is found, in order.
    #[must_use]
    pub fn hits(&self, text: &str) -> Vec<u32> {
        let lower = text.to_lowercase();
        let words: Vec<&str> = lower.split_whitespace().collect();
        if words.is_empty() {
            return Vec::new();
        }
        // Which of the words are in a text, as bits.
        let bits = |text: &str| {
            let text = text.to_lowercase();
            let found = words.iter().enumerate().filter(|(_, word)| text.contains(**word));
            found.fold(0_u64, |bits, (index, _)| bits | 1 << index.min(63))
        };
        let all = bits(&lower);
        let of_words: Vec<u64> = self.trace.words().iter().map(|word| bits(word)).collect();
        let of_thread = |thread: usize| {
            let process = self.trace.threads.get(thread).map_or(0, |thread| thread.process);
            bits(&self.thread_name(thread)) | bits(&self.process_name(process))
        };
        let of_threads: Vec<u64> = (0..self.trace.threads.len()).map(of_thread).collect();
        let of = |bits: &[u64], index: u32| bits.get(index as usize).copied().unwrap_or(0);
        let is_hit = |span: &Span| {
            let words = of(&of_words, span.name) | of(&of_words, span.category);
            words | of(&of_threads, span.thread) == all
        };
        let found = (0_u32..).zip(&self.trace.spans).filter(|(_, span)| is_hit(span));
        found.map(|(index, _)| index).collect()
    }
}

/// A name, or else an id: a number by itself says nothing.
fn named(name: &str, id: &str, kind: &str) -> String {
    match (name.is_empty(), id.is_empty()) {
        (false, _) => name.to_owned(),
        (true, true) => format!("no {kind}"),
        (true, false) if id.parse::<i128>().is_ok() => format!("{kind} {id}"),
        (true, false) => id.to_owned(),
    }
}

/// The pairs that begin with a span.
fn of_first(pairs: &[(u32, u32)], span: u32) -> &[(u32, u32)] {
    let first = pairs.partition_point(|(one, _)| *one < span);
    let rest = pairs.get(first..).unwrap_or_default();
    rest.get(..rest.partition_point(|(one, _)| *one == span)).unwrap_or_default()
}

/// The colour of a name, as an index: always the same one.
fn colour_of(name: &str) -> u8 {
    // FNV-1a: names differ in their last letters.
    let hash = name
        .bytes()
        .fold(0x811C_9DC5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (hash >> 16) as u8 % Theme::SPANS as u8
}
