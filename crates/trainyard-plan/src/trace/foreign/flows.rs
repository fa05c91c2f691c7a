//! Flows: which span leads to which. A file has a point for each end, which belongs to the span of
//! its thread that it lies in, or to the next one.

use super::{Span, Thread};

/// What a point is to its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// The flow begins here.
    Start,
    /// It goes through here.
    Step,
    /// It ends here.
    End,
}

/// A point of a flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlowPoint<'a> {
    /// Category and number of the flow.
    pub(crate) flow: (&'a str, &'a str),
    pub(crate) part: Part,
    /// Index of the thread.
    pub(crate) thread: u32,
    pub(crate) at_ns: u64,
    /// Whether it belongs to the next span that begins, not to the one that it lies in.
    pub(crate) is_of_next: bool,
}

/// The pairs of spans that flows lead from and to.
pub(super) fn pairs(
    mut points: Vec<FlowPoint<'_>>,
    threads: &[Thread],
    spans: &[Span],
) -> Vec<(u32, u32)> {
    points.sort_by_key(|point| (point.thread, point.at_ns));
    let mut bound: Vec<(FlowPoint<'_>, u32)> = Vec::with_capacity(points.len());
    for of_thread in points.chunk_by(|one, other| one.thread == other.thread) {
        let thread = of_thread.first().and_then(|point| threads.get(point.thread as usize));
        if let Some(thread) = thread {
            bind(of_thread, thread, spans, &mut bound);
        }
    }
    bound.sort_by_key(|(point, _)| (point.flow, point.at_ns, point.part));
    let mut pairs = Vec::new();
    for flow in bound.chunk_by(|(one, _), (other, _)| one.flow == other.flow) {
        let mut from = None;
        for (point, to) in flow {
            if point.part != Part::Start {
                pairs.extend(from.filter(|from| from != to).map(|from| (from, *to)));
            }
            if point.part != Part::End {
                from = Some(*to);
            }
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

/// Finds the spans of the points of a thread, both by time.
fn bind<'a>(
    points: &[FlowPoint<'a>],
    thread: &Thread,
    spans: &[Span],
    bound: &mut Vec<(FlowPoint<'a>, u32)>,
) {
    let first = thread.spans.start;
    let spans = spans.get(thread.spans.clone()).unwrap_or_default();
    // What has begun and may not be over, the innermost last.
    let mut open: Vec<usize> = Vec::new();
    let mut next = 0;
    for point in points {
        while let Some(span) = spans.get(next).filter(|span| span.start_ns <= point.at_ns) {
            // Of what begins with an earlier one's end, that one is over.
            while open
                .last()
                .and_then(|at| spans.get(*at))
                .is_some_and(|it| it.end_ns <= span.start_ns)
            {
                open.pop();
            }
            open.push(next);
            next += 1;
        }
        while open.last().and_then(|at| spans.get(*at)).is_some_and(|it| it.end_ns < point.at_ns) {
            open.pop();
        }
        let following = || {
            let at = spans.partition_point(|span| span.start_ns < point.at_ns);
            (at < spans.len()).then_some(at)
        };
        let found = if point.is_of_next { following() } else { open.last().copied() };
        if let Some(index) = found.and_then(|at| u32::try_from(first + at).ok()) {
            bound.push((*point, index));
        }
    }
}
