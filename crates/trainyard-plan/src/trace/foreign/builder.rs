//! Makes a [`ForeignTrace`] of events as they come, in any order.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::names::{Names, order_of_id};
use super::open_spans::{Bound, pair};
use super::{
    Clock, Counter, FlowPoint, ForeignTrace, Process, Span, SpanKind, Thread, flows, lanes,
};
use crate::json_walk::{plain_text, unquoted};

/// Which thread something belongs to, as the file has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ThreadKey<'a> {
    pub(crate) pid: &'a str,
    /// The thread; of what begins and ends on its own the category.
    pub(crate) tid: &'a str,
    /// Whether it is not a thread: what begins and ends on its own lies beside them.
    pub(crate) is_aside: bool,
}

/// A span with times as the file has them, ns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawSpan {
    pub(crate) thread: u32,
    pub(crate) kind: SpanKind,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) name: u32,
    pub(crate) category: u32,
    pub(crate) events: (usize, Option<usize>),
}

/// Process, name, number and series of a counter.
type CounterKey<'a> = (&'a str, &'a str, &'a str, &'a str);

/// The events so far.
#[derive(Default)]
pub(crate) struct Builder<'a> {
    pub(crate) names: Names<'a>,
    words: HashMap<&'a str, u32>,
    word_list: Vec<&'a str>,
    threads: HashMap<ThreadKey<'a>, u32>,
    thread_list: Vec<ThreadKey<'a>>,
    spans: Vec<RawSpan>,
    bounds: Vec<Bound<'a>>,
    flows: Vec<(FlowPoint<'a>, i64)>,
    counters: HashMap<CounterKey<'a>, usize>,
    counter_list: Vec<(CounterKey<'a>, Vec<(i64, f64)>)>,
    /// The latest time of a span, ns.
    last: Option<i64>,
}

impl<'a> Builder<'a> {
    /// Whether nothing has come.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0 && self.counter_list.is_empty()
    }

    /// How many spans have come.
    pub(crate) fn len(&self) -> usize {
        self.spans.len() + self.bounds.len()
    }

    /// The number of a name or category, which stands in the file as `value`.
    pub(crate) fn word(&mut self, value: &'a str) -> u32 {
        let next = self.word_list.len() as u32;
        *self.words.entry(value).or_insert_with(|| {
            self.word_list.push(value);
            next
        })
    }

    /// The index of a thread.
    pub(crate) fn thread(&mut self, key: ThreadKey<'a>) -> u32 {
        let next = self.thread_list.len() as u32;
        *self.threads.entry(key).or_insert_with(|| {
            self.thread_list.push(key);
            next
        })
    }

    /// Takes a span.
    pub(crate) fn span(&mut self, span: RawSpan) {
        self.last = self.last.max(Some(span.end));
        self.spans.push(span);
    }

    /// Takes the beginning of a span, or its end.
    pub(crate) fn bound(&mut self, bound: Bound<'a>) {
        self.last = self.last.max(Some(bound.at));
        self.bounds.push(bound);
    }

    /// Takes a point of a flow, at a time as the file has it, ns.
    pub(crate) fn flow(&mut self, point: FlowPoint<'a>, at: i64) {
        self.flows.push((point, at));
    }

    /// Takes a number of a counter.
    pub(crate) fn count(&mut self, key: CounterKey<'a>, at: i64, number: f64) {
        let next = self.counter_list.len();
        let index = *self.counters.entry(key).or_insert(next);
        if index == next {
            self.counter_list.push((key, Vec::new()));
        }
        if let Some((_, samples)) = self.counter_list.get_mut(index) {
            samples.push((at, number));
        }
    }

    /// The trace, without the text of the file.
    pub(crate) fn finish(mut self, clock: &Clock) -> ForeignTrace {
        self.spans.extend(pair(std::mem::take(&mut self.bounds), self.last.unwrap_or(0)));
        let mut used = vec![false; self.thread_list.len()];
        for span in &self.spans {
            if let Some(used) = used.get_mut(span.thread as usize) {
                *used = true;
            }
        }
        let (processes, pids) = self.processes(&used);
        let indices: HashMap<&str, usize> = pids.into_iter().zip(0..).collect();
        let index_of = |pid: &str| indices.get(pid).copied().unwrap_or(0);
        let (mut threads, places) = self.threads(&used, index_of);
        let spans = self.place(&mut threads, &places, clock);
        let points = self.flows.iter().filter_map(|(point, at)| {
            let thread = (*places.get(point.thread as usize)?)?;
            Some(FlowPoint { thread, at_ns: clock.ns(*at), ..*point })
        });
        let flows = flows::pairs(points.collect(), &threads, &spans);
        let counters = self.counters(index_of, clock);
        let words = self.word_list.iter().map(|word| plain_text(word)).collect();
        let text = String::new();
        ForeignTrace { text, words, processes, threads, spans, counters, flows }
    }

    /// The processes that have something to show, in order, with their ids in the file.
    fn processes(&self, used: &[bool]) -> (Vec<Process>, Vec<&'a str>) {
        let of_threads = self.thread_list.iter().zip(used).filter(|(_, used)| **used);
        let of_counters = self.counter_list.iter().map(|((pid, ..), _)| *pid);
        let mut pids: Vec<&str> = of_threads.map(|(key, _)| key.pid).chain(of_counters).collect();
        pids.sort_by_key(|pid| (self.names.process_order(pid), order_of_id(pid)));
        pids.dedup();
        let process = |pid: &&str| Process { id: plain_text(pid), name: self.names.process(pid) };
        (pids.iter().map(process).collect(), pids)
    }

    /// The threads that have something to show, in order; and for each as it came where it is then.
    fn threads(
        &self,
        used: &[bool],
        index_of: impl Fn(&str) -> usize,
    ) -> (Vec<Thread>, Vec<Option<u32>>) {
        let mut order: Vec<usize> =
            (0..used.len()).filter(|at| used.get(*at) == Some(&true)).collect();
        order.sort_by_cached_key(|at| {
            self.thread_list.get(*at).map(|key| {
                let of_names = self.names.thread_order(key.pid, key.tid);
                (index_of(key.pid), key.is_aside, of_names, order_of_id(key.tid))
            })
        });
        let mut places = vec![None; used.len()];
        let mut threads = Vec::with_capacity(order.len());
        for (index, at) in order.into_iter().enumerate() {
            let (Some(key), Some(place)) = (self.thread_list.get(at), places.get_mut(at)) else {
                continue;
            };
            *place = u32::try_from(index).ok();
            let name =
                if key.is_aside { String::new() } else { self.names.thread(key.pid, key.tid) };
            let (process, id) = (index_of(key.pid), plain_text(key.tid));
            threads.push(Thread { process, id, name, spans: 0..0, lanes: 0 });
        }
        (threads, places)
    }

    /// The spans on their threads, in order, each in its lane.
    fn place(&self, threads: &mut [Thread], places: &[Option<u32>], clock: &Clock) -> Vec<Span> {
        let placed = self.spans.iter().filter_map(|raw| {
            let start_ns = clock.ns(raw.start);
            let length = u64::try_from(raw.end.saturating_sub(raw.start)).unwrap_or(0);
            Some(Span {
                thread: (*places.get(raw.thread as usize)?)?,
                lane: 0,
                kind: raw.kind,
                start_ns,
                end_ns: start_ns.saturating_add(length),
                name: raw.name,
                category: raw.category,
                events: raw.events,
            })
        });
        let mut spans: Vec<Span> = placed.collect();
        spans.sort_by_key(|span| (span.thread, span.start_ns, Reverse(span.end_ns)));
        let mut first = 0;
        for of_thread in spans.chunk_by_mut(|one, other| one.thread == other.thread) {
            let end = first + of_thread.len();
            let thread = of_thread.first().map_or(0, |span| span.thread as usize);
            if let Some(thread) = threads.get_mut(thread) {
                thread.spans = first..end;
                thread.lanes = lanes::assign(of_thread);
            }
            first = end;
        }
        spans
    }

    fn counters(&self, index_of: impl Fn(&str) -> usize, clock: &Clock) -> Vec<Counter> {
        let mut of_name: HashMap<(&str, &str, &str), usize> = HashMap::new();
        for ((pid, name, id, _), _) in &self.counter_list {
            *of_name.entry((*pid, *name, *id)).or_default() += 1;
        }
        let counter = |(key, samples): &(CounterKey<'_>, Vec<(i64, f64)>)| {
            let (pid, name, id, series) = *key;
            let mut words = plain_text(name);
            if !id.is_empty() {
                words = format!("{words} {}", unquoted(id));
            }
            if of_name.get(&(pid, name, id)).is_some_and(|several| *several > 1) {
                words = format!("{words}: {}", plain_text(&format!("\"{series}\"")));
            }
            let mut samples: Vec<(u64, f64)> =
                samples.iter().map(|(at, number)| (clock.ns(*at), *number)).collect();
            samples.sort_by_key(|(at, _)| *at);
            Counter { process: index_of(pid), name: words, samples }
        };
        let mut counters: Vec<Counter> = self.counter_list.iter().map(counter).collect();
        counters.sort_by(|one, other| (one.process, &one.name).cmp(&(other.process, &other.name)));
        counters
    }
}
