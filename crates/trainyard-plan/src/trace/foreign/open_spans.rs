//! Spans whose beginning and end are two events: which end belongs to which beginning.

use std::collections::HashMap;

use super::SpanKind;
use super::builder::RawSpan;

/// The beginning or end of a span.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound<'a> {
    pub(crate) begins: bool,
    pub(crate) thread: u32,
    /// Tells those of a thread apart that begin and end on their own; empty where the last that has
    /// begun ends first.
    pub(crate) id: &'a str,
    /// ns.
    pub(crate) at: i64,
    pub(crate) name: u32,
    pub(crate) category: u32,
    /// Where in the file the event stands.
    pub(crate) event: usize,
}

/// The spans of beginnings and ends in any order. What has no end goes on to `last`; an end without a
/// beginning is nothing.
pub(crate) fn pair(mut bounds: Vec<Bound<'_>>, last: i64) -> Vec<RawSpan> {
    // Those of one instant stay in the file's order.
    bounds.sort_by_key(|bound| bound.at);
    let mut open: HashMap<(u32, &str), Vec<usize>> = HashMap::new();
    let mut spans: Vec<RawSpan> = Vec::with_capacity(bounds.len() / 2);
    for bound in &bounds {
        let of_thread = open.entry((bound.thread, bound.id)).or_default();
        if bound.begins {
            of_thread.push(spans.len());
            spans.push(RawSpan {
                thread: bound.thread,
                kind: SpanKind::Unfinished,
                start: bound.at,
                end: last.max(bound.at),
                name: bound.name,
                category: bound.category,
                events: (bound.event, None),
            });
        } else if let Some(span) = of_thread.pop().and_then(|at| spans.get_mut(at)) {
            span.kind = SpanKind::Whole;
            span.end = bound.at;
            span.events.1 = Some(bound.event);
        }
    }
    spans
}
