//! Which lane of its thread each span lies in: the first in which it overlaps nothing, so that what
//! lies inside another lies below it.

use super::Span;

/// No thread has more lanes: what is nested deeper shares the last one.
const MOST_LANES: usize = 64;

/// Times may be rounded to this, ns: the end of a span may seem to lie after the start of the next.
const ROUNDING: u64 = 1000;

/// Gives the spans of a thread their lanes, and says how many there are. They come by their starts,
/// what holds others first.
pub(super) fn assign(spans: &mut [Span]) -> usize {
    let mut ends: Vec<u64> = Vec::new();
    for span in spans {
        let is_over = |end: &u64| {
            let is_rounded = span.end_ns > *end && *end - span.start_ns.min(*end) <= ROUNDING;
            *end <= span.start_ns || is_rounded
        };
        let free = ends.iter().position(is_over).unwrap_or(ends.len()).min(MOST_LANES - 1);
        if free == ends.len() {
            ends.push(0);
        }
        if let Some(end) = ends.get_mut(free) {
            *end = span.end_ns.max(*end);
        }
        span.lane = free as u16;
    }
    ends.len()
}

#[cfg(test)]
mod tests {
    use super::super::SpanKind;
    use super::*;

    fn lanes(times: &[(u64, u64)]) -> (Vec<u16>, usize) {
        let span = |&(start_ns, end_ns): &(u64, u64)| Span {
            thread: 0,
            lane: 0,
            kind: SpanKind::Whole,
            start_ns,
            end_ns,
            name: 0,
            category: 0,
            events: (0, None),
        };
        let mut spans: Vec<Span> = times.iter().map(span).collect();
        let count = assign(&mut spans);
        (spans.iter().map(|span| span.lane).collect(), count)
    }

    #[test]
    fn what_lies_inside_lies_below_and_what_follows_beside() {
        let nested = [(0, 90_000), (10_000, 50_000), (20_000, 30_000), (50_000, 60_000)];
        assert_eq!(lanes(&nested), (vec![0, 1, 2, 1], 3));
        assert_eq!(lanes(&[(0, 20_000), (10_000, 40_000)]), (vec![0, 1], 2));
        // Rounded to a µs: the first ends a µs late.
        assert_eq!(lanes(&[(0, 11_000), (10_000, 20_000)]), (vec![0, 0], 1));
        // But what is as short as that, and inside, is inside.
        assert_eq!(lanes(&[(0, 900), (200, 500)]), (vec![0, 1], 2));
        assert_eq!(lanes(&[]), (vec![], 0));
    }

    #[test]
    fn there_are_never_more_than_can_be_shown() {
        let deep: Vec<(u64, u64)> = (0..10_000).map(|at| (at, 20_000_000 - at)).collect();
        assert_eq!(lanes(&deep).1, MOST_LANES);
    }
}
